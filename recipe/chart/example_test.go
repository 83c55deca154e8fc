// An example that a reader of the documentation sees.

package chart_test

import (
	"fmt"

	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/chart"
)

func ExampleTable() {
	src := `recipe: RINSE
version: "1.0"
schema_version: 1
title: Rinse a tank
batch_size: {nominal: 50 L, min: 50 L, max: 50 L}
procedure:
  id: RINSE
  level: procedure
  timeout: 10 min
  repeat:
    until: "QT101 < 2.0 mS/cm"
    at_most: 5
    sequence:
      - id: FLUSH
        level: phase
        timeout: 1 min
        actions:
          - set: {XV101: open}
          - delay: 30 s
          - set: {XV101: closed}
`
	r, err := recipe.Parse("rinse.yaml", []byte(src))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(chart.Table(r))
	// Output:
	// FORMULA     VALUE  SCALING  LIMITS
	// batch size  50 L            50 L to 50 L
	//
	// ELEMENT  LEVEL      TIME               WHAT
	// RINSE    procedure  10 min, then hold  repeat at most 5 times, then hold
	//   FLUSH  phase      1 min, then hold
	//                                        1 set XV101 to open
	//                                        2 let 30 s pass
	//                                        3 set XV101 to closed
	// RINSE                                  until QT101 < 2.0 mS/cm
}
