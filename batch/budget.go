// The evidence budget: how much room the evidence of a batch takes.

package batch

import "github.com/batchkit/batchkit/recipe"

// What an evidence budget assumes, in bytes as they stand in the journal.
const (
	perReading = 6       // one sample in an input block
	readings   = 16      // samples of a tag within its stale_after; a port sends some
	perAction  = 6 << 10 // the decisions and answers that one action leads to, a hold and a restart among them
	perSecond  = 64      // ticks, measures, looks at the clock
	perBatch   = 64 << 10
	segments   = 3 * 256 << 10 // of the journal: one that is full in part, one in reserve, one for the abort of the batch
)

// Budget is about how many bytes the evidence of the batch takes if its phases take all the time that they may: the journal, and the
// package beside it, which says all of it again three times: as lines, as CSV and as JSON. It is an estimate from the time-outs of the recipe and the stale_after of the map's
// tags, not a limit. Time that the batch is held, and inputs that come oftener, are not in it.
func (b *Batch) Budget() int64 {
	rate := int64(perSecond)
	for i := range b.Plan.Map.Tags {
		if t := &b.Plan.Map.Tags[i]; t.StaleAfter > 0 {
			rate += readings * perReading * 1_000_000 / max(t.StaleAfter/1000, 1)
		}
	}
	actions, time := b.extent(0)
	journal := int64(perBatch) + actions*perAction + min(time/1_000_000_000, 1<<30)*min(rate, 1<<30)
	for i := range b.Plan.Files {
		journal += int64(len(b.Plan.Files[i].Data))
	}
	return 5*journal + segments
}

// extent is the number of actions in an element, and the longest time in ns that they may take.
func (b *Batch) extent(e int) (actions, time int64) {
	p := &b.prog.seq
	el := &p.Elems[e]
	if el.Phase {
		for _, a := range p.Actions[el.First : el.First+el.Count] {
			if actions++; a.Kind == recipe.Delay {
				time += a.For
			}
		}
		if el.Timeout > 0 {
			time = el.Timeout
		}
		return actions, time
	}
	for c := e + 1; c < el.End; c = p.Elems[c].End {
		n, t := b.extent(c)
		if actions += n; el.Parallel {
			time = max(time, t)
		} else {
			time += t
		}
	}
	return actions, time
}
