// Claims about interlocks and alarms: what blocks, trips, latches and is told, for every kind, latch and quality.

package iomap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

const guardTags = `
mapping: G
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: XV2, physical_channel: do/2, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: LT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 1 L, gain: 1 L, stale_after: 2 s}
  - {logical_tag: ZS1, physical_channel: di/1, direction: in, type: switch, words: [closed, open], stale_after: 2 s}
`

const (
	xv1 = tag.ID(iota)
	xv2
	lt1
	zs1
)

// desk is a plant with its image and its guard.
type desk struct {
	m   *iomap.Map
	io  *iomap.Machine
	g   *iomap.Guard
	now int64
}

func newDesk(t *testing.T, guards string) *desk {
	t.Helper()
	m := parse(t, guardTags+guards)
	d := &desk{m: m, io: iomap.NewMachine(m), g: iomap.NewGuard(m)}
	d.now = ms
	return d
}

// read lets a value come in at the desk's time.
func (d *desk) read(id tag.ID, v int64, q tag.Quality) []iomap.Notice {
	fx := d.io.Step(d.now, &iomap.Event{Kind: iomap.Sample, Tag: id, Form: d.m.Tags[id].Form, Bits: uint64(v), Quality: q}, nil)
	return told(d.g.Step(d.now, d.io, fx, nil))
}

// to lets time pass, each deadline at its own time.
func (d *desk) to(at int64) (all []iomap.Notice) {
	for due := min(d.io.Wake(), d.g.Wake()); due <= at; due = min(d.io.Wake(), d.g.Wake()) {
		d.now = max(d.now, due)
		fx := d.io.Step(d.now, &iomap.Event{Kind: iomap.Tick}, nil)
		all = append(all, d.g.Step(d.now, d.io, fx, nil)...)
	}
	d.now = at
	return told(all)
}

// told leaves out raw edges.
func told(all []iomap.Notice) (list []iomap.Notice) {
	for _, n := range all {
		if n.Kind != iomap.RawEdge {
			list = append(list, n)
		}
	}
	return list
}

func words(list []iomap.Notice) string {
	status := []string{"permits", "unsettled", "not permitted", "tripped", "latched"}
	var w []string
	for _, n := range list {
		switch n.Kind {
		case iomap.InterlockDecide:
			w = append(w, status[n.To])
		case iomap.AlarmDecide:
			w = append(w, n.Edge.String()+" "+n.Is.String())
		}
	}
	return strings.Join(w, ", ")
}

func TestEachKindLatchAndQualityBlocksTripsAndClearsAsTheTableSays(t *testing.T) {
	const when = "{interlock_id: I, kind: %s, when: \"LT1 %s 10 L\", debounce: 100 ms%s, gates: [XV1]%s}"
	for _, c := range []struct {
		kind, op, latch  string
		violated, gone   string // what is told when the violation has lasted, and when it has been gone for as long
		blocksAfterwards bool
		reset            string // what a reset says while it is violated
		resets           string // and afterwards
	}{
		{"permissive", ">=", "", "not permitted", "permits", false, "a permissive does not latch", ""},
		{"trip", "<", "auto", "tripped", "permits", false, "its violation lasts", ""},
		{"trip", "<", "until_reset", "tripped", "latched", true, "its violation lasts", "permits"},
		{"safety_trip", "<", "", "tripped", "permits", false, "clear it at the PLC", "clear it at the PLC"},
	} {
		latch, reaction := "", ", reaction: hold"
		if c.latch != "" {
			latch = ", latch: " + c.latch
		}
		if c.kind == "permissive" {
			reaction = ""
		}
		for _, q := range []tag.Quality{tag.Good, tag.Stale, tag.Bad} {
			name := fmt.Sprint(c.kind, " ", c.latch, " ", q)
			d := newDesk(t, "interlocks:\n  - "+fmt.Sprintf(when, c.kind, c.op, latch, reaction))
			d.read(lt1, 50, tag.Good)
			require.Empty(t, told(d.g.Boot(d.now, d.io, nil)), name)
			require.False(t, d.g.Blocks(0), name)
			began := d.now
			switch q {
			case tag.Good:
				require.Empty(t, d.read(lt1, 9, tag.Good), name)
			case tag.Bad:
				require.Empty(t, d.read(lt1, 50, tag.Bad), name)
			default: // it becomes STALE by its age
				began += 2000*ms + 1
			}
			require.Empty(t, d.to(began+100*ms-1), name)
			require.False(t, d.g.Blocks(0), name)
			require.Equal(t, c.violated, words(d.to(began+100*ms)), name)
			require.True(t, d.g.Blocks(0), name)
			_, why := d.g.Reset(d.now, d.io, 0, nil)
			require.Contains(t, why, c.reset, name)
			require.Empty(t, d.read(lt1, 50, tag.Good), name)
			gone := d.now
			require.Empty(t, d.to(gone+100*ms-1), name)
			require.Equal(t, c.gone, words(d.to(gone+100*ms)), name)
			require.Equal(t, c.blocksAfterwards, d.g.Blocks(0), name)
			fx, why := d.g.Reset(d.now, d.io, 0, nil)
			if c.kind == "safety_trip" {
				require.Contains(t, why, c.resets, name)
				continue
			}
			require.Empty(t, why, name)
			require.Equal(t, c.resets, words(fx), name)
			require.False(t, d.g.Blocks(0), name)
		}
	}
}

