// Claims about what the system is asked to do of a connection.

package gate

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSystemGivesUpABoardThatDoesNotAnswerWithinThreeSeconds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	alert(c)
	raw, err := c.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	get := func(option int) (v int) {
		require.NoError(t, raw.Control(func(fd uintptr) { v, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option) }))
		require.NoError(t, err)
		return v
	}
	require.Equal(t, goneMS, get(userTimeout))
	require.Equal(t, 1, get(syscall.TCP_KEEPIDLE))
	require.Equal(t, 1, get(syscall.TCP_KEEPINTVL))
}
