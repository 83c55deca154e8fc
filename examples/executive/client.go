// The commands of people: each is one call of the API.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// home is the directory of the executive; of one of several boards, that of the board.
func (s *session) home() string {
	dir := s.dir
	if dir == "" {
		dir = filepath.Join("out", cond(s.several(), "nodes", "executive"))
	}
	return filepath.Join(dir, s.node)
}

// several tells whether one or all of several boards are meant.
func (s *session) several() bool { return s.nodes > 0 || s.node != "" }

// of is the session of one of the boards.
func (s *session) of(node string) *session {
	one := *s
	one.node = node
	return &one
}

// maxSocket is how long the path of a socket may be: the systems take 104 bytes or 108, one of them a zero.
const maxSocket = 103

// short refuses a directory whose sockets no client could name.
func (s *session) short() error {
	longest := filepath.Join(s.home(), dirRun, api.Manager+".sock")
	if len(longest) <= maxSocket {
		return nil
	}
	return fmt.Errorf("executive: -dir: the sockets in it would have paths of %d bytes, and the system takes %d; go to a directory above it and name it from there, or "+
		"take a shorter one", len(longest), maxSocket)
}

// network is where its processes are.
func (s *session) network() api.Network { return api.Sockets(filepath.Join(s.home(), "run")) }

// ask calls one process.
func (s *session) ask(ctx context.Context, who, method, path string, in, out api.Body) error {
	c := s.network().Dial(who)
	defer c.Close()
	return s.heard(who, c.Call(ctx, method, path, in, out))
}

// heard says what to do where nobody answered; any other error it gives as it is.
func (s *session) heard(who string, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return fmt.Errorf("executive: the %s in %s does not answer; start it with executive up, or name the directory of one that is up with -dir", who, s.home())
}

// order sends what a person orders to the manager, and says under whom it is on record.
func (s *session) send(ctx context.Context, path string, in api.Body) error {
	var a api.Accepted
	if err := s.ask(ctx, api.Manager, "POST", path, in, &a); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, harmless("taken in, as "+a.As+cond(a.Batch == "", "", ": "+a.Batch)))
	return nil
}

func (s *session) batch() string { return "/v1/batches/" + url.PathEscape(s.args[0]) }

// boards are the sessions of the boards that are meant: one, or with -nodes all that are in the directory.
func (s *session) boards() ([]*session, error) {
	if s.nodes == 0 || s.node != "" {
		return []*session{s}, nil
	}
	sites, err := sitesIn(s.home())
	if err == nil && len(sites) == 0 {
		err = fmt.Errorf("executive: there are no boards in %s; start them with executive up -nodes %d, or name another -dir", s.home(), s.nodes)
	}
	all := make([]*session, len(sites))
	for i, t := range sites {
		all[i] = s.of(t.Node)
	}
	return all, err
}

func (s *session) list(ctx context.Context) error {
	boards, err := s.boards()
	if err != nil {
		return err
	}
	lines := &screen{wide: s.several()}
	fmt.Fprintln(s.stdout, lines.head())
	for _, board := range boards {
		var all api.Batches
		if err := board.ask(ctx, api.Manager, "GET", "/v1/batches", nil, &all); err != nil {
			return err
		}
		for i := range all {
			fmt.Fprintln(s.stdout, lines.line(&all[i]))
		}
	}
	return nil
}

func (s *session) watch(ctx context.Context) error {
	boards, err := s.boards()
	if err != nil {
		return err
	}
	var managers []*api.Client
	for _, board := range boards {
		var there api.Self
		if err := board.ask(ctx, api.Manager, "GET", "/v1/self", nil, &there); err != nil {
			return err
		}
		c := board.network().Dial(api.Manager)
		defer c.Close()
		managers = append(managers, c)
	}
	show := newScreen(s.stdout, s.plain)
	show.wide = s.several()
	err = show.show(ctx, managers, "executive in "+s.home(), func([]api.Batch) bool { return false })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *session) who(ctx context.Context) error {
	var all api.Holdings
	if err := s.ask(ctx, api.Manager, "GET", "/v1/equipment", nil, &all); err != nil {
		return err
	}
	for i := range all {
		fmt.Fprintln(s.stdout, holdingLine(&all[i]))
	}
	return nil
}

