// The plant in real time, in synctest bubbles: its clock, the manners of Watch and Write, and deadlines.

package sim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func (c realClock) Now() int64 { return int64(time.Since(c.base)) }

func (c realClock) Wait(ctx context.Context, until int64) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(until - c.Now())):
		return nil
	}
}

func (c realClock) Alarm(func()) timebase.Alarm { return nil }

// watch runs p.Watch for d beside the work, and returns what it emitted.
func watch(t *testing.T, p *Plant, d time.Duration, work func()) (got []tag.Raw) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	done := make(chan error)
	go func() { done <- p.Watch(ctx, func(r tag.Raw) { got = append(got, r) }) }()
	work()
	require.NoError(t, <-done)
	return got
}

func TestWithoutAClockWatchAndWriteSaySo(t *testing.T) {
	p := NewPlant(1)
	require.ErrorContains(t, p.Watch(t.Context(), func(tag.Raw) {}), "give it one with On")
	require.ErrorContains(t, p.Write(t.Context(), writeOf("do/1", 1, 0)), "give it one with On")
}

func TestASecondWatchIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlant(1).On(realClock{time.Now().Add(-time.Second)})
		watch(t, p, time.Second, func() {
			synctest.Wait()
			require.ErrorContains(t, p.Watch(t.Context(), func(tag.Raw) {}), "Watch already")
		})
	})
}

func TestAReadBackComesWithItsConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := realClock{time.Now().Add(-time.Second)}
		p := NewPlant(1).On(clock)
		seen := int64(0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- p.Watch(ctx, func(r tag.Raw) {
				if r.Channel == "do/1" && r.Bits == 1 && seen == 0 {
					seen = clock.Now()
				}
			})
		}()
		synctest.Wait()
		begin := clock.Now()
		require.NoError(t, p.Write(t.Context(), writeOf("do/1", 1, 0)))
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, begin+int64(WriteTime), seen)
	})
}

func TestAWriteToAFrozenDeviceHangsUntilItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := realClock{time.Now().Add(-time.Second)}
		p := NewPlant(1).On(clock)
		require.NoError(t, p.Fault(Fault{Kind: Frozen, For: 10 * time.Second}))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin := clock.Now()
		err := p.Write(ctx, writeOf("do/1", 1, begin+2*second))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, begin+2*second, clock.Now())
		require.NoError(t, p.Write(t.Context(), writeOf("do/1", 1, 0)))
		require.Equal(t, begin+10*second+int64(WriteTime), clock.Now())
	})
}
