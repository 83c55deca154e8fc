// The world of a batch: the plant as a port, and what happens to plant and controller at its time.

package batchtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// moment is something that happens at a Moment.
type moment struct {
	Moment
	what    uint8
	fault   sim.Fault
	command runner.Command // of answers: value and operator
	gone    int64          // ns, of crashes, darkens and takes

	resource, owner string // of takes

	cause hal.ResetCause // of crashes and darkens: what the board tells of it; Unknown: nothing
	back  bool           // of warns: the supply is back
}

const (
	fails uint8 = iota
	tells
	answers
	crashes
	darkens
	nothing
	takes
	warns
)

// What a world ends a life with, by a panic in the port; nothing else could end it there.
type (
	cut struct { // the controller is gone
		dark  bool
		gone  int64
		cause hal.ResetCause
	}
	rest   struct{} // nothing more will happen
	timeUp struct{} // the limit of the run is over
)

// world is a plant and all that is to happen. Its time is the plant's and goes on over all lives of the controller.
type world struct {
	runner.Simulation
	moments []moment
	limit   int64
	offset  int64 // what the clock of this life lacks to the plant's time
	now     int64 // the plant's time
	born    int64 // when this life began; what is to happen then happens 1 ns later, after what stands at its head
	run     *runner.Runner

	begun   int     // records of which the steps that begin were seen
	due     []int64 // by moment: when it happens; Never: not known yet; past: it has
	gave    []int   // moments whose command or answer was given, in order
	asked   []uint32
	auto    bool            // prompts are answered as they are asked
	resting int64           // since when the batch rests; 0: it does not
	blocks  map[string]bool // elements that are no phases
	idle    map[string]bool // by phase and transition under way: whether it does nothing until a person says so
	started bool            // the batch was begun
	ruled   bool            // that boot has held the batch, and it has not gone on since
	boot    uint64          // the record of the last boot after a cut; 0: there was none
	carer   int             // restarts that a person may still give who comes by where a rule has held the batch

	claims     []claim // in the order in which they were asked for
	taken      []taken
	token      uint64 // of the last grant
	arbitrated int64  // up to when what others gave back was let go

	cause     hal.ResetCause       // what the board tells of why it came up last
	announced map[uint32]announced // writes by their number
	durable   uint64
}

// announced is the record of a write.
type announced struct {
	seq  uint64
	safe bool
}

const (
	past  = int64(-1)
	birth = int64(1) // of the first life, on the plant's clock
)

func newWorld(r *Trial, limit int64) *world {
	w := &world{Simulation: r.plant, moments: r.moments, limit: limit, auto: !r.opt.Unattended, announced: map[uint32]announced{},
		blocks: map[string]bool{}, idle: map[string]bool{}}
	w.inside(r.b.Plan.Recipe.Root)
	for i := range w.moments {
		due := timebase.Never
		if m := &w.moments[i]; m.step == "" {
			due = birth + m.ns
		}
		w.due = append(w.due, due)
	}
	return w
}

// inside notes which elements are blocks.
func (w *world) inside(e *recipe.Element) {
	w.blocks[e.ID] = e.Block != recipe.NoBlock
	for _, c := range e.Children {
		w.inside(c)
	}
}

// fork copies a plant, where that can be done.
func fork(p runner.Simulation) (runner.Simulation, bool) {
	switch p := p.(type) {
	case *sim.Plant:
		return p.Clone(), true
	case *sim.Playback:
		return p.Clone(), true
	case Forker:
		return p.Fork(), true
	}
	return nil, false
}

// fork copies the world, but for the life that goes on in it; nil where the plant cannot be copied.
func (w *world) fork() *world {
	plant, ok := fork(w.Simulation)
	if !ok {
		return nil
	}
	c := *w
	c.Simulation, c.run, c.asked = plant, nil, nil
	c.claims, c.taken = slices.Clone(w.claims), slices.Clone(w.taken)
	c.due, c.gave, c.announced, c.idle = slices.Clone(w.due), slices.Clone(w.gave), maps.Clone(w.announced), maps.Clone(w.idle)
	return &c
}

// Next implements runner.Simulation.
func (w *world) Next() int64 {
	next := min(w.Simulation.Next(), w.freed())
	for i, at := range w.due {
		if at != past && (w.moments[i].what != answers || len(w.asked) > 0) {
			next = min(next, max(at, w.born+1))
		}
	}
	return max(next, w.now) - w.offset
}

