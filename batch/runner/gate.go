// The gate: effects wait here until the records before them are durable.

package runner

import (
	"slices"

	"github.com/batchkit/batchkit/batch"
)

// gateSize is the number of effects that may wait. A full gate lets only operator and device answers in.
const gateSize = 256

// gate holds effects in the order in which they were decided.
type gate struct {
	held []batch.Effect
}

// add lets an effect wait.
func (g *gate) add(e *batch.Effect) { g.held = append(g.held, *e) }

// full tells whether the loop must stop taking inputs that may lead to more.
func (g *gate) full() bool { return len(g.held) >= gateSize }

// cancel takes out every write to an output: a later one in the safe direction has overtaken them.
func (g *gate) cancel(output int) {
	n := 0
	for i := range g.held {
		if g.held[i].Kind != batch.Write || g.held[i].Output != output {
			g.held[n] = g.held[i]
			n++
		}
	}
	g.held = g.held[:n]
}

// drop takes out an OEM action that was called off, and tells whether it was there.
func (g *gate) drop(id uint32) bool {
	n := len(g.held)
	g.held = slices.DeleteFunc(g.held, func(e batch.Effect) bool { return e.Kind == batch.RunAction && e.ID == id })
	return len(g.held) < n
}

// pass hands on, in order, what need not wait any longer.
func (g *gate) pass(durable uint64, out func(e *batch.Effect)) {
	n := 0
	for n < len(g.held) && g.held[n].Seq <= durable {
		n++
	}
	for i := 0; i < n; i++ {
		out(&g.held[i])
	}
	g.held = g.held[:copy(g.held, g.held[n:])]
}
