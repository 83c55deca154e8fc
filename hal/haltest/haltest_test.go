// The suites are green where a device keeps its promises: on the simulated board, in memory and on files.

package haltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/hal/sim"
)

// board is a simulated board.
func board(t *testing.T, o *sim.BoardOptions) *sim.Board {
	b, err := sim.NewBoard(7, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// limit is a ctx with a deadline.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// green holds what a suite says of a device that is right: nothing broken, and nothing left out but what is named.
func green(t *testing.T, r haltest.Report, err error, notChecked ...string) {
	t.Helper()
	require.NoError(t, err)
	require.True(t, r.Passed())
	require.NotEmpty(t, r.Kept)
	require.Len(t, r.NotChecked, len(notChecked), "%q", r.NotChecked)
	for i, want := range notChecked {
		require.Contains(t, r.NotChecked[i], want)
	}
	_, err = json.Marshal(r)
	require.NoError(t, err)
}

func TestTheSimulatedFRAMIsGreenInMemoryAndInAFile(t *testing.T) {
	for name, o := range map[string]*sim.BoardOptions{
		"memory": {FRAMSize: 8192}, "file": {FRAMSize: 1024, FRAMFile: filepath.Join(t.TempDir(), "fram")},
	} {
		b := board(t, o)
		_, err := b.FRAM().WriteAt([]byte("what somebody has kept here"), 300)
		require.NoError(t, err)
		before, after := make([]byte, o.FRAMSize), make([]byte, o.FRAMSize)
		_, err = b.FRAM().ReadAt(before, 0)
		require.NoError(t, err)

		r, err := haltest.FRAM(limit(t), b.FRAM(), &haltest.FRAMOptions{At: 256, Len: 512, Power: b, Clock: b})
		green(t, r, err)
		require.NotEmpty(t, r.Figures, name)
		r, err = haltest.FRAM(limit(t), b.FRAM(), nil)
		green(t, r, err, "in the cells: not checked; it takes a PowerSwitch", "takes a PowerSwitch that has CutAtByte")

		_, err = b.FRAM().ReadAt(after, 0)
		require.NoError(t, err)
		require.Equal(t, before, after, name)
	}
}

func TestTheSimulatedClockChipIsGreenAndIsSetBack(t *testing.T) {
	b := board(t, &sim.BoardOptions{DriftPPM: 40})
	before, err := b.RTC().Read()
	require.NoError(t, err)
	r, err := haltest.RTC(limit(t), b.RTC(), &haltest.RTCOptions{Clock: b, Power: b, Over: 20 * time.Second})
	green(t, r, err)
	after, err := b.RTC().Read()
	require.NoError(t, err)
	require.InDelta(t, before+b.Now(), after, 2e9)
	require.Equal(t, "drift_ppm", r.Figures[1].Name)
	require.InDelta(t, 40, r.Figures[1].P50, 260, "each end is found 5 ms late at most")

	dead := board(t, &sim.BoardOptions{DeadCell: true})
	r, err = haltest.RTC(limit(t), dead.RTC(), &haltest.RTCOptions{Clock: dead})
	green(t, r, err, "runs on while the board is off", "that can Discharge")
	after, err = dead.RTC().Read()
	require.NoError(t, err)
	require.Equal(t, 2000, time.Unix(0, after).UTC().Year(), "a time that nobody believes")
}

func TestSimulatedLinesAreGreenInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, nil)
		b.Connect("DO1", "DI1")
		in, out := b.Input("DI1"), b.Output("DO1")
		r, err := haltest.Input(limit(t), in, &haltest.InputOptions{Loop: out, Clock: b, Mono: b.Now})
		green(t, r, err)
		r, err = haltest.Output(limit(t), out, &haltest.OutputOptions{Loop: in, Clock: b, Power: b})
		green(t, r, err)
		r, err = haltest.Input(limit(t), in, nil)
		green(t, r, err, "it takes a loop from an output")
		r, err = haltest.Output(limit(t), out, &haltest.OutputOptions{Close: true})
		green(t, r, err, "it takes a loop to an input", "a PowerSwitch and a loop")
		r, err = haltest.Input(limit(t), in, &haltest.InputOptions{Close: true})
		green(t, r, err, "it takes a loop from an output")
	})
}

