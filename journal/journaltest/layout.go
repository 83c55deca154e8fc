// Where groups and frames lie in a segment, read from the format alone, and what a change of bytes must lead to.

package journaltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/batchkit/batchkit/journal"
)

// span is a part of a file.
type span struct{ from, to int }

// group is one group of a segment; a promise has no records.
type group struct {
	span
	frames []span
	first  uint64
	last   uint64 // below first in a promise
}

// layout is a segment as it was written.
type layout struct {
	name   string
	data   []byte
	groups []group
	ended  *span // the end frame
	first  uint64
}

func segmentPath(n int) string { return filepath.Join(segments(), fmt.Sprintf("%08d.seg", n)) }

// lay reads the segment's groups; next is the first record in it.
func lay(name string, data []byte, next uint64) layout {
	l := layout{name: name, data: data, first: next}
	g := group{span: span{Sector, Sector}, first: next}
	for at := Sector; at+24 <= len(data)-Sector; {
		n := int(binary.LittleEndian.Uint32(data[at:]))
		if n == 0 {
			break
		}
		f := span{at, at + 24 + (n+7)&^7}
		at = f.to
		switch data[f.from+16] {
		case 1:
			g.frames = append(g.frames, f)
			next++
		case 2:
			g.frames = append(g.frames, f)
			g.to, g.last = at, next-1
			l.groups = append(l.groups, g)
			g = group{span: span{at, at}, first: next}
		case 3:
			l.ended = &f
		}
	}
	return l
}

// end returns where the bytes in use end, before the second header copy.
func (l *layout) end() int {
	n := Sector
	if len(l.groups) > 0 {
		n = l.groups[len(l.groups)-1].to
	}
	if l.ended != nil {
		n = l.ended.to
	}
	return n
}

// same tells whether a part is as it was written.
func (l *layout) same(s span, now []byte) bool {
	return len(now) >= s.to && bytes.Equal(l.data[s.from:s.to], now[s.from:s.to])
}

// readable tells whether one copy of the header is left.
func (l *layout) readable(now []byte) bool {
	n := len(l.data)
	return l.same(span{0, Sector}, now) || l.same(span{n - Sector, n}, now)
}

// after tells whether a frame from offset at on is as it was written.
func (l *layout) after(at int, now []byte) bool {
	for _, g := range l.groups {
		for _, f := range g.frames {
			if f.from >= at && l.same(f, now) {
				return true
			}
		}
	}
	return l.ended != nil && l.ended.from >= at && l.same(*l.ended, now)
}

// unmarked tells whether all is as it was written but for promises and the end
// frame, of which some may still be zeros. That is what a cut before they were
// written leaves.
func (l *layout) unmarked(now []byte) bool {
	if len(now) != len(l.data) {
		return false
	}
	records := Sector
	for _, g := range l.groups {
		if g.first <= g.last {
			records = g.to
		}
	}
	if !l.same(span{0, records}, now) || !l.same(span{l.end(), len(l.data)}, now) {
		return false
	}
	marks := []span{}
	for _, g := range l.groups {
		if g.from >= records {
			marks = append(marks, g.span)
		}
	}
	if l.ended != nil {
		marks = append(marks, *l.ended)
	}
	for _, m := range marks {
		if !l.same(m, now) && len(bytes.TrimLeft(now[m.from:m.to], "\x00")) > 0 {
			return false
		}
	}
	return true
}

// verdict is what must be found.
type verdict struct {
	records uint64 // delivered
	missing bool   // others were written
	proof   bool   // and something on the disk shows that
	quiet   bool   // only the mark of an end is missing, as if not yet written
}

// expected tells what must be found where segments hold other bytes than were
// written.
func expected(logs []layout, now func(name string) []byte) verdict {
	v := verdict{quiet: true}
	for i := range logs {
		l := &logs[i]
		b := now(l.name)
		v.quiet = v.quiet && l.unmarked(b)
		if v.missing {
			v.proof = v.proof || l.readable(b) || l.after(0, b)
			continue
		}
		if !l.readable(b) {
			v.missing, v.proof = true, l.after(0, b)
			continue
		}
		for _, g := range l.groups {
			if g.last < g.first {
				continue
			}
			if !l.same(g.span, b) {
				v.missing, v.proof = true, l.after(g.to, b)
				break
			}
			v.records = g.last
		}
	}
	return v
}

// hold compares what was found with what must be. Strict is for the change of
// a single bit or sector: it finds no damage where nothing proves it, and the
// end of a journal never looks as if nothing had been written there.
func (v verdict) hold(rec *journal.Recovery, strict bool) error {
	n, o := rec.Head.N, rec.Outcome
	switch {
	case n != v.records:
		return explained(rec, "%d records are delivered and not %d", n, v.records)
	case !v.missing && !v.quiet && o == journal.Clean && rec.Warnings == 0:
		return explained(rec, "passed over in silence")
	case !v.missing && o != journal.Clean && o != journal.TornTail && (strict || o != journal.Damaged):
		return explained(rec, "%s, although nothing is missing", o)
	case v.missing && v.proof && o != journal.Damaged:
		return explained(rec, "%s, although something proves that record %d is missing", o, n+1)
	case v.missing && !v.proof && strict && o != journal.TornTail:
		return explained(rec, "%s, although record %d is missing and nothing but what is left of its group tells", o, n+1)
	}
	return nil
}
