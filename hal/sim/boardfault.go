// The faults of the board: what can go wrong with its devices, from when and for how long, and the words for it.

package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/timebase"
)

// BoardFaultKind says what goes wrong with a board.
type BoardFaultKind uint8

// The kinds of fault of a board, with the words of ParseBoardFault.
const (
	LineStuck   BoardFaultKind = iota + 1 // stuck <line> <for>: an input keeps the level shown last; an output its level, whatever is set
	LineBounce                            // bounce <line> <for>: the contact of an input chatters, an edge every 0.2 to 1 ms
	CellDead                              // deadcell: the cell of the clock chip is dead from then on: the next power cut loses the time
	ClockDrift                            // drift <ppm> <for>: the clock chip gains so much on top; negative: loses
	ClockStep                             // step <by>: the clock chip jumps; -90s is backwards
	ClockBus                              // deadbus <for>: the clock chip does not answer
	LineNoise                             // noise <bus|serial> <flip|drop|double|cut> <every> <for>: both ways; one of so many bytes, or frames, on average
	WriteTorn                             // torn <byte>: power goes while that byte of what is written to the FRAM from then on is in flight
	SupplyFails                           // brownout <for>: the supply fails, with an early warning; power goes where it lasts beyond the hold-up
)

// Noise is what becomes of a byte or a frame on a serial line.
type Noise uint8

// The kinds of noise.
const (
	FlipBit    Noise = iota + 1 // a bit is inverted
	DropByte                    // a byte is not heard
	DoubleByte                  // a byte is heard twice
	CutFrame                    // of what one Write has sent only a beginning is heard
)

var noises = [...]string{"flip", "drop", "double", "cut"}

// BoardFault is one fault of a board.
type BoardFault struct {
	Kind  BoardFaultKind
	Line  string        // of LineStuck and LineBounce: a line that was asked for before; of LineNoise: "bus" (RS-485) or "serial" (RS-232)
	At    int64         // when it begins, in the board's time; a time in the past, such as 0, means now
	For   time.Duration // how long it lasts; more than 0, but for CellDead, ClockStep and WriteTorn, which have no end
	By    time.Duration // of ClockStep
	PPM   int64         // of ClockDrift
	Noise Noise         // of LineNoise
	Every int64         // of LineNoise, more than 0
	Byte  int64         // of WriteTorn, from 0
}

// MaxPPM is the greatest drift of a fault, either way.
const MaxPPM = 100_000

var boardKinds = [...]struct{ word, usage string }{
	{"stuck", "<line> <for>"}, {"bounce", "<line> <for>"}, {"deadcell", ""}, {"drift", "<ppm> <for>"}, {"step", "<by>"}, {"deadbus", "<for>"},
	{"noise", "<bus|serial> <flip|drop|double|cut> <every> <for>"}, {"torn", "<byte>"}, {"brownout", "<for>"},
}

// String gives the word that ParseBoardFault reads.
func (k BoardFaultKind) String() string {
	if k == 0 || int(k) > len(boardKinds) {
		return fmt.Sprintf("fault(%d)", uint8(k))
	}
	return boardKinds[k-1].word
}

// ParseBoardFault reads a fault from words, such as "noise" with "bus", "flip", "500", "3s". At is left 0. The constants of BoardFaultKind
// give the arguments of each verb; durations are those of package script, such as 1m30s.
func ParseBoardFault(verb string, args []string) (BoardFault, error) {
	f := BoardFault{}
	var words []string
	for i, k := range boardKinds {
		words = append(words, k.word)
		if k.word == verb {
			f.Kind = BoardFaultKind(i + 1)
		}
	}
	if f.Kind == 0 {
		return BoardFault{}, fmt.Errorf("sim: board fault %q: unknown; known are %s", verb, strings.Join(words, ", "))
	}
	usage := boardKinds[f.Kind-1].usage
	if len(args) != len(strings.Fields(usage)) {
		return BoardFault{}, fmt.Errorf("sim: board fault %q: %d arguments: want %s", verb, len(args), strings.TrimSpace(verb+" "+usage))
	}
	line := script.Line{Verb: verb, Args: slices.Clone(args)}
	var wrong []error
	number := func(i int) int64 {
		v, err := line.Int(i)
		wrong = append(wrong, err)
		return v
	}
	length := func(i int) time.Duration {
		ns, err := line.Duration(i)
		wrong = append(wrong, err)
		return time.Duration(ns)
	}
	switch f.Kind {
	case LineStuck, LineBounce:
		f.Line, f.For = args[0], length(1)
	case ClockDrift:
		f.PPM, f.For = number(0), length(1)
	case ClockStep:
		back := strings.HasPrefix(args[0], "-")
		line.Args[0] = strings.TrimPrefix(args[0], "-")
		if f.By = length(0); back {
			f.By = -f.By
		}
	case LineNoise:
		f.Line, f.Noise, f.Every, f.For = args[0], Noise(slices.Index(noises[:], args[1])+1), number(2), length(3)
	case WriteTorn:
		f.Byte = number(0)
	case ClockBus, SupplyFails:
		f.For = length(0)
	}
	var bad *script.Error
	if errors.As(errors.Join(wrong...), &bad) {
		return BoardFault{}, fmt.Errorf("sim: board fault %s", bad.Msg)
	}
	return f, f.check()
}

