// Fuzzing of what a connection reads.

package server

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// FuzzConnection sends bytes to a server: at once, after the hello, after the channel was opened, or with a session that is active. The
// connection must end, the server live on, and a good client be served.
func FuzzConnection(f *testing.F) {
	meet(f)
	server, client, _, _ := meet(f)
	trust, err := opcua.NewTrust(client.Certificate)
	require.NoError(f, err)
	s, err := newServer(NewSpace("urn:test"), &Options{
		Policies: []opcua.Policy{opcua.None, opcua.Basic256Sha256}, Identity: server, Trust: trust,
		Limits: Limits{Handshake: time.Second, Connections: 64, Sessions: 64},
	})
	require.NoError(f, err)
	s.table = stubs()
	p := pipes{make(chan net.Conn), make(chan struct{})}
	s.start(p)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	dial := func(t testing.TB) *foe {
		near, far := net.Pipe()
		p.conns <- far
		return newFoe(t, near, s)
	}

	sample := dial(f).come(opcua.None)
	f.Add(uint8(0), frame("HELF", make([]byte, 30)))
	f.Add(uint8(1), must(sample.c.lock(sample.c.ch, 1, sample.encode(sample.opening(ua.SecurityTokenRequestTypeIssue)))))
	secure := dial(f).hello().as(opcua.Basic256Sha256, client)
	f.Add(uint8(1), must(secure.c.lock(secure.c.ch, 1, secure.encode(secure.opening(ua.SecurityTokenRequestTypeIssue)))))
	f.Add(uint8(2), sample.chunksOf(&ua.CreateSessionRequest{ClientDescription: &ua.ApplicationDescription{ApplicationName: ua.NewLocalizedText("")}})[0])
	f.Add(uint8(2), sample.chunksOf(sample.activation(nil))[0])
	f.Add(uint8(3), sample.chunksOf(reading("i=2259"))[0])
	f.Add(uint8(4), sample.chunksOf(reading("i=2259"))[0])
	_, _ = sample.nc.Close(), secure.nc.Close()
	good := dial(f).come(opcua.None)

	f.Fuzz(func(t *testing.T, state uint8, b []byte) {
		c := dial(t)
		state %= 5
		if state > 0 {
			c.hello()
		}
		if state > 1 {
			require.NoError(t, c.as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue))
		}
		if state > 2 {
			require.NoError(t, c.enter())
		}
		if state == 4 || state == 2 { // what is said after its head is right
			ch := c.c.ch
			whole := headOf("MSGF", uint32(24+len(b)))
			whole = append(whole, le(ch.id, ch.cur.id)...)
			b = append(ch.number(whole, 1), b...)
		}
		go func() { _, _ = io.Copy(io.Discard, c.nc) }()
		_, _ = c.nc.Write(b)
		_ = c.nc.Close()
		good.t = t
		_ = good.nc.SetDeadline(time.Now().Add(time.Minute))
		require.NoError(t, good.read())
		for began := time.Now(); s.Stats().Connections > 1; runtime.Gosched() {
			if time.Since(began) > patience {
				t.Fatal("the connection goes on without its client")
			}
		}
	})
}
