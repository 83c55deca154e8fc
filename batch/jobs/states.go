// States of jobs, and their lives as they are drawn from the tables.

package jobs

import "fmt"

// State is where a job stands: of a production job its code, of a set-up job 1000 and its code, so that the number alone tells
// which. The zero value is a production job that has not begun.
type State uint16

// The states of a production job. Its life, in which a process is over at Discarded, Success and Failure, and left until then:
//
//	stateDiagram-v2
//	    [*] --> Initial
//	    Initial --> Waiting: ready
//	    Initial --> Interrupted: load with some left
//	    Initial --> Interrupting: newest runs
//	    Initial --> Completing: complete with some left
//	    Initial --> CompletingInterrupting: amount reached
//	    Initial --> CleanUp: load barred
//	    Initial --> Discarding: abort with some left
//	    Initial --> Completed: complete with none left, abort with none left
//	    Waiting --> Initial: load with none left, interrupt
//	    Waiting --> Dispatched: start
//	    Waiting --> Suspended: newest runs
//	    Waiting --> Interrupted: load with some left
//	    Waiting --> Completing: complete with some left, amount reached
//	    Waiting --> CleanUp: load barred
//	    Waiting --> Discarding: abort with some left
//	    Waiting --> Completed: complete with none left, abort with none left
//	    Dispatched --> Initial: load with none left, interrupt
//	    Dispatched --> Waiting: suspend
//	    Dispatched --> Suspended: newest lost
//	    Dispatched --> Running: newest runs
//	    Dispatched --> Interrupted: load with some left
//	    Dispatched --> Completing: complete, amount reached
//	    Dispatched --> CleanUp: load barred
//	    Dispatched --> Discarding: abort
//	    Suspended --> Waiting: all over
//	    Suspended --> Running: start
//	    Suspended --> Interrupted: load with some left, load with none left
//	    Suspended --> Interrupting: interrupt
//	    Suspended --> Completing: complete, amount reached
//	    Suspended --> Aborting: abort
//	    Suspended --> CleanUp: load barred
//	    Running --> Suspended: suspend, newest lost
//	    Running --> Interrupted: load with some left, load with none left
//	    Running --> Interrupting: interrupt
//	    Running --> Completing: complete, amount reached
//	    Running --> Aborting: abort
//	    Running --> CleanUp: load barred
//	    InterruptedWaiting --> Running: start
//	    InterruptedWaiting --> Interrupted: load, interrupt with none left
//	    InterruptedWaiting --> Interrupting: interrupt with some left
//	    InterruptedWaiting --> CompletingInterruptedWaiting: complete with some left, amount reached
//	    InterruptedWaiting --> Aborting: abort with some left
//	    InterruptedWaiting --> Completed: complete with none left, abort with none left
//	    Interrupted --> InterruptedWaiting: ready
//	    Interrupted --> CompletingInterrupted: complete with some left, amount reached
//	    Interrupted --> CleanUp: abort with some left
//	    Interrupted --> Completed: complete with none left, abort with none left
//	    Interrupting --> Interrupted: load with some left, load with none left, all rest, all over
//	    Interrupting --> CompletingInterrupting: amount reached
//	    Interrupting --> Aborting: abort
//	    Interrupting --> CleanUp: load barred
//	    Completing --> CompletingInterrupted: load with some left
//	    Completing --> CompletingInterrupting: interrupt
//	    Completing --> Aborting: abort
//	    Completing --> CleanUp: load barred
//	    Completing --> Completed: load with none left, all over
//	    CompletingInterruptedWaiting --> Completing: start
//	    CompletingInterruptedWaiting --> CompletingInterrupted: load with some left, load barred
//	    CompletingInterruptedWaiting --> CompletingInterrupting: interrupt with some left
//	    CompletingInterruptedWaiting --> Aborting: abort with some left
//	    CompletingInterruptedWaiting --> Completed: load with none left, abort with none left, interrupt with none left, all over
//	    CompletingInterrupted --> CompletingInterruptedWaiting: ready
//	    CompletingInterrupted --> CleanUp: abort with some left
//	    CompletingInterrupted --> Completed: load with none left, abort with none left, all over
//	    CompletingInterrupting --> CompletingInterrupted: load with some left, all rest
//	    CompletingInterrupting --> Aborting: abort
//	    CompletingInterrupting --> CleanUp: load barred
//	    CompletingInterrupting --> Completed: load with none left, all over
//	    Aborting --> CleanUp: load with some left, load barred
//	    Aborting --> CleaningUp: interrupt
//	    Aborting --> Completed: load with none left, all over
//	    CleanUp --> CleanUpWaiting: ready
//	    CleanUp --> Discarding: abort with some left
//	    CleanUp --> Completed: load with none left, abort with none left, all over
//	    CleanUpWaiting --> CleanUp: load with some left, load barred, interrupt
//	    CleanUpWaiting --> CleaningUp: start
//	    CleanUpWaiting --> Discarding: abort with some left
//	    CleanUpWaiting --> Completed: load with none left, abort with none left, all over
//	    CleaningUp --> CleanUp: load with some left, load barred, interrupt
//	    CleaningUp --> Discarding: abort
//	    CleaningUp --> Completed: load with none left, all over
//	    Discarding --> Completed: load with none left, all rest, all over
//	    Completed --> [*]
const (
	JobInitial                      State = 0
	JobWaiting                      State = 5   // it is accepted, and waits to be started
	JobDispatched                   State = 10  // its first process is ordered
	JobSuspended                    State = 20  // its processes go on, and none is ordered
	JobRunning                      State = 50  // its processes go on, and the next one is ordered
	JobInterruptedWaiting           State = 60  // as Interrupted, and it waits for its turn
	JobInterrupted                  State = 65  // its processes rest
	JobInterrupting                 State = 70  // its processes come to rest
	JobCompleting                   State = 90  // no more are ordered: what runs comes to its end
	JobCompletingInterruptedWaiting State = 100 // as CompletingInterrupted, and it waits for its turn
	JobCompletingInterrupted        State = 105 // its last processes rest
	JobCompletingInterrupting       State = 110 // its last processes come to rest
	JobAborting                     State = 120 // its processes are aborted
	JobCleanUp                      State = 200 // what is left of its processes is to be taken away
	JobCleanUpWaiting               State = 210 // as CleanUp, and it waits for its turn
	JobCleaningUp                   State = 230 // what is left is taken away
	JobDiscarding                   State = 240 // it is given up: what is left only has to come to rest
	JobCompleted                    State = 999
)

