// What is heard of batches, and what the list is told of it.

package production

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/sequencer"
)

// follow hears of the batches until ctx ends. When it has heard all of them first, the list boots, and booted is closed.
func (e *Engine) follow(ctx context.Context, booted chan<- struct{}) {
	up := false
	for wait := soonest; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := e.needs.Batches.Watch(ctx, func(list []api.Batch, whole bool) error {
			wait = soonest
			if up {
				return e.heard(list, whole)
			}
			if !whole {
				return nil
			}
			err := e.boot(list)
			if err == nil {
				up = true
				close(booted)
			}
			return err
		})
		if err != nil && !up && ctx.Err() == nil {
			e.lives(Starting, nameBatches+": "+short(err.Error()))
		}
		if e.brokenBy() != nil {
			return
		}
		e.pause(ctx, wait)
	}
}

// boot tells the list which of its processes are there, and has said again what may not have been carried out.
func (e *Engine) boot(list []api.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	there := map[string]*api.Batch{}
	for i := range list {
		if p := e.fold.procs[list[i].ID]; p == nil || p.its(&list[i]) {
			there[list[i].ID] = &list[i]
		}
	}
	ev := &jobs.Event{Kind: jobs.Boot}
	for _, id := range slices.Sorted(maps.Keys(e.fold.procs)) {
		p, b := e.fold.procs[id], there[id]
		switch {
		case b == nil && over(p.stage):
			e.fold.forget(id)
			continue
		case b == nil:
			was, err := e.gone(p)
			if err != nil {
				return err
			}
			begun := p.stage == jobs.Running || p.stage == jobs.Interrupted
			if p.batch = nil; was.State == "" || begun && stageOf(was, p.stage, p.asked) != jobs.Success {
				continue // the list orders it again, or has a person told that it is gone
			}
			b = was
		}
		p.batch, p.watched = clone(b), true
		if !over(p.stage) {
			ev.Processes = append(ev.Processes, jobs.Found{Process: id, State: found(b, p)})
		}
	}
	ev.Processes = append(ev.Processes, e.strange(list)...)
	_, err := e.step(ev, person{})
	if no := (*api.Error)(nil); err != nil && (!errors.As(err, &no) || no.Status != http.StatusConflict) {
		return err // a list that was not told takes nothing up
	}
	for _, id := range slices.Sorted(maps.Keys(e.fold.owed)) {
		e.give(id)
	}
	e.tidy()
	for id, p := range e.fold.procs {
		if p.batch != nil && p.batch.Life == api.Removed && over(p.stage) {
			e.fold.forget(id)
		}
	}
	for i := range list {
		if err := e.hear(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// maxStrange is of how many strange batches a person is told at a boot.
const maxStrange = 1000

// strange are batches that are under way and have the id of a process of a list like this one, which the list does not know: was its ledger put back to an
// earlier day? The list has a person told.
func (e *Engine) strange(list []api.Batch) (all []jobs.Found) {
	for i := range list {
		b := &list[i]
		stage := stageOf(b, jobs.Awaited, jobs.Start)
		ours := strings.HasPrefix(b.ID, e.opt.Prefix+"J-") && api.CheckBatch(b.ID) == nil && len(b.ID) <= jobs.MaxName
		if e.fold.procs[b.ID] == nil && ours && !over(stage) && len(all) < maxStrange {
			all = append(all, jobs.Found{Process: b.ID, State: stage})
		}
	}
	slices.SortFunc(all, func(a, b jobs.Found) int { return strings.Compare(a.Process, b.Process) })
	return all
}

// found is where a process stands whose batch is found at a boot. One that is Lost, or was and is Held since, rests: the list says when it goes on. One that
// rests and was not told to is in the hands of a person: it is told behind the boot, so that the list does not take it for one that was cut off.
func found(b *api.Batch, p *process) jobs.Stage {
	begun := p.stage == jobs.Running || p.stage == jobs.Interrupted
	if begun && (b.Life == api.Lost || rests(b) && (p.taken || p.asked == jobs.Pause)) {
		return jobs.Interrupted
	}
	if b.Life == api.Active && rests(b) && p.stage == jobs.Running {
		return p.stage
	}
	return stageOf(b, p.stage, p.asked)
}

// stands is where a process stands whose batch is seen as b. One that was Lost comes up Held, and is not at rest: the engine has it go on.
func (p *process) stands(b *api.Batch) jobs.Stage {
	stage := stageOf(b, p.stage, p.asked)
	if p.taken && p.stage < jobs.Interrupted && stage == jobs.Interrupted && p.asked != jobs.Pause {
		return jobs.Running
	}
	return stage
}

// rests tells whether a batch is held or paused.
func rests(b *api.Batch) bool {
	return b.State == sequencer.Held.String() || b.State == sequencer.Paused.String()
}

// clone copies a batch: whoever gave it goes on to use it.
func clone(b *api.Batch) *api.Batch {
	c := *b
	c.Steps, c.Equipment, c.Prompts, c.Commands = slices.Clone(b.Steps), slices.Clone(b.Equipment), slices.Clone(b.Prompts), slices.Clone(b.Commands)
	return &c
}

// answered takes in how a batch stands by the answer to an order. Who watches may not have seen it yet.
func (e *Engine) answered(b *api.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.hear(b)
	if p := e.fold.procs[b.ID]; p != nil && p.early != nil {
		early := p.early
		if p.early = nil; since(early, b) && err == nil {
			err = e.hear(early)
		}
	}
	return err
}

// ages are the lives of a batch in their order, but Lost, which may be followed by those before it.
var ages = []api.Life{api.Loading, api.Ready, api.LoadFailed, api.Active, api.Ended, api.Removing, api.Removed}

// since tells whether what was seen of a batch is not older than an answer about it. Where nobody can tell it counts: nothing that comes later is missed by that,
// and what is told of a batch next puts it right.
func since(seen, answer *api.Batch) bool {
	if seen.Life == api.Removed || seen.Life == answer.Life || seen.Life == api.Lost || answer.Life == api.Lost {
		return seen.Life == api.Removed || seen.Records >= answer.Records
	}
	return slices.Index(ages, seen.Life) > slices.Index(ages, answer.Life)
}

// heard takes in how batches stand, by who watches them; whole says that there are no others. An error is one of the ledger.
func (e *Engine) heard(list []api.Batch, whole bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	there := map[string]bool{}
	for i := range list {
		there[list[i].ID] = true
		if p := e.fold.procs[list[i].ID]; p != nil {
			if p.watched = true; p.batch == nil { // the answer to its creation is to come, and says whose batch it is
				p.early = clone(&list[i])
				continue
			}
		}
		if err := e.hear(&list[i]); err != nil {
			return err
		}
	}
	if !whole {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(e.fold.procs)) {
		if p := e.fold.procs[id]; !there[id] && p.batch != nil && p.watched { // one that was just created may have come behind the list
			was, err := e.gone(p)
			if err == nil {
				err = e.hear(was)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// hear takes in how a batch stands. It is called with mu held.
func (e *Engine) hear(b *api.Batch) error {
	e.floor.holders.hear(b)
	p := e.fold.procs[b.ID]
	if p == nil {
		return nil // it is no batch of the list
	}
	if !p.its(b) {
		return nil // a person has made it; whoever creates the one that was ordered hears that
	}
	if b.Life == api.Removed && over(p.stage) {
		e.fold.forget(p.id)
		e.touch()
		return nil
	}
	if b.Life == api.Removed && b.State == "" {
		was, err := e.gone(p)
		if err != nil {
			return err
		}
		b = was
	}
	if p.taken && b.Life == api.Active && b.State == sequencer.Running.String() {
		if err := e.deed(&deed{Did: didGoOn, Process: p.id, Job: p.job}, person{}); err != nil {
			return err
		}
	}
	if p.batch = clone(b); b.Life != api.Lost && b.Life != api.Loading && !p.taken {
		p.rested = b.State == sequencer.Held.String() || b.State == sequencer.Holding.String() || b.State == sequencer.Paused.String()
	}
	e.process(p.id)
	e.out.rouse(p.id)
	poke(e.wake)
	if stage := p.stands(b); stage == p.stage {
		p.said = stage
	} else if stage != p.said {
		p.said = stage
		if _, err := e.step(&jobs.Event{Kind: jobs.Process, Process: p.id, State: stage, Reason: failure(b, stage, p.asked)}, person{}); err != nil && e.broken != nil {
			return err
		}
	}
	if b.Life == api.Removed && over(p.stage) {
		e.fold.forget(p.id)
	}
	if over(p.stage) {
		e.tidy()
	}
	e.touch()
	if b.Life == api.Lost {
		if err := e.lost(p); err != nil {
			return err
		}
	}
	e.takenOn(p)
	return nil
}

// failure is why a process has failed, as far as its batch says.
func failure(b *api.Batch, stage jobs.Stage, asked jobs.Do) string {
	if stage != jobs.Failure {
		return ""
	}
	text := strings.TrimRight(string(b.Life)+" "+b.State, " ")
	if asked == jobs.Drop && b.Life == api.Ended && b.State == sequencer.Aborted.String() {
		text += ": it was being taken away when it got its equipment, and may have used it"
	}
	if b.Reason != "" {
		text += ": " + b.Reason
	}
	return fit(text)
}

// lost has a batch taken up that is Lost, on record, unless the list rests it or ends it, or its recipe forbids that. It is called with mu held.
func (e *Engine) lost(p *process) error {
	if over(p.stage) || p.stage == jobs.Interrupted && !p.byPerson(e.fold.list) || p.taken {
		return nil
	}
	if t := e.out.first(p.id); t != nil && t.do != jobs.Start && !t.own {
		return nil
	}
	info := e.fold.infos[[2]string{p.provider, p.recipe}]
	begun := p.stage == jobs.Running || p.stage == jobs.Interrupted
	if begun && info.NoResume != "" {
		p.taken = true // it is said once
		return e.deed(&deed{Did: didLeave, Process: p.id, Job: p.job, Detail: "it is Lost, and its recipe forbids that it goes on: " + info.NoResume +
			"; look at it, then remove it or restart it"}, person{})
	}
	d := deed{Did: didTakeUp, Process: p.id, Job: p.job, Detail: "it is Lost: it is taken up where it was"}
	if p.rested || p.byPerson(e.fold.list) {
		d.Seq = atRest
	}
	if err := e.deed(&d, person{}); err != nil {
		return err
	}
	e.out.put(&task{kind: taskOrder, id: p.id, do: jobs.Resume, own: true})
	return nil
}

// takenOn has what an engine before this one took up go on. What has begun the list resumes when it boots, unless a person holds it; what has not begun, or
// is held, is nobody else's. It is called with mu held.
func (e *Engine) takenOn(p *process) {
	waits := p.batch.Life == api.Lost || p.batch.Life == api.Active && p.batch.State == sequencer.Held.String()
	ours := p.stage == jobs.Awaited && p.asked == jobs.Start || p.byPerson(e.fold.list)
	if p.taken && waits && ours && !e.out.own(p.id, jobs.Resume) {
		e.out.put(&task{kind: taskOrder, id: p.id, do: jobs.Resume, own: true})
	}
}

// byPerson tells whether a process rests in the hands of a person: whoever holds it has it go on, the list does not.
func (p *process) byPerson(list *jobs.List) bool {
	v, _ := list.Process(p.id)
	return v.Held
}

// its tells whether a batch that has the id of a process is of its recipe, too.
func (p *process) its(b *api.Batch) bool {
	return b.Recipe == "" || p.recipe == "" || b.Recipe == p.recipe
}

// fit makes a text one that an event takes as a reason: without control characters, such as those between joined errors, and cut.
func fit(s string) string {
	plain := func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}
	return cutTo(strings.Map(plain, s), jobs.MaxText)
}
