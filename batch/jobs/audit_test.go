// What must hold after every event, told from events and effects alone: nothing here looks into a list but by what anybody may ask of it.

package jobs_test

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
)

// life is a job as its effects tell of it.
type life struct {
	id, recipe, group string
	kind              jobs.JobKind
	state             jobs.State
	amount            int64
	counts            jobs.Counts
	ended             jobs.Counts // by what was said of its processes
	aside             string
	gone              bool
	really            int64 // processes of it that have begun, told or not
	early             bool  // a person has ended it, or what was left of it was taken away
}

// crew is a group as its effects tell of it.
type crew struct {
	id, recipe, slot string
	ordered          bool // a process of it was to start
	cleaned          bool // its clean-up came to its end since
}

// audit follows a list.
type audit struct {
	rules  jobs.Rules
	lives  map[string]*life
	crews  map[string]*crew
	held   int                    // crews that have a slot
	chain  []string               // jobs in the order of the list
	stages map[string]jobs.Stage  // of processes that were ordered
	owner  map[string]*life       // by process
	last   map[string]jobs.Do     // what a process was last ordered
	events map[jobs.EventKind]int // that were taken
	known  map[string]bool        // recipes that are there
	again  map[string]bool        // processes that may be told again what they were told before a boot
}

func newAudit(rules jobs.Rules) audit {
	return audit{rules: rules, lives: map[string]*life{}, crews: map[string]*crew{}, stages: map[string]jobs.Stage{}, owner: map[string]*life{},
		last: map[string]jobs.Do{}, events: map[jobs.EventKind]int{}, known: map[string]bool{}, again: map[string]bool{}}
}

// view is all that may be asked of a list.
type view struct {
	jobs      []jobs.Job
	slots     []jobs.SlotView
	processes []jobs.ProcessView
	available bool
}

func (a *audit) view(l *jobs.List) view {
	return view{l.Jobs(), l.Slots(), l.Processes(), l.Available()}
}

// check takes in the effects of an event, one after the other, and holds what they tell against the rules and against the list.
func (a *audit) check(w *rig, before, after view, ev *jobs.Event) {
	if len(w.fx) > 0 && w.fx[0].Kind == jobs.Refused {
		w.must(len(w.fx) == 1, "%d effects beside a refusal", len(w.fx)-1)
		require.Equal(w, before, after, "an event was refused and has changed something: %s", w.fx[0].Reason)
		w.met["refused "+ev.Kind.String()]++
		return
	}
	a.events[ev.Kind]++
	switch ev.Kind {
	case jobs.Configure:
		a.rules = *ev.Rules
	case jobs.Recipe:
		a.known[ev.Recipe.Recipe] = ev.Recipe.Missing == ""
	case jobs.Boot:
		for id := range a.stages {
			a.again[id] = true
		}
	}
	if j := a.lives[ev.Job]; j != nil && (ev.Kind == jobs.Complete || ev.Kind == jobs.Abort) {
		j.early = true
	}
	rose := false
	for i := range w.fx {
		e := &w.fx[i]
		w.must(e.Kind != jobs.Refused, "an event is refused in the midst: %s", e.Reason)
		rose = rose || e.Kind == jobs.SlotAvailable
		switch e.Kind {
		case jobs.Listed, jobs.Changed, jobs.Gone, jobs.SetAside, jobs.Back:
			a.job(w, e, ev)
		case jobs.SlotTaken, jobs.SlotMoved, jobs.SlotFreed:
			a.slot(w, e)
		case jobs.Ordered, jobs.ProcessChanged:
			a.process(w, e)
			if e.Kind == jobs.Ordered {
				a.sensible(w, e, ev)
			}
		case jobs.AskRecipe:
			a.known[e.Recipe] = false
		}
	}
	if ev.Kind != jobs.Configure {
		w.must(rose || before.available || !after.available, "a slot has become available and nobody was told")
	}
	a.same(w, after)
	if j := a.owner[ev.Process]; ev.Kind == jobs.Process && ev.State != jobs.Interrupted && j != nil && !j.gone && a.crews[j.group] != nil {
		w.must(a.crews[j.group].slot != "resume", "process %s has gone on, and its group is in a resume slot", ev.Process)
	}
	a.hold(w, before, after)
	a.level(w, after)
}

