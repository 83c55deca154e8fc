// The inbox, the gate and the queue, held against what they are said to do.

package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/sequencer"
)

func zero() int64 { return 0 }

func TestSamplesThatWaitTogetherHaveOneStampAndNoneIsStampedBeforeItCame(t *testing.T) {
	tags := []iomap.Tag{{Name: "A", Channel: "a", Type: iomap.Number}, {Name: "B", Channel: "b", Type: iomap.Number}}
	in, now := newInbox(tags), int64(0)
	clock := func() int64 {
		now++
		return now
	}
	stamp := func() int64 {
		_, _, at, ok := in.take(false, clock)
		require.True(t, ok)
		return at
	}
	send := func(channel string) { in.sample(tag.Raw{Channel: channel, Form: tag.Int, Quality: tag.Good}, 0) }
	send("a")
	send("b")
	require.Equal(t, []int64{1, 1}, []int64{stamp(), stamp()})
	send("a")
	send("b")
	require.EqualValues(t, 2, stamp())
	send("b") // in place of the one that waits
	send("a")
	require.Equal(t, []int64{3, 3}, []int64{stamp(), stamp()}, "the newer value is not stamped with the time of the older one")
}

// threeTags are a switch, a number and a counter.
func threeTags() []iomap.Tag {
	return []iomap.Tag{{Name: "S", Channel: "di/1", Type: iomap.Switch}, {Name: "N", Channel: "ai/1", Type: iomap.Number},
		{Name: "C", Channel: "ctr/1", Type: iomap.Counter}}
}

func good(channel string, bits uint64) tag.Raw {
	return tag.Raw{Channel: channel, Form: tag.Int, Bits: bits, Quality: tag.Good}
}

func TestALevelIsReplacedByItsNewerValueAndAnEdgeIsKept(t *testing.T) {
	in := newInbox(threeTags())
	for n := range uint64(5) {
		for _, channel := range []string{"ai/1", "di/1", "ctr/1", "ai/99"} {
			in.sample(good(channel, n), int64(100+n))
		}
	}
	require.Equal(t, int64(8), in.dropped())
	require.Equal(t, []string{"ai/99"}, in.strangers())
	var got []string
	for ev, at, _, ok := in.take(false, zero); ok; ev, at, _, ok = in.take(false, zero) {
		got = append(got, fmt.Sprint(ev.Tag, " ", ev.Bits, " ", at))
	}
	require.Equal(t, []string{"1 4 104", "0 0 100", "2 4 104", "0 1 101", "0 2 102", "0 3 103", "0 4 104"}, got)
}

func TestCommandsBeyondTheLimitAreRefusedAndAnswersComeFirst(t *testing.T) {
	in := newInbox(threeTags())
	in.sample(good("di/1", 1), 1)
	for n := range maxCommands {
		require.NoError(t, in.tell(batch.Event{Kind: batch.Told, ID: uint32(n)}))
	}
	require.ErrorIs(t, in.tell(batch.Event{Kind: batch.Told}), ErrBusy)
	in.report(batch.Event{Kind: batch.Finished, ID: 7})
	in.answer(batch.Event{Kind: batch.Done, ID: 8})
	ev, _, _, ok := in.take(true, zero)
	require.True(t, ok)
	require.Equal(t, batch.Done, ev.Kind)
	for n := range maxCommands {
		ev, _, _, ok = in.take(true, zero)
		require.True(t, ok)
		require.Equal(t, uint32(n), ev.ID)
	}
	require.True(t, in.empty())
	_, _, _, ok = in.take(true, zero)
	require.False(t, ok, "samples and reports wait while the loop is crowded")
	require.NoError(t, in.tell(batch.Event{Kind: batch.Told}), "there is room again")
}

// naive is the inbox without its bookkeeping.
type naive struct {
	tags              []iomap.Tag
	answers, commands []batch.Event
	samples           []arrived
	coalesced         int64
}

