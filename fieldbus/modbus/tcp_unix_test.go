//go:build unix

// The claims of an exchange that sends when its wait has been prepared.

package modbus

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARequestForWhichThereIsNoRoomIsLeftToBeSentInTheOrdinaryWay(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	rest := make([]byte, 64<<20) // more than the kernel takes of what nobody reads
	n, err := newRaw(conn).ask(&rest, make([]byte, 8))
	require.NoError(t, err)
	require.Zero(t, n)
	require.NotEmpty(t, rest)
	require.Less(t, len(rest), 64<<20)
}

func TestAnAnswerThatFollowsTheRequestIsReadAndAClosedConnectionIsItsEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		far, err := l.Accept()
		if err != nil {
			return
		}
		b := make([]byte, 8)
		n, _ := far.Read(b)
		time.Sleep(5 * time.Millisecond) // a real connection: the client has begun to wait
		_, _ = far.Write(b[:n])
		_, _ = far.Read(b)
		_ = far.Close()
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	r, in, rest := newRaw(conn), make([]byte, 8), []byte("one")
	n, err := r.ask(&rest, in)
	require.NoError(t, err)
	require.Equal(t, "one", string(in[:n]))
	require.Empty(t, rest)
	rest = []byte("two")
	_, err = r.ask(&rest, in)
	require.ErrorContains(t, err, "EOF")
	require.NoError(t, conn.SetDeadline(time.Unix(1, 0)))
	rest = []byte("late")
	_, err = r.ask(&rest, in)
	require.Error(t, err)
	require.Equal(t, "late", string(rest), "nothing is sent when the time is over")
}
