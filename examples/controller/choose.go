// Which batch is to run: a new one, one that was cut short, or one in the place of another.

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/timebase/system"
)

// errStuck says that a batch was cut short and cannot be continued: its outputs may be on.
var errStuck = errors.New("it cannot be continued")

// another is what to do where a batch cannot be continued.
const another = "keep it as it is, and give another -out"

// choose finds the batch that is to run: one that was cut short below -out, one in the place of another, or else a new one.
func choose(f *flags, stderr io.Writer) (*job, error) {
	id, was, err := find(f)
	switch {
	case err != nil:
		return nil, err
	case was != nil && was.Records > 0 && f.virtual && !was.Ended:
		return nil, fmt.Errorf("controller: batch %s was cut short, and virtual time cannot continue it: its plant is gone; %s", id, another)
	case was != nil && was.Again && f.batch == "" && evidence.Packed(filepath.Join(f.out, id)):
		return succeed(f, id, nil, stderr)
	case was != nil && was.Records == 0 && f.batch == "":
		if old := before(f, id); old != "" {
			return succeed(f, old, &remnant{id, was.Journal}, stderr)
		}
	case was != nil && was.Records > 0:
		return resume(f, was, stderr)
	}
	plan, err := f.plan(stderr)
	if err != nil {
		return nil, err
	}
	if id == "" {
		if id, err = nextBatch(f.out); err != nil {
			return nil, err
		}
	}
	bound := &batch.BindOptions{Operator: f.operator, Seed: f.seed, DryRun: f.dry}
	if was != nil { // it was cut short before its first record: at most its journal is there, and nothing was begun
		bound.JournalID = was.Journal
	}
	return bind(f, plan, f.size, bound, id, stderr)
}

// find looks below -out for what is to be done first: a batch that was cut short, or one in whose place a new one is to begin. It
// returns the name that the batch to run has, "" where that is still open, and what was found of it, nil where it is new. With
// -batch, and in virtual time, what others have left is no concern, but that a plant is not taken from a batch that needs it.
func find(f *flags) (id string, was *runner.Remains, err error) {
	if f.virtual && f.batch == "" {
		return "", nil, nil
	}
	names, newest := batches(f.out)
	var open []string
	for _, name := range names {
		if name != f.batch && unpacked(f, name) {
			open = append(open, name)
		}
	}
	if len(open) > 0 && !f.virtual {
		user, err := usePlant(filepath.Join(f.out, "plant"))
		if err == nil {
			err = user.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // without a plant there is no lock to be had
			return f.batch, nil, err
		}
	}
	switch id = f.batch; {
	case id != "" && !f.virtual && len(open) > 0 && !unpacked(f, id):
		return id, nil, fmt.Errorf("controller: batch %s was cut short, and the plant is as it has left it; continue it first, with -batch %s, or give another -out",
			open[0], open[0])
	case id == "" && len(open) > 1:
		return id, nil, fmt.Errorf("controller: batches %s were cut short; continue one with -batch ID", strings.Join(open, " and "))
	case id == "" && len(open) == 1:
		id = open[0]
	case id == "":
		was, err = look(f, newest)
		switch {
		case err == nil && was != nil && (was.Again || was.Records == 0):
			return newest, was, nil
		case was == nil && untouched(filepath.Join(f.out, newest)):
			return newest, &runner.Remains{}, nil
		}
		return "", nil, nil // it has ended, and needs nothing more
	}
	was, err = look(f, id)
	if was != nil && was.Ended && evidence.Packed(filepath.Join(f.out, id)) {
		was = nil // the runner refuses it
	}
	return id, was, err
}

// batches lists the directories below -out that a batch may lie in, and the last of those that are numbered.
func batches(out string) (names []string, newest string) {
	dirs, _ := os.ReadDir(out) // if it cannot be read, making the directory tells why
	for _, d := range dirs {
		if d.IsDir() && !slices.Contains(reserved[:], d.Name()) {
			names = append(names, d.Name())
		}
		if d.IsDir() && numbered.MatchString(d.Name()) {
			newest = d.Name()
		}
	}
	return names, newest
}

// begun tells whether a batch in real time was begun in a directory.
func begun(dir string) bool {
	was, err := runner.Look(dir)
	return err != nil || was != nil && (was.Records > 0 || was.Outcome == journal.Damaged) && !seeded.MatchString(was.Journal)
}

