// The chain: how operations stand in a stream and in a copy of it, so that what was lost or forked is known.

package bus

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// Headers of a message that is an operation.
const (
	headLink  = "Batchkit-Link"  // hex of its link
	headID    = "Batchkit-Id"    // of the call of Append that has written it
	headParts = "Batchkit-Parts" // how many messages of the stream of parts it is made of; its body names them
	maxID     = 120
)

// link is what an operation and all before it come to: SHA-256 of link before, number, operation.
type link [sha256.Size]byte

func (l link) next(seq uint64, op []byte) (n link) {
	h := sha256.New()
	h.Write(l[:])
	h.Write(binary.BigEndian.AppendUint64(nil, seq))
	h.Write(op)
	h.Sum(n[:0])
	return n
}

// entry is one operation as it stands in a stream.
type entry struct {
	seq   uint64
	link  link
	id    string
	parts int
	body  []byte // the operation, or which parts make it
	void  string // why it is none, and body stands for it; "": it is one
}

// message is an entry on its way.
func (e *entry) message(subject string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header.Set(headLink, hex.EncodeToString(e.link[:]))
	m.Header.Set(headID, e.id)
	m.Header.Set("Nats-Expected-Last-Sequence", strconv.FormatUint(e.seq-1, 10))
	if e.parts > 0 {
		m.Header.Set(headParts, strconv.Itoa(e.parts))
	}
	m.Data = e.body
	return m
}

// entryOf reads an entry. Others may have written to the stream: an error says that a message is none, by
// its headers, or because it is empty: nothing else counts, so that all find the same.
func entryOf(m *stored) (*entry, error) {
	e := &entry{seq: m.Seq, body: m.Data}
	bad := func(what string) (*entry, error) {
		return nil, fmt.Errorf("message %d is no operation of an arbiter: %s; look who may write to its subject", m.Seq, what)
	}
	h, err := nats.DecodeHeadersMsg(m.Hdrs)
	if err != nil {
		return bad("it has no headers")
	}
	l, err := hex.DecodeString(h.Get(headLink))
	if err != nil || len(l) != len(e.link) {
		return bad("its link is none")
	}
	copy(e.link[:], l)
	if e.id = h.Get(headID); e.id == "" || len(e.id) > maxID {
		return bad("it does not say who has written it")
	}
	if len(m.Data) == 0 {
		return bad("it is empty")
	}
	if p := h.Get(headParts); p != "" {
		if e.parts, err = strconv.Atoi(p); err != nil || e.parts < 1 || e.parts > arbiter.MaxOp/partSize+1 {
			return bad("its parts are " + strconv.Quote(cut(p)))
		}
	}
	return e, nil
}

// part is where one part of a large operation stands.
type part struct {
	seq uint64
	sum [sha256.Size]byte
}

// partList is the body of an entry that is made of parts: a line each.
func partList(list []part) []byte {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "%d %x\n", p.seq, p.sum)
	}
	return []byte(b.String())
}

// readParts is partList read back.
func readParts(e *entry) ([]part, error) {
	lines := strings.Split(strings.TrimSuffix(string(e.body), "\n"), "\n")
	list := make([]part, len(lines))
	ok := len(lines) == e.parts
	for i, line := range lines {
		n, sum, _ := strings.Cut(line, " ")
		raw, err := hex.DecodeString(sum)
		seq, err2 := strconv.ParseUint(n, 10, 62)
		if ok = ok && err == nil && err2 == nil && len(raw) == sha256.Size && seq > 0 && (i == 0 || seq > list[i-1].seq); !ok {
			return nil, fmt.Errorf("%w: operation %d: its list of parts is none", store.ErrDamaged, e.seq)
		}
		list[i].seq = seq
		copy(list[i].sum[:], raw)
	}
	return list, nil
}

// record is an operation in a copy: number, link, id and operation.
func (e *entry) record(op []byte) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, frame+len(e.id)+len(op)), e.seq)
	b = append(b, e.link[:]...)
	b = append(append(b, byte(len(e.id))), e.id...)
	return append(b, op...)
}

// frame is what stands before id and operation in a copy.
const frame = 8 + sha256.Size + 1

// recordOf is record read back.
func recordOf(b []byte) (*entry, error) {
	if len(b) <= frame || len(b) <= frame+int(b[frame-1]) {
		return nil, fmt.Errorf("%w: the copy of the arbiter's log holds something else; set it aside", store.ErrDamaged)
	}
	e := &entry{seq: binary.BigEndian.Uint64(b), id: string(b[frame : frame+int(b[frame-1])]), body: b[frame+int(b[frame-1]):]}
	copy(e.link[:], b[8:])
	return e, nil
}

// mirror is the copy that a node has of the log, in a log of its own. Its numbers are its own, because it begins where this node came in.
type mirror struct {
	log         arbiter.Log // nil: there is none, and nothing is kept
	first, last uint64      // operations that are in it without a gap; 0: none
	at          uint64      // number in log of the first
	tail        link        // of the last
}

// open finds what a copy holds.
func (m *mirror) open(ctx context.Context) error {
	if m.log == nil {
		return nil
	}
	next := uint64(1)
	return m.log.Read(ctx, 1, func(n uint64, b []byte) error {
		e, err := recordOf(b)
		if err != nil {
			return err
		}
		if m.first == 0 || e.seq != m.last+1 || n != next {
			m.first, m.at = e.seq, n
		}
		m.last, m.tail, next = e.seq, e.link, n+1
		return nil
	})
}

// add puts an operation into the copy. One that does not follow on the last is where it begins anew.
func (m *mirror) add(ctx context.Context, e *entry, op []byte) error {
	if m.log != nil {
		n := m.at + m.last - m.first + 1
		if m.first == 0 {
			n = 1
		}
		if err := m.log.Append(ctx, n, e.record(op)); err != nil {
			return fmt.Errorf("the copy of this node: %w", err)
		}
		if m.first == 0 || e.seq != m.last+1 {
			m.first, m.at = e.seq, n
		}
	}
	m.last, m.tail = e.seq, e.link
	return nil
}

// has tells whether operation seq is in the copy.
func (m *mirror) has(seq uint64) bool {
	return m.log != nil && m.first > 0 && seq >= m.first && seq <= m.last
}

// read gives the operations of the copy from one on to another.
func (m *mirror) read(ctx context.Context, from, to uint64, do func(e *entry) error) error {
	if from > to {
		return nil
	}
	end := errors.New("end")
	want := from
	err := m.log.Read(ctx, m.at+from-m.first, func(_ uint64, b []byte) error {
		e, err := recordOf(b)
		switch {
		case err != nil:
			return err
		case e.seq != want:
			return fmt.Errorf("%w: operation %d of the copy stands where %d should", store.ErrDamaged, e.seq, want)
		}
		if err := do(e); err != nil {
			return err
		}
		if want++; want > to {
			return end
		}
		return nil
	})
	if errors.Is(err, end) {
		return nil
	}
	if err == nil && want <= to {
		err = fmt.Errorf("%w: operation %d is not in the copy any more", store.ErrDamaged, want)
	}
	return err
}

// trim lets operations before seq go.
func (m *mirror) trim(ctx context.Context, seq uint64) error {
	if m.log == nil || !m.has(seq) || seq == m.first {
		return nil
	}
	n := m.at + seq - m.first
	if err := m.log.Trim(ctx, n); err != nil {
		return err
	}
	m.first, m.at = seq, n
	return nil
}
