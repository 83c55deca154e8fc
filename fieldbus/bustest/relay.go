// Package bustest holds a driver of a bus against what package line asks of it, and spoils what travels on a wire.
//
// Start with [Check]: it says of a driver of any protocol what it keeps and breaks, with what was seen and what to do. The example of
// Check (oem_test.go) is a maker's own protocol, a driver of 60 lines with all that is asked of one. Put a [Relay] in front of any
// Modbus TCP server for what no device of good faith does: frames cut, doubled, garbled, late and out of turn.
//
// The rule that must not be broken: Check drives nothing but the outputs that its caller named, and what a Relay spoils is what its
// caller said, and nothing else.
//
// The package starts no goroutine.
package bustest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// lap is how often a relay that waits looks whether its context has ended.
const lap = 5 * time.Millisecond

// The frame of Modbus TCP: bytes up to and with the length, and the longest length there is.
const (
	lengthEnd = 6
	maxLength = 254
)

// Relay passes the requests of one client at a time on to a Modbus TCP server, and the replies back, frame by frame. Further
// clients wait, connected and unheard, until the first has gone; many a device does the same. While the server is silent, so is
// the relay, and does not notice that its client left.
type Relay struct {
	l      *net.TCPListener
	server string
	spoil  func(request, reply []byte) ([]byte, error)
}

// NewRelay listens on addr, such as "127.0.0.1:0", for clients of the server at the address server.
//
// For each exchange spoil is called with both frames, header included, and what it returns goes to the client in place of the
// reply: any bytes, of any number of frames, or none for silence. It may block, to be late. An error closes the connection behind
// those bytes. It is called by one goroutine at a time and must not keep or change what it was given. Nil passes all on.
func NewRelay(addr, server string, spoil func(request, reply []byte) ([]byte, error)) (*Relay, error) {
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("bustest: relay at %q: %w", addr, err)
	}
	l, err := net.ListenTCP("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("bustest: relay at %q: %w", addr, err)
	}
	return &Relay{l: l, server: server, spoil: spoil}, nil
}

// Addr is where the relay listens, from NewRelay on.
func (r *Relay) Addr() string { return r.l.Addr().String() }

// Run relays until ctx ends, returns nil then, and closes the listener whenever it returns. Call it once.
func (r *Relay) Run(ctx context.Context) error {
	defer func() { _ = r.l.Close() }()
	for ctx.Err() == nil {
		if err := r.l.SetDeadline(time.Now().Add(lap)); err != nil {
			return fmt.Errorf("bustest: relay: %w", err)
		}
		client, err := r.l.AcceptTCP()
		switch {
		case err == nil:
			r.serve(ctx, client)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("bustest: relay: %w", err)
		}
	}
	return nil
}

// serve relays for one client until something fails, which is how clients leave.
func (r *Relay) serve(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", r.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var in, out [lengthEnd + maxLength]byte
	for {
		request, err := readFrame(ctx, client, in[:])
		if err != nil {
			return
		}
		if err := writeFrame(ctx, server, request); err != nil {
			return
		}
		reply, err := readFrame(ctx, server, out[:])
		if err != nil {
			return
		}
		if r.spoil != nil {
			reply, err = r.spoil(request, reply)
		}
		if failed := writeFrame(ctx, client, reply); failed != nil || err != nil {
			return
		}
	}
}

// writeFrame writes all of p, to one who may not be reading.
func writeFrame(ctx context.Context, conn net.Conn, p []byte) error {
	for len(p) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := conn.SetWriteDeadline(time.Now().Add(lap)); err != nil {
			return err
		}
		n, err := conn.Write(p)
		if p = p[n:]; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return nil
}

// readFrame reads one frame into buf.
func readFrame(ctx context.Context, conn net.Conn, buf []byte) ([]byte, error) {
	for got, size := 0, lengthEnd; ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(lap)); err != nil {
			return nil, err
		}
		n, err := conn.Read(buf[got:size])
		got += n
		if got == lengthEnd && size == lengthEnd {
			length := int(binary.BigEndian.Uint16(buf[4:]))
			if length == 0 || length > maxLength {
				return nil, fmt.Errorf("bustest: frame of length %d", length)
			}
			size += length
		}
		if got == size {
			return buf[:size], nil
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
}
