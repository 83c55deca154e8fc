//go:build unix

// One exchange without a look for an answer that cannot be there yet.

package modbus

import (
	"io"
	"net"
	"os"
	"syscall"
)

// raw sends a request and reads what comes back. A net.Conn that reads asks the kernel first and waits then; behind a request the first
// look is in vain, and costs a system call of four. Here the request is sent when the wait has been prepared, so that nothing that comes
// from then on is missed, and the first look is at the answer.
type raw struct {
	conn syscall.RawConn
	turn func(fd uintptr) bool // r.step, made once

	out  []byte // what is yet to be sent
	in   []byte
	sent bool
	n    int
	err  error
}

// newRaw gives the raw side of a TCP connection, nil of another.
func newRaw(c net.Conn) *raw {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	r := &raw{conn: conn}
	r.turn = r.step
	return r
}

// ask sends rest and reads into in what comes then. Where the connection does not take all of it now, rest is what is left, and n is 0.
func (r *raw) ask(rest *[]byte, in []byte) (n int, err error) {
	r.out, r.in, r.sent, r.n, r.err = *rest, in, false, 0, nil
	err = r.conn.Read(r.turn)
	*rest, r.out, r.in = r.out, nil, nil
	if r.err != nil {
		err = r.err
	}
	return r.n, err
}

// step is called when the wait has been prepared, and when there may be something to read. True ends the waiting.
func (r *raw) step(fd uintptr) bool {
	if !r.sent {
		r.sent = true
		n, err := again(syscall.Write, fd, r.out)
		r.out = r.out[max(n, 0):]
		if err != nil && err != syscall.EAGAIN {
			r.err = os.NewSyscallError("write", err)
		}
		return r.err != nil || len(r.out) > 0
	}
	n, err := again(syscall.Read, fd, r.in)
	switch {
	case n > 0:
		r.n = n
	case err == syscall.EAGAIN:
		return false
	case err != nil:
		r.err = os.NewSyscallError("read", err)
	default:
		r.err = io.EOF
	}
	return true
}

// again makes a call until no signal comes between.
func again(call func(int, []byte) (int, error), fd uintptr, b []byte) (n int, err error) {
	for {
		if n, err = call(int(fd), b); err != syscall.EINTR {
			return n, err
		}
	}
}
