// What a runner answers: itself, its batch, streams of both, and what is ordered.

package host

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/sequencer"
)

// Bounds of the streams.
const (
	batchEvery  = 200 * time.Millisecond // between two events of one stream about the batch
	recordEvery = 200 * time.Millisecond // between two looks of one stream into the journal
)

// handler answers.
func (h *host) handler() http.Handler {
	m := http.NewServeMux()
	id := h.o.Batch
	m.HandleFunc("GET /v1/self", func(w http.ResponseWriter, _ *http.Request) {
		api.Reply(w, &api.Self{Role: "runner", PID: os.Getpid(), UID: os.Getuid(), Boot: h.boot, Since: h.started.UTC().Format(stamp), Version: "1", Batch: id}, nil)
	})
	m.HandleFunc("GET /v1/batches", func(w http.ResponseWriter, _ *http.Request) {
		b := h.shown()
		api.Reply(w, &api.Batches{b}, nil)
	})
	m.HandleFunc("GET /v1/batches/"+id, func(w http.ResponseWriter, _ *http.Request) {
		b := h.shown()
		api.Reply(w, &b, nil)
	})
	m.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) { h.streamed(w, func() { h.events(w, r) }) })
	m.HandleFunc("GET /v1/batches/"+id+"/records", func(w http.ResponseWriter, r *http.Request) { h.streamed(w, func() { h.records(w, r) }) })
	m.HandleFunc("POST /v1/batches/"+id+"/commands", func(w http.ResponseWriter, r *http.Request) {
		var in api.Command
		order(w, r, &in, func() (*api.Accepted, error) { return h.command(r, &in) })
	})
	m.HandleFunc("POST /v1/batches/"+id+"/answers", func(w http.ResponseWriter, r *http.Request) {
		var in api.PromptAnswer
		order(w, r, &in, func() (*api.Accepted, error) { return h.answer(r, &in) })
	})
	m.HandleFunc("POST /v1/batches/"+id+"/removal", func(w http.ResponseWriter, r *http.Request) {
		var in api.Removal
		order(w, r, &in, func() (*api.Accepted, error) { return h.remove(r, &in) })
	})
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		api.Reply(w, nil, &api.Error{Status: http.StatusNotFound, Message: "host: " + r.Method + " " + r.URL.Path + ": this is the runner of batch " + id + "; ask the manager"})
	})
	return m
}

// order answers a request that orders something.
func order(w http.ResponseWriter, r *http.Request, in api.Body, do func() (*api.Accepted, error)) {
	err := api.Take(w, r, in)
	if err != nil {
		api.Reply(w, nil, err)
		return
	}
	out, err := do()
	api.Reply(w, out, err)
}

// shown is the batch as it is now.
func (h *host) shown() api.Batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.batch()
}

// streamed answers with a stream, of which there are api.MaxStreams at most.
func (h *host) streamed(w http.ResponseWriter, do func()) {
	if h.streams.Add(1) > api.MaxStreams {
		h.streams.Add(-1)
		api.Reply(w, nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "host: too many streams of events are open; close some"})
		return
	}
	defer h.streams.Add(-1)
	do()
}

// next is closed when something has changed from now on.
func (h *host) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// events is the stream of what becomes of the batch.
func (h *host) events(w http.ResponseWriter, r *http.Request) {
	s := api.NewStream(w)
	beat := time.NewTicker(api.Heartbeat)
	defer beat.Stop()
	last := ""
	show := func() bool {
		data, err := json.Marshal(h.shown())
		if err == nil && string(data) != last {
			last, err = string(data), s.Send("batch", "", data)
		}
		return err == nil
	}
	for changed := h.next(); show() && h.pause(r.Context(), batchEvery) && h.wait(r.Context(), s, beat.C, changed); {
		changed = h.next()
	}
	if h.over() && h.removed() && show() {
		name, _ := json.Marshal(h.o.Batch)
		_ = s.Send("removed", "", name)
	}
}

// over tells whether streams are to end.
func (h *host) over() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

// wait waits until something has changed, and says meanwhile that the process lives. It is false where the runner or the client goes.
func (h *host) wait(ctx context.Context, s *api.Stream, beat <-chan time.Time, changed <-chan struct{}) bool {
	for {
		select {
		case <-changed:
			return true
		case <-beat:
			if s.Beat() != nil {
				return false
			}
		case <-h.gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// pause waits; it is false where the runner or the client goes meanwhile.
func (h *host) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-h.gone:
	case <-ctx.Done():
	}
	return false
}

// errGone ends the reading of a journal for a client that has gone.
var errGone = errors.New("the client is gone")

// records is the stream of durable records, from the one behind after. It reads the journal beside its writer and keeps nothing: a client that
// does not read is cut off, and resumes behind the last record that it has.
func (h *host) records(w http.ResponseWriter, r *http.Request) {
	after := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			api.Reply(w, nil, &api.Error{Status: http.StatusBadRequest, Message: "host: after is the number of a record, such as after=41"})
			return
		}
		after = n
	}
	s := api.NewStream(w)
	beat := time.NewTicker(api.Heartbeat)
	defer beat.Stop()
	var at journal.Chain
	for {
		changed := h.next()
		if _, err := journal.Scan(filepath.Join(h.evidence(), journalDir), func(seq uint64, body []byte, c journal.Chain) error {
			at = c
			if seq <= after {
				return nil
			}
			if s.Send("record", strconv.FormatUint(seq, 10), body) != nil {
				return errGone
			}
			return nil
		}, &journal.Options{After: at}); err != nil || !h.pause(r.Context(), recordEvery) {
			return
		}
		for h.durableTo() <= at.N {
			if !h.wait(r.Context(), s, beat.C, changed) {
				return
			}
			changed = h.next()
		}
	}
}

// durableTo is the number of the last durable record.
func (h *host) durableTo() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.view.records
}

// durable takes in that records are durable. It is called on the goroutine that commits.
func (h *host) durable(head journal.Chain) {
	h.mu.Lock()
	h.head, h.view.link = head, head.Link.String()
	h.mu.Unlock()
	h.reached(head.N)
}

// reached takes in how far records are durable.
func (h *host) reached(seq uint64) {
	if h.arrived(seq) {
		debug.FreeOSMemory()
	}
}

// arrived takes it in, and tells whether it is time to give memory back.
func (h *host) arrived(seq uint64) (trim bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.view.records = max(h.view.records, seq)
	h.proceed()
	h.tell()
	trim, h.trim = h.trim, false
	return trim
}

// proceed draws what follows from records and how far they are durable, whichever is heard of first: with the boot, the batch can be started.
// The caller holds mu.
func (h *host) proceed() {
	h.settle()
	v := &h.view
	if h.life == api.Loading && v.begun && v.records >= v.boot {
		h.become(api.Ready)
		h.trim = h.opt.Trim
	}
	if h.life == api.Ready && v.state != "" && v.state != sequencer.Idle.String() {
		h.become(api.Active)
	}
}
