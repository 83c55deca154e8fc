// How the journals stand.

package hub

import (
	"cmp"
	"fmt"
	"time"
)

// Status is how one journal stands at the hub.
type Status struct {
	Journal  string `json:"journal"`
	Node     string `json:"node"`              // who owns it
	First    uint64 `json:"first,string"`      // 1, unless the journal had released records before it was sent here
	Held     uint64 `json:"held,string"`       // the last record that is held; all up to it were held against the chain as they came in
	Link     string `json:"link"`              // of that record, hex
	Bytes    int64  `json:"bytes"`             // of its rows
	Heard    string `json:"heard,omitempty"`   // when the node was heard of it last, by the hub's clock, RFC 3339; "" : not since the hub was opened
	Durable  uint64 `json:"durable,string"`    // the last that is durable where it is written, as far as that was said
	Behind   uint64 `json:"behind,string"`     // of these, how many are not here
	Missing  uint64 `json:"missing,string"`    // up to here records are missing that had been acknowledged, or came behind a gap; 0: none
	Gaps     uint64 `json:"gaps,string"`       // that were found
	Refilled uint64 `json:"refilled,string"`   // of these, how many the edge has refilled
	Forks    uint64 `json:"forks,string"`      // records that contradicted what is held
	Unread   uint64 `json:"unread,string"`     // records of kinds that this program does not know
	Trouble  string `json:"trouble,omitempty"` // why it takes nothing, or has refused what was sent last
}

// Journals tells how each journal stands, in the order of their ids. It waits for the rows that are being written.
func (h *Hub) Journals() (list []Status) {
	for _, b := range h.all() {
		if s := b.status(); s.Node != "" || s.Trouble != "" {
			list = append(list, s)
		}
	}
	return list
}

func (b *book) status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{Journal: b.id, Node: b.node, First: b.first, Held: b.at.N, Link: b.at.Link.String(), Bytes: b.size, Durable: max(b.durable, b.at.N),
		Missing: b.missing, Gaps: b.counts.Gaps, Refilled: b.counts.Refilled, Forks: b.counts.Forks, Unread: b.ix.unread, Trouble: b.trouble}
	s.Behind = s.Durable - s.Held
	if b.heard != 0 {
		s.Heard = time.Unix(0, b.heard).UTC().Format(time.RFC3339Nano)
	}
	return s
}

// Words says it in one line.
func (s *Status) Words() string {
	w := fmt.Sprintf("%s of %s: records %d to %d", s.Journal, s.Node, s.First, s.Held)
	if s.Held == 0 {
		w = fmt.Sprintf("%s of %s: no record", s.Journal, s.Node)
	}
	w += fmt.Sprintf(", %d behind, heard %s", s.Behind, cmp.Or(s.Heard, "not since the hub began"))
	for _, n := range [...]struct {
		n    uint64
		what string
	}{{s.Missing, "MISSING up to %d"}, {s.Gaps, "%d gaps"}, {s.Refilled, "%d refilled"}, {s.Forks, "%d FORKS"}, {s.Unread, "%d of unknown kinds"}} {
		if n.n > 0 {
			w += ", " + fmt.Sprintf(n.what, n.n)
		}
	}
	if s.Trouble != "" {
		w += "; " + s.Trouble
	}
	return w
}
