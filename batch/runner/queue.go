// The queue before the port: writes that have left the gate.

package runner

import (
	"context"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
)

// slowWrite is the time in ns after which the writes to an output are slow.
const slowWrite = 100_000_000

// queue holds writes until the port is free. A write in the safe direction goes before all others, replaces those to its
// output, and cuts short the one that is under way to it. The request for a trip goes before these too, and cuts short whatever is
// under way, but each write once only, and not where the request before it has kept the others waiting itself: where the trip fails, the
// others are all that is left.
type queue struct {
	mu     sync.Mutex
	idle   sync.Cond // nothing is under way
	safe   []queued
	rest   []queued
	under  queued        // the write under way
	busy   bool          // there is one
	short  bool          // it was cut short for a request for a trip
	slow   map[lane]bool // the last write took longer than slowWrite
	cut    context.CancelFunc
	closed bool
	ended  uint64 // writes that have come to their end
	ready  chan struct{}
}

// lane is what may keep others waiting: an output, and, apart from that, the request for a trip.
type lane struct {
	output int
	trip   bool
}

type queued struct {
	lane
	safe   bool
	write  tag.Write
	spared bool // it was cut short for a request for a trip, and is not for the next one
}

func newQueue() *queue {
	q := &queue{slow: map[lane]bool{}, ready: make(chan struct{}, 1)}
	q.idle.L = &q.mu
	return q
}

// add lets a write wait; trip says that it is the request for a trip.
func (q *queue) add(e *batch.Effect, trip bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	w := queued{lane: lane{e.Output, trip}, safe: e.Safe, write: e.Write}
	first := trip && !q.slow[w.lane]
	switch {
	case !e.Safe:
		q.rest = append(q.rest, w)
	case first:
		q.rest, q.safe = without(q.rest, e.Output), slices.Insert(without(q.safe, e.Output), 0, w)
	default:
		q.rest, q.safe = without(q.rest, e.Output), append(without(q.safe, e.Output), w)
	}
	if q.busy && e.Safe && (first && !q.under.spared || q.under.output == e.Output) {
		q.short = q.short || q.under.output != e.Output
		q.cut()
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func without(list []queued, output int) []queued {
	n := 0
	for _, w := range list {
		if w.output != output {
			list[n] = w
			n++
		}
	}
	return list[:n]
}

// first returns what is to be written next and takes it off its list: among safe writes one to an output that answers goes
// before one to an output that may keep it waiting again.
func (q *queue) first() (w queued, ok bool) {
	list, i := &q.safe, 0
	if len(*list) == 0 {
		list = &q.rest
	} else {
		i = max(slices.IndexFunc(*list, func(w queued) bool { return !q.slow[w.lane] }), 0)
	}
	if len(*list) == 0 {
		return w, false
	}
	w = (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	return w, true
}

// next waits for a write; ok is false when ctx has ended or the queue was closed. One ends early when a safer write comes.
func (q *queue) next(ctx context.Context) (w tag.Write, one context.Context, ok bool) {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return w, nil, false
		}
		if first, ok := q.first(); ok {
			q.under, q.busy, q.short = first, true, false
			one, q.cut = context.WithCancel(ctx)
			q.mu.Unlock()
			return first.write, one, true
		}
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-ctx.Done():
			return w, nil, false
		}
	}
}

// finished says that the write under way has come to its end, after a time in ns, and whether its device has confirmed it. A safe write
// that was cut short for a request for a trip, and that no later one replaces, waits again: it has not ended.
func (q *queue) finished(took int64, ok bool) (ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cut()
	w := q.under
	q.slow[w.lane], q.busy = took > slowWrite, false
	q.ended++
	q.idle.Broadcast()
	again := q.short && !ok && w.safe && !q.closed && !slices.ContainsFunc(q.safe, func(later queued) bool { return later.output == w.output })
	if again {
		w.spared = true
		q.safe = append(q.safe, w)
	}
	return !again
}

// progress returns how many writes have ended, and whether one is under way.
func (q *queue) progress() (ended uint64, busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended, q.busy
}

// close drops what waits, cuts short what is under way, and returns when nothing is.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.safe, q.rest = nil, nil
	if q.busy {
		q.cut()
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
	for q.busy {
		q.idle.Wait()
	}
}
