// What becomes of effects: orders, questions and news.

package production

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// maxNotices is how many notices are remembered for those who watch.
const maxNotices = 256

// carry has an effect carried out that is on record. It is called with mu held.
func (e *Engine) carry(fx *jobs.Effect) {
	if fx.Job != "" {
		e.jobRevs[fx.Job] = e.rev + 1
	}
	switch fx.Kind {
	case jobs.Ordered:
		e.out.put(&task{kind: taskOrder, id: fx.Process, do: fx.Do})
		e.process(fx.Process)
	case jobs.ProcessChanged:
		e.process(fx.Process)
		if over(fx.Stage) {
			e.tidy()
		}
	case jobs.AskRecipe:
		e.out.put(&task{kind: taskRecipe, provider: fx.Provider, recipe: fx.Recipe})
	case jobs.AskContent:
		e.out.put(&task{kind: taskContent, id: fx.Job, jobKind: fx.JobKind, provider: fx.Provider, recipe: fx.Recipe})
	case jobs.Made:
		e.give(fx.Process)
	case jobs.Gone:
		delete(e.jobRevs, fx.Job)
	}
	switch fx.Kind {
	case jobs.SlotAvailable, jobs.SetAside, jobs.Back, jobs.Notify, jobs.Refused:
		e.notice(api.JobNotice{Result: under(fx.Kind.String()), Job: fx.Job, Process: fx.Process, Detail: fx.Reason})
	}
	poke(e.wake)
}

// process says that a process has changed. It is called with mu held.
func (e *Engine) process(id string) {
	if p := e.fold.procs[id]; p != nil {
		p.rev = e.rev + 1
	}
}

// notice keeps a notice for those who watch. It is called with mu held.
func (e *Engine) notice(n api.JobNotice) {
	n.Seq = e.led.Head().N
	if len(e.notices) >= maxNotices {
		e.notices = append(e.notices[:0], e.notices[1:]...)
	}
	e.notices = append(e.notices, n)
	e.noticed++
}

// give has product management told of the article of a process.
func (e *Engine) give(process string) {
	d := e.fold.owed[process]
	run, _ := e.fold.runOf(process)
	e.out.put(&task{kind: taskArticle, id: process, article: Article{ID: articleID(process), Product: d.Detail, Process: process, Job: d.Job, Run: run}})
}

// tidy has batches taken away of processes that are over and not among the newest. It is called with mu held.
func (e *Engine) tidy() {
	if e.opt.Keep < 0 {
		return
	}
	for i := 0; i < len(e.fold.ended)-e.opt.Keep; i++ {
		p := e.fold.procs[e.fold.ended[i]]
		if p.batch != nil && e.out.first(p.id) == nil {
			e.out.put(&task{kind: taskOrder, id: p.id, do: jobs.CleanItUp, own: true})
		}
	}
	poke(e.wake)
}

// work carries a task out, or goes one step on with it.
func (e *Engine) work(ctx context.Context, t *task) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var carried bool
	var err error
	switch t.kind {
	case taskOrder:
		carried, err = e.order(ctx, t)
	case taskRecipe:
		err = e.askRecipe(ctx, t)
		carried = err == nil
	case taskContent:
		err = e.askContent(ctx, t)
		carried = err == nil
	default:
		err = e.giveArticle(ctx, t)
		carried = err == nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !carried && err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		t.later(e.clock.Now(), err.Error())
		if t.tries >= loud && !t.told {
			t.told = e.deed(&deed{Did: didFail, Process: t.process(), Job: t.job(), Detail: fmt.Sprintf("%s, tried %d times: %s", t, t.tries, err)}, person{}) == nil
		}
	}
	e.out.done(t, carried)
	if t.kind == taskOrder {
		e.process(t.id)
		e.touch()
	}
}

// process is the process of a task, "" where it is not about one.
func (t *task) process() string {
	if t.kind == taskOrder || t.kind == taskArticle {
		return t.id
	}
	return ""
}

// job is the job of a task, "" where it is not about one.
func (t *task) job() string {
	if t.kind == taskContent {
		return t.id
	}
	return ""
}

// String says what a task is.
func (t *task) String() string {
	switch t.kind {
	case taskOrder:
		return t.do.String()
	case taskRecipe:
		return "asking for recipe " + t.recipe
	case taskContent:
		return "finding out what is to be set up"
	}
	return "telling of article " + t.article.ID
}

