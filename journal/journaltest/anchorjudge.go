// What must hold for an anchored journal, and what a disk or a chip from another time or place leads to.

package journaltest

import (
	"bytes"
	"fmt"

	"github.com/batchkit/batchkit/journal"
)

// Where the only slot of a chip begins, and how much of it is heads.
const (
	tableBytes = 2 * 1280
	headBytes  = 2 * 256
)

// scanAnchored reads a journal with its anchor and holds every record against the history.
func scanAnchored(d *Disk, cells *Cells, c claim) (*journal.Recovery, error) {
	a, err := slotOf(cells)
	if err != nil {
		return nil, err
	}
	return scanWith(d, a, c)
}

func scanWith(d *Disk, a *journal.Anchor, c claim) (*journal.Recovery, error) {
	n := uint64(0)
	rec, err := journal.Scan(dir, func(seq uint64, b []byte, link journal.Chain) error {
		n++
		if seq != n || n > c.appended || !bytes.Equal(b, c.h.bodies[n-1]) || link != c.h.chains[n-1] {
			return fmt.Errorf("record %d is not the one that was appended as number %d", seq, n)
		}
		return nil
	}, &journal.Options{Storage: d, Anchor: a})
	if err == nil && rec.Head.N != n {
		err = explained(rec, "head is %d, delivered were %d", rec.Head.N, n)
	}
	return rec, err
}

// judgeAnchored checks everything that must hold after a cut. It changes d and cells.
func (r *run) judgeAnchored(kind string, d *Disk, cells *Cells, c claim) error {
	rec, err := scanAnchored(d, cells, c)
	if err != nil {
		return err
	}
	r.report.Outcomes[kind+" "+rec.Outcome.String()]++
	if rec.Ringed > 0 {
		r.report.Outcomes[kind+" with records from the ring"]++
	}
	n := rec.Head.N
	if err := marked(d, cells, c.marks); err != nil {
		return explained(rec, "%v", err)
	}
	switch {
	case rec.Outcome > journal.TornTail:
		return explained(rec, "a cut of power is called %s", rec.Outcome)
	case n < c.acked:
		return explained(rec, "ends with record %d, acknowledged are %d", n, c.acked)
	}
	p := &anchoredProcess{process: process{d: d, h: c.left()}, cells: cells, marks: c.marks}
	again, err := p.start()
	if err != nil {
		return explained(rec, "opening: %v", err)
	}
	if again.Head != rec.Head || again.Outcome != rec.Outcome || again.Ringed != rec.Ringed || again.Warnings != rec.Warnings {
		return explained(again, "scan says %s %d, open %s %d", rec.Outcome, n, again.Outcome, again.Head.N)
	}
	if alone, err := scanWith(d.Cut(Loss{}), nil, claim{h: p.h, appended: n}); err != nil || alone.Head.N != n {
		return explained(again, "after recovery the disk alone has not all: %v", err)
	}
	if err := p.w.Anchored(); err != nil {
		return explained(again, "the anchor was dropped: %v", err)
	}
	if err := p.add(44); err != nil {
		return err
	}
	if err := p.w.Stage(); err != nil {
		return err
	}
	ring := p.h.acked > n
	if len(c.marks) > 0 {
		if err := p.mark(); err != nil {
			return err
		}
	}
	p.d = d.Cut(Loss{})
	if err := marked(p.d, cells, p.marks); err != nil {
		return explained(rec, "after recovery: %v", err)
	}
	last := claim{h: p.h, acked: p.h.acked, appended: n + 1}
	rec, err = scanAnchored(p.d, cells, last)
	if err != nil || rec.Outcome != journal.Clean || rec.Head.N < p.h.acked || ring == (cells.Size() < chipSize) {
		return fmt.Errorf("after recovery and record %d, of which %d are acknowledged: %w", n+1, p.h.acked, explained(rec, "%v", err))
	}
	if _, err := p.start(); err != nil {
		return explained(rec, "opening again: %v", err)
	}
	if err := p.w.Close(); err != nil {
		return err
	}
	rec, err = scanAnchored(p.d, cells, last)
	if err != nil || rec.Outcome != journal.Clean || rec.Head.N < last.acked || rec.Ringed > 0 || rec.Warnings > again.Warnings {
		return fmt.Errorf("closed after recovery: %w", explained(rec, "%v", err))
	}
	return nil
}