// unpacked tells whether a batch was begun in real time and its package is not there.
func unpacked(f *flags, id string) bool {
	dir := filepath.Join(f.out, id)
	return !evidence.Packed(dir) && begun(dir)
}

// before finds the batch before a numbered one that was never begun, if that one was to take its place.
func before(f *flags, id string) string {
	names, _ := batches(f.out)
	old := ""
	for _, name := range names {
		if numbered.MatchString(name) && name < id {
			old = name
		}
	}
	if was, err := look(f, old); err != nil || was == nil || !was.Again {
		return ""
	}
	return old
}

// untouched tells whether there is a directory with nothing in it but, perhaps, that of a journal: a batch was to begin there, and
// its controller died.
func untouched(dir string) bool {
	names, err := os.ReadDir(dir)
	return err == nil && (len(names) == 0 || len(names) == 1 && names[0].Name() == "journal")
}

// look reads what is left of a batch.
func look(f *flags, id string) (*runner.Remains, error) {
	if id == "" {
		return nil, nil
	}
	dir := filepath.Join(f.out, id)
	was, err := runner.Look(dir)
	switch {
	case err != nil:
		err = fmt.Errorf("controller: batch %s was cut short: %w: %w; %s", id, errStuck, err, another)
	case was != nil && was.Outcome != journal.Clean && was.Outcome != journal.TornTail:
		err = fmt.Errorf("controller: batch %s was cut short: %w, its journal is %s: %s; %s", id, errStuck, was.Outcome, was.Reason, another)
	case was != nil && was.Records > 0 && was.Batch != id:
		err = fmt.Errorf("controller: %s holds batch %s; %s", dir, was.Batch, another)
	}
	return was, err
}

