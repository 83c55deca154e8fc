// How far journals go, where they are written and at the hub.

package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/journal"
)

// endsOf reads where journals end that nobody writes, by their ids.
func endsOf(dirs []string) (map[string]journal.Chain, error) {
	ends := map[string]journal.Chain{}
	for _, dir := range dirs {
		rec, err := journal.Scan(dir, nil, nil)
		if err != nil {
			return nil, err
		}
		if rec.JournalID == "" {
			continue // its process was killed before it had begun
		}
		ends[rec.JournalID] = rec.Head
	}
	return ends, nil
}

// heldBack says of a journal that it is not at the hub up to its end; "" where all are, which then have so many records.
func heldBack(want map[string]journal.Chain, list []hub.Status) (left string, records uint64) {
	at := map[string]hub.Status{}
	for _, st := range list {
		at[st.Journal] = st
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		end, st := want[id], at[id]
		if st.Held != end.N || end.N > 0 && st.Link != end.Link.String() {
			return fmt.Sprintf("of %s it has %d of %d records: %s", id, st.Held, end.N, st.Trouble), records
		}
		records += end.N
	}
	return "", records
}
