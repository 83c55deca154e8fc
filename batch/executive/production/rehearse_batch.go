// The batches of a rehearsal: each a runner in virtual time, told of as the manager would tell of it.

package production

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// cast are the batches of a rehearsal. Its methods are called by whoever has the turn.
type cast struct {
	turns   *turns
	floor   *floor
	runtime *registry.Server
	rig     *Rig
	seed    uint64
	sample  int64                     // when the unit runs sample next; nothing goes on for that alone
	limit   int64                     // when it is over at the latest
	ctx     context.Context           // ends the runs
	plans   map[[2]string]*batch.Plan // by recipe and unit
	all     []*virtualBatch           // in the order of their creation
	byID    map[string]*virtualBatch
	news    []*virtualBatch // that have changed, in the order in which they have
}

// virtualBatch is one batch.
type virtualBatch struct {
	c       *cast
	order   api.Create
	is      api.Batch
	plan    *batch.Plan
	seat    *seat
	run     *runner.Runner
	claims  []claim
	phases  []string // under way
	result  runner.Result
	failed  error
	began   int64 // when it was created
	ended   int64
	removed bool
	news    bool // it has changed, and that was not heard
}

// claim is equipment that a batch has asked for.
type claim struct {
	id      int64
	step    string
	names   []string
	granted bool
}

// Create implements Batches: the batch begins at once, in its own turn.
func (c *cast) Create(_ context.Context, o *api.Create) (api.Batch, error) {
	if b := c.byID[o.ID]; b != nil && b.is.Recipe != o.Recipe {
		return api.Batch{}, &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("production: rehearsal: batch %s is one of %s", o.ID, b.is.Recipe)}
	} else if b != nil {
		return b.shown(), nil
	}
	if err := o.Check(); err != nil {
		return api.Batch{}, &api.Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	b := &virtualBatch{c: c, order: *o, began: c.turns.now, is: api.Batch{ID: o.ID, Life: api.Loading, Recipe: o.Recipe, Unit: o.Unit, Size: o.Size, Operator: o.Operator}}
	c.all, c.byID[o.ID] = append(c.all, b), b
	bound, err := b.bind()
	if err != nil {
		b.fail(err)
		return b.shown(), nil
	}
	b.tell()
	c.turns.begin(func(t *turn) { b.ride(t, bound) })
	return b.shown(), nil
}

// bind binds the batch to its recipe and its unit, as its own process would.
func (b *virtualBatch) bind() (*batch.Batch, error) {
	bound, err := b.c.runtime.Bind(b.order.Recipe, b.order.Unit)
	if err != nil {
		return nil, err
	}
	b.is.Unit, b.is.Version, b.is.Model = bound.Unit, bound.Version, bound.Model
	key := [2]string{bound.Recipe, bound.Unit}
	if b.plan = b.c.plans[key]; b.plan == nil {
		if b.plan, err = batch.Load(b.c.rig.Files, bound.Main, bound.Map, &batch.LoadOptions{Actions: api.Actions()}); err != nil {
			return nil, err
		}
		b.c.plans[key] = b.plan
	}
	if step := messages(b.plan.Recipe.Root); step != "" {
		return nil, fmt.Errorf("production: rehearsal: %s passes messages to other batches, which a rehearsal does not; run that recipe in real time", step)
	}
	return b.plan.Bind(b.order.ID, b.order.Size, batch.Unapproved, &batch.BindOptions{Operator: b.order.Operator, Seed: b.c.seedOf(b.order.ID), EquipmentModel: bound.Model})
}

// seedOf is the seed of a batch: another one for each.
func (c *cast) seedOf(id string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", c.seed, id)
	return h.Sum64()>>1 | 1
}

// messages is the first step that passes a message to another batch; "" where none does.
func messages(e *recipe.Element) string {
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind == recipe.Request && slices.Contains([]string{api.DoPost, api.DoTake, api.DoMeet}, a.Type) {
			return e.ID
		}
	}
	for _, child := range e.Children {
		if step := messages(child); step != "" {
			return step
		}
	}
	return ""
}

