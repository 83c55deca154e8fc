// Package executive is the manager of many batches: it starts their runners, watches and lists them, gives them equipment, and carries what
// people order to them.
//
// Start with [New] and [Manager.Run]. A manager has a ledger in DIR/manager, the log of an arbiter, and for each batch a directory
// DIR/batches/ID; runners are started by a [Spawner] and spoken to by an api.Network. What it knows is what is written: where each batch stands is
// the fold of its batch_life records (see roster), who has which equipment that of the log (see arbiter). Everything else it asks. So it may be
// killed at any step: the next one goes on from there, adopts the runners that live, and shows as Lost those that do not.
//
// A runner needs the manager for nothing but new equipment, messages and clients.
//
// The rule that must not be broken: equipment of a batch that is lost goes to nobody by time. It goes to others when a person has ordered it, after
// its tokens were raised where the wire is and its outputs are confirmed safe.
//
// Where there are several boards, each is a node with a manager of its own, and all managers share one log: see Options.Node. Each follows what the
// others append, and has on record what all operations came to; so a release at one node grants at another, and the ledger of any node is a witness of the
// log. The batches of another node are that one's, whatever becomes of it: none of them is created, kept, fenced or cleared here. A person may take
// equipment from them. While the log is out of reach all that was given stays usable, lists are answered, and who asks for more is told why he waits.
//
// The package does not decide what a batch does, nor who gets equipment: batch/runner and arbiter do.
package executive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/roster"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/timebase"
)

// maxRunners is how many runners the manager hears at a time: each has a stream of its own, and up to two connections for what it asks.
const maxRunners = 2048

// Options are the options of New. Nil is the same as the zero value.
type Options struct {
	Device  string          // device_id of its records; "": the name of the host
	Clock   timebase.Clock  // of its ledger; nil: the system's
	Wall    timebase.Source // of its ledger; nil: the system's
	Storage journal.Storage // of its ledger; nil: the system's
	Quiet   time.Duration   // silence after which a runner is asked; it is Lost if it does not answer within half of that, or 1 s; 0: 5 s
	UpBy    time.Duration   // by when a runner is heard after its start; 0: 20 s
	GoneBy  time.Duration   // by when a runner has gone that was asked to; 0: 10 s
	Whole   int             // operations after which the log of the arbiter is trimmed; 0: 4096

	// Node is the name of this board where several share the log, as api.CheckNode takes it. Its batches begin with it and a dot, and it stays the same for
	// ever: a ledger of another node is refused. "": this manager is the only one.
	Node string
	// PutBack is why a person lets a manager come up whose ledger lacks what this node has said that it has on record, or who has said it last: its disk was
	// put back to an earlier day, or a copy of it runs on another board, which is to be ended first. It goes on record under the user of this process, and
	// the ledger begins anew with what the log says. Where nothing is lacking it does nothing.
	PutBack string
}

// Manager is the manager. Its methods may be called from any goroutine.
type Manager struct {
	dir  string
	net  api.Network
	sp   Spawner
	opt  Options
	led  *ledger.Ledger
	desk *desk
	self api.Self
	wire *api.Client // of the I/O process

	mu      sync.Mutex
	batches map[string]*entry
	order   []*entry // in the order in which they came
	numbers roster.Numbers
	rev     uint64
	changed chan struct{} // closed, and another one put in its place, with each change
	born    []*entry      // those that no keeper has yet
	model   *api.Model    // as it was heard last; nil: never
	digest  string        // of the model that is kept, by the ledger
	streams int
	denials map[denial]*denied // that were on record last
	second  time.Time          // since when those are counted that came on record
	wrote   int
	nodes   map[string]api.Node    // as they were heard last
	wires   map[string]*api.Client // of I/O processes of other nodes
}

