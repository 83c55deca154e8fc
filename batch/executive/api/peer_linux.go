// Who is at the far end of a Unix socket, by the word of the kernel.

package api

import (
	"net"
	"syscall"
)

// peerOf asks the kernel who has connected; ok is false where it does not say.
func peerOf(c net.Conn) (p Peer, ok bool) {
	unix, is := c.(*net.UnixConn)
	if !is {
		return p, false
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return p, false
	}
	err = raw.Control(func(fd uintptr) {
		if cred, e := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); e == nil {
			p, ok = Peer{UID: int(cred.Uid), PID: int(cred.Pid)}, true
		}
	})
	return p, ok && err == nil
}
