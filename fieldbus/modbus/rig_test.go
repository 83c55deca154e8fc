// The far end for tests: a device at the end of a pipe that answers whatever the test says, in synctest bubbles.

package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errNobody = errors.New("nobody listens")

// hangUp, among the frames of an answer, closes the connection.
var hangUp = []byte{}

// far is the far end of any number of pipes.
type far struct {
	mu       sync.Mutex
	answer   func(request []byte) [][]byte // frames, each sent on its own; none is silence
	absent   bool                          // nobody listens
	dials    []time.Time
	requests [][]byte
}

func (f *far) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// asked gives the functions of the requests that came in since it was called last.
func (f *far) asked() (functions []uint8) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		functions = append(functions, r[7])
	}
	f.requests = nil
	return functions
}

func (f *far) dial(context.Context, string, string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials = append(f.dials, time.Now())
	if f.absent {
		return nil, errNobody
	}
	near, end := net.Pipe()
	// A pipe holds nothing, and a wire does: a queue stands between, in both directions.
	requests, frames := make(chan []byte, 1000), make(chan []byte, 1000)
	go func() {
		defer func() { _ = end.Close() }()
		for frame := range frames {
			if _, err := end.Write(frame); err != nil || len(frame) == 0 {
				return
			}
		}
	}()
	go func() {
		defer close(frames)
		for request := range requests {
			for _, frame := range f.reply(request) {
				frames <- frame
			}
		}
	}()
	go func() {
		defer close(requests)
		for {
			request, err := readFrame(end)
			if err != nil {
				return
			}
			requests <- request
		}
	}()
	return near, nil
}

func (f *far) reply(request []byte) [][]byte {
	f.mu.Lock()
	f.requests = append(f.requests, request)
	answer := f.answer
	f.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(request)
}

func readFrame(r io.Reader) ([]byte, error) {
	b := make([]byte, 6, maxFrame)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	b = b[:6+int(binary.BigEndian.Uint16(b[4:]))]
	_, err := io.ReadFull(r, b[6:])
	return b, err
}

// right is the reply of a device whose coils and registers are as value says; writes it confirms and forgets.
func right(request []byte, value func(table Table, address uint16) uint16) []byte {
	address, n := binary.BigEndian.Uint16(request[8:]), int(binary.BigEndian.Uint16(request[10:]))
	reply := append([]byte(nil), request[:8]...)
	switch request[7] {
	case readCoils, readDiscrete:
		bits := make([]byte, (n+7)/8)
		for i := range n {
			bits[i/8] |= byte(value(Table(request[7]), address+uint16(i))&1) << (i % 8)
		}
		reply = append(append(reply, byte(len(bits))), bits...)
	case readHolding, readInput, readWrite:
		table := Holding
		if request[7] == readInput {
			table = Input
		}
		reply = append(reply, byte(2*n))
		for i := range uint16(n) {
			reply = binary.BigEndian.AppendUint16(reply, value(table, address+i))
		}
	case maskWrite:
		reply = append(reply, request[8:14]...)
	default:
		reply = append(reply, request[8:12]...)
	}
	binary.BigEndian.PutUint16(reply[4:], uint16(len(reply)-6))
	return reply
}

// refused is the reply that carries an exception.
func refused(request []byte, e Exception) []byte {
	return []byte{request[0], request[1], 0, 0, 0, 3, request[6], request[7] | exception, byte(e)}
}

// own is a device in which every coil is its address's lowest bit and every register its own address.
func own(request []byte) [][]byte {
	return [][]byte{right(request, func(_ Table, address uint16) uint16 { return address })}
}

// client connects to the far end.
func (f *far) client(t *testing.T, timeout time.Duration) *Client {
	t.Helper()
	c, err := Dial(t.Context(), "far", &Options{Timeout: timeout, Dial: f.dial})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// isErr is errors.Is, as a value.
func isErr(err, target error) bool { return errors.Is(err, target) }

func TestATableIsTheFunctionThatReadsIt(t *testing.T) {
	require.Equal(t, []Table{readCoils, readDiscrete, readHolding, readInput}, []Table{Coil, Discrete, Holding, Input})
}

// over tells whether the connection was given up.
func over(c *Client) bool { return c.line.(*wire).down() != nil }
