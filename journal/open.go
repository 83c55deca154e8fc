// Creating a journal, and opening one: lock, settle, read, set aside, begin a new segment.

package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
)

// Create begins a journal in dir, which is made if its parent exists and must
// not hold a journal (ErrExists). The Writer holds the lock of dir until Close.
func Create(dir string, h Header, opt *Options) (*Writer, error) {
	w, err := newWriter(dir, h, opt)
	if err == nil {
		err = w.create(h)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: creating %q: %w", dir, err)
	}
	return w, nil
}

// Open recovers the journal in dir and continues it, in a new epoch and a new
// segment. A torn tail is copied to quarantine first; nothing is overwritten
// or deleted, so being cut off and repeated does no harm. Before it reads, it
// makes durable what an earlier process left unflushed, so every record of
// Recovery.Head is durable when Open returns. It refuses with ErrNone,
// ErrInUse, ErrForeign and ErrDamaged; Recovery is there whenever the journal
// could be read. Where there may be no journal yet, call Open first and Create
// on ErrNone.
func Open(dir string, h Header, opt *Options) (*Writer, *Recovery, error) {
	w, err := newWriter(dir, h, opt)
	var rec *Recovery
	if err == nil {
		rec, err = w.open(h)
	}
	if err != nil {
		return nil, rec, fmt.Errorf("journal: opening %q: %w", dir, err)
	}
	return w, rec, nil
}

// Claim keeps Writers out of the journal in dir, as a Writer would, and makes
// durable what an earlier process left unflushed: for one who reads a journal
// for good. It changes nothing else. Closing the claim gives the journal back.
func Claim(dir string, opt *Options) (io.Closer, error) {
	w := &Writer{dir: dir, st: storageOf(opt)}
	lock, err := w.st.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("journal: claiming %q: %w", dir, err)
	}
	if err := w.settle(); err != nil {
		return nil, fmt.Errorf("journal: claiming %q: %w", dir, errors.Join(err, lock.Close()))
	}
	return lock, nil
}

func newWriter(dir string, h Header, opt *Options) (*Writer, error) {
	if !validID(h.JournalID) {
		return nil, fmt.Errorf("journal id %q: must be 1 to %d of A-Z a-z 0-9 . _ -", h.JournalID, maxJournalID)
	}
	var o Options
	if opt != nil {
		o = *opt
	}
	o.After = Chain{}
	if o.Segment == 0 {
		o.Segment = defaultSegment
	}
	if !validSegment(o.Segment) {
		return nil, fmt.Errorf("Options.Segment is %d: must be a multiple of 4096 from %d to %d", o.Segment, minSegment, maxSegment)
	}
	if o.Pending == 0 {
		o.Pending = defaultPending
	}
	if o.Pending < frameSize(MaxBody) || o.Pending > maxPending || o.Pending%8 != 0 {
		return nil, fmt.Errorf("Options.Pending is %d: must be a multiple of 8 from %d to %d", o.Pending, frameSize(MaxBody), maxPending)
	}
	if o.Anchor != nil && o.Anchor.id != h.JournalID {
		return nil, fmt.Errorf("Options.Anchor is the slot of journal %q, not of %q", o.Anchor.id, h.JournalID)
	}
	begin := o.Pending
	if o.Lean {
		begin = min(begin, leanPending)
	}
	w := &Writer{
		dir: dir, opt: o,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}), spent: make(chan struct{}, 1),
		pending: make([]byte, 0, begin), writing: make([]byte, 0, begin),
		group: make([]byte, 0, groupSize(min(begin, o.Segment))),
	}
	w.st = counting{storageOf(opt), &w.count}
	return w, nil
}

func (w *Writer) create(h Header) (err error) {
	if err := w.st.Mkdir(w.dir); err != nil {
		return err
	}
	defer func() { err = w.giveBack(err) }()
	if w.lock, err = w.st.Lock(filepath.Join(w.dir, lockName)); err != nil {
		return err
	}
	if err := w.claim(); err != nil {
		return err
	}
	if err := w.directories(); err != nil {
		return err
	}
	if err := w.st.SyncDir(filepath.Dir(w.dir)); err != nil {
		return err
	}
	f, err := read(w.st, w.dir, &w.opt, nil)
	if err != nil {
		return err
	}
	if f.Outcome == TailLost {
		return refusal(&f.Recovery, h)
	}
	if f.Outcome != None {
		return fmt.Errorf("%w: %s, id %q, records 1 to %d", ErrExists, f.Outcome, f.JournalID, f.Head.N)
	}
	return w.begin(h, f)
}

