// Overrides and safe states together: each may come while the other lasts.

package batch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// bothBatch is that of the scripts of overrides, with outputs that say what becomes of them in faults; ends says that every start ends
// every grant, and drops the valve.
func bothBatch(t testing.TB, ends bool) *Batch {
	files := fstest.MapFS{}
	for _, name := range []string{"recipe.yaml", "map.yaml"} {
		data, err := os.ReadFile("testdata/overrides/" + name)
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: data}
	}
	text := string(files["map.yaml"].Data)
	for old, says := range map[string]string{
		"safe_value: closed}": "safe_value: closed, stale_after: 99 d, depends_on: [LT301], on_fault: {sensor_bad: {state: latch}, " +
			"net_stale: {state: drop, recover: auto}, power_loss: {state: drop, recover: auto}}}",
		"safe_value: off}": "safe_value: off, stale_after: 99 d, depends_on: [TT301], on_fault: {input_invalid: {state: drop, recover: auto}, " +
			"sensor_bad: {state: drop}, net_stale: {state: latch}}}",
		"safe_value: 0 %}": "safe_value: 0 %, stale_after: 99 d, depends_on: [LT301, TT301], on_fault: {sensor_bad: {state: drop, value: 30 %}, " +
			"net_stale: {state: drop, value: 10 %, recover: auto}, power_loss: {state: latch, value: 5 %}}}",
	} {
		require.Contains(t, text, old)
		text = strings.Replace(text, old, says, 1)
	}
	if ends {
		text = strings.ReplaceAll(strings.ReplaceAll(text, ", over_boot: continues", ""), ", power_loss: {state: drop, recover: auto}", "")
	}
	files["map.yaml"].Data = []byte(text)
	plan, err := Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-BOTH", "", Unapproved, nil)
	require.NoError(t, err)
	return b
}

// comesUp is a boot for which the rig tells a cause, with what outputs had or what they have without supply.
func (d *desk) comesUp(r *rand.Rand) {
	d.seal()
	d.epoch, d.due, d.scan, d.now, d.loss = d.epoch+1, nil, 200*msec, msec, r.Int64N(40_000)-5_000
	ev := Event{Kind: Boot, Epoch: d.epoch, Observation: d.seen(), LossMS: max(d.loss, -1), Recovery: "CLEAN", Last: uint64(len(d.list)),
		Reset: hal.ResetCause(r.IntN(5)).String(), BootID: "b", Phases: d.m.Phases()}
	for i := range d.b.Plan.Map.Tags {
		t := &d.b.Plan.Map.Tags[i]
		if t.Output && r.IntN(2) == 0 {
			d.value[i] = 0
		}
		if t.Output || r.IntN(5) > 0 {
			ev.Readback = append(ev.Readback, Reading{Tag: tag.ID(i), Form: t.Form, Bits: uint64(d.value[i]), Quality: tag.Good})
		}
	}
	d.take(ev)
}

// happens lets something happen: to devices, to the supply, by people.
func (d *desk) happens(r *rand.Rand, usual []int64) {
	tags := d.b.Plan.Map.Tags
	person := func(c sequencer.Command, name, value, role string) {
		d.take(Event{Kind: Told, Command: c, Name: name, Value: value, Operator: "op1", Role: role, Reason: "r"})
	}
	switch id := tag.ID(r.IntN(len(tags))); r.IntN(14) {
	case 0:
		d.off[id] = r.IntN(4) == 0
	case 1:
		if d.value[id] = usual[id]; !tags[id].Output && r.IntN(3) == 0 {
			d.value[id] = int64(r.IntN(2) * r.IntN(900))
		}
		d.send(id)
	case 2, 3:
		c := []sequencer.Command{sequencer.Restart, sequencer.Restart, sequencer.Restart, sequencer.Hold, sequencer.Comment}[r.IntN(5)]
		person(c, "", "", "operator")
	case 4:
		if r.IntN(4) == 0 {
			d.comesUp(r)
		}
	case 5:
		if r.IntN(3) == 0 {
			d.take(Event{Kind: PowerWarned, OK: r.IntN(2) == 0, Holdup: 50 * msec})
		}
	case 6:
		if t := &tags[id]; !t.Output {
			d.take(Event{Kind: Sample, Tag: id, Form: []tag.Form{t.Form, tag.Float32}[r.IntN(2)], Quality: []tag.Quality{tag.Good, tag.Bad}[r.IntN(2)]})
		}
	case 7:
		person(sequencer.ResetSafeState, tags[r.IntN(3)].Name, "", "operator")
	case 8, 9:
		o := &d.b.Plan.Map.Overrides[r.IntN(len(d.b.Plan.Map.Overrides))]
		c := []sequencer.Command{sequencer.OverrideGrant, sequencer.OverrideGrant, sequencer.OverrideRevoke}[r.IntN(3)]
		person(c, o.ID, fmt.Sprintf("%d s", 1+r.IntN(40)), o.Roles[0])
	default:
		values := [][]string{{"open", "closed"}, {"on", "off"}, {"30 %", "10 %", "0 %"}, {"45 L"}, {"70 Cel"}, {"open", "closed"}, {"tripped"}}[id]
		c := []sequencer.Command{sequencer.OverrideSet, sequencer.OverrideSet, sequencer.OverrideClear}[r.IntN(3)]
		person(c, tags[id].Name, values[r.IntN(len(values))], []string{"maintenance", "shift_lead"}[bit(id > 2)])
	}
}

