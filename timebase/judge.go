// How a discipline judges: moves of the wall clock, leap seconds, and which state follows from what is known.

package timebase

const day = 86_400_000_000_000

// wall takes in where the wall clock is, and finds out whether it was moved: the difference to monotonic time is held against what it
// was at the look before.
func (d *Discipline) wall(l *Look, out []Change) []Change {
	s := &d.st
	was := *s
	s.Mono, s.UTC = min(max(l.Mono, s.Mono, 0), latestMono), min(max(l.UTC, 0), LatestUTC)
	s.Slept = min(max(l.Slept, s.Slept, 0), latestInterval)
	if !s.Seen {
		s.Seen, s.Before = true, s.Slept
		return out
	}
	dt, nap := s.Mono-was.Mono, s.Slept-was.Slept
	moved := s.UTC - was.UTC - dt
	if nap > 0 {
		s.WokeMono, s.Before = s.Mono, was.Slept
		s.Slack += SuspendBound
	}
	limit := StepFloor + dt/1_000_000*StepPPM
	if s.leaps(&was, moved, limit) {
		s.Leap, s.LeapOver = 0, true
		s.Steps, s.Moved, s.Step = s.Steps+1, moved, LeapDone
		s.Sum += moved + int64(was.Leap)*1_000_000_000
		return append(out, Change{Reason: LeapDone, Ref: d.source()})
	}
	s.Sum += moved - nap
	if magnitude(moved) <= uint64(limit) || !plausible(was.UTC) || !plausible(s.UTC) {
		return out
	}
	reason := ClockStep
	if nap > 0 && magnitude(moved-nap) <= uint64(limit+2*SuspendBound) {
		reason = Suspended
	}
	s.Steps, s.Moved, s.Step = s.Steps+1, moved, reason
	if reason == ClockStep {
		d.slewed()
	}
	if magnitude(moved) > uint64(d.c.StepLimit) {
		s.FarMono = s.Mono
		d.lowerAll(reason)
	}
	return append(out, Change{Reason: reason})
}

// lowerAll takes every reference out.
func (d *Discipline) lowerAll(why Reason) {
	for i := range d.refs {
		d.refs[i].Goods = 0
		if d.refs[i].Up {
			d.lower(i, why, "")
		}
	}
}

// slewed lets bounds grow from now on as fast as whoever disciplines the wall clock may slew it: after a step that is made good slowly.
func (d *Discipline) slewed() {
	for _, a := range [...]*anchor{&d.st.Anchor, &d.st.Chip} {
		a.Bound = min(a.Bound+a.growth(d.now()), latestInterval)
		a.FromT, a.Drift = d.now(), max(a.Drift, StepPPM*1000)
	}
}

// leaps tells whether a move is the leap second that was announced: by one second, at the end of a UTC day.
func (s *state) leaps(was *state, moved, limit int64) bool {
	if was.Leap == 0 || magnitude(moved+int64(was.Leap)*1_000_000_000) > uint64(limit) {
		return false
	}
	end := (was.UTC/day + 1) * day
	reached := s.UTC
	if moved < 0 {
		reached -= moved // where it would be without
	}
	return reached >= end && reached-end < day
}

// plausible tells whether a wall clock can show a time.
func plausible(utc int64) bool { return utc >= EarliestUTC && utc < LatestUTC }

// leap takes over what the reference that is believed announces. One that has been is not announced again before it was taken back.
func (d *Discipline) leap(out []Change) []Change {
	s := &d.st
	if s.Sync <= Holdover {
		return out
	}
	next := d.refs[s.Active].Leap
	if next == 0 {
		s.LeapOver = false
	}
	if s.LeapOver || next == s.Leap {
		return out
	}
	s.Leap = next
	reason := LeapAnnounced
	if next == 0 {
		reason = LeapWithdrawn
	}
	return append(out, Change{Reason: reason, Ref: d.source()})
}

