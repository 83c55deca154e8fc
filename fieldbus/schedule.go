// Schedule: what is read next. Control by its deadlines, telemetry in what is left.

package fieldbus

import "math"

// Group is what is read in one exchange, or in a few that belong together.
type Group struct {
	Plane Plane
	Every int64 // ns from one reading to the next
	Cost  int64 // ns that the line is taken for it, as far as is known; it is learnt from what it took
}

// Schedule is the order of reads on one line, which does one thing at a time. The zero value is not ready: use NewSchedule. It is for one
// goroutine at a time, and allocates in Plan alone. Times are monotonic ns. A number that is no group's does nothing.
//
// All groups are read on one grid: at the first time that Next was asked for, and each Every of their own after it, whenever they were
// done, so that nothing drifts and free time stays in one piece. Of the control groups that are due the one goes first that has to be
// done soonest. What comes too late for a place of the grid leaves it out: it is not read twice to catch up.
//
// Telemetry is read one group at a time, and only where three things hold: no control group is due; none falls due before it would be
// done, as far as its cost is known; and the declared share of the line is kept, from the beginning of one telemetry read to that of the
// next. So control waits for one telemetry read that takes longer than was known, and never for two. Places of the grid that
// telemetry found no time for are counted: see Starved.
type Schedule struct {
	groups []scheduled
	share  int64 // % of the line's time for telemetry
	open   int64 // no telemetry before
	grid   int64 // its first place
	begun  bool
	lacked uint64 // places of the grid that telemetry has left out
}

// scheduled is one group and where it stands.
type scheduled struct {
	Group
	learnt int64 // a slow maximum of what it took
	due    int64
	off    bool
}

// longestTook bounds what a read may have taken, so that nothing overflows: 104 days.
const longestTook = 1 << 53

// late gives how many places of the grid have come since the one that the group is due for.
func (g *scheduled) late(at int64) int64 { return max(at-g.due, 0) / g.Every }

// fading is the time in ns that a group has to be due for what was learnt of it to count half.
const fading = 10_000_000_000

// faded gives what was learnt and is still believed. It fades by a sixteenth with each read that took less, and by half with each 10 s for
// which the group is due and is not read, so that one time-out does not shut telemetry out for ever.
func (g *scheduled) faded(at int64) int64 { return g.learnt >> min(max(at-g.due, 0)/fading, 62) }

// cost gives what the group will take: what was learnt, and what is declared at least.
func (g *scheduled) cost(at int64) int64 { return max(g.Cost, g.faded(at)) }

// NewSchedule makes a schedule of groups, all due at once, with half of the line's time for telemetry.
func NewSchedule(groups []Group) *Schedule {
	s := &Schedule{share: 50}
	s.Plan(groups, 0)
	return s
}

// Share declares how much of the line's time telemetry may take: from 1 to 100 %.
func (s *Schedule) Share(percent int) { s.share = int64(min(max(percent, 1), 100)) }

// Plan puts other groups in the place of all there are: in the scan, and due at once. What they cost is learnt anew; the time that
// telemetry took, and the places that it left out, still count.
func (s *Schedule) Plan(groups []Group, at int64) {
	s.lacked = s.Starved(at)
	s.groups = make([]scheduled, len(groups))
	for i, g := range groups {
		g.Every, g.Cost = min(max(g.Every, 1), longestTime), min(max(g.Cost, 0), longestTook)
		s.groups[i] = scheduled{Group: g, due: at}
	}
}

// Scan takes a group out of the scan, such as while its device is demoted, or puts it back. What comes back is due at once if it is
// telemetry, and at its next place of the grid if it is control, which was read when the device was synced.
func (s *Schedule) Scan(group int, on bool, at int64) {
	if group < 0 || group >= len(s.groups) || s.groups[group].off == !on {
		return
	}
	g := &s.groups[group]
	g.off = !on
	switch {
	case g.Plane == Control:
		g.due = s.place(g, at)
	case on:
		g.due = at
	default:
		s.lacked += uint64(g.late(at))
	}
}

