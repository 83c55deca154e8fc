// How a shell uses a link and a schedule.

package fieldbus_test

import (
	"fmt"

	"github.com/batchkit/batchkit/fieldbus"
)

func ExampleLink() {
	link := fieldbus.NewLink("FT-100", fieldbus.LinkConfig{Alone: true})
	at := link.Wake() // at once
	for _, what := range []fieldbus.LinkEvent{
		{Kind: fieldbus.Tick}, {Kind: fieldbus.Opened}, {Kind: fieldbus.Synced, Count: 12}, {Kind: fieldbus.Refused, Detail: "EOF"},
	} {
		for _, fx := range link.Step(at, what, nil) {
			switch {
			case fx.Kind == fieldbus.Open:
				fmt.Println("connect by path", fx.Path)
			case fx.Kind == fieldbus.Sync:
				fmt.Println("read every control tag")
			case fx.Kind == fieldbus.Close:
				fmt.Println("close")
			case fx.Event.Kind == fieldbus.LinkChanged:
				fmt.Printf("%s -> %s: %s\n", fx.Event.Old, fx.Event.New, fx.Event.Cause)
			case fx.Event.Kind == fieldbus.Resynced:
				fmt.Println("in step again:", fx.Event.Count, "tags")
			}
		}
		at += 1_000_000
	}
	// Output:
	// DOWN -> CONNECTING: time to try
	// connect by path 0
	// CONNECTING -> SYNCING: connected
	// read every control tag
	// SYNCING -> UP: every control tag was read
	// in step again: 12 tags
	// UP -> DOWN: EOF
	// close
}

func ExampleSchedule() {
	const ms = 1_000_000
	s := fieldbus.NewSchedule([]fieldbus.Group{
		{Plane: fieldbus.Control, Every: 100 * ms, Cost: 26 * ms},
		{Plane: fieldbus.Telemetry, Every: 1000 * ms, Cost: 52 * ms},
	})
	fmt.Println("control is done within", s.Budget()/ms, "ms")
	for at := int64(0); at < 200*ms; {
		group, when := s.Next(at)
		if group < 0 {
			at = when
			continue
		}
		cost := []int64{26 * ms, 52 * ms}[group]
		s.Done(group, at, at+cost)
		fmt.Printf("%3d ms: group %d\n", at/ms, group)
		at += cost
	}
	// Output:
	// control is done within 78 ms
	//   0 ms: group 0
	//  26 ms: group 1
	// 100 ms: group 0
}

func ExampleHoleWorth() {
	// 115200 Bd, 8N1: a byte takes 86.8 us, the silence between frames 1.75 ms.
	fmt.Println(fieldbus.HoleWorth(86_806, 1_750_000, 0, 13, 16), "registers")
	// Output:
	// 26 registers
}
