// Steps of the wall clock on Linux: the kernel cancels a timer when somebody sets the clock.

package system

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// steps calls told, which must not block, whenever the wall clock was set, and blocks until ctx ends or the kernel cannot tell. A clock
// that is slewed is not set.
func steps(ctx context.Context, told func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("system: timer for steps of the wall clock: %w", err)
	}
	// Read through a file, so that no thread waits in it; it is set before that, while nobody can close it.
	late := unix.ItimerSpec{Value: unix.NsecToTimespec(0)}
	late.Value.Sec = math.MaxInt32 // in 2038, which is all that 32 bits hold; then it wakes once for nothing
	err = unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &late, nil)
	f := os.NewFile(uintptr(fd), "timerfd")
	defer f.Close()
	if err != nil {
		return fmt.Errorf("system: timer for steps of the wall clock: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = f.Close() })()
	var expired [8]byte
	for {
		_, err := f.Read(expired[:])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ECANCELED):
			told()
		case err != nil:
			return fmt.Errorf("system: timer for steps of the wall clock: %w", err)
		}
	}
}
