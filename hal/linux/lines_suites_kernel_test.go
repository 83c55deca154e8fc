//go:build linux

// The suites of package haltest on lines of a real kernel.

package linux

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/internal/vmbed/guest"
	"github.com/batchkit/batchkit/iomap/tag"
)

// outside is a line of a simulated chip, as a plant has it: an output that pulls an input, or an input that sees an output.
type outside struct {
	chip *guest.Chip
	line int
}

func (o outside) Set(high bool) error { return o.chip.Pull(o.line, high) }
func (o outside) Get() (bool, error)  { return o.chip.Level(o.line) }
func (o outside) Close() error        { return nil }
func (o outside) Watch(ctx context.Context, _ func(hal.Edge)) error {
	<-ctx.Done()
	return nil
}

func TestKernelLinesKeepTheirContracts(t *testing.T) {
	c := newSimChip(t, "k-suite", "OUT", "IN")
	require.NoError(t, c.Pull(1, false))
	in, err := OpenInput(LineAt{Name: "IN"}, nil)
	require.NoError(t, err)
	out, err := OpenOutput(LineAt{Name: "OUT"}, false, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := haltest.Input(ctx, in, &haltest.InputOptions{Device: "IN", Loop: outside{c, 1}, Mono: Monotonic, Spacing: 20 * time.Millisecond,
		Settle: 20 * time.Millisecond, Close: true})
	require.NoError(t, err)
	require.Empty(t, r.NotChecked)
	t.Logf("%+v", r.Figures)
	r, err = haltest.Output(ctx, out, &haltest.OutputOptions{Device: "OUT", Loop: outside{c, 0}, Settle: 20 * time.Millisecond, Close: true})
	require.NoError(t, err)
	t.Logf("not checked: %q; %+v", r.NotChecked, r.Figures)
}

// process is the clock of a test.
type process struct{ begun time.Time }

func (p process) Now() int64 { return int64(time.Since(p.begun)) + 1 }
func (p process) Wait(ctx context.Context, until int64) error {
	pause(ctx, time.Duration(until-p.Now()))
	return ctx.Err()
}

func TestKernelPortKeepsItsContract(t *testing.T) {
	c, d := kernelPort(t, "k-contract")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // a wire from the output to the input
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			high, _ := c.Level(0)
			_ = c.Pull(1, high)
		}
	}()
	clock := process{time.Now()}
	r, err := haltest.Port(ctx, d.Port(clock.Now), &haltest.PortOptions{Device: "lines", Channels: d.Board.Channels(), Clock: clock,
		Outputs: []haltest.PortOutput{{Channel: "do/1", Form: tag.Bool, Values: [2]uint64{0, 1}}}, Loops: [][2]string{{"do/1", "di/1"}}})
	require.NoError(t, err)
	require.Empty(t, r.NotChecked)
	t.Logf("%q %+v", r.Kept, r.Figures)
}
