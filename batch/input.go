// The records of inputs: written as an event is taken, read again on replay.

package batch

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// MaxDetail is the greatest length in bytes of what a person or a device says in one field; Clean cuts what is longer.
const MaxDetail = 200

// AppendInput appends to dst the record of an event that is not packed, as number ev.Seq at monotonic time at. It belongs
// before the Step that takes the event in. An error says what of the event cannot be recorded; the event must then be dropped.
func (m *Machine) AppendInput(dst []byte, at int64, ev *Event) ([]byte, error) {
	epoch, keep := m.st.Epoch, m.keep
	switch ev.Kind {
	case Created, Boot:
		m.st.Epoch, keep = ev.Epoch, m.keeper()
		keep.Observe(ev.Observation)
	case Observed:
		keep.Observe(ev.Observation)
	}
	m.stamp = keep.Stamp(at)
	dst, err := m.appendInput(dst, ev)
	m.st.Epoch = epoch
	return dst, err
}

func (m *Machine) appendInput(dst []byte, ev *Event) ([]byte, error) {
	b := &m.body
	operator := m.b.Operator
	start := func(k record.Kind) { m.identify(k, ev.Seq) }
	switch ev.Kind {
	case Observed:
		start(record.KindTimeObserved)
	case Created:
		start(record.KindBatchCreated)
		m.created()
		m.history()
	case Bound:
		start(record.KindObjectBound)
		m.bound(ev.File)
	case Declared:
		start(record.KindActionDeclared)
		m.declared(&m.b.Plan.Actions[ev.File])
	case Boot:
		kind := record.KindBoot
		if ev.Recovery != "" {
			kind = record.KindRecovery
		}
		start(kind)
		b.Int(record.Engine, Engine)
		words := make([]string, len(ev.Readback))
		for i, r := range ev.Readback {
			words[i] = readingWords(m.b, r)
		}
		b.Texts(record.Readback, words)
		if ev.Anchor != "" {
			b.Text(record.Anchor, ev.Anchor)
		}
		cameUp(b, ev)
		recovery(b, ev)
	case Late:
		start(record.KindTickLate)
		b.Int(record.LateMS, ev.LateMS)
		b.Int(record.Limit, ev.LimitMS)
	case Told:
		start(record.KindCommand)
		m.ordered(ev)
		operator = ev.Operator
	case Answered:
		start(record.KindPromptAnswer)
		b.Int(record.PromptID, int64(ev.ID))
		b.Text(record.Value, ev.Value)
		b.Text(record.OperatorRole, ev.Role)
		operator = ev.Operator
	case Done, Progress, Finished:
		m.reported(ev)
	case ResourceGranted, ResourceRefused, ResourceQueue:
		m.ruling(ev)
	case HistorianSaid:
		m.historianSaid(ev)
	case PowerWarned:
		m.warned(ev)
	default:
		return dst, fmt.Errorf("batch: event of kind %d has no record of its own", ev.Kind)
	}
	observation(b, &ev.Observation)
	b.Text(record.OperatorID, operator)
	return b.Append(dst)
}

// created writes what a batch is.
func (m *Machine) created() {
	b := &m.body
	b.Int(record.Engine, Engine)
	b.Int(record.SchemaVersion, recipe.Schema)
	b.Text(record.BatchSize, m.b.Size.String())
	b.Text(record.CalibVersion, m.b.Plan.Calibration.Version)
	if m.b.Seed != 0 {
		b.Count(record.Seed, m.b.Seed)
	}
	if m.b.BlockAge != BlockAge {
		b.Int(record.BlockAgeMS, m.b.BlockAge/1_000_000)
	}
	if m.b.RestartOf != "" {
		b.Text(record.RestartOf, m.b.RestartOf)
	}
	if m.b.Model != 0 {
		b.Count(record.EquipmentModelVersion, m.b.Model)
	}
}

