// A historian on the network that is restarted.

package trend_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/timebase/system"
)

// serve serves on an address until the server is closed, with all connections that it has.
func serve(t *testing.T, address string, h http.Handler) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	web := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	web.Start()
	return web
}

// ownAddress gives an address at which nobody listens. Its port is below those that systems give to whoever asks for any: one of those could
// be another test's by the time that a historian is back.
func ownAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000))
		if l, err := net.Listen("tcp", address); err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
	require.Fail(t, "no port is free")
	return ""
}

func TestAHistorianThatIsRestartedGetsEverySampleOnce(t *testing.T) {
	kept := &server{}
	address := ownAddress(t)
	web := serve(t, address, kept)
	sink, err := trend.NewLines("http://"+address+"/samples", nil)
	require.NoError(t, err)
	r, err := trend.Open(filepath.Join(t.TempDir(), "ring"), nil)
	require.NoError(t, err)
	sender, err := trend.NewSender("historian", r, sink, system.NewClock(1), &trend.SenderOptions{
		Batch: 50, Rate: 100_000, Poll: 5 * time.Millisecond, Least: 10 * time.Millisecond, Most: 50 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { _ = sender.Run(ctx) })
	s := newSource()
	until := func(what string, is func() bool) {
		t.Helper()
		require.Eventually(t, is, 30*time.Second, 5*time.Millisecond, what)
	}
	const lives, each = 4, 500
	for life := range lives {
		for range each {
			s.give(r)
		}
		until("some arrive", func() bool { return sender.Numbers().Acknowledged > uint64(life*each) })
		web.CloseClientConnections()
		web.Close()
		s.give(r)
		until(fmt.Sprintf("outage %d is seen", life), func() bool { return sender.Numbers().Fault != nil })
		web = serve(t, address, kept)
	}
	until("all arrive", func() bool { return sender.Numbers().Buffered == 0 })
	cancel()
	ended.Wait()
	web.Close()
	n := sender.Numbers()
	require.Equal(t, uint64(lives*(each+1)), n.Acknowledged)
	require.Zero(t, n.Dropped)
	require.Len(t, kept.lines, lives*(each+1))
	for i, one := range kept.lines {
		require.Equal(t, float64(i+1), one["seq"])
	}
	require.NoError(t, r.Close())
}
