// Runs of scans in input blocks of form 3.
//
// Every row of tags that has come as a scan, told by samples, is known from then on, with when it came last and the distance at which
// it comes: 100 ms at first, and the measured one when it is told by samples again; 8 rows at most, the one that came longest ago makes
// room. The row that is due first is expected; those that are overdue by more than two distances are due last. A scan of a known row, all
// GOOD, of age 0 and in the forms before, is part of a run:
//
//	0x02  a run: one byte, how many scans, 1 to 255; then their bits, first the highest of a byte, filled up with 0 to a whole byte
//
// Of each scan:
//
//	1  the expected row has come when it was due, and no value differs from what its tag had before
//	0  then: how many rows were due before it (unary: so many 1 and a 0);
//	   how much later it came than it was due, in 0.1 ms, zigzag (unary, 15 at most), or else sixteen 1 and the distance in ns,
//	   which is the row's from now on (6 bits, how many bits less one, and those bits but the first);
//	   0 and for each tag the zigzag difference D to its value before, or
//	   1 and how many differ, and for each of them how many before it do not (both Elias gamma of the number and 1), and D-1
//
// D, and D-1, is written by the Rice code whose parameter k fits what the tag's differences were lately: D>>k unary and the low k bits;
// from eight 1 on there follow 6 bits, how many bits D has less one, and those bits but the first. Per tag M is 0 at first (1<<18 for a
// float32, 1<<47 for a float64), k the number of bits of M*11/64, and each D written makes M to M - M/4 + min(D, 1<<56).

package batch

import (
	"math/bits"
	"slices"

	"github.com/batchkit/batchkit/iomap/tag"
)

const (
	runHead  = 0x02
	maxRun   = 255         // scans of a run
	maxRows  = 8           // rows that are known
	firstRow = 100_000_000 // ns, distance at first
	lateUnit = 100_000     // ns
	maxLate  = 15          // zigzag
	maxUnary = 8           // of a difference
	maxMean  = 1 << 56
)

// row is a row of tags that comes as a scan again and again.
type row struct {
	tags []tag.ID
	last int64 // when it came last
	step int64 // distance, ns
}

// runs is what is known of rows.
type runs struct {
	rows []row
}

func newRuns() runs {
	r := runs{rows: make([]row, maxRows)}
	for i := range r.rows {
		r.rows[i].tags = make([]tag.ID, 0, maxScan)
	}
	r.rows = r.rows[:0]
	return r
}

func (r *runs) clear() { r.rows = r.rows[:0] }

// find returns the place of a row, or -1.
func (r *runs) find(tags []tag.ID) int {
	for i := range r.rows {
		if slices.Equal(r.rows[i].tags, tags) {
			return i
		}
	}
	return -1
}

// learn takes in a scan that was told by samples.
func (r *runs) learn(at int64, tags []tag.ID) {
	if i := r.find(tags); i >= 0 {
		g := &r.rows[i]
		if at > g.last {
			g.step, g.last = at-g.last, at
		}
		return
	}
	i := len(r.rows)
	if i < maxRows {
		r.rows = r.rows[:i+1]
	} else {
		i = 0
		for j := range r.rows {
			if r.rows[j].last < r.rows[i].last {
				i = j
			}
		}
	}
	r.rows[i] = row{tags: append(r.rows[i].tags[:0], tags...), last: at, step: firstRow}
}

// before tells whether row i is due before row j at a time.
func (r *runs) before(now int64, i, j int) bool {
	a, b := &r.rows[i], &r.rows[j]
	lateA, lateB := a.overdue(now), b.overdue(now)
	switch dueA, dueB := a.last+a.step, b.last+b.step; {
	case lateA != lateB:
		return lateB
	case dueA != dueB:
		return dueA < dueB
	}
	return i < j
}

func (g *row) overdue(now int64) bool { return (now-g.last)/3 > g.step }

// rank is how many rows are due before row i.
func (r *runs) rank(now int64, i int) (n uint64) {
	for j := range r.rows {
		if j != i && r.before(now, j, i) {
			n++
		}
	}
	return n
}

// ranked is the row before which so many are due, or -1.
func (r *runs) ranked(now int64, rank uint64) int {
	for i := range r.rows {
		if r.rank(now, i) == rank {
			return i
		}
	}
	return -1
}

// rice is the parameter of a tag's code.
func (s *sample) rice() uint { return uint(bits.Len64(s.spread() * 11 / 64)) }

func (s *sample) spread() uint64 {
	if s.mean == 0 {
		switch s.form {
		case tag.Float32:
			return 1 << 18
		case tag.Float64:
			return 1 << 47
		}
	}
	return s.mean
}