func TestABootBlocksAtOnceWhatIsViolatedAndTripsItWhenThatHasLasted(t *testing.T) {
	d := newDesk(t, `
interlocks:
  - {interlock_id: TRIP, kind: trip, when: "LT1 < 10 L", debounce: 100 ms, latch: until_reset, gates: [XV1], reaction: hold}
  - {interlock_id: PERMIT, kind: permissive, when: "ZS1 == open", debounce: 100 ms, gates: [XV1, XV2]}
`)
	require.Equal(t, "unsettled, not permitted", words(d.g.Boot(d.now, d.io, nil)), "nothing was ever read: BAD")
	d.read(lt1, 50, tag.Good)
	d.read(zs1, 1, tag.Good)
	require.Equal(t, "permits, permits", words(d.to(101*ms)))
	d.read(lt1, 9, tag.Good)
	require.Equal(t, "tripped", words(d.to(300*ms)))
	d.read(lt1, 50, tag.Good)
	require.Equal(t, "latched", words(d.to(500*ms)))
	require.Empty(t, words(d.g.Boot(d.now, d.io, nil)), "a boot forgets no latch")
	require.Equal(t, iomap.Latched, d.g.Status(0))
	d.read(lt1, 9, tag.Good)
	require.Equal(t, "tripped", words(d.to(700*ms)), "it trips again though it was not reset")
	require.Empty(t, words(d.g.Boot(d.now, d.io, nil)), "what has tripped and lasts stays tripped")
	require.Equal(t, iomap.Tripped, d.g.Status(0))
}

func TestWhatHasTrippedAndClearedBetweenTwoLooksIsToldAndLatches(t *testing.T) {
	d := newDesk(t, `
interlocks:
  - {interlock_id: A, kind: trip, when: "LT1 < 10 L", debounce: 100 ms, latch: auto, gates: [XV1], reaction: hold}
  - {interlock_id: B, kind: trip, when: "LT1 < 10 L", debounce: 100 ms, latch: until_reset, gates: [XV1], reaction: hold}
`)
	d.read(lt1, 50, tag.Good)
	d.g.Boot(d.now, d.io, nil)
	d.read(lt1, 9, tag.Good)
	d.now = 150 * ms // no tick was taken meanwhile
	require.Equal(t, "tripped, tripped", words(d.read(lt1, 50, tag.Good)))
	require.Equal(t, "permits, latched", words(d.to(250*ms)))
}

