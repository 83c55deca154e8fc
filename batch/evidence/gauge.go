// A meter as its readings show it, whether a window is open or not, and what windows take in beside their lines.

package evidence

import (
	"math"
	"math/big"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
)

// role is which of a meter's sources a tag is.
type role uint8

const (
	mainRole role = iota
	otherRole
	deviceRole
	identityRole
)

// gauge is one meter.
type gauge struct {
	meter *iomap.Meter
	bound metering.Meter
	tags  [4]tag.ID // by role; tag.None where there is none

	last     int64 // reading of the source
	changed  int64 // when it last was another one
	low      int64 // of a scale: limits of its readings since
	high     int64
	since    int64
	identity int64
	named    bool
	has      bool // last is of this epoch
	moved    bool // changed is
	runs     bool // low, high and since hold
	stable   bool
	device   beside
	other    beside
}

// beside is a counter that is read beside the source.
type beside struct {
	last, at int64
	has      bool
	timed    bool
	quality  tag.Quality
}

func newGauge(m *iomap.Meter, bound metering.Meter) *gauge {
	return &gauge{meter: m, bound: bound, tags: [4]tag.ID{m.Source, m.Second.Source, m.Totalizer, m.Identity}}
}

// read takes in a reading of the source, or that it has none.
func (g *gauge) read(at, x int64, q tag.Quality) {
	if q != tag.Good {
		g.runs = false
		return
	}
	if g.has && x != g.last {
		g.changed, g.moved = at, true
	}
	g.last, g.has = x, true
	if !g.runs || new(big.Int).Sub(big.NewInt(max(g.high, x)), big.NewInt(min(g.low, x))).Cmp(big.NewInt(g.bound.Within)) > 0 {
		g.low, g.high, g.since, g.runs = x, x, at, true
		return
	}
	g.low, g.high = min(g.low, x), max(g.high, x)
}

// settle judges whether the scale is stable, and names what it has become.
func (g *gauge) settle(at int64) string {
	if g.bound.Method != metering.Weight {
		return ""
	}
	was := g.stable
	g.stable = g.bound.Settled <= 0 || g.runs && at-g.since >= g.bound.Settled
	switch {
	case g.stable && !was && g.bound.Settled > 0:
		return "stable"
	case was && !g.stable:
		return "unstable"
	}
	return ""
}

func (g *gauge) cut() {
	g.has, g.moved, g.runs, g.device.timed, g.other.timed = false, false, false, false, false
}

// flowed tells whether something flowed in the second before, or the scale was not stable.
func (g *gauge) flowed(at int64, t *tally) bool {
	switch g.bound.Method {
	case metering.Flow:
		return t.value.Sign() != 0
	case metering.Weight:
		return !g.stable
	}
	return g.moved && at-g.changed <= nsOfSecond
}

// gauges are the meters of the windows of the recipe, in its order.
func (r *records) gauges() (out []*gauge) {
	_, equipment, err := r.resolve()
	if err != nil {
		return nil // that is told elsewhere
	}
	seen := map[*iomap.Meter]bool{}
	for _, name := range metersOf(r.rec.Root, nil) {
		m := equipment.Meter(name)
		if m == nil || m.Source == tag.None || seen[m] {
			continue
		}
		seen[m] = true
		bound, _ := batch.BindMeter(r.m, r.cal, m) // its error is told where a window of it opens
		out = append(out, newGauge(m, bound))
	}
	return out
}

// scaled is a value off the wire as meters take it: of a counter as it comes, of a number in counts of its resolution, rounded half to
// even once. ok is false where it is none.
func scaled(t *iomap.Tag, form tag.Form, bits uint64) (v int64, ok bool) {
	if form != t.Form || t.Type == iomap.Switch {
		return 0, false
	}
	if t.Type == iomap.Counter {
		return int64(bits), form == tag.Int
	}
	var raw *big.Rat
	switch form {
	case tag.Float32:
		raw = new(big.Rat).SetFloat64(float64(math.Float32frombits(uint32(bits))))
	case tag.Float64:
		raw = new(big.Rat).SetFloat64(math.Float64frombits(bits))
	default:
		raw = new(big.Rat).SetInt64(int64(bits))
	}
	if raw == nil { // NaN or infinity
		return 0, false
	}
	gain, offset := t.Scale.Gain, t.Scale.Offset
	raw.Mul(raw, big.NewRat(gain.Num(), gain.Den()))
	raw.Add(raw, big.NewRat(offset.Num(), offset.Den()))
	n := halfEven(raw.Num(), raw.Denom())
	return n.Int64(), n.IsInt64() && (!t.Valid || t.Min <= n.Int64() && n.Int64() <= t.Max)
}
