// Several boards: who of another one is taken, and the floors that this one is told first.

package wire

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
)

// fromBoard refuses a connection that does not come from the board of its batch, and one of another board before the floors were told.
func (s *Server) fromBoard(c *session) error {
	node, why := c.peer.Node, ""
	switch {
	case s.opt.Node == "" && node == "":
		return nil
	case s.opt.Node == "":
		why = "this board is none of several; give it a name, with Node, before others reach for its wires"
	case node == s.opt.Node:
		why = "this is board " + node + "; a batch of it connects here, and not by its gate"
	case node == "" && !api.OfNode(c.hello.Batch, s.opt.Node):
		why = "it is no batch of this board, " + s.opt.Node + "; a batch connects by the gate of its own board"
	case node != "" && !api.OfNode(c.hello.Batch, node):
		why = "it is no batch of board " + node + ", from which it comes"
	}
	if why != "" {
		s.refuseAccess(c.peer, "port", c.hello.Batch, why)
		return &api.Error{Status: http.StatusForbidden, Message: fmt.Sprintf("wire: port of %.64q: %s", c.hello.Batch, why)}
	}
	if node == "" {
		return nil
	}
	return s.afterFloors()
}

// afterFloors refuses what is to wait for the floors.
func (s *Server) afterFloors() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.floored {
		return nil
	}
	return &api.Error{Status: http.StatusServiceUnavailable, Message: "wire: the I/O process of " + s.opt.Node +
		" was started, and its manager has not told it yet which tokens were given; until then it takes nobody of another board: see that the manager there runs, and ask again"}
}

// mayFence tells why a request may not fence; nil is that it may. Of another board, those may whom its executive belongs to.
func (s *Server) mayFence(r *http.Request) error {
	switch p := api.PeerOf(r); {
	case p.Node == "":
		return s.opt.Allow(r)
	case s.opt.Node == "" || p.Node == s.opt.Node:
		return fmt.Errorf("this board has nothing to do with a board %s", p.Node)
	case !p.Keeper:
		return fmt.Errorf("user %d of %s is none whom the executive there belongs to", p.There, p.Node)
	}
	return nil
}

// mayRaise refuses a fence of another board before the floors were told, and, on record, one that would leave no token above it.
func (s *Server) mayRaise(p api.Peer, f *api.Fence) error {
	if p.Node == "" {
		return nil
	}
	if err := s.afterFloors(); err != nil {
		return err
	}
	s.mu.Lock()
	most := s.most()
	s.mu.Unlock()
	if f.Token <= most || f.Token-most <= maxJump {
		return nil
	}
	why := fmt.Sprintf("token %d is more than %d above the greatest that is known, which is %d: no arbiter has given it", f.Token, maxJump, most)
	s.refuseAccess(p, "fence", f.Batch, why)
	return &api.Error{Status: http.StatusForbidden, Message: "wire: fence: " + why}
}

// serveFloors takes in which tokens were given.
func (s *Server) serveFloors(w http.ResponseWriter, r *http.Request) {
	var f api.Floors
	if err := api.Take(w, r, &f); err != nil {
		api.Reply(w, nil, err)
		return
	}
	p := api.PeerOf(r)
	err := error(nil)
	if p.Node != "" {
		err = fmt.Errorf("only the manager of this board tells them")
	} else {
		err = s.opt.Allow(r)
	}
	if err != nil {
		s.refuseAccess(p, "floors", "", err.Error())
		api.Reply(w, nil, &api.Error{Status: http.StatusForbidden, Message: "wire: floors: " + err.Error()})
		return
	}
	if !s.enter() {
		api.Reply(w, nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "wire: the I/O process does not run; ask again"})
		return
	}
	defer s.tasks.Done()
	out, err := s.floors(&f, p.Actor())
	api.Reply(w, out, err)
}

// raised is equipment of which the token was lower than its floor.
type raised struct {
	was   owner
	token uint64
	safe  []*target // its outputs, where somebody had it
	open  []string
}

// floors makes tokens the least that are taken. They are on disk before anything else is done; then whoever had equipment under a lower one is refused,
// and its outputs are made safe. What nobody had stays as it is. The same floors again, or lower ones, change nothing.
func (s *Server) floors(f *api.Floors, actor string) (*api.Fenced, error) {
	list, err := s.lift(f)
	if err != nil {
		return nil, err
	}
	out, all, token := &api.Fenced{}, []*target{}, map[string]uint64{}
	for _, e := range list {
		s.clear(e.was.Equipment, nil)
		all, token[e.was.Equipment] = append(all, e.safe...), e.token
		out.Unconfirmed = append(out.Unconfirmed, e.open...)
	}
	if len(all) > 0 {
		confirmed, unconfirmed := s.secure(s.life, all, func(t *target) bool { return !s.stands(t.equipment, token[t.equipment]) })
		out.Confirmed, out.Unconfirmed = confirmed, append(out.Unconfirmed, unconfirmed...)
	}
	for _, e := range list {
		if err = s.noteFloor(e, actor, out); err != nil {
			break
		}
	}
	return out, err
}

// lift writes floors down, and gives what was below them.
func (s *Server) lift(f *api.Floors) (list []*raised, err error) {
	s.disk.Lock()
	defer s.disk.Unlock()
	var next []owner
	s.mu.Lock()
	for _, e := range slices.Sorted(maps.Keys(f.Tokens)) {
		is := &raised{was: owner{Equipment: e, UID: -1}, token: f.Tokens[e]}
		if o := s.owners[e]; o != nil {
			is.was = o.owner
		}
		if is.token <= is.was.Token {
			continue
		}
		if is.was.Batch != "" { // before it is given back, since it may then have fewer
			is.safe, is.open = s.targets([]string{e}, false)
		}
		list, next = append(list, is), append(next, owner{e, is.token, "", -1, nil})
	}
	s.mu.Unlock()
	if err := s.tokens.putAll(next); err != nil {
		s.fail(err)
		return nil, err
	}
	for _, o := range next {
		s.own(o, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.floored, s.counted = s.floored || !f.More, max(s.counted, f.Token)
	return list, nil
}

// noteFloor has on record that the token of a piece of equipment was raised, and what became of the outputs of whoever had it.
func (s *Server) noteFloor(e *raised, actor string, out *api.Fenced) error {
	var values []string
	open := slices.Clone(e.open)
	for _, t := range e.safe {
		if slices.Contains(out.Confirmed, t.String()) {
			values = append(values, t.String())
		}
		for _, line := range out.Unconfirmed {
			if strings.HasPrefix(line, t.channel+": ") && !slices.Contains(open, line) {
				open = append(open, line)
			}
		}
	}
	return s.append(func(b *record.Body) {
		b.Begin(record.KindFence)
		b.Texts(record.ResourceID, []string{e.was.Equipment})
		b.Count(record.Token, e.token)
		b.Text(record.Actor, actor)
		b.Text(record.ChangeReason, fmt.Sprintf("floor: the arbiter has given token %d, and the newest known here was %d", e.token, e.was.Token))
		if e.was.Batch == "" {
			b.Text(record.Result, "fenced")
			return
		}
		b.Text(record.ObjectID, e.was.Batch)
		b.Text(record.Result, outcomeOf(open, nil))
		b.Texts(record.Values, values)
		if len(open) > 0 {
			b.Text(record.Detail, clip(unconfirmed(open, nil)[2:]))
		}
	})
}
