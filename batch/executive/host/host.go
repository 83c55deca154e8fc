// Package host is a runner process of the executive: one batch, from its creation to its removal.
//
// Start with [Run]. It reads what the manager ordered ([Order]), loads what the runtime server binds the batch to, runs it by batch/runner on
// the port of the I/O process, and answers package api on a socket of its own. It needs the manager for equipment that is new, for
// messages to other batches, and for clients that come by it; and the runtime server until it has loaded.
//
// Of several boards, what the map of a batch names "n2:..." lies on board n2, whose I/O process listens here as api.Remote("n2", api.IO), by package
// gate. A board that is cut off is lost to the batch alone: its values are BAD and writes to it are refused, until it is back.
//
// A directory of a batch has order.json, bound/ (what it was bound to, as the runtime server gave it), evidence/ (of batch/runner) and,
// where something was refused or removed while no journal ran, ledger/.
//
// The rule that must not be broken: who orders is whom the kernel says. Only the manager, which is the process that listens at the far end
// of the runner's own connection, and a peer that the rights name an edge may say who the operator is; who else does is refused, on record.
//
// The package decides nothing of the batch: that is package batch. Nor of its equipment: that is the arbiter's book.
package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// CheckpointPeriod is how often the state is put beside the journal, in ns: what came later is replayed at a warm restart.
const CheckpointPeriod = 30_000_000_000

// Options are the options of Run. Nil is the same as the zero value.
type Options struct {
	// Port makes the port of a batch; nil: it is that of the I/O process. One that is a Port is told of grants, and closed at the end.
	Port func(b *batch.Batch) (tag.Port, error)

	Clock timebase.Clock  // of the run; nil: the system's
	Wall  timebase.Source // counts Mono on Clock; nil: the system's
	// Virtual runs in virtual time, in which nobody can come and start a batch: it starts by itself. The port must be a runner.Simulation, and
	// the time stands still until the manager has said the first word of a claim. Its Durable is called too.
	Virtual          *runner.Virtual
	BlockAge         int64                    // as batch.BindOptions has it
	CheckpointPeriod int64                    // as runner.Options has it; 0: CheckpointPeriod, less than 0: none
	BootID           string                   // tells one start of the board from another; "": the kernel's, where it has one
	Reset            hal.ResetCause           // why the board came up last
	Actions          []recipe.ActionType      // OEM action types beside those for messages
	Do               map[string]runner.Action // who carries them out
	Release          batch.Release            // answers for files that are bound as approved; nil: none are, and such a binding is refused

	// Trim keeps the memory of the process small, at the price of collections: what loading took is given back to the system, the heap grows
	// by a quarter between two collections unless GOGC says otherwise, and two threads run Go code at once at most unless GOMAXPROCS does.
	// It changes the whole process, and so is for one that has this batch alone.
	Trim bool

	Record func(k record.Kind, body []byte)        // every record as it is numbered, on the loop; it must not block, and body is valid during the call
	Ask    func(r *runner.Runner, p runner.Prompt) // as runner.Options has it
}

// host is a runner process.
type host struct {
	o   Order
	dir string
	n   api.Network
	opt Options

	manager *api.Client
	boot    string
	started time.Time
	streams atomic.Int32
	desk    *desk
	book    papers

	gone chan struct{} // closed when all is over: streams end

	mu       sync.Mutex
	changed  chan struct{} // closed, and another put in its place, when something has changed
	life     api.Life
	since    time.Time
	reason   string
	view     view
	head     journal.Chain // durable
	trim     bool          // memory is to be given back
	bound    binding
	others   *boards            // nil: all lies on this board
	run      *runner.Runner     // nil: none is under way
	end      context.CancelFunc // ends the run
	asked    []*told            // commands of which nothing was heard
	starting int                // start commands among them
	removal  chan struct{}      // closed when the batch is to go
	packed   string             // directory of the package
}

