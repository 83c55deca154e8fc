//go:build linux

// The claims of lines and of the port, on chips of a real kernel.

package linux

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/internal/vmbed/guest"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// limited gives a test that waits for a kernel an end.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestKernelOutputDrivesItsSafeLevelFromTheFirstMomentAndHasOneOwner(t *testing.T) {
	c := newSimChip(t, "k-out", "", "RELAY")
	require.NoError(t, c.Pull(1, false))
	o, err := OpenOutput(LineAt{Name: "RELAY"}, true, nil)
	require.NoError(t, err)
	high, err := c.Level(1)
	require.NoError(t, err)
	require.True(t, high)
	_, err = OpenOutput(LineAt{Chip: "k-out", Offset: 1}, false, nil)
	require.ErrorIs(t, err, syscall.EBUSY)
	require.ErrorContains(t, err, `linux: output: line 1 of chip "k-out" (line 1 of gpiochip`)
	require.ErrorContains(t, err, `"batchkit" has it already`)
	require.NoError(t, o.Set(false))
	high, err = o.Get()
	require.NoError(t, err)
	require.False(t, high)
	require.NoError(t, o.Close())
}

func TestKernelOutputsOfABoardThatLacksSomethingAreHadAlone(t *testing.T) {
	c := newSimChip(t, "k-part", "", "")
	src := `board: part
version: "1"
schema_version: 1
outputs:
  - {channel: do/1, chip: no-such-chip, line: 0, safe: low}
  - {channel: do/2, chip: k-part, line: 1, safe: high}
rtc: {device: rtc-none}
`
	b, err := ParseBoard("part.yaml", []byte(src))
	require.NoError(t, err)
	_, err = b.Open()
	require.ErrorIs(t, err, os.ErrNotExist)
	high, err := c.Level(1)
	require.NoError(t, err)
	require.False(t, high, "nothing is driven")
	d, err := b.OpenOutputs()
	require.ErrorContains(t, err, `part.yaml:5:5: output "do/1": `)
	defer d.Close()
	high, err = c.Level(1)
	require.NoError(t, err)
	require.True(t, high)
	now := func() int64 { return Monotonic() }
	require.NoError(t, d.Port(now).Write(limited(t), tag.Write{Channel: "do/2", Bits: 0}))
	require.ErrorContains(t, d.Port(now).Write(limited(t), tag.Write{Channel: "do/1"}), `no output "do/1"; there are: do/2`)
}

func TestKernelEdgesHaveTheTimeOfTheKernelAndTheirNumbers(t *testing.T) {
	c := newSimChip(t, "k-in", "A")
	require.NoError(t, c.Pull(0, false))
	in, err := OpenInput(LineAt{Chip: "k-in", Name: "A"}, nil)
	require.NoError(t, err)
	defer in.Close()
	before := Monotonic()
	require.NoError(t, c.Pull(0, true))
	after := Monotonic()
	require.NoError(t, c.Pull(0, false))
	ctx, cancel := context.WithCancel(limited(t))
	var edges []hal.Edge
	require.NoError(t, in.Watch(ctx, func(e hal.Edge) {
		if edges = append(edges, e); len(edges) == 2 {
			cancel()
		}
	}))
	require.Len(t, edges, 2)
	require.True(t, edges[0].High && !edges[1].High)
	require.GreaterOrEqual(t, edges[0].Mono, before)
	require.LessOrEqual(t, edges[0].Mono, after)
	require.Equal(t, []uint32{1, 2}, []uint32{edges[0].Seq, edges[1].Seq})
	require.Zero(t, edges[0].Lost+edges[1].Lost)
}

func TestKernelDebounceMakesOneEdgeOfManyBounces(t *testing.T) {
	edges, took := bounces(t, "k-bounce")
	for n := 2; took > 25*time.Millisecond; n++ { // the machine stood still: they may be edges
		require.LessOrEqual(t, n, 5, "the machine is too busy to bounce")
		edges, took = bounces(t, fmt.Sprint("k-bounce-", n))
	}
	require.Len(t, edges, 1)
	require.True(t, edges[0].High)
}

// bounces has an input with a debounce of 50 ms go up by nine bounces, and gives its edges, and how long it bounced.
func bounces(t *testing.T, label string) (edges []hal.Edge, took time.Duration) {
	t.Helper()
	c := newSimChip(t, label, "A")
	require.NoError(t, c.Pull(0, false))
	in, err := OpenInput(LineAt{Chip: label}, &InputOptions{Debounce: 50 * time.Millisecond})
	require.NoError(t, err)
	defer in.Close()
	from := time.Now()
	for i := range 9 {
		require.NoError(t, c.Pull(0, i%2 == 0))
	}
	took = time.Since(from)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.NoError(t, in.Watch(ctx, func(e hal.Edge) { edges = append(edges, e) }))
	return edges, took
}

