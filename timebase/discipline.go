// The discipline: which reference is believed, from when, until when, and how right the wall clock is.

package timebase

import (
	"cmp"
	"fmt"
)

// Limits of a discipline, and what stands where its Config says nothing.
const (
	MaxRefs    = 16
	MaxRefName = 32 // bytes

	PTPMaxAge      = 6_000_000_000     // ns; the announce time-out of ptp4l
	NTPMaxAge      = 3_072_000_000_000 // ns; three polls of a daemon that polls as seldom as chronyd does by default, every 1024 s
	PTPMaxBound    = 1_000_000         // ns
	NTPMaxBound    = 1_000_000_000     // ns
	HoldoverLimit  = 2_000_000_000     // ns; a clock chip is as good as that
	FailBackTime   = 300_000_000_000   // ns
	RTCBound       = 1_000_000_000     // ns; the resolution of a clock chip
	SuspendBound   = 1_000_000_000     // ns; the time that was slept is measured with a clock chip
	MaxDrift       = 1_000_000         // parts per 10^9
	EarliestUTC    = 1_704_067_200_000_000_000
	LatestUTC      = 1 << 62 // in the year 2116
	latestMono     = 1 << 61
	latestInterval = 1 << 60
)

// What it takes to raise a reference.
const (
	NTPGoods   = 3 // good readings in a row
	NTPRaising = 5_000_000_000
	PTPGoods   = 8 // good readings in a row, each of which something new was heard for
	PTPRaising = 1_000_000_000
	MaxRaising = 3_600_000_000_000
)

// What counts as a step: a move by more than StepFloor and StepPPM of the time since the look before.
const (
	StepFloor = 1_000_000
	StepPPM   = 500
)

// Ref is a reference as a Discipline is told of it.
type Ref struct {
	Name     string // unique; letters, digits, and -_.:/ ; what records say in time_source
	Kind     Kind
	MaxAge   int64 // ns for which nothing may be heard of what stands behind it; 0: PTPMaxAge or NTPMaxAge. Not used of an RTC
	MaxBound int64 // greatest |Offset| + Bound of a good reading, ns; 0: PTPMaxBound or NTPMaxBound. Not used of an RTC
}

// Config is what a Discipline has to know of the board. Of several references of one kind the first is the primary, the others are
// backups in their order. All times are in ns.
type Config struct {
	Refs          []Ref
	HoldoverLimit int64 // bound at which a holdover ends; 0: HoldoverLimit
	FailBack      int64 // for how long one that comes before must be good until it takes over again; 0: FailBackTime
	StepLimit     int64 // a step by more than that takes every reference out until it has been heard anew; 0: StepLimit
	Drift         int64 // of the wall clock where a reference does not say, parts per 10^9; 0: 1000 DriftPPM
	ChipSet       int64 // UTC when the clock chip was last known to be right; 0: not known, and then RTC_ONLY has no bound
}

// Look is one input of a Discipline: the wall clock of the system as it was seen at Mono, and, unless Ref is -1, one reading of a
// reference, taken at that time or before it.
type Look struct {
	Mono    int64 // monotonic ns; one that is before that of the last Look counts as that
	UTC     int64 // ns since 1970
	Slept   int64 // ns that the machine has been suspended for since it came up, on Linux CLOCK_BOOTTIME - CLOCK_MONOTONIC; 0: not told
	Ref     int   // place in Config.Refs; -1: none was read
	Failed  bool  // there was no answer; of Reading only Why counts
	Reading Reading
}

// Change is what is told when a Discipline shows something else, or has something to tell.
type Change struct {
	Reason   Reason
	Ref      string // of whom: a reference, or ""
	Why      string // in its words
	From, To Observation
}

// Discipline is a pure machine that turns readings of references into observations of the wall clock. It follows these rules
// (seed H2-7): PTP_LOCKED > NTP_SYNC > HOLDOVER > RTC_ONLY > UNSET. A reference that was lost is found by the age of what was heard of
// it, whatever it claims. To raise it takes evidence over time, to lower it hard evidence at once, and soft evidence 3 times of 5. Who
// comes and goes has to be good for longer and longer. It is not safe for concurrent use. Make one with NewDiscipline.
type Discipline struct {
	c    Config
	st   state
	refs []refState
	why  string // of st.Reason

	words string // of who was lost in this Step
}

// state is what belongs to no single reference, of fixed size. Times that end in T count sleep.
type state struct {
	Mono, UTC, Slept int64 // of the last look
	WokeMono, Before int64 // first look after the machine slept last, and what it had slept for until then
	Sum              int64 // by how much the wall clock was moved, sleep and leap seconds apart
	Slack            int64 // what moves are uncertain by
	Steps, Moved     int64
	Step             Reason // of the last of them
	FarMono          int64  // look at which the last step beyond StepLimit was seen
	Anchor           anchor
	Chip             anchor // of what the clock chip says
	ChipRef          int16
	Active           int16 // the reference that is shown, also in HOLDOVER; -1: none
	Sync             Sync
	Reason           Reason
	Leap             int8
	Seen             bool // there was a look
	LeapOver         bool // the leap second that is announced has been
	Ended            bool // the holdover on Anchor has ended
}

// anchor is an error bound that was true once, and what it grows from.
type anchor struct {
	Known      bool
	AtT        int64 // when it was heard
	FromT      int64 // when Bound was true
	Bound      int64
	Offset     int64
	Drift      int64
	Sum, Slack int64
	UTC        int64 // of the wall clock at AtT
}

