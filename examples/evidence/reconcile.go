// A historian's total that came after the end of a batch: the package stays as it is, and the controller's device journal says what the
// reconciliation comes to with it.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// lateArgs are the words of evidence reconcile.
type lateArgs struct {
	dir, device, csv string
	evidence.Late
}

// lateFrom reads the words; ok is false where they are none.
func lateFrom(args []string) (a lateArgs, ok bool) {
	set := flag.NewFlagSet("reconcile", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for name, to := range map[string]*string{"device": &a.device, "csv": &a.csv, "window": &a.Window, "total": &a.Total, "by": &a.By,
		"role": &a.Role, "reason": &a.Reason, "calib": &a.Calib} {
		set.StringVar(to, name, "", "")
	}
	if len(args) < 2 {
		return a, false
	}
	a.dir = args[0]
	err := set.Parse(args[1:])
	file, person := a.csv != "", a.Window != "" || a.Total != "" || a.Calib != ""
	whole := !file && a.Window != "" && a.Total != ""
	return a, err == nil && set.NArg() == 0 && a.device != "" && a.By != "" && a.Reason != "" && file != person && (file || whole)
}

// reconcile records late totals, and prints what each reconciliation comes to.
func reconcile(args []string, stdout, stderr io.Writer) int {
	a, ok := lateFrom(args)
	if !ok {
		fmt.Fprint(stderr, "evidence: reconcile wants DIR first, then -device, -by and -reason, and either -csv, or -window and -total\n\n"+usage)
		return exitUsage
	}
	list, err := a.totals()
	if err != nil {
		return refuse(a.dir, err, stderr)
	}
	log, err := openLog(a.device)
	if err != nil {
		return refuse(a.device, err, stderr)
	}
	code := exitOK
	for i := range list {
		done, err := evidence.Amend(log, a.dir, &list[i])
		if err != nil {
			code = refuse(a.dir, err, stderr)
			break
		}
		fmt.Fprintln(stdout, done.Words())
		for _, pair := range done.Deltas {
			fmt.Fprintln(stdout, "  "+evidence.Plain(pair))
		}
	}
	if err := log.w.Close(); err != nil {
		return refuse(a.device, err, stderr)
	}
	return code
}

// totals are the totals to be recorded: the one that was given, or those of the batch in the file.
func (a *lateArgs) totals() ([]evidence.Late, error) {
	if a.csv == "" {
		a.Source = "operator " + a.By
		return []evidence.Late{a.Late}, nil
	}
	f, err := os.Open(a.csv)
	if err != nil {
		return nil, fmt.Errorf("evidence: -csv: %s", err.Error()) // of no concern to the package
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, batch.MaxHistorianFile+1))
	if err != nil {
		return nil, err
	}
	name := filepath.Base(a.csv)
	rows, err := batch.ParseHistorian(name, data)
	if err != nil {
		return nil, err
	}
	rep, err := evidence.Verify(a.dir)
	if err != nil {
		return nil, err
	}
	var list []evidence.Late
	for i := range rows {
		if r := &rows[i]; r.Batch == rep.BatchID {
			list = append(list, evidence.Late{Window: r.Window, Total: r.Total, Calib: r.Calib, By: a.By, Role: a.Role, Reason: a.Reason,
				Source: fmt.Sprintf("file %s, line %d", name, r.Line)})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: it has no total of batch %s", name, rep.BatchID)
	}
	return list, nil
}

// deviceLog is a device journal that is there, open for writing.
type deviceLog struct {
	w     *journal.Writer
	id    string
	name  string // device_id
	seq   uint64
	clock timebase.Clock
	keep  timebase.Keeper
	body  record.Body
}

// openLog opens the device journal of a controller that does not run. One that is not there, or does not hold, is refused: what becomes of
// it is for its controller.
func openLog(dir string) (*deviceLog, error) {
	d := &deviceLog{clock: system.NewClock(1)}
	d.keep.Observe(system.Wall(d.clock).Observe())
	found, err := journal.Scan(dir, func(seq uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		if err == nil {
			d.seq, d.name = seq, rec.Text(record.DeviceID)
		}
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	if found.Outcome != journal.Clean || d.seq == 0 {
		return nil, fmt.Errorf("%w in %s: it is %s; let its controller open it first", evidence.ErrNoDevice, dir, found.Outcome)
	}
	const segment = 72 << 10
	d.id = found.JournalID
	d.w, _, err = journal.Open(dir, journal.Header{JournalID: d.id}, &journal.Options{Quick: true, Segment: segment})
	switch {
	case errors.Is(err, journal.ErrInUse):
		return nil, fmt.Errorf("device journal %s: %w, a controller that lives: wait for its end", dir, err)
	case err != nil:
		return nil, fmt.Errorf("device journal %s: %w", dir, err)
	case d.w.Tail().N != d.seq:
		return nil, errors.Join(fmt.Errorf("device journal %s was written since it was read; start again", dir), d.w.Close())
	}
	return d, nil
}

// Append writes one record and returns when it is durable. It makes a deviceLog a record.Log.
func (d *deviceLog) Append(fill func(b *record.Body)) (uint64, error) {
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
	if err == nil {
		err = d.w.Append(d.seq+1, body)
	}
	if err == nil {
		err = d.w.Commit()
	}
	if err != nil {
		return 0, err
	}
	d.seq++
	return d.seq, nil
}
