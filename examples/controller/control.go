// Which batch is to run - a new one, or one that was cut short - and the run itself.

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
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
	plant bool            // it takes the plant as another batch has left it
}

// control runs a batch, and the one that takes its place where a recovery rule wants one. It reports whether the last of them is
// complete and its evidence verifies. What can be refused is refused before anything is written.
func control(ctx context.Context, f *flags, stdin io.Reader, stdout, stderr io.Writer) (bool, error) {
	j, err := choose(f, stderr)
	if err != nil {
		return false, err
	}
	for {
		res, ok, err := j.run(ctx, f, stdin, stdout, stderr)
		if err != nil || !res.Again {
			return ok, err
		}
		if j, err = inPlaceOf(j, f, stderr); err != nil {
			return false, err
		}
	}
}

// choose finds the batch that is to run: one that was cut short below -out, or else a new one.
func choose(f *flags, stderr io.Writer) (*job, error) {
	id, was, err := unfinished(f)
	switch {
	case err != nil:
		return nil, err
	case was != nil && was.Records > 0 && f.virtual && !was.Ended:
		return nil, fmt.Errorf("controller: batch %s was cut short, and virtual time cannot continue it: its plant is gone; %s", id, another)
	case was != nil && was.Records > 0:
		return resume(f, was)
	}
	plan, err := load(f.recipe, f.mapping)
	if err != nil {
		return nil, err
	}
	if id == "" {
		if id, err = nextBatch(f.out); err != nil {
			return nil, err
		}
	}
	bound := &batch.BindOptions{Operator: f.operator, Seed: f.seed}
	if was != nil { // it was cut short before its first record: its journal is there, and nothing was begun
		bound.JournalID = was.Journal
	}
	return bind(f, plan, f.size, bound, id, stderr)
}

// bind makes a new batch of a plan. What can be refused is refused before anything is written.
func bind(f *flags, plan *batch.Plan, size string, bound *batch.BindOptions, id string, stderr io.Writer) (*job, error) {
	if bound.JournalID == "" {
		bound.JournalID = journalID(id, f)
	}
	if _, err := plan.Bind(id, size, batch.Unapproved, bound); err != nil {
		return nil, err
	}
	if f.faults != "" {
		if _, _, err := faults(f.faults, sim.NewPlant(f.seed)); err != nil {
			return nil, err
		}
	}
	if err := makeOut(f.out); err != nil {
		return nil, err
	}
	release, err := released(f, plan, stderr)
	if err != nil {
		return nil, err
	}
	b, err := plan.Bind(id, size, release, bound)
	if err != nil {
		return nil, err
	}
	return &job{b: b, dir: filepath.Join(f.out, id)}, nil
}

// inPlaceOf begins a batch in place of one that a recovery rule has aborted: it is of the same files and size, names the other
// one, and finds the plant as that has left it.
func inPlaceOf(old *job, f *flags, stderr io.Writer) (*job, error) {
	id, err := nextBatch(f.out)
	if err != nil {
		return nil, err
	}
	j, err := bind(f, old.b.Plan, old.b.Size.String(), &batch.BindOptions{Operator: old.b.Operator, Seed: old.b.Seed, RestartOf: old.b.ID}, id, stderr)
	if err == nil {
		j.plant = true
	}
	return j, err
}

// numbered are the names that nextBatch gives.
var numbered = regexp.MustCompile(`^B-[0-9]{4}$`)

// unfinished looks for a batch that was cut short: the one of -batch, or else, in real time, the newest below -out. It returns the
// name that the batch to run has, "" where that is still open, and what was found of it, nil where it is new.
func unfinished(f *flags) (id string, was *runner.Remains, err error) {
	if id = f.batch; id == "" && !f.virtual {
		dirs, _ := os.ReadDir(f.out) // if it cannot be read, making the directory tells why
		for _, d := range slices.Backward(dirs) {
			if d.IsDir() && numbered.MatchString(d.Name()) {
				id = d.Name()
				break
			}
		}
	}
	dir := filepath.Join(f.out, id)
	if id == "" {
		return "", nil, nil
	}
	was, err = runner.Look(dir)
	switch {
	case err == nil && was != nil && was.Ended && evidence.Packed(dir):
		return f.batch, nil, nil
	case err != nil:
		err = fmt.Errorf("controller: batch %s was cut short: %w; %s", id, err, another)
	case was != nil && was.Outcome != journal.Clean && was.Outcome != journal.TornTail:
		err = fmt.Errorf("controller: batch %s was cut short and its journal is %s: %s; %s", id, was.Outcome, was.Reason, another)
	case was != nil && was.Records > 0 && was.Batch != id:
		err = fmt.Errorf("controller: %s holds batch %s; %s", dir, was.Batch, another)
	}
	return id, was, err
}

// another is what to do where a batch cannot be continued.
const another = "keep it as it is, and run another batch with -batch ID or another -out"

// resume binds a batch that was cut short, once more, to what it is bound to for ever. Flags that say otherwise are refused.
func resume(f *flags, was *runner.Remains) (*job, error) {
	dir := filepath.Join(f.out, was.Batch)
	b, err := evidence.Rebind(dir)
	if err != nil {
		return nil, fmt.Errorf("controller: batch %s was cut short and cannot be continued: %w; %s", was.Batch, err, another)
	}
	refuse := func(name, is string) error {
		return fmt.Errorf("controller: batch %s was cut short and is bound to %s; leave out -%s to continue it, or run another batch with -batch ID",
			b.ID, is, name)
	}
	if f.given["recipe"] || f.given["map"] {
		plan, err := load(f.recipe, f.mapping)
		if err != nil {
			return nil, err
		}
		for i := range plan.Files {
			is := slices.IndexFunc(b.Plan.Files, func(old batch.File) bool { return old.Kind == plan.Files[i].Kind })
			if old := &b.Plan.Files[max(is, 0)]; is < 0 || old.Digest != plan.Files[i].Digest && (old.Kind == "recipe" && f.given["recipe"] || f.given["map"]) {
				return nil, refuse(map[bool]string{true: "recipe", false: "map"}[old.Kind == "recipe"], old.Kind+" "+old.ID+" "+old.Version+" as it was")
			}
		}
	}
	for _, one := range [...][3]string{{"size", f.size, b.Size.String()}, {"operator", f.operator, b.Operator}, {"seed", fmt.Sprint(f.seed), fmt.Sprint(b.Seed)}} {
		if f.given[one[0]] && one[1] != one[2] {
			return nil, refuse(one[0], one[0]+" "+one[2])
		}
	}
	return &job{b: b, dir: dir, was: was}, nil
}

