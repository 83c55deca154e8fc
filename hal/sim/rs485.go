// The simulated RS-485 pair: two half-duplex ports on one wire.

package sim

import (
	"context"

	"github.com/batchkit/batchkit/hal"
)

// BusBuffer is how many bytes a port keeps for a reader that is late, as a tty does. Bytes beyond it are lost, silently, as they
// are on a wire.
const BusBuffer = 4096

// RS485 is one end of the pair of a Board and implements hal.RS485. Sending takes no time; what is written at one end can be
// read at the other at once.
type RS485 struct {
	board   *Board
	peer    *RS485
	buffer  []byte
	wake    chan struct{}
	powered bool // by the board, so that a power cut silences it
	closed  bool
}

var _ hal.RS485 = (*RS485)(nil)

// Write implements hal.RS485. Into a port without power, or closed, bytes go and nobody hears them.
func (s *RS485) Write(p []byte) (n int, err error) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if err := s.ready(); err != nil {
		return 0, err
	}
	if s.peer.ready() == nil {
		room := BusBuffer - len(s.peer.buffer)
		s.peer.buffer = append(s.peer.buffer, p[:min(len(p), room)]...)
		signal(s.peer.wake)
	}
	return len(p), nil
}

// Read implements hal.RS485.
func (s *RS485) Read(ctx context.Context, p []byte) (n int, err error) {
	for {
		n, err = s.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-s.wake:
		}
	}
}

// Close implements hal.RS485.
func (s *RS485) Close() error {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.closed, s.buffer = true, nil
	signal(s.wake)
	return nil
}

func (s *RS485) take(p []byte) (int, error) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if err := s.ready(); err != nil {
		return 0, err
	}
	n := copy(p, s.buffer)
	s.buffer = s.buffer[n:]
	return n, nil
}

func (s *RS485) ready() error {
	if s.closed || s.powered {
		return s.board.ready("RS-485 port", s.name(), s.closed)
	}
	return nil
}

func (s *RS485) name() string {
	if s.powered {
		return "board"
	}
	return "field"
}
