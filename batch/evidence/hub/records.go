// Queries: the records that a query means, over all journals, each held against the chain before it is given.

package hub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// Limits of one answer.
const (
	MaxRows   = 10_000   // records
	maxAnswer = 1 << 20  // bytes of lines after which an answer ends
	maxRead   = 64 << 20 // bytes of rows that are read for one answer
)

// Place is a record: where an answer has ended, and the next one goes on behind it. The zero Place is the beginning.
type Place struct {
	Journal string
	Seq     uint64
}

// String gives the place as ParsePlace takes it: JOURNAL/NUMBER, "" for the beginning.
func (p Place) String() string {
	if p.Journal == "" {
		return ""
	}
	return p.Journal + "/" + strconv.FormatUint(p.Seq, 10)
}

// ParsePlace reads what String gives.
func ParsePlace(s string) (p Place, err error) {
	if s == "" {
		return p, nil
	}
	id, seq, ok := strings.Cut(s, "/")
	if p.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || !ok || !validID(id) {
		return Place{}, fmt.Errorf("%w: %.80q is no place such as JOURNAL/12", ErrQuery, s)
	}
	p.Journal = id
	return p, nil
}

// Answer is what Records came to.
type Answer struct {
	Next Place  // where to go on; zero: it was all
	Left uint64 // records of kinds that this program does not know: whether they were meant nobody can tell
}

// Records calls fn for the records that q means, journal by journal in the order of their ids, each in the order of its numbers,
// at most rows of them, 1 to MaxRows, from behind a place. It may end sooner, with more to come: an answer reads at most 64 MiB.
// What fn is given is valid until it returns. A record is held against the chain first: one that is not in it is ErrDamaged, and
// ends the answer. Rows that come in meanwhile may be in it or not. Prev is zero where the journal had released the records
// before.
func (h *Hub) Records(ctx context.Context, q *evidence.Query, from Place, rows int, fn func(*evidence.Row) error) (Answer, error) {
	if q == nil {
		q = &evidence.Query{}
	}
	if rows < 1 || rows > MaxRows {
		return Answer{}, fmt.Errorf("%w: %d records at a time; 1 to %d are wanted", ErrQuery, rows, MaxRows)
	}
	a := &asked{hub: h, ctx: ctx, q: q, from: from, rows: rows, read: maxRead, fn: fn, pairs: wanted(q)}
	if q.From != "" {
		a.since, _ = record.ParseTime(q.From)
	}
	if q.To != "" {
		a.until, _ = record.ParseTime(q.To)
	}
	for _, b := range h.all() {
		if b.id < from.Journal {
			continue
		}
		err := a.journal(b)
		if errors.Is(err, errEnough) {
			return Answer{Next: a.at, Left: a.left}, nil
		}
		if err != nil {
			return Answer{Next: a.at, Left: a.left}, err
		}
	}
	return Answer{Left: a.left}, nil
}

// errEnough ends an answer with more to come.
var errEnough = errors.New("enough")

// asked is one query under way.
type asked struct {
	hub          *Hub
	ctx          context.Context
	q            *evidence.Query
	pairs        [][]uint64 // of each, one must be there
	since, until int64
	from, at     Place
	rows         int
	read         int64
	left         uint64
	buf          []byte
	fn           func(*evidence.Row) error
}

// wanted gives the pairs that a record must have by which a query means it: of each list one.
func wanted(q *evidence.Query) (all [][]uint64) {
	var kinds []uint64
	for _, kind := range q.Kinds {
		kinds = append(kinds, pair(record.EventType, kind, false))
	}
	if len(kinds) > 0 {
		all = append(all, kinds)
	}
	for i := 0; i < len(q.Keys); {
		key, known := q.Keys[i].Key, true
		var any []uint64
		for ; i < len(q.Keys) && q.Keys[i].Key == key; i++ {
			for _, k := range record.Lookup(key) {
				number := slices.Contains(numbers[:], k)
				known = known && (number || slices.Contains(joins[:], k))
				any = append(any, pair(k, q.Keys[i].Value, number))
			}
		}
		if known {
			all = append(all, any)
		}
	}
	return all
}

// may tells whether rows of which has tells the pairs may hold what is meant.
func (a *asked) may(has func(p uint64) bool) bool {
	return !slices.ContainsFunc(a.pairs, func(any []uint64) bool { return !slices.ContainsFunc(any, has) })
}

