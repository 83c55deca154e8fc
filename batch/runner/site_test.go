// What the tests in real time run on: a bubble with a clock of its own, a disk that stalls or fails, wires that hang.

package runner

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// site is one run in real time: the demo's plant on the bubble's clock, and everything that became of it.
type site struct {
	t     *testing.T
	seed  uint64
	clock timebase.Clock
	b     *batch.Batch
	plant *sim.Plant
	wires *wires
	disk  *disk
	rig   Rig
	opt   Options
	r     *Runner
	ctx   context.Context
	limit int64 // ns after which a run is ended; 0 is an hour

	mu     sync.Mutex
	bodies [][]byte
	list   []*record.Record
	seen   []int64            // when each was numbered
	wrote  map[uint32]written // what was announced, by write_id
}

// inBubble runs fn on a site. That the bubble ends proves that nothing that was started in it goes on.
func inBubble(t *testing.T, fn func(s *site)) {
	inOurTime(t, func(t *testing.T) { fn(newSite(t, 1)) })
}

func newSite(t *testing.T, seed uint64) *site {
	clock := system.NewClock(1)
	s := &site{t: t, seed: seed, clock: clock, b: demoBatch(t, seed), plant: sim.NewPlant(seed).On(clock), ctx: t.Context(), wrote: map[uint32]written{}}
	s.disk = &disk{memory: newMemory(), safe: newMemory(), clock: clock}
	s.wires = &wires{s: s, hang: map[string]span{}}
	now := int64(0)
	s.rig = Rig{Port: s.wires, Dir: "memory", Clock: clock, Wall: wallFunc(func() timebase.Observation {
		now = clock.Now()
		return seeded{virtualUTC, &now}.Observe()
	})}
	s.opt = Options{Storage: s.disk, Record: s.record, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }}
	return s
}

type wallFunc func() timebase.Observation

func (f wallFunc) Observe() timebase.Observation { return f() }

// at has something done at a time of the run; times must ascend.
func (s *site) at(at int64, do func(r *Runner)) {
	s.opt.Schedule = append(s.opt.Schedule, Scheduled{At: at, Do: do})
}

// tell has a command given at a time of the run.
func (s *site) tell(at int64, c sequencer.Command) {
	s.at(at, func(r *Runner) {
		require.NoError(s.t, r.Tell(Command{Command: c, Operator: "op1", Reason: "test"}))
	})
}

// run runs the batch to its end. In time every run ends, so that a test which waits for ever fails.
func (s *site) run() (Result, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	late := s.clock.Alarm(cancel)
	late.Set(s.clock.Now() + cmp.Or(s.limit, 3600*second))
	defer late.Stop()
	r, err := New(s.b, s.rig, &s.opt)
	require.NoError(s.t, err)
	s.r = r
	return r.Run(ctx)
}

// complete runs the batch, which must come to a good end, and holds everything against everything.
func (s *site) complete() Result {
	res, err := s.run()
	require.NoError(s.t, err)
	require.Equal(s.t, sequencer.Complete, res.State)
	s.whole(res)
	s.safe()
	s.totals(res)
	return res
}

// whole tells that what is durable is what was recorded, and that it can be decided again.
func (s *site) whole(res Result) {
	require.Equal(s.t, uint64(len(s.bodies)), res.Records)
	stored, found := s.disk.scan(s.t)
	require.Equal(s.t, journal.Clean, found.Outcome)
	require.Equal(s.t, s.bodies, stored)
	replayed(s.t, s.b, &trace{seed: s.seed, bodies: s.bodies})
}

// safe tells that every output is at its safe value.
func (s *site) safe() {
	for _, o := range []string{"do/1", "do/2", "do/3", "do/4", "do/5", "do/6", "do/7", "do/8"} {
		require.Zero(s.t, s.plant.Output(o), o)
	}
}

// totals holds the totals against what went through the meters; both are the charge of the whole run, and one pulse is 10 g.
func (s *site) totals(res Result) {
	require.Len(s.t, res.Windows, 2)
	for _, r := range s.of(record.KindWindowStop) {
		pulses := int64(r.Count(record.RawState))
		require.InDelta(s.t, s.plant.Pulses(lineOf(r)), pulses, 1, "window %s", r.Text(record.MeterWindowID))
	}
}

