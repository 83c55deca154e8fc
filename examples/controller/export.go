// Where records are kept for long: each run sends what a directory elsewhere does not hold yet, and packages that are old enough and held
// there may go.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// exportFlags are the flags of this file.
func exportFlags(set *flag.FlagSet, f *flags) {
	set.StringVar(&f.export, "export", "",
		"`DIR`ectory elsewhere, such as a share, to which records are sent when the batch has ended; make it first; while it is away they wait")
	set.DurationVar(&f.retain, "retain", 0,
		"remove packages of earlier batches that -export holds and that are older than `TIME`, such as 720h; it is on record")
}

// departure is one sending of all journals below a directory to one sink.
type departure struct {
	f      *flags
	d      *device
	name   string // of the sink
	sink   *export.Dir
	dir    string                  // of its cursors
	told   map[string]export.State // by journal, what the last record says of this sink
	stdout io.Writer
}

// exports sends what is new in the journals of all batches and in the device journal, then has packages go that may. What stands in
// the way is for stderr, and on record in the device journal; the batch is what it is.
func exports(ctx context.Context, f *flags, device, current string, stdout, stderr io.Writer) {
	if f.export == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)       // an aborted batch is evidence, too
	d, err := f.device(device, io.Discard) // what is to be said of it was said when it was read
	if err == nil {
		err = d.hold()
	}
	if err == nil {
		err = (&departure{f: f, d: d, stdout: stdout}).all(ctx, current)
		d.due("export")
	}
	switch {
	case export.Outage(err):
		fmt.Fprintf(stderr, "controller: -export %s is away; what it lacks is sent when it is back (mkdir it, if it is new): %v\n", f.export, err)
	case err != nil:
		fmt.Fprintf(stderr, "controller: -export %s: %v\n", f.export, err)
	case !f.json:
		fmt.Fprintf(stdout, "exported: all records of the batches and of the device journal are in %s\n", f.export)
	}
}

func (p *departure) all(ctx context.Context, current string) (err error) {
	if p.name, err = filepath.Abs(p.f.export); err != nil {
		return err
	}
	p.sink, p.told = &export.Dir{Path: p.name}, map[string]export.State{}
	sum := sha256.Sum256([]byte(p.name))
	p.dir = filepath.Join(p.d.dir, "cursors", hex.EncodeToString(sum[:8]))
	if err := scanDevice(p.d.dir, func(r *record.Record) {
		if r.Kind == record.KindExportState && r.Text(record.Sink) == p.name {
			p.told[r.Text(record.ObjectID)] = export.State(r.Text(record.SinkState))
		}
	}); err != nil {
		return err
	}
	batches, err := batchesIn(p.f.out)
	if err != nil {
		return err
	}
	// The device journal goes first: an empty directory in which a disk is not mounted lacks what it had, and takes nothing then.
	own := export.Source{Dir: p.d.dir, Durable: p.d.w.Durable}
	if p.d.seq > 0 {
		if _, err := p.send(ctx, own); export.Outage(err) {
			return err
		}
	}
	var earlier []string
	acks := map[string]export.Ack{}
	for _, id := range append([]string{current}, batches...) {
		if _, done := acks[id]; done {
			continue
		}
		at, err := p.send(ctx, export.Source{Dir: filepath.Join(p.f.out, id, "journal")})
		if errors.Is(err, export.ErrJournal) && id != current {
			continue // nothing was begun there, or it is another's to say
		}
		if err != nil {
			return fmt.Errorf("batch %s: %w", id, err)
		}
		if acks[id] = (export.Ack{Sink: p.name, At: at}); id != current {
			earlier = append(earlier, id)
		}
	}
	if p.f.retain > 0 {
		err = p.retain(ctx, earlier, acks)
	}
	_, sent := p.send(ctx, own)
	return errors.Join(err, sent)
}

// send sends one journal, and once more what was recorded meanwhile, and returns up to where the sink has it.
func (p *departure) send(ctx context.Context, src export.Source) (journal.Chain, error) {
	id, _, _, err := journal.Begin(src.Dir, nil)
	if err == nil && id == "" {
		err = export.ErrJournal
	}
	if err != nil {
		return journal.Chain{}, err
	}
	cursors := filepath.Join(p.dir, id)
	if err := evidence.MakeDir(cursors); err != nil {
		return journal.Chain{}, err
	}
	e, err := export.New(p.name, p.sink, src, cursors, p.d.clock, &export.Options{Log: p.d, Told: p.told[id]})
	if err != nil {
		return journal.Chain{}, err
	}
	if err = e.CatchUp(ctx); err == nil && src.Durable != nil {
		err = e.CatchUp(ctx)
	}
	return e.Status().Acked, err
}

