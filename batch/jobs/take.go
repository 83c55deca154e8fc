// What each event does to the list; what follows from it is worked off afterwards.

package jobs

import (
	"fmt"
	"slices"
)

// take carries out one event whose form is good.
func (l *List) take(ev *Event) {
	switch ev.Kind {
	case Configure:
		if len(l.groups) > 0 {
			l.refuse(ev, fmt.Sprintf("%d groups have slots; wait until they are cleaned up, or abort their jobs", len(l.groups)))
			return
		}
		l.rules = *ev.Rules
	case Add:
		l.add(ev)
	case Recipe:
		l.learn(ev)
	case Process:
		l.takeProcess(ev)
	case Halt:
		l.halt()
	case Boot:
		l.boot(ev)
	default:
		if j := l.jobs[ev.Job]; j != nil {
			l.command(j, ev)
		} else {
			l.refuse(ev, fmt.Sprintf("job %.60q is not in the list; take one of the list", ev.Job))
		}
	}
}

// command carries out what a person, or for Content a provider, says of one job.
func (l *List) command(j *job, ev *Event) {
	switch ev.Kind {
	case Content:
		l.takeContent(j, ev)
	case Complete:
		if l.told(j, ev, j.some(cueComplete, cueCompleteNone)) && j.state == JobCompleting {
			l.do(j, actDrop)
		}
	case Abort:
		l.abort(j, ev)
	case Interrupt:
		l.interrupt(j, ev)
	case Suspend:
		if l.told(j, ev, cueStop) && j.state == JobSuspended && j.hold == 0 {
			j.hold = held
			l.poke(j)
		}
	case Continue:
		l.goOn(j, ev)
	case Acknowledge:
		if _, _, ok := next(j.state, cueAcknowledge); ok && !j.switchOff(ev.Steps) {
			l.refuse(ev, fmt.Sprintf("more than %d types of steps would be switched off; switch some on again", MaxSteps))
			return
		}
		l.told(j, ev, cueAcknowledge)
	case Retry:
		l.retry(j, ev)
	}
}

// told cues a job by a person; false where that is refused.
func (l *List) told(j *job, ev *Event, c cue) bool {
	if !l.cue(j, c) {
		l.emit(Effect{Kind: Refused, Job: j.id, JobKind: j.kind, State: j.state, Old: j.state, Reason: refusal(j.state, c)})
		return false
	}
	return true
}

func (l *List) abort(j *job, ev *Event) {
	if j.kind == CleanUp && !j.group.closed {
		l.refuse(ev, fmt.Sprintf("clean-up %s has not started, and is always done; abort the jobs of its group", j.id))
		return
	}
	if _, _, ok := next(j.state, j.some(cueAbort, cueAbortNone)); ok {
		j.hold = 0
		if j.group != nil {
			j.group.broken = true
			j.group.cleaned = j.group.cleaned || j.kind == CleanUp
			if j.kind == Prepare && j.state.Class() < ClassCompleting {
				l.release(j.group, fmt.Sprintf("its prepare %s was aborted; Retry when it may be set up", j.id))
			}
		}
	}
	l.told(j, ev, j.some(cueAbort, cueAbortNone))
}

func (l *List) interrupt(j *job, ev *Event) {
	if j.kind != Production {
		l.refuse(ev, fmt.Sprintf("job %s is a set-up, and a set-up does not rest; abort it", j.id))
		return
	}
	c := j.some(cueInterrupt, cueInterruptNone)
	if _, _, ok := next(j.state, c); !ok {
		l.told(j, ev, c)
		return
	}
	if j.hold == resting {
		return
	}
	j.hold = resting
	if j.group != nil {
		j.group.broken = true
	} else {
		l.unlist(j)
	}
	old := j.state
	l.told(j, ev, c)
	if j.state == old {
		l.emit(j.of(Changed))
	}
	l.dropIdle(j)
	l.poke(j)
}

func (l *List) goOn(j *job, ev *Event) {
	if j.hold == 0 {
		l.refuse(ev, fmt.Sprintf("job %s is %s, and nothing holds it; Continue is for what was suspended or interrupted", j.id, j.state))
		return
	}
	j.hold = 0
	l.emit(j.of(Changed))
	if j.group == nil && j.aside == "" {
		l.enlist(j)
	}
	l.poke(j)
}

