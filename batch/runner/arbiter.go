// Equipment that batches share: an arbiter outside the runner is asked, and what it says comes into the inbox.

package runner

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// ArbiterLimit is the time in ns for which the end of a run waits for an arbiter to take what was given back. One that takes longer is
// left behind: what it was not told yet it is told once it comes back to it, unless the process has ended.
const ArbiterLimit = 5_000_000_000

// rulingEvery is the time in ns between two rulings of one kind on one request that are taken.
const rulingEvery = 1_000_000_000

// Arbiter gives equipment that batches share to one of them at a time. Both methods are called on a goroutine of their own, one call
// after the other, in the order of the records; nothing but the steps that wait for equipment waits for them, and the end of the run for
// ArbiterLimit. In a virtual run, and of a batch that has ended already, they are called on Run's. A batch that is continued says both
// again, with the same numbers: an arbiter that knows a claim says again what it has said.
type Arbiter interface {
	// Request asks for a whole set, which is given all or not at all; one that waits for more than is free keeps no other from the
	// rest, or batches that hold something already would wait in a circle. Say may be called at any time, from any goroutine, also before
	// Request has returned, and as often as something changes; it does not block. Of places in the queue one a second is taken, the newest,
	// and only where it differs from the one before; of grants and refusals that follow one of their kind, too. A grant may be said again
	// with a greater token, whenever that is: it is recorded, and nothing else comes of it. What is a part of the equipment is written from
	// the first grant on, so a port that checks tokens is to have that one before it is said. A grant never expires: it
	// ends with Release, and that of a batch whose process has died ends when it is continued, or when a person says so.
	Request(c Claim, say func(Ruling))
	// Release ends a claim: what was granted is given back, what was not is no longer wanted, and so is all that its step asked for
	// before, by lower numbers. A claim without a step, which has no resources either, is one that the batch knows nothing of and that was
	// ruled on: it ends alone. One that is not known means nothing.
	Release(c Claim)
}

// Claim is what one batch asks an arbiter for.
type Claim struct {
	Batch     string
	ID        uint32   // number within the batch: the same number is the same claim, also after a restart
	Step      string   // element that needs it
	Resources []string // in the order of the map's list
}

// RulingKind is what an arbiter has decided.
type RulingKind uint8

// The kinds of rulings. The zero value decides nothing: it is taken as a refusal that says so, never as a grant.
const (
	Granted RulingKind = iota + 1 // the batch has the whole set
	Queued                        // it waits
	Refused                       // the batch holds, and a restart asks anew; what was granted before it keeps, unless Ended
)

// Ruling is what an arbiter says of a claim. What does not belong to its kind is not looked at.
type Ruling struct {
	Kind   RulingKind
	Token  uint64 // Granted: it is greater than that of each grant before; 0: there is none. It is recorded, and not checked
	Place  int64  // Queued: place in the queue, 1 for who is next; less is no ruling
	Owner  string // Queued: who has it, at most 200 bytes; "": not told
	Since  int64  // Queued: since when the owner has it, UTC in ns since 1970; 0: not told
	Reason string // Refused: why, at most 200 bytes. The batch holds with it
	Ended  bool   // Refused: the claim has ended: what was granted before it was taken from the batch, which drives nothing of it from then on
}

// noRuling is why a batch holds of which an arbiter has decided nothing.
const noRuling = "the arbiter's ruling is not Granted, Queued with a place, or Refused"

// event makes an input of a ruling.
func (v *Ruling) event(id uint32) batch.Event {
	switch {
	case v.Kind == Granted:
		return batch.Event{Kind: batch.ResourceGranted, ID: id, Token: v.Token}
	case v.Kind == Queued && v.Place > 0:
		ev := batch.Event{Kind: batch.ResourceQueue, ID: id, Place: min(v.Place, 1<<32), Owner: batch.Clean(v.Owner), Since: v.Since}
		if ev.Since < 0 || ev.Since > lastUTC {
			ev.Since = 0 // what cannot be right is not told
		}
		return ev
	case v.Kind != Refused:
		return batch.Event{Kind: batch.ResourceRefused, ID: id, Detail: noRuling}
	}
	ev := batch.Event{Kind: batch.ResourceRefused, ID: id, OK: v.Ended, Detail: batch.Clean(v.Reason)}
	if ev.Detail == "" {
		ev.Detail = "refused, and the arbiter does not say why"
	}
	return ev
}

// arbitrate hands on what concerns an arbiter.
func (l *loop) arbitrate(e *batch.Effect) {
	a, id, in := l.r.rig.Arbiter, e.ID, l.r.in
	l.ring.add(entry{at: l.now(), took: -1, seq: e.Seq, id: id, what: handed, kind: e.Kind})
	in.forget(id)
	c := l.r.claim(e)
	call := func() { a.Release(c) }
	if e.Kind == batch.RequestResource {
		call = func() { a.Request(c, func(v Ruling) { in.rule(v.event(id)) }) }
	}
	if l.desk == nil {
		l.guest("Rig.Arbiter", call)
	} else {
		l.desk.add(call)
	}
}

// claim is the claim that an effect makes or ends.
func (r *Runner) claim(e *batch.Effect) Claim {
	return Claim{Batch: r.b.ID, ID: e.ID, Step: e.Step, Resources: slices.Clone(e.Params)}
}

