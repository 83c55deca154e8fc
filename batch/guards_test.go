// Scripts of interlocks and alarms: what is decided and recorded, replayed, and resumed from every record.

package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

const msec = int64(1_000_000)

// desk drives a machine as a runner does and keeps its journal: devices confirm after 100 ms, inputs are sent every 200 ms.
//
//	set TAG RAW                     a value comes in, and again with each scan
//	silent TAG                      it does not come in any more
//	chatter TAG RAW RAW TIME N      N times one value and then the other, each for so long
//	device OUTPUT works|silent
//	command COMMAND [NAME [VALUE [OPERATOR [ROLE]]]]
//	boot [TIME]                     after the controller was down for so long; else nobody knows
type desk struct {
	t     *testing.T
	b     *Batch
	m     *Machine
	blk   *Block
	now   int64
	epoch uint32
	scan  int64 // when inputs are sent next
	seq   uint64
	value []int64
	off   []bool // by tag: it is silent, or its device does not answer
	due   []stamped
	list  [][]byte
	shown strings.Builder
	most  int // bytes that one step has said
	loss  int64
}

func newDesk(t *testing.T, b *Batch) *desk {
	d := &desk{t: t, b: b, loss: -1, m: b.Start(), blk: NewBlock(len(b.Plan.Map.Tags)), seq: 1, now: msec, scan: 200 * msec}
	d.value, d.off = make([]int64, len(b.Plan.Map.Tags)), make([]bool, len(b.Plan.Map.Tags))
	seen := d.seen()
	d.take(Event{Kind: Created, Epoch: 1, Observation: seen})
	for i := range b.Plan.Files {
		d.take(Event{Kind: Bound, File: i})
	}
	return d
}

func (d *desk) seen() timebase.Observation {
	return timebase.Observation{Mono: d.now, UTC: 1_767_225_600_000_000_000 + int64(d.epoch)*60_000*msec, Sync: timebase.NTPSync, Source: "ntp", Bound: 5}
}

// boot brings the controller up: every tag that is not silent is read back.
func (d *desk) boot() {
	if d.epoch++; d.epoch > 1 {
		d.seal()
		d.due, d.scan, d.now = nil, 200*msec, msec
	}
	ev := Event{Kind: Boot, Epoch: d.epoch, Observation: d.seen(), LossMS: d.loss}
	if d.loss >= 0 {
		ev.Recovery, ev.Last, ev.Phases = "CLEAN", uint64(len(d.list)), d.m.Phases()
	}
	for i := range d.b.Plan.Map.Tags {
		ev.Readback = append(ev.Readback, Reading{Tag: tag.ID(i), Form: d.b.Plan.Map.Tags[i].Form, Bits: uint64(d.value[i]), Quality: tag.Good})
	}
	d.take(ev)
}

// take takes in an event: packed with others up to a decision, or with a record of its own.
func (d *desk) take(ev Event) {
	ev.Seq = d.seq
	if ev.Kind.Packed() {
		if d.blk.Events == 0 {
			d.seq++
		} else {
			ev.Seq = d.seq - 1
		}
		d.blk.Add(d.now, &ev)
	} else {
		d.seal()
		ev.Seq = d.seq
		body, err := d.m.AppendInput(nil, d.now, &ev)
		require.NoError(d.t, err)
		d.list = append(d.list, body)
		d.seq++
	}
	said := 0
	for _, e := range d.m.Step(d.now, &ev, nil) {
		switch e.Kind {
		case Record:
			d.seal()
			require.Equal(d.t, d.seq, e.Seq)
			require.LessOrEqual(d.t, len(e.Body), record.MaxBody)
			said += len(e.Body) + 32
			d.list = append(d.list, bytes.Clone(e.Body))
			d.seq++
			d.tell(e.Body)
		case Write:
			if id := d.b.prog.outputs[e.Output]; !d.off[id] {
				d.due = append(d.due, stamped{d.now + 100*msec, Event{Kind: Done, ID: e.Write.ID, OK: true, Tag: id, Bits: e.Write.Bits}})
			} else {
				d.due = append(d.due, stamped{d.now + WriteTime, Event{Kind: Done, ID: e.Write.ID, Tag: id}})
			}
		}
	}
	d.most = max(d.most, said)
}

func (d *desk) seal() {
	if d.blk.Events == 0 {
		return
	}
	body, err := d.m.AppendBlock(nil, uint64(len(d.list))+1, d.blk)
	require.NoError(d.t, err)
	d.list = append(d.list, body)
	d.blk.Reset()
}

