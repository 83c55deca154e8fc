// The cell, and the line to it.

package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

func TestTheLineToThePlantShowsEveryChannelAndCarriesWritesOut(t *testing.T) {
	clock := system.NewClock(1)
	cell, err := newCell(clock, parts...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	path := filepath.Join(t.TempDir(), "plant.sock")
	served := make(chan error, 1)
	go func() { served <- servePlant(ctx, path, cell, clock) }()

	l := &line{path: path, clock: clock}
	require.ErrorIs(t, l.Write(ctx, tag.Write{Channel: "R102/do/2", Bits: 1, Deadline: clock.Now() + 1e9}), tag.ErrRefused)
	for range 2 { // the second client takes the place of the first
		seen := watched(t, ctx, l, clock)
		require.Len(t, seen, len(parts)*len(wired))
		require.Equal(t, uint64(1), seen["R102/do/2"])
		require.Equal(t, uint64(0), seen["R101/do/2"])
	}
	cancel()
	require.NoError(t, <-served)
}

// watched watches until everything was shown and a write was carried out and read back.
func watched(t *testing.T, ctx context.Context, l *line, clock interface{ Now() int64 }) map[string]uint64 {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	seen := map[string]uint64{}
	gone := make(chan struct{})
	go func() {
		for ctx.Err() == nil { // the plant may not listen yet
			_ = l.Watch(ctx, func(r tag.Raw) {
				mu.Lock()
				defer mu.Unlock()
				seen[r.Channel] = r.Bits
			})
		}
		close(gone)
	}()
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) == len(parts)*len(wired)
	}, time.Minute, time.Millisecond)
	require.NoError(t, l.Write(ctx, tag.Write{Channel: "R102/do/2", Bits: 1, Deadline: clock.Now() + 60e9}))
	require.Error(t, l.Write(ctx, tag.Write{Channel: "R109/do/2", Bits: 1, Deadline: clock.Now() + 60e9}))
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen["R102/do/2"] == 1
	}, time.Minute, time.Millisecond)
	cancel()
	<-gone
	return seen
}
