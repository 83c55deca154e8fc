// T2 on edges of a real kernel: bounces leave no trace, and a violation that stays trips, from the line to the record and the output.

package main

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/internal/vmbed/guest"
	"github.com/batchkit/batchkit/journal/record"
)

// high pulls two of the three switches at the brim.
func (k *tank) high(t *testing.T, on bool) {
	require.NoError(t, k.chip.Pull(lineHigh, on))
	require.NoError(t, k.chip.Pull(lineHigh+1, on))
}

func TestKernelT2BouncesLeaveNoTraceAndAViolationThatStaysTrips(t *testing.T) {
	if !guest.Inside() {
		t.Skip(guest.Elsewhere)
	}
	for n := 1; ; n++ {
		var stretched time.Duration
		if !t.Run(strconv.Itoa(n), func(t *testing.T) { stretched = bounces(t) }) || stretched == 0 {
			return
		}
		t.Logf("a bounce of 5 ms lasted %v: the machine is too busy to make one, and all begins anew", stretched)
		require.Less(t, n, 5, "the machine is too busy to make a bounce")
	}
}

// debounce of the switches in this test. A machine that is emulated may stretch a bounce of 5 ms, to half of that at most: beyond it what
// was to be a bounce is none.
const debounce = 400 * time.Millisecond

// bounces is the whole of T2, and gives for how long the longest bounce lasted that was none; 0: all were.
func bounces(t *testing.T) (stretched time.Duration) {
	k := newTank(t)
	t.Chdir(t.TempDir())
	unpackBoards(t)
	edit(t, "map.yaml", "debounce: 60 ms\n    vote_window: 300 ms", "debounce: 400 ms\n    vote_window: 400 ms")
	const trips = 640 * time.Millisecond // 400 ms, and 60 % of 400 ms
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	// The meter gives no pulse, so that the feed stays open.
	require.NoError(t, k.chip.Pull(lineLow, false))
	ended := make(chan outcome, 1)
	go func() {
		var out, errs strings.Builder
		code := run(ctx, []string{"-board", "bed.yaml", "-map", "map.yaml", "-recipe", "recipe.yaml", "-unapproved", "-plain"}, io.MultiReader(), &out, &errs)
		ended <- outcome{code, out.String(), errs.String()}
	}()
	require.True(t, guest.Until(func() bool { open, _ := k.chip.Level(lineFeed); return open }), "the feed opens")
	for range 30 { // bursts of three bounces, and a pause that is shorter than the debounce too
		for range 3 {
			began := linux.Monotonic()
			k.high(t, true)
			time.Sleep(5 * time.Millisecond)
			k.high(t, false)
			if lasted := time.Duration(linux.Monotonic() - began); lasted > debounce/2 {
				stop()
				<-ended
				return lasted
			}
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(30 * time.Millisecond)
		open, err := k.chip.Level(lineFeed)
		require.NoError(t, err)
		require.True(t, open, "a bounce has closed the feed")
	}
	began := linux.Monotonic()
	k.high(t, true)
	require.True(t, guest.Until(func() bool { open, _ := k.chip.Level(lineFeed); return !open }), "the feed closes")
	took := time.Duration(linux.Monotonic() - began)
	t.Logf("from the edge to the output: %v, of which %v are declared", took, trips)
	require.GreaterOrEqual(t, took, trips)
	require.Less(t, took, trips+2*time.Second)
	stop()
	o := <-ended
	interlocks := of(records(t, "out/B-0001"), record.KindInterlock)
	require.NotEmpty(t, interlocks, o)
	first := interlocks[0]
	require.Equal(t, "IL-OVERFILL", first.Text(record.InterlockID), o)
	require.Contains(t, o.out, "IL-OVERFILL", o)
	for _, one := range interlocks {
		t.Log(string(one.Body))
	}
	require.Len(t, interlocks, 1, "thirty bursts and one violation are one trip")
	return 0
}
