// What happens on a bus: it is on record in its order, losses are told, devices are held, and a write that was refused says so.

package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// busPlant is the plant of the demo behind a bus that tells what a script says.
type busPlant struct {
	*sim.Plant
	to     func(fieldbus.Event)
	held   []bool
	script []fieldbus.Event // by At, ascending
	refuse map[string]error // by channel: what its writes come to
	until  int64            // when refuse ends, 0: never
	writes []tag.Write
}

func newBusPlant() *busPlant { return &busPlant{Plant: sim.NewPlant(7), refuse: map[string]error{}} }

func (b *busPlant) Report(to func(fieldbus.Event)) { b.to = to }
func (b *busPlant) Hold(held bool)                 { b.held = append(b.held, held) }

// Next is when something comes of the plant, or is told.
func (b *busPlant) Next() int64 {
	if len(b.script) > 0 {
		return min(b.Plant.Next(), b.script[0].At)
	}
	return b.Plant.Next()
}

func (b *busPlant) Advance(now int64, emit func(tag.Raw)) {
	for len(b.script) > 0 && b.script[0].At <= now {
		b.to(b.script[0])
		b.script = b.script[1:]
	}
	b.Plant.Advance(now, emit)
}

func (b *busPlant) Apply(now int64, w tag.Write) (int64, error) {
	b.writes = append(b.writes, w)
	if err := b.refuse[w.Channel]; err != nil && !w.Safe && (b.until == 0 || now < b.until) {
		return now + 1_000_000, err
	}
	return b.Plant.Apply(now, w)
}

// busRun runs the demo in virtual time on a port, and returns its records.
func busRun(t *testing.T, rig Rig, schedule ...Scheduled) (list []*record.Record, res Result) {
	t.Helper()
	return busRunOf(t, demoBatch(t, 7), rig, schedule...)
}

func busRunOf(t *testing.T, b *batch.Batch, rig Rig, schedule ...Scheduled) (list []*record.Record, res Result) {
	t.Helper()
	res, err := Run(t.Context(), b, rig, &Options{Virtual: &Virtual{}, Schedule: schedule,
		Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") },
		Record: func(_ record.Kind, body []byte) {
			rec, err := record.Parse(slices.Clone(body))
			require.NoError(t, err)
			list = append(list, rec)
		}})
	require.NoError(t, err)
	return list, res
}

// outage is what a line tells of a device that comes up, is lost, and comes back by another way.
func outage(device string) []fieldbus.Event {
	const ms = 1_000_000
	return []fieldbus.Event{
		{Kind: fieldbus.LinkChanged, At: 1 * ms, Device: device, New: fieldbus.Connecting, Cause: "time to try", Age: -1},
		{Kind: fieldbus.LinkChanged, At: 3 * ms, Device: device, Old: fieldbus.Connecting, New: fieldbus.Syncing, Took: 2 * ms, Age: -1},
		{Kind: fieldbus.LinkChanged, At: 9 * ms, Device: device, Old: fieldbus.Syncing, New: fieldbus.Up, Took: 6 * ms},
		{Kind: fieldbus.Resynced, At: 9 * ms, Device: device, Count: 12, Took: 9 * ms},
		{Kind: fieldbus.PointChanged, At: 3 * second, Device: device, Channel: "ai/1", Status: fieldbus.StatusSensorFailure, Cause: "exception 4", Age: 200 * ms},
		{Kind: fieldbus.PointChanged, At: 4 * second, Device: device, Channel: "ai/1"},
		{Kind: fieldbus.LinkChanged, At: 5 * second, Device: device, Old: fieldbus.Up, New: fieldbus.Degraded, Took: 5*second - 9*ms, Cause: "no reply",
			Age: 300 * ms},
		{Kind: fieldbus.LinkChanged, At: 6 * second, Device: device, Old: fieldbus.Degraded, New: fieldbus.Down, Took: second, Cause: "no reply",
			Status: fieldbus.StatusNotConnected, Age: 1300 * ms},
		{Kind: fieldbus.SLABroken, At: 16 * second, Device: device, New: fieldbus.Down, Took: 10 * second, Limit: 10 * second, Age: 11_300 * ms},
		{Kind: fieldbus.LinkChanged, At: 25 * second, Device: device, New: fieldbus.Connecting, Took: 19 * second, Age: 20_300 * ms},
		{Kind: fieldbus.LinkChanged, At: 26 * second, Device: device, Old: fieldbus.Connecting, New: fieldbus.Syncing, Took: second, Reconnects: 1,
			Age: 21_300 * ms},
		{Kind: fieldbus.LinkChanged, At: 27 * second, Device: device, Old: fieldbus.Syncing, New: fieldbus.Up, Took: second, Reconnects: 1},
		{Kind: fieldbus.Resynced, At: 27 * second, Device: device, Count: 12, Took: 21 * second, Reconnects: 1},
		{Kind: fieldbus.LinkFailover, At: 27 * second, Device: device, From: "tcp://10.0.0.7:502", To: "tcp://10.1.0.7:502", Took: 21 * second,
			Reconnects: 1, Cause: "no reply"},
		{Kind: fieldbus.Measured, At: 30 * second, Device: device, Took: 18_500_000, Limit: 500 * ms, Count: 600},
		{Kind: fieldbus.Backlog, At: 31 * second, Buffered: 3, Sent: 120, Acknowledged: 97, Dropped: 40, Cause: "caught up"},
	}
}

