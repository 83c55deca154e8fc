// A historian through the runner: asked while the batch runs, and never waited for.

package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// askedBatch is the demo, whose meters have a historian that is asked.
func askedBatch(t *testing.T) *batch.Batch {
	dir, files := os.DirFS("../../examples/controller/demo"), fstest.MapFS{}
	for _, name := range [...]string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
		data, err := fs.ReadFile(dir, name)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(data), "tolerance: 0.05 kg", "tolerance: 0.05 kg\n    historian: external")
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	p, err := batch.Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := p.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: 1})
	require.NoError(t, err)
	return b
}

// historianFunc is a historian made of a function.
type historianFunc func(q HistorianQuery) (HistorianTotal, error)

func (f historianFunc) Total(_ context.Context, q HistorianQuery) (HistorianTotal, error) {
	return f(q)
}

// withHistorian runs the demo with a historian and returns its result and the records of some kinds.
func withHistorian(t *testing.T, h Historian, schedule []Scheduled) (res Result, list []*record.Record) {
	res, err := Run(t.Context(), askedBatch(t), Rig{Port: sim.NewPlant(1), Dir: filepath.Join(t.TempDir(), "b"), Historian: h},
		&Options{Virtual: &Virtual{}, Schedule: schedule, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "yes", "op1", "operator") },
			Record: func(k record.Kind, body []byte) {
				if k == record.KindHistorianTotal || k == record.KindReconcile || k == record.KindCommandResult {
					rec, err := record.Parse(append([]byte(nil), body...))
					require.NoError(t, err)
					list = append(list, rec)
				}
			}})
	require.NoError(t, err)
	rep, err := evidence.Verify(res.Dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	re, err := evidence.Replay(res.Dir)
	require.NoError(t, err)
	require.Nil(t, re.Divergence)
	return res, list
}

func TestAHistorianIsAskedForTheTotalsOfWindowsThatHaveClosed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "historian.csv")
	require.NoError(t, os.WriteFile(file, []byte("batch_id,meter_window_id,total,unit,calib_version\nB-0001,B,79.99,kg,2026-01\nB-0001,A,0.11994,t,\n"), 0o600))
	res, _ := withHistorian(t, HistorianFile(file), nil)
	for _, w := range res.Windows {
		require.Equal(t, map[string]string{"A": "119.94", "B": "79.99"}[w.ID], w.Historian)
		require.Equal(t, "PASS", w.Reconciled, w.ID)
	}
}

func TestAHistorianThatFailsIsOnRecordOnceAndTheBatchWaitsForNothing(t *testing.T) {
	for says, h := range map[string]historianFunc{
		"the line is down":         func(HistorianQuery) (HistorianTotal, error) { return HistorianTotal{}, errors.New("the line is down") },
		"Rig.Historian: panic: no": func(HistorianQuery) (HistorianTotal, error) { panic("no") },
		"is no total such as":      func(HistorianQuery) (HistorianTotal, error) { return HistorianTotal{Total: "ten"}, nil },
	} {
		res, list := withHistorian(t, h, nil)
		told := map[string]int{}
		for _, r := range list {
			if r.Kind == record.KindHistorianTotal {
				require.Contains(t, r.Text(record.Detail), says)
				told[r.Text(record.MeterWindowID)]++
			}
		}
		require.Equal(t, map[string]int{"A": 1, "B": 1}, told, says)
		for _, w := range res.Windows {
			require.Equal(t, "WARN", w.Reconciled, "what is expected is absent")
		}
	}
	_, list := withHistorian(t, historianFunc(func(HistorianQuery) (HistorianTotal, error) { return HistorianTotal{}, ErrNotYet }), nil)
	for _, r := range list {
		require.NotEqual(t, record.KindHistorianTotal, r.Kind)
	}
}

func TestAPersonEntersTheTotalOfAHistorianWithItsUnit(t *testing.T) {
	enter := func(at int64, window, total string) Scheduled {
		return Scheduled{At: at * 1_000_000_000, Do: func(r *Runner) {
			require.NoError(t, r.Tell(Command{Command: sequencer.HistorianTotal, Name: window, Value: total, Operator: "op1", Role: "shift",
				Reason: "read at its panel"}))
		}}
	}
	res, list := withHistorian(t, nil, []Scheduled{enter(1, "B", "79.99 kg"), enter(12, "B", "80 L"), enter(13, "B", "-1.00 kg"), enter(14, "C", "1.00 kg"),
		enter(15, "B", "0.0799900 t")})
	var refused []string
	for _, r := range list {
		if r.Kind == record.KindCommandResult && r.Text(record.Result) == "refused" {
			refused = append(refused, r.Text(record.Detail))
		}
	}
	require.Len(t, refused, 4)
	for i, says := range []string{"has not closed", "has no density", "below zero", "no window"} {
		require.Contains(t, refused[i], says)
	}
	for _, w := range res.Windows {
		if w.ID == "B" {
			require.Equal(t, "79.99", w.Historian)
			require.Equal(t, "PASS", w.Reconciled)
		}
	}
}