// judge finds the state that follows, and tells of it where it is another.
func (d *Discipline) judge(out []Change) []Change {
	s := &d.st
	if !plausible(s.UTC) {
		d.lowerAll(WallUnset)
		d.slewed()
	}
	was, had := s.Sync, s.Active
	sync, active, why := d.pick()
	flaps := NoReason
	if had >= 0 && d.refs[had].Flaps && (sync != was || active != had) {
		flaps = Flapping
		d.refs[had].Flaps = false
	}
	for i := range d.refs {
		if r := &d.refs[i]; r.Flaps {
			r.Flaps = false
			out = append(out, Change{Reason: Flapping, Ref: d.c.Refs[i].Name, Why: r.Why.String()})
		}
	}
	s.Sync, s.Active = sync, active
	if sync > Holdover {
		s.Anchor, s.Ended = d.refs[active].Last, false
	} else if sync < Holdover {
		s.Ended = true
	}
	if sync == was && active == had {
		return out
	}
	d.why = d.words
	if why == FailOver || flaps == Flapping {
		d.why = because(d.refs[had].Why, d.words)
	}
	if s.Reason = why; flaps == Flapping {
		s.Reason = Flapping
	}
	c := Change{Reason: s.Reason, Why: d.why}
	ref := had
	if why == Raised || why == FailBack || why == FailOver || why == ChipRead {
		ref = active
	}
	if ref >= 0 {
		c.Ref = d.c.Refs[ref].Name
	}
	return append(out, c)
}

// because is what was said of a loss, or its reason where nothing was.
func because(why Reason, words string) string {
	if words != "" {
		return words
	}
	return why.String()
}

// pick finds the state, the reference that it rests on, and why it is another than before.
func (d *Discipline) pick() (sync Sync, active int16, why Reason) {
	s := &d.st
	lost := NoReason // why the one that was believed is not any more
	if s.Sync > Holdover && !d.refs[s.Active].Up {
		lost = d.refs[s.Active].Why
	}
	switch best := d.best(); {
	case !plausible(s.UTC):
		return Unset, -1, WallUnset
	case best >= 0:
		return syncOf(d.c.Refs[best].Kind), int16(best), d.over(best, lost)
	case s.Anchor.Known && !s.Ended && d.bound(&s.Anchor) <= d.c.HoldoverLimit:
		return Holdover, s.Active, lost
	case s.Anchor.Known && lost != NoReason:
		return RTCOnly, s.ChipRef, lost
	case s.Anchor.Known && s.Sync == Holdover:
		return RTCOnly, s.ChipRef, HoldoverEnded
	case s.Anchor.Known && s.Sync == Unset:
		return RTCOnly, s.ChipRef, ClockStep
	case s.Anchor.Known:
		return RTCOnly, s.ChipRef, ChipRead
	case s.ChipRef >= 0:
		return RTCOnly, s.ChipRef, ChipRead
	}
	return Unset, -1, NoReason
}

// over says why a reference is believed in place of what was before.
func (d *Discipline) over(best int, lost Reason) Reason {
	s := &d.st
	switch {
	case s.Sync <= Holdover || d.c.Refs[best].Kind > d.c.Refs[s.Active].Kind:
		return Raised
	case d.c.Refs[best].Kind < d.c.Refs[s.Active].Kind:
		return lost
	case lost != NoReason:
		return FailOver
	}
	return FailBack
}

// best is the reference to believe: of the kind that is trusted most the one that comes first. The one that is believed stays until it
// is lost, or one that comes before it has been good for long enough. -1: none.
func (d *Discipline) best() int {
	s := &d.st
	for kind := PTP; kind >= NTP; kind-- {
		for i := range d.refs {
			r := &d.refs[i]
			if !r.Up || d.c.Refs[i].Kind != kind {
				continue
			}
			if now := int(s.Active); s.Sync > Holdover && now > i && d.refs[now].Up && d.c.Refs[now].Kind == kind {
				if ns, _ := d.raising(i); d.now()-r.UpT < max(d.c.FailBack, ns) {
					return now
				}
			}
			return i
		}
	}
	return -1
}

// syncOf is the state while a reference of a kind is believed.
func syncOf(k Kind) Sync {
	if k == PTP {
		return PTPLocked
	}
	return NTPSync
}

// source is the name of what is shown.
func (d *Discipline) source() string {
	switch s := &d.st; {
	case s.Sync == Unset:
		return "none"
	case s.Active >= 0:
		return d.c.Refs[s.Active].Name
	}
	return "host"
}
