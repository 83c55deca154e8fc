// The run of a batch, and of the one that takes its place.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// job is one batch that is to run.
type job struct {
	b     *batch.Batch
	dir   string          // of its evidence
	was   *runner.Remains // what was found of it, where it was cut short; nil for a new batch
	fram  *journal.Chip   // the chip that anchors its journal; nil: none
	plant bool            // it takes the plant as another batch has left it
}

// control runs a batch, and the one that takes its place where a recovery rule wants one. It reports whether the last of them is
// complete and its evidence verifies. What can be refused is refused before anything is written.
func control(ctx context.Context, f *flags, stdin io.Reader, stdout, stderr io.Writer) (bool, error) {
	f.finishReleases(stderr)
	j, err := choose(f, stderr)
	var m *iomap.Map
	if err == nil && f.board != "" {
		if _, err = f.onBoard(j.b.Plan.Map); err != nil && j.was != nil {
			m, err = j.b.Plan.Map, fmt.Errorf("controller: batch %s was cut short: %w: %w", j.b.ID, errStuck, err)
		}
	}
	if err == nil && (f.fram != "" || f.station != nil && f.station.FRAM != nil) {
		if err = j.anchored(f, stderr); err != nil && j.was != nil {
			m, err = j.b.Plan.Map, fmt.Errorf("controller: batch %s was cut short: %w: %w", j.b.ID, errStuck, err)
		}
	}
	if errors.Is(err, errStuck) && !f.virtual {
		err = fmt.Errorf("%w\n%s", err, rest(ctx, f, m))
	}
	if err != nil {
		return false, err
	}
	for {
		res, ok, err := j.run(ctx, f, stdin, stdout, stderr)
		if err != nil || !res.Again {
			return ok, err
		}
		fram := j.fram
		if j, err = inPlaceOf(j, f, nil, stderr); err != nil {
			return false, err
		}
		j.fram = fram
	}
}

// anchored holds the disk against the chip before a batch is begun or continued, and takes the chip for this process.
func (j *job) anchored(f *flags, stderr io.Writer) error {
	d, err := f.device(j.b.Plan.Map.Device, stderr)
	if err == nil {
		err = d.hold()
	}
	if err == nil {
		j.fram = d.chip.slots()
	}
	return err
}

// run runs the batch and reports whether it is complete and its evidence verifies.
func (j *job) run(ctx context.Context, f *flags, stdin io.Reader, stdout, stderr io.Writer) (res runner.Result, ok bool, err error) {
	if !f.virtual {
		p := newPrinter(stdout)
		defer p.Close()
		stdout = p
	}
	opt, rig := &runner.Options{}, runner.Rig{Dir: j.dir, FRAM: j.fram}
	if f.historian != "" {
		rig.Historian = runner.HistorianFile(f.historian)
	}
	if rig.Key, err = signingKey(f, j.b); err != nil {
		return res, false, err
	}
	unsafe, release, err := j.connect(ctx, f, &rig, opt)
	if err != nil {
		return res, false, err
	}
	defer release()
	stopValues := sendValues(f, j.b.Plan.Map, &rig, stderr)
	defer stopValues()
	view := &view{b: j.b, was: j.was, dir: j.dir, out: stdout, quiet: f.json, live: !f.virtual}
	ctx, leave := seat(ctx, f, stdin, view, stderr, opt)
	defer leave()
	res, err = runner.Run(ctx, j.b, rig, opt)
	leave()
	leaves(f, j.b, &res, stderr)
	if err != nil && res.Records == 0 {
		if errors.Is(err, runner.ErrEvidence) && j.was == nil {
			err = fmt.Errorf("%w\nnothing was started; see to the disk, or give another -out", err)
		}
		return res, false, err
	}
	if !errors.Is(err, runner.ErrEvidence) {
		learnt(f, j.b, res.Learnt, stderr)
		anchor(f, j.b, &res, stderr)
	}
	if res.DryRun && err == nil {
		var name string
		if name, err = dryReport(f, rig.Dir); err == nil && !f.json {
			fmt.Fprintf(stdout, "what would have been written, and when: %s\n", name)
		}
	}
	report, unread := evidence.Verify(rig.Dir)
	if report != nil {
		verified(f, j.b.Plan.Map.Device, report, stderr)
	}
	defer func() { exports(ctx, f, j.b.Plan.Map.Device, filepath.Base(j.dir), stdout, stderr) }() // said last, by whatever end
	switch {
	case err == nil:
		err = unread
	case errors.Is(err, runner.ErrNobody):
		err = fmt.Errorf("%w; a fault script can give what is wanted, behind what it has:\n%s", err, lacking(&res, max(view.last+1, 12)))
	case errors.Is(err, runner.ErrEvidence):
		err = fmt.Errorf("%w\nwhat was recorded stays in %s; see to the disk before you go on", err, rig.Dir)
	}
	if res.Again && f.json {
		return res, false, err // the summary of the batch in its place is to come
	}
	outputs := unsafe()
	if report != nil {
		for _, name := range report.Unsafe {
			if !slices.Contains(outputs, name) {
				outputs = append(outputs, name)
			}
		}
	}
	view.end(&res, report, outputs)
	return res, err == nil && report.OK() && len(outputs) == 0 && res.State == sequencer.Complete, err
}

