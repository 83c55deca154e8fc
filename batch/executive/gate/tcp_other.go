//go:build !linux

// How soon a board that is gone is noticed, where the system takes less orders than Linux.

package gate

import (
	"net"
	"time"
)

func alert(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2})
	}
}
