// What is said of jobs and of the processes that they come to.

package api

import (
	"cmp"
	"math"
)

// Limits of what is said of jobs.
const (
	MaxJobs      = 20_000 // in a list
	MaxJobOrders = 256    // in a request
	MaxJobSteps  = 64     // of a set-up
	MaxProcesses = 20_000 // in a list
)

// Job is one job as a list shows it.
type Job struct {
	ID       string    `json:"job_id"`
	Kind     string    `json:"job_kind"`              // production, prepare or clean_up
	State    string    `json:"job_state"`             // by the table of its kind
	Code     int       `json:"status_code"`           // of the state
	Class    string    `json:"job_class"`             // Idle, Waiting, Running, Completing or Completed
	Group    string    `json:"group_id,omitempty"`    // which shares a slot
	Slot     string    `json:"slot,omitempty"`        // that its group has
	Provider string    `json:"provider,omitempty"`    // of the recipe
	Recipe   string    `json:"recipe_id,omitempty"`   // of the jobs of its group, where it is a set-up
	Product  string    `json:"product_id,omitempty"`  // that it makes
	Unit     string    `json:"unit,omitempty"`        // "": whichever fits
	Size     string    `json:"size,omitempty"`        // of each batch
	Priority int64     `json:"priority,omitempty"`    // of its batches among those that wait for equipment
	Amount   int64     `json:"amount"`                // processes; 0: until it is completed
	Begun    int64     `json:"begun"`                 // that were ordered
	Running  int64     `json:"running"`               // of these
	Success  int64     `json:"success"`               // of these
	Failure  int64     `json:"failure"`               // of these
	Reworked int64     `json:"reworked,omitempty"`    // of those that came to an end
	Dropped  int64     `json:"dropped,omitempty"`     // before they came to anything
	Aside    string    `json:"set_aside,omitempty"`   // why the list goes on without it
	Steps    []JobStep `json:"setup_steps,omitempty"` // of a set-up
	Held     bool      `json:"held,omitempty"`        // it does not go on until continue
}

// JobStep is one thing that a set-up has to do.
type JobStep struct {
	Type   string `json:"type"`
	Recipe string `json:"recipe_id"`
	Unit   string `json:"unit,omitempty"`
	Sort   int    `json:"sort,omitempty"`
	Off    bool   `json:"off,omitempty"`
}

// Jobs is the list, in its order.
type Jobs []Job

// JobOrder is one job to be.
type JobOrder struct {
	ID       string `json:"job_id,omitempty"`   // of a job that is there, where the place is around; "": a new one
	Provider string `json:"provider,omitempty"` // "": the runtime server
	Recipe   string `json:"recipe_id,omitempty"`
	Amount   int64  `json:"amount,omitempty"` // processes; 0: until it is completed
	Product  string `json:"product_id,omitempty"`
	Unit     string `json:"unit,omitempty"`
	Size     string `json:"size,omitempty"`
	Priority int64  `json:"priority,omitempty"`
}

// AddJobs puts jobs into the list. Place is append, first, before, after, after_recipe or around; "" is append. Of before and after, Job is the one
// that is there.
type AddJobs struct {
	Order
	Place string     `json:"place,omitempty"`
	Job   string     `json:"job_id,omitempty"`
	Jobs  []JobOrder `json:"jobs"`
}

// JobCommand is what a planner orders of a job: complete, abort, interrupt, suspend, continue, acknowledge or retry. Of acknowledge, Off names the types
// of steps of a set-up that are not to be done.
type JobCommand struct {
	Order
	Command string   `json:"command"`
	Off     []string `json:"steps_off,omitempty"`
}

// JobsAccepted says that an order of jobs is on record, and as whose; Jobs are those that it put into the list.
type JobsAccepted struct {
	As   string   `json:"as"`
	Jobs []string `json:"jobs,omitempty"`
}

// JobSlot is one slot, and who has it.
type JobSlot struct {
	Slot   string `json:"slot"`
	Group  string `json:"group_id,omitempty"`  // "": it is free
	Recipe string `json:"recipe_id,omitempty"` // of the jobs of the group
	Job    string `json:"job_id,omitempty"`    // that works now
}

// JobSlots are the slots.
type JobSlots []JobSlot

// ProcessView is one process: a batch of a job.
type ProcessView struct {
	ID         string     `json:"process_id"` // and of its batch
	Job        string     `json:"job_id"`
	State      string     `json:"process_state"`         // Awaited, Running, Interrupted, Discarded, Success or Failure
	Ordered    string     `json:"ordered,omitempty"`     // order of it that was the last: start, drop, pause, resume, abort or clean it up
	Waits      string     `json:"waits,omitempty"`       // order that is not carried out yet, and why
	Recipe     string     `json:"recipe_id,omitempty"`   // and what follows: of the batch as it was heard last
	Unit       string     `json:"unit,omitempty"`        //
	Life       Life       `json:"life,omitempty"`        //
	Batch      string     `json:"batch_state,omitempty"` //
	Reason     string     `json:"reason,omitempty"`      //
	Records    uint64     `json:"records,omitempty"`     //
	Activities []Activity `json:"activities,omitempty"`  // steps that are under way
}

