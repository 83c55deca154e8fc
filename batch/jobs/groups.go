// Groups: jobs of one recipe that follow one another, with the set-up before and behind them. A group, and nothing else, has a
// slot.

package jobs

import (
	"fmt"
	"slices"
	"strconv"
)

// The slots of Seamless, and that of a group that is resumed. Those of Parallel are numbers.
const (
	slotRunning    = "running"
	slotCompleting = "completing"
	slotResume     = "resume"
)

func slotNumber(i int) string { return strconv.Itoa(i) }

// group is one group. It is there for as long as it has a slot.
type group struct {
	id         string
	rec        *recipe
	generation uint64 // of the groups of its recipe
	slot       string
	turn       uint64 // grows with each slot that is taken
	members    tree   // production jobs that are not completed
	waiting    tree   // those that may start
	resumed    tree   // those of which processes rest, and which may be resumed: they come before
	early      int    // members that dispatch, or could yet
	working    int    // those of them that dispatch, or hold the place of one that does
	prepare    *job   // nil: none is there
	cleanUp    *job
	prepared   bool // its prepare has come to its end
	closed     bool // its clean-up has started: nobody joins
	cleaned    bool // its clean-up has come to its end
	begun      bool // a process was ordered
	broken     bool // a job of it was aborted or interrupted
	touched    bool
}

// setUp notes that a set-up job has done what there was to do.
func (g *group) setUp(j *job) {
	if j.kind == Prepare {
		g.prepared = true
	} else {
		g.cleaned = true
	}
}

// worker is the job by which the group has its slot.
func (g *group) worker() string {
	switch {
	case g.prepare != nil:
		return g.prepare.id
	case g.closed && g.cleanUp != nil:
		return g.cleanUp.id
	}
	best := ""
	for j := g.members.last(); j != nil; j = g.members.prev(j) {
		if j.working {
			return j.id
		}
		if best == "" && j.state != JobInitial && j.state != JobWaiting {
			best = j.id
		}
	}
	return best
}

// open gives a group to the first idle job of its recipe, with a slot.
func (l *List) open(first *job, slot string) *group {
	l.groupNo++
	r := first.rec
	r.generation++
	g := &group{id: fmt.Sprintf("%sG-%06d", l.prefix, l.groupNo), rec: r, generation: r.generation, members: tree{set: inGroup},
		waiting: tree{set: waiting}, resumed: tree{set: resumed}}
	l.groups = append(l.groups, g)
	l.give(g, slot, first)
	l.join(g, first)
	return g
}

// give gives a slot to a group, by a job that needs it, and takes the group from the one it had.
func (l *List) give(g *group, slot string, by *job) {
	e := Effect{Kind: SlotMoved, Group: g.id, Slot: slot, OldSlot: g.slot, Recipe: g.rec.name.recipe, Provider: g.rec.name.provider}
	if by != nil {
		e.Job, e.JobKind = by.id, by.kind
	}
	if g.slot == "" {
		e.Kind = SlotTaken
	}
	l.turn++
	g.slot, g.turn = slot, l.turn
	l.emit(e)
}

// join takes an idle job into a group.
func (l *List) join(g *group, j *job) {
	j.rec.idle.remove(j)
	l.refresh(j.rec)
	j.group = g
	g.members.insert(j)
	l.recount(j)
	if g.prepare != nil && j.label < g.prepare.label {
		l.move(j.prev, g.prepare)
	}
	if g.cleanUp != nil && j.label > g.cleanUp.label {
		l.move(j, g.cleanUp)
	}
	l.mark(j.rec)
	l.poke(j)
	l.touch(g)
	l.settle(j)
}

// move puts a set-up job to another place of the list.
func (l *List) move(after, j *job) {
	l.order.cut(j)
	l.put(after, j)
}

