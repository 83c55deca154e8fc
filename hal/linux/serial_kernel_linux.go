// What is asked of serial drivers beyond termios: direction of an RS-485 bus, counters, and the two libraries that open ports.

package linux

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
	"unsafe"

	bus "github.com/goburrow/serial"
	text "github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

// Flags of struct serial_rs485 (linux/serial.h).
const (
	rs485On      = 1 << 0
	rs485SendHi  = 1 << 1
	rs485AfterHi = 1 << 2
	rs485Hears   = 1 << 4
)

// busSetting is struct serial_rs485.
type busSetting struct {
	flags, before, after uint32 // delays in ms
	_                    [5]uint32
}

// lastSelectable is the greatest number of a file that select(2) takes, by which goburrow/serial waits.
const lastSelectable = 1023

// openBus opens a port by goburrow/serial, which alone has the kernel's RS-485 mode.
func openBus(device string, line Line, o RS485Options) (*port, error) {
	p, err := openPort("RS-485", device, line, func(path string) (io.ReadWriteCloser, error) {
		return bus.Open(&bus.Config{Address: path, BaudRate: line.Baud, DataBits: line.Data, StopBits: line.Stop,
			Parity: string(line.Parity), Timeout: time.Millisecond,
			RS485: bus.RS485Config{Enabled: o.Kernel, DelayRtsBeforeSend: o.Before, DelayRtsAfterSend: o.After,
				RtsHighDuringSend: !o.SendLow, RtsHighAfterSend: o.SendLow}})
	})
	if o.Kernel && isUnknown(err) {
		return nil, fmt.Errorf("its driver does not turn the bus round; on a Raspberry Pi an overlay such as uart3 with rs485 is wanted; "+
			"an adapter that does it by itself is opened without Kernel: %w", err)
	}
	if err != nil {
		return nil, err
	}
	p.slice = busSlice
	if o.Kernel {
		err = p.turns(o)
	}
	if err == nil {
		err = p.selectable()
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// turns reads back what the kernel has made of the direction that was asked for.
func (p *port) turns(o RS485Options) error {
	var got busSetting
	if err := p.ioctl(unix.TIOCGRS485, unsafe.Pointer(&got)); err != nil {
		return fmt.Errorf("the direction of the bus cannot be read back: %w", err)
	}
	p.after = ms(got.after)
	return got.serves(o)
}

// serves refuses a setting by which the bus would not be turned round as it was asked for.
func (got busSetting) serves(o RS485Options) error {
	want := uint32(rs485On | rs485SendHi)
	if o.SendLow {
		want = rs485On | rs485AfterHi
	}
	switch flags := got.flags & (rs485On | rs485SendHi | rs485AfterHi | rs485Hears); {
	case flags&rs485On == 0:
		return errors.New("its driver has taken the request to turn the bus round, and does not do it")
	case flags&rs485Hears != 0:
		return fmt.Errorf("its driver hears what it sends (flags %#x), and cannot be told not to", flags)
	case flags != want:
		return fmt.Errorf("its driver drives RTS otherwise: asked for flags %#x, it has %#x", want, flags)
	}
	if before, after := ms(got.before), ms(got.after); before < o.Before || after < o.After {
		return fmt.Errorf("its driver waits %v before and %v after a sending; asked for %v and %v", before, after, o.Before, o.After)
	}
	return nil
}

func ms(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }

// selectable refuses a library whose file has a number beyond those that select takes: the kernel would write past its set.
func (p *port) selectable() error {
	var own, other unix.Stat_t
	if err := unix.Fstat(p.own, &own); err != nil {
		return err
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range files {
		n, err := strconv.Atoi(f.Name())
		if err != nil || n <= lastSelectable || n == p.own || unix.Fstat(n, &other) != nil {
			continue
		}
		if other.Rdev == own.Rdev && other.Mode&unix.S_IFMT == unix.S_IFCHR {
			return fmt.Errorf("it was opened as file %d of this process, and waits only on those up to %d; open the serial ports first",
				n, lastSelectable)
		}
	}
	return nil
}

// openText opens a port by tarm/serial, which blocks, and so is asked only for what is there.
func openText(device string, line Line) (*port, error) {
	return openPort("RS-232", device, line, func(path string) (io.ReadWriteCloser, error) {
		return text.OpenPort(&text.Config{Name: path, Baud: line.Baud, Size: byte(line.Data), Parity: text.Parity(line.Parity),
			StopBits: text.StopBits(line.Stop), ReadTimeout: 100 * time.Millisecond}) // without a time-out its Close may block for ever
	})
}

// raw is what the driver has counted since the system came up.
func (p *port) raw() (SerialCounts, error) {
	var c struct { // struct serial_icounter_struct (linux/serial.h)
		cts, dsr, rng, dcd, rx, tx, frame, overrun, parity, brk, dropped uint32
		_                                                                [9]uint32
	}
	if err := p.ioctl(unix.TIOCGICOUNT, unsafe.Pointer(&c)); isUnknown(err) || isInvalid(err) {
		return SerialCounts{}, fmt.Errorf("its driver counts nothing: %w", errors.ErrUnsupported)
	} else if err != nil {
		return SerialCounts{}, err
	}
	return SerialCounts{Sent: c.tx, Received: c.rx, Frame: c.frame, Parity: c.parity, Overrun: c.overrun, Dropped: c.dropped,
		Breaks: c.brk}, nil
}

func (p *port) ioctl(request uint, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(p.own), uintptr(request), uintptr(arg)); e != 0 {
		return e
	}
	return nil
}