// Run is one batch in the directory dir, from its order to its removal: it blocks until the batch was removed, which is nil, or ctx ends. If
// that comes first, a batch under way is aborted and made safe, as runner.Run does it. A batch that cannot be loaded is Load Failed and
// says why until it is removed; an error says that not even that could be served. Where dir holds what the batch was bound to it
// is continued: with Order.Warm it comes up Held.
func Run(ctx context.Context, dir string, o Order, n api.Network, opt *Options) error {
	if err := o.check(); err != nil {
		return err
	}
	h := &host{o: o, dir: dir, n: n, manager: n.Dial(api.Manager), boot: token(), started: time.Now(), life: api.Loading, since: time.Now(),
		changed: make(chan struct{}), gone: make(chan struct{}), removal: make(chan struct{})}
	if opt != nil {
		h.opt = *opt
	}
	if h.opt.Trim {
		keepSmall()
	}
	if h.opt.Port == nil {
		h.opt.Port = h.port
	}
	if h.opt.Clock == nil && h.opt.Virtual == nil {
		h.opt.Clock = system.NewClock(1)
	}
	h.book.dir, h.book.o = filepath.Join(dir, "ledger"), &h.o
	defer h.book.close()
	defer h.manager.Close()
	l, err := n.Listen(o.Batch)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	h.desk = newDesk(h)
	wg.Go(func() { _ = api.Serve(serving, l, h.handler()) })
	wg.Go(func() { h.desk.listen(serving) })
	ran := h.carry(ctx)
	if ctx.Err() == nil {
		select {
		case <-h.removal:
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	has := len(h.desk.has(h.view.equipment())) > 0
	h.mu.Unlock()
	h.desk.leave(has)
	close(h.gone)
	if ctx.Err() != nil && !h.removed() {
		return errors.Join(ctx.Err(), ran)
	}
	return nil
}

// carry loads the batch and runs it, and returns when the run is over, however it ends.
func (h *host) carry(ctx context.Context) error {
	b, err := h.load(ctx)
	if err == nil {
		err = h.ride(ctx, b)
	}
	return err
}

// ride runs a batch that was loaded.
func (h *host) ride(ctx context.Context, b *batch.Batch) error {
	if evidence.Sealed(h.evidence()) { // nothing is left to do, nor is anything added
		h.mu.Lock()
		defer h.mu.Unlock()
		h.packed = h.evidence()
		h.become(api.Ended)
		h.tell()
		return nil
	}
	port, err := h.opt.Port(b)
	if err != nil {
		return h.failed(fmt.Errorf("host: the port of the batch: %w", err))
	}
	h.desk.begin(b.Plan.Map, port)
	rig := runner.Rig{Port: port, Dir: h.evidence(), Clock: h.opt.Clock, Wall: h.opt.Wall, Do: h.desk.actions(h.opt.Do), Arbiter: h.desk,
		BootID: cmp.Or(h.opt.BootID, bootID()), Reset: h.opt.Reset}
	opt := &runner.Options{Manual: h.opt.Virtual == nil, Lean: true, Record: h.record, Durable: h.durable, Ask: h.opt.Ask, CheckpointPeriod: cmp.Or(h.opt.CheckpointPeriod, CheckpointPeriod)}
	opt.CheckpointPeriod = max(opt.CheckpointPeriod, 0)
	if v := h.opt.Virtual; v != nil {
		mine := *v
		mine.Durable = func(now int64, seq uint64) {
			if h.reached(seq); v.Durable != nil {
				v.Durable(now, seq)
			}
		}
		opt.Virtual = &mine
	}
	r, err := runner.New(b, rig, opt)
	if err != nil {
		return h.failed(err)
	}
	if err := h.held(r); err != nil {
		return h.failed(err)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	h.mu.Lock()
	h.run, h.end = r, end
	h.mu.Unlock()
	res, err := r.Run(ctx)
	return h.ended(res, err)
}

// ended takes in that the run is over.
func (h *host) ended(res runner.Result, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	begun := h.view.begun
	h.run, h.end = nil, nil
	for _, t := range h.asked {
		close(t.done)
	}
	h.asked, h.starting = nil, 0
	if res.Records > 0 {
		h.view.records, h.view.link = max(h.view.records, res.Records), cmp.Or(res.Link, h.view.link)
	}
	h.packed = res.Dir
	if err != nil {
		h.reason = bounded(err)
	}
	switch {
	case h.life == api.Removing:
	case err != nil && !begun && h.view.result == "":
		h.become(api.LoadFailed)
	case !errors.Is(err, runner.ErrStopped):
		h.become(api.Ended)
	}
	h.tell()
	return err
}

// failed says that the batch cannot be loaded.
func (h *host) failed(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason = bounded(err)
	if h.life != api.Removing {
		h.become(api.LoadFailed)
	}
	h.tell()
	return err
}

// become changes the life. The caller holds mu.
func (h *host) become(l api.Life) {
	if h.life != l {
		h.life, h.since = l, time.Now()
	}
}

// tell tells all that look that something has changed. The caller holds mu.
func (h *host) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *host) removed() bool {
	select {
	case <-h.removal:
		return true
	default:
		return false
	}
}

func (h *host) evidence() string { return filepath.Join(h.dir, "evidence") }

// maxReason is how many bytes of an error are shown: all its lines, as far as they go.
const maxReason = 4096

// bounded are the words of an error.
func bounded(err error) string {
	s := strings.ToValidUTF8(err.Error(), "?")
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + " ..."
	}
	return s
}

// token is a name that no other has.
func token() string {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	}
	return hex.EncodeToString(id[:])
}

// bootID is the kernel's name of this start of the board; "" where there is none.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
