// The arbiter of a trial: it gives the equipment that batches share, and lets other batches have it for a time.

package batchtest

import (
	"cmp"
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/timebase"
)

// Taken lets another batch have equipment that batches share, for a time: who asks for it meanwhile waits in the queue. What this batch
// has then is not taken from it. Without such moments all that it asks for is granted at once.
func (m Moment) Taken(resource, owner string, d time.Duration) {
	m.r.t.Helper()
	m.r.add(moment{Moment: m, what: takes, resource: resource, owner: owner, gone: int64(d)})
}

// taken is equipment that another batch has.
type taken struct {
	resource, owner string
	since, until    int64 // the plant's time
}

// claim is what this batch has asked for and not given back.
type claim struct {
	runner.Claim
	token uint64              // of its grant; 0: it waits
	say   func(runner.Ruling) // nil: this life of the controller has not asked yet
	told  runner.Ruling       // what was said last in this life
}

// Request implements runner.Arbiter. A claim that is known is one of a life before.
func (w *world) Request(c runner.Claim, say func(runner.Ruling)) {
	c.Resources = slices.Clone(c.Resources)
	i := slices.IndexFunc(w.claims, func(old claim) bool { return old.ID == c.ID })
	if i < 0 {
		i = len(w.claims)
		w.claims = append(w.claims, claim{Claim: c})
	}
	w.claims[i].say, w.claims[i].told = say, runner.Ruling{}
	w.arbitrate()
}

// Release implements runner.Arbiter.
func (w *world) Release(gone runner.Claim) {
	w.claims = slices.DeleteFunc(w.claims, func(c claim) bool {
		return c.ID == gone.ID || gone.Step != "" && c.Step == gone.Step && c.ID < gone.ID
	})
	w.arbitrate()
}

// arbitrate grants what is free, in the order in which it was asked for, and tells who waits for whom.
func (w *world) arbitrate() {
	place := int64(0)
	for i := range w.claims {
		c := &w.claims[i]
		ruling := runner.Ruling{}
		if owner := w.owner(c); c.token == 0 && owner != nil {
			place++
			ruling = runner.Ruling{Kind: runner.Queued, Place: place, Owner: owner.owner, Since: begun + owner.since}
		} else {
			if c.token == 0 {
				w.token++
				c.token = w.token
			}
			ruling = runner.Ruling{Kind: runner.Granted, Token: c.token}
		}
		if c.say != nil && c.told != ruling {
			c.told = ruling
			c.say(ruling)
		}
	}
}

// owner is who has something of what a claim asks for; nil where all is free.
func (w *world) owner(c *claim) *taken {
	for _, r := range c.Resources {
		for i := range w.taken {
			if t := &w.taken[i]; t.resource == r && t.until > w.now {
				return t
			}
		}
		for i := range w.claims {
			if o := &w.claims[i]; o.token > 0 && o.ID != c.ID && slices.Contains(o.Resources, r) {
				return &taken{resource: r, owner: cmp.Or(o.Batch, o.Step), since: 0}
			}
		}
	}
	return nil
}

// freed is when another batch gives something back next.
func (w *world) freed() int64 {
	next := timebase.Never
	for i := range w.taken {
		if t := w.taken[i].until; t > w.arbitrated {
			next = min(next, t)
		}
	}
	return next
}

// give lets go what other batches have given back by now.
func (w *world) give() {
	if due := w.freed(); due <= w.now {
		w.arbitrated = w.now
		w.arbitrate()
	}
}
