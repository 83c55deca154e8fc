// Reading a journal that a Writer goes on with.

package journal_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

func TestAScanBesideAWriterFindsNoDamage(t *testing.T) {
	where := filepath.Join(t.TempDir(), "j")
	w, err := journal.Create(where, head, &journal.Options{Segment: small})
	require.NoError(t, err)
	var all sync.WaitGroup
	until := time.Now().Add(time.Second)
	all.Go(func() {
		for seq := uint64(1); time.Now().Before(until); seq++ {
			assert(w.Append(seq, body(seq, 3000)))
			assert(w.Commit())
		}
	})
	scans := 0
	for ; time.Now().Before(until); scans++ {
		durable := w.Durable()
		rec, all := scan(t, where, nil) // each record once, in order
		require.NotEqual(t, journal.Damaged, rec.Outcome, "scan %d: %v", scans, rec.Path)
		require.GreaterOrEqual(t, rec.Head.N, durable)
		require.Len(t, all, int(rec.Head.N))
	}
	all.Wait()
	t.Logf("%d scans beside %d records", scans, w.Durable())
	require.NoError(t, w.Close())
}

func TestAFileThatHoldsSomethingIsNotWrittenOverWhenItsNumberComes(t *testing.T) {
	for _, quick := range []bool{false, true} {
		d := long(t)
		precious := []byte("what a person has put here may be evidence")
		for _, name := range []string{"j/segments/00000009.seg", "j/segments/00000010.seg"} {
			d.Put(path(name), precious)
		}
		opt := options(d)
		opt.Quick = quick
		w, _, err := journal.Open(dir, head, opt)
		require.NoError(t, err)
		require.NoError(t, w.Reserve())
		write(t, w, []int{50_000}, []int{50_000}, []int{50_000})
		require.NoError(t, w.Close())
		require.Equal(t, precious, d.Content(path("j/segments/00000009.seg")))
		require.Equal(t, precious, d.Content(path("j/segments/00000010.seg")))
		rec, _ := scan(t, dir, options(d))
		require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
		require.EqualValues(t, 10, rec.Head.N)
		require.EqualValues(t, 12, rec.Segment)
	}
}

func TestDamageIsFoundInTwoScansAndDeliveredOnce(t *testing.T) {
	d := flipped(long(t), "j/segments/00000003.seg", 2000)
	reads := 0
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "list" {
			reads++
		}
		return nil
	}
	rec, all := scan(t, dir, options(d))
	require.Equal(t, journal.Damaged, rec.Outcome)
	require.Len(t, all, 2)
	require.Equal(t, 2, reads)
}
