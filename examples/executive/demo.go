// The demo: the executive is started, twelve batches run, and what they leave is verified.

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/sequencer"
)

// limit is the time after which the demo gives up.
const limit = 3 * time.Minute

// plan is what the demo runs: each unit is charged, rinsed, and charged together with its neighbour.
func plan() (all []api.Create) {
	for i, unit := range units {
		all = append(all, api.Create{Recipe: "CHARGE", Unit: unit})
		all = append(all, api.Create{Recipe: "RINSE", Unit: unit})
		all = append(all, api.Create{Recipe: "TWIN", Unit: unit, Groups: map[string]string{"PAIR": fmt.Sprintf("P-%d", i/2+1)}})
	}
	return all
}

// demo runs it.
func (s *session) demo(ctx context.Context) (err error) {
	if s.day != "" {
		return s.demoDay(ctx)
	}
	if s.dir, err = s.fresh(); err != nil {
		return err
	}
	if s.nodes > 0 {
		return s.demoNodes(ctx)
	}
	if err := layOut(s.dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	n, wait := s.begin(ctx)
	defer wait()
	if err := s.ready(ctx, n, upBy); err != nil {
		return err
	}
	c := n.Dial(api.Manager)
	defer c.Close()
	defer func() { err = errors.Join(err, s.letGo(context.WithoutCancel(ctx), c)) }()
	err = s.batches(ctx, c)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("executive: the demo was ended; its batches are aborted and removed, and what they left lies in %s", s.dir)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("executive: the demo took longer than %v and was ended; its batches are aborted and removed, and what they left lies in %s", limit, s.dir)
	}
	return err
}

// begin starts all that is no batch, in this process or as processes; wait ends it.
func (s *session) begin(ctx context.Context) (n api.Network, wait func()) {
	if s.t0 {
		memory := &api.Memory{}
		return memory, s.together(ctx, memory)
	}
	return s.network(), s.supervise(ctx)
}

// fresh makes a directory for a demo, unless one was named, which is to have no batches: they might have what those of the demo want. A demo
// that was killed leaves them behind, and is told of.
func (s *session) fresh() (string, error) {
	if s.dir != "" {
		left, err := s.leftIn(s.dir)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("executive: batches were left in %s: %s; executive up -dir %s takes them over, and executive remove -force ends them then; or take another -dir",
				s.dir, harmless(strings.Join(left, ", ")), s.dir)
		}
		return s.dir, errors.Join(err, os.MkdirAll(s.dir, 0o750))
	}
	if err := os.MkdirAll("out", 0o750); err != nil {
		return "", err
	}
	for i := 1; ; i++ {
		dir := filepath.Join("out", fmt.Sprintf("%s-%d", cond(s.several(), "nodes", "executive"), i))
		if err := os.Mkdir(dir, 0o750); !errors.Is(err, os.ErrExist) {
			return dir, err
		}
		if left, err := s.leftIn(dir); err == nil && len(left) > 0 {
			fmt.Fprintf(s.stderr, "executive: %d batches of another run are in %s; if it was killed, executive up -dir %s takes them over, and executive remove -force ends them then\n",
				len(left), dir, dir)
		}
	}
}

// leftIn are the batches in a directory, or in those of its nodes.
func (s *session) leftIn(dir string) ([]string, error) {
	if !s.several() {
		return batchesIn(dir)
	}
	sites, err := sitesIn(dir)
	var all []string
	for _, t := range sites {
		list, e := batchesIn(filepath.Join(dir, t.Node))
		all, err = append(all, list...), errors.Join(err, e)
	}
	return all, err
}

// batches creates those of the plan, shows them until all have ended, and verifies what they left.
func (s *session) batches(ctx context.Context, c *api.Client) error {
	var ids []string
	for _, b := range plan() {
		var a api.Accepted
		b.Start, b.Order = true, s.order
		if err := c.Call(ctx, "POST", "/v1/batches", &b, &a); err != nil {
			return err
		}
		ids = append(ids, a.Batch)
	}
	title := fmt.Sprintf("executive in %s, %s: %d batches on %d units", s.dir, cond(s.t0, "one process", "a process for each batch"), len(ids), len(units))
	fmt.Fprintln(s.stdout, title)
	var all []api.Batch
	err := newScreen(s.stdout, s.plain).show(ctx, []*api.Client{c}, title, func(now []api.Batch) bool {
		all = now
		return len(now) >= len(ids) && over(now)
	})
	if err != nil {
		return err
	}
	return s.verify(all)
}

// over tells whether nothing more is to come of any batch.
func over(all []api.Batch) bool {
	for i := range all {
		switch b := &all[i]; {
		case b.Life == api.Ended && b.State != "", b.Life == api.LoadFailed:
		default: // a manager that was started anew knows no state before it has heard the runner
			return false
		}
	}
	return true
}

// verify holds the evidence of each batch against itself.
func (s *session) verify(all []api.Batch) error {
	var wrong []error
	fmt.Fprintln(s.stdout)
	for i := range all {
		b := &all[i]
		if b.State != sequencer.Complete.String() {
			wrong = append(wrong, fmt.Errorf("executive: batch %s is %s %s, not %s: %s", b.ID, b.Life, b.State, sequencer.Complete, b.Reason))
			continue
		}
		r, err := evidence.Verify(b.Package)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if !r.OK() {
			wrong = append(wrong, fmt.Errorf("executive: batch %s: its evidence is not whole; see the programs in %s", b.ID, b.Package))
		}
		fmt.Fprintf(s.stdout, "%s  %-6s  %s  %s; evidence in %s\n", b.ID, b.Recipe, b.Unit, r.Verdict(), b.Package)
	}
	fmt.Fprintf(s.stdout, "%d of %d batches are complete and their evidence is whole\n", len(all)-len(wrong), len(all))
	return errors.Join(wrong...)
}

// letGo removes every batch, those that still run after an abort, and by force those that have equipment even then, since its outputs are not
// confirmed safe; so no process is left behind.
func (s *session) letGo(ctx context.Context, c *api.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		var all api.Batches
		if err := c.Call(ctx, "GET", "/v1/batches", nil, &all); err != nil {
			return err
		}
		left := 0
		for i := range all {
			b := &all[i]
			if b.Life == api.Removed {
				continue
			}
			left++
			path := "/v1/batches/" + url.PathEscape(b.ID)
			switch b.Life {
			case api.Active:
				_ = c.Call(ctx, "POST", path+"/commands", &api.Command{Order: api.Order{Reason: "the demo ends"}, Command: "abort"}, nil)
			case api.Removing, api.Loading:
			default: // said again until it is gone
				_ = c.Call(ctx, "POST", path+"/removal", &api.Removal{Order: api.Order{Reason: "the demo ends"}, Force: b.Life == api.Lost || len(b.Equipment) > 0}, nil)
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("executive: %d batches do not go; see executive list -dir %s", left, s.dir)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
