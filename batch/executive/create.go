// How a batch comes to be.

package executive

import (
	"fmt"
	"net/http"
	"os"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/roster"
)

// maxBatches is how many a manager has at a time.
const maxBatches = 10_000

// create makes a batch: it is on record, then its order is written, then its runner is started.
func (m *Manager) create(c *api.Create, by person, restartOf string) (string, error) {
	if err := m.desk.twofold(); err != nil { // the other one gives the same numbers
		return "", unreached(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id := c.ID
	if id == "" {
		id = m.prefix() + m.numbers.Next()
	}
	e := &entry{id: id, by: by, start: c.Start, order: host.Order{Start: c.Start, Batch: id, Recipe: c.Recipe, Unit: c.Unit, Size: c.Size,
		Operator: by.actor, Role: by.role, Priority: c.Priority, Groups: c.Groups, RestartOf: restartOf, Created: m.now()}}
	e.said = api.Batch{ID: id, Recipe: c.Recipe, Unit: c.Unit, Size: c.Size, Operator: by.actor}
	if err := m.free(id, c, by); err != nil {
		return "", err
	}
	if err := m.move(e, roster.Create, by, ""); err != nil {
		return "", err
	}
	if err := host.WriteOrder(batchDir(m.dir, id), e.order); err != nil {
		if err := m.move(e, roster.Overdue, manager, "its order could not be written: "+err.Error()); err != nil {
			return "", err
		}
		return "", &api.Error{Status: http.StatusInternalServerError, Message: "executive: " + err.Error()}
	}
	e.spawn = true
	return id, nil
}

// free refuses a batch that there cannot be. It is called with mu held.
func (m *Manager) free(id string, c *api.Create, by person) error {
	if err := roster.CheckID(id); err != nil {
		return &api.Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	if !m.own(id) {
		return &api.Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("executive: create: batch_id %s is not one of this node; begin it with %s, or give none", id, m.prefix())}
	}
	if c.Recipe == "" {
		return &api.Error{Status: http.StatusBadRequest, Message: "executive: create: it names no recipe; give recipe_id"}
	}
	if len(c.Groups) > maxGroups {
		return &api.Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("executive: create: it has %d groups; at most %d are taken", len(c.Groups), maxGroups)}
	}
	if e := m.batches[id]; e != nil {
		return m.move(e, roster.Create, by, "") // refused, and on record
	}
	if _, err := os.Lstat(batchDir(m.dir, id)); err == nil {
		return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("executive: create %s: there is a directory of that name; give another number", id)}
	}
	there := 0
	for _, e := range m.order {
		if e.state != roster.Removed {
			there++
		}
	}
	if there >= maxBatches {
		return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("executive: create: there are %d batches; remove some that have ended", there)}
	}
	return nil
}

// maxGroups is of how many groups a batch may be a partner.
const maxGroups = 64
