// What each process of the executive is made of.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch/executive"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// device is the device_id of what the processes record.
const device = "CELL-01"

// plantRole is the process that is no part of the executive, but what it controls.
const plantRole = "plant"

// plantSocket is where it listens: not where the executive does.
const plantSocket = "plant.sock"

// board is what the processes of one board have in common.
type board struct {
	n      api.Network
	dir    string
	device string
	clock  timebase.Clock
	wall   timebase.Source // nil: the system's
	site   *site           // nil: it is the only one
}

// role is the process of one role, until ctx ends. It runs in the directory of the executive, so that the paths of sockets are short.
func (s *session) role(ctx context.Context, name string) error {
	if s.tied {
		tied, cancel := tied(ctx, os.Stdin)
		defer cancel()
		ctx = tied
	}
	dir, err := filepath.Abs(s.home())
	if err != nil {
		return err
	}
	b := &board{n: s.network(), dir: dir, device: device, clock: system.NewClock(1)}
	if b.site, err = readSite(s.home()); err != nil {
		return err
	}
	if b.site != nil {
		b.device = deviceOf(b.site.Node)
		if b.wall, err = wallOf(b.site, b.clock); err != nil {
			return err
		}
	}
	socket := filepath.Join(s.home(), plantSocket)
	switch name {
	case plantRole:
		cell, err := newCell(b.clock, b.parts()...)
		if err != nil {
			return err
		}
		return servePlant(ctx, socket, cell, b.clock)
	case api.Runtime:
		return s.runtime(ctx, b)
	case api.IO:
		return s.serveIO(ctx, b, &line{path: socket, clock: b.clock})
	case api.Production:
		return s.production(ctx, b)
	case api.Bus:
		return s.bus(ctx, b)
	case hubRole:
		return s.hub(ctx, b)
	}
	return s.manager(ctx, b)
}

// node is the name of the board among several; "" where it is the only one.
func (b *board) node() string {
	if b.site == nil {
		return ""
	}
	return b.site.Node
}

// parts are the plants of the board.
func (b *board) parts() []string {
	if b.site == nil {
		return parts
	}
	return partsOf(b.site.Node)
}

// manager is the process of it: what it has given stands in a file of the board, or, where there are several, in the log of all of them.
func (s *session) manager(ctx context.Context, b *board) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, end, err := s.log(ctx, b)
	if err != nil {
		return err
	}
	defer end()
	return manage(ctx, b, log, executive.Processes{Argv: []string{self, "runner"}})
}

// log opens the log of the arbiter; end closes it.
func (s *session) log(ctx context.Context, b *board) (log arbiter.Log, end func(), err error) {
	if b.site != nil {
		return s.commonLog(ctx, b)
	}
	own, err := store.OpenSQLite(filepath.Join(b.dir, "manager.db"), nil)
	if err != nil {
		return nil, nil, err
	}
	return own, func() { own.Close() }, nil
}

// together runs all roles but the runners' in this process; wait ends them, one after the other.
func (s *session) together(ctx context.Context, n *api.Memory) (wait func()) {
	clock := system.NewClock(s.speed)
	b := &board{n: n, dir: s.dir, device: device, clock: clock}
	lives := []func(ctx context.Context) error{
		func(ctx context.Context) error {
			return manage(ctx, b, store.NewMemory(), executive.Goroutines{Run: func(ctx context.Context, _, batch string) error {
				return runBatch(ctx, n, batch, clock, nil, false)
			}})
		},
		func(ctx context.Context) error { return s.runtime(ctx, b) },
		func(ctx context.Context) error {
			cell, err := newCell(clock, parts...)
			if err != nil {
				return err
			}
			return s.serveIO(ctx, b, cell)
		},
	}
	if s.plans {
		lives = append([]func(ctx context.Context) error{func(ctx context.Context) error { return s.production(ctx, b) }}, lives...)
	}
	var ends []context.CancelFunc
	var done []chan struct{}
	for _, live := range lives {
		run, end := context.WithCancel(context.WithoutCancel(ctx))
		over := make(chan struct{})
		ends, done = append(ends, end), append(done, over)
		go func() {
			defer close(over)
			if err := live(run); err != nil && run.Err() == nil {
				fmt.Fprintln(s.stderr, harmlessLines(err.Error()))
			}
		}()
	}
	return func() {
		for i := range ends {
			ends[i]()
			<-done[i]
		}
	}
}

// runtime is the runtime server.
func (s *session) runtime(ctx context.Context, b *board) error {
	r, err := registry.Open(b.dir, b.device, os.DirFS(filepath.Join(b.dir, dirCell)), b.n, &registry.Options{
		Actions: api.Actions(),
		Ledger:  &ledger.Options{Wall: b.wall},
		Tell:    func(line string) { fmt.Fprintln(s.stderr, harmless(line)) },
	})
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// serveIO is the I/O process of a port.
func (s *session) serveIO(ctx context.Context, b *board, port tag.Port) error {
	led, err := ledger.Open(filepath.Join(b.dir, "device"), b.device, "io", &ledger.Options{Clock: b.clock, Wall: b.wall})
	if err != nil {
		return err
	}
	defer led.Close()
	w, err := wire.New(port, led, &wire.ServerOptions{Dir: filepath.Join(b.dir, api.IO), Node: b.node(), Clock: b.clock, Network: b.n})
	if err != nil {
		return err
	}
	work := w.Run
	if b.site != nil {
		if work, err = s.gated(b, w); err != nil {
			return err
		}
	}
	l, err := b.n.Listen(api.IO)
	if err != nil {
		return err
	}
	return both(ctx, work, l, w.Handler())
}

// manage is the manager.
func manage(ctx context.Context, b *board, log arbiter.Log, sp executive.Spawner) error {
	o := &executive.Options{Device: b.device, Node: b.node(), Wall: b.wall}
	if b.site != nil {
		o.PutBack, o.Whole = b.site.PutBack, b.site.Whole
	}
	m, err := executive.New(b.dir, b.n, log, sp, o)
	if err != nil {
		return err
	}
	if o.PutBack != "" { // it is on record, and is a word for one start
		b.site.PutBack = ""
		if err := b.site.write(b.dir); err != nil {
			return errors.Join(err, m.Close())
		}
	}
	return errors.Join(m.Run(ctx), m.Close())
}

// runner is the process of one batch. It runs in the directory of the batch, which the manager has made.
func (s *session) runner(ctx context.Context) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	up, clock := filepath.Join("..", ".."), system.NewClock(1)
	t, err := readSite(up)
	if err != nil {
		return err
	}
	wall, err := wallOf(t, clock)
	if err != nil {
		return err
	}
	return runBatch(ctx, api.Sockets(filepath.Join(up, dirRun)), dir, clock, wall, true)
}

// runBatch is one batch, from its order to its removal; alone in its process or not.
func runBatch(ctx context.Context, n api.Network, dir string, clock timebase.Clock, wall timebase.Source, alone bool) error {
	o, err := host.ReadOrder(dir)
	if err != nil {
		return err
	}
	return host.Run(ctx, dir, o, n, &host.Options{Clock: clock, Wall: wall, Trim: alone})
}

// parseChange reads a change of the equipment model.
func parseChange(file string, data []byte) (*api.ModelChange, error) {
	c, err := equipment.ParseChange(file, data)
	return &api.ModelChange{Change: c}, err
}
