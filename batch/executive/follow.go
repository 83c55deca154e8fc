// What the manager hears of the runtime server and of the I/O process. Both may be away: it goes on with what it has heard.

package executive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal/record"
)

// modelFile keeps the model that was heard last, so that a manager that comes up while the runtime server is away knows who may do what.
const modelFile = "manager.model.json"

// readModel reads it; nil where there is none that is whole, or where it is not the one of which the ledger has the digest: so nobody gets rights
// by writing there.
func readModel(dir, digest string) *api.Model {
	data, err := os.ReadFile(filepath.Join(dir, modelFile))
	m := &api.Model{}
	if err != nil || digestOf(data) != digest || json.Unmarshal(data, m) != nil || m.Check() != nil {
		return nil
	}
	return m
}

// digestOf is the SHA-256 of data, in hex.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// keepModel has the ledger tell the digest of a model and of what was kept before, and writes the model: the old one is there, or the new one.
func (m *Manager) keepModel(data []byte, version uint64, old, digest string) error {
	_, err := m.led.Append(func(b *record.Body) {
		b.Begin(record.KindLibraryChange)
		b.Text(record.Actor, manager.actor)
		b.Text(record.ChangeReason, "heard of the runtime server, whose ledger says who has made it so")
		b.Text(record.OldValue, or(old, "none"))
		b.Text(record.NewValue, digest)
		b.Text(record.ImpactScope, "who may do what while the runtime server is away")
		b.Text(record.ObjectKind, modelKind)
		b.Text(record.ObjectID, modelFile)
		b.Text(record.ObjectVersion, strconv.FormatUint(version, 10))
		b.Text(record.Digest, digest)
		b.Text(record.ApprovalID, "none")
	})
	if err != nil {
		return err
	}
	return ledger.Put(filepath.Join(m.dir, modelFile), data)
}

// modelKind is the object_kind of that record.
const modelKind = "equipment_model"

// followModel follows the equipment model until ctx ends.
func (m *Manager) followModel(ctx context.Context) {
	c := m.net.Dial(api.Runtime)
	defer c.Close()
	for wait := 10 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, again) {
		var model api.Model
		ask, cancel := context.WithTimeout(ctx, m.opt.Quiet)
		err := c.Call(ask, http.MethodGet, "/v1/model", nil, &model)
		cancel()
		if err == nil {
			err = m.learn(&model)
		}
		if err == nil {
			began := time.Now()
			_ = c.Events(ctx, "/v1/events", m.opt.Quiet, func(event, _ string, data []byte) error {
				if event != "model" {
					return nil
				}
				var model api.Model
				if err := json.Unmarshal(data, &model); err != nil {
					return err
				}
				return m.learn(&model)
			})
			if time.Since(began) >= again {
				wait = 10 * time.Millisecond
			}
		}
		pause(ctx, wait)
	}
}

// learn takes a model in: what may be had of its equipment goes into the log, then its rights count.
func (m *Manager) learn(model *api.Model) error {
	if err := model.Check(); err != nil {
		return err
	}
	if err := m.stock(model); err != nil {
		return err
	}
	data, err := json.Marshal(model)
	if err != nil {
		return err
	}
	digest := digestOf(data)
	m.mu.Lock()
	old, known := m.digest, m.digest == digest && m.model != nil
	m.mu.Unlock()
	if known {
		return nil
	}
	if err := m.keepModel(data, model.Version, old, digest); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.model, m.digest = model, digest
	m.touch(nil)
	return nil
}

// stock has the arbiter know what equipment there is, and how many may have it. What the log knows already is not written again.
func (m *Manager) stock(model *api.Model) error {
	type lot struct {
		owners  int
		retired bool
	}
	lots := map[lot][]string{}
	var order []lot
	known := map[string]bool{}
	for _, h := range m.desk.holdings() {
		known[h.Equipment] = true
	}
	for i := range model.Items {
		it := &model.Items[i]
		if it.Owners == 0 && !known[it.ID] || !m.here(it.Node) {
			continue
		}
		l := lot{it.Owners, it.Retired}
		if lots[l] == nil {
			order = append(order, l)
		}
		lots[l] = append(lots[l], it.ID)
	}
	for _, l := range order {
		for set := lots[l]; len(set) > 0; {
			n := min(len(set), arbiter.MaxSet)
			fx, err := m.desk.do(arbiter.Op{Kind: arbiter.Stock, Equipment: set[:n], Owners: l.owners, Retired: l.retired}, nil)
			if err != nil {
				return err
			}
			_ = refusal(fx) // such as one that is had by more than may have it now; it is asked again with the next model
			set = set[n:]
		}
	}
	return nil
}

// floor has tokens go on above all that the I/O process of a node has seen.
func (m *Manager) floor(ctx context.Context, node string) error {
	_, err := m.look(ctx, node)
	return err
}

// lost names the batches that are lost, or on their way from there.
func (m *Manager) lost() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := map[string]bool{}
	for _, e := range m.order {
		if api.Life(e.state.String()) == api.Lost {
			lost[e.id] = true
		}
	}
	return lost
}

