// Arbiters that speak without end, that never come back, or break.

package runner

import (
	"context"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

func TestOfAnArbitersNewsOneASecondIsTakenTheNewestAndOnlyIfItIsAnother(t *testing.T) {
	in, now := newInbox(nil), int64(10)
	clock := func() int64 { return now }
	say := func(v Ruling) { in.rule(v.event(7)) }
	takes := func(only bool) (ev batch.Event) {
		ev, _, stamp, ok := in.take(only, clock)
		require.True(t, !ok || stamp == now)
		return ev
	}
	for i := range 5 {
		say(Ruling{Kind: Queued, Place: int64(i + 1)})
	}
	require.Equal(t, 1, in.depth())
	require.EqualValues(t, 4, in.dropped())
	require.False(t, in.empty())
	require.Zero(t, takes(true), "news wait while the loop is crowded")
	require.Equal(t, timebase.Never, in.rules(true))
	require.NoError(t, in.tell(batch.Event{Kind: batch.Told}))
	require.Equal(t, batch.Told, takes(false).Kind, "commands do not wait for news")
	require.EqualValues(t, 5, takes(false).Place)

	say(Ruling{Kind: Queued, Place: 4})
	require.Zero(t, takes(false))
	require.Equal(t, now+second, in.rules(false))
	say(Ruling{Kind: Queued, Place: 5})
	require.True(t, in.empty(), "it is as it was told")
	say(Ruling{Kind: Queued, Place: 3})
	now += second
	require.EqualValues(t, 3, takes(false).Place)

	say(Ruling{Kind: Queued, Place: 2})
	say(Ruling{Kind: Granted, Token: 1})
	say(Ruling{Kind: Refused, Reason: "no"})
	require.Equal(t, batch.ResourceGranted, takes(true).Kind)
	require.Equal(t, batch.ResourceRefused, takes(true).Kind, "one does not stand for the other")
	require.True(t, in.empty(), "who has it waits in no queue")
	say(Ruling{Kind: Granted, Token: 2})
	say(Ruling{Kind: Granted, Token: 3})
	require.Zero(t, takes(false))
	require.Equal(t, now+second, in.rules(true))
	now += second
	require.EqualValues(t, 3, takes(true).Token, "it is not lost")

	say(Ruling{Kind: Queued, Place: 3})
	in.forget(7)
	say(Ruling{Kind: Queued, Place: 3})
	require.EqualValues(t, 3, takes(false).Place, "a request that is made anew is answered anew")
	in.close()
	say(Ruling{Kind: Granted})
	require.True(t, in.empty())
}

// fake is an arbiter of functions.
type fake struct {
	request func(say func(Ruling))
	release func()
}

func (a fake) Request(_ Claim, say func(Ruling)) { a.request(say) }
func (a fake) Release(Claim)                     { a.release() }

// moves runs, in real time, a batch that gets the line three times.
func moves(t *testing.T, a Arbiter, clock timebase.Clock, opt *Options) (Result, error) {
	plan, err := batch.Load(fstest.MapFS{"recipe.yaml": {Data: []byte(moveRecipe)}, "map.yaml": {Data: []byte(moveMap)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", batch.Unapproved, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	late := clock.Alarm(cancel)
	defer late.Stop()
	late.Set(clock.Now() + 300*second) // one that hangs ends
	return Run(ctx, b, Rig{Port: &valve{clock: clock, moved: func(bool) {}}, Dir: "memory", Clock: clock, Arbiter: a,
		Wall: wallFunc(func() timebase.Observation {
			now := clock.Now()
			return seeded{virtualUTC, &now}.Observe()
		})}, opt)
}

func TestAnArbiterThatSpeaksWithoutEndNeitherEndsTheRunNorFillsTheJournal(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		clock := system.NewClock(1)
		store := &disk{memory: newMemory(), safe: newMemory(), clock: clock, stall: span{6 * second, 11 * second}}
		said, queue, all := 0, 0, 0
		chatty := fake{release: func() {}, request: func(say func(Ruling)) {
			go func() {
				for until := clock.Now() + 20*second; clock.Now() < until; said++ {
					say(Ruling{Kind: Queued, Place: int64(said + 1), Owner: "B-7/X"}) // always another place
					_ = clock.Wait(t.Context(), clock.Now()+second/1000)
				}
				say(Ruling{Kind: Granted, Token: uint64(said)})
			}()
		}}
		res, err := moves(t, chatty, clock, &Options{Storage: store, Record: func(k record.Kind, _ []byte) {
			if all++; k == record.KindResourceQueue {
				queue++
			}
		}})
		require.NoError(t, err)
		require.Equal(t, sequencer.Complete, res.State)
		require.Greater(t, said, 50_000)
		require.Greater(t, queue, 45, "it is heard")
		require.LessOrEqual(t, queue, 63)
		require.Less(t, all, 500)
		require.Greater(t, res.Coalesced, int64(said-100))
	})
}

func TestAnArbiterThatNeverComesBackKeepsNothingWaitingButWhatNeedsIt(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		clock := system.NewClock(1)
		hangs, released := make(chan struct{}), false
		a := fake{request: func(func(Ruling)) { <-hangs }, release: func() { released = true }}
		ended := int64(0)
		res, err := moves(t, a, clock, &Options{Storage: newMemory(), Schedule: []Scheduled{{30 * second, tell(sequencer.Abort, "")}},
			Record: func(k record.Kind, _ []byte) {
				if k == record.KindBatchEnd {
					ended = clock.Now()
				}
			}})
		require.ErrorIs(t, err, errArbiter)
		require.Equal(t, sequencer.Aborted, res.State)
		require.Less(t, ended, 33*second)
		require.LessOrEqual(t, clock.Now(), ended+ArbiterLimit+second)
		require.False(t, released)
		close(hangs)
		synctest.Wait()
		require.True(t, released, "what it was not told it is told when it comes back")
	})
}

func TestAnArbiterThatPanicsBesideTheLoopEndsTheRunSafely(t *testing.T) {
	bad := func() { panic("no desk") }
	for name, a := range map[string]fake{
		"asked":      {request: func(func(Ruling)) { bad() }, release: func() {}},
		"given back": {request: func(say func(Ruling)) { say(Ruling{Kind: Granted}) }, release: bad},
	} {
		inOurTime(t, func(t *testing.T) {
			store := newMemory()
			_, err := moves(t, a, system.NewClock(1), &Options{Storage: store})
			require.EqualError(t, err, "runner: Rig.Arbiter: panic: no desk", name)
			found, err := journal.Scan("memory/journal", nil, &journal.Options{Storage: store})
			require.NoError(t, err)
			require.Greater(t, found.Head.N, uint64(5))
		})
	}
}
