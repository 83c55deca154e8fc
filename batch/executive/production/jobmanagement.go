// The facade for planners: the list of jobs.

package production

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// JobManagement is the list of jobs, for people. What its methods order is on record when they return, refused or not, under the operator, role and reason of
// the order, which whoever calls has made sure of. Until the engine is Up they refuse.
type JobManagement struct{ e *Engine }

// Jobs gives the list of jobs, for people.
func (e *Engine) Jobs() *JobManagement { return &JobManagement{e} }

// up refuses while the engine is not Up.
func (e *Engine) up() error {
	life, waits := e.Life()
	if life == Up {
		return nil
	}
	text := fmt.Sprintf("production: it is %s and takes no orders", life)
	if waits != "" {
		text += "; it waits for " + waits
	}
	return &api.Error{Status: http.StatusServiceUnavailable, Message: text}
}

// by is who gives an order.
func by(o *api.Order) person { return person{o.Operator, o.Role, o.Reason} }

// bad is a request that is refused for its form.
func bad(format string, args ...any) error {
	return &api.Error{Status: http.StatusBadRequest, Message: "production: " + fmt.Sprintf(format, args...)}
}

// Configure says how the list is worked off. It is refused while a group has a slot; rules that are in force already are taken without a word.
func (m *JobManagement) Configure(rules jobs.Rules, o *api.Order) error {
	if err := m.e.up(); err != nil {
		return err
	}
	return m.e.configure(rules, by(o))
}

func (e *Engine) configure(rules jobs.Rules, who person) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fold.rules == rules {
		return nil
	}
	_, err := e.step(&jobs.Event{Kind: jobs.Configure, Rules: &rules}, who)
	return err
}

// Add puts jobs into the list, and gives the ids of those that are new, in their order. What no batch could be made of, as far as its provider says at once
// (see OrderCheck), is refused, and none of the jobs is listed.
func (m *JobManagement) Add(a *api.AddJobs) ([]string, error) {
	if err := m.e.up(); err != nil {
		return nil, err
	}
	if err := a.Check(); err != nil {
		return nil, bad("%s", err)
	}
	return m.e.add(a)
}

func (e *Engine) add(a *api.AddJobs) ([]string, error) {
	ev := &jobs.Event{Kind: jobs.Add, Job: a.Job}
	if err := ev.Place.UnmarshalText([]byte(or(a.Place, jobs.Append.String()))); err != nil {
		return nil, bad("place %.40q is none; give append, first, before, after, after_recipe or around", a.Place)
	}
	for _, o := range a.Jobs {
		ev.Orders = append(ev.Orders, jobs.Order{ID: o.ID, Provider: o.Provider, Recipe: o.Recipe, Amount: o.Amount, Product: o.Product, Unit: o.Unit, Size: o.Size, Priority: o.Priority})
	}
	for i := range ev.Orders {
		if check, ok := e.needs.Recipes[ev.Orders[i].Provider].(OrderCheck); ok {
			if err := check.Takes(&ev.Orders[i]); err != nil {
				return nil, bad("job %d of %d: %s", i+1, len(ev.Orders), err)
			}
		}
	}
	e.mu.Lock()
	there := len(e.fold.there)
	e.mu.Unlock()
	if there+len(ev.Orders) > maxListed {
		return nil, &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("production: the list has %d jobs; at most %d are taken; add these when some are completed", there, maxListed)}
	}
	fx, err := e.takeJobs(ev, by(&a.Order))
	var ids []string
	for i := range fx {
		if fx[i].Kind == jobs.Listed && fx[i].JobKind == jobs.Production {
			ids = append(ids, fx[i].Job)
		}
	}
	return ids, err
}

// Tell orders something of a job: complete, abort, interrupt, suspend, continue, acknowledge or retry. What its state does not take is refused, on record.
func (m *JobManagement) Tell(job string, c *api.JobCommand) error {
	if err := m.e.up(); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return bad("%s", err)
	}
	kind := commandOf(c.Command)
	if kind == 0 {
		return bad("command %.40q is none; give one of %s", c.Command, strings.Join(commandWords, ", "))
	}
	ev := &jobs.Event{Kind: kind, Job: job}
	if kind == jobs.Acknowledge {
		if err := m.off(ev, c.Off); err != nil {
			return err
		}
	} else if len(c.Off) > 0 {
		return bad("steps_off belongs to acknowledge; leave it out")
	}
	_, err := m.e.takeJobs(ev, by(&c.Order))
	return err
}

// commandWords are the commands of a person to a job.
var commandWords = func() (words []string) {
	for k := jobs.Complete; k <= jobs.Retry; k++ {
		words = append(words, k.String())
	}
	return words
}()

// commandOf gives the kind of a command, 0 for a word that is none.
func commandOf(word string) jobs.EventKind {
	if i := slices.Index(commandWords, word); i >= 0 {
		return jobs.Complete + jobs.EventKind(i)
	}
	return 0
}

// off gives an acknowledgement the steps that are switched off.
func (m *JobManagement) off(ev *jobs.Event, types []string) error {
	j, ok := m.job(ev.Job)
	for _, t := range types {
		known := false
		for i := range j.Steps {
			if s := j.Steps[i]; s.Type == t && !known {
				known, s.Off = true, true
				ev.Steps = append(ev.Steps, s)
			}
		}
		if ok && !known {
			return bad("job %s has no step of type %.40q", ev.Job, t)
		}
	}
	return nil
}