// notesOf are the records about a bus.
func notesOf(list []*record.Record) (notes []*record.Record) {
	return slices.DeleteFunc(slices.Clone(list), func(r *record.Record) bool { return !r.Kind.Spec().Field })
}

func TestWhatABusTellsIsOnRecordInItsOrderAndThePackageVerifiesAndReplays(t *testing.T) {
	port, dir := newBusPlant(), filepath.Join(t.TempDir(), "batch")
	port.script = outage("PLC-301")
	list, res := busRun(t, Rig{Port: port, Dir: dir})
	require.Equal(t, sequencer.Complete, res.State)
	require.Zero(t, res.EventsLost)
	notes := notesOf(list)
	require.Len(t, notes, len(outage("PLC-301")))
	for i, ev := range outage("PLC-301") {
		rec := notes[i]
		require.Equal(t, ev.Record(), rec.Kind, "note %d", i)
		require.EqualValues(t, ev.At, rec.Count(record.SeenMonoNS))
		require.Equal(t, map[bool]string{true: "PLC-301", false: "CTRL-01"}[ev.Device != ""], rec.Text(record.DeviceID))
		require.False(t, rec.Has(record.EventsLost))
		require.LessOrEqual(t, rec.Count(record.TsMonoNS), rec.Count(record.SeenMonoNS))
	}
	down := notes[7]
	require.Equal(t, "DOWN DEGRADED 1000.000 0 1300 0x808A0000 no reply", strings.Join([]string{down.Text(record.WatchdogState), down.Text(record.OldValue),
		down.Text(record.ElapsedMS), down.Text(record.ReconnectCount), down.Text(record.AgeMS), down.Text(record.OPCUAStatus), down.Text(record.Detail)}, " "))
	require.Equal(t, "late 10000", notes[8].Text(record.Result)+" "+notes[8].Text(record.Limit))
	require.NotEmpty(t, notes[4].Text(record.LogicalTag), "the map names the channel")

	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	replay, err := evidence.Replay(dir)
	require.NoError(t, err)
	require.Nil(t, replay.Divergence)
	again, _ := busRun(t, Rig{Port: func() tag.Port { p := newBusPlant(); p.script = outage("PLC-301"); return p }(), Dir: filepath.Join(t.TempDir(), "batch")})
	for i := range list {
		require.Equal(t, string(list[i].Body), string(again[i].Body), "virtual time gives the same bytes")
	}
}

func TestABatchHoldsItsDevicesFromItsBeginningToItsEndAndADryRunNever(t *testing.T) {
	port := newBusPlant()
	at := map[bool]int{}
	list, _ := busRun(t, Rig{Port: port, Dir: filepath.Join(t.TempDir(), "batch")}, Scheduled{At: second, Do: func(*Runner) { at[port.held[0]] = len(port.held) }})
	require.NotEmpty(t, list)
	require.Equal(t, map[bool]int{true: 1}, at)
	require.Equal(t, []bool{true, false}, port.held)
	require.NotPanics(t, func() { port.to(fieldbus.Event{}) }, "who tells when it is over is heard by nobody")

	b := demoBatch(t, 7)
	b.DryRun = true
	port = newBusPlant()
	port.script = outage("PLC-301")[:2]
	rig, err := dry(b, Rig{Port: port})
	require.NoError(t, err)
	_, holds := behind[Holder](rig.Port)
	require.False(t, holds, "what is driven by others is not held")
	reporter, reports := behind[Reporter](rig.Port)
	require.True(t, reports)
	reporter.Report(func(fieldbus.Event) {})
	require.NotNil(t, port.to)
}