// holdings gives who has what, since when, and who waits.
func (m *Manager) holdings() api.Holdings {
	all, lost, gone := m.desk.holdings(), m.lost(), m.gone()
	list := make(api.Holdings, 0, len(all))
	for i := range all {
		h := &all[i]
		if h.Owners == 0 && h.Batch == "" {
			continue
		}
		v := api.Holding{Equipment: h.Equipment, Batch: h.Batch, Step: h.Step, Token: h.Token, Since: stamp(h.Since), Lost: lost[h.Batch] || gone(h.Batch), Retired: h.Retired}
		for _, w := range h.Waiting {
			v.Waiting = append(v.Waiting, api.Waiting{Batch: w.Batch, ID: w.ID, Step: w.Step, Equipment: w.Equipment, Priority: w.Priority, Since: stamp(w.Since)})
		}
		list = append(list, v)
	}
	return list
}

// serveRelease takes equipment from who has it, because a person orders it: first the wire refuses who had it, and has its outputs safe, under a token that
// nobody gets; then others may have it.
func (m *Manager) serveRelease(w http.ResponseWriter, r *http.Request) {
	var o api.Order
	id := r.PathValue("id")
	err := api.Take(w, r, &o)
	var by person
	if err == nil {
		by, err = m.allow(r, &o, api.MayForceRelease, id)
	}
	if err == nil {
		err = m.take(id, by)
	}
	api.Reply(w, &api.Accepted{Batch: id, As: by.actor}, err)
}

func (m *Manager) take(id string, by person) error {
	if err := m.desk.fresh(); err != nil { // whoever orders it at another node sees what is there now, too
		return err
	}
	had := m.desk.holding(id)
	owner := ""
	for i := range had {
		owner = or(owner, had[i].Batch)
	}
	same := func() error { // a grant that came after the fence is not behind it
		if now := m.desk.book.Holding(id); !slices.EqualFunc(had, now, func(a, b arbiter.Holding) bool {
			return a.Batch == b.Batch && a.ID == b.ID && a.Token == b.Token
		}) {
			return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("executive: %s is not taken: it changed hands meanwhile; look at who has it, and order it again", id)}
		}
		return nil
	}
	reason := by.reason
	lies, err := m.lie([]string{id})
	if err != nil {
		return &api.Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("executive: %s is not taken: %s", id, err)}
	}
	if owner != "" {
		if err := m.floor(context.Background(), lies[id]); err != nil {
			return &api.Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("executive: %s is not taken from %s: %s does not answer: %s", id, owner, ioOf(lies[id]), err)}
		}
		answer, err := m.fenceOff(id, lies[id], owner, by, same)
		if err != nil {
			return err
		}
		for _, what := range answer.Unconfirmed {
			reason += "; not confirmed safe: " + what
		}
	}
	fx, err := m.desk.do(arbiter.Op{Kind: arbiter.Force, Equipment: []string{id}, Actor: by.actor, Role: by.role, Reason: short(reason)}, same)
	if err == nil && owner == "" {
		err = refusal(fx)
	}
	return err
}

// fenceOff fences one piece of equipment off from who has it, under a token that nobody gets. Same is asked with the desk held: who got it meanwhile, under
// a token that is less, is not to be fenced off.
func (m *Manager) fenceOff(id, node, owner string, by person, same func() error) (answer api.Fenced, err error) {
	f := api.Fence{Order: api.Order{Operator: by.actor, Role: by.role, Reason: by.reason}, Equipment: []string{id}, Batch: owner, Safe: true}
	for range 3 {
		f.Token = m.desk.token() + 1
		if _, err = m.desk.do(arbiter.Op{Kind: arbiter.Floor, Token: f.Token}, same); err != nil {
			return answer, err
		}
		answer = api.Fenced{}
		if err = m.fenceAt(node, &f, &answer); !errors.Is(err, errPast) {
			break
		}
	}
	var no *api.Error
	switch {
	case errors.As(err, &no) && no.Status == http.StatusNotFound:
		answer.Unconfirmed = []string{no.Message} // it has no output that the wire knows of
	case err != nil:
		return answer, &api.Error{Status: http.StatusServiceUnavailable,
			Message: fmt.Sprintf("executive: %s is not taken from %s: %s does not confirm that its outputs are safe: %s", id, owner, ioOf(node), err)}
	}
	return answer, nil
}

// serveReorder puts a claim that waits to another place.
func (m *Manager) serveReorder(w http.ResponseWriter, r *http.Request) {
	var o api.Reorder
	err := api.Take(w, r, &o)
	var by person
	if err == nil {
		by, err = m.allow(r, &o.Order, api.MayReorder, o.Batch)
	}
	if err == nil {
		var fx []arbiter.Effect
		fx, err = m.desk.do(arbiter.Op{Kind: arbiter.Reorder, Batch: o.Batch, ID: o.Claim, Place: o.Place, Actor: by.actor, Role: by.role, Reason: by.reason}, nil)
		if err == nil {
			err = refusal(fx)
		}
	}
	api.Reply(w, &api.Accepted{Batch: o.Batch, As: by.actor}, err)
}
