// What a Writer counts is what its storage was given.

package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// measured is a storage that adds up what is written.
type measured struct {
	journal.Storage
	bytes, flushes int
}

type measuredFile struct {
	journal.File
	s *measured
}

func (s *measured) Create(name string) (journal.File, error) {
	f, err := s.Storage.Create(name)
	return measuredFile{f, s}, err
}

func (s *measured) Settle(name string) error { s.flushes++; return s.Storage.Settle(name) }

func (s *measured) SyncDir(dir string) error { s.flushes++; return s.Storage.SyncDir(dir) }

func (f measuredFile) WriteAt(p []byte, off int64) (int, error) {
	f.s.bytes += len(p)
	return f.File.WriteAt(p, off)
}

func (f measuredFile) Sync() error { f.s.flushes++; return f.File.Sync() }

func TestStatsAreWhatTheStorageWasGiven(t *testing.T) {
	const segment = 72 << 10
	s := &measured{Storage: journaltest.NewDisk()}
	opt := &journal.Options{Storage: s, Segment: segment, Pending: 128 << 10}
	w, err := journal.Create("j", journal.Header{JournalID: "wear"}, opt)
	require.NoError(t, err)
	body := make([]byte, 10_000)
	for i := range body {
		body[i] = 'x'
	}
	for seq := uint64(1); seq <= 20; seq++ {
		require.NoError(t, w.Append(seq, body))
		require.NoError(t, w.Commit())
	}
	require.NoError(t, w.Reserve())
	got := w.Stats()
	require.Equal(t, uint64(20*len(body)), got.Payload)
	require.Equal(t, uint64(s.bytes), got.Written)
	require.Equal(t, uint64(s.flushes), got.Flushes)
	require.Equal(t, uint64(4), got.Segments, "seven bodies to a segment, and one segment in reserve")
	require.Equal(t, got.Segments*segment, got.ZeroFill)
	require.Greater(t, got.Written, got.Payload+got.ZeroFill)
	require.NoError(t, w.Close())

	w, _, err = journal.Open("j", journal.Header{JournalID: "wear"}, opt)
	require.NoError(t, err)
	require.Zero(t, w.Stats().Payload, "a Writer counts its own")
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = w.Stats() }))
	require.NoError(t, w.Close())
}