func TestSimulatedSerialPortsAreGreenInPairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, nil)
		here, there := b.Bus()
		r, err := haltest.RS485(limit(t), here, &haltest.RS485Options{Peer: there})
		green(t, r, err, "it takes Baud")
		r, err = haltest.RS485(limit(t), here, &haltest.RS485Options{Close: true})
		green(t, r, err, "it takes Baud", "a second port")
		near, far := b.Serial()
		r, err = haltest.RS232(limit(t), near, &haltest.RS232Options{Peer: far})
		green(t, r, err)
		r, err = haltest.RS232(limit(t), plug{far, near}, &haltest.RS232Options{Plug: true, Close: true})
		green(t, r, err, "a second port")
	})
}

// plug is a port whose other end leads back to it: what is written at one end is read at the other by the same hand.
type plug struct{ out, in hal.RS232 }

func (p plug) Write(b []byte) (int, error)                           { return p.out.Write(b) }
func (p plug) Read(ctx context.Context, b []byte) (n int, err error) { return p.in.Read(ctx, b) }
func (p plug) Close() error                                          { return errors.Join(p.out.Close(), p.in.Close()) }

func TestTheSimulatedWatchdogIsGreenAndReallyBites(t *testing.T) {
	for _, stays := range []bool{false, true} {
		b := board(t, &sim.BoardOptions{WatchdogStays: stays})
		r, err := haltest.Watchdog(limit(t), b.Watchdog(), &haltest.WatchdogOptions{Timeout: 3500 * time.Millisecond, AllowBite: true, Bench: b, Clock: b})
		if stays {
			green(t, r, err, "go on feeding this one")
		} else {
			green(t, r, err)
		}
		require.Equal(t, hal.ResetWatchdog, b.Reset())
		require.Equal(t, haltest.Figure{Name: "timeout_ns", Count: 1, Min: 3e9, P50: 3e9, P99: 3e9, Max: 3e9}, r.Figures[0])
	}
	b := board(t, nil)
	r, err := haltest.Watchdog(limit(t), b.Watchdog(), &haltest.WatchdogOptions{Clock: b})
	green(t, r, err, "sees a reset from outside", "AllowBite, and a Bench")
	require.Equal(t, hal.ResetPower, b.Reset())
}

func TestTheSimulatedWarningKeyAndCounterAreGreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, nil)
		r, err := haltest.Power(limit(t), b.Power(), &haltest.PowerOptions{Supply: b, Clock: b})
		green(t, r, err)
		r, err = haltest.Power(limit(t), b.Power(), nil)
		green(t, r, err, "it takes a SupplySwitch")
		r, err = haltest.Signer(limit(t), b.Signer(), nil)
		green(t, r, err)
		r, err = haltest.Counter(limit(t), b.Counter(), &haltest.CounterOptions{Spend: 5, Power: b})
		green(t, r, err)
		r, err = haltest.Counter(limit(t), b.Counter(), nil)
		green(t, r, err, "takes Spend", "takes Spend")
	})
}

func TestASuiteWithoutADeadlineIsRefusedAndOneWithoutTimeIsNotGreen(t *testing.T) {
	b := board(t, nil)
	_, err := haltest.FRAM(context.Background(), b.FRAM(), nil)
	require.ErrorIs(t, err, haltest.ErrNoDeadline)
	_, err = haltest.Port(context.Background(), nil, nil)
	require.ErrorIs(t, err, haltest.ErrNoDeadline)
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	r, err := haltest.Counter(ctx, b.Counter(), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, `haltest: Counter "counter": not finished, give it more time`)
	require.Contains(t, strings.Join(r.NotChecked, "\n"), "more time: ctx had ended before it was its turn")
}

// hangs is a counter whose bus hangs.
type hangs struct{ until chan struct{} }

func (h hangs) Read() (uint64, error)      { <-h.until; return 0, nil }
func (h hangs) Increment() (uint64, error) { panic("nobody is there") }

func TestADeviceThatHangsOrPanicsIsABreachAndNotTheEndOfTheSuite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hangs{make(chan struct{})}
		_, err := haltest.Counter(limit(t), h, nil)
		require.ErrorContains(t, err, "a call that did not return; ctx ended")
		close(h.until)
		_, err = haltest.Counter(limit(t), h, &haltest.CounterOptions{Spend: 1})
		require.ErrorContains(t, err, "seen: a panic: nobody is there")
	})
}