func (w *Writer) open(h Header) (rec *Recovery, err error) {
	if _, err := w.st.List(filepath.Join(w.dir, segmentsDir)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return w.nothing(h)
		}
		return nil, err
	}
	defer func() { err = w.giveBack(err) }()
	if w.lock, err = w.st.Lock(filepath.Join(w.dir, lockName)); err != nil {
		return nil, err
	}
	if err := w.claim(); err != nil {
		return nil, err
	}
	if err := w.directories(); err != nil {
		return nil, err
	}
	if err := w.settle(); err != nil {
		return nil, err
	}
	f, err := read(w.st, w.dir, &w.opt, nil)
	if err != nil {
		return nil, err
	}
	rec = &f.Recovery
	if err := refusal(rec, h); err != nil {
		return rec, err
	}
	if rec.Quarantined, err = w.quarantine(rec); err != nil {
		return rec, err
	}
	if err := w.begin(h, f); err != nil {
		return rec, err
	}
	rec.step("continued in segment %d, epoch %d, after record %d", w.seg.number, w.seg.epoch, rec.Head.N)
	return rec, nil
}

// nothing tells that no journal lies here, or that the anchor knows of one that did.
func (w *Writer) nothing(h Header) (*Recovery, error) {
	rec := &Recovery{}
	if w.opt.Anchor != nil {
		f, err := read(w.st, w.dir, &w.opt, nil)
		if err != nil {
			return nil, err
		}
		if rec = &f.Recovery; rec.Outcome != None {
			return rec, refusal(rec, h)
		}
	}
	return rec, fmt.Errorf("%w: it has no directory %q", ErrNone, segmentsDir)
}

// claim takes the anchor's slot, to be given back with the lock.
func (w *Writer) claim() error {
	if w.opt.Anchor == nil {
		return nil
	}
	c, err := w.opt.Anchor.claim()
	if err == nil {
		w.slot = c
	}
	return err
}

// takeOver writes to the disk what only the ring of the anchor has. Being cut off and repeated does no harm: the ring is left as
// it is until the head behind it is written.
func (w *Writer) takeOver(records []ringed) error {
	for _, r := range records {
		err := w.Append(r.seq, r.body)
		if errors.Is(err, ErrFull) {
			if err = w.Commit(); err == nil {
				err = w.Append(r.seq, r.body)
			}
		}
		if err != nil {
			return err
		}
	}
	return w.Commit()
}

// refusal tells why the journal that was found must not be continued.
func refusal(rec *Recovery, h Header) error {
	switch {
	case rec.Outcome == None:
		return fmt.Errorf("%w: no segment was ever begun; use Create", ErrNone)
	case rec.Outcome == Foreign:
		return fmt.Errorf("%w: %s", ErrForeign, rec.Reason)
	case rec.JournalID != "" && rec.JournalID != h.JournalID:
		return fmt.Errorf("%w: it is journal %q, not %q", ErrForeign, rec.JournalID, h.JournalID)
	case rec.Outcome == Damaged:
		return fmt.Errorf("%w: record %d was acknowledged, or may have been, and cannot be read (%s); nothing was changed; "+
			"keep this directory as it is and begin a journal with another id elsewhere",
			ErrDamaged, rec.Missing, rec.Reason)
	case rec.Outcome == TailLost || rec.Outcome == Rewritten:
		return fmt.Errorf("%w: %s at record %d: %s; nothing was changed; keep this directory and the chip as they are "+
			"and begin a journal with another id elsewhere", ErrDamaged, rec.Outcome, rec.Missing, rec.Reason)
	}
	return nil
}

