// Several boards: their processes, and the demo of them.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// hubRole is the process that keeps the journals of all nodes.
const hubRole = "hub"

// The stages in which the processes of several boards end: what decides and what writes first, and then what carries the rest to the hub.
const (
	boardStages = 4
	allStages   = 6
)

// stages are those processes.
func (s *session) stages(sites []*site) [][]process {
	var all [][]process
	for _, role := range []string{api.Manager, api.Runtime, api.IO, plantRole, api.Bus} {
		var stage []process
		for _, t := range sites {
			stage = append(stage, process{s.of(t.Node), role})
		}
		all = append(all, stage)
	}
	return append(all, []process{{s.of(hubRole), hubRole}})
}

// raise lays out the directories of the nodes and starts their processes; wait ends so many stages of them. It returns when they answer.
func (s *session) raise(ctx context.Context) (sites []*site, wait func(stages int), err error) {
	if sites, err = s.prepare(); err != nil {
		return nil, nil, err
	}
	wait = keepAll(ctx, s.stages(sites))
	for _, t := range sites {
		if err := readyNode(ctx, s.of(t.Node).network(), t.Node, sites); err != nil {
			wait(allStages)
			return nil, nil, err
		}
	}
	return sites, wait, nil
}

// prepare lays out the directories of the nodes.
func (s *session) prepare() (sites []*site, err error) {
	if s.nodes < leastNodes || s.nodes > mostNodes {
		return nil, fmt.Errorf("executive: -nodes: %d to %d are taken: of two neither decides without the other", leastNodes, mostNodes)
	}
	dir := s.home()
	if sites, err = s.survey(dir); err != nil {
		return nil, err
	}
	for _, t := range sites {
		home := filepath.Join(dir, t.Node)
		if err := errors.Join(layOutNode(home, t.Node), t.write(home)); err != nil {
			return nil, err
		}
	}
	if err := layOutHub(filepath.Join(dir, hubRole), sites[0]); err != nil {
		return nil, err
	}
	if err := equip(dir, sites); err != nil {
		return nil, err
	}
	if sites[0].NATS != "" {
		fmt.Fprintf(s.stdout, "the plant's NATS servers let these boards in once they are set by %s\n", filepath.Join(dir, fileSetting))
	}
	return sites, nil
}

// layOutHub makes the directory of the hub, which is no node and knows what one of them does.
func layOutHub(dir string, of *site) error {
	if err := os.MkdirAll(filepath.Join(dir, dirRun), 0o750); err != nil {
		return err
	}
	t := &site{Node: hubRole, Clients: of.Clients, Hub: of.Hub, NATS: of.NATS}
	return t.write(dir)
}

