// Releases in workloads: the record that gives up the first records, and the removal of what holds them.

package journaltest

import (
	"fmt"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// release has all segments but the one in use released.
func (p *process) release() error {
	_, before, ends, err := journal.Begin(dir, &journal.Options{Storage: p.st})
	if err != nil || len(ends) == 0 || ends[len(ends)-1].N <= before.N {
		return err
	}
	through := ends[len(ends)-1]
	seq := p.h.appended() + 1
	b, err := Release(seq, through, p.h.bodies[:through.N])
	if err == nil {
		err = p.append(b, true)
	}
	if err == nil {
		p.h.releases[seq] = through.N
		err = p.w.Commit()
	}
	if err == nil {
		_, err = p.w.Release(seq)
	}
	return err
}

// Release returns the body of record seq that releases records 1 to through.N of a journal, whose bodies are given.
func Release(seq uint64, through journal.Chain, bodies [][]byte) ([]byte, error) {
	var tree journal.Tree
	for _, b := range bodies {
		tree.Add(journal.Leaf(b))
	}
	var peaks []string
	for _, h := range tree.Peaks() {
		peaks = append(peaks, h.String())
	}
	var b record.Body
	b.Begin(record.KindRecordsReleased)
	b.Count(record.EventSeq, seq)
	b.Text(record.JournalID, header().JournalID)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, seq)
	b.Text(record.SyncState, "UNSET")
	b.Text(record.TimeSource, "none")
	b.Text(record.DeviceID, "D1")
	b.Text(record.Actor, "a")
	b.Text(record.ChangeReason, "room")
	b.Count(record.OldValue, 1)
	b.Count(record.NewValue, through.N+1)
	b.Text(record.ImpactScope, fmt.Sprintf("records 1 to %d", through.N))
	b.Text(record.Policy, "all")
	b.Texts(record.Sinks, nil)
	b.Count(record.HeadSize, through.N)
	b.Text(record.HeadLink, through.Link.String())
	b.Texts(record.TreePeaks, peaks)
	return b.Append(nil)
}

// gone tells why the records before the first one that was delivered should be there; nil if a release covers them.
func (h *history) gone(first uint64, rec *journal.Recovery) error {
	if first <= 1 {
		return nil
	}
	for seq, last := range h.releases {
		if seq <= rec.Head.N && first <= last+1 {
			return nil
		}
	}
	return explained(rec, "records 1 to %d are not delivered, and were not released", first-1)
}

// released has what a recovery found released removed, again if it is there no more, and looks that nothing of it is left.
func (p *process) released(rec *journal.Recovery) error {
	if rec.Released.Record == 0 {
		return nil
	}
	if _, err := p.w.Release(rec.Released.Record); err != nil {
		return explained(rec, "going on with a release: %v", err)
	}
	_, _, ends, err := journal.Begin(dir, &journal.Options{Storage: p.st})
	if err == nil && len(ends) > 0 && ends[0].N <= rec.Released.Through.N {
		err = explained(rec, "records 1 to %d are still there after the release of those up to %d", ends[0].N, rec.Released.Through.N)
	}
	return err
}
