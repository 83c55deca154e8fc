// Serial ports: how a line is set, an RS-485 bus whose driver the kernel turns round, and an RS-232 line of an instrument.

package linux

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/batchkit/batchkit/hal"
)

var (
	_ hal.RS485 = (*RS485)(nil)
	_ hal.RS232 = (*RS232)(nil)
)

// maxDelay is the longest delay that the kernel takes around a sending.
const maxDelay = 100 * time.Millisecond

// waitSlice is how often a wait looks whether its context has ended, and busSlice how often one on a bus does, where a device is asked
// and an order must not wait: it costs some 1 % of a processor for as long as the wait lasts, waitSlice a third of that.
const (
	waitSlice = 20 * time.Millisecond
	busSlice  = 4 * time.Millisecond
)

// Line is how a serial line is set. Each field is required; ParseLine makes it of text.
type Line struct {
	Baud   int  // bits a second
	Data   int  // bits of a character: 7 or 8
	Parity byte // 'N', 'E' or 'O'
	Stop   int  // bits behind a character: 1 or 2
}

// ParseLine reads a Line such as "19200 8E1", the usual one of Modbus, or "9600 7E1".
func ParseLine(text string) (Line, error) {
	rate, frame, ok := strings.Cut(text, " ")
	baud, err := strconv.Atoi(rate)
	if !ok || err != nil || len(frame) != 3 {
		return Line{}, fmt.Errorf("linux: serial line %.40q: want the rate and the frame, such as 19200 8E1", text)
	}
	l := Line{Baud: baud, Data: int(frame[0]) - '0', Parity: frame[1], Stop: int(frame[2]) - '0'}
	return l, l.check()
}

// String is what ParseLine reads.
func (l Line) String() string { return fmt.Sprintf("%d %d%c%d", l.Baud, l.Data, l.Parity, l.Stop) }

func (l Line) check() error {
	switch {
	case l.Baud < 50 || l.Baud > 4_000_000:
		return fmt.Errorf("linux: serial line: %d Bd: 50 to 4000000 are known", l.Baud)
	case l.Data != 7 && l.Data != 8:
		return fmt.Errorf("linux: serial line: %d data bits: want 7 or 8", l.Data)
	case l.Parity != 'N' && l.Parity != 'E' && l.Parity != 'O':
		return fmt.Errorf("linux: serial line: parity %q: want N, E or O", l.Parity)
	case l.Stop != 1 && l.Stop != 2:
		return fmt.Errorf("linux: serial line: %d stop bits: want 1 or 2", l.Stop)
	}
	return nil
}

// takes is for how long n characters are on the line.
func (l Line) takes(n int) time.Duration {
	bits := 1 + l.Data + l.Stop
	if l.Parity != 'N' {
		bits++
	}
	return time.Duration(int64(n) * int64(bits) * int64(time.Second) / int64(l.Baud))
}

// SerialCounts is what a driver has counted since the port was opened. The kernel's counters are of 32 bits, and go round.
type SerialCounts struct {
	Sent, Received   uint32 // characters
	Frame, Parity    uint32 // characters that came in damaged
	Overrun, Dropped uint32 // characters lost because the part, or the kernel's buffer, was full
	Breaks           uint32 // times that the line was held down for longer than a character
}

// RS485Options are the optional settings of OpenRS485; nil means all zero.
type RS485Options struct {
	// Kernel lets the kernel turn the bus round (TIOCSRS485), with RTS, around each sending. Without it nobody does: the adapter is
	// one that does it by itself, as most on USB do. A driver that cannot is refused, and what it made of it is read back. Some
	// adapters misbehave when they are asked, so none is without it.
	Kernel bool
	// SendLow says that the driver of the bus is on while RTS is low. By default it is on while RTS is high.
	SendLow bool
	// Before and After are how long the driver of the bus is on before the first start bit and after the last stop bit: whole ms,
	// at most 100.
	Before, After time.Duration
}

// RS485 is one port on an RS-485 bus, and implements hal.RS485. Bytes with a wrong parity come in as zeros and are counted. While
// it is open it is this process's alone, as far as other users are concerned; root must heed the lock on the device (flock).
type RS485 struct{ port *port }