func TestAPortIsFoundBehindThoseAroundIt(t *testing.T) {
	port := newBusPlant()
	other := sim.NewPlant(1)
	whole, err := Join(Part{Name: "bus", Port: sim.NewRecorder(sim.NewRecorder(port, nil, nil, 0), nil, nil, 0), Channels: []string{"do/1"}},
		Part{Name: "board", Port: other, Channels: []string{"do/2"}})
	require.NoError(t, err)
	told := 0
	reporter, ok := behind[Reporter](whole)
	require.True(t, ok)
	reporter.Report(func(fieldbus.Event) { told++ })
	port.to(fieldbus.Event{})
	require.Equal(t, 1, told)
	holder, ok := behind[Holder](whole)
	require.True(t, ok)
	holder.Hold(true)
	require.Equal(t, []bool{true}, port.held)
	_, ok = behind[Reporter](other)
	require.False(t, ok)
	round := &around{}
	round.port = round
	_, ok = behind[Reporter](round)
	require.False(t, ok, "a port that stands around itself is given up")
}

// around is a port around itself.
type around struct {
	tag.Port
	port tag.Port
}

func (r *around) Unwrap() tag.Port { return r.port }

func TestEventsBeyondTheQueueAreCountedAndTheNextNoteSaysHowMany(t *testing.T) {
	port := newBusPlant()
	lost := uint64(0)
	for n := range MaxBusEvents + 500 { // all at once: the oldest go
		port.script = append(port.script, fieldbus.Event{Kind: fieldbus.Measured, At: second, Device: "PLC-301", Count: int64(n)})
	}
	port.script = append(port.script, fieldbus.Event{Kind: 99, At: 10 * second}, fieldbus.Event{Kind: fieldbus.LinkChanged, At: 10 * second, New: 77},
		fieldbus.Event{Kind: fieldbus.WriteTold, At: 10 * second, Channel: "x", Outcome: "PERHAPS"}, fieldbus.Event{Kind: fieldbus.Measured, At: 30 * second, Device: "PLC-301"})
	list, res := busRun(t, Rig{Port: port, Dir: filepath.Join(t.TempDir(), "batch")})
	notes := notesOf(list)
	for _, rec := range notes {
		lost += rec.Count(record.EventsLost)
	}
	require.EqualValues(t, 503, lost)
	require.EqualValues(t, 503, res.EventsLost)
	require.EqualValues(t, 500, notes[0].Int(record.Exchanges), "the oldest are those that are lost")
	require.EqualValues(t, 500, notes[0].Count(record.EventsLost))
	require.Len(t, notes, MaxBusEvents+1)
	require.EqualValues(t, 3, notes[MaxBusEvents].Count(record.EventsLost))
}

func TestAnEventThatDoesNotFollowFromTheLastOneOfItsDeviceSaysThatSomethingIsMissing(t *testing.T) {
	port, dir := newBusPlant(), filepath.Join(t.TempDir(), "batch")
	port.script = slices.Delete(outage("PLC-301"), 7, 8) // it is down, and nobody has told
	_, res := busRun(t, Rig{Port: port, Dir: dir})
	require.Equal(t, sequencer.Complete, res.State)
	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	q, err := evidence.ParseQuery([]string{"events_lost=1", "device_id=PLC-301"})
	require.NoError(t, err)
	x := filepath.Join(t.TempDir(), "x")
	_, err = evidence.Export(dir, x, q)
	require.NoError(t, err)
	rep, err = evidence.Verify(x)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
}

// A write that is refused - its device is stale, or its link is down - holds the batch, and every record of that says so.
func TestAWriteThatIsRefusedHoldsTheBatchAndTheReasonNamesIt(t *testing.T) {
	port, dir := newBusPlant(), filepath.Join(t.TempDir(), "batch")
	port.refuse["do/1"] = fmt.Errorf("line: device \"PLC-301\": do/1 is STALE, its link is DOWN: %w", fieldbus.ErrRefused)
	port.until = 30 * second
	list, res := busRun(t, Rig{Port: port, Dir: dir}, Scheduled{At: 60 * second, Do: func(r *Runner) {
		require.NoError(t, r.Tell(Command{Command: sequencer.Restart, Operator: "op1", Reason: "the link is up"}))
	}})
	require.Equal(t, sequencer.Complete, res.State)
	of := func(k record.Kind, key record.Key, value string) *record.Record {
		i := slices.IndexFunc(list, func(r *record.Record) bool { return r.Kind == k && r.Text(key) == value })
		require.GreaterOrEqual(t, i, 0, "%s %s", k, value)
		return list[i]
	}
	done := of(record.KindWriteDone, record.Outcome, "REFUSED")
	require.Equal(t, "unknown", done.Text(record.Result))
	require.Contains(t, done.Text(record.Detail), "its link is DOWN: write refused")
	fault := of(record.KindOutputFault, record.LogicalTag, "XV101")
	require.Equal(t, "write refused", fault.Text(record.Detail))
	require.Contains(t, fault.Counts(record.Cause), done.Seq())
	require.NotEmpty(t, of(record.KindBatchState, record.BatchState, "Holding").Counts(record.Cause))
	require.Equal(t, "write refused", of(record.KindStepState, record.StepState, "hold").Text(record.Detail))
	safe := slices.IndexFunc(port.writes, func(w tag.Write) bool { return w.Channel == "do/1" && w.Bits == 1 }) + 1
	i := slices.IndexFunc(port.writes[safe:], func(w tag.Write) bool { return w.Channel == "do/1" })
	require.Equal(t, [2]any{uint64(0), true}, [2]any{port.writes[safe+i].Bits, port.writes[safe+i].Safe}, "its safe value follows")

	why, err := evidence.Why(dir, fault.Seq())
	require.NoError(t, err)
	require.Contains(t, why.String(), "was refused: nothing was written")
	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	replay, err := evidence.Replay(dir)
	require.NoError(t, err)
	require.Nil(t, replay.Divergence, "a replay gives the same bytes")
}

