// What may happen to a job, what it has to do then, and why something is refused.

package jobs

import (
	"fmt"
	"math/bits"
	"strings"
)

// cue is what may happen to a job: one bit each, so that a row of a table names several at once. What depends on the processes
// of the job is told apart by cues, so the table alone decides. A process is over at Discarded, Success and Failure; left are
// those that are not.
type cue uint32

// The cues. Those from cueRunning to cueOver are notices, which are never refused; the last are for set-up jobs alone.
const (
	cueLoad          cue = 1 << iota // the system is back, and processes that had begun are left
	cueLoadNone                      // the system is back, and none that had begun is left
	cueLoadBarred                    // as cueLoad, and the recipe forbids that what was cut off hard is resumed
	cueReady                         // it is accepted
	cueStart                         // it is its turn, or Continue
	cueStop                          // Suspend
	cueComplete                      // Complete, and processes are left
	cueCompleteNone                  // Complete, and none is left
	cueAbort                         // Abort, and processes are left
	cueAbortNone                     // Abort, and none is left
	cueInterrupt                     // Interrupt or Halt, and processes are left
	cueInterruptNone                 // Interrupt or Halt, and none is left
	cueRunning                       // its newest process has come to Running for the first time, and there are more to be ordered
	cueReached                       // its newest process has come to Running or Failure for the first time, and that was the last
	cueLost                          // its newest process was over before it came to Running, and there are more to be ordered
	cueRest                          // processes are left, and all of those are Interrupted
	cueOver                          // no process is left
	cueStartAsk                      // it is its turn, and what there is to do is asked first
	cueContent                       // there is something to do
	cueContentNone                   // there is nothing to do
	cueSuccess                       // all of its steps have come to Success
	cueFailure                       // a step has failed, and it may be tried again; none is left
	cueBlocked                       // a step has failed, and it was tried often enough; none is left. Or nobody can say what there is to do
	cueAcknowledge                   // a person has seen to it
	cueEnd
)

const cueCount = 24

// The sets of cues that rows of tables name.
const (
	anyLoad      = cueLoad | cueLoadNone | cueLoadBarred
	anyComplete  = cueComplete | cueCompleteNone
	anyAbort     = cueAbort | cueAbortNone
	anyInterrupt = cueInterrupt | cueInterruptNone
	anyNotice    = cueRunning | cueReached | cueLost | cueRest | cueOver
	anyContent   = cueContent | cueContentNone
	anyOutcome   = cueSuccess | cueFailure | cueBlocked
)

var cueNames = [cueCount]string{"load with some left", "load with none left", "load barred", "ready", "start", "suspend",
	"complete with some left", "complete with none left", "abort with some left", "abort with none left",
	"interrupt with some left", "interrupt with none left", "newest runs", "amount reached", "newest lost", "all rest", "all over",
	"start by asking", "content", "no content", "success", "failure", "blocked", "acknowledge"}

// families are the cues that a person knows by one word.
var families = [...]struct {
	set  cue
	name string
}{{anyLoad, "load"}, {anyComplete, "complete"}, {anyAbort, "abort"}, {anyInterrupt, "interrupt"}}

// word gives the family of a cue, or the cue itself.
func (c cue) word() cue {
	for _, f := range families {
		if c&f.set != 0 {
			return f.set
		}
	}
	return c
}

// String names the cues of a set, a whole family by its word.
func (c cue) String() string {
	var names []string
	for c != 0 {
		low := c & -c
		if f := low.word(); c&f == f {
			low = f
		}
		name := fmt.Sprintf("cue %d", uint32(low))
		if i := bits.TrailingZeros32(uint32(low)); i < cueCount {
			name = cueNames[i]
		}
		for _, f := range families {
			if low == f.set {
				name = f.name
			}
		}
		names, c = append(names, name), c&^low
	}
	return strings.Join(names, ", ")
}

// acts is what a job has to do when it goes to a state, in the order of the bits.
type acts uint16

// The acts. Whoever carries one out passes over the processes that it is not for.
const (
	actReload    acts = 1 << iota // take up what was found of its processes; those that are to be resumed rest until then
	actReplace                    // the content that came takes the place of what was there
	actDrop                       // take away the process that was ordered and has not begun
	actInterrupt                  // interrupt all that are left
	actResume                     // resume all that rest
	actStart                      // order the next process; of a set-up job: its steps
	actAbort                      // abort all that are left
	actClean                      // take away all that are left
	actHold                       // it is not started again until Continue
	actRetry                      // one more try is counted
	actReset                      // tries are counted from none
	actAsk                        // ask what there is to do
	actTell                       // a person is to see to it
	actEnd
)

var actNames = [...]string{"reload", "replace content", "drop cached", "interrupt all", "resume all", "start one", "abort all", "clean up all", "hold",
	"count a try", "forget tries", "ask content", "tell a person"}

// String names the acts of a set.
func (a acts) String() string {
	var names []string
	for ; a != 0; a &= a - 1 {
		if i := bits.TrailingZeros16(uint16(a)); i < len(actNames) {
			names = append(names, actNames[i])
		}
	}
	return strings.Join(names, ", ")
}

// refusal says why a cue is refused in a state, and what a person can do instead.
func refusal(at State, c cue) string {
	why := ""
	switch class := at.Class(); {
	case !at.Known():
		why = ", which is no state"
	case class == ClassCompleted:
		why = ", and nothing more becomes of it"
	case at >= setup && c&(anyComplete|cueStop) != 0:
		why = ", a set-up: it is worked off whole, or aborted"
	case at < setup && c > cueOver:
		why = ", a production job"
	case c == cueStop && class != ClassCompleting:
		why = ", and dispatches nothing"
	case class == ClassCompleting:
		why = ", and dispatches no more"
	case at == JobInterrupting:
		why = ": wait until it is Interrupted"
	}
	return fmt.Sprintf("%s: the job is %s%s; possible: %s", c.word(), at, why, possible(at))
}

// asked are the commands of a person, each by the cues that tell of it.
var asked = [...]struct {
	name string
	from cue
}{{"complete", anyComplete}, {"abort", anyAbort}, {"interrupt", anyInterrupt}, {"suspend", cueStop}, {"acknowledge", cueAcknowledge}}

// possible names the commands of a person that come to something in a state, "nothing" where that is so.
func possible(at State) string {
	var names []string
	for _, a := range asked {
		for c := cue(1); c < cueEnd; c <<= 1 {
			if to, do, ok := next(at, c); c&a.from != 0 && ok && (to != at || do != 0) {
				names = append(names, a.name)
				break
			}
		}
	}
	if at == JobSuspended || at == JobInterrupted || at == JobCompletingInterrupted {
		names = append(names, "continue")
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