// Advance implements runner.Simulation. What is to happen to the plant at a time happens before the plant comes to it.
func (w *world) Advance(now int64, emit func(tag.Raw)) {
	w.now = max(w.now, now+w.offset)
	for i := w.first(); i >= 0; i = w.first() {
		at := w.due[i]
		w.due[i] = past
		w.happen(i, at)
		w.resting = min(w.resting, 1) * w.now
	}
	w.give()
	w.Simulation.Advance(w.now, func(raw tag.Raw) {
		if raw.At != 0 {
			raw.At -= w.offset
		}
		emit(raw)
	})
	switch {
	case w.now >= w.limit:
		panic(timeUp{})
	case w.resting > 0 && w.now >= w.resting+2*second && w.ruled && w.carer > 0:
		w.carer, w.resting = w.carer-1, w.now
		_ = w.run.Tell(runner.Command{Command: restart, Operator: "op1", Reason: "batchtest: it rests after a cut"})
	case w.resting > 0 && w.now >= w.resting+restTime && !w.pending():
		panic(rest{})
	}
}

// first is what is to happen next by now, -1 where nothing is.
func (w *world) first() int {
	next := -1
	for i, at := range w.due {
		if w.now <= w.born {
			break
		}
		if at == past || at > w.now || w.moments[i].what == answers && len(w.asked) == 0 {
			continue
		}
		if next < 0 || at < w.due[next] {
			next = i
		}
	}
	return next
}

// pending tells whether something will happen of which the time is known.
func (w *world) pending() bool {
	for i, at := range w.due {
		if at != past && at != timebase.Never && w.moments[i].what != answers {
			return true
		}
	}
	return false
}

// happen lets a moment that was due at a time come about.
func (w *world) happen(i int, at int64) {
	switch m := &w.moments[i]; m.what {
	case fails:
		f := m.fault
		f.At = at
		if err := w.Simulation.(FaultInjector).Fault(f); err != nil {
			panic(fmt.Errorf("batchtest: %w", err))
		}
	case tells:
		if w.run.Tell(m.command) == nil {
			w.gave = append(w.gave, i)
		}
	case answers:
		if w.run.Answer(w.asked[0], m.command.Value, m.command.Operator, "operator") == nil {
			w.gave = append(w.gave, i)
		}
		w.asked = w.asked[1:]
	case takes:
		w.taken = append(w.taken, taken{m.resource, m.owner, at, at + m.gone})
	case crashes:
		panic(cut{gone: m.gone, cause: m.cause})
	case darkens:
		panic(cut{dark: true, gone: m.gone, cause: m.cause})
	case warns:
		w.run.Warn(hal.PowerEvent{Mono: w.now - w.offset, Failing: !m.back})
	}
}

// ask takes a question to an operator.
func (w *world) ask(r *runner.Runner, p runner.Prompt) {
	if w.auto {
		_ = r.Answer(p.ID, fitting(&p.Answer), "op1", "operator")
		return
	}
	w.waits(p.ID)
}

// waits lets a prompt wait for an answer, behind those that have waited longer.
func (w *world) waits(id uint32) {
	if !slices.Contains(w.asked, id) {
		w.asked = append(w.asked, id)
		slices.Sort(w.asked)
	}
}

// fitting is an answer that a prompt takes: ok, or else yes, the least number, the first choice.
func fitting(a *recipe.Answer) string {
	switch a.Kind {
	case recipe.AnswerConfirm:
		return recipe.Yes
	case recipe.AnswerNumber:
		return a.Min.String()
	case recipe.AnswerChoice:
		return a.Choices[0]
	case recipe.AnswerText:
		return "ok"[:min(2, a.MaxLength)]
	}
	return "ok"
}

// Apply implements runner.Simulation. No write comes before its record is durable, unless it is one in the safe direction.
func (w *world) Apply(now int64, out tag.Write) (int64, error) {
	if a, ok := w.announced[out.ID]; !ok || !a.safe && a.seq > w.durable {
		panic(fmt.Errorf("batchtest: write %d to %s came before its record was durable", out.ID, out.Channel))
	}
	if out.Deadline > 0 {
		out.Deadline += w.offset
	}
	done, err := w.Simulation.Apply(now+w.offset, out)
	return done - w.offset, err
}

