// Tests of what is on record of the bus: all that was told, in few words.

package bus

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/ledger"
)

// recorded runs a recorder in a bubble, and gives the records after fn.
func recorded(t *testing.T, fn func(r *Recorder)) (list []string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bus")
	synctest.Test(t, func(t *testing.T) {
		l, err := ledger.Open(dir, "board", "bus", nil)
		require.NoError(t, err)
		r := NewRecorder(l)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		fn(r)
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, l.Close())
	})
	return statesOf(t, dir)
}

func TestWhatIsToldAgainWithinASecondIsOneRecord(t *testing.T) {
	list := recorded(t, func(r *Recorder) {
		r.Tell("connection", "connected", "nats://a")
		synctest.Wait() // it is on record
		r.Tell("connection", "connected", "nats://a")
		synctest.Wait() // its time has not come, so the recorder rests, and what is told now is told before it looks again
		for range 9 {
			r.Tell("connection", "connected", "nats://a")
		}
		for range 10 {
			r.Tell("node n2", "here", "")
		}
		time.Sleep(5 * time.Second)
		r.Tell("connection", "connected", "nats://b")
		time.Sleep(5 * time.Second)
		r.Tell("rt.n2.x", "refused", strings.Repeat("x", 10_000)+"\x00\xff") // at the end all is written
	})
	require.Equal(t, []string{"bus connection connected", "node n2 here and 9", "bus connection connected and 9", "bus connection connected", "subject rt.n2.x refused"}, list)
}

func TestWhoIsRefusedUnderEverNewNamesFillsNoDisk(t *testing.T) {
	list := recorded(t, func(r *Recorder) {
		for i := range 10_000 {
			r.Tell(fmt.Sprint("cmd.n1.x", i), "refused", "no")
			if i%100 == 0 {
				time.Sleep(100 * time.Millisecond)
			}
		}
	})
	require.LessOrEqual(t, len(list), 40*10+maxObjects+1)
	told := 0
	for _, v := range list {
		n := 0
		if _, rest, ok := strings.Cut(v, " and "); ok {
			_, err := fmt.Sscan(rest, &n)
			require.NoError(t, err)
		}
		told += 1 + n
	}
	require.Equal(t, 10_000, told)
}

func TestALedgerThatTakesNothingEndsTheRecorder(t *testing.T) {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "bus"), "board", "bus", nil)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	r := NewRecorder(l)
	r.Tell("connection", "connected", "")
	require.ErrorContains(t, r.Run(t.Context()), "it is closed")
}
