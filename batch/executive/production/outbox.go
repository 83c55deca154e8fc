// The outbox: what is to be carried out outside, in an order of its own for each process, job and recipe.

package production

import (
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch/jobs"
)

// How long an order waits before it is tried again: at first, and at most. It is tried until it is carried out.
const (
	soonest  = 100 * time.Millisecond
	latest   = 30 * time.Second
	resend   = 5 * time.Second // after what was accepted and has shown nothing yet
	patience = time.Minute     // that one try may take
	loud     = 6               // tries after which it is on record that an order cannot be carried out
)

// taskKind is what a task does.
type taskKind uint8

const (
	taskOrder   taskKind = iota + 1 // an order of the list to a process
	taskRecipe                      // a provider is asked for a recipe
	taskContent                     // what a set-up has to do is found out
	taskArticle                     // product management is told
)

// task is one thing that is to be carried out.
type task struct {
	kind     taskKind
	id       string // process or job
	do       jobs.Do
	own      bool   // of an order: the engine's, and not the list's
	provider string // of a recipe
	recipe   string
	jobKind  jobs.JobKind
	article  Article

	tries int
	due   int64  // on the clock
	sent  act    // what was accepted last
	at    int64  // when, on the clock
	why   string // it is not carried out yet
	told  bool   // that is on record
}

// key tells whose order a task stands in.
func (t *task) key() string {
	switch t.kind {
	case taskOrder:
		return "process " + t.id
	case taskRecipe:
		return "provider " + t.provider // one answer after the other: who was asked for first is known first
	case taskContent:
		return "job " + t.id
	}
	return "article " + t.id
}

// queue is what is to be done for one process, job or recipe, one after the other.
type queue struct {
	key   string
	tasks []*task
	busy  bool // somebody does the first
}

// outbox holds the queues. Whoever calls it has the lock of the engine.
type outbox struct {
	busy   [taskArticle + 1]int // tasks of a kind that are being done
	asking map[string]bool      // providers that are being asked what there is to set up
	queues map[string]*queue
	order  []*queue // in the order in which they came
}

// put adds a task. An order of a process takes the place of those before it that were not carried out: only the last one counts, but that nobody is left
// behind who was to be created and may have been.
func (o *outbox) put(t *task) {
	key := t.key()
	q := o.queues[key]
	if q == nil {
		if o.queues == nil {
			o.queues = map[string]*queue{}
		}
		q = &queue{key: key}
		o.queues[key] = q
		o.order = append(o.order, q)
	}
	if t.kind == taskRecipe {
		q.ask(t)
		return
	}
	if t.kind != taskOrder && len(q.tasks) > 0 && (!q.busy || len(q.tasks) > 1) {
		return // the same is asked already, and not answered
	}
	if t.kind == taskOrder {
		keep := 0
		if len(q.tasks) > 0 && (q.busy || q.tasks[0].do == jobs.Start && q.tasks[0].tries > 0) {
			keep = 1
		}
		q.tasks = slices.Delete(q.tasks, keep, len(q.tasks))
	}
	q.tasks = append(q.tasks, t)
}

// ask adds a question. It comes before those that were asked in vain, and not twice.
func (q *queue) ask(t *task) {
	at := len(q.tasks)
	for i, o := range q.tasks {
		asking := q.busy && i == 0
		if o.recipe == t.recipe && !asking {
			return
		}
		if o.tries > 0 && !asking {
			at = min(at, i)
		}
	}
	q.tasks = slices.Insert(q.tasks, at, t)
}

// next gives the first task that is due, and takes its queue; otherwise when the next one is, 0 for never. So many of a kind are done at a time: whoever is
// slow to take an article, or to say what there is to set up, does not hold up orders.
func (o *outbox) next(now int64, most int) (t *task, due int64) {
	for _, q := range o.order {
		if q.busy || len(q.tasks) == 0 {
			continue
		}
		first := q.tasks[0]
		if o.busy[first.kind] >= most || first.kind == taskContent && o.asking[first.provider] {
			continue // whoever is done asks again
		}
		if first.due <= now {
			q.busy = true
			o.takes(first, 1)
			return first, 0
		} else if due == 0 || first.due < due {
			due = first.due
		}
	}
	return nil, due
}

// takes counts a task that is begun, 1, or done, -1.
func (o *outbox) takes(t *task, n int) {
	o.busy[t.kind] += n
	if t.kind != taskContent {
		return
	}
	if o.asking == nil {
		o.asking = map[string]bool{}
	}
	if o.asking[t.provider] = true; n < 0 {
		delete(o.asking, t.provider)
	}
}

// own tells whether an order of the engine's own stands in the queue of a process.
func (o *outbox) own(id string, do jobs.Do) bool {
	q := o.queues[(&task{kind: taskOrder, id: id}).key()]
	return q != nil && slices.ContainsFunc(q.tasks, func(t *task) bool { return t.own && t.do == do })
}

// overtaken tells whether another order has come behind one that was tried.
func (o *outbox) overtaken(t *task) bool {
	q := o.queues[t.key()]
	return q != nil && q.tasks[0] == t && q.tasks[len(q.tasks)-1].do != t.do
}

// done gives a queue back. A task that is carried out goes; one that is not is tried again at its time, unless another order has come since.
func (o *outbox) done(t *task, carried bool) {
	q := o.queues[t.key()]
	q.busy = false
	o.takes(t, -1)
	if !carried && t.kind == taskRecipe { // the others are asked meanwhile
		q.tasks = append(q.tasks[1:], t)
		return
	}
	if carried || t.kind == taskOrder && t.do != jobs.Start && len(q.tasks) > 1 {
		q.tasks = slices.Delete(q.tasks, 0, 1)
	}
	if len(q.tasks) == 0 {
		delete(o.queues, q.key)
		o.order = slices.DeleteFunc(o.order, func(other *queue) bool { return other == q })
	}
}

// first gives the first task of a process, nil where there is none.
func (o *outbox) first(process string) *task {
	q := o.queues[(&task{kind: taskOrder, id: process}).key()]
	if q == nil || len(q.tasks) == 0 {
		return nil
	}
	return q.tasks[0]
}

// rouse has the first task of a process looked at now: something of it has changed.
func (o *outbox) rouse(process string) {
	if t := o.first(process); t != nil && (t.sent != 0 || t.why != "") {
		t.due = 0
	}
}

// later says when a task is tried again.
func (t *task) later(now int64, why string) {
	wait := soonest << min(t.tries, 16)
	t.due, t.why = now+int64(min(wait, latest)), why
	t.tries++
}

// ordered tells whether an order of the list is not carried out.
func (o *outbox) ordered() bool {
	return slices.ContainsFunc(o.order, func(q *queue) bool {
		return len(q.tasks) > 0 && q.tasks[0].kind == taskOrder && !q.tasks[0].own
	})
}
