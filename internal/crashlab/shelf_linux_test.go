// The controls' Storage: the journal works on it, and early tells of each group before it is flushed.

package main

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchkit/batchkit/journal"
)

func TestShelfTellsEarly(t *testing.T) {
	var told, durable []uint64
	st := shelf{fault: faultEarly, early: func(seq uint64) { told = append(told, seq) }}
	opt := &journal.Options{Segment: segmentSize, Storage: st, OnDurable: func(seq uint64) {
		if durable = append(durable, seq); !slices.Equal(told, durable) {
			t.Errorf("told %v when %v are durable", told, durable)
		}
	}}
	at := filepath.Join(t.TempDir(), journalName)
	head := journal.Header{JournalID: journalID}
	w, err := journal.Create(at, head, opt)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 200; seq++ {
		err := w.Append(seq, body(seq, 1))
		if seq%3 == 0 {
			err = errors.Join(err, w.Commit())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w, rec, err := journal.Open(at, head, opt)
	if err != nil || rec.Outcome != journal.Clean || w.Head().N != 200 {
		t.Fatalf("opened again: %v, %+v", err, rec)
	}
	if err := w.Close(); err != nil || len(told) < 60 {
		t.Errorf("told of %d groups; closing: %v", len(told), err)
	}
}