// directories makes the directories inside and their names durable.
func (w *Writer) directories() error {
	for _, d := range []string{segmentsDir, quarantineDir} {
		if err := w.st.Mkdir(filepath.Join(w.dir, d)); err != nil {
			return err
		}
	}
	return w.st.SyncDir(w.dir)
}

// settle flushes what a process that died may have left in the system's
// cache. A segment is begun when all before it is durable, so only the last
// one and an empty one behind it can hold such bytes.
func (w *Writer) settle() error {
	segments := filepath.Join(w.dir, segmentsDir)
	names, err := w.st.List(segments)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(s string) bool { return segmentNumber(s) == 0 })
	slices.Sort(names)
	for _, name := range names[max(0, len(names)-2):] {
		if err := w.st.Settle(filepath.Join(segments, name)); err != nil {
			return fmt.Errorf("flushing what lies in segment %q: %w", name, err)
		}
	}
	return w.st.SyncDir(segments)
}

// quarantine copies a torn tail into a file that bears its digest. A copy that
// is there already and whole is left alone; one that was cut off is written anew.
func (w *Writer) quarantine(rec *Recovery) (string, error) {
	if rec.Outcome != TornTail || rec.TailBytes == 0 {
		return "", nil
	}
	raw, err := w.st.Read(filepath.Join(w.dir, segmentsDir, segmentName(rec.Segment)), maxSegment, nil)
	if err != nil {
		return "", err
	}
	torn := raw[rec.Offset : rec.Offset+rec.TailBytes]
	dir := filepath.Join(w.dir, quarantineDir)
	path := filepath.Join(dir, fmt.Sprintf("%08d-%d-%s.torn", rec.Segment, rec.Offset, rec.TailDigest))
	old, err := w.st.Read(path, maxSegment, nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err != nil || !bytes.Equal(old, torn) {
		if err := w.save(path, torn); err != nil {
			return "", fmt.Errorf("writing %q: %w", path, err)
		}
	}
	if err := w.st.Settle(path); err != nil {
		return "", fmt.Errorf("flushing %q: %w", path, err)
	}
	rec.step("copied them to %q", path)
	return path, w.st.SyncDir(dir)
}

func (w *Writer) save(path string, b []byte) error {
	f, err := w.st.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(writeAll(f, b, 0), f.Close())
}

// begin starts the first segment of this Writer behind what was found.
func (w *Writer) begin(h Header, f found) error {
	if h.Epoch == 0 {
		h.Epoch = f.Epoch + 1
	}
	if h.Epoch <= f.Epoch {
		return fmt.Errorf("Header.Epoch is %d: must be larger than the last one, %d", h.Epoch, f.Epoch)
	}
	w.header, w.taken = h, f.taken
	seg, err := w.newSegment(f.next, f.disk)
	if err != nil {
		return err
	}
	seg.prev, seg.prevEnd, seg.prevGroups = f.Segment, int(f.Offset), f.groups
	if f.Outcome == TornTail {
		seg.prevTail, seg.prevDigest = int(f.TailBytes), f.TailDigest
	}
	if w.seg, err = w.bear(seg); err != nil {
		return fmt.Errorf("%w; records up to %d are durable; %s", full(err), f.Head.N, remedy(err))
	}
	w.head, w.tail, w.told = f.disk, f.disk, f.Head.N
	w.durable.Store(f.Head.N)
	if err := w.takeOver(f.ringed); err != nil {
		return errors.Join(err, w.seg.file.Close())
	}
	if w.opt.Anchor != nil {
		w.stage = newStager(w.opt.Anchor, w.slot, h, f.memory, w.head)
		w.anchor()
	}
	return nil
}

// giveBack releases the lock if err is set.
func (w *Writer) giveBack(err error) error {
	if err != nil && w.slot != nil {
		err = errors.Join(err, w.slot.Close())
	}
	if err != nil && w.lock != nil {
		err = errors.Join(err, w.lock.Close())
	}
	return err
}

// full marks an error as ErrDiskFull if it is one.
func full(err error) error {
	if diskFull(err) && !errors.Is(err, ErrDiskFull) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// remedy tells what a person can do about an error of storage.
func remedy(err error) string {
	if diskFull(err) {
		return "free some space, then open the journal again"
	}
	return "check the medium, then open the journal again"
}
