// Package sound proves, before a recipe is approved, that it cannot get stuck.
//
// Start with [Check], which explores all that a recipe's branches can do to each other: sync lines, messages, shared equipment, choices
// and rounds. What depends on the plant - which alternative is taken, how often a repeat goes round - counts as free: the proof holds
// for every plant. Waits for the plant itself count as ending, since each has a time-out. Any branch may be slower than any other, also
// one that waits for nothing: a recipe that cannot get stuck only because two things take no time is refused. Where a repeat has used
// up its rounds and holds, a restart may grant it more; how many messages wait is counted without these. Where it aborts, the proof ends.
// Stops and aborts of single steps by an operator are not looked at.
//
// The rule that must not be broken: what is called SOUND cannot deadlock in the engine. What is called UNSOUND comes with the moves that
// lead to it, in the words and lines of the recipe.
//
// The package runs nothing and knows no time.
package sound

import (
	"cmp"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/recipe"
)

// Limits of a proof.
const (
	DefaultStates = 1_000_000 // states explored before a recipe counts as NOT PROVED
	MaxMemory     = 128 << 20 // bytes of the states that are still to be looked at before it counts as NOT PROVED
	MaxMessages   = 255       // messages of one tag that can wait to be received
)

// Verdict is what a proof came to. The zero Verdict is NotProved.
type Verdict uint8

// The verdicts.
const (
	NotProved Verdict = iota // the limit was reached before all states were explored
	Sound
	Unsound
)

// String gives the word that records and people use.
func (v Verdict) String() string {
	return [...]string{"NOT PROVED", "SOUND", "UNSOUND"}[min(v, Unsound)]
}

// Kind is the kind of a Finding.
type Kind uint8

// The kinds.
const (
	Deadlock     Kind = iota + 1 // branches wait for each other in ways that no other kind names
	CircularWait                 // branches wait for equipment that they hold against each other
	NoMeeting                    // a sync line is waited at and cannot be met
	NoMessage                    // a message is waited for and cannot come
	Leftover                     // the recipe ends with a message that nobody has received
	TooMany                      // more than MaxMessages of one tag wait
	Unreachable                  // an element that no run reaches
	Never                        // a condition that is waited for and never true
	OutOfOrder                   // what batches share is waited for while some that stands behind it is kept: two batches could wait for each other
)

// String gives the kind in words.
func (k Kind) String() string {
	return [...]string{"", "deadlock", "circular wait", "sync line that cannot meet", "message that cannot come",
		"message that nobody receives", "too many messages", "unreachable",
		"condition that is never true", "shared equipment out of order"}[min(k, OutOfOrder)]
}

// Move is one step of a trace.
type Move struct {
	Element *recipe.Element
	Action  int    // number of the action in the element, counted from 0; -1 where it is no action
	Text    string // what it does, in the recipe's words
	Node    strictyaml.Node

	passing bool // nothing that a reader need follow: an element begins
}

// Finding is one way in which a recipe is not sound.
type Finding struct {
	Kind  Kind
	Text  string // what is wrong and what to do, in the recipe's words and lines
	Node  strictyaml.Node
	Trace []Move // all that leads there, from the start of the recipe; nil for Unreachable and Never. Account puts it into words
	Stuck []Move // what each branch waits for in the end, also those that Text does not name: they wait for these
}

// Proof is what Check came to.
type Proof struct {
	Verdict  Verdict
	States   int       // explored
	Findings []Finding // of each kind at each place the first, in the order in which they were found; none unless Unsound
}

// Guards knows what the conditions of a recipe come to on an I/O map.
type Guards interface {
	// Possible tells whether there are values of the tags with which all of yes are true and all of no are false.
	Possible(yes, no []*cond.Expr) bool
}

// Options are the options of Check. Nil is the same as the zero value.
type Options struct {
	States int    // states explored at most, for all of Shared together; 0: DefaultStates; each takes about 100 bytes of memory, beside MaxMemory
	Guards Guards // nil: every condition may be true, and false

	// Owners is how many elements may hold equipment at a time, by its name; what is not in it, or less than 1, has one owner.
	Owners map[string]int

	// Shared is the equipment that batches share, in the one order in which all of them get it. That this recipe does is proved, too:
	// while another batch has some of it, this one keeps none that stands behind it.
	Shared []string
}

// Check explores a recipe. It takes a microsecond or so for each state, and most recipes have a few hundred: only choices, equipment
// that branches contend for and messages that several wait for make states.
func Check(r *recipe.Recipe, opt *Options) *Proof { return check(r, opt, MaxMessages) }

// check is Check for engines in which most messages of one tag can wait.
func check(r *recipe.Recipe, opt *Options, most int) *Proof {
	if opt == nil {
		opt = &Options{}
	}
	x := &explorer{limit: cmp.Or(opt.States, DefaultStates), most: most, memory: MaxMemory, params: r.Params, withheld: nothing}
	impossible := x.conditions(r.Root, opt.Guards)
	x.net = compile(r, impossible, opt)
	x.explore()
	for t := range x.net.names[things] {
		if x.net.order[t] > 0 && x.proof.Verdict == Sound {
			x.withhold(t)
		}
	}
	return &x.proof
}
