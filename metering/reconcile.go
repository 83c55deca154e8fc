// Reconciliation: the totals of a window held against each other, and the likely cause where they differ.

package metering

import (
	"math"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Status is what a reconciliation comes to.
type Status uint8

// The statuses, from the best to the worst.
const (
	StatusPass Status = iota // every pair is within the tolerance, nothing that was expected is absent, and the window is GOOD
	StatusWarn               // a pair is beyond the tolerance and within twice of it; or something is absent; or the window is not GOOD, or Forced
	StatusFail               // a pair is beyond twice the tolerance
)

// String gives the word that records use: PASS, WARN or FAIL.
func (s Status) String() string { return [...]string{"PASS", "WARN", "FAIL"}[min(s, StatusFail)] }

// Hint is the likely cause of a difference, found from evidence.
type Hint uint8

// The hints, in the order in which they are looked for. The first that fits is named; Reconcile has the test of each.
const (
	NoHint             Hint = iota // the pairs are within the tolerance, and no total is marked
	HintRollover                   // a counter or totalizer rolled over, was set back, or was exchanged
	HintTimeJump                   // the wall clock was stepped while the window was open
	HintMissingSamples             // readings are missing
	HintWindowMismatch             // something flowed at an edge of the window
	HintCalibration                // one total has grown in proportion to the other
	HintUnexplained                // none of these fits
)

// String gives the words that records use; "" for none.
func (h Hint) String() string {
	return [...]string{"", "rollover", "time jump", "missing samples", "window mismatch", "calibration mismatch",
		"unexplained"}[min(h, HintUnexplained)]
}

// Anomaly is something about the edges or the course of a window that whoever reads its totals should know. They make a set.
type Anomaly uint16

// The anomalies.
const (
	ClosedByTimeout Anomaly = 1 << iota // a step ran out of time, and the window was closed with it
	ClosedByStop
	ClosedByAbort
	FlowedAtStart   // something flowed when it opened
	FlowedAtEnd     // the same when it closed
	StaleAtStart    // the reading in force when it opened was more than a period and a half old
	GapAtStart      // its source was not GOOD within a period after it opened
	GapAtEnd        // its source was BAD when it closed
	StaleAtEnd      // the same, STALE; or the last reading was more than a period and a half old
	ClockStepInside // the wall clock was stepped while it was open
	NotStable       // the scale was not stable when it closed
	Forced          // a source of its meter was in override; the total is made of what the device said all the same
	anomalyEnd
)

var anomalyNames = [...]string{"closed_by_timeout", "closed_by_stop", "closed_by_abort", "flow_at_start", "flow_at_end", "stale_at_start",
	"gap_at_start", "gap_at_end", "stale_at_end", "clock_step", "not_stable", "forced"}

// AppendNames appends the names of the set to dst, in the order of the constants: those that records use.
func (a Anomaly) AppendNames(dst []string) []string {
	for i, one := 0, Anomaly(1); one < anomalyEnd; i, one = i+1, one<<1 {
		if a&one != 0 {
			dst = append(dst, anomalyNames[i])
		}
	}
	return dst
}

// Side is one of the totals that a window's own is held against: the device's, or the historian's.
type Side struct {
	Expected bool  // there should be one
	Has      bool  // there is one, and Value is true
	Value    int64 // counts of the meter's resolution
	Modulus  int64 // counts of the meter's resolution after which it begins anew; 0: never, or not known
	Marked   bool  // it was set back or exchanged while the window was open
	Excess   int64 // by how much Value is too great if what was taken for rollovers were set-backs to 0; 0 where there was none
	Lag      int64 // ns: how old its reading may be by what the map declares
}

// Facts are what a reconciliation rests on. Amounts are counts of the meter's resolution.
//
// The records reconcile and reconcile_amended have in facts, as name=value, what is not 0 of them besides totals and anomalies. In
// the unit of the record: edge, excess, grain, half_batch (Half), half_meter (DeviceHalf), modulus, and of the device meter_excess
// and meter_modulus. In ns: lag_ns, length_ns, lost_ns, moved_ns, meter_lag_ns and historian_lag_ns (Lag of the sides). A number:
// gaps. Yes: blind, reset (Marked) and, of the device, meter_reset.
type Facts struct {
	Total     int64 // of the window
	Good      bool  // the window is GOOD
	Tolerance int64 // greatest difference within which two totals agree
	Grain     int64 // greatest step in which a total grows: one pulse, or one count of the device
	Length    int64 // ns for which the window was open
	Modulus   int64 // as in Side, of the source
	Marked    bool  // as in Side, of the source
	Excess    int64 // as in Side, of the source

	Gaps  int64 // times that the source was not GOOD, and epochs that began
	Lost  int64 // ns for which readings are missing, as far as that is known
	Blind bool  // an epoch began: nobody knows for how long readings are missing

	Edge  int64 // what flowed in the last second before it closed
	Lag   int64 // ns: how old a reading of the source may be: the period of its readings, and what its filter delays
	Moved int64 // ns by which the wall clock was stepped, all steps added without their signs

	Half       int64 // total when it passed half of the target; 0: not known
	DeviceHalf int64 // the device's then

	OtherCalibration bool // the historian names another calib_version

	Anomalies Anomaly
	Device    Side
	Historian Side
}

// PairDelta is the difference of two totals.
type PairDelta struct {
	Compared bool  // both are there
	Fits     bool  // Delta fits 64 bits; where it does not the status is FAIL
	Delta    int64 // the first less the second
	Status   Status
}

// The pairs of a Verdict.
const (
	BatchMeter = iota
	BatchHistorian
	MeterHistorian
	pairCount
)

// Verdict is what a reconciliation comes to.
type Verdict struct {
	Status          Status
	Hint            Hint
	Pairs           [pairCount]PairDelta
	NoMeter         bool // the device's total is expected and absent
	NoHistorian     bool // the historian's
	NothingCompared bool // there is no total but the window's own
}

// Reconcile holds the totals of a window against each other. A pair is within the tolerance: PASS; within twice of it: WARN; beyond:
// FAIL. The worst pair tells. Where a total that is expected is absent, where there is nothing to compare, or where the window is not
// GOOD or Forced, PASS becomes WARN.
//
// A hint is looked for where a pair is not within the tolerance, and then for the worst pair, the first of several in the order of the
// constants; or where the window is not GOOD or the device's total is absent. Rates are means: of the greater total of the pair over the
// length of the window. The difference d is the first total less the second. The tests, in their order, are:
//
//   - rollover: a source or device of the pair was set back or exchanged; or |d| differs by the tolerance at most from a multiple, not
//     zero, of the modulus of either, and a quarter of the modulus is more than the tolerance; or d differs by the tolerance at most from
//     what one of them is too great by if what was taken for its rollovers were set-backs.
//   - time jump, where the historian is of the pair and the wall clock was stepped: |d| is from half of what flows in the time of the
//     steps to twice of it; or the steps are as long as the window, and say nothing.
//   - missing samples: the window's own total is of the pair and is the lesser in amount, and what flows in twice the lost time is |d| or
//     more; or an epoch began.
//   - window mismatch: something flowed at an edge, and what flows in the time by which readings of both may be old is |d| or more: at
//     the end at the rate of the last second, in whole counts, at the start at the mean rate.
//   - calibration mismatch, where the historian is of the pair and names another calibration; or, where it is not, d at half of the
//     target over the total then is d at the end over the total. The error of each is two grains and what flows in twice the lag of the
//     source, in whole counts; d at half is more than that, and d at the end at least twice of it.
//
// Where none fits the hint is unexplained.
func Reconcile(f *Facts) (v Verdict) {
	d, h := &f.Device, &f.Historian
	v.NoMeter, v.NoHistorian = d.Expected && !d.Has, h.Expected && !h.Has
	v.Pairs[BatchMeter] = f.pair(d.Has, f.Total, d.Value)
	v.Pairs[BatchHistorian] = f.pair(h.Has, f.Total, h.Value)
	v.Pairs[MeterHistorian] = f.pair(d.Has && h.Has, d.Value, h.Value)
	v.NothingCompared = !d.Has && !h.Has
	worst := BatchMeter
	for i := range v.Pairs {
		if v.Pairs[i].Status > v.Pairs[worst].Status {
			worst = i
		}
	}
	v.Status = v.Pairs[worst].Status
	switch {
	case v.Status != StatusPass:
		v.Hint = f.cause(worst, &v.Pairs[worst])
	case !f.Good || v.NoMeter:
		v.Hint = f.mark(v.NoMeter)
	}
	if !f.Good || v.NoMeter || v.NoHistorian || v.NothingCompared || f.Anomalies&Forced != 0 {
		v.Status = max(v.Status, StatusWarn)
	}
	return v
}

// pair judges the difference of two totals.
func (f *Facts) pair(has bool, a, b int64) (p PairDelta) {
	if !has {
		return p
	}
	p.Compared = true
	p.Delta, p.Fits = minus(a, b)
	switch amount := size(p.Delta); {
	case !p.Fits:
		p.Delta, p.Status = 0, StatusFail
	case amount <= uint64(f.Tolerance):
	case amount <= 2*uint64(f.Tolerance):
		p.Status = StatusWarn
	default:
		p.Status = StatusFail
	}
	return p
}

// mark tells why a total is marked that no pair accuses.
func (f *Facts) mark(noMeter bool) Hint {
	switch {
	case f.Marked || f.Device.Marked:
		return HintRollover
	case f.Gaps > 0 || f.Lost > 0 || f.Blind || noMeter:
		return HintMissingSamples
	}
	return HintUnexplained
}

// cause finds why a pair differs.
func (f *Facts) cause(pair int, p *PairDelta) Hint {
	own, device, historian := pair != MeterHistorian, pair != BatchHistorian, pair != BatchMeter
	d, top := size(p.Delta), f.top(own, device, historian)
	switch {
	case own && f.Marked, device && f.Device.Marked:
		return HintRollover
	case !p.Fits:
		return HintUnexplained
	case own && f.rolls(d, f.Modulus), device && f.rolls(d, f.Device.Modulus), historian && f.rolls(d, f.Historian.Modulus):
		return HintRollover
	case own && f.near(p.Delta, f.Excess, 1), device && own && f.near(p.Delta, f.Device.Excess, -1),
		device && historian && f.near(p.Delta, f.Device.Excess, 1):
		return HintRollover
	case historian && f.jumped(d, top):
		return HintTimeJump
	case own && f.short(p.Delta) && (f.Blind || f.Lost > 0 && f.flow(top, 2, f.Lost, 1, d) >= 0):
		return HintMissingSamples
	case f.mismatched(d, top, own, device, historian):
		return HintWindowMismatch
	case historian && f.OtherCalibration, pair == BatchMeter && f.proportional(p.Delta, top):
		return HintCalibration
	}
	return HintUnexplained
}

// top is the greatest amount among the totals of a pair.
func (f *Facts) top(own, device, historian bool) (top uint64) {
	if own {
		top = size(f.Total)
	}
	if device {
		top = max(top, size(f.Device.Value))
	}
	if historian {
		top = max(top, size(f.Historian.Value))
	}
	return top
}

// rolls tells whether d is near a multiple of a modulus, not zero.
func (f *Facts) rolls(d uint64, modulus int64) bool {
	tol := uint64(f.Tolerance)
	if modulus <= 0 || uint64(modulus)/4 <= tol || d+tol < uint64(modulus) {
		return false
	}
	rest := d % uint64(modulus)
	return rest <= tol || uint64(modulus)-rest <= tol
}

// near tells whether d is near an excess, which is not 0, with a sign.
func (f *Facts) near(d, excess, sign int64) bool {
	off, ok := minus(d, sign*signed(size(excess)))
	return excess > 0 && ok && size(off) <= uint64(f.Tolerance)
}

// jumped tells whether d is what flowed in about the time by which the wall clock was stepped.
func (f *Facts) jumped(d, top uint64) bool {
	if f.Moved == 0 {
		return false
	}
	if f.Moved >= f.Length {
		return true
	}
	return f.flow(top, 2, f.Moved, 1, d) >= 0 && f.flow(top, 1, f.Moved, 2, d) <= 0
}

// short tells whether the window's own total is the lesser in amount by a difference d of it less another.
func (f *Facts) short(d int64) bool { return d < 0 && f.Total >= 0 || d > 0 && f.Total <= 0 }

// flow compares n times what flows in some ns, at the rate of so much over the length of the window, with k times d.
func (f *Facts) flow(top uint64, n, ns, k int64, d uint64) int {
	var sum, want quantity.Acc
	for range n {
		if !sum.AddMul(signed(top), max(ns, 0)) {
			return 1 // beyond 128 bits is beyond all that it is compared with
		}
	}
	for range k {
		if !want.AddMul(signed(d), max(f.Length, 0)) {
			return -1
		}
	}
	return sum.Cmp(want)
}

// mismatched tells whether what flowed at the edges in the time by which readings may be old is d or more.
func (f *Facts) mismatched(d, top uint64, own, device, historian bool) bool {
	var lag int64
	for _, part := range [...]struct {
		of  bool
		lag int64
	}{{own, f.Lag}, {device, f.Device.Lag}, {historian, f.Historian.Lag}} {
		if part.of {
			lag = clipped(lag, part.lag)
		}
	}
	var sum, want quantity.Acc
	fits := want.AddMul(signed(d), f.Length)
	if f.Anomalies&FlowedAtStart != 0 {
		fits = fits && sum.AddMul(signed(top), lag)
	}
	if f.Anomalies&FlowedAtEnd != 0 { // edge a second, times lag, times length: all over a second
		var edge quantity.Acc
		edge.AddMul(signed(size(f.Edge)), lag)
		flowed, ok := edge.DivRound(1_000_000_000)
		fits = fits && ok && sum.AddMul(flowed, f.Length)
	}
	return fits && (sum != quantity.Acc{}) && sum.Cmp(want) >= 0
}

// proportional tells whether the difference to the device's total was, at half of the target, in proportion what it is at the end.
func (f *Facts) proportional(d int64, top uint64) bool {
	half, ok := minus(f.Half, f.DeviceHalf)
	var flowed quantity.Acc
	flowed.AddMul(signed(top), clipped(f.Lag, f.Lag))
	moved, told := flowed.DivRound(f.Length)
	if ok = ok && told; moved > math.MaxInt64/8 {
		return false
	}
	grain := clipped(clipped(f.Grain, f.Grain), moved)
	if !ok || f.Half == 0 || f.Total == 0 || size(half) <= uint64(grain) || size(d)/2 < uint64(grain) || (half < 0) != (d < 0) {
		return false
	}
	// |half*total - d*f.Half| <= error*(total+f.Half)
	var left, cross, most quantity.Acc
	fits := left.AddMul(half, f.Total) && cross.AddMul(d, f.Half) && most.AddMul(signed(size(f.Total)), grain) &&
		most.AddMul(signed(size(f.Half)), grain)
	diff, ok := left.Sub(cross)
	if fits = fits && ok; fits && diff.Hi < 0 {
		diff, fits = diff.Neg()
	}
	return fits && diff.Cmp(most) <= 0
}

// minus is a-b; false where that does not fit, or has no amount that does.
func minus(a, b int64) (int64, bool) {
	d := a - b
	ok := (a >= b) == (d >= 0) && d != math.MinInt64
	return d, ok
}

// size is the amount of v.
func size(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// signed brings an amount into the range of an int64, clipped a sum of two times.
func signed(v uint64) int64 { return int64(min(v, math.MaxInt64)) }

func clipped(a, b int64) int64 {
	a, b = max(a, 0), max(b, 0)
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
