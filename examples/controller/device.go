// The device journal of a controller: what changes in its library of approved files is a record there, and so are the head of every
// batch's journal when the batch has ended, and what verifications came to.

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// device is the device journal of a controller and the library that stands in it. It is opened for writing only when something
// changes.
type device struct {
	dir   string
	name  string // device_id
	id    string // journal_id
	key   string // public key that signs, as its record has it; "" where none does
	lib   library.Library
	clock timebase.Clock
	keep  timebase.Keeper
	w     *journal.Writer
	seq   uint64
	body  record.Body
}

// openDevice reads the device journal below out. One that does not exist yet is empty. Of one whose end was cut off it says so on
// stderr and goes on; one that is damaged is refused.
func openDevice(out, name string, stderr io.Writer) (*device, error) {
	d := &device{dir: filepath.Join(out, "device"), name: name, clock: system.NewClock(1)}
	d.keep.Observe(system.Wall(d.clock).Observe())
	rec, err := journal.Scan(d.dir, func(seq uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err != nil {
			return err
		}
		d.seq = seq
		switch {
		case r.Kind == record.KindKeyEvent && r.Text(record.KeyState) == string(journal.KeyRevoked):
			d.key = ""
		case r.Kind == record.KindKeyEvent:
			d.key = r.Text(record.PublicKey)
		}
		return d.lib.Apply(r)
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("controller: device journal %s: %w; %s", d.dir, err, elsewhere)
	}
	switch rec.Outcome {
	case journal.Damaged, journal.Foreign:
		return nil, fmt.Errorf("controller: device journal %s is %s: %s; %s", d.dir, rec.Outcome, rec.Reason, elsewhere)
	case journal.None:
		if _, err := os.Lstat(d.dir); err == nil {
			fmt.Fprintf(stderr, "controller: device journal %s holds no record; it begins anew, and approvals that it may have held are lost\n", d.dir)
		}
	case journal.TornTail:
		fmt.Fprintf(stderr, "controller: device journal %s is %s: %s; its %d records before that hold, approvals after them are lost\n",
			d.dir, rec.Outcome, rec.Reason, rec.Head.N)
	}
	d.id = rec.JournalID
	return d, nil
}

// elsewhere is what to do where a device journal cannot be used.
const elsewhere = "keep it as it is, give another -out, and approve anew there"

// Append writes one record and returns when it is durable. It makes a device a library.Log.
func (d *device) Append(fill func(b *record.Body)) (uint64, error) {
	if err := d.write(); err != nil {
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
	d.seq++
	return d.seq, nil
}

// anchor keeps the head of a batch's journal in the device journal, where there is one: what is cut off the batch's journal later, or
// made anew, then no longer fits. What stands in the way is for stderr; the batch is what it is.
func anchor(f *flags, b *batch.Batch, res *runner.Result, stderr io.Writer) {
	d, err := openDevice(f.out, b.Plan.Map.Device, io.Discard)
	if err == nil && d.id != "" {
		_, err = d.Append(func(body *record.Body) {
			body.Begin(record.KindHeadAnchored)
			body.Text(record.AnchoredJournalID, b.JournalID)
			body.Count(record.HeadSize, res.Records)
			body.Text(record.HeadLink, res.Link)
			if res.Root != "" {
				body.Text(record.HeadRoot, res.Root)
			}
		})
		err = errors.Join(err, d.Close())
	}
	if err != nil {
		fmt.Fprintf(stderr, "controller: the head of batch %s, record %d, is not kept in the device journal: %v\n", b.ID, res.Records, err)
	}
}

// write opens the journal for writing.
func (d *device) write() (err error) {
	switch {
	case d.w != nil:
		return nil
	case d.id != "":
		// openDevice has read it whole.
		d.w, _, err = journal.Open(d.dir, journal.Header{JournalID: d.id}, &journal.Options{Quick: true})
	default:
		var r [8]byte
		if _, err := rand.Read(r[:]); err != nil {
			return err
		}
		d.id = d.name[:min(len(d.name), 40)] + "-" + hex.EncodeToString(r[:])
		d.w, err = journal.Create(d.dir, journal.Header{JournalID: d.id}, nil)
	}
	if err != nil {
		return fmt.Errorf("controller: device journal: %w", err)
	}
	return nil
}

// Close gives the journal back.
func (d *device) Close() error {
	if d.w == nil {
		return nil
	}
	return d.w.Close()
}

// verified records in the device journal, if there is one, what verifying a package came to. Where that fails it says so on stderr:
// the package is as good as before.
func verified(f *flags, name string, report *evidence.Report, stderr io.Writer) {
	d, err := openDevice(f.out, name, io.Discard) // what is to be said of it was said when it was opened before
	if err == nil && d.id == "" {
		return
	}
	if err == nil {
		_, err = evidence.LogVerification(d, "controller", report)
		err = errors.Join(err, d.Close())
	}
	if err != nil {
		fmt.Fprintf(stderr, "controller: the verification of the package is not on record: %v\n", err)
	}
}
