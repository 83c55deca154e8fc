// The two schedulers: who may open a group, who joins one, and which slot it then has.

package jobs

import "slices"

// work lets everything come to pass that may by now, until nothing does any more: jobs and groups go on, idle jobs are taken into
// groups.
func (l *List) work() {
	for {
		l.goOnAll()
		l.joinAll()
		if len(l.poked)+len(l.touched)+len(l.absent) > 0 {
			continue
		}
		l.edge()
		if !l.admit() {
			break
		}
	}
	l.edge()
}

// goOnAll works off what has happened to jobs and groups, in the order in which it has.
func (l *List) goOnAll() {
	for len(l.poked)+len(l.touched)+len(l.absent) > 0 {
		switch {
		case len(l.absent) > 0:
			p := l.absent[0]
			l.absent = l.absent[1:]
			if l.procs[p.id] == p {
				l.notice(p, Discarded, false)
			}
		case len(l.poked) > 0:
			j := l.poked[0]
			l.poked, j.pokedAt = l.poked[1:], false
			l.settle(j)
			if !j.gone {
				l.touch(j.group)
			}
		default:
			g := l.touched[0]
			l.touched, g.touched = l.touched[1:], false
			l.advance(g)
		}
	}
	l.poked, l.touched, l.absent = l.poked[:0:0], l.touched[:0:0], l.absent[:0:0]
}

// joinAll takes idle jobs into groups that have slots, in the order of the list. Of each recipe it looks at the first idle one
// alone: none is taken over an earlier one.
func (l *List) joinAll() {
	for len(l.dirty) > 0 {
		marked := l.dirty
		l.dirty = nil
		for _, r := range marked {
			r.dirty = false
		}
		marked = slices.DeleteFunc(marked, func(r *recipe) bool { return r.head == nil })
		slices.SortFunc(marked, func(a, b *recipe) int { return byLabel(a.head, b.head) })
		for _, r := range marked {
			for r.head != nil && !l.halted {
				g := l.beside(r.head, func(g *group) bool { return l.rules.Scheduler == Parallel || g == l.lead })
				if g == nil {
					break
				}
				l.join(g, r.head)
			}
		}
	}
}

// beside gives the open group of its recipe of which a neighbour of an idle job is a member, and for which that holds.
func (l *List) beside(j *job, holds func(g *group) bool) *group {
	for _, n := range [...]*job{l.play.prev(j), l.play.next(j)} {
		if n != nil && n.group != nil && n.rec == j.rec && !n.group.closed && holds(n.group) {
			return n.group
		}
	}
	return nil
}

// available tells whether another group could have a slot.
func (l *List) available() bool {
	if l.halted {
		return false
	}
	if l.rules.Scheduler == Parallel {
		return len(l.groups) < l.rules.Slots
	}
	return l.lead == nil || l.yields(l.lead)
}

// yields tells whether the group with the running slot can give it up for another one: none of its jobs dispatches, or could yet.
func (l *List) yields(g *group) bool {
	prepared := g.prepare == nil || g.prepare.state.Class() >= ClassCompleting
	return g.slot == slotRunning && g.early == 0 && prepared && !l.keeps(g)
}

// keeps tells whether a group keeps the running slot until it is cleaned up.
func (l *List) keeps(g *group) bool { return l.rules.KeepSlot && g.broken && g.slot == slotRunning }

// edge tells once that another group could have a slot.
func (l *List) edge() {
	now := l.available()
	if now && !l.avail {
		l.emit(Effect{Kind: SlotAvailable})
	}
	l.avail = now
}

// admit opens a group for the first idle job of the list, or brings back the one that it continues; false where nothing can be
// done.
func (l *List) admit() bool {
	j := l.heads.first()
	if j == nil || !l.available() {
		return false
	}
	if l.rules.Scheduler == Parallel {
		l.open(j, l.free())
		return true
	}
	back := l.beside(j, func(g *group) bool { return g.slot == slotCompleting })
	if l.lead != nil {
		l.give(l.lead, slotCompleting, j)
	}
	if back == nil {
		l.lead = l.open(j, slotRunning)
		return true
	}
	l.lead = back
	l.give(back, slotRunning, j)
	l.join(back, j)
	return true
}

// free gives the lowest number of a slot of Parallel that no group has.
func (l *List) free() string {
	for i := 1; ; i++ {
		if !slices.ContainsFunc(l.groups, func(g *group) bool { return g.slot == slotNumber(i) }) {
			return slotNumber(i)
		}
	}
}

// progress lets a group out of its resume slot, when a process of it goes on.
func (l *List) progress(g *group) {
	if g != nil && g.slot == slotResume && !l.booting {
		l.settleSlot(g, nil)
	}
}

// settleSlot gives a group the slot in which it belongs by what its jobs do.
func (l *List) settleSlot(g *group, by *job) {
	switch {
	case l.rules.Scheduler == Parallel:
		l.give(g, l.free(), by)
	case l.lead == g && (g.early > 0 || l.rules.KeepSlot && g.broken):
		l.give(g, slotRunning, by)
	default:
		if l.lead == g {
			l.lead = nil
		}
		l.give(g, slotCompleting, by)
	}
}
