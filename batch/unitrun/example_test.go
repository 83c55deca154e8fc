// How a tracker is used.

package unitrun_test

import (
	"fmt"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/timebase"
)

// A batch is made in a reactor, its material comes from a tank, and goes back there as the run is canceled for restart.
func Example() {
	track := unitrun.NewTracker()
	second := int64(0)
	tell := func(e unitrun.Event) {
		second++
		fmt.Printf("%d %s\n", second, e.Kind)
		for _, f := range track.Step(timebase.Stamp{Mono: second * 1e9, UTC: 1_767_225_600e9 + second*1e9}, &e, nil) {
			fmt.Println("   ", f.String())
		}
	}
	tell(unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{
		Definitions: []unitrun.Definition{{Name: "Production", Classes: []string{"reactor"}}},
		Units: []unitrun.Unit{
			{ID: "T1", Classes: []string{"tank"}},
			{ID: "R1", Classes: []string{"reactor"}, Slots: []unitrun.Slot{{Definition: "Production", AutoCreate: true, Prefix: "B-", Digits: 4}}},
		},
	}})
	tell(unitrun.Event{Kind: unitrun.Arrive, Material: "LOT-7", Unit: "T1"})
	tell(unitrun.Event{Kind: unitrun.Start, Unit: "R1", Definition: "Production"})
	tell(unitrun.Event{Kind: unitrun.Move, Material: "LOT-7", Unit: "R1"})
	tell(unitrun.Event{Kind: unitrun.Start, Run: "R-000001"})
	tell(unitrun.Event{Kind: unitrun.Cancel, Run: "R-000001", Actor: "AS", Reason: "wrong lot"})
	// Output:
	// 1 configure
	//     configured: Production
	//     configured: T1
	//     configured: R1
	// 2 arrive
	//     LOT-7 arrived in T1
	// 3 start
	//     R-000001 R1 Production: Idle -> Created, code 65569, ident B-0001
	//     R-000001 R1 Production: Created -> Active, code 131171, ident B-0001
	// 4 move
	//     LOT-7 moved from T1 to R1
	//     R-000001 R1 Production: material LOT-7 belongs to it
	// 5 start
	//     refused: start R-000001 R1 Production: it is Active; possible: pause, ready, cancel
	// 6 cancel
	//     R-000001 R1 Production: Active -> Canceled for restart, code 2097444, ident B-0001
	//     LOT-7 is moved back from R1 to T1, visit 2
	//     LOT-7 in R1, visit 3: counts no more
}
