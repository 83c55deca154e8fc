// The suites are red where a device breaks a promise, and say which: doubles that are wrong in one way each.

package haltest_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/hal/sim"
)

// red holds that a suite names the promise, and what was seen.
func red(t *testing.T, r haltest.Report, err error, wants ...string) {
	t.Helper()
	var first *haltest.Breach
	require.ErrorAs(t, err, &first)
	require.False(t, r.Passed())
	require.NotEmpty(t, first.Remedy)
	for _, want := range wants {
		require.ErrorContains(t, err, want)
	}
}

// cells is memory that is wrong in one way, or in none.
type cells struct {
	wrong string
	mu    sync.Mutex
	data  []byte
	late  func() // a write that is acknowledged and not yet done
	fuse  int64
	off   bool
}

func (c *cells) Size() int64      { return int64(len(c.data)) }
func (c *cells) Model() hal.Model { return hal.Model{Tear: 1, Apart: true} }

func (c *cells) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	if off < 0 {
		return 0, errors.New("cells: before the beginning")
	}
	if off >= c.Size() {
		return 0, io.EOF
	}
	n := copy(p, c.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *cells) settle() {
	if c.late != nil {
		c.late()
		c.late = nil
	}
}

func (c *cells) WriteAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	if off < 0 || off+int64(len(p)) > c.Size() && c.wrong != "wraps" {
		return 0, errors.New("cells: outside")
	}
	cut := len(p)
	if c.fuse >= 0 && c.fuse < int64(len(p)) {
		cut, c.off, c.fuse = int(c.fuse), true, -1
	}
	for i := range p[:cut] {
		c.data[(off+int64(i))%c.Size()] = p[i]
	}
	if cut < len(p) {
		if c.wrong == "tears on" && off+int64(cut)+3 < c.Size() {
			c.data[off+int64(cut)+3] = 0x99
		}
		return cut, hal.ErrPowerLost
	}
	if c.wrong == "neighbour" && len(p) == 7 {
		c.data[off+7] ^= 1
	}
	if old := bytes.Clone(p); c.wrong == "early" {
		copy(old, c.data[off:])
		fresh := bytes.Clone(p)
		c.late = func() { copy(c.data[off:], fresh) }
	}
	return len(p), nil
}

func (c *cells) CutAtByte(n int64) { c.fuse = n }

func (c *cells) PowerOff(context.Context) error {
	if c.wrong == "early" { // what was acknowledged last is gone
		clear(c.data[32:96])
		c.late = nil
	}
	c.off = true
	return nil
}

func (c *cells) PowerOn(context.Context) error { c.off = false; return nil }

func TestMemoryThatBreaksItsTearingModelIsFound(t *testing.T) {
	for wrong, wants := range map[string][]string{
		"tears on": {`FRAM "u7": broken: a cut leaves new bytes before it, old ones behind it, and ruins 1; seen: a write of 28 bytes at `,
			"is 0x99, where 0xaa was to be", "do: declare the Tear that the part has"},
		"early": {"broken: a write that returned nil is in the cells; seen: power went and came after a write of 64 bytes that had returned nil, and byte 32",
			"return when the part has finished its write cycle"},
		"wraps": {"broken: a range that leaves the memory is refused whole; seen: a write of 2 bytes at 511 of 512 gave 2, <nil>; bytes at the ends changed: true"},
		"neighbour": {"broken: a write changes the bytes that it names, to what it names, and no other; seen: after a write of 7 bytes at ",
			"look at addressing and at page borders"},
	} {
		c := &cells{wrong: wrong, data: make([]byte, 512), fuse: -1}
		r, err := haltest.FRAM(limit(t), c, &haltest.FRAMOptions{Device: "u7", Power: c})
		red(t, r, err, wants...)
		require.Len(t, r.Broken, 1, wrong)
		require.Equal(t, make([]byte, 512), c.data, "%s: what could be restored is", wrong)
	}
	c := &cells{data: make([]byte, 512), fuse: -1}
	r, err := haltest.FRAM(limit(t), c, &haltest.FRAMOptions{Power: c})
	green(t, r, err)
}

