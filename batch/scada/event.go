// Events: each record that came while the window watched, but those of inputs, with its place in the chain.

package scada

import (
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// eventTypeName is the type of all events. Its fields are those of eventFields, in that order.
const eventTypeName = "BatchRecordEventType"

// maxRecord is how many bytes of a record an event has. A longer one is cut, which shows: it is no JSON any more.
const maxRecord = 4 << 10

// maxMessage is how many bytes of words an event has.
const maxMessage = 200

// kindGap is the kind of an event that tells that records are not told.
const kindGap = "gap"

// Severities, as OPC UA has them: 1 to 1000.
const (
	severeNote   = 100
	severeLow    = 300
	severeMedium = 500
	severeHigh   = 700
	severeUrgent = 900
	severeFault  = 1000
)

var eventFields = []server.Field{
	{Name: "EventSeq", Kind: server.Uint64},    // number of the record in its journal
	{Name: "PreviousSeq", Kind: server.Uint64}, // number of the record that the event before told: who has another one has lost some; 0: none was
	{Name: "JournalId", Kind: server.String},
	{Name: "BatchId", Kind: server.String},
	{Name: "RecipeVersion", Kind: server.String},
	{Name: "HashCurr", Kind: server.String}, // link of the chain at the record, hex
	{Name: "Kind", Kind: server.String},     // event_type of the record
	{Name: "StepId", Kind: server.String},
	{Name: "Record", Kind: server.String}, // its text
}

// raise tells a record. Blocks of inputs are told by no event: they are samples.
func (w *Window) raise(s *source, r *record.Record, hash string) {
	if r.Kind == record.KindInputBlock {
		return
	}
	at := s.heard
	if utc := r.Time(record.TsUTC); utc != 0 {
		at = time.Unix(0, utc).UTC()
	}
	text := func(k record.Key) server.Value { return said(clip(r.Text(k), maxText)) }
	w.showing.Lock()
	defer w.showing.Unlock()
	w.space.Raise(server.Event{Type: w.events, Source: w.tree.folder(s.path()), Time: at, Severity: severity(r), Message: message(r),
		Fields: []server.Value{{Bits: r.Seq()}, {Bits: s.told}, text(record.JournalID), text(record.BatchID), text(record.RecipeVersion),
			said(hash), said(r.Kind.String()), text(record.StepID), said(clip(string(r.Body), maxRecord))}})
	w.raised++
}

// lacking tells that records of a journal are not told.
func (w *Window) lacking(s *source, from, to uint64, why string) {
	w.showing.Lock()
	defer w.showing.Unlock()
	text := fmt.Sprintf("records %d to %d of %s were told otherwise, or not: %s", from, to, s.name, why)
	w.space.Raise(server.Event{Type: w.events, Source: w.tree.folder(s.path()), Time: w.now().UTC(), Severity: severeHigh, Message: clip(text, maxMessage),
		Fields: []server.Value{{Bits: to}, {Bits: s.told}, said(s.state.journal), said(s.state.batch), said(s.state.recipeVersion), said(""),
			said(kindGap), said(""), said("")}})
	w.raised++
}

// said is a text that is good.
func said(text string) server.Value { return server.Value{Text: text} }

// severity says how much a record matters to who watches.
func severity(r *record.Record) uint16 {
	switch r.Kind {
	case record.KindEngineFault:
		return severeFault
	case record.KindTripRequest, record.KindPowerWarning, record.KindPowerFail:
		return severeUrgent
	case record.KindOutputFault, record.KindSafeState, record.KindRecovery:
		return severeHigh
	case record.KindTimeout, record.KindPrompt, record.KindOverride, record.KindClockStep:
		return severeMedium
	case record.KindAlarm:
		return alarmSeverity(r)
	case record.KindInterlock:
		return either(r.Text(record.InterlockGateState) == "blocks", severeHigh)
	case record.KindQualityChange, record.KindPointQuality:
		return either(r.Text(record.Quality) != tag.Good.String(), severeMedium)
	case record.KindLinkState:
		return either(r.Text(record.WatchdogState) != fieldbus.Up.String(), severeMedium)
	case record.KindBusWrite, record.KindWriteDone:
		return either(r.Has(record.Outcome) && r.Text(record.Outcome) != fieldbus.OutcomeConfirmed, severeMedium)
	case record.KindWindowStop:
		return either(r.Text(record.Result) != "PASS", severeMedium)
	case record.KindReconcile:
		return either(r.Text(record.ReconcileStatus) != "PASS", severeLow)
	case record.KindBatchState:
		return either(stands(r.Text(record.BatchState)), severeHigh)
	}
	return severeNote
}

func either(grave bool, then uint16) uint16 {
	if grave {
		return then
	}
	return severeNote
}

// alarmSeverity is by priority while an alarm is active.
func alarmSeverity(r *record.Record) uint16 {
	if r.Text(record.AlarmState) != "raised" {
		return severeLow
	}
	switch r.Text(record.Priority) {
	case "urgent":
		return severeUrgent
	case "high":
		return severeHigh
	case "medium":
		return severeMedium
	}
	return severeLow
}

// message says a record in a line.
func message(r *record.Record) string {
	text := r.Kind.String()
	for _, k := range [...]record.Key{record.StepID, record.MeterWindowID, record.AlarmID, record.InterlockID, record.LogicalTag, record.Command,
		record.StepState, record.PhaseState, record.ActionState, record.BatchState, record.AlarmState, record.InterlockGateState, record.WatchdogState,
		record.Quality, record.Value, record.TotalizedValue, record.Unit, record.Result, record.Message, record.WaitReason, record.Detail} {
		if said := r.Text(k); said != "" {
			text += " " + said
		}
	}
	return clip(text, maxMessage)
}