// putBack pairs disks and chips of different times.
func (r *run) putBack(title string, p *anchoredProcess, points []anchorPoint) {
	last := points[len(points)-1]
	c := claim{h: p.h, acked: p.h.acked, appended: p.h.appended()}
	final, err := scanAnchored(last.disk.Cut(Loss{}), last.cells, c)
	if err != nil {
		r.fail(title, err)
		return
	}
	r.anew(title, last.cells, final)
	for i, at := range points {
		d := at.disk.Cut(Loss{})
		if sum := mix(d.sum(), 17); r.fresh(sum, uint64(last.call)) {
			r.oldDisk(fmt.Sprintf("%sdisk of %d, chip of the end", title, i), d, last.cells, final, c)
		}
		if len(at.write) > 0 || i == 0 {
			r.oldChip(fmt.Sprintf("%schip of %d, disk of the end", title, i), last.disk, at.cells, c)
		}
		for _, j := range []int{i + 1, i + 2, i + 5, i + 11} {
			// Until the head is written, the chip does not know what the disk has just acknowledged.
			if j < len(points) && !points[j].heading() {
				r.laterChip(fmt.Sprintf("%sdisk of %d, chip of %d", title, i, j), d, points[j])
			}
		}
	}
}

// anew writes the whole journal anew, as long or longer and with other records, and holds it against the chip.
func (r *run) anew(title string, cells *Cells, final *journal.Recovery) {
	for _, more := range []int{0, 1, 3} {
		r.try(func() string { return fmt.Sprintf("%swritten anew, %d more", title, more) }, func() error {
			p := &process{d: NewDisk(), wrap: r.opt.Wrap, h: &history{ends: map[uint64]int{}, writer: 90}}
			for range final.Segment { // as many segments and epochs, so that nothing but links can tell
				if _, err := p.start(); err != nil {
					return err
				}
				if n := p.h.appended(); n < final.Head.N+uint64(more) {
					if err := p.group([]int{40, 40}); err != nil {
						return err
					}
				}
				if err := p.close(); err != nil {
					return err
				}
			}
			if _, err := p.start(); err != nil {
				return err
			}
			for p.h.appended() < final.Head.N+uint64(more) {
				if err := p.group([]int{40}); err != nil {
					return err
				}
			}
			a, err := slotOf(cells.Copy())
			if err != nil {
				return err
			}
			rec, err := journal.Scan(dir, nil, &journal.Options{Storage: p.d, Anchor: a})
			if err != nil {
				return err
			}
			r.report.Faults++
			r.report.Outcomes["written anew "+rec.Outcome.String()]++
			if final.Head.N > 0 && (rec.Outcome != journal.Rewritten || rec.Missing == 0 || rec.Missing > final.Head.N) {
				return explained(rec, "a journal that was written anew is called %s", rec.Outcome)
			}
			return nil
		})
	}
}

// heading tells whether a head is on its way to the chip.
func (p *anchorPoint) heading() bool {
	return len(p.write) > 0 && p.off < tableBytes+headBytes
}

// oldDisk holds a disk of an earlier time against the chip: if anything is missing it is refused.
func (r *run) oldDisk(name string, d *Disk, cells *Cells, final *journal.Recovery, c claim) {
	r.try(func() string { return name }, func() error {
		alone, err := journal.Scan(dir, nil, &journal.Options{Storage: d})
		if err != nil || alone.Outcome > journal.TornTail {
			return fmt.Errorf("the disk alone: %v, %w", alone, err)
		}
		a, err := slotOf(cells.Copy())
		if err != nil {
			return err
		}
		rec, err := journal.Scan(dir, nil, &journal.Options{Storage: d, Anchor: a})
		if err != nil {
			return err
		}
		r.report.Faults++
		r.report.Outcomes[fmt.Sprintf("old disk %s", rec.Outcome)]++
		behind := alone.Head.N < final.Head.N || alone.Epoch < final.Epoch
		if final.Head.N == 0 && alone.Outcome == journal.None {
			behind = false // of a journal that held no record nothing is missing
		}
		refused := rec.Outcome == journal.TailLost || rec.Outcome == journal.Rewritten
		if refused != behind || refused && rec.Missing == 0 {
			return explained(rec, "the disk ends with record %d of %d in epoch %d of %d, and is called %s",
				alone.Head.N, final.Head.N, alone.Epoch, final.Epoch, rec.Outcome)
		}
		if !behind {
			return nil
		}
		before := d.Copy()
		w, _, err := journal.Open(dir, header(), &journal.Options{Storage: d, Segment: segment, Pending: segment, Anchor: a})
		if w != nil || err == nil {
			return explained(rec, "it was opened all the same")
		}
		return d.keeps(before)
	})
}

