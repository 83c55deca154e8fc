// An auditor: what a window's lines and total must be by the package comment, in exact rational numbers, written without the
// machine.

package metering_test

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
)

// auditor knows a meter by its calibration as it is written.
type auditor struct {
	m      metering.Meter
	factor metering.Factor
	per    *big.Rat // counts of the total for a true value of 1 in the calibration's unit; of flows: and a ns
	one    *big.Rat // what a count of the source is, in the calibration's unit; of frequencies: Hz by ns, or kg/s by ns
}

// answer is what the auditor finds.
type answer struct {
	value                                                      int64
	fits                                                       bool
	raw                                                        *big.Int
	apart                                                      int64
	worst, source                                              tag.Quality
	lines, late, missing, gaps, gapTime, cuts, spread, spacing int64
	notes                                                      []metering.Note
}

type sampleLine struct {
	at   int64
	raw  int64
	word string
}

func readLines(text string) (lines []sampleLine) {
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		f := strings.Split(line, "\t")
		at, err := strconv.ParseInt(f[0], 10, 64)
		raw, other := strconv.ParseInt(f[1], 10, 64)
		if err != nil || (other == nil) != (f[2] == "GOOD") {
			panic(fmt.Sprintf("line %q", line))
		}
		lines = append(lines, sampleLine{at, raw, f[2]})
	}
	return lines
}

