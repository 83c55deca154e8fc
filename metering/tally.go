// What the sample lines of a window add up to: its sum, its quality, its gaps, and how regularly they came.

package metering

import (
	"math"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// tally is all of a Total that follows from the lines of a window alone. Its fields are exported for snapshots only.
type tally struct {
	Integral integral
	Line     int64 // time of the last line
	Number   int64 // time of the last line with a number in this epoch
	Lines    int64
	Spread   int64 // sum of the times between two lines with a number in one epoch, ns
	Spaces   int64 // how many those are
	Late     int64
	Missing  int64
	Gaps     int64
	GapTime  int64
	Tail     int64 // time from the last line with a number to the end, ns; 0 before it, and where there is none in this epoch
	Gap      int64 // length of the gap that is open, or was last
	Cuts     int64
	Quality  uint8 // worst
	Source   uint8 // now
	Numbered bool  // there is a line with a number in this epoch
	InGap    bool
}

// begin takes in the first line, the reading in force when the window opened. It is false where the calibration does not know it.
func (t *tally) begin(m *Meter, start, at, x int64) bool {
	*t = tally{Line: at, Number: at, Numbered: true, Lines: 1, Quality: uint8(tag.Good), Source: uint8(tag.Good)}
	return t.Integral.begin(m, start, at, x)
}

// number takes in a line with a number. at is not before the last line of its epoch.
func (t *tally) number(m *Meter, at, x int64) Note {
	t.pass(at)
	t.InGap = false
	t.Source = uint8(tag.Good)
	if t.Numbered {
		t.space(m.Period, at-t.Number)
	}
	t.Number, t.Numbered = at, true
	note := t.Integral.add(m, at, x)
	if note >= WasReset || t.Integral.Over {
		t.Quality = uint8(tag.Bad)
	}
	return note
}

// space counts the time between two readings.
func (t *tally) space(period, ns int64) {
	t.Spaces++
	sum(&t.Spread, ns)
	if n := missing(period, ns); n > 0 {
		t.Late++
		sum(&t.Missing, n)
	}
}

// missing is how many readings did not come in a time.
func missing(period, ns int64) int64 {
	if period <= 0 || ns-period <= period/2 {
		return 0
	}
	n, _ := quantity.MulDivRound(ns, 1, period)
	return n - 1
}

// blank takes in a line without number.
func (t *tally) blank(m *Meter, w word, at int64) {
	switch w {
	case cut:
		t.Lines, t.Line, t.Numbered = t.Lines+1, at, false
		t.Cuts++
		t.Integral.cut(at)
		w = stale
	case fresh:
		t.pass(at)
		t.Integral.replaced(m, at)
		t.Quality = uint8(tag.Bad)
		return
	default:
		t.pass(at)
		t.Integral.gap(m, at)
	}
	t.Source = uint8(w)
	t.Quality = min(t.Quality, uint8(w))
	if !t.InGap {
		t.InGap, t.Gap = true, 0
		t.Gaps++
	}
}

// pass takes in that time has come to at.
func (t *tally) pass(at int64) {
	t.reach(at)
	t.Lines++
}

// reach lets a gap last until at.
func (t *tally) reach(at int64) {
	if at <= t.Line {
		return
	}
	if t.InGap {
		sum(&t.Gap, at-t.Line)
		sum(&t.GapTime, at-t.Line)
	}
	t.Line = at
}

// end takes in that the window ends.
func (t *tally) end(m *Meter, at int64) {
	t.reach(at)
	t.Integral.hold(m, at)
	if t.Integral.Over {
		t.Quality = uint8(tag.Bad)
	}
	if t.Numbered {
		t.Tail = max(0, at-t.Number)
		sum(&t.Missing, missing(m.Period, t.Tail))
	}
}

// fill writes what the lines say into a total.
func (t *tally) fill(m *Meter, to *Total) {
	to.Samples, to.Source, to.Quality = t.Lines, tag.Quality(t.Source), tag.Quality(t.Quality)
	var q tag.Quality
	to.Value, q = t.Integral.total(m)
	to.Quality = min(to.Quality, q)
	to.Raw, to.Apart, to.Tare = t.Integral.Count, t.Integral.Apart, t.Integral.Tare
	if t.Spaces > 0 {
		to.Period, _ = quantity.NewRatio(t.Spread, t.Spaces)
	}
	to.Late, to.Missing, to.Gaps, to.GapTime, to.Cuts = t.Late, t.Missing, t.Gaps, t.GapTime, t.Cuts
}

// sum adds v, which is not below zero, to a, as far as that goes.
func sum(a *int64, v int64) {
	if !plus(a, v) {
		*a = math.MaxInt64
	}
}