func (m *naive) newest(match func(ev *batch.Event) bool) *arrived {
	for i := range slices.Backward(m.samples) {
		if match(&m.samples[i].ev) {
			return &m.samples[i]
		}
	}
	return nil
}

func (m *naive) put(a arrived, over *arrived) {
	if over == nil {
		m.samples = append(m.samples, a)
		return
	}
	*over = a
	m.coalesced++
}

func (m *naive) sample(id tag.ID, bits uint64, at int64) {
	full := len(m.samples) >= maxSamples
	var over *arrived
	if m.tags[id].Type != iomap.Switch || full {
		over = m.newest(func(ev *batch.Event) bool { return ev.Kind == batch.Sample && ev.Tag == id })
	}
	m.put(arrived{batch.Event{Kind: batch.Sample, Tag: id, Form: tag.Int, Bits: bits, Quality: tag.Good}, at}, over)
}

func (m *naive) report(ev batch.Event) {
	var over *arrived
	if ev.Kind == batch.Progress && len(m.samples) >= maxSamples {
		over = m.newest(func(old *batch.Event) bool { return old.Kind == batch.Progress && old.ID == ev.ID })
	}
	m.put(arrived{ev: ev}, over)
}

func (m *naive) take(only bool) (ev batch.Event, at int64, ok bool) {
	var a arrived
	switch {
	case len(m.answers) > 0:
		ev, m.answers = m.answers[0], m.answers[1:]
		return ev, 0, true
	case len(m.commands) > 0:
		ev, m.commands = m.commands[0], m.commands[1:]
		return ev, 0, true
	case !only && len(m.samples) > 0:
		a, m.samples = m.samples[0], m.samples[1:]
		return a.ev, a.at, true
	}
	return ev, 0, false
}

func TestTheInboxDoesWhatOneWithoutBookkeepingDoes(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		rng := rand.New(rand.NewPCG(seed, 2))
		in, m := newInbox(threeTags()), &naive{tags: threeTags()}
		channels := []string{"di/1", "ai/1", "ctr/1"}
		most, takes := 0, 1+rng.IntN(9)
		for n := range uint64(6000) {
			switch k := rng.IntN(10 + takes); {
			case k < 6:
				id := []int{0, 0, 0, 0, 1, 2}[k]
				in.sample(good(channels[id], n), int64(n+1))
				m.sample(tag.ID(id), n, int64(n+1))
			case k < 7:
				ev := batch.Event{Kind: []batch.EventKind{batch.Progress, batch.Progress, batch.Finished}[rng.IntN(3)], ID: rng.Uint32N(3), At: int64(n)}
				in.report(ev)
				m.report(ev)
			case k < 8:
				ev := batch.Event{Kind: batch.Done, At: int64(n)}
				in.answer(ev)
				m.answers = append(m.answers, ev)
			case k < 9:
				ev := batch.Event{Kind: batch.Told, At: int64(n)}
				require.Equal(t, len(m.commands) == maxCommands, in.tell(ev) != nil, "seed %d, operation %d", seed, n)
				if len(m.commands) < maxCommands {
					m.commands = append(m.commands, ev)
				}
			case k < 10 && rng.IntN(200) == 0: // everything at once
				for n := range uint64(maxSamples + 10) {
					in.sample(good("di/1", n), int64(n+1))
					m.sample(0, n, int64(n+1))
				}
			default:
				only := rng.IntN(3) == 0
				same(t, in, m, only, fmt.Sprintf("seed %d, operation %d", seed, n))
			}
			most = max(most, len(in.samples)-in.head)
		}
		for len(m.samples)+len(m.answers)+len(m.commands) > 0 {
			same(t, in, m, false, fmt.Sprintf("seed %d, at the end", seed))
		}
		require.Equal(t, m.coalesced, in.dropped(), "seed %d", seed)
		require.LessOrEqual(t, most, 2*maxSamples, "seed %d", seed)
	}
}

