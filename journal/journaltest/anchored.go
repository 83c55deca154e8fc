// Anchored journals: a chip beside the disk, and power that goes at every byte that is written to it.

package journaltest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/batchkit/batchkit/journal"
)

// chipSize gives a ring that is full after a few records of a kB, and two checkpoints, or, below 32 KiB, heads only.
const (
	chipSize  = 32<<10 + 2*(512+chipState)
	headsSize = 8 << 10
	chipState = 1024
)

// Anchors enumerates what cuts of power leave of a disk and of the chip beside
// it, which ruin one byte of it or eight, at every byte that is written to the
// chip and at every call of the disk, and then what a disk put back, a chip put back, another chip and damaged
// cells lead to. It returns an error for every state in which a record that
// was acknowledged, by the ring or by the disk, is neither there nor named, or
// in which the newest checkpoint on the chip, or of the files, is lost. Options.Wrap is not used.
func Anchors(opt Options) (Report, error) {
	opt.Wrap = nil
	r := newRun(opt) // which gives the disk itself
	for i, size := range []int{chipSize, headsSize} {
		for j, word := range anchorWords(opt.Long) {
			r.anchors(word, size, [...]int{1, 8}[(i+j)%2])
		}
	}
	return r.result()
}

// anchorWords returns the workloads: a, b and e append records of 40, 700 and
// 9000 bytes, t stages, c commits, d commits and appends and stages while that
// is flushed, m writes a checkpoint, C closes and opens again, K opens without
// closing, P after a cut of power.
func anchorWords(long bool) []string {
	if long {
		return []string{"atcaK", "abtdatPac", "atPatPat", "bbtbtdbtcbt", "ataCatd", "eeetcete", "ammmmmmKmPmtm", "adadaKatt", "tPtCt",
			"abctbatP", "dddKd", "aPKatPdC", "etdetP", "eeetetaPtetc", "eetceeetetaPeetc"}
	}
	return []string{"atdatP", "abtcaKat", "eetceeeteta", "mtmmPm"}
}

// anchoredProcess is a process with a chip.
type anchoredProcess struct {
	process
	cells *Cells
	note  func()
	slots *journal.Checkpoints
	marks []journal.Checkpoint // that were acknowledged
}

// blankChip returns a formatted chip, of which a cut ruins so many bytes at once.
func blankChip(size, tear int) (*Cells, error) {
	c := NewCells(size)
	c.As.Tear = tear
	if size < chipSize {
		return c, journal.FormatChip(c, 1, 0, "")
	}
	return c, journal.FormatChip(c, 1, chipState, "")
}

// slotOf finds the slot of the journal on a chip.
func slotOf(c *Cells) (*journal.Anchor, error) {
	chip, err := journal.OpenChip(c, "")
	if err != nil {
		return nil, err
	}
	return chip.Take(header().JournalID)
}

// start opens the journal with its anchor, or creates it.
func (p *anchoredProcess) start() (*journal.Recovery, error) {
	p.d.locks = map[string]bool{}
	p.w = nil
	a, err := slotOf(p.cells)
	if err != nil {
		return nil, err
	}
	h := p.h
	opt := &journal.Options{Storage: p.d, Segment: segment, Pending: segment, Anchor: a,
		OnDurable: func(seq uint64) { p.h.acked = max(p.h.acked, seq) }}
	w, rec, err := journal.Open(dir, header(), opt)
	if errors.Is(err, journal.ErrNone) {
		w, err = journal.Create(dir, header(), opt)
	}
	if err != nil {
		return rec, err
	}
	n := w.Head().N
	if n < h.acked || n > h.appended() {
		return rec, fmt.Errorf("%w: it goes on after record %d; acknowledged are %d, appended %d", errHead, n, h.acked, h.appended())
	}
	p.w, p.h = w, h.clone(n)
	p.slots, _, _, err = journal.OpenCheckpoints(dir, header().JournalID, 2, &journal.Options{Storage: p.d, Anchor: a})
	return rec, err
}

// add appends a record.
func (p *anchoredProcess) add(size int) error {
	var c journal.Chain
	if n := len(p.h.chains); n > 0 {
		c = p.h.chains[n-1]
	}
	b := body(c.N+1, size, p.h.writer)
	c.Add(b)
	p.h.bodies, p.h.chains = append(p.h.bodies, b), append(p.h.chains, c)
	return p.w.Append(c.N, b)
}

// step does what one letter stands for.
func (p *anchoredProcess) step(step byte) error {
	switch step {
	case 'a':
		return p.add(40)
	case 'b':
		return p.add(700)
	case 'e':
		return p.add(9000)
	case 't':
		return p.w.Stage()
	case 'c':
		return p.w.Commit()
	case 'd':
		var inside error
		p.d.OnSync = func() {
			p.d.OnSync = nil
			inside = errors.Join(p.add(60), p.w.Stage())
		}
		err := errors.Join(p.add(40), p.w.Commit())
		p.d.OnSync = nil
		return errors.Join(err, inside)
	case 'm':
		return p.mark()
	case 'C':
		if err := p.w.Close(); err != nil {
			return err
		}
	case 'P':
		p.d = p.d.Cut(Loss{})
		p.d.before = p.note
	}
	_, err := p.start()
	return err
}

// anchorPoint is a disk and a chip between two calls, or while the chip is written.
type anchorPoint struct {
	call     int
	disk     *Disk
	cells    *Cells
	write    []byte // on its way to the chip; nil between calls
	off      int64
	h        *history
	acked    uint64
	appended uint64
	marks    []journal.Checkpoint
}