// tell shows a decision, but for the keys that every record has.
func (d *desk) tell(body []byte) {
	var all map[string]any
	require.NoError(d.t, json.Unmarshal(body, &all))
	var words []string
	for k, v := range all {
		if !slices.Contains(strings.Fields("epoch ts_mono_ns sync_state offset_ms time_source time_bound_ms ts_utc journal_id batch_id recipe_id "+
			"recipe_version operator_id equipment_id device_id mapping_version event_type event_seq unapproved polarity physical_channel "+
			"old_value write_id level elapsed_ms"), k) || k == "old_value" && (all["event_type"] == "alarm" || all["event_type"] == "override") {
			words = append(words, fmt.Sprintf("%s %v", k, v))
		}
	}
	slices.Sort(words)
	fmt.Fprintf(&d.shown, "%3s  %8.3f s  %s: %s\n", all["event_seq"], float64(d.now/msec)/1000, all["event_type"], strings.Join(words, "; "))
}

// to lets time pass: deadlines, answers, and scans.
func (d *desk) to(at int64) {
	for !d.m.Ended() {
		next := min(at, d.scan)
		for _, a := range d.due {
			next = min(next, a.at)
		}
		if due := d.m.Wake(); due <= next {
			d.now = max(d.now, due)
			d.take(Event{Kind: Tick})
			continue
		}
		d.now = max(d.now, next)
		i := slices.IndexFunc(d.due, func(a stamped) bool { return a.at == next })
		switch {
		case i >= 0:
			ev := d.due[i].ev
			d.due = slices.Delete(d.due, i, i+1)
			if ev.OK {
				d.value[ev.Tag] = int64(ev.Bits)
			}
			ev.At, ev.Bits, ev.Tag = d.now, 0, 0
			d.take(ev)
		case next == d.scan:
			d.scan += 200 * msec
			for id := range d.b.Plan.Map.Tags {
				d.send(tag.ID(id))
			}
		default:
			return
		}
	}
}

func (d *desk) send(id tag.ID) {
	if t := &d.b.Plan.Map.Tags[id]; !t.Output && !d.off[id] && d.epoch > 0 && !d.m.Ended() {
		d.take(Event{Kind: Sample, Tag: id, Form: t.Form, Bits: uint64(d.value[id]), Quality: tag.Good})
	}
}

// do carries out a line of a script.
func (d *desk) do(l script.Line) {
	words := strings.Join(append([]string{l.Verb}, l.Args...), " ")
	fmt.Fprintf(&d.shown, "     %8.3f s  > %s\n", float64(d.now/msec)/1000, words)
	named := func() tag.ID {
		id, ok := d.b.Plan.Map.Lookup(l.Args[0])
		require.True(d.t, ok, words)
		return id
	}
	raw := func(i int) int64 {
		v, err := l.Int(i)
		require.NoError(d.t, err)
		return v
	}
	switch l.Verb {
	case "set":
		id := named()
		d.value[id], d.off[id] = raw(1), false
		d.send(id)
	case "silent":
		d.off[named()] = true
	case "device":
		d.off[named()] = l.Args[1] == "silent"
	case "chatter":
		id := named()
		every, err := l.Duration(3)
		require.NoError(d.t, err)
		for i := range 2 * raw(4) {
			d.value[id] = raw(1 + int(i%2))
			d.send(id)
			d.to(d.now + every)
		}
	case "boot":
		if d.loss = -1; len(l.Args) > 0 {
			down, err := l.Duration(0)
			require.NoError(d.t, err)
			d.loss = down / msec
		}
		d.boot()
	case "command":
		c, ok := sequencer.ParseCommand(l.Args[0])
		require.True(d.t, ok, words)
		ev := Event{Kind: Told, Command: c, Operator: "op1", Role: "operator", Reason: "as the script says"}
		for i, word := range []*string{nil, &ev.Name, &ev.Value, &ev.Operator, &ev.Role} {
			if i > 0 && i < len(l.Args) {
				*word = l.Args[i]
			}
		}
		d.take(ev)
	default:
		d.t.Fatal(l.Errorf("no such word"))
	}
}

// runGuards plays a script on a batch to its end.
func runGuards(t *testing.T, b *Batch, file string) *desk {
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	lines, err := script.Parse(file, src)
	require.NoError(t, err)
	d := newDesk(t, b)
	passed := int64(0) // in the epochs before
	for _, l := range lines {
		if d.epoch == 0 && (l.When.Ns > 0 || l.Verb == "command") { // what is set before is read back
			d.boot()
		}
		if l.When.Kind == script.At {
			d.to(l.When.Ns - passed)
		}
		before := d.now
		if d.do(l); l.Verb == "boot" {
			passed += before - d.now
		}
	}
	d.to(d.now + 60_000*msec)
	d.seal()
	return d
}

func guardBatch(t testing.TB) *Batch {
	plan, err := Load(os.DirFS("testdata/guards"), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-GUARDS", "", Unapproved, nil)
	require.NoError(t, err)
	return b
}

func TestScriptsOfInterlocksAndAlarms(t *testing.T) {
	files, err := filepath.Glob("testdata/guards/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			d := runGuards(t, guardBatch(t), file)
			golden.Check(t, strings.TrimSuffix(file, "txt")+"golden", []byte(d.shown.String()))
			replays(t, d)
		})
	}
}

