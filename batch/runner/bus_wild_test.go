// Whatever a port tells: it is noted, or counted as lost, and the package verifies.

package runner

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// wildEvent is an event that a port of somebody else may tell, sound or not.
func wildEvent(rnd *rand.Rand, at int64) fieldbus.Event {
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	number := func() int64 { return []int64{-1 << 63, -1, 0, 1, 999, 20_000_000, 20_000_001, 1<<63 - 1}[rnd.IntN(8)] }
	state := func() fieldbus.LinkState { return fieldbus.LinkState(rnd.IntN(8)) }
	return fieldbus.Event{Kind: fieldbus.EventKind(rnd.IntN(10)), At: at, Device: pick("PLC-301", "PLC-301", "X", "", "\xff\x00\"", string(make([]byte, 5000))),
		Channel: pick("do/1", "ai/1", "", "nowhere", "\xff\n"), Old: state(), New: state(), Cause: pick("", "no reply", "\xff\x00", string(make([]byte, 5000))),
		Status: fieldbus.Status(rnd.Uint32()) >> (rnd.IntN(2) * 31), From: pick("", "a", "b"), To: pick("", "a", "b"), Reconnects: uint64(rnd.IntN(3)),
		Took: number(), Age: number(), Limit: number(), Count: number(), Over: number(), WriteID: uint32(rnd.IntN(6)),
		Outcome:  pick(fieldbus.OutcomeConfirmed, fieldbus.OutcomeRefused, fieldbus.OutcomeUnknown, ""),
		Buffered: number(), Sent: number(), Acknowledged: number(), Dropped: number()}
}

func TestWhateverAPortTellsIsNotedOrCountedAndThePackageVerifies(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for n := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, n))
		port, dir := newBusPlant(), filepath.Join(t.TempDir(), "batch")
		for at := int64(1); at < 200; at++ {
			ev := wildEvent(rnd, at*100_000_000)
			if ev.Outcome == fieldbus.OutcomeRefused { // of a write that it confirms it would contradict itself
				ev.WriteID = 0
			}
			port.script = append(port.script, ev)
		}
		b := demoBatch(t, 7)
		if n%2 == 1 {
			b = busBatch(t, "", "", "")
		}
		list, res := busRunOf(t, b, Rig{Port: port, Dir: dir})
		require.Equal(t, sequencer.Complete, res.State)
		require.Empty(t, port.script, "all was told")
		require.GreaterOrEqual(t, uint64(len(notesOf(list)))+res.EventsLost, uint64(199))
		rep, err := evidence.Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		replay, err := evidence.Replay(dir)
		require.NoError(t, err)
		require.Nil(t, replay.Divergence)
	}
}

// A write of the batch before, whose outcome a line finds out late, is none of this batch.
func TestAnEventAboutAWriteThatThisRunHasNotHandedOutNamesNone(t *testing.T) {
	port, dir := newBusPlant(), filepath.Join(t.TempDir(), "batch")
	for _, id := range []uint32{1, 9999} {
		port.script = append(port.script, fieldbus.Event{Kind: fieldbus.WriteTold, At: 1_000_000, Device: "PLC-301", Channel: "do/8", WriteID: id,
			Outcome: fieldbus.OutcomeConfirmed, New: fieldbus.Up, Cause: "read back: it has the value"})
	}
	list, _ := busRun(t, Rig{Port: port, Dir: dir})
	notes := notesOf(list)
	require.Len(t, notes, 2)
	for _, rec := range notes {
		require.Zero(t, rec.Int(record.WriteID))
	}
	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
}

func TestWhatCannotBeByTheTagMapIsNotNotedAndTheNextNoteSaysThatItIsMissing(t *testing.T) {
	port, dir := newBusPlant(), filepath.Join(t.TempDir(), "batch")
	for _, ev := range []fieldbus.Event{
		{Kind: fieldbus.PointChanged, Device: "PLC-302", Channel: "do/1"},                                  // a channel of another
		{Kind: fieldbus.PointChanged, Device: "PLC-301", Channel: "do/99"},                                 // no channel of it
		{Kind: fieldbus.SLABroken, Device: "PLC-301", New: fieldbus.Down, Limit: 11_000_000_000},           // not what is declared
		{Kind: fieldbus.SLABroken, Device: "PLC-301", New: fieldbus.Up, Limit: 10_000_000_000},             // late, although it is up
		{Kind: fieldbus.Measured, Device: "PLC-301", Took: 2, Limit: 20_000_000, Count: 4, Over: 5},        // more than all
		{Kind: fieldbus.Measured, Device: "PLC-301", Took: 30_000_000, Limit: 20_000_000, Count: 4},        // none over it, and one is
		{Kind: fieldbus.Backlog, Device: "historian-1", Buffered: 3, Sent: 1, Acknowledged: 2, Dropped: 1}, // more than was sent
		{Kind: fieldbus.LinkChanged, Device: "OEM-1", New: fieldbus.Connecting},                            // of a port beside the line
	} {
		ev.At = 2 * second
		port.script = append(port.script, ev)
	}
	list, res := busRunOf(t, busBatch(t, "", "", ""), Rig{Port: port, Dir: dir})
	require.EqualValues(t, 7, res.EventsLost)
	notes := notesOf(list)
	require.Len(t, notes, 1)
	require.EqualValues(t, 7, notes[0].Count(record.EventsLost))
	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
}
