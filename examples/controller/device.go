// The device journal of a controller: what changes in its library of approved files is a record there, and so are the head of every
// batch's journal when the batch has ended, and what verifications came to. A process reads it once and writes into it as one writer.

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// device is the device journal of a controller, the library that stands in it, and the store of the files beside it. It is opened
// for writing when the first record comes, and is this process's until close.
type device struct {
	dir   string
	name  string // device_id
	id    string // journal_id
	key   string // public key that signs, as its record has it; "" where none does
	lib   library.Library
	store *library.Store   // nil: not opened yet
	made  []*record.Record // activations, in their order
	known []batch.InFlight // the newest of each recipe, meter and window
	heads []string         // journals whose heads are kept
	found *journal.Recovery
	chip  *chip // nil: none
	clock timebase.Clock
	keep  timebase.Keeper
	w     *journal.Writer
	begun bool // by this process
	seq   uint64
	at    int64 // when record seq was made, on clock; 0: not by this process
	tree  journal.Tree
	sign  signing
	body  record.Body
}

// device gives the device journal, which is read when it is asked for first, and is the same for the whole process.
func (f *flags) device(name string, stderr io.Writer) (d *device, err error) {
	if f.dev == nil {
		if err := checkOut(f.out); err != nil {
			return nil, err
		}
		chip, err := f.openChip()
		if err != nil {
			return nil, err
		}
		if f.dev, err = openDevice(f.out, chip, stderr); err != nil {
			return nil, errors.Join(err, chip.Close())
		}
	}
	if name != "" {
		f.dev.name = name
	}
	return f.dev, nil
}

// close ends what the process has to do with its device journal.
func (f *flags) close(stderr io.Writer) {
	defer f.station.leave(stderr)
	if f.dev == nil {
		return
	}
	if err := f.dev.Close(); err != nil {
		fmt.Fprintf(stderr, "controller: device journal %s: %v\n", f.dev.dir, err)
	}
	f.dev = nil
}