// bind makes a new batch of a plan. What can be refused is refused before anything is written.
func bind(f *flags, plan *batch.Plan, size string, bound *batch.BindOptions, id string, stderr io.Writer) (*job, error) {
	if bound.JournalID == "" {
		bound.JournalID = journalID(id, f)
	}
	known, err := history(f, plan, stderr)
	if err != nil {
		return nil, err
	}
	bound.InFlight = known
	if _, err := bindKnown(plan, id, size, batch.Unapproved, bound, stderr); err != nil {
		return nil, err
	}
	if f.faults != "" {
		if _, _, err := faults(f.faults, plan.Recipe, sim.NewPlant(f.seed), map[uint32]bool{}); err != nil {
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
func inPlaceOf(old *job, f *flags, left *remnant, stderr io.Writer) (*job, error) {
	bound := &batch.BindOptions{Operator: old.b.Operator, Seed: old.b.Seed, RestartOf: old.b.ID, DryRun: old.b.DryRun}
	id, err := nextBatch(f.out)
	if left != nil {
		id, bound.JournalID, err = left.id, left.journal, nil
	}
	if err != nil {
		return nil, err
	}
	j, err := bind(f, old.b.Plan, old.b.Size.String(), bound, id, stderr)
	if err == nil {
		j.plant = true
	}
	return j, err
}

// resume binds a batch that was cut short, once more, to what it is bound to for ever. Flags that say otherwise are refused.
func resume(f *flags, was *runner.Remains, stderr io.Writer) (*job, error) {
	dir := filepath.Join(f.out, was.Batch)
	b, err := evidence.Rebind(dir)
	if err != nil {
		return nil, fmt.Errorf("controller: batch %s was cut short: %w: %w; %s", was.Batch, errStuck, err, another)
	}
	if b.DryRun != f.dry {
		return nil, fmt.Errorf("controller: what lies in %s is %s; give another -batch, or say -dry only for what was begun with it", dir,
			map[bool]string{true: "a dry run", false: "no dry run"}[b.DryRun])
	}
	refuse := func(name, is string) error {
		return fmt.Errorf("controller: batch %s was cut short and is bound to %s; leave out -%s to continue it",
			b.ID, is, name)
	}
	if f.given["recipe"] || f.given["map"] {
		plan, err := f.plan(stderr)
		if err != nil {
			return nil, err
		}
		for i := range plan.Files {
			is := slices.IndexFunc(b.Plan.Files, func(old batch.File) bool {
				return old.Kind == plan.Files[i].Kind && (old.Kind != "device_profile" || old.ID == plan.Files[i].ID)
			})
			if is < 0 { // the map names what it did not name
				is = slices.IndexFunc(b.Plan.Files, func(old batch.File) bool { return old.Kind == "mapping" })
			}
			if old := &b.Plan.Files[is]; old.Digest != plan.Files[i].Digest && (old.Kind == "recipe" && f.given["recipe"] || f.given["map"]) {
				return nil, refuse(map[bool]string{true: "recipe", false: "map"}[old.Kind == "recipe"], old.Kind+" "+old.ID+" "+old.Version+" as it was")
			}
		}
	}
	if err := f.sameWiring(b); err != nil {
		return nil, err
	}
	for _, one := range [...][3]string{{"size", f.size, b.Size.String()}, {"operator", f.operator, b.Operator}, {"seed", fmt.Sprint(f.seed), fmt.Sprint(b.Seed)}} {
		if f.given[one[0]] && one[1] != one[2] {
			return nil, refuse(one[0], one[0]+" "+one[2])
		}
	}
	return &job{b: b, dir: dir, was: was}, nil
}

// succeed begins the batch that a recovery rule wants in the place of one that has ended, where the controller that ended it has
// not come to that.
func succeed(f *flags, id string, left *remnant, stderr io.Writer) (*job, error) {
	b, err := evidence.Rebind(filepath.Join(f.out, id))
	if err != nil {
		return nil, fmt.Errorf("controller: a batch is to take the place of %s: %w; %s", id, err, another)
	}
	return inPlaceOf(&job{b: b}, f, left, stderr)
}

// remnant is what is left of a batch that was to take the place of another and was never begun: its name, and perhaps its journal's.
type remnant struct{ id, journal string }

// rest drives the outputs of a batch that cannot be continued to their safe values, and says what became of that. Which they are
// says m, or, where nothing is known of the batch, the map of the command line.
func rest(ctx context.Context, f *flags, m *iomap.Map) string {
	var err error
	if m == nil {
		var plan *batch.Plan
		if plan, err = f.plan(io.Discard); err == nil {
			m = plan.Map
		}
	}
	switch {
	case err != nil:
	case f.board != "":
		var s *station
		if s, err = f.onBoard(m); err != nil && f.station == nil {
			s, err = f.salvage()
		} else if err != nil { // it is open, and carries another map
			s, err = f.station, nil
		}
		if err == nil {
			err = s.rest(context.WithoutCancel(ctx), m)
		}
	default:
		err = restPlant(ctx, f, m)
	}
	if err != nil {
		return fmt.Sprintf("ITS OUTPUTS MAY BE ON, see to them by hand: they were not driven to their safe values: %v", err)
	}
	return "the outputs of map " + m.ID + " were driven to their safe values"
}

// restPlant drives the outputs of the plant that runs.
func restPlant(ctx context.Context, f *flags, m *iomap.Map) error {
	at, living := findPlant(filepath.Join(f.out, "plant"))
	if !living {
		return errors.New("no plant runs")
	}
	clock := system.NewClock(at.Speed)
	w, err := connect(ctx, &plantFlags{dir: filepath.Join(f.out, "plant"), seed: at.Seed, speed: at.Speed, linger: lingerFor}, clock)
	if err != nil {
		return err
	}
	return errors.Join(runner.MakeSafe(context.WithoutCancel(ctx), m, runner.Rig{Port: w, Clock: clock}), w.Close())
}

// numbered are the names that nextBatch gives, seeded those of journals in virtual time, and reserved those of directories that are
// no batch's.
var (
	numbered = regexp.MustCompile(`^B-[0-9]{4}$`)
	seeded   = regexp.MustCompile(`-seed[0-9]+$`)
	reserved = [...]string{"device", "plant", "trend"}
)

// nextBatch finds the batch id after the last one in a directory.
func nextBatch(out string) (string, error) {
	dirs, _ := os.ReadDir(out) // if it cannot be read, making the directory tells why
	last := 0
	for _, d := range dirs {
		if numbered.MatchString(d.Name()) {
			fmt.Sscanf(d.Name(), "B-%d", &last)
		}
	}
	if last == 9999 {
		return "", fmt.Errorf("controller: %s holds B-9999; give -batch or another -out", out)
	}
	return fmt.Sprintf("B-%04d", last+1), nil
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
