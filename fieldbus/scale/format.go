// Format: the language of the settings of a profile, and what is made of them.

package scale

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Format is how one kind of instrument talks: the settings of its profile. It does not change.
type Format struct {
	line     linux.Line // zero: not given
	frame    *template
	ask      []byte // nil: it talks by itself
	mark     byte   // of decimals
	decimals *bitField
	fixed    int // added to what decimals say, or all of them
	implied  bool
	conds    [numConds]condition
	given    [numConds]bool
	unit     quantity.Unit
	unsaid   bool // the instrument never says its unit
	units    map[string]quantity.Unit
	instead  []instead
	who      []byte // asks for its identity; nil: it has none
	identity *template
	commands []command
	late     time.Duration
	lag      time.Duration
	start    []byte // control characters that every frame begins with; nil: end
	end      []byte // those that every frame ends with
	most     int    // bytes of a frame
	numbers  []int  // fields of the frame that are numbers of points
	places   []place
}

// conds are what conditions are about.
type conds uint8

const (
	isStable conds = iota
	isOverload
	isUnderload
	isFault
	isNet
	isZero
	isBusy // only of what comes instead of a weight
	must
	negative
	unitIs
	numConds
)

// condNames are the settings of conditions.
var condNames = [numConds]string{"stable", "overload", "underload", "fault", "net", "zero", "busy", "must", "negative", "unit.is"}

// instead is a frame that comes in place of a weight.
type instead struct {
	why   conds
	frame *template
}

// command is an order that the instrument answers.
type command struct {
	name    string
	send    []byte
	done    *template
	refused *template // nil: it has no answer for that
}

// defaultLate is what a late of nothing stands for: as in package modbus.
const defaultLate = time.Minute

// maxLate is the longest late and lag.
const maxLate = 10 * time.Minute

// reserved are words of addresses, which no field may have as its name.
var reserved = []string{"stable", "overload", "underload", "fault", "net", "gross", "zero", "identity", "command"}

// NewFormat reads the settings of a profile, and holds its points against them. All that is wrong comes as one error.
//
// A frame is described by a template: what stands there literally, with \r, \n, \t, \s (a blank), \\, \{ and \x02 for what a file cannot
// hold, and fields between braces, each by name and width in bytes. A field without a width goes up to what stands behind it. {_ 3} are
// three bytes that nobody wants. Fields hold visible characters and blanks alone; so what marks the ends of frames is in none of them. A
// template begins with a control character, such as \x02, by which each frame is found, or it ends with some, such as \r\n, and a frame is
// all that stands between two such ends. All templates of a profile do so in the same way. Write them between
// single quotes, in which YAML leaves a \ as it is. Examples:
//
//	frame: '{status 2},{mode 2},{weight 9}{unit 2}\r\n'                     ST,GS,+00012.34kg
//	frame: 'S {status 1} {weight 10} {unit}\r\n'                            S S     100.00 g
//	frame: '\x02{a 1}{b 1}{c 1}{weight 6}{tare 6}\r{check 1}'               bits in a, b and c
//
// The settings are:
//
//	line      9600 7E1, as linux.ParseLine reads it; of a serial: endpoint. One with parity shows damaged bytes
//	frame     the template of a weight
//	ask       what is sent for a weight, such as 'SI\r\n'. Without it the instrument talks by itself
//	unit      UCUM code of the unit of its numbers, such as kg or [lb_av]; they are whole multiples of the gain of a point, in this unit
//	unit.is   when a frame is in that unit; by default, unit=kg of a field unit. 'unsaid' of an instrument that never says it
//	F.unit    unit of the field F, where it is another one, which the instrument does not say
//	decimal   ',' where that marks decimals, and not '.'
//	decimals  of numbers without a mark: how many of their digits are decimals, such as 2, or a.0-2, or 'a.0-2 - 2'; below zero: zeros behind
//	negative  when the field weight is below zero, where its text has no sign
//	must      what is so in each frame; another one is none
//	check     of the bytes from {begin}, or the first, up to {check 1} or {check 2}: xor or sum, then negated (two's complement), 7bit
//	stable, overload, underload, fault, net, zero
//	          when a frame says so
//	instead.W, instead.W.N
//	          templates of what comes in place of a weight; W is overload, underload, fault or busy
//	identity, identity.frame
//	          what is sent to ask who it is, and the template of the answer, with a field {text}
//	command.C, command.C.done, command.C.refused
//	          an order, and templates of its answers; the last may be left out
//	late      after which no answer to an earlier question comes any more, such as '5 s'; 1 min where it is left out
//	lag       how old a value may be at most when the first byte of its frame comes in; 0 where it is left out
//
// A condition is terms with & between them: status=ST|S (the text of the field, without blanks around it, is one of these; nothing
// means blank), status!=OL, b.3 (bit 3 of the field b, of one byte), !b.3.
//
// A number may have blanks and a sign before it; blanks alone, or one of - _ * ^ ? = over and over, say that there is none. A number has
// a width, or its frame a check of it: else a digit that is lost makes another number.
//
// The addresses of points are
//
//	F [stable] [net|gross]  the number in the field F; with stable, only while the instrument says so; with net or gross, only of that kind.
//	                        An int or uint of any size, whose scaling has a gain above zero and no offset
//	stable, overload, underload, fault, net, zero
//	                        what the conditions say: a bool
//	identity                a string, by which the device is identified
//	command C               a bool that is written: true gives the order, false sends nothing, and access is w
//
// An overload or underload is BadOutOfRange, and a fault or a field without a number BadSensorFailure; a frame in another unit, or net
// and not gross, BadConfigurationError; a weight that is not stable yet BadWaitingForInitialData.
func NewFormat(p *fieldbus.Profile) (*Format, error) {
	if p == nil {
		return nil, errors.New("scale: no profile; give one")
	}
	f := &Format{mark: '.', late: defaultLate, units: map[string]quantity.Unit{}}
	s := &settings{profile: p, format: f, known: map[string]bool{}}
	s.read()
	if err := errors.Join(s.wrong...); err != nil {
		return nil, err
	}
	return f, nil
}

