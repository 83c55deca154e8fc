// The devices of a board: what is there of them, and how they are opened, all or none.

package linux

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/internal/strictyaml"
)

// Finding is what Probe found of one device of a board file.
type Finding struct {
	Where  string // file, line and column
	Device string // such as output "do/1"
	Is     string // what stands there, "" where nothing does
	Err    error  // why it cannot be opened; nil: it can
}

// String gives, for example, `board.yaml:7:5: output "do/1": pinctrl-rp1 (gpiochip0, 54 lines), line 17 "GPIO17", free`.
func (f Finding) String() string {
	if f.Err != nil {
		return fmt.Sprintf("%s: %s: %v", f.Where, f.Device, f.Err)
	}
	return fmt.Sprintf("%s: %s: %s", f.Where, f.Device, f.Is)
}

// Devices are the open devices of a board. Its TPM is looked for and not opened: that is for package hal/tpm. They stay open until Close, since an output is let go where its line is closed.
type Devices struct {
	Board    *Board
	Outputs  []*Output // in the order of the file, as the next two
	Inputs   []*Input
	Counters []*Input
	RTC      *RTC // nil: the file names none, as for the next three
	FRAM     *FRAM
	Watchdog *Watchdog // not armed
	Power    hal.Power
	RS485    map[string]*RS485 // by the names of the file
	RS232    map[string]*RS232

	open []io.Closer
}

// part is one device of a board file: how it is looked for, and opened.
type part struct {
	pos   strictyaml.Pos
	name  string
	probe func() (is string, err error)
	open  func(d *Devices) (io.Closer, error)
}

// parts lists the devices of a board, in the order in which they are opened: outputs first, so that they are safe soonest.
func (b *Board) parts() []part {
	var list []part
	for i := range b.Outputs {
		o := &b.Outputs[i]
		list = append(list, part{o.pos, fmt.Sprintf("output %q", o.Channel), o.At.probe, func(d *Devices) (io.Closer, error) {
			l, err := OpenOutput(o.At, o.SafeBit() == 1, &o.Options)
			d.Outputs = append(d.Outputs, l)
			return l, err
		}})
	}
	for i := range b.Inputs {
		in := &b.Inputs[i]
		list = append(list, part{in.pos, fmt.Sprintf("input %q", in.Channel), in.At.probe, func(d *Devices) (io.Closer, error) {
			l, err := OpenInput(in.At, &in.Options)
			d.Inputs = append(d.Inputs, l)
			return l, err
		}})
	}
	for i := range b.Counters {
		c := &b.Counters[i]
		list = append(list, part{c.pos, fmt.Sprintf("counter %q", c.Channel), c.At.probe, func(d *Devices) (io.Closer, error) {
			l, err := OpenInput(c.At, &c.Options)
			d.Counters = append(d.Counters, l)
			return l, err
		}})
	}
	return append(append(list, b.chips()...), b.ports()...)
}

// chips lists the devices of a board of which there is one at most.
func (b *Board) chips() (list []part) {
	if b.RTC != nil {
		list = append(list, part{b.RTC.pos, fmt.Sprintf("rtc %q", b.RTC.Device), func() (string, error) {
			r, err := FindRTC(b.RTC.Device)
			if err != nil {
				return "", err
			}
			return r.Device(), nil
		}, func(d *Devices) (c io.Closer, err error) {
			d.RTC, err = FindRTC(b.RTC.Device)
			return nil, err
		}})
	}
	if m := b.FRAM; m != nil {
		open := func() (*FRAM, error) { return OpenFRAM(m.Device, m.Tear, &FRAMOptions{Backed: m.Backed}) }
		list = append(list, part{m.pos, fmt.Sprintf("fram %q", m.Device), func() (string, error) {
			f, err := open()
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s, %d bytes", f.Path(), f.Size()), f.Close()
		}, func(d *Devices) (c io.Closer, err error) {
			d.FRAM, err = open()
			return d.FRAM, err
		}})
	}
	if w := b.Watchdog; w != nil {
		list = append(list, part{w.pos, fmt.Sprintf("watchdog %q", w.Device), func() (string, error) {
			found, err := FindWatchdog(w.Device)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s, %s", found.Device(), found.Identity()), nil
		}, func(d *Devices) (c io.Closer, err error) {
			d.Watchdog, err = FindWatchdog(w.Device)
			return d.Watchdog, err
		}})
	}
	if b.TPM != nil {
		list = append(list, part{b.TPM.pos, "tpm", func() (string, error) { return isDevice(b.TPM.Device, tpms) },
			func(*Devices) (io.Closer, error) { return nil, nil }})
	}
	if p := b.Power; p != nil {
		list = append(list, part{p.pos, "power_fail", p.At.probe, func(d *Devices) (io.Closer, error) {
			l, err := OpenInput(p.At, &p.Options)
			if err != nil {
				return nil, err
			}
			d.Power, err = hal.NewPowerLine(l, p.FailsHigh, p.Holdup, Monotonic)
			return l, err
		}})
	}
	return list
}

