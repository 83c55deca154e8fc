// What a runner asks of the manager: equipment, and messages to other batches. It is asked again until it answers.

package host

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
)

// How the manager is asked.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	quiet      = 5 * time.Second // without a sign of life after which the stream of rulings is opened anew
	maxStands  = 1024            // rulings that are kept of what was not asked for yet
	forgetTime = time.Second     // for which a message that is waited for no longer is taken back
)

// noManager is who has the equipment as long as nobody can tell.
const noManager = "the manager does not answer"

// desk speaks with the manager for the batch. It is a runner.Arbiter: a request is waited for until the manager has taken it, and so is what
// is given back, in their order; who is asked is told by say.
//
// What the manager was not told when the process ends is said again when the batch is continued, and ends with the batch when that is removed.
type desk struct {
	h    *host
	ctx  context.Context
	stop context.CancelFunc
	kick chan struct{} // has room for one: there is something to listen for
	work sync.WaitGroup

	line chan struct{} // has room for one: who tells something of a claim, so that none is told after its release

	mu     sync.Mutex
	m      *iomap.Map
	port   tag.Port
	claims map[uint32]*asking
	waits  map[string]chan api.Ruling // by key of a message
	stands map[string]api.Ruling      // by key of a message, what was said of it before it was waited for
	early  map[uint32]api.Ruling      // by claim, likewise
}

// asking is equipment that was asked for, and that the batch may have.
type asking struct {
	step      string
	equipment []string
	granted   bool
	lost      []string // what a person has taken of it
	say       func(runner.Ruling)
	first     chan struct{} // closed when it was ruled on
}

func newDesk(h *host) *desk {
	d := &desk{h: h, kick: make(chan struct{}, 1), line: make(chan struct{}, 1)}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

// begin tells for which map and port.
func (d *desk) begin(m *iomap.Map, port tag.Port) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.m, d.port = m, port
}

// grantee is the port, where it wants to know of grants; nil where it does not.
func (d *desk) grantee() Port {
	p, _ := d.port.(Port)
	return p
}

// leave ends all that is under way, and closes the port: with a goodbye, unless the batch still has equipment.
func (d *desk) leave(has bool) {
	d.stop()
	d.work.Wait()
	d.mu.Lock()
	port := d.grantee()
	d.mu.Unlock()
	switch {
	case port == nil:
	case has:
		port.Drop()
	default:
		_ = port.Close() // one that did not hear it takes it for a loss, and makes safe what is safe
	}
}

// Request implements runner.Arbiter.
func (d *desk) Request(c runner.Claim, say func(runner.Ruling)) {
	d.work.Add(1)
	defer d.work.Done()
	a := &asking{step: c.Step, say: say, first: make(chan struct{})}
	d.mu.Lock()
	for _, name := range c.Resources {
		a.equipment = append(a.equipment, d.id(name))
	}
	if d.claims == nil {
		d.claims, d.early = map[uint32]*asking{}, map[uint32]api.Ruling{}
	}
	d.claims[c.ID] = a
	early, was := d.early[c.ID]
	delete(d.early, c.ID)
	d.mu.Unlock()
	d.listens()
	if was {
		d.rule(early)
	}
	if err := d.claim(c.ID, a, func() { say(runner.Ruling{Kind: runner.Queued, Place: 1, Owner: noManager}) }); err != nil {
		say(runner.Ruling{Kind: runner.Refused, Reason: err.Error()})
		return
	}
	if d.h.opt.Virtual != nil { // time stands still until it is known
		select {
		case <-a.first:
		case <-d.ctx.Done():
		}
	}
}

// claim tells the manager of a claim, unless it was given back meanwhile.
func (d *desk) claim(id uint32, a *asking, late func()) error {
	d.line <- struct{}{} // who is there ends with ctx
	defer func() { <-d.line }()
	d.mu.Lock()
	stands := d.claims[id] == a
	d.mu.Unlock()
	if !stands {
		return nil
	}
	return d.say("/v1/claims", &api.Claim{Batch: d.h.o.Batch, ID: id, Step: a.step, Equipment: a.equipment}, late)
}

// Release implements runner.Arbiter. The port has given up the equipment before the manager hears of it.
func (d *desk) Release(c runner.Claim) {
	d.work.Add(1)
	defer d.work.Done()
	d.mu.Lock()
	var back []string
	for id, a := range d.claims {
		if id == c.ID || c.Step != "" && a.step == c.Step && id < c.ID {
			back = append(back, slices.DeleteFunc(slices.Clone(a.equipment), func(e string) bool { return slices.Contains(a.lost, e) })...)
			delete(d.claims, id)
		}
	}
	back = slices.DeleteFunc(back, func(e string) bool {
		for _, a := range d.claims {
			if a.granted && slices.Contains(a.equipment, e) {
				return true
			}
		}
		return false
	})
	delete(d.early, c.ID)
	var set []string
	for _, name := range c.Resources {
		set = append(set, d.id(name))
	}
	port := d.grantee()
	d.mu.Unlock()
	if slices.Sort(back); port != nil && len(back) > 0 {
		port.Release(slices.Compact(back))
	}
	d.line <- struct{}{} // who is there ends with ctx
	defer func() { <-d.line }()
	_ = d.say("/v1/releases", &api.Claim{Batch: d.h.o.Batch, ID: c.ID, Step: c.Step, Equipment: set}, nil) // one that is refused means nothing to the book
}

