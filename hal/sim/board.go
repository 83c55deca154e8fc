// The simulated board: its devices, its time, and the power cut.

package sim

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/timebase"
)

// BoardOptions describes a board; the zero value of each field is given with it.
type BoardOptions struct {
	FRAMSize int64  // bytes; 0: 131,072
	FRAMFile string // file that stands in for the chip and outlives the process; it must have FRAMSize bytes, or is made. "": memory
	UTC      int64  // what the clock chip shows at board time 0, ns since 1970; 0: 2026-01-01
	DriftPPM int64  // by how much the clock chip gains, parts per million; negative: loses
	DeadCell bool   // the clock chip loses its time at every power cut, and before the first Set

	Holdup        time.Duration // for how long the board lives on when its supply has failed; 0: 20 ms
	WatchdogStays bool          // the watchdog cannot be stopped once it was armed
}

// Board is a controller's board with simulated devices. Its time is what the caller says: it moves by Advance, Wait, Input.Drive,
// PowerCut, BrownOut and Boot, never by itself, and never backwards. While the power is off, or the watchdog has bitten, every device
// returns hal.ErrPowerLost.
//
// All methods, those of the devices included, may be called from any goroutine; only Input.Watch, Power.Watch and Read of the
// serial ports block.
type Board struct {
	mu      sync.Mutex
	seed    uint64
	now     int64
	off     bool
	why     hal.ResetCause // of being off
	cause   hal.ResetCause // of having come up
	cuts    uint64         // power cuts so far; each tears at a place of its own
	agenda  []planned      // in order of time
	back    int64          // when the supply that fails is back
	rtc     RTC
	fram    FRAM
	dog     Watchdog
	power   Power
	counter Counter
	key     Signer
	bus     [2]RS485
	serial  [2]RS232
	inputs  map[string]*Input
	outputs map[string]*Output
}

// NewBoard returns a board with power on, at board time 0. It fails only over o.FRAMFile, a negative size or a negative hold-up.
func NewBoard(seed uint64, o *BoardOptions) (*Board, error) {
	if o == nil {
		o = &BoardOptions{}
	}
	b := &Board{seed: seed, inputs: map[string]*Input{}, outputs: map[string]*Output{}, cause: hal.ResetPower, back: timebase.Never}
	b.rtc = RTC{board: b, base: o.UTC, drift: o.DriftPPM, dead: o.DeadCell, lost: o.DeadCell}
	if o.UTC == 0 {
		b.rtc.base = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	}
	b.join("RS-485 port", "bus", &b.bus[0].wire, &b.bus[1].wire)
	b.join("RS-232 port", "serial", &b.serial[0].wire, &b.serial[1].wire)
	b.dog = Watchdog{board: b, stays: o.WatchdogStays}
	b.counter, b.key = Counter{board: b}, newSigner(b)
	b.power = Power{board: b, holdup: o.Holdup, down: timebase.Never, wake: make(chan struct{}, 1)}
	if o.Holdup == 0 {
		b.power.holdup = 20 * time.Millisecond
	}
	b.fram = FRAM{board: b, fuse: -1, size: o.FRAMSize}
	if o.FRAMSize == 0 {
		b.fram.size = 128 << 10
	}
	if o.Holdup < 0 {
		return nil, fmt.Errorf("sim: power %q: hold-up %s: want 0 or more", "power", o.Holdup)
	}
	return b, b.fram.open(o.FRAMFile)
}

// FRAM returns the board's FRAM.
func (b *Board) FRAM() *FRAM { return &b.fram }

// RTC returns the board's clock chip.
func (b *Board) RTC() *RTC { return &b.rtc }

// Bus returns the board's RS-485 port and, as the other end of the same pair, the one of the devices in the field, which
// does not lose power.
func (b *Board) Bus() (board, field *RS485) { return &b.bus[0], &b.bus[1] }

// Serial returns the board's RS-232 port and, as the other end of the same line, the one of the instrument in the field, which does not
// lose power.
func (b *Board) Serial() (board, field *RS232) { return &b.serial[0], &b.serial[1] }

