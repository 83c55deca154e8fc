// What a run shows of itself between its records: values, totals and state, for people who watch.

package runner

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// LookEvery is the least time in ns, on the clock of the run, between two calls of Options.Look.
const LookEvery = 100_000_000

// Snapshot is what a run shows at one moment. It is used again for the next one: what is to be kept of it must be copied.
type Snapshot struct {
	At      int64 // monotonic ns, as ts_mono_ns of the records
	State   sequencer.State
	Mode    sequencer.Mode // of the procedure
	Tags    []Reading      // by tag.ID
	Windows []Reached      // in the order of the recipe, those that never opened too
}

// Reading is the scaled value of a tag, as its iomap.Tag reads it, and its quality.
type Reading struct {
	Value   int64
	Quality tag.Quality
	Forced  bool // it is in override: of an input, Value is what a person has given it
}

// Reached is a metering window and what it shows. Its total and its target are in counts of Resolution.
type Reached struct {
	ID         string
	Resolution quantity.Quantity
	Display    iomap.Display // how people are shown its total
	Total      metering.Total
	Target     int64 // by the values that parameters have now
}

// watch is what the loop needs to show itself.
type watch struct {
	snap Snapshot
	due  int64 // monotonic ns of the next look
}

func newWatch(r *Runner) *watch {
	w := &watch{snap: Snapshot{Tags: make([]Reading, len(r.b.Plan.Map.Tags))}}
	w.windows(r, r.b.Plan.Recipe.Root)
	return w
}

// windows lists the windows below an element in the order in which the recipe opens them, which is that of their numbers.
func (w *watch) windows(r *Runner, e *recipe.Element) {
	for i := range e.Actions {
		a := &e.Actions[i]
		if a.Kind != recipe.OpenWindow {
			continue
		}
		one := Reached{ID: a.Window}
		if m := r.b.Equipment.Meter(a.Meter); m != nil {
			one.Resolution, one.Display = m.Resolution, m.Display
		}
		w.snap.Windows = append(w.snap.Windows, one)
	}
	for _, child := range e.Children {
		w.windows(r, child)
	}
}

// show calls Look if it is time, and returns when it will be time again. It allocates nothing.
func (l *loop) show(now int64) int64 {
	w := l.eyes
	if w == nil || l.failed != nil {
		return timebase.Never
	}
	if now < w.due {
		return w.due
	}
	defer l.fault()
	w.due = now + LookEvery
	s := &w.snap
	s.At, s.State, s.Mode = now, l.m.State(), l.m.Mode()
	for i := range s.Tags {
		s.Tags[i].Value, s.Tags[i].Quality = l.m.Read(tag.ID(i), now)
		s.Tags[i].Forced = l.m.Forced(tag.ID(i))
	}
	for i := range s.Windows {
		s.Windows[i].Total, s.Windows[i].Target = l.m.Total(i), l.m.Target(i)
	}
	l.guest("Options.Look", func() { l.r.opt.Look(l.r, s) })
	return w.due
}