func (s *sample) moved(d uint64) {
	m := s.spread()
	s.mean = m - m/4 + min(d, maxMean)
}

// costOf is how many bits a number takes.
func costOf(d uint64, k uint) uint {
	if q := d >> k; q < maxUnary {
		return uint(q) + 1 + k
	}
	return maxUnary + 6 + uint(bits.Len64(d)) - 1
}

func gammaCost(n uint64) uint { return 2*uint(bits.Len64(n+1)) - 1 }

// endOfRuns packs the scan that has come to its end, in form 3.
func (b *Block) endOfRuns() {
	b.before = b.before[:0]
	told := !b.part && b.ahead > 0
	for i := range b.scan {
		s := &b.scan[i]
		told = told && !s.new && !s.bad && s.age == 0
		b.before = append(b.before, s.tag)
	}
	if told {
		if i := b.runs.find(b.before); i >= 0 {
			b.inRun(i)
			b.scan, b.ahead = b.scan[:0], 0
			return
		}
	}
	whole := !b.part
	b.plain()
	if b.part = false; whole {
		b.runs.learn(b.mono, b.before)
	}
}

// inRun packs the scan as one of row i.
func (b *Block) inRun(i int) {
	if b.run > 0 && b.buf[b.run] == maxRun {
		b.endRun()
	}
	if b.run == 0 {
		b.buf = append(b.buf, runHead, 0)
		b.run = len(b.buf) - 1
	}
	b.buf[b.run]++
	g, was := &b.runs.rows[i], b.mono-int64(b.ahead)
	rank, late := b.runs.rank(was, i), b.mono-g.last-g.step
	dense, sparse, diffs, gap := uint(0), uint(0), uint64(0), uint64(0)
	for j := range b.scan {
		s := &b.scan[j]
		k := b.seen[s.tag].rice()
		dense += costOf(s.diff, k)
		if gap++; s.diff != 0 {
			sparse += gammaCost(gap-1) + costOf(s.diff-1, k)
			diffs, gap = diffs+1, 0
		}
	}
	g.last = b.mono
	if rank == 0 && late == 0 && diffs == 0 {
		b.put(1, 1)
		return
	}
	b.put(0, 1)
	b.unary(rank)
	if z := zigzag(late / lateUnit); late%lateUnit == 0 && z <= maxLate {
		b.unary(z)
	} else {
		g.step += late
		b.put(1<<(maxLate+1)-1, maxLate+1)
		b.long(uint64(g.step))
	}
	if sparse += gammaCost(diffs); sparse >= dense {
		b.put(0, 1)
		for j := range b.scan {
			b.difference(&b.scan[j], 0)
		}
		return
	}
	b.put(1, 1)
	b.gamma(diffs)
	gap = 0
	for j := range b.scan {
		if b.scan[j].diff == 0 {
			gap++
			continue
		}
		b.gamma(gap)
		b.difference(&b.scan[j], 1)
		gap = 0
	}
}

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

// difference writes the difference of a value, less so much.
func (b *Block) difference(p *packed, less uint64) {
	s, d := &b.seen[p.tag], p.diff-less
	k := s.rice()
	if q := d >> k; q < maxUnary {
		b.unary(q)
		b.put(d&(1<<k-1), k)
	} else {
		b.put(1<<maxUnary-1, maxUnary)
		b.long(d)
	}
	s.moved(d)
}

func (b *Block) unary(n uint64) { b.put((1<<n-1)<<1, uint(n)+1) } // 31 at most

// long writes a number above 0.
func (b *Block) long(v uint64) {
	n := uint(bits.Len64(v)) - 1
	b.put(uint64(n), 6)
	b.put(v&(1<<n-1), n)
}

func (b *Block) gamma(v uint64) {
	n := uint(bits.Len64(v + 1))
	b.put(0, n-1)
	b.put(v+1, n)
}

// put writes the low bits of a number.
func (b *Block) put(v uint64, n uint) {
	if n > 32 {
		b.put(v>>32, n-32)
		v, n = v&0xFFFF_FFFF, 32
	}
	b.acc, b.accs = b.acc<<n|v, b.accs+n
	for b.accs >= 8 {
		b.accs -= 8
		b.buf = append(b.buf, byte(b.acc>>b.accs))
	}
	b.acc &= 1<<b.accs - 1
}

// endRun ends the run that is being written.
func (b *Block) endRun() {
	if b.run > 0 && b.accs > 0 {
		b.put(0, 8-b.accs)
	}
	b.run = 0
}

