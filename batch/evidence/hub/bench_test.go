// What a hub costs: rows taken beside the same bytes appended to a file, and queries.

package hub_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// BenchmarkTake takes 512 rows of about 560 bytes a time into a hub, and appends the same bytes to a file with one flush a time.
// It reports rows a second of both in one run, and how many times as long the hub takes.
func BenchmarkTake(b *testing.B) {
	const each = 512
	for _, over := range []string{"hub", "http"} {
		b.Run(over, func(b *testing.B) {
			h := open(b, b.TempDir(), &hub.Options{Room: -1})
			var sink export.Sink = h.From("n1")
			if over == "http" {
				sink = client(b, "http://"+serve(b, h), &hub.ClientOptions{Node: "n1"})
			}
			f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
			require.NoError(b, err)
			defer f.Close()
			var at journal.Chain
			var bare, own time.Duration
			for b.Loop() {
				b.StopTimer()
				list := rows(b, "J1", at, each, strings.Repeat("x", 100))
				at = end(list)
				lines := []byte(text(list))
				began := time.Now()
				_, err := f.Write(lines)
				require.NoError(b, err)
				require.NoError(b, f.Sync())
				bare += time.Since(began)
				began = time.Now()
				b.StartTimer()
				_, err = sink.Take(b.Context(), "J1", list)
				require.NoError(b, err)
				own += time.Since(began)
			}
			b.ReportMetric(float64(each*b.N)/own.Seconds(), "rows/s")
			b.ReportMetric(float64(each*b.N)/bare.Seconds(), "bare-rows/s")
			b.ReportMetric(own.Seconds()/bare.Seconds(), "x-bare")
		})
	}
}

// BenchmarkOpen opens a hub that holds 1,000 journals of 230 records.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 1000, 230)
	for b.Loop() {
		require.NoError(b, open(b, dir, nil).Close())
	}
}

// BenchmarkRecords asks a hub of 1,000 journals of 230 records, 110 MB, for the records of one key in one journal, of a key in
// all of them, and of a key that is not in the index.
func BenchmarkRecords(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 1000, 230)
	h := open(b, dir, nil)
	for _, words := range []string{"device_id=D-J500 kind=bus_state", "object_id=N-2", "seq=7", "bus_state=none"} {
		b.Run(strings.ReplaceAll(words, " ", ","), func(b *testing.B) {
			for b.Loop() {
				_, err := ask(b, h, strings.Fields(strings.Replace(words, "bus_state=none", "detail=none", 1))...)
				require.NoError(b, err)
			}
		})
	}
}

func fill(b *testing.B, dir string, journals, records int) {
	h := open(b, dir, &hub.Options{Room: -1})
	for i := range journals {
		id := fmt.Sprintf("J%d", i)
		_, err := h.Take(b.Context(), id, rows(b, id, journal.Chain{}, records, strings.Repeat("x", 100)))
		require.NoError(b, err)
	}
	require.NoError(b, h.Close())
}