func (s *site) record(_ record.Kind, body []byte) {
	rec, err := record.Parse(slices.Clone(body))
	require.NoError(s.t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.bodies, s.seen = append(s.list, rec), append(s.bodies, rec.Body), append(s.seen, s.clock.Now())
	if rec.Kind == record.KindOutputWrite {
		s.wrote[uint32(rec.Int(record.WriteID))] = written{rec.Seq(), rec.Bool(record.SafeDirection)}
	}
}

// of gives the records of some kinds, in order.
func (s *site) of(kinds ...record.Kind) (list []*record.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.list {
		if slices.Contains(kinds, r.Kind) {
			list = append(list, r)
		}
	}
	return list
}

// states gives the states that the batch went through.
func (s *site) states() (list []string) {
	for _, r := range s.of(record.KindBatchState) {
		list = append(list, r.Text(record.BatchState))
	}
	return list
}

// span is a time from its first to before its last.
type span struct{ from, to int64 }

func (p span) has(at int64) bool { return at >= p.from && at < p.to }

// wires are the plant's port with what goes wrong on the way to it. They check every write that comes.
type wires struct {
	s    *site
	mu   sync.Mutex
	hang map[string]span // by channel: when writes get no answer
	lost span            // when there is no Watch
	bend func(raw *tag.Raw)
	busy bool
	did  []call

	linger    int64 // how long Watch goes on after its end
	unchecked bool  // the journal does not lie on the site's disk
}

// call is one write as the port saw it.
type call struct {
	tag.Write
	begin, end int64
	err        error
}

var errLost = errors.New("the cable is out")

// Watch delivers the plant's values until the wires are lost.
func (w *wires) Watch(ctx context.Context, emit func(tag.Raw)) error {
	if w.lost.has(w.s.clock.Now()) {
		return errLost
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if w.lost.from > w.s.clock.Now() {
		cut := w.s.clock.Alarm(cancel)
		cut.Set(w.lost.from)
		defer cut.Stop()
	}
	err := w.s.plant.Watch(ctx, func(raw tag.Raw) {
		if w.bend != nil {
			w.bend(&raw)
		}
		emit(raw)
	})
	if w.lost.has(w.s.clock.Now()) {
		return errLost
	}
	for until := w.s.clock.Now() + w.linger; w.s.clock.Now() < until; {
		emit(tag.Raw{Channel: "di/1", Quality: tag.Good})
		_ = w.s.clock.Wait(context.Background(), w.s.clock.Now()+second/100)
	}
	return err
}

// Write hands a write to the plant, unless its channel hangs.
func (w *wires) Write(ctx context.Context, out tag.Write) (err error) {
	c := call{Write: out, begin: w.s.clock.Now()}
	w.mu.Lock()
	require.False(w.s.t, w.busy, "a second write came while one was under way")
	w.busy = true
	hang := w.hang[out.Channel]
	w.mu.Unlock()
	w.s.announced(out)
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		c.end, c.err, w.busy = w.s.clock.Now(), err, false
		w.did = append(w.did, c)
	}()
	if hang.has(c.begin) {
		if err := w.s.clock.Wait(ctx, hang.to); err != nil {
			return err
		}
	}
	return w.s.plant.Write(ctx, out)
}

// announced tells that the record of a write is durable when it comes, unless the write is in the safe direction.
func (s *site) announced(w tag.Write) {
	if w.ID == 0 { // the end without evidence
		m := s.b.Plan.Map
		asks := m.Trip != nil && m.Tags[m.Trip.Tag].Channel == w.Channel
		require.Equal(s.t, asks, w.Bits&1 == 1, "channel %s", w.Channel)
		return
	}
	s.mu.Lock()
	a, ok := s.wrote[w.ID]
	s.mu.Unlock()
	require.True(s.t, ok, "write %d was never announced", w.ID)
	if !a.safe && !s.wires.unchecked {
		stored, _ := s.disk.scan(s.t)
		require.LessOrEqual(s.t, a.seq, uint64(len(stored)), "write %d came at %d ns, its record was not durable", w.ID, s.clock.Now())
	}
}

// to gives the writes to a channel, in order.
func (w *wires) to(channel string) (list []call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.did {
		if c.Channel == channel {
			list = append(list, c)
		}
	}
	return list
}

// disk is a memory that keeps apart what is durable from what is only written, and that stalls and fails.
type disk struct {
	*memory
	safe  *memory // what is durable
	clock timebase.Clock
	stall span   // flushes that begin within it end with it
	full  int64  // when writes begin to fail, 0: never
	sick  int64  // when flushes begin to fail, 0: never
	bad   error  // what they fail with
	room  int64  // when files cease to grow, 0: never
	deny  string // directory in which no file can be made

	anchor func() *journal.Anchor // of the batch's journal; nil: none
}

type diskFile struct {
	journal.File
	d    *disk
	name string
}

// Create opens a file of the disk.
func (d *disk) Create(name string) (journal.File, error) {
	if d.deny != "" && filepath.Base(filepath.Dir(name)) == d.deny {
		return nil, syscall.EROFS
	}
	f, err := d.memory.Create(name)
	return &diskFile{f, d, name}, err
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	if d := f.d; d.full > 0 && d.clock.Now() >= d.full {
		return 0, d.bad
	}
	if d := f.d; d.room > 0 && d.clock.Now() >= d.room {
		if data, err := d.memory.Read(f.name, 1<<30, nil); err != nil || int(off)+len(p) > len(data) {
			return 0, syscall.ENOSPC
		}
	}
	return f.File.WriteAt(p, off)
}

func (f *diskFile) Sync() error {
	d := f.d
	if now := d.clock.Now(); d.stall.has(now) {
		_ = d.clock.Wait(context.Background(), d.stall.to)
	}
	if d.sick > 0 && d.clock.Now() >= d.sick {
		return d.bad
	}
	data, err := d.memory.Read(f.name, 1<<30, nil)
	if err != nil {
		return err
	}
	d.safe.put(f.name, data)
	return f.File.Sync()
}

// scan reads what is durable.
func (d *disk) scan(t testing.TB) (bodies [][]byte, found *journal.Recovery) {
	opt := &journal.Options{Storage: d.safe}
	if d.anchor != nil {
		opt.Anchor = d.anchor()
	}
	found, err := journal.Scan("memory/journal", func(_ uint64, body []byte, _ journal.Chain) error {
		bodies = append(bodies, slices.Clone(body))
		return nil
	}, opt)
	require.NoError(t, err)
	return bodies, found
}

// runners gives the stacks of goroutines other than the caller's that are in code of this package.
func runners() (list []string) {
	buf := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[1:] {
		if strings.Contains(stack, "batch/runner.(*") || strings.Contains(stack, "journal.(*Writer)") {
			list = append(list, stack)
		}
	}
	return list
}
