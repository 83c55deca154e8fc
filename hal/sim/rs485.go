// The simulated serial lines: an RS-485 pair and an RS-232 line, each with an end in the field, and the noise on them.

package sim

import (
	"context"
	"slices"

	"github.com/batchkit/batchkit/hal"
)

// BusBuffer is how many bytes a port keeps for a reader that is late, as a tty does. Bytes beyond it are lost, silently, as they
// are on a wire.
const BusBuffer = 4096

// RS485 is one end of the pair of a Board and implements hal.RS485. Sending takes no time; what is written at one end can be
// read at the other at once.
type RS485 struct{ wire }

// RS232 is one end of the text line of a Board and implements hal.RS232, in the manner of RS485.
type RS232 struct{ wire }

var (
	_ hal.RS485 = (*RS485)(nil)
	_ hal.RS232 = (*RS232)(nil)
)

// wire is one end of a serial line.
type wire struct {
	board   *Board
	what    string
	peer    *wire
	buffer  []byte
	wake    chan struct{}
	powered bool // by the board, so that a power cut silences it
	closed  bool

	signal uint64 // of draw, for its noise
	frames uint64 // written at this end so far
	bytes  uint64
	noises []*BoardFault // on what is written at this end
}

// join makes two ends of one line, the first of them powered by the board.
func (b *Board) join(what, name string, here, field *wire) {
	*here = wire{board: b, what: what, peer: field, wake: make(chan struct{}, 1), powered: true, signal: signalOf(name)}
	*field = wire{board: b, what: what, peer: here, wake: make(chan struct{}, 1), signal: signalOf(name + "/field")}
}

// Write implements hal.RS485 and hal.RS232. Into a port without power, or closed, bytes go and nobody hears them.
func (s *wire) Write(p []byte) (n int, err error) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if err := s.ready(); err != nil {
		return 0, err
	}
	heard := s.spoil(p)
	if s.peer.ready() == nil {
		room := BusBuffer - len(s.peer.buffer)
		s.peer.buffer = append(s.peer.buffer, heard[:min(len(heard), room)]...)
		signal(s.peer.wake)
	}
	return len(p), nil
}

// Read implements hal.RS485 and hal.RS232.
func (s *wire) Read(ctx context.Context, p []byte) (n int, err error) {
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

// Close implements hal.RS485 and hal.RS232.
func (s *wire) Close() error {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.closed, s.buffer = true, nil
	signal(s.wake)
	return nil
}

func (s *wire) take(p []byte) (int, error) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if err := s.ready(); err != nil {
		return 0, err
	}
	n := copy(p, s.buffer)
	s.buffer = s.buffer[n:]
	return n, nil
}

func (s *wire) ready() error {
	if s.closed || s.powered {
		return s.board.ready(s.what, s.name(), s.closed)
	}
	return nil
}

func (s *wire) name() string {
	if s.powered {
		return "board"
	}
	return "field"
}

// spoil returns what the other end hears of a frame: p, where there is no noise.
func (s *wire) spoil(p []byte) []byte {
	s.frames++
	s.noises = slices.DeleteFunc(s.noises, func(f *BoardFault) bool { return f.end() <= s.board.now })
	heard := p
	for i, f := range s.noises {
		signal := s.signal + uint64(i)<<8 + uint64(f.Noise)
		heard = f.spoil(s.board.seed, signal, s.frames, s.bytes, heard)
	}
	s.bytes += uint64(len(p))
	return heard
}

// spoil returns a frame with the noise of f on it. Which bytes it befalls follows from their number on the line.
func (f *BoardFault) spoil(seed, signal, frame, first uint64, p []byte) []byte {
	every := uint64(f.Every)
	if f.Noise == CutFrame {
		if r := draw(seed, signal, frame); r%every == 0 && len(p) > 0 {
			return p[:r>>32%uint64(len(p))]
		}
		return p
	}
	heard := make([]byte, 0, len(p))
	for i, b := range p {
		r := draw(seed, signal, first+uint64(i))
		switch hit := r%every == 0; {
		case hit && f.Noise == FlipBit:
			heard = append(heard, b^1<<(r>>32%8))
		case hit && f.Noise == DropByte:
		case hit && f.Noise == DoubleByte:
			heard = append(heard, b, b)
		default:
			heard = append(heard, b)
		}
	}
	return heard
}