// NewDiscipline makes a Discipline that has seen nothing yet, which is UNSET. The error says what in c cannot be and what to do.
func NewDiscipline(c *Config) (*Discipline, error) {
	if n := len(c.Refs); n == 0 || n > MaxRefs {
		return nil, fmt.Errorf("timebase: %d references; name 1 to %d", n, MaxRefs)
	}
	d := &Discipline{c: *c, refs: make([]refState, len(c.Refs))}
	d.c.Refs = append([]Ref(nil), c.Refs...)
	for i := range d.c.Refs {
		r := &d.c.Refs[i]
		if err := r.check(); err != nil {
			return nil, err
		}
		for k := range i {
			if d.c.Refs[k].Name == r.Name {
				return nil, fmt.Errorf("timebase: reference %q stands twice; give each a name of its own", r.Name)
			}
		}
		r.MaxAge = cmp.Or(r.MaxAge, [...]int64{0, NTPMaxAge, PTPMaxAge}[r.Kind])
		r.MaxBound = cmp.Or(r.MaxBound, [...]int64{0, NTPMaxBound, PTPMaxBound}[r.Kind])
	}
	for _, v := range [...]struct {
		name string
		at   *int64
		def  int64
		most int64
	}{{"HoldoverLimit", &d.c.HoldoverLimit, HoldoverLimit, latestInterval}, {"FailBack", &d.c.FailBack, FailBackTime, latestInterval},
		{"StepLimit", &d.c.StepLimit, StepLimit, latestInterval}, {"Drift", &d.c.Drift, 1000 * DriftPPM, MaxDrift},
		{"ChipSet", &d.c.ChipSet, 0, LatestUTC}} {
		if *v.at < 0 || *v.at > v.most {
			return nil, fmt.Errorf("timebase: %s is %d; it must be 0 to %d", v.name, *v.at, v.most)
		}
		*v.at = cmp.Or(*v.at, v.def)
	}
	d.st.Active, d.st.ChipRef = -1, -1
	return d, nil
}

// check says what of a reference cannot be.
func (r *Ref) check() error {
	ok := r.Name != "" && len(r.Name) <= MaxRefName && r.Name != "none" && r.Name != "host"
	for i := range len(r.Name) {
		c := r.Name[i] | 0x20
		ok = ok && (c >= 'a' && c <= 'z' || c >= '-' && c <= ':' || r.Name[i] == '_')
	}
	switch {
	case !ok:
		return fmt.Errorf("timebase: reference %q: give it a name of 1 to %d letters, digits and -_.:/ that is not none or host", r.Name, MaxRefName)
	case r.Kind > PTP:
		return fmt.Errorf("timebase: reference %q: kind %d; it must be RTC, NTP or PTP", r.Name, r.Kind)
	case r.MaxAge < 0 || r.MaxAge > latestInterval || r.MaxBound < 0 || r.MaxBound > latestInterval:
		return fmt.Errorf("timebase: reference %q: MaxAge and MaxBound are ns, 0 to %d", r.Name, int64(latestInterval))
	}
	return nil
}

// Step takes in a look and appends to out what has changed by it. Any look is taken; what cannot be right is a reading that could not
// be had. Nothing is allocated where out has room.
func (d *Discipline) Step(l *Look, out []Change) []Change {
	first, from := len(out), d.Status()
	d.words = ""
	out = d.wall(l, out)
	if l.Ref >= 0 && l.Ref < len(d.refs) {
		d.hear(l)
	}
	for i := range d.refs {
		if r := &d.refs[i]; r.Up && d.now()-r.Last.AtT > d.c.Refs[i].MaxAge {
			d.lower(i, Silent, "")
		}
	}
	out = d.leap(d.judge(out))
	if len(out) > first {
		to := d.Status()
		for i := first; i < len(out); i++ {
			out[i].From, out[i].To = from, to
		}
	}
	return out
}

// now is the time of the last look, with sleep.
func (d *Discipline) now() int64 { return d.st.Mono + d.st.Slept }

// role is the place of a reference among those of its kind.
func (d *Discipline) role(i int) Role {
	for k := range i {
		if d.c.Refs[k].Kind == d.c.Refs[i].Kind {
			return Backup
		}
	}
	return Primary
}

// Status is the observation of the last look.
func (d *Discipline) Status() Observation {
	s := &d.st
	o := Observation{Mono: s.Mono, Sync: s.Sync, Source: d.source(), Steps: s.Steps, Moved: s.Moved, Step: s.Step,
		Leap: s.Leap, Reason: s.Reason, Why: d.why}
	if s.Anchor.Known {
		o.LastSync, o.Age = s.Anchor.UTC, d.now()-s.Anchor.AtT
	}
	if s.Sync == Unset {
		return o
	}
	o.UTC = s.UTC
	if s.Sync > RTCOnly {
		o.Role = d.role(int(s.Active))
	}
	if a := d.basis(); a.Known {
		o.Offset, o.Bound = a.Offset, d.bound(a)
	}
	return o
}

// basis is what the bound that is shown grows from.
func (d *Discipline) basis() *anchor {
	if d.st.Anchor.Known {
		return &d.st.Anchor
	}
	return &d.st.Chip
}

// bound is the greatest error of the wall clock now, by what an anchor knows of it.
func (d *Discipline) bound(a *anchor) int64 {
	moved := int64(min(magnitude(d.st.Sum-a.Sum), latestInterval))
	return min(a.Bound, latestInterval) + a.growth(d.now()) + moved + d.st.Slack - a.Slack
}

// growth is by how much the bound has grown at a time, rounded up.
func (a *anchor) growth(now int64) int64 { return (max(now-a.FromT, 0)/1_000_000 + 1) * a.Drift / 1000 }
