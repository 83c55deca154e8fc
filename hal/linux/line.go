// An input and an output line: edges from the goroutine of the library to the one that watches, bounded.

package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// EdgeBuffer is how many edges of a line wait for whoever watches it. Beyond it the oldest is lost, and Lost of the next one says so.
const EdgeBuffer = 256

// lineCheck is how often a watched line is asked for its level, so that one whose chip has gone is found out.
const lineCheck = time.Second

// wire is a line that was requested of the kernel.
type wire interface {
	Value() (int, error)
	SetValue(v int) error
	Close() error
}

// Input is a digital input and implements hal.InputLine. Edges have the time at which the kernel took the interrupt. It holds one thread
// of the system, which waits for edges, until Close.
type Input struct {
	at   LineAt
	line wire

	mu       sync.Mutex
	ring     [EdgeBuffer]hal.Edge
	from, n  int
	last     uint32 // number of the edge taken last
	seq      uint32 // of the edge that came last
	wake     chan struct{}
	watching bool
	closed   bool
}

// Output is a digital output and implements hal.OutputLine. The kernel lets it go when Close is called or the process dies; its level is
// then what the hardware makes of it, so that a safe state belongs into resistors.
type Output struct {
	at   LineAt
	line wire

	mu     sync.Mutex
	closed bool
}

var (
	_ hal.InputLine  = (*Input)(nil)
	_ hal.OutputLine = (*Output)(nil)
)

// OpenInput requests a line as an input. It blocks for some system calls. A line that is not there is refused with ErrNoLine, one that
// another holds with syscall.EBUSY and the name of that. On other systems than Linux the error wraps errors.ErrUnsupported.
func OpenInput(at LineAt, o *InputOptions) (*Input, error) {
	if o == nil {
		o = &InputOptions{}
	}
	l := &Input{at: at, wake: make(chan struct{}, 1)}
	var err error
	if l.line, err = requestInput(at, o, l.came); err != nil {
		return nil, fmt.Errorf("linux: input: %w", err)
	}
	return l, nil
}

// OpenOutput requests a line as an output that drives initial from the first moment on: with its safe level, opening is no glitch. It
// blocks for some system calls, and refuses as OpenInput does.
func OpenOutput(at LineAt, initial bool, o *OutputOptions) (*Output, error) {
	if o == nil {
		o = &OutputOptions{}
	}
	line, err := requestOutput(at, initial, o)
	if err != nil {
		return nil, fmt.Errorf("linux: output: %w", err)
	}
	return &Output{at: at, line: line}, nil
}

// came takes in an edge, on the goroutine of the library. A kernel that does not number edges has them numbered here.
func (l *Input) came(e hal.Edge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Seq == 0 {
		e.Seq = l.seq + 1
	}
	l.seq = e.Seq
	if l.n == EdgeBuffer {
		l.from, l.n = (l.from+1)%EdgeBuffer, l.n-1
	}
	l.ring[(l.from+l.n)%EdgeBuffer] = e
	l.n++
	signal(l.wake)
}

// signal wakes the one that waits, or the next that will.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// next takes the oldest edge that waits. How many are missing before it is what its number says.
func (l *Input) next() (e hal.Edge, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		return e, false
	}
	e = l.ring[l.from]
	l.from, l.n = (l.from+1)%EdgeBuffer, l.n-1
	e.Lost = e.Seq - l.last - 1
	l.last = e.Seq
	return e, true
}

// claim makes the caller the one who watches, and has edges wake that one by the channel.
func (l *Input) claim(wake chan struct{}) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return fmt.Errorf("linux: input: %v: %w", l.at, os.ErrClosed)
	case l.watching:
		return fmt.Errorf("linux: input: %v: it has a Watch already", l.at)
	}
	l.watching, l.wake = true, wake
	return nil
}

func (l *Input) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching = false
}

// Get implements hal.InputLine.
func (l *Input) Get() (high bool, err error) {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	return level(l.line, closed, "input", l.at)
}

// level asks for the level of a line.
func level(line wire, closed bool, what string, at LineAt) (bool, error) {
	if closed {
		return false, fmt.Errorf("linux: %s: %v: %w", what, at, os.ErrClosed)
	}
	v, err := line.Value()
	if err != nil {
		return false, fmt.Errorf("linux: %s: %v: %w", what, at, err)
	}
	return v != 0, nil
}

// Watch implements hal.InputLine. That the chip has gone is found out within 1 s; the line is then closed.
func (l *Input) Watch(ctx context.Context, emit func(hal.Edge)) error {
	wake := make(chan struct{}, 1)
	wake <- struct{}{} // what came before
	if err := l.claim(wake); err != nil {
		return err
	}
	defer l.release()
	check := time.NewTicker(lineCheck)
	defer check.Stop()
	for {
		for e, ok := l.next(); ok; e, ok = l.next() {
			emit(e)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-check.C:
		}
		if _, err := l.Get(); gone(err) || errors.Is(err, os.ErrClosed) {
			return errors.Join(err, l.gone())
		}
	}
}

// gone closes a line that does not answer any more; it is no error that it was closed already.
func (l *Input) gone() error {
	if err := l.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Close implements hal.InputLine.
func (l *Input) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	signal(l.wake)
	l.mu.Unlock()
	if closed {
		return fmt.Errorf("linux: input: %v: %w", l.at, os.ErrClosed)
	}
	return l.line.Close() // waits for came, which must not find the lock held
}

// Set implements hal.OutputLine.
func (l *Output) Set(high bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("linux: output: %v: %w", l.at, os.ErrClosed)
	}
	v := 0
	if high {
		v = 1
	}
	if err := l.line.SetValue(v); err != nil {
		return fmt.Errorf("linux: output: %v: %w", l.at, err)
	}
	return nil
}

// Get implements hal.OutputLine: what the driver of the chip reads at the line.
func (l *Output) Get() (high bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return level(l.line, l.closed, "output", l.at)
}

// Close implements hal.OutputLine.
func (l *Output) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("linux: output: %v: %w", l.at, os.ErrClosed)
	}
	l.closed = true
	return l.line.Close()
}