// Ask gives what is sent for a weight; nil: the instrument talks by itself. The caller owns it.
func (f *Format) Ask() []byte { return bytes.Clone(f.ask) }

// Append makes a frame of a weight: of the text of each field, which stands to the right in its width, and of the check, if it has one. It
// is what a simulated instrument says.
func (f *Format) Append(dst []byte, texts map[string]string) ([]byte, error) {
	return f.frame.append(dst, texts)
}

// settings is the reading of a profile's settings.
type settings struct {
	profile *fieldbus.Profile
	format  *Format
	known   map[string]bool
	wrong   []error
}

func (s *settings) fail(key string, err error) {
	s.wrong = append(s.wrong, fmt.Errorf("scale: profile %q %s: setting %s: %w", short(s.profile.ID), s.profile.Version, short(key), err))
}

// text gives a setting, which is known then.
func (s *settings) text(key string) string {
	s.known[key] = true
	return s.profile.Setting(key)
}

// template reads a template, and takes in how it is found. Nil: there is none, or it is wrong.
func (s *settings) template(key string) *template {
	text := s.text(key)
	if text == "" {
		return nil
	}
	t, err := newTemplate(text)
	if err == nil {
		err = s.delimited(t)
	}
	if err != nil {
		s.fail(key, err)
		return nil
	}
	s.format.most = max(s.format.most, t.most)
	return t
}

// delimited holds a template against how frames of this profile are told apart, which the first one says.
func (s *settings) delimited(t *template) error {
	f := s.format
	var start, end []byte
	if p := t.pieces[0]; p.kind == literal {
		n := 0
		for n < len(p.lit) && isControl(p.lit[n]) {
			n++
		}
		start = p.lit[:n]
	}
	if p := t.pieces[len(t.pieces)-1]; p.kind == literal {
		n := len(p.lit)
		for n > 0 && isControl(p.lit[n-1]) {
			n--
		}
		end = p.lit[n:]
	}
	switch {
	case f.start == nil && f.end == nil && len(start) > 0:
		f.start = start
	case f.start == nil && f.end == nil && len(end) > 0:
		f.end = end
	case f.start == nil && f.end == nil:
		return errors.New(`nothing marks where it begins or ends; want a control character first, such as \x02, or last, such as \r\n`)
	case f.start != nil && !bytes.HasPrefix(start, f.start):
		return fmt.Errorf("it does not begin with %q, as the frame does", f.start)
	case f.end != nil && !bytes.Equal(end, f.end):
		return fmt.Errorf("it does not end with %q, as the frame does", f.end)
	}
	for i, p := range t.pieces {
		lit := p.lit
		if i == len(t.pieces)-1 && f.end != nil {
			lit = lit[:len(lit)-1]
		}
		if f.end != nil && bytes.Contains(lit, f.end) {
			return fmt.Errorf("%q, which ends it, stands within it, too: several lines are one frame only where a control character begins them", f.end)
		}
	}
	if inside := t.least - len(start) - len(end); inside < 1 {
		return errors.New("there is nothing between its marks")
	}
	return nil
}

func isControl(c byte) bool { return c < ' ' || c == 0x7F }

// bytes reads what is sent.
func (s *settings) bytes(key string) []byte {
	text := s.text(key)
	if text == "" {
		return nil
	}
	b, err := literally(text)
	if err != nil {
		s.fail(key, err)
	}
	return b
}

