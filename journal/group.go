// Reading groups: events, then the commit frame that proves them.

package journal

// advance delivers the groups that follow in the current segment, of which b
// is the part to read, and moves Head and Offset over them.
func (r *reader) advance(b []byte) (stop, error) {
	sum := saltSum(r.cur.salt)
	for {
		at := int(r.rec.Offset)
		size, how := r.group(b[at:], sum)
		if size == 0 {
			return how, nil
		}
		if err := r.deliver(b[at:]); err != nil {
			return how, err
		}
		r.rec.Offset += int64(size)
		r.rec.groups++
	}
}

// group verifies the group at the start of b. It returns its size and leaves
// the chain after each of its records in r.links, or returns 0 and why.
func (r *reader) group(b []byte, sum uint32) (int, stop) {
	r.links = r.links[:0]
	c := r.rec.Head
	for at := 0; ; {
		f, ok := decodeFrame(b[at:], sum)
		switch {
		case !ok && used(b) == 0:
			return 0, stopNone
		case !ok:
			return 0, stopBroken
		case at == 0 && isEnd(b, sum, uint64(r.rec.groups), c):
			return 0, stopEnd
		case int(f.rel) != at:
			return 0, stopMisfit
		}
		at += f.size()
		switch f.kind {
		case kindEvent:
			if f.seq != c.N+1 {
				return 0, stopMisfit
			}
			c.Add(f.body)
			r.links = append(r.links, c)
		case kindCommit:
			want := commit{first: r.rec.Head.N + 1, last: c.N, group: uint64(r.rec.groups) + 1, link: c.Link}
			got := f.commit()
			want.durable = min(got.durable, r.rec.Head.N)
			if got != want || f.seq != c.N || at != groupSize(at-f.size()) {
				return 0, stopMisfit
			}
			return at, stopNone
		default:
			return 0, stopMisfit
		}
	}
}

// deliver hands out the records of the group at the start of b, verified by
// group just before.
func (r *reader) deliver(b []byte) error {
	for _, c := range r.links {
		body, size := openFrame(b)
		if err := r.passes(c, body); err != nil {
			return err
		}
		if r.fn != nil {
			if err := r.fn(c.N, body, c); err != nil {
				return err
			}
		}
		r.rec.Head = c
		r.compare()
		b = b[size:]
	}
	return nil
}

// isEnd tells whether b starts with the end frame of a segment that has this
// many groups and this head.
func isEnd(b []byte, sum uint32, groups uint64, c Chain) bool {
	f, ok := decodeFrame(b, sum)
	return ok && f.kind == kindEnd && f.rel == 0 && string(b[:f.size()]) == string(endFrame(sum, groups, c))
}

// endFrame returns the end frame of such a segment.
func endFrame(sum uint32, groups uint64, c Chain) []byte {
	b := appendEnd(make([]byte, 0, endSize), groups, c)
	seal(b, sum, 0)
	return b
}
