// Equipment that batches share: an arbiter outside the runner is asked, and what it says comes into the inbox.

package runner

import (
	"errors"
	"slices"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
)

// Arbiter gives equipment that batches share to one of them at a time. Both methods are called on the loop's goroutine: they must not
// block. A batch that is continued says both again, with the same numbers: an arbiter that knows a claim says again what it has said.
type Arbiter interface {
	// Request asks for a whole set, which is given all or not at all; one that waits for more than is free keeps no other from the
	// rest, or batches that hold something already would wait in a circle. Say may be called at any time, from any goroutine, also before
	// Request has returned, and as often as something changes; it does not block. A grant never expires: it ends with Release, and
	// that of a batch whose process has died ends when it is continued, or when a person says so.
	Request(c Claim, say func(Ruling))
	// Release gives back what was granted, or says that it is no longer wanted, and so is all that the step asked for before, by lower
	// numbers; without a step, that claim alone. One that is not known means nothing.
	Release(batch, step string, id uint32)
}

// Claim is what one batch asks an arbiter for.
type Claim struct {
	Batch     string
	ID        uint32   // number within the batch: the same number is the same claim, also after a restart
	Step      string   // element that needs it
	Resources []string // in the order of the map's list
}

// Ruling is what an arbiter says of a claim: that it is granted, or where it stands in the queue, or else that it is refused.
type Ruling struct {
	Granted bool
	Token   uint64 // of a grant: it is greater than that of each grant before; 0: there is none. It is recorded
	Place   int64  // in the queue, 1 for who is next; 0: it is in none
	Owner   string // in the queue: who has it, at most 200 bytes; "": not told
	Since   int64  // in the queue: since when the owner has it, UTC in ns since 1970; 0: not told
	Reason  string // of a refusal, at most 200 bytes. The batch holds with it, and a restart asks anew; what was granted it keeps
}

// event makes an input of a ruling.
func (v *Ruling) event(id uint32) batch.Event {
	switch {
	case v.Granted:
		return batch.Event{Kind: batch.ResourceGranted, ID: id, Token: v.Token}
	case v.Place > 0:
		ev := batch.Event{Kind: batch.ResourceQueue, ID: id, Place: min(v.Place, 1<<32), Owner: batch.Clean(v.Owner), Since: v.Since}
		if ev.Since < 0 || ev.Since > lastUTC {
			ev.Since = 0 // what cannot be right is not told
		}
		return ev
	}
	ev := batch.Event{Kind: batch.ResourceRefused, ID: id, Detail: batch.Clean(v.Reason)}
	if ev.Detail == "" {
		ev.Detail = "refused, and the arbiter does not say why"
	}
	return ev
}

// arbitrate hands on what concerns an arbiter.
func (l *loop) arbitrate(e *batch.Effect) {
	a, id := l.r.rig.Arbiter, e.ID
	l.ring.add(entry{at: l.now(), took: -1, seq: e.Seq, id: id, what: handed, kind: e.Kind})
	l.guest("Rig.Arbiter", func() {
		if e.Kind == batch.ReleaseResource {
			a.Release(l.r.b.ID, e.Step, id)
			return
		}
		a.Request(Claim{Batch: l.r.b.ID, ID: id, Step: e.Step, Resources: slices.Clone(e.Params)}, func(v Ruling) { l.r.in.rule(v.event(id)) })
	})
}

// givenBack tells the arbiter once more what a batch that has ended gave back, where a cut came before that could be told.
func (r *Runner) givenBack(list []batch.Effect) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("runner: Rig.Arbiter: panic")
		}
	}()
	for i := range list {
		r.rig.Arbiter.Release(r.b.ID, list[i].Step, list[i].ID)
	}
	return nil
}

// rule takes in what an arbiter says. What was said of the same request before and was not taken yet is replaced, unless it says
// something else, so that no arbiter can fill the inbox.
func (in *inbox) rule(ev batch.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.over {
		return
	}
	for i := range in.answers {
		if old := &in.answers[i]; old.Kind == ev.Kind && old.ID == ev.ID {
			*old = ev
			in.coalesced++
			return
		}
	}
	in.answers = append(in.answers, ev)
	in.wake()
}

// unshared returns the first equipment that a recipe uses and batches share; "" where there is none.
func unshared(e *recipe.Element, m *iomap.Map) string {
	for _, name := range e.Uses {
		if i, ok := m.Resource(name); ok && m.Resources[i].Shared {
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
