// The wall clock of a batch: what is recorded of looks at it, what of its steps and its sources, and who may begin without it.

package batch

import (
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// noTime says why a batch does not begin without UTC.
const noTime = "the time of day is not known (UNSET), and no record of this batch could be set against the world; set the clock, or have " +
	"a person confirm it: confirm_time, then start"

// keeper is the keeper at the beginning of an epoch.
func (m *Machine) keeper() timebase.Keeper {
	return timebase.Keeper{Limit: m.b.Plan.Map.OrderTolerance}
}

// timeless tells whether UTC is not known and nobody has confirmed that the batch may begin so.
func (m *Machine) timeless() bool { return m.keep.Last().Sync == timebase.Unset && !m.st.TimeConfirmed }

// TimeConfirmed tells whether a person has confirmed that the batch may begin though UTC is not known. It is true until the batch ends,
// also where UTC has become known since.
func (m *Machine) TimeConfirmed() bool { return m.st.TimeConfirmed }

// confirmTime takes in the word of a person that the batch may begin without UTC.
func (m *Machine) confirmTime(ev *Event, fx []Effect) []Effect {
	switch {
	case m.st.Ended:
		return m.answer(ev, batchOver, fx)
	case m.State() != sequencer.Idle:
		return m.answer(ev, "the batch has begun", fx)
	case m.st.TimeConfirmed:
		return m.result(ev, sequencer.NoOp, "it is confirmed already", fx)
	case !m.timeless():
		return m.answer(ev, "there is nothing to confirm: the wall clock is "+m.keep.Last().Sync.String(), fx)
	case ev.Operator == "" || ev.Role == "" || ev.Reason == "":
		return m.answer(ev, "a person must answer for it: operator, role and reason are required", fx)
	}
	m.st.TimeConfirmed = true
	return m.answer(ev, "", fx)
}

// observed takes in a look at the wall clock. A step of it is a decision, for it marks what stands around it, and so is another state of
// synchronisation or another source.
func (m *Machine) observed(ev *Event, fx []Effect) []Effect {
	old := m.keep.Last()
	moved, step := m.keep.Observe(ev.Observation)
	m.stamp = m.keep.Stamp(m.at)
	if step {
		fx = m.stepped(old.Mono, moved, fx)
	}
	if o := &ev.Observation; o.Sync != old.Sync || o.Source != old.Source || o.Role != old.Role {
		fx = m.sourceChanged(&old, o, fx)
	}
	return fx
}

// stepped records a step of the wall clock; one beyond the tolerance marks the time between the two looks.
func (m *Machine) stepped(from, moved int64, fx []Effect) []Effect {
	o := m.keep.Last()
	m.begin(record.KindClockStep)
	m.body.Decimal(record.MovedMS, moved, 6)
	m.body.Int(record.TimeStepCount, m.keep.Steps())
	if o.Step != timebase.NoReason {
		m.body.Text(record.StepReason, o.Step.String())
	}
	if m.keep.Beyond(moved) {
		m.body.Count(record.FromMonoNS, uint64(max(from, 0)))
		m.body.Count(record.ToMonoNS, uint64(max(o.Mono, 0)))
		m.body.Int(record.OrderToleranceMS, m.keep.Tolerance()/1_000_000)
	}
	m.causes(m.input)
	return m.metersStepped(moved, m.put(fx))
}

// sourceChanged records that UTC has another state of synchronisation or comes from another source.
func (m *Machine) sourceChanged(old, o *timebase.Observation, fx []Effect) []Effect {
	m.begin(record.KindTimeSourceChange)
	b := &m.body
	b.Text(record.OldValue, sourceWords(old))
	b.Text(record.NewValue, sourceWords(o))
	why := o.Reason.String()
	if why == "" {
		why = "observed" // by who does not say more
	}
	b.Text(record.SourceChange, why)
	if o.Why != "" {
		b.Text(record.SourceDetail, o.Why)
	}
	b.Text(record.HoldoverState, holdover(o))
	heard(b, o)
	b.Int(record.TimeStepCount, m.keep.Steps())
	m.causes(m.input)
	return m.put(fx)
}

// sourceWords are state, source and role in words.
func sourceWords(o *timebase.Observation) string {
	source := o.Source
	if source == "" {
		source = "none"
	}
	words := o.Sync.String() + " " + source
	if role := o.Role.String(); role != "" {
		words += " " + role
	}
	return words
}

// holdover is the state of the holdover: none while a reference is heard, or where none ever was.
func holdover(o *timebase.Observation) string {
	switch {
	case o.Sync == timebase.Holdover:
		return "active"
	case o.Sync < timebase.Holdover && o.LastSync != 0:
		return "ended"
	}
	return "none"
}

// heard writes what is known of the reference.
func heard(b *record.Body, o *timebase.Observation) {
	if o.Role != timebase.NoRole {
		b.Text(record.PrimaryBackup, o.Role.String())
	}
	if o.LastSync != 0 {
		b.Time(record.LastSyncTs, o.LastSync)
		b.Decimal(record.HoldoverAgeS, o.Age, 9)
	}
}

// leapWords are what is announced for the end of the day.
var leapWords = [...]string{-1 + 1: "delete", 0 + 1: "", 1 + 1: "insert"}

// observation writes what an observer that follows its references knows; of any other there is nothing to write.
func observation(b *record.Body, o *timebase.Observation) {
	heard(b, o)
	if o.Steps != 0 {
		b.Int(record.TimeStepCount, o.Steps)
		b.Decimal(record.MovedMS, o.Moved, 6)
	}
	if o.Step != timebase.NoReason {
		b.Text(record.StepReason, o.Step.String())
	}
	if o.Leap != 0 {
		b.Text(record.LeapSecond, leapWords[min(max(o.Leap, -1), 1)+1])
	}
	if o.Reason != timebase.NoReason {
		b.Text(record.SourceChange, o.Reason.String())
	}
	if o.Why != "" {
		b.Text(record.SourceDetail, o.Why)
	}
}

// ReadObservation reads the look at the wall clock that a record of one holds: time_observed, batch_created, boot or recovery_event.
func ReadObservation(r *record.Record) (o timebase.Observation, err error) {
	var ok [5]bool
	o.Mono, o.Source = int64(r.Count(record.TsMonoNS)), r.Text(record.TimeSource)
	o.Sync, ok[0] = timebase.ParseSync(r.Text(record.SyncState))
	o.Role, ok[1] = timebase.ParseRole(r.Text(record.PrimaryBackup))
	o.Reason, ok[2] = timebase.ParseReason(r.Text(record.SourceChange))
	o.Step, ok[3] = timebase.ParseReason(r.Text(record.StepReason))
	for i, w := range leapWords {
		if w == r.Text(record.LeapSecond) {
			o.Leap, ok[4] = int8(i-1), true
		}
	}
	for i, k := range [...]record.Key{record.SyncState, record.PrimaryBackup, record.SourceChange, record.StepReason, record.LeapSecond} {
		if !ok[i] {
			return o, fmt.Errorf("unknown %s %q", k, r.Text(k))
		}
	}
	o.Why, o.Steps, o.LastSync = r.Text(record.SourceDetail), r.Int(record.TimeStepCount), r.Time(record.LastSyncTs)
	for _, f := range [...]struct {
		key   record.Key
		to    *int64
		scale uint8
	}{{record.HoldoverAgeS, &o.Age, 9}, {record.MovedMS, &o.Moved, 6}} {
		if err == nil && r.Has(f.key) {
			*f.to, err = readDecimal(r, f.key, f.scale)
		}
	}
	if err != nil || o.Sync == timebase.Unset {
		return o, err
	}
	o.UTC = r.Time(record.TsUTC)
	if o.Offset, err = readDecimal(r, record.OffsetMS, 6); err == nil && r.Has(record.TimeBoundMS) {
		o.Bound, err = readDecimal(r, record.TimeBoundMS, 6)
	}
	return o, err
}

func readDecimal(r *record.Record, k record.Key, scale uint8) (ns int64, err error) {
	coef, is, err := quantity.ParseDecimal(r.Text(k))
	if err == nil && is != scale {
		err = fmt.Errorf("%s: %d decimals are wanted", k, scale)
	}
	return coef, err
}
