// What a discipline knows of each reference: what it said last, whether it is believed, and how often it came and went.

package timebase

import "math/bits"

// How a reference is damped that comes and goes: each loss adds FlapPenalty, half of which is gone after FlapHalfLife. Above FlapLimit
// the time for which it must be good doubles with each loss, up to MaxRaising; below FlapOver it is again what it was.
const (
	FlapPenalty  = 1000
	FlapLimit    = 3000
	FlapOver     = 1500
	FlapHalfLife = 600_000_000_000 // ns
	maxDoubled   = 12
	maxWhy       = 200 // bytes
)

// refState is what is known of one reference, of fixed size.
type refState struct {
	Last     anchor // what it said last; Known: it has said something
	Heard    int64  // monotonic ns, of Last
	Sum      int64  // of the state, when it was read last
	Leap     int8
	Up       bool
	UpT      int64 // since when it is Up
	Goods    int64 // good readings in a row
	GoodT    int64 // the first of them
	Soft     uint8 // one bit for each of the last 5 readings while it is Up; 1: soft evidence against it
	Penalty  int64 // at PenaltyT
	PenaltyT int64
	Doubled  uint8
	Why      Reason // it was lost for
	Flaps    bool   // it was found to flap, and nobody was told yet
}

// raising is for how long a reference must be good before it is believed, and how many readings that takes.
func (d *Discipline) raising(i int) (ns, goods int64) {
	ns, goods = NTPRaising, NTPGoods
	if d.c.Refs[i].Kind == PTP {
		ns, goods = PTPRaising, PTPGoods
	}
	return min(ns<<d.refs[i].Doubled, MaxRaising), goods
}

// hear takes in a reading.
func (d *Discipline) hear(l *Look) {
	if d.c.Refs[l.Ref].Kind == RTC {
		d.chip(l)
		return
	}
	r, v := &d.refs[l.Ref], &l.Reading
	why := d.weigh(l.Ref, l)
	switch {
	case why == Lost || why == Silent || why == ClockStep:
		r.Goods = 0
		if r.Up {
			d.lower(l.Ref, why, v.Why)
		}
		return
	case why == NoAnswer:
	case v.Heard > r.Heard || !r.Last.Known:
		d.keep(r, v)
	case d.c.Refs[l.Ref].Kind == PTP:
		r.Sum = d.st.Sum
		return // nothing new: its age tells
	}
	if why != NoAnswer {
		r.Sum = d.st.Sum
	}
	if why != NoReason {
		r.Goods = 0
	} else if r.Goods++; r.Goods == 1 {
		r.GoodT = d.now()
	}
	if !r.Up {
		if ns, goods := d.raising(l.Ref); r.Goods >= goods && d.now()-r.GoodT >= ns {
			r.Up, r.UpT, r.Soft = true, d.now(), 0
		}
		return
	}
	r.Soft = r.Soft << 1 & 0x1F
	if why != NoReason {
		r.Soft |= 1
	}
	if bits.OnesCount8(r.Soft) >= 3 {
		d.lower(l.Ref, why, v.Why)
	}
}

// weigh says what stands against a reading; NoReason: nothing. Lost and Silent are hard evidence, and ClockStep says that it is of
// before a step.
func (d *Discipline) weigh(i int, l *Look) Reason {
	v, ref := &l.Reading, &d.c.Refs[i]
	switch {
	case l.Failed:
		return NoAnswer
	case !v.Good:
		return Lost
	case v.Heard == 0 || v.Heard < -latestMono || v.Heard > d.st.Mono || v.Bound <= 0 || v.Bound > latestInterval || magnitude(v.Offset) > latestInterval:
		return NoAnswer // it cannot be right, or says nothing of how right it is
	case d.now()-d.sleepless(v.Heard) > ref.MaxAge:
		return Silent
	case d.st.FarMono > 0 && v.Heard <= d.st.FarMono:
		return ClockStep
	case int64(magnitude(v.Offset))+v.Bound > ref.MaxBound:
		return BoundExceeded
	}
	return NoReason
}

// sleepless is a monotonic time as one that counts sleep.
func (d *Discipline) sleepless(mono int64) int64 {
	if mono <= d.st.WokeMono {
		return mono + d.st.Before
	}
	return mono + d.st.Slept
}

// keep takes over what a reading says of the wall clock.
func (d *Discipline) keep(r *refState, v *Reading) {
	drift := d.c.Drift
	if v.Drift > 0 {
		drift = min(v.Drift, MaxDrift)
	}
	at, moved := d.sleepless(v.Heard), int64(0)
	if r.Last.Known { // it was heard after the reading before, and before or after the moves since
		moved = int64(min(magnitude(d.st.Sum-r.Sum), latestInterval))
	}
	r.Heard, r.Leap = v.Heard, min(max(v.Leap, -1), 1)
	r.Last = anchor{Known: true, AtT: at, FromT: at, Bound: int64(magnitude(v.Offset)) + v.Bound + moved, Offset: v.Offset, Drift: drift, Sum: d.st.Sum,
		Slack: d.st.Slack, UTC: d.st.UTC - (d.now() - at)}
}

// lower takes a reference out, and counts against it that it was lost.
func (d *Discipline) lower(i int, why Reason, words string) {
	r := &d.refs[i]
	r.Up, r.Goods, r.Soft, r.Why = false, 0, 0, why
	now := d.now()
	r.Penalty, r.PenaltyT = decayed(r.Penalty, now-r.PenaltyT)+FlapPenalty, now
	switch {
	case r.Penalty > FlapLimit:
		r.Flaps = r.Doubled == 0
		r.Doubled = min(r.Doubled+1, maxDoubled)
	case r.Penalty < FlapOver:
		r.Doubled = 0
	}
	if int(d.st.Active) == i {
		d.words = words[:min(len(words), maxWhy)]
	}
}

// decayed is what is left of a penalty after a time: half after each half-life, and on a straight line between.
func decayed(penalty, age int64) int64 {
	halves := min(max(age, 0)/FlapHalfLife, 62)
	penalty >>= halves
	return penalty - penalty*(max(age, 0)%FlapHalfLife/1_000_000)/(2*FlapHalfLife/1_000_000)
}

// chip takes in what a clock chip shows. One that has kept its time once is enough: the wall clock was set by it when the system came
// up, and goes on without it.
func (d *Discipline) chip(l *Look) {
	v, s := &l.Reading, &d.st
	if l.Failed || !v.Good || v.UTC < EarliestUTC || v.UTC > LatestUTC || v.Mono > s.Mono || s.ChipRef >= 0 && int(s.ChipRef) < l.Ref {
		return
	}
	ahead := s.UTC - v.UTC - (s.Mono - max(v.Mono, 0))
	s.ChipRef = int16(l.Ref)
	s.Chip = anchor{Known: d.c.ChipSet > 0, AtT: d.now(), FromT: d.now(), Offset: ahead, Sum: s.Sum, Slack: s.Slack, UTC: s.UTC, Drift: d.c.Drift}
	if !s.Chip.Known {
		return
	}
	drift := d.c.Drift
	if v.Drift > 0 {
		drift = min(v.Drift, MaxDrift)
	}
	since := max(v.UTC-d.c.ChipSet, 0)
	s.Chip.Bound = int64(min(magnitude(ahead), latestInterval)) + min(max(v.Bound, RTCBound), latestInterval) + (since/1_000_000+1)*drift/1000
}
