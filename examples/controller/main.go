// Controller runs one batch on a simulated plant, from recipe file to verified evidence.
//
//	go run ./examples/controller                     the built-in demo, about 40 s
//	go run ./examples/controller -virtual            the same batch with the clock as an input, at once
//	go run ./examples/controller -recipe FILE ...    another recipe; approve it first, or say -unapproved
//	go run ./examples/controller approve ...         approve and publish recipe, map and calibration
//
// It wires what the packages offer and holds no logic of a batch: files and flags (this file), approval (approval.go) and its
// journal (device.go), fault scripts (faults.go), and what a person sees (view.go).
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase/system"
)

//go:embed demo/*.yaml
var demo embed.FS

// Exit codes.
const (
	exitOK     = 0 // the batch is complete and its evidence verifies
	exitFailed = 1 // it is not, or something was refused
	exitUsage  = 2 // the command line was not understood
)

// flags are the command line.
type flags struct {
	recipe, mapping, size, batch, operator, out, faults string
	virtual, json, unapproved, prompt                   bool
	speed                                               int
	seed                                                uint64
}

func main() {
	// Whatever wants the process to end has the batch aborted and its outputs made safe first; a reader of its output that has
	// gone away does not end it at all.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "approve" {
		return approve(args[1:], stdout, stderr)
	}
	var f flags
	set := newFlags("controller", "controller [flags]           run one batch on the simulated plant\n"+
		"       controller approve [flags]   approve and publish recipe, map and calibration; see controller approve -help", stderr)
	set.StringVar(&f.recipe, "recipe", "", "recipe `FILE`; the built-in demo if not given")
	set.StringVar(&f.mapping, "map", "", "I/O map `FILE`; that of the demo plant if not given")
	set.StringVar(&f.size, "size", "", "batch size, a `QUANTITY` such as \"200 kg\"; the recipe's nominal size if not given")
	set.StringVar(&f.batch, "batch", "", "batch `ID`; the next free of B-0001, B-0002, ... if not given")
	set.StringVar(&f.operator, "operator", "demo", "`ID` of the operator who answers for the batch")
	set.StringVar(&f.out, "out", "out", "`DIR`ectory for evidence: DIR/ID is the package of the batch, DIR/device the device journal")
	set.BoolVar(&f.virtual, "virtual", false, "run in virtual time: the clock is an input, and the batch takes no time")
	set.IntVar(&f.speed, "speed", 1, "run the clock and the plant `N` times as fast, 1 to 1000; what a busy machine does not keep up with goes STALE")
	set.Uint64Var(&f.seed, "seed", 1, "seed `N` of the simulated plant")
	set.StringVar(&f.faults, "faults", "", "fault script `FILE`: what shall go wrong, and what operators do, and when")
	set.BoolVar(&f.json, "json", false, "print the closing summary as one JSON object, and nothing else")
	set.BoolVar(&f.unapproved, "unapproved", false, "run although recipe or map is not approved; every record says so")
	set.BoolVar(&f.prompt, "prompt", false, "ask the person at the terminal instead of answering prompts automatically")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if wrong := f.wrong(set.Args()); wrong != "" {
		fmt.Fprintln(stderr, "controller: "+wrong+"; see controller -help")
		return exitUsage
	}
	ok, err := control(ctx, &f, stdin, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	if err != nil || !ok {
		return exitFailed
	}
	return exitOK
}

// newFlags makes a set of flags that shows how the command is used before it lists them.
func newFlags(name, usage string, stderr io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprintf(stderr, "usage: %s\n\n", usage)
		set.PrintDefaults()
	}
	return set
}

// wrong says what is wrong with the flags and what stands behind them, or nothing.
func (f *flags) wrong(rest []string) string {
	switch {
	case len(rest) > 0:
		return fmt.Sprintf("%q: flags begin with -, and the only command, approve, stands before them", rest[0])
	case f.speed < 1 || f.speed > system.MaxSpeed:
		return fmt.Sprintf("-speed %d: 1 to %d is wanted", f.speed, system.MaxSpeed)
	case f.virtual && f.speed != 1:
		return "-speed and -virtual: a virtual batch takes no time; leave one out"
	case f.virtual && f.prompt:
		return "-prompt and -virtual: virtual time waits for nobody; leave one out"
	}
	return ""
}

