// Scripts of overrides: what is decided and recorded, replayed, and resumed from every record.

package batch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

func overrideBatch(t testing.TB) *Batch {
	plan, err := Load(os.DirFS("testdata/overrides"), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-OVERRIDES", "", Unapproved, nil)
	require.NoError(t, err)
	return b
}

func TestScriptsOfOverrides(t *testing.T) {
	files, err := filepath.Glob("testdata/overrides/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			d := runGuards(t, overrideBatch(t), file)
			golden.Check(t, strings.TrimSuffix(file, "txt")+"golden", []byte(d.shown.String()))
			replays(t, d)
		})
	}
}

// flagged reads a record and tells whether it says that something was in override.
func flagged(t *testing.T, body []byte) (*record.Record, bool) {
	rec, err := record.Parse(body)
	require.NoError(t, err)
	return rec, rec.Text(record.ForcedFlag) == "true"
}

func TestRandomRunsWithOverridesReplayAndNoneOutlivesItsTimeItsConditionsOrATrip(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		d := newDesk(t, overrideBatch(t))
		tags, usual := d.b.Plan.Map.Tags, []int64{0, 0, 0, 200, 20, 0, 0}
		copy(d.value, usual)
		d.boot()
		d.do(script.Line{Verb: "command", Args: []string{"start"}})
		for range 150 {
			if d.to(d.now + r.Int64N(500*msec)); d.m.Ended() {
				break
			}
			switch id := tag.ID(r.IntN(len(tags))); r.IntN(10) {
			case 0:
				d.off[id] = r.IntN(4) == 0
			case 1:
				if d.value[id] = usual[id]; !tags[id].Output && r.IntN(3) == 0 {
					d.value[id] = int64(r.IntN(2) * r.IntN(900))
				}
				d.send(id)
			case 2:
				c := []sequencer.Command{sequencer.Restart, sequencer.Restart, sequencer.Hold, sequencer.Pause, sequencer.Resume, sequencer.Comment}[r.IntN(6)]
				d.take(Event{Kind: Told, Command: c, Operator: "op1", Role: "operator", Reason: "r"})
			case 3:
				if r.IntN(6) == 0 {
					d.loss = r.Int64N(40_000) - 5_000
					d.boot()
				}
			case 4, 5:
				o := &d.b.Plan.Map.Overrides[r.IntN(len(d.b.Plan.Map.Overrides))]
				d.take(Event{Kind: Told, Command: []sequencer.Command{sequencer.OverrideGrant, sequencer.OverrideGrant, sequencer.OverrideRevoke}[r.IntN(3)],
					Name: o.ID, Value: fmt.Sprintf("%d s", r.IntN(40)), Operator: "op1", Role: o.Roles[0], Reason: "r"})
			default:
				values := []string{"open", "closed", "on", "off", "45 L", "70 Cel", "30 %", "0 %"}
				role := []string{"maintenance", "shift_lead"}[r.IntN(2)]
				d.take(Event{Kind: Told, Command: []sequencer.Command{sequencer.OverrideSet, sequencer.OverrideSet, sequencer.OverrideClear}[r.IntN(3)],
					Name: tags[id].Name, Value: values[r.IntN(len(values))], Operator: "op1", Role: role, Reason: "r"})
			}
			keeps(t, d)
		}
		d.seal()
		full := d.b.Replay()
		for _, body := range d.list {
			rec, flag := flagged(t, body)
			require.NoError(t, full.Record(rec), "seed %d", seed)
			if met[rec.Kind.String()+" "+rec.Text(record.Result)]++; rec.Kind == record.KindOverride && rec.Has(record.LogicalTag) {
				require.True(t, flag, "%s", body)
			}
		}
		require.NoError(t, full.End())
		require.True(t, bytes.Equal(full.Machine.Snapshot(nil), d.m.Snapshot(nil)), "seed %d", seed)
	}
	t.Log(met)
	for _, what := range []string{"granted", "continued", "active", "cleared", "revoked"} {
		require.NotZero(t, met["override "+what], "the runs are such that everything is met: %v", met)
	}
}

// keeps holds what must be true of overrides between two events.
func keeps(t *testing.T, d *desk) {
	m := d.m
	require.True(t, m.soundOverrides())
	for i := range m.ov.Grants {
		if g := &m.ov.Grants[i]; g.Number != 0 {
			require.GreaterOrEqual(t, g.Until, m.now)
			require.Empty(t, m.unfit(i))
		}
	}
	for o, id := range m.form.prog.outputs {
		require.Equal(t, m.seq.Overridden(o), m.Forced(id), "%s", m.b.Plan.Map.Tags[id].Name)
	}
	for i := 0; i < len(m.b.prog.seq.Interlocks) && !m.Ended(); i++ {
		il := &m.b.prog.seq.Interlocks[i]
		for _, o := range il.Outputs {
			value, _ := m.seq.Commanded(o)
			require.False(t, il.Trip && m.guard.Blocks(i) && value != m.b.prog.seq.Outputs[o].Safe, il.Text)
		}
	}
	require.True(t, !m.Ended() || m.ov.Active == 0)
}

func TestAStepThatDecidesNothingAllocatesNothingWhileSomethingIsInOverride(t *testing.T) {
	d := newDesk(t, overrideBatch(t))
	d.boot()
	d.to(500 * msec)
	d.do(script.Line{Verb: "command", Args: []string{"override_grant", "OV-FILL", "5 min", "op1", "maintenance"}})
	d.do(script.Line{Verb: "command", Args: []string{"override_set", "SC301", "30 %", "op1", "maintenance"}})
	d.to(d.now + 500*msec)
	require.True(t, d.m.Forced(2))
	fx, n := make([]Effect, 0, 16), uint64(0)
	id, _ := d.b.Plan.Map.Lookup("TT301")
	require.Zero(t, testing.AllocsPerRun(300, func() {
		n++
		ev := Event{Kind: Sample, Seq: d.seq, Tag: id, Form: tag.Int, Bits: 20 + n%50, Quality: tag.Good}
		d.now += msec
		if fx = d.m.Step(d.now, &ev, fx[:0]); len(fx) != 0 {
			t.Fatalf("the step decides: %s", fx[0].Body)
		}
	}))
}
