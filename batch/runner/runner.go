// Package runner is the shell of a batch: the only loop.
//
// Start with [Run]. It stamps an event as it takes it, numbers and packs it, steps the machine, and hands what the machine
// decides to the journal and to a gate. A record stands, durable, before the write that it announces leaves the gate; only a
// write in the safe direction never waits. The loop itself waits for no disk and no device.
//
// The rule that must not be broken: no evidence, no action; and safety outranks evidence. Where evidence can no longer be kept
// the outputs are driven to their safe values and the run ends.
//
// The package decides nothing: what is decided, and in what order, is package batch. Run blocks until the batch has ended, its
// evidence is packed, and every goroutine that it started has returned.
package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// What a run may end with beside nil; told apart with errors.Is.
var (
	// ErrUsed refuses a directory that holds the evidence of a batch which cannot be continued, or one that another runner has.
	ErrUsed = errors.New("runner: directory holds the evidence of a batch")
	// ErrEvidence says that evidence could not be kept, or no longer: then outputs were driven to their safe values without it.
	ErrEvidence = errors.New("runner: evidence can no longer be kept")
	// ErrEngine says that an invariant of the engine broke; the journal ends with an engine_fault.
	ErrEngine = errors.New("runner: engine fault")
	// ErrNobody says that a virtual run has come to rest, in Held or Paused, between two steps, at a prompt, or in Idle where its start was
	// refused, and no command is scheduled. The error says what it waits for, as Result.Wants does.
	ErrNobody = errors.New("runner: the batch waits for an operator and none is scheduled")
	// ErrOutputs says that the batch has ended and outputs, which the error names, were never confirmed to be safe.
	ErrOutputs = errors.New("runner: outputs are not confirmed to be safe")
	// ErrStopped says that ctx ended before the batch was started; the next run in the directory may start it.
	ErrStopped = errors.New("runner: told to stop before the batch was started")
	// ErrBusy refuses a command because the inbox is full. A hold, stop, abort or hard abort is
	// refused only where 8 wait that say the very same, or 64 that concern parts of the batch.
	ErrBusy = errors.New("runner: inbox full")
	// ErrEnded refuses a command or an answer because the run is over.
	ErrEnded = errors.New("runner: the run is over")
)

