// The sum of a window: what one reading after another adds to it, exactly.

package metering

import (
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// maxMedian is how many readings a median may be of.
const maxMedian = 9

// integral is the sum of one window, in units of which K makes counts, and what the next reading is held against. Its fields are
// exported for snapshots only. Times are those of lines, of which none lies before the one before it in its epoch.
type integral struct {
	Sum     quantity.Acc
	Count   int64 // counters: counts since it began; Weight: counts gained
	Apart   int64 // Pulses: counts that Cutoff leaves out
	Last    int64 // counters: the last reading; Flow, Weight: what it stands for
	First   int64 // Weight: what the reading stands for with which it began
	Tare    int64 // Weight: that reading
	At      int64 // when Last was read; Flow: up to where it is integrated
	Changed int64 // counters: when the count last changed
	Inc     int64 // counters: last increment that was added, 0 where its time is not known
	Took    int64 // and its time
	Ring    [maxMedian]int64
	Has     bool  // Flow: Last is in force
	Timed   bool  // counters: At and Changed belong to this epoch
	Bridged bool  // counters: no line without number lies between Changed and now
	Fresh   bool  // counters: the next reading is the first of another device
	Outside bool  // the last reading lay outside the curve
	Over    bool  // the sum does not fit, or something on the way to it
	Read    uint8 // readings in Ring
	Next    uint8 // place of the next one; 0 while Read is
}

// begin takes in the reading in force when the window opened. It is false where that lies outside the curve.
func (g *integral) begin(m *Meter, start, at, x int64) bool {
	*g = integral{Last: x, At: at, Changed: at, Timed: true, Bridged: true}
	if m.Method <= Totalizer {
		return true
	}
	y, ok := g.stands(m, g.median(m, x))
	g.Last, g.First, g.Tare, g.Has, g.Outside = y, y, x, ok, !ok
	g.At = max(at, start)
	return ok
}

// add takes in a reading.
func (g *integral) add(m *Meter, at, x int64) Note {
	switch m.Method {
	case Flow:
		return g.flow(m, at, x)
	case Weight:
		return g.weigh(m, x)
	}
	return g.count(m, at, x)
}

// count adds the increment of a counter. An increment of nothing adds nothing and leaves the time since the last change running.
func (g *integral) count(m *Meter, at, x int64) Note {
	old, dt, timed := g.Last, at-g.At, g.Timed
	g.Last, g.At = x, at
	if g.Fresh {
		g.anew(at)
		return NoNote
	}
	var inc int64
	var note Note
	if m.Method == Pulses {
		inc, note = counted(m.Bits, m.Most, old, x, dt, timed)
	} else {
		inc, note = totalled(m.Modulus, m.Most, old, x, dt, timed)
	}
	switch {
	case note >= WasReset:
		g.anew(at)
		return note
	case inc == 0 && timed:
		return note
	}
	took, whole := at-g.Changed, g.Bridged
	g.Changed, g.Timed, g.Bridged, g.Inc = at, true, true, 0
	if !plus(&g.Count, inc) {
		g.Over = true
	}
	if len(m.Curve.A) == 0 && m.Cutoff <= 0 {
		g.Over = !g.Sum.Add(inc) || g.Over
		g.Inc, g.Took = inc, took
		if !timed {
			g.Inc = 0
		}
		return note
	}
	return g.curved(m, inc, took, timed, whole, note)
}

// curved adds an increment that took so long, where that matters.
func (g *integral) curved(m *Meter, inc, took int64, timed, whole bool, note Note) Note {
	if m.Method == Pulses && m.Cutoff > 0 && timed && whole && took > m.Cutoff {
		g.Over = !plus(&g.Apart, inc) || g.Over
		return note
	}
	if !timed && len(m.Curve.A) > 0 || inc == 0 {
		return note
	}
	i := m.Curve.pieceOf(inc, took)
	if g.Outside = i < 0; g.Outside {
		return OutOfRange
	}
	g.Over = !m.Curve.amount(&g.Sum, i, inc, took) || g.Over
	if timed {
		g.Inc, g.Took = inc, took
	}
	return note
}

// anew lets a counter count on from its last reading.
func (g *integral) anew(at int64) {
	g.Changed, g.Timed, g.Bridged, g.Fresh, g.Inc = at, true, true, false, 0
}

// flow integrates the reading before up to this one.
func (g *integral) flow(m *Meter, at, x int64) Note {
	if m.Median > 1 {
		x = g.median(m, x)
	}
	y, ok := x, true
	if len(m.Curve.A) > 0 || m.Cutoff > 0 {
		if y, ok = g.stands(m, x); !ok {
			g.hold(m, at)
			g.Has, g.Outside = false, true
			return OutOfRange
		}
	}
	if dt := at - g.At; dt > 0 {
		if g.Has && !g.area(m, y, dt) {
			g.Over = true
		}
		g.At = at
	}
	g.Last, g.Has, g.Outside = y, true, false
	return NoNote
}

// area adds what lies between the reading before and y, dt ns later. K of a trapezoid carries the half.
func (g *integral) area(m *Meter, y, dt int64) bool {
	if !m.Trapezoid {
		return g.Sum.AddMul(g.Last, dt)
	}
	if both := g.Last + y; (g.Last^both)&(y^both) >= 0 {
		return g.Sum.AddMul(both, dt)
	}
	return g.Sum.AddMul(g.Last, dt) && g.Sum.AddMul(y, dt)
}

// hold integrates the reading in force up to at, as it is.
func (g *integral) hold(m *Meter, at int64) {
	if m.Method != Flow || at <= g.At {
		return
	}
	if g.Has && !g.area(m, g.Last, at-g.At) {
		g.Over = true
	}
	g.At = at
}

// weigh takes in what the scale shows.
func (g *integral) weigh(m *Meter, x int64) Note {
	x = g.median(m, x)
	y, ok := g.stands(m, x)
	if !ok {
		g.Outside = true
		return OutOfRange
	}
	g.Last, g.Has, g.Outside = y, true, false
	to, from := y, g.First
	if m.Loss {
		to, from = from, to
	}
	g.Sum = quantity.Acc{}
	g.Sum.Add(to)
	s := quantity.Acc{}
	s.Add(from)
	g.Sum, _ = g.Sum.Sub(s) // two numbers of 64 bits
	g.Count = x - g.Tare
	g.Over = g.Over || (x^g.Tare)&(x^g.Count) < 0
	return NoNote
}

// gap takes in a line without number: nothing is integrated until the next one with a number, and a median begins anew.
func (g *integral) gap(m *Meter, at int64) {
	g.hold(m, at)
	g.Has, g.Read, g.Next, g.Bridged = false, 0, 0, false
}

// cut takes in that an epoch began: no time is known from the one before to this one.
func (g *integral) cut(at int64) {
	g.Has, g.Read, g.Next, g.Timed, g.Bridged, g.Inc = false, 0, 0, false, false, 0
	g.At, g.Changed = at, at
}

// replaced takes in that another device is read from now on.
func (g *integral) replaced(m *Meter, at int64) {
	g.gap(m, at)
	g.Fresh, g.Inc = true, 0
}

// flows tells whether something flowed at the end, at time at.
func (g *integral) flows(m *Meter, at int64) bool {
	switch m.Method {
	case Flow:
		return g.Has && g.Last != 0
	case Weight:
		return false
	}
	return g.Inc != 0 && at-g.Changed <= second
}

// edge is what flows in a second at the rate at the end, in counts of the total; 0 where that does not fit.
func (g *integral) edge(m *Meter, at int64) int64 {
	if !g.flows(m, at) {
		return 0
	}
	var one quantity.Acc
	if m.Method == Flow {
		g := integral{Last: g.Last, Has: true}
		g.hold(m, second)
		one = g.Sum
	} else {
		i := m.Curve.pieceOf(g.Inc, g.Took)
		if i < 0 || !m.Curve.amount(&one, i, g.Inc, g.Took) {
			return 0
		}
		one, _ = one.MulDivRound(second, g.Took) // 0 where it took no time
	}
	v, _ := m.scale(one)
	return v
}

// stands is what a reading stands for; false where it lies outside the curve. A flow below the cutoff is none.
func (g *integral) stands(m *Meter, x int64) (int64, bool) {
	if m.Method == Flow && x < m.Cutoff && x > -m.Cutoff {
		return 0, true
	}
	c := &m.Curve
	if len(c.A) == 0 {
		return x, true
	}
	i := c.piece(x)
	if i < 0 {
		return 0, false
	}
	var exact quantity.Acc
	fits := exact.AddMul(c.A[i], x) && exact.Add(c.B[i])
	y, whole := exact.Int64()
	g.Over = g.Over || !fits || !whole
	return y, true
}

// median takes a reading into the ring and gives the median of those that are there, of the newest odd number of them.
func (g *integral) median(m *Meter, x int64) int64 {
	if m.Median <= 1 {
		return x
	}
	n := uint8(min(m.Median, maxMedian)-1) | 1 // of an even number all but the oldest
	if g.Next >= n {
		g.Next = 0
	}
	g.Ring[g.Next] = x
	if g.Next++; g.Next == n {
		g.Next = 0
	}
	g.Read = min(g.Read+1, n)
	ring := g.Ring
	sorted := ring[1-g.Read%2 : g.Read] // an even number is not full, and begins with its oldest
	for i := 1; i < len(sorted); i++ {
		v, at := sorted[i], i
		for ; at > 0 && sorted[at-1] > v; at-- {
			sorted[at] = sorted[at-1]
		}
		sorted[at] = v
	}
	return sorted[len(sorted)/2]
}

// total is the sum in counts of the total's resolution; BAD where it does not fit.
func (g *integral) total(m *Meter) (int64, tag.Quality) {
	v, fits := m.scale(g.Sum)
	if !fits || g.Over {
		return v, tag.Bad
	}
	return v, tag.Good
}

// scale makes counts of the total of a sum; false where it does not fit.
func (m *Meter) scale(sum quantity.Acc) (int64, bool) {
	return sum.ScaleRoundBy(m.K, max(1, m.Curve.Per))
}

// plus adds v, which is not below zero, to a. It is false, and a stays, where that does not fit.
func plus(a *int64, v int64) bool {
	sum := *a + v
	if sum < *a {
		return false
	}
	*a = sum
	return true
}