func (s *session) create(ctx context.Context) error {
	return s.send(ctx, "/v1/batches", &api.Create{Order: s.order, ID: s.id, Recipe: s.args[0], Unit: s.unit, Size: s.size,
		Priority: s.priority, Groups: s.groups, Start: s.start})
}

func (s *session) tell(ctx context.Context) error {
	return s.send(ctx, s.batch()+"/commands", &api.Command{Order: s.order, Command: s.args[1], Step: s.step})
}

func (s *session) answer(ctx context.Context) error {
	n, err := strconv.ParseUint(s.args[1], 10, 32)
	if err != nil {
		return fmt.Errorf("executive: %q is no number of a prompt; the list has it", s.args[1])
	}
	return s.send(ctx, s.batch()+"/answers", &api.PromptAnswer{Order: s.order, Prompt: uint32(n), Value: s.args[2]})
}

func (s *session) remove(ctx context.Context) error {
	return s.send(ctx, s.batch()+"/removal", &api.Removal{Order: s.order, Force: s.force})
}

func (s *session) restart(ctx context.Context) error {
	return s.send(ctx, s.batch()+"/restart", &api.Restart{Order: s.order, Cold: s.cold})
}

func (s *session) release(ctx context.Context) error {
	return s.send(ctx, "/v1/equipment/"+url.PathEscape(s.args[0])+"/release", &s.order)
}

// strike has the log of several boards be kept for one of them no longer.
func (s *session) strike(ctx context.Context) error {
	return s.send(ctx, "/v1/nodes/"+url.PathEscape(s.args[0])+"/strike", &s.order)
}

// putBack gives the manager of a board the word of a person that it waits for when its disk is one of an earlier day. It looks for that each time it is
// started, which is every few seconds while it does not come up, and forgets it when it is.
func (s *session) putBack(context.Context) error {
	t, err := readSite(s.home())
	switch {
	case err != nil:
		return err
	case t == nil:
		return fmt.Errorf("executive: %s is no board of several; say which one is meant with -node, such as n2", s.home())
	case s.order.Reason == "":
		return errors.New("executive: why its disk was put back goes on record; say so with -reason")
	}
	t.PutBack = s.order.Reason
	if err := t.write(s.home()); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "the manager of %s takes it when it is started next; if nothing is lacking, it does nothing\n", t.Node)
	return nil
}

// reorder finds the claim by which a batch waits for a piece of equipment, and puts it to another place.
func (s *session) reorder(ctx context.Context) error {
	var all api.Holdings
	if err := s.ask(ctx, api.Manager, "GET", "/v1/equipment", nil, &all); err != nil {
		return err
	}
	for _, h := range all {
		for _, w := range h.Waiting {
			if h.Equipment == s.args[1] && w.Batch == s.args[0] {
				return s.send(ctx, "/v1/equipment/"+url.PathEscape(h.Equipment)+"/queue",
					&api.Reorder{Order: s.order, Batch: w.Batch, Claim: w.ID, Place: s.place})
			}
		}
	}
	return fmt.Errorf("executive: %s does not wait for %s; executive who says who does", s.args[0], s.args[1])
}

// change changes the equipment model, or says what that would touch.
func (s *session) change(ctx context.Context) error {
	data, err := os.ReadFile(s.args[0])
	if err != nil {
		return err
	}
	var m api.Model
	if err := s.ask(ctx, api.Runtime, "GET", "/v1/model", nil, &m); err != nil {
		return err
	}
	c, err := parseChange(s.args[0], data)
	if err != nil {
		return err
	}
	c.Order = s.order
	var i api.Impact
	if err := s.ask(ctx, api.Runtime, "POST", "/v1/model/changes"+cond(s.dry, "?dry=1", ""), c, &i); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "model %d -> %d%s\n", m.Version, i.Version, cond(s.dry, ", would be", ""))
	for _, list := range []struct {
		what string
		of   []string
	}{{"", i.Changes}, {"batch ", i.Batches}, {"recipe ", i.Recipes}} {
		for _, x := range list.of {
			fmt.Fprintln(s.stdout, harmless("  "+list.what+x))
		}
	}
	return nil
}
