// Tests of what a ring is after cuts, damage and disks that fail.

package trend_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// life is what a process did with its ring until the power went: what could be read, which is what may have been sent, and what was
// durable.
type life struct {
	source
	seen    uint64
	durable []uint64
}

// live opens a ring, fills it over its budget, and reads all that it can, until a call finds no power.
func (l *life) live(d *journaltest.Disk, rounds int) {
	r, err := trend.Open("ring", small(d))
	if err != nil {
		return
	}
	for i := range rounds {
		for range 9 {
			l.give(r)
		}
		fault := r.Flush(int64(max(i-b2i(i%3 == 0), 0)) * int64(2*time.Minute)) // the device is flushed in two rounds of three
		if list, err := all(r); err == nil && len(list) > 0 {
			l.seen = max(l.seen, list[len(list)-1].Seq)
			if fault == nil && i%3 > 0 {
				l.durable = l.durable[:0]
				for _, one := range list {
					l.durable = append(l.durable, one.Seq)
				}
			}
		}
	}
	_ = r.Close() // it may have no power
}

func TestACutAtAnyCallLeavesNoWrongSampleAndGivesNoNumberTwice(t *testing.T) {
	const rounds = 16
	calls := 0
	d := journaltest.NewDisk()
	d.Fault = func(call int, _, _ string) *journaltest.Fault { calls = call; return nil }
	(&life{source: *newSource()}).live(d, rounds)
	states := 0
	for cut := 1; cut <= calls+1; cut++ {
		rng := rand.New(rand.NewPCG(uint64(cut), 1))
		d := journaltest.NewDisk()
		d.Fault = func(call int, _, _ string) *journaltest.Fault {
			if call == cut {
				return &journaltest.Fault{Err: journaltest.ErrPower, Power: true, Half: rng.IntN(2) == 0}
			}
			return nil
		}
		l := &life{source: *newSource()}
		l.live(d, rounds)
		names, sectors := d.Pending()
		for _, loss := range losses(names, sectors, rng) {
			states++
			after := d.Cut(loss)
			name := fmt.Sprintf("cut at call %d, left %s", cut, loss)
			r := open(t, after)
			list, err := all(r)
			require.NoError(t, err, name)
			require.NoError(t, l.honest(list), name)
			taken := r.Stats().Taken
			require.GreaterOrEqual(t, taken, l.seen, "%s: a number that may have been sent is given anew", name)
			oldest := uint64(0)
			if len(list) > 0 {
				oldest = list[0].Seq
			}
			for _, n := range l.durable { // what the ring has dropped meanwhile, to have room, is not missed
				require.True(t, n < oldest || slices.ContainsFunc(list, has(n)), "%s: sample %d was durable", name, n)
			}
			next := source{n: l.n, put: l.put}
			require.True(t, next.give(r), name)
			require.NoError(t, r.Flush(0), name)
			list, err = all(r)
			require.NoError(t, err, name)
			require.NoError(t, next.honest(list), name)
			require.Equal(t, taken+1, list[len(list)-1].Seq, name)
			require.NoError(t, r.Close(), name)
			delete(next.put, taken+1)
		}
	}
	t.Logf("%d calls, %d states", calls, states)
}

func b2i(is bool) int {
	if is {
		return 1
	}
	return 0
}

func has(n uint64) func(trend.Sample) bool { return func(s trend.Sample) bool { return s.Seq == n } }

func TestAFileThatEndsAnywhereOrHasAnyByteChangedGivesNoWrongSample(t *testing.T) {
	dir := t.TempDir() + "/ring"
	r, err := trend.Open(dir, nil)
	require.NoError(t, err)
	s := newSource()
	for range 8 {
		s.give(r)
	}
	require.NoError(t, r.Close())
	name := dir + "/0000000000000001.trend"
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	try := func(what string, data []byte, lost int) {
		require.NoError(t, os.WriteFile(name, data, 0o640))
		r, err := trend.Open(dir, nil)
		require.NoError(t, err, what)
		list, err := all(r)
		require.NoError(t, err, what)
		require.NoError(t, s.honest(list), what)
		require.GreaterOrEqual(t, len(list), 8-lost, what)
		if len(list) < 8 && len(data) == len(whole) {
			require.Positive(t, r.Stats().Torn, what)
		}
		require.NoError(t, r.Close(), what)
	}
	for n := range whole {
		try(fmt.Sprintf("cut to %d bytes", n), whole[:n], 8)
		for _, x := range []byte{1, 0x80, 0xFF} {
			data := slices.Clone(whole)
			data[n] ^= x
			lost := 1
			if n < 32 { // the header, without which nothing in the file can be believed
				lost = 8
			}
			try(fmt.Sprintf("byte %d changed by %d", n, x), data, lost)
		}
	}
}

