// A process that is killed leaves all that it has flushed.

package trend_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/trend"
)

// victim is the variable of the environment that makes the test binary a process that is killed; it names the ring.
const victim = "BATCHKIT_TREND_VICTIM"

func TestMain(m *testing.M) {
	dir := os.Getenv(victim)
	if dir == "" {
		os.Exit(m.Run())
	}
	r, err := trend.Open(dir, &trend.Options{Segment: trend.MinSegment, Budget: 1 << 20})
	if err != nil {
		panic(err)
	}
	s := newSource()
	for range mostFlushes {
		for range 5 {
			s.give(r)
		}
		if err := r.Flush(0); err != nil {
			panic(err)
		}
		fmt.Println(r.Stats().Taken)
	}
	time.Sleep(time.Minute) // until it is killed
	os.Exit(1)
}

// mostFlushes is how often a victim flushes that is killed late, since the machine is busy: the ring has room for all of it.
const mostFlushes = 1000

func TestWhatAKilledProcessHasFlushedIsThere(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "ring")
	next := uint64(1)
	for life := range 5 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), victim+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		flushed := uint64(0)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 30+life*17 {
				require.NoError(t, cmd.Process.Kill())
			}
			flushed, err = strconv.ParseUint(lines.Text(), 10, 64) // what came before the kill took hold counts too
			require.NoError(t, err)
		}
		require.Error(t, cmd.Wait())
		r, err := trend.Open(dir, &trend.Options{Segment: trend.MinSegment, Budget: 1 << 20})
		require.NoError(t, err)
		list, err := r.Read(next-1, 1, nil)
		require.NoError(t, err)
		require.Equal(t, next, list[0].Seq)
		for at := next; at <= flushed; {
			list, err := r.Read(at-1, 500, nil)
			require.NoError(t, err)
			require.NotEmpty(t, list)
			for _, one := range list {
				want := sampleOf(at - next + 1)
				want.Seq = at
				require.Equal(t, want, one)
				at++
			}
		}
		require.Equal(t, uint64(trend.MaxLoss), r.Stats().Skipped, "it has not ended well")
		next = r.Stats().Taken + 1
		require.Greater(t, next, flushed+1)
		require.NoError(t, r.Close())
	}
}
