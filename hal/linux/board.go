// The board file: which devices a board has, and by what names they are found.

package linux

import (
	"fmt"
	"time"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// Limits of a board file.
const (
	MaxBoardFile = 256 << 10 // bytes
	MaxLines     = 128       // inputs, outputs or counters each: an input and a counter hold a thread each
	MaxSerial    = 16        // serial ports
	MaxRate      = 500       // pulses per second: edges that come faster are merged before anybody can number them
	minResend    = 10 * time.Millisecond
	maxResend    = 10 * time.Second
	stdResend    = time.Second
	maxDebounce  = time.Second
	maxHoldup    = 10 * time.Second
	maxFeed      = 10 * time.Minute
)

// Board is a board file that was read: what a board is said to have. Nothing is open. A file looks like this, in YAML; every list and
// every device may be absent:
//
//	board: bench-pi4
//	version: "1.0"
//	schema_version: 1
//	resend: 200 ms      # levels are read anew this often; less than half of the stale_after of the map's tags; 1 s if not given
//	outputs:
//	  - {channel: do/1, chip: pinctrl-bcm2711, line: 17, safe: low}
//	inputs:
//	  - {channel: di/1, chip: pinctrl-bcm2711, line: 27, bias: pull_up, debounce: 2 ms}
//	counters:
//	  - {channel: ctr/1, chip: pinctrl-bcm2711, line: METER_A, max_rate: 200}    # pulses per second
//	power_fail: {chip: pinctrl-bcm2711, line: 4, failing: low, hold_up: 15 ms}
//	rtc: {device: rtc-ds1307}
//	fram: {device: fm25@spi0.0, tear: 1}
//	watchdog: {device: bcm2835-wdt, timeout: 10 s}
//	serial:
//	  - {name: meters, kind: rs485, device: /dev/serial/by-path/..., mode: 19200 8E1, direction: kernel}
//	  - {name: scale, kind: rs232, device: /dev/ttyUSB0, mode: 9600 8N1}
//	tpm: {device: /dev/tpmrm0}
//
// A channel is a physical_channel of the I/O map. A line is a number on the chip with that label, or the name that the device tree gives
// it; where a name is on one chip alone the chip may be left out. Safe, failing, low and high are of the voltage at the pin; "active: low"
// beside a line has the board turn what it says round, where the polarity of a tag of the map does not. An output is driven at its safe
// level from the moment on at which it is opened. Bias is as_is, pull_up, pull_down or none. A counter counts rising edges, falling ones
// with "edge: falling"; it is BAD while they come faster than max_rate, MaxRate at most. An output with "drive: open_drain" is pulled low
// or let go. Names of devices are those of FindRTC, OpenFRAM and FindWatchdog; tear is how many bytes a cut of the supply may ruin, from
// the data sheet, and "backed: true" says that a battery keeps them.
type Board struct {
	File    string // as ParseBoard was told
	ID      string
	Version string
	Resend  time.Duration

	Outputs  []BoardOutput
	Inputs   []BoardInput
	Counters []BoardCounter
	Serial   []BoardSerial
	Power    *BoardPower    // nil: nothing warns
	RTC      *BoardDevice   // nil: no clock chip
	FRAM     *BoardFRAM     // nil: none
	Watchdog *BoardWatchdog // nil: none
	TPM      *BoardDevice   // nil: none
}

// BoardDevice is a device that a name finds.
type BoardDevice struct {
	Device string
	pos    strictyaml.Pos
}

// BoardOutput is a line that is driven.
type BoardOutput struct {
	Channel string
	At      LineAt
	Safe    bool // voltage at the pin: true is high
	Options OutputOptions
	pos     strictyaml.Pos
}

// SafeBit is the value that the channel has at its safe level.
func (o *BoardOutput) SafeBit() uint64 {
	if o.Safe != o.Options.ActiveLow {
		return 1
	}
	return 0
}

// Where says where in the file the output stands.
func (o *BoardOutput) Where() string { return o.pos.String() }

// BoardInput is a line that is read.
type BoardInput struct {
	Channel string
	At      LineAt
	Options InputOptions
	pos     strictyaml.Pos
}

// BoardCounter is a line whose edges are counted.
type BoardCounter struct {
	Channel string
	At      LineAt
	Options InputOptions
	MaxRate int // per second
	pos     strictyaml.Pos
}

// BoardPower is the line that says that the supply fails.
type BoardPower struct {
	At        LineAt
	FailsHigh bool // voltage at the pin
	Holdup    time.Duration
	Options   InputOptions
	pos       strictyaml.Pos
}

// BoardFRAM is the memory that outlives the supply.
type BoardFRAM struct {
	BoardDevice
	Tear   int
	Backed bool
}

// BoardWatchdog is what resets the board unless it is fed.
type BoardWatchdog struct {
	BoardDevice
	Timeout time.Duration
}

// BoardSerial is a serial port.
type BoardSerial struct {
	BoardDevice
	Name    string
	RS485   bool // else it is RS-232
	Mode    Line
	Kernel  bool // of RS-485: the kernel switches the driver; else the transceiver does so by itself
	SendLow bool // with Kernel: RTS is low while sending
}

// ParseBoard reads a board file; file names it in errors. It touches no device and works on any system. Every error of the file is in the
// error that it returns, with line and column.
func ParseBoard(file string, src []byte) (*Board, error) {
	doc := strictyaml.Parse(file, src, &strictyaml.Options{MaxBytes: MaxBoardFile})
	r := &boardReader{channels: map[string]string{}, places: map[LineAt]string{}}
	b := &Board{File: file, Resend: stdResend}
	f := doc.Root().Map()
	b.ID, b.Version = f.Req("board").Ident(), f.Req("version").Ident()
	if n := f.Req("schema_version"); n.Kind() != strictyaml.Absent {
		n.Int(1, 1)
	}
	if n, ok := f.Opt("resend"); ok {
		b.Resend = r.duration(n, "resend", minResend, maxResend)
	}
	r.list(f, "outputs", func(n strictyaml.Node) { b.Outputs = append(b.Outputs, r.output(n)) })
	r.list(f, "inputs", func(n strictyaml.Node) { b.Inputs = append(b.Inputs, r.input(n)) })
	r.list(f, "counters", func(n strictyaml.Node) { b.Counters = append(b.Counters, r.counter(n)) })
	if n, ok := f.Opt("power_fail"); ok {
		b.Power = r.power(n)
	}
	if n, ok := f.Opt("rtc"); ok {
		b.RTC = r.device(n)
	}
	if n, ok := f.Opt("fram"); ok {
		b.FRAM = r.fram(n)
	}
	if n, ok := f.Opt("watchdog"); ok {
		b.Watchdog = r.watchdog(n)
	}
	if n, ok := f.Opt("serial"); ok {
		for _, one := range n.List(MaxSerial) {
			b.Serial = append(b.Serial, r.serial(one))
		}
	}
	if n, ok := f.Opt("tpm"); ok {
		b.TPM = r.device(n)
	}
	f.Done()
	if err := doc.Err(); err != nil {
		return nil, fmt.Errorf("linux: board file: %w", err)
	}
	return b, nil
}

// Channels lists the channels of the board's lines, outputs first, in the order of the file.
func (b *Board) Channels() []string {
	var list []string
	for i := range b.Outputs {
		list = append(list, b.Outputs[i].Channel)
	}
	for i := range b.Inputs {
		list = append(list, b.Inputs[i].Channel)
	}
	for i := range b.Counters {
		list = append(list, b.Counters[i].Channel)
	}
	return list
}

// Sort says what a channel of the board is: output, input or counter; "" for one that it has not.
func (b *Board) Sort(channel string) string {
	for i, c := range b.Channels() {
		switch {
		case c != channel:
		case i < len(b.Outputs):
			return "output"
		case i < len(b.Outputs)+len(b.Inputs):
			return "input"
		default:
			return "counter"
		}
	}
	return ""
}
