// What clients watch: batches and equipment as they change, and the records of a batch.

package executive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/roster"
)

// serveRecords hands on what the runner says of its records.
func (m *Manager) serveRecords(w http.ResponseWriter, r *http.Request) {
	e, err := m.batch(r)
	if err == nil {
		err = m.stream()
	}
	if err != nil {
		api.Reply(w, nil, err)
		return
	}
	defer m.unstream()
	var out *api.Stream
	path := "/v1/batches/" + e.id + "/records"
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	err = e.c.Events(r.Context(), path, m.opt.Quiet, func(event, id string, data []byte) error {
		if out == nil {
			out = api.NewStream(w)
		}
		if event == "" {
			return out.Beat()
		}
		return out.Send(event, id, data)
	})
	var no *api.Error
	if err != nil && !errors.As(err, &no) {
		err = &api.Error{Status: http.StatusBadGateway, Message: fmt.Sprintf("executive: the runner of %s does not answer; its records lie in %s: %s",
			e.id, batchDir(m.dir, e.id), err)}
	}
	if out == nil {
		api.Reply(w, nil, err)
	}
}

// stream counts one stream more, or refuses it.
func (m *Manager) stream() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.streams >= api.MaxStreams {
		return &api.Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("executive: %d streams are open; end one of them", m.streams)}
	}
	m.streams++
	return nil
}

func (m *Manager) unstream() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.streams--
}

// between is the least time between two tellings of one client.
const between = 200 * time.Millisecond

// serveEvents tells a client of all that is there, and then of what changes. One that does not read is told less often, and never of less than the
// newest.
func (m *Manager) serveEvents(w http.ResponseWriter, r *http.Request) {
	if err := m.stream(); err != nil {
		api.Reply(w, nil, err)
		return
	}
	defer m.unstream()
	out := &watcher{m: m, out: api.NewStream(w), there: map[string]bool{}, equipment: map[string]string{}}
	beat := time.NewTicker(api.Heartbeat)
	defer beat.Stop()
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		if out.tell() != nil {
			return
		}
		pause(r.Context(), between)
		for waits := true; waits; {
			select {
			case <-changed:
				waits = false
			case <-beat.C:
				if out.out.Beat() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	}
}

// watcher is one client that watches.
type watcher struct {
	m         *Manager
	out       *api.Stream
	seen      uint64
	there     map[string]bool
	equipment map[string]string // what it was told last, by equipment
}

// tell tells the client what has changed since it was told last.
func (t *watcher) tell() error {
	m := t.m
	held := m.desk.held()
	var changed []api.Batch
	var gone []string
	m.mu.Lock()
	for _, e := range m.order {
		switch {
		case e.rev <= t.seen && t.seen > 0:
		case e.state != roster.Removed:
			changed = append(changed, m.view(e, held))
		case t.there[e.id]:
			gone = append(gone, e.id)
		}
	}
	t.seen = m.rev
	m.mu.Unlock()
	for i := range changed {
		t.there[changed[i].ID] = true
		if err := t.send("batch", &changed[i]); err != nil {
			return err
		}
	}
	for _, id := range gone {
		delete(t.there, id)
		if err := t.removed(id); err != nil {
			return err
		}
	}
	list := m.holdings()
	for i := range list {
		data, err := json.Marshal(&list[i])
		if err != nil {
			return err
		}
		key := list[i].Equipment + "\x00" + list[i].Batch
		if t.equipment[key] == string(data) {
			continue
		}
		t.equipment[key] = string(data)
		if err := t.out.Send("equipment", "", data); err != nil {
			return err
		}
	}
	return nil
}

func (t *watcher) send(event string, body api.Body) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return t.out.Send(event, "", data)
}

func (t *watcher) removed(id string) error {
	data, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return t.out.Send("removed", "", data)
}
