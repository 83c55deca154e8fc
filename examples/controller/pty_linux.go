// A pseudo terminal, which stands in for a serial line.

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// flushTerminal is TCFLSH, which package syscall does not have everywhere; its argument is of package syscall.
const flushTerminal = 0x540B

// unreadMost is how many bytes wait for a reader: about as many as an instrument says in a second. A line that nobody has open holds
// nothing, and of what is older than that nobody must take the newest weight.
const unreadMost = 256

// sayTime is how long a line may take a frame.
const sayTime = 50 * time.Millisecond

// pty is a pseudo terminal. It holds its far end open, too, so that the line is there for whoever opens it, and set as a line is: no
// byte is echoed, or read as something else than it is.
type pty struct {
	near, far *os.File
	name      string // of the far end
}

// openPTY makes a pseudo terminal.
func openPTY() (p *pty, err error) {
	p = &pty{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.near, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return p, err
	}
	var number, unlocked uint32
	if err = ioctl(p.near, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked)); err == nil {
		err = ioctl(p.near, syscall.TIOCGPTN, unsafe.Pointer(&number))
	}
	if err != nil {
		return p, err
	}
	p.name = fmt.Sprintf("/dev/pts/%d", number)
	if p.far, err = os.OpenFile(p.name, os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return p, err
	}
	raw := syscall.Termios{Cflag: syscall.CS8 | syscall.CREAD | syscall.CLOCAL | syscall.B9600}
	raw.Cc[syscall.VMIN] = 1
	return p, ioctl(p.far, syscall.TCSETS, unsafe.Pointer(&raw))
}

// say puts text on the line. Where nobody has read for a while, what waits is thrown away first; a line that takes nothing loses it.
func (p *pty) say(text string) {
	var unread int32
	if err := ioctl(p.far, syscall.TIOCINQ, unsafe.Pointer(&unread)); err == nil && unread > unreadMost {
		_ = flush(p.far)
	}
	_ = p.near.SetWriteDeadline(time.Now().Add(sayTime))
	_, _ = p.near.WriteString(text)
}

// close closes both ends: the line is gone.
func (p *pty) close() (err error) {
	if p == nil {
		return nil
	}
	for _, f := range [...]*os.File{p.far, p.near} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// flush throws away what waits to be read from a terminal.
func flush(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { _, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, flushTerminal, syscall.TCIFLUSH) })
}

// ioctl asks something of a terminal, with what arg points to.
func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var no syscall.Errno
	err = raw.Control(func(fd uintptr) { _, _, no = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)) })
	if err == nil && no != 0 {
		err = no
	}
	return err
}
