// The oracle: what must hold for a journal after power came back.

package journaltest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/batchkit/batchkit/journal"
)

// claim is what a disk must hold.
type claim struct {
	h        *history
	acked    uint64               // records that must be there
	appended uint64               // records that may be there
	cached   bool                 // the disk may show what its medium does not hold
	marks    []journal.Checkpoint // that must be there until others take their place
}

// scan reads a journal and holds every record against the history.
func (r *run) scan(d *Disk, c claim) (*journal.Recovery, error) { return r.scanOn(r.opt.Wrap(d), c) }

func (r *run) scanOn(st journal.Storage, c claim) (*journal.Recovery, error) {
	var n, first uint64
	rec, err := journal.Scan(dir, func(seq uint64, b []byte, link journal.Chain) error {
		if first == 0 {
			first, n = seq, seq-1
		}
		switch n++; {
		case seq != n:
			return fmt.Errorf("record %d delivered as number %d", seq, n)
		case n > c.appended:
			return fmt.Errorf("record %d was never appended", n)
		case !bytes.Equal(b, c.h.bodies[n-1]):
			return fmt.Errorf("record %d has other bytes", n)
		case link != c.h.chains[n-1]:
			return fmt.Errorf("record %d has another link", n)
		}
		return nil
	}, &journal.Options{Storage: st})
	if err != nil {
		return nil, err
	}
	var want journal.Chain
	if n > 0 {
		want = c.h.chains[n-1]
	}
	if err := c.h.gone(first, rec); err != nil {
		return rec, err
	}
	switch {
	case rec.Head != want:
		return rec, explained(rec, "head is %d, delivered were %d", rec.Head.N, n)
	case (rec.Outcome == journal.Damaged) != (rec.Missing == n+1) || rec.Outcome != journal.Damaged && rec.Missing != 0:
		return rec, explained(rec, "%s with record %d missing, after record %d", rec.Outcome, rec.Missing, n)
	case rec.Outcome == journal.None && n > 0, rec.Outcome == journal.TornTail && rec.Reason == "", len(rec.Path) == 0:
		return rec, explained(rec, "%s after record %d is not explained", rec.Outcome, n)
	}
	return rec, nil
}

// explained returns an error that ends with how recovery came to what it says.
func explained(rec *journal.Recovery, format string, args ...any) error {
	return fmt.Errorf("%s: %q", fmt.Sprintf(format, args...), rec.Path)
}

// judge checks everything that must hold after a cut. It changes d.
func (r *run) judge(kind string, d *Disk, c claim) error {
	d.shelf = &r.shelf
	rec, err := r.scan(d, c)
	if err != nil {
		return err
	}
	r.report.Outcomes[kind+" "+rec.Outcome.String()]++
	n := rec.Head.N
	_, whole := c.h.ends[n]
	switch {
	case rec.Outcome == journal.Damaged || rec.Outcome == journal.Foreign:
		return explained(rec, "a cut of power is called %s", rec.Outcome)
	case n < c.acked:
		return explained(rec, "ends with record %d, acknowledged are %d", n, c.acked)
	case n > 0 && !whole:
		return explained(rec, "record %d is not the last of a group", n)
	}
	if err := r.quick(d, rec); err != nil {
		return err
	}
	p := &process{d: d, wrap: r.opt.Wrap, h: c.h.clone(n)}
	if c.cached {
		p.h.acked = c.acked
	}
	before := d.Copy()
	again, err := p.start()
	if err != nil {
		return explained(rec, "opening: %v", err)
	}
	if !c.cached {
		if err := sameRecovery(d, before, rec, again); err != nil {
			return err
		}
	}
	if err := p.group([]int{44}); err != nil {
		return fmt.Errorf("appending after recovery: %w", err)
	}
	if err := p.released(again); err != nil {
		return err
	}
	return r.survives(p, rec, c.cached)
}

// survives cuts power after an append that followed a recovery, and opens again.
func (r *run) survives(p *process, first *journal.Recovery, cached bool) error {
	n := p.h.appended()
	p = &process{d: p.d.Cut(Loss{}), wrap: r.opt.Wrap, h: p.h}
	rec, err := r.scan(p.d, claim{h: p.h, acked: n, appended: n})
	if err != nil {
		return fmt.Errorf("after recovery: %w", err)
	}
	if rec.Outcome != journal.Clean || rec.Head.N != n || !cached && rec.Warnings != first.Warnings {
		return explained(rec, "after recovery and record %d: %s, %d records, %d warnings after %d",
			n, rec.Outcome, rec.Head.N, rec.Warnings, first.Warnings)
	}
	again, err := p.start()
	if err != nil {
		return explained(rec, "opening again: %v", err)
	}
	if again.Head != rec.Head || again.Outcome != journal.Clean || again.Quarantined != "" {
		return explained(again, "opened again: %s, %d records", again.Outcome, again.Head.N)
	}
	return nil
}

// quick tells whether Open, where it does not read all, finds what Scan found. It changes a copy of d.
func (r *run) quick(d *Disk, scan *journal.Recovery) error {
	if scan.Segment <= 3 {
		return nil
	}
	w, rec, err := journal.Open(dir, header(), &journal.Options{Storage: r.opt.Wrap(d.Copy()), Segment: segment, Pending: segment, Quick: true})
	if err != nil {
		return explained(scan, "opening quickly: %v", err)
	}
	if rec.Outcome != scan.Outcome || rec.Head != scan.Head || rec.TailDigest != scan.TailDigest || rec.From > max(scan.Head.N, 1) {
		return explained(rec, "scan says %s %d, a quick open %s %d", scan.Outcome, scan.Head.N, rec.Outcome, rec.Head.N)
	}
	r.report.Outcomes["quick "+rec.Outcome.String()]++
	return w.Close()
}

// sameRecovery compares what Scan and Open found on one medium, and what Open
// did to it.
func sameRecovery(d, before *Disk, scan, open *journal.Recovery) error {
	if scan.Outcome != open.Outcome || scan.Head != open.Head || scan.Warnings != open.Warnings ||
		scan.TailBytes != open.TailBytes || scan.TailDigest != open.TailDigest {
		return explained(open, "scan says %s %d, open %s %d", scan.Outcome, scan.Head.N, open.Outcome, open.Head.N)
	}
	if err := d.keeps(before); err != nil {
		return explained(open, "%v", err)
	}
	if open.TailBytes == 0 {
		return nil
	}
	name := filepath.Join(segments(), fmt.Sprintf("%08d.seg", open.Segment))
	tail := before.Content(name)[open.Offset:][:open.TailBytes]
	if journal.Hash(sha256.Sum256(tail)) != open.TailDigest {
		return explained(open, "the digest of what was set aside is wrong")
	}
	if !bytes.Equal(d.Cut(Loss{}).Content(open.Quarantined), tail) {
		return explained(open, "what was set aside is not in %q", open.Quarantined)
	}
	return nil
}

// keeps tells whether each segment that held more than zeros before holds the
// same now.
func (d *Disk) keeps(before *Disk) error {
	for _, e := range before.entries {
		if e.file == nil || filepath.Dir(e.name) != segments() {
			continue
		}
		used := false
		for _, b := range e.file.media {
			used = used || b != nil
		}
		if !used {
			continue
		}
		now := d.find(e.name)
		if now == nil || now.file.size != e.file.size {
			return fmt.Errorf("%q has another size", e.name)
		}
		for i, b := range e.file.media {
			if !bytes.Equal(now.file.cache[i].bytes(), b.bytes()) {
				return errors.New("a byte was overwritten in " + e.name)
			}
		}
	}
	return nil
}
