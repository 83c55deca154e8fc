// The way from a device's numbers to a total in a record.

package quantity_test

import (
	"fmt"

	"github.com/batchkit/batchkit/metering/quantity"
)

func Example() {
	// A flow meter sends 0 to 27648 for 0 to 3600 kg/h; the tag counts in steps of 0.1 kg/h.
	flowRes, _ := quantity.Parse("0.1 kg/h")
	span, _ := quantity.Parse("3600 kg/h")
	full, _ := span.Per(flowRes)
	step, _ := quantity.NewRatio(1, 27648)
	gain, _ := full.Mul(step)
	flow, _ := quantity.Linear{Gain: gain}.Counts(13824)
	shown, _ := quantity.FromCounts(flow, flowRes)
	fmt.Println(flow, "counts are", shown)

	// The flow for 90 s, summed exactly in counts by nanoseconds and rounded when it is read.
	dose, _ := quantity.Parse("90 s")
	ns, _ := dose.Nanoseconds()
	var sum quantity.Acc
	sum.AddMul(flow, ns)
	massRes, _ := quantity.Parse("0.01 kg")
	oneNS, _ := quantity.Parse("1 ns")
	factor, _ := quantity.Quotient([]quantity.Quantity{flowRes, oneNS}, []quantity.Quantity{massRes})
	counts, _ := sum.ScaleRound(factor)
	total, _ := quantity.FromCounts(counts, massRes)
	fmt.Println(total)

	_, err := quantity.Parse("45,5 kg")
	fmt.Println(err)
	_, err = total.Counts(quantity.Quantity{Coef: 1, Unit: "L"})
	fmt.Println(err)
	// Output:
	// 18000 counts are 1800.0 kg/h
	// 45.00 kg
	// quantity: "45,5 kg": comma in the number; write a decimal point, and no thousands separator
	// quantity: "45.00 kg" in counts of "1 L": the units measure different things
}
