// The form of evidence on the bus: subjects, messages of rows, and what the hub says that it holds.

package bus

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// Evidence on the bus.
//
//	ev.NODE.JOURNAL         rows of a journal, into the stream EV; only NODE may publish there
//	hub.ask.NODE.JOURNAL    a request: what does the hub hold? It answers with a position; where it is asked for, also with what waits in the stream for it
//	hub.told.NODE.JOURNAL   a position, each time that the hub has more, or lacks what it would need
//	hub.told                a position without a journal, when a hub has started, and every ten seconds
//
// A token of a subject is the name with "~" for ".", which no name has. A message of rows has at least one, in the form of events.tsv (number, leaf,
// link, body, parted by tabs, each with a line feed), without a hole, and as many as fit into 128 KiB or what the server takes; a row is never parted, it
// has 64 KiB at most. Its headers: Nats-Msg-Id JOURNAL/LAST/LINK/TRY, Ev-Last "LAST LINK", Ev-Try, which is another one for all that is sent anew, and
// Ev-Begin where nothing of the journal is before the first row: earlier records were released.
const (
	rowsEach    = 128 << 10 // bytes of rows in a message, but for a row that has more by itself
	rowLeast    = journal.MaxBody + 20 + 2*65 + 2
	headRoom    = 4 << 10 // of a message, for its headers
	maxPosition = 4 << 10 // bytes of a position
	maxWhy      = 600     // bytes of its words

	headLast  = "Ev-Last"
	headTry   = "Ev-Try"
	headBegin = "Ev-Begin"
)

// question is what a board asks the hub: how the journal stands there goes with it.
type question struct {
	Durable uint64 `json:"durable,string"`
	Acked   uint64 `json:"acked,string"`
	Stream  bool   `json:"stream,omitempty"` // what waits in the stream is to be told, too
}

// bytes writes it.
func (q *question) bytes() []byte { return plain(q) }

// plain is JSON of what is only strings, numbers and booleans.
func plain[T question | position](v *T) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("bus: " + err.Error())
	}
	return data
}

// position is what the hub says of a journal.
type position struct {
	Seq     uint64 `json:"seq,string"`
	Link    string `json:"link"`
	Boot    string `json:"boot"`              // of the hub's process: after another one it may hold less
	Gap     string `json:"gap,omitempty"`     // the Ev-Try of a message that does not follow what the hub holds
	Refused string `json:"refused,omitempty"` // why the hub cannot take what comes next, now or ever
	Waits   string `json:"waits,omitempty"`   // Ev-Last of the last message of the journal in the stream, and its Ev-Try
	Try     string `json:"try,omitempty"`
	Unseen  string `json:"unseen,omitempty"` // why the stream could not be looked at
}

// waits is what of the journal waits in the stream; zero where nothing does, or what is no evidence.
func (p *position) waits() journal.Chain {
	at, _ := lastOf(p.Waits)
	return at
}

// at is the place in the chain; an error tells that it is none.
func (p *position) at() (c journal.Chain, err error) {
	c.N = p.Seq
	if n, err := hex.Decode(c.Link[:], []byte(p.Link)); err != nil || len(p.Link) != 2*len(c.Link) || n != len(c.Link) || c.N == 0 && c.Link != (journal.Hash{}) {
		return c, fmt.Errorf("bus: the hub says that it has record %d with link %.80q, which is none", p.Seq, p.Link)
	}
	return c, nil
}

// readPosition reads what a hub said.
func readPosition(data []byte) (p position, at journal.Chain, err error) {
	if len(data) > maxPosition {
		return p, at, fmt.Errorf("bus: the hub says %d bytes, at most %d are taken", len(data), maxPosition)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, at, fmt.Errorf("bus: what the hub says cannot be read: %w", err)
	}
	p.Gap, p.Refused, p.Boot, p.Unseen, p.Try = cut(p.Gap), cut(p.Refused), cut(p.Boot), cut(p.Unseen), cut(p.Try)
	at, err = p.at()
	return p, at, err
}

// bytes writes it.
func (p *position) bytes() []byte {
	p.Refused = strings.ToValidUTF8(p.Refused[:min(len(p.Refused), maxWhy)], "?")
	return plain(p)
}

