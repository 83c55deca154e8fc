// The list: its jobs in their order, and what may be asked of it.

package jobs

import (
	"slices"

	"github.com/batchkit/batchkit/timebase"
)

// List is a list of jobs, folded from its events. Its zero value is of no use; NewList makes one. It is not for several
// goroutines at a time.
type List struct {
	prefix string
	rules  Rules
	halted bool
	avail  bool // what SlotAvailable was last told by

	jobNo, groupNo, turn uint64 // counters: of jobs, of groups, of slots that were taken
	order                chain
	jobs                 map[string]*job
	procs                map[string]*process
	remains              []*job    // completed ones of which processes are left
	recipes              []*recipe // in the order in which they were named first
	byName               map[recipeName]*recipe
	heads                tree // first idle job of each recipe that is known
	play                 tree // production jobs that are neighbours
	groups               []*group
	lead                 *group // of Seamless: who has the running slot, or is resumed to have it

	// The work of one step; empty between steps.
	fx      []Effect
	booting bool
	content []Step
	poked   []*job
	touched []*group
	dirty   []*recipe
	absent  []*process
}

// job is one job.
type job struct {
	id     string
	serial uint64
	kind   JobKind
	order  Order
	rec    *recipe
	state  State
	group  *group
	aside  string
	hold   hold
	gone   bool

	label      int64
	prev, next *job
	links      [sets]link

	made    int64 // processes that were numbered
	counts  Counts
	open    []*process // not over, by number
	told    bool       // its counts have changed and nobody was told
	pokedAt bool

	early, working bool // as its group counts it

	// Of set-up jobs.
	steps  []Step
	off    []string // types of steps that a person has switched off
	sort   int      // of the steps that are being done
	tries  int
	failed bool
}

// hold is what keeps a job from going on until Continue.
type hold uint8

const (
	held    hold = iota + 1 // Suspend: it dispatches no more
	resting                 // Interrupt: its processes rest
	holdCount
)

// process is one process that is not over.
type process struct {
	id     string
	no     int64
	job    *job
	step   int // of a set-up job: which of its steps
	stage  Stage
	do     Do
	begun  bool
	absent bool // it is not there since a boot
	unsaid bool // its Start or Resume was not said again since a boot
	byself bool // it rests, and not by an order of the list: whoever holds it lets it go on
	cut    bool // it was running when the system was cut off
}

// recipeName names a recipe.
type recipeName struct{ provider, recipe string }

// recipe is what the jobs of one recipe share.
type recipe struct {
	name         recipeName
	info         RecipeInfo
	known, asked bool
	generation   uint64
	jobs, idle   tree
	head         *job // the first of idle, where the recipe is known
	dirty        bool
}

// Job is one job as it stands.
type Job struct {
	ID       string
	Kind     JobKind
	State    State
	Group    string // "": none
	Order    Order  // of a set-up job: provider and recipe of its group
	Counts   Counts
	Steps    []Step // of a set-up job
	SetAside string // why the list goes on without it; "": it does not
	Held     bool   // it does not go on until Continue
}

// SlotView is one slot, and who has it.
type SlotView struct {
	Slot  string // "1" to "n" of Parallel; "running" and "completing" of Seamless; "resume" of both
	Group string // "": it is free
	Job   string // which job of the group works by it: the set-up job, or the one that dispatches, or the last one that completes
}

// ProcessView is a process that is not over.
type ProcessView struct {
	Process string
	Job     string
	Recipe  string
	Unit    string
	Stage   Stage
	Do      Do   // what it was last ordered
	Held    bool // it rests, and the list has not ordered that: whoever holds it lets it go on, the list does not
}

// NewList makes an empty list, of Parallel with one slot. Ids of its jobs, processes and groups begin with prefix, such as "n1."
// for a list of node n1, where ids of batches begin so, too; it has at most 32 bytes.
func NewList(prefix string) *List {
	return &List{prefix: prefix, rules: Rules{Scheduler: Parallel, Slots: 1}, avail: true,
		jobs: map[string]*job{}, procs: map[string]*process{}, byName: map[recipeName]*recipe{},
		heads: tree{set: head}, play: tree{set: inPlay}}
}

// Rules are how the list is worked off.
func (l *List) Rules() Rules { return l.rules }

// Jobs gives the jobs in the order of the list, set-up jobs among them. A completed job is in it no more.
func (l *List) Jobs() []Job {
	out := make([]Job, 0, l.order.n)
	for j := l.order.first; j != nil; j = j.next {
		out = append(out, j.view())
	}
	return out
}

