// Package recipe says what shall be done: the recipe file, its elements and their actions.
//
// Whoever writes recipes starts with the comment of [Parse], which is the reference of the language and begins with a recipe to copy:
//
//	go doc github.com/batchkit/batchkit/recipe Parse
//	go run ./examples/evidence check RECIPE MAP    # what is wrong, the procedure as a table, and the proof that it cannot get stuck
//
// Whoever writes programs starts with [Parse] and [Recipe], which holds names and quantities as they were written; package batch holds
// them against an I/O map and a batch size and makes the program that package sequencer runs. [Diff] says in words what is new in a
// version, [Format] gives the canonical text.
//
// The rule that must not be broken: what a recipe says is either understood whole or refused, with every error at once.
//
// Editors help while a recipe is written, by recipe.schema.json, which [JSONSchema] returns. The YAML extension of VS Code and all
// else that uses yaml-language-server are told of it in the first line of a recipe, by a path from the recipe or by an address:
//
//	# yaml-language-server: $schema=recipe.schema.json
//
// A recipe in JSON has no such line, and no key for it; there the editor's settings name the schema (json.schemas).
//
// The package runs nothing and knows no I/O map.
package recipe

import (
	"strconv"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Schema is the version of the recipe language that this package reads (schema_version).
const Schema = 1

// Limits of a recipe.
const (
	MaxElements = 2000
	MaxActions  = 10000
	MaxParams   = 256
	MaxDepth    = 8
	MaxRetry    = 100
	MaxTime     = 366 * 86_400_000_000_000 // ns that a timeout, a delay or any other time may be
)

// Recipe is a recipe as its file declares it. It is never changed after Parse.
type Recipe struct {
	ID      string
	Version string // verbatim
	Title   string
	Nominal quantity.Quantity // batch size for which the formula is written
	Min     quantity.Quantity // least batch size
	Max     quantity.Quantity // greatest batch size
	Params  []Param           // the formula, in the order of the file
	Units   []Unit            // the equipment that it asks for by class
	Root    *Element          // the procedure

	FailureLevel Level           // a failure takes hold of what lies at this level or below; Procedure: of the whole batch
	Doc          *strictyaml.Doc // where binding reports what it finds; Node values below belong to it
}

// Unit is a requirement of equipment by class, which binding meets with one unit of the I/O map.
type Unit struct {
	Name  string // in the recipe Name.TT is the tag TT of the unit that was chosen
	Class string
	Needs []Setting // capabilities that the unit must have: a quantity at least, or the very word
	Node  strictyaml.Node
}

// Param is one parameter of the formula.
type Param struct {
	Name     string
	Ref      string            // name of the parameter whose Value and Scaling it has, "" where a value is written
	Value    quantity.Quantity // at the nominal batch size
	Min, Max quantity.Quantity // limits of the scaled value; the zero Quantity where none is given
	Scaling  Scaling
	Node     strictyaml.Node
}

// Scaling says how a parameter follows the batch size (q over the nominal size).
type Scaling uint8

// The scalings.
const (
	Fixed     Scaling = iota // value
	Linear                   // value x q/nominal
	Quadratic                // value x (q/nominal)^2
)

// String gives the name that recipes use: none, linear or quadratic.
func (s Scaling) String() string {
	return [...]string{"none", "linear", "quadratic"}[min(s, Quadratic)]
}

// Level is the ISA-88 level of an element.
type Level uint8

// The levels.
const (
	Procedure Level = iota
	UnitProcedure
	Operation
	Phase
)

// String gives the name that recipes and records use.
func (l Level) String() string {
	return [...]string{"procedure", "unit_procedure", "operation", "phase"}[min(l, Phase)]
}

// Block says how the elements in an element follow each other.
type Block uint8

// The blocks.
const (
	NoBlock  Block = iota // a phase
	Sequence              // one after the other
	Parallel              // all at once; it ends when all have
	Select                // the first whose When is true
	Repeat                // the body, a sequence, until Loop.Until is true
)

// String gives the key that recipes use: sequence, parallel, select or repeat; "" for a phase.
func (b Block) String() string {
	return [...]string{"", "sequence", "parallel", "select", "repeat"}[min(b, Repeat)]
}

// Element is one element of the procedure: a block of further elements, or a phase with actions.
type Element struct {
	ID        string // unique in the recipe
	Level     Level
	Block     Block
	Children  []*Element      // nil for a phase
	Actions   []Action        // of a phase
	When      *cond.Expr      // of an alternative of a select: when it is taken; nil for the one that is taken otherwise
	Loop      Loop            // of a repeat
	Entry     *cond.Expr      // it begins only when that is true; nil: at once
	Exit      *cond.Expr      // it ends only when that is true; nil: at once
	Time      *TimeRule       // of a phase: how well time must be known when it begins; nil: it does not matter
	Uses      []string        // common equipment that it holds from before its entry until after its exit, in the order of the file
	Timeout   Amount          // time that a phase may take in Running, or each wait of a block itself; required where something waits
	OnTimeout Reaction        // what follows when that has run out, and there is no retry left
	Retry     int             // how often it is tried again before, 0 to MaxRetry; a phase only if it does not meter and meets nobody
	Recovery  Recovery        // what follows when the controller comes up again and the phase was running
	Logic     [LogicEnd]Logic // of a phase: what it does on its way to Held, Running, Stopped and Aborted
	Equipment string          // of a phase: the equipment phase that it hands over to the next phase which names it, too; "" for none
	Node      strictyaml.Node
}

// Loop bounds a repeat.
type Loop struct {
	Until   *cond.Expr // nil: AtMost times
	AtMost  int        // 1 to MaxRounds
	OnLimit Limit
}

// MaxRounds is the greatest bound of a repeat.
const MaxRounds = 10_000

// Limit is what follows when a repeat has used up its rounds and its condition is still false.
type Limit uint8

// The reactions to the limit of a repeat.
const (
	LimitHold     Limit = iota // hold the batch; a restart grants one more round
	LimitAbort                 // abort the batch
	LimitContinue              // go on behind the repeat
)

// String gives the name that recipes use: hold, abort or continue.
func (l Limit) String() string {
	return [...]string{"hold", "abort", "continue"}[min(l, LimitContinue)]
}

// Transient names the transient states of a phase that may have logic of their own.
type Transient uint8

// The transient states that may have logic.
const (
	OnHold Transient = iota
	OnRestart
	OnStop
	OnAbort
	LogicEnd // how many there are
)

// String gives the key that recipes use: on_hold, on_restart, on_stop or on_abort.
func (t Transient) String() string {
	return [...]string{"on_hold", "on_restart", "on_stop", "on_abort"}[min(t, OnAbort)]
}

// Logic is what a phase does in a transient state. Outputs that its actions set follow them; the phase's other outputs go to their safe
// values at once.
type Logic struct {
	Actions []Action // Set, Delay, Wait and Mark only; nil where there is none
	Timeout Amount   // when all outputs of the phase go to their safe values, and the state ends
}

// Recovery is what follows when a controller comes up again in the middle of a phase (seed H2-4). Of phases that ran side by
// side the gravest rule holds for all; an output that does not read back what was commanded makes every rule at least
// RecoverHold.
type Recovery uint8

// The recovery rules. The graver of two: restart, abort, hold, repeat, resume.
const (
	RecoverHold    Recovery = iota // hold the batch, an operator decides
	RecoverResume                  // go on where the journal ends
	RecoverRepeat                  // begin the phase anew; not for a phase that meters
	RecoverAbort                   // abort the batch
	RecoverRestart                 // abort the batch; a new one, which names it, may begin
)

// String gives the name that recipes use: hold, resume, repeat, abort or restart.
func (r Recovery) String() string {
	return [...]string{"hold", "resume", "repeat", "abort", "restart"}[min(r, RecoverRestart)]
}

// Reaction is what follows a failure.
type Reaction uint8

// The reactions.
const (
	Hold      Reaction = iota // hold the batch, an operator decides
	Abort                     // abort the batch, through the logic of its phases, outputs to their safe values
	HardAbort                 // abort the batch without logic, and request the trip that the map declares
)

// String gives the name that recipes use: hold, abort or hard_abort.
func (r Reaction) String() string {
	return [...]string{"hold", "abort", "hard_abort"}[min(r, HardAbort)]
}

// Amount is a quantity, the name of a parameter, or, for a switch, a word such as open.
type Amount struct {
	Param    string            // name of a parameter, "" where Quantity or Word is given
	Quantity quantity.Quantity // where Param and Word are ""
	Word     string            // word of a switch
	Node     strictyaml.Node
}

// Given tells whether anything was written.
func (a *Amount) Given() bool { return a.Param != "" || a.Word != "" || a.Quantity.Unit != "" }

// ActionKind is the kind of an action.
type ActionKind uint8

// The actions (seed H2-3).
const (
	Set          ActionKind = iota + 1 // set outputs, done when the device has confirmed all of them
	Wait                               // wait for a condition
	Delay                              // let a time pass
	OpenWindow                         // open a metering window
	CloseWindow                        // close a metering window
	WaitTotal                          // wait until a window's total comes within ShortBy of its target
	Jog                                // open outputs for a short time, again and again, until a window's total is no more short of its target
	VerifyStable                       // wait until a tag has stayed within a band for a time
	Mark                               // log marker
	Prompt                             // ask the operator and wait for the answer
	Request                            // OEM action, run outside Step
	Sync                               // meet the other phases that name the line
	Send                               // post a message
	Receive                            // wait for a message and take it

	// What the transitions of a select, a repeat, of common equipment and between elements wait for. No recipe writes them.
	Choose  // the first alternative whose condition is true
	Until   // whether a repeat is over
	Acquire // equipment, all of it or none
	Time    // that time is known well enough, or a person who lets it be
	Step    // a person, who says what comes next in a sequence or repeat
)

// String gives the name that recipes and records use.
func (k ActionKind) String() string {
	return [...]string{"", "set", "wait", "delay", "open_window", "close_window", "wait_total", "jog", "verify_stable", "mark", "prompt",
		"request", "sync", "send", "receive", "select", "until", "uses", "time",
		"step"}[min(k, Step)]
}

// Waits tells whether an action of this kind may take time without end, so that its phase must have a time-out.
func (k ActionKind) Waits() bool {
	switch k {
	case Wait, WaitTotal, Jog, VerifyStable, Prompt, Request, Set, Sync, Receive:
		return true
	}
	return false
}

// Action is the smallest unit of work.
type Action struct {
	Kind      ActionKind
	Settings  []Setting  // Set, Jog: outputs; Request: parameters
	Cond      *cond.Expr // Wait
	For       Amount     // Delay, VerifyStable, Jog: how long
	Window    string     // OpenWindow, CloseWindow, WaitTotal, Jog: name of the window, unique in the recipe
	Meter     string     // OpenWindow: name of a meter of the map
	Target    Amount     // OpenWindow
	Tolerance Amount     // OpenWindow: allowed difference between total and target
	ShortBy   Amount     // WaitTotal: distance to the target at which it ends; not given: at the target
	Tag       string     // VerifyStable
	Within    Amount     // VerifyStable: width of the band
	Text      string     // Mark, Prompt: what is logged or shown
	Answer    Answer     // Prompt: what is wanted
	Type      string     // Request: OEM action type
	Line      string     // Sync: name of the line; Send, Receive: tag of the message
	Node      strictyaml.Node

	TimeWithin Amount // OpenWindow: greatest bound of the wall clock's error at both edges; not given: Tolerance holds whatever it is
	Cautious   Amount // OpenWindow: tolerance where it is greater, or not known
	Learn      Learn  // WaitTotal
	Settle     Amount // Jog: how long things come to rest before the total is looked at
	AtMost     int    // Jog: how many, 1 to MaxJogs

	OutOfTolerance *Reaction // CloseWindow: what follows; nil: the phase goes on
	NotGood        *Reaction // CloseWindow: the same where the total is not GOOD
}

// MaxJogs is the greatest bound of a jog.
const MaxJogs = 100

// LearnParts is the whole of which [Learn.Parts] tells a part.
const LearnParts = 10_000

// Learn says how the distance to the target at which a WaitTotal ends is learnt from one batch to the next. After each window that
// can be trusted it becomes itself plus Share of what the settled total was above the target, and stays between Min and Max.
type Learn struct {
	Min, Max Amount
	Share    quantity.Quantity
}

// Given tells whether anything is learnt.
func (l *Learn) Given() bool { return l.Max.Given() }

// Parts is the share as a part of LearnParts.
func (l *Learn) Parts() (int64, error) {
	return l.Share.Counts(quantity.Quantity{Coef: 1, Scale: 4, Unit: quantity.One})
}

// outside says which limit a value breaks, "" where it breaks none.
func (l *Learn) outside(v, low, high quantity.Quantity) string {
	if c, err := v.Cmp(low); err != nil || c < 0 {
		return "below min " + strconv.Quote(low.String())
	}
	if c, err := v.Cmp(high); err != nil || c > 0 {
		return "above max " + strconv.Quote(high.String())
	}
	return ""
}

// TimeRule says how well time must be known when a phase begins.
type TimeRule struct {
	Within    Amount // greatest bound of the wall clock's error; not given: any, also none
	State     string // least sync_state, such as NTP_SYNC; "": any
	Otherwise Otherwise
}

// Otherwise is what follows where time is not known as well.
type Otherwise uint8

// What may follow.
const (
	TimeHold    Otherwise = iota // hold the batch; a restart lets the phase begin all the same
	TimeAbort                    // abort the batch
	TimeConfirm                  // ask the operator; who confirms lets the phase begin all the same
)

// String gives the name that recipes use: hold, abort or confirm.
func (o Otherwise) String() string {
	return [...]string{"hold", "abort", "confirm"}[min(o, TimeConfirm)]
}

// Setting gives one output, or one parameter of an OEM action, a value.
type Setting struct {
	Name  string
	Value Amount
	Node  strictyaml.Node
}
