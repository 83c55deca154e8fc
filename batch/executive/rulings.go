// What runners ask of the arbiter, and what they are told.

package executive

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/roster"
)

// maxRulings is how many rulings wait for one runner that does not read; then it is cut, comes back, and is told all that stands.
const maxRulings = 1024

// rulings is the stream of one runner.
type rulings struct {
	mu   sync.Mutex
	list []api.Ruling
	over bool
	wake chan struct{} // has room for one
}

func (s *rulings) put(f *arbiter.Effect) {
	r, ok := ruling(f)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list = append(s.list, r); len(s.list) > maxRulings {
		s.over = true
	}
	s.poke()
}

// end ends the stream.
func (s *rulings) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.poke()
}

func (s *rulings) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next gives what is to be sent; over: the stream ends.
func (s *rulings) next() (list []api.Ruling, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, s.list = s.list, nil
	return list, s.over
}

// ruling gives an effect as a runner is told it.
func ruling(f *arbiter.Effect) (api.Ruling, bool) {
	kinds := map[arbiter.EffectKind]string{arbiter.Granted: "granted", arbiter.Queued: "queued", arbiter.Refused: "refused",
		arbiter.Delivered: "delivered", arbiter.Unanswered: "unanswered"}
	kind, ok := kinds[f.Kind]
	return api.Ruling{Kind: kind, ID: f.ID, Equipment: f.Equipment, Token: f.Token, Place: f.Place, Owner: f.Owner, Since: f.Since,
		Key: f.Key, Message: f.Message, From: f.From, Reason: f.Reason}, ok
}

// attach gives the stream of a batch, which begins with all that stands; one that there was ends. Allow is asked with the desk held.
func (d *desk) attach(batch string, allow func() error) (*rulings, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := allow(); err != nil {
		return nil, err
	}
	if old := d.streams[batch]; old != nil {
		old.end()
	}
	s := &rulings{wake: make(chan struct{}, 1)}
	fx := d.book.Of(batch, nil)
	for i := range fx {
		s.put(&fx[i])
	}
	s.over = false // all that stands is bounded by the book
	d.streams[batch] = s
	return s, nil
}

// cut ends the stream of a batch: nobody is told any more what is given to it.
func (d *desk) cut(batch string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.streams[batch]; s != nil {
		s.end()
		delete(d.streams, batch)
	}
}

// detach lets a stream go that its handler has ended.
func (d *desk) detach(batch string, s *rulings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.streams[batch] == s {
		delete(d.streams, batch)
	}
}

// noLog is for whom a claim waits that the log was not told of.
const noLog = "the log of the arbiter, which is out of reach"

// waits tells a runner why a claim waits that is not in the book: it asks again.
func (d *desk) waits(op *arbiter.Op) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.streams[op.Batch]; s != nil && d.away != nil {
		s.put(&arbiter.Effect{Kind: arbiter.Queued, Batch: op.Batch, ID: op.ID, Step: op.Step, Equipment: op.Equipment, Place: 1, Owner: noLog,
			Reason: short(d.away.Error())})
	}
}

// serveRulings answers GET /v1/rulings?batch=ID.
func (m *Manager) serveRulings(w http.ResponseWriter, r *http.Request) {
	batch := r.URL.Query().Get("batch")
	allow, err := m.runner(r, batch, "rulings")
	var s *rulings
	if err == nil {
		s, err = m.desk.attach(batch, allow)
	}
	if err != nil {
		api.Reply(w, nil, err)
		return
	}
	defer m.desk.detach(batch, s)
	out := api.NewStream(w)
	beat := time.NewTicker(api.Heartbeat)
	defer beat.Stop()
	for {
		list, over := s.next()
		for i := range list {
			data, err := json.Marshal(&list[i])
			if err == nil {
				err = out.Send("ruling", "", data)
			}
			if err != nil {
				return
			}
		}
		if over {
			return
		}
		select {
		case <-s.wake:
		case <-beat.C:
			if out.Beat() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// runner refuses who is not the runner of a batch, by the word of the kernel: it is the process that listens at the socket of the batch. What it
// gives is to be asked with the desk held: whether the batch is heard at all now.
func (m *Manager) runner(r *http.Request, batch, what string) (func() error, error) {
	peer := api.PeerOf(r)
	m.mu.Lock()
	e := m.batches[batch]
	known := e != nil && e.pid == peer.PID && e.pid > 0
	m.mu.Unlock()
	if e == nil {
		return nil, &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("executive: no batch %.40q is here", batch)}
	}
	if !known {
		far, err := m.far(r.Context(), e)
		if err != nil {
			return nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "executive: who is the runner of " + batch + " is not known: " + err.Error()}
		}
		if far.PID != peer.PID || far.PID < 0 {
			err := &api.Error{Status: http.StatusForbidden, Message: fmt.Sprintf("executive: process %d is not the runner of %s", peer.PID, batch)}
			return nil, m.denied(peer, nil, what, batch, peer.Actor(), "", err)
		}
	}
	return func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e.state == roster.Clearing || e.state == roster.Restarting || e.state == roster.Removed {
			return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("executive: %s is %s and was fenced; nothing is taken from its old runner", batch, e.state.Shown())}
		}
		return nil
	}, nil
}

// serveClaim answers POST /v1/claims and /v1/releases. What becomes of a claim is told by the stream of rulings.
func (m *Manager) serveClaim(kind arbiter.OpKind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c api.Claim
		err := api.Take(w, r, &c)
		var allow func() error
		if err == nil {
			allow, err = m.runner(r, c.Batch, "claim")
		}
		if err == nil {
			op := arbiter.Op{Kind: kind, Batch: c.Batch, ID: c.ID, Step: c.Step}
			if kind == arbiter.Request {
				op.Equipment, op.Priority = c.Equipment, m.priority(c.Batch)
			}
			if _, err = m.desk.do(op, allow); err != nil && kind == arbiter.Request {
				m.desk.waits(&op)
			}
		}
		api.Reply(w, &api.Accepted{Batch: c.Batch, As: api.PeerOf(r).Actor()}, err)
	}
}

// serveMessage answers POST /v1/messages.
func (m *Manager) serveMessage(w http.ResponseWriter, r *http.Request) {
	var msg api.Message
	err := api.Take(w, r, &msg)
	var allow func() error
	if err == nil {
		allow, err = m.runner(r, msg.Batch, "message")
	}
	if err == nil {
		kind, ok := map[string]arbiter.OpKind{"post": arbiter.Post, api.DoTake: arbiter.Take, "meet": arbiter.Meet, "forget": arbiter.Forget}[msg.Do]
		if !ok {
			err = &api.Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("executive: message: %.40q is none of post, take, meet and forget", msg.Do)}
		} else {
			_, err = m.desk.do(arbiter.Op{Kind: kind, Batch: msg.Batch, Group: msg.Group, Message: msg.Message, Key: msg.Key, Partners: msg.Partners}, allow)
		}
	}
	api.Reply(w, &api.Accepted{Batch: msg.Batch, As: api.PeerOf(r).Actor()}, err)
}

func (m *Manager) priority(batch string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.batches[batch]; e != nil {
		return e.order.Priority
	}
	return 0
}
