// Halt and Boot: how the list comes to rest, and how it is taken up again after a clean stop or a hard cut.

package jobs

import (
	"fmt"
	"slices"
)

// halt interrupts every job that has a slot. Nothing begins any more.
func (l *List) halt() {
	if l.halted {
		return
	}
	l.halted = true
	for _, g := range slices.Clone(l.groups) {
		for _, j := range []*job{g.prepare, g.cleanUp} {
			if j != nil {
				l.cue(j, j.some(cueInterrupt, cueInterruptNone))
			}
		}
		for _, j := range g.members.all() {
			l.cue(j, j.some(cueInterrupt, cueInterruptNone))
			l.dropIdle(j)
		}
	}
	if !l.rules.Complete {
		return
	}
	for j := l.order.first; j != nil; {
		behind := j.next
		if j.state == JobInitial && len(j.open) == 0 && j.counts.Begun == 0 {
			l.cue(j, cueCompleteNone)
		}
		j = behind
	}
}

// dropIdle drops what a boot has found ordered of a job that has not started since.
func (l *List) dropIdle(j *job) {
	if j.state == JobInitial {
		l.orderAll(j, Drop, func(p *process) bool { return !p.begun && p.do == Start && !p.absent })
	}
}

// boot takes the list up again. First the processes are what they were found to be; then jobs are loaded, groups with something
// to resume go to resume slots, and what was ordered or asked and may not have been carried out is said again.
func (l *List) boot(ev *Event) {
	l.halted, l.booting = true, true
	l.find(ev.Processes)
	for _, j := range l.remains {
		l.again(j)
	}
	for _, g := range slices.Clone(l.groups) {
		l.load(g)
	}
	for len(l.absent) > 0 {
		p := l.absent[0]
		l.absent = l.absent[1:]
		if l.procs[p.id] == p {
			l.notice(p, Discarded, false)
		}
	}
	l.halted = false
	for _, g := range slices.Clone(l.groups) {
		l.takeUp(g)
	}
	for _, r := range l.recipes {
		l.mark(r)
		asked := r.asked
		if r.asked = false; asked && r.jobs.n > 0 {
			l.ask(r.jobs.first())
		}
	}
	l.goOnAll()
	l.booting = false
}

// find compares what is there with what should be.
func (l *List) find(found []Found) {
	there := make(map[string]*Found, len(found))
	for i := range found {
		f := &found[i]
		if p := l.procs[f.Process]; p == nil && f.State < Discarded {
			l.emit(Effect{Kind: Notify, Process: f.Process, Stage: f.State, OldStage: f.State,
				Reason: fmt.Sprintf("process %s is there and belongs to no job of the list; see to its batch", f.Process)})
		}
		there[f.Process] = f
	}
	for _, p := range l.all() {
		f := there[p.id]
		p.cut = f != nil && f.State == Interrupted && p.stage <= Running && p.do != Pause
		p.absent, p.unsaid = f == nil, p.stage == Awaited && p.do == Start
		switch {
		case f == nil && p.unsaid:
		case f == nil && !p.begun:
			l.notice(p, Discarded, false)
		case f == nil:
			e := p.job.of(Notify)
			e.Process, e.Stage, e.OldStage = p.id, p.stage, p.stage
			e.Reason = fmt.Sprintf("process %s had begun and is not there any more; it counts as failed, and is not run again", p.id)
			l.emit(e)
			l.notice(p, Failure, false)
		case f.State != p.stage && f.State != Awaited:
			l.notice(p, f.State, f.Reworked)
		}
	}
}

// load tells the jobs of a group that the system is back.
func (l *List) load(g *group) {
	for _, j := range []*job{g.prepare, g.cleanUp} {
		if j != nil && !j.gone {
			l.cue(j, j.some(cueLoad, cueLoadNone))
		}
	}
	for _, j := range g.members.all() {
		if j.gone {
			continue
		}
		c := cueLoadNone
		if slices.ContainsFunc(j.open, func(p *process) bool { return p.begun }) {
			c = cueLoad
			if j.barred() != "" {
				c = cueLoadBarred
			}
		}
		l.cue(j, c)
		if !j.gone {
			l.again(j)
		}
	}
}

// barred says why a job may not be resumed: its recipe forbids it, and a process of it was cut off.
func (j *job) barred() string {
	if j.state.Stable() || !slices.ContainsFunc(j.open, func(p *process) bool { return p.cut }) {
		return ""
	}
	return j.rec.info.NoResume
}

// recovery says what is done with a job that has another state after a boot.
func (j *job) recovery() string {
	switch j.state {
	case JobInterrupted, JobCompletingInterrupted:
		return "resume"
	case JobCleanUp:
		if j.rec.info.NoResume != "" {
			return j.rec.info.NoResume
		}
		return "clean up"
	}
	return ""
}

// again says again what the processes of a job were ordered, but for what is decided when it is taken up.
func (l *List) again(j *job) {
	for _, p := range slices.Clone(j.open) {
		p.unsaid = p.unsaid || p.stage == Interrupted && p.do == Resume
		resumed := p.do == Pause && (j.hold != resting || p.stage == Interrupted) || p.do == Resume
		if late := p.do == Drop && p.begun; p.do != Start && !resumed && !late {
			l.order1(p, p.do)
		}
	}
}

// takeUp lets a group go on: from a resume slot, where it has processes that rest and are resumed; and a group that has not
// ordered anything gives its slot back, so that its jobs are idle again.
func (l *List) takeUp(g *group) {
	if !g.begun {
		for _, j := range g.members.all() {
			l.leave(j)
			l.changed(j, j.state) // it has no group any more
			if j.hold == resting {
				l.unlist(j)
			} else {
				l.enlist(j)
			}
		}
		g.closed, g.cleaned, g.prepared = true, true, true
		l.end(g)
		return
	}
	resumed := false
	for _, j := range g.members.all() {
		l.poke(j)
		rests := slices.ContainsFunc(j.open, func(p *process) bool { return p.stage == Interrupted && !p.byself })
		resumed = resumed || (j.state == JobInterrupted || j.state == JobCompletingInterrupted) && rests && j.hold != resting
	}
	switch {
	case resumed && g.slot != slotResume:
		l.give(g, slotResume, nil)
	case !resumed && g.slot == slotResume:
		l.settleSlot(g, nil)
	}
	l.touch(g)
}
