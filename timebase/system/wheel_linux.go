// Timers of the Linux kernel, by file descriptor: timerfd.

package system

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// timerFD is a timer that is read through the poller, so that no thread waits in it, or by a thread of its own.
type timerFD struct {
	file *os.File
	fd   int // the same
	own  bool
	buf  [8]byte
}

// errOtherTime: package time shows another time than the kernel, as in a bubble of testing/synctest.
var errOtherTime = errors.New("system: timer of a clock: the time of this process is not that of the kernel")

// newTimer makes a timer: one for a thread that waits in it alone, or for the poller.
func newTimer(own bool) (timer, error) {
	if !kernelTime() {
		return nil, errOtherTime
	}
	flags := unix.TFD_CLOEXEC
	if !own {
		flags |= unix.TFD_NONBLOCK
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, flags)
	if err != nil {
		return nil, fmt.Errorf("system: timer of a clock: %w", err)
	}
	return &timerFD{file: os.NewFile(uintptr(fd), "timerfd"), fd: fd, own: own}, nil
}

// kernelTime tells whether package time shows the time of the kernel. It asks three times, since the wall clock may be set meanwhile.
func kernelTime() bool {
	for range 3 {
		var now unix.Timespec
		before := time.Now().UnixNano()
		err := unix.ClockGettime(unix.CLOCK_REALTIME, &now)
		if after := time.Now().UnixNano(); err == nil && before <= now.Nano() && now.Nano() <= after {
			return true
		}
	}
	return false
}

// now implements timer.
func (t *timerFD) now() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // which every kernel has
	return time.Duration(now.Nano())
}

// set implements timer. With a time above zero it cannot fail.
func (t *timerFD) set(at time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}
	_ = unix.TimerfdSettime(t.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
	runtime.KeepAlive(t)
}

// wait implements timer.
func (t *timerFD) wait() error {
	if !t.own {
		_, err := t.file.Read(t.buf[:])
		return err
	}
	for {
		_, err := unix.Read(t.fd, t.buf[:])
		runtime.KeepAlive(t)
		if err != unix.EINTR {
			return err
		}
	}
}
