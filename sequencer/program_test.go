// Programs and a plant for tests.

package sequencer

import (
	"fmt"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
)

const second = int64(1_000_000_000)

// block is an element of a program before it is numbered.
type block struct {
	name     string
	parallel bool
	below    []*block // nil for a phase
	todo     []todo   // of a phase
	timeout  int64
	reaction recipe.Reaction
	recovery recipe.Recovery
}

// todo is an action with the outputs that it sets.
type todo struct {
	Action
	sets []Set
}

// wired is a program with the names of its parts.
type wired struct {
	Program
	elems   []string
	actions []string // element/n
	tags    []string // outputs first
	windows []string
}

// output adds an output; outputs come before other tags.
func (w *wired) output(name string, safe int64) int {
	w.Outputs = append(w.Outputs, Output{Tag: w.tag(name), Safe: safe, Fresh: second})
	return len(w.Outputs) - 1
}

func (w *wired) tag(name string) tag.ID {
	for i, t := range w.tags {
		if t == name {
			return tag.ID(i)
		}
	}
	w.tags = append(w.tags, name)
	return tag.ID(len(w.tags) - 1)
}

func (w *wired) window(name string, target int64) int {
	w.windows = append(w.windows, name)
	w.Windows = append(w.Windows, Window{Target: target})
	return len(w.Windows) - 1
}

// procedure numbers the elements of b and all below it.
func (w *wired) procedure(b *block) *wired {
	w.number(b, -1)
	return w
}

func (w *wired) number(b *block, parent int) {
	n := len(w.Elems)
	w.elems = append(w.elems, b.name)
	w.Elems = append(w.Elems, Elem{Phase: b.below == nil, Parallel: b.parallel, Parent: parent, First: len(w.Actions),
		Count: len(b.todo), Timeout: b.timeout, OnTimeout: b.reaction, Recovery: b.recovery})
	for i, t := range b.todo {
		t.First, t.Count = len(w.Sets), len(t.sets)
		w.Sets = append(w.Sets, t.sets...)
		w.Actions = append(w.Actions, t.Action)
		w.actions = append(w.actions, fmt.Sprintf("%s/%d", b.name, i+1))
	}
	for _, c := range b.below {
		w.number(c, n)
	}
	w.Elems[n].End = len(w.Elems)
}

// elem finds an element by its name; -1 where there is none.
func (w *wired) elem(name string) int {
	for i, e := range w.elems {
		if e == name {
			return i
		}
	}
	return -1
}

// atLeast is the condition that a tag is GOOD and not below a value.
func atLeast(id tag.ID, value int64) cond.Cond {
	return cond.Cond{{Op: cond.Ge, Size: 1, Tag: id, Value: value}}
}

// plant is the View of a test.
type plant struct {
	value   []int64
	quality []tag.Quality
	totals  []metering.Total
	used    []bool
	now     int64
	lies    []bool // by output: its device confirms what it does not do
}

func newPlant(w *wired) *plant {
	p := &plant{value: make([]int64, len(w.tags)), quality: make([]tag.Quality, len(w.tags)),
		totals: make([]metering.Total, len(w.Windows)), used: make([]bool, len(w.Windows)), lies: make([]bool, len(w.Outputs))}
	for i := range p.quality {
		p.quality[i] = tag.Good
	}
	for i := range p.totals {
		p.totals[i].Source = tag.Good
	}
	for _, o := range w.Outputs {
		p.value[o.Tag] = o.Safe
	}
	return p
}

// Read gives BAD for a tag that the plant does not have.
func (p *plant) Read(id tag.ID, _ int64) (int64, tag.Quality) {
	if int(id) >= len(p.value) {
		return 0, tag.Bad
	}
	return p.value[id], p.quality[id]
}

// Seen says that every value is of now.
func (p *plant) Seen(tag.ID) int64 { return p.now }

// Total shows a window.
func (p *plant) Total(w int) metering.Total { return p.totals[w] }

// open does what the metering floor does: a window opens once, and only on a good source.
func (p *plant) open(w int) bool {
	t := &p.totals[w]
	ok := !p.used[w] && t.Source == tag.Good
	if ok {
		*t = metering.Total{Open: true, Source: tag.Good, Quality: tag.Good}
		p.used[w] = true
	}
	return ok
}