// Rig is what a batch runs on.
//
// The port sends every value anew at least as often as the map's stale_after asks, also when it has not changed; what is silent
// for longer is STALE. It leaves Raw.At 0, or counts it on Clock, which must then be given. Its methods must return soon after
// their context has ended: a port that does not keeps Run from returning, and other outputs from their safe values.
type Rig struct {
	Port  tag.Port          // the board; a Reporter or Holder is treated as one
	Dir   string            // where the evidence goes, made where it is not there. It is empty, or holds this batch, cut short
	Clock timebase.Clock    // nil: the system's. A virtual run takes from it only when it begins; nil: at 1 ns
	Wall  timebase.Source   // counts Mono on Clock; nil: the system's, or, in a virtual run, one made of the seed
	Do    map[string]Action // OEM actions by type
	Key   *journal.Key      // signs the heads of the journal, on a goroutine of its own; nil: nothing is signed

	// Health says how the medium stands on which Dir lies. It is asked when the batch begins or is continued, and every hour, beside
	// the loop, and when all is over but the package; it may block for as long as a disk does, and the end of Run waits for it. What
	// it says is a storage_health record, the last one behind batch_end. Nil: there are none.
	Health func() hal.StorageHealth
	// Medium is what is on record of that medium so far, by hal.Told of the last storage_health or medium_replaced record of the
	// device journal; Result.Medium belongs there. A medium does not get better between two batches. Nil: nothing is on record.
	Medium *hal.StorageHealth
	// Endurance is what its maker promises. Storage_health records then project how long it lasts under what the run has written,
	// once that was measured for hal.LeastMeasured. Nil: nothing is projected.
	Endurance *hal.Endurance

	// Historian is asked for the totals of windows whose meter has "historian: external" in the map, from when they close until the batch has
	// ended. Nil: nobody is asked, and a person may enter them (sequencer.HistorianTotal).
	Historian Historian

	// Model is what answers in a dry run (batch.BindOptions.DryRun) in the place of the port: it is given the writes, and inputs come from
	// it. Nil: the port is watched, and nothing answers to the writes but their own read-back. The port of a dry run is never written, its
	// actions are not carried out and count as done, without results, and neither Arbiter nor Historian is asked.
	Model Simulation

	Arbiter Arbiter // gives the equipment that batches share; nil: a recipe that uses some is refused

	// RealTime is what the process got of the system so that it keeps its deadlines, in words, as system.Manners.Take tells it: it is on
	// record of each boot. "": it asked for nothing.
	RealTime string

	// Power warns before the supply fails. Nil: nobody does, and a cut is found at the next start. Watch is called on a goroutine of its
	// own; in virtual time it is not called, and Runner.Warn says what it would.
	Power hal.Power
	// Watchdog is armed when a run begins and fed for as long as the loop, the writer of the journal and the worker at the port go on; it
	// is disarmed at an end with all outputs safe. Its methods are called on the loop. Nil, in virtual time or in a dry run: there is none.
	Watchdog hal.Watchdog
	// Reset is why the board came up last. A batch that is continued then brings outputs into the safe states that its map has for that:
	// watchdog, or power_loss for anything else. Unknown: nobody tells, and the recovery rules of the recipe alone say what becomes of it.
	Reset hal.ResetCause
	// BootID tells one start of the board from another, such as the kernel's boot_id. A batch that is continued under the one of before has
	// lost its process alone (runner_lost), whatever Reset says. At most batch.MaxDetail bytes; "": nobody tells.
	BootID string

	FRAM *journal.Chip // the chip that anchors the journal, in a slot of the batch until its package is made; nil: none
}

// Action carries out OEM actions of one type, outside the engine. It is called on a goroutine of its own and may block until
// ctx ends, which it does when the step is held, stopped or aborted, and with the run; in a virtual run it is called on the loop,
// and time stands still for as long as it blocks. Progress may be called from it at any time and does not block. An action that
// was called off is asked for anew on restart, unless it returns no error all the same.
type Action func(ctx context.Context, r Request, progress func(values []string, message string)) (values []string, err error)

// Request is an OEM action that a recipe asks for.
type Request struct {
	ID uint32 // number within the batch
	// First is the number under which the action was asked for at first: where it failed, was called off, or was under way when the
	// controller went down, and is asked for anew, that differs from ID. So the batch and First name one occurrence of the action for ever,
	// and what is to be done once for all is done once under that name. What ended well and comes again, in another round or because
	// its phase begins anew, is another occurrence.
	First   uint32
	Step    string
	Type    string
	Version int
	Params  []string // name=value
}

// Prompt is a question to an operator.
type Prompt struct {
	ID     uint32 // number within the batch
	Step   string
	Text   string
	Answer recipe.Answer // what is wanted; its Check says whether an answer fits. One that does not is refused, and the prompt waits on
}

