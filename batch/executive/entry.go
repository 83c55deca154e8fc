// One batch as the manager has it, and the one way by which it comes to stand elsewhere.

package executive

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/roster"
	"github.com/batchkit/batchkit/journal/record"
)

// entry is one batch. All is guarded by the manager's mu.
type entry struct {
	id     string
	state  roster.State
	since  string
	reason string    // what the manager says of it; "": what its runner says
	said   api.Batch // what its runner said last, or its order
	order  host.Order
	by     person // who has ordered what is under way
	rev    uint64
	proc   Process // its runner; nil where none is known
	pid    int
	kept   bool // by this manager: it was spawned, or adopted
	spawn  bool // its runner is to be started
	warm   bool // and takes up what was
	start  bool // it is started once it is Ready; its order says so until that was done
	ended  error
	cancel context.CancelFunc // ends what its keeper waits for
	c      *api.Client        // of its runner
}

// person is who orders something, as he is on record.
type person struct{ actor, role, reason string }

// manager is who acts where no person does.
var manager = person{actor: api.Manager}

// recall reads the order of a batch, so that it is listed with what it is.
func (e *entry) recall(dir string) {
	o, err := host.ReadOwnOrder(batchDir(dir, e.id))
	if err != nil || o.Batch != e.id {
		return
	}
	e.order, e.start = o, o.Start
	if e.said.ID == "" {
		e.said = api.Batch{ID: e.id, Recipe: o.Recipe, Unit: o.Unit, Size: o.Size, Operator: o.Operator}
	}
}

func batchDir(dir, id string) string { return filepath.Join(dir, "batches", id) }

// fold gives what takes the records of the ledger: where each batch stands, which model is kept, and what became of equipment.
func (m *Manager) fold(a *account) func(uint64, *record.Record) error {
	return func(_ uint64, r *record.Record) error {
		switch r.Kind {
		case record.KindEquipmentOwner:
			a.note(r)
		case record.KindLibraryChange:
			switch r.Text(record.ObjectKind) {
			case modelKind:
				m.digest = r.Text(record.Digest)
			case ledgerKind:
				a.vouched, _ = strconv.ParseUint(r.Text(record.ObjectVersion), 10, 64)
			}
		case record.KindBusState:
			if r.Text(record.ObjectKind) == nodeKind {
				a.spoken(r.Text(record.ObjectID), r.Text(record.Result), r.Text(record.Detail))
			}
		case record.KindBatchLife:
			state, ok := roster.Parse(r.Text(record.LifeState))
			if r.Text(record.Result) != done || !ok || state == roster.None {
				break
			}
			e := m.enter(r.Text(record.ObjectID))
			if e.state != state {
				e.since = stamp(r.Time(record.TsUTC))
			}
			e.state, e.reason = state, r.Text(record.Detail)
			if by := (person{r.Text(record.Actor), r.Text(record.OperatorRole), r.Text(record.ChangeReason)}); by.actor != api.Manager {
				e.by = by
			}
		}
		return nil
	}
}

// enter gives the batch of an id, which is made where there is none.
func (m *Manager) enter(id string) *entry {
	e := m.batches[id]
	if e == nil {
		e = &entry{id: id}
		m.add(e)
	}
	return e
}

func (m *Manager) add(e *entry) {
	e.c = m.net.Dial(e.id)
	m.batches[e.id] = e
	m.order = append(m.order, e)
	m.born = append(m.born, e)
	m.numbers.Used(m.bare(e.id))
}

// Results of a batch_life record.
const (
	done        = "done"
	refused     = "refused"
	unconfirmed = "unconfirmed"
)

