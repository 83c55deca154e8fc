// Claims about events as records: each kind has one, hostile words are cut, and what is no event has none.

package fieldbus

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
)

// noteOf is the record of an event.
func noteOf(t testing.TB, ev *Event) *record.Record {
	t.Helper()
	var b record.Body
	b.Begin(ev.Record())
	b.Count(record.EventSeq, 1)
	b.Text(record.JournalID, "J-1")
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Text(record.SyncState, "UNSET")
	b.Text(record.TimeSource, "")
	b.Text(record.DeviceID, "plc1")
	ev.Fill(&b)
	body, err := b.Append(nil)
	require.NoError(t, err)
	rec, err := record.Parse(body)
	require.NoError(t, err)
	return rec
}

func TestEachKindOfEventHasARecordAndWhatIsNoneHasNone(t *testing.T) {
	for ev, want := range map[Event]record.Kind{
		{Kind: LinkChanged, New: Up}:  record.KindLinkState,
		{Kind: SLABroken}:             record.KindLinkState,
		{Kind: LinkFailover, To: "b"}: record.KindLinkFailover,
		{Kind: Resynced}:              record.KindResync,
		{Kind: WriteTold, Channel: "x", Outcome: OutcomeUnknown}:   record.KindBusWrite,
		{Kind: WriteTold, Channel: "x", Outcome: OutcomeRefused}:   record.KindBusWrite,
		{Kind: WriteTold, Channel: "x", Outcome: OutcomeConfirmed}: record.KindBusWrite,
		{Kind: PointChanged, Channel: "x"}:                         record.KindPointQuality,
		{Kind: Measured}:                                           record.KindBusMeasures,
		{Kind: Backlog}:                                            record.KindTelemetryBacklog,

		{}:                                     record.KindNone,
		{Kind: Backlog + 1}:                    record.KindNone,
		{Kind: LinkChanged}:                    record.KindNone, // it was DOWN and is
		{Kind: LinkChanged, New: linkStates}:   record.KindNone,
		{Kind: LinkChanged, Old: 255, New: Up}: record.KindNone,
		{Kind: SLABroken, New: 255}:            record.KindNone,
		{Kind: LinkFailover}:                   record.KindNone,
		{Kind: WriteTold, Channel: "x"}:        record.KindNone,
		{Kind: WriteTold, Outcome: "UNKNOWN"}:  record.KindNone,
		{Kind: WriteTold, Channel: "x", Outcome: "UNKNOWN", New: 99}: record.KindNone,
		{Kind: PointChanged}: record.KindNone,
	} {
		require.Equal(t, want, ev.Record(), "%+v", ev)
		if want != record.KindNone {
			require.Equal(t, want, noteOf(t, &ev).Kind)
		}
	}
}

func TestAStatusIsSpeltInHexAndItsHighestBitsAreTheQuality(t *testing.T) {
	for s, want := range map[Status]string{StatusGood: "0x00000000 GOOD", StatusLastUsable: "0x40900000 STALE", StatusNotConnected: "0x808A0000 BAD",
		0xFFFFFFFF: "0xFFFFFFFF BAD"} {
		require.Equal(t, want, s.text()+" "+s.quality())
	}
}

func TestTheNumbersOfABacklogAddUp(t *testing.T) {
	rec := noteOf(t, &Event{Kind: Backlog, Buffered: 3, Sent: 120, Acknowledged: 97, Dropped: 40})
	require.EqualValues(t, 140, rec.Count(record.TelemetryTaken))
	require.EqualValues(t, 3, rec.Count(record.TelemetryBacklog))
}

func TestTheAgeOfWhatWasNeverHeardIsAbsent(t *testing.T) {
	require.False(t, noteOf(t, &Event{Kind: LinkChanged, New: Connecting, Age: -1}).Has(record.AgeMS))
	rec := noteOf(t, &Event{Kind: WriteTold, Channel: "x", Outcome: OutcomeRefused, Age: 1_999_999, Limit: 500_000_000})
	require.Equal(t, [2]int64{1, 500}, [2]int64{rec.Int(record.AgeMS), rec.Int(record.Limit)})
}

// A driver is a stranger's code: whatever it tells, a record can be made of it.
func FuzzAnyEventIsARecordOrNone(f *testing.F) {
	f.Add(uint8(LinkChanged), uint8(Down), uint8(Up), "no reply", "ai/1", "REFUSED", int64(-1), int64(math.MaxInt64), uint32(0x808A0000), uint64(3))
	f.Add(uint8(WriteTold), uint8(0), uint8(0), strings.Repeat("\xff\u2028", 200), "\x00", "UNKNOWN", int64(math.MinInt64), int64(-5), uint32(0), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, kind, was, is uint8, cause, channel, outcome string, a, b int64, status uint32, n uint64) {
		ev := Event{Kind: EventKind(kind), At: a, Device: "plc1", Channel: channel, Old: LinkState(was), New: LinkState(is), Cause: cause,
			Status: Status(status), From: cause, To: channel, Reconnects: n, Took: b, Age: a, Limit: b, Count: a, Over: b, WriteID: uint32(n),
			Outcome: outcome, Buffered: a, Sent: b, Acknowledged: a, Dropped: b}
		if ev.Record() != record.KindNone {
			rec := noteOf(t, &ev)
			require.LessOrEqual(t, len(rec.Text(record.Detail)), maxSaid)
		}
	})
}