// Command is what an operator orders. A Change gives a parameter of the formula another value for the rest of the batch, while that is
// Held and with it all that is under way: within the limits of the recipe, and where the recipe runs with it. What has ended is not done
// again; what is held goes on with the new value on restart, as sequencer.Machine.Adopt says. The recipe is compiled anew for it, and for an
// answer that a parameter takes, and the loop waits for that: less than 1 ms with a recipe of some dozen steps, some 25 ms with one of
// 2,000, and 60 to 200 ms with one near batch.MaxFile; so no machine should change values often. A batch that is begun in the place of another
// (batch.BindOptions.RestartOf) begins with the formula of the recipe at its size, whatever that one was changed to. A Comment changes
// nothing. A HistorianTotal amends the reconciliation of a window that has closed, of a meter for which the map has a historian.
//
// Beside the commands of the states there are the modes of blocks (sequencer.Automatic,
// SemiAutomatic, Manual; Step is the block, and a phase is refused; manual takes the
// blocks around it in manual with it, as sequencer.Mode says), Release of what waits in Step, GoTo from the block Step to the
// element Target directly in it, and Force of the phase or transition Step, such as HEAT or HEAT.entry. What is not accepted is on record
// with a reason that says what to do.
type Command struct {
	Command sequencer.Command
	Step    string // element of the recipe; "" is the whole batch
	Target  string // GoTo: element that comes next
	// Name is a parameter (Change), alarm (Acknowledge), interlock (ResetInterlock), output (ResetSafeState), window (HistorianTotal), override (OverrideGrant,
	// OverrideRevoke) or tag (OverrideSet, OverrideClear).
	Name string
	// Value is of a Change the new value, such as "2.5 kg", of a HistorianTotal what the historian shows, such as "119.98 kg", of an
	// OverrideGrant for how long, such as "10 min", and of an OverrideSet what the tag is to have.
	Value    string
	Operator string
	Role     string // "" is "operator"
	Reason   string // required for everything but start; of a Comment what is said, at most batch.MaxDetail bytes. Another is cut there

	// Refused is why whoever took the command in refuses it, such as that its sender may not say who he is, and Claimed whom he said to
	// be. Where Refused is not "", the batch does nothing but record the command, with both, and that it is refused; Operator is who has
	// sent it as far as that is known, Reason may be "", and words that a record does not take are cut. Of these maxRefused wait at a time,
	// and more are refused with ErrBusy, so that they keep no other command out.
	Refused string
	Claimed string
}

// Scheduled is something to be done at a time of the run.
type Scheduled struct {
	At int64 // monotonic ns since the start of the run
	Do func(r *Runner)
}

// Options are the options of a run. Nil is the same as the zero value. The functions are called on the loop's goroutine: they
// must not block, and may call Tell and Answer. Where one panics the run ends, its outputs safe.
type Options struct {
	Virtual  *Virtual                      // run in virtual time; the port must be a Simulation
	Manual   bool                          // do not start the batch at once; a start command must come
	Record   func(k record.Kind, b []byte) // every record as it is numbered; b is valid during the call
	Durable  func(head journal.Chain)      // records up to head are durable; on the goroutine that commits, in a virtual run not at all
	Ask      func(r *Runner, p Prompt)     // an operator is asked; nil: nobody answers but by Answer
	Look     func(r *Runner, s *Snapshot)  // values and totals, every LookEvery at most; s is valid during the call
	Schedule []Scheduled                   // in ascending order of time
	Room     int64                         // bytes that must be free on the disk where a new batch begins; 0: batch.Budget
	Lean     bool                          // buffers begin small and grow as they are needed: for one process among many, whose memory is not locked
	Storage  journal.Storage               // where the journal lies; nil: the operating system. Others leave no package

	WatchdogTime time.Duration // time-out of Rig.Watchdog, LeastWatchdogTime at least; the part may have a shorter one, of no less than that. 0: WatchdogTime

	// CheckpointPeriod is the time in ns after which the state is put into a slot, on Rig.FRAM where that was parted with room for
	// it (journal.FormatChip) and else in a file beside the journal, and a checkpoint_taken record names it: 1 s at least. A batch
	// that is cut short then comes up from the newest slot for which its journal speaks, and replays only what follows. Zero: no
	// slot is written or read, and the whole journal is replayed.
	CheckpointPeriod int64
}