// Input returns the input line of that name; it is made, low, on first use.
func (b *Board) Input(name string) *Input {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.inputs[name]
	if l == nil {
		l = &Input{board: b, name: name, wake: make(chan struct{}, 1)}
		l.contact.seed, l.contact.signal = b.seed, signalOf(name)
		b.inputs[name] = l
	}
	return l
}

// Output returns the output line of that name; it is made, low, on first use.
func (b *Board) Output(name string) *Output {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.outputs[name]
	if l == nil {
		l = &Output{board: b, name: name}
		b.outputs[name] = l
	}
	return l
}

// Advance moves the board's time to now, in ns. Edges that are due by then reach the lines.
func (b *Board) Advance(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
}

// PowerCut takes the power away at now: outputs drop, bytes that nobody read are lost, edges pass unseen. The first FRAM write that
// is tried between here and Boot is the one that the cut caught: it is torn at a byte that the seed chooses.
func (b *Board) PowerCut(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.fram.tear = true
	b.powerOff(hal.ResetPower)
}

// CutAtByte arms a power cut that comes while byte n (counted from 0) of what is written to the FRAM from here on is in
// flight. With n at or beyond the bytes to come, power stays on. A negative n disarms it.
func (b *Board) CutAtByte(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fram.fuse = n
}

// Boot brings the power back at now. FRAM, clock chip and counter are as the cut left them, outputs are low, the lines number
// their edges from 1 again, and the watchdog is not armed. Boot of a board that runs is the begin of another process: Reset then says
// so, and an armed watchdog goes on.
func (b *Board) Boot(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.cause = hal.ResetProcess
	if b.off {
		b.cause, b.dog.timeout = b.why, 0
		b.power.failing, b.power.down, b.back = false, timebase.Never, timebase.Never
	}
	b.off, b.fram.tear, b.dog.closed, b.power.closed = false, false, false, false
	for _, l := range b.inputs {
		l.seq, l.buffer = 0, nil
	}
}

// Close ends Watch and Read of the board's lines and ports and closes the file behind the FRAM. The board is of no use
// afterwards.
func (b *Board) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.inputs {
		l.closed = true
		signal(l.wake)
	}
	for _, end := range []*wire{&b.bus[0].wire, &b.bus[1].wire, &b.serial[0].wire, &b.serial[1].wire} {
		end.closed = true
		signal(end.wake)
	}
	b.dog.closed, b.power.closed = true, true
	signal(b.power.wake)
	return b.fram.close()
}

func (b *Board) advance(now int64) {
	for at, do := b.next(); at <= now; at, do = b.next() {
		b.pass(at)
		do()
	}
	b.pass(now)
}

// pass moves the lines to now.
func (b *Board) pass(now int64) {
	b.now = max(b.now, now)
	for _, l := range b.inputs {
		l.advance(b.now)
	}
}

func (b *Board) powerOff(why hal.ResetCause) {
	if b.off {
		return
	}
	b.off, b.why = true, why
	b.cuts++
	b.fram.fuse = -1
	b.rtc.lost = b.rtc.lost || b.rtc.dead && why == hal.ResetPower
	for _, l := range b.outputs {
		l.drive(false)
	}
	for _, l := range b.inputs {
		signal(l.wake)
	}
	for _, end := range []*wire{&b.bus[0].wire, &b.serial[0].wire} {
		end.buffer = nil
		signal(end.wake)
	}
	signal(b.power.wake)
}

// ready returns the error of a device that cannot work now.
func (b *Board) ready(what, name string, closed bool) error {
	switch {
	case closed:
		return fmt.Errorf("sim: %s %q: %w", what, name, os.ErrClosed)
	case b.off:
		return fmt.Errorf("sim: %s %q: %w", what, name, hal.ErrPowerLost)
	}
	return nil
}

// signal wakes the one reader that waits on wake, or the next that will.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
