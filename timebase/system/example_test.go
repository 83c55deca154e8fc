// The examples of package system: a clock, an alarm, the wall clock beside it, and references of it that are watched.

package system_test

import (
	"context"
	"errors"
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

// silent stands for chronyd, ptp4l or a chip, which ParseRefs("chrony,rtc") would name.
type silent struct{}

func (silent) Read(context.Context) (timebase.Reading, error) {
	return timebase.Reading{}, errors.New("nobody answers")
}

// A Watch is the Wall of a runner.Rig: whoever observes it sees how far the wall clock may be believed now.
func ExampleWatch() {
	refs := []system.Watching{{Ref: timebase.Ref{Name: "chrony", Kind: timebase.NTP}, From: silent{}}}
	w, err := system.NewWatch(system.NewClock(1), refs, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err = w.Run(ctx) // on a goroutine of its own, for as long as the controller lives
	fmt.Println(err)
	fmt.Println(w.Observe().Sync)
	// Output:
	// context deadline exceeded
	// UNSET
}