// deafInput is an input whose bus hangs once its level has changed.
type deafInput struct {
	hal.InputLine
	loop  *valve
	until chan struct{}
}

func (d deafInput) Get() (bool, error) {
	high, moved := d.loop.is()
	if moved {
		<-d.until
	}
	return high, nil
}

// valve is an output that is seen from outside.
type valve struct {
	mu                sync.Mutex
	high, moved, dumb bool
}

func (v *valve) is() (high, moved bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.high, v.moved
}

func (v *valve) Close() error { return nil }

func (v *valve) Get() (bool, error) {
	if v.dumb {
		return false, errors.New("the bus is busy")
	}
	high, _ := v.is()
	return high, nil
}

func (v *valve) Set(high bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.high, v.moved = high, true
	return nil
}

func TestAnOutputIsSetBackThoughWhatItWasDrivenForHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &valve{}
		d := deafInput{InputLine: board(t, nil).Input("DI1"), loop: v, until: make(chan struct{})}
		r, err := haltest.Input(limit(t), d, &haltest.InputOptions{Loop: v})
		require.ErrorContains(t, err, "a call that did not return; ctx ended")
		high, moved := v.is()
		require.True(t, moved)
		require.False(t, high, "a valve was left open")
		require.Contains(t, strings.Join(r.NotChecked, "\n"), "the output of the loop is set back: not checked; it takes a device that answers")
		require.NotContains(t, r.Kept, "the output of the loop is set back")
		close(d.until)
	})
}

func TestWhatCannotBeSetBackIsNotSet(t *testing.T) {
	v := &valve{high: true, dumb: true}
	_, err := haltest.Output(limit(t), v, nil)
	require.ErrorContains(t, err, "the bus is busy")
	require.False(t, v.moved, "nobody knows at which level it was")

	c := &busyClock{}
	r, err := haltest.RTC(limit(t), c, nil)
	require.ErrorContains(t, err, "another process has it")
	require.Zero(t, c.sets, "it would show another time from then on")
	require.Contains(t, strings.Join(r.NotChecked, "\n"), "everything that sets the clock: not checked")
}

// busyClock is a clock chip that another process has.
type busyClock struct{ sets int }

func (c *busyClock) Read() (int64, error) { return 0, errors.New("another process has it") }

func (c *busyClock) Set(int64) error {
	c.sets++
	return nil
}

// terrier is a watchdog that remembers whether it is armed.
type terrier struct{ armed bool }

func (d *terrier) Arm(timeout time.Duration) (time.Duration, error) {
	if timeout < time.Second {
		return 0, errors.New("too short")
	}
	d.armed = true
	return timeout, nil
}
func (d *terrier) Feed() error  { return nil }
func (d *terrier) Close() error { return nil }
func (d *terrier) Disarm() error {
	d.armed = false
	return nil
}

func TestAWatchdogIsStoppedThoughItsSuiteIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &terrier{}
		r, err := haltest.Watchdog(limit(t), d, &haltest.WatchdogOptions{Timeout: 10 * time.Minute})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, d.armed, "it would reset the machine")
		require.Contains(t, r.Kept, "the watchdog is stopped though the suite was called off")
	})
}

// slowMemory is a memory that takes 2 s for a write of 1000 bytes, and calls the suite off at the first of these.
type slowMemory struct {
	hal.FRAM
	off func()
}

func (m slowMemory) WriteAt(p []byte, off int64) (int, error) {
	if len(p) > 1000 {
		m.off()
		time.Sleep(2 * time.Second)
	}
	return m.FRAM.WriteAt(p, off)
}

func TestAMemoryIsPutBackWhateverTimeItsPartTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		was := make([]byte, b.FRAM().Size())
		for i := range was {
			was[i] = byte(i * 3)
		}
		_, err := b.FRAM().WriteAt(was, 0)
		require.NoError(t, err)
		_, err = haltest.FRAM(ctx, slowMemory{b.FRAM(), cancel}, nil)
		require.ErrorIs(t, err, context.Canceled)
		got := make([]byte, len(was))
		_, err = b.FRAM().ReadAt(got, 0)
		require.NoError(t, err)
		require.Equal(t, was, got, "the suite has returned, and its process may end")
		time.Sleep(time.Minute) // until who hangs has gone
	})
}
