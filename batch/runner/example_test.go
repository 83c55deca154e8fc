// The quick start of the README.

package runner_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
)

// One batch in virtual time: files in, evidence out.
func Example() {
	out, err := os.MkdirTemp("", "batchkit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(out)
	files := os.DirFS("../../examples/controller/demo")

	plan, err := batch.Load(files, "recipe.yaml", "map.yaml", nil) // all errors of a file at once, with lines
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := plan.Bind("B-0001", "250 kg", batch.Unapproved, nil) // refuses what is out of limits
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := runner.Run(context.Background(), b, runner.Rig{Port: sim.NewPlant(1), Dir: filepath.Join(out, b.ID)}, &runner.Options{
		Virtual: &runner.Virtual{},
		Ask:     func(r *runner.Runner, p runner.Prompt) { _ = r.Answer(p.ID, "done", "op1", "operator") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Batch, "is", res.State)
	for _, w := range res.Windows {
		fmt.Println(w.ID, w.Total, w.Unit, w.Verdict, w.Reconciled)
	}
	// Output:
	// B-0001 is Complete
	// B 99.94 kg PASS PASS
	// A 149.99 kg PASS PASS
}
