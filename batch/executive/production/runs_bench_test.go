// What it costs to capture the data of a thousand runs, from the board to the store.

package production

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// stepped is a clock, and a wall, that stand still until they are stepped.
type stepped struct{ now atomic.Int64 }

func (c *stepped) Now() int64 { return c.now.Load() }
func (c *stepped) Wait(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}
func (c *stepped) Alarm(func()) timebase.Alarm { return noAlarm{} }
func (c *stepped) Observe() timebase.Observation {
	return timebase.Observation{Mono: c.Now(), UTC: noon + c.Now(), Sync: timebase.NTPSync, Source: "ntp", Bound: 5_000_000}
}

type noAlarm struct{}

func (noAlarm) Set(int64) {}
func (noAlarm) Stop()     {}

// countingStore counts what it is fed.
type countingStore struct {
	mu     sync.Mutex
	at     journal.Chain
	values int
}

func (s *countingStore) At(context.Context, string) (journal.Chain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at, nil
}

func (s *countingStore) Apply(_ context.Context, _ string, from journal.Chain, all []*record.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		if r.Kind == record.KindUnitRunData {
			s.values += len(r.Texts(record.RunData))
		}
	}
	return nil
}

// thousand is an engine with many Active runs, each of one tag at 1 Hz.
func thousand(tb testing.TB, n int) (e *Engine, clock *stepped) {
	tb.Helper()
	list, err := ParseRuns("runs.yaml", []byte("schema_version: 1\nrun_definitions:\n  - {run_definition: P, class: C, follow: {batches: true}, capture: {period: 1 s, "+
		"tags: [{logical_tag: WT301, physical_channel: \"{{unit}}/ai/5\", gain: 0.01 kg, decimals: 2}]}}\n"))
	require.NoError(tb, err)
	model := &api.Model{Items: []api.Equipment{{ID: "P", Level: "site"}}}
	for i := range n {
		model.Items = append(model.Items, api.Equipment{ID: fmt.Sprintf("U%04d", i), Level: "unit", Parent: "P", Class: "C", Owners: 1})
	}
	clock = &stepped{}
	clock.now.Store(1)
	plant := &saidPlant{model: model}
	e, err = Open(tb.TempDir(), "board-1", &Needs{Batches: &saidBatches{}, Products: Recorded{}, Resources: plant, Store: &countingStore{},
		Runs: &RunNeeds{Definitions: list, Units: plant}}, &Options{Clock: clock, Wall: clock})
	require.NoError(tb, err)
	k := e.floor.keeper
	require.NoError(tb, k.boot())
	require.NoError(tb, k.configure(model))
	for i := range n {
		unit := fmt.Sprintf("U%04d", i)
		require.NoError(tb, k.heard(&api.Value{Channel: unit + "/ai/5", Form: "int", Value: "12345", Quality: "GOOD"}))
		e.floor.holders.hear(&api.Batch{ID: "B-" + unit, Life: api.Active, State: "Running", Equipment: []string{unit}})
	}
	require.NoError(tb, k.follows(&e.floor.holders, nil))
	require.Len(tb, k.caps.list, n)
	return e, clock
}

// second lets a second go by, in which every value changes.
func second(tb testing.TB, e *Engine, clock *stepped, n, s int) {
	for i := range n {
		v := api.Value{Channel: e.floor.keeper.caps.list[i].points[0].channel, Form: "int", Value: fmt.Sprint(10000 + (s+i)%977), Quality: "GOOD"}
		if err := e.floor.keeper.heard(&v); err != nil {
			tb.Fatal(err)
		}
	}
	clock.now.Add(sec)
	if _, err := e.floor.keeper.tick(); err != nil {
		tb.Fatal(err)
	}
}

func TestTheDataOfAThousandRunsReachesTheStore(t *testing.T) {
	const runs = 1000
	seconds := 30
	if os.Getenv("BATCHKIT_LONG") != "" {
		seconds = 3600
	}
	e, clock := thousand(t, runs)
	store := e.needs.Store.(*countingStore)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { e.feed(ctx) })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for s := range seconds {
		second(t, e, clock, runs, s)
	}
	require.NoError(t, e.floor.keeper.flush())
	for {
		store.mu.Lock()
		values := store.values
		store.mu.Unlock()
		if values >= runs*(seconds+1) {
			require.Equal(t, runs*(seconds+1), values)
			break
		}
		require.Less(t, time.Since(began), time.Hour, "the store has %d values", values)
		poke(e.grown)
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	values := runs * seconds
	t.Logf("%d values of %d runs in %v: %.0f values/s, %.1f allocations and %d bytes each, from the board to the store", values, runs, took.Round(time.Millisecond),
		float64(values)/took.Seconds(), float64(after.Mallocs-before.Mallocs)/float64(values), (after.TotalAlloc-before.TotalAlloc)/uint64(values))
	cancel()
	wg.Wait()
	require.NoError(t, e.Close())
}

// BenchmarkCapture is one second of a thousand runs: a thousand values are heard, taken, and put on record.
func BenchmarkCapture(b *testing.B) {
	const runs = 1000
	e, clock := thousand(b, runs)
	b.ReportAllocs()
	s := 0
	for b.Loop() {
		second(b, e, clock, runs, s)
		s++
	}
	b.ReportMetric(float64(runs)*float64(b.N)/b.Elapsed().Seconds(), "values/s")
	require.NoError(b, e.Close())
}
