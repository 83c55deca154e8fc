// What may go, and what stays: each rule of a policy by itself, and a journal and its tree that go on behind a release.

package export_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

const day = int64(24 * time.Hour)

// policy is the one of these tests, and the time at which it is asked.
var policy, later = &export.Policy{Sinks: []string{"share"}, Age: 24 * time.Hour}, 1_000_000_000 + 2*day

// acknowledged gives what the sink has acknowledged.
func (b *book) acknowledged() []export.Ack { return []export.Ack{{Sink: "share", At: b.acked()}} }

// exported is a journal of so many records that a sink holds all of.
func exported(t *testing.T, n int) (b *book, share string) {
	b, share = newBook(t), t.TempDir()
	b.note(n)
	require.NoError(t, b.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background()))
	return b, share
}

func (b *book) segments() int {
	all, err := filepath.Glob(b.dir + "/segments/*.seg")
	require.NoError(b.t, err)
	return len(all)
}

func TestWhatIsExportedAndOldEnoughGoesAndJournalTreeAndExportGoOn(t *testing.T) {
	b, share := exported(t, 40)
	var whole journal.Tree
	grow := func(from uint64) {
		_, err := journal.Scan(b.dir, func(seq uint64, body []byte, _ journal.Chain) error {
			if seq > from {
				whole.Add(journal.Leaf(body))
			}
			return nil
		}, nil)
		require.NoError(t, err)
	}
	grow(0)
	was := b.segments()
	for round := range 3 {
		plan, err := export.Releasable(b.source(), policy, b.acknowledged(), later, 0)
		require.NoError(t, err)
		require.NotZero(t, plan.Through.N, plan.Why)
		n, err := plan.Give(b.w, b, "ines", "room")
		require.NoError(t, err)
		require.Positive(t, n)
		require.Equal(t, was-n, b.segments())
		grow(whole.Size())
		rec, err := journal.Scan(b.dir, nil, nil)
		require.NoError(t, err)
		require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
		require.Equal(t, plan.Through.N+1, rec.From)
		require.Equal(t, plan.Through, rec.Released.Through)
		tree := rec.Released.Tree
		_, err = journal.Scan(b.dir, func(seq uint64, body []byte, _ journal.Chain) error {
			if seq > tree.Size() {
				tree.Add(journal.Leaf(body))
			}
			return nil
		}, nil)
		require.NoError(t, err)
		require.Equal(t, whole.Root(), tree.Root(), "round %d", round)
		b.note(20)
		grow(whole.Size())
		require.NoError(t, b.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background()))
		was = b.segments()
	}
	require.NoError(t, b.w.Close())
	w, rec, err := journal.Open(b.dir, journal.Header{JournalID: "D1-1"}, &journal.Options{Quick: true})
	require.NoError(t, err)
	require.NotZero(t, rec.Released.Record)
	require.NoError(t, w.Close())
	file := read(t, share+"/D1-1.tsv")
	require.Contains(t, file, b.want(), "the sink has all, the journal the end of it")
	require.Equal(t, fmt.Sprint(rec.Head.N), fmt.Sprint(whole.Size()))
}

func TestWhatMustStayStaysAndThePlanSaysWhy(t *testing.T) {
	b, _ := exported(t, 40)
	acked := b.acknowledged()
	two := &export.Policy{Sinks: []string{"share", "plant"}, Age: policy.Age}
	part := func(n uint64) []export.Ack {
		acks := []export.Ack{acked[0]}
		_, err := journal.Scan(b.dir, func(seq uint64, _ []byte, c journal.Chain) error {
			if seq == n {
				acks = append(acks, export.Ack{Sink: "plant", At: c})
			}
			return nil
		}, nil)
		require.NoError(t, err)
		return acks
	}
	for _, c := range []struct {
		why   string
		p     *export.Policy
		acks  []export.Ack
		now   int64
		floor uint64
	}{
		{"the policy names no sink", &export.Policy{Age: policy.Age}, acked, later, 0},
		{`sink "share" has acknowledged nothing`, policy, nil, later, 0},
		{`sink "plant" has acknowledged nothing`, two, acked, later, 0},
		{`sink "plant" has acknowledged records up to 5`, two, part(5), later, 0},
		{"record 1 is younger than 24h0m0s", policy, acked, later - 2*day, 0},
		{"record 4 and those behind it are still needed here", policy, acked, later, 4},
	} {
		plan, err := export.Releasable(b.source(), c.p, c.acks, c.now, c.floor)
		require.NoError(t, err)
		require.Zero(t, plan.Through, c.why)
		require.Contains(t, plan.Why, c.why)
		n, err := plan.Give(b.w, b, "ines", "room")
		require.NoError(t, err)
		require.Zero(t, n)
	}
	plan, err := export.Releasable(b.source(), policy, acked, later, 20)
	require.NoError(t, err)
	require.Less(t, plan.Through.N, uint64(20))
	require.Positive(t, plan.Through.N)
	plan, err = export.Releasable(b.source(), policy, acked, later, 0)
	require.NoError(t, err)
	require.Contains(t, plan.Why, "in the segment in use")
	_, err = plan.Give(b.w, b, "", "room")
	require.ErrorContains(t, err, "name of who")
	_, err = plan.Give(b.w, broken{}, "ines", "room")
	require.ErrorContains(t, err, "nothing was released")
	require.Equal(t, 7, b.segments(), "no record, no removal")
	acked[0].At.Link[3] ^= 1
	_, err = export.Releasable(b.source(), policy, acked, later, 0)
	require.ErrorIs(t, err, export.ErrCursor)
}

type broken struct{}

func (broken) Append(func(*record.Body)) (uint64, error) { return 0, errors.New("disk full") }

func TestRecordsWithoutUTCStay(t *testing.T) {
	b := newBook(t)
	b.utc = 0
	b.note(14)
	l := &liar{}
	require.NoError(t, b.exporter(l, nil).CatchUp(context.Background()))
	plan, err := export.Releasable(b.source(), policy, b.acknowledged(), later, 0)
	require.NoError(t, err)
	require.Zero(t, plan.Through)
	require.Contains(t, plan.Why, "no UTC is known")
}

func TestASinkThatComesLateToAReleasedJournalIsToldOfTheGap(t *testing.T) {
	b, _ := exported(t, 30)
	plan, err := export.Releasable(b.source(), policy, b.acknowledged(), later, 0)
	require.NoError(t, err)
	_, err = plan.Give(b.w, b, "ines", "room")
	require.NoError(t, err)
	late := &liar{}
	require.NoError(t, os.RemoveAll(b.cursors()))
	require.NoError(t, b.exporter(late, nil).CatchUp(context.Background()), "one that holds nothing begins where the journal does")
	require.Equal(t, plan.Through.N+1, late.sent[0])
	require.NoError(t, os.RemoveAll(b.cursors()))
	require.ErrorIs(t, b.exporter(&liar{held: journal.Chain{N: 2}}, nil).CatchUp(context.Background()), export.ErrGap)
}
