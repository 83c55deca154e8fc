// What one batch may have, so that what it says at once fits a record and a journal's buffer.

package batch

import (
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
)

// The most that one batch may have. A shell whose journal takes MaxBurst bytes at any time takes all that one step decides.
const (
	MaxOutputs = 256     // outputs of a map
	MaxPhases  = 128     // phases that may run at one time
	MaxBurst   = 1 << 20 // bytes of the records of one step
)

// readingSize is what a tag adds to the read-back of a boot beside its name: form, value and quality, with quotes and spaces.
const readingSize = 50

// fits refuses what one step could not record: every output lost at a boot, every phase held at once, every tag read back, and every
// tag stale (the read-back bounds their number).
func (p *Plan) fits(recipeFile, mapFile string) error {
	outputs, readback := 0, 4096 // the rest of the record
	for i := range p.Map.Tags {
		readback += len(p.Map.Tags[i].Name) + readingSize
		if p.Map.Tags[i].Output {
			outputs++
		}
	}
	switch {
	case outputs > MaxOutputs:
		return fmt.Errorf("batch: %s: it has %d outputs; one batch drives %d at most; give each unit a map of its own", mapFile, outputs, MaxOutputs)
	case readback > record.MaxBody:
		return fmt.Errorf("batch: %s: the read-back of its %d tags takes up to %d bytes, and a record holds %d; use fewer tags or shorter names",
			mapFile, len(p.Map.Tags), readback, record.MaxBody)
	}
	if n := width(p.Recipe.Root); n > MaxPhases {
		return fmt.Errorf("batch: %s: %d of its phases may run at one time; %d is the most", recipeFile, n, MaxPhases)
	}
	return nil
}

// width is the number of phases below an element that may run at one time; one with logic of its own counts twice.
func width(e *recipe.Element) (n int) {
	if len(e.Children) == 0 {
		for i := range e.Logic {
			if e.Logic[i].Actions != nil {
				return 2
			}
		}
		return 1
	}
	for _, c := range e.Children {
		if w := width(c); e.Block == recipe.Parallel {
			n += w
		} else {
			n = max(n, w)
		}
	}
	return n
}
