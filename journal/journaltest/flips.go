// Damage: every bit, every sector, every segment of a log.

package journaltest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/journal"
)

// Flips changes what journals left on a disk - every bit in use, every sector,
// every segment - and returns an error for every change that Scan passes over,
// calls by a wrong name, or delivers a wrong byte of. It makes no use of
// opt.Wrap: what breaks is what the storage reads.
func Flips(opt Options) (Report, error) {
	r := newRun(opt)
	for _, s := range r.samples() {
		r.bits(s)
		r.sectors(s)
		r.holes(s)
		r.moves(s)
	}
	return r.result()
}

// sample is a journal that is to be damaged.
type sample struct {
	title string
	d     *Disk
	h     *history
	logs  []layout
	every int // outside the parts where every bit is flipped, every so-manyth is
	edge  int // so many bytes before the end of use are such a part; 0 for all
}

// frozen is a disk for many scans: it shows other bytes and copies none.
type frozen struct {
	*Disk
	files map[string][]byte
}

// Read is part of [journal.Storage].
func (f frozen) Read(name string, most int, _ []byte) ([]byte, error) {
	b := f.files[name]
	return b[:min(most, len(b))], nil
}

// samples makes the journals.
func (r *run) samples() []*sample {
	scale := 1
	if r.opt.Long {
		scale = 10
	}
	first := [][]int{{20 * scale, 33 * scale}, {1, 300 * scale, 8}}
	second := [][]int{{100 * scale}, {15, 16 * scale, 17}, {64 * scale, 9, 101}}
	var all []*sample
	for _, c := range []struct {
		title  string
		epochs [][][]int
		closed bool
		every  int
		edge   int
	}{
		{"cut off", [][][]int{first, second}, false, 1009, 0},
		{"closed", [][][]int{first, second}, true, 1009, 0},
		{"full", [][][]int{{{30000, 30000}, {30000}, {30000, 20000}, {40000}}}, true, 2003, 160},
	} {
		s, err := r.sample(c.epochs, c.closed)
		if err != nil {
			r.fail(c.title, err)
			return nil
		}
		s.title, s.every, s.edge = c.title, c.every, c.edge
		all = append(all, s)
	}
	return all
}

// sample writes the groups of each epoch; the last one is closed or not.
func (r *run) sample(epochs [][][]int, closed bool) (*sample, error) {
	p := &process{d: NewDisk(), wrap: r.opt.Wrap, h: &history{ends: map[uint64]int{}}}
	for i, groups := range epochs {
		if _, err := p.start(); err != nil {
			return nil, err
		}
		for _, g := range groups {
			if err := p.group(g); err != nil {
				return nil, err
			}
		}
		if closed || i < len(epochs)-1 {
			if err := p.close(); err != nil {
				return nil, err
			}
		}
	}
	s := &sample{d: p.d.snapshot(), h: p.h}
	s.d.flushes = p.d.flushes
	next := uint64(1)
	for n := 1; s.d.find(segmentPath(n)) != nil; n++ {
		l := lay(segmentPath(n), s.d.Content(segmentPath(n)), next)
		s.logs = append(s.logs, l)
		if k := len(l.groups); k > 0 {
			next = l.groups[k-1].last + 1
		}
	}
	if next-1 != p.h.appended() {
		return nil, fmt.Errorf("%d records were appended, %d lie in the segments", p.h.appended(), next-1)
	}
	return s, nil
}

// image returns storage that shows the sample, and its files.
func (s *sample) image() frozen {
	f := frozen{s.d.Copy(), map[string][]byte{}}
	for i := range s.logs {
		f.files[s.logs[i].name] = s.logs[i].data
	}
	return f
}

// damaged tries one change, which must be noticed.
func (r *run) damaged(name func() string, s *sample, f frozen, strict bool) bool {
	before := r.ran
	r.try(name, func() error {
		return r.verify(s, f, expected(s.logs, func(n string) []byte { return f.files[n] }), strict)
	})
	return r.ran > before
}

// verify scans the image and holds what is found against the verdict.
func (r *run) verify(s *sample, f frozen, v verdict, strict bool) error {
	rec, err := r.scanOn(f, claim{h: s.h, appended: s.h.appended()})
	if err != nil {
		return err
	}
	kind := "damage "
	if strict {
		kind = "flip "
	}
	r.report.Outcomes[kind+rec.Outcome.String()]++
	return v.hold(rec, strict)
}

// bits flips one bit at a time.
func (r *run) bits(s *sample) {
	f := s.image()
	for i := range s.logs {
		l := &s.logs[i]
		b := bytes.Clone(l.data)
		f.files[l.name] = b
		edge := l.end() - s.edge
		if s.edge == 0 {
			edge = 0
		}
		for bit := range 8 * len(b) {
			at := bit / 8
			if (at < edge || at >= l.end()+64) && (at < len(b)-Sector || s.edge > 0) && bit%s.every != 0 {
				continue
			}
			if r.full() {
				return
			}
			b[at] ^= 1 << (bit % 8)
			if r.damaged(func() string { return fmt.Sprintf("flip %s %s byte %d bit %d", s.title, l.name, at, bit%8) }, s, f, true) {
				r.report.Flips++
			}
			b[at] ^= 1 << (bit % 8)
		}
		f.files[l.name] = l.data
	}
}