func TestAnAlarmGoesThroughItsStatesAndChatterIsCounted(t *testing.T) {
	d := newDesk(t, `
alarms:
  - {alarm_id: H, message: high, priority: high, when: "LT1 > 90 L", delay: 1 s, off_delay: 500 ms}
  - {alarm_id: C, message: chatter, priority: low, when: "ZS1 == open"}
  - {alarm_id: Q, message: no level, priority: low, fault: quality, of: LT1}
  - {alarm_id: ANY, message: no value, priority: low, fault: quality, off_delay: 1 h}
`)
	d.read(lt1, 50, tag.Good)
	d.read(zs1, 0, tag.Good)
	require.Empty(t, told(d.g.Boot(d.now, d.io, nil)))
	d.read(lt1, 95, tag.Good)
	require.Empty(t, d.to(d.now+1000*ms-1))
	require.Equal(t, "raised unacknowledged", words(d.to(d.now+1)))
	d.read(lt1, 95, tag.Bad)
	require.Equal(t, iomap.AlarmUnacknowledged, d.g.Alarm(0), "while it is BAD it stays")
	require.Equal(t, iomap.AlarmUnacknowledged, d.g.Alarm(2))
	d.read(lt1, 50, tag.Good)
	d.to(d.now + 3000*ms) // cleared after its off_delay; stale by then
	require.Equal(t, iomap.AlarmReturned, d.g.Alarm(0))
	require.Equal(t, iomap.AlarmUnacknowledged, d.g.Alarm(2))
	fx, ok := d.g.Acknowledge(d.now, 0, nil)
	require.True(t, ok)
	require.Equal(t, "acknowledged normal", words(fx))
	fx, ok = d.g.Acknowledge(d.now, 0, fx)
	require.False(t, ok)
	require.Len(t, fx, 1)

	// Chatter of 100 Hz for 300 s: it is told less and less often, and nothing is lost.
	told, edges := 0, int64(0)
	count := func(list []iomap.Notice) {
		for _, n := range list {
			if n.Kind == iomap.AlarmDecide && n.Index == 1 {
				told++
				edges += 1 + n.Edges
				require.NotZero(t, n.Is&iomap.AlarmReturned, "it stays unacknowledged")
			}
		}
	}
	for i := range 30_000 {
		count(d.read(zs1, int64(1-i%2), tag.Good))
		count(d.to(d.now + 10*ms))
	}
	d.read(zs1, 0, tag.Good)
	count(d.to(d.now + 200_000*ms))
	require.Equal(t, int64(30_000), edges, "each raise and each clear is told or counted")
	require.Less(t, told, 14)
	require.Equal(t, iomap.AlarmReturned, d.g.Alarm(1))
	fx, _ = d.g.Acknowledge(d.now, 1, nil)
	require.Equal(t, "acknowledged normal", words(fx))
	require.Equal(t, "raised unacknowledged", words(of(d.read(zs1, 1, tag.Good), 1)), "at once: nobody knows of it")
	fx, _ = d.g.Acknowledge(d.now, 1, nil)
	require.Equal(t, "acknowledged acknowledged", words(fx))
	require.Equal(t, "cleared normal", words(of(d.read(zs1, 0, tag.Good), 1)))
}

func of(list []iomap.Notice, k int) (some []iomap.Notice) {
	for _, n := range list {
		if n.Index == k {
			some = append(some, n)
		}
	}
	return some
}

func TestAFaultOfAnInterlockRaisesItsAlarmAndResetClearsIt(t *testing.T) {
	d := newDesk(t, `
interlocks:
  - {interlock_id: I, kind: trip, when: "LT1 < 10 L", debounce: 100 ms, latch: until_reset, gates: [XV1], reaction: hold}
  - {interlock_id: J, kind: trip, when: "ZS1 == open", debounce: 100 ms, latch: auto, gates: [XV1], reaction: hold}
alarms:
  - {alarm_id: A, message: dry, priority: high, fault: interlock, of: I}
  - {alarm_id: B, message: any, priority: high, fault: interlock}
  - {alarm_id: T, message: late, priority: high, fault: timeout}
`)
	d.read(lt1, 50, tag.Good)
	d.read(zs1, 0, tag.Good)
	d.g.Boot(d.now, d.io, nil)
	d.read(lt1, 9, tag.Good)
	require.Equal(t, "tripped, raised unacknowledged, raised unacknowledged", words(d.to(200*ms)))
	d.read(lt1, 50, tag.Good)
	require.Equal(t, "latched", words(d.to(400*ms)))
	fx, why := d.g.Reset(d.now, d.io, 0, nil)
	require.Empty(t, why)
	require.Equal(t, "permits", words(told(fx)), "that it is clear again waits, for somebody was told a moment ago")
	require.Equal(t, "cleared returned_unacknowledged, cleared returned_unacknowledged", words(d.to(1500*ms)))
	require.Equal(t, "raised unacknowledged", words(told(d.g.Fault(d.now, d.io, 2, true, nil))))
	require.Empty(t, d.g.Fault(d.now, d.io, 2, true, nil))
	d.g.Fault(d.now, d.io, 2, false, nil)
	require.Equal(t, "cleared returned_unacknowledged", words(of(d.to(3000*ms), 2)))
}

