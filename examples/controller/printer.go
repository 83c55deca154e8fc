// A printer that never holds up the loop: what a terminal or a pipe does not take in time is left out, and counted.

package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// printer hands what is written to it to another writer, from a goroutine of its own.
type printer struct {
	out  io.Writer
	text chan []byte
	lost atomic.Int64
	done chan struct{}
}

// newPrinter begins to print. Close ends it.
func newPrinter(out io.Writer) *printer {
	p := &printer{out: out, text: make(chan []byte, 1024), done: make(chan struct{})}
	go p.run()
	return p
}

// Write takes a copy of text, or counts it as lost. It never blocks and never fails.
func (p *printer) Write(text []byte) (int, error) {
	select {
	case p.text <- append([]byte(nil), text...):
	default:
		p.lost.Add(1)
	}
	return len(text), nil
}

// Close waits until all is printed, or for five seconds if nobody reads.
func (p *printer) Close() error {
	close(p.text)
	select {
	case <-p.done:
		return nil
	case <-time.After(5 * time.Second):
		return fmt.Errorf("controller: nobody reads what is printed")
	}
}

func (p *printer) run() {
	defer close(p.done)
	for text := range p.text {
		if n := p.lost.Swap(0); n > 0 {
			fmt.Fprintf(p.out, "(%d lines were not printed: nobody read them in time)\n", n)
		}
		// A reader who has gone away does not stop a batch.
		_, _ = p.out.Write(text)
	}
}
