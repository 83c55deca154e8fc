// Changes of the model, as people ask for them, and what was refused.

package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/journal/record"
)

// askLimit is how long others are asked which batches there are, before a change is shown or made without their word.
const askLimit = 2 * time.Second

// changes answers POST /v1/model/changes. With dry in the query nothing is changed, and everybody may ask.
func (s *Server) changes(w http.ResponseWriter, r *http.Request) {
	var c api.ModelChange
	if err := api.Take(w, r, &c); err != nil {
		api.Reply(w, nil, err)
		return
	}
	dry := r.URL.Query().Get("dry") != "" && r.URL.Query().Get("dry") != "0"
	peer := api.PeerOf(r)
	actor, role, err := s.rights.Actor(peer, &c.Order)
	if err == nil && !dry {
		_, _, err = s.rights.Allow(peer, &c.Order, api.MayChangeModel)
	}
	if err != nil {
		err = errors.Join(err, s.refused(refusal{actor: actor, role: role, claimed: c.Operator, uid: peer.UID, command: api.MayChangeModel}, err.Error()))
		api.Reply(w, nil, err)
		return
	}
	if !dry && strings.TrimSpace(c.Reason) == "" {
		api.Reply(w, nil, refuse(http.StatusBadRequest, "a change has a reason, which goes on record; give one"))
		return
	}
	i, err := s.change(r.Context(), &c.Change, actor, role, c.Reason, dry)
	api.Reply(w, i, err)
}

// change makes a change, or with dry only says what it would touch.
func (s *Server) change(ctx context.Context, c *equipment.Change, actor, role, reason string, dry bool) (*api.Impact, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	old, was := s.model, s.cat // only who has changing changes them
	next, err := old.Apply(c)
	switch {
	case errors.Is(err, equipment.ErrVersion):
		return nil, refuse(http.StatusConflict, "%s", err)
	case err != nil:
		return nil, refuse(http.StatusUnprocessableEntity, "%s", err)
	}
	cat := s.load(next, was)
	bound, without := s.bound(ctx, was)
	switch err := equipment.Keeps(old, next, bound); {
	case err != nil:
		return nil, refuse(http.StatusConflict, "%s", err)
	case without != "" && !dry && equipment.Takes(old, next):
		return nil, refuse(http.StatusConflict, "the change takes something from equipment that batches may be bound to, and %s; start the manager first", without)
	}
	i := equipment.Touched(old, next, bound, was.runs(), cat.runs())
	if without != "" {
		i.Scope += "; " + without
	}
	if dry {
		return &i, nil
	}
	if err := s.record(old, next, actor, role, reason, i.Scope); err != nil {
		return nil, err
	}
	for _, line := range cat.aside {
		if !slices.Contains(was.aside, line) {
			s.tell(line)
		}
	}
	odd := s.odds(next)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model, s.cat, s.odd = next, cat, odd
	close(s.news)
	s.news = make(chan struct{})
	return &i, nil
}

// bound asks the manager, and where that does not answer every runner, which batches there are and what they are bound to. Without says whose word
// is lacking.
func (s *Server) bound(ctx context.Context, cat *catalog) (list []equipment.Bound, without string) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	batches, err := s.ask(ctx, api.Manager)
	if err != nil {
		without = "the manager did not answer, and batches are those whose runners did"
		names, err := s.net.Names()
		if err != nil {
			without = "nobody said which batches there are: " + err.Error()
		}
		for _, name := range names {
			if name != api.Manager && name != api.Runtime && name != api.IO {
				own, _ := s.ask(ctx, name)
				batches = append(batches, own...)
			}
		}
	}
	for i := range batches {
		b := &batches[i]
		if b.Life == api.Ended || b.Life == api.Removed || b.Life == api.LoadFailed || len(b.ID) > maxID {
			continue
		}
		list = append(list, equipment.Bound{Batch: b.ID, Unit: b.Unit, Equipment: slices.Concat(b.Equipment, cat.equipment(b.Recipe, b.Unit)), Model: b.Model})
	}
	return list, without
}

func (s *Server) ask(ctx context.Context, name string) (list api.Batches, err error) {
	c := s.net.Dial(name)
	defer c.Close()
	err = c.Call(ctx, http.MethodGet, "/v1/batches", nil, &list)
	return list, err
}

// maxID is how many bytes the id of a batch may have.
const maxID = 64

// refusalEvery is the time between two records of one refusal; those between are counted in the next.
const refusalEvery = time.Second

// maxRefusals is how many different refusals are kept apart within refusalEvery; more are counted together.
const maxRefusals = 64

// refusal is who was refused what.
type refusal struct {
	actor, role, claimed, command string
	uid                           int
}

// merged is when a refusal was recorded last, and how often it was refused since.
type merged struct {
	last  time.Time
	count uint64
	why   string
}

// refused records a refusal, at once or, of one that was recorded within the last second, a little later.
func (s *Server) refused(f refusal, why string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.refusals[f]
	if m == nil && len(s.refusals) >= maxRefusals {
		f = refusal{actor: "many", command: f.command, uid: -1}
		m = s.refusals[f]
	}
	if m == nil {
		m = &merged{}
		s.refusals[f] = m
	}
	m.why = why
	now := time.Now()
	due := now.Sub(m.last) >= refusalEvery
	if !due || m.count > 0 {
		m.count++
	}
	if due {
		return s.note(f, m, now)
	}
	return nil
}

// flush records what was refused again, and forgets what was not.
func (s *Server) flush(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for f, m := range s.refusals {
		switch {
		case !all && now.Sub(m.last) < refusalEvery:
		case m.count == 0:
			delete(s.refusals, f)
		default:
			_ = s.note(f, m, now) // a ledger that fails refuses every change from now on
		}
	}
}

func (s *Server) note(f refusal, m *merged, now time.Time) error {
	count := m.count
	m.last, m.count = now, 0
	_, err := s.led.Append(func(b *record.Body) {
		b.Begin(record.KindAccessRefused)
		b.Text(record.Actor, f.actor)
		b.Text(record.Command, f.command)
		b.Text(record.Detail, m.why)
		if f.claimed != "" {
			b.Text(record.ClaimedActor, f.claimed)
		}
		if f.role != "" {
			b.Text(record.OperatorRole, f.role)
		}
		if f.uid >= 0 {
			b.Int(record.PeerUID, int64(f.uid))
		}
		if count > 0 {
			b.Count(record.Coalesced, count)
		}
	})
	return err
}
