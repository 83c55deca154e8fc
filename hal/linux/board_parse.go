// How the parts of a board file are read.

package linux

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// Sizes of texts in a board file, in bytes.
const (
	maxChannel  = 64
	maxLineName = 31 // as the kernel has it
	maxDevice   = 256
)

// maxOffset is the greatest number of a line.
const maxOffset = 4095

var (
	channelPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_./:-]*$`)
	durationPattern = regexp.MustCompile(`^([1-9][0-9]{0,6}) (us|ms|s)$`)
	digitsPattern   = regexp.MustCompile(`^[0-9]+$`)
)

// boardReader remembers where channels and lines stand, so that a second use of one is found.
type boardReader struct {
	channels map[string]string
	places   map[LineAt]string
}

// list reads an optional list of lines.
func (r *boardReader) list(f *strictyaml.Fields, key string, one func(n strictyaml.Node)) {
	n, ok := f.Opt(key)
	if !ok {
		return
	}
	for _, item := range n.List(MaxLines) {
		one(item)
	}
}

// duration reads a time such as 20 ms, within limits.
func (r *boardReader) duration(n strictyaml.Node, name string, least, most time.Duration) time.Duration {
	text := n.Str()
	if text == "" {
		return 0
	}
	m := durationPattern.FindStringSubmatch(text)
	d := time.Duration(0)
	if m != nil {
		v, _ := strconv.ParseInt(m[1], 10, 64)
		d = time.Duration(v) * map[string]time.Duration{"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second}[m[2]]
	}
	if d < least || d > most {
		n.Errorf("%s must be a time from %s to %s, in us, ms or s, is %q", name, spelled(least), spelled(most), text)
		return 0
	}
	return d
}

// printedText reads a short text that can be printed.
func printedText(n strictyaml.Node, name string, most int) string {
	s := n.Str()
	for _, c := range s {
		if !unicode.IsPrint(c) {
			n.Errorf("%s must be text that can be printed, is %q", name, s)
			return ""
		}
	}
	if len(s) > most {
		n.Errorf("%s is %d bytes, more than the limit of %d", name, len(s), most)
		return ""
	}
	return s
}

// channel reads the channel of a line, which is its alone.
func (r *boardReader) channel(n strictyaml.Node) string {
	s := n.Str()
	if s == "" {
		return ""
	}
	if len(s) > maxChannel || !channelPattern.MatchString(s) {
		n.Errorf("channel must be 1 to %d letters, digits, _ . / : - and begin with a letter or a digit, is %q", maxChannel, s)
		return ""
	}
	if first := r.channels[s]; first != "" {
		n.Errorf("channel %q stands at %s already; a channel is one line", s, first)
		return ""
	}
	r.channels[s] = n.Pos().String()
	return s
}

// spelled is a time as a board file has it.
func spelled(d time.Duration) string {
	switch {
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + " s"
	case d%time.Millisecond == 0:
		return strconv.FormatInt(int64(d/time.Millisecond), 10) + " ms"
	default:
		return strconv.FormatInt(int64(d/time.Microsecond), 10) + " us"
	}
}

// at reads chip and line.
func (r *boardReader) at(f *strictyaml.Fields) LineAt {
	var at LineAt
	chip, has := f.Opt("chip")
	if has {
		at.Chip = printedText(chip, "chip", maxLineName)
		if n, is := strings.CutPrefix(strings.TrimPrefix(at.Chip, "/dev/"), "gpiochip"); is && digitsPattern.MatchString(n) {
			chip.Errorf("chip %q is a number that changes from kernel to kernel; give the label of the chip, which gpiodetect shows in brackets",
				at.Chip)
		}
	}
	n := f.Req("line")
	s := printedText(n, "line", maxLineName)
	switch {
	case s == "":
		return LineAt{}
	case digitsPattern.MatchString(s):
		at.Offset = int(n.Int(0, maxOffset))
		if !has {
			n.Errorf("line %s is a number, and every chip has one of it; give the chip too", s)
			return LineAt{}
		}
	default:
		at.Name = s
	}
	if first := r.places[at]; first != "" {
		n.Errorf("%v stands at %s already; a line is one channel", at, first)
	}
	r.places[at] = n.Pos().String()
	return at
}

// low reads a level: whether a key says low.
func low(n strictyaml.Node) bool { return n.OneOf("low", "high") == "low" }

// activeLow reads an optional polarity.
func activeLow(f *strictyaml.Fields) bool {
	n, ok := f.Opt("active")
	return ok && low(n)
}

func (r *boardReader) output(n strictyaml.Node) BoardOutput {
	f := n.Map()
	o := BoardOutput{pos: n.Pos(), Channel: r.channel(f.Req("channel")), At: r.at(f)}
	o.Safe = !low(f.Req("safe"))
	o.Options.ActiveLow = activeLow(f)
	if d, ok := f.Opt("drive"); ok {
		o.Options.OpenDrain = d.OneOf("push_pull", "open_drain") == "open_drain"
	}
	f.Not("safe_value", "safe is the level at the pin, low or high; the map has the safe_value")
	f.Done()
	return o
}

// options reads what inputs of all sorts may have.
func (r *boardReader) options(f *strictyaml.Fields) InputOptions {
	var o InputOptions
	if n, ok := f.Opt("bias"); ok {
		word := n.OneOf(biases[:]...)
		for i, b := range biases {
			if b == word {
				o.Bias = Bias(i)
			}
		}
	}
	if n, ok := f.Opt("debounce"); ok {
		o.Debounce = r.duration(n, "debounce", time.Microsecond, maxDebounce)
	}
	return o
}

func (r *boardReader) input(n strictyaml.Node) BoardInput {
	f := n.Map()
	i := BoardInput{pos: n.Pos(), Channel: r.channel(f.Req("channel")), At: r.at(f), Options: r.options(f)}
	i.Options.ActiveLow = activeLow(f)
	f.Done()
	return i
}

func (r *boardReader) counter(n strictyaml.Node) BoardCounter {
	f := n.Map()
	c := BoardCounter{pos: n.Pos(), Channel: r.channel(f.Req("channel")), At: r.at(f), Options: r.options(f)}
	rate := f.Req("max_rate")
	if v := rate.Int(1, 1_000_000); v > MaxRate {
		rate.Errorf("max_rate %d: edges of GPIO can be counted up to %d a second; read the meter's own total, or use a counter chip", v, MaxRate)
	} else {
		c.MaxRate = int(v)
	}
	c.Options.Rising = true
	if e, ok := f.Opt("edge"); ok {
		c.Options.ActiveLow = e.OneOf("rising", "falling") == "falling"
	}
	f.Not("active", "edge: falling counts the other edges")
	f.Done()
	return c
}

func (r *boardReader) power(n strictyaml.Node) *BoardPower {
	f := n.Map()
	p := &BoardPower{pos: n.Pos(), At: r.at(f), Options: r.options(f)}
	p.FailsHigh = !low(f.Req("failing"))
	p.Holdup = r.duration(f.Req("hold_up"), "hold_up", time.Millisecond, maxHoldup)
	if p.Holdup > 0 && p.Options.Debounce >= p.Holdup {
		n.Errorf("power_fail: debounce %v leaves nothing of the hold_up of %v", p.Options.Debounce, p.Holdup)
	}
	f.Not("active", "failing is the level at the pin")
	f.Done()
	return p
}

// named reads the name of a device.
func (r *boardReader) named(f *strictyaml.Fields, pos strictyaml.Pos) BoardDevice {
	return BoardDevice{printedText(f.Req("device"), "device", maxDevice), pos}
}

func (r *boardReader) device(n strictyaml.Node) *BoardDevice {
	f := n.Map()
	d := r.named(f, n.Pos())
	f.Done()
	return &d
}

func (r *boardReader) fram(n strictyaml.Node) *BoardFRAM {
	f := n.Map()
	m := &BoardFRAM{BoardDevice: r.named(f, n.Pos()), Tear: int(f.Req("tear").Int(1, 4096))}
	if b, ok := f.Opt("backed"); ok {
		m.Backed = b.Bool()
	}
	f.Done()
	return m
}

func (r *boardReader) watchdog(n strictyaml.Node) *BoardWatchdog {
	f := n.Map()
	w := &BoardWatchdog{BoardDevice: r.named(f, n.Pos()), Timeout: r.duration(f.Req("timeout"), "timeout", time.Second, maxFeed)}
	f.Done()
	return w
}

func (r *boardReader) serial(n strictyaml.Node) BoardSerial {
	f := n.Map()
	s := BoardSerial{BoardDevice: r.named(f, n.Pos())}
	name := f.Req("name")
	if s.Name = name.Ident(); s.Name != "" {
		key := "serial " + s.Name
		if first := r.channels[key]; first != "" {
			name.Errorf("serial port %q stands at %s already", s.Name, first)
		}
		r.channels[key] = name.Pos().String()
	}
	kind := f.Req("kind").OneOf("rs485", "rs232")
	s.RS485 = kind == "rs485"
	mode := f.Req("mode")
	if m := mode.Str(); m != "" {
		var err error
		if s.Mode, err = ParseLine(m); err != nil {
			mode.Errorf("mode: %v", err)
		}
	}
	direction, has := f.Opt("direction")
	if has {
		s.Kernel = direction.OneOf("kernel", "automatic") == "kernel"
	}
	if has && kind == "rs232" {
		direction.Errorf("direction: RS-232 has none; leave it out")
	}
	if b, ok := f.Opt("send_low"); ok {
		if s.SendLow = b.Bool(); !s.Kernel {
			b.Errorf("send_low: only a driver that the kernel switches has it; add direction: kernel, or leave it out")
		}
	}
	f.Done()
	return s
}

// String says what a board is made of, in a line.
func (b *Board) String() string {
	return fmt.Sprintf("board %s %s: %d outputs, %d inputs, %d counters, %d serial ports", b.ID, b.Version,
		len(b.Outputs), len(b.Inputs), len(b.Counters), len(b.Serial))
}