// retain has the packages of earlier batches go that may. What the directory elsewhere has acknowledged is read there once more before
// anything goes: it may have been changed since.
func (p *departure) retain(ctx context.Context, earlier []string, acks map[string]export.Ack) (err error) {
	for _, id := range earlier {
		if !evidence.Packed(filepath.Join(p.f.out, id)) {
			continue // no package is there
		}
		if held := p.holds(ctx, id, acks[id]); held != nil {
			err = errors.Join(err, fmt.Errorf("batch %s stays: %w", id, held))
			continue
		}
		left, gone := evidence.Release(p.d, filepath.Join(p.f.out, id), &evidence.Departure{
			Policy: export.Policy{Sinks: []string{p.name}, Age: p.f.retain}, Acks: []export.Ack{acks[id]},
			Now: time.Now().UnixNano(), Actor: p.f.operator, Reason: "-retain " + p.f.retain.String(),
		})
		switch {
		case errors.Is(gone, evidence.ErrStays) || errors.Is(gone, evidence.ErrNoPackage):
			continue
		case gone != nil:
			return errors.Join(err, gone)
		case !p.f.json:
			fmt.Fprintf(p.stdout, "released %s: its records are in %s%s\n", id, p.name, beside(left))
		}
	}
	return err
}

// holds tells why the directory elsewhere does not hold all that it has acknowledged of a batch, nil if it does.
func (p *departure) holds(ctx context.Context, id string, ack export.Ack) error {
	journalID, _, _, err := journal.Begin(filepath.Join(p.f.out, id, "journal"), nil)
	if err != nil {
		return err
	}
	first, last, err := p.sink.Whole(ctx, journalID)
	if err == nil && (first != 1 || last != ack.At) {
		err = fmt.Errorf("%w: it holds records %d to %d of journal %s, and has acknowledged records 1 to %d", export.ErrSink, first, last.N,
			journalID, ack.At.N)
	}
	return err
}

func beside(left []string) string {
	if len(left) == 0 {
		return ""
	}
	return fmt.Sprintf("; not of the package, and left: %s", left)
}

// finishReleases goes on with releases of packages that were cut off. It believes the device journal only where that is sound, and
// makes durable first what is read there: a record that the next cut of power takes away has released nothing.
func (f *flags) finishReleases(stderr io.Writer) {
	if checkOut(f.out) != nil {
		return // whoever begins a batch there says so
	}
	device := filepath.Join(f.out, "device")
	var cut []*record.Record
	err := scanDevice(device, func(r *record.Record) {
		if r.Kind == record.KindBatchReleased && exists(filepath.Join(f.out, filepath.Base(r.Text(record.ObjectID)))) {
			cut = append(cut, r)
		}
	})
	if err == nil && len(cut) == 0 {
		return
	}
	if err == nil {
		_, err = f.device("", stderr) // which is held against the chip
	}
	var claim io.Closer
	if err == nil {
		claim, err = journal.Claim(device, nil)
	}
	if err != nil {
		fmt.Fprintf(stderr, "controller: releases of packages that were cut off are not finished: %v\n", err)
		return
	}
	defer claim.Close()
	for _, r := range cut {
		if _, err := evidence.FinishRelease(f.out, r); err != nil {
			fmt.Fprintf(stderr, "controller: batch %s was released and is still there: %v\n", r.Text(record.ObjectID), err)
		}
	}
}

// scanDevice calls fn for every record of a device journal, if there is one. Of one that is damaged others say so.
func scanDevice(dir string, fn func(r *record.Record)) error {
	_, err := journal.Scan(dir, func(_ uint64, body []byte, _ journal.Chain) error {
		if r, err := record.Parse(body); err == nil {
			fn(r)
		}
		return nil
	}, nil)
	return err
}

// batchesIn names the directories below out that may be those of batches, in order.
func batchesIn(out string) (ids []string, err error) {
	dirs, err := os.ReadDir(out)
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		if d.IsDir() && !slices.Contains(reserved[:], d.Name()) {
			ids = append(ids, d.Name())
		}
	}
	return ids, nil
}