func (l *List) retry(j *job, ev *Event) {
	if j.aside == "" {
		l.refuse(ev, fmt.Sprintf("job %s is not set aside; Retry is for what was", j.id))
		return
	}
	j.aside = ""
	l.emit(j.of(Back))
	if j.rec.info.Missing != "" {
		j.rec.known = false
	}
	if j.hold != resting {
		l.enlist(j)
	}
	l.ask(j)
}

// setAside lets the list go on without a job that has not begun.
func (l *List) setAside(j *job, why string) {
	l.unlist(j)
	j.aside = why
	e := j.of(SetAside)
	e.Reason = why
	l.emit(e)
}

// add takes orders into the list.
func (l *List) add(ev *Event) {
	after, why := l.place(ev)
	fresh, names := 0, 0
	for i := range ev.Orders {
		if o := &ev.Orders[i]; o.ID == "" {
			fresh++
			if l.byName[recipeName{o.Provider, o.Recipe}] == nil {
				names++
			}
		}
	}
	switch {
	case why != "":
		l.refuse(ev, why)
		return
	case l.order.n+fresh > MaxJobs:
		l.refuse(ev, fmt.Sprintf("the list has %d jobs, and at most %d; wait until some are completed", l.order.n, MaxJobs))
		return
	case len(l.remains) >= MaxRemains:
		l.refuse(ev, fmt.Sprintf("processes of %d jobs that are completed are left; wait until some are over, or see to whoever has their batches", len(l.remains)))
		return
	case len(l.recipes)+names > MaxRecipes && !l.forget(names):
		l.refuse(ev, fmt.Sprintf("jobs of more than %d recipes are listed; wait until some are completed", MaxRecipes))
		return
	}
	for i := range ev.Orders {
		if o := &ev.Orders[i]; o.ID != "" {
			after = l.jobs[o.ID]
			continue
		}
		if ev.Place == AfterRecipe {
			if after = l.recipe(recipeName{ev.Orders[i].Provider, ev.Orders[i].Recipe}).jobs.last(); after == nil {
				after = l.order.last
			}
		}
		after = l.insert(after, ev.Orders[i])
	}
}

// insert makes a job of an order.
func (l *List) insert(after *job, o Order) *job {
	j := l.newJob(Production, o, l.recipe(recipeName{o.Provider, o.Recipe}))
	l.put(after, j)
	j.rec.jobs.insert(j)
	l.enlist(j)
	l.ask(j)
	return j
}

func (l *List) newJob(kind JobKind, o Order, r *recipe) *job {
	l.jobNo++
	j := &job{id: fmt.Sprintf("%sJ-%06d", l.prefix, l.jobNo), serial: l.jobNo, kind: kind, order: o, rec: r, state: kind.first()}
	j.counts.Amount = o.Amount
	l.jobs[j.id] = j
	return j
}

// put puts a job into the order of the list, and tells of it.
func (l *List) put(after, j *job) {
	l.order.put(after, j)
	e := j.of(Listed)
	e.Product, e.Unit, e.Size, e.Priority = j.order.Product, j.order.Unit, j.order.Size, j.order.Priority
	if after != nil {
		e.After = after.id
	}
	l.emit(e)
}

// place gives the job behind which the first order goes; why says why nowhere.
func (l *List) place(ev *Event) (after *job, why string) {
	switch ev.Place {
	case Append:
		return l.order.last, ""
	case Before, After:
		j := l.jobs[ev.Job]
		switch {
		case j == nil:
			return nil, fmt.Sprintf("job %.60q is not in the list; name one of the list", ev.Job)
		case ev.Place == Before:
			return j.prev, ""
		}
		return j, ""
	case Around:
		return l.around(ev.Orders)
	}
	return nil, ""
}

// around gives the job behind which a mixture of new and listed ones begins, where the listed ones stand in the order of the list.
func (l *List) around(orders []Order) (after *job, why string) {
	var last *job
	for i := range orders {
		if orders[i].ID == "" {
			continue
		}
		j := l.jobs[orders[i].ID]
		switch {
		case j == nil:
			return nil, fmt.Sprintf("job %.60q is not in the list; name jobs of the list", orders[i].ID)
		case last != nil && j.label <= last.label:
			return nil, fmt.Sprintf("job %s stands before %s in the list; name them in the order of the list", j.id, last.id)
		case last == nil:
			after = j.prev
		}
		last = j
	}
	if last == nil {
		return nil, "no job of the list is named; name one, or append"
	}
	return after, ""
}

