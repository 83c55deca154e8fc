// Set-up jobs: what they have to do, step after step, and what becomes of it.

package jobs

import (
	"fmt"
	"slices"
)

// takeContent takes in what a set-up job has to do.
func (l *List) takeContent(j *job, ev *Event) {
	if j.kind == Production {
		l.refuse(ev, fmt.Sprintf("job %s is a production job; steps are said of a prepare or a clean-up", j.id))
		return
	}
	if j.state != SetupRequestRecipe {
		l.refuse(ev, fmt.Sprintf("set-up %s is %s, and was not asked what there is to do", j.id, j.state))
		return
	}
	if ev.Reason != "" {
		l.unknown(j, ev.Reason)
		return
	}
	l.content = slices.Clone(ev.Steps)
	slices.SortStableFunc(l.content, func(a, b Step) int { return a.Sort - b.Sort })
	todo := false
	for i := range l.content {
		s := &l.content[i]
		s.Off = s.Off || slices.Contains(j.off, s.Type)
		todo = todo || !s.Off
	}
	if !todo {
		j.group.setUp(j)
		l.cue(j, cueContentNone)
		return
	}
	j.failed = false
	l.cue(j, cueContent)
}

// unknown deals with a set-up of which nobody can say what there is to do. Without a prepare the jobs of its group are not begun:
// they are set aside, and the list goes on. A clean-up has to be done, so that a person sees to it.
func (l *List) unknown(j *job, why string) {
	if j.kind == CleanUp {
		l.cue(j, cueBlocked)
		e := j.of(Notify)
		e.Reason = "nobody can say what its clean-up has to do: " + why
		l.emit(e)
		return
	}
	l.release(j.group, fmt.Sprintf("its prepare %s cannot be computed: %s; Retry when it can", j.id, why))
	l.cue(j, j.some(cueAbort, cueAbortNone))
}

// switchOff remembers types of steps that a person has switched off, and forgets those that he has switched on again; false, and nothing has
// changed, where there would be more than MaxSteps.
func (j *job) switchOff(steps []Step) bool {
	off := slices.Clone(j.off)
	for _, s := range steps {
		at, there := slices.BinarySearch(off, s.Type)
		if s.Off && !there {
			off = slices.Insert(off, at, s.Type)
		}
		if !s.Off && there {
			off = slices.Delete(off, at, at+1)
		}
	}
	if len(off) > MaxSteps {
		return false
	}
	j.off = off
	return true
}

// orderSteps orders the steps of the lowest Sort, or begins with them.
func (l *List) orderSteps(j *job) {
	for i := range j.steps {
		if !j.steps[i].Off {
			j.sort = j.steps[i].Sort
			break
		}
	}
	l.orderSort(j)
}

// orderSort orders the steps of one Sort, which are done side by side.
func (l *List) orderSort(j *job) {
	for i := range j.steps {
		if s := &j.steps[i]; !s.Off && s.Sort == j.sort {
			l.order1(l.newProcess(j, i), Start)
		}
	}
}

// concludeSetup cues a set-up job by what became of one of its steps.
func (l *List) concludeSetup(j *job, p *process) {
	if l.booting {
		return // no set-up survives a boot
	}
	if p.stage == Failure || p.stage == Discarded {
		j.failed = true
	}
	if len(j.open) > 0 || j.state != SetupRunning {
		l.rest(j)
		return
	}
	limit := l.rules.Retries
	if limit == 0 {
		limit = 3
	}
	switch {
	case j.failed && limit >= 0 && j.tries >= limit:
		l.cue(j, cueBlocked)
	case j.failed:
		l.cue(j, cueFailure)
	default:
		for i := range j.steps {
			if s := &j.steps[i]; !s.Off && s.Sort > j.sort {
				j.sort = s.Sort
				l.orderSort(j)
				return
			}
		}
		j.group.setUp(j)
		l.cue(j, cueSuccess)
	}
}
