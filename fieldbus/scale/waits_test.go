//go:build unix

// What waits in a connection is found however busy the machine is.

package scale_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/scale"
)

// busy is a connection on a machine that does something else for 5 ms before each Read.
type busy struct{ *net.TCPConn }

func (b busy) SetReadDeadline(t time.Time) error {
	err := b.TCPConn.SetReadDeadline(t)
	time.Sleep(5 * time.Millisecond)
	return err
}

func TestWhatWaitedInAConnectionDoesNotCountOnABusyMachine(t *testing.T) {
	t.Parallel()
	p := profile(t, "toledo")
	p.Limits.Response = int64(20 * time.Second) // however long what waits takes to be found
	f, err := scale.NewFormat(p)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, &scale.DeviceOptions{
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return busy{c.(*net.TCPConn)}, nil
		}})
	require.NoError(t, err)
	require.NoError(t, d.Open(t.Context(), "tcp://"+l.Addr().String()))
	c, err := l.Accept()
	require.NoError(t, err)
	defer c.Close()
	frame := func(weight string) []byte {
		b, err := f.Append(nil, map[string]string{"a": ",", "b": "0", "c": " ", "weight": weight, "tare": "0"})
		require.NoError(t, err)
		return b
	}
	_, err = c.Write(frame("001111"))
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond) // it has come in, long before anybody reads
	after, over, done := frame("002222"), make(chan struct{}), make(chan struct{})
	go func() { // again and again: the first may have come while what waits was being looked for
		defer close(done)
		for {
			select {
			case <-over:
				return
			case <-time.After(300 * time.Millisecond):
				_, _ = c.Write(after)
			}
		}
	}()
	got, err := read(t.Context(), d, p, "WEIGHT")
	close(over)
	<-done
	require.NoError(t, err)
	require.Equal(t, good(2222), got[0], "what came after the Read was begun")
	require.NoError(t, d.Close())
}