// errArbiter says that an arbiter does not come back.
var errArbiter = errors.New("runner: Rig.Arbiter does not answer; it may not know what the batch has given back, so see to that by hand")

// errands are calls of an arbiter, made one after the other beside the loop.
type errands struct {
	fail func(err error)

	mu   sync.Mutex
	list []func()      // calls that were not made yet
	idle chan struct{} // closed when all are made; nil: none is
	err  error         // one has panicked; none is made any more
}

// add has a call made after all others.
func (d *errands) add(call func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return
	}
	if d.list = append(d.list, call); d.idle == nil {
		d.idle = make(chan struct{})
		go d.run()
	}
}

// run makes calls until none is left.
func (d *errands) run() {
	for call := d.next(); call != nil; call = d.next() {
		d.make(call)
	}
}

func (d *errands) next() func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 || d.err != nil {
		close(d.idle)
		d.idle, d.list = nil, nil
		return nil
	}
	call := d.list[0]
	d.list = d.list[1:]
	return call
}

// make makes a call. Where that panics the run ends, as where another guest does.
func (d *errands) make(call func()) {
	defer func() {
		if p := recover(); p != nil {
			d.mu.Lock()
			d.err = fmt.Errorf("runner: Rig.Arbiter: panic: %v", p)
			d.mu.Unlock()
			d.fail(d.err)
		}
	}()
	call()
}

// wait waits for ArbiterLimit until all calls are made, and tells what kept them from it.
func (d *errands) wait() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	idle := d.idle
	d.mu.Unlock()
	if idle != nil {
		limit := time.NewTimer(ArbiterLimit)
		defer limit.Stop()
		select {
		case <-idle:
		case <-limit.C:
			return errArbiter
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// givenBack tells the arbiter once more what a batch that has ended gave back, where a cut came before that could be told.
func (r *Runner) givenBack(list []batch.Effect) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("runner: Rig.Arbiter: panic")
		}
	}()
	for i := range list {
		r.rig.Arbiter.Release(r.claim(&list[i]))
	}
	return nil
}

// ruling is what an arbiter has said last of a request, in one sense.
type ruling struct {
	ev    batch.Event
	waits bool        // ev was not taken yet
	due   int64       // it is not taken before
	was   batch.Event // that was taken last
}

// urgent tells whether it is more than news.
func (s *ruling) urgent() bool { return s.ev.Kind != batch.ResourceQueue }

// rule takes in what an arbiter says. What was said before of the same request, in the same sense, and was not taken yet is replaced,
// and no two are taken within rulingEvery: an arbiter that speaks without end keeps nothing waiting and fills no journal.
func (in *inbox) rule(ev batch.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.over {
		return
	}
	if place := in.saidOf(batch.ResourceQueue, ev.ID); place != nil {
		in.drop(place) // this is newer, or it waits no longer
	}
	s := in.saidOf(ev.Kind, ev.ID)
	if s == nil {
		in.rulings = append(in.rulings, ruling{})
		s = &in.rulings[len(in.rulings)-1]
	}
	in.drop(s)
	if s.ev = ev; !s.urgent() && s.was.Place == ev.Place && s.was.Owner == ev.Owner && s.was.Since == ev.Since {
		return // nothing has changed
	}
	s.waits = true
	in.waiting++
	in.wake()
}

// saidOf finds what was said of a request, nil where nothing was.
func (in *inbox) saidOf(kind batch.EventKind, id uint32) *ruling {
	for i := range in.rulings {
		if s := &in.rulings[i]; s.ev.Kind == kind && s.ev.ID == id {
			return s
		}
	}
	return nil
}

// drop drops what was said and not taken yet.
func (in *inbox) drop(s *ruling) {
	if s.waits {
		s.waits = false
		in.waiting--
		in.coalesced++
	}
}

// forget drops what was said of a request: it is made anew, or given back.
func (in *inbox) forget(id uint32) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.rulings {
		if s := &in.rulings[i]; s.ev.ID == id {
			in.drop(s)
		}
	}
	in.rulings = slices.DeleteFunc(in.rulings, func(s ruling) bool { return s.ev.ID == id })
}

// ruled takes out what an arbiter has said and may be taken now, news or what is more.
func (in *inbox) ruled(urgent bool, clock func() int64) (ev batch.Event, stamp int64, ok bool) {
	for i := range in.rulings {
		s := &in.rulings[i]
		if !s.waits || s.urgent() != urgent {
			continue
		}
		if now := clock(); s.due <= now {
			s.was, s.waits, s.due = s.ev, false, now+rulingEvery
			in.waiting--
			return s.ev, now, true
		}
	}
	return ev, 0, false
}

// rules returns when something that an arbiter has said may be taken; with only set, what is more than news.
func (in *inbox) rules(only bool) int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	next := timebase.Never
	for i := range in.rulings {
		if s := &in.rulings[i]; s.waits && (s.urgent() || !only) {
			next = min(next, s.due)
		}
	}
	return next
}

// unshared returns the first equipment that a recipe uses and batches share; "" where there is none.
func unshared(e *recipe.Element, m *iomap.Map) string {
	for _, name := range e.Uses {
		if i, ok := m.Resource(name); ok && m.Resources[i].BetweenBatches {
			return name
		}
	}
	for _, child := range e.Children {
		if name := unshared(child, m); name != "" {
			return name
		}
	}
	return ""
}