// The states of a set-up job, which is a prepare or a clean-up. Its life:
//
//	stateDiagram-v2
//	    [*] --> Initial
//	    Initial --> Waiting: ready
//	    Initial --> Completed: load, abort, interrupt, no content
//	    Waiting --> Running: start
//	    Waiting --> RequestRecipe: start by asking
//	    Waiting --> Completed: load, abort, interrupt, no content
//	    Running --> RequestRecipe: failure
//	    Running --> RetryBlocked: blocked
//	    Running --> Interrupting: interrupt
//	    Running --> Aborting: abort
//	    Running --> Completed: load, success
//	    RequestRecipe --> Running: content
//	    RequestRecipe --> RetryBlocked: blocked
//	    RequestRecipe --> Completed: load, abort, interrupt, no content
//	    RetryBlocked --> RequestRecipe: acknowledge
//	    RetryBlocked --> Completed: load, abort, interrupt
//	    Interrupting --> Aborting: abort
//	    Interrupting --> Completed: load, all rest, all over
//	    Aborting --> Completed: load, all over
//	    Completed --> [*]
const (
	SetupInitial       State = setup + 0
	SetupWaiting       State = setup + 10  // it is accepted, and waits to be started
	SetupRunning       State = setup + 20  // its steps are done
	SetupInterrupting  State = setup + 30  // its steps come to rest
	SetupRequestRecipe State = setup + 40  // it is asked what there is to do
	SetupRetryBlocked  State = setup + 50  // it has failed too often: a person sees to it
	SetupAborting      State = setup + 100 // its steps are aborted
	SetupCompleted     State = setup + 999
)

// setup is what the states of set-up jobs are counted from.
const setup = 1000

// Class is what a state is to a scheduler. A job only goes up from Idle, but where it rests and is taken up again.
type Class uint8

// The classes, in their order.
const (
	ClassIdle       Class = iota // it is not accepted yet
	ClassWaiting                 // it waits to be started
	ClassRunning                 // it dispatches, or could again
	ClassCompleting              // it dispatches no more
	ClassCompleted
)

// String gives the name of a class.
func (c Class) String() string {
	if c <= ClassCompleted {
		return [...]string{"Idle", "Waiting", "Running", "Completing", "Completed"}[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// String gives the name that stands in records; a production job and a set-up job may have states of one name.
func (s State) String() string {
	if made := states.of(s); made != nil {
		return made.row.name
	}
	return fmt.Sprintf("state %d", uint16(s))
}

// Code gives the code of a state in the table of its kind of job.
func (s State) Code() uint16 { return uint16(s) % setup }

// Known tells whether there is such a state.
func (s State) Known() bool { return states.of(s) != nil }

// Class gives what a state is to a scheduler. What is no state is Completed: nobody gives it a slot.
func (s State) Class() Class {
	if made := states.of(s); made != nil {
		return made.row.class
	}
	return ClassCompleted
}

// Stable tells whether a Halt has nothing more to wait for: what is Idle or Completed.
func (s State) Stable() bool { return s.Class() == ClassIdle || s.Class() == ClassCompleted }

// first gives the state in which a job of a kind begins.
func (k JobKind) first() State {
	if k == Production {
		return JobInitial
	}
	return SetupInitial
}