// watched runs a word and returns every point of it.
func watched(word string, size, tear int) (*anchoredProcess, []anchorPoint, error) {
	cells, err := blankChip(size, tear)
	if err != nil {
		return nil, nil, err
	}
	if _, err := slotOf(cells); err != nil { // before the process: to take a slot is a test of its own
		return nil, nil, err
	}
	p := &anchoredProcess{process: process{d: NewDisk(), h: &history{ends: map[uint64]int{}}}, cells: cells}
	var all []anchorPoint
	note := func(b []byte, off int64) {
		all = append(all, anchorPoint{call: len(all), disk: p.d.snapshot(), cells: p.cells.Copy(), write: bytes.Clone(b), off: off,
			h: p.h, acked: p.h.acked, appended: p.h.appended(), marks: p.marks})
	}
	p.note = func() { note(nil, 0) }
	p.d.before, cells.before = p.note, note
	_, err = p.start()
	for _, s := range []byte(word) {
		if err == nil {
			err = p.step(s)
		}
	}
	if err == nil {
		err = p.w.Close()
	}
	p.d.before, cells.before = nil, nil
	note(nil, 0)
	return p, all, err
}

// anchors runs a workload and breaks it in every way.
func (r *run) anchors(word string, size, tear int) {
	title := fmt.Sprintf("anchor %s %d %d/", word, size, tear)
	if r.unwanted(title) {
		return
	}
	var p *anchoredProcess
	var points []anchorPoint
	err := caught(func() (err error) {
		p, points, err = watched(word, size, tear)
		return err
	})
	if err != nil {
		r.fail(title, err)
		return
	}
	rng := rand.New(rand.NewPCG(r.opt.Seed, uint64(len(points))))
	for _, at := range points {
		r.torn(title, at, rng)
	}
	r.putBack(title, p, points)
	r.cellsOff(title, points)
}

// torn cuts power at one point: at every byte of a write to the chip, with what the disk may be at that moment.
func (r *run) torn(title string, at anchorPoint, rng *rand.Rand) {
	n, which, stride := len(at.write), 0, 61
	if r.opt.Long {
		stride = 1 + n/1000
	}
	for k := 0; k <= n; k++ {
		if n > 400 && k > 90 && k < n-90 && k%stride != 0 {
			continue // within a long body; every byte of short ones is tried
		}
		hows := "x"
		if r.opt.Long && k < n {
			hows = "ox"
		}
		for _, how := range []byte(hows) {
			cells, all := at.cells.torn(at.write, at.off, k, how), r.opt.Long || k == 0 || k == n
			which++
			i := 0
			corners(at.disk, rng, func(l Loss) bool {
				if i++; all || which%6 == i-1 {
					d := at.disk.Cut(l)
					name := func() string { return fmt.Sprintf("%s%d byte %d%c %s", title, at.call, k, how, l) }
					r.anchorState(name, "cut", d, cells, at)
				}
				return !r.full()
			})
		}
	}
}

// anchorState tries one disk with one chip, once; one in some of them again with cuts in the recovery.
func (r *run) anchorState(name func() string, kind string, d *Disk, cells *Cells, at anchorPoint) {
	sum := mix(d.sum(), cells.sum())
	if r.full() || !r.fresh(sum, at.acked, at.appended) {
		return
	}
	c := claim{h: at.h, acked: at.acked, appended: at.appended, marks: at.marks}
	before := r.ran
	r.try(name, func() error { return r.judgeAnchored(kind, d.Cut(Loss{}), cells.Copy(), c) })
	r.report.States += r.ran - before
	if kind == "cut" && mix(sum, r.opt.Seed)%(3*r.share()) == 0 {
		r.nestedAnchor(name(), d, cells, c)
	}
}

// nestedAnchor cuts power within a recovery, at every byte that it writes to the chip and every call of the disk.
func (r *run) nestedAnchor(title string, d *Disk, cells *Cells, c claim) {
	title += " | "
	if r.unwanted(title) {
		return
	}
	p := &anchoredProcess{process: process{d: d.Cut(Loss{}), h: c.left()}, cells: cells.Copy()}
	h := p.h
	var points []anchorPoint
	note := func(b []byte, off int64) {
		points = append(points, anchorPoint{call: len(points), disk: p.d.snapshot(), cells: p.cells.Copy(), write: bytes.Clone(b), off: off,
			h: h, acked: c.acked, appended: c.appended, marks: c.marks})
	}
	p.d.before, p.cells.before = func() { note(nil, 0) }, note
	_, err := p.start()
	p.d.before, p.cells.before = nil, nil
	if err != nil {
		return // found already
	}
	rng := rand.New(rand.NewPCG(r.opt.Seed, uint64(len(points))))
	for _, at := range points {
		for k := 0; k <= len(at.write); k += 1 + min(k%7, 1) {
			torn := at.cells.torn(at.write, at.off, k, 'x')
			corners(at.disk, rng, func(l Loss) bool {
				name := func() string { return fmt.Sprintf("%s%d byte %d %s", title, at.call, k, l) }
				r.anchorState(name, "nested", at.disk.Cut(l), torn, at)
				return !r.full()
			})
		}
	}
}

// left is the history of a claim, for a process that goes on from it.
func (c claim) left() *history {
	n := c.appended
	return &history{bodies: c.h.bodies[:n:n], chains: c.h.chains[:n:n], acked: c.acked, writer: c.h.writer, ends: map[uint64]int{}}
}

func (c *Cells) sum() uint64 {
	sum := uint64(9)
	for at := 0; at+8 <= len(c.data); at += 8 {
		if w := binary.LittleEndian.Uint64(c.data[at:]); w != 0 {
			sum = mix(sum, w^uint64(at)<<40)
		}
	}
	return sum
}
