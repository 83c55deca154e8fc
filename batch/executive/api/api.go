// Package api is how the processes of the executive are spoken to: JSON and server-sent events by HTTP, each on a Unix socket of its own.
//
// Start with [Client]; [Serve] is the other side. A runner, the manager, the runtime server and the I/O process answer the same paths, each
// for what it has: a runner has one batch, the manager all, so a client needs to know but one set of words:
//
//	GET  /v1/self                        who answers (Self)
//	GET  /v1/batches                     the list ([]Batch)
//	GET  /v1/batches/ID                  one of them
//	GET  /v1/events                      server-sent events: "batch" with a Batch whenever one changes, "removed" with its id, "equipment" with a
//	                                     Holding, "model" with a Model (runtime server), "job" with a Job, "gone" with its id,
//	                                     "slots" with JobSlots, "process" with a ProcessView, "over" with its id, "notice" with a JobNotice
//	                                     and "run" with a Run (production); a comment every second says that the process lives
//	GET  /v1/batches/ID/records?after=N  server-sent events: "record" with each durable record behind N, its number as id
//	POST /v1/batches                     Create                   manager
//	POST /v1/batches/ID/commands         Command                  manager, runner
//	POST /v1/batches/ID/answers          PromptAnswer             manager, runner
//	POST /v1/batches/ID/removal          Removal                  manager, runner
//	POST /v1/batches/ID/restart          Restart                  manager
//	GET  /v1/equipment                   who has it, since when, who waits ([]Holding)   manager
//	POST /v1/equipment/ID/release        Order: force-release     manager
//	GET  /v1/nodes                       the other boards, how far each is with the log (Nodes)   manager
//	POST /v1/nodes                       Nodes: which there are; from who may listen as manager   manager
//	POST /v1/nodes/NODE/strike           Order: the log is not kept for that node any longer; force_release   manager
//	POST /v1/equipment/ID/queue          Reorder                  manager
//	GET  /v1/model                       equipment model, recipes, rights (Model)        runtime server
//	POST /v1/model/changes?dry=1         ModelChange: what it would touch (Impact); without dry: it is made   runtime server
//	GET  /v1/bindings?recipe=ID&unit=ID  what a batch is bound to (Binding)              runtime server
//	POST /v1/claims, /v1/releases, /v1/messages, GET /v1/rulings?batch=ID    what a runner asks of the manager (see Claim)
//	GET  /v1/wire                        equipment, tokens, connections (Wire)           I/O process
//	GET  /v1/values                      server-sent events: "value" with a Value for each channel of the board, and whenever one changes   I/O process
//	POST /v1/fences                      Fence: a new token, outputs to their safe values     I/O process
//	POST /v1/floors                      Floors: tokens that were given, of several boards        I/O process
//	POST /v1/port                        the port, by an upgrade to frames               I/O process
//	GET  /v1/jobs, /v1/jobs/ID           the list of jobs in its order (Jobs), one of them   production
//	POST /v1/jobs                        AddJobs                  production
//	POST /v1/jobs/ID/commands            JobCommand               production
//	GET  /v1/slots                       who has them (JobSlots)  production
//	GET  /v1/processes, /v1/processes/ID the batches of jobs (Processes), with the steps that are under way   production
//	POST /v1/processes/ID/commands       ProcessCommand           production
//	GET  /v1/runs?unit=ID&definition=NAME&state=WORD&after=RUN&limit=N, /v1/runs/ID    unit runs behind one (Runs), one of them   production
//	POST /v1/runs                        RunCreate                production
//	POST /v1/runs/ID/commands            RunCommand               production
//	GET  /v1/units                       where runs may be, and which are there (UnitSlots)   production
//	GET  /v1/materials?unit=ID&after=MATERIAL&limit=N, /v1/materials/ID    material behind one (Materials), one of them   production
//	POST /v1/materials                   MaterialOrder            production
//
// So curl --unix-socket DIR/run/B-0001.sock http://x/v1/batches/B-0001 works. What is refused has a status above 399 and an Error.
//
// The rule that must not be broken: who asks is whom the kernel says (SO_PEERCRED), local:UID; only a peer that the rights name as an
// edge may say who its operator is. Bodies are at most MaxBody bytes, and unknown fields are refused.
//
// The package carries words; it decides nothing.
package api

import "time"

// Limits of what is taken.
const (
	MaxBody   = 1 << 20  // bytes of a request
	MaxAnswer = 16 << 20 // bytes of an answer
	MaxText   = 400      // bytes of a reason, a value or a name in a request
	MaxReason = 16 << 10 // bytes of a text in an answer, such as why a load failed

	MaxStreams     = 64               // event streams of one server at a time, where its options do not say
	MaxConnections = 256              // connections of one server at a time, where its options do not say
	MaxWait        = 30 * time.Second // that Call waits for an answer where its context has no deadline

	Heartbeat = time.Second
)