// nameKeys are the keys under which the name in an order stands.
var nameKeys = map[sequencer.Command]record.Key{sequencer.Change: record.Parameter, sequencer.Acknowledge: record.AlarmID,
	sequencer.ResetInterlock: record.InterlockID, sequencer.ResetSafeState: record.LogicalTag,
	sequencer.HistorianTotal: record.MeterWindowID, sequencer.OverrideGrant: record.OverrideID,
	sequencer.OverrideSet: record.LogicalTag, sequencer.OverrideClear: record.LogicalTag, sequencer.OverrideRevoke: record.OverrideID}

// ordered writes what an operator has ordered.
func (m *Machine) ordered(ev *Event) {
	b := &m.body
	b.Text(record.Command, ev.Command.String())
	b.Text(record.ChangeReason, ev.Reason)
	b.Text(record.OperatorRole, ev.Role)
	if ev.Step != "" {
		b.Text(record.StepID, ev.Step)
	}
	if ev.Target != "" {
		b.Text(record.TargetStepID, ev.Target)
	}
	if k, ok := nameKeys[ev.Command]; ok {
		b.Text(k, ev.Name)
	}
	switch ev.Command {
	case sequencer.Change, sequencer.HistorianTotal, sequencer.OverrideGrant, sequencer.OverrideSet:
		b.Text(record.Value, ev.Value)
	}
	if ev.Refusal != "" {
		b.Text(record.Refusal, ev.Refusal)
	}
	if ev.Claimed != "" {
		b.Text(record.ClaimedActor, ev.Claimed)
	}
}

// reported writes what a device or an OEM action reported.
func (m *Machine) reported(ev *Event) {
	b := &m.body
	switch ev.Kind {
	case Done:
		m.identify(record.KindWriteDone, ev.Seq)
		b.Int(record.WriteID, int64(ev.ID))
		b.Text(record.Result, doneWord(ev.OK))
		b.Count(record.DoneMonoNS, uint64(ev.At))
		if ev.Outcome != "" {
			b.Text(record.Outcome, ev.Outcome)
		}
		detail(b, ev)
	case Progress:
		m.identify(record.KindActionProgress, ev.Seq)
		b.Int(record.RequestID, int64(ev.ID))
		b.Texts(record.Values, ev.Values)
		if ev.Detail != "" {
			b.Text(record.Message, ev.Detail)
		}
	case Finished:
		m.identify(record.KindActionResult, ev.Seq)
		b.Int(record.RequestID, int64(ev.ID))
		b.Text(record.Result, finishedWord(ev.OK))
		b.Texts(record.Values, ev.Values)
		detail(b, ev)
	}
}

func (m *Machine) bound(file int) {
	f, a := &m.b.Plan.Files[file], &m.b.Approvals[file]
	m.body.Text(record.ObjectKind, f.Kind)
	m.body.Text(record.ObjectID, f.ID)
	m.body.Text(record.ObjectVersion, f.Version)
	m.body.Text(record.Digest, f.Digest)
	if f.Kind == "device_profile" {
		m.body.Text(record.DeviceProfileID, f.ID)
	}
	if units := m.b.prog.equipment.Reasons(); f.Kind == "mapping" && len(units) > 0 {
		m.body.Texts(record.EquipmentBound, units)
	}
	if table := m.b.Plan.Map; f.Kind == "mapping" && table.SaysFaults() {
		m.body.Text(record.SafeStateTable, iomap.SafeStatesDigest(table))
	}
	if a.ID != "" {
		m.body.Text(record.ApprovalID, a.ID)
		m.body.Text(record.ApprovedBy, a.By)
	}
	if a.EffectiveFrom != 0 {
		m.body.Time(record.EffectiveFrom, a.EffectiveFrom)
	}
	if a.Expiry != 0 {
		m.body.Time(record.Expiry, a.Expiry)
	}
}

func (m *Machine) declared(t *recipe.ActionType) {
	m.body.Text(record.ActionType, t.Name)
	m.body.Int(record.ActionVersion, int64(t.Version))
	m.body.Texts(record.Params, fieldWords(t.Params))
	m.body.Texts(record.Values, fieldWords(t.Results))
}

