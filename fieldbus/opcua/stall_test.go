// A server that stops reading holds nobody up.

package opcua

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
)

// stalled is a connection whose other side takes nothing any more: a Write waits for its deadline.
type stalled struct {
	net.Conn
	near, far net.Conn // a pipe of which nobody reads
}

func stall(c net.Conn) *stalled {
	s := &stalled{Conn: c}
	s.near, s.far = net.Pipe()
	return s
}

func (s *stalled) Write(p []byte) (int, error)        { return s.near.Write(p) }
func (s *stalled) SetWriteDeadline(t time.Time) error { return s.near.SetWriteDeadline(t) }
func (s *stalled) Close() error {
	_ = s.near.Close()
	return s.Conn.Close()
}

func TestAServerThatStopsReadingHoldsNobodyUp(t *testing.T) {
	for name, end := range map[string]func(d *Device, cancel func()){
		"a context that ends": func(_ *Device, cancel func()) { cancel() },
		"Close":               func(d *Device, _ func()) { _ = d.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			d := fakeDevice(t, time.Minute)
			require.NoError(t, d.Open(t.Context(), f.endpoint()))
			d.cur.mu.Lock()
			d.cur.ch.out.Lock()
			d.cur.ch.conn = stall(d.cur.ch.conn)
			d.cur.ch.out.Unlock()
			d.cur.mu.Unlock()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			points := named(d.profile, "Rate")
			go func() { done <- d.Read(ctx, points, make([]fieldbus.Reading, 1)) }()
			time.Sleep(100 * time.Millisecond)
			ended := make(chan struct{})
			go func() { defer close(ended); end(d, cancel) }()
			for range 2 {
				select {
				case err := <-done:
					require.Error(t, err)
					done = nil
				case <-ended:
					ended = nil
				case <-time.After(20 * time.Second):
					t.Fatal("it waits for the server to read")
				}
			}
		})
	}
}
