// A program run by hand.

package sequencer_test

import (
	"fmt"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// valve is a plant with one tag, which reads back what its device was given last, and no window.
type valve struct{ open int64 }

func (v *valve) Read(tag.ID, int64) (int64, tag.Quality) { return v.open, tag.Good }
func (v *valve) Seen(tag.ID) int64                       { return 0 }
func (v *valve) Total(int) metering.Total                { return metering.Total{} }
func (v *valve) Blocks(int) (blocks, settled bool)       { return false, true }
func (v *valve) Faults(int) iomap.FaultSet               { return 0 }
func (v *valve) Time() (timebase.Sync, int64)            { return timebase.Unset, 0 }
func (v *valve) Source(int) (bool, tag.Quality)          { return false, tag.Bad }

func ExampleMachine() {
	// One phase: a valve opens, and 5 s later the batch is over.
	p := &sequencer.Program{
		Elems:   []sequencer.Elem{{Phase: true, Parent: -1, End: 1, Count: 2}},
		Actions: []sequencer.Action{{Kind: recipe.Set, Count: 1}, {Kind: recipe.Delay, For: 5_000_000_000}},
		Sets:    []sequencer.Set{{Output: 0, Value: 1}},
		Outputs: []sequencer.Output{{Tag: 0, Safe: 0}},
	}
	v := &valve{}
	m := sequencer.New(p, v)
	step := func(at int64, ev sequencer.Event) {
		for _, e := range m.Step(at, &ev, nil) {
			switch e.Kind {
			case sequencer.BatchChanged:
				fmt.Printf("%d s: %s -> %s\n", at/1_000_000_000, e.From, e.To)
			case sequencer.Write:
				v.open = e.Value
				fmt.Printf("%d s: write %d: %d, safe direction: %t\n", at/1_000_000_000, e.ID, e.Value, e.Safe)
			case sequencer.End:
				fmt.Printf("%d s: end\n", at/1_000_000_000)
			}
		}
	}
	step(1, sequencer.Event{Kind: sequencer.Boot})
	step(1_000_000_000, sequencer.Event{Kind: sequencer.Told, Command: sequencer.Start})
	step(2_000_000_000, sequencer.Event{Kind: sequencer.Done, ID: 1, OK: true})
	step(m.Wake(), sequencer.Event{Kind: sequencer.Tick})
	step(8_000_000_000, sequencer.Event{Kind: sequencer.Done, ID: 2, OK: true})
	// Output:
	// 1 s: Idle -> Running
	// 1 s: write 1: 1, safe direction: false
	// 7 s: Running -> Complete
	// 7 s: write 2: 0, safe direction: true
	// 8 s: end
}
