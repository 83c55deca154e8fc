// What a person is told of a bus: links that change, points that are no good, writes that were blocked.

package main

import (
	"fmt"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/journal/record"
)

// outcomeWords say what became of a write that was not confirmed.
var outcomeWords = map[string]string{fieldbus.OutcomeRefused: "was refused, nothing was written", fieldbus.OutcomeUnknown: "may have been carried out"}

// bused says what a record tells of a bus, in one line; "" where that is nothing.
func bused(r *record.Record) string {
	text, device := r.Text, r.Text(record.DeviceID)
	switch r.Kind {
	case record.KindLinkState:
		if text(record.Result) == fieldbus.ResultLate {
			return fmt.Sprintf("link %s: STILL %s, and was to be up within %d ms", device, text(record.WatchdogState), r.Int(record.Limit))
		}
		return fmt.Sprintf("link %s: %s (was %s), reconnect %s%s", device, text(record.WatchdogState), text(record.OldValue),
			text(record.ReconnectCount), bracket(text(record.Detail)))
	case record.KindLinkFailover:
		return fmt.Sprintf("link %s: by %s instead of %s, %s ms without%s", device, text(record.ToPath), text(record.FromPath), text(record.GapMS),
			bracket(text(record.Detail)))
	case record.KindResync:
		return fmt.Sprintf("link %s: %d control tags read, values count", device, r.Int(record.TagsRead))
	case record.KindPointQuality:
		return fmt.Sprintf("%s of %s is %s (%s)%s", named(r), device, text(record.Quality), text(record.OPCUAStatus), bracket(text(record.Detail)))
	case record.KindBusWrite:
		return fmt.Sprintf("write to %s of %s, link %s: %s%s", named(r), device, text(record.WatchdogState), text(record.Outcome),
			bracket(text(record.Detail)))
	case record.KindWriteDone:
		if outcome := text(record.Outcome); outcome != "" {
			return fmt.Sprintf("write %d %s%s", r.Int(record.WriteID), outcomeWords[outcome], bracket(text(record.Detail)))
		}
	case record.KindTelemetryBacklog:
		return fmt.Sprintf("telemetry: %s wait, %s sent, %s acknowledged, %s dropped", text(record.TelemetryBacklog), text(record.TelemetrySent),
			text(record.TelemetryAcked), text(record.TelemetryDropped))
	}
	return ""
}

// named is the tag of a channel, or the channel where the map has none.
func named(r *record.Record) string {
	if name := r.Text(record.LogicalTag); name != "" {
		return name
	}
	return r.Text(record.PhysicalChannel)
}
