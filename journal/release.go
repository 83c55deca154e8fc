// Releases: what a record of a journal gives up, and the removal of the segments that hold it.

package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/batchkit/batchkit/journal/record"
)

// ErrRelease is returned by Release where no durable record of the journal gives up what is to go.
var ErrRelease = errors.New("journal: no durable record releases this")

// Released is what a record of a journal, of kind records_released, gives up: its own first records.
type Released struct {
	// Record is the number of the record that says so; 0 where there is none.
	Record uint64
	// Through is the chain after the last record that may go. It is before Record.
	Through Chain
	// Tree is the tree over records 1 to Through.N, from which it can be grown on.
	Tree Tree
}

// releaseMark is in the body of every release.
var releaseMark = []byte(`"event_type":"` + record.KindRecordsReleased.String() + `"`)

// readReleased reads what record seq of a journal gives up; ok is false for a record that is no release, or none of an earlier record.
// It is the one kind of record that this package knows the meaning of.
func readReleased(seq uint64, body []byte) (rel Released, ok bool) {
	if !bytes.Contains(body, releaseMark) {
		return rel, false
	}
	r, err := record.Parse(body)
	if err != nil || r.Kind != record.KindRecordsReleased || r.Seq() != seq {
		return rel, false
	}
	rel.Record, rel.Through.N = seq, r.Count(record.HeadSize)
	if rel.Through.N == 0 || rel.Through.N >= seq || !readHash(&rel.Through.Link, r.Text(record.HeadLink)) {
		return Released{}, false
	}
	texts := r.Texts(record.TreePeaks)
	peaks := make([]Hash, len(texts))
	for i, text := range texts {
		if !readHash(&peaks[i], text) {
			return Released{}, false
		}
	}
	if rel.Tree, err = RestoreTree(rel.Through.N, peaks); err != nil {
		return Released{}, false
	}
	return rel, true
}

// readHash reads what Hash.String gives.
func readHash(h *Hash, text string) bool {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(h) {
		return false
	}
	*h = Hash(b)
	return h.String() == text
}

// Release removes the segments of which every record is given up by a record of this journal, the oldest first, each for good before
// the next, and returns how many. The record must be durable on the disk, the journal lead from the last record that it names, with
// the link that it names, to it, and the segment in use stays; else nothing is removed, and the error is ErrRelease. Being cut off
// does no harm: the rest goes with the next Release of the same record, which Recovery.Released names. Nothing is rewritten, and what
// lies in quarantine stays. It reads the journal and waits for storage; others may append and commit meanwhile, but not Close.
func (w *Writer) Release(seq uint64) (removed int, err error) {
	if removed, err = w.remove(seq); err != nil {
		err = fmt.Errorf("journal: releasing records of %q by record %d: %w", w.dir, seq, err)
	}
	return removed, err
}

func (w *Writer) remove(seq uint64) (removed int, err error) {
	w.mu.Lock()
	head := w.head.N
	w.mu.Unlock()
	if seq > head {
		return 0, fmt.Errorf("%w: the disk has acknowledged records up to %d", ErrRelease, head)
	}
	var rel Released
	opt := &Options{Storage: w.st}
	rec, err := Scan(w.dir, func(n uint64, body []byte, _ Chain) error {
		if n == seq {
			rel, _ = readReleased(n, body)
		}
		return nil
	}, opt)
	if err != nil {
		return 0, err
	}
	switch {
	case rec.Outcome != Clean && rec.Outcome != TornTail: // torn: of a group that is being written
		return 0, fmt.Errorf("%w: the journal is %s: %s", ErrRelease, rec.Outcome, rec.Reason)
	case rel.Record == 0:
		return 0, fmt.Errorf("%w: record %d is no release", ErrRelease, seq)
	case rel.Through.N < rec.From:
		return 0, nil
	}
	opt.After = rel.Through
	if rec, err = Scan(w.dir, nil, opt); err != nil {
		return 0, err
	}
	if rec.Outcome != Clean && rec.Outcome != TornTail {
		return 0, fmt.Errorf("%w: %s: %s", ErrRelease, rec.Outcome, rec.Reason)
	}
	return w.unlink(rel.Through.N)
}

// unlink removes the segments that hold nothing behind record n.
func (w *Writer) unlink(n uint64) (removed int, err error) {
	all, err := segmentHeaders(w.st, filepath.Join(w.dir, segmentsDir))
	if err != nil {
		return 0, err
	}
	for i := range len(all) - 1 {
		if all[i+1].first-1 > n {
			break
		}
		// One by one: whatever a cut leaves of the names, what is missing is then the beginning, without a hole.
		err := w.st.Remove(filepath.Join(w.dir, segmentsDir, segmentName(all[i].number)))
		if err == nil {
			err = w.st.SyncDir(filepath.Join(w.dir, segmentsDir))
		}
		if err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// segmentHeaders returns the headers of all segments that have one, in order.
func segmentHeaders(st Storage, dir string) (all []header, err error) {
	names, err := st.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	r, buf := reader{st: st, dir: dir}, make([]byte, headerSize)
	for _, name := range names {
		n := segmentNumber(name)
		if n == 0 {
			continue
		}
		h, err := r.header(n, buf)
		if errors.Is(err, fs.ErrNotExist) {
			continue // released just now
		}
		if err != nil {
			return nil, err
		}
		if h.number == n {
			all = append(all, h)
		}
	}
	return all, nil
}

// Begin tells the name of the journal in dir and the chain before the first record that is there: zero, unless records were released.
// Ends are the chain after the last record of each segment but the last, in order: where a release can end. It reads headers and
// verifies nothing; where there is no journal yet the id is empty. Of Options only Storage matters.
func Begin(dir string, opt *Options) (id string, before Chain, ends []Chain, err error) {
	all, err := segmentHeaders(storageOf(opt), filepath.Join(dir, segmentsDir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(all) == 0 {
		return "", Chain{}, nil, nil
	}
	if err != nil {
		return "", Chain{}, nil, fmt.Errorf("journal: reading the headers of %q: %w", dir, err)
	}
	for _, h := range all[1:] {
		ends = append(ends, Chain{N: h.first - 1, Link: h.before})
	}
	return all[0].id, Chain{N: all[0].first - 1, Link: all[0].before}, ends, nil
}