// ports lists the serial ports of a board. They are not opened to look for them, since that moves their control lines.
func (b *Board) ports() (list []part) {
	for i := range b.Serial {
		s := &b.Serial[i]
		list = append(list, part{s.pos, fmt.Sprintf("serial port %q", s.Name), func() (string, error) {
			is, err := isDevice(s.Device, ttys)
			return fmt.Sprintf("%s, %v", is, s.Mode), err
		}, func(d *Devices) (io.Closer, error) {
			if s.RS485 {
				p, err := OpenRS485(s.Device, s.Mode, &RS485Options{Kernel: s.Kernel, SendLow: s.SendLow})
				d.RS485[s.Name] = p
				return p, err
			}
			p, err := OpenRS232(s.Device, s.Mode)
			d.RS232[s.Name] = p
			return p, err
		}})
	}
	return list
}

// isDevice looks for a device without opening it; of one that is not there the error says what there is.
func isDevice(name string, there func(sys fs.FS) []listed) (is string, err error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; there are: %s", err, words(there(os.DirFS(sysTree))))
	}
	if err == nil && info.Mode()&os.ModeCharDevice == 0 {
		err = fmt.Errorf("%s: it is no device", name)
	}
	return name, err
}

// ttys lists the serial ports that have a part behind them.
func ttys(sys fs.FS) (list []listed) {
	const class = "class/tty"
	for _, n := range children(sys, class) {
		if kind, ok := textOf(sys, path.Join(class, n, "type")); ok && kind == "0" || !shown(sys, path.Join(class, n, "device")) {
			continue // a place of the 8250 driver without a part, or a terminal
		}
		list = append(list, listed{node: "/dev/" + n, says: fmt.Sprintf("/dev/%s (%s)", n, driverOf(sys, path.Join(class, n, "device")))})
	}
	return list
}

// tpms lists what a TPM can be talked to by.
func tpms(sys fs.FS) (list []listed) {
	for _, n := range children(sys, "class/tpmrm") {
		list = append(list, listed{node: "/dev/" + n, says: "/dev/" + n})
	}
	return list
}

// probe looks at a line without requesting it.
func (a LineAt) probe() (is string, err error) {
	c, l, err := findLine(kernel{}, a)
	if err != nil {
		return "", err
	}
	is = fmt.Sprintf("%v, line %d %q", c, l.Offset, l.Name)
	if l.Used {
		return is, fmt.Errorf("%v (line %d of %s): %w", a, l.Offset, c.Device, held(syscall.EBUSY, l, true))
	}
	return is + ", free", nil
}

// Probe looks for every device of the board and requests none. It blocks for some system calls for each.
func (b *Board) Probe() []Finding {
	var list []Finding
	for _, p := range b.parts() {
		is, err := p.probe()
		list = append(list, Finding{p.pos.String(), p.name, is, err})
	}
	return list
}

// Open opens every device of the board, outputs first and at their safe levels, or none: where one is not there, or another has it, the
// error names all of them, each with its line in the file, what was looked for and what there is, and nothing is driven. It blocks for
// some system calls for each device.
func (b *Board) Open() (*Devices, error) {
	var wrong []error
	for _, f := range b.Probe() {
		if f.Err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %s: %w", f.Where, f.Device, f.Err))
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("linux: board %s: %w", b.ID, errors.Join(wrong...))
	}
	d := &Devices{Board: b, RS485: map[string]*RS485{}, RS232: map[string]*RS232{}}
	for _, p := range b.parts() {
		one, err := p.open(d)
		if err != nil {
			err = fmt.Errorf("linux: board %s: %s: %s: %w", b.ID, p.pos, p.name, err)
			return nil, errors.Join(err, d.Close())
		}
		if one != nil {
			d.open = append(d.open, one)
		}
	}
	return d, nil
}

// OpenOutputs opens the outputs of the board alone, each that is there, at their safe levels: for who finds outputs that may be on, on a
// board of which something is missing. Devices are of a board of these outputs; the error, beside them, names the others. It blocks for
// some system calls for each.
func (b *Board) OpenOutputs() (*Devices, error) {
	some := &Board{File: b.File, ID: b.ID, Version: b.Version, Resend: b.Resend}
	d := &Devices{Board: some}
	var wrong []error
	for i := range b.Outputs {
		o := &b.Outputs[i]
		l, err := OpenOutput(o.At, o.SafeBit() == 1, &o.Options)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("linux: board %s: %s: output %q: %w", b.ID, o.pos, o.Channel, err))
			continue
		}
		some.Outputs, d.Outputs, d.open = append(some.Outputs, *o), append(d.Outputs, l), append(d.open, l)
	}
	return d, errors.Join(wrong...)
}

// Port makes a port of the lines. Now is the rig's clock, by which values are stamped and deadlines held; it runs at the speed of the
// real one. One Port may be watched at a time.
func (d *Devices) Port(now func() int64) *Port {
	p := &Port{resend: d.Board.Resend, now: now, mono: Monotonic, wake: make(chan struct{}, 1)}
	for i, l := range d.Outputs {
		p.outputs = append(p.outputs, &portOutput{channel: d.Board.Outputs[i].Channel, line: l})
	}
	for i, l := range d.Inputs {
		p.inputs = append(p.inputs, &portInput{channel: d.Board.Inputs[i].Channel, line: l})
	}
	for i, l := range d.Counters {
		c := &d.Board.Counters[i]
		p.counters = append(p.counters, &portCounter{channel: c.Channel, line: l, rate: int64(c.MaxRate)})
	}
	return p
}

// Close closes all devices, outputs last. What their lines do then is for the hardware to say.
func (d *Devices) Close() error {
	var wrong []error
	for _, one := range slices.Backward(d.open) {
		if err := one.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			wrong = append(wrong, err)
		}
	}
	d.open = nil
	return errors.Join(wrong...)
}
