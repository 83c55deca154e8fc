// The examples of package metering: a window over samples, its total, and the same from its lines.

package metering_test

import (
	"bytes"
	"fmt"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// A counter of 16 bits rolls over while a window is open. It gives 100 pulses per kg, by its calibration; a count of the total is
// 0.01 kg.
func Example() {
	cal, err := metering.ParseCalibration("calibration.yaml", []byte(`
calibration: METERS
version: "2026-01"
schema_version: 1
factors:
  - {meter: FQ101, k_factor: "100 {pulse}/kg"}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	hundredth, _ := quantity.Parse("0.01 kg")
	pulse, _ := quantity.Parse("1 {pulse}")
	meter := metering.Meter{Method: metering.Pulses, Bits: 16, Period: 50_000_000}
	if err := cal.Bind(&meter, "FQ101", pulse, hundredth); err != nil {
		fmt.Println(err)
		return
	}

	m := metering.NewMachine([]metering.Meter{meter}, []metering.Window{{Meter: 0, Target: 200, Tolerance: 5}})
	var fx []metering.Effect
	fx = m.Step(10, &metering.Event{Kind: metering.Open, Raw: 65_400, RawAt: 10, Quality: tag.Good}, fx)
	lines := metering.AppendSample(nil, 10, 65_400, tag.Good)
	for i, raw := range []int64{65_450, 65_520, 14, 63} {
		at := int64(i+1) * 50_000_000
		fx = m.Step(at, &metering.Event{Kind: metering.Reading, Raw: raw, RawAt: at, Quality: tag.Good}, fx)
		lines = metering.AppendSample(lines, at, raw, tag.Good)
	}
	fx = m.Step(210_000_000, &metering.Event{Kind: metering.Close}, fx)

	total := m.Total(0)
	inKg, _ := quantity.FromCounts(total.Value, hundredth)
	fmt.Println(inKg, total.Quality, total.Samples, "lines, late", total.Late)
	for _, e := range fx {
		if e.Kind == metering.Noted && e.Note == metering.RolledOver {
			fmt.Println("rolled over from", e.From, "to", e.To)
		}
	}

	again, digest, err := metering.Recompute(bytes.NewReader(lines), &meter, total.StartAt, total.EndAt)
	fmt.Println(again.Value == total.Value, digest == m.Digest(0), err)
	// Output:
	// 1.99 kg GOOD 5 lines, late 0
	// rolled over from 65520 to 14
	// true true <nil>
}

// The device's own total is 42 counts above that of a window whose source was silent for 2 s: the difference fits what flowed then.
func ExampleReconcile() {
	v := metering.Reconcile(&metering.Facts{
		Total: 12_000, Good: true, Tolerance: 5, Grain: 1, Length: 13_000_000_000,
		Device: metering.Side{Expected: true, Has: true, Value: 12_042}, Gaps: 1, Lost: 2_000_000_000,
	})
	fmt.Println(v.Status, v.Hint)
	// Output:
	// FAIL missing samples
}
