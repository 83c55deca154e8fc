// Package sequencer decides what happens next.
//
// Start with [Machine]: it runs a [Program], which package batch compiles from a recipe, an I/O map and a batch size. Events
// come in one at a time; conditions are evaluated over the image that stands after the event; phases advance in the order of
// the recipe's text until none can go further. So the tie-break is one sentence: events in the order of their numbers, due
// deadlines before the event that comes after them, phases from the first line of the recipe to the last.
//
// Whatever waits between phases is a transition: a phase of one action that waits, so that hold, time-out, restart and recovery are
// for it what they are for a phase. A block that is not in automatic waits for a person at one, too: see [Mode]. Logic of a phase is
// an element, too; it runs while its phase is in a transient state.
//
// Interlocks are level, not edge: while View says that one blocks, no write takes an output that it gates from its safe value, and what
// a trip gates is driven there.
//
// An output may be in override: it has what a person gives it, what phases set waits meanwhile, and whatever drives it to its safe value
// ends that.
//
// Faults of outputs are gates, too: see [SafeStatus]. What drops goes to the value of its class, which is then its safe value.
//
// An output that is a part of equipment which an arbiter gives is the batch's own from the grant until it is given back, which it is not
// before all its parts are known to be safe; until then, and after it, nothing here writes or judges it.
//
// A jog opens outputs for a short time. Nothing brings one back that was cut short, be it by a hold, an interlock or a boot: it counts as
// one, and the total decides whether there is another.
//
// The rule that must not be broken: same state, same time, same event - same effects. A state changes by the table of
// [State.After] or because a transient state has come to its end, and each change is an effect.
//
// The package writes to no device and keeps no record; its effects say what is to be written and recorded.
package sequencer

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// Program is a recipe bound to a map and a batch size. It is never changed while a Machine runs it, but Adopt may take another one in
// its place.
type Program struct {
	Elems      []Elem // in the order of the recipe's text; 0 is the procedure
	Actions    []Action
	Sets       []Set
	Outputs    []Output
	Windows    []Window
	Choices    []Choice
	Uses       []int // numbers of resources, those of one action in ascending order
	Resources  int   // how many there are
	Owners     []int // by resource: how many brackets may hold it at a time; where it is shorter, one
	Asks       []int // by number of a request that is made of an arbiter: the phase that makes it, the first of its bracket
	Lines      []Line
	Messages   []Message
	Parties    []Party
	Trip       *Trip // nil: there is none
	Interlocks []Interlock

	FailureLevel recipe.Level // a failure takes hold of what lies at this level or below; Procedure: of the whole batch
}

// Interlock keeps outputs at their safe values while [View] says that it blocks: nothing sets them otherwise meanwhile.
// An action that sets one of them sets no more than MaxGated outputs.
type Interlock struct {
	Outputs []int   // numbers in Outputs; none: the procedure may not start or restart
	Trip    bool    // it drives them to their safe values, too
	React   Command // of a trip: what becomes of those who answer for what it drives there, or of the procedure; NoCommand: nothing
	Text    string  // what it is and what it wants, in words
	Safety  bool    // it is a trip of the PLC chain: its outputs are in the safe state of that class meanwhile
}

// Elem is one element of the procedure. The elements below it are those from its own number + 1 to End - 1.
//
// A transition (entry, exit, uses, select, until, step) is a phase whose one action waits for it. A select has the transition that
// chooses as its first child and the alternatives after it; a repeat has its body and, behind it, the transition that asks whether it
// is over. A sequence and a repeat have, as their last child, the transition at which they wait for a person who is to say what comes
// next; where the mode is automatic it never begins. An element with transitions around it stands with them in a bracket, a sequence of
// which nothing is told.
type Elem struct {
	Phase     bool
	Bracket   bool            // nothing is told of it
	Body      int             // of a bracket: the element that it stands around
	Step      int             // of a sequence or repeat: the transition between its children; 0: none, and no mode holds it up
	Level     recipe.Level    // not above that of the element around it
	Logic     bool            // logic of the phase that is its Parent: it runs in a transient state of that
	Waits     bool            // of a phase: a transition; a retry of it waits once more
	Block     recipe.Block    // of what is no phase and no logic
	Parent    int             // -1 for the procedure
	End       int             // one past its last descendant
	First     int             // of a phase or logic: its first action
	Count     int             // of a phase or logic: number of actions
	Timeout   int64           // ns that a phase or logic may run; 0: no limit
	Retry     int             // how often it is tried again when it has run out of its time
	OnTimeout recipe.Reaction // when it has been
	Recovery  recipe.Recovery
	Logics    [recipe.LogicEnd]int // of a phase: the elements with its logic, 0 for none
	AtMost    int                  // of a repeat: rounds
	OnLimit   recipe.Limit         // of a repeat
	Hands     bool                 // of a phase: at its end the next one takes its equipment phase over
	Takes     bool                 // of a phase: it takes the equipment phase over from the one before
}

