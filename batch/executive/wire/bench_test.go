// What the way by the I/O process costs.

package wire

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
	"github.com/stretchr/testify/require"
)

// loop is a port that answers at once, and emits ten values a second.
type loop struct {
	clock interface{ Now() int64 }
	names []string
}

func (l *loop) Watch(ctx context.Context, emit func(tag.Raw)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := uint64(0); ; n++ {
		for _, name := range l.names {
			emit(tag.Raw{Channel: name, Form: tag.Int, Bits: n, Quality: tag.Good, At: l.clock.Now()})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (l *loop) Write(context.Context, tag.Write) error { return nil }

// benchServer serves a loop with units of one channel each.
func benchServer(b *testing.B, n api.Network, units int) {
	clock := system.NewClock(1)
	port := &loop{clock: clock}
	var items []api.Equipment
	for i := range units {
		c := fmt.Sprint("do/", i)
		port.names = append(port.names, c)
		items = append(items, api.Equipment{ID: fmt.Sprint("U", i), Channels: []string{c}, Safe: map[string]string{c: "0"}})
	}
	dir := b.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger"), "board-1", "device", nil)
	require.NoError(b, err)
	s, err := New(port, l, &ServerOptions{Dir: dir, Clock: clock})
	require.NoError(b, err)
	s.SetModel(items)
	listener, err := n.Listen(api.IO)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() { _ = api.Serve(ctx, listener, s.Handler()) })
	b.Cleanup(func() { cancel(); wg.Wait(); _ = l.Close() })
	time.Sleep(50 * time.Millisecond)
}

func BenchmarkWrite(b *testing.B) {
	for name, n := range map[string]api.Network{"memory": &api.Memory{}, "socket": api.Sockets(b.TempDir())} {
		b.Run(name, func(b *testing.B) {
			benchServer(b, n, 1)
			p := Dial(n, Options{Batch: "B", Channels: []string{"do/0"}, Outputs: []Output{{Channel: "do/0", Equipment: "U0"}}})
			defer p.Close()
			p.Grant([]string{"U0"}, 1)
			ctx := b.Context()
			require.NoError(b, p.Write(ctx, tag.Write{Channel: "do/0"}))
			for b.Loop() {
				if err := p.Write(ctx, tag.Write{Channel: "do/0", Bits: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("port", func(b *testing.B) {
		port := &loop{}
		for b.Loop() {
			_ = port.Write(b.Context(), tag.Write{Channel: "do/0", Bits: 1})
		}
	})
}

// BenchmarkRunners has 500 connections watch ten channels each that change ten times a second, for three seconds: one iteration is a second.
func BenchmarkRunners(b *testing.B) {
	n := api.Sockets(b.TempDir())
	benchServer(b, n, 500)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var got atomic.Int64
	var late atomic.Int64
	clock := system.NewClock(1)
	for i := range 500 {
		var names []string
		for k := range 10 {
			names = append(names, fmt.Sprint("do/", (i+k)%500))
		}
		p := Dial(n, Options{Batch: fmt.Sprint("B-", i), Channels: names, Clock: clock})
		wg.Go(func() {
			_ = p.Watch(ctx, func(raw tag.Raw) {
				got.Add(1)
				late.Add(clock.Now() - raw.At)
			})
			_ = p.Close()
		})
	}
	time.Sleep(time.Second)
	got.Store(0)
	late.Store(0)
	begun := time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	b.ReportMetric(float64(got.Load())/time.Since(begun).Seconds(), "values/s")
	b.ReportMetric(float64(late.Load())/float64(max(got.Load(), 1)), "ns-old")
	cancel()
	wg.Wait()
}
