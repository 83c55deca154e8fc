// Notes: an event of a bus as the fields of its record.

package fieldbus

import (
	"strings"
	"unicode/utf8"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
)

// The outcomes of a write, as records spell them.
const (
	OutcomeConfirmed = "CONFIRMED" // the device has it
	OutcomeRefused   = "REFUSED"   // nothing was written
	OutcomeUnknown   = "UNKNOWN"   // it may have been carried out, or be carried out yet
)

// What result says in a link_state record.
const (
	ResultChanged = "changed" // the state is another
	ResultLate    = "late"    // it is the same, and for longer than was declared
)

// maxSaid is the most bytes that a record has of what a device or a driver says; maxNumber the greatest integer that every reader takes.
const (
	maxSaid   = 200
	maxNumber = 1<<53 - 1
)

// Record gives the kind of the record of an event. It is record.KindNone where there is none: of a kind, a state or an outcome that there
// is not, of a change that is none, of a link that is late although it is up, of a point or write without a channel, or of numbers that
// contradict each other.
func (e *Event) Record() record.Kind {
	switch e.Kind {
	case LinkChanged:
		if e.Old <= Demoted && e.New <= Demoted && e.Old != e.New {
			return record.KindLinkState
		}
	case SLABroken:
		if e.New <= Demoted && e.New != Up && e.New != Degraded {
			return record.KindLinkState
		}
	case LinkFailover:
		if e.From != e.To {
			return record.KindLinkFailover
		}
	case Resynced:
		return record.KindResync
	case WriteTold:
		if e.Channel != "" && e.New <= Demoted && (e.Outcome == OutcomeConfirmed || e.Outcome == OutcomeRefused || e.Outcome == OutcomeUnknown) {
			return record.KindBusWrite
		}
	case PointChanged:
		if e.Channel != "" {
			return record.KindPointQuality
		}
	case Measured:
		if e.agrees() {
			return record.KindBusMeasures
		}
	case Backlog:
		if asCount(e.Acknowledged) <= asCount(e.Sent) {
			return record.KindTelemetryBacklog
		}
	}
	return record.KindNone
}

// agrees tells whether the exchanges over a budget agree with the longest one, as records have it.
func (e *Event) agrees() bool {
	took, limit := max(e.Took, 0)/1000, e.Limit/1000
	return asInt(e.Over) <= asInt(e.Count) && (e.Limit <= 0 || took == limit || (took > limit) == (e.Over > 0))
}

// Fill gives a body that was begun with the kind of Record the fields of the event, all but device_id, which is Device where that is
// named. What a driver says is cut to 200 bytes of UTF-8, and a number that cannot be is the nearest that can.
func (e *Event) Fill(b *record.Body) {
	b.Count(record.SeenMonoNS, asCount(e.At))
	if e.Cause != "" {
		b.Text(record.Detail, asText(e.Cause))
	}
	switch e.Kind {
	case LinkChanged, SLABroken:
		e.fillState(b)
	case LinkFailover:
		b.Text(record.FromPath, asText(e.From))
		b.Text(record.ToPath, asText(e.To))
		b.Decimal(record.GapMS, max(e.Took, 0)/1000, 3)
		b.Count(record.ReconnectCount, e.Reconnects)
		e.fillAge(b)
	case Resynced:
		b.Int(record.TagsRead, asInt(e.Count))
		b.Decimal(record.ElapsedMS, max(e.Took, 0)/1000, 3)
		b.Count(record.ReconnectCount, e.Reconnects)
		e.fillAge(b)
	case WriteTold:
		b.Text(record.PhysicalChannel, asText(e.Channel))
		b.Int(record.WriteID, int64(e.WriteID))
		b.Text(record.Outcome, asText(e.Outcome))
		b.Text(record.WatchdogState, e.New.String())
		e.fillStatus(b)
		e.fillAge(b)
	case PointChanged:
		b.Text(record.PhysicalChannel, asText(e.Channel))
		b.Text(record.Quality, e.Status.quality())
		b.Text(record.OPCUAStatus, e.Status.text())
		e.fillAge(b)
	case Measured:
		b.Decimal(record.ControlPlaneLatencyMS, max(e.Took, 0)/1000, 3)
		if e.Limit > 0 {
			b.Text(record.LatencyBudget, string(quantity.AppendDecimal(nil, e.Limit/1000, 3))+" ms")
		}
		b.Int(record.Exchanges, asInt(e.Count))
		b.Int(record.OverBudget, asInt(e.Over))
	case Backlog:
		b.Count(record.TelemetryBacklog, asCount(e.Buffered))
		b.Count(record.TelemetrySent, asCount(e.Sent))
		b.Count(record.TelemetryAcked, asCount(e.Acknowledged))
		b.Count(record.TelemetryDropped, asCount(e.Dropped))
		b.Count(record.TelemetryTaken, asCount(e.Buffered)+asCount(e.Acknowledged)+asCount(e.Dropped))
	}
}

// fillState gives the fields of a link_state.
func (e *Event) fillState(b *record.Body) {
	old, result := e.Old.String(), ResultChanged
	state := e.New.String()
	if e.Kind == SLABroken {
		old, result = state, ResultLate
		b.Int(record.Limit, max(e.Limit, 0)/1_000_000)
	}
	b.Text(record.WatchdogState, state)
	b.Text(record.OldValue, old)
	b.Text(record.Result, result)
	b.Decimal(record.ElapsedMS, max(e.Took, 0)/1000, 3)
	b.Count(record.ReconnectCount, e.Reconnects)
	e.fillStatus(b)
	e.fillAge(b)
}

// fillStatus gives the status, which is left out where it is good.
func (e *Event) fillStatus(b *record.Body) {
	if e.Status != StatusGood {
		b.Text(record.OPCUAStatus, e.Status.text())
	}
}

// fillAge gives the age of the last valid reply, which is left out where there was none, and of a value how old it may be.
func (e *Event) fillAge(b *record.Body) {
	if e.Age >= 0 {
		b.Int(record.AgeMS, e.Age/1_000_000)
	}
	if (e.Kind == WriteTold || e.Kind == PointChanged) && e.Limit > 0 {
		b.Int(record.Limit, e.Limit/1_000_000)
	}
}

// text gives a status as records spell it: 0x and eight hex digits.
func (s Status) text() string {
	const hex = "0123456789ABCDEF"
	out := []byte("0x00000000")
	for i := range 8 {
		out[9-i] = hex[s>>(4*i)&15]
	}
	return string(out)
}

// quality is what the two highest bits of a status say: GOOD, STALE (uncertain) or BAD.
func (s Status) quality() string {
	return [...]string{"GOOD", "STALE", "BAD", "BAD"}[s>>30]
}

func asCount(n int64) uint64 { return uint64(max(n, 0)) }

func asInt(n int64) int64 { return min(max(n, 0), maxNumber) }

// asText makes of what a driver says what a record takes.
func asText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for len(s) > maxSaid || !utf8.ValidString(s) {
		s = s[:min(len(s)-1, maxSaid)]
	}
	return s
}
