// The demo of a day: its list is worked off in real time, by the processes of the executive.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/sequencer"
)

// dayFile is the day of a directory: production takes from it how the list is worked off, and what is done before and after.
const dayFile = "day.yaml"

// dayLimit is the time after which the demo of a day gives up.
const dayLimit = 10 * time.Minute

// readDay reads the file of -jobs; one that is not there may be one of the program's own.
func (s *session) readDay() (*production.Day, []byte, error) {
	data, err := os.ReadFile(s.day)
	if errors.Is(err, fs.ErrNotExist) {
		if own, e := files.ReadFile(path.Clean(filepath.ToSlash(s.day))); e == nil {
			data, err = own, nil
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("executive: -jobs: %w", err)
	}
	d, err := production.ParseDay(s.day, data)
	return d, data, err
}

// layDay puts the day, and the file of unit runs that it names, into the directory of the executive.
func (s *session) layDay(d *production.Day, data []byte) error {
	own := filepath.Join(s.dir, dirCell)
	err := os.WriteFile(filepath.Join(own, dayFile), data, 0o640)
	if d.Runs == "" || err != nil {
		return err
	}
	runs, err := os.ReadFile(filepath.Join(filepath.Dir(s.day), filepath.FromSlash(d.Runs)))
	if errors.Is(err, fs.ErrNotExist) { // it is one of the program's own, or there is none, which is told when it is read
		return nil
	}
	if err != nil {
		return err
	}
	name := filepath.Join(own, filepath.FromSlash(d.Runs))
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o750), os.WriteFile(name, runs, 0o640))
}

// demoDay runs the demo of a day.
func (s *session) demoDay(ctx context.Context) (err error) {
	d, data, err := s.readDay()
	if err != nil {
		return err
	}
	if s.dir, err = s.fresh(); err != nil {
		return err
	}
	if err := errors.Join(layOut(s.dir), s.layDay(d, data), s.keepPlantURL()); err != nil {
		return err
	}
	if s.virtual {
		if err := s.rehearse(ctx, d); err != nil {
			return err
		}
		return errors.Join(s.checkLedger(), s.rebuild(ctx))
	}
	ctx, cancel := context.WithTimeout(ctx, dayLimit)
	defer cancel()
	s.plans = true
	n, wait := s.begin(ctx)
	ended := sync.OnceFunc(wait)
	defer ended()
	if err := s.ready(ctx, n, upBy); err != nil {
		return err
	}
	c := n.Dial(api.Manager)
	defer c.Close()
	err = s.onFloor(ctx, n, c, d)
	err = errors.Join(err, s.letGo(context.WithoutCancel(ctx), c))
	if ended(); err == nil {
		err = errors.Join(s.checkLedger(), s.checkPlant(context.WithoutCancel(ctx)))
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("executive: the demo was ended; its batches are aborted and removed, and what they left lies in %s", s.dir)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("executive: the demo took longer than %v and was ended: %w; its batches are aborted and removed, and what they left lies in %s", dayLimit, err, s.dir)
	}
	return err
}

// onFloor works the day off and verifies what its batches have left.
func (s *session) onFloor(ctx context.Context, n api.Network, manager *api.Client, d *production.Day) error {
	fmt.Fprintf(s.stdout, "executive in %s, %s: %s\n", s.dir, cond(s.t0, "one process", "a process for each batch"), s.day)
	show := newDayScreen(s.stdout, d)
	if err := s.workOff(ctx, n, d, show); err != nil {
		return err
	}
	var all api.Batches
	if err := manager.Call(ctx, "GET", "/v1/batches", nil, &all); err != nil {
		return err
	}
	return show.verify(all)
}

// checkLedger folds the ledger of production again.
func (s *session) checkLedger() error {
	c, err := production.Check(s.dir, "", nil)
	if err != nil {
		return err
	}
	if !c.OK() {
		return fmt.Errorf("executive: what production decided does not follow from what it was told: %s; %d inputs cannot be read", c.Differs, c.Aside)
	}
	fmt.Fprintf(s.stdout, "the ledger of production says the same again: %d decisions of %d inputs\n", c.Decisions, c.Inputs)
	return nil
}

// workOff works a day off: its jobs are added and its commands given at their times, and all is shown until nothing is left in the
// list.
func (s *session) workOff(ctx context.Context, n api.Network, d *production.Day, show *dayScreen) error {
	c := n.Dial(api.Production)
	defer c.Close()
	begun := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := make(chan struct{}, 1)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		followDay(ctx, c, show, begun, news)
	}()
	defer func() { cancel(); <-followed }()
	p := &planner{c: c, order: s.order, show: show, ids: map[string]string{}, lets: map[string]int{}}
	for i := range d.Entries {
		e := &d.Entries[i]
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(begun.Add(time.Duration(e.At) / time.Duration(s.speed)))):
		}
		if err := p.enter(ctx, e); err != nil {
			return err
		}
	}
	look := time.NewTicker(time.Second) // also while there is news all the time
	defer look.Stop()
	for !show.over(p.all) {
		if left := show.stuck(); len(left) > 0 {
			show.table()
			return leftOf(left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		case <-look.C:
			known := show.known(p.all)
			var list api.Jobs
			var under api.Processes
			if c.Call(ctx, "GET", "/v1/jobs", nil, &list) == nil && c.Call(ctx, "GET", "/v1/processes", nil, &under) == nil {
				show.reconcile(known, list, under)
				if err := p.letOn(ctx, under); err != nil {
					return err
				}
			}
		}
	}
	show.table()
	return nil
}

