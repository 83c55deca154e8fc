// How a file of unit runs is read.

package production_test

import (
	"fmt"

	"github.com/batchkit/batchkit/batch/executive/production"
)

func ExampleParseRuns() {
	list, err := production.ParseRuns("runs.yaml", []byte(`
schema_version: 1
run_definitions:
  - run_definition: Production
    class: REACTOR
    follow: {batches: true, at_abort: cancel}
    capture:
      period: 1 s
      tags:
        - {logical_tag: WT301, physical_channel: "{{unit}}/ai/5", gain: 0.01 kg, decimals: 2}
  - run_definition: Maintenance
    units: [R101]
    control: both
    identifier: {by: unit, prefix: M-, digits: 4}
    ports: {create: R101/di/3, active: R101/di/4, ready: R101/di/5}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range list {
		fmt.Printf("%s: class %q, units %v, by %s, follows batches: %t, captures %d\n", d.Name, d.Class, d.Units, d.Slot.Control, d.Slot.Follow, len(d.Tags))
	}
	// Output:
	// Production: class "REACTOR", units [], by message, follows batches: true, captures 1
	// Maintenance: class "", units [R101], by both, follows batches: false, captures 0
}
