// The examples of package sim: a plant in virtual time, and a fault.

package sim_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
)

func Example() {
	plant := sim.NewPlant(1)
	pulses := uint64(0)
	watch := func(r tag.Raw) {
		if r.Channel == "ctr/1" {
			pulses = r.Bits
		}
	}
	now := int64(time.Second)
	plant.Advance(now, watch)
	before := pulses

	open := tag.Write{Channel: "do/1", Form: tag.Bool, Bits: 1}
	done, err := plant.Apply(now, open)
	fmt.Println("open after", time.Duration(done-now), err)
	for end := now + int64(10*time.Second); now < end; now = plant.Next() {
		plant.Advance(now, watch)
	}
	fmt.Println("pulses", uint32(pulses)-uint32(before), "kg", plant.Delivered(0)/1e9)
	// Output:
	// open after 1ms <nil>
	// pulses 9970 kg 99
}

// What a port emitted is recorded, and played back to a run that does something else.
func ExampleNewPlayback() {
	var file bytes.Buffer
	recorder := sim.NewSteppedRecorder(sim.NewPlant(1), &file, 0)
	recorder.Advance(1, func(tag.Raw) {})
	_, _ = recorder.Apply(5, tag.Write{Channel: "do/8", Form: tag.Bool, Bits: 1})
	if err := recorder.Close(); err != nil {
		fmt.Println(err)
		return
	}

	recording, err := sim.ReadRecording("horn.rec", file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	plays, n := sim.NewPlayback(recording, 0), 0
	plays.Advance(1, func(tag.Raw) { n++ })
	done, err := plays.Apply(9, tag.Write{Channel: "do/8", Form: tag.Bool, Bits: 0})
	fmt.Println(n, "values; answered after", time.Duration(done-9), err)
	for _, d := range plays.Differences() {
		fmt.Println(d)
	}
	// Output:
	// 23 values; answered after 1ms <nil>
	// write 1 to "do/8" at 9: 0, where 1 was recorded
}

func ExampleParseFault() {
	plant := sim.NewPlant(1)
	fault, err := sim.ParseFault("refuse", []string{"do/1", "2s"})
	if err == nil {
		err = plant.Fault(fault)
	}
	fmt.Println(err)
	_, err = plant.Apply(1, tag.Write{Channel: "do/1", Form: tag.Bool, Bits: 1})
	fmt.Println(err)
	_, err = sim.ParseFault("rust", []string{"do/1", "2s"})
	fmt.Println(err)
	// Output:
	// <nil>
	// sim: write to "do/1": refused by the device
	// sim: fault "rust": unknown; known are silent, bad, frozen, refuse, slow, stuck, leak, block, nopower, estop
}
