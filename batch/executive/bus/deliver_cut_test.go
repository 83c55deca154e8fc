// Evidence over links that are cut: none lost, none doubled, and how soon it goes on.

package bus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// forwards forwards the journals of a directory through a sink of node n1.
func forwards(t testing.TB, url, dir string, k *hearsay) (*Forward, *Sink, func()) {
	t.Helper()
	c := evConn(t, url, "n1", k)
	sink, err := NewSink(c, nil)
	require.NoError(t, err)
	f, err := NewForward(dir, filepath.Join(dir, "bus", "cursors"), &ForwardOptions{Sink: func(string) (export.Sink, error) { return sink, nil }, Tell: k.tell,
		Boots: sink.Boots, Every: 20 * time.Millisecond})
	require.NoError(t, err)
	return f, sink, running(t, f.Run)
}

// every tells whether a hub has all of the journals.
func every(s *shelf, books []*grower) bool {
	for _, b := range books {
		if at, err := s.Held(context.Background(), b.id); err != nil || at != b.w.Head() {
			return false
		}
	}
	return true
}

func TestRecordsOverALinkThatIsCutAreAllThereOnceAndInOrder(t *testing.T) {
	t.Parallel()
	records, seed := 8_000, uint64(13)
	if os.Getenv("BATCHKIT_LONG") != "" {
		records, seed = 100_000, uint64(time.Now().UnixNano())
	}
	t.Logf("%d records, seed %d", records, seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := evServer(t, t.TempDir(), -1)
	edge, far := newCable(t, s.Addr().String()), newCable(t, s.Addr().String())
	var k hearsay
	store := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	var mu sync.Mutex
	var up time.Time
	var resumed []time.Duration
	store.took = func(string, journal.Chain) {
		mu.Lock()
		defer mu.Unlock()
		if !up.IsZero() {
			resumed, up = append(resumed, time.Since(up)), time.Time{}
		}
	}
	hub := evConn(t, far.url(), "", &k)
	running(t, func(ctx context.Context) error {
		return Deliver(ctx, hub, store, &DeliverOptions{MaxBytes: 256 << 20, Tell: k.tell})
	})
	dir := t.TempDir()
	var books []*grower
	for i := range 4 {
		books = append(books, newGrower(t, filepath.Join(dir, "batches", fmt.Sprintf("n1.B-%d", i), "evidence", "journal"), fmt.Sprintf("n1.B-%d-j", i)))
	}
	forwards(t, edge.url(), dir, &k)

	const cuts = 20
	for range cuts {
		for _, b := range books {
			b.grow(records/cuts/len(books), 300)
		}
		time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
		link := []*cable{edge, far}[rnd.IntN(2)]
		if rnd.IntN(3) == 0 {
			link.set(false, true)
			time.Sleep(time.Duration(50+rnd.IntN(150)) * time.Millisecond)
		}
		link.set(true, false)
		books[0].grow(8, 300) // there is something to send when it is up again
		time.Sleep(time.Duration(rnd.IntN(700)) * time.Millisecond)
		mu.Lock()
		up = time.Now()
		mu.Unlock()
		link.set(false, false)
		inTime(t, patience, "the hub has more: "+k.all(), func() bool { mu.Lock(); defer mu.Unlock(); return up.IsZero() })
	}
	inTime(t, time.Minute, "the hub has all", func() bool { return every(store, books) })
	sum := 0
	for _, b := range books {
		b.whole(store.dir.Path)
		sum += int(b.w.Head().N)
	}
	require.Equal(t, sum, store.rows, "nothing was handed on twice")
	slices.Sort(resumed)
	t.Logf("%d records, %d cuts; from a link that is up to the next records that the hub holds: p50 %v, p99 %v, most %v", sum, len(resumed),
		resumed[len(resumed)/2], resumed[len(resumed)*99/100], resumed[len(resumed)-1])
	t.Log(k.has("gap:"), "gaps,", k.has("away:"), "times away")
}