// token is a name as a token of a subject.
func token(name string) (string, error) {
	if !named(name) {
		return "", fmt.Errorf(`bus: %.80q is no name of a node or journal: 1 to 64 letters, digits, "_", "-" and ".", the first a letter or a digit`, name)
	}
	return strings.ReplaceAll(name, ".", "~"), nil
}

// untoken is the name that a token stands for.
func untoken(token string) (string, error) {
	name := strings.ReplaceAll(token, "~", ".")
	if !named(name) || strings.Contains(token, ".") {
		return "", fmt.Errorf("bus: %.80q stands for no node or journal", token)
	}
	return name, nil
}

// named tells whether a text can be the name of a node or a journal.
func named(name string) bool {
	ok := len(name) > 0 && len(name) <= 64
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = letter || i > 0 && (c == '_' || c == '-' || c == '.')
	}
	return ok
}

// subjectOf is PREFIX.NODE.JOURNAL.
func subjectOf(prefix, node, journalID string) (string, error) {
	n, err := token(node)
	j, other := token(journalID)
	return prefix + "." + n + "." + j, errors.Join(err, other)
}

// ofSubject are node and journal of PREFIX.NODE.JOURNAL.
func ofSubject(prefix, subject string) (node, journalID string, err error) {
	rest, ok := strings.CutPrefix(subject, prefix+".")
	n, j, two := strings.Cut(rest, ".")
	if !ok || !two {
		return "", "", fmt.Errorf("bus: the subject %.200q is not %s.NODE.JOURNAL", subject, prefix)
	}
	node, err = untoken(n)
	journalID, other := untoken(j)
	return node, journalID, errors.Join(err, other)
}

// pack makes messages of rows, each of at most size bytes but for a row that has more by itself.
func pack(subject, journalID, try string, rows []export.Row, begin bool, size int) (all []*nats.Msg) {
	for len(rows) > 0 {
		m := nats.NewMsg(subject)
		n := 0
		for n < len(rows) && (n == 0 || len(m.Data)+rowLeast-journal.MaxBody+len(rows[n].Body) <= size) {
			m.Data = rows[n].Append(m.Data)
			n++
		}
		last := &rows[n-1]
		m.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%s/%d/%s/%s", journalID, last.Seq, last.Link, try))
		m.Header.Set(headLast, fmt.Sprintf("%d %s", last.Seq, last.Link))
		m.Header.Set(headTry, try)
		if begin && len(all) == 0 {
			m.Header.Set(headBegin, "1")
		}
		all, rows = append(all, m), rows[n:]
	}
	return all
}

// lastOf is the last record of a message, as its header Ev-Last has it.
func lastOf(text string) (c journal.Chain, err error) {
	seq, link, _ := strings.Cut(text, " ")
	if c.N, err = strconv.ParseUint(seq, 10, 64); err == nil && len(link) == 2*len(c.Link) {
		_, err = hex.Decode(c.Link[:], []byte(link))
	} else {
		err = errors.Join(err, errors.New("it is not a number and a link"))
	}
	if err != nil {
		return journal.Chain{}, fmt.Errorf("bus: header %s: %w", headLast, err)
	}
	return c, nil
}

// unpack reads the rows of a message: each with its leaf, and with the link that follows from the row before it. They point into data.
func unpack(data []byte) (rows []export.Row, err error) {
	for len(data) > 0 {
		r, size, ok := export.ParseRow(data)
		if !ok {
			return nil, fmt.Errorf("bus: row %d of the message is not a line of number, leaf, link and body as an export writes it, or its leaf is not that of its body", len(rows)+1)
		}
		if n := len(rows); n > 0 && (r.Seq != rows[n-1].Seq+1 || journal.Link(r.Seq, rows[n-1].Link, r.Leaf) != r.Link) {
			return nil, fmt.Errorf("bus: record %d of the message does not follow record %d", r.Seq, rows[n-1].Seq)
		}
		rows, data = append(rows, r), data[size:]
	}
	if len(rows) == 0 {
		return nil, errors.New("bus: the message has no rows")
	}
	return rows, nil
}
