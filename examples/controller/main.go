// Controller runs one batch on a simulated plant, from recipe file to verified evidence.
//
//	go run ./examples/controller                     the built-in demo, about 40 s
//	go run ./examples/controller -virtual            the same batch with the clock as an input, at once
//	go run ./examples/controller -recipe FILE ...    another recipe; approve it first, or say -unapproved
//	go run ./examples/controller approve ...         approve and publish recipe, map and calibration
//
// It wires what the packages offer and holds no logic of a batch: files and flags (this file), approval (approval.go), fault
// scripts (faults.go), and what a person sees (view.go).
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

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "approve" {
		return approve(args[1:], stdout, stderr)
	}
	var f flags
	set := flag.NewFlagSet("controller", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.recipe, "recipe", "", "recipe `FILE`; the built-in demo if not given")
	set.StringVar(&f.mapping, "map", "", "I/O map `FILE`; that of the demo plant if not given")
	set.StringVar(&f.size, "size", "", "batch size, a `QUANTITY` such as \"200 kg\"; the recipe's nominal size if not given")
	set.StringVar(&f.batch, "batch", "", "batch `ID`; the next free of B-0001, B-0002, ... if not given")
	set.StringVar(&f.operator, "operator", "demo", "`ID` of the operator who answers for the batch")
	set.StringVar(&f.out, "out", "out", "`DIR`ectory for evidence: DIR/ID is the package of the batch, DIR/device the device journal")
	set.BoolVar(&f.virtual, "virtual", false, "run in virtual time: the clock is an input, and the batch takes no time")
	set.IntVar(&f.speed, "speed", 1, "run the clock and the plant `N` times as fast, 1 to 1000")
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
	if set.NArg() > 0 || f.speed < 1 || f.speed > system.MaxSpeed || f.virtual && f.prompt {
		fmt.Fprintln(stderr, "controller: arguments without a flag, -speed outside 1 to 1000, or -virtual with -prompt; see -help")
		return exitUsage
	}
	ok, err := control(ctx, &f, stdin, stdout)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	if err != nil || !ok {
		return exitFailed
	}
	return exitOK
}

// control runs the batch and reports whether it is complete and its evidence verifies.
func control(ctx context.Context, f *flags, stdin io.Reader, stdout io.Writer) (bool, error) {
	plan, builtin, err := load(f.recipe, f.mapping)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(f.out, 0o750); err != nil {
		return false, fmt.Errorf("controller: -out: %w", err)
	}
	id := f.batch
	if id == "" {
		if id, err = nextBatch(f.out); err != nil {
			return false, err
		}
	}
	release, err := released(f, plan, builtin)
	if err != nil {
		return false, err
	}
	b, err := plan.Bind(id, f.size, release, &batch.BindOptions{Operator: f.operator, JournalID: journalID(id, f), Seed: f.seed})
	if err != nil {
		return false, err
	}
	plant := sim.NewPlant(f.seed)
	view := newView(b, stdout, f.json)
	opt := &runner.Options{Record: view.record, Ask: asker(ctx, f, stdin, view)}
	if f.faults != "" {
		if opt.Schedule, err = faults(f.faults, plant); err != nil {
			return false, err
		}
	}
	rig := runner.Rig{Port: plant, Dir: filepath.Join(f.out, id)}
	if f.virtual {
		opt.Virtual = &runner.Virtual{}
	} else {
		rig.Clock = system.NewClock(f.speed)
		plant.On(rig.Clock)
	}
	view.begin(rig.Dir)
	res, err := runner.Run(ctx, b, rig, opt)
	if err != nil && res.Records == 0 {
		return false, err
	}
	report, verr := evidence.Verify(rig.Dir)
	ok := err == nil && verr == nil && report.OK() && res.State.String() == "Complete"
	view.end(&res, report)
	return ok, errors.Join(err, verr)
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

// load reads recipe and map; builtin tells that both are the demo's own.
func load(recipeFile, mapFile string) (plan *batch.Plan, builtin bool, err error) {
	builtin = recipeFile == "" && mapFile == ""
	if recipeFile == "" {
		recipeFile = "demo:/recipe.yaml"
	}
	if mapFile == "" {
		mapFile = "demo:/map.yaml"
	}
	plan, err = batch.Load(hostFS{}, filepath.ToSlash(recipeFile), filepath.ToSlash(mapFile), nil)
	return plan, builtin, err
}

// nextBatch finds the first batch id that is free in a directory.
func nextBatch(out string) (string, error) {
	for n := 1; n < 10000; n++ {
		id := fmt.Sprintf("B-%04d", n)
		_, err := os.Lstat(filepath.Join(out, id))
		if errors.Is(err, fs.ErrNotExist) {
			return id, nil
		}
		if err != nil {
			return "", fmt.Errorf("controller: -out: %w", err)
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