// everything is a map with every construct.
const everything = `
interlocks:
  - {interlock_id: A, kind: trip, when: "LT1 < 10 L or stable(LT1, 1 L, 700 ms)", debounce: 10 ms, vote_window: 300 ms, vote: 34 %, latch: until_reset, gates: [XV1], reaction: abort}
  - {interlock_id: B, kind: permissive, when: "ZS1 == open and not XV2", debounce: 30 ms, gates: [XV1, XV2]}
  - {interlock_id: C, kind: safety_trip, when: ZS1 == closed, debounce: 20 ms, gates: [], reaction: hard_abort}
  - {interlock_id: D, kind: trip, when: "LT1 > 60 L", debounce: 15 ms, vote_window: 15 ms, vote: 100 %, latch: auto, gates: [XV2], reaction: none}
alarms:
  - {alarm_id: A, message: a, priority: low, when: "stable(LT1, 2 L, 400 ms)", delay: 30 ms}
  - {alarm_id: B, message: b, priority: medium, when: "LT1 > 50 L and ZS1 == open", off_delay: 40 ms}
  - {alarm_id: C, message: c, priority: high, fault: quality}
  - {alarm_id: D, message: d, priority: urgent, fault: quality, of: ZS1, delay: 1 s}
  - {alarm_id: E, message: e, priority: urgent, fault: interlock}
  - {alarm_id: F, message: f, priority: urgent, fault: output_fault, of: XV2}
`

func TestARestoredGuardBehavesAsTheOriginal(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 4))
		d := newDesk(t, everything)
		decided := 0
		for n := range 400 {
			name := fmt.Sprintf("seed %d, event %d", seed, n)
			again := iomap.NewGuard(d.m)
			left, err := again.Restore(append(d.g.Snapshot(nil), 7))
			require.NoError(t, err, name)
			require.Equal(t, []byte{7}, left)
			require.Equal(t, d.g.Wake(), again.Wake(), name)
			var fx []iomap.Effect
			if due := min(d.io.Wake(), d.g.Wake()); due != timebase.Never && r.IntN(2) == 0 {
				d.now = max(d.now, due)
				fx = d.io.Step(d.now, &iomap.Event{Kind: iomap.Tick}, fx)
			} else {
				d.now += r.Int64N(60 * ms)
				id := tag.ID(r.IntN(len(d.m.Tags)))
				ev := iomap.Event{Kind: iomap.Sample, Tag: id, Form: d.m.Tags[id].Form, Bits: uint64(r.IntN(100)), Quality: tag.Good}
				if r.IntN(12) == 0 {
					ev.Quality = tag.Bad
				}
				fx = d.io.Step(d.now, &ev, fx)
			}
			do := func(g *iomap.Guard) (out []iomap.Notice) {
				switch what := int(d.now / 7 % 40); {
				case n == 3 || what == 0:
					return g.Boot(d.now, d.io, nil)
				case what < 4:
					out, _ = g.Reset(d.now, d.io, what, nil)
				case what < 10:
					out, _ = g.Acknowledge(d.now, what-4, nil)
				case what == 10:
					out = g.Fault(d.now, d.io, 5, n%2 == 0, nil)
				}
				return g.Step(d.now, d.io, fx, out)
			}
			want := do(d.g)
			require.Equal(t, want, do(again), name)
			require.True(t, bytes.Equal(d.g.Snapshot(nil), again.Snapshot(nil)), name)
			require.Greater(t, d.g.Wake(), d.now, name)
			decided += len(told(want))
		}
		require.Greater(t, decided, 20)
	}
}

