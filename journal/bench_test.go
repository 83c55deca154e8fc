// What reading, appending and opening cost, beside what they cannot cost less than.

package journal_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// filled makes a journal of records of 300 bytes in groups of 32.
func filled(b *testing.B, where string, records, segment int) {
	b.Helper()
	w, err := journal.Create(where, head, &journal.Options{Segment: segment})
	require.NoError(b, err)
	for seq := uint64(1); seq <= uint64(records); seq++ {
		require.NoError(b, w.Append(seq, body(seq, 300)))
		if seq%32 == 0 {
			require.NoError(b, w.Commit())
		}
	}
	require.NoError(b, w.Close())
}

// BenchmarkScan reads 50,000 records with all checks; chain only hashes the same bodies.
func BenchmarkScan(b *testing.B) {
	const records = 50_000
	where := filepath.Join(b.TempDir(), "j")
	filled(b, where, records, 4<<20)
	b.Run("chain", func(b *testing.B) {
		x := body(1, 300)
		for b.Loop() {
			var c journal.Chain
			for range records {
				c.Add(x)
			}
		}
		b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			rec, err := journal.Scan(where, func(uint64, []byte, journal.Chain) error { return nil }, nil)
			require.NoError(b, err)
			require.Equal(b, uint64(records), rec.Head.N)
		}
		b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// BenchmarkRecovery reads a journal of one segment of 4 MiB, full to its end.
func BenchmarkRecovery(b *testing.B) {
	where := filepath.Join(b.TempDir(), "j")
	filled(b, where, 12_000, 4<<20)
	for b.Loop() {
		rec, err := journal.Scan(where, nil, nil)
		require.NoError(b, err)
		require.Equal(b, uint32(1), rec.Segment)
	}
}

// BenchmarkQuickOpen opens a journal of 10,000 sealed segments, of one record each and 0.7 GB in all.
func BenchmarkQuickOpen(b *testing.B) {
	where := filepath.Join(b.TempDir(), "j")
	opt := &journal.Options{Segment: small, Quick: true}
	w, err := journal.Create(where, head, opt)
	require.NoError(b, err)
	x := body(1, 40_000)
	for seq := uint64(1); seq <= 10_001; seq++ {
		require.NoError(b, w.Append(seq, x))
		require.NoError(b, w.Commit())
	}
	require.NoError(b, w.Close())
	for b.Loop() {
		w, _, err := journal.Open(where, head, opt)
		require.NoError(b, err)
		require.NoError(b, w.Append(w.Head().N+1, x[:1]))
		require.NoError(b, w.Close())
	}
}

// stalling is a disk that forgets what it is given, and whose flush takes a time.
type stalling struct {
	*journaltest.Disk
	takes *atomic.Int64 // ns
}

func (s stalling) Create(string) (journal.File, error) { return stallingFile{sink{}, s.takes}, nil }

type stallingFile struct {
	sink
	takes *atomic.Int64
}

func (f stallingFile) Sync() error {
	time.Sleep(time.Duration(f.takes.Load()))
	return nil
}

// BenchmarkAppendBesideAStalledFlush appends 2,000 records per second for 10 s, in which a flush takes 1 ms or all of that time, and
// reports how long one Append takes at most, of 99 in 100.
func BenchmarkAppendBesideAStalledFlush(b *testing.B) {
	const records, burst = 20_000, 20
	for name, stall := range map[string]time.Duration{"flushing": time.Millisecond, "stalled": 10 * time.Second} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for range b.N {
				st := stalling{journaltest.NewDisk(), &atomic.Int64{}}
				w, err := journal.Create(dir, head, &journal.Options{Storage: st, Segment: 64 << 20, Pending: 16 << 20})
				require.NoError(b, err)
				st.takes.Store(int64(stall))
				ctx, cancel := context.WithCancel(b.Context())
				ran := make(chan error, 1)
				go func() { ran <- w.Run(ctx) }()
				x := body(1, 300)
				tick := time.NewTicker(10 * time.Second * burst / records)
				for seq := uint64(1); seq <= records; seq++ {
					if seq%burst == 1 {
						<-tick.C
					}
					begin := time.Now()
					err := w.Append(seq, x)
					took = append(took, time.Since(begin))
					require.NoError(b, err)
				}
				st.takes.Store(0)
				cancel()
				require.NoError(b, <-ran)
				require.NoError(b, w.Close())
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
			b.ReportMetric(float64(took[len(took)-1]), "max-ns")
		})
	}
}