func TestAWriteOfUnknownOutcomeHoldsTheBatchAsBeforeAndItsRecordSaysThatItIsUnknown(t *testing.T) {
	port := newBusPlant()
	port.refuse["do/1"] = fmt.Errorf("no reply: %w, %w", fieldbus.ErrRefused, fieldbus.ErrUnknown) // the worse counts
	port.until = 30 * second
	list, res := busRun(t, Rig{Port: port, Dir: filepath.Join(t.TempDir(), "batch")}, Scheduled{At: 60 * second, Do: func(r *Runner) {
		require.NoError(t, r.Tell(Command{Command: sequencer.Restart, Operator: "op1", Reason: "test"}))
	}})
	require.Equal(t, sequencer.Complete, res.State)
	outcomes := map[string]int{}
	for _, r := range list {
		switch r.Kind {
		case record.KindWriteDone:
			outcomes[r.Text(record.Result)+" "+r.Text(record.Outcome)]++
		case record.KindOutputFault:
			require.Equal(t, "write not confirmed", r.Text(record.Detail))
		}
	}
	require.Equal(t, 1, outcomes["unknown UNKNOWN"])
	require.Len(t, outcomes, 2, "what is confirmed needs no outcome: %v", outcomes)
}

// What goes towards the safe value says so to the port, which lets it through where a control write is blocked.
func TestEveryWriteSaysWhetherItIsSafe(t *testing.T) {
	port := newBusPlant()
	list, _ := busRun(t, Rig{Port: port, Dir: filepath.Join(t.TempDir(), "batch")})
	said := map[uint32]bool{}
	for _, r := range list {
		if r.Kind == record.KindOutputWrite {
			said[uint32(r.Int(record.WriteID))] = r.Bool(record.SafeDirection)
		}
	}
	some := map[bool]int{}
	for _, w := range port.writes {
		require.Equal(t, said[w.ID], w.Safe, "write %d", w.ID)
		some[w.Safe]++
	}
	require.Len(t, some, 2)
	for _, w := range safeWrites(demoBatch(t, 7).Plan.Map, false, nil) {
		require.True(t, w.Safe, "what makes safe without a batch")
	}
}

// In real time events come from any goroutine, at any time, behind the end too.
func TestInRealTimeEventsComeFromAnywhereAndEachIsNotedOnceOrCounted(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	inBubble(t, func(s *site) {
		port := &busWires{wires: s.wires, rnd: rand.New(rand.NewPCG(seed, 3))}
		s.rig.Port = port
		res := s.complete()
		noted := uint64(len(s.of(record.KindPointQuality)))
		require.Positive(t, noted)
		require.Equal(t, port.told, noted+res.EventsLost)
	})
}

// busWires are wires that tell of points in bursts.
type busWires struct {
	*wires
	to   func(fieldbus.Event)
	rnd  *rand.Rand
	told uint64
}

func (b *busWires) Report(to func(fieldbus.Event)) { b.to = to }

func (b *busWires) Watch(ctx context.Context, emit func(tag.Raw)) error {
	return b.wires.Watch(ctx, func(raw tag.Raw) {
		for range b.rnd.IntN(3) {
			b.told++
			b.to(fieldbus.Event{Kind: fieldbus.PointChanged, Device: "PLC-301", Channel: raw.Channel, At: b.s.clock.Now() - b.rnd.Int64N(second)})
		}
		emit(raw)
	})
}

func TestAPortThatPanicsWhenItIsToReportEndsTheRunWithItsOutputsSafe(t *testing.T) {
	_, err := Run(t.Context(), demoBatch(t, 7), Rig{Port: mute{sim.NewPlant(7)}, Dir: "memory"}, &Options{Virtual: &Virtual{}, Storage: newMemory()})
	require.ErrorContains(t, err, "Port.Report: panic: nobody may listen")
}

type mute struct{ *sim.Plant }

func (mute) Report(func(fieldbus.Event)) { panic(errors.New("nobody may listen")) }