// Result is what a run came to.
type Result struct {
	Batch      string
	State      sequencer.State
	Again      bool // a recovery rule has aborted the batch; begin a new one with BindOptions.RestartOf in its place
	Records    uint64
	Link       string // hash_curr of the last record
	Windows    []Window
	Learnt     []batch.InFlight // what the batch has learnt of what runs in; keep it, and hand the newest of each to BindOptions.InFlight
	Dir        string
	LateTicks  int64              // ticks that were taken later than the limit allows
	Coalesced  int64              // level inputs, progress of OEM actions, and what an arbiter said, that were replaced by newer ones before they were taken
	Unmapped   []string           // channels that the board has and the map does not name, at most 16
	EventsLost uint64             // events of buses that could not be noted, because there were too many or they could not be
	Port       error              // why the port was lost last; nil if it never was
	LossWindow int64              // ns: greatest time for which a cut of the power could have lost inputs; BlockAge, and what the disk took
	Root       string             // root of the tree over the records, hex; "" where nothing is signed
	Signed     uint64             // records that the last head covers that lies beside the journal, all of them or 0
	SignFault  error              // why the last head is not signed, where it was to be
	Medium     *hal.StorageHealth // how the medium stands, as is on record, in Rig.Medium too; nil: nobody tells
	Trace      []string           // before a fault, where no record of it is durable: why, then an entry a line
	Wants      []string           // with ErrNobody, what would bring the batch on, as batch.Machine.Wanted has it
	DryRun     bool               // nothing was driven
	Written    journal.Stats      // what this run had the journal write; checkpoints and the package come on top of it
}

// Window is one metering window of a Result, in the words of its records.
type Window struct {
	ID, Unit, Target, Total, Delta, Tolerance, Verdict string
	Meter, Historian, Reconciled, Hint                 string // of the last reconcile record
	Absent                                             string // totals that it expected and has not, with a space between them
}

// Runner is a run under way. Tell and Answer may be called from any goroutine.
type Runner struct {
	b    *batch.Batch
	rig  Rig
	opt  Options
	in   *inbox
	loop *loop
	past *past  // what the journal of a batch that is continued leads to; nil for a new one
	kept string // where the head of the journal is kept besides, for the record of the boot; "" without a chip

	slots *journal.Checkpoints // nil where there are none
	saved []journal.Checkpoint // what they hold, the newest first
	wrong []string             // what of them cannot be read
}

// New prepares a run without touching anything.
func New(b *batch.Batch, rig Rig, opt *Options) (*Runner, error) {
	if err := mapped(rig.Port, b.Plan.TagMap); err != nil {
		return nil, err
	}
	r := &Runner{b: b, rig: rig, in: newInbox(b.Plan.Map.Tags)}
	if opt != nil {
		r.opt = *opt
	}
	if r.opt.Lean {
		r.in.lean()
	}
	rig, err := dry(b, rig)
	if err != nil {
		return nil, err
	}
	r.rig = rig
	if rig.Port == nil || rig.Dir == "" {
		return nil, errors.New("runner: a rig needs a port and a directory")
	}
	if rig.Wall != nil && rig.Clock == nil && r.opt.Virtual == nil {
		return nil, errors.New("runner: a rig with a wall clock needs the clock that it counts on")
	}
	if _, ok := rig.Port.(Simulation); r.opt.Virtual != nil && !ok {
		return nil, fmt.Errorf("runner: a virtual run needs a port that is a Simulation; this one is a %T", rig.Port)
	}
	if p := r.opt.CheckpointPeriod; p < 0 || p > 0 && p < 1_000_000_000 {
		return nil, fmt.Errorf("runner: a checkpoint every %d ns: 0 or 1 s at least are wanted", p)
	}
	if rig.Power != nil && rig.Power.Holdup() <= 0 {
		return nil, fmt.Errorf("runner: Rig.Power runs on for %s after a warning; more than 0 is wanted", rig.Power.Holdup())
	}
	if d := r.opt.WatchdogTime; d != 0 && d < LeastWatchdogTime {
		return nil, fmt.Errorf("runner: a watchdog of %s; one write may take %s, so %s at least are wanted", d, time.Duration(batch.WriteTime), LeastWatchdogTime)
	}
	if e := rig.Endurance; e != nil {
		if _, err := e.Life(0, 0); err != nil {
			return nil, fmt.Errorf("runner: Rig.Endurance: %w", err)
		}
	}
	if name := undone(b.Plan.Recipe.Root, rig.Do); name != "" {
		return nil, fmt.Errorf("runner: the recipe asks for the action %q, and the rig has nobody who does it; put it into Rig.Do", name)
	}
	if name := unshared(b.Plan.Recipe.Root, b.Plan.Map); name != "" && rig.Arbiter == nil {
		return nil, fmt.Errorf("runner: the recipe uses %q, which batches share, and the rig has nobody who gives it; put it into Rig.Arbiter", name)
	}
	return r, nil
}