// fieldWords writes fields as "name unit", text as "name".
func fieldWords(fields []recipe.Field) []string {
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = strings.TrimSuffix(f.Name+" "+string(f.Unit), " ")
	}
	return words
}

// ReadAction reads the declaration of an OEM action type from its record.
func ReadAction(r *record.Record) recipe.ActionType {
	fields := func(words []string) (list []recipe.Field) {
		for _, w := range words {
			name, unit, _ := strings.Cut(w, " ")
			list = append(list, recipe.Field{Name: name, Unit: quantity.Unit(unit)})
		}
		return list
	}
	return recipe.ActionType{Name: r.Text(record.ActionType), Version: int(r.Int(record.ActionVersion)),
		Params: fields(r.Texts(record.Params)), Results: fields(r.Texts(record.Values))}
}

func detail(b *record.Body, ev *Event) {
	if ev.Detail != "" {
		b.Text(record.Detail, ev.Detail)
	}
}

func doneWord(ok bool) string {
	if ok {
		return "confirmed"
	}
	return "unknown"
}

func finishedWord(ok bool) string {
	if ok {
		return "ok"
	}
	return "failed"
}

// Clean makes words of a person or a device fit for a record: UTF-8, at most MaxDetail bytes.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for len(s) > MaxDetail || !utf8.ValidString(s) {
		s = s[:min(len(s)-1, MaxDetail)]
	}
	return s
}

// readingWords writes a reading as "name form bits quality".
func readingWords(b *Batch, r Reading) string {
	return b.Plan.Map.Tags[r.Tag].Name + " " + r.Form.String() + " " + strconv.FormatUint(r.Bits, 10) + " " + r.Quality.String()
}

// ReadReading reads one entry of a boot's readback; ok is false where it is none of the map.
func ReadReading(m *iomap.Map, s string) (r Reading, ok bool) {
	w := strings.Split(s, " ")
	if len(w) != 4 {
		return r, false
	}
	var found bool
	if r.Tag, found = m.Lookup(w[0]); !found {
		return r, false
	}
	bits, err := strconv.ParseUint(w[2], 10, 64)
	for r.Form = tag.Bool; r.Form < tag.Float64 && r.Form.String() != w[1]; r.Form++ {
	}
	if r.Bits = bits; w[3] == tag.Good.String() {
		r.Quality = tag.Good
	}
	return r, err == nil && r.Form.String() == w[1] && r.Quality.String() == w[3]
}

// AppendBlock appends to dst the record of a sealed block as number seq.
func (m *Machine) AppendBlock(dst []byte, seq uint64, blk *Block) ([]byte, error) {
	m.stamp = m.keep.Stamp(blk.Last)
	m.identify(record.KindInputBlock, seq)
	m.body.Text(record.BlockData, base64.StdEncoding.EncodeToString(blk.Data()))
	m.body.Int(record.BlockEvents, int64(blk.Events))
	m.body.Int(record.BlockForm, int64(blk.form))
	if blk.Lost > 0 {
		m.body.Count(record.Coalesced, uint64(blk.Lost))
	}
	m.body.Count(record.FirstMonoNS, uint64(blk.First))
	m.body.Text(record.OperatorID, m.b.Operator)
	return m.body.Append(dst)
}

// AppendFault appends to dst the note that an invariant of the engine broke, as number seq.
func (m *Machine) AppendFault(dst []byte, seq uint64, what string) ([]byte, error) {
	m.stamp = m.keep.Stamp(m.st.Last)
	m.identify(record.KindEngineFault, seq)
	m.body.Text(record.Detail, what)
	m.body.Int(record.Engine, Engine)
	m.body.Text(record.OperatorID, m.b.Operator)
	return m.body.Append(dst)
}

// Measures is how the shell has kept up for a time.
type Measures struct {
	From      int64    // monotonic ns: since when
	Commit    int64    // ns: longest time from a record to its being durable
	Dispatch  int64    // ns: longest time from a decision until the port was given its write
	Loop      int64    // ns: longest time by which the loop was late for a deadline
	Depth     int64    // most inputs that waited at one time
	Pressure  int64    // times that inputs had to wait because the journal or the gate had no room
	Coalesced int64    // notes that were due since then and for which the journal had no room
	Rates     []string // records of each kind per second, kind=rate
	Anchor    string   // that the journal's anchor was lost, and why; "": nothing new
}

