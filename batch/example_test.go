// A machine stepped by hand: events in, records and writes out.

package batch_test

import (
	"fmt"
	"os"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

func Example() {
	plan, err := batch.Load(os.DirFS("testdata/engine1/demo/files"), "recipe.yaml", "map.yaml", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := plan.Bind("B-0042", "200 kg", batch.Unapproved, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	m := b.Start()
	now, seq := int64(1), uint64(1)
	for _, ev := range []batch.Event{
		{Kind: batch.Boot, Epoch: 1, Observation: timebase.Observation{Mono: now, UTC: 1_780_000_000_000_000_000, Sync: timebase.NTPSync, Source: "chrony"}},
		{Kind: batch.Told, Command: sequencer.Start, Operator: "op1", Role: "operator", Reason: "order 17"},
	} {
		ev.Seq = seq // the shell has recorded the event under this number
		for _, e := range m.Step(now, &ev, nil) {
			if e.Kind == batch.Record && e.Seq < 20 {
				fmt.Println(e.Seq, e.Of)
			}
			seq = max(seq, e.Seq)
		}
		now, seq = now+1_000_000, seq+1
	}
	fmt.Println(m.State())

	_, err = plan.Bind("B-0043", "9 t", batch.Unapproved, nil)
	fmt.Println(err)
	// Output:
	// 2 output_write
	// 3 output_write
	// 4 output_write
	// 5 output_write
	// 6 output_write
	// 7 output_write
	// 8 output_write
	// 9 output_write
	// 10 output_write
	// 12 command_result
	// 13 batch_state
	// 14 step_state
	// 15 step_state
	// 16 output_write
	// 17 output_write
	// 18 output_write
	// 19 output_write
	// Running
	// batch: size 9 t: recipe: batch size "9 t" is above the greatest; choose 100 kg to 400 kg
}
