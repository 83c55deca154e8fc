// Waiting on a line until a time has come: a port that can, one that takes a context for it, and a connection as a port.

package modbus

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// timed is a port whose Read can end at a time: that of hal/linux does so without allocating.
type timed interface {
	hal.RS485
	// ReadUntil is Read that ends at a time, too, with an error that wraps os.ErrDeadlineExceeded.
	ReadUntil(ctx context.Context, p []byte, until time.Time) (n int, err error)
}

// withTime gives ReadUntil to a port that has none.
func withTime(port hal.RS485) timed {
	if t, ok := port.(timed); ok {
		return t
	}
	return plain{port}
}

// plain is a port that has Read alone.
type plain struct{ hal.RS485 }

func (p plain) ReadUntil(ctx context.Context, b []byte, until time.Time) (n int, err error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return p.Read(ctx, b)
}

// glance is the time in which a connection gives what it has.
const glance = 100 * time.Microsecond

// link is a connection that carries the bytes of a line.
type link struct {
	conn net.Conn
	slow time.Duration // for how long a Write may block
}

func (l *link) Write(p []byte) (n int, err error) {
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.slow)); err != nil {
		return 0, err
	}
	return l.conn.Write(p)
}

func (l *link) Read(ctx context.Context, p []byte) (n int, err error) {
	return l.ReadUntil(ctx, p, time.Now().Add(time.Hour))
}

// ReadUntil looks at the context each lap. A connection whose deadline is over gives nothing, though it may have something.
func (l *link) ReadUntil(ctx context.Context, p []byte, until time.Time) (n int, err error) {
	for {
		now := time.Now()
		why := ended(ctx)
		if why == nil && !now.Before(until) {
			why = os.ErrDeadlineExceeded
		}
		end := now.Add(glance)
		if why == nil {
			if end = now.Add(lap); until.Before(end) {
				end = until
			}
		}
		if err := l.conn.SetReadDeadline(end); err != nil {
			return 0, err
		}
		n, err := l.conn.Read(p)
		switch {
		case n > 0:
			return n, nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case why != nil:
			return 0, why
		}
	}
}

func (l *link) Close() error { return l.conn.Close() }
