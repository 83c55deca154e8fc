// The judge of a journal, held against journals of which it is known what is wrong.

package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchkit/batchkit/journal"
)

// journalOf writes a journal of n records of the first life and returns its directory.
func journalOf(t *testing.T, n uint64, body func(seq uint64, life int) []byte) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), journalName)
	w, err := journal.Create(at, journal.Header{JournalID: journalID}, &journal.Options{Segment: segmentSize})
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= n; seq++ {
		if err := errors.Join(w.Append(seq, body(seq, 1)), w.Commit()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return at
}

func TestJudgeJournal(t *testing.T) {
	other := func(seq uint64, life int) []byte {
		b := body(seq, life)
		b[len(b)/2] ^= 1
		return b
	}
	for _, c := range []struct {
		name string
		at   string
		said claim
		want error
	}{
		{"as promised", journalOf(t, 5, body), claim{first: []uint64{1}, acked: 5}, nil},
		{"more than promised", journalOf(t, 5, body), claim{first: []uint64{1}, acked: 3}, nil},
		{"none, none promised", filepath.Join(t.TempDir(), journalName), claim{}, nil},
		{"none, one made", filepath.Join(t.TempDir(), journalName), claim{first: []uint64{1}}, errLost},
		{"fewer than promised", journalOf(t, 5, body), claim{first: []uint64{1}, acked: 6}, errLost},
		{"before there was one", journalOf(t, 5, body), claim{}, errAlien},
		{"other bytes", journalOf(t, 5, other), claim{first: []uint64{1}, acked: 5}, errAlien},
		{"of another life", journalOf(t, 5, body), claim{first: []uint64{1, 4}, acked: 5}, errAlien},
	} {
		if _, err := judgeJournal(c.at, &c.said); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestJudgeNamesAWrongVerdict(t *testing.T) {
	at := journalOf(t, 5, body)
	name := filepath.Join(at, "segments", "00000001.seg")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[600] ^= 1 // in the first group, which later ones prove to have been durable
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := judgeJournal(at, &claim{first: []uint64{1}}); !errors.Is(err, errVerdict) {
		t.Errorf("%v, want %v", err, errVerdict)
	}
}
