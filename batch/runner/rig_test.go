// What the tests of this package run batches on: the demo's files, a plant that is watched, a journal in memory.

package runner

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// demoPlan loads the demo, with pairs of texts replaced in its recipe.
func demoPlan(t testing.TB, replace ...string) *batch.Plan {
	t.Helper()
	dir, files := os.DirFS("../../examples/controller/demo"), fstest.MapFS{}
	for _, name := range [...]string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
		data, err := fs.ReadFile(dir, name)
		require.NoError(t, err)
		if name == "recipe.yaml" {
			data = []byte(strings.NewReplacer(replace...).Replace(string(data)))
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	p, err := batch.Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	return p
}

func demoBatch(t testing.TB, seed uint64) *batch.Batch {
	t.Helper()
	b, err := demoPlan(t).Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: seed})
	require.NoError(t, err)
	return b
}

// memory is a journal.Storage that keeps files in memory and counts flushes.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	syncs int
	fail  error // returned by every write and flush once set
}

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

// put sets the content of a file.
func (m *memory) put(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[filepath.Clean(name)] = data
}

type memFile struct {
	m    *memory
	name string
}

func (m *memory) Mkdir(string) error { return nil }
func (m *memory) List(dir string) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.files {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}
func (m *memory) Read(name string, most int, buf []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[filepath.Clean(name)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return append(buf[:0], data[:min(most, len(data))]...), nil
}
func (m *memory) Create(name string) (journal.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[filepath.Clean(name)]; !ok {
		m.files[filepath.Clean(name)] = nil
	}
	return &memFile{m, filepath.Clean(name)}, nil
}
func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, filepath.Clean(name))
	return nil
}
func (m *memory) Settle(string) error  { return nil }
func (m *memory) SyncDir(string) error { return nil }

type noLock struct{}

func (noLock) Close() error                           { return nil }
func (m *memory) Lock(name string) (io.Closer, error) { return noLock{}, nil }

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.fail != nil {
		return 0, f.m.fail
	}
	data := f.m.files[f.name]
	if end := int(off) + len(p); end > len(data) {
		data = append(data, make([]byte, end-len(data))...)
	}
	copy(data[off:], p)
	f.m.files[f.name] = data
	return len(p), nil
}
func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.syncs++
	return f.m.fail
}
func (f *memFile) Close() error { return nil }

// trace is everything that a run recorded, and what its checkers found.
type trace struct {
	t      testing.TB
	seed   uint64
	plant  *sim.Plant
	bodies [][]byte
	next   uint64

	durable uint64
	writes  map[uint32]written // by write_id
	lines   [2]line
	raws    []tag.Raw
	opened  map[string]reading // by window
	totals  map[string]bool    // windows whose total was held against the plant's own
	result  Result
}

type written struct {
	seq  uint64
	safe bool
}

// reading is what a counter showed, and what had truly gone through its meter then, in micrograms.
type reading struct{ pulses, delivered int64 }

// line is a charging line as its counter showed it last.
type line struct{ last reading }

func newTrace(t testing.TB, seed uint64) *trace {
	return &trace{t: t, seed: seed, plant: sim.NewPlant(seed), next: 1, writes: map[uint32]written{}, opened: map[string]reading{},
		totals: map[string]bool{}}
}

// Watch and Write make trace a tag.Port; in virtual time neither is called.
func (tr *trace) Watch(ctx context.Context, emit func(tag.Raw)) error {
	return tr.plant.Watch(ctx, emit)
}
func (tr *trace) Write(ctx context.Context, w tag.Write) error { return tr.plant.Write(ctx, w) }
func (tr *trace) Next() int64                                  { return tr.plant.Next() }

func (tr *trace) Advance(now int64, emit func(tag.Raw)) {
	tr.raws = tr.raws[:0]
	tr.plant.Advance(now, func(raw tag.Raw) { tr.raws = append(tr.raws, raw) })
	for _, raw := range tr.raws {
		if raw.Quality == tag.Good && (raw.Channel == "ctr/1" || raw.Channel == "ctr/2") {
			i := int(raw.Channel[4] - '1')
			tr.lines[i].last = reading{int64(raw.Bits), tr.plant.Delivered(i)}
		}
		emit(raw)
	}
}

// Apply checks that no write comes before the record that announces it is durable, except in the safe direction.
func (tr *trace) Apply(now int64, w tag.Write) (int64, error) {
	a, ok := tr.writes[w.ID]
	require.True(tr.t, ok, "seed %d: write %d was never announced", tr.seed, w.ID)
	require.True(tr.t, a.safe || a.seq <= tr.durable, "seed %d: write %d came at %d ns, its record %d was not durable", tr.seed, w.ID, now, a.seq)
	return tr.plant.Apply(now, w)
}

// record checks the numbers of records and keeps what the other checks need.
func (tr *trace) record(_ record.Kind, body []byte) {
	r, err := record.Parse(body)
	require.NoError(tr.t, err, "seed %d: %s", tr.seed, body)
	require.Equal(tr.t, tr.next, r.Seq(), "seed %d: gap in event_seq", tr.seed)
	tr.next++
	tr.bodies = append(tr.bodies, slices.Clone(body))
	switch r.Kind {
	case record.KindOutputWrite:
		tr.writes[uint32(r.Int(record.WriteID))] = written{r.Seq(), r.Bool(record.SafeDirection)}
	case record.KindWindowStart:
		tr.opened[r.Text(record.MeterWindowID)] = tr.lines[lineOf(r)].last
	case record.KindWindowStop:
		tr.total(r)
	}
}

func lineOf(r *record.Record) int {
	if r.Text(record.LogicalTag) == "FC201" {
		return 1
	}
	return 0
}

// total holds the total of a window against what truly went through the plant's meter: one pulse is 10 g, and so is the
// resolution.
func (tr *trace) total(r *record.Record) {
	const pulse = 10_000_000 // micrograms
	id := r.Text(record.MeterWindowID)
	now, then := tr.lines[lineOf(r)].last, tr.opened[id]
	got := int64(r.Count(record.RawState)) * pulse
	want := now.delivered - then.delivered
	require.Less(tr.t, max(got-want, want-got), int64(pulse), "seed %d: window %s: total %d ug, the plant's own %d ug", tr.seed, id, got, want)
	tr.totals[id] = true
}

// inOurTime runs a test in a bubble of synctest, whose time begins in the year 2000: no batch begins in a time that cannot be.
func inOurTime(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		fn(t)
	})
}