func TestAGuardRefusesWhatIsNoSnapshotOfIts(t *testing.T) {
	d := newDesk(t, everything)
	d.g.Boot(d.now, d.io, nil)
	d.to(500 * ms)
	snap := d.g.Snapshot(nil)
	for n := range snap {
		_, err := iomap.NewGuard(d.m).Restore(snap[:n])
		require.Error(t, err, n)
	}
	refused := 0
	for n := range snap {
		bad := bytes.Clone(snap)
		bad[n] ^= 0xFF
		g := iomap.NewGuard(d.m)
		if _, err := g.Restore(bad); err != nil {
			refused++
			continue
		}
		g.Step(d.now, d.io, nil, nil) // and what is believed is stepped
	}
	require.Greater(t, refused, len(snap)/2)
	require.Empty(t, iomap.NewGuard(parse(t, guardTags)).Snapshot(nil), "a map without guards has no state of them")
}

func TestAStepOfAGuardAllocatesNothing(t *testing.T) {
	d := newDesk(t, everything)
	d.g.Boot(d.now, d.io, nil)
	fx, out := make([]iomap.Effect, 0, 16), make([]iomap.Notice, 0, 64)
	n := int64(0)
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		n++
		d.now += 3 * ms
		ev := iomap.Event{Kind: iomap.Sample, Tag: lt1, Form: tag.Int, Bits: uint64(n * 37 % 100), Quality: tag.Good}
		fx = d.io.Step(d.now, &ev, fx[:0])
		out = d.g.Step(d.now, d.io, fx, out[:0])
	}))
}

func FuzzAnyBytesAsAGuard(f *testing.F) {
	m, err := iomap.Parse("map.yaml", []byte(guardTags+everything))
	if err != nil {
		f.Fatal(err)
	}
	io := iomap.NewMachine(m)
	g := iomap.NewGuard(m)
	g.Boot(1, io, nil)
	f.Add(g.Snapshot(nil))
	f.Fuzz(func(t *testing.T, src []byte) {
		src = append(src, make([]byte, max(len(g.Snapshot(nil))-len(src), 0))...)
		k := iomap.NewGuard(m)
		if _, err := k.Restore(src); err != nil {
			return
		}
		at := int64(binary.LittleEndian.Uint64(src) % (1 << 60))
		for i := range 4 {
			k.Step(at, io, []iomap.Effect{{Kind: iomap.Changed, Tag: tag.ID(i)}}, nil)
			k.Reset(at, io, i, nil)
			k.Acknowledge(at, i, nil)
			at += 50 * ms
		}
	})
}

func TestAllAlarmsOfAnyTagAndOfAnyInterlockAreRaisedAndClearedTogether(t *testing.T) {
	d := newDesk(t, `
interlocks:
  - {interlock_id: A, kind: trip, when: "LT1 > 90 L", debounce: 20 ms, latch: auto, gates: [XV1], reaction: hold}
  - {interlock_id: B, kind: trip, when: "ZS1 == open", debounce: 20 ms, latch: auto, gates: [XV2], reaction: hold}
alarms:
  - {alarm_id: Q1, message: m, priority: low, fault: quality}
  - {alarm_id: I1, message: m, priority: low, fault: interlock}
  - {alarm_id: OF, message: m, priority: low, fault: interlock, of: B}
  - {alarm_id: Q2, message: m, priority: low, fault: quality}
  - {alarm_id: I2, message: m, priority: low, fault: interlock}
`)
	raised := func() (list []int) {
		for k := range d.m.Alarms {
			if d.g.Alarm(k)&iomap.AlarmAcknowledged != 0 {
				list = append(list, k)
			}
		}
		return list
	}
	d.read(lt1, 50, tag.Good)
	d.read(zs1, 0, tag.Good)
	d.g.Boot(d.now, d.io, nil)
	require.Empty(t, raised())
	d.read(zs1, 0, tag.Bad) // and so B cannot tell
	require.Equal(t, []int{0, 3}, raised())
	d.to(d.now + 20*ms)
	require.Equal(t, []int{0, 1, 2, 3, 4}, raised())
	d.read(lt1, 95, tag.Good)
	d.read(zs1, 0, tag.Good)
	d.to(d.now + 20*ms)
	require.Equal(t, []int{1, 4}, raised(), "B has cleared, and A has tripped")
	d.read(lt1, 50, tag.Good)
	d.to(d.now + 20*ms)
	require.Empty(t, raised())
}