// Activity is one step on one resource.
type Activity struct {
	Step      string   `json:"step_id"`
	Resources []string `json:"equipment,omitempty"` // that it is done with
	Waits     string   `json:"waits,omitempty"`     // for what
}

// Processes are those that are not over.
type Processes []ProcessView

// ProcessCommand is what a person orders of a running process: pause, resume or abort.
type ProcessCommand struct {
	Order
	Command string `json:"command"`
}

// JobNotice is what happened in the list that is not a state: an event of production.
type JobNotice struct {
	Seq     uint64 `json:"event_seq"` // of the record
	Result  string `json:"result"`    // slot_available, set_aside, back, notify, refused, ...
	Job     string `json:"job_id,omitempty"`
	Process string `json:"process_id,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// Check implements Body.
func (j *Job) Check() error {
	return cmp.Or(ident("job_id", j.ID), idents("group_id", j.Group, "recipe_id", j.Recipe, "unit", j.Unit), within("status_code", int64(j.Code), 0, math.MaxUint16),
		reasons("job_kind", j.Kind, "job_state", j.State, "job_class", j.Class, "slot", j.Slot, "provider", j.Provider, "product_id", j.Product, "size", j.Size,
			"set_aside", j.Aside), each("setup_steps", j.Steps, MaxJobSteps, (*JobStep).check))
}

func (s *JobStep) check() error {
	return cmp.Or(need("type", s.Type), texts("type", s.Type), idents("recipe_id", s.Recipe, "unit", s.Unit))
}

// Check implements Body.
func (l *Jobs) Check() error { return each("jobs", *l, MaxJobs, (*Job).Check) }

// Check implements Body. A place that is none passes: the list refuses it, on record.
func (a *AddJobs) Check() error {
	return cmp.Or(a.check(), texts("place", a.Place), idents("job_id", a.Job), within("jobs", int64(len(a.Jobs)), 1, MaxJobOrders),
		each("jobs", a.Jobs, MaxJobOrders, func(o *JobOrder) error {
			return cmp.Or(idents("job_id", o.ID, "recipe_id", o.Recipe, "unit", o.Unit, "provider", o.Provider, "product_id", o.Product), texts("size", o.Size),
				within("amount", o.Amount, 0, math.MaxInt32), within("priority", o.Priority, -maxPriority, maxPriority))
		}))
}

// Check implements Body.
func (c *JobCommand) Check() error {
	err := cmp.Or(c.check(), need("command", c.Command), texts("command", c.Command), count("steps_off", len(c.Off), MaxJobSteps))
	for i := 0; i < len(c.Off) && err == nil; i++ {
		err = texts("steps_off", c.Off[i])
	}
	return err
}

// Check implements Body.
func (a *JobsAccepted) Check() error {
	return cmp.Or(reasons("as", a.As), set("jobs", a.Jobs, MaxJobOrders))
}

// Check implements Body.
func (l *JobSlots) Check() error { return each("slots", *l, MaxJobs, (*JobSlot).Check) }

// Check implements Body.
func (s *JobSlot) Check() error {
	return cmp.Or(idents("group_id", s.Group, "recipe_id", s.Recipe, "job_id", s.Job), need("slot", s.Slot), texts("slot", s.Slot))
}

// Check implements Body.
func (p *ProcessView) Check() error {
	return cmp.Or(CheckBatch(p.ID), idents("job_id", p.Job, "recipe_id", p.Recipe, "unit", p.Unit),
		reasons("process_state", p.State, "ordered", p.Ordered, "waits", p.Waits, "life", string(p.Life), "batch_state", p.Batch, "reason", p.Reason),
		each("activities", p.Activities, MaxSteps, func(a *Activity) error {
			return cmp.Or(reasons("step_id", a.Step, "waits", a.Waits), lines("equipment", a.Resources, MaxSet))
		}))
}

// Check implements Body.
func (l *Processes) Check() error { return each("processes", *l, MaxProcesses, (*ProcessView).Check) }

// Check implements Body.
func (c *ProcessCommand) Check() error {
	return cmp.Or(c.check(), need("command", c.Command), texts("command", c.Command))
}

// Check implements Body.
func (n *JobNotice) Check() error {
	return cmp.Or(idents("job_id", n.Job, "process_id", n.Process), reasons("result", n.Result, "detail", n.Detail))
}