// connect gives the rig its plant: in this process in virtual time, else in one of its own. Unsafe names the outputs that are not
// at their safe values; release lets others use the plant.
func (j *job) connect(ctx context.Context, f *flags, rig *runner.Rig, opt *runner.Options) (unsafe func() []string, release func(), err error) {
	plant := sim.NewPlant(j.b.Seed)
	var wrong []sim.Fault
	if f.faults != "" {
		f.scripted = map[uint32]bool{}
		if opt.Schedule, wrong, err = faults(f.faults, j.b.Plan.Recipe, plant, f.scripted); err != nil {
			return nil, nil, err
		}
	}
	if f.virtual {
		if rig.Port, opt.Virtual = plant, (&runner.Virtual{}); j.b.DryRun {
			rig.Port, rig.Model = nil, plant
		}
		return func() []string {
			// Nothing moves the plant any more, and the last writes are still on their way to it.
			plant.Advance(plant.Next()+batch.WriteTime, func(tag.Raw) {})
			return unsafeOutputs(j.b.Plan.Map, func(channel string) (uint64, bool) {
				raw, ok := plant.Read(channel)
				return raw.Bits, ok
			})
		}, func() {}, nil
	}
	if s, err := f.onBoard(j.b.Plan.Map); err != nil {
		return nil, nil, err
	} else if s != nil {
		if len(wrong) > 0 {
			return nil, nil, fmt.Errorf("controller: -faults %s: a fault of the simulated plant, and this is a board; commands can be given", f.faults)
		}
		return s.connect(ctx, j, f, rig, opt)
	}
	p := &plantFlags{dir: filepath.Join(f.out, "plant"), seed: j.b.Seed, speed: f.speed, fresh: j.was == nil && !j.plant, linger: lingerFor, bus: j.b.Plan.TagMap}
	if len(wrong) > 0 {
		p.faults = f.faults
	}
	clock, why, stop := beat(f)
	rig.Clock = clock
	rig.Health = func() hal.StorageHealth { return health(j.dir) }
	if rig.Medium, err = medium(f, j.b.Plan.Map.Device); err != nil {
		stop()
		return nil, nil, err
	}
	if j.was != nil && j.was.Last > 0 && f.speed > 1 {
		rig.Wall = fastWall{rig.Clock, j.was.Last, written(j.dir), int64(f.speed)}
	}
	unwatch := func() {}
	if f.time != "" {
		if rig.Wall, unwatch, err = watchTime(ctx, rig.Clock, f.time); err != nil {
			stop()
			return nil, nil, err
		}
	}
	w, err := connect(ctx, p, rig.Clock)
	if err != nil {
		unwatch()
		stop()
		return nil, nil, err
	}
	rig.Port, rig.RealTime = w, manners(f, why)
	return func() []string { return w.unsafe(j.b.Plan.Map) }, func() { _ = w.Close(); unwatch(); stop() }, nil
}

// health says how the medium of a directory stands, as far as this system tells.
func health(dir string) hal.StorageHealth {
	m, err := linux.MediumOf(dir)
	if err != nil {
		h := hal.NewStorageHealth("")
		h.Judge(hal.HealthUnknown, err.Error())
		return h
	}
	return linux.StorageHealth(os.DirFS("/sys"), m, nil)
}

// fastWall is the wall clock of a batch that is continued at a speed: it goes on as that of the life before would have done, so
// that the time between them counts as fast as all other.
type fastWall struct {
	clock timebase.Clock
	last  int64     // ts_utc of the last record, ns since 1970
	at    time.Time // when that was written
	speed int64
}

// written is when the journal of a batch was written to last.
func written(dir string) (at time.Time) {
	segments, _ := filepath.Glob(filepath.Join(dir, "journal", "segments", "*"))
	for _, name := range segments {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	return at
}

// Observe implements timebase.Source.
func (w fastWall) Observe() timebase.Observation {
	o := system.Wall(w.clock).Observe()
	o.UTC = w.last + w.speed*int64(min(max(time.Since(w.at), 0), 24*time.Hour))
	return o
}