// check tells what is wrong with a fault, but for its line.
func (f *BoardFault) check() error {
	lasts := f.Kind != CellDead && f.Kind != ClockStep && f.Kind != WriteTorn
	wrong := ""
	switch {
	case f.Kind == 0 || int(f.Kind) > len(boardKinds):
		wrong = "no such kind"
	case lasts && (f.For <= 0 || f.For > MaxFaultTime):
		wrong = fmt.Sprintf("duration %s: want more than 0 and at most %s", f.For, MaxFaultTime)
	case !lasts && f.For != 0:
		wrong = fmt.Sprintf("duration %s: it has no end", f.For)
	case f.Kind == ClockStep && (f.By == 0 || f.By < -MaxFaultTime || f.By > MaxFaultTime):
		wrong = fmt.Sprintf("a step of %s: want one, of %s at most", f.By, MaxFaultTime)
	case f.Kind == ClockDrift && (f.PPM < -MaxPPM || f.PPM > MaxPPM):
		wrong = fmt.Sprintf("%d ppm: want at most %d, either way", f.PPM, MaxPPM)
	case f.Kind == LineNoise && f.Line != "bus" && f.Line != "serial":
		wrong = fmt.Sprintf("line %q: want bus or serial", f.Line)
	case f.Kind == LineNoise && (f.Noise == 0 || f.Noise > CutFrame):
		wrong = "noise: want flip, drop, double or cut"
	case f.Kind == LineNoise && f.Every < 1:
		wrong = fmt.Sprintf("every %d: want 1 at least", f.Every)
	case f.Kind == WriteTorn && f.Byte < 0:
		wrong = fmt.Sprintf("byte %d: want 0 at least", f.Byte)
	}
	if wrong != "" {
		return fmt.Errorf("sim: board fault %q: %s", f.Kind, wrong)
	}
	return nil
}

// end is when it is over.
func (f *BoardFault) end() int64 { return f.At + min(int64(f.For), latest-f.At) }

// Fault adds a fault, which befalls the board when its time comes there. It refuses one of a line that the board has not got, and one
// beyond MaxFaults that wait.
func (b *Board) Fault(f BoardFault) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := f.check(); err != nil {
		return err
	}
	if in, out := b.inputs[f.Line], b.outputs[f.Line]; f.Kind <= LineBounce && in == nil && (out == nil || f.Kind == LineBounce) {
		return fmt.Errorf("sim: board fault %q: line %q: the board has no such line yet; ask for it first", f.Kind, f.Line)
	}
	if len(b.agenda) >= MaxFaults {
		return fmt.Errorf("sim: board fault %q: %d wait already", f.Kind, MaxFaults)
	}
	f.At = min(max(f.At, b.now), latest)
	b.plan(planned{f.At, func() { b.befall(&f) }})
	b.advance(b.now)
	return nil
}

// planned is something that happens to the board at a time.
type planned struct {
	at int64
	do func()
}

// plan adds to the agenda, behind what is due at the same time.
func (b *Board) plan(d planned) {
	i := len(b.agenda)
	for i > 0 && b.agenda[i-1].at > d.at {
		i--
	}
	b.agenda = slices.Insert(b.agenda, i, d)
}

// befall lets a fault begin.
func (b *Board) befall(f *BoardFault) {
	switch f.Kind {
	case LineStuck:
		if in := b.inputs[f.Line]; in != nil {
			in.stuck = max(in.stuck, f.end())
		} else {
			b.outputs[f.Line].stuck = max(b.outputs[f.Line].stuck, f.end())
		}
	case LineBounce:
		in := b.inputs[f.Line]
		in.chatter, in.flip = max(in.chatter, f.end()), b.now
	case CellDead:
		b.rtc.dead = true
	case ClockDrift:
		b.rtc.rate(f.PPM)
		b.plan(planned{f.end(), func() { b.rtc.rate(-f.PPM) }})
	case ClockStep:
		b.rtc.base += int64(f.By)
	case ClockBus:
		b.rtc.mute = max(b.rtc.mute, f.end())
	case LineNoise:
		ends := [2]*wire{&b.bus[0].wire, &b.bus[1].wire}
		if f.Line == "serial" {
			ends = [2]*wire{&b.serial[0].wire, &b.serial[1].wire}
		}
		for _, end := range ends {
			end.noises = append(end.noises, f)
		}
	case WriteTorn:
		b.fram.fuse = f.Byte
	case SupplyFails:
		b.brownOut(f.For)
	}
}

// next is what happens to the board next, and when; timebase.Never is never.
func (b *Board) next() (at int64, do func()) {
	at = timebase.Never
	if len(b.agenda) > 0 {
		at, do = b.agenda[0].at, func() {
			first := b.agenda[0]
			b.agenda = slices.Delete(b.agenda, 0, 1)
			first.do()
		}
	}
	if b.back < at {
		at, do = b.back, func() { b.back = timebase.Never; b.power.supply(true) }
	}
	if b.power.down < at && !b.off {
		at, do = b.power.down, func() { b.power.down, b.fram.tear = timebase.Never, true; b.powerOff(hal.ResetPower) }
	}
	if b.dog.timeout > 0 && b.dog.due < at && !b.off {
		at, do = b.dog.due, func() { b.fram.tear = true; b.powerOff(hal.ResetWatchdog) }
	}
	return at, do
}
