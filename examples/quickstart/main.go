// Quickstart is a whole controller in one page: it charges 20 kg of a liquid on a simulated plant, in half a minute of real time,
// and leaves the evidence in out/Q-0001.
//
//	go run ./examples/quickstart           batch Q-0001; where it was cut short, the same command ends it as its recovery rule says
//	go run ./examples/quickstart Q-0002    another batch
//
// The three files beside it are what a process engineer writes. For a board of your own, put your tag.Port in the place of
// sim.NewPlant and your wires into map.yaml.
package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase/system"
)

//go:embed *.yaml
var files embed.FS

func main() {
	id := "Q-0001"
	if len(os.Args) > 1 {
		id = os.Args[1] // letters, digits, '.', '_', '-'
	}
	// Ctrl-C aborts the batch: outputs go to their safe values, and the record says so.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, id, "out", os.Stdout, 1); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs a batch, at a speed, and prints how it goes and what became of it.
func run(ctx context.Context, id, out string, w io.Writer, speed int) error {
	plan, err := batch.Load(files, "recipe.yaml", "map.yaml", nil) // all errors of a file at once, with lines
	if err != nil {
		return err
	}
	b, err := plan.Bind(id, "20 kg", batch.Unapproved, nil) // refuses what is out of limits
	if err != nil {
		return err
	}
	clock := system.NewClock(speed)
	rig := runner.Rig{Port: sim.NewPlant(1).On(clock), Clock: clock, Dir: filepath.Join(out, id)}
	res, err := runner.Run(ctx, b, rig, &runner.Options{Record: func(k record.Kind, body []byte) {
		if r, err := record.Parse(body); err == nil && k == record.KindStepState {
			fmt.Fprintln(w, r.Text(record.StepID), r.Text(record.StepState))
		}
	}})
	if err != nil {
		return err
	}
	for _, t := range res.Windows {
		fmt.Fprintf(w, "total %s: %s %s of %s, %s\n", t.ID, t.Total, t.Unit, t.Target, t.Verdict)
	}
	report, err := evidence.Verify(res.Dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "batch %s is %s; %s; evidence in %s\n", res.Batch, res.State, report.Verdict(), res.Dir)
	if !report.OK() || res.State != sequencer.Complete {
		return fmt.Errorf("batch %s is not complete, or its evidence is not whole", res.Batch)
	}
	return nil
}