// chip is a clock that is wrong in one way.
type chip struct {
	hal.RTC
	wrong string
	first int64
}

func (c *chip) Read() (int64, error) {
	utc, err := c.RTC.Read()
	switch {
	case c.wrong == "guess" && errors.Is(err, hal.ErrTimeLost):
		return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), nil
	case c.wrong == "backwards" && err == nil:
		return 2*c.first - utc, nil
	}
	return utc, err
}

func (c *chip) Set(utc int64) error {
	switch {
	case c.wrong == "keeps not":
		return nil
	case c.wrong == "any year" && utc < 1e17:
		return nil
	}
	c.first = utc - utc%1e9
	return c.RTC.Set(utc)
}

func TestAClockThatLiesAboutItsTimeIsFound(t *testing.T) {
	for wrong, wants := range map[string][]string{
		"guess": {"seen: after its cell died Read gave 2026-01-01 00:00:00, <nil>: a guess",
			"do: read the chip's oscillator-stopped or low-voltage flag with each time"},
		"backwards": {"broken: the clock runs forward, by a second in each second; seen: it showed 2030-06-15 "},
		"keeps not": {"broken: Set makes its time valid", "ms after it was set to 2028-02-28 23:59:58.7"},
		"any year":  {"broken: a time outside 2000 to 2099 is refused, and leaves the clock as it is; seen: its Set to 1970-01-01 00:00:00 gave no error"},
	} {
		b := board(t, nil)
		r, err := haltest.RTC(limit(t), &chip{RTC: b.RTC(), wrong: wrong}, &haltest.RTCOptions{Clock: b, Power: b})
		red(t, r, err, wants...)
	}
	b := board(t, nil)
	require.NoError(t, b.Fault(sim.BoardFault{Kind: sim.ClockBus, At: 3e9, For: time.Hour}))
	r, err := haltest.RTC(limit(t), b.RTC(), &haltest.RTCOptions{Clock: b})
	red(t, r, err, "no answer on the bus", "broken: the clock is set back", "do: set it by hand: it shows a time of this suite")
}

// dog is a watchdog that is wrong in one way.
type dog struct {
	hal.Watchdog
	wrong string
}

func (d *dog) Arm(timeout time.Duration) (time.Duration, error) {
	switch d.wrong {
	case "longer":
		actual, err := d.Watchdog.Arm(timeout)
		return actual / 2, err
	case "shorter":
		actual, err := d.Watchdog.Arm(timeout - 2*time.Second)
		return actual + 2*time.Second, err
	case "rounds up":
		actual, err := d.Watchdog.Arm(timeout)
		return actual + time.Second, err
	}
	return d.Watchdog.Arm(timeout)
}

func (d *dog) Disarm() error {
	if d.wrong == "goes on" {
		return nil
	}
	return d.Watchdog.Disarm()
}

func TestAWatchdogThatLiesAboutItsTimeOutIsFound(t *testing.T) {
	for wrong, want := range map[string]string{
		"longer": "broken: an armed watchdog bites when the time-out that it has given is over, and not before; seen: it has not bitten after 2.", // of 4
		"shorter": `Watchdog "watchdog": broken: an armed watchdog bites when the time-out that it has given is over, and not before; ` +
			"seen: it has bitten after 2s; Arm had given 4s; do: read the time-out back from the hardware, and measure it",
		"goes on":   "broken: Disarm stops it, or returns an error that wraps hal.ErrStays; seen: its Disarm gave no error, and within 8s it has bitten",
		"rounds up": "broken: Arm gives the time-out that it really has, which is never longer than asked for; seen: its Arm with 4s gave 5s",
	} {
		b := board(t, nil)
		r, err := haltest.Watchdog(limit(t), &dog{b.Watchdog(), wrong},
			&haltest.WatchdogOptions{Timeout: 4 * time.Second, AllowBite: true, Bench: b, Clock: b})
		red(t, r, err, want)
	}
}