// order goes one step on with an order of a process. What was accepted has to show before it is carried out.
func (e *Engine) order(ctx context.Context, t *task) (carried bool, err error) {
	e.mu.Lock()
	p := e.fold.procs[t.id]
	if p == nil {
		e.mu.Unlock()
		return true, nil
	}
	a := actFor(t.do, p.batch, p.stage)
	if a == restart && t.own && (p.rested || p.byPerson(e.fold.list)) {
		defer func() { err = errors.Join(err, e.letRest(t.id)) }() // a person had it rest before it was Lost
		a = done
	}
	if t.do == jobs.Start && a == later && !p.watched {
		a = create // nobody has seen it since: whoever asks again hears what has become of it
	}
	begins := !e.out.overtaken(t) // otherwise it is made, where it was not, to be taken away: nothing is started that is to end
	if t.do == jobs.Start && !begins && p.batch != nil {
		a = done
	}
	c := api.Create{ID: p.id, Recipe: p.recipe, Unit: p.unit, Size: p.size, Priority: p.priority, Start: begins, Order: why(t, p)}
	e.mu.Unlock()
	switch {
	case a == done:
		return true, nil
	case a == later, (a == t.sent || a == start && t.sent == create) && e.clock.Now() < t.at+int64(resend): // who creates it starts it, too
		e.rest(t, t.sent, t.at)
		return false, nil
	}
	b, err := e.carryOut(ctx, a, &c)
	var no *api.Error
	refused := errors.As(err, &no) && no.Status >= 400 && no.Status < 500 && no.Status != http.StatusRequestTimeout && no.Status != http.StatusTooManyRequests
	switch {
	case err == nil && a == create && (b.Life == api.Ended || b.Life == api.Removed) && t.tries == 0 && t.sent == 0:
		return true, e.failed(t.id, "a batch of that id has ended, and this list never had it made: was its ledger put back to an earlier day? See to its batches, then order the job anew")
	case err == nil && b != nil:
		e.rest(t, a, e.clock.Now())
		return false, e.answered(b)
	case err == nil:
		e.rest(t, a, e.clock.Now())
		return false, nil
	case a == create && refused && no.Status != http.StatusForbidden && no.Status != http.StatusUnauthorized:
		return true, e.failed(t.id, no.Message)
	}
	return false, err
}

// letRest leaves a process at rest that was Lost and taken up: a person had it rest before, and whoever holds it has it go on.
func (e *Engine) letRest(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.fold.procs[id]
	if p == nil || !p.taken || p.batch == nil {
		return nil
	}
	if err := e.deed(&deed{Did: didGoOn, Process: id, Job: p.job, Detail: "it rests, as a person had it before it was Lost"}, person{}); err != nil {
		return err
	}
	return e.hear(p.batch)
}

// rest has a task wait for what was accepted to show.
func (e *Engine) rest(t *task, sent act, at int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.sent, t.at, t.why, t.due = sent, at, "", e.clock.Now()+int64(resend)
	if p := e.fold.procs[t.id]; p != nil && p.batch != nil {
		t.why = fmt.Sprintf("its batch is %s %s", p.batch.Life, p.batch.State)
	}
}

// why is on whose order something is done.
func why(t *task, p *process) api.Order {
	text := fmt.Sprintf("%s by the list of jobs, job %s", t.do, p.job)
	if t.own && t.do == jobs.CleanItUp {
		text = "it is over, job " + p.job
	} else if t.own {
		text = "it was Lost and goes on, job " + p.job
	}
	return api.Order{Reason: text}
}

// carryOut has an act done. A batch is given where the act has shown how it stands.
func (e *Engine) carryOut(ctx context.Context, a act, c *api.Create) (*api.Batch, error) {
	b := e.needs.Batches
	switch a {
	case gone:
		return &api.Batch{ID: c.ID, Life: api.Removed, Recipe: c.Recipe}, nil
	case create:
		made, err := b.Create(ctx, c)
		return &made, err
	case remove:
		return nil, b.Remove(ctx, c.ID, &api.Removal{Order: c.Order})
	case warm:
		return nil, b.Restart(ctx, c.ID, &api.Restart{Order: c.Order})
	}
	word := map[act]string{start: "start", hold: "hold", restart: "restart", resume: "resume", abort: "abort"}[a]
	return nil, b.Tell(ctx, c.ID, &api.Command{Order: c.Order, Command: word})
}

// failed tells the list that a process cannot be.
func (e *Engine) failed(id, reason string) error {
	return e.tell(&jobs.Event{Kind: jobs.Process, Process: id, State: jobs.Failure}, person{reason: fit(reason)})
}

// giveArticle tells product management of an article.
func (e *Engine) giveArticle(ctx context.Context, t *task) error {
	if err := e.needs.Products.Article(ctx, t.article); err != nil {
		return err
	}
	return e.did(&deed{Did: didGive, Process: t.id, Job: t.article.Job, Detail: t.article.ID}, person{})
}
