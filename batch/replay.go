// Replay: the records of a journal fed to a fresh machine, every decision compared.

package batch

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// Divergence says where a replay parts from its journal.
type Divergence struct {
	Seq  uint64 // number of the record
	Want string // what the journal holds; "" where it holds nothing
	Got  string // what the engine decides; "" where it decides nothing
}

// Error names the record and shows both sides.
func (d *Divergence) Error() string {
	switch {
	case d.Got == "":
		return fmt.Sprintf("batch: replay parts at record %d: the engine decides nothing, the journal holds %s", d.Seq, d.Want)
	case d.Want == "":
		return fmt.Sprintf("batch: replay parts at record %d: the journal lacks %s", d.Seq, d.Got)
	}
	return fmt.Sprintf("batch: replay parts at record %d:\n journal %s\n engine  %s", d.Seq, d.Want, d.Got)
}

// maxMono is a monotonic time that no clock reaches, 146 years after power-up; deadlines after it still fit.
const maxMono = 1 << 62

// ErrEngine says that the journal was written by another engine number.
var ErrEngine = errors.New("batch: another engine number")

// Replay feeds the records of a journal, in order, to a machine of the same batch and compares what it decides. Samples, where
// set, is called for every sample, before the machine takes it in, and Before for every event: it may ask the machine and must not
// step it. ev is valid during the call.
type Replay struct {
	Machine   *Machine
	Inputs    int // events fed
	Decisions int // records compared
	Samples   func(at int64, ev *Event)
	Before    func(at int64, ev *Event)

	want   [][]byte // decisions that the journal must hold next
	fault  string   // what broke the engine; its record must follow, and nothing after it
	over   bool     // nothing may follow
	booted bool
	blk    *Block
	fx     []Effect
	seq    uint64
	at     int64
}

// Replay makes a replay of the batch from its beginning.
func (b *Batch) Replay() *Replay { return &Replay{Machine: b.Start()} }

// Checkpoint appends to dst the state of a replay, or of a run, whose machine is m, that has taken in its last event at a time and
// recorded all that it decided. [Batch.ReplayFrom] goes on from it.
func (m *Machine) Checkpoint(dst []byte, at int64) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, Engine)
	dst = binary.LittleEndian.AppendUint32(dst, SnapshotForm)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	return m.Snapshot(dst)
}

// ReplayFrom makes a replay that goes on after record seq, from a state that Checkpoint gave there, instead of from the beginning.
// A state of another engine number or form is refused with ErrEngine; one that is none, with another error. The state is believed:
// only a replay from the beginning proves that it follows from the records.
func (b *Batch) ReplayFrom(state []byte, seq uint64) (r *Replay, err error) {
	const head = 16
	if len(state) < head {
		return nil, errSnapshot
	}
	engine, form := binary.LittleEndian.Uint32(state), binary.LittleEndian.Uint32(state[4:])
	if engine != Engine || form != SnapshotForm {
		return nil, fmt.Errorf("%w: a checkpoint of engine %d in form %d, this build is engine %d and has form %d",
			ErrEngine, engine, form, Engine, SnapshotForm)
	}
	defer func() { // a state that was made up may hold numbers of what is not there
		if p := recover(); p != nil {
			r, err = nil, errSnapshot
		}
	}()
	r = &Replay{Machine: b.Start(), seq: seq, booted: true, at: int64(binary.LittleEndian.Uint64(state[8:]))}
	if err := r.Machine.Restore(state[head:]); err != nil {
		return nil, err
	}
	if r.Machine.Ended() || r.at < 0 || r.at > maxMono {
		return nil, errSnapshot
	}
	return r, nil
}

// Record takes in the next record. The error is a Divergence, wraps ErrEngine, or says why the record cannot be read.
func (r *Replay) Record(rec *record.Record) error {
	if r.seq++; rec.Seq() != r.seq {
		return fmt.Errorf("batch: record %d stands where %d should", rec.Seq(), r.seq)
	}
	if r.over && rec.Kind.Spec().Grade != record.Note || r.fault != "" && !r.over && rec.Kind != record.KindEngineFault {
		return &Divergence{Seq: r.seq, Want: string(rec.Body)}
	}
	switch rec.Kind.Spec().Grade {
	case record.Note:
		return r.note(rec)
	case record.Decision:
		if len(r.want) == 0 {
			return &Divergence{Seq: r.seq, Want: string(rec.Body)}
		}
		if !bytes.Equal(r.want[0], rec.Body) {
			return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: string(r.want[0])}
		}
		r.want = r.want[1:]
		r.Decisions++
		r.over = r.Machine.Ended() && len(r.want) == 0
		return nil
	}
	if len(r.want) > 0 {
		return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: string(r.want[0])}
	}
	if rec.Kind == record.KindInputBlock {
		return r.block(rec)
	}
	ev, err := r.Machine.b.readInput(rec)
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, err)
	}
	if (ev.Kind == Created || ev.Kind == Boot) && rec.Int(record.Engine) != Engine {
		return fmt.Errorf("%w: record %d was written by engine %d, this build is engine %d", ErrEngine, r.seq, rec.Int(record.Engine), Engine)
	}
	if ev.Phases != "" && ev.Phases != r.Machine.Phases() { // it did not come up where the records lead
		return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: record.PhaseState.String() + " " + r.Machine.Phases()}
	}
	at := int64(rec.Count(record.TsMonoNS))
	again, err := r.Machine.AppendInput(nil, at, &ev)
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, err)
	}
	if !bytes.Equal(again, rec.Body) {
		return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: string(again)}
	}
	return r.step(at, &ev)
}