// line is an input that is wrong in one way.
type line struct {
	*sim.Input
	wrong string
	now   func() int64
}

func (l *line) Watch(ctx context.Context, emit func(hal.Edge)) error {
	seq := uint32(0)
	return l.Input.Watch(ctx, func(e hal.Edge) {
		seq++
		switch l.wrong {
		case "loses":
			e.Seq, e.Lost = seq, 0
		case "reads":
			e.Mono = l.now()
		case "numbers not":
			e.Seq = 0
		}
		emit(e)
	})
}

func TestAnInputThatLosesEdgesOrStampsThemItselfIsFound(t *testing.T) {
	for wrong, wants := range map[string][]string{
		// The suite sees it in the sum, or first in two edges that end alike: goroutines say which.
		"loses": {`Input "input": broken: edges that were lost are counted, and after a burst Get is right; seen: `,
			"lost", "; do: compute Lost from the gap in the line's sequence numbers"},
		"reads":       {"broken: an edge is stamped by the kernel or the chip when it happens, never by the reader; seen: the edge 20 ms after the first is stamped ", " ms after it, while the reader was late"}, // by how much, goroutines say
		"numbers not": {"broken: Watch delivers every edge since the line was requested, in order, numbered from one to the next; seen: edge 0 came after edge 0 with Lost 0"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := board(t, nil)
			b.Connect("DO1", "DI1")
			r, err := haltest.Input(limit(t), &line{b.Input("DI1"), wrong, b.Now}, &haltest.InputOptions{Loop: b.Output("DO1"), Clock: b, Edges: 40})
			red(t, r, err, wants...)
		})
	}
}

func TestAnInputThatIsStuckIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, nil)
		b.Connect("DO1", "DI1")
		require.NoError(t, b.Fault(sim.BoardFault{Kind: sim.LineStuck, Line: "DI1", For: time.Hour}))
		r, err := haltest.Input(limit(t), b.Input("DI1"), &haltest.InputOptions{Loop: b.Output("DO1"), Clock: b})
		red(t, r, err, "broken: Get returns the level now; seen: false, <nil>, 2ms after the loop was driven to true",
			"seen: 1 edges were driven before Watch, and it delivered and counted 0")
	})
}

// memo is an output that remembers what it was told.
type memo struct {
	hal.OutputLine
	last bool
}

func (m *memo) Set(high bool) error { m.last = high; return m.OutputLine.Set(high) }

func (m *memo) Get() (bool, error) { return m.last, nil }

func TestAnOutputWhoseGetIsAMemoryIsFound(t *testing.T) {
	b := board(t, nil)
	b.Connect("DO1", "DI1")
	r, err := haltest.Output(limit(t), &memo{OutputLine: b.Output("DO1")}, &haltest.OutputOptions{Loop: b.Input("DI1"), Clock: b, Power: b})
	red(t, r, err, `Output "output": broken: after a power cut Get returns the level that the hardware fell back to, and not the last one set; `+
		"seen: its Get gave true, <nil> after a cut, before which it was set to true,, and not false; do: read the line back from the driver")

	require.NoError(t, b.Fault(sim.BoardFault{Kind: sim.LineStuck, Line: "DO1", For: time.Hour}))
	r, err = haltest.Output(limit(t), &memo{OutputLine: b.Output("DO1")}, &haltest.OutputOptions{Loop: b.Input("DI1"), Clock: b})
	red(t, r, err, "Get gave true after Set to true, and the loop sees false (<nil>)")
}

// echoes is a port that hears itself.
type echoes struct {
	*sim.RS485
	heard []byte
}

func (e *echoes) Write(p []byte) (int, error) {
	e.heard = append(e.heard, p...)
	return e.RS485.Write(p)
}