func same(t *testing.T, in *inbox, m *naive, only bool, where string) {
	ev, at, _, ok := in.take(only, zero)
	wantEv, wantAt, wantOK := m.take(only)
	if wantOK != ok || wantAt != at || wantEv.Kind != ev.Kind || wantEv.Bits != ev.Bits || wantEv.At != ev.At {
		require.Equal(t, fmt.Sprint(wantOK, wantAt, wantEv), fmt.Sprint(ok, at, ev), where)
	}
}

func TestTheGateKeepsTheOrderAndCancelsOneOutputOnly(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
		rng := rand.New(rand.NewPCG(seed, 3))
		var g gate
		var want, got, passed []uint32
		var model []batch.Effect
		durable := uint64(0)
		for n := range uint32(500) {
			switch rng.IntN(4) {
			case 0, 1:
				e := batch.Effect{Kind: batch.Write, Seq: uint64(n), Output: rng.IntN(3), ID: n}
				if rng.IntN(4) == 0 {
					e = batch.Effect{Kind: batch.Ask, Seq: uint64(n), ID: n}
				}
				g.add(&e)
				model = append(model, e)
			case 2:
				o := rng.IntN(3)
				g.cancel(o)
				model = slices.DeleteFunc(model, func(e batch.Effect) bool { return e.Kind == batch.Write && e.Output == o })
			default:
				durable += rng.Uint64N(uint64(n) - durable + 1)
				for len(model) > 0 && model[0].Seq <= durable {
					want, model = append(want, model[0].ID), model[1:]
				}
				passed = passed[:0]
				g.pass(durable, func(e *batch.Effect) { passed = append(passed, e.ID) })
				got = append(got, passed...)
				require.Equal(t, want, got, "seed %d", seed)
			}
			require.Len(t, g.held, len(model), "seed %d", seed)
		}
	}
}

func TestAFullGateOrAFullBufferKeepsSamplesWaiting(t *testing.T) {
	r, err := New(demoBatch(t, 1), Rig{Port: &wires{}, Dir: "memory"}, &Options{Storage: newMemory()})
	require.NoError(t, err)
	w, err := r.open()
	require.NoError(t, err)
	defer w.Close()
	l := newLoop(r, w)
	require.False(t, l.crowded())
	for n := range gateSize {
		require.False(t, l.crowded())
		l.gate.add(&batch.Effect{Kind: batch.Ask, Seq: uint64(n + 1)})
	}
	require.True(t, l.crowded())
	l.pass(1)
	require.False(t, l.crowded(), "one place is free again")

	for n := uint64(1); w.Room() >= reserve; n++ {
		require.NoError(t, w.Append(n, make([]byte, journal.MaxBody)))
	}
	require.True(t, l.crowded())
	require.NoError(t, w.Commit())
	require.False(t, l.crowded())
}

// write makes a write of an output for the queue; even ids are in the safe direction.
func write(output int, id uint32) *batch.Effect {
	return &batch.Effect{Kind: batch.Write, Output: output, Safe: id%2 == 0, Write: tag.Write{ID: id}}
}

func TestTheQueueTakesSafeWritesFirstAndOfThemThoseThatAnswer(t *testing.T) {
	q, ctx := newQueue(), context.Background()
	next := func() (id uint32, one context.Context) {
		w, one, ok := q.next(ctx)
		require.True(t, ok)
		return w.ID, one
	}
	for _, e := range []*batch.Effect{write(1, 1), write(2, 3), write(3, 5), write(3, 7)} {
		q.add(e, false)
	}
	id, one := next()
	require.EqualValues(t, 1, id)
	q.add(write(2, 10), false)
	require.NoError(t, one.Err(), "a safe write to another output lets it be")
	q.add(write(1, 12), false)
	require.ErrorIs(t, one.Err(), context.Canceled)
	require.True(t, q.finished(slowWrite+1, false))
	q.add(write(1, 14), false)
	var ids []uint32
	for range 4 {
		id, _ := next()
		q.finished(0, true)
		ids = append(ids, id)
	}
	require.Equal(t, []uint32{10, 14, 5, 7}, ids)

	q.add(write(1, 15), false)
	q.close()
	q.add(write(1, 16), false)
	_, _, ok := q.next(ctx)
	require.False(t, ok)
}