// move lets something happen to a batch: it is on record before it counts. What is not possible is on record where a person asked for it, and an
// *api.Error. It is called with mu held.
func (m *Manager) move(e *entry, ev roster.Event, by person, why string) error {
	to, err := roster.Move(e.state, ev)
	if err != nil {
		if ev.Asked() {
			err = m.refuse(e, ev.String(), by, err.Error())
		}
		return err
	}
	if err := m.write(e, to, ev.String(), by, done, why); err != nil {
		return err
	}
	if e.state == roster.None {
		m.add(e)
	}
	e.state, e.reason, e.since = to, why, m.now()
	if ev.Asked() {
		e.by = by
	}
	if e.cancel != nil && (ev.Asked() || to == roster.Removed) {
		e.cancel()
	}
	m.touch(e)
	return nil
}

// refuse puts on record that something was refused, and gives the refusal.
func (m *Manager) refuse(e *entry, command string, by person, why string) error {
	if err := m.write(e, e.state, command, by, refused, why); err != nil {
		return err
	}
	return &api.Error{Status: http.StatusConflict, Message: e.id + ": " + why}
}

// write writes a batch_life record. An error is an *api.Error: nothing was done.
func (m *Manager) write(e *entry, to roster.State, command string, by person, result, detail string) error {
	_, err := m.led.Append(func(b *record.Body) {
		b.Begin(record.KindBatchLife)
		b.Text(record.Actor, by.actor)
		b.Text(record.ObjectID, e.id)
		b.Text(record.LifeState, to.String())
		b.Text(record.OldValue, e.state.String())
		b.Text(record.Result, result)
		b.Text(record.Command, command)
		for _, f := range []struct {
			key  record.Key
			text string
		}{{record.OperatorRole, by.role}, {record.ChangeReason, by.reason}, {record.Detail, short(detail)},
			{record.BatchState, e.said.State}, {record.RestartOf, e.order.RestartOf}} {
			if f.text != "" {
				b.Text(f.key, f.text)
			}
		}
		if e.pid > 0 {
			b.Int(record.RunnerPID, int64(e.pid))
		}
	})
	if err != nil {
		return &api.Error{Status: http.StatusServiceUnavailable, Message: "executive: " + err.Error()}
	}
	return nil
}

// short cuts a text to what an answer may have.
func short(text string) string {
	if len(text) <= api.MaxText {
		return strings.ToValidUTF8(text, "?")
	}
	return strings.ToValidUTF8(text[:api.MaxText-3], "") + "..."
}

// unheard is why a list has no state, no process and no package of a batch: they are what its runner says.
const unheard = "so says the ledger of the manager, which was started anew and has not heard the runner yet"

// view gives a batch as a list shows it. Held is what the book says; it is called with mu held.
func (m *Manager) view(e *entry, held map[string][]string) api.Batch {
	b := e.said
	b.ID, b.Life, b.Since, b.PID = e.id, api.Life(e.state.Shown().String()), e.since, e.pid
	switch {
	case e.reason != "":
		b.Reason = e.reason
	case !e.kept && (e.state == roster.Ready || e.state == roster.Active || e.state == roster.Ended):
		b.Reason = unheard
	}
	if !e.state.Takes() {
		b.Commands = nil
	}
	if e.state == roster.Lost || e.state == roster.Clearing || e.state == roster.Restarting {
		b.Equipment = held[e.id]
	}
	return b
}

// list gives all that are there, in the order in which they came.
func (m *Manager) list() api.Batches {
	held := m.desk.held()
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make(api.Batches, 0, len(m.order))
	for _, e := range m.order {
		if e.state != roster.Removed {
			list = append(list, m.view(e, held))
		}
	}
	return list
}

// same tells whether a list would show the same of both.
func same(a, b *api.Batch) bool {
	x, y := *a, *b
	ok := slices.Equal(x.Steps, y.Steps) && slices.Equal(x.Prompts, y.Prompts) && slices.Equal(x.Equipment, y.Equipment) && slices.Equal(x.Commands, y.Commands)
	return ok && x.Life == y.Life && x.State == y.State && x.Mode == y.Mode && x.Reason == y.Reason && x.Records == y.Records && x.Link == y.Link &&
		x.Late == y.Late && x.Package == y.Package && x.Ended == y.Ended && x.Unit == y.Unit && x.Version == y.Version && x.Model == y.Model && x.Boot == y.Boot
}