// run runs the batch and reports whether it is complete and its evidence verifies.
func (j *job) run(ctx context.Context, f *flags, stdin io.Reader, stdout, stderr io.Writer) (res runner.Result, ok bool, err error) {
	if !f.virtual {
		p := newPrinter(stdout)
		defer p.Close()
		stdout = p
	}
	opt, rig := &runner.Options{}, runner.Rig{Dir: j.dir}
	unsafe, release, err := j.connect(ctx, f, &rig, opt)
	if err != nil {
		return res, false, err
	}
	defer release()
	view := &view{b: j.b, was: j.was, dir: j.dir, out: stdout, quiet: f.json, live: !f.virtual}
	ctx, leave := seat(ctx, f, stdin, view, stderr, opt)
	defer leave()
	res, err = runner.Run(ctx, j.b, rig, opt)
	leave()
	if err != nil && res.Records == 0 {
		if errors.Is(err, runner.ErrEvidence) {
			err = fmt.Errorf("%w\nnothing was started; see to the disk, or give another -out", err)
		}
		return res, false, err
	}
	report, unread := evidence.Verify(rig.Dir)
	switch {
	case err == nil:
		err = unread
	case errors.Is(err, runner.ErrNobody):
		err = fmt.Errorf("%w; a fault script can give the command, such as: at 12s command restart op1 \"meter is back\"", err)
	case errors.Is(err, runner.ErrEvidence):
		err = fmt.Errorf("%w\nwhat was recorded stays in %s; see to the disk before you go on", err, rig.Dir)
	}
	if res.Again && f.json {
		return res, false, err // the summary of the batch in its place is to come
	}
	view.end(&res, report, unsafe())
	return res, err == nil && report.OK() && res.State == sequencer.Complete, err
}

// connect gives the rig its plant: in this process in virtual time, else in one of its own. Unsafe names the outputs that are not
// at their safe values; release lets others use the plant.
func (j *job) connect(ctx context.Context, f *flags, rig *runner.Rig, opt *runner.Options) (unsafe func() []string, release func(), err error) {
	plant := sim.NewPlant(j.b.Seed)
	var wrong []sim.Fault
	if f.faults != "" {
		if opt.Schedule, wrong, err = faults(f.faults, plant); err != nil {
			return nil, nil, err
		}
	}
	if f.virtual {
		rig.Port, opt.Virtual = plant, &runner.Virtual{}
		return func() []string {
			// Nothing moves the plant any more, and the last writes are still on their way to it.
			plant.Advance(plant.Next()+batch.WriteTime, func(tag.Raw) {})
			return unsafeOutputs(j.b.Plan.Map, func(channel string) (uint64, bool) { return uint64(plant.Output(channel)), true })
		}, func() {}, nil
	}
	p := &plantFlags{dir: filepath.Join(f.out, "plant"), seed: j.b.Seed, speed: f.speed, fresh: j.was == nil && !j.plant, linger: lingerFor}
	if len(wrong) > 0 {
		p.faults = f.faults
	}
	rig.Clock = system.NewClock(f.speed)
	if j.was != nil && f.speed > 1 {
		rig.Wall = fastWall{rig.Clock, j.was.Created, int64(f.speed)}
	}
	w, err := connect(ctx, p, rig.Clock)
	if err != nil {
		return nil, nil, err
	}
	rig.Port = w
	return func() []string { return w.unsafe(j.b.Plan.Map) }, func() { _ = w.Close() }, nil
}

// fastWall is the wall clock of a batch that is continued at a speed: it goes on as that of the life before would have done, so
// that the time between them counts as fast as all other.
type fastWall struct {
	clock timebase.Clock
	begun int64 // ns since 1970 when the batch was created
	speed int64
}

// Observe implements timebase.Source.
func (w fastWall) Observe() timebase.Observation {
	o := system.Wall(w.clock).Observe()
	o.UTC = w.begun + w.speed*(time.Now().UnixNano()-w.begun)
	return o
}

// nextBatch finds the first batch id that is free in a directory.
func nextBatch(out string) (string, error) {
	for n := 1; n < 10000; n++ {
		id := fmt.Sprintf("B-%04d", n)
		_, err := os.Lstat(filepath.Join(out, id))
		if err != nil {
			// If it is not free but out of reach, making the directory tells why.
			return id, nil
		}
	}
	return "", fmt.Errorf("controller: %s holds B-0001 to B-9999; give -batch or another -out", out)
}

// journalID names a journal: for ever unique in real life, made of the seed in virtual time so that equal runs are equal.
func journalID(id string, f *flags) string {
	if f.virtual {
		return fmt.Sprintf("%s-seed%d", id[:min(len(id), 40)], f.seed)
	}
	var r [8]byte
	if _, err := rand.Read(r[:]); err != nil {
		panic(err)
	}
	return id[:min(len(id), 40)] + "-" + hex.EncodeToString(r[:])
}
