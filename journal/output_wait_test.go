// How long an output waits for its record: on a slow disk that stalls, with and without a FRAM at the speed of SPI.

package journal_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// spi is a chip whose transfers take 0.4 us per byte, after 5 bytes of command and address.
type spi struct {
	hal.FRAM
	now *time.Duration
}

func (s spi) WriteAt(p []byte, off int64) (int, error) {
	*s.now += time.Duration(len(p)+5) * 400
	return s.FRAM.WriteAt(p, off)
}

// waits appends records at chance times, 20 per second of 300 bytes, for 10 minutes, to a disk whose flush takes 50 ms and every
// 400th 5 s, and returns how long each waited until it was durable. Time is counted, not passed: what comes during a flush is
// appended, and staged if there is a chip, within it.
func waits(t *testing.T, ring bool) (all []time.Duration) {
	const records = 12_000
	var now time.Duration
	d := journaltest.NewDisk()
	opt := &journal.Options{Storage: d, Segment: 64 << 20}
	if ring {
		b, err := sim.NewBoard(1, nil)
		require.NoError(t, err)
		f := spi{b.FRAM(), &now}
		require.NoError(t, journal.FormatChip(f, 1, 0, ""))
		opt.Anchor, err = opened(t, f).Take(head.JournalID)
		require.NoError(t, err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	arrivals := make([]time.Duration, records)
	opt.OnDurable = func(seq uint64) {
		for n := len(all); n < int(seq); n++ {
			all = append(all, now-arrivals[n])
		}
	}
	w, err := journal.Create(dir, head, opt)
	require.NoError(t, err)
	at := now
	for i := range arrivals {
		at += time.Duration(rng.ExpFloat64() * float64(50*time.Millisecond))
		arrivals[i] = at
	}
	next, flushes, x := 0, 0, body(1, 300)
	take := func() {
		now = max(now, arrivals[next])
		next++
		require.NoError(t, w.Append(uint64(next), x))
		require.NoError(t, w.Stage())
	}
	d.OnSync = func() {
		flushes++
		end := now + 50*time.Millisecond
		if flushes%400 == 0 {
			end = now + 5*time.Second
		}
		for next < records && arrivals[next] <= end {
			take()
		}
		now = max(now, end)
	}
	for len(all) < records || next < records {
		if next < records && int(w.Durable()) == next {
			take()
		}
		require.NoError(t, w.Commit())
	}
	require.NoError(t, w.Close())
	slices.Sort(all)
	return all
}

func TestWithARingOutputsDoNotWaitForADiskThatStalls(t *testing.T) {
	p := func(all []time.Duration, part int) time.Duration { return all[len(all)*part/1000] }
	disk, ring := waits(t, false), waits(t, true)
	for name, all := range map[string][]time.Duration{"the disk alone": disk, "a ring on SPI": ring} {
		t.Logf("%s: p50 %v, p99 %v, p99.9 %v, longest %v", name, p(all, 500), p(all, 990), p(all, 999), all[len(all)-1])
	}
	require.Greater(t, p(disk, 500), 50*time.Millisecond)
	require.Greater(t, p(disk, 990), time.Second)
	require.Less(t, p(ring, 500), 200*time.Microsecond)
	require.Less(t, p(ring, 990), time.Millisecond)
	require.Less(t, ring[len(ring)-1], 2*time.Millisecond)
}