func TestAWriterThatEndsWellPassesOverNoNumber(t *testing.T) {
	d, s := journaltest.NewDisk(), newSource()
	for life := range 5 {
		r := open(t, d)
		require.Zero(t, r.Stats().Skipped, life)
		require.Zero(t, r.Stats().Torn, life)
		s.give(r)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close(), "closed twice is closed once")
	}
	r := open(t, d)
	list, err := all(r)
	require.NoError(t, err)
	require.Len(t, list, 5)
	require.Equal(t, uint64(5), list[4].Seq)
	_, err = trend.Open("ring", small(d))
	require.ErrorContains(t, err, `trend: ring "ring": `)
}

func TestTheOldestGoWhenTheBudgetIsUsedUp(t *testing.T) {
	d, s := journaltest.NewDisk(), newSource()
	r := open(t, d)
	for range 1000 {
		s.give(r)
		require.NoError(t, r.Flush(0))
		names, err := d.List("ring")
		require.NoError(t, err)
		used := 0
		for _, name := range names {
			b, err := d.Read("ring/"+name, 1<<20, nil)
			require.NoError(t, err)
			used += len(b)
		}
		require.LessOrEqual(t, used, 3*trend.MinSegment)
	}
	list, err := all(r)
	require.NoError(t, err)
	require.NoError(t, s.honest(list))
	require.Equal(t, uint64(1000), list[len(list)-1].Seq)
	n := r.Stats()
	require.Equal(t, n.Taken, n.Stored+n.Evicted)
	require.Equal(t, n.Stored, uint64(len(list)))
}

func TestADiskThatFailsAtAnyCallLosesWhatIsCountedAndNoMore(t *testing.T) {
	for _, f := range []journaltest.Fault{{Err: syscall.EIO}, {Err: syscall.ENOSPC, Half: true}, {Err: syscall.EIO, Done: true}, {Half: true}} {
		for at := 6; at < 80; at++ {
			d, s := journaltest.NewDisk(), newSource()
			r := open(t, d)
			d.Fault = func(call int, op, _ string) *journaltest.Fault {
				if call == at && (op == "write" || f.Err != nil && op != "read" && op != "close") {
					return &f
				}
				return nil
			}
			failed := 0
			for i := range 30 {
				for range 5 {
					s.give(r)
				}
				if r.Flush(int64(i)*int64(time.Minute)) != nil {
					failed++
				}
			}
			name := fmt.Sprintf("call %d, %s", at, f)
			require.LessOrEqual(t, failed, 1, name)
			list, err := all(r)
			require.NoError(t, err, name)
			require.NoError(t, s.honest(list), name)
			n := r.Stats()
			require.Equal(t, n.Taken, n.Stored+n.Evicted+n.Failed, name)
			require.Equal(t, failed > 0, n.Fault != nil, name)
			require.LessOrEqual(t, n.Failed, uint64(5), name)
		}
	}
}

func TestASegmentThatCannotBeReadIsPassedOverAtLast(t *testing.T) {
	d, s := journaltest.NewDisk(), newSource()
	r := open(t, d)
	for range 150 {
		s.give(r)
	}
	require.NoError(t, r.Flush(0))
	d.Fault = func(_ int, op, name string) *journaltest.Fault {
		if op == "read" && name == "ring/0000000000000001.trend" {
			return &journaltest.Fault{Err: syscall.EIO}
		}
		return nil
	}
	for range 2 {
		_, err := all(r)
		require.ErrorIs(t, err, syscall.EIO)
	}
	list, err := all(r)
	require.NoError(t, err)
	require.NoError(t, s.honest(list))
	n := r.Stats()
	require.True(t, errors.Is(n.Fault, syscall.EIO))
	require.Equal(t, n.Taken, uint64(len(list))+n.Failed)
}