// replays replays the journal of a desk from its beginning, and from a checkpoint behind every record.
func replays(t *testing.T, d *desk) {
	feedAll := func(r *Replay, list [][]byte) {
		for i, body := range list {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			require.NoError(t, r.Record(rec), "record %d", i+1)
		}
		require.NoError(t, r.End())
	}
	full := d.b.Replay()
	tried := 0
	for i, body := range d.list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, full.Record(rec), "record %d", i+1)
		if len(full.Lacking()) > 0 || !full.booted || full.Machine.Ended() {
			continue
		}
		r, err := d.b.ReplayFrom(full.Machine.Checkpoint(nil, full.at), full.seq)
		require.NoError(t, err)
		feedAll(r, d.list[i+1:])
		require.True(t, bytes.Equal(r.Machine.Snapshot(nil), d.m.Snapshot(nil)), "from record %d", i+1)
		tried++
	}
	require.NoError(t, full.End())
	require.Positive(t, tried)
	require.True(t, bytes.Equal(full.Machine.Snapshot(nil), d.m.Snapshot(nil)))
}

// greatest is a batch with as many outputs, interlocks, alarms and phases as there may be, all as long in words as they may be: every
// phase runs, and one tag makes every interlock trip and every alarm be raised.
func greatest(t *testing.T) *Batch {
	var m, r strings.Builder
	m.WriteString("mapping: " + strings.Repeat("M", 64) + "\nversion: \"1\"\nschema_version: 1\ndevice_id: " + strings.Repeat("C", 64) +
		"\nequipment_id: " + strings.Repeat("E", 64) + "\ntags:\n")
	long := func(name string, n int) string {
		return name + strings.Repeat("_", 64-len(name)-4) + fmt.Sprintf("%04d", n)
	}
	for i := range MaxOutputs {
		fmt.Fprintf(&m, "  - {logical_tag: %s, physical_channel: do/%d, direction: out, type: switch, safe_value: off}\n", long("XV", i), i)
	}
	used := ""
	for i := range iomap.MaxUsed {
		fmt.Fprintf(&m, "  - {logical_tag: LT%d, physical_channel: ai/%d, direction: in, type: number, form: int, resolution: 0.001 L, gain: 1 L, "+
			"stale_after: 1 h}\n", i, i)
		used += fmt.Sprintf("LT%d > 1000000000.000 L or ", i)
	}
	used = strings.TrimSuffix(used[:200], " ")
	used = used[:strings.LastIndex(used, " or ")]
	m.WriteString("interlocks:\n")
	for i := range iomap.MaxInterlocks {
		gates := ""
		for k := range MaxOutputs / iomap.MaxInterlocks {
			gates += long("XV", i*MaxOutputs/iomap.MaxInterlocks+k) + ", "
		}
		fmt.Fprintf(&m, "  - {interlock_id: %s, kind: trip, when: \"%s\", debounce: 100 ms, vote_window: 3200 ms, vote: 1 %%, latch: until_reset, "+
			"gates: [%s], reaction: hold}\n", long("I", i), used, gates)
	}
	m.WriteString("alarms:\n")
	for i := range iomap.MaxAlarms {
		fmt.Fprintf(&m, "  - {alarm_id: %s, message: %s, priority: medium, when: \"%s\", delay: 132 ms}\n", long("A", i), strings.Repeat("m", 120), used)
	}
	r.WriteString("recipe: " + strings.Repeat("R", 64) + "\nversion: \"1\"\nschema_version: 1\ntitle: T\n" +
		"batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\nprocedure:\n  id: ALL\n  level: procedure\n  parallel:\n")
	for i := range MaxPhases {
		fmt.Fprintf(&r, "    - {id: %s, level: phase, timeout: 9 h, actions: [{set: {%s: on, %s: on}}, {wait: LT0 < 0 L}]}\n", long("P", i),
			long("XV", 2*i), long("XV", 2*i+1))
	}
	plan, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(m.String())}, "recipe.yaml": {Data: []byte(r.String())}}, "recipe.yaml", "map.yaml",
		&LoadOptions{Bound: true})
	require.NoError(t, err)
	b, err := plan.Bind(strings.Repeat("B", 64), "", Unapproved, nil)
	require.NoError(t, err)
	return b
}

