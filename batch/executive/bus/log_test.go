// The log in a stream, held against what a log of an arbiter promises.

package bus

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

var _ arbiter.Follower = (*Log)(nil)

func TestTheLogInAStreamKeepsWhatALogPromises(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		name string
		urls func(t testing.TB) string
		copy bool
	}{
		{"one server", func(t testing.TB) string { s, _ := runServer(t, alone(t)); return s.ClientURL() }, false},
		{"one server, with a copy", func(t testing.TB) string { s, _ := runServer(t, alone(t)); return s.ClientURL() }, true},
		{"three servers", func(t testing.TB) string { return strings.Join(three(t), ",") }, false},
	} {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, &Options{URL: at.urls(t), Node: "n1"})
			openLog(t, c, "plant", nil).Close() // until the cluster has found itself
			var copies []arbiter.Log
			require.NoError(t, storetest.Log(within(t, 5*patience), func(ctx context.Context) (arbiter.Log, error) {
				var mine arbiter.Log
				if at.copy { // each that is open at a time is another node
					mine = store.NewMemory()
					copies = append(copies, mine)
				}
				return OpenLog(ctx, c, "plant", mine)
			}))
			require.NoError(t, storetest.Follow(within(t, 5*patience), func(ctx context.Context) (arbiter.Follower, error) {
				return OpenLog(ctx, c, "followed", nil)
			}))
		})
	}
}

func TestAnOperationAsLargeAsAnyIsTaken(t *testing.T) {
	t.Parallel()
	s, _ := runServer(t, alone(t))
	c := connect(t, &Options{URL: s.ClientURL(), Node: "n1"})
	l := openLog(t, c, "plant", nil)
	op := bytes.Repeat([]byte("0123456789abcdef"), maxOp/16)
	require.NoError(t, l.Append(within(t, 3*patience), 1, op))
	fill(t, l, 2, 3)
	require.NoError(t, l.Append(within(t, patience), 4, op[:1<<20]))
	require.NoError(t, l.Read(within(t, patience), 1, func(seq uint64, got []byte) error {
		if seq == 1 {
			require.True(t, bytes.Equal(op, got))
		}
		return nil
	}))
	_, last, err := c.ends(within(t, patience), "ARB_plant_PARTS", false)
	require.NoError(t, err)
	require.EqualValues(t, maxOp/partSize+1+2, last)

	require.NoError(t, l.Trim(within(t, patience), 2))
	first, _, err := c.ends(within(t, patience), "ARB_plant_PARTS", false)
	require.NoError(t, err)
	require.EqualValues(t, maxOp/partSize+2, first, "the parts of what was let go are gone, too")
	require.ErrorIs(t, l.Append(within(t, patience), 5, make([]byte, maxOp+1)), store.ErrRefused)
}

func TestWhoWaitsIsWokenByAnotherNode(t *testing.T) {
	s, _ := runServer(t, alone(t))
	mine := openLog(t, connect(t, &Options{URL: s.ClientURL(), Node: "n1"}), "plant", nil)
	other := openLog(t, connect(t, &Options{URL: s.ClientURL(), Node: "n2"}), "plant", nil)
	var all sync.WaitGroup
	for n := range uint64(20) {
		all.Go(func() {
			if err := mine.Wait(within(t, patience), n+1); err != nil {
				t.Error(err)
			}
		})
		fill(t, other, n+1, n+1)
		all.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, mine.Wait(ctx, 22), context.DeadlineExceeded)
}

func TestANodeThatComesLateHasACopyFromTheWholeOn(t *testing.T) {
	s, _ := runServer(t, alone(t))
	c := connect(t, &Options{URL: s.ClientURL(), Node: "n1"})
	l := openLog(t, c, "plant", sqlite(t))
	fill(t, l, 1, 10)
	require.NoError(t, l.Trim(within(t, patience), 7))
	late := sqlite(t)
	require.Equal(t, readAll(t, l), readAll(t, openLog(t, c, "plant", late)))
	fill(t, l, 11, 40)
	require.NoError(t, l.Trim(within(t, patience), 30)) // while the late one is away
	again := openLog(t, c, "plant", late)
	require.Equal(t, readAll(t, l), readAll(t, again))
	require.Len(t, readAll(t, again), 11)
}

func TestALogThatIsTrimmedWhileItIsReadIsNotDamaged(t *testing.T) {
	t.Parallel()
	s, _ := runServer(t, alone(t))
	c := connect(t, &Options{URL: s.ClientURL(), Node: "n1"})
	l := openLog(t, c, "plant", nil)
	fill(t, l, 1, 3*window)
	require.NoError(t, l.Append(within(t, patience), 3*window+1, make([]byte, 1<<20)))
	fill(t, l, 3*window+2, 4*window)
	other := openLog(t, connect(t, &Options{URL: s.ClientURL(), Node: "n2"}), "plant", nil)
	var got []uint64
	require.NoError(t, l.Read(within(t, patience), 1, func(seq uint64, _ []byte) error {
		if seq == 1 {
			require.NoError(t, other.Trim(within(t, patience), 2*window))
		}
		if seq == 2*window {
			require.NoError(t, other.Trim(within(t, patience), 3*window+2))
		}
		got = append(got, seq)
		return nil
	}))
	require.Subset(t, got, []uint64{1, window, 2 * window, 4 * window}, "what was there when it began, but for what is gone")
	require.NotContains(t, got, uint64(window+1))
	require.True(t, slices.IsSorted(got))
}
