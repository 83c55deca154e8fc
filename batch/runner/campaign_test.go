// Many runs in virtual time, with faults and operators, and what must hold in all of them.

package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

const second = int64(1_000_000_000)

// script makes what goes wrong in the run of a seed, and what operators do: up to four faults and three commands at random, in
// every other run a hold with other values of parameters, then an operator who comes by every ten seconds to restart or resume, and at
// last one who aborts.
func script(rng *rand.Rand, plant *sim.Plant) (schedule []Scheduled, words []string, err error) {
	channels := [...]string{"ctr/1", "ctr/2", "ai/4", "ai/5", "tot/1", "di/1", "di/5"}
	outputs := [...]string{"do/1", "do/2", "do/3", "do/4", "do/5", "do/6", "do/7"}
	for n := rng.IntN(5); n > 0; n-- {
		length := fmt.Sprintf("%dms", 100+rng.IntN(4000))
		channel, output := channels[rng.IntN(len(channels))], outputs[rng.IntN(len(outputs))]
		line := string("AB"[rng.IntN(2)])
		choice := [...][]string{{"silent", channel, length}, {"bad", channel, length}, {"frozen", length}, {"refuse", output, length},
			{"slow", output, fmt.Sprintf("%dms", 1+rng.IntN(3000)), length}, {"leak", line, length}, {"block", line, length},
			{"nopower", length}, {"estop", length}}[rng.IntN(9)]
		f, err := sim.ParseFault(choice[0], choice[1:])
		if err != nil {
			return nil, nil, err
		}
		f.At = 1 + rng.Int64N(35*second)
		if err := plant.Fault(f); err != nil {
			return nil, nil, err
		}
		words = append(words, fmt.Sprintf("at %dms %v", f.At/1e6, choice))
	}
	tell := func(at int64, c sequencer.Command) {
		schedule = append(schedule, Scheduled{At: at, Do: func(r *Runner) {
			_ = r.Tell(Command{Command: c, Operator: "op1", Reason: "campaign"})
		}})
		words = append(words, fmt.Sprintf("at %dms %s", at/1e6, c))
	}
	at := int64(0)
	for n := rng.IntN(4); n > 0; n-- {
		at += 1 + rng.Int64N(12*second)
		tell(at, sequencer.Command(1+rng.IntN(int(sequencer.Reset))))
	}
	if rng.IntN(2) == 0 {
		at += 1 + rng.Int64N(20*second)
		tell(at, sequencer.Hold)
		for n := 1 + rng.IntN(4); n > 0; n-- {
			at += 1 + rng.Int64N(second)
			c := change(rng)
			schedule, words = append(schedule, ordered(at, c)), append(words, fmt.Sprintf("at %dms %s = %s", at/1e6, c.Name, c.Value))
		}
	}
	for at += 10 * second; at < 400*second; at += 10 * second {
		tell(at, [...]sequencer.Command{sequencer.Restart, sequencer.Resume}[at/second%20/10])
	}
	tell(at, sequencer.Abort)
	return schedule, words, nil
}

// change gives a parameter of the demo another value, now and then one that it cannot have.
func change(rng *rand.Rand) Command {
	name := [...]string{"charge_a", "charge_b", "tolerance", "temperature", "hold_time", "coarse_short", "fine_short"}[rng.IntN(7)]
	value := fmt.Sprintf("%d.%02d kg", rng.IntN(200), rng.IntN(100))
	switch name {
	case "temperature":
		value = fmt.Sprintf("%d.%d Cel", 35+rng.IntN(50), rng.IntN(10))
	case "hold_time":
		value = fmt.Sprintf("%d s", rng.IntN(20))
	case "tolerance", "coarse_short", "fine_short":
		value = fmt.Sprintf("%d.%03d kg", rng.IntN(6), 5*rng.IntN(200))
	}
	return Command{Command: sequencer.Change, Name: name, Value: value}
}

// campaign runs one seed and applies every checker.
func campaign(t testing.TB, plan *batch.Plan, seed uint64) *trace {
	tr := newTrace(t, seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	schedule, words, err := script(rng, tr.plant)
	require.NoError(t, err)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: %v", seed, words)
		}
	}()
	b, err := plan.Bind("B-0001", fmt.Sprintf("%d kg", 100+rng.IntN(300)), batch.Unapproved, &batch.BindOptions{Seed: seed})
	require.NoError(t, err)
	virtual := &Virtual{Durable: func(_ int64, seq uint64) { tr.durable = seq }, Commit: func(now int64) int64 {
		if rng.IntN(200) == 0 {
			return now + rng.Int64N(5*second)
		}
		return now + 1_000_000 + rng.Int64N(50_000_000)
	}}
	tr.result, err = Run(context.Background(), b, Rig{Port: tr, Dir: "memory"}, &Options{Virtual: virtual, Storage: newMemory(),
		Record: tr.record, Schedule: schedule, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }})
	if !errors.Is(err, ErrNobody) {
		require.NoError(t, err, "seed %d: %v", seed, words)
		require.True(t, tr.result.State.Terminal(), "seed %d: %s", seed, tr.result.State)
	}
	for o := 1; o <= 8; o++ {
		require.Zero(t, tr.plant.Output(fmt.Sprintf("do/%d", o)), "seed %d: output do/%d after %s: %v", seed, o, tr.result.State, words)
	}
	replayed(t, b, tr)
	return tr
}

// replayed executes a run again from its records.
func replayed(t testing.TB, b *batch.Batch, tr *trace) {
	rp := b.Replay()
	for _, body := range tr.bodies {
		r, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, rp.Record(r), "seed %d", tr.seed)
	}
	require.NoError(t, rp.End(), "seed %d", tr.seed)
	require.Positive(t, rp.Decisions)
}

func TestARunWithFaultsKeepsEveryRule(t *testing.T) {
	plan := demoPlan(t)
	runs := uint64(150)
	if os.Getenv("BATCHKIT_LONG") != "" {
		runs = 1000
	}
	states := map[sequencer.State]int{}
	totals, records, changes := 0, 0, 0
	for seed := uint64(1); seed <= runs; seed++ {
		tr := campaign(t, plan, seed)
		states[tr.result.State]++
		totals += len(tr.totals)
		records += len(tr.bodies)
		for _, body := range tr.bodies {
			if bytes.Contains(body, []byte(`"event_type":"parameter_change"`)) {
				changes++
			}
		}
	}
	t.Logf("%d runs ended %v; %d records replayed; %d totals held against the plant's own; %d parameters changed", runs, states, records, totals,
		changes)
	require.Greater(t, changes, 20)
	require.Positive(t, states[sequencer.Complete])
	require.Positive(t, states[sequencer.Aborted])
}

func TestEqualSeedsGiveEqualBytes(t *testing.T) {
	plan := demoPlan(t)
	for seed := uint64(1); seed <= 10; seed++ {
		a, b := campaign(t, plan, seed), campaign(t, plan, seed)
		require.Equal(t, bytes.Join(a.bodies, nil), bytes.Join(b.bodies, nil), "seed %d", seed)
	}
}
