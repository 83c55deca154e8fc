// Ports: waiting on an instrument until a time has come, by a serial line and by a connection to a device server.

package scale

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// port is a line to an instrument. ReadUntil gives what has come in even if its time is over, and ends with an error then that wraps
// os.ErrDeadlineExceeded, or that of ctx.
type port interface {
	Write(p []byte) (n int, err error)
	ReadUntil(ctx context.Context, p []byte, until time.Time) (n int, err error)
	Close() error
	// hole is for how long nothing can come while a frame does.
	hole() time.Duration
	// flush throws away what the line keeps behind what can be read, once that has filled up.
	flush() error
}

// wire is a serial line.
type wire struct{ hal.RS232 }

func (w wire) ReadUntil(ctx context.Context, p []byte, until time.Time) (n int, err error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return w.Read(ctx, p)
}

// hole implements port: an adapter on USB gives what it has every 16 ms.
func (wire) hole() time.Duration { return 50 * time.Millisecond }

// flush implements port, by the Discard of hal/linux: a kernel keeps bytes that do not fit into the buffer of a tty behind it.
func (w wire) flush() error {
	if p, ok := w.RS232.(interface{ Discard() error }); ok {
		return p.Discard()
	}
	return nil
}

// Times of a connection: in which it gives what it has, how often it looks at ctx, and for how long a Write may block.
const (
	glance = 100 * time.Microsecond
	lap    = 10 * time.Millisecond
	slow   = time.Second
)

// stream is a connection.
type stream struct{ conn net.Conn }

func (s stream) Write(p []byte) (n int, err error) {
	if err := s.conn.SetWriteDeadline(time.Now().Add(slow)); err != nil {
		return 0, err
	}
	return s.conn.Write(p)
}

// ReadUntil looks at ctx each lap. A connection whose deadline is over gives nothing, though it may have something: hence waits. Where that
// knows nothing a glance has to do, which a busy machine may begin when it is over.
func (s stream) ReadUntil(ctx context.Context, p []byte, until time.Time) (n int, err error) {
	for {
		now, over := time.Now(), ctx.Err()
		if over == nil && !now.Before(until) {
			over = os.ErrDeadlineExceeded
		}
		if over != nil {
			if n, known, err := waits(s.conn, p); n > 0 || err != nil {
				return n, err
			} else if known {
				return 0, over
			}
		}
		end := now.Add(glance)
		if over == nil {
			end = now.Add(min(lap, max(glance, until.Sub(now))))
		}
		if err := s.conn.SetReadDeadline(end); err != nil {
			return 0, err
		}
		n, err := s.conn.Read(p)
		switch {
		case n > 0:
			return n, nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case over != nil:
			return 0, over
		}
	}
}

// hole implements port: TCP may keep the end of a frame until the beginning was acknowledged.
func (stream) hole() time.Duration { return 300 * time.Millisecond }

// flush implements port: nobody can tell what a device server keeps, whose window was closed. Only a new connection is free of it.
func (stream) flush() error {
	return errors.New("so much waits that the device server may keep more, which is as old; want a class that reads more often")
}

func (s stream) Close() error { return s.conn.Close() }