// goesWhere holds what records say of an output that is given back against what is written to it in the same step, and counts the two.
// What the recipe sets there is another matter.
func goesWhere(t *testing.T, d *desk) (gone int) {
	var open *record.Record
	settled := func(is string) {
		require.Equal(t, open.Text(record.NewValue), is, "%s", open.Body)
		open, gone = nil, gone+1
	}
	for _, body := range d.list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		switch {
		case open == nil:
		case rec.Kind.Spec().Grade != record.Decision:
			settled(open.Text(record.OldValue)) // nothing was written
		case rec.Kind == record.KindOutputWrite && rec.Text(record.LogicalTag) == open.Text(record.LogicalTag):
			if rec.Has(record.ActionID) {
				open = nil
				break
			}
			settled(rec.Text(record.Value))
		}
		if rec.Kind != record.KindOverride || rec.Text(record.Result) != "cleared" || open != nil {
			continue
		}
		if id, _ := d.b.Plan.Map.Lookup(rec.Text(record.LogicalTag)); d.b.Plan.Map.Tags[id].Output {
			open = rec
		}
	}
	return gone
}

func TestRandomRunsWithFaultsAndOverridesReplayFromEverySnapshotAndSayWhereOutputsGo(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 19))
		d := newDesk(t, bothBatch(t, seed%2 == 1))
		usual := []int64{0, 0, 0, 200, 20, 0, 0}
		copy(d.value, usual)
		d.boot()
		d.do(script.Line{Verb: "command", Args: []string{"start"}})
		for range 200 {
			if d.to(d.now + r.Int64N(500*msec)); d.m.Ended() {
				break
			}
			d.happens(r, usual)
			twin := d.b.Start()
			require.NoError(t, twin.Restore(d.m.Snapshot(nil)), "seed %d", seed)
			require.Equal(t, d.m.troubles, twin.troubles, "seed %d", seed)
			for o, id := range d.m.form.prog.outputs {
				require.Equal(t, d.m.seq.Overridden(o), d.m.Forced(id), "%s", d.b.Plan.Map.Tags[id].Name)
			}
		}
		d.seal()
		met["went"] += goesWhere(t, d)
		full := d.b.Replay()
		for _, body := range d.list {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			require.NoError(t, full.Record(rec), "seed %d", seed)
			met[rec.Kind.String()+" "+rec.Text(record.Result)+rec.Text(record.FaultClass)]++
		}
		require.NoError(t, full.End())
		require.True(t, bytes.Equal(full.Machine.Snapshot(nil), d.m.Snapshot(nil)), "seed %d", seed)
	}
	t.Log(met)
	require.Greater(t, met["went"], 20)
	for _, what := range []string{"granted", "continued", "active", "cleared", "revoked"} {
		require.NotZero(t, met["override "+what], "%v", met)
	}
}

func TestTheFaultsOfASourceThatIsNotReadAtAStartAreThoseOfASnapshot(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"recipe.yaml", "map.yaml", "calibration.yaml"} {
		data, err := os.ReadFile("testdata/inputs/" + name)
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: bytes.Replace(data, []byte("safe_value: closed, "), []byte("safe_value: closed, depends_on: [WT301], "), 1)}
	}
	plan, err := Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-SOURCE", "", Unapproved, nil)
	require.NoError(t, err)
	d := newDesk(t, b)
	d.boot()
	d.do(script.Line{Verb: "command", Args: []string{"start"}})
	d.to(d.now + 1000*msec)
	d.do(script.Line{Verb: "set", Args: []string{"PB301", "1"}})
	d.to(d.now + 300*msec)
	d.do(script.Line{Verb: "set", Args: []string{"PB301", "0"}})
	d.to(d.now + 1000*msec)
	require.True(t, d.m.Total(0).Open)
	d.seal()
	d.epoch, d.due, d.scan, d.now = 2, nil, 200*msec, msec
	d.take(Event{Kind: Boot, Epoch: 2, Observation: d.seen(), LossMS: -1, Recovery: "CLEAN", Last: uint64(len(d.list)), Phases: d.m.Phases(),
		Readback: []Reading{{Tag: 0, Form: tag.Bool, Bits: 1, Quality: tag.Good}}})
	twin := b.Start()
	require.NoError(t, twin.Restore(d.m.Snapshot(nil)))
	require.Equal(t, d.m.troubles, twin.troubles)
	d.states()
}

func TestAFaultTakesNoOutputFromTheSafeValueThatAnInterlockDemands(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"recipe.yaml", "map.yaml"} {
		data, err := os.ReadFile("testdata/overrides/" + name)
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: bytes.Replace(data, []byte("type: switch, safe_value: off}"),
			[]byte("type: switch, safe_value: off, depends_on: [TT301], on_fault: {sensor_bad: {state: drop, value: on}}}"), 1)}
	}
	_, err := Load(files, "recipe.yaml", "map.yaml", nil)
	require.ErrorContains(t, err, "sensor_bad: interlock IL-DRY keeps HS301 at its safe_value, and the value for this fault is another")
}
