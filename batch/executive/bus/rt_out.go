// What was said last under each subject, and when it is said again.

package bus

import (
	"bytes"
	"container/list"
	"fmt"
	"sync"
	"time"
)

// Limits of run-time data.
const (
	rtGap      = 100 * time.Millisecond // between two of one subject: the newest value is sent, those between are not
	rtAgain    = 30 * time.Second       // after which what has not changed is said again
	rtAnew     = 5 * time.Second        // between two times that all is said again because somebody asks
	rtGone     = 2 * time.Minute        // after which a value that nobody has said again is gone from the stream
	rtBurst    = 1_000                  // messages sent within rtGap; the others wait for the next
	rtSubjects = 50_000                 // of one node
	rtBytes    = 64 << 20               // of all that was said last
	rtPayload  = 256 << 10              // of one
)

// said is what was said last under one subject.
type said struct {
	subject string
	data    []byte
	at      time.Time // when it was sent last; zero: never
	dirty   bool      // it is to be sent
	final   bool      // and forgotten then
}

// outbox holds the newest of each subject. Its methods may be called from any goroutine; none of them blocks.
type outbox struct {
	mu    sync.Mutex
	said  map[string]*list.Element
	dirty *list.List // those that are to be sent, who has waited longest first
	clean *list.List // the others, who was sent longest ago first
	bytes int
	over  uint64    // that had no room
	anew  time.Time // when all was said again last because somebody asked
}

func newOutbox() *outbox {
	return &outbox{said: map[string]*list.Element{}, dirty: list.New(), clean: list.New()}
}

// put takes what is to be said under a subject. What was said already is not said again before its time.
func (o *outbox) put(subject string, data []byte) { o.set(subject, data, false) }

// last is put of what is the last word under a subject.
func (o *outbox) last(subject string, data []byte) { o.set(subject, data, true) }

func (o *outbox) set(subject string, data []byte, final bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.said[subject]
	old := 0
	if e != nil {
		old = len(e.Value.(*said).data)
	}
	if len(data) > rtPayload || e == nil && len(o.said) >= rtSubjects || o.bytes+len(data)-old > rtBytes {
		o.over++
		return
	}
	o.bytes += len(data) - old
	if e == nil {
		o.said[subject] = o.dirty.PushBack(&said{subject: subject, data: data, dirty: true, final: final})
		return
	}
	s := e.Value.(*said)
	if !s.dirty && !final && bytes.Equal(s.data, data) {
		return
	}
	s.data, s.final = data, final
	if !s.dirty {
		o.move(e, true)
	}
}

// move puts an entry into the other list; the caller holds mu.
func (o *outbox) move(e *list.Element, dirty bool) {
	s := e.Value.(*said)
	from, to := o.clean, o.dirty
	if !dirty {
		from, to = to, from
	}
	from.Remove(e)
	s.dirty = dirty
	o.said[s.subject] = to.PushBack(s)
}

// forget lets a subject go, of which nothing is said any more.
func (o *outbox) forget(subject string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.said[subject]; e != nil {
		o.drop(e)
	}
}

func (o *outbox) drop(e *list.Element) {
	s := e.Value.(*said)
	if s.dirty {
		o.dirty.Remove(e)
	} else {
		o.clean.Remove(e)
	}
	o.bytes -= len(s.data)
	delete(o.said, s.subject)
}

// again has all be said once more, and tells how much that is: whoever had heard it may have forgotten it, or has come since. It was, where that is not
// long ago.
func (o *outbox) again() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.anew.IsZero() && time.Since(o.anew) < rtAnew {
		return len(o.said)
	}
	o.anew = time.Now()
	o.all()
	return len(o.said)
}

// lost is again of what surely nobody has: it is done each time.
func (o *outbox) lost() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all()
}

func (o *outbox) all() {
	for e := o.clean.Front(); e != nil; e = o.clean.Front() {
		o.move(e, true)
	}
}

// flush sends what is to be sent now, at most rtBurst. It ends at the first that is refused, which waits on.
func (o *outbox) flush(now time.Time, send func(subject string, data []byte) error) error {
	for range rtBurst {
		subject, data := o.next(now)
		if subject == "" {
			return nil
		}
		if err := send(subject, data); err != nil {
			o.back(subject)
			return err
		}
	}
	return nil
}

// back has a subject sent after all: it waits where it is.
func (o *outbox) back(subject string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.said[subject]; e != nil && !e.Value.(*said).dirty {
		e.Value.(*said).at = time.Time{}
		o.move(e, true)
	}
}

// next gives what is to be sent next, "" for nothing, and takes it as sent.
func (o *outbox) next(now time.Time) (string, []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.dirty.Front()
	if e == nil || now.Sub(e.Value.(*said).at) < rtGap {
		if e = o.clean.Front(); e == nil || now.Sub(e.Value.(*said).at) < rtAgain {
			return "", nil
		}
	}
	s := e.Value.(*said)
	s.at = now
	subject, data := s.subject, s.data
	if s.final {
		o.drop(e)
		return subject, data
	}
	if s.dirty {
		o.move(e, false)
	} else {
		o.clean.MoveToBack(e)
	}
	return subject, data
}

// full tells how many had no room since it was asked last.
func (o *outbox) full() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.over
	if o.over = 0; n == 0 {
		return nil
	}
	return fmt.Errorf("%d values had no room: one has at most %d bytes, and a node %d subjects and %d bytes in all", n, rtPayload, rtSubjects, rtBytes)
}
