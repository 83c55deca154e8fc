// The claims of an input and an output, on a line that a test drives.

package linux

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/stretchr/testify/require"
)

// rope is a line of a test.
type rope struct {
	mu     sync.Mutex
	level  int
	stuck  bool  // it does not follow
	broken error // what every call returns
	closed bool
}

func (r *rope) Value() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.level, r.broken
}

func (r *rope) SetValue(v int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken == nil && !r.stuck {
		r.level = v
	}
	return r.broken
}

func (r *rope) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

func (r *rope) breaks(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
}

func (r *rope) sticks(stuck bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stuck = stuck
}

func (r *rope) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// input makes an input of a rope.
func input(r *rope) *Input { return &Input{line: r, wake: make(chan struct{}, 1)} }

// watched runs Watch until all is quiet, and returns what it emitted.
func watched(t *testing.T, l *Input) (edges []hal.Edge) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Watch(ctx, func(e hal.Edge) { edges = append(edges, e) }) }()
	synctest.Wait()
	cancel()
	require.NoError(t, <-done)
	return edges
}

func TestEdgesThatCameBeforeAnybodyWatchedAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := input(&rope{})
		l.came(hal.Edge{Mono: 7, High: true, Seq: 1})
		l.came(hal.Edge{Mono: 9, Seq: 2})
		require.Equal(t, []hal.Edge{{Mono: 7, High: true, Seq: 1}, {Mono: 9, Seq: 2}}, watched(t, l))
		require.Empty(t, watched(t, l), "each edge once")
	})
}

func TestEdgesThatAreMissingAreCountedWhoeverLostThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := input(&rope{})
		l.came(hal.Edge{Seq: 4}) // the kernel had no room for three
		for i := range uint32(EdgeBuffer + 9) {
			l.came(hal.Edge{Seq: 5 + i, High: i%2 == 0})
		}
		edges := watched(t, l)
		require.Len(t, edges, EdgeBuffer)
		total := uint32(len(edges))
		for _, e := range edges {
			total += e.Lost
		}
		require.Equal(t, uint32(4+EdgeBuffer+9), total, "what was delivered and what was lost is all there was")
		require.Equal(t, uint32(4+EdgeBuffer+9), edges[len(edges)-1].Seq)
	})
}

func TestAKernelThatDoesNotNumberEdgesHasThemNumbered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := input(&rope{})
		l.came(hal.Edge{High: true})
		l.came(hal.Edge{})
		edges := watched(t, l)
		require.Equal(t, []uint32{1, 2}, []uint32{edges[0].Seq, edges[1].Seq})
	})
}

func TestALineWhoseChipHasGoneIsFoundOutAndClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rope{}
		l := input(r)
		time.AfterFunc(500*time.Millisecond, func() { r.breaks(syscall.ETIMEDOUT) }) // its bus does not answer for once
		time.AfterFunc(1500*time.Millisecond, func() { r.breaks(syscall.ENODEV) })
		begun := time.Now()
		err := l.Watch(t.Context(), func(hal.Edge) {})
		require.ErrorIs(t, err, syscall.ENODEV)
		require.LessOrEqual(t, time.Since(begun), 2500*time.Millisecond)
		require.True(t, r.closed, "the thread that waits for its edges ends")
		_, err = l.Get()
		require.ErrorIs(t, err, os.ErrClosed)
	})
}

func TestCloseEndsWatchAndASecondWatchIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := input(&rope{})
		done := make(chan error)
		go func() { done <- l.Watch(t.Context(), func(hal.Edge) {}) }()
		synctest.Wait()
		require.ErrorContains(t, l.Watch(t.Context(), nil), "it has a Watch already")
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-done, os.ErrClosed)
		require.ErrorIs(t, l.Close(), os.ErrClosed)
		require.ErrorIs(t, l.Watch(t.Context(), nil), os.ErrClosed)
	})
}

func TestAnOutputReadsWhatTheLineSaysAndNotWhatWasSet(t *testing.T) {
	r := &rope{}
	o := &Output{line: r}
	require.NoError(t, o.Set(true))
	high, err := o.Get()
	require.NoError(t, err)
	require.True(t, high)
	r.stuck = true
	require.NoError(t, o.Set(false), "the driver took it over")
	high, err = o.Get()
	require.NoError(t, err)
	require.True(t, high, "and the line did not follow")
	require.NoError(t, o.Close())
	require.ErrorIs(t, o.Set(true), os.ErrClosed)
	require.ErrorIs(t, o.Close(), os.ErrClosed)
}