// New opens the ledger in dir/manager, reads the log, and returns the manager as it was. It starts nothing, and asks nobody. Where the log cannot be read
// the error is ErrAway, and nothing was changed: New is called again, for as long as that takes. Any other error is one that a person has to see to.
func New(dir string, n api.Network, log arbiter.Log, sp Spawner, opt *Options) (*Manager, error) {
	m := &Manager{dir: dir, net: n, sp: sp, batches: map[string]*entry{}, changed: make(chan struct{}), denials: map[denial]*denied{}, wire: n.Dial(api.IO),
		nodes: map[string]api.Node{}, wires: map[string]*api.Client{}}
	if opt != nil {
		m.opt = *opt
	}
	host, _ := os.Hostname()
	m.opt.Device = or(m.opt.Device, or(host, "manager"))
	m.opt.Quiet = or(m.opt.Quiet, 5*time.Second)
	m.opt.UpBy = or(m.opt.UpBy, 20*time.Second)
	m.opt.GoneBy = or(m.opt.GoneBy, 10*time.Second)
	m.opt.Whole = or(m.opt.Whole, 4096)
	if err := checkNode(m.opt.Node); err != nil {
		return nil, err
	}
	a := newAccount(log)
	if a.err != nil { // before anything is written
		return nil, fmt.Errorf("executive: the log of the arbiter: %w: %w", ErrAway, a.err)
	}
	if m.opt.PutBack != "" {
		a.by = person{actor: api.Peer{UID: os.Getuid(), PID: os.Getpid()}.Actor(), reason: short(m.opt.PutBack)}
	}
	led, err := ledger.Open(filepath.Join(dir, "manager"), m.opt.Device, "manager", &ledger.Options{
		Clock: m.opt.Clock, Wall: m.opt.Wall, Storage: m.opt.Storage, Take: m.fold(a)})
	if err != nil {
		return nil, err
	}
	m.led, m.model = led, readModel(dir, m.digest)
	m.self = api.Self{Role: api.Manager, PID: os.Getpid(), UID: os.Getuid(), Boot: fmt.Sprintf("%s-%d", led.ID(), led.Head().N), Since: m.now(), Version: "1"}
	m.desk = newDesk(log, led, a, m.opt.Whole, m.bump)
	m.desk.node, m.desk.life, m.desk.given, m.desk.seen = m.opt.Node, rand.Text(), m.given, m.used
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	if a.node != "" && a.node != m.opt.Node {
		return nil, errors.Join(fmt.Errorf("executive: the ledger in %s is that of node %q, and this is node %q: is it a copy of that one's disk? Give a new node an empty directory", dir, a.node, m.opt.Node),
			led.Close())
	}
	if err := m.desk.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("executive: the log of the arbiter: %w", err), led.Close())
	}
	m.remember()
	for _, e := range m.order {
		e.recall(dir)
	}
	return m, nil
}

// or gives v, or another value where v is zero.
func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Close closes the ledger. Run must have returned.
func (m *Manager) Close() error { return m.led.Close() }

// Run serves clients and runners as api.Manager of the network, and keeps all batches, until ctx ends; runners that are processes then go on. It
// blocks until all that it has started has ended. An error says that it could not serve.
func (m *Manager) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l, err := m.net.Listen(api.Manager)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	defer m.hangUp()
	defer group.Wait()
	defer cancel()
	if err := m.find(); err != nil {
		return errors.Join(err, l.Close())
	}
	group.Go(func() { m.desk.follow(ctx) })
	group.Go(func() { m.followModel(ctx) })
	group.Go(func() { m.followWire(ctx) })
	group.Go(func() {
		for {
			born, changed := m.newborn()
			for _, e := range born {
				group.Go(func() { m.keep(ctx, e) })
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	})
	err = api.ServeWith(ctx, l, m.Handler(), &api.ServeOptions{Connections: maxRunners * 3, Streams: maxRunners + api.MaxStreams})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// newborn takes those that no keeper has yet, and gives what is closed when there may be more.
func (m *Manager) newborn() ([]*entry, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	born := m.born
	m.born = nil
	return born, m.changed
}

// find looks for runners and directories that the ledger knows nothing of: they are taken as batches whose runner is to be heard.
func (m *Manager) find() error {
	names, err := m.net.Names()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("executive: looking for runners: %w", err)
	}
	dirs, err := os.ReadDir(filepath.Join(m.dir, "batches"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("executive: looking for batches: %w", err)
	}
	for _, d := range dirs {
		names = append(names, d.Name())
	}
	for _, name := range names {
		if err := m.foundThere(name, roster.Create, "found when the manager came up; no record told of it"); err != nil {
			return err
		}
	}
	if m.opt.Node == "" {
		return nil
	}
	for _, name := range m.desk.batches() {
		if err := m.foundThere(name, roster.Exit, forgotten); err != nil {
			return err
		}
	}
	return nil
}

// forgotten is why a batch is Lost of which only the log of the arbiter knows.
const forgotten = "the log of the arbiter knows it, and the ledger of this manager does not: was its disk put back? Its runner is not heard; remove it, " +
	"or release what it has"

// foundThere takes up a batch that the ledger does not know, if it is one of this node: it is looked for, or, with Exit, Lost at once.
func (m *Manager) foundThere(name string, ev roster.Event, why string) error {
	if roster.CheckID(name) != nil || !m.own(name) {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.batches[name] != nil {
		return nil
	}
	e := &entry{id: name}
	err := m.move(e, roster.Create, manager, why)
	e.recall(m.dir)
	if err == nil && ev != roster.Create {
		err = m.move(e, ev, manager, why)
	}
	return err
}

// bump says that something has changed. Whoever watches looks then.
func (m *Manager) bump() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touch(nil)
}

// touch says that a batch has changed; nil: something else has. It is called with mu held.
func (m *Manager) touch(e *entry) {
	m.rev++
	if e != nil {
		e.rev = m.rev
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// now is the time of day as people read it, "" where it is not known.
func (m *Manager) now() string { return stamp(m.led.UTC()) }

// stamp writes a time in ns since 1970, 0 as "".
func stamp(utc int64) string {
	if utc == 0 {
		return ""
	}
	return time.Unix(0, utc).UTC().Format(time.RFC3339Nano)
}
