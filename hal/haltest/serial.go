// The suites of serial ports: a half-duplex pair and a text line.

package haltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// RS485Options are the options of RS485.
type RS485Options struct {
	Device string    // name in reports; "" is "rs485"
	Peer   hal.RS485 // the other end of the pair, which nobody else uses; nil: what arrives is not checked
	Baud   int       // bits per second; 0: how long a Write takes is not checked
	Clock  Clock     // nil: the process's
	Close  bool      // close the port in the end, and check that
}

// RS485 holds a port against hal.RS485. What it sends are bytes of every value: no device may listen that could take them for orders.
func RS485(ctx context.Context, port hal.RS485, o *RS485Options) (Report, error) {
	if o == nil {
		o = &RS485Options{}
	}
	s, err := begin(ctx, "RS485", named(o.Device, "rs485"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	l := &serial{suite: s, port: port, baud: o.Baud}
	if o.Peer != nil {
		l.peer = o.Peer
	}
	l.reads()
	l.echo()
	l.stopBit("Write returns when the last stop bit is out and the driver is off",
		"drain the port (tcdrain) before returning, and let the kernel switch the driver")
	if l.peer == nil {
		s.skip("what one end writes the other reads, both ways", "a second port at the other end of the pair")
	} else {
		l.carries(l.port, l.peer, "there")
		l.carries(l.peer, l.port, "back")
		l.turns()
	}
	if o.Close {
		l.closes()
	}
	return s.end()
}

// RS232Options are the options of RS232.
type RS232Options struct {
	Device string    // name in reports; "" is "rs232"
	Peer   hal.RS232 // the other end of the line, which nobody else uses; nil: none
	Plug   bool      // a plug leads what is sent back to the port itself; with Peer it is not looked at
	Baud   int       // bits per second; 0: how long a Write takes is not checked
	Clock  Clock     // nil: the process's
	Close  bool      // close the port in the end, and check that
}

// RS232 holds a port against hal.RS232. What it sends are bytes of every value.
func RS232(ctx context.Context, port hal.RS232, o *RS232Options) (Report, error) {
	if o == nil {
		o = &RS232Options{}
	}
	s, err := begin(ctx, "RS232", named(o.Device, "rs232"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	l := &serial{suite: s, port: port, baud: o.Baud}
	switch {
	case o.Peer != nil:
		l.peer = o.Peer
	case o.Plug:
		l.peer = port
	}
	l.reads()
	if l.peer == nil {
		s.skip("what one end writes the other reads, both ways at once", "a second port at the other end of the line, or a loop plug")
	} else {
		l.carries(l.port, l.peer, "there")
		l.both(o.Peer)
	}
	if o.Close {
		l.closes()
	}
	return s.end()
}

// port is what both kinds have.
type port interface {
	Write(p []byte) (n int, err error)
	Read(ctx context.Context, p []byte) (n int, err error)
	Close() error
}

// serial is a run of RS485 or RS232.
type serial struct {
	*suite
	port, peer port
	baud       int
}

// line is how long n bytes take on the wire, at 10 bits each: a start bit, 8 of data, a stop bit. It is 0 where nobody knows.
func (l *serial) line(n int) time.Duration {
	if l.baud <= 0 {
		return 0
	}
	return time.Duration(n) * 10 * time.Second / time.Duration(l.baud)
}

// pause is how long a port may take to hand over what has arrived: adapters on USB and the FIFO of a UART wait for some ms.
const pause = 50 * time.Millisecond

// now returns a ctx that has ended.
func (l *serial) now() context.Context {
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	return ctx
}

// empty takes what has arrived, and returns it.
func (l *serial) empty(p port) ([]byte, error) {
	var all []byte
	buf := make([]byte, 512)
	for range 64 {
		n, err := p.Read(l.now(), buf)
		all = append(all, buf[:n]...)
		switch {
		case n == 0 && errors.Is(err, context.Canceled):
			return all, nil
		case n == 0 && err == nil:
			return all, errors.New("its Read gave 0 bytes and no error though there was room for them")
		case err != nil:
			return all, fmt.Errorf("its Read with a ctx that has ended: %d, %w", n, err)
		}
	}
	return all, errors.New("its Read gives bytes without end, though nobody sends any")
}

// quiet takes what arrives until nothing has come for a while, so that what is late does not come up in the next check.
func (l *serial) quiet(p port) error {
	buf := make([]byte, 512)
	for range 64 {
		ctx, cancel := context.WithTimeout(l.ctx, 2*pause)
		_, err := p.Read(ctx, buf)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return l.ctx.Err()
		case err != nil:
			return err
		}
	}
	return errors.New("its Read gives bytes without end, though nobody sends any")
}

// reads checks how Read waits.
func (l *serial) reads() {
	l.check("Read gives what has arrived even if ctx has ended, and else ctx's error", "look for bytes before looking at ctx", func() error {
		_, err := l.empty(l.port)
		if err == nil && l.peer != nil {
			_, err = l.empty(l.peer)
		}
		return err
	})
	l.check("Read returns when ctx ends, with 0 and ctx's error", "give the read a deadline, and look at ctx between two short ones", func() error {
		begin := time.Now() // before ctx begins: on a busy machine some time lies between the two
		ctx, cancel := context.WithTimeout(l.ctx, pause)
		defer cancel()
		n, err := l.port.Read(ctx, make([]byte, 16))
		took := time.Since(begin)
		switch {
		case n != 0 || !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("%d, %v from a silent line", n, err)
		case took < pause || took > pause+grace:
			return fmt.Errorf("it took %s with a ctx that ended after %s", took, pause)
		}
		return nil
	})
	l.check("Read into no room returns at once", "compare len(p) with 0 first", func() error {
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(l.ctx)
		defer cancel()
		go func() {
			n, err := l.port.Read(ctx, nil)
			if n != 0 || err != nil {
				err = fmt.Errorf("%d, %v", n, err)
			}
			done <- err
		}()
		select {
		case err := <-done:
			return err
		case <-time.After(grace):
			return fmt.Errorf("it did not return within %s", grace)
		}
	})
}

// send writes all of p.
func send(p port, b []byte) error {
	n, err := p.Write(b)
	if err == nil && n != len(b) {
		err = errors.New("no error")
	}
	if err != nil {
		return fmt.Errorf("its Write of %d bytes: %d, %w", len(b), n, err)
	}
	return nil
}

// echo looks whether a half-duplex port hears itself.
func (l *serial) echo() {
	l.check("the port never hears itself", "switch the receiver off while the driver is on, or drop what was sent", func() error {
		if err := send(l.port, pattern(32, 1)); err != nil {
			return err
		}
		time.Sleep(pause)
		got, err := l.empty(l.port)
		if err == nil && len(got) > 0 {
			err = fmt.Errorf("after a Write of 32 bytes the port reads %d bytes, % x", len(got), got[:min(len(got), 8)])
		}
		if err == nil && l.peer != nil {
			err = l.quiet(l.peer)
		}
		return err
	})
}

// stopBit measures how long a Write takes.
func (l *serial) stopBit(promise, remedy string) {
	if l.baud <= 0 {
		l.skip(promise, "Baud")
		return
	}
	const n = 96
	var took []int64
	l.check(promise, remedy, func() error {
		for range 3 {
			ns, err := l.timed(func() error { return send(l.port, pattern(n, 7)) })
			if err != nil {
				return err
			}
			took = append(took, ns)
			// One byte less, since the clock of a UART may be a percent fast.
			if least := l.line(n - 1); ns < int64(least)*98/100 {
				return fmt.Errorf("a Write of %d bytes took %d us; on the line they take %d us at %d baud", n, ns/1000,
					l.line(n).Microseconds(), l.baud)
			}
		}
		return nil
	})
	l.figure(fmt.Sprintf("write_%d_bytes_ns", n), &took)
	if l.peer != nil {
		_ = l.quiet(l.peer) // what is wrong with it is told by what comes next
	}
}

// receive reads n bytes.
func (l *serial) receive(p port, n int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(l.ctx, 2*l.line(n)+4*pause+grace)
	defer cancel()
	var all []byte
	buf := make([]byte, 512)
	for len(all) < n {
		m, err := p.Read(ctx, buf)
		all = append(all, buf[:m]...)
		if err != nil {
			return all, fmt.Errorf("its Read, after %d of %d bytes: %w", len(all), n, err)
		}
		if m == 0 {
			return all, errors.New("its Read gave 0 bytes and no error though there was room for them")
		}
	}
	return all, nil
}

// same compares what was sent and what came.
func same(sent, got []byte) error {
	if bytes.Equal(sent, got) {
		return nil
	}
	i := 0
	for i < min(len(sent), len(got)) && sent[i] == got[i] {
		i++
	}
	return fmt.Errorf("%d bytes were sent and %d came; they differ from byte %d on", len(sent), len(got), i)
}

// every has each value of a byte, in some order.
func every() []byte {
	p := make([]byte, 256)
	for i := range p {
		p[i] = byte(i * 37)
	}
	return p
}

// carries sends bytes of every value, alone and together.
func (l *serial) carries(from, to port, way string) {
	l.check("what one end writes the other reads, "+way, "look at baud rate, parity, stop bits, software flow control and line discipline",
		func() error {
			for _, p := range [][]byte{{0x55}, pattern(8, 2), every(), bytes.Repeat([]byte{0x11, 0x13, 0x0D, 0x0A, 0x1A, 0xFF, 0x00}, 9)} {
				received := make(chan error, 1)
				var got []byte
				go func() {
					var err error
					got, err = l.receive(to, len(p))
					received <- err
				}()
				err := send(from, p)
				if rerr := <-received; err == nil {
					err = rerr
				}
				if err == nil {
					err = same(p, got)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
}

// turns lets the line change its direction again and again.
func (l *serial) turns() {
	var took []int64
	l.check("an answer that comes at once is heard whole", "switch the driver off with the last stop bit, and not later", func() error {
		for i := range 20 {
			ask, answer := pattern(8, byte(i)), pattern(24, byte(i+1))
			answered := make(chan error, 1)
			go func() {
				got, err := l.receive(l.peer, len(ask))
				if err == nil {
					err = same(ask, got)
				}
				if err == nil {
					err = send(l.peer, answer)
				}
				answered <- err
			}()
			var got []byte
			ns, err := l.timed(func() (err error) {
				if err = send(l.port, ask); err == nil {
					got, err = l.receive(l.port, len(answer))
				}
				return err
			})
			if perr := <-answered; perr != nil {
				return fmt.Errorf("the other end: %w", perr)
			}
			if err == nil {
				err = same(answer, got)
			}
			if err != nil {
				return err
			}
			took = append(took, ns)
		}
		return nil
	})
	l.figure("ask_8_answer_24_bytes_ns", &took)
}

// both sends both ways at once.
func (l *serial) both(peer hal.RS232) {
	if peer == nil {
		l.skip("both ways work at once", "a second port at the other end of the line")
		return
	}
	l.check("both ways work at once", "do not hold one lock over Read and Write", func() error {
		there, back := make(chan error, 1), make(chan error, 1)
		half := func(from, to port, p []byte, done chan error) {
			sent := make(chan error, 1)
			go func() { sent <- send(from, p) }()
			got, err := l.receive(to, len(p))
			if serr := <-sent; err == nil {
				err = serr
			}
			if err == nil {
				err = same(p, got)
			}
			done <- err
		}
		go half(l.port, l.peer, every(), there)
		go half(l.peer, l.port, pattern(200, 9), back)
		return errors.Join(<-there, <-back)
	})
}

// closes closes it for good.
func (l *serial) closes() {
	l.check("Close ends a Read, and what is asked of a closed port is an error that wraps os.ErrClosed", "keep a flag", func() error {
		ctx, cancel := context.WithCancel(l.ctx)
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			_, err := l.port.Read(ctx, make([]byte, 8))
			ended <- err
		}()
		time.Sleep(pause)
		if err := l.port.Close(); err != nil {
			return fmt.Errorf("its Close: %w", err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrClosed) {
				return fmt.Errorf("the Read that Close ended: %v", err)
			}
		case <-time.After(grace):
			return fmt.Errorf("a Read went on for %s", grace)
		}
		if _, err := l.port.Write([]byte{0}); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("its Write: %v", err)
		}
		return nil
	})
}
