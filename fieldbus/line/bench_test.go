// What a poll costs beside the device.

package line

import (
	"context"
	"testing"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// hand is a clock that is moved by hand.
type hand struct{ now int64 }

func (h *hand) Now() int64 { return h.now }
func (h *hand) Wait(ctx context.Context, until int64) error {
	h.now = max(h.now, until)
	return ctx.Err()
}
func (h *hand) Alarm(func()) timebase.Alarm { return h }
func (h *hand) Set(int64)                   {}
func (h *hand) Stop()                       {}

// instant is a driver that takes no time.
type instant struct{}

func (instant) Open(context.Context, string) error                             { return nil }
func (instant) Write(context.Context, *fieldbus.Point, tag.Form, uint64) error { return nil }
func (instant) Close() error                                                   { return nil }
func (instant) Read(_ context.Context, _ []*fieldbus.Point, out []fieldbus.Reading) error {
	for i := range out {
		out[i] = fieldbus.Reading{Form: tag.Int, Bits: 1, Quality: tag.Good}
	}
	return nil
}

// polls gives a function that polls once, on a line that is up.
func polls(t testing.TB) (once func()) {
	clock := &hand{now: 1}
	l, err := New(mapOf("a"), []Attached{{Device: "a", Driver: instant{}}}, &Options{Clock: clock})
	require.NoError(t, err)
	n := 0
	emit := func(tag.Raw) { n++ }
	l.turn <- struct{}{}
	l.begin(t.Context())
	once = func() {
		for next := int64(0); ; {
			if next = l.next(t.Context()); next != 0 {
				clock.now = next
				return
			}
			<-l.turn
			l.deliver(emit)
			l.turn <- struct{}{}
		}
	}
	for range 100 {
		once()
	}
	require.Greater(t, n, 150)
	return once
}

func TestAPollAllocatesNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(200, polls(t)))
}

func BenchmarkPoll(b *testing.B) {
	once := polls(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}