// place gives the first place of the grid after a time.
func (s *Schedule) place(g *scheduled, after int64) int64 {
	return s.grid + (max(after-s.grid, 0)/g.Every+1)*g.Every
}

// Next gives the group to be read now, or -1 and the time of the next one; math.MaxInt64: there is none. It may be asked as often as one
// likes: but for the first time, at which the grid begins, it changes nothing.
func (s *Schedule) Next(at int64) (group int, when int64) {
	if !s.begun {
		s.begun, s.grid, s.open = true, at, at
		for i := range s.groups {
			s.groups[i].due = at
		}
	}
	group, when = -1, math.MaxInt64
	for i := range s.groups {
		g := &s.groups[i]
		switch {
		case g.off || g.Plane != Control:
		case g.due > at:
			when = min(when, g.due)
		case group < 0 || g.due+g.Every < s.groups[group].due+s.groups[group].Every:
			group = i
		}
	}
	if group >= 0 {
		return group, at
	}
	return s.telemetry(at, when)
}

// telemetry gives the telemetry group to be read now, given when control falls due next.
func (s *Schedule) telemetry(at, control int64) (group int, when int64) {
	group, when = -1, control
	for i := range s.groups {
		g := &s.groups[i]
		if g.off || g.Plane == Control {
			continue
		}
		if ready := max(g.due, s.open); ready > at {
			when = min(when, ready)
			continue
		}
		if g.cost(at) <= control-at && (group < 0 || g.due+g.Every < s.groups[group].due+s.groups[group].Every) {
			group = i
		}
	}
	if group >= 0 {
		when = at
	}
	return group, when
}

// Done takes in that a group was read, or was missed, and that the line was taken for it from one time to another. It gives how late that
// was: the time from when the group was due until it was done.
func (s *Schedule) Done(group int, from, to int64) (late int64) {
	if group < 0 || group >= len(s.groups) {
		return 0
	}
	g := &s.groups[group]
	took := min(max(to-from, 0), longestTook)
	if g.learnt = g.faded(from); took > g.learnt {
		g.learnt = took
	} else {
		g.learnt -= (g.learnt - took + 15) / 16
	}
	late = max(to-g.due, 0)
	if g.Plane != Control {
		s.open = max(s.open, from+(took*100+s.share-1)/s.share)
		if !g.off {
			s.lacked += uint64(g.late(to))
		}
	}
	g.due = s.place(g, to)
	return late
}

// Starved gives how many places of the grid telemetry has left out until now, because it came too late for them or did not come. It
// never goes back.
func (s *Schedule) Starved(at int64) uint64 {
	n := s.lacked
	for i := range s.groups {
		if g := &s.groups[i]; s.begun && g.Plane != Control && !g.off {
			n += uint64(g.late(at))
		}
	}
	return n
}

// Budget gives within which time, in ns, a control group is done once it is due, as far as costs are known: the longest time for which
// the line can be busy with control, begun behind the longest telemetry read. With one control group that is the cost of the two.
// math.MaxInt64: there is no such time, because control alone asks for more than the line has. Groups that are not in the scan
// count, too. What is written takes time of its own.
func (s *Schedule) Budget() int64 {
	var behind int64
	for i := range s.groups {
		if g := &s.groups[i]; g.Plane != Control {
			behind = max(behind, g.Cost, g.learnt)
		}
	}
	const rounds = 1000
	for busy, n := int64(1), 0; n < rounds; n++ {
		next := behind
		for i := range s.groups {
			if g := &s.groups[i]; g.Plane == Control {
				cost := max(g.Cost, g.learnt)
				if busy >= longestTook || cost > 0 && (busy-1)/g.Every+1 > longestTook/cost {
					return math.MaxInt64
				}
				next += ((busy-1)/g.Every + 1) * cost
			}
		}
		if next <= busy {
			return next
		}
		busy = next
	}
	return math.MaxInt64
}
