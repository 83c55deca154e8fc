// The claims of a relay.

package bustest

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/modbus/server"
)

// serve starts a server that ends with the test.
func serve(t *testing.T, m server.Model) *server.Server {
	t.Helper()
	s, err := server.Serve("127.0.0.1:0", m)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// relay starts a relay that ends with the test.
func relay(t *testing.T, server string, spoil func(request, reply []byte) ([]byte, error)) string {
	t.Helper()
	r, err := NewRelay("127.0.0.1:0", server, spoil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return r.Addr()
}

func TestARelayPassesAllOnToOneClientAfterTheOther(t *testing.T) {
	m := server.NewMemory()
	addr := relay(t, serve(t, m).Addr(), nil)
	for i := range byte(3) {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		ask := []byte{0, i, 0, 0, 0, 6, 1, 6, 0, 9, 0, 40 + i}
		_, err = conn.Write(ask)
		require.NoError(t, err)
		got := make([]byte, len(ask))
		_, err = io.ReadFull(conn, got)
		require.NoError(t, err)
		require.Equal(t, ask, got)
		require.EqualValues(t, 40+i, m.Get(server.Holding, 9))
		require.NoError(t, conn.Close())
	}
}

func TestARelaySpoilsRepliesAsItIsTold(t *testing.T) {
	memory, reply, fail := server.NewMemory(), []byte(nil), error(nil)
	var request []byte
	addr := relay(t, serve(t, memory).Addr(), func(q, r []byte) ([]byte, error) {
		request = append([]byte(nil), q...)
		return append(reply, r[:len(r)-len(r)*len(reply)]...), fail
	})
	ask := []byte{0, 1, 0, 0, 0, 6, 1, 6, 0, 5, 0, 7}
	for _, x := range []struct {
		spoilt []byte
		fail   error
		want   string
	}{
		{nil, nil, string(ask)},
		{[]byte("?"), nil, "?"},
		{[]byte("!"), net.ErrClosed, "!"},
	} {
		reply, fail = x.spoilt, x.fail
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = conn.Write(ask)
		require.NoError(t, err)
		got := make([]byte, 20)
		n, err := conn.Read(got)
		require.NoError(t, err)
		require.Equal(t, x.want, string(got[:n]))
		require.Equal(t, ask, request)
		if fail != nil {
			_, err = conn.Read(got)
			require.Error(t, err, "the connection was closed")
		}
		require.NoError(t, conn.Close())
	}
	require.EqualValues(t, 7, memory.Get(server.Holding, 5), "the server never knew")
}

func TestARelayLetsGoOfAClientThatSendsNoFrame(t *testing.T) {
	addr := relay(t, serve(t, server.NewMemory()).Addr(), nil)
	for _, head := range []string{"\x00\x01\x00\x00\x00\x00", "GET / HTTP/1.1\r\n\r\n"} {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = conn.Write([]byte(head))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.Error(t, err)
		require.NoError(t, conn.Close())
	}
}

func TestARelayEndsAlthoughItsClientDoesNotRead(t *testing.T) {
	s := serve(t, &server.Memory{})
	r, err := NewRelay("127.0.0.1:0", s.Addr(), func([]byte, []byte) ([]byte, error) { return make([]byte, 32<<20), nil })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	conn, err := net.Dial("tcp", r.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1})
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1)) // it is in the middle of its flood
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-ended)
}

func TestARelayWithoutAServerHangsUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	conn, err := net.Dial("tcp", relay(t, l.Addr().String(), nil))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, conn.Close())
}

func TestARelayThatCannotListenSaysWhy(t *testing.T) {
	for _, addr := range []string{"", "nowhere", "127.0.0.1"} {
		_, err := NewRelay(addr+"x", "127.0.0.1:1", nil)
		require.ErrorContains(t, err, "bustest: relay at", addr)
	}
}