// Run runs a batch to its end and leaves its evidence package in rig.Dir. A batch that was cut short there is continued: its
// state follows from its journal, and its recovery rules say how it goes on. If ctx ends first the batch is aborted, and the run
// goes on until its outputs are safe and its evidence is durable. If ctx has ended already, nothing is touched.
func Run(ctx context.Context, b *batch.Batch, rig Rig, opt *Options) (Result, error) {
	r, err := New(b, rig, opt)
	if err != nil {
		return Result{}, err
	}
	return r.Run(ctx)
}

// Answer answers a prompt, in at most batch.MaxDetail bytes. It does not block. Whether the answer fits what the prompt wants is decided by
// the batch, and a command_result record says what is wrong with one that does not.
func (r *Runner) Answer(id uint32, value, operator, role string) error {
	if operator == "" {
		return errors.New("runner: an answer needs its operator")
	}
	if len(value) > batch.MaxDetail {
		return fmt.Errorf("runner: an answer of %d bytes; a record takes %d", len(value), batch.MaxDetail)
	}
	if err := whole("answer", words{3: value, 4: operator, 5: role}); err != nil {
		return err
	}
	return r.in.tell(batch.Event{Kind: batch.Answered, ID: id, Value: value, Operator: operator, Role: role})
}

// Run runs the batch; it may be called once.
func (r *Runner) Run(ctx context.Context) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrStopped, err)
	}
	if r.opt.Storage == nil && evidence.Sealed(r.rig.Dir) {
		return Result{}, fmt.Errorf("%w: %s holds the package of a batch that has ended; choose another batch id or directory", ErrUsed, r.rig.Dir)
	}
	found, unread := Look(r.rig.Dir)
	if r.opt.Storage == nil && found != nil && found.Ended {
		return r.over()
	}
	w, err := r.open()
	if err != nil {
		return Result{}, r.abandoned(ctx, found, unread != nil, err)
	}
	r.loop = newLoop(r, w)
	switch {
	case r.loop.m.Ended(): // the last input of its records has ended it, and the decisions that were lacking are there now
	case r.opt.Virtual != nil:
		err = r.runVirtual(ctx)
	default:
		err = r.runReal(ctx)
	}
	err = r.loop.close(err)
	if closed := w.Close(); closed != nil && !errors.Is(err, ErrEvidence) {
		err = errors.Join(err, fmt.Errorf("%w: %w", ErrEvidence, closed))
	}
	r.in.close()
	untold := r.loop.desk.wait()
	res, err := r.pack(w.Head(), err)
	if res.Written = w.Stats(); untold != nil && !errors.Is(err, untold) {
		err = errors.Join(err, untold)
	}
	return res, err
}

