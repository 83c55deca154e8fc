// The check of histories is red where a log breaks a promise, and green where it is only slow, deaf or of unknown outcome.

package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// model is the model of a log in the form of porcupine.
var model = porcupine.Model{
	Init: func() any { return storetest.State{} },
	Step: func(state, in, _ any) (bool, any) {
		call := in.(storetest.Call)
		next, legal := storetest.Step(state.(storetest.State), &call)
		return legal, next
	},
}

func check(calls []storetest.Call) porcupine.CheckResult {
	var all []porcupine.Operation
	for _, c := range calls {
		all = append(all, porcupine.Operation{ClientId: c.Client, Input: c, Call: c.Begun, Return: c.Ended})
	}
	return porcupine.CheckOperationsTimeout(model, all, time.Minute)
}

// strange is a log that does what it should not, or what is rare, now and then.
type strange struct {
	way string
	on  *medium
}

type medium struct {
	mu   sync.Mutex
	ops  [][]byte
	dice *rand.Rand
	n    int
	due  bool // the next call is one that it is wrong in
	late sync.WaitGroup
}

func (s strange) Append(_ context.Context, seq uint64, op []byte) error {
	m := s.on
	m.mu.Lock()
	defer m.mu.Unlock()
	is := seq == uint64(len(m.ops))+1
	add := func() {
		if seq == uint64(len(m.ops))+1 {
			m.ops = append(m.ops, append([]byte(nil), op...))
		}
	}
	if m.n++; m.n%17 == 0 || s.way == "unknown" && m.n%5 == 0 {
		m.due = true
	}
	if m.due && is == (s.way != "acknowledges twice") {
		m.due = false
		switch s.way {
		case "acknowledges twice":
			return nil
		case "acknowledges and loses":
			return nil
		case "overwrites":
			if len(m.ops) > 2 {
				m.ops[len(m.ops)-1] = append([]byte(nil), op...)
			}
		case "rolls back":
			m.ops = m.ops[:max(0, len(m.ops)-2)]
			return arbiter.ErrUnknown
		case "takes and says conflict":
			add()
			return arbiter.ErrConflict
		case "says conflict for nothing":
			return arbiter.ErrConflict
		case "takes and says refused":
			add()
			return errors.New("strange: no")
		case "unknown":
			switch m.dice.IntN(3) {
			case 0:
				add()
			case 1:
				m.late.Go(func() {
					time.Sleep(time.Millisecond)
					m.mu.Lock()
					defer m.mu.Unlock()
					add()
				})
			}
			return fmt.Errorf("strange: %w", arbiter.ErrUnknown)
		}
	}
	if !is {
		return arbiter.ErrConflict
	}
	add()
	return nil
}

func (s strange) Read(_ context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	m := s.on
	m.mu.Lock()
	ops := append([][]byte(nil), m.ops...)
	if m.n++; s.way == "reads stale" && m.n%11 == 0 {
		ops = ops[:max(0, len(ops)-3)]
	}
	m.mu.Unlock()
	for i, op := range ops {
		if seq := uint64(i) + 1; seq >= from {
			if err := do(seq, op); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s strange) Trim(context.Context, uint64) error { return nil }

// history has a tenth of a second of a clock go by that stands still while somebody computes: how much comes to pass in it is the same on a machine that has
// no time.
func history(t *testing.T, way string, seed uint64) (h *storetest.History, err error) {
	synctest.Test(t, func(t *testing.T) {
		on := &medium{dice: rand.New(rand.NewPCG(seed, 1))}
		defer on.late.Wait()
		trial := storetest.Trial{Seed: seed, For: 100 * time.Millisecond, Pause: time.Millisecond, Open: func(context.Context, int) (arbiter.Log, error) { return strange{way, on}, nil }}
		h, err = trial.Run(t.Context())
	})
	return h, err
}

func seeds() uint64 {
	if os.Getenv("BATCHKIT_LONG") != "" {
		return 50
	}
	return 2
}

func TestTheCheckOfHistoriesIsGreenWhereALogKeepsItsPromises(t *testing.T) {
	for seed := range seeds() {
		for _, way := range []string{"", "unknown"} {
			h, err := history(t, way, seed)
			require.NoError(t, err)
			require.Equal(t, porcupine.Ok, check(h.Calls), "%q, seed %d: %s", way, seed, h)
			require.Positive(t, h.Appended)
			require.Positive(t, h.Conflicts)
			require.Zero(t, h.Stale())
			if way != "" {
				require.Positive(t, h.Applied, h.String())
				require.Positive(t, h.Vanished, h.String())
			}
		}
	}
}

func TestTheCheckOfHistoriesIsRedWhereALogBreaksAPromise(t *testing.T) {
	for seed := range seeds() {
		for _, way := range []string{"acknowledges twice", "acknowledges and loses", "overwrites", "rolls back", "takes and says conflict", "says conflict for nothing",
			"takes and says refused", "reads stale"} {
			h, err := history(t, way, seed)
			require.True(t, err != nil || check(h.Calls) == porcupine.Illegal, "%q, seed %d: %s", way, seed, h)
		}
	}
}

func TestReadingsThatMayBeStaleAreAllowedOnlyWhereThatIsSaid(t *testing.T) {
	h, err := history(t, "reads stale", 7)
	require.NoError(t, err)
	require.Equal(t, porcupine.Illegal, check(h.Calls))
	require.Equal(t, porcupine.Ok, check(h.Lenient()))
	require.Positive(t, h.Stale())
	h, err = history(t, "rolls back", 7)
	require.True(t, err != nil || check(h.Lenient()) == porcupine.Illegal, "what is lost is not stale: %s", h)
}

// deaf is a follower that is wrong in one way.
type deaf struct {
	*store.Memory
	way string
}

func (d deaf) Wait(ctx context.Context, seq uint64) error {
	switch d.way {
	case "ignores ctx":
		return nil
	case "never wakes":
		<-ctx.Done()
		return ctx.Err()
	}
	return d.Memory.Wait(ctx, seq)
}

func TestTheSuiteOfFollowersIsRedWhereOneBreaksAPromise(t *testing.T) {
	m := store.NewMemory()
	follow := func(way string, within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return storetest.Follow(ctx, func(context.Context) (arbiter.Follower, error) { return deaf{m, way}, nil })
	}
	require.NoError(t, follow("", time.Minute))
	require.ErrorContains(t, follow("ignores ctx", 2*time.Second), "ends with the error of ctx")
	require.ErrorContains(t, follow("never wakes", 2*time.Second), "does not block where the operation is there")
}
