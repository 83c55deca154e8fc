// Queries, held against reading everything.

package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
)

var clock = system.NewClock(1)

// ask gives the lines of what is meant, answer by answer.
func ask(t testing.TB, h *hub.Hub, words ...string) (string, error) {
	t.Helper()
	return askRows(t, h, hub.MaxRows, words...)
}

func askRows(t testing.TB, h *hub.Hub, rows int, words ...string) (string, error) {
	t.Helper()
	q, err := evidence.ParseQuery(words)
	require.NoError(t, err)
	var out []byte
	for next := (hub.Place{}); ; {
		a, err := h.Records(context.Background(), q, next, rows, func(r *evidence.Row) error {
			out = r.Append(out)
			return nil
		})
		if err != nil || a.Next == (hub.Place{}) {
			return string(out), err
		}
		require.NotEqual(t, next, a.Next)
		next, err = hub.ParsePlace(a.Next.String())
		require.NoError(t, err)
	}
}

func TestAQueryGivesWhatReadingEverythingGives(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, nil)
	all := map[string][]export.Row{}
	ids := []string{"A", "B.1", "C-1"}
	for i, id := range ids {
		all[id] = rows(t, id, journal.Chain{}, 150+250*i, strings.Repeat("x", 600))
		_, err := h.Take(t.Context(), id, all[id])
		require.NoError(t, err)
	}
	recs := map[string][]*record.Record{}
	for id, list := range all {
		for _, r := range list {
			rec, err := record.Parse(r.Body)
			require.NoError(t, err)
			recs[id] = append(recs[id], rec)
		}
	}
	slow := func(words []string) string {
		q, err := evidence.ParseQuery(words)
		require.NoError(t, err)
		var out []byte
		for _, id := range ids {
			prev := journal.Hash{}
			for i, r := range all[id] {
				if q.Means(recs[id][i]) {
					row := evidence.Row{Seq: r.Seq, Prev: prev, Leaf: r.Leaf, Link: r.Link, Body: r.Body}
					out = row.Append(out)
				}
				prev = r.Link
			}
		}
		return string(out)
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	at := func() string { return fmt.Sprintf("1970-01-01T00:%02d:%02dZ", rng.IntN(12), rng.IntN(60)) }
	choices := []func() string{
		func() string { return "journal_id=" + ids[rng.IntN(3)] },
		func() string { return "device_id=D-" + ids[rng.IntN(3)] },
		func() string { return "kind=bus_state" },
		func() string { return "kind=engine_fault" },
		func() string { return fmt.Sprintf("object_id=N-%d", rng.IntN(8)) },
		func() string { return []string{"result=up", "result=down", "result=gone"}[rng.IntN(3)] },
		func() string { return []string{"engine=1", "engine=2"}[rng.IntN(2)] }, // not in the index
		func() string { return fmt.Sprintf("ts_mono=%d", rng.IntN(700)) },      // another spelling
	}
	for n := range 60 {
		var words []string
		if rng.IntN(3) == 0 {
			words = append(words, "from="+at())
		}
		if rng.IntN(3) == 0 {
			words = append(words, "to="+at())
		}
		if rng.IntN(3) == 0 {
			words = append(words, fmt.Sprintf("seq=%d..%d", 1+rng.IntN(200), 200+rng.IntN(300)))
		}
		for range rng.IntN(4) {
			words = append(words, choices[rng.IntN(len(choices))]())
		}
		if n == 30 {
			require.NoError(t, h.Close())
			h = open(t, dir, nil)
		}
		got, err := askRows(t, h, []int{1000, 7, 150}[n%3], words...)
		require.NoError(t, err, "seed %d: %v", seed, words)
		require.Equal(t, slow(words), got, "seed %d: %v", seed, words)
	}
}

func TestAQueryThatIsNoneIsRefused(t *testing.T) {
	h := open(t, t.TempDir(), nil)
	for _, n := range []int{-1, 0, hub.MaxRows + 1} {
		_, err := h.Records(t.Context(), nil, hub.Place{}, n, nil)
		require.ErrorIs(t, err, hub.ErrQuery)
	}
	for _, s := range []string{"J1", "J1/", "/1", "J1/x", "J1/-1", "J1/1/2"} {
		_, err := hub.ParsePlace(s)
		require.ErrorIs(t, err, hub.ErrQuery, s)
	}
	_, _, err := h.Verify(t.Context(), "J1")
	require.ErrorIs(t, err, hub.ErrNone)
}
