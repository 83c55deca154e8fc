// Claims about what a person is told of a bus.

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/journal/record"
)

// ofBus is the record of an event of a bus, or of what became of a write.
func ofBus(t *testing.T, ev *fieldbus.Event, outcome string) *record.Record {
	t.Helper()
	var b record.Body
	if ev != nil {
		b.Begin(ev.Record())
		ev.Fill(&b)
	} else {
		b.Begin(record.KindWriteDone)
		b.Int(record.WriteID, 7)
		b.Text(record.Result, "unknown")
		b.Count(record.DoneMonoNS, 9)
		if outcome != "" {
			b.Text(record.Outcome, outcome)
		}
		b.Text(record.Detail, "plc1 is DOWN")
	}
	b.Count(record.EventSeq, 1)
	b.Text(record.JournalID, "J-1")
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1_500_000_000)
	b.Text(record.SyncState, "RTC_ONLY")
	b.Text(record.TimeSource, "seed")
	b.Text(record.DeviceID, "plc1")
	for _, k := range [...]record.Key{record.BatchID, record.RecipeID, record.RecipeVersion, record.MappingVersion, record.OperatorID,
		record.EquipmentID} {
		b.Text(k, "x")
	}
	body, err := b.Append(nil)
	require.NoError(t, err)
	rec, err := record.Parse(body)
	require.NoError(t, err)
	return rec
}

func TestALinkThatChangesIsALine(t *testing.T) {
	const second = 1_000_000_000
	for want, ev := range map[string]*fieldbus.Event{
		"link plc1: UP (was SYNCING), reconnect 3":               {Kind: fieldbus.LinkChanged, Old: fieldbus.Syncing, New: fieldbus.Up, Reconnects: 3},
		"link plc1: DOWN (was UP), reconnect 0 (no reply)":       {Kind: fieldbus.LinkChanged, Old: fieldbus.Up, Cause: "no reply"},
		"link plc1: STILL DOWN, and was to be up within 3000 ms": {Kind: fieldbus.SLABroken, Limit: 3 * second},
		"link plc1: by b instead of a, 2500.000 ms without":      {Kind: fieldbus.LinkFailover, From: "a", To: "b", Took: 5 * second / 2},
		"link plc1: 12 control tags read, values count":          {Kind: fieldbus.Resynced, Count: 12},
		"ai/1 of plc1 is BAD (0x808C0000) (exception 4)": {Kind: fieldbus.PointChanged, Channel: "ai/1", Status: fieldbus.StatusSensorFailure,
			Cause: "exception 4"},
		"write to do/1 of plc1, link DOWN: REFUSED (stale)": {Kind: fieldbus.WriteTold, Channel: "do/1", Outcome: fieldbus.OutcomeRefused,
			Cause: "stale"},
		"telemetry: 3 wait, 120 sent, 97 acknowledged, 40 dropped": {Kind: fieldbus.Backlog, Buffered: 3, Sent: 120, Acknowledged: 97, Dropped: 40},
		"": {Kind: fieldbus.Measured},
	} {
		r := ofBus(t, ev, "")
		require.Equal(t, want, sentence(nil, r.Kind, r))
		require.Equal(t, want != "", shown(r.Kind), want)
		bad := strings.Contains(want, "DOWN") || strings.Contains(want, "BAD")
		require.Equal(t, bad, grave(r.Kind, r), want)
	}
}

func TestWhatBecameOfAWriteIsALineWhereItIsKnown(t *testing.T) {
	for outcome, want := range map[string]string{"": "", "REFUSED": "write 7 was refused, nothing was written (plc1 is DOWN)",
		"UNKNOWN": "write 7 may have been carried out (plc1 is DOWN)"} {
		r := ofBus(t, nil, outcome)
		require.Equal(t, want, sentence(nil, r.Kind, r))
		require.Equal(t, want != "", grave(r.Kind, r))
	}
}