// control runs the batch and reports whether it is complete and its evidence verifies. What can be refused is refused before
// anything is written.
func control(ctx context.Context, f *flags, stdin io.Reader, stdout, stderr io.Writer) (bool, error) {
	plan, err := load(f.recipe, f.mapping)
	if err != nil {
		return false, err
	}
	id := f.batch
	if id == "" {
		if id, err = nextBatch(f.out); err != nil {
			return false, err
		}
	}
	bound := &batch.BindOptions{Operator: f.operator, JournalID: journalID(id, f), Seed: f.seed}
	if _, err := plan.Bind(id, f.size, batch.Unapproved, bound); err != nil {
		return false, err
	}
	plant, opt := sim.NewPlant(f.seed), &runner.Options{}
	if f.faults != "" {
		if opt.Schedule, err = faults(f.faults, plant); err != nil {
			return false, err
		}
	}
	if err := makeOut(f.out); err != nil {
		return false, err
	}
	release, err := released(f, plan, stderr)
	if err != nil {
		return false, err
	}
	b, err := plan.Bind(id, f.size, release, bound)
	if err != nil {
		return false, err
	}
	if !f.virtual {
		p := newPrinter(stdout)
		defer p.Close()
		stdout = p
	}
	rig := runner.Rig{Port: plant, Dir: filepath.Join(f.out, id)}
	view := &view{b: b, dir: rig.Dir, out: stdout, quiet: f.json, live: !f.virtual}
	opt.Record, opt.Ask = view.record, asker(f, stdin, view, stderr)
	if f.virtual {
		opt.Virtual = &runner.Virtual{}
	} else {
		rig.Clock = system.NewClock(f.speed)
		plant.On(rig.Clock)
	}
	res, err := runner.Run(ctx, b, rig, opt)
	if err != nil && res.Records == 0 {
		if errors.Is(err, runner.ErrEvidence) {
			err = fmt.Errorf("%w\nnothing was started; see to the disk, or give another -out", err)
		}
		return false, err
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
	if f.virtual {
		// Nothing moves the plant any more, and the last writes are still on their way to it.
		plant.Advance(plant.Next()+batch.WriteTime, func(tag.Raw) {})
	}
	view.end(&res, report, unsafe(plan.Map, plant))
	return err == nil && report.OK() && res.State == sequencer.Complete, err
}

// unsafe names the outputs of a plant that are not at their safe values.
func unsafe(m *iomap.Map, plant *sim.Plant) []string {
	names := []string{}
	for i := range m.Tags {
		t := &m.Tags[i]
		if bits, ok := t.Wire(t.Safe); t.Output && (!ok || plant.Output(t.Channel) != int64(bits)) {
			names = append(names, t.Name)
		}
	}
	return names
}

// hostFS opens any path of the host, so that recipe and map may lie in different places; "demo:" is the built-in demo.
type hostFS struct{}

// Open opens a file of the host or of the demo.
func (hostFS) Open(name string) (fs.File, error) {
	if rest, ok := strings.CutPrefix(name, "demo:"); ok {
		return demo.Open("demo/" + strings.TrimPrefix(rest, "/"))
	}
	return os.Open(filepath.FromSlash(name))
}

// load reads recipe and map; those of the demo stand in for what is not given.
func load(recipeFile, mapFile string) (*batch.Plan, error) {
	if recipeFile == "" {
		recipeFile = "demo:/recipe.yaml"
	}
	if mapFile == "" {
		mapFile = "demo:/map.yaml"
	}
	return batch.Load(hostFS{}, filepath.ToSlash(recipeFile), filepath.ToSlash(mapFile), nil)
}

// makeOut makes the directory that all evidence goes to.
func makeOut(out string) error {
	if info, err := os.Stat(out); err == nil && !info.IsDir() {
		return fmt.Errorf("controller: -out %s: it is a file; give a directory", out)
	}
	if err := os.MkdirAll(out, 0o750); err != nil {
		return fmt.Errorf("controller: -out %s: %w; give a directory that can be written", out, err)
	}
	return nil
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
