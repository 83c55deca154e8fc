// The claims of the port, on lines that a test drives.

package linux

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// bench is a port of one output, one input and one counter, with what it emitted.
type bench struct {
	port         *Port
	out, in, ctr *rope
	input, count *Input
	mu           sync.Mutex
	said         []string
	begun        time.Time
	stop         func()
}

// newBench starts a port. Its rig's clock is 1 s ahead of that of the edges.
func newBench(t *testing.T) *bench {
	b := &bench{out: &rope{}, in: &rope{}, ctr: &rope{}, begun: time.Now()}
	b.input, b.count = input(b.in), input(b.ctr)
	b.port = &Port{resend: time.Second, mono: b.mono, now: func() int64 { return b.mono() + int64(time.Second) }, wake: make(chan struct{}, 1),
		outputs:  []*portOutput{{channel: "do/1", line: &Output{line: b.out}}},
		inputs:   []*portInput{{channel: "di/1", line: b.input}},
		counters: []*portCounter{{channel: "ctr/1", line: b.count, rate: 100}}}
	b.watch(t)
	return b
}

func (b *bench) watch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- b.port.Watch(ctx, func(r tag.Raw) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.said = append(b.said, fmt.Sprintf("%s %d %v %d", r.Channel, r.Bits, r.Quality, (r.At-int64(time.Second))/1_000_000))
		})
	}()
	b.stop = func() {
		cancel()
		require.NoError(t, <-done)
	}
	synctest.Wait()
}

func (b *bench) mono() int64 { return int64(time.Since(b.begun)) }

// edge has the input change now, and the library tell of it later.
func (b *bench) edge(level int, seq uint32, later time.Duration) {
	b.in.SetValue(level)
	e := hal.Edge{Mono: b.mono(), High: level == 1, Seq: seq}
	time.Sleep(later)
	b.input.came(e)
	synctest.Wait()
}

// take returns what was said since it was called last.
func (b *bench) take() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = nil
	return said
}

func TestEveryChannelIsEmittedFirstAndAgainWithEveryRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		require.Equal(t, []string{"do/1 0 GOOD 0", "di/1 0 GOOD 0", "ctr/1 0 GOOD 0"}, b.take())
		time.Sleep(2500 * time.Millisecond)
		require.Equal(t, []string{"di/1 0 GOOD 1000", "do/1 0 GOOD 1000", "ctr/1 0 GOOD 1000",
			"di/1 0 GOOD 2000", "do/1 0 GOOD 2000", "ctr/1 0 GOOD 2000"}, b.take())
		b.stop()
		b.watch(t)
		require.Len(t, b.take(), 3, "a second Watch begins as the first did")
		b.stop()
	})
}

func TestAnEdgeHasTheTimeOfItsInterruptOnTheClockOfTheRig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.take()
		time.Sleep(100 * time.Millisecond)
		b.edge(1, 1, 3*time.Millisecond)
		require.Equal(t, []string{"di/1 1 GOOD 100"}, b.take())
		b.stop()
	})
}

func TestALevelThatNoEdgeHasLedToCountsWhenItIsReadTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.take()
		b.in.SetValue(1) // the edge is lost without a trace
		time.Sleep(1005 * time.Millisecond)
		require.NotContains(t, b.take(), "di/1 1 GOOD 1000")
		time.Sleep(6 * time.Millisecond)
		require.Equal(t, []string{"di/1 1 GOOD 1010"}, b.take())
		b.stop()
	})
}

func TestARoundDoesNotOvertakeAnEdgeThatIsStillOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.Sleep(999 * time.Millisecond)
		b.take()
		b.edge(1, 1, 4*time.Millisecond) // the round at 1000 reads the new level before the edge has come
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, []string{"do/1 0 GOOD 1000", "ctr/1 0 GOOD 1000", "di/1 1 GOOD 999"}, b.take())
		b.stop()
	})
}

func TestAfterEdgesWereLostTheLevelIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.Sleep(100 * time.Millisecond)
		b.take()
		b.edge(1, 40, 0) // 39 before it are lost, and perhaps some behind it
		b.in.SetValue(0)
		time.Sleep(20 * time.Millisecond)
		require.Equal(t, []string{"di/1 1 GOOD 100", "di/1 0 GOOD 110"}, b.take())
		b.stop()
	})
}

func TestALineThatFailsIsBadAndTheOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.take()
		b.in.breaks(syscall.ENODEV)
		time.Sleep(1001 * time.Millisecond)
		require.Equal(t, []string{"di/1 0 BAD 1000", "do/1 0 GOOD 1000", "ctr/1 0 GOOD 1000"}, b.take())
		require.True(t, b.in.isClosed())
		b.in.breaks(nil)
		time.Sleep(time.Second)
		require.Contains(t, b.take(), "di/1 0 BAD 2000", "it stays so until the board is opened anew")
		b.stop()
	})
}

func TestALineWhoseBusDoesNotAnswerForOnceIsBadUntilItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.take()
		b.in.breaks(syscall.ETIMEDOUT)
		time.Sleep(1001 * time.Millisecond)
		require.Contains(t, b.take(), "di/1 0 BAD 1000")
		require.False(t, b.in.isClosed())
		b.in.breaks(nil)
		time.Sleep(time.Second)
		require.Contains(t, b.take(), "di/1 0 GOOD 2000")
		b.stop()
	})
}

func TestAWriteIsConfirmedByWhatTheLineReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.take()
		ctx := t.Context()
		require.NoError(t, b.port.Write(ctx, tag.Write{Channel: "do/1", Bits: 1}))
		require.Equal(t, []string{"do/1 1 GOOD 0"}, b.take(), "it is read back at once")
		b.out.sticks(true)
		require.EqualError(t, b.port.Write(ctx, tag.Write{Channel: "do/1"}),
			`linux: port: output "do/1": it reads back 1 after it was set to 0: something else drives the line, or it is shorted`)
		b.take()
		b.out.sticks(false)
		b.stop()
	})
}

func TestAWriteThatMayNotBeginIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.Sleep(time.Second)
		b.take()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		late := tag.Write{Channel: "do/1", Bits: 1, Deadline: b.port.now() - 2000}
		require.ErrorIs(t, b.port.Write(t.Context(), late), context.DeadlineExceeded)
		require.ErrorContains(t, b.port.Write(t.Context(), late), "its deadline is over for 2 us")
		require.ErrorIs(t, b.port.Write(over, tag.Write{Channel: "do/1", Bits: 1}), context.Canceled)
		require.EqualError(t, b.port.Write(t.Context(), tag.Write{Channel: "di/1"}), `linux: port: no output "di/1"; there are: do/1`)
		require.ErrorContains(t, b.port.Write(t.Context(), tag.Write{Channel: "do/1", Form: tag.Int, Bits: 3}), "it takes bool, 0 or 1")
		require.Empty(t, b.take())
		require.Zero(t, b.out.level)
		b.stop()
	})
}

func TestACounterCountsWhatTheKernelHadNoRoomForAndIsBadAboveItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.Sleep(500 * time.Millisecond)
		b.take()
		b.count.came(hal.Edge{High: true, Seq: 1})
		b.count.came(hal.Edge{High: true, Seq: 5})
		require.Equal(t, []string{"ctr/1 5 GOOD 500"}, b.take())
		time.Sleep(10 * time.Millisecond)
		b.count.came(hal.Edge{High: true, Seq: 6})
		require.Empty(t, b.take(), "no more than one value every 50 ms")
		time.Sleep(45 * time.Millisecond)
		require.Equal(t, []string{"ctr/1 6 GOOD 550"}, b.take())
		time.Sleep(50 * time.Millisecond)
		b.count.came(hal.Edge{High: true, Seq: 106}) // 100 pulses in 55 ms
		time.Sleep(45 * time.Millisecond)
		require.Equal(t, []string{"ctr/1 106 BAD 605"}, b.take())
		time.Sleep(355 * time.Millisecond)
		require.Contains(t, b.take(), "ctr/1 106 GOOD 1000", "at rest it is good again")
		b.stop()
	})
}