// Job gives one job of the list.
func (l *List) Job(id string) (found Job, ok bool) {
	j := l.jobs[id]
	if j == nil {
		return Job{}, false
	}
	return j.view(), true
}

func (j *job) view() Job {
	v := Job{ID: j.id, Kind: j.kind, State: j.state, Order: j.order, Counts: j.counts, Steps: slices.Clone(j.steps), SetAside: j.aside, Held: j.hold != 0}
	if j.group != nil {
		v.Group = j.group.id
	}
	return v
}

// Slots gives the slots: of Parallel all, of Seamless the running slot, free ones too; then the others in the order in which they
// were taken.
func (l *List) Slots() []SlotView {
	var out []SlotView
	byName := func(name string) {
		v := SlotView{Slot: name}
		for _, g := range l.groups {
			if g.slot == name {
				v.Group, v.Job = g.id, g.worker()
			}
		}
		out = append(out, v)
	}
	if l.rules.Scheduler == Seamless {
		byName(slotRunning)
	}
	for i := 1; l.rules.Scheduler == Parallel && i <= l.rules.Slots; i++ {
		byName(slotNumber(i))
	}
	others := slices.Clone(l.groups)
	slices.SortFunc(others, func(a, b *group) int { return int(int64(a.turn) - int64(b.turn)) })
	for _, g := range others {
		if g.slot == slotCompleting || g.slot == slotResume {
			out = append(out, SlotView{Slot: g.slot, Group: g.id, Job: g.worker()})
		}
	}
	return out
}

// Available tells whether another group could have a slot; SlotAvailable says that it has become true.
func (l *List) Available() bool { return l.available() }

// Halted tells whether the list waits for a Boot.
func (l *List) Halted() bool { return l.halted }

// Settled tells that a Halt has come to its end: no process runs or waits to.
func (l *List) Settled() bool {
	for _, p := range l.all() {
		if p.stage <= Running && !p.absent {
			return false
		}
	}
	return l.halted
}

// all gives the processes that are not over, by job in the order of the list, then those that completed jobs have left.
func (l *List) all() []*process {
	var out []*process
	for j := l.order.first; j != nil; j = j.next {
		out = append(out, j.open...)
	}
	for _, j := range l.remains {
		out = append(out, j.open...)
	}
	return out
}

// Processes gives the processes that are not over, by job in the order of the list, then those that completed jobs have left.
func (l *List) Processes() []ProcessView {
	all := l.all()
	out := make([]ProcessView, 0, len(all))
	for _, p := range all {
		out = append(out, p.view())
	}
	return out
}

// Process gives one process that is not over.
func (l *List) Process(id string) (found ProcessView, ok bool) {
	p := l.procs[id]
	if p == nil {
		return ProcessView{}, false
	}
	return p.view(), true
}

func (p *process) view() ProcessView {
	recipe, unit := p.what()
	return ProcessView{Process: p.id, Job: p.job.id, Recipe: recipe, Unit: unit, Stage: p.stage, Do: p.do, Held: p.byself}
}

// what a process runs, and where.
func (p *process) what() (recipe, unit string) {
	if p.job.kind == Production {
		return p.job.order.Recipe, p.job.order.Unit
	}
	if p.step < len(p.job.steps) {
		return p.job.steps[p.step].Recipe, p.job.steps[p.step].Unit
	}
	return "", ""
}

// Step takes one event, and appends what it comes to to fx, in the order in which it must come true. It takes every event: what
// it refuses is one effect Refused, and nothing has changed. The stamp decides nothing. Strings and slices of effects are not
// written to later on.
func (l *List) Step(at timebase.Stamp, ev *Event, fx []Effect) []Effect {
	l.fx = fx
	if err := ev.check(); err != nil {
		l.refuse(ev, err.Error())
	} else {
		l.take(ev)
		l.work()
	}
	fx, l.fx, l.content = l.fx, nil, nil
	return fx
}

func (l *List) emit(e Effect) { l.fx = append(l.fx, e) }

func (l *List) refuse(ev *Event, why string) {
	l.emit(Effect{Kind: Refused, Job: ev.Job, Process: ev.Process, Reason: ev.Kind.String() + ": " + why})
}

// of begins an effect that is about a job.
func (j *job) of(kind EffectKind) Effect {
	e := Effect{Kind: kind, Job: j.id, JobKind: j.kind, State: j.state, Old: j.state, Recipe: j.order.Recipe, Provider: j.order.Provider, Counts: j.counts}
	if j.group != nil {
		e.Group = j.group.id
	}
	return e
}
