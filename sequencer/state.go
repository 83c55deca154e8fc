// The procedural states and commands of ISA-88, as one table.
//
// The table is onCommand and ends. A profile of more states is more rows of it: that of PackML and MTP has Starting and Completing,
// transient and with hold and stop as Running has them (start leads to Starting, which ends in Running; Running ends in Completing, and
// that in Complete), and calls restart unhold. Beside the table, Running and Complete are named where an element begins and ends
// (activate, complete), and each state has its rank (state); logic for one more transient state is one more recipe.Transient.

package sequencer

// State is a procedural state: the classic twelve of ISA-88 / IEC 61512-1.
type State uint8

// The states. Idle, Complete, Paused, Held, Stopped and Aborted are quiescent; the others end by themselves.
const (
	Idle State = iota
	Running
	Complete
	Pausing
	Paused
	Holding
	Held
	Restarting
	Stopping
	Stopped
	Aborting
	Aborted
	stateCount
)

var stateNames = [stateCount]string{"Idle", "Running", "Complete", "Pausing", "Paused", "Holding", "Held", "Restarting",
	"Stopping", "Stopped", "Aborting", "Aborted"}

// String gives the name that records use in batch_state and phase_state.
func (s State) String() string { return stateNames[min(s, Aborted)] }

// Terminal tells whether a state is the end of a run.
func (s State) Terminal() bool { return s == Complete || s == Stopped || s == Aborted }

// Quiescent tells whether a state lasts until a command comes.
func (s State) Quiescent() bool { return s.Terminal() || s == Idle || s == Paused || s == Held }

// Command is a command to an element of the recipe, or an order. Who tells one says in Step what it is for, "" or the procedure for the
// whole batch, and in Target, Name and Value what else it takes; runner.Command has these fields. What is not legal is refused, with
// a reason that says what to do.
//
// start the batch; no Step
// pause, resume, hold, restart Step, with all in it
// stop, abort Step, with all in it
// reset nothing: always refused, since a batch runs once
// hard_abort the batch; no Step
// automatic, semi_automatic Step: a block, with all blocks in it
// manual Step: a block, with all blocks in it and around it
// release Step: what waits for release, or a block in which one does
// go_to Step: a sequence, repeat or select in manual; Target: the element directly in it that comes next
// force Step: the phase or transition in manual that waits, such as HEAT, HEAT.entry or HEAT.exit
// change Name: a parameter of the formula; Value: its new value, such as "2.5 kg". The batch is held
// comment Step: what is spoken of; what is said is the reason
// acknowledge Name: an alarm_id of the map
// reset_interlock Name: an interlock_id of the map
// reset_safe_state Name: a logical_tag of the map, an output
type Command uint8

// The commands.
const (
	NoCommand Command = iota
	Start
	Pause
	Resume
	Hold
	Restart
	Stop
	Abort
	Reset
	commandCount
)

// The orders: commands of an operator that lead to no state by the table.
const (
	HardAbort      = commandCount + iota // abort without logic, and with the request of the map for a trip
	Automatic                            // mode: transitions fire when they are true
	SemiAutomatic                        // mode: a transition that is true waits for release
	Manual                               // mode: a person chooses what comes next
	Release                              // let go on what waits for it
	GoTo                                 // in manual: Target comes next
	Force                                // in manual: what the element waits for counts as true
	Change                               // while held: a parameter takes another value
	Comment                              // what a person says of the batch or an element
	Acknowledge                          // of an alarm
	ResetInterlock                       // of an interlock that has latched
	ConfirmTime                          // that the batch may begin though UTC is not known
	HistorianTotal                       // the historian's total of a window, as a person read it
	ResetSafeState                       // of an output that has latched in the safe state of a fault
	orderCount
)

var commandNames = [orderCount]string{"", "start", "pause", "resume", "hold", "restart", "stop", "abort", "reset", "hard_abort",
	"automatic", "semi_automatic", "manual", "release", "go_to", "force", "change", "comment", "acknowledge", "reset_interlock", "confirm_time",
	"historian_total", "reset_safe_state"}

// String gives the name that records and people use.
func (c Command) String() string {
	if c < orderCount {
		return commandNames[c]
	}
	return ""
}

// ParseCommand is the inverse of String; ok is false for any other text.
func ParseCommand(s string) (c Command, ok bool) {
	for c = Start; c < orderCount; c++ {
		if commandNames[c] == s {
			return c, true
		}
	}
	return NoCommand, false
}

// none marks a command that is illegal in a state.
const none = stateCount

// onCommand is the table: the state that a command leads to, or none. Abort is legal everywhere but in Idle, Complete,
// Aborting and Aborted.
var onCommand = [stateCount][commandCount]State{
	Idle:       {none, Running, none, none, none, none, none, none, none},
	Running:    {none, none, Pausing, none, Holding, none, Stopping, Aborting, none},
	Complete:   {none, none, none, none, none, none, none, none, Idle},
	Pausing:    {none, none, none, none, Holding, none, Stopping, Aborting, none},
	Paused:     {none, none, none, Running, Holding, none, Stopping, Aborting, none},
	Holding:    {none, none, none, none, none, none, Stopping, Aborting, none},
	Held:       {none, none, none, none, none, Restarting, Stopping, Aborting, none},
	Restarting: {none, none, none, none, Holding, none, Stopping, Aborting, none},
	Stopping:   {none, none, none, none, none, none, none, Aborting, none},
	Stopped:    {none, none, none, none, none, none, none, Aborting, Idle},
	Aborting:   {none, none, none, none, none, none, none, none, none},
	Aborted:    {none, none, none, none, none, none, none, none, Idle},
}

// After returns the state to which a command leads from s; where the command is illegal, s itself and false.
func (s State) After(c Command) (to State, ok bool) {
	if s >= stateCount || c >= commandCount || onCommand[s][c] == none {
		return s, false
	}
	return onCommand[s][c], true
}

// ends gives the state in which a transient state ends by itself; a quiescent one stands for itself.
var ends = [stateCount]State{Idle, Complete, Complete, Paused, Paused, Held, Held, Running, Stopped, Stopped, Aborted, Aborted}

// Repeats tells whether a command asks for what is under way or done already, so that it is taken as a recorded no-op.
func (s State) Repeats(c Command) bool {
	if s >= stateCount || c >= commandCount || c == NoCommand {
		return false
	}
	for from := Idle; from < stateCount; from++ {
		if to := onCommand[from][c]; to != none && to != Idle && (s == to || s == ends[to]) && (to != Running || s == Running) {
			return true
		}
	}
	return false
}