// laterChip holds a disk against a chip of a later time: what was acknowledged then is there, or it is refused.
func (r *run) laterChip(name string, d *Disk, at anchorPoint) {
	r.try(func() string { return name }, func() error {
		c := claim{h: at.h, acked: at.acked, appended: at.appended}
		rec, err := scanAnchored(d, at.cells.Copy(), c)
		if rec != nil && (rec.Outcome == journal.TailLost || rec.Outcome == journal.Rewritten) && rec.Missing > 0 {
			err = nil
		} else if err == nil && rec.Head.N < at.acked {
			err = explained(rec, "ends with record %d, acknowledged are %d", rec.Head.N, at.acked)
		}
		if err == nil {
			r.report.Faults++
			r.report.Outcomes[fmt.Sprintf("later chip %s", rec.Outcome)]++
		}
		return err
	})
}

// oldChip holds the disk of the end against a chip of an earlier time: that proves less, and is no damage.
func (r *run) oldChip(name string, last *Disk, cells *Cells, c claim) {
	r.try(func() string { return name }, func() error {
		rec, err := scanAnchored(last.Cut(Loss{}), cells.Copy(), c)
		if err == nil && (rec.Outcome > journal.TornTail || rec.Head.N < c.acked) {
			err = explained(rec, "a chip that knows less is taken for proof")
		}
		if err == nil {
			r.report.Faults++
			r.report.Outcomes["old chip "+rec.Outcome.String()]++
		}
		return err
	})
}

// cellsOff damages the cells of a chip whose ring holds what the disk lacks: every bit of heads and ring, both heads, all of it.
func (r *run) cellsOff(title string, points []anchorPoint) {
	var at anchorPoint
	for _, p := range points {
		disk, err := journal.Scan(dir, nil, &journal.Options{Storage: p.disk.Cut(Loss{})})
		if err == nil && p.acked >= disk.Head.N && len(p.write) == 0 {
			at = p // the last of which the ring may hold more than the disk
			if p.acked > disk.Head.N+1 {
				break
			}
		}
	}
	if at.disk == nil {
		return
	}
	c := claim{h: at.h, acked: at.acked, appended: at.appended}
	used := len(bytes.TrimRight(at.cells.data, "\x00"))
	step := 1 + used*8/1000
	if r.opt.Long {
		step = 1 + used*8/40_000
	}
	for bit := 0; bit < used*8; bit += step {
		if r.full() {
			return
		}
		r.damagedCells(fmt.Sprintf("%s%d bit %d", title, at.call, bit), at, c, func(b []byte) { b[bit/8] ^= 1 << (bit % 8) })
		r.report.Flips++
	}
	const heads = tableBytes
	for what, change := range map[string]func(b []byte){
		"both heads bad":   func(b []byte) { clear(b[heads+8 : heads+100]); clear(b[heads+256+8 : heads+256+100]) },
		"both heads blank": func(b []byte) { clear(b[heads : heads+headBytes]) },
		"heads swapped": func(b []byte) {
			one := bytes.Clone(b[heads : heads+256])
			copy(b[heads:], b[heads+256:heads+headBytes])
			copy(b[heads+256:], one)
		},
		"one table bad": func(b []byte) { clear(b[:1280]) },
	} {
		r.damagedCells(fmt.Sprintf("%s%d %s", title, at.call, what), at, c, change)
	}
	r.otherChip(title, at, c)
}

// damagedCells changes cells: each record is there, or the outcome names what is missing.
func (r *run) damagedCells(name string, at anchorPoint, c claim, change func(b []byte)) {
	r.try(func() string { return name }, func() error {
		cells := at.cells.Copy()
		change(cells.data)
		rec, err := scanAnchored(at.disk.Cut(Loss{}), cells, c)
		if err != nil {
			return err
		}
		r.report.Faults++
		r.report.Outcomes["cells "+rec.Outcome.String()]++
		named := rec.Outcome == journal.TailLost && rec.Missing == rec.Head.N+1
		if !named && (rec.Outcome > journal.TornTail || rec.Head.N < c.acked) {
			return explained(rec, "%s with record %d, acknowledged are %d", rec.Outcome, rec.Head.N, c.acked)
		}
		return nil
	})
}

// otherChip gives the journal a chip that never saw it.
func (r *run) otherChip(title string, at anchorPoint, c claim) {
	r.try(func() string { return title + "another chip" }, func() error {
		cells, err := blankChip(int(at.cells.Size()), at.cells.As.Tear)
		if err != nil {
			return err
		}
		rec, err := scanAnchored(at.disk.Cut(Loss{}), cells, c)
		if err != nil {
			return err
		}
		r.report.Faults++
		if rec.Anchor != journal.AnchorNew || rec.Outcome > journal.TornTail {
			return explained(rec, "another chip is called %s, anchor %s", rec.Outcome, rec.Anchor)
		}
		return nil
	})
}