// leftOf says which jobs are left in the list.
func leftOf(all []api.Job) error {
	var list []error
	for i := range all {
		j := &all[i]
		list = append(list, fmt.Errorf("executive: job %s (%s) is left in the list, %s: %s", j.ID, j.Recipe, j.State, j.Aside))
	}
	return errors.Join(list...)
}

// planner gives what stands in a day to production.
type planner struct {
	c     *api.Client
	order api.Order
	show  *dayScreen
	ids   map[string]string // of jobs, by their names in the day
	all   []string
	lets  map[string]int // how often a process was let go on, by its id
}

// letsMax is how often the demo lets a process go on that holds itself. That is for its operator, who would look first.
const letsMax = 5

// letOn has those go on that are Held by their own: a batch holds itself where its ticks or its samples are late, such as on a machine that is overloaded or
// was asleep, and stays so until a person lets it go on.
func (p *planner) letOn(ctx context.Context, under api.Processes) error {
	for i := range under {
		v := &under[i]
		if v.Batch != sequencer.Held.String() || v.State != jobs.Running.String() || v.Waits != "" {
			continue
		}
		if p.lets[v.ID]++; p.lets[v.ID] > letsMax {
			return fmt.Errorf("executive: process %s is Held, and is so again after it was let go on %d times: %s", v.ID, letsMax, v.Reason)
		}
		p.show.print(fmt.Sprintf("process %s is Held: %s; it is let go on", v.ID, v.Reason))
		c := api.ProcessCommand{Order: p.order, Command: "resume"}
		c.Reason = "the demo goes on"
		err := p.c.Call(ctx, "POST", "/v1/processes/"+url.PathEscape(v.ID)+"/commands", &c, nil)
		if err != nil && ctx.Err() == nil { // it may have gone on meanwhile
			p.show.print("refused: " + err.Error())
		}
	}
	return nil
}

// enter gives one entry.
func (p *planner) enter(ctx context.Context, e *production.DayEntry) error {
	if e.Command != 0 {
		c := api.JobCommand{Order: p.order, Command: e.Command.String(), Off: e.Off}
		c.Reason = e.Reason
		err := p.c.Call(ctx, "POST", "/v1/jobs/"+url.PathEscape(p.ids[e.Job])+"/commands", &c, nil)
		var refused *api.Error
		if errors.As(err, &refused) && refused.Status < 500 { // such as of a job that is over by then: it is on record
			p.show.print("refused: " + refused.Message)
			return nil
		}
		return err
	}
	for from := 0; from < len(e.Orders); from += api.MaxJobOrders {
		a := api.AddJobs{Order: p.order, Place: e.Place.String(), Job: p.ids[e.Job]}
		names := e.Names[from:min(from+api.MaxJobOrders, len(e.Names))]
		for _, o := range e.Orders[from : from+len(names)] {
			a.Jobs = append(a.Jobs, api.JobOrder{Provider: o.Provider, Recipe: o.Recipe, Amount: o.Amount, Product: o.Product, Unit: o.Unit, Size: o.Size, Priority: o.Priority})
		}
		var got api.JobsAccepted
		if err := p.c.Call(ctx, "POST", "/v1/jobs", &a, &got); err != nil {
			return err
		}
		for i, id := range got.Jobs {
			p.all = append(p.all, id)
			if i < len(names) && names[i] != "" {
				p.ids[names[i]] = id
				p.show.call(id, names[i])
			}
		}
	}
	return nil
}

// call keeps how the day calls a job.
func (d *dayScreen) call(id, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[id] = name
}

// followDay shows what production tells until ctx ends.
func followDay(ctx context.Context, c *api.Client, show *dayScreen, begun time.Time, news chan<- struct{}) {
	for ctx.Err() == nil {
		_ = c.Events(ctx, "/v1/events", quiet, func(event, _ string, data []byte) error {
			var body api.Body
			switch event {
			case "job":
				body = &api.Job{}
			case "slots":
				body = &api.JobSlots{}
			case "process":
				body = &api.ProcessView{}
			case "notice":
				body = &api.JobNotice{}
			case "run":
				body = &api.Run{}
			case "gone", "over":
				var id string
				if err := json.Unmarshal(data, &id); err != nil {
					return err
				}
				if event == "over" {
					show.finished(id)
				} else {
					show.left(int64(time.Since(begun)), id)
				}
			}
			if body != nil {
				if err := json.Unmarshal(data, body); err != nil {
					return err
				}
				show.take(int64(time.Since(begun)), body)
			}
			select {
			case news <- struct{}{}:
			default:
			}
			return nil
		})
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}
