// A model, and a change of it.

package equipment_test

import (
	"fmt"

	"github.com/batchkit/batchkit/batch/executive/equipment"
)

// A unit is added to a model, and another one retired; what is different is said before anything uses it.
func Example() {
	model, err := equipment.Parse("equipment.yaml", []byte(`schema_version: 1
equipment:
  - {equipment_id: PLANT, level: site}
  - {equipment_id: CELL, level: process_cell, parent: PLANT}
  - {equipment_id: R101, level: unit, parent: CELL, owners: 1, channels: [R101/do/1], safe: {R101/do/1: 0}, map: maps/R101.yaml}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	change, err := equipment.ParseChange("change.yaml", []byte(`base: 1
put:
  - {equipment_id: R102, level: unit, parent: CELL, owners: 1, map: maps/R102.yaml}
retire: [R101]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := model.Apply(&change)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("version", model.Version, "->", next.Version)
	for _, line := range equipment.Diff(model, next) {
		fmt.Println(line)
	}
	_, err = next.Apply(&change) // it was made for version 1
	fmt.Println(err)
	// Output:
	// version 1 -> 2
	// R101: retired
	// R102: new, unit in CELL
	// R102: owners: 0 -> 1
	// R102: map: none -> maps/R102.yaml
	// equipment: the model has another version: the change was made for 1 and it is 2; read it anew, and make the change for that
}
