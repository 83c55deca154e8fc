// The device journal keeps the head of every batch that has ended.

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

func TestTheDeviceJournalKeepsTheHeadOfEveryBatchThatHasEnded(t *testing.T) {
	workplace(t)
	done(t, "-virtual")
	done(t, "-virtual", "-batch", "B-0002")
	var kept []*record.Record
	_, err := journal.Scan("out/device", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindHeadAnchored {
			kept = append(kept, r)
		}
		return err
	}, nil)
	require.NoError(t, err)
	require.Len(t, kept, 2)
	for i, dir := range []string{"out/B-0001", "out/B-0002"} {
		rep, err := evidence.Verify(dir)
		require.NoError(t, err)
		require.Equal(t, rep.JournalID, kept[i].Text(record.AnchoredJournalID))
		require.Equal(t, rep.Records, kept[i].Count(record.HeadSize))
		require.Equal(t, rep.Link, kept[i].Text(record.HeadLink))
	}
}
