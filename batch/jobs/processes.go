// Jobs and their processes: what a cue does, and what is made of the news of a process.

package jobs

import (
	"fmt"
	"slices"
)

// some gives the cue that fits whether processes are left.
func (j *job) some(left, none cue) cue {
	if len(j.open) > 0 {
		return left
	}
	return none
}

// cue tells a job what has happened to it; false where its state refuses that.
func (l *List) cue(j *job, c cue) bool {
	to, do, ok := next(j.state, c)
	if !ok || to == j.state && do == 0 {
		return ok
	}
	if do&actHold != 0 && j.hold == 0 {
		j.hold = held
	}
	if do&actReplace != 0 {
		j.steps = l.content
	}
	if do&actRetry != 0 {
		j.tries++
	}
	if do&actReset != 0 {
		j.tries = 0
	}
	old := j.state
	j.state = to
	if old != to || do&actReplace != 0 {
		l.changed(j, old)
	}
	l.poke(j)
	l.touch(j.group)
	l.do(j, do)
	if to.Class() == ClassCompleted {
		l.retire(j)
	}
	return true
}

// changed tells that a job has another state, or has counted.
func (l *List) changed(j *job, old State) {
	j.told = false
	e := j.of(Changed)
	e.Old = old
	if j.kind != Production {
		e.Steps = j.steps
	}
	if l.booting {
		e.Recovery = j.recovery()
	}
	l.recount(j)
	l.emit(e)
}

// do carries out the acts that a table orders.
func (l *List) do(j *job, do acts) {
	if do&actDrop != 0 {
		l.orderAll(j, Drop, func(p *process) bool { return !p.begun && p.do == Start })
	}
	if do&actInterrupt != 0 {
		l.orderAll(j, Pause, func(p *process) bool {
			return p.stage == Running || p.stage == Awaited && p.do == Start || p.stage == Interrupted && p.do == Resume && !p.byself
		})
	}
	if do&actResume != 0 {
		l.orderAll(j, Resume, func(p *process) bool { return p.begun && !p.byself && (p.stage == Interrupted || p.do == Pause) })
	}
	if do&actAbort != 0 {
		l.orderAll(j, AbortIt, func(p *process) bool { return p.do != CleanItUp })
	}
	if do&actClean != 0 {
		l.orderAll(j, CleanItUp, func(p *process) bool { return true })
	}
	if do&actStart != 0 {
		if j.kind == Production {
			l.feed(j)
		} else {
			l.orderSteps(j)
		}
	}
	if do&actAsk != 0 {
		l.emit(j.of(AskContent))
	}
	if do&actTell != 0 {
		e := j.of(Notify)
		e.Reason = j.tell()
		l.emit(e)
	}
}

// tell says what a person is to see to.
func (j *job) tell() string {
	switch j.state {
	case SetupRetryBlocked:
		return fmt.Sprintf("the %s was tried %d times and is blocked; see to its units, and acknowledge it, with steps switched off that are not to be done", j.kind, j.tries)
	case JobSuspended:
		return "its last process was over before it had begun, and the next one would fare as it did; look at it, and continue the job"
	}
	return fmt.Sprintf("%d processes of it are left and rest; abort their batches or remove them", len(j.open))
}

// orderAll orders the processes for which that holds to do something.
func (l *List) orderAll(j *job, do Do, holds func(p *process) bool) {
	for _, p := range j.open {
		if holds(p) && (p.do != do || p.unsaid || l.booting) {
			l.order1(p, do)
		}
	}
}

// order1 orders one process to do something. One that is not there and is not to be started has nothing to do: it is over.
func (l *List) order1(p *process, do Do) {
	if p.absent && do != Start {
		p.do = do
		l.absent = append(l.absent, p)
		return
	}
	p.do, p.absent, p.unsaid = do, false, false
	e := p.job.of(Ordered)
	e.Process, e.Do, e.Stage, e.OldStage = p.id, do, p.stage, p.stage
	if do == Start {
		e.OldStage = NoStage
	}
	e.Recipe, e.Unit = p.what()
	e.Size, e.Priority, e.Product = p.job.order.Size, p.job.order.Priority, p.job.product()
	l.emit(e)
}

func (j *job) product() string {
	if j.kind != Production {
		return ""
	}
	if j.order.Product != "" {
		return j.order.Product
	}
	return j.rec.info.Product
}

// feed orders the next process of a job that dispatches, so that one is always ordered ahead. While an earlier one was dropped
// and nobody has heard that it is gone, none is: it may have begun, and it would be one too many.
func (l *List) feed(j *job) {
	if l.halted || j.hold != 0 || j.state != JobDispatched && j.state != JobRunning || len(j.open) >= MaxOpen {
		return
	}
	for _, p := range j.open {
		if !p.begun {
			if p.unsaid && p.do == Start {
				l.order1(p, Start)
			}
			return
		}
	}
	if j.counts.Amount == 0 || j.counts.Begun < j.counts.Amount {
		l.order1(l.newProcess(j, 0), Start)
	}
}

