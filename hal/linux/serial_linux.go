// Serial ports on Linux: a library sends and receives; a second open of the same tty does what the library hides.

package linux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// lineSlack is how long a line may take for bytes beyond the time that they need.
const lineSlack = time.Second

// Numbers of the drivers of pseudo terminals (UNIX98_PTY_SLAVE_MAJOR in linux/major.h).
const (
	firstPseudo = 136
	lastPseudo  = 143
)

// port is a tty that is open twice.
type port struct {
	what, device string
	line         Line
	after        time.Duration // of the bus's driver, behind a sending
	lib          io.ReadWriteCloser
	own          int // the second open
	wake         int // an eventfd that Close sets
	slice        time.Duration
	began        SerialCounts

	closed  atomic.Bool
	using   sync.RWMutex // held for reading by whoever uses lib, own and wake
	sending sync.Mutex   // one Write at a time, or their bytes would mix
}

// openPort opens a tty twice. The library opens what the first open leads to, through /proc, so both are the same device whatever
// the name becomes meanwhile.
func openPort(what, device string, line Line, lib func(path string) (io.ReadWriteCloser, error)) (*port, error) {
	if err := line.check(); err != nil {
		return nil, err
	}
	p := &port{what: what, device: device, line: line, own: -1, wake: -1, slice: waitSlice}
	if err := p.open(lib); err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, nil
}

