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
// output, and cuts short the one that is under way to it.
type queue struct {
	mu     sync.Mutex
	idle   sync.Cond // nothing is under way
	safe   []queued
	rest   []queued
	output int          // of the write under way, or -1
	slow   map[int]bool // outputs whose last write took longer than slowWrite
	cut    context.CancelFunc
	closed bool
	ready  chan struct{}
}

type queued struct {
	output int
	write  tag.Write
}

func newQueue() *queue {
	q := &queue{output: -1, slow: map[int]bool{}, ready: make(chan struct{}, 1)}
	q.idle.L = &q.mu
	return q
}

func (q *queue) add(e *batch.Effect) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if e.Safe {
		q.rest = without(q.rest, e.Output)
		q.safe = append(without(q.safe, e.Output), queued{e.Output, e.Write})
		if q.output == e.Output {
			q.cut()
		}
	} else {
		q.rest = append(q.rest, queued{e.Output, e.Write})
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
		i = max(slices.IndexFunc(*list, func(w queued) bool { return !q.slow[w.output] }), 0)
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
			q.output = first.output
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

// finished says that the write under way has come to its end, after a time in ns.
func (q *queue) finished(took int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cut()
	q.slow[q.output] = took > slowWrite
	q.output = -1
	q.idle.Broadcast()
}

// close drops what waits, cuts short what is under way, and returns when nothing is.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.safe, q.rest = nil, nil
	if q.output >= 0 {
		q.cut()
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
	for q.output >= 0 {
		q.idle.Wait()
	}
}
