// A recipe that is tried with a meter that falls silent.

package batchtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/batchtest"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/sequencer"
)

// printer stands for the t of a test.
type printer struct{ testing.TB }

func (printer) Helper()                           {}
func (printer) Logf(string, ...any)               {}
func (printer) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func Example() {
	var t printer
	r := batchtest.New(t, "testdata/scenarios/charge.yaml", "testdata/scenarios/map.yaml", sim.NewPlant(7), nil)
	r.During("CHARGE_A").After(time.Second).Fault(sim.Fault{Kind: sim.Silent, Channel: "ctr/1", For: 3 * time.Second})
	r.During("CHARGE_A").After(8 * time.Second).Tell(runner.Command{Command: sequencer.Restart, Operator: "op1", Reason: "meter is back"})
	r.Run(2 * time.Hour)

	r.WantState("Complete")
	r.WantTotal("A", "20 kg", "0.5 kg")
	r.WantTotal("A", "25 kg", "0.5 kg")
	r.WantReplay()
	for _, line := range strings.Split(r.Story(), "\n")[10:23] {
		fmt.Println(strings.TrimSpace(line))
	}
	// Output:
	// batchtest: window A: total 19.99 kg (NOT_GOOD), want 25 kg within 0.5 kg
	// 1.5 s  FC101 is STALE
	// 1.5 s  window A: gap at 9.02 kg
	// 1.5 s  CHARGE_A is Holding (meter not GOOD)
	// 1.5 s  window A: held at 9.02 kg
	// 1.5 s  XV101: closed (meter not GOOD)
	// 1.5 s  batch is Holding
	// 1.5 s  CHARGE_A is Held
	// 1.5 s  batch is Held
	// 4.1 s  FC101 is GOOD
	// 4.1 s  window A: gap end at 15.46 kg
	// 8.0 s  op1 tells: restart "meter is back"
	// 8.0 s  restart is accepted
	// 8.0 s  CHARGE_A is Restarting (restart)
}
