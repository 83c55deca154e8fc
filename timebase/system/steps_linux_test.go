// The claims of the timer that tells of steps.

package system

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWaitingForStepsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- steps(ctx, func() {}) }()
	time.AfterFunc(10*time.Millisecond, cancel)
	require.ErrorIs(t, <-done, context.Canceled)
	require.ErrorIs(t, steps(ctx, func() {}), context.Canceled)
}

// TestAStepOfThisMachinesClockIsToldOf sets the clock of this machine 20 ms forward and back again; a daemon that keeps it has to find
// its way again.
func TestAStepOfThisMachinesClockIsToldOf(t *testing.T) {
	if os.Getenv("BATCHKIT_SETCLOCK") == "" {
		t.Skip("sets the clock of this machine, by 20 ms and back; wants BATCHKIT_SETCLOCK=1 and root")
	}
	set := func(by time.Duration) {
		t.Helper()
		at := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
		require.NoError(t, unix.ClockSettime(unix.CLOCK_REALTIME, &at))
	}
	c := NewClock(1)
	w := follow(t, c, []Watching{{Ref: timebase.Ref{Name: "kernel", Kind: timebase.NTP}, From: NewKernel(c)}})
	time.Sleep(100 * time.Millisecond) // until it waits for steps
	from := w.shown.Load().Steps
	at := c.Now()
	set(20 * time.Millisecond)
	defer set(-20 * time.Millisecond)
	require.Eventually(t, func() bool { return w.shown.Load().Steps > from }, 10*time.Second, time.Millisecond)
	o := w.shown.Load()
	t.Logf("shown %s after the clock was set: moved by %s", time.Duration(o.Mono-at), time.Duration(o.Moved))
	require.InDelta(t, 20*time.Millisecond, o.Moved, float64(5*time.Millisecond))
}