// note takes in a remark of the shell. That the engine broke stands where it breaks again, and ends the journal; others stand between
// inputs, and behind the end.
func (r *Replay) note(rec *record.Record) error {
	if rec.Kind != record.KindEngineFault && (r.fault == "" || r.over) && len(r.want) == 0 {
		return nil
	}
	again, err := r.Machine.AppendFault(nil, r.seq, r.fault)
	if r.fault == "" || err != nil || !bytes.Equal(again, rec.Body) {
		return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: r.fault}
	}
	r.over = true
	return nil
}

func (r *Replay) block(rec *record.Record) error {
	data, err := base64.StdEncoding.DecodeString(rec.Text(record.BlockData))
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, errBlock)
	}
	if r.blk == nil {
		r.blk = NewBlock(len(r.Machine.b.Plan.Map.Tags))
	}
	r.blk.Reset()
	r.blk.form = int(rec.Int(record.BlockForm))
	r.blk.Lost = int64(rec.Count(record.Coalesced))
	err = Unpack(rec.Int(record.BlockForm), data, int64(rec.Count(record.FirstMonoNS)), len(r.Machine.b.Plan.Map.Tags), func(at int64, ev *Event) error {
		if len(r.want) > 0 {
			return &Divergence{Seq: r.seq + 1, Got: string(r.want[0])}
		}
		if r.fault != "" {
			return errBlock
		}
		if ev.Seq = r.seq; ev.Kind == Tick {
			wake := r.Machine.Wake()
			if wake == timebase.Never {
				return errBlock
			}
			at = max(r.at, wake)
		}
		r.blk.Add(at, ev)
		return r.step(at, ev)
	})
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, err)
	}
	again, err := r.Machine.AppendBlock(nil, r.seq, r.blk)
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, err)
	}
	if !bytes.Equal(again, rec.Body) {
		return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: string(again)}
	}
	return nil
}

// possible refuses what no controller can have taken in then: a controller takes what is due before the event that comes after
// it, and an answer only after what it answers.
func (r *Replay) possible(at int64, ev *Event) error {
	wrong := ""
	switch {
	case at < 0 || at > maxMono:
		wrong = "its stamp is beyond what a clock can show"
	case ev.Kind == Boot && r.booted && ev.Epoch <= r.Machine.Epoch():
		wrong = "its epoch is not above the one before"
	case at < r.at && ev.Kind != Boot:
		wrong = "time runs backwards"
	case ev.Kind != Tick && ev.Kind != Late && ev.Kind != Boot && r.Machine.Wake() <= at:
		wrong = "a tick that was due before it is missing"
	case ev.Kind == Done && (ev.At < 0 || ev.At > at):
		wrong = "the write was done after its answer came"
	case r.Machine.Ended():
		wrong = "the batch is over"
	}
	if wrong != "" {
		return fmt.Errorf("batch: record %d: %s", r.seq, wrong)
	}
	return nil
}

func (r *Replay) step(at int64, ev *Event) error {
	if err := r.possible(at, ev); err != nil {
		return err
	}
	r.booted = r.booted || ev.Kind == Boot
	if r.Samples != nil && ev.Kind == Sample {
		r.Samples(at, ev)
	}
	r.at = at
	r.Inputs++
	if r.Before != nil {
		r.Before(at, ev)
	}
	r.decide(at, ev)
	for i := range r.fx {
		if r.fx[i].Kind == Record {
			r.want = append(r.want, bytes.Clone(r.fx[i].Body))
		}
	}
	return nil
}

// decide steps the machine. An input that broke the engine when it was recorded breaks it again.
func (r *Replay) decide(at int64, ev *Event) {
	defer func() {
		if p := recover(); p != nil {
			r.fault, r.fx = Clean(fmt.Sprint(p)), r.fx[:0]
		}
	}()
	r.fx = r.Machine.Step(at, ev, r.fx[:0])
}

// Fault returns what broke the engine, "" if nothing did.
func (r *Replay) Fault() string { return r.fault }

// Lacking returns the decisions that the inputs so far lead to and the journal does not hold: after a cut, those of its last
// input. They are what the journal must be continued with.
func (r *Replay) Lacking() [][]byte { return r.want }

// End says whether the journal holds all that its inputs lead to.
func (r *Replay) End() error {
	if len(r.want) > 0 {
		return &Divergence{Seq: r.seq + 1, Got: string(r.want[0])}
	}
	return nil
}