// AppendMeasures appends to dst a note of measures, as number seq. It stands between inputs and changes nothing.
func (m *Machine) AppendMeasures(dst []byte, seq uint64, v *Measures) ([]byte, error) {
	m.stamp = m.keep.Stamp(m.st.Last)
	m.identify(record.KindMeasures, seq)
	m.body.Count(record.FirstMonoNS, uint64(v.From))
	if v.Coalesced > 0 {
		m.body.Count(record.Coalesced, uint64(v.Coalesced))
	}
	if v.Anchor != "" {
		m.body.Text(record.Anchor, v.Anchor)
	}
	m.body.Decimal(record.StorageCommitTimeMS, v.Commit/1000, 3)
	m.body.Decimal(record.DispatchLatencyMS, v.Dispatch/1000, 3)
	m.body.Decimal(record.LoopLatencyMS, v.Loop/1000, 3)
	m.body.Int(record.EventQueueDepth, v.Depth)
	m.body.Int(record.Backpressure, v.Pressure)
	m.body.Texts(record.EventsPerSecond, v.Rates)
	m.body.Text(record.OperatorID, m.b.Operator)
	return m.body.Append(dst)
}

// AppendNote appends to dst a note of some kind that stands between inputs and changes nothing, as number seq. Fill gives its
// fields, but for those that every record of a batch has.
func (m *Machine) AppendNote(dst []byte, seq uint64, k record.Kind, fill func(b *record.Body)) ([]byte, error) {
	m.stamp = m.keep.Stamp(m.st.Last)
	m.identify(k, seq)
	m.body.Text(record.OperatorID, m.b.Operator)
	fill(&m.body)
	return m.body.Append(dst)
}

// recovery says of a boot on a journal that was cut short how it was recovered, and what was missed where that is known.
func recovery(b *record.Body, ev *Event) {
	if ev.Recovery == "" {
		return
	}
	b.Text(record.RecoveryPath, ev.Recovery)
	if ev.LossMS >= 0 {
		b.Decimal(record.LossIntervalS, ev.LossMS, 3)
	}
	b.Count(record.CheckpointLastSeq, ev.Last)
	b.Count(record.TruncateTail, uint64(ev.Tail))
	if ev.Checkpoint > 0 {
		b.Count(record.CheckpointID, ev.Checkpoint)
	}
	if ev.Phases != "" {
		b.Text(record.PhaseState, ev.Phases)
	}
}

func readRecovery(r *record.Record, ev *Event) (err error) {
	ev.Last = r.Count(record.CheckpointLastSeq)
	ev.Tail, ev.LossMS = int64(r.Count(record.TruncateTail)), -1
	ev.Checkpoint, ev.Phases = r.Count(record.CheckpointID), r.Text(record.PhaseState)
	if text := r.Text(record.LossIntervalS); text != "" {
		ev.LossMS, _, err = quantity.ParseDecimal(text)
	}
	return err
}