func TestAFloodOfAllInterlocksAndAlarmsAtOnceFitsTheJournalsBuffer(t *testing.T) {
	d := newDesk(t, greatest(t))
	d.boot()
	d.take(Event{Kind: Told, Command: sequencer.Start, Operator: "op1", Role: "operator", Reason: "r"})
	d.to(1000 * msec)
	id, _ := d.b.Plan.Map.Lookup("LT0")
	d.value[id] = 1 << 40
	d.send(id)
	before := d.most
	d.most = 0
	d.to(3000 * msec)
	kinds := map[record.Kind]int{}
	for _, body := range d.list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		kinds[rec.Kind]++
	}
	require.Equal(t, iomap.MaxInterlocks, kinds[record.KindInterlock])
	require.Equal(t, iomap.MaxAlarms, kinds[record.KindAlarm])
	require.Equal(t, sequencer.Held, d.m.State())
	t.Logf("%d bytes in one step, %d before", d.most, before)
	require.Greater(t, d.most, MaxBurst/3, "they come in one step")
	require.Less(t, d.most, MaxBurst*9/10)
	require.Greater(t, d.b.Budget(), int64(5*guarding*perGuard*(iomap.MaxInterlocks+iomap.MaxAlarms)))
}

func TestAStepThatDecidesNothingAllocatesNothingBesideInterlocksAndAlarms(t *testing.T) {
	d := newDesk(t, guardBatch(t))
	d.boot()
	d.to(500 * msec)
	fx := make([]Effect, 0, 16)
	id, _ := d.b.Plan.Map.Lookup("TT301")
	n := uint64(0)
	require.Zero(t, testing.AllocsPerRun(300, func() {
		n++
		ev := Event{Kind: Sample, Seq: d.seq, Tag: id, Form: tag.Int, Bits: 20 + n%50, Quality: tag.Good}
		d.now += msec
		if fx = d.m.Step(d.now, &ev, fx[:0]); len(fx) != 0 {
			t.Fatalf("the step decides: %s", fx[0].Body)
		}
	}))
}

func TestRandomRunsWithInterlocksAndAlarmsReplayAndKeepTheirOutputsSafe(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 5))
		d := newDesk(t, guardBatch(t))
		tags := d.b.Plan.Map.Tags
		usual := []int64{0, 0, 200, 20, 0, 0}
		copy(d.value, usual)
		d.boot()
		d.do(script.Line{Verb: "command", Args: []string{"start"}})
		for range 120 {
			if d.to(d.now + r.Int64N(400*msec)); d.m.Ended() {
				break
			}
			switch id := tag.ID(r.IntN(len(tags))); r.IntN(8) {
			case 0:
				d.off[id] = r.IntN(3) == 0
			case 1, 2, 3:
				if d.value[id] = usual[id]; !tags[id].Output && r.IntN(2) == 0 {
					d.value[id] = int64(r.IntN(2) * r.IntN(600))
				}
				d.send(id)
			case 4:
				names := []string{"IL-HEAT-DRY", "IL-LID", "ESTOP", "TAH301", "DRY", "VALUE", "VALVE", "LATE", "NONE"}
				d.take(Event{Kind: Told, Command: sequencer.Acknowledge + sequencer.Command(r.IntN(2)), Name: names[r.IntN(len(names))],
					Operator: "op1", Role: "operator", Reason: "r"})
			case 5:
				d.take(Event{Kind: Told, Command: []sequencer.Command{sequencer.Restart, sequencer.Restart, sequencer.Hold}[r.IntN(3)], Operator: "op1",
					Role: "operator", Reason: "r"})
			case 6:
				if r.IntN(6) == 0 {
					d.boot()
				}
			}
			require.Equal(t, bytes.Count(d.m.refs.Faulty, []byte{1}), d.m.refs.faulty)
			require.Equal(t, bytes.Count(d.m.refs.Late, []byte{1}), d.m.refs.late)
			for i := 0; i < len(d.b.prog.seq.Interlocks) && !d.m.Ended(); i++ {
				il := &d.b.prog.seq.Interlocks[i]
				for _, o := range il.Outputs {
					value, _ := d.m.seq.Commanded(o)
					require.False(t, il.Trip && d.m.guard.Blocks(i) && value != d.b.prog.seq.Outputs[o].Safe, "seed %d: %s", seed, il.Text)
				}
			}
		}
		d.seal()
		full := d.b.Replay()
		for _, body := range d.list {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			require.NoError(t, full.Record(rec), "seed %d", seed)
			met[rec.Kind.String()+" "+rec.Text(record.Result)+rec.Text(record.AlarmState)]++
		}
		require.NoError(t, full.End())
		require.True(t, bytes.Equal(full.Machine.Snapshot(nil), d.m.Snapshot(nil)), "seed %d", seed)
	}
	t.Log(met)
	for _, what := range []string{"interlock tripped", "interlock latched", "interlock reset", "interlock unsettled", "interlock permitted",
		"interlock not_permitted", "alarm raised", "alarm cleared", "alarm acknowledged"} {
		require.NotZero(t, met[what], "the runs are such that everything is met: %v", met)
	}
}
