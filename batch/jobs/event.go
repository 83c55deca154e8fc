// What a list of jobs is told.

package jobs

// Limits of what a list takes. What is beyond one is refused, and nothing is cut off.
const (
	MaxText      = 400     // bytes of a reason
	MaxName      = 96      // bytes of any other text
	MaxOrders    = 20_000  // jobs that one event adds or names
	MaxJobs      = 200_000 // jobs that stand in a list
	MaxRemains   = 20_000  // jobs that are completed and of which processes are left; where there are as many, none is added
	MaxRecipes   = 20_000  // recipes that a list knows of
	MaxSteps     = 64      // steps of a set-up
	MaxSlots     = 64      // of Parallel
	MaxAmount    = 1 << 40 // processes of a job
	MaxRetries   = 1000    // of a set-up
	MaxPriority  = 1 << 40 // either side of 0
	MaxSort      = 1 << 20 // either side of 0
	MaxProcesses = 1 << 16 // processes that are there at a boot
	MaxOpen      = 4096    // processes of one job that are not over; where there are as many, it waits for one to end
	MaxEvent     = 16 << 20
)

// EventKind is what a list is told.
type EventKind uint8

// The kinds of events.
const (
	Configure   EventKind = iota + 1 // how the list is worked off: Rules; only while no group has a slot
	Add                              // Orders come into the list at Place of Job
	Recipe                           // what a provider says of a recipe: Recipe
	Content                          // what set-up job Job has to do: Steps, none where nothing is; or Reason, why nobody can say
	Complete                         // Job dispatches no more processes, and is completed when those that run are
	Abort                            // Job ends now
	Interrupt                        // Job rests until Continue: its processes are interrupted, and its group keeps the slot
	Suspend                          // Job dispatches no more until Continue, and what runs goes on
	Continue                         // Job goes on
	Acknowledge                      // a person has seen to set-up job Job, which is blocked: it tries again; Steps says which types are off
	Retry                            // Job was set aside, and a person has seen to it: the list goes on with it; a missing recipe is asked again
	Process                          // Process has come to State; Reworked with Success and Failure
	Halt                             // the system is to stop: every job is interrupted, and nothing begins until Boot
	Boot                             // the system is back: Processes are those that are there, each with its state
)

// Event is what a list is told. What does not belong to its kind is empty. It is written as one line of JSON (Append), and that
// line is on record.
type Event struct {
	Kind      EventKind   `json:"event"`
	Job       string      `json:"job,omitempty"`
	Rules     *Rules      `json:"rules,omitempty"`
	Orders    []Order     `json:"orders,omitempty"`
	Place     Place       `json:"place,omitempty"`
	Recipe    *RecipeInfo `json:"recipe,omitempty"`
	Steps     []Step      `json:"steps,omitempty"`
	Process   string      `json:"process,omitempty"`
	State     Stage       `json:"state,omitempty"`
	Reworked  bool        `json:"reworked,omitempty"`
	Processes []Found     `json:"processes,omitempty"`
	Actor     string      `json:"actor,omitempty"`
	Role      string      `json:"role,omitempty"`
	Reason    string      `json:"reason,omitempty"`
}

// Rules say how a list is worked off. A list that was never told any has Parallel with one slot.
type Rules struct {
	Scheduler Scheduler `json:"scheduler"`
	Slots     int       `json:"slots,omitempty"`         // of Parallel: 1 and more
	Retries   int       `json:"retries,omitempty"`       // of a set-up that fails: -1 without end; 0: three
	KeepSlot  bool      `json:"keep_slot,omitempty"`     // of Seamless: where a job was aborted or interrupted, the clean-up is done in the running slot
	Complete  bool      `json:"complete_idle,omitempty"` // at Halt jobs that have not begun are completed, and not kept
}

// Order is one job to be, or for Around one that stands in the list.
type Order struct {
	ID       string `json:"id,omitempty"` // of Around: the job that stands in the list. A new job has none: the list numbers it
	Provider string `json:"provider,omitempty"`
	Recipe   string `json:"recipe,omitempty"`
	Amount   int64  `json:"amount,omitempty"` // processes; 0: until Complete
	Product  string `json:"product,omitempty"`
	Unit     string `json:"unit,omitempty"` // "": whichever fits
	Size     string `json:"size,omitempty"`
	Priority int64  `json:"priority,omitempty"` // of its batches among those that wait for equipment
}

// RecipeInfo is what a provider knows of a recipe.
type RecipeInfo struct {
	Provider string `json:"provider,omitempty"`
	Recipe   string `json:"recipe"`
	Missing  string `json:"missing,omitempty"`  // why it is not there
	Product  string `json:"product,omitempty"`  // what it makes, where the order does not say
	NoResume string `json:"noresume,omitempty"` // why what was cut off hard may not be resumed; "": it may
}

// Step is one thing that a set-up job has to do: a batch of Recipe on Unit.
type Step struct {
	Type   string `json:"type"` // steps that a person switches off are matched by it
	Recipe string `json:"recipe"`
	Unit   string `json:"unit,omitempty"`
	Sort   int    `json:"sort,omitempty"` // ascending is one after the other, equal is side by side
	Off    bool   `json:"off,omitempty"`
}

// Found is a process that is there at a boot.
type Found struct {
	Process  string `json:"process"`
	State    Stage  `json:"state"`
	Reworked bool   `json:"reworked,omitempty"`
}
