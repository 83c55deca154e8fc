// Kinds, schedulers, places and stages.

package jobs

// JobKind is what a job is for.
type JobKind uint8

// The kinds of jobs.
const (
	Production JobKind = iota + 1
	Prepare            // set-up before a group of production jobs
	CleanUp            // set-up behind it
)

// Scheduler is who gives slots.
type Scheduler uint8

// The schedulers.
const (
	Parallel Scheduler = iota + 1 // Slots groups at a time, each cleared before another has its slot
	Seamless                      // one group dispatches, any number completes
)

// Place is where jobs are put into the list.
type Place uint8

// The places. Of those with Job, that is a job of the list.
const (
	Append      Place = iota // behind the last
	First                    // before the first
	Before                   // before Job
	After                    // behind Job
	AfterRecipe              // behind the last job of the same recipe, or behind the last
	Around                   // Orders are ids of the list, and new ones around them, in the order in which they are to stand
)

// Stage is where a process stands, in the order in which it may go.
type Stage uint8

// The stages of a process.
const (
	NoStage     Stage = iota
	Awaited           // it is to be created and started
	Running           // its first step has what it needs
	Interrupted       // it rests, and can go on
	Discarded         // it was taken away before it came to anything
	Success
	Failure
)
