// What it takes from a creation to Ready, and to a runner and back, in processes.

package executive

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// report gives the median and the 99th percentile of what was measured.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkCreateToReady is a POST /v1/batches until the batch is Ready in the list, its runner being a process that loads nothing.
func BenchmarkCreateToReady(b *testing.B) {
	onBoard(b, func(at *board) {
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			id := fmt.Sprintf("X%d", i)
			began := time.Now()
			require.NoError(b, post(at.c, "/v1/batches", &api.Create{ID: id, Recipe: "R"}))
			for v := (api.Batch{}); v.Life != api.Ready; time.Sleep(200 * time.Microsecond) {
				require.NoError(b, at.c.Call(context.Background(), http.MethodGet, "/v1/batches/"+id, nil, &v))
			}
			took = append(took, time.Since(began))
			require.NoError(b, post(at.c, "/v1/batches/"+id+"/removal", &api.Removal{Force: true}))
		}
		report(b, took)
	})
}

// BenchmarkCommand is a command by way of the manager to a runner and back.
func BenchmarkCommand(b *testing.B) {
	onBoard(b, func(at *board) {
		at.made("A")
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			require.NoError(b, post(at.c, "/v1/batches/A/commands", &api.Command{Command: "hold"}))
			took = append(took, time.Since(began))
		}
		report(b, took)
	})
}

// BenchmarkLook is a GET of one batch of the manager.
func BenchmarkLook(b *testing.B) {
	onBoard(b, func(at *board) {
		at.made("A")
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			require.NoError(b, at.c.Call(context.Background(), http.MethodGet, "/v1/batches/A", nil, &api.Batch{}))
			took = append(took, time.Since(began))
		}
		report(b, took)
	})
}

// BenchmarkGrant is, at the manager, what passes from a request that is granted at once to the ruling on its way to the runner, the log being in SQLite;
// and, on its own and in turn with it, what SQLite takes to write as much. Its ratio is at most 2.
func BenchmarkGrant(b *testing.B) {
	dir := b.TempDir()
	log, err := store.OpenSQLite(filepath.Join(dir, "manager.db"), nil)
	require.NoError(b, err)
	defer log.Close()
	m, err := New(dir, &api.Memory{}, log, Goroutines{}, nil)
	require.NoError(b, err)
	defer m.Close()
	require.NoError(b, m.stock(&api.Model{Items: []api.Equipment{{ID: "U1", Owners: 1}}}))
	told, err := m.desk.attach("A", func() error { return nil })
	require.NoError(b, err)
	bare, err := store.OpenSQLite(filepath.Join(dir, "bare.db"), nil)
	require.NoError(b, err)
	defer bare.Close()
	op := arbiter.Op{Kind: arbiter.Request, Batch: "A", ID: 1, Step: "S", Equipment: []string{"U1"}}
	line, err := op.Append(nil)
	require.NoError(b, err)
	var took, recorded, alone []time.Duration
	for b.Loop() {
		began := time.Now()
		ruled := make(chan time.Duration, 1)
		go func() {
			<-told.wake
			ruled <- time.Since(began)
		}()
		_, err := m.desk.do(op, nil)
		recorded = append(recorded, time.Since(began))
		require.NoError(b, err)
		took = append(took, <-ruled)
		list, _ := told.next()
		require.Equal(b, "granted", list[0].Kind)
		_, err = m.desk.do(arbiter.Op{Kind: arbiter.Release, Batch: "A", ID: op.ID}, nil)
		require.NoError(b, err)
		began = time.Now()
		require.NoError(b, bare.Append(context.Background(), uint64(op.ID), line))
		alone = append(alone, time.Since(began))
		op.ID++
	}
	report(b, took)
	slices.Sort(recorded)
	slices.Sort(alone)
	half, most := len(alone)/2, len(alone)*99/100
	b.ReportMetric(float64(alone[half].Microseconds()), "sqlite-p50-µs")
	b.ReportMetric(float64(alone[most].Microseconds()), "sqlite-p99-µs")
	b.ReportMetric(float64(recorded[half].Microseconds()), "recorded-p50-µs")
	b.ReportMetric(float64(took[half])/float64(alone[half]), "ratio-p50")
	b.ReportMetric(float64(took[most])/float64(alone[most]), "ratio-p99")
}