// readInput turns the record of an input that is not packed back into its event.
func (b *Batch) readInput(r *record.Record) (ev Event, err error) {
	ev.Seq = r.Seq()
	ev.Operator, ev.Role = r.Text(record.OperatorID), r.Text(record.OperatorRole)
	ev.Detail = r.Text(record.Detail)
	switch r.Kind {
	case record.KindTimeObserved:
		ev.Kind = Observed
		ev.Observation, err = ReadObservation(r)
	case record.KindBatchCreated:
		ev.Kind, ev.Epoch = Created, uint32(r.Int(record.Epoch))
		ev.Observation, err = ReadObservation(r)
	case record.KindObjectBound:
		ev.Kind, ev.File = Bound, -1
		for i := range b.Plan.Files {
			f := &b.Plan.Files[i]
			if f.Kind == r.Text(record.ObjectKind) && (ev.File < 0 || f.ID == r.Text(record.ObjectID)) {
				ev.File = i
			}
		}
		if ev.File < 0 {
			err = fmt.Errorf("the batch has no %s", r.Text(record.ObjectKind))
		}
	case record.KindActionDeclared:
		ev.Kind, ev.File = Declared, -1
		for i := range b.Plan.Actions {
			if b.Plan.Actions[i].Name == r.Text(record.ActionType) {
				ev.File = i
			}
		}
		if ev.File < 0 {
			err = fmt.Errorf("the batch has no action type %s", r.Text(record.ActionType))
		}
	case record.KindBoot, record.KindRecovery:
		ev.Kind, ev.Epoch, ev.Anchor = Boot, uint32(r.Int(record.Epoch)), r.Text(record.Anchor)
		err = b.readBoot(r, &ev)
	case record.KindTickLate:
		ev.Kind, ev.LateMS, ev.LimitMS = Late, r.Int(record.LateMS), r.Int(record.Limit)
	case record.KindCommand:
		err = readOrder(r, &ev)
	case record.KindPromptAnswer:
		ev.Kind, ev.ID, ev.Value = Answered, uint32(r.Int(record.PromptID)), r.Text(record.Value)
	case record.KindWriteDone:
		ev.Kind, ev.ID, ev.OK = Done, uint32(r.Int(record.WriteID)), r.Text(record.Result) == doneWord(true)
		ev.At = int64(r.Count(record.DoneMonoNS))
		if ev.Outcome = r.Text(record.Outcome); r.Has(record.Outcome) && (ev.OK || ev.Outcome != fieldbus.OutcomeRefused && ev.Outcome != fieldbus.OutcomeUnknown) {
			err = fmt.Errorf("a write that is %s has no outcome %.20q", r.Text(record.Result), ev.Outcome)
		}
	case record.KindActionProgress:
		ev.Kind, ev.ID, ev.Values, ev.Detail = Progress, uint32(r.Int(record.RequestID)), r.Texts(record.Values), r.Text(record.Message)
	case record.KindActionResult:
		ev.Kind, ev.ID, ev.Values = Finished, uint32(r.Int(record.RequestID)), r.Texts(record.Values)
		ev.OK = r.Text(record.Result) == finishedWord(true)
	case record.KindResourceGranted, record.KindResourceRefused, record.KindResourceQueue:
		readRuling(r, &ev)
	case record.KindHistorianTotal:
		err = b.readHistorian(r, &ev)
	case record.KindPowerWarning:
		err = readWarning(r, &ev)
	default:
		err = fmt.Errorf("no input of the engine")
	}
	return ev, err
}

// readBoot reads what a boot has found.
func (b *Batch) readBoot(r *record.Record, ev *Event) (err error) {
	ev.BootID, ev.Reset, ev.RealTime = r.Text(record.BootID), r.Text(record.ResetCause), r.Text(record.RealTime)
	if ev.Observation, err = ReadObservation(r); err != nil {
		return err
	}
	if ev.Recovery = r.Text(record.RecoveryPath); ev.Recovery != "" {
		err = readRecovery(r, ev)
	}
	for _, w := range r.Texts(record.Readback) {
		reading, ok := ReadReading(b.Plan.Map, w)
		if !ok {
			return fmt.Errorf("readback %q cannot be read", w)
		}
		ev.Readback = append(ev.Readback, reading)
	}
	return err
}

func readOrder(r *record.Record, ev *Event) error {
	var ok bool
	ev.Kind, ev.Reason, ev.Step = Told, r.Text(record.ChangeReason), r.Text(record.StepID)
	if ev.Command, ok = sequencer.ParseCommand(r.Text(record.Command)); !ok {
		return fmt.Errorf("unknown command %q", r.Text(record.Command))
	}
	ev.Target, ev.Value = r.Text(record.TargetStepID), r.Text(record.Value)
	ev.Refusal, ev.Claimed = r.Text(record.Refusal), r.Text(record.ClaimedActor)
	if k, named := nameKeys[ev.Command]; named {
		ev.Name = r.Text(k)
	}
	return nil
}
