// What it costs: an input with all that it comes to, durable, beside a list of some length; and a start, by record of the ledger.

package production

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// listed gives an engine that is not run, and so many jobs in its list, of which the first has its first process.
func listed(b testing.TB, dir string, n int) *Engine {
	e, err := Open(dir, "X", newShop().needs(), nil)
	require.NoError(b, err)
	o := api.AddJobs{Jobs: []api.JobOrder{}}
	for range api.MaxJobOrders {
		o.Jobs = append(o.Jobs, api.JobOrder{Recipe: "A", Amount: 1 << 30})
	}
	for n > 0 {
		o.Jobs = o.Jobs[:min(n, api.MaxJobOrders)]
		_, err := e.add(&o)
		require.NoError(b, err)
		n -= len(o.Jobs)
	}
	require.NoError(b, e.tell(&jobs.Event{Kind: jobs.Recipe, Recipe: &jobs.RecipeInfo{Recipe: "A"}}, person{}))
	for _, j := range e.Jobs().List() {
		if j.Kind == "prepare" {
			require.NoError(b, e.tell(&jobs.Event{Kind: jobs.Content, Job: j.ID}, person{}))
		}
	}
	return e
}

// turnOver has the processes of the first job begin and end, one after the other.
func turnOver(b testing.TB, e *Engine, n int) {
	for i := range n {
		id := fmt.Sprintf("J-000001-%04d", i/2+1)
		state := []jobs.Stage{jobs.Running, jobs.Success}[i%2]
		if _, err := e.takeJobs(&jobs.Event{Kind: jobs.Process, Process: id, State: state}, person{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnInputIsTaken(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("jobs=%d", n), func(b *testing.B) {
			e := listed(b, b.TempDir(), n)
			b.ReportAllocs()
			b.ResetTimer()
			turnOver(b, e, b.N)
			b.StopTimer()
			require.NoError(b, e.Close())
		})
	}
}

func BenchmarkAnEngineStarts(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("kept=%t", kept), func(b *testing.B) {
			dir := b.TempDir()
			e := listed(b, dir, 100)
			turnOver(b, e, 10_000)
			records := e.led.Head().N
			if kept {
				require.NoError(b, e.keepFold(b.Context()))
			}
			require.NoError(b, e.Close())
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				e, err := Open(dir, "X", newShop().needs(), nil)
				require.NoError(b, err)
				require.NoError(b, e.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
			b.ReportMetric(float64(records), "records")
		})
	}
}
