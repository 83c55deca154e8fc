// The processes that are no batch: each is a process of this program, and started again when it dies.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// The pauses before a process that has died is started again: each is twice the one before, unless it lived for longer than the longest.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// patience is how long a process has to end by itself.
const patience = 10 * time.Second

// upBy is how long the processes of a board have to come up; nodesUpBy, those of several, whose bus has to find its leader first.
const (
	upBy      = 20 * time.Second
	nodesUpBy = time.Minute
)

// roles are those processes, in the order in which they end.
func roles() []string { return []string{api.Production, api.Manager, api.Runtime, api.IO, plantRole} }

// roles are those of a session: production is there where somebody plans.
func (s *session) roles() []string {
	if s.plans {
		return roles()
	}
	return roles()[1:]
}

// up starts the processes and stays until ctx ends. Batches that are under way then go on, without outputs, until it is called again.
func (s *session) up(ctx context.Context) error {
	if s.nodes > 0 {
		return s.upNodes(ctx)
	}
	s.dir, s.plans = s.home(), true
	if err := errors.Join(layOut(s.dir), s.keepPlantURL()); err != nil {
		return err
	}
	var there api.Self
	if err := s.ask(ctx, api.Manager, "GET", "/v1/self", nil, &there); err == nil {
		return fmt.Errorf("executive: the one in %s is up already, its manager is process %d; end it first, or give another -dir", s.dir, there.PID)
	}
	wait := s.supervise(ctx)
	defer wait()
	if err := s.ready(ctx, s.network(), upBy); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "the executive in %s is up; executive create -dir %s -unit R101 -start CHARGE makes a batch, executive add -dir %s -unit R101 CHARGE a job, Ctrl-C ends "+
		"the processes that are no batch\n", s.dir, s.dir, s.dir)
	<-ctx.Done()
	wait()
	return s.stay()
}

// stay says which batches stay behind.
func (s *session) stay() error {
	names, err := batchesIn(s.dir)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		fmt.Fprintf(s.stdout, "the processes of these batches go on, without outputs: %s; executive up -dir %s takes them over again, and executive remove ends them then\n",
			harmless(strings.Join(names, ", ")), s.dir)
	}
	return nil
}

// batchesIn are the batches of which a process may be there in a directory: each has a socket.
func batchesIn(dir string) ([]string, error) {
	names, err := api.Sockets(filepath.Join(dir, dirRun)).Names()
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(roles(), name) || name == api.Bus }), err
}

// process is one that is kept alive: a role in the directory of a session.
type process struct {
	s    *session
	role string
}

// supervise keeps the processes of one board alive until ctx ends; wait returns when all have ended, one after the other.
func (s *session) supervise(ctx context.Context) (wait func()) {
	var stages [][]process
	for _, name := range s.roles() {
		stages = append(stages, []process{{s, name}})
	}
	stage := keepAll(ctx, stages)
	return func() { stage(len(stages)) }
}

// keepAll keeps processes alive, whatever becomes of ctx, until wait is told how many stages of them are to end: one stage after the other, and those of
// a stage at the same time.
func keepAll(ctx context.Context, stages [][]process) (wait func(stages int)) {
	ends, done := make([]context.CancelFunc, len(stages)), make([]sync.WaitGroup, len(stages))
	for i, stage := range stages {
		var run context.Context
		run, ends[i] = context.WithCancel(context.WithoutCancel(ctx))
		for _, p := range stage {
			done[i].Go(func() { p.s.keep(run, p.role) })
		}
	}
	return func(stages int) {
		for i := range stages {
			ends[i]()
			done[i].Wait()
		}
	}
}

// keep runs one process until ctx ends, again and again.
func (s *session) keep(ctx context.Context, name string) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		begun := time.Now()
		err := s.life(ctx, name)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > lastPause {
			pause = firstPause
		}
		fmt.Fprintf(s.stderr, "executive: the process %s has ended: %v; it is started again\n", s.called(name), err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// called is how people know a process: that of a node of several has the node before it.
func (s *session) called(role string) string {
	if s.node == "" {
		return role
	}
	return s.node + " " + role
}

// life is one life of a process. It ends with ctx, and with this process: its input is a pipe that this one holds.
func (s *session) life(ctx context.Context, name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.home(), name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.CommandContext(ctx, self, name, "-dir", ".", "-tied")
	c.Dir, c.Stdout, c.Stderr, c.SysProcAttr = s.home(), log, log, apart()
	tie, err := c.StdinPipe()
	if err != nil {
		return err
	}
	c.Cancel, c.WaitDelay = tie.Close, patience
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// tied ends a context when the input does: whoever held the other end of it is gone.
func tied(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // a read cannot be called off: it ends with the process
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return ctx, cancel
}

// ready is ready of all processes of a session.
func (s *session) ready(ctx context.Context, n api.Network, within time.Duration) error {
	err := ready(ctx, n, within)
	if err == nil && s.plans {
		err = answers(ctx, n, within, api.Production)
	}
	return err
}

// ready returns when all processes answer, and the I/O process and the manager know of the equipment, and so of the rights, that the runtime
// server has.
func ready(ctx context.Context, n api.Network, within time.Duration) error {
	return answers(ctx, n, within, api.Runtime, api.IO, api.Manager)
}

// answers is ready for some processes.
func answers(ctx context.Context, n api.Network, within time.Duration, names ...string) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, name := range names {
		c := n.Dial(name)
		defer c.Close()
		for {
			err := knows(ctx, c, name)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("executive: %s does not come up: %w; see %s.log in the directory of the executive", name, err, name)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// knows tells whether a process is up and knows what there is.
func knows(ctx context.Context, c *api.Client, name string) error {
	known := 1
	err := c.Call(ctx, "GET", "/v1/self", nil, nil)
	switch {
	case err == nil && name == api.Manager:
		var all api.Holdings
		err = c.Call(ctx, "GET", "/v1/equipment", nil, &all)
		known = len(all)
	case err == nil && name == api.IO:
		var w api.Wire
		err = c.Call(ctx, "GET", "/v1/wire", nil, &w)
		known = len(w.Equipment)
	}
	if err == nil && known == 0 {
		err = errors.New("it does not know the equipment yet")
	}
	return err
}
