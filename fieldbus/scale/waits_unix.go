//go:build unix

// What waits in a connection, where the system can be asked for it without waiting.

package scale

import (
	"io"
	"net"
	"syscall"
	"time"
)

// waits takes what waits in a connection, and does not wait itself. Known is false where the connection cannot be asked that way.
func waits(conn net.Conn, p []byte) (n int, known bool, err error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return 0, false, nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false, nil
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil { // one that is over would keep it from looking
		return 0, true, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			if n, failed = syscall.Read(int(fd), p); failed != syscall.EINTR {
				return true
			}
		}
	})
	switch {
	case err != nil:
		return 0, true, err
	case failed == syscall.EAGAIN || failed == syscall.EWOULDBLOCK:
		return 0, true, nil
	case failed != nil:
		return 0, true, failed
	case n == 0 && len(p) > 0:
		return 0, true, io.EOF
	}
	return n, true, nil
}