func (l *List) newProcess(j *job, step int) *process {
	j.made++
	p := &process{id: fmt.Sprintf("%s-%04d", j.id, j.made), no: j.made, job: j, step: step, stage: Awaited}
	j.open = append(j.open, p)
	l.procs[p.id] = p
	if j.group != nil {
		j.group.begun = true
	}
	return p
}

// takeProcess takes in the news of a process.
func (l *List) takeProcess(ev *Event) {
	p := l.procs[ev.Process]
	switch {
	case p == nil:
		l.refuse(ev, fmt.Sprintf("process %.60q is not there, or is over; take one that is not", ev.Process))
	case ev.State == p.stage && ev.State != Awaited:
	case ev.State == Awaited && p.stage != Awaited:
		l.refuse(ev, fmt.Sprintf("process %s is %s, and does not go back to %s", p.id, p.stage, ev.State))
	case ev.State != Awaited:
		l.notice(p, ev.State, ev.Reworked)
	}
}

// notice carries out that a process has come to another stage.
func (l *List) notice(p *process, to Stage, reworked bool) {
	j := p.job
	e := j.of(ProcessChanged)
	e.Process, e.OldStage, e.Stage, e.Do = p.id, p.stage, to, p.do
	e.Recipe, e.Unit = p.what()
	l.emit(e)
	begins := !p.begun && to != Discarded
	p.begun, p.absent, p.unsaid, p.stage = p.begun || begins, false, false, to
	p.byself = to == Interrupted && p.do != Pause && !l.booting
	j.count(p, begins, reworked)
	if to >= Discarded {
		j.open = slices.DeleteFunc(j.open, func(o *process) bool { return o == p })
		delete(l.procs, p.id)
	}
	if to == Success && j.kind == Production && j.product() != "" {
		m := j.of(Made)
		m.Process, m.Product, m.Stage = p.id, j.product(), to
		l.emit(m)
	}
	if to != Interrupted {
		l.progress(j.group)
	}
	if j.gone {
		l.remains = slices.DeleteFunc(l.remains, func(o *job) bool { return o == j && len(j.open) == 0 })
		return
	}
	if j.kind == Production {
		l.conclude(j, p, begins)
	} else {
		l.concludeSetup(j, p)
	}
	if j.told {
		l.changed(j, j.state)
	}
}

// count keeps the counts of a job.
func (j *job) count(p *process, begins, reworked bool) {
	c, was := &j.counts, j.counts
	if begins {
		c.Begun++
		c.Running++
	}
	if p.stage >= Discarded && p.begun {
		c.Running--
	}
	switch p.stage {
	case Discarded:
		c.Dropped++
		if p.begun {
			c.Begun--
		}
	case Success:
		c.Success++
	case Failure:
		c.Failure++
	}
	if reworked {
		c.Reworked++
	}
	j.told = *c != was
}

// conclude cues a production job by what became of one of its processes.
func (l *List) conclude(j *job, p *process, begins bool) {
	switch {
	case begins && j.counts.Amount > 0 && j.counts.Begun >= j.counts.Amount:
		l.cue(j, cueReached)
	case begins && p.stage == Failure:
		l.cue(j, cueLost)
	case begins:
		l.cue(j, cueRunning)
		if p.stage == Running && (j.state == JobInterrupting || j.state == JobCompletingInterrupting || j.state == JobDiscarding) && p.do != Pause {
			l.order1(p, Pause)
		}
	case p.stage == Discarded && !p.begun && p.do == Start && !l.booting:
		l.cue(j, cueLost)
	}
	l.rest(j)
	if !j.gone {
		l.feed(j)
	}
}

// rest cues a job of which all processes are over, or all that are not rest.
func (l *List) rest(j *job) {
	if len(j.open) == 0 {
		l.cue(j, cueOver)
	} else if !slices.ContainsFunc(j.open, func(p *process) bool { return p.stage != Interrupted }) {
		l.cue(j, cueRest)
	}
}

// retire takes a completed job out of the list. What is left of its processes is kept until it is over.
func (l *List) retire(j *job) {
	if j.gone {
		return
	}
	j.gone = true
	e := j.of(Gone)
	if j.prev != nil {
		e.After = j.prev.id
	}
	l.emit(e)
	if j.kind == Production {
		l.unlist(j)
		j.rec.jobs.remove(j)
	}
	l.leave(j)
	l.order.cut(j)
	delete(l.jobs, j.id)
	if len(j.open) > 0 {
		l.remains = append(l.remains, j)
	}
}
