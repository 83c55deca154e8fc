// How many batches one process has at a time, in virtual time, and what each costs.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
)

// long tells whether campaigns run at full length.
func long() bool { return os.Getenv("BATCHKIT_LONG") != "" }

// atOnce is how many are under way at a time: each has two files open.
const atOnce = 9000

// TestBatchesInOneProcessGrowInTimeAndMemoryByTheirNumber has all of them under way at once, up to atOnce: each waits at its first record until
// as many have come.
func TestBatchesInOneProcessGrowInTimeAndMemoryByTheirNumber(t *testing.T) {
	sizes := []int{10, 20, 50}
	if long() {
		sizes = []int{1000, 2000, 5000, 10000}
	}
	plan, err := batch.Load(os.DirFS("../quickstart"), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	var table strings.Builder
	var firstEach, lastEach time.Duration
	var heapFirst, heapLast uint64
	for i, n := range sizes {
		took, heap := together(t, plan, n)
		fmt.Fprintf(&table, "\n%6d batches: %8.2f s, %6.2f ms each; heap %7.1f MiB, %6.0f KiB each", n, took.Seconds(), took.Seconds()*1e3/float64(n),
			float64(heap)/(1<<20), float64(heap)/1024/float64(n))
		if lastEach, heapLast = took/time.Duration(n), heap/uint64(n); i == 0 {
			firstEach, heapFirst = lastEach, heapLast
		}
	}
	t.Log(table.String())
	if long() { // linear: no batch costs more for those beside it
		require.Less(t, lastEach, 2*firstEach, table.String())
		require.Less(t, heapLast, 2*heapFirst, table.String())
	}
}

// together runs n batches to their end, and says how long they took and what they have on the heap when all are under way.
func together(t *testing.T, plan *batch.Plan, n int) (took time.Duration, heap uint64) {
	dir := t.TempDir()
	var before, within runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var begun, over sync.WaitGroup
	here := min(n, atOnce)
	begun.Add(here)
	gate := make(chan struct{})
	room := make(chan struct{}, here)
	turn := make(chan struct{}, 4*runtime.GOMAXPROCS(0)) // files that are open at a time are bounded by the system
	failed := make(chan error, n)
	for i := range n {
		come := func() {}
		if i < here {
			come = sync.OnceFunc(begun.Done)
		}
		over.Go(func() {
			if i >= here {
				<-gate
			}
			room <- struct{}{}
			failed <- virtual(plan, filepath.Join(dir, fmt.Sprint(i)), uint64(i+1), come, gate, turn)
			<-room
		})
	}
	begun.Wait()
	runtime.GC()
	runtime.ReadMemStats(&within)
	start := time.Now()
	close(gate)
	over.Wait()
	took = time.Since(start)
	for range n {
		require.NoError(t, <-failed)
	}
	return took, (within.HeapAlloc - min(before.HeapAlloc, within.HeapAlloc)) * uint64(n) / uint64(here)
}

// virtual runs one batch; it says that it has begun, waits for the others, and for its turn, and takes its evidence away.
func virtual(plan *batch.Plan, dir string, seed uint64, begun func(), all <-chan struct{}, turn chan struct{}) error {
	defer begun()
	defer os.RemoveAll(dir)
	b, err := plan.Bind(fmt.Sprintf("V-%d", seed), "", batch.Unapproved, &batch.BindOptions{Seed: seed})
	if err != nil {
		return err
	}
	waited := false
	res, err := runner.Run(context.Background(), b, runner.Rig{Port: sim.NewPlant(seed), Dir: dir}, &runner.Options{
		Virtual: &runner.Virtual{}, Lean: true,
		Record: func(record.Kind, []byte) {
			if !waited {
				waited = true
				begun()
				<-all
				turn <- struct{}{}
			}
		},
		Ask: func(r *runner.Runner, p runner.Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") },
	})
	if waited {
		<-turn
	}
	if err == nil && res.State.String() != "Complete" {
		err = fmt.Errorf("batch %s is %s", res.Batch, res.State)
	}
	return err
}