// see takes what a record means for what is to happen.
func (w *world) see(rec *record.Record) {
	switch rec.Kind {
	case record.KindOutputWrite:
		w.announced[uint32(rec.Int(record.WriteID))] = announced{rec.Seq(), rec.Bool(record.SafeDirection)}
	case record.KindRecovery:
		w.boot = rec.Seq()
	case record.KindStepState:
		w.ruled = w.ruled || w.boot > 0 && falls(rec, w.boot)
	case record.KindBatchState:
		w.ruled = w.ruled && !slices.Contains([]string{"Restarting", "Running"}, rec.Text(record.BatchState))
	case record.KindCommandResult: // a prompt that was not answered to its liking waits on
		if rec.Text(record.Command) == "answer" && rec.Text(record.Result) == "refused" && rec.Has(record.PromptID) && !w.auto {
			w.waits(uint32(rec.Int(record.PromptID)))
		}
	}
	w.stirs(rec)
}

// stirs takes what a record means for whether the batch rests: whether all that is under way is held or paused, or waits between two
// steps for a person (batch.Machine.Resting), or its start was refused.
func (w *world) stirs(rec *record.Record) {
	id := rec.Text(record.StepID)
	switch {
	case rec.Kind == record.KindBatchState && !w.started:
		w.started, w.resting = true, 0
	case rec.Kind == record.KindCommandResult && rec.Text(record.Command) == "start" && rec.Text(record.Result) == "refused" && !w.started:
		w.resting = w.now
	}
	if rec.Kind != record.KindStepState || w.blocks[id] {
		return
	}
	switch state := rec.Text(record.PhaseState); state {
	case "Idle", "Complete", "Stopped", "Aborted":
		delete(w.idle, id)
	default:
		w.idle[id] = state == "Held" || state == "Paused" || state == "Running" && strings.HasSuffix(id, ".step")
	}
	rests := len(w.idle) > 0
	for _, idle := range w.idle {
		rests = rests && idle
	}
	switch {
	case !rests:
		w.resting = 0
	case w.resting == 0:
		w.resting = w.now
	}
}

// rest finds out from all records so far whether the batch rests.
func (w *world) rest(recs []*record.Record) {
	w.resting, w.started = 0, false
	clear(w.idle)
	for _, rec := range recs {
		w.stirs(rec)
	}
}

// lost gives again what was given and is not among the records of a journal: who gave it sees that nothing came of it.
func (w *world) lost(recs []*record.Record) {
	k := 0
	for _, rec := range recs {
		if k < len(w.gave) && w.moments[w.gave[k]].is(rec) {
			k++
		}
	}
	for _, i := range w.gave[k:] {
		w.due[i] = w.now
	}
	w.gave = w.gave[:k]
}

// begin lets the moments of the steps come that begin in records which are durable now.
func (w *world) begin(recs []*record.Record) {
	for _, rec := range recs[min(w.begun, len(recs)):] {
		if rec.Kind != record.KindStepState || rec.Text(record.StepState) != "start" {
			continue
		}
		for i := range w.due {
			if m := &w.moments[i]; w.due[i] == timebase.Never && m.step == rec.Text(record.StepID) {
				w.due[i] = w.now + m.ns
			}
		}
	}
	w.begun = max(w.begun, len(recs))
}

// delay lets all that is to happen happen later.
func (w *world) delay(by int64) {
	for i, at := range w.due {
		if at != past && at != timebase.Never {
			w.due[i] = at + by
		}
	}
}

// is tells whether a record is that of what was given.
func (m *moment) is(rec *record.Record) bool {
	if rec.Text(record.OperatorID) != m.command.Operator {
		return false
	}
	if m.what == answers {
		return rec.Kind == record.KindPromptAnswer && rec.Text(record.Value) == m.command.Value
	}
	if name := rec.Text(record.AlarmID) + rec.Text(record.InterlockID) + rec.Text(record.Parameter); name != m.command.Name && name != "" {
		return false
	}
	return rec.Kind == record.KindCommand && rec.Text(record.Command) == m.command.Command.String() &&
		rec.Text(record.ChangeReason) == m.command.Reason && rec.Text(record.StepID) == m.command.Step
}
