// The examples of package sim: a plant in virtual time, and a fault.

package sim_test

import (
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
