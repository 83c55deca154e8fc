// The examples of package haltest, and the suite of a port on the simulated plant, which needs a clock from upstairs.

package haltest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// A board, here the simulated plant, is held against tag.Port. What the suite had nothing for is said.
func ExamplePort() {
	clock := system.NewClock(1)
	board := sim.NewPlant(1).On(clock)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := haltest.Port(ctx, board, &haltest.PortOptions{
		Device:  "plant",
		Outputs: []haltest.PortOutput{{Channel: "do/8"}}, // the horn
		Clock:   clock,
	})
	fmt.Println(report.Passed(), err)
	for _, what := range report.NotChecked {
		fmt.Println(what)
	}
	// Output:
	// true <nil>
	// no channel is forgotten: not checked; it takes Channels: the names of all that the board has
}

// A chip of FRAM is held against its tearing model, on a fixture that can cut its power.
func ExampleFRAM() {
	board, err := sim.NewBoard(1, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := haltest.FRAM(ctx, board.FRAM(), &haltest.FRAMOptions{Device: "u7", At: 4096, Len: 512, Power: board, Clock: board})
	fmt.Println(report.Passed(), err, len(report.NotChecked))
	for _, promise := range report.Kept[7:9] {
		fmt.Println(promise)
	}
	// Output:
	// true <nil> 0
	// a write that returned nil is in the cells
	// a cut leaves new bytes before it, old ones behind it, and ruins 1
}

func TestTheSimulatedPlantIsGreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := system.NewClock(1)
		r, err := haltest.Port(limit(t), sim.NewPlant(3).On(clock), &haltest.PortOptions{
			Clock: clock,
			Channels: []string{"do/1", "do/2", "do/3", "do/4", "do/5", "do/6", "do/7", "do/8", "ao/1", "di/1", "di/2", "di/3", "di/4", "di/5",
				"ctr/1", "ctr/2", "tot/1", "tot/2", "ai/1", "ai/2", "ai/3", "ai/4", "ai/5"},
			Outputs: []haltest.PortOutput{{Channel: "do/1"}, {Channel: "do/6"}, {Channel: "ao/1", Form: tag.Int, Values: [2]uint64{0, 600}}},
			Loops:   [][2]string{{"do/1", "di/1"}, {"do/6", "di/5"}}, // through the valve's and the stirrer's own contacts
		})
		green(t, r, err)
		b, err := sim.NewBench(sim.BenchOptions{})
		require.NoError(t, err)
		r, err = haltest.Port(limit(t), b.On(clock), &haltest.PortOptions{Clock: clock, Outputs: []haltest.PortOutput{{Channel: "do/1"}}})
		green(t, r, err, "no channel is forgotten")
	})
}