// readyNode returns when the processes of a node answer, its manager knows of what lies there and of what all share, and it reaches the I/O processes of
// all nodes, which take runners of others.
func readyNode(ctx context.Context, n api.Network, node string, all []*site) error {
	if err := ready(ctx, n, nodesUpBy); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, nodesUpBy)
	defer cancel()
	c := n.Dial(api.Manager)
	defer c.Close()
	names := []string{api.IO}
	for _, t := range all {
		if t.Node != node {
			names = append(names, api.Remote(t.Node, api.IO))
		}
	}
	for {
		err := knowsAll(ctx, c, node)
		for _, name := range names {
			err = errors.Join(err, takesOthers(ctx, n, name))
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("executive: %s is not ready: %w", node, errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// knowsAll tells whether a manager knows of what lies at its node and of what all share.
func knowsAll(ctx context.Context, c *api.Client, node string) error {
	var all api.Holdings
	if err := c.Call(ctx, "GET", "/v1/equipment", nil, &all); err != nil {
		return err
	}
	missing := unitsOf(node)
	for _, e := range commons(node) {
		missing = append(missing, e.Name)
	}
	missing = slices.DeleteFunc(missing, func(id string) bool {
		return slices.ContainsFunc(all, func(h api.Holding) bool { return h.Equipment == id })
	})
	if len(missing) > 0 {
		return fmt.Errorf("its manager does not know %s yet", strings.Join(missing, ", "))
	}
	return nil
}

// takesOthers tells whether an I/O process is reached, and was told which tokens were given.
func takesOthers(ctx context.Context, n api.Network, name string) error {
	c := n.Dial(name)
	defer c.Close()
	var w api.Wire
	err := c.Call(ctx, "GET", "/v1/wire", nil, &w)
	if err == nil && !w.Floors {
		err = fmt.Errorf("%s does not take runners of other boards yet", name)
	}
	return err
}

// upNodes starts the boards and stays until ctx ends.
func (s *session) upNodes(ctx context.Context) error {
	sites, err := sitesIn(s.home())
	if err != nil {
		return err
	}
	for _, t := range sites {
		var there api.Self
		if err := s.of(t.Node).ask(ctx, api.Manager, "GET", "/v1/self", nil, &there); err == nil {
			return fmt.Errorf("executive: %s in %s is up already, its manager is process %d; end it first, or give another -dir", t.Node, s.home(), there.PID)
		}
	}
	sites, wait, err := s.raise(ctx)
	if err != nil {
		return err
	}
	defer wait(allStages)
	fmt.Fprintf(s.stdout, "the %d boards in %s are up; executive create -dir %s -node n1 -start RINSE makes a batch, executive watch -dir %s -nodes %d shows all, "+
		"Ctrl-C ends the processes that are no batch\n", len(sites), s.home(), s.home(), s.home(), len(sites))
	<-ctx.Done()
	wait(allStages)
	for _, t := range sites {
		err = errors.Join(err, s.of(t.Node).stay())
	}
	return err
}

// planOf is what the demo runs on a node: each wants what lies at another one, and TWIN meets a batch of another node.
func planOf(node string) []api.Create {
	u := unitsOf(node)
	all := []api.Create{{Recipe: "RINSE", Unit: u[0]}, {Recipe: "DOSE", Unit: u[1]}}
	switch node {
	case "n1", "n2":
		return append(all, api.Create{Recipe: "TWIN", Unit: u[0], Groups: map[string]string{"PAIR": "P-1"}})
	}
	return append(all, api.Create{Recipe: "CHARGE", Unit: u[0]})
}

// demoNodes runs the demo on several boards.
func (s *session) demoNodes(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	fmt.Fprintf(s.stdout, "starting %d boards in %s\n", s.nodes, s.dir)
	sites, wait, err := s.raise(ctx)
	if err != nil {
		return err
	}
	defer wait(allStages)
	var managers []*api.Client
	for _, t := range sites {
		c := s.of(t.Node).network().Dial(api.Manager)
		defer c.Close()
		managers = append(managers, c)
	}
	err = s.onNodes(ctx, sites, managers)
	for _, c := range managers {
		err = errors.Join(err, s.letGo(context.WithoutCancel(ctx), c))
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("executive: the demo was ended; its batches are aborted and removed, and what they left lies in %s", s.dir)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("executive: the demo took longer than %v and was ended: %w; its batches are aborted and removed, and what they left lies in %s", limit, err, s.dir)
	case err != nil:
		return err
	}
	wait(boardStages)
	return errors.Join(s.arbitrated(ctx, sites), s.forwarded(ctx, sites))
}

// onNodes creates the batches of all nodes, shows them until all have ended, and verifies what they left.
func (s *session) onNodes(ctx context.Context, sites []*site, managers []*api.Client) error {
	count := 0
	for i, t := range sites {
		for _, b := range planOf(t.Node) {
			b.Start, b.Order = true, s.order
			if err := managers[i].Call(ctx, "POST", "/v1/batches", &b, nil); err != nil {
				return err
			}
			count++
		}
	}
	title := fmt.Sprintf("executive in %s, a process for each batch: %d batches on %d boards", s.dir, count, len(sites))
	fmt.Fprintln(s.stdout, title)
	var all []api.Batch
	show := newScreen(s.stdout, s.plain)
	show.wide = true
	err := show.show(ctx, managers, title, func(now []api.Batch) bool {
		all = now
		return len(now) >= count && over(now)
	})
	if err != nil {
		return err
	}
	return s.verify(all)
}

// arbitrated holds the log of the arbiter against itself and against the ledger of each manager.
func (s *session) arbitrated(ctx context.Context, sites []*site) error {
	log, end, err := s.commonLog(ctx, &board{dir: filepath.Join(s.dir, sites[0].Node), site: sites[0]})
	if err != nil {
		return err
	}
	defer end()
	w, err := witnessLog(ctx, log)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range sites {
		l, e := witnessLedger(t.Node, filepath.Join(s.dir, t.Node, api.Manager))
		if e == nil {
			e = l.agree(w)
		}
		names, err = append(names, t.Node), errors.Join(err, e)
	}
	if err == nil {
		fmt.Fprintf(s.stdout, "%d grants, none of what another had, in %d operations of the log; the ledgers of %s say the same\n", len(w.tokens), w.last, strings.Join(names, ", "))
	}
	return err
}

// journalsOf are the directories of all journals of a board.
func journalsOf(dir string) ([]string, error) {
	list, err := filepath.Glob(filepath.Join(dir, "batches", "*", "evidence", "journal"))
	for _, name := range []string{api.Manager, api.Runtime, "device"} {
		if _, e := os.Stat(filepath.Join(dir, name)); e == nil {
			list = append(list, filepath.Join(dir, name))
		}
	}
	return list, err
}