func TestARequestForATripCutsShortWhateverIsUnderWayAndASafeWriteIsBegunAnew(t *testing.T) {
	q, ctx := newQueue(), context.Background()
	next := func() (id uint32, one context.Context) {
		w, one, ok := q.next(ctx)
		require.True(t, ok)
		return w.ID, one
	}
	q.add(write(9, 2), false) // its way to rest takes long, which says nothing of the request
	_, _ = next()
	require.True(t, q.finished(slowWrite+1, true))
	q.add(write(1, 4), false)
	_, one := next()
	q.add(write(2, 6), false)
	q.add(write(9, 8), true)
	require.ErrorIs(t, one.Err(), context.Canceled)
	require.False(t, q.finished(slowWrite+1, false), "it waits again")
	id, _ := next()
	require.EqualValues(t, 8, id)
	q.add(write(9, 10), true)
	require.True(t, q.finished(slowWrite+1, false), "the newer one takes its place")
	_, one = next()
	q.add(write(9, 12), true)
	require.NoError(t, one.Err(), "a request that hung keeps no other from its safe value")
	require.True(t, q.finished(0, true))
	for _, want := range []uint32{4, 12} { // those that hung wait behind those that answer, in their order
		id, _ = next()
		require.Equal(t, want, id)
		require.True(t, q.finished(0, true))
	}
	q.add(write(1, 20), false)
	_, _ = next()
	q.add(write(1, 14), false)
	q.add(write(9, 16), true)
	require.True(t, q.finished(0, false), "one that is replaced is not begun anew")
	for _, want := range []uint32{16, 14} {
		id, _ = next()
		require.Equal(t, want, id)
		require.True(t, q.finished(0, true))
	}
	q.add(write(1, 17), false)
	_, one = next()
	q.add(write(9, 18), true)
	require.ErrorIs(t, one.Err(), context.Canceled)
	require.True(t, q.finished(0, false), "nor is one that is not in the safe direction")
}

func TestARequestForATripThatFailsAgainAndAgainCutsEachWriteShortOnce(t *testing.T) {
	q, ctx := newQueue(), context.Background()
	q.add(write(1, 2), false)
	_, valve, _ := q.next(ctx)
	q.add(write(9, 4), true)
	require.ErrorIs(t, valve.Err(), context.Canceled)
	require.False(t, q.finished(0, false), "it waits again")
	w, _, _ := q.next(ctx)
	require.EqualValues(t, 4, w.ID)
	require.True(t, q.finished(0, false), "the request is refused at once")
	w, valve, _ = q.next(ctx)
	require.EqualValues(t, 2, w.ID)
	for id := uint32(6); id < 40; id += 2 { // and made again
		q.add(write(9, id), true)
		require.NoError(t, valve.Err(), "what was cut short once has its time")
	}
	require.True(t, q.finished(0, true))
	w, _, _ = q.next(ctx)
	require.EqualValues(t, 38, w.ID)
}

func TestWhoIsAskedMayAnswerAndCommandAtOnce(t *testing.T) {
	inBubble(t, func(s *site) {
		s.opt.Ask = func(r *Runner, p Prompt) {
			require.Equal(t, "SAMPLE", p.Step)
			require.NoError(t, r.Tell(Command{Command: sequencer.Hold, Operator: "op1", Reason: "wait"}))
			require.NoError(t, r.Answer(p.ID, "ok", "op1", "operator"))
			require.NoError(t, r.Answer(p.ID, "ok again", "op2", "operator"))
			require.NoError(t, r.Answer(99, "to nothing", "op2", "operator"))
		}
		s.tell(50*second, sequencer.Restart)
		s.complete()
		require.Equal(t, []string{"Running", "Holding", "Held", "Restarting", "Running", "Complete"}, s.states())
	})
}