// abandoned drives the outputs safe where a batch was cut short and cannot be continued: nobody else will. Which they are says its own
// map, where that can be read. One that a living runner has is not touched.
func (r *Runner) abandoned(ctx context.Context, found *Remains, unread bool, why error) error {
	begun := errors.Is(why, journal.ErrDamaged) ||
		found != nil && found.Journal == r.b.JournalID && (found.Records > 0 || found.Outcome == journal.Damaged)
	if (begun || unread) && r.b.DryRun {
		return fmt.Errorf("%w\nthis is a dry run, which drives nothing: if a batch was cut short in %s, its outputs are as it has left them", why, r.rig.Dir)
	}
	if r.opt.Storage != nil || r.opt.Virtual != nil || errors.Is(why, journal.ErrInUse) || !begun && !unread {
		return why
	}
	m := r.b.Plan.Map
	if b, err := evidence.Rebind(r.rig.Dir); err == nil {
		m = b.Plan.Map
	}
	if err := MakeSafe(context.WithoutCancel(ctx), m, r.rig); err != nil {
		return fmt.Errorf("%w\nthe batch was cut short, and by map %s %s its %w; see to them by hand", why, m.ID, m.Version, err)
	}
	return fmt.Errorf("%w\nthe batch was cut short, and its outputs were driven to the safe values of map %s %s", why, m.ID, m.Version)
}

// pending is the size in bytes of the journal's buffer: what a step decides, and what comes in while the disk stalls for a while.
const pending = 4 << 20

// open opens the journal of a batch that was cut short, or makes the directory and the journal of a new one.
func (r *Runner) open() (*journal.Writer, error) {
	dir := filepath.Join(r.rig.Dir, "journal")
	jopt := &journal.Options{Storage: r.opt.Storage, Pending: pending, Lean: r.opt.Lean, Segment: r.b.Segment()}
	var w *journal.Writer
	if r.opt.Virtual == nil {
		jopt.OnDurable = func(seq uint64) {
			if r.in.durable(seq); r.opt.Durable != nil && w != nil { // nil while what a ring had is taken over
				r.opt.Durable(w.Head())
			}
		}
	}
	w, rec, err := r.anchored(dir, jopt)
	switch {
	case errors.Is(err, ErrUsed):
		return nil, err
	case errors.Is(err, journal.ErrForeign), errors.Is(err, journal.ErrDamaged), errors.Is(err, journal.ErrInUse):
		return nil, fmt.Errorf("%w: %s: it cannot be continued: %w", ErrUsed, r.rig.Dir, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	if err = r.openSlots(dir, jopt.Anchor); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if rec.Head.N > 0 {
		r.past, err = r.recover(dir, rec)
	} else if err = r.govern(); err == nil && rec.Outcome != journal.None {
		err = r.room()
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// prepare makes the directory of a new batch, or sees that the one that is there has nothing in it but a journal's beginning.
func (r *Runner) prepare() error {
	if r.opt.Storage != nil {
		return nil
	}
	if err := r.room(); err != nil {
		return err
	}
	if err := evidence.MakeDir(r.rig.Dir); err != nil {
		return err
	}
	names, err := os.ReadDir(r.rig.Dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.Name() != "journal" {
			return fmt.Errorf("%w: %s is not empty; choose another batch id or directory", ErrUsed, r.rig.Dir)
		}
	}
	return nil
}

// room refuses a new batch whose evidence would not fit on the disk. Others may fill it later: what then becomes of the batch is told
// at reserve.
func (r *Runner) room() error {
	dir := filepath.Clean(r.rig.Dir)
	for _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir); _, err = os.Stat(dir) {
		dir = filepath.Dir(dir)
	}
	free, err := journal.Available(dir)
	need := cmp.Or(r.opt.Room, r.b.Budget())
	if err != nil || free >= need { // where nobody can tell, or the directory cannot be had, what is written next will
		return nil
	}
	return fmt.Errorf("%s: %w: the evidence of this batch may take %d kB, and %d kB are free; free some space, or give a directory on another disk",
		r.rig.Dir, journal.ErrDiskFull, (need+999)/1000, free/1000)
}

// govern writes the governed files. Those that lie beside a journal without a record are of a batch that was never begun.
func (r *Runner) govern() error {
	if r.opt.Storage != nil {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(r.rig.Dir, "files")); err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return evidence.WriteFiles(r.rig.Dir, r.b)
}