func (e *echoes) Read(ctx context.Context, p []byte) (int, error) {
	if n := copy(p, e.heard); n > 0 {
		e.heard = e.heard[n:]
		return n, nil
	}
	return e.RS485.Read(ctx, p)
}

func TestASerialPortThatHearsItselfOrReturnsEarlyIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, nil)
		here, there := b.Bus()
		r, err := haltest.RS485(limit(t), &echoes{RS485: here}, &haltest.RS485Options{Device: "tty", Peer: there})
		red(t, r, err, `RS485 "tty": broken: the port never hears itself; seen: after a Write of 32 bytes the port reads 32 bytes, a4 `,
			"do: switch the receiver off while the driver is on")

		r, err = haltest.RS485(limit(t), here, &haltest.RS485Options{Peer: there, Baud: 19200})
		red(t, r, err, "broken: Write returns when the last stop bit is out and the driver is off; "+
			"seen: a Write of 96 bytes took 0 us; on the line they take 50000 us at 19200 baud; do: drain the port (tcdrain)")
		require.Len(t, r.Broken, 1)
	})
}

func TestANoisySerialLineIsFound(t *testing.T) {
	for noise, want := range map[string]string{
		"flip": "they differ from byte", "drop": "Read, after ", "double": "they differ from byte", "cut": "Read, after ",
	} {
		synctest.Test(t, func(t *testing.T) {
			b := board(t, nil)
			f, err := sim.ParseBoardFault("noise", []string{"serial", noise, "3", "1h"})
			require.NoError(t, err)
			require.NoError(t, b.Fault(f))
			near, far := b.Serial()
			r, err := haltest.RS232(limit(t), near, &haltest.RS232Options{Peer: far})
			red(t, r, err, "broken: what one end writes the other reads, there", want, "look at baud rate, parity, stop bits")
		})
	}
}

// back is a counter that goes back now and then.
type back struct {
	hal.Counter
	n int
}

func (b *back) Read() (uint64, error) {
	v, err := b.Counter.Read()
	if b.n > 2 {
		v--
	}
	return v, err
}

func (b *back) Increment() (uint64, error) { b.n++; return b.Counter.Increment() }

func TestACounterThatGoesBackIsFound(t *testing.T) {
	r, err := haltest.Counter(limit(t), &back{Counter: board(t, nil).Counter()}, &haltest.CounterOptions{Spend: 4})
	red(t, r, err, `Counter "counter": broken: Increment adds 1, returns the new value, and Read then gives it; it never goes back; `+
		"seen: from 2, Increment gave 3, and Read then 2, <nil>; do: return what the part has stored")
}

// hashes is a key that signs the digest of the digest.
type hashes struct{ crypto.Signer }

func (h hashes) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sum := sha256.Sum256(digest)
	return h.Signer.Sign(rand, sum[:], opts)
}

func TestASignerThatSignsAnotherDigestIsFound(t *testing.T) {
	r, err := haltest.Signer(limit(t), hashes{board(t, nil).Signer()}, &haltest.SignerOptions{Device: "atecc"})
	red(t, r, err, `Signer "atecc": broken: a signature is of the digest that was given, by the key that Public gives, and of no other digest; `+
		"seen: signature 0, of 64 bytes, does not verify with the key that Public gives; do: hand the digest on as it is, and do not hash it again")
}

// mute is an early warning that never warns.
type mute struct{ hal.Power }

func (m mute) Watch(ctx context.Context, emit func(hal.PowerEvent)) error {
	return m.Power.Watch(ctx, func(e hal.PowerEvent) {
		if !e.Failing {
			emit(e)
		}
	})
}

func TestAWarningThatNeverComesIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, nil)
		r, err := haltest.Power(limit(t), mute{b.Power()}, &haltest.PowerOptions{Supply: b, Clock: b})
		red(t, r, err, `Power "power": broken: Watch warns when the supply fails, in time, and tells when it is back; seen: `,
			"it has told: false (failing: false); the hold-up is 20ms; do: look at comparator, polarity and the line's edges")
	})
}
