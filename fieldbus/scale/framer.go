// Framer: frames out of what is heard, with noise, halves and other things between them, in bounded memory.

package scale

import "bytes"

// bufferSize is how much of what is heard is kept. More than two frames, so that one is never cut by the end of it.
const bufferSize = 1024

// said is one thing that an instrument has said.
type said struct {
	debt  int   // what it answers, if it was asked
	why   conds // in place of a weight: why; else none
	plain bool  // it is a weight
	done  bool  // it confirms an order
	frame frame // valid until more is heard
}

// What a question is about, beside the orders, which have orders+i.
const (
	weight = iota
	whom
	orders
)

// framer finds frames.
type framer struct {
	format *Format
	buf    [bufferSize]byte
	from   int // what was looked at lies before it
	to     int
	seen   int  // bytes from from on in which no end is
	skip   bool // what comes up to the next end was begun too soon, or is cut
	strays int  // bytes that were no part of a frame
}

// reset forgets what was heard. Where a frame may be under way, the rest of it is yet to come.
func (r *framer) reset(underWay bool) {
	r.from, r.to, r.seen, r.skip = 0, 0, 0, underWay
}

// cut has no frame count that was begun before now. Lost tells that bytes may be missing between what was heard and what comes.
func (r *framer) cut(lost bool) {
	if r.format.start != nil {
		r.strays += r.to - r.from
		r.from = r.to
		return
	}
	r.skip = r.skip || lost || r.to > r.from
}

// room gives where to put what is heard next. There is always some.
func (r *framer) room() []byte {
	if r.from > 0 {
		copy(r.buf[:], r.buf[r.from:r.to])
		r.from, r.to = 0, r.to-r.from
	}
	if r.to == len(r.buf) { // nobody talks so long
		keep := len(r.format.end)
		r.strays += r.to - keep
		copy(r.buf[:], r.buf[r.to-keep:r.to])
		r.to, r.seen, r.skip = keep, 0, true
	}
	return r.buf[r.to:]
}

// heard takes in n bytes that were put into room.
func (r *framer) heard(n int) { r.to += n }

// next gives the next thing that was said; false: more must be heard.
func (r *framer) next(s *said) bool {
	if r.format.start != nil {
		return r.marked(s)
	}
	for {
		b := r.buf[r.from:r.to]
		end := r.format.end
		at := bytes.Index(b[r.seen:], end)
		if at < 0 {
			r.seen = max(0, len(b)-len(end)+1)
			return false
		}
		n := r.seen + at + len(end)
		r.from, r.seen = r.from+n, 0
		skip := r.skip
		if r.skip = false; skip || n > r.format.most {
			r.strays += n
			continue
		}
		if k, v := r.format.look(b[:n], s); v == whole && k == n {
			return true
		}
		r.strays += n
	}
}

// marked finds a frame by the mark that it begins with.
func (r *framer) marked(s *said) bool {
	for {
		b := r.buf[r.from:r.to]
		at := bytes.IndexByte(b, r.format.start[0])
		if at < 0 {
			r.strays += len(b)
			r.from = r.to
			return false
		}
		r.from, r.strays = r.from+at, r.strays+at
		n, v := r.format.look(b[at:], s)
		switch v {
		case whole:
			r.from += n
			return true
		case more:
			return false
		}
		r.from++
		r.strays++
	}
}

// look tells what bytes begin with, and fills s where it is something that the instrument says.
func (f *Format) look(b []byte, s *said) (n int, v verdict) {
	*s = said{why: numConds}
	some := none
	try := func(t *template) bool {
		if t == nil {
			return false
		}
		if n, v = t.match(b, &s.frame); v == more {
			some = more
		}
		return v == whole
	}
	if try(f.frame) && f.sound(&s.frame) {
		s.debt, s.plain = weight, true
		return n, whole
	}
	if some == more && f.start != nil {
		return 0, more // a shorter thing may look like the beginning of a weight
	}
	for i := range f.instead {
		if try(f.instead[i].frame) {
			s.debt, s.why = weight, f.instead[i].why
			return n, whole
		}
	}
	for i := range f.commands {
		c := &f.commands[i]
		if s.done = try(c.done); s.done || try(c.refused) {
			s.debt = orders + i
			return n, whole
		}
	}
	if try(f.identity) {
		s.debt = whom
		return n, whole
	}
	return 0, some
}
