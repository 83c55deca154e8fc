// The evidence budget: how much room the evidence of a batch takes.

package batch

import "github.com/batchkit/batchkit/recipe"

// What an evidence budget assumes, in bytes as they stand in the journal.
const (
	perReading = 4        // one sample in an input block
	readings   = 16       // samples of a tag within its stale_after; a port sends some
	perAction  = 6 << 10  // the decisions and answers that one action leads to, a hold and a restart among them
	perSecond  = 64       // ticks, measures, looks at the clock
	perBlock   = 1500     // a block of inputs, sealed when it is old where there are any, and the group that it makes
	perBatch   = 96 << 10 // a trace of 32 KiB among it
	perAbort   = 3 << 10  // what is said of one output, and of one phase, when the batch is aborted
	perGuard   = 2 << 10  // one decision of an interlock, and one record of an alarm
	guarding   = 8        // decisions of each in a batch; an alarm that chatters has one record more every 64 s
	abortTime  = 20       // s that an abort may take
	perFound   = 160      // what it keeps of each tag
	least      = 256 << 10
)

// Budget is about how many bytes the evidence of the batch takes if its phases take all the time that they may: the journal, and the
// package beside it, which says all of it again three times: as lines, as CSV and as JSON. It is an estimate from the time-outs of the recipe and the stale_after of the map's
// tags, not a limit. Time that the batch is held, or waits for a person in another mode than automatic, inputs that come oftener, and
// interlocks that trip again and again are not in it.
func (b *Batch) Budget() int64 {
	actions, time := b.extent(0)
	journal := int64(perBatch) + guarding*perGuard*b.guardCount() + actions*perAction + min(time/1_000_000_000, 1<<30)*b.rate()
	for i := range b.Plan.Files {
		journal += int64(len(b.Plan.Files[i].Data))
	}
	return 5*journal + 3*int64(b.Segment()) // one that is full in part, one in reserve, one for the abort of the batch
}

// Segment is the size in bytes that the segments of the batch's journal have: with one in reserve, a disk that has become full has
// room for the abort of the batch.
func (b *Batch) Segment() int {
	n := int64(width(b.Plan.Recipe.Root)) + int64(len(b.prog.seq.Outputs))
	abort := perBatch + perAbort*n + perGuard*b.guardCount() + min(int64(perFound*len(b.Plan.Map.Tags)), maxValues) + abortTime*b.rate()
	size := least
	for int64(size) < abort && size < 32<<20 {
		size *= 2
	}
	return size
}

// guardCount is the number of interlocks and alarms.
func (b *Batch) guardCount() int64 { return int64(len(b.Plan.Map.Interlocks) + len(b.Plan.Map.Alarms)) }

// rate is how many bytes of inputs are expected each second.
func (b *Batch) rate() int64 {
	samples := int64(0) // in a minute
	for i := range b.Plan.Map.Tags {
		if t := &b.Plan.Map.Tags[i]; t.StaleAfter > 0 {
			samples += readings * 60_000_000 / max(t.StaleAfter/1000, 1)
		}
	}
	chatter := int64(len(b.Plan.Map.Alarms)) * perGuard / 64
	return min(perSecond+chatter+perReading*samples/60+perBlock*min(samples, 60_000_000_000/b.BlockAge)/60, 1<<30)
}

// extent is the number of actions in an element, and the longest time in ns that they may take. A repeat takes all its rounds.
func (b *Batch) extent(e int) (actions, time int64) {
	p := &b.prog.seq
	el := &p.Elems[e]
	if el.Phase || el.Logic {
		for _, a := range p.Actions[el.First : el.First+el.Count] {
			if actions++; a.Kind == recipe.Delay {
				time = min(time+a.For, 1<<60)
			}
		}
		if el.Timeout > 0 {
			time = min(el.Timeout, 1<<60/int64(el.Retry+1)) * int64(el.Retry+1)
		}
		for _, l := range el.Logics {
			if l > 0 { // what it does at a hold; the time that a batch is held is nobody's
				n, _ := b.extent(l)
				actions += n
			}
		}
		return actions * int64(el.Retry+1), time
	}
	for c := e + 1; c < el.End; c = p.Elems[c].End {
		if c == el.Step { // as where persons come between: not in it
			continue
		}
		n, t := b.extent(c)
		switch el.Block {
		case recipe.Parallel:
			actions, time = actions+n, max(time, t)
		case recipe.Select:
			if c > e+1 { // behind the transition that chooses
				actions, time = max(actions, n), max(time, t)
			}
		default:
			actions, time = actions+n, min(time+t, 1<<60)
		}
	}
	switch el.Block {
	case recipe.Select:
		n, t := b.extent(e + 1) // the transition that chooses, as often as it is tried
		actions, time = actions+n, min(time+t, 1<<60)
	case recipe.Repeat:
		rounds := int64(max(el.AtMost, 1))
		actions, time = min(actions, 1<<30/rounds)*rounds, min(time, 1<<60/rounds)*rounds
	}
	return actions, time
}