// job takes in what is said of a job.
func (a *audit) job(w *rig, e *jobs.Effect, ev *jobs.Event) {
	j := a.lives[e.Job]
	if e.Kind == jobs.Listed {
		if j == nil {
			j = &life{id: e.Job, recipe: e.Recipe, kind: e.JobKind, state: e.State, amount: e.Counts.Amount}
			a.lives[e.Job] = j
		}
		w.must(!j.gone, "job %s is gone and comes back", j.id)
		a.chain = slices.DeleteFunc(a.chain, func(id string) bool { return id == j.id })
		a.chain = slices.Insert(a.chain, slices.Index(a.chain, e.After)+1, j.id)
		j.group, j.counts = e.Group, e.Counts
		return
	}
	w.must(j != nil, "%s of job %s, which was never listed", e.Kind, e.Job)
	w.must(!j.gone, "%s of job %s, which is gone", e.Kind, e.Job)
	switch e.Kind {
	case jobs.Changed:
		w.must(j.state == e.Old, "job %s is %s, and was said to be %s", j.id, j.state, e.Old)
		w.must(j.state != jobs.JobCompleted, "job %s is completed and goes on", j.id)
		if j.kind == jobs.CleanUp && e.State.Class() == jobs.ClassRunning && j.state.Class() < jobs.ClassRunning {
			a.starts(w, e.Group, j)
		}
		if j.kind == jobs.CleanUp && e.State == jobs.SetupCompleted && j.state != jobs.SetupInitial && j.state != jobs.SetupWaiting &&
			j.state != jobs.SetupInterrupting && ev.Kind != jobs.Boot && ev.Kind != jobs.Halt {
			a.crews[e.Group].cleaned = true
		}
		if j.kind == jobs.CleanUp && e.State == jobs.SetupAborting { // a person has seen to it
			a.crews[e.Group].cleaned = true
		}
		j.early = j.early || e.State == jobs.JobCleanUp || e.State == jobs.JobDiscarding || ev.Kind == jobs.Halt && e.State == jobs.JobCompleted
		j.state, j.counts, j.group = e.State, e.Counts, e.Group
	case jobs.Gone:
		at := slices.Index(a.chain, j.id)
		before := ""
		if at > 0 {
			before = a.chain[at-1]
		}
		w.must(e.After == before, "job %s goes from behind %s, and stood behind %s", j.id, e.After, before)
		a.chain = slices.Delete(a.chain, at, at+1)
		w.must(j.state.Class() == jobs.ClassCompleted, "job %s goes as %s", j.id, j.state)
		j.gone = true
		a.over(w, j)
	case jobs.SetAside:
		w.must(e.Reason != "" && j.aside == "", "job %s is set aside for %q, after %q", j.id, e.Reason, j.aside)
		j.aside, j.group = e.Reason, ""
	case jobs.Back:
		j.aside = ""
	}
}

// starts holds the start of a clean-up against I3.
func (a *audit) starts(w *rig, group string, c *life) {
	for _, id := range a.chain {
		j := a.lives[id]
		w.must(j.kind != jobs.Production || j.group != group || j.gone, "I3: clean-up %s starts while job %s is %s", c.id, j.id, j.state)
	}
}

// over accounts for a job that goes.
func (a *audit) over(w *rig, j *life) {
	w.must(j.counts.Success == j.ended.Success, "job %s counts %d successes of %d", j.id, j.counts.Success, j.ended.Success)
	w.must(j.counts.Failure == j.ended.Failure, "job %s counts %d failures of %d", j.id, j.counts.Failure, j.ended.Failure)
	if j.kind == jobs.Production && !j.early {
		w.must(j.amount != 0, "job %s was to run until Complete, and goes by itself", j.id)
		w.must(j.amount == j.counts.Success+j.counts.Failure, "of job %s, %d are lost", j.id, j.amount-j.counts.Success-j.counts.Failure)
	}
	real := int64(0)
	for _, b := range w.batches {
		if a.owner[b.id] == j && b.stage == jobs.Success {
			real++
		}
	}
	if w.shifted {
		return
	}
	w.must(j.counts.Success <= real, "job %s counts %d, and %d were made", j.id, j.counts.Success, real)
	w.must(j.early || j.kind != jobs.Production || j.counts.Success == real, "job %s counts %d, and %d were made", j.id, j.counts.Success, real)
}

// slot takes in what is said of a slot.
func (a *audit) slot(w *rig, e *jobs.Effect) {
	g := a.crews[e.Group]
	switch e.Kind {
	case jobs.SlotTaken:
		w.must(g == nil, "group %s takes a second slot", e.Group)
		g = &crew{id: e.Group, recipe: e.Recipe, slot: e.Slot}
		a.crews[e.Group] = g
		a.held++
	case jobs.SlotMoved:
		w.must(g.slot == e.OldSlot, "group %s has slot %q, and was said to have %q", g.id, g.slot, e.OldSlot)
		g.slot = e.Slot
	case jobs.SlotFreed:
		w.must(g.slot == e.OldSlot, "group %s has slot %q, and was said to have %q", g.id, g.slot, e.OldSlot)
		w.must(!g.ordered || g.cleaned, "I4: group %s gives its slot back and was not cleaned up", g.id)
		g.slot = ""
		a.held--
	}
	if g.slot == "running" || g.slot != "" && g.slot[0] <= '9' {
		for _, o := range a.crews {
			w.must(o == g || o.slot != g.slot, "I1: groups %s and %s have one slot", o.id, g.id)
		}
	}
}

