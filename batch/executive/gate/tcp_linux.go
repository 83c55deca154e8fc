// How soon a board that is gone is noticed, on Linux.

package gate

import (
	"net"
	"syscall"
	"time"
)

// What the system is asked to do of a connection: to see after a second of silence whether the far end is there, and to give it up when what was sent,
// or asked so, is not answered for goneMS.
const (
	goneMS      = 2500
	userTimeout = 0x12 // TCP_USER_TIMEOUT, which package syscall does not name
)

func alert(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2})
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, userTimeout, goneMS) })
	}
}
