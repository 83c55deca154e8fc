// Approval: recipe, map and calibration live in a library whose every change is a record of the device journal.

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch"
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
	lib   library.Library
	clock timebase.Clock
	keep  timebase.Keeper
	w     *journal.Writer
	seq   uint64
	body  record.Body
}

// openDevice reads the device journal below out. One that does not exist yet is empty.
func openDevice(out, name string) (*device, error) {
	d := &device{dir: filepath.Join(out, "device"), name: name, clock: system.NewClock(1)}
	d.keep.Observe(system.Wall(d.clock).Observe())
	rec, err := journal.Scan(d.dir, func(seq uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err != nil {
			return err
		}
		d.seq = seq
		return d.lib.Apply(r)
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("controller: device journal %s: %w", d.dir, err)
	}
	switch rec.Outcome {
	case journal.Damaged, journal.Foreign:
		return nil, fmt.Errorf("controller: device journal %s is %s: %s; keep it as it is and give another -out", d.dir, rec.Outcome, rec.Reason)
	}
	d.id = rec.JournalID
	return d, nil
}

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

// write opens the journal for writing.
func (d *device) write() (err error) {
	switch {
	case d.w != nil:
		return nil
	case d.id != "":
		d.w, _, err = journal.Open(d.dir, journal.Header{JournalID: d.id}, nil)
	default:
		var r [8]byte
		if _, err := rand.Read(r[:]); err != nil {
			return err
		}
		d.id = d.name[:min(len(d.name), 40)] + "-" + hex.EncodeToString(r[:])
		d.w, err = journal.Create(d.dir, journal.Header{JournalID: d.id}, nil)
	}
	if err != nil {
		return fmt.Errorf("controller: device journal %s: %w", d.dir, err)
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

// Approved answers from the library, as of the start of this process.
func (d *device) Approved(kind, id, version, digest string) (batch.Approval, error) {
	e, err := d.lib.Approved(kind, id, version, digest, d.now())
	if err != nil {
		return batch.Approval{}, fmt.Errorf("%w; approve it with \"controller approve\", or run with -unapproved", err)
	}
	return batch.Approval{ID: e.ApprovalID, By: e.ApprovedBy, EffectiveFrom: e.EffectiveFrom, Expiry: e.Expiry}, nil
}

func (d *device) now() int64 { return d.keep.Stamp(d.clock.Now()).UTC }

// publish takes a file from wherever it stands to published.
func (d *device) publish(f *batch.File, c library.Change) error {
	c.Kind, c.ID, c.Version, c.Digest = f.Kind, f.ID, f.Version, f.Digest
	if _, err := d.lib.Approved(f.Kind, f.ID, f.Version, f.Digest, d.now()); err == nil {
		return nil
	}
	for _, c.Event = range [...]library.Event{library.Draft, library.Approve, library.Publish} {
		step := c
		if c.Event != library.Publish {
			step.EffectiveFrom, step.Expiry = 0, 0
		}
		if _, err := d.lib.Change(d, step); err != nil {
			return err
		}
	}
	return nil
}

// released answers for the files of a plan. The demo's own files are published by a built-in actor, on record.
func released(f *flags, plan *batch.Plan, builtin bool) (rel batch.Release, err error) {
	if f.unapproved {
		return batch.Unapproved, nil
	}
	d, err := openDevice(f.out, plan.Map.Device)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for i := range plan.Files {
		file := &plan.Files[i]
		if !builtin && !isDemo(file) {
			continue
		}
		c := library.Change{Actor: "builtin", Reason: "part of this build", ApprovalID: "BUILTIN-DEMO", ImpactScope: "batches: none"}
		if err := d.publish(file, c); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// isDemo tells whether a file is one of the demo's own, byte for byte.
func isDemo(f *batch.File) bool {
	data, err := demo.ReadFile("demo/" + f.Name)
	return err == nil && string(data) == string(f.Data)
}

// approve is the command line of the same name.
func approve(args []string, stdout, stderr io.Writer) int {
	var f flags
	var reason, id, from string
	set := flag.NewFlagSet("controller approve", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.recipe, "recipe", "", "recipe `FILE`")
	set.StringVar(&f.mapping, "map", "", "I/O map `FILE`; that of the demo plant if not given")
	set.StringVar(&f.out, "out", "out", "`DIR`ectory for evidence: DIR/device is the device journal")
	set.StringVar(&f.operator, "operator", "", "`ID` of the person who approves")
	set.StringVar(&reason, "reason", "", "`TEXT`: why")
	set.StringVar(&id, "approval", "", "`ID` of the approval, such as a form's number")
	set.StringVar(&from, "effective-from", "", "`TIME` from which it may be used, such as 2026-12-01T06:00:00Z; at once if not given")
	if err := set.Parse(args); err != nil {
		return exitUsage
	}
	c := library.Change{Actor: f.operator, Reason: reason, ApprovalID: id, ImpactScope: "batches: none"}
	if err := approveFiles(&f, c, from, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

func approveFiles(f *flags, c library.Change, from string, stdout io.Writer) (err error) {
	if from != "" {
		short, ok := "", false
		if n := len("2006-01-02T15:04:05"); len(from) == n+1 && from[n] == 'Z' {
			short = from[:n] + ".000000000Z"
		}
		if c.EffectiveFrom, ok = record.ParseTime(short); !ok {
			return fmt.Errorf("controller: -effective-from %q: a time such as 2026-12-01T06:00:00Z is wanted", from)
		}
	}
	if f.recipe == "" || c.Actor == "" || c.Reason == "" || c.ApprovalID == "" {
		return errors.New("controller: approve needs -recipe, -operator, -reason and -approval")
	}
	plan, _, err := load(f.recipe, f.mapping)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o750); err != nil {
		return fmt.Errorf("controller: -out: %w", err)
	}
	d, err := openDevice(f.out, plan.Map.Device)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for i := range plan.Files {
		if err := d.publish(&plan.Files[i], c); err != nil {
			return err
		}
		p := &plan.Files[i]
		fmt.Fprintf(stdout, "%s %s %s is published: %s\n", p.Kind, p.ID, p.Version, p.Digest)
	}
	return nil
}
