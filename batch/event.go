// What goes into a Machine and what comes out of it.

package batch

import (
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The events. Samples and ticks are packed into input_block records; each of the others is an input record of its own.
const (
	Sample   EventKind = iota + 1 // a raw value came in
	Tick                          // the deadline of Wake has come
	Observed                      // a look at the wall clock
	Created                       // the batch begins: first of its life
	Bound                         // one governed file that it is bound to
	Declared                      // one OEM action type that the recipe may ask for
	Boot                          // the controller came up: an epoch begins
	Late                          // the next tick is taken later than the limit allows
	Told                          // an operator's command
	Answered                      // an operator's answer to a prompt
	Done                          // what became of a write
	Progress                      // progress of an OEM action
	Finished                      // result of an OEM action

	ResourceGranted // an arbiter gives what was asked for
	ResourceRefused // an arbiter does not
	ResourceQueue   // the place of a request in an arbiter's queue

	HistorianSaid // a historian's total of a window that has closed, or why there is none

	PowerWarned // an early warning that the supply fails, or, with OK, that it is back
)

// Packed tells whether events of this kind go into blocks.
func (k EventKind) Packed() bool { return k == Sample || k == Tick }

// Event is one input of a Machine. Fields that its kind does not name are zero.
type Event struct {
	Kind EventKind
	Seq  uint64 // number of the record that carries the event

	Tag     tag.ID      // Sample
	Form    tag.Form    // Sample
	Bits    uint64      // Sample
	Quality tag.Quality // Sample
	AgeMS   int64       // Sample: age of the value when it came in

	Observation timebase.Observation // Observed, Created, Boot

	File int // Bound: number in Plan.Files; Declared: number in Plan.Actions

	Epoch    uint32    // Created, Boot
	Readback []Reading // Boot: every tag that could be read; an output that is not named was not read back
	Recovery string    // Boot: how the journal was recovered; "" for the first boot
	LossMS   int64     // Boot: greatest time for which inputs may be missing before it; -1: not known
	Last     uint64    // Boot: last record of before, from which the state follows
	Tail     int64     // Boot: bytes set aside at the end of the journal
	Anchor   string    // Boot: where the journal's head is kept besides; "": nobody was asked to keep it
	RealTime string    // Boot: what the process got of the system so that it keeps its deadlines; "": it asked for nothing

	Checkpoint uint64 // Boot: generation of the checkpoint from which the state follows; 0: it follows from the first record
	BootID     string // Boot: what tells one start of the board from another; "": not told
	Reset      string // Boot: why the board came up, as hal.ResetCause has it; "": nobody tells
	Phases     string // Boot: the elements that were under way, in the words of Machine.Phases; "": none, or not told

	LateMS, LimitMS int64 // Late

	Command  sequencer.Command // Told
	Step     string            // Told: element, "" for the procedure
	Target   string            // Told, GoTo: element that comes next
	Name     string            // Told: parameter (Change), alarm (Acknowledge), interlock (ResetInterlock), output (ResetSafeState), window (HistorianTotal), override or tag (OverrideGrant and so on)
	Operator string            // Told, Answered: who
	Role     string            // Told, Answered: in which role
	Reason   string            // Told: why

	Refusal string // Told: why who took it in refuses it, whatever the state; "": the batch answers it
	Claimed string // Told, with a Refusal: whom somebody said to be who may not say so; "": nobody

	ID      uint32   // Answered: prompt; Done: write; Progress, Finished: OEM action; ResourceGranted and so on: request
	Value   string   // Answered; Told, Change: the new value; Told, HistorianTotal, and HistorianSaid: the total, such as "119.98 kg"
	OK      bool     // Done, Finished: confirmed, or ended well; ResourceRefused: nothing of it is the batch's any more, even what it had been granted
	At      int64    // Done: when it took effect, monotonic ns
	Values  []string // Progress, Finished: name=value
	Outcome string   // Done: REFUSED or UNKNOWN, as fieldbus has them, where the error of the port says so; "": it does not
	Detail  string   // Done, Progress, Finished: what the device said; ResourceRefused, HistorianSaid without a Value: why, which must be given; at most 200 bytes

	Token uint64 // ResourceGranted: fencing token of the grant; 0: the arbiter has none
	Place int64  // ResourceQueue: place in the queue, 1 for who is next
	Owner string // ResourceQueue: who has it, at most 200 bytes; "": not told
	Since int64  // ResourceQueue: since when the owner has it, UTC in ns since 1970; 0: not told

	Holdup int64 // PowerWarned: for how long the board runs on after a warning, ns

	Window int    // HistorianSaid: number of the window, of those that Machine.Sought names
	Source string // HistorianSaid: who or what gives it, at most 200 bytes
	Calib  string // HistorianSaid: calib_version that it names; "": none
}

// Reading is one tag as it was read at a boot.
type Reading struct {
	Tag     tag.ID
	Form    tag.Form
	Bits    uint64
	Quality tag.Quality
}

// EffectKind is the kind of an Effect.
type EffectKind uint8

// The effects.
const (
	Record       EffectKind = iota + 1 // Body is record Seq of the journal
	Write                              // an output is to take a value
	Ask                                // an operator is to be asked
	RunAction                          // an OEM action is to be run
	CancelAction                       // an OEM action is to end, or not to begin; like a safe write it need not wait for its record
	End                                // the run is over

	RequestResource // an arbiter is asked for equipment that batches share
	ReleaseResource // a request is given back, or no longer wanted
)

// Effect is one consequence of an event, in the order in which they must come true. Body is valid until the next Step; the
// rest of an effect may be kept.
type Effect struct {
	Kind    EffectKind
	Safe    bool        // Write: in the safe direction, it need not wait for its record
	Seq     uint64      // Record: its number; otherwise: the record that announces it and must be durable first
	Of      record.Kind // Record
	Body    []byte      // Record
	Output  int         // Write: number of the output, for cancelling what was to be written to it
	Write   tag.Write
	First   uint32         // RunAction: number under which this occurrence of the action was asked for at first
	ID      uint32         // Ask, RunAction, CancelAction, RequestResource, ReleaseResource
	Step    string         // Ask, RunAction, RequestResource, ReleaseResource: element; ReleaseResource of what nobody asked for: ""
	Text    string         // Ask; RunAction: type of the action; End: final state of the batch
	Answer  *recipe.Answer // Ask: what is wanted; it is never changed
	Version int            // RunAction: version of the type
	Params  []string       // RunAction: name=value; End: outputs that were never confirmed safe; RequestResource: what is asked for, in order
}