// ride runs the batch from its first turn to its end.
func (b *virtualBatch) ride(t *turn, bound *batch.Batch) {
	c := b.c
	b.seat = c.floor.take(t, b.is.ID, b.order.Priority, b.plan.Map)
	rig := runner.Rig{Port: b.seat, Dir: filepath.Join(c.rig.Dir, "batches", b.is.ID, "evidence"), Clock: c.turns, Arbiter: b.seat, Do: c.rig.Do}
	r, err := runner.New(bound, rig, &runner.Options{Manual: !b.order.Start, Lean: true, Record: b.record, Ask: answer,
		Virtual: &runner.Virtual{UTC: dayBegins, Wait: t.wait}})
	if err == nil {
		b.run = r
		b.is.Life = api.Ready
		b.tell()
		b.result, err = r.Run(c.ctx)
	}
	b.run, b.ended = nil, c.turns.now
	b.seat.leave()
	begun := b.is.State != "" && b.is.State != sequencer.Idle.String()
	switch {
	case err != nil && !begun:
		b.fail(err)
		return
	case err != nil:
		b.failed, b.is.Reason = err, err.Error()
	}
	b.is.Life, b.is.Ended, b.is.Package, b.is.Records, b.is.Link = api.Ended, true, b.result.Dir, b.result.Records, b.result.Link
	b.is.Equipment, b.is.Steps = nil, nil
	b.tell()
}

// fail says that the batch cannot be loaded.
func (b *virtualBatch) fail(err error) {
	b.failed, b.ended = err, b.c.turns.now
	b.is.Life, b.is.Reason = api.LoadFailed, err.Error()
	b.tell()
}

// tell keeps that the batch has changed, until that is heard.
func (b *virtualBatch) tell() {
	b.is.Since = stampAt(b.c.turns.now)
	if !b.news {
		b.news = true
		b.c.news = append(b.c.news, b)
	}
}

// shown is the batch as it stands.
func (b *virtualBatch) shown() api.Batch {
	is := b.is
	is.Equipment, is.Steps = slices.Clone(is.Equipment), slices.Clone(is.Steps)
	return is
}

// heard gives the batches that have changed since it was asked last, in the order in which they have.
func (c *cast) heard() (list []api.Batch) {
	for _, b := range c.news {
		b.news = false
		list = append(list, b.shown())
	}
	c.news = c.news[:0]
	return list
}