func (m *JobManagement) job(id string) (jobs.Job, bool) {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	return m.e.fold.list.Job(id)
}

// Job gives one job.
func (m *JobManagement) Job(id string) (api.Job, error) {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	j, ok := m.e.fold.list.Job(id)
	if !ok {
		return api.Job{}, &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("production: no job %.40q is in the list; one that is completed has left it", id)}
	}
	return m.e.view(&j, m.e.slots()), nil
}

// List gives the jobs in the order of the list.
func (m *JobManagement) List() api.Jobs {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	slots, list := m.e.slots(), api.Jobs{}
	all := m.e.fold.list.Jobs()
	for i := range all {
		list = append(list, m.e.view(&all[i], slots))
	}
	return list
}

// Slots gives the slots, free ones among them.
func (m *JobManagement) Slots() api.JobSlots {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	return m.e.slotViews()
}

// slots gives the slot of each group. It is called with mu held.
func (e *Engine) slots() map[string]string {
	of := map[string]string{}
	for _, s := range e.fold.list.Slots() {
		if s.Group != "" {
			of[s.Group] = s.Slot
		}
	}
	return of
}

func (e *Engine) slotViews() api.JobSlots {
	list := api.JobSlots{}
	for _, s := range e.fold.list.Slots() {
		v := api.JobSlot{Slot: s.Slot, Group: s.Group, Job: s.Job}
		if j, ok := e.fold.list.Job(s.Job); ok {
			v.Recipe = j.Order.Recipe
		}
		list = append(list, v)
	}
	return list
}

// view is a job as clients see it. It is called with mu held.
func (e *Engine) view(j *jobs.Job, slots map[string]string) api.Job {
	o, c := &j.Order, &j.Counts
	v := api.Job{ID: j.ID, Kind: j.Kind.String(), State: j.State.String(), Code: int(j.State.Code()), Class: j.State.Class().String(), Group: j.Group, Slot: slots[j.Group],
		Provider: o.Provider, Recipe: o.Recipe, Product: o.Product, Unit: o.Unit, Size: o.Size, Priority: o.Priority, Amount: c.Amount, Begun: c.Begun, Running: c.Running,
		Success: c.Success, Failure: c.Failure, Reworked: c.Reworked, Dropped: c.Dropped, Aside: j.SetAside, Held: j.Held}
	for _, s := range j.Steps {
		v.Steps = append(v.Steps, api.JobStep{Type: s.Type, Recipe: s.Recipe, Unit: s.Unit, Sort: s.Sort, Off: s.Off})
	}
	return v
}

// maxListed is how many jobs a list has when more are added, set-ups not among those that come later: so that an answer has room for all of them.
const maxListed = api.MaxJobs - 1000

// between is the least time between two tellings of one who watches.
const between = 100 * time.Millisecond

// Watch calls told with all that is there, and then with what changes, until ctx ends or told returns an error: "job" with an api.Job, "gone" with the id of one
// that has left the list, "slots" with all of them, "process" with an api.ProcessView, "over" with the id of one that is over, "notice" with an api.JobNotice,
// "run" with an api.Run.
// With event "" it says once a second that it lives.
func (m *JobManagement) Watch(ctx context.Context, told func(event string, data []byte) error) error {
	w := watcher{e: m.e, told: told, jobs: map[string]bool{}, processes: map[string]bool{}}
	for {
		m.e.mu.Lock()
		changed := m.e.changed
		news := w.news()
		m.e.mu.Unlock()
		for _, n := range news {
			data, err := json.Marshal(n.body)
			if err == nil {
				err = told(n.event, data)
			}
			if err != nil {
				return err
			}
		}
		if len(news) > 0 {
			m.e.pause(ctx, between)
		}
		wait, cancel := context.WithTimeout(ctx, api.Heartbeat)
		select {
		case <-changed:
		case <-wait.Done():
			if err := ctx.Err(); err != nil {
				cancel()
				return err
			}
			if err := told("", nil); err != nil {
				cancel()
				return err
			}
		}
		cancel()
	}
}

// news is one event for who watches.
type news struct {
	event string
	body  any
}

// watcher is one who watches.
type watcher struct {
	e               *Engine
	told            func(event string, data []byte) error
	seen            uint64
	noticed         uint64
	runs            uint64 // changes of unit runs that were told
	slots           string
	jobs, processes map[string]bool
	ended           map[string]bool // processes that were over when it was asked last, nil: it never was
}

// news is what has changed since it was asked last. It is called with mu held.
func (w *watcher) news() (list []news) {
	e := w.e
	slots := e.slots()
	all, there := e.fold.list.Jobs(), map[string]bool{}
	for i := range all {
		j := &all[i]
		there[j.ID] = true
		if !w.jobs[j.ID] || e.jobRevs[j.ID] > w.seen {
			v := e.view(j, slots)
			list = append(list, news{"job", &v})
		}
	}
	list = append(list, left("gone", w.jobs, there)...)
	w.jobs = there
	views := e.slotViews()
	if text := fmt.Sprint(views); text != w.slots {
		w.slots = text
		list = append(list, news{"slots", views})
	}
	list = append(list, w.processNews()...)
	for _, run := range e.fold.runs.news(w.runs) {
		list = append(list, news{"run", &run})
	}
	w.runs = e.fold.runs.changes
	for _, n := range e.notices[max(0, len(e.notices)-int(e.noticed-w.noticed)):] {
		list = append(list, news{"notice", &n})
	}
	w.noticed = e.noticed
	w.seen = e.rev
	return list
}
