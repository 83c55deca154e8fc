// Claims about the state of a machine: which it refuses to be put back into.

package metering

import (
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

func TestAStateThatNoMachineReachesIsRefused(t *testing.T) {
	k, _ := quantity.NewRatio(1, 1)
	machine := func() *Machine { return NewMachine([]Meter{{Bits: 32, K: k}}, []Window{{}}) }
	running := func() *Machine {
		m := machine()
		m.Step(10, &Event{Kind: Open, Raw: 100, RawAt: 9, Quality: tag.Good}, nil)
		m.Step(20, &Event{Kind: Reading, Raw: 110, RawAt: 20, Quality: tag.Good}, nil)
		return m
	}
	for claim, change := range map[string]func(w *window, s *source){
		"used without a line":                     func(w *window, _ *source) { w.Tally.Lines = 0 },
		"opened without having been used":         func(w *window, _ *source) { w.Used = false },
		"open after its end":                      func(w *window, _ *source) { w.EndAt = 5 },
		"held and not open":                       func(w *window, _ *source) { w.Open, w.Held = false, true },
		"fewer lines than none":                   func(w *window, _ *source) { w.Tally.Lines = -1 },
		"a source of a quality that there is not": func(w *window, _ *source) { w.Tally.Source = 3 },
		"a window better than its source":         func(w *window, _ *source) { w.Tally.Source = uint8(tag.Bad) },
		"a window of a quality that there is not": func(w *window, _ *source) { w.Tally.Quality, w.Tally.Source = 3, 3 },
		"a device of a quality that there is not": func(w *window, _ *source) { w.DevQuality = 3 },
		"in a gap that was not counted":           func(w *window, _ *source) { w.Tally.InGap = true },
		"a gap of less than no time":              func(w *window, _ *source) { w.Tally.GapTime = -1 },
		"held for less than no time":              func(w *window, _ *source) { w.HeldTime = -1 },
		"more readings in the median than it has": func(w *window, _ *source) { w.Tally.Integral.Read = maxMedian + 1 },
		"a place that the median has not":         func(w *window, _ *source) { w.Tally.Integral.Next = maxMedian },
		"a line beyond all time":                  func(w *window, _ *source) { w.Tally.Line = epoch + 1 },
		"a device's total below zero":             func(w *window, _ *source) { w.Device = -1 },
		"a source beyond all time":                func(_ *window, s *source) { s.Since = -epoch - 1 },
		"a second counter of no quality":          func(_ *window, s *source) { s.Other.Quality = 9 },
	} {
		m := running()
		change(&m.st[0], &m.sources[0])
		_, err := machine().Restore(m.Snapshot(nil))
		require.Error(t, err, claim)
	}
	m := machine()
	m.st[0].Open = true
	_, err := machine().Restore(m.Snapshot(nil))
	require.Error(t, err, "open without having been opened")
	m = machine()
	m.st[0].Tally.Lines = 1
	_, err = machine().Restore(m.Snapshot(nil))
	require.Error(t, err, "lines without having been opened")

	whole := running().Snapshot(nil)
	digest := len(whole) - 109 // its length, then the state of the hash
	for claim, change := range map[string]func(){
		"a digest that is longer":  func() { whole[digest]++ },
		"a digest that is shorter": func() { whole[digest]-- },
		"another digest":           func() { whole[digest+1] = 'S' },
	} {
		whole = running().Snapshot(nil)
		_, err := machine().Restore(append(whole, 0))
		require.NoError(t, err, claim)
		change()
		_, err = machine().Restore(append(whole, 0))
		require.Error(t, err, claim)
	}
}

func TestAPlaceBehindTheMedianOfItsMeterIsItsFirst(t *testing.T) {
	m := Meter{Method: Flow, Median: 3}
	g := integral{Next: maxMedian - 1, Read: 2, Ring: [maxMedian]int64{5, 6, 7}}
	require.EqualValues(t, 7, g.median(&m, 9), "of 9, 6 and 7")
	require.EqualValues(t, 1, g.Next)
}