// OpenRS485 opens a port such as /dev/ttyAMA3, or /dev/serial/by-path/... for an adapter on USB. A rate that the part misses by
// more than 3 % is refused. On other systems than Linux the error wraps errors.ErrUnsupported.
func OpenRS485(device string, line Line, opt *RS485Options) (*RS485, error) {
	o := RS485Options{}
	if opt != nil {
		o = *opt
	}
	for _, d := range [...]time.Duration{o.Before, o.After} {
		if d < 0 || d > maxDelay || d%time.Millisecond != 0 {
			return nil, fmt.Errorf("linux: RS-485 port %s: a delay of %v: want whole milliseconds, at most %v", device, d, maxDelay)
		}
	}
	if !o.Kernel && (o.SendLow || o.Before != 0 || o.After != 0) {
		return nil, fmt.Errorf("linux: RS-485 port %s: SendLow, Before and After are for the kernel, which is not asked (Kernel)", device)
	}
	p, err := openBus(device, line, o)
	if err != nil {
		return nil, fmt.Errorf("linux: RS-485 port %s: %w", device, err)
	}
	return &RS485{p}, nil
}

// Device is what was opened.
func (r *RS485) Device() string { return r.port.device }

// Write implements hal.RS485. A line that does not take the bytes within a second more than they need is given up: what it has
// not sent is thrown away, and n counts what was given to it. A line that has gone is told as Read tells it.
func (r *RS485) Write(p []byte) (n int, err error) { return r.port.write(p, true) }

// Read implements hal.RS485. It returns within 5 ms of the end of ctx. A line that has gone, such as that of an adapter that was
// pulled out, gives an error that wraps io.ErrUnexpectedEOF; close the port, and open it anew now and then.
func (r *RS485) Read(ctx context.Context, p []byte) (n int, err error) {
	return r.port.read(ctx, p, time.Time{})
}

// ReadUntil is Read that ends at a time, too, with os.ErrDeadlineExceeded; what has already arrived is returned even then. It allocates
// nothing, as a context with a deadline would.
func (r *RS485) ReadUntil(ctx context.Context, p []byte, until time.Time) (n int, err error) {
	return r.port.read(ctx, p, until)
}

// Discard throws away what has come in and was not read, such as a late answer before the next question.
func (r *RS485) Discard() error { return r.port.discard() }

// Counts tells what the driver has counted; that of a pseudo terminal counts nothing, and the error wraps errors.ErrUnsupported.
func (r *RS485) Counts() (SerialCounts, error) { return r.port.counts() }

// Close implements hal.RS485. What was not sent yet is thrown away.
func (r *RS485) Close() error { return r.port.close() }

// RS232 is a line to an instrument that talks text, and implements hal.RS232. A byte with a wrong parity or frame comes in as a
// zero, so that the text around it does not read as another number. Who else may open it is told at RS485.
type RS232 struct{ port *port }

// OpenRS232 opens a line such as /dev/ttyS0 or /dev/serial/by-path/.... It is as OpenRS485.
func OpenRS232(device string, line Line) (*RS232, error) {
	p, err := openText(device, line)
	if err != nil {
		return nil, fmt.Errorf("linux: RS-232 port %s: %w", device, err)
	}
	return &RS232{p}, nil
}

// Device is what was opened.
func (r *RS232) Device() string { return r.port.device }

// Write implements hal.RS232. It gives the driver one byte at a time, each within a second, since it is for words to an instrument.
func (r *RS232) Write(p []byte) (n int, err error) { return r.port.write(p, false) }

// Read implements hal.RS232; it is as RS485.Read, but for the end of ctx, after which it returns within 20 ms.
func (r *RS232) Read(ctx context.Context, p []byte) (n int, err error) {
	return r.port.read(ctx, p, time.Time{})
}

// Discard throws away what has come in and was not read.
func (r *RS232) Discard() error { return r.port.discard() }

// Counts is as RS485.Counts.
func (r *RS232) Counts() (SerialCounts, error) { return r.port.counts() }

// Close implements hal.RS232. What was not sent yet is thrown away.
func (r *RS232) Close() error { return r.port.close() }