// recipe gives what is known of a recipe, nothing yet where it is named first.
func (l *List) recipe(name recipeName) *recipe {
	r := l.byName[name]
	if r == nil {
		r = &recipe{name: name, info: RecipeInfo{Provider: name.provider, Recipe: name.recipe}, jobs: tree{set: ofKind}, idle: tree{set: idle}}
		l.byName[name] = r
		l.recipes = append(l.recipes, r)
	}
	return r
}

// forget drops what is known of recipes that no job and no process has, the oldest first, until there is room for n more; false where
// there is none.
func (l *List) forget(n int) bool {
	room := MaxRecipes - len(l.recipes)
	l.recipes = slices.DeleteFunc(l.recipes, func(r *recipe) bool {
		unused := room < n && r.jobs.n == 0 && !slices.ContainsFunc(l.groups, func(g *group) bool { return g.rec == r }) &&
			!slices.ContainsFunc(l.remains, func(j *job) bool { return j.rec == r })
		if unused {
			room++
			delete(l.byName, r.name)
		}
		return unused
	})
	return room >= n
}

// ask has the provider of a job's recipe asked, unless it was already, or is known and there.
func (l *List) ask(j *job) {
	r := j.rec
	if r.asked || r.known && r.info.Missing == "" {
		return
	}
	r.asked, r.known = true, false
	l.refresh(r)
	e := j.of(AskRecipe)
	l.emit(e)
}

// learn takes in what a provider says of a recipe.
func (l *List) learn(ev *Event) {
	name := recipeName{ev.Recipe.Provider, ev.Recipe.Recipe}
	if l.byName[name] == nil && len(l.recipes) >= MaxRecipes && !l.forget(1) {
		l.refuse(ev, fmt.Sprintf("jobs of %d recipes are listed already; say it again when some are completed", MaxRecipes))
		return
	}
	r := l.recipe(name)
	r.info, r.known, r.asked = *ev.Recipe, true, false
	for j := r.idle.first(); r.info.Missing != "" && j != nil; j = r.idle.first() {
		l.setAside(j, r.missing())
	}
	l.refresh(r)
}

func (r *recipe) missing() string {
	from := ""
	if r.name.provider != "" {
		from = " of " + r.name.provider
	}
	return fmt.Sprintf("recipe %s%s is not there: %s; Retry when it is", r.name.recipe, from, r.info.Missing)
}

// enlist makes a job that has not begun one that may be taken into a group.
func (l *List) enlist(j *job) {
	if j.rec.known && j.rec.info.Missing != "" {
		l.setAside(j, j.rec.missing())
		return
	}
	l.play.insert(j)
	l.near(l.play.prev(j), l.play.next(j))
	if j.state == JobInitial {
		j.rec.idle.insert(j)
		l.refresh(j.rec)
	}
	l.mark(j.rec)
}

// unlist takes a job out of play: nobody's neighbour, and not to be taken into a group.
func (l *List) unlist(j *job) {
	if l.play.has(j) {
		before, behind := l.play.prev(j), l.play.next(j)
		l.play.remove(j)
		l.near(before, behind)
	}
	j.rec.idle.remove(j)
	l.refresh(j.rec)
}

// near marks the recipes of two jobs that have come to be neighbours.
func (l *List) near(before, behind *job) {
	if before != nil {
		l.mark(before.rec)
	}
	if behind != nil {
		l.mark(behind.rec)
	}
}

// refresh keeps the first idle job of a recipe in heads.
func (l *List) refresh(r *recipe) {
	var first *job
	if r.known && r.info.Missing == "" {
		first = r.idle.first()
	}
	if first == r.head {
		return
	}
	if r.head != nil {
		l.heads.remove(r.head)
	}
	if r.head = first; first != nil {
		l.heads.insert(first)
		l.mark(r)
	}
}

func (l *List) mark(r *recipe) {
	if !r.dirty {
		r.dirty = true
		l.dirty = append(l.dirty, r)
	}
}

func (l *List) poke(j *job) {
	if !j.pokedAt && !j.gone {
		j.pokedAt = true
		l.poked = append(l.poked, j)
	}
}

func (l *List) touch(g *group) {
	if g != nil && !g.touched {
		g.touched = true
		l.touched = append(l.touched, g)
	}
}
