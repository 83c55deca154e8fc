// What the references share: looks at the wall clock, ages by what was seen to advance, and exchanges of datagrams.

package system

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// look reads the monotonic clock and the wall clock, for a clock of NewClock by one reading.
func look(c timebase.Clock) (mono, utc int64) {
	now := time.Now()
	if own, ok := c.(*clock); ok {
		return own.at(now), unixNano(now)
	}
	return c.Now(), unixNano(now)
}

// unixNano is a time of the wall clock in ns since 1970, UTC; one that 64 bits do not hold is held at their ends.
func unixNano(t time.Time) int64 {
	switch s := t.Unix(); {
	case s > math.MaxInt64/1_000_000_000-1:
		return math.MaxInt64
	case s < 0:
		return 0
	}
	return t.UnixNano()
}

// trail finds when something was last heard of a source that shows a mark, such as the time of its last update: between the look that
// shows a new mark and the look before it, however the wall clock was moved. Its zero value has seen nothing.
type trail struct {
	mark, seen, heard int64
}

// heardAt takes in a mark seen at mono, whose age by the wall clock is as given, and returns when it was set, monotonic ns. Of the
// first mark the age is believed, if there can be such a one.
func (t *trail) heardAt(mark, mono, age int64) int64 {
	at := mono
	if age > 0 {
		at = mono - age
	}
	if t.seen == 0 || t.mark != mark {
		if t.seen != 0 {
			at = max(at, t.seen)
		}
		t.mark, t.heard = mark, at
	}
	t.seen = mono
	return t.heard
}

// answerTime is how long an answer is waited for where ctx sets no deadline.
const answerTime = time.Second

// strays is how many datagrams that answer nothing are thrown away before the exchange is given up.
const strays = 64

// maxDatagram is more than any answer of these protocols has.
const maxDatagram = 2048

// errLate is what an exchange says that found only answers to others.
var errLate = errors.New("none of its datagrams answers what was asked")

// line is a way to a daemon: a connected socket, for the time of one reading.
type line struct {
	conn net.Conn
	own  string // path of our own socket, removed at the end
	stop func() bool
	buf  [maxDatagram]byte
}

// lines numbers the sockets of this process.
var lines atomic.Uint32

// call opens a way to a daemon: to host:port by UDP, or to the socket at a path. A daemon that answers on a socket must reach one of
// ours, which lies beside its own for so long, as that of its own tool does, or in dir. Its deadline is that of ctx, at most
// answerTime; it ends with ctx.
func call(ctx context.Context, to, dir string) (*line, error) {
	l := &line{}
	var err error
	if len(to) > 0 && to[0] == '/' {
		err = l.callSocket(to, dir)
	} else {
		l.conn, err = net.Dial("udp", to) // a dial by UDP sends nothing
	}
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(answerTime)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	err = l.conn.SetDeadline(until)
	l.stop = context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) })
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// callSocket binds a socket of our own that any user may write to, since daemons give up their rights, and connects it.
func (l *line) callSocket(to, dir string) error {
	own := to
	if dir != "" {
		own = dir + "/batchkit"
	}
	own = fmt.Sprintf("%s.%d.%d", own, os.Getpid(), lines.Add(1))
	_ = os.Remove(own) // of a process of the same number, which was killed
	conn, err := net.DialUnix("unixgram", &net.UnixAddr{Name: own, Net: "unixgram"}, &net.UnixAddr{Name: to, Net: "unixgram"})
	if err != nil {
		_ = os.Remove(own) // it may have been bound before the other end was found missing
		return err
	}
	l.conn, l.own = conn, own
	if err := os.Chmod(own, 0o666); err != nil {
		_ = conn.Close()
		_ = os.Remove(own)
		return err
	}
	return nil
}

// ask sends a request and returns the first datagram that mine takes for its answer, which stays valid until the next request.
// Others, such as late answers to what was asked before, are thrown away.
func (l *line) ask(request []byte, mine func(answer []byte) bool) ([]byte, error) {
	if _, err := l.conn.Write(request); err != nil {
		return nil, err
	}
	for range strays {
		n, err := l.conn.Read(l.buf[:])
		if err != nil {
			return nil, err
		}
		if mine(l.buf[:n]) {
			return l.buf[:n], nil
		}
	}
	return nil, errLate
}

// close gives the socket back.
func (l *line) close() {
	if l.stop != nil {
		l.stop()
	}
	_ = l.conn.Close()
	if l.own != "" {
		_ = os.Remove(l.own)
	}
}