// openDevice reads the device journal below out and holds it against the chip. One that does not exist yet is empty. Of one whose
// end was cut off it says so on stderr and goes on; one that is damaged, or that ends before the chip's head, is refused.
func openDevice(out string, chip *chip, stderr io.Writer) (*device, error) {
	d := &device{dir: filepath.Join(out, "device"), chip: chip, clock: system.NewClock(1)}
	d.keep.Observe(system.Wall(d.clock).Observe())
	if err := d.read(); err != nil {
		return nil, err
	}
	there := func(name string) bool { return exists(filepath.Join(d.dir, name)) }
	switch rec := d.found; {
	case rec.Outcome == journal.None && (there("files") || there("quarantine") && !there("segments")):
		fmt.Fprintf(stderr, "controller: device journal %s holds no record; it begins anew, and approvals that it may have held are lost\n", d.dir)
	case rec.Outcome == journal.None && there("segments"): // a journal that is made comes by here
		fmt.Fprintf(stderr, "controller: device journal %s holds no record, like one whose controller ended before the first; "+
			"if approvals were given here, they are lost\n", d.dir)
	case rec.Outcome == journal.TornTail:
		fmt.Fprintf(stderr, "controller: device journal %s is %s: %s; its %d records before that hold. What was being written when "+
			"a controller ended was never done; if its file was cut since, approvals after them are lost\n",
			d.dir, rec.Outcome, rec.Reason, rec.Head.N)
	}
	return d, nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// deviceJournal is the id of a device journal; no batch is called so.
var deviceJournal = regexp.MustCompile(`^device-[0-9a-f]{16}$`)

// read takes in the records that it has not seen yet.
func (d *device) read() error {
	id, err := d.chip.device()
	if err != nil {
		return err
	}
	anchor, err := d.chip.find(id)
	if err != nil {
		return err
	}
	rec, err := journal.Scan(d.dir, d.take, &journal.Options{Anchor: anchor})
	switch {
	case err != nil:
		return fmt.Errorf("controller: device journal %s: %w; %s", d.dir, err, elsewhere)
	case rec.Outcome == journal.TailLost || rec.Outcome == journal.Rewritten:
		return fmt.Errorf("controller: device journal %s is %s: %s; nothing was changed. Put back what is newer, or keep this directory "+
			"and %s as they are, give another -out and another -fram, and approve anew there", d.dir, rec.Outcome, rec.Reason, d.chip.file)
	case rec.Outcome == journal.Damaged || rec.Outcome == journal.Foreign:
		return fmt.Errorf("controller: device journal %s is %s: %s; %s", d.dir, rec.Outcome, rec.Reason, elsewhere)
	case id != "" && rec.JournalID != "" && rec.JournalID != id:
		return fmt.Errorf("controller: device journal %s is %s, and the chip %s is that of %s: the disk or the chip is another one's; "+
			"give the -out and the -fram that belong together", d.dir, rec.JournalID, d.chip.file, id)
	case d.chip != nil && rec.JournalID != "" && !deviceJournal.MatchString(rec.JournalID):
		return fmt.Errorf("controller: device journal %s is %s, begun before chips were known; leave out -fram, or give another -out",
			d.dir, rec.JournalID)
	case rec.Head.N < d.seq:
		return fmt.Errorf("controller: device journal %s ends with record %d, and held %d when it was read before; %s",
			d.dir, rec.Head.N, d.seq, elsewhere)
	}
	d.id, d.found = rec.JournalID, rec
	return nil
}

// take takes in one record.
func (d *device) take(seq uint64, body []byte, _ journal.Chain) error {
	if seq <= d.seq {
		return nil
	}
	r, err := record.Parse(body)
	if err != nil {
		return err
	}
	d.seq, d.name = seq, r.Text(record.DeviceID)
	d.tree.Add(journal.Leaf(body))
	switch {
	case r.Kind == record.KindKeyEvent && r.Text(record.KeyState) == string(journal.KeyRevoked):
		d.key = ""
	case r.Kind == record.KindKeyEvent:
		d.key = r.Text(record.PublicKey)
	case r.Kind == record.KindObjectActivated:
		d.made = append(d.made, r)
	}
	d.told(r)
	return d.lib.Apply(r)
}

// elsewhere is what to do where a device journal cannot be used.
const elsewhere = "keep it as it is, give another -out, and approve anew there"

// hold opens the journal for writing and takes in what others have written since it was read. Whoever changes something calls it
// before the first change.
func (d *device) hold() error {
	if d.id == "" { // another process may have begun it
		if err := d.read(); err != nil {
			return err
		}
	}
	more, err := d.open()
	if err == nil && more {
		err = d.read()
	}
	return err
}

// Hold makes a device a library.Journal.
func (d *device) Hold() error {
	more, err := d.open()
	if err == nil && more {
		err = fmt.Errorf("controller: device journal %s was written by another process since it was read; start again", d.dir)
	}
	return err
}

// deviceSegment is the size of a segment in bytes. Each process begins one, writes a few thousand bytes, and reads all.
const deviceSegment = 72 << 10

// open opens the journal for writing, or begins it, and tells whether it holds records that were not read.
func (d *device) open() (more bool, err error) {
	if d.w != nil {
		return d.w.Tail().N != d.seq, nil
	}
	begins := d.id == ""
	if begins {
		if d.id, err = d.chip.device(); err == nil && d.id == "" {
			var r [8]byte
			_, err = rand.Read(r[:])
			d.id = "device-" + hex.EncodeToString(r[:])
		}
		defer func() {
			if err != nil {
				d.id = ""
			}
		}()
	}
	opt := &journal.Options{Quick: true, Segment: deviceSegment} // read has read it whole
	if err == nil {
		opt.Anchor, err = d.chip.take(d.id)
	}
	switch head := (journal.Header{JournalID: d.id}); {
	case err != nil:
	case begins:
		d.w, err = journal.Create(d.dir, head, opt)
		d.begun = true
	default:
		d.w, _, err = journal.Open(d.dir, head, opt)
	}
	if errors.Is(err, journal.ErrInUse) {
		err = fmt.Errorf("%w, a controller that lives: wait for its end", err)
	}
	if err != nil {
		return false, fmt.Errorf("controller: device journal: %w", err)
	}
	return d.w.Tail().N != d.seq, nil
}

// Append writes one record and returns when it is durable. It makes a device a record.Log.
func (d *device) Append(fill func(b *record.Body)) (uint64, error) {
	if err := d.Hold(); err != nil {
		return 0, err
	}
	fill(&d.body)
	s := d.keep.Stamp(d.clock.Now())
	d.body.Count(record.EventSeq, d.seq+1)
	d.body.Text(record.JournalID, d.id)
	d.body.Int(record.Epoch, int64(d.w.Header().Epoch))
	d.body.Count(record.TsMonoNS, uint64(s.Mono))
	d.body.Text(record.SyncState, s.Sync.String())
	d.body.Text(record.TimeSource, s.Source)
	if s.UTC != 0 {
		d.body.Time(record.TsUTC, s.UTC)
		d.body.Decimal(record.OffsetMS, s.Offset, 6)
	}
	if s.Bound > 0 {
		d.body.Decimal(record.TimeBoundMS, s.Bound, 6)
	}
	d.body.Text(record.DeviceID, d.name)
	body, err := d.body.Append(nil)
	if err != nil {
		return 0, err
	}
	if err := d.w.Append(d.seq+1, body); err != nil {
		return 0, err
	}
	if err := d.w.Commit(); err != nil {
		return 0, err
	}
	d.tree.Add(journal.Leaf(body))
	d.seq, d.at = d.seq+1, s.Mono
	return d.seq, nil
}

// Close signs the head, where that is due, and gives the journal and the chip back.
func (d *device) Close() (err error) {
	if d.w != nil {
		err = errors.Join(d.signLast(), d.w.Close())
		if lost := d.w.Anchored(); lost != nil {
			err = errors.Join(err, fmt.Errorf("the chip no longer remembers how far it came: %w", lost))
		}
	}
	return errors.Join(err, d.chip.Close())
}

// anchor keeps the head of a batch's journal in the device journal, where there is one: what is cut off the batch's journal later, or
// made anew, then no longer fits.
func anchor(f *flags, b *batch.Batch, res *runner.Result, stderr io.Writer) {
	lost := fmt.Sprintf("the head of batch %s, record %d, is not kept in the device journal", b.ID, res.Records)
	noted(f, b.Plan.Map.Device, "head_anchored", lost, stderr, func(d *device) error {
		_, err := d.Append(func(body *record.Body) {
			body.Begin(record.KindHeadAnchored)
			body.Text(record.AnchoredJournalID, b.JournalID)
			body.Count(record.HeadSize, res.Records)
			body.Text(record.HeadLink, res.Link)
			if res.Root != "" {
				body.Text(record.HeadRoot, res.Root)
			}
		})
		return err
	})
}

// verified records in the device journal, if there is one, what verifying a package came to.
func verified(f *flags, name string, report *evidence.Report, stderr io.Writer) {
	noted(f, name, "verification", "the verification of the package is not on record", stderr, func(d *device) error {
		_, err := evidence.LogVerification(d, "controller", report)
		return err
	})
}

// noted has something recorded in the device journal, where there is one, whose head is then due to be signed for the milestone, if
// that is one. Where it fails it says on stderr what is lost: the batch, and its package, are what they are.
func noted(f *flags, name, milestone, lost string, stderr io.Writer, do func(d *device) error) {
	d, err := f.device(name, io.Discard) // what is to be said of it was said when it was read
	if err == nil && d.id == "" {
		return
	}
	if err == nil {
		err = d.hold()
	}
	if err == nil {
		err = do(d)
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "controller: %s: %v\n", lost, err)
	case milestone != "":
		d.due(milestone)
	}
}
