// Feeding to a target on the simulated plant: what is learnt, and jogs that are cut short in every stage.

package batchtest

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/stretchr/testify/require"
)

// dose runs a batch of the scenario recipe after some trouble was arranged.
func dose(t *testing.T, seed uint64, n int, known []batch.InFlight, trouble func(r *Trial)) *Trial {
	t.Helper()
	const dir = "testdata/scenarios/"
	r, err := open(t, disk{}, n, dir+"dose.yaml", dir+"map.yaml", sim.NewPlant(seed), &Options{Seed: seed, InFlight: known})
	require.NoError(t, err)
	trouble(r)
	r.Run(time.Hour)
	return r
}

// last is the last record of a kind.
func last(t *testing.T, r *Trial, kind record.Kind) *record.Record {
	t.Helper()
	for i := len(r.ran.recs) - 1; i >= 0; i-- {
		if r.ran.recs[i].Kind == kind {
			return r.ran.recs[i]
		}
	}
	require.Fail(t, "no such record", "%s", kind)
	return nil
}

// kg reads a decimal of a record as counts of 0.01 kg.
func kg(t *testing.T, rec *record.Record, k record.Key) int64 {
	t.Helper()
	v, err := strconv.ParseFloat(values(rec)[k.String()], 64)
	require.NoError(t, err)
	if v < 0 {
		return int64(v*100 - 0.5)
	}
	return int64(v*100 + 0.5)
}

// A valve closes slower and slower. What is learnt follows it: where the first batch is 2.3 kg short of its
// target before any jog, those that follow come nearer, and stay near.
func TestWhatRunsInIsLearntOnAValveThatDrifts(t *testing.T) {
	var known []batch.InFlight
	for n := 1; n <= 10; n++ {
		slow := time.Duration(10*n) * time.Millisecond
		r := dose(t, uint64(n), n, known, func(r *Trial) {
			r.At(time.Second).Fault(sim.Fault{Kind: sim.Slow, Channel: "do/1", Delay: slow, For: time.Hour})
		})
		rec := last(t, r, record.KindInFlight)
		off := kg(t, rec, record.Delta)
		t.Logf("batch %2d, valve slower by %6s: settled %s kg, error %6s, short by %s -> %s, version %s, %s", n, slow, rec.Text(record.SettledTotal),
			rec.Text(record.Delta), values(rec)["old_value"], values(rec)["new_value"], rec.Text(record.ToVersion), rec.Text(record.Result))
		if n >= 6 {
			require.Less(t, max(off, -off), int64(30), "batch %d", n)
		}
		require.Equal(t, strconv.Itoa(n), rec.Text(record.ToVersion))
		if known != nil {
			require.Contains(t, last(t, r, record.KindBatchCreated).Texts(record.InFlight)[0], known[0].Value.String())
		}
		known = r.Learnt()
		require.Len(t, known, 1)
		require.Equal(t, batch.InFlight{Recipe: "DOSE", Window: "A", Meter: "FQ101", Value: known[0].Value, Version: int64(n),
			Batch: fmt.Sprintf("T-%04d", n), Seq: rec.Seq()}, known[0])
	}
}

// A batch that is held, or whose controller is away for a moment, with or without power, at any time of its jogs: there are never more
// jogs than the recipe allows, none is made while the total is not short, and none is open longer than it may be.
func TestAJogThatIsCutShortIsNeverDoubled(t *testing.T) {
	portion := int64(60) // the most that one jog and what runs in after it lets through, counts of 0.01 kg
	check := func(what string, r *Trial, ended string) {
		jogs, open := 0, int64(0)
		for _, rec := range r.ran.recs {
			if rec.Kind == record.KindOutputWrite && rec.Text(record.LogicalTag) == "XV102" {
				if on := values(rec)["value"] == "open"; on {
					require.Zero(t, open, "%s: record %d opens what is open", what, rec.Seq())
					jogs++
					open = r.ran.at(rec)
				} else if open > 0 {
					require.Less(t, r.ran.at(rec)-open, int64(400*time.Millisecond)+int64(time.Second), "%s: record %d", what, rec.Seq())
					open = 0
				}
			}
		}
		require.LessOrEqual(t, jogs, 12, what)
		stop := last(t, r, record.KindWindowStop)
		require.Less(t, kg(t, stop, record.TotalizedValue), 1980+portion, what)
		require.Equal(t, ended, r.ran.state(), what)
	}
	for at := 2600 * time.Millisecond; at < 6200*time.Millisecond; at += 100 * time.Millisecond {
		r := dose(t, 3, 1, nil, func(r *Trial) {
			r.At(at).Tell(runner.Command{Command: sequencer.Hold})
			r.At(at + 5*time.Second).Tell(runner.Command{Command: sequencer.Restart})
		})
		check(fmt.Sprintf("held at %s", at), r, "Complete")
		r = dose(t, 3, 1, nil, func(r *Trial) {
			r.At(at).Crash(500 * time.Millisecond)
			r.At(at + 5*time.Second).Tell(runner.Command{Command: sequencer.Restart})
		})
		check(fmt.Sprintf("crash at %s", at), r, "Complete")
		r = dose(t, 3, 1, nil, func(r *Trial) {
			r.At(at).PowerCut(500 * time.Millisecond)
			r.At(at + 5*time.Second).Tell(runner.Command{Command: sequencer.Restart})
		})
		check(fmt.Sprintf("power cut at %s", at), r, "Complete")
	}
}

// Jogs come from below: the last of them starts where the total is short by more than the tolerance, so that it ends no further above
// that than one jog lets through.
func TestJogsReachTheToleranceFromBelow(t *testing.T) {
	for seed := uint64(1); seed <= 25; seed++ {
		r := dose(t, seed, 1, nil, func(*Trial) {})
		stop := last(t, r, record.KindWindowStop)
		require.Equal(t, "PASS", stop.Text(record.Result), "seed %d", seed)
		require.GreaterOrEqual(t, kg(t, stop, record.TotalizedValue), int64(1980), "seed %d", seed)
		require.LessOrEqual(t, kg(t, stop, record.TotalizedValue), int64(1980+35), "seed %d: one jog lets about 0.26 kg through", seed)
	}
}
