// From a recipe, a map and a formula to a program: what there is, and what must hold for the whole.

package batch

import (
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// program is what a batch runs, with the words that its records need.
type program struct {
	seq       sequencer.Program
	elems     []step   // by element number
	actions   []action // by action number
	meters    []metering.Meter
	sources   []*iomap.Meter // by meter number
	inputs    [][]meterInput // by tag: the meters that it belongs to
	windows   []metering.Window
	wins      []window // by window number
	outputs   []tag.ID // by output number
	needs     []string // by resource: its name
	shared    []bool   // by resource: batches share it
	equipment *Equipment
}

// step is what the records of an element need.
type step struct {
	id    string
	level recipe.Level
}

// action is what the records of an action need.
type action struct {
	id     string // step_id/n
	text   string
	line   string         // of a sync, send or receive: the name of the line or message
	answer *recipe.Answer // of a prompt: what is wanted
	kind   *recipe.ActionType
	params []string
}

// meterInput is a meter that a tag belongs to, and what it is there.
type meterInput struct {
	meter int
	role  metering.Role
}

// window is what the records of a window need.
type window struct {
	id    string
	elem  int // phase that opens it
	meter *iomap.Meter
	tot   quantity.Ratio // counts of the window for each count of the device's totalizer
	hist  quantity.Ratio // counts of the window for each count of the historian's tag
	tol   int64          // allowed difference between window, totalizer and historian, counts
	learn learning

	within   int64 // bound of the wall clock's error, ns, above which it is judged by cautious; 0: it does not matter
	cautious int64 // counts
}

// noder is a place in a recipe file that can be blamed.
type noder interface {
	Errorf(format string, args ...any)
	Pos() strictyaml.Pos
}

// within is how far a number that an output reads back may lie from what was commanded: a hundredth of its range, since converters
// round, and one count at least.
func within(t *iomap.Tag) int64 {
	if t.Type == iomap.Switch {
		return 0
	}
	return max((t.Max-t.Min)/100, 1)
}

// compiler makes the program of a plan for one formula. What is wrong goes to report; the program is whole only if nothing was. Where a
// parameter is changed in a batch, what is reported goes into a record: its words are the engine's.
type compiler struct {
	plan    *Plan
	formula recipe.Formula
	chosen  *Equipment // the units that a batch has already; nil: they are chosen by the formula
	report  func(n noder, format string, args ...any)

	inFlight []InFlight     // what was learnt before
	taken    []InFlight     // of that: what this program works with
	outside  *InFlightError // what of it the recipe does not allow

	out   *program
	named map[string]int // windows by name
	setBy []noder        // by set: its place in the recipe
	chain []noder        // by output: where the equipment phase that is handed over has set it
	lines met
	posts met
}

func (c *compiler) compile() *program {
	c.out = &program{inputs: make([][]meterInput, len(c.plan.Map.Tags))}
	c.named = map[string]int{}
	for i := range c.plan.Map.Tags {
		if t := &c.plan.Map.Tags[i]; t.Output {
			c.out.outputs = append(c.out.outputs, tag.ID(i))
			c.out.seq.Outputs = append(c.out.seq.Outputs, sequencer.Output{Tag: tag.ID(i), Safe: t.Safe, Within: within(t), Fresh: t.StaleAfter})
			out := &c.out.seq.Outputs[len(c.out.outputs)-1]
			if p := c.plan.Map.Trip; p == nil || p.Tag != tag.ID(i) {
				out.Faults = &t.Faults
			} else {
				c.out.seq.Trip = &sequencer.Trip{Output: len(c.out.outputs) - 1, Value: p.Value, Confirm: p.Confirm, Within: p.Within}
			}
		}
	}
	c.out.seq.FailureLevel = c.plan.Recipe.FailureLevel
	c.gates()
	if c.chosen == nil {
		c.choose()
	} else {
		c.keep()
	}
	c.resources()
	c.element(c.plan.Recipe.Root, -1, false, false)
	c.owners()
	c.meet()
	c.gatedSets()
	c.partSets()
	for i := range c.out.seq.Elems {
		if c.out.seq.Elems[i].Block == recipe.Parallel {
			c.disjoint(i)
		}
	}
	return c.out
}

// disjoint refuses an output that two branches of a parallel block set: each would undo the other and wait for its own value.
func (c *compiler) disjoint(block int) {
	p := &c.out.seq
	owner := make([]int, len(p.Outputs)) // by output: the branch that sets it, 0 for none
	for branch := block + 1; branch < p.Elems[block].End; branch = p.Elems[branch].End {
		for e := branch; e < p.Elems[branch].End; e++ {
			for _, a := range p.Actions[p.Elems[e].First : p.Elems[e].First+p.Elems[e].Count] {
				for k := a.First; a.Sets() && k < a.First+a.Count; k++ {
					o := p.Sets[k].Output
					if owner[o] != 0 && owner[o] != branch {
						c.report(c.setBy[k], "%s is set in %s too, which runs at the same time; let one branch set it",
							c.plan.Map.Tags[p.Outputs[o].Tag].Name, c.out.elems[owner[o]].id)
					}
					owner[o] = branch
				}
			}
		}
	}
}