// leave takes a job out of its group.
func (l *List) leave(j *job) {
	g := j.group
	if g == nil {
		return
	}
	l.touch(g)
	switch j {
	case g.prepare:
		g.prepare = nil
	case g.cleanUp:
		g.cleanUp = nil
	default:
		g.line(j, false)
		g.early -= one(j.early)
		g.working -= one(j.working)
		j.early, j.working = false, false
		g.members.remove(j)
	}
	j.group = nil
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// recount keeps what a group counts of a job.
func (l *List) recount(j *job) {
	if j.group == nil || j.kind != Production {
		return
	}
	early := j.state < JobCompleting
	working := j.state == JobDispatched || j.state == JobRunning || j.state == JobInterrupting ||
		j.hold != 0 && (j.state == JobWaiting || j.state == JobSuspended || j.state == JobInterrupted)
	j.group.early += one(early) - one(j.early)
	j.group.working += one(working) - one(j.working)
	j.early, j.working = early, working
}

// release sets all jobs of a group aside that have not begun.
func (l *List) release(g *group, why string) {
	for _, j := range g.members.all() {
		if j.counts.Begun > 0 || len(j.open) > 0 {
			continue
		}
		l.cue(j, cueInterruptNone)
		l.leave(j)
		l.setAside(j, why)
	}
}

// settle lets a member of a group go on as far as it may by itself, and puts it among those that wait where it has to wait for
// its turn.
func (l *List) settle(j *job) {
	if j.gone {
		return
	}
	if j.kind == Production || j.state.Class() == ClassCompleting {
		l.rest(j)
	}
	g := j.group
	if j.kind != Production || g == nil {
		return
	}
	l.recount(j)
	if l.halted || j.hold == resting {
		g.line(j, false)
		return
	}
	if j.state.Class() == ClassIdle {
		l.cue(j, cueReady)
	}
	if j.state == JobCompletingInterruptedWaiting || j.state == JobCleanUpWaiting {
		l.cue(j, cueStart)
	}
	g.line(j, true)
}

// line puts a member in line, where it waits for its turn and may, or takes it out.
func (g *group) line(j *job, may bool) {
	g.waiting.remove(j)
	g.resumed.remove(j)
	switch {
	case !may || !j.waits():
	case j.state == JobInterruptedWaiting:
		g.resumed.insert(j)
	default:
		g.waiting.insert(j)
	}
}

// waits tells whether a member of a group may start when it is its turn.
func (j *job) waits() bool {
	return j.state == JobInterruptedWaiting && j.hold != resting || j.hold == 0 && (j.state == JobWaiting || j.state == JobSuspended)
}

// start begins with a job whose turn it is, or takes it up again.
func (l *List) start(j *job) {
	j.group.line(j, false)
	l.cue(j, cueStart)
	if j.hold == held {
		l.cue(j, cueStop)
	}
}

// advance lets a group do what it can by now.
func (l *List) advance(g *group) {
	if l.halted || g.closed && g.cleaned && g.cleanUp == nil {
		l.end(g)
		return
	}
	l.furnish(g)
	switch {
	case g.prepare != nil:
		if p := g.prepare; g.members.n == 0 && p.state.Class() < ClassCompleting {
			l.cue(p, p.some(cueAbort, cueAbortNone))
		}
	case g.members.n > 0:
		j := g.resumed.first()
		if j == nil {
			j = g.waiting.first()
		}
		if j != nil && g.working == 0 {
			l.start(j)
		}
	case !g.closed:
		g.closed = true
		l.clear(g)
	}
}

// furnish gives a group the set-up jobs that it lacks, and starts its prepare.
func (l *List) furnish(g *group) {
	o := Order{Provider: g.rec.name.provider, Recipe: g.rec.name.recipe}
	if g.prepare == nil && !g.prepared && g.members.n > 0 {
		first := g.members.first()
		p := l.newJob(Prepare, o, g.rec)
		g.prepare, p.group = p, g
		l.put(first.prev, p)
		l.cue(p, cueReady)
		l.cue(p, cueStartAsk)
	}
	if g.cleanUp == nil && !g.cleaned {
		c := l.newJob(CleanUp, o, g.rec)
		g.cleanUp, c.group = c, g
		l.put(g.members.last(), c)
		if g.closed {
			l.clear(g)
		}
	}
}

func byLabel(a, b *job) int {
	switch {
	case a.label < b.label:
		return -1
	case a.label > b.label:
		return 1
	}
	return 0
}

// clear starts the clean-up of a closed group. A group that never ordered anything has nothing to be cleaned.
func (l *List) clear(g *group) {
	c := g.cleanUp
	if !g.begun {
		g.cleaned = true
		l.cue(c, cueAbortNone)
		return
	}
	if l.rules.Scheduler == Parallel && g.slot == slotResume || l.rules.Scheduler == Seamless && g.slot != slotCompleting && !l.keeps(g) {
		l.settleSlot(g, c)
	}
	l.cue(c, cueReady)
	l.cue(c, cueStartAsk)
}

// end frees the slot of a group that is cleaned up.
func (l *List) end(g *group) {
	if !g.cleaned || g.cleanUp != nil || g.members.n > 0 || g.prepare != nil || g.slot == "" {
		return
	}
	l.emit(Effect{Kind: SlotFreed, Group: g.id, OldSlot: g.slot, Recipe: g.rec.name.recipe, Provider: g.rec.name.provider})
	if l.lead == g {
		l.lead = nil
	}
	g.slot = ""
	l.groups = slices.DeleteFunc(l.groups, func(o *group) bool { return o == g })
}