// Error is what a refusal says: what, where, and what to do.
type Error struct {
	Status  int    `json:"status"`
	Message string `json:"error"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Self tells who answers.
type Self struct {
	Role    string `json:"role"` // manager, runtime, io, bus, production or runner
	PID     int    `json:"pid"`
	UID     int    `json:"uid"`
	Boot    string `json:"boot"` // one life of the process: another one after each start
	Since   string `json:"since"`
	Version string `json:"version"` // of the API; "1"
	Batch   string `json:"batch,omitempty"`
}

// Life is where a batch stands in the list of the manager.
type Life string

// The lives of a batch (seed 000).
const (
	Loading    Life = "Loading"
	Ready      Life = "Ready"       // it can be started
	LoadFailed Life = "Load Failed" // Reason says why
	Active     Life = "Active"      // State says what it does
	Ended      Life = "Ended"       // Complete, Stopped or Aborted, and its evidence is packed
	Removing   Life = "Removing"
	Removed    Life = "Removed"
	Lost       Life = "Lost" // its runner is gone without having been removed, or does not answer
)

// Batch is one batch as a list shows it.
type Batch struct {
	ID        string   `json:"batch_id"`
	Life      Life     `json:"life"`
	State     string   `json:"state,omitempty"` // ISA-88 state of the procedure
	Mode      string   `json:"mode,omitempty"`
	Reason    string   `json:"reason,omitempty"` // of a Load Failed, a Lost, a Removing that does not end, a Held
	Recipe    string   `json:"recipe_id"`
	Version   string   `json:"recipe_version,omitempty"`
	Unit      string   `json:"unit"`
	Size      string   `json:"size,omitempty"`
	Model     uint64   `json:"equipment_model_version,omitempty"`
	Operator  string   `json:"operator,omitempty"` // who created it
	Steps     []string `json:"steps,omitempty"`    // active phases, each with what it waits for
	Prompts   []Prompt `json:"prompts,omitempty"`
	Equipment []string `json:"equipment,omitempty"` // what it has
	Records   uint64   `json:"records"`             // durable
	Link      string   `json:"link,omitempty"`      // hash_curr of the last of them
	PID       int      `json:"pid,omitempty"`
	Boot      string   `json:"boot,omitempty"`
	Late      int64    `json:"late_ticks,omitempty"` // deadlines that were missed
	Package   string   `json:"package,omitempty"`    // directory of its evidence; of a manager that was started anew "" until it has heard the runner
	Ended     bool     `json:"ended,omitempty"`
	Since     string   `json:"since,omitempty"`    // when Life became what it is
	Commands  []string `json:"commands,omitempty"` // what is legal now
}

// Prompt is a question that waits.
type Prompt struct {
	ID     uint32 `json:"id"`
	Step   string `json:"step"`
	Text   string `json:"text"`
	Answer string `json:"answer,omitempty"` // what is wanted
}

// Order is who orders something, and why. Operator and Role may be named by an edge only; "" is who the kernel says.
type Order struct {
	Operator string `json:"operator,omitempty"`
	Role     string `json:"role,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Create asks for a batch. The unit is one of the equipment model; "" has the runtime server choose by the classes of the recipe.
type Create struct {
	Order
	ID       string            `json:"batch_id,omitempty"` // "": the next free
	Recipe   string            `json:"recipe_id"`
	Unit     string            `json:"unit,omitempty"`
	Size     string            `json:"size,omitempty"` // "": the recipe's nominal size
	Priority int64             `json:"priority,omitempty"`
	Groups   map[string]string `json:"groups,omitempty"` // by the recipe's name of a group of partners: which one that is, such as XFER-7
	Start    bool              `json:"start,omitempty"`  // start it once it is Ready
}

// Command is what an operator orders of a batch; the words are those of runner.Command.
type Command struct {
	Order
	Command string `json:"command"` // start, hold, restart, stop, abort, ... as sequencer.ParseCommand has it
	Step    string `json:"step,omitempty"`
	Target  string `json:"target,omitempty"`
	Name    string `json:"name,omitempty"`
	Value   string `json:"value,omitempty"`
}

// PromptAnswer answers a prompt.
type PromptAnswer struct {
	Order
	Prompt uint32 `json:"prompt"`
	Value  string `json:"value"`
}

// Removal asks a batch to go. One that is under way is to be aborted first. Force fences it, has its outputs made safe, and ends its
// process, whatever it does: that is a permission of its own.
type Removal struct {
	Order
	Force bool `json:"force,omitempty"`
}

// Restart takes a Lost batch up again: warm (its tokens are raised, its journal is replayed, it comes up Held), or cold (as a new batch in its
// place, whose evidence is kept).
type Restart struct {
	Order
	Cold bool `json:"cold,omitempty"`
}

// Accepted says that something was taken in; what becomes of it is on record.
type Accepted struct {
	Batch string `json:"batch_id,omitempty"`
	As    string `json:"as"` // actor under whom it is on record
}

// Holding is one piece of equipment: who has it, since when, and who waits.
type Holding struct {
	Equipment string    `json:"equipment_id"`
	Batch     string    `json:"batch_id,omitempty"`
	Step      string    `json:"step_id,omitempty"`
	Token     uint64    `json:"token"`
	Since     string    `json:"since,omitempty"`
	Lost      bool      `json:"lost,omitempty"`    // who has it is Lost: it is kept until that batch is removed or restarted
	Retired   bool      `json:"retired,omitempty"` // nobody gets it any more
	Waiting   []Waiting `json:"waiting,omitempty"`
}

// Waiting is one who waits.
type Waiting struct {
	Batch     string   `json:"batch_id"`
	ID        uint32   `json:"claim"`
	Step      string   `json:"step_id"`
	Equipment []string `json:"equipment"`
	Priority  int64    `json:"priority,omitempty"`
	Since     string   `json:"since,omitempty"`
}

// Reorder puts a claim that waits to another place, 1 for who is next.
type Reorder struct {
	Order
	Batch string `json:"batch_id"`
	Claim uint32 `json:"claim"`
	Place int64  `json:"place"`
}
