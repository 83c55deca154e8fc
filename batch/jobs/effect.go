// What a list of jobs orders, and what has changed in it.

package jobs

// EffectKind is what a step came to.
type EffectKind uint8

// The kinds of effects.
const (
	Listed         EffectKind = iota + 1 // Job stands in the list behind After, "" for first; said again of a set-up job that was moved
	Changed                              // Job went from Old to State, or has counted, or has other Steps
	Gone                                 // Job is completed and leaves the list; what stood behind it now stands behind After
	SlotTaken                            // Group has Slot
	SlotMoved                            // Group has Slot, and had OldSlot before
	SlotFreed                            // Group has no slot any more
	SlotAvailable                        // another group could have a slot
	AskRecipe                            // the provider of Job's recipe is to be asked
	AskContent                           // somebody is to say what set-up job Job has to do
	Ordered                              // Process of Job is to be Do-ne
	ProcessChanged                       // Process of Job went from OldStage to Stage
	Made                                 // Process of Job has made an article
	SetAside                             // Job is set aside with Reason: the list goes on without it
	Back                                 // Job is a job of the list again
	Notify                               // a person is to see to Job: Reason
	Refused                              // the event is refused: Reason, which says what to do
)

// Do is what a process is ordered to do.
type Do uint8

// What a process may be ordered to do. Each is said again at Boot where it may not have been carried out; whoever carries it out
// makes it once.
const (
	Start     Do = iota + 1 // create it by its id and start it, or take it up where it is there: Recipe, Unit, Size, Priority
	Drop                    // it has not begun: take it away again
	Pause                   // interrupt it: it comes to Interrupted, or to Discarded where it has not begun
	Resume                  // it was interrupted: it goes on
	AbortIt                 // abort it
	CleanItUp               // take away what is left of it
)

// Effect is what a step came to. What does not belong to its kind is empty. Its slices are the list's: read-only.
type Effect struct {
	Kind             EffectKind
	Job              string
	JobKind          JobKind
	Group            string
	After            string
	Recipe, Provider string
	Product          string
	Unit, Size       string
	Priority         int64
	Old, State       State
	Recovery         string // of Changed at Boot: "resume", or why the job is cleaned up and not resumed
	Counts           Counts
	Slot, OldSlot    string
	Process          string
	Do               Do
	OldStage, Stage  Stage
	Steps            []Step
	Reason           string
}

// Counts are what has become of the processes of a job.
type Counts struct {
	Amount   int64 // that were ordered; 0: until Complete
	Begun    int64 // that have begun, and were not taken away
	Running  int64 // that have begun and are not over
	Success  int64
	Failure  int64
	Reworked int64 // of those of Success and Failure
	Dropped  int64 // that were taken away: another one takes the place of each
}
