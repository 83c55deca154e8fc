// What clients ask of the manager.

package executive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/roster"
)

// Handler answers all paths of the manager (see package api). Requests are to come by api.Serve, which says who asks.
func (m *Manager) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/self", func(w http.ResponseWriter, _ *http.Request) { api.Reply(w, &m.self, nil) })
	mux.HandleFunc("GET /v1/batches", func(w http.ResponseWriter, _ *http.Request) {
		list := m.list()
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("GET /v1/batches/{id}", m.serveBatch)
	mux.HandleFunc("GET /v1/batches/{id}/records", m.serveRecords)
	mux.HandleFunc("GET /v1/events", m.serveEvents)
	mux.HandleFunc("POST /v1/batches", m.serveCreate)
	mux.HandleFunc("POST /v1/batches/{id}/commands", m.serveCommand)
	mux.HandleFunc("POST /v1/batches/{id}/answers", m.serveAnswer)
	mux.HandleFunc("POST /v1/batches/{id}/removal", m.serveRemoval)
	mux.HandleFunc("POST /v1/batches/{id}/restart", m.serveRestart)
	mux.HandleFunc("GET /v1/equipment", func(w http.ResponseWriter, _ *http.Request) {
		list := m.holdings()
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("POST /v1/equipment/{id}/release", m.serveRelease)
	mux.HandleFunc("POST /v1/equipment/{id}/queue", m.serveReorder)
	mux.HandleFunc("POST /v1/claims", m.serveClaim(arbiter.Request))
	mux.HandleFunc("POST /v1/releases", m.serveClaim(arbiter.Release))
	mux.HandleFunc("POST /v1/messages", m.serveMessage)
	mux.HandleFunc("GET /v1/rulings", m.serveRulings)
	mux.HandleFunc("GET /v1/nodes", func(w http.ResponseWriter, _ *http.Request) { api.Reply(w, m.listNodes(), nil) })
	mux.HandleFunc("POST /v1/nodes", m.serveNodes)
	mux.HandleFunc("POST /v1/nodes/{node}/strike", m.serveStrike)
	return mux
}

// allow gives who orders something of a batch, or of equipment, that a permission is needed for. Who may not is refused, on record.
func (m *Manager) allow(r *http.Request, o *api.Order, permission, object string) (person, error) {
	peer := api.PeerOf(r)
	model := m.rights(r.Context())
	if model == nil {
		return person{}, &api.Error{Status: http.StatusServiceUnavailable,
			Message: "executive: who may do what is not known, since the runtime server has never answered; start it"}
	}
	actor, role, err := model.Rights.Allow(peer, o, permission)
	if err != nil {
		return person{}, m.denied(peer, o, permission, object, actor, role, err)
	}
	return person{actor, role, o.Reason}, nil
}

// rights gives the model, whose rights count. A manager that has just come up for the first time may be about to hear it: it is waited for as long as a
// process may be silent.
func (m *Manager) rights(ctx context.Context) *api.Model {
	ctx, cancel := context.WithTimeout(ctx, m.opt.Quiet)
	defer cancel()
	for {
		m.mu.Lock()
		model, changed := m.model, m.changed
		m.mu.Unlock()
		if model != nil {
			return model
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// batch gives the batch that a request is about.
func (m *Manager) batch(r *http.Request) (*entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.batches[r.PathValue("id")]; e != nil {
		return e, nil
	}
	return nil, &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("executive: no batch %.40q is here", r.PathValue("id"))}
}

func (m *Manager) serveBatch(w http.ResponseWriter, r *http.Request) {
	e, err := m.batch(r)
	if err != nil {
		api.Reply(w, nil, err)
		return
	}
	held := m.desk.held()
	m.mu.Lock()
	b := m.view(e, held)
	m.mu.Unlock()
	api.Reply(w, &b, nil)
}

func (m *Manager) serveCreate(w http.ResponseWriter, r *http.Request) {
	var c api.Create
	err := api.Take(w, r, &c)
	var by person
	if err == nil {
		by, err = m.allow(r, &c.Order, api.MayCreate, c.ID)
	}
	if err == nil && c.Start {
		by, err = m.allow(r, &c.Order, api.MayCommand, c.ID)
	}
	var id string
	if err == nil {
		id, err = m.create(&c, by, "")
	}
	api.Reply(w, &api.Accepted{Batch: id, As: by.actor}, err)
}

func (m *Manager) serveCommand(w http.ResponseWriter, r *http.Request) {
	var c api.Command
	err := api.Take(w, r, &c)
	m.pass(w, r, err, &c, &c.Order, api.MayCommand, "/commands", c.Command)
}

func (m *Manager) serveAnswer(w http.ResponseWriter, r *http.Request) {
	var a api.PromptAnswer
	err := api.Take(w, r, &a)
	m.pass(w, r, err, &a, &a.Order, api.MayAnswer, "/answers", "answer")
}

// pass hands an order on to the runner, in the name of who gave it. What the runner refuses is on its record; what no runner takes is on ours.
func (m *Manager) pass(w http.ResponseWriter, r *http.Request, err error, body api.Body, o *api.Order, permission, path, word string) {
	var e *entry
	var by person
	if err == nil {
		e, err = m.batch(r)
	}
	if err == nil {
		by, err = m.allow(r, o, permission, e.id)
	}
	answer := api.Accepted{}
	if err == nil {
		o.Operator, o.Role = by.actor, by.role
		err = m.forward(r, e, by, body, path, word, &answer)
	}
	api.Reply(w, &answer, err)
}

func (m *Manager) forward(r *http.Request, e *entry, by person, body api.Body, path, word string, answer *api.Accepted) error {
	m.mu.Lock()
	state := e.state
	if !state.Takes() {
		defer m.mu.Unlock()
		return m.refuse(e, word, by, fmt.Sprintf("it is %s, and nothing takes a command; possible: %s", state.Shown(), roster.Possible(state)))
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), m.opt.GoneBy)
	defer cancel()
	err := e.c.Call(ctx, http.MethodPost, "/v1/batches/"+e.id+path, body, answer)
	var no *api.Error
	if err != nil && !errors.As(err, &no) {
		no = &api.Error{Status: http.StatusBadGateway, Message: "executive: nobody knows whether it was carried out: " + err.Error()}
		if nobody(err) {
			no.Message = "executive: it was not carried out, nobody answers for " + e.id + ": " + err.Error()
		}
		err = no
	}
	if err != nil && (state == roster.LoadFailed || state == roster.Ended || no.Status == http.StatusBadGateway) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if bad := m.refuse(e, word, by, no.Message); !errors.As(bad, &no) || no.Status == http.StatusServiceUnavailable {
			return bad
		}
	}
	return err
}

// removed is how long a client is kept waiting for the end of a removal by force.
const removed = 20 * time.Second

func (m *Manager) serveRemoval(w http.ResponseWriter, r *http.Request) {
	var o api.Removal
	err := api.Take(w, r, &o)
	var e *entry
	var by person
	if err == nil {
		e, err = m.batch(r)
	}
	ev, permission := roster.Remove, api.MayRemove
	if o.Force {
		ev, permission = roster.Force, api.MayForceRemove
	}
	if err == nil {
		by, err = m.allow(r, &o.Order, permission, e.id)
	}
	if err == nil {
		m.mu.Lock()
		err = m.move(e, ev, by, "")
		m.mu.Unlock()
	}
	if err == nil && o.Force {
		err = m.removed(r.Context(), e)
	}
	api.Reply(w, &api.Accepted{Batch: r.PathValue("id"), As: by.actor}, err)
}

// removed waits until a batch is removed. An error says what it waits for still; the removal goes on.
func (m *Manager) removed(ctx context.Context, e *entry) error {
	ctx, cancel := context.WithTimeout(ctx, removed)
	defer cancel()
	for {
		m.mu.Lock()
		state, why, changed := e.state, e.reason, m.changed
		m.mu.Unlock()
		if state == roster.Removed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &api.Error{Status: http.StatusGatewayTimeout, Message: "executive: " + e.id + " is fenced and goes on being removed: " + why}
		}
	}
}

func (m *Manager) serveRestart(w http.ResponseWriter, r *http.Request) {
	var o api.Restart
	err := api.Take(w, r, &o)
	var e *entry
	var by person
	if err == nil {
		e, err = m.batch(r)
	}
	if err == nil {
		by, err = m.allow(r, &o.Order, api.MayRestart, e.id)
	}
	id := r.PathValue("id")
	switch {
	case err != nil:
	case o.Cold:
		id, err = m.cold(e, by)
	default:
		m.mu.Lock()
		err = m.move(e, roster.Warm, by, "")
		m.mu.Unlock()
	}
	api.Reply(w, &api.Accepted{Batch: id, As: by.actor}, err)
}

// cold begins a new batch in the place of a lost one, which then goes; its directory stays. The new one is there first: a manager that ends in
// between leaves both.
func (m *Manager) cold(e *entry, by person) (string, error) {
	m.mu.Lock()
	if _, err := roster.Move(e.state, roster.Cold); err != nil {
		defer m.mu.Unlock()
		return "", m.move(e, roster.Cold, by, "")
	}
	o := e.order
	m.mu.Unlock()
	id, err := m.create(&api.Create{Recipe: o.Recipe, Unit: o.Unit, Size: o.Size, Priority: o.Priority, Groups: o.Groups}, by, e.id)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return id, m.move(e, roster.Cold, by, "in its place: "+id)
}