// Watch implements Batches. Nobody watches a rehearsal: heard is asked between two turns.
func (c *cast) Watch(ctx context.Context, _ func([]api.Batch, bool) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// Restart implements Batches. No batch of a rehearsal is ever Lost.
func (c *cast) Restart(_ context.Context, id string, _ *api.Restart) error {
	return &api.Error{Status: http.StatusConflict, Message: "production: rehearsal: batch " + id + " is not Lost"}
}

// record takes in a record of the batch as it is numbered.
func (b *virtualBatch) record(k record.Kind, body []byte) {
	switch k {
	case record.KindBatchState, record.KindBatchEnd, record.KindStepState, record.KindResourceRequest, record.KindResourceGranted, record.KindResourceRelease:
	default:
		return
	}
	r, err := record.Parse(body)
	if err != nil {
		return // the runner's own tests see to that
	}
	switch k {
	case record.KindBatchState, record.KindBatchEnd:
		b.is.State, b.is.Reason = r.Text(record.BatchState), r.Text(record.Detail)
		if b.is.Life == api.Ready && b.is.State != sequencer.Idle.String() {
			b.is.Life = api.Active
		}
	case record.KindStepState:
		if !b.stepped(r) {
			return
		}
	default:
		b.claimed(k, r)
	}
	b.shows()
	b.tell()
}

// stepped takes in what has become of a phase, and tells whether that is news.
func (b *virtualBatch) stepped(r *record.Record) bool {
	id := r.Text(record.StepID)
	i := slices.Index(b.phases, id)
	over := slices.Contains(ends, r.Text(record.PhaseState))
	switch {
	case r.Text(record.Level) != "phase", over == (i < 0):
		return false
	case over:
		b.phases = slices.Delete(b.phases, i, i+1)
	default:
		b.phases = append(b.phases, id)
	}
	return true
}

// ends are the states of a phase that is not under way.
var ends = []string{sequencer.Idle.String(), sequencer.Complete.String(), sequencer.Stopped.String(), sequencer.Aborted.String()}

// claimed takes in what has become of equipment that was asked for.
func (b *virtualBatch) claimed(k record.Kind, r *record.Record) {
	id := r.Int(record.RequestID)
	i := slices.IndexFunc(b.claims, func(c claim) bool { return c.id == id })
	switch {
	case k == record.KindResourceRequest && i < 0:
		b.claims = append(b.claims, claim{id: id, step: r.Text(record.StepID), names: r.Texts(record.ResourceID)})
	case k == record.KindResourceGranted && i >= 0:
		b.claims[i].granted = true
	case k == record.KindResourceRelease && i >= 0 && r.Text(record.Result) == "released":
		step := b.claims[i].step // which gives back all that it asked for before, too
		b.claims = slices.DeleteFunc(b.claims, func(c claim) bool { return c.id == id || c.step == step && c.id < id })
	}
}

// shows shows what the batch has, what it waits for, and its phases.
func (b *virtualBatch) shows() {
	b.is.Equipment, b.is.Steps = nil, nil
	for _, c := range b.claims {
		if c.granted {
			b.is.Equipment = append(b.is.Equipment, b.seat.equipment(c.names)...)
		} else {
			b.is.Steps = append(b.is.Steps, c.step+": waits for "+strings.Join(c.names, ", "))
		}
	}
	b.is.Steps = append(b.is.Steps, b.phases...)
	slices.Sort(b.is.Equipment)
	b.is.Equipment = slices.Compact(b.is.Equipment)
}

// Tell implements Batches.
func (c *cast) Tell(_ context.Context, id string, o *api.Command) error {
	b := c.byID[id]
	if b == nil {
		return &api.Error{Status: http.StatusNotFound, Message: "production: rehearsal: there is no batch " + id}
	}
	cmd, ok := sequencer.ParseCommand(o.Command)
	if !ok || b.run == nil {
		return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("production: rehearsal: batch %s is %s %s, and takes no %s", id, b.is.Life, b.is.State, o.Command)}
	}
	err := b.run.Tell(runner.Command{Command: cmd, Step: o.Step, Target: o.Target, Name: o.Name, Value: o.Value, Operator: cmp.Or(o.Operator, api.Production),
		Role: cmp.Or(o.Role, "system"), Reason: o.Reason})
	if err == nil {
		b.seat.turn.rouse()
	}
	return err
}

// Remove implements Batches.
func (c *cast) Remove(_ context.Context, id string, _ *api.Removal) error {
	b := c.byID[id]
	switch {
	case b == nil || b.removed:
		return nil
	case b.run != nil && b.is.Life == api.Active:
		return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("production: rehearsal: batch %s is %s; abort it first", id, b.is.State)}
	}
	b.removed = true
	b.is.Life = api.Removed
	b.tell()
	return nil
}

// answer answers a prompt with the first answer that it takes: nobody is there.
func answer(r *runner.Runner, p runner.Prompt) {
	value := "ok"
	switch a := &p.Answer; a.Kind {
	case recipe.AnswerConfirm:
		value = recipe.Yes
	case recipe.AnswerNumber:
		value = a.Min.String()
	case recipe.AnswerChoice:
		value = a.Choices[0]
	case recipe.AnswerText:
		value = value[:min(len(value), a.MaxLength)]
	}
	_ = r.Answer(p.ID, value, "rehearsal", "operator")
}