// process takes in what is said of a process.
func (a *audit) process(w *rig, e *jobs.Effect) {
	was, known := a.stages[e.Process]
	w.must(was < jobs.Discarded, "%s of process %s, which is over", e.Kind, e.Process)
	if e.Kind == jobs.Ordered {
		if !known {
			w.must(e.Do == jobs.Start, "process %s is new, and is to be done: %s", e.Process, e.Do)
			a.stages[e.Process], a.owner[e.Process] = jobs.Awaited, a.lives[e.Job]
		}
		if g := a.crews[e.Group]; g != nil && e.Do == jobs.Start && e.JobKind != jobs.CleanUp {
			g.ordered, g.cleaned = true, false
		}
		w.must(a.stages[e.Process] == e.Stage, "process %s is %s, and was said to be %s", e.Process, a.stages[e.Process], e.Stage)
		if e.Do == jobs.Start {
			w.must(e.Stage == jobs.Awaited, "process %s is %s, and is to start", e.Process, e.Stage)
			w.must(!w.list.Halted(), "process %s is to start in a halt", e.Process)
		}
		return
	}
	w.must(known, "process %s was never ordered", e.Process)
	w.must(was == e.OldStage, "process %s is %s, and was said to be %s", e.Process, was, e.OldStage)
	w.must(e.Stage > jobs.Awaited, "process %s comes to %s", e.Process, e.Stage)
	a.stages[e.Process] = e.Stage
	switch j := a.owner[e.Process]; e.Stage {
	case jobs.Success:
		j.ended.Success++
	case jobs.Failure:
		j.ended.Failure++
	}
}

// same holds what the effects told against what the list answers.
func (a *audit) same(w *rig, now view) {
	w.must(len(now.jobs) == len(a.chain), "%d jobs are listed, and %d were told", len(now.jobs), len(a.chain))
	for i := range now.jobs {
		j := &now.jobs[i]
		told := a.lives[a.chain[i]]
		w.must(a.chain[i] == j.ID, "job %s stands where %s was told", j.ID, a.chain[i])
		w.must(told.state == j.State, "job %s is %s, and was told to be %s", j.ID, j.State, told.state)
		w.must(told.counts == j.Counts, "job %s has %v, and was told to have %v", j.ID, j.Counts, told.counts)
		w.must(told.group == j.Group, "job %s is of group %q, and was told to be of %q", j.ID, j.Group, told.group)
		w.must(told.aside == j.SetAside, "job %s is set aside for %q, and was told to be for %q", j.ID, j.SetAside, told.aside)
	}
	have := 0
	for _, s := range now.slots {
		if s.Group != "" {
			have++
			g := a.crews[s.Group]
			w.must(g != nil && g.slot == s.Slot, "group %s has slot %q, and was told to have %+v", s.Group, s.Slot, g)
		}
	}
	w.must(have == a.held, "%d groups have slots, and %d were told to", have, a.held)
	for i := range now.processes {
		p := &now.processes[i]
		w.must(a.stages[p.Process] == p.Stage, "process %s is %s, and was told to be %s", p.Process, p.Stage, a.stages[p.Process])
	}
}

// hold holds the list against I1, I2 and I6.
func (a *audit) hold(w *rig, before, now view) {
	dispatching := map[string]int{}
	groups := map[string]bool{}
	closed := map[string]bool{}
	passed := map[string]string{} // by recipe, an idle job that is no member
	for i := range now.jobs {
		j := &now.jobs[i]
		if j.Group != "" {
			groups[j.Group] = true
		}
		if j.Kind == jobs.CleanUp && j.State.Class() >= jobs.ClassRunning {
			closed[j.Group] = true
		}
		if j.Kind != jobs.Production {
			continue
		}
		if j.State == jobs.JobDispatched || j.State == jobs.JobRunning {
			dispatching[j.Group]++
		}
		w.must(j.Counts.Amount == 0 || j.Counts.Begun <= j.Counts.Amount, "job %s has begun %d of %d", j.ID, j.Counts.Begun, j.Counts.Amount)
		switch earlier := passed[j.Order.Recipe]; {
		case j.Group == "" && j.State == jobs.JobInitial && j.SetAside == "" && !j.Held:
			passed[j.Order.Recipe] = j.ID
		case j.Group != "" && earlier != "":
			was := slices.ContainsFunc(before.jobs, func(b jobs.Job) bool { return b.ID == j.ID && b.Group != "" })
			w.must(was, "I6: job %s is accepted over %s", j.ID, earlier)
		}
	}
	for g, n := range dispatching {
		w.must(n == 1 && g != "", "I2: %d jobs of group %q dispatch", n, g)
		w.must(!closed[g], "group %s is being cleaned up and dispatches", g)
	}
	if a.rules.Scheduler == jobs.Parallel {
		w.must(len(groups) <= a.rules.Slots, "I1: %d groups have slots of %d", len(groups), a.rules.Slots)
	} else {
		w.must(len(dispatching) <= 1, "I1: %d groups dispatch", len(dispatching))
	}
}