// endScan takes in a scan of samples that has come to its end.
func (u *unpacker) endScan() {
	if u.form == BlockForm && !u.fresh && len(u.scan) <= maxScan {
		u.runs.learn(u.mono, u.scan)
	}
}

// readRun unpacks a run.
func (u *unpacker) readRun(head, last byte) error {
	n := u.byte()
	if head != runHead || n == 0 || last == runHead && u.full != maxRun {
		return errBlock // a run behind a run that had room for it
	}
	u.full = n
	u.endScan()
	u.fresh = true
	r := bitReader{data: u.data}
	for ; n > 0; n-- {
		if err := u.runScan(&r); err != nil {
			return err
		}
	}
	if r.left != 0 && r.rest() != 0 {
		return errBlock
	}
	u.data = r.data
	return nil
}

// runScan unpacks one scan of a run.
func (u *unpacker) runScan(r *bitReader) error {
	same := r.bits(1) == 1
	rank, late := uint64(0), uint64(0)
	if !same {
		rank = r.unary(maxRows)
	}
	i := u.runs.ranked(u.mono, rank)
	if i < 0 {
		return errBlock
	}
	g := &u.runs.rows[i]
	at := g.last + g.step
	if !same {
		if late = r.unary(maxLate + 1); late <= maxLate {
			at += int64(unzigzag(late)) * lateUnit
		} else if step := r.long(); step == 0 || step > uint64(maxMono-g.last) {
			return errBlock
		} else if z := int64(step) - g.step; z%lateUnit == 0 && zigzag(z/lateUnit) <= maxLate {
			return errBlock // it could be told by how late it is
		} else {
			g.step = int64(step)
			at = g.last + g.step
		}
	}
	if u.scans += len(g.tags); r.bad || at <= u.mono || at > maxMono || u.scans > BlockEvents {
		return errBlock
	}
	u.mono, g.last = at, at
	sparse := same || r.bits(1) == 1
	diffs, gap := uint64(0), uint64(maxScan)
	next := func() {
		if gap = maxScan; diffs > 0 {
			gap = min(r.gamma(), maxScan)
		}
	}
	if sparse && !same {
		if diffs = r.gamma(); diffs > uint64(len(g.tags)) {
			return errBlock
		}
		if diffs == 0 && rank == 0 && late == 0 {
			return errBlock // it is one bit
		}
		next()
	}
	for _, id := range g.tags {
		s := &u.seen[id]
		switch {
		case !sparse:
			s.bits += unzigzag(r.difference(s))
		case gap == 0:
			s.bits += unzigzag(r.difference(s) + 1)
			diffs--
			next()
		default:
			gap--
		}
		if r.bad {
			return errBlock
		}
		if err := u.fn(u.mono, &Event{Kind: Sample, Tag: id, Form: s.form, Bits: s.bits, Quality: tag.Good}); err != nil {
			return err
		}
	}
	if diffs > 0 {
		return errBlock
	}
	return nil
}

// bitReader takes bits off a block; after the first that is not there, bad is set and all are 0.
type bitReader struct {
	data []byte
	byte byte
	left uint // bits of byte that were not taken
	bad  bool
}

func (r *bitReader) bits(n uint) (v uint64) {
	for n > 0 {
		if r.left == 0 {
			if len(r.data) == 0 {
				r.bad = true
				return 0
			}
			r.byte, r.data, r.left = r.data[0], r.data[1:], 8
		}
		take := min(n, r.left)
		r.left -= take
		v = v<<take | uint64(r.byte>>r.left)&(1<<take-1)
		n -= take
	}
	return v
}

// rest are the bits that were not taken of the byte.
func (r *bitReader) rest() byte { return r.byte & (1<<r.left - 1) }

// unary counts 1 up to the next 0, or to a limit, behind which no 0 stands.
func (r *bitReader) unary(limit uint64) (n uint64) {
	for n < limit && r.bits(1) == 1 {
		n++
	}
	return n
}

func (r *bitReader) long() uint64 {
	n := uint(r.bits(6))
	return 1<<n | r.bits(n)
}

func (r *bitReader) gamma() uint64 {
	n := uint(0)
	for n < 32 && !r.bad && r.bits(1) == 0 {
		n++
	}
	return (1<<n | r.bits(n)) - 1
}

func (r *bitReader) difference(s *sample) uint64 {
	k := s.rice()
	d := r.unary(maxUnary)
	if d < maxUnary {
		d = d<<k | r.bits(k)
	} else if d = r.long(); d>>k < maxUnary {
		r.bad = true // it could be told in the short way
	}
	s.moved(d)
	return d
}