// mayBlock tells it of a block.
func (a *asked) mayBlock(k *block) bool {
	switch {
	case k.last < a.q.First, a.q.Last != 0 && k.first > a.q.Last:
		return false
	case (a.q.From != "" || a.q.To != "") && k.from == noTime,
		a.q.From != "" && k.to < a.since, a.q.To != "" && k.from >= a.until:
		return false
	}
	return a.may(func(p uint64) bool {
		_, there := slices.BinarySearch(k.pairs, p)
		return there
	})
}

// journal gives the records of one journal.
func (a *asked) journal(b *book) error {
	b.mu.Lock()
	if b.node != "" && !b.sure && b.broken == nil {
		_ = b.come(false)
	}
	sure, none, wrong, disk, unread, open := b.sure, b.node == "", b.trouble, b.ix.disk, b.ix.unread, b.ix.cur
	open.pairs = slices.Clone(open.pairs)
	passes := a.may(func(p uint64) bool { return p&1 == 1 || b.ix.sum.has(p) })
	b.mu.Unlock()
	switch {
	case none:
		return nil
	case !sure:
		return fmt.Errorf("%w: journal %s: %s", ErrDamaged, b.id, wrong)
	case !passes:
		a.left += unread
		return nil
	}
	f, err := openRegular(a.hub.root, b.name(rowsExt), os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	defer f.Close()
	last := block{}
	one := func(k *block) error {
		defer func() { last = block{last: k.last, end: k.end, link: k.link} }()
		if b.id == a.from.Journal && k.last <= a.from.Seq {
			return nil
		}
		if b.id != a.from.Journal || k.first > a.from.Seq {
			a.left += uint64(k.unread)
		}
		if !a.mayBlock(k) {
			return nil
		}
		return a.block(b, f, &last, k)
	}
	if err := b.blocks(disk, one); err != nil {
		return err
	}
	if open.end <= last.end {
		return nil
	}
	if !open.follows(&last) {
		return fmt.Errorf("%w: journal %s: its index leads to record %d and not to %d; close the hub, and have it made anew", ErrDamaged, b.id, last.last, open.first-1)
	}
	return one(&open)
}

// blocks calls fn for the closed blocks of a journal, as far as its index is asked.
func (b *book) blocks(disk int64, fn func(*block) error) error {
	if disk == 0 {
		return nil
	}
	ix, err := openRegular(b.hub.root, b.name(indexExt), os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	defer ix.Close()
	in := bufio.NewReaderSize(io.NewSectionReader(ix, 0, disk), int(min(disk, 256<<10)))
	var k, last block
	var buf []byte
	for done := int64(0); done < disk; {
		n, ok := readBlock(in, &k, &buf)
		if !ok || !k.follows(&last) {
			return fmt.Errorf("%w: journal %s: its index is broken at byte %d; close the hub, and have it made anew", ErrDamaged, b.id, done)
		}
		done += n
		last = block{last: k.last, end: k.end}
		if err := fn(&k); err != nil {
			return err
		}
	}
	return nil
}

// block gives the records of one block, which lies behind another.
func (a *asked) block(b *book, f *os.File, last, k *block) error {
	if a.read <= 0 {
		return errEnough
	}
	a.read -= k.end - last.end
	return b.rows(f, last, k, &a.buf, func(row *export.Row, prev journal.Hash) error {
		here := Place{b.id, row.Seq}
		if b.id == a.from.Journal && row.Seq <= a.from.Seq {
			return nil
		}
		if row.Seq < a.q.First || a.q.Last != 0 && row.Seq > a.q.Last {
			a.at = here
			return a.ctx.Err()
		}
		if rec, err := record.Parse(row.Body); err == nil && a.q.Means(rec) {
			if a.rows == 0 {
				return errEnough
			}
			a.rows--
			err := a.fn(&evidence.Row{Seq: row.Seq, Prev: prev, Leaf: row.Leaf, Link: row.Link, Body: row.Body, Record: rec})
			if err != nil {
				if errors.Is(err, errEnough) {
					a.at = here
				}
				return err
			}
		}
		a.at = here
		return a.ctx.Err()
	})
}

// rows calls fn for each row of a block, which it holds against the chain; prev is the link before it. What fn is given lies in
// buf.
func (b *book) rows(f *os.File, last, k *block, buf *[]byte, fn func(row *export.Row, prev journal.Hash) error) error {
	raw := slices.Grow((*buf)[:0], int(k.end-last.end))[:k.end-last.end]
	*buf = raw
	if _, err := f.ReadAt(raw, last.end); err != nil {
		return fmt.Errorf("%w: journal %s: records %d to %d: %w", ErrDamaged, b.id, k.first, k.last, err)
	}
	at := journal.Chain{N: last.last, Link: last.link}
	for len(raw) > 0 {
		row, n, ok := export.ParseRow(raw[:min(len(raw), longest)])
		begins := at.N == 0 && row.Seq > 1 // the records before were released, and nobody here has their link
		if ok = ok && (begins || row.Seq == at.N+1 && journal.Link(row.Seq, at.Link, row.Leaf) == row.Link); !ok {
			return fmt.Errorf("%w: journal %s: what lies behind record %d is broken, or does not follow from it", ErrDamaged, b.id, at.N)
		}
		if err := fn(&row, at.Link); err != nil {
			return err
		}
		at, raw = journal.Chain{N: row.Seq, Link: row.Link}, raw[n:]
	}
	if at.Link != k.link {
		return fmt.Errorf("%w: journal %s: record %d is another than its index has", ErrDamaged, b.id, at.N)
	}
	return nil
}

// find gives the record of a number as it is held; zero where it is from before the first.
func (b *book) find(seq uint64) (held journal.Chain, err error) {
	f, err := openRegular(b.hub.root, b.name(rowsExt), os.O_RDONLY)
	if err != nil {
		return held, fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	defer f.Close()
	var buf []byte
	last := block{}
	one := func(k *block) error {
		defer func() { last = block{last: k.last, end: k.end, link: k.link} }()
		if seq < k.first || seq > k.last {
			return nil
		}
		return b.rows(f, &last, k, &buf, func(row *export.Row, _ journal.Hash) error {
			if row.Seq != seq {
				return nil
			}
			held = journal.Chain{N: row.Seq, Link: row.Link}
			return errEnough
		})
	}
	if err = b.blocks(b.ix.disk, one); err == nil {
		err = one(&b.ix.cur)
	}
	if err != nil && !errors.Is(err, errEnough) {
		return journal.Chain{}, err
	}
	return held, nil
}

// Verify reads all rows of a journal, holds each against the chain, and returns the number of the first and the last one. It
// changes nothing.
func (h *Hub) Verify(ctx context.Context, journalID string) (first uint64, last journal.Chain, err error) {
	err = h.Copy(ctx, journalID, nil, func(row *export.Row) {
		if first == 0 {
			first = row.Seq
		}
		last = journal.Chain{N: row.Seq, Link: row.Link}
	})
	return first, last, err
}

// Copy writes the rows of a journal as lines to w, nil for nowhere, calls fn for each, nil for nobody, and ends with ErrDamaged
// at the first that is not in the chain: what was written until then holds.
func (h *Hub) Copy(ctx context.Context, journalID string, w io.Writer, fn func(*export.Row)) error {
	b, err := h.book(journalID, false)
	if err != nil {
		return err
	}
	b.mu.Lock()
	size := b.size
	b.mu.Unlock()
	f, err := openRegular(h.root, b.name(rowsExt), os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	defer f.Close()
	return ReadRows(ctx, io.NewSectionReader(f, 0, size), func(row *export.Row) error {
		if fn != nil {
			fn(row)
		}
		if w == nil {
			return nil
		}
		_, err := w.Write(row.Append(nil))
		return err
	})
}

// ReadRows calls fn for each line of a journal, as events.tsv and the files of a hub have them, and ends with ErrDamaged at the
// first that is not in the chain. The first may have any number: the link of one above 1 cannot be held against anything.
func ReadRows(ctx context.Context, r io.Reader, fn func(*export.Row) error) error {
	in := bufio.NewReaderSize(r, longest)
	var at journal.Chain
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case len(line) == 0 && errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("hub: behind record %d: %w", at.N, err)
		}
		row, _, ok := export.ParseRow(line)
		begins := at.N == 0 && row.Seq > 1
		if ok = ok && (begins || row.Seq == at.N+1 && journal.Link(row.Seq, at.Link, row.Leaf) == row.Link); !ok {
			return fmt.Errorf("%w: the line behind record %d, %.40q, is broken, or does not follow from it", ErrDamaged, at.N, bytes.TrimSpace(line))
		}
		if err := fn(&row); err != nil {
			return err
		}
		at = journal.Chain{N: row.Seq, Link: row.Link}
	}
}
