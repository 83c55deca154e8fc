// The example of package system: a clock, an alarm, and the wall clock beside it.

package system_test

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

func Example() {
	clock := system.NewClock(10) // ten times as fast as real time
	rang := make(chan int64, 1)
	alarm := clock.Alarm(func() { rang <- clock.Now() })
	alarm.Set(int64(100 * time.Millisecond))
	fmt.Println("not early:", <-rang >= int64(100*time.Millisecond))

	err := clock.Wait(context.Background(), int64(200*time.Millisecond))
	fmt.Println("waited:", clock.Now() >= int64(200*time.Millisecond), err)

	var keeper timebase.Keeper
	keeper.Observe(system.Wall(clock).Observe())
	fmt.Println(keeper.Stamp(clock.Now()).Source)
	// Output:
	// not early: true
	// waited: true <nil>
	// host x10
}
