// A list of three jobs, from the order to the next slot.

package jobs_test

import (
	"fmt"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/timebase"
)

// Two jobs of one recipe share a prepare and a clean-up; a third one of another recipe waits for their slot.
func Example() {
	list := jobs.NewList("")
	var fx []jobs.Effect
	tell := func(ev jobs.Event) {
		fx = list.Step(timebase.Stamp{}, &ev, fx[:0])
		for _, e := range fx {
			switch e.Kind {
			case jobs.SlotTaken:
				fmt.Printf("%s has slot %s\n", e.Group, e.Slot)
			case jobs.AskContent:
				fmt.Printf("what has %s %s to do?\n", e.JobKind, e.Job)
			case jobs.Ordered:
				fmt.Printf("%s %s, a batch of %s\n", e.Do, e.Process, e.Recipe)
			case jobs.Gone:
				fmt.Printf("%s %s is completed\n", e.JobKind, e.Job)
			}
		}
	}
	process := func(id string) {
		tell(jobs.Event{Kind: jobs.Process, Process: id, State: jobs.Running})
		tell(jobs.Event{Kind: jobs.Process, Process: id, State: jobs.Success})
	}
	tell(jobs.Event{Kind: jobs.Configure, Rules: &jobs.Rules{Scheduler: jobs.Parallel, Slots: 1}})
	tell(jobs.Event{Kind: jobs.Recipe, Recipe: &jobs.RecipeInfo{Recipe: "SYRUP"}})
	tell(jobs.Event{Kind: jobs.Recipe, Recipe: &jobs.RecipeInfo{Recipe: "TONIC"}})
	tell(jobs.Event{Kind: jobs.Add, Orders: []jobs.Order{{Recipe: "SYRUP", Amount: 1}, {Recipe: "SYRUP", Amount: 1}, {Recipe: "TONIC", Amount: 1}}})
	tell(jobs.Event{Kind: jobs.Content, Job: "J-000004", Steps: []jobs.Step{{Type: "rinse", Recipe: "RINSE"}}})
	process("J-000004-0001")
	process("J-000001-0001")
	process("J-000002-0001")
	tell(jobs.Event{Kind: jobs.Content, Job: "J-000005"}) // nothing is to be cleaned
	// Output:
	// G-000001 has slot 1
	// what has prepare J-000004 to do?
	// start J-000004-0001, a batch of RINSE
	// prepare J-000004 is completed
	// start J-000001-0001, a batch of SYRUP
	// start J-000002-0001, a batch of SYRUP
	// production J-000001 is completed
	// production J-000002 is completed
	// what has clean_up J-000005 to do?
	// clean_up J-000005 is completed
	// G-000002 has slot 1
	// what has prepare J-000006 to do?
}