func (p *port) open(lib func(path string) (io.ReadWriteCloser, error)) (err error) {
	p.own, err = unix.Open(p.device, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w; there are: %s", err, words(ttys(os.DirFS(sysTree))))
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("another process has it for itself: %w", err)
	case err != nil:
		return err
	}
	if _, _, err := p.settings(); err != nil {
		return fmt.Errorf("it is no serial port: %w", err)
	}
	if err := unix.Flock(p.own, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another process has locked it: %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	opened, err := lib(fmt.Sprintf("/proc/self/fd/%d", p.own))
	if err != nil {
		return err
	}
	p.lib = opened
	if err := p.verify(); err != nil {
		return err
	}
	if p.began, err = p.raw(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := unix.IoctlSetInt(p.own, unix.TIOCEXCL, 0); err != nil {
		return err
	}
	return unix.IoctlSetInt(p.own, unix.TCFLSH, unix.TCIOFLUSH)
}

// verify reads back through the second open what the library has set through its own, and has damaged bytes come in as zeros.
func (p *port) verify() error {
	t, set, err := p.settings()
	if err != nil {
		return err
	}
	want := uint32(unix.CS8)
	if p.line.Data == 7 {
		want = unix.CS7
	}
	if p.line.Stop == 2 {
		want |= unix.CSTOPB
	}
	switch p.line.Parity {
	case 'O':
		want |= unix.PARENB | unix.PARODD
	case 'E':
		want |= unix.PARENB
	}
	var s unix.Stat_t
	if err := unix.Fstat(p.own, &s); err != nil {
		return err
	}
	// A pseudo terminal carries bytes: it has no frame and takes no parity.
	if major := unix.Major(uint64(s.Rdev)); major < firstPseudo || major > lastPseudo {
		if got := t.Cflag & (unix.CSIZE | unix.CSTOPB | unix.PARENB | unix.PARODD); got != want {
			return fmt.Errorf("the part cannot be set to %s: asked for %#x, it has %#x", p.line, want, got)
		}
		off := int64(t.Ospeed) - int64(p.line.Baud)
		if most := int64(p.line.Baud) * 3; set == unix.TCSETS2 && (off*100 > most || off*100 < -most) {
			return fmt.Errorf("the part cannot be set to %d Bd: it has %d", p.line.Baud, t.Ospeed)
		}
	}
	// IGNPAR drops a damaged byte, which makes 1.50 of 12.50.
	t.Iflag &^= unix.IGNPAR | unix.PARMRK | unix.INPCK
	if p.line.Parity != 'N' {
		t.Iflag |= unix.INPCK
	}
	return unix.IoctlSetTermios(p.own, set, t)
}

// settings reads how the tty is set, and tells by which request it can be set so. Emulators of a processor know only the older
// request, which tells no rate in numbers.
func (p *port) settings() (t *unix.Termios, set uint, err error) {
	if t, err = unix.IoctlGetTermios(p.own, unix.TCGETS2); errors.Is(err, unix.ENOSYS) {
		t, err = unix.IoctlGetTermios(p.own, unix.TCGETS)
		return t, unix.TCSETS, err
	}
	return t, unix.TCSETS2, err
}

// poll waits until the line can give or take bytes, for as long as it takes where the limit is negative. gone tells that there is
// no line any more. With no events it waits for the limit alone. Close ends it.
func (p *port) poll(events int16, limit time.Duration) (ready, gone bool, err error) {
	fds := [2]unix.PollFd{{Fd: int32(p.wake), Events: unix.POLLIN}, {Fd: int32(p.own), Events: events}}
	watched := fds[:2]
	if events == 0 {
		watched = fds[:1]
	}
	var timeout *unix.Timespec
	if limit >= 0 {
		t := unix.NsecToTimespec(int64(limit))
		timeout = &t
	}
	if _, err := unix.Ppoll(watched, timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return false, false, p.fail(err)
	}
	if p.closed.Load() {
		return false, false, p.fail(os.ErrClosed)
	}
	return fds[1].Revents&events != 0, fds[1].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0, nil
}

// read takes what has come in, or waits for it until ctx ends, or a time has come; none, where it is zero.
func (p *port) read(ctx context.Context, b []byte, until time.Time) (n int, err error) {
	p.using.RLock()
	defer p.using.RUnlock()
	if p.closed.Load() {
		return 0, p.fail(os.ErrClosed)
	}
	if len(b) == 0 {
		return 0, nil
	}
	for wait := time.Duration(0); ; {
		ready, gone, err := p.poll(unix.POLLIN, wait)
		if err != nil {
			return 0, err
		}
		if ready {
			n, err := p.lib.Read(b)
			if n > 0 {
				return n, nil
			}
			gone = gone || err == nil // the libraries tell neither of an end apart from silence
		}
		if gone {
			return 0, p.fail(errGone)
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		wait = -1
		if ctx.Done() != nil {
			wait = p.slice
			if end, ok := ctx.Deadline(); ok {
				wait = max(0, min(wait, time.Until(end)))
			}
		}
		if !until.IsZero() {
			rest := time.Until(until)
			if rest <= 0 {
				return 0, os.ErrDeadlineExceeded
			}
			if wait < 0 || rest < wait {
				wait = rest
			}
		}
	}
}

// write gives bytes to the driver: all at once and until they are out, or one by one, for a library whose sending blocks.
func (p *port) write(b []byte, out bool) (n int, err error) {
	p.using.RLock()
	defer p.using.RUnlock()
	p.sending.Lock()
	defer p.sending.Unlock()
	if p.closed.Load() {
		return 0, p.fail(os.ErrClosed)
	}
	begin := time.Now()
	for n < len(b) {
		limit := lineSlack
		if out {
			limit += p.line.takes(len(b)) - time.Since(begin)
		}
		ready, gone, err := p.poll(unix.POLLOUT, max(0, limit))
		switch {
		case err != nil:
			return n, err
		case gone:
			return n, p.fail(errGone)
		case !ready && time.Since(begin) < limit: // a signal
			continue
		case !ready:
			return n, p.stuck(len(b), n)
		}
		piece := b[n:]
		if !out {
			piece = piece[:1]
			begin = time.Now()
		}
		m, err := p.lib.Write(piece)
		n += max(m, 0)
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return n, p.fail(err)
		}
	}
	if out {
		return n, p.drain(begin, n)
	}
	return n, nil
}

// drain waits until the last stop bit is out, and the driver of the bus is off. It waits for the time that the bytes need first,
// since TCSBRK looks only every few milliseconds, and some adapters know only of their buffer.
func (p *port) drain(begin time.Time, n int) error {
	need := p.line.takes(n)
	for {
		if rest := need - time.Since(begin); rest > 0 {
			if _, _, err := p.poll(0, rest); err != nil {
				return err
			}
			continue
		}
		waiting, err := unix.IoctlGetInt(p.own, unix.TIOCOUTQ)
		switch {
		case err != nil:
			return p.fail(err)
		case waiting == 0:
			for err = unix.EINTR; errors.Is(err, unix.EINTR); {
				err = unix.IoctlSetInt(p.own, unix.TCSBRK, 1)
			}
			if err != nil {
				return p.fail(err)
			}
			if p.after > 0 {
				_, _, err = p.poll(0, p.after)
			}
			return err
		case time.Since(begin) > p.line.takes(n)+lineSlack:
			return p.stuck(n, n-min(n, waiting))
		}
		need = time.Since(begin) + p.line.takes(min(waiting, 16))
	}
}

// stuck throws away what a line does not take, so that it does not come out later.
func (p *port) stuck(of, sent int) error {
	err := fmt.Errorf("the line has taken %d of %d bytes and no more: %w", sent, of, os.ErrDeadlineExceeded)
	return p.fail(errors.Join(err, unix.IoctlSetInt(p.own, unix.TCFLSH, unix.TCOFLUSH)))
}

func (p *port) discard() error {
	p.using.RLock()
	defer p.using.RUnlock()
	if p.closed.Load() {
		return p.fail(os.ErrClosed)
	}
	if err := unix.IoctlSetInt(p.own, unix.TCFLSH, unix.TCIFLUSH); err != nil {
		return p.fail(err)
	}
	return nil
}

func (p *port) counts() (SerialCounts, error) {
	p.using.RLock()
	defer p.using.RUnlock()
	if p.closed.Load() {
		return SerialCounts{}, p.fail(os.ErrClosed)
	}
	c, err := p.raw()
	if err != nil {
		return SerialCounts{}, p.fail(err)
	}
	c.Sent, c.Received = c.Sent-p.began.Sent, c.Received-p.began.Received
	c.Frame, c.Parity = c.Frame-p.began.Frame, c.Parity-p.began.Parity
	c.Overrun, c.Dropped = c.Overrun-p.began.Overrun, c.Dropped-p.began.Dropped
	c.Breaks -= p.began.Breaks
	return c, nil
}

func (p *port) close() error {
	if p.closed.Swap(true) {
		return nil
	}
	_, err := unix.Write(p.wake, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // not 0, in either order of bytes
	p.using.Lock()
	defer p.using.Unlock()
	if err = errors.Join(err, p.release()); err != nil {
		return p.fail(err)
	}
	return nil
}

// release closes all that is open. What was not sent is thrown away first: else the kernel would wait for it, for up to 30 s.
func (p *port) release() (err error) {
	if p.lib != nil {
		_ = unix.IoctlSetInt(p.own, unix.TCFLSH, unix.TCIOFLUSH) // fails where the line has gone
		_ = unix.IoctlSetInt(p.own, unix.TIOCNXCL, 0)
		err = p.lib.Close()
	}
	for _, fd := range [...]int{p.own, p.wake} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	return err
}

// errGone is what is said of a line whose adapter was pulled out, whichever call is the first to see it.
var errGone = fmt.Errorf("the line has gone; was its adapter pulled out? %w", io.ErrUnexpectedEOF)

// fail names the port. EIO is what the kernel says to a call on a tty that has gone since it was looked at.
func (p *port) fail(err error) error {
	if errors.Is(err, unix.EIO) {
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	return fmt.Errorf("linux: %s port %s: %w", p.what, p.device, err)
}
