// Package sequencer decides what happens next.
//
// Start with [Machine]: it runs a [Program], which package batch compiles from a recipe, an I/O map and a batch size. Events
// come in one at a time; conditions are evaluated over the image that stands after the event; phases advance in the order of
// the recipe's text until none can go further. So the tie-break is one sentence: events in the order of their numbers, due
// deadlines before the event that comes after them, phases from the first line of the recipe to the last.
//
// The rule that must not be broken: same state, same time, same event - same effects. A state changes by the table of
// [State.After] or because a transient state has come to its end, and each change is an effect.
//
// The package writes to no device and keeps no record; its effects say what is to be written and recorded.
package sequencer

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
)

// Program is a recipe bound to a map and a batch size. It is never changed while a Machine runs it.
type Program struct {
	Elems   []Elem // in the order of the recipe's text; 0 is the procedure
	Actions []Action
	Sets    []Set
	Outputs []Output
	Windows []Window
}

// Elem is one element of the procedure. The elements below it are those from its own number + 1 to End - 1.
type Elem struct {
	Phase     bool
	Parallel  bool
	Parent    int   // -1 for the procedure
	End       int   // one past its last descendant
	First     int   // of a phase: its first action
	Count     int   // of a phase: number of actions
	Timeout   int64 // ns that a phase may run; 0: no limit
	OnTimeout recipe.Reaction
	Recovery  recipe.Recovery
}

// Action is one action of a phase.
type Action struct {
	Kind   recipe.ActionKind
	First  int       // Set: its first Set
	Count  int       // Set: number of Sets
	Cond   cond.Cond // Wait
	For    int64     // Delay, VerifyStable: ns
	Window int       // OpenWindow, CloseWindow, WaitTotal
	Short  int64     // WaitTotal: distance to the target at which it ends, counts
	Tag    tag.ID    // VerifyStable
	Within int64     // VerifyStable: width of the band, counts
	Reason string    // what it waits for, in the recipe's words
}

// Set gives one output a value.
type Set struct {
	Output int // number in Outputs
	Value  int64
}

// Output is one output of the map.
type Output struct {
	Tag    tag.ID
	Safe   int64
	Within int64 // by how much what reads back may differ from what was commanded
	Fresh  int64 // ns within which a new read-back comes; 0: not known
}

// Window is what the sequencer needs to know of a metering window.
type Window struct {
	Target int64
}

// View is what the sequencer sees of the floors below it. Reads have no effect.
type View interface {
	cond.Image
	Total(window int) metering.Total
	Seen(id tag.ID) int64 // when the value that Read returns was true
}
