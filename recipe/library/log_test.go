// A log in memory that makes whole records, and what tests say again and again.

package library_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
)

// memory is a log that keeps its records as bytes.
type memory struct {
	body   record.Body
	bodies [][]byte
	seq    uint64
	fail   error         // returned instead of taking a record
	gate   chan struct{} // where set: told when a record is on its way, then waited for
}

// Append stamps what fill gives, and keeps it.
func (m *memory) Append(fill func(b *record.Body)) (uint64, error) {
	if m.gate != nil {
		m.gate <- struct{}{}
		<-m.gate
	}
	if m.fail != nil {
		return 0, m.fail
	}
	fill(&m.body)
	m.seq++
	m.body.Count(record.EventSeq, m.seq)
	m.body.Text(record.JournalID, "device-1")
	m.body.Int(record.Epoch, 3)
	m.body.Count(record.TsMonoNS, m.seq*1_000_000_000)
	m.body.Text(record.SyncState, "UNSET")
	m.body.Text(record.TimeSource, "none")
	m.body.Text(record.DeviceID, "ctl-1")
	body, err := m.body.Append(nil)
	if err != nil {
		return 0, err
	}
	m.bodies = append(m.bodies, body)
	return m.seq, nil
}

// replayed is the library that the records of m add up to.
func (m *memory) replayed(t *testing.T) *library.Library {
	t.Helper()
	l := &library.Library{}
	for _, body := range m.bodies {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, l.Apply(rec))
	}
	return l
}

// digest gives the digest of a file of which only a letter is known.
func digest(letter string) string { return strings.Repeat(letter, 64) }

// change is a change to the recipe that most tests use.
func change(e library.Event) library.Change {
	return library.Change{Kind: "recipe", ID: "water-fill", Version: "1.0", Digest: digest("a"), Event: e,
		Actor: "ana", Reason: "first use", ApprovalID: "CR-1", ImpactScope: "none"}
}

// at gives a library in which the recipe that most tests use has gone through some events.
func at(t *testing.T, events ...library.Event) (*library.Library, *memory) {
	t.Helper()
	l, log := &library.Library{}, &memory{}
	for _, e := range events {
		_, err := l.Change(log, change(e))
		require.NoError(t, err)
	}
	return l, log
}

// minute is n minutes after 2026-03-01T00:00:00Z, ns UTC.
func minute(n int64) int64 { return (1_772_323_200 + 60*n) * 1_000_000_000 }

// sum is the digest of a file.
func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