func TestKernelPolarityOfTheBoardTurnsBothWays(t *testing.T) {
	c := newSimChip(t, "k-low", "IN", "OUT")
	require.NoError(t, c.Pull(0, false))
	in, err := OpenInput(LineAt{Name: "IN"}, &InputOptions{ActiveLow: true})
	require.NoError(t, err)
	defer in.Close()
	on, err := in.Get()
	require.NoError(t, err)
	require.True(t, on)
	out, err := OpenOutput(LineAt{Name: "OUT"}, true, &OutputOptions{ActiveLow: true})
	require.NoError(t, err)
	defer out.Close()
	high, err := c.Level(1)
	require.NoError(t, err)
	require.False(t, high)
}

// kernelPort opens a board of an output, an input and a counter.
func kernelPort(t *testing.T, label string) (*guest.Chip, *Devices) {
	c := newSimChip(t, label, "OUT", "IN", "CTR")
	require.NoError(t, c.Pull(1, false))
	require.NoError(t, c.Pull(2, false))
	b, err := ParseBoard("board.yaml", []byte(`board: k
version: "1"
schema_version: 1
resend: 100 ms
outputs: [{channel: do/1, chip: `+label+`, line: 0, safe: low}]
inputs: [{channel: di/1, line: IN, chip: `+label+`}]
counters: [{channel: ctr/1, chip: `+label+`, line: 2, max_rate: 500}]
`))
	require.NoError(t, err)
	d, err := b.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return c, d
}

func TestKernelPortEndsAtTheTrueLevelHoweverFastItsEdgesCome(t *testing.T) {
	c, d := kernelPort(t, "k-burst")
	port := d.Port(Monotonic)
	for i := range 201 {
		require.NoError(t, c.Pull(1, i%2 == 0))
	}
	ctx, cancel := context.WithCancel(limited(t))
	rounds, last := 0, uint64(9)
	require.NoError(t, port.Watch(ctx, func(r tag.Raw) {
		if r.Channel == "di/1" {
			last = r.Bits
		}
		switch rounds += map[bool]int{true: 1}[r.Channel == "do/1"]; rounds {
		case 2:
			for i := range 200 {
				_ = c.Pull(1, i%2 == 1)
			}
			rounds++
		case 6:
			cancel()
		}
	}))
	high, err := c.Level(1)
	require.NoError(t, err)
	require.True(t, high)
	require.Equal(t, uint64(1), last)
}

func TestKernelPortCountsPulsesAndDrivesItsOutput(t *testing.T) {
	c, d := kernelPort(t, "k-count")
	port := d.Port(Monotonic)
	ctx, cancel := context.WithCancel(limited(t))
	go func() {
		for range 30 {
			_, _ = c.Pull(2, true), c.Pull(2, false)
			time.Sleep(5 * time.Millisecond)
		}
		_ = port.Write(ctx, tag.Write{Channel: "do/1", Bits: 1})
	}()
	count, on := uint64(0), false
	require.NoError(t, port.Watch(ctx, func(r tag.Raw) {
		switch r.Channel {
		case "ctr/1":
			count = r.Bits
		case "do/1":
			on = r.Bits == 1 && r.Quality == tag.Good
		}
		if on && count == 30 {
			cancel()
		}
	}))
	require.Equal(t, uint64(30), count)
	high, err := c.Level(0)
	require.NoError(t, err)
	require.True(t, high)
}

func TestKernelChipThatIsTakenAwayIsFoundOut(t *testing.T) {
	c := newSimChip(t, "k-gone", "A")
	in, err := OpenInput(LineAt{Chip: "k-gone"}, nil)
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- in.Watch(limited(t), func(hal.Edge) {}) }()
	require.NoError(t, c.Close())
	err = <-done
	require.ErrorIs(t, err, syscall.ENODEV)
	_, err = in.Get()
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestKernelBoardWithAWrongDeviceSaysWhichLineAndWhatThereIs(t *testing.T) {
	newSimChip(t, "k-there", "PUMP", "VALVE")
	held, err := OpenOutput(LineAt{Name: "VALVE"}, false, nil)
	require.NoError(t, err)
	defer held.Close()
	b, err := ParseBoard("board.yaml", []byte(`board: k
version: "1"
schema_version: 1
outputs:
  - {channel: do/1, chip: k-there, line: PUMP, safe: high}
  - {channel: do/2, chip: pinctrl-bcm2711, line: 17, safe: low}
  - {channel: do/3, chip: k-there, line: 5, safe: low}
  - {channel: do/4, chip: k-there, line: VALVE, safe: low}
`))
	require.NoError(t, err)
	_, err = b.Open()
	require.ErrorContains(t, err, `board.yaml:6:5: output "do/2": gpiochip labelled "pinctrl-bcm2711" not found; there are: `)
	require.ErrorContains(t, err, "k-there (gpiochip")
	require.ErrorContains(t, err, `board.yaml:7:5: output "do/3": line 5 of chip "k-there" not found; there are: lines 0 to 1 of gpiochip`)
	require.ErrorContains(t, err, `board.yaml:8:5: output "do/4": line "VALVE" of chip "k-there" (line 1 of gpiochip`)
	require.ErrorContains(t, err, `"batchkit" has it already`)
	require.NotContains(t, err.Error(), "do/1")
	free, err := OpenOutput(LineAt{Name: "PUMP"}, false, nil)
	require.NoError(t, err, "a board that cannot be opened whole is not opened at all")
	require.NoError(t, free.Close())
}
