// Holding what the disk has against what the anchor knows.

package journal

// compare holds the link of the record that was read against the anchor's.
func (r *reader) compare() {
	m := r.rec.memory
	if m == nil || r.parts != 0 || r.rec.Head.N < m.from {
		return
	}
	if link, ok := m.links[r.rec.Head.N]; ok && link != r.rec.Head.Link {
		r.parts = r.rec.Head.N
	}
}

// hold judges what was read by the anchor, and delivers what only its ring has.
func (r *reader) hold() error {
	rec, m := &r.rec, r.rec.memory
	rec.disk = rec.Head
	if m == nil {
		return nil
	}
	if rec.JournalID != "" && rec.JournalID != m.id {
		rec.step("anchor=none: its slot is that of journal %q, this is %q", m.id, rec.JournalID)
		return nil
	}
	rec.Anchor = m.reported()
	r.tell(m)
	if rec.Outcome == Damaged || rec.Outcome == Foreign {
		return nil
	}
	at := m.mark.at.N
	switch {
	case rec.Outcome == None && m.last() == 0: // what there was held no record
	case rec.Outcome == None:
		rec.conclude(TailLost, "there is no journal, and the anchor knows records up to %d of it: the disk was emptied or is another one",
			m.last())
	case m.headed() && at > rec.Head.N:
		rec.conclude(TailLost, "the disk ends with record %d, and had acknowledged record %d by the anchor: "+
			"its end was cut off, or an older copy put back", rec.Head.N, at)
	case m.headed() && (m.mark.epoch > rec.Epoch || m.mark.segment > rec.Segment):
		rec.conclude(TailLost, "the disk ends in segment %d, epoch %d, and by the anchor segment %d of epoch %d was begun: "+
			"an older copy was put back", rec.Segment, rec.Epoch, m.mark.segment, m.mark.epoch)
	case r.parts != 0:
		r.rewritten(r.parts)
	default:
		return r.follow(m)
	}
	return nil
}

func (r *reader) rewritten(n uint64) {
	r.rec.conclude(Rewritten, "record %d has another link than the anchor knows: it, or one before it, was written anew", n)
	r.rec.Missing = n
}

// tell puts into words what the anchor holds.
func (r *reader) tell(m *memory) {
	for _, note := range m.notes {
		r.rec.warn("%s", note)
	}
	r.rec.Accepted = m.last()
	switch m.state {
	case AnchorNew:
		r.rec.step("anchor=%s: its slot is blank, the journal was not anchored before or the chip is another one", r.rec.Anchor)
	case AnchorForeign, AnchorUnreadable:
		r.rec.step("anchor=%s: no head of this journal in it, %d records in its ring", r.rec.Anchor, len(m.records))
	default:
		r.rec.step("anchor=%s: head %d in epoch %d, closed %t, and %d records behind it in its ring",
			r.rec.Anchor, m.mark.at.N, m.mark.epoch, m.mark.flags&flagClean != 0, len(m.records))
	}
	if m.standIn {
		r.rec.step("the anchor is a file that stands in for a chip: it proves nothing")
	}
}

// last is the last record that the anchor knows Append to have taken.
func (m *memory) last() uint64 {
	last := max(m.mark.at.N, m.mark.accepted)
	if n := len(m.records); n > 0 {
		last = max(last, m.records[n-1].seq)
	}
	return last
}

// follow delivers the records of the ring that follow the disk's end.
func (r *reader) follow(m *memory) error {
	rec := &r.rec
	for _, one := range m.records {
		c := rec.Head
		if one.seq <= c.N {
			continue // held against the disk already
		}
		if one.seq != c.N+1 {
			rec.conclude(TailLost, "the anchor's ring holds record %d, and record %d is neither there nor on the disk", one.seq, c.N+1)
			return nil
		}
		if c.Add(one.body); c.Link != one.link {
			r.rewritten(one.seq)
			return nil
		}
		if r.fn != nil {
			if err := r.fn(c.N, one.body, c); err != nil {
				return err
			}
		}
		rec.Head = c
		rec.Ringed++
		rec.ringed = append(rec.ringed, one)
	}
	if rec.Ringed > 0 {
		rec.step("records %d to %d are in the anchor's ring only; they were acknowledged", rec.disk.N+1, rec.Head.N)
	}
	epoch := rec.Epoch
	if m.headed() {
		epoch = m.mark.epoch
	}
	if next := rec.Head.N + 1; bears(m.ring, ringSum(m.id, epoch), next) {
		rec.conclude(TailLost, "record %d was whole in the anchor's ring, cells of it are damaged, and the disk does not have it", next)
	}
	return nil
}