func (s *settings) read() {
	f := s.format
	if text := s.text("line"); text != "" {
		var err error
		if f.line, err = linux.ParseLine(text); err != nil {
			s.fail("line", err)
		}
	}
	if f.frame = s.template("frame"); f.frame == nil {
		if s.profile.Setting("frame") == "" {
			s.fail("frame", errors.New(`is missing; write what a weight looks like, such as '{status 2},{mode 2},{weight 9}{unit 2}\r\n'`))
		}
		return
	}
	for _, name := range f.frame.fields {
		if slices.Contains(reserved, name) {
			s.fail("frame", fmt.Errorf("a field cannot have the name %s, which is a word of addresses", name))
		}
	}
	f.ask = s.bytes("ask")
	s.check()
	s.measured()
	s.digits()
	for c := range numConds {
		key := condNames[c]
		if c == isBusy || c == unitIs {
			continue
		}
		if text := s.text(key); text != "" {
			s.condition(c, key, text)
		}
	}
	if f.given[negative] && f.frame.find("weight") < 0 {
		s.fail("negative", errors.New("the frame has no field weight, whose sign this is"))
	}
	f.late = s.time("late", defaultLate)
	f.lag = s.time("lag", 0)
	s.others()
	for i := range s.profile.Points {
		pt := &s.profile.Points[i]
		p, err := s.place(pt)
		if pt.Index != i {
			err = errors.Join(err, fmt.Errorf("index %d: its place in the profile is %d", pt.Index, i))
		}
		if err != nil {
			s.wrong = append(s.wrong, fmt.Errorf("scale: profile %q %s: point %q: %w", short(s.profile.ID), s.profile.Version, short(pt.Name), err))
		}
		f.places = append(f.places, p)
	}
	s.distinct()
	for _, set := range s.profile.Settings {
		if !s.known[set.Key] {
			s.fail(set.Key, errors.New("this protocol has none of this name; NewFormat tells those that it has"))
		}
	}
}

func (s *settings) condition(c conds, key, text string) {
	var err error
	if s.format.conds[c], err = newCondition(text, s.format.frame); err != nil {
		s.fail(key, err)
	}
	s.format.given[c] = true
}

// check reads how the check is worked out.
func (s *settings) check() {
	text, t := s.text("check"), s.format.frame
	switch {
	case text == "" && t.has(check):
		s.fail("check", errors.New("is missing, and the frame has a {check}; write xor or sum, and what is done to it"))
	case text != "" && !t.has(check):
		s.fail("check", errors.New("the frame has no {check 1} or {check 2}"))
	case text != "":
		var err error
		if t.sum, err = newSum(text); err != nil {
			s.fail("check", err)
		}
	}
}

// measured reads in which unit numbers are, and how a frame says so.
func (s *settings) measured() {
	f := s.format
	unit := func(key string) (u quantity.Unit) {
		text := s.text(key)
		if text == "" {
			return ""
		}
		u, err := quantity.ParseUnit(text)
		if err != nil {
			s.fail(key, errors.New(strings.TrimPrefix(err.Error(), "quantity: ")))
		}
		return u
	}
	f.unit = unit("unit")
	for _, name := range f.frame.fields {
		if u := unit(name + ".unit"); u != "" && name != "_" {
			f.units[name] = u
		}
	}
	switch text := s.text("unit.is"); {
	case text == "unsaid":
		f.unsaid = true
	case f.unit == "" && text != "":
		s.fail("unit.is", errors.New("there is no unit; name the one that this is about"))
	case text != "":
		s.condition(unitIs, "unit.is", text)
	case f.unit != "" && f.frame.find("unit") >= 0:
		s.condition(unitIs, "unit.is", "unit="+string(f.unit))
	case f.unit != "":
		s.fail("unit.is", errors.New("is missing, and the frame has no field unit; say how a frame shows its unit, or 'unsaid' where none does"))
	}
}

// digits reads how decimals are marked, or which they are.
func (s *settings) digits() {
	f := s.format
	switch text := s.text("decimal"); text {
	case "", ".":
	case ",":
		f.mark = ','
	default:
		s.fail("decimal", fmt.Errorf("%q: want ',' or '.'", short(text)))
	}
	text := s.text("decimals")
	if text == "" {
		return
	}
	f.implied = true
	place, less, minus := strings.Cut(text, " - ")
	if strings.Contains(place, ".") {
		b, err := newBits(place, f.frame)
		if err != nil {
			s.fail("decimals", err)
		}
		f.decimals = &b
		if !minus {
			less = "0"
		}
	} else {
		less = "-" + place
	}
	n, err := strconv.Atoi(less)
	if err != nil || n < -9 || n > 9 || minus && n < 0 || minus && f.decimals == nil {
		s.fail("decimals", fmt.Errorf("%q: want how many there are, 0 to 9, or bits such as 'a.0-2', or 'a.0-2 - 2' where two are to be taken off", short(text)))
	}
	f.fixed = -n
}

func (s *settings) time(key string, otherwise time.Duration) time.Duration {
	text := s.text(key)
	if text == "" {
		return otherwise
	}
	q, err := quantity.Parse(text)
	ns := int64(0)
	if err == nil {
		ns, err = q.Nanoseconds()
	}
	if err != nil || !q.Unit.Compatible("s") || ns <= 0 || ns > int64(maxLate) {
		s.fail(key, fmt.Errorf("%q: want a time above zero, %v at most, such as 5 s", short(text), maxLate))
	}
	return time.Duration(ns)
}