// inUse returns the sectors that hold something, the second header included.
func (l *layout) inUse() []int {
	var all []int
	for i := range (l.end() + Sector - 1) / Sector {
		all = append(all, i)
	}
	return append(all, len(l.data)/Sector-1)
}

// sectors zeroes sectors, swaps them, and puts back what was there before.
func (r *run) sectors(s *sample) {
	for i := range s.logs {
		l := &s.logs[i]
		use := l.inUse()
		if s.edge > 0 && !r.opt.Long { // the log is large
			use = slices.Concat(use[:4], use[len(use)-5:])
		}
		for _, a := range use {
			r.sector(s, l, fmt.Sprintf("sector %d zeroed", a), true, func(b []byte) { clear(b[a*Sector:][:Sector]) })
			for _, c := range use {
				if c <= a {
					continue
				}
				r.sector(s, l, fmt.Sprintf("sectors %d and %d swapped", a, c), false, func(b []byte) {
					copy(b[a*Sector:], l.data[c*Sector:][:Sector])
					copy(b[c*Sector:], l.data[a*Sector:][:Sector])
				})
			}
			for v, u := range s.d.log {
				if u.name == l.name && u.index == a {
					r.sector(s, l, fmt.Sprintf("sector %d as before write %d", a, v), false, func(b []byte) {
						copy(b[a*Sector:], u.old.bytes())
					})
				}
			}
		}
	}
}

// sector tries one change of one segment, if it is one.
func (r *run) sector(s *sample, l *layout, what string, strict bool, change func(b []byte)) {
	b := bytes.Clone(l.data)
	change(b)
	if bytes.Equal(b, l.data) || r.full() {
		return
	}
	f := s.image()
	f.files[l.name] = b
	if r.damaged(func() string { return fmt.Sprintf("%s %s: %s", s.title, l.name, what) }, s, f, strict) {
		r.report.Faults++
	}
}

// holes takes back the last sectors of one flush, later ones standing.
func (r *run) holes(s *sample) {
	from := 0
	for i, to := range s.d.flushes {
		for k := 1; k <= min(64, to-from); k++ {
			f := s.image()
			changed := false
			for _, u := range slices.Backward(s.d.log[to-k : to]) {
				b := f.files[u.name]
				if at := u.index * Sector; b != nil && u.new != nil && bytes.Equal(b[at:][:Sector], u.new.bytes()) {
					b = bytes.Clone(b)
					copy(b[at:], u.old.bytes())
					f.files[u.name], changed = b, true
				}
			}
			if !changed || r.full() {
				continue
			}
			if r.damaged(func() string { return fmt.Sprintf("%s: flush %d without its last %d sectors", s.title, i, k) }, s, f, false) {
				r.report.Faults++
			}
		}
		from = to
	}
}

// moves takes segments away, empties, renames, copies and swaps them.
func (r *run) moves(s *sample) {
	last := len(s.logs)
	behind := segmentPath(last + 1)
	for i := range s.logs {
		l := &s.logs[i]
		before := verdict{records: l.first - 1, missing: true, proof: i < last-1 || i > 0 && s.logs[i-1].ended != nil}
		after := s.logs[(i+1)%last]
		for what, c := range map[string]struct {
			change func(f frozen)
			want   verdict
		}{
			"removed": {func(f frozen) { f.remove(l.name) }, before},
			"emptied": {func(f frozen) { f.show(l.name, nil) }, before},
			"zeroed":  {func(f frozen) { f.show(l.name, make([]byte, len(l.data))) }, before},
			"renamed": {func(f frozen) { f.remove(l.name); f.show(behind, l.data) }, shown(l.first - 1)},
			"copied":  {func(f frozen) { f.show(behind, l.data) }, shown(s.h.appended())},
			"swapped": {func(f frozen) { f.show(l.name, after.data); f.show(after.name, l.data) },
				shown(min(l.first, after.first) - 1)},
		} {
			if r.full() {
				return
			}
			f := s.image()
			c.change(f)
			r.try(func() string { return fmt.Sprintf("%s: %s %s", s.title, l.name, what) }, func() error {
				r.report.Faults++
				if rec, err := journal.Scan(dir, nil, &journal.Options{Storage: f}); err == nil && !c.want.proof &&
					rec.Outcome == journal.Clean && rec.Head.N == c.want.records {
					return nil // the end is missing and nothing can tell
				}
				return r.verify(s, f, c.want, false)
			})
		}
	}
}

// shown is the verdict where something proves that records after n are missing.
func shown(n uint64) verdict { return verdict{records: n, missing: true, proof: true} }

func (f frozen) show(name string, data []byte) {
	f.Put(name, nil)
	f.files[name] = data
}

func (f frozen) remove(name string) {
	f.Lose(name)
	delete(f.files, name)
}