// id is the equipment_id of a resource of the map.
func (d *desk) id(name string) string {
	if i, ok := d.m.Resource(name); ok {
		return d.m.Resources[i].Equipment
	}
	return name
}

// say tells the manager something until it has taken it, has refused it, which is the error, or ctx ends. Late is called once when it
// does not answer at first.
func (d *desk) say(path string, in api.Body, late func()) error {
	return d.sayFor(d.ctx, path, in, late)
}

func (d *desk) sayFor(ctx context.Context, path string, in api.Body, late func()) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		once, cancel := context.WithTimeout(ctx, quiet)
		err := d.h.manager.Call(once, http.MethodPost, path, in, nil)
		cancel()
		var refused *api.Error
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused) && refused.Status < 500:
			return err
		}
		if late != nil {
			late()
			late = nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// listens has rulings listened for from now on.
func (d *desk) listens() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// listen reads rulings, as soon as there is something to hear of, until the desk is left or ctx ends.
func (d *desk) listen(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	select {
	case <-d.kick:
	case <-ctx.Done():
		return
	}
	path := "/v1/rulings?" + url.Values{"batch": {d.h.o.Batch}}.Encode()
	for wait, again := firstRetry, false; ctx.Err() == nil; again = true {
		if again {
			d.again(ctx)
		}
		heard := false
		_ = d.h.manager.Events(ctx, path, quiet, func(event, _ string, data []byte) error {
			heard = true
			var r api.Ruling
			if event == "" || unmarshal(data, &r) != nil {
				return nil
			}
			d.rule(r)
			return nil
		})
		if wait = min(2*wait, lastRetry); heard {
			wait = firstRetry
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// again tells a manager that may be another one what is waited for; what it knows already means the same to it.
func (d *desk) again(ctx context.Context) {
	d.mu.Lock()
	open := maps.Clone(d.claims) // also what was granted: it may have been taken meanwhile
	d.mu.Unlock()
	ids := make([]uint32, 0, len(open))
	for id := range open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		_ = d.claim(id, open[id], nil) // who refuses it now has said so by a ruling
	}
}

// taken takes from a claim what the manager refuses of it, nil being all, and tells whether nothing is left. The port gives it up: the wire would refuse
// what is written to it. The caller holds mu.
func (d *desk) taken(a *asking, equipment []string) bool {
	if len(equipment) == 0 {
		equipment = a.equipment
	}
	for _, e := range equipment {
		if slices.Contains(a.equipment, e) && !slices.Contains(a.lost, e) {
			a.lost = append(a.lost, e)
		}
	}
	if g := d.grantee(); g != nil && a.granted {
		g.Release(slices.Clone(equipment))
	}
	return len(a.lost) == len(a.equipment)
}

// has leaves out of what the batch was granted, by the names of its map, what was taken from it.
func (d *desk) has(names []string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := map[string]bool{}
	for _, a := range d.claims {
		for _, e := range a.lost {
			lost[e] = true
		}
	}
	if d.m == nil || len(lost) == 0 {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool { return lost[d.id(name)] })
}

// rule takes in what the manager says.
func (d *desk) rule(r api.Ruling) {
	d.mu.Lock()
	switch r.Kind {
	case "delivered", "unanswered":
		if c := d.waits[r.Key]; c != nil {
			select {
			case c <- r:
			default: // it was told before
			}
		} else if len(d.stands) < maxStands {
			if d.stands == nil {
				d.stands = map[string]api.Ruling{}
			}
			d.stands[r.Key] = r
		}
		d.mu.Unlock()
		return
	}
	a := d.claims[r.ID]
	if a == nil {
		if d.early != nil && len(d.early) < maxStands {
			d.early[r.ID] = r
		}
		d.mu.Unlock()
		return
	}
	v := runner.Ruling{Token: r.Token, Place: r.Place, Owner: r.Owner, Since: r.Since, Reason: r.Reason}
	switch r.Kind {
	case "granted":
		v.Kind, a.granted = runner.Granted, true
		if g := d.grantee(); g != nil { // under mu: no release comes between
			g.Grant(slices.DeleteFunc(slices.Clone(a.equipment), func(e string) bool { return len(r.Equipment) > 0 && !slices.Contains(r.Equipment, e) }), r.Token)
		}
	case "queued":
		v.Kind, a.granted = runner.Queued, false
	case "refused":
		v.Kind, v.Ended = runner.Refused, d.taken(a, r.Equipment)
		a.granted = a.granted && !v.Ended
	}
	select {
	case <-a.first:
	default:
		close(a.first)
	}
	d.mu.Unlock()
	a.say(v)
}

// param is the value of a parameter of an action.
func param(r *runner.Request, name string) string {
	for _, p := range r.Params {
		if k, v, _ := strings.Cut(p, "="); k == name {
			return v
		}
	}
	return ""
}