func ratOf(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func times(a *big.Rat, more ...*big.Rat) *big.Rat {
	a = new(big.Rat).Set(a)
	for _, b := range more {
		a.Mul(a, b)
	}
	return a
}

func decimalOf(coef int64, scale uint8) *big.Rat {
	return new(big.Rat).SetFrac(big.NewInt(coef), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
}

// true is the true value of a value of the source, both in the calibration's units; nil outside of it.
func (a *auditor) true(x *big.Rat) *big.Rat {
	f := &a.factor
	switch {
	case f.K.Coef != 0:
		return times(x, decimalOf(f.K.Coef, f.K.Scale))
	case f.Gain.Coef != 0:
		y := times(x, decimalOf(f.Gain.Coef, f.Gain.Scale))
		return y.Add(y, decimalOf(f.Offset.Coef, f.Offset.Scale))
	}
	for i := 1; i < len(f.Points); i++ {
		p, q := f.Points[i-1], f.Points[i]
		px, qx := decimalOf(p.Source.Coef, p.Source.Scale), decimalOf(q.Source.Coef, q.Source.Scale)
		if x.Cmp(px) < 0 || x.Cmp(qx) > 0 {
			continue
		}
		py, qy := decimalOf(p.True.Coef, p.True.Scale), decimalOf(q.True.Coef, q.True.Scale)
		y := new(big.Rat).Sub(qy, py)
		y.Mul(y, new(big.Rat).Sub(x, px)).Quo(y, new(big.Rat).Sub(qx, px))
		return y.Add(y, py)
	}
	return nil
}

// audit goes through the lines of a window.
func (a *auditor) audit(text string, start, end int64) answer {
	lines := readLines(text)
	out := answer{raw: new(big.Int), worst: tag.Good, lines: int64(len(lines))}
	a.regularity(lines, end, &out)
	var total *big.Rat
	switch a.m.Method {
	case metering.Flow:
		total = a.flow(lines, start, end, &out)
	case metering.Weight:
		total = a.weight(lines, &out)
	default:
		total = a.counter(lines, &out)
	}
	out.value, out.fits = rounded(total)
	if len(out.notes) > 0 {
		for _, n := range out.notes {
			if n != metering.RolledOver {
				out.worst = tag.Bad
			}
		}
	}
	return out
}

// regularity looks at words and times.
func (a *auditor) regularity(lines []sampleLine, end int64, out *answer) {
	last, inGap := int64(-1), false // number of the last line with a number in this epoch
	for i, l := range lines {
		if i > 0 && inGap && l.word != "CUT" {
			out.gapTime += l.at - lines[i-1].at
		}
		switch l.word {
		case "GOOD":
			if last >= 0 {
				ns := l.at - lines[last].at
				out.spread, out.spacing = out.spread+ns, out.spacing+1
				if a.m.Period > 0 && 2*ns > 3*a.m.Period {
					out.late++
					n, _ := rounded(big.NewRat(ns, a.m.Period))
					out.missing += n - 1
				}
			}
			last, inGap, out.source = int64(i), false, tag.Good
			continue
		case "NEW":
			out.worst = tag.Bad
			continue
		case "CUT":
			last = -1
			out.cuts++
			out.source = tag.Stale
		case "STALE":
			out.source = tag.Stale
		case "BAD":
			out.source = tag.Bad
		}
		out.worst = min(out.worst, out.source)
		if !inGap {
			out.gaps++
		}
		inGap = true
	}
	if inGap {
		out.gapTime += end - lines[len(lines)-1].at
	}
	if last >= 0 && a.m.Period > 0 && 2*(end-lines[last].at) > 3*a.m.Period {
		n, _ := rounded(big.NewRat(end-lines[last].at, a.m.Period))
		out.missing += n - 1
	}
}

// filtered are the readings after the median, where a line has a number.
func (a *auditor) filtered(lines []sampleLine) []int64 {
	out, seen := make([]int64, len(lines)), []int64(nil)
	for i, l := range lines {
		if l.word != "GOOD" {
			seen = nil
			continue
		}
		seen = append(seen, l.raw)
		few := seen[max(0, len(seen)-max(1, a.m.Median)):]
		if len(few)%2 == 0 {
			few = few[1:]
		}
		few = slices.Sorted(slices.Values(few))
		out[i] = few[len(few)/2]
	}
	return out
}

// flow is the area under the lines, as rectangles or trapezoids.
func (a *auditor) flow(lines []sampleLine, start, end int64, out *answer) *big.Rat {
	sum := new(big.Rat)
	x := a.filtered(lines)
	y := make([]*big.Rat, len(lines)) // nil: no number
	for i, l := range lines {
		switch {
		case l.word != "GOOD":
		case x[i] < a.m.Cutoff && -x[i] < a.m.Cutoff:
			y[i] = new(big.Rat)
		default:
			if y[i] = a.true(times(a.one, ratOf(x[i]))); y[i] == nil {
				out.notes = append(out.notes, metering.OutOfRange)
			}
		}
	}
	epoch := start
	for i, l := range lines {
		if l.word == "CUT" {
			epoch = l.at
		}
		to, next := end, (*big.Rat)(nil)
		if i+1 < len(lines) {
			to, next = lines[i+1].at, y[i+1]
			if lines[i+1].word == "CUT" {
				continue
			}
		}
		if y[i] == nil {
			continue
		}
		mean := times(y[i])
		if a.m.Trapezoid && next != nil {
			mean.Add(mean, next).Mul(mean, big.NewRat(1, 2))
		}
		sum.Add(sum, times(mean, ratOf(max(to, epoch)-max(l.at, epoch)), a.per))
	}
	return sum
}

// weight is what the scale has gained, or lost.
func (a *auditor) weight(lines []sampleLine, out *answer) *big.Rat {
	x := a.filtered(lines)
	var first, last *big.Rat
	for i, l := range lines {
		if l.word != "GOOD" {
			continue
		}
		y := a.true(times(a.one, ratOf(x[i])))
		if y == nil {
			out.notes = append(out.notes, metering.OutOfRange)
			continue
		}
		if first == nil {
			first = y
		}
		last = y
		out.raw.SetInt64(x[i] - x[0])
	}
	d := new(big.Rat).Sub(last, first)
	if a.m.Loss {
		d.Neg(d)
	}
	return d.Mul(d, a.per)
}

// counter adds up increments.
func (a *auditor) counter(lines []sampleLine, out *answer) *big.Rat {
	sum := new(big.Rat)
	old, changed := lines[0], lines[0].at
	timed, whole, anew := true, true, false
	for _, l := range lines[1:] {
		switch l.word {
		case "CUT":
			timed, whole = false, false
			continue
		case "NEW":
			anew, whole = true, false
			continue
		case "GOOD":
		default:
			whole = false
			continue
		}
		inc, note := a.increment(old, l, timed)
		old = l
		if anew || note == metering.WasReset || note == metering.WasReplaced {
			if !anew {
				out.notes = append(out.notes, note)
			}
			anew, changed, timed, whole = false, l.at, true, true
			continue
		}
		if note != metering.NoNote {
			out.notes = append(out.notes, note)
		}
		if inc.Sign() == 0 && timed {
			continue
		}
		out.raw.Add(out.raw, inc)
		took, known, bridged := l.at-changed, timed, !whole
		changed, timed, whole = l.at, true, true
		if a.m.Method == metering.Pulses && a.m.Cutoff > 0 && known && !bridged && took > a.m.Cutoff {
			out.apart += inc.Int64()
			continue
		}
		n := new(big.Rat).SetInt(inc)
		switch {
		case a.factor.K.Coef != 0:
			sum.Add(sum, times(a.true(times(a.one, n)), a.per, ratOf(nsPerUnit)))
		case a.factor.Gain.Coef != 0 && a.factor.Offset.Coef == 0: // no curve: all of it is in K
			sum.Add(sum, times(n, a.one, decimalOf(a.factor.Gain.Coef, a.factor.Gain.Scale), a.per, ratOf(nsPerUnit)))
		case !known || inc.Sign() == 0:
		case a.factor.Gain.Coef != 0:
			v := times(n, a.one, decimalOf(a.factor.Gain.Coef, a.factor.Gain.Scale), ratOf(nsPerUnit))
			v.Add(v, times(ratOf(took), decimalOf(a.factor.Offset.Coef, a.factor.Offset.Scale)))
			sum.Add(sum, v.Mul(v, a.per))
		default:
			var y *big.Rat
			if took > 0 {
				y = a.true(times(n, a.one, big.NewRat(nsPerUnit, took)))
			}
			if y == nil {
				out.notes = append(out.notes, metering.OutOfRange)
				continue
			}
			sum.Add(sum, times(y, ratOf(took), a.per))
		}
	}
	return sum
}

// nsPerUnit: flows of the profiles are by the second.
const nsPerUnit = 1_000_000_000

// increment tells what lies between two readings of a counter.
func (a *auditor) increment(old, now sampleLine, timed bool) (*big.Int, metering.Note) {
	from, to := big.NewInt(old.raw), big.NewInt(now.raw)
	lap := big.NewInt(a.m.Modulus)
	if a.m.Method == metering.Pulses {
		lap.Lsh(big.NewInt(1), uint(a.m.Bits))
		from.Mod(from, lap)
		to.Mod(to, lap)
	}
	byRate := a.m.Most > 0 && timed
	fits := func(n *big.Int) bool {
		limit := new(big.Int).Mul(big.NewInt(a.m.Most), big.NewInt(now.at-old.at+1_000_000_000))
		return n.Sign() >= 0 && new(big.Int).Mul(n, big.NewInt(1_000_000_000)).Cmp(limit) <= 0
	}
	half := new(big.Int).Rsh(lap, 1)
	up := new(big.Int).Sub(to, from)
	if to.Cmp(from) >= 0 {
		switch {
		case byRate && !fits(up), !byRate && a.m.Method == metering.Pulses && up.Cmp(half) >= 0, !up.IsInt64():
			return nil, metering.WasReplaced
		}
		return up, metering.NoNote
	}
	round := new(big.Int).Add(up, lap)
	within := lap.Sign() > 0 && to.Sign() >= 0 && from.Cmp(lap) < 0
	switch {
	case !within:
	case byRate && fits(round) && round.IsInt64(), !byRate && a.m.Method == metering.Pulses && round.Cmp(half) < 0,
		!byRate && a.m.Method == metering.Totalizer && new(big.Int).Lsh(from, 1).Cmp(lap) >= 0 && new(big.Int).Lsh(to, 1).Cmp(lap) < 0:
		return round, metering.RolledOver
	}
	if !byRate || fits(to) {
		return nil, metering.WasReset
	}
	return nil, metering.WasReplaced
}
