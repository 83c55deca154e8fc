// How people are shown the quantities of a batch: by the displays of its map.

package batch

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

// Shown gives what a record says under a key, with its unit, as people are shown it: in the unit and with the decimals of its window's
// meter, or of its tag. What the map has no display for, and what is no number, stays as it is.
func (b *Batch) Shown(rec *record.Record, k record.Key) string {
	text, unit := rec.Text(k), rec.Text(record.Unit)
	if text == "" || unit == "" {
		return text
	}
	coef, scale, err := quantity.ParseDecimal(text)
	if err != nil {
		return text + " " + unit
	}
	return b.display(rec).Of(quantity.Quantity{Coef: coef, Scale: scale, Unit: quantity.Unit(unit)}).String()
}

func (b *Batch) display(rec *record.Record) iomap.Display {
	if w := rec.Text(record.MeterWindowID); w != "" {
		return b.DisplayOf(w)
	}
	if id, ok := b.Plan.Map.Lookup(rec.Text(record.LogicalTag)); ok {
		return b.Plan.Map.Tags[id].Display
	}
	return iomap.Display{}
}

// DisplayOf is how people are shown the totals of a window: as its meter has it.
func (b *Batch) DisplayOf(window string) (d iomap.Display) {
	var find func(e *recipe.Element) bool
	find = func(e *recipe.Element) bool {
		for i := range e.Actions {
			if a := &e.Actions[i]; a.Kind == recipe.OpenWindow && a.Window == window {
				if m := b.Equipment.Meter(a.Meter); m != nil {
					d = m.Display
				}
				return true
			}
		}
		for _, child := range e.Children {
			if find(child) {
				return true
			}
		}
		return false
	}
	find(b.Plan.Recipe.Root)
	return d
}