// Action is one action of a phase.
type Action struct {
	Kind   recipe.ActionKind
	First  int       // Set, Jog: its first Set; Choose: its first Choice; Acquire: its first place in Uses
	Count  int       // Set, Jog, Choose, Acquire: how many
	Cond   cond.Cond // Wait; Until, nil: exactly AtMost rounds
	Line   int       // Sync: number in Lines; Send, Receive: number in Messages
	For    int64     // Delay, VerifyStable, Jog: ns; Time: greatest bound of the wall clock's error, ns, 0 for any
	Window int       // OpenWindow, CloseWindow, WaitTotal, Jog
	Short  int64     // WaitTotal, Jog: distance to the target at which it ends, counts
	Tag    tag.ID    // VerifyStable
	Within int64     // VerifyStable: width of the band, counts
	Reason string    // what it waits for, in the recipe's words
	Limit  string    // Until: what is said when it is still false after AtMost rounds; Time: when time is not known well enough
	Ask    int       // Acquire: number in Asks + 1; 0: no batch shares what it gets

	Settle  int64         // Jog: ns that things have to come to rest before the total is looked at
	AtMost  int           // Jog: how many
	State   timebase.Sync // Time: least state of synchronisation
	React   Command       // Time: Hold or Abort, or none, which is to ask; CloseWindow: what follows where it is out of tolerance
	NotGood Command       // CloseWindow: what follows where its total is not GOOD
}

// Sets tells whether the action gives outputs values.
func (a *Action) Sets() bool { return a.Kind == recipe.Set || a.Kind == recipe.Jog }

// Judged tells whether it matters to the sequencer how a window is judged that the action closes: WindowClosed must follow.
func (a *Action) Judged() bool {
	return a.Kind == recipe.CloseWindow && (a.React != NoCommand || a.NotGood != NoCommand)
}

// Choice is one alternative of a select. The last one may have no condition: it is taken when all others are false.
type Choice struct {
	Elem int
	Cond cond.Cond
	Text string // why it is taken
}

// Line is a rendezvous. Its parties are Parties[First:First+Count], those of one branch next to each other; it is met when in each
// branch one of them waits at it.
type Line struct {
	First, Count int
}

// Message is a message that is posted and taken by tag. Its parties are those who post it.
type Message struct {
	First, Count int
	Full         string // what is said when MaxMessages wait and one more is posted
}

// Party is a phase that comes to a line, or posts a message.
type Party struct {
	Branch int // of a line: the branch of the parallel block
	Phase  int
	Action int
	Lost   string // what is said when others wait for it and it was stopped or aborted
}

// Set gives one output a value.
type Set struct {
	Output int // number in Outputs
	Value  int64
	Jog    bool // of a Jog, so that nothing brings it back: not the safe value
}

// Output is one output of the map.
type Output struct {
	Tag    tag.ID
	Safe   int64
	Within int64         // by how much what reads back may differ from what was commanded
	Fresh  int64         // ns within which a new read-back comes; 0: not known
	Faults *iomap.Faults // what becomes of it in faults; nil: it has none
	Part   int           // number + 1 of the resource that it is a part of and that an arbiter gives; -1: of one that the program never gets; 0: of none
}

// Trip is the request for a trip of the PLC's safety chain, which a hard abort makes. Once it is made, Value is the safe value of the
// output, for as long as the machine runs.
type Trip struct {
	Output  int
	Value   int64     // what requests; Safe of the output is what does not
	Confirm cond.Cond // what must be true besides its reading back; nil: nothing
	Within  int64     // ns, less than Transient
}

// Window is what the sequencer needs to know of a metering window.
type Window struct {
	Target int64
	Source tag.ID // what its meter counts; tag.None where only Input tells of it
}

// View is what the sequencer sees of the floors below it. Reads have no effect.
type View interface {
	cond.Image
	Total(window int) metering.Total
	Source(window int) (open bool, q tag.Quality) // of Total: Open and Source
	Seen(id tag.ID) int64                         // when the value that Read returns was true
	Time() (s timebase.Sync, bound int64)         // how well the wall clock is known: greatest error, ns, 0 where none is known
	Blocks(interlock int) (blocks, settled bool)  // not settled: found so at the boot, and it has not lasted long enough to be a trip
	Faults(output int) iomap.FaultSet             // that last of an output, by what it reads back and the inputs that it depends on
}
