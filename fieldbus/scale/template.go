// Templates: the layout of one frame, how bytes are held against it, and how a frame is made of it.

package scale

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of templates.
const (
	maxFields = 16 // of a template
	maxField  = 64 // bytes of a field
	maxFrame  = 256
)

// template is the layout of a frame.
type template struct {
	text   string // as the profile has it
	pieces []piece
	fields []string // by number; "_" for those that nobody wants
	flags  uint32   // fields that are looked at by their bits
	sum    sum
	least  int // bytes of a frame
	most   int
}

// piece is a part of a template: a literal, a field, the place where the checked part begins, or the check.
type piece struct {
	kind  pieceKind
	lit   []byte
	field int
	width int // 0: as many bytes as there are up to the next literal
}

type pieceKind uint8

const (
	literal pieceKind = iota
	field
	begin
	check
)

// span is where a field lies in a frame.
type span struct{ from, to int }

// frame is bytes that a template fits.
type frame struct {
	bytes []byte // of the buffer: valid until more is heard
	spans [maxFields]span
}

// text gives a field without the blanks around it.
func (f *frame) text(n int) []byte { return bytes.Trim(f.bytes[f.spans[n].from:f.spans[n].to], " ") }

// verdict is what bytes are to a template.
type verdict uint8

const (
	none  verdict = iota
	more          // they may be the beginning of a frame
	whole         // they begin with one
)

// newTemplate reads a template: literals with \r, \n, \t, \s (a blank), \\, \{ and \xHH in them; fields {name width} and, up to the next
// literal, {name}; {begin}, behind which the checked part begins; {check width}.
func newTemplate(text string) (*template, error) {
	t := &template{text: text}
	for rest := text; rest != ""; {
		if rest[0] != '{' {
			b, n, err := unescape(rest)
			if err != nil {
				return nil, err
			}
			if k := len(t.pieces); k > 0 && t.pieces[k-1].kind == literal {
				t.pieces[k-1].lit = append(t.pieces[k-1].lit, b)
			} else {
				t.pieces = append(t.pieces, piece{kind: literal, lit: []byte{b}})
			}
			rest = rest[n:]
			continue
		}
		inside, behind, ok := strings.Cut(rest[1:], "}")
		if !ok {
			return nil, fmt.Errorf(`%q has no end: write } behind it, or \{ for a brace of the instrument's own`, short(rest))
		}
		if err := t.add(inside); err != nil {
			return nil, err
		}
		rest = behind
	}
	return t, t.measure()
}

// add takes in what stands between braces.
func (t *template) add(inside string) error {
	name, digits, sized := strings.Cut(inside, " ")
	p := piece{kind: field}
	if sized {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > maxField || strconv.Itoa(n) != digits {
			return fmt.Errorf("field {%s}: the width must be 1 to %d bytes", short(inside), maxField)
		}
		p.width = n
	}
	switch {
	case name == "begin":
		if p.kind = begin; sized || t.has(begin) {
			return fmt.Errorf("{%s}: {begin} stands once, and has no width", short(inside))
		}
	case name == "check":
		if p.kind = check; p.width != 1 && p.width != 2 || t.has(check) {
			return fmt.Errorf("{%s}: {check 1}, a byte, or {check 2}, two hexadecimal digits, stands once", short(inside))
		}
	case name != "_" && !isName(name):
		return fmt.Errorf("field {%s}: want a name of small letters, digits and _ that begins with a letter, and the width, such as {weight 8}", short(inside))
	case name != "_" && t.find(name) >= 0:
		return fmt.Errorf("field %s is there twice", name)
	case len(t.fields) == maxFields:
		return fmt.Errorf("more than %d fields", maxFields)
	default:
		p.field = len(t.fields)
		t.fields = append(t.fields, name)
	}
	t.pieces = append(t.pieces, p)
	return nil
}

// isName tells whether a text may be the name of a field.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 24
}

func (t *template) has(kind pieceKind) bool {
	for _, p := range t.pieces {
		if p.kind == kind {
			return true
		}
	}
	return false
}

// covers tells whether a field lies in the part that the check is of: from {begin}, or the first byte, up to the check.
func (t *template) covers(n int) bool {
	in := false
	for _, p := range t.pieces {
		switch {
		case p.kind == begin:
			in = false
		case p.kind == check:
			return in
		case p.kind == field && p.field == n:
			in = true
		}
	}
	return false
}

// find gives the number of a field; -1: there is none.
func (t *template) find(name string) int {
	for i, f := range t.fields {
		if f == name {
			return i
		}
	}
	return -1
}

// width gives the width of a field; 0: it has none of its own.
func (t *template) width(n int) int {
	for _, p := range t.pieces {
		if p.kind == field && p.field == n {
			return p.width
		}
	}
	return 0
}

// measure works out how long a frame is, and refuses a field that nothing ends.
func (t *template) measure() error {
	for i, p := range t.pieces {
		switch {
		case p.kind == literal:
			t.least, t.most = t.least+len(p.lit), t.most+len(p.lit)
		case p.kind == begin:
		case p.width > 0:
			t.least, t.most = t.least+p.width, t.most+p.width
		case i+1 == len(t.pieces) || t.pieces[i+1].kind != literal:
			return fmt.Errorf("field {%s} has no width, and no literal stands behind it that ends it", t.fields[p.field])
		default:
			t.least, t.most = t.least+1, t.most+maxField
		}
	}
	switch {
	case t.least == 0:
		return errors.New("it is empty")
	case t.most > maxFrame:
		return fmt.Errorf("it is up to %d bytes long; %d are the limit", t.most, maxFrame)
	case t.has(begin) && !t.has(check):
		return errors.New("{begin} without {check}")
	}
	return nil
}

// unescape reads the first byte that a text stands for, and tells how many bytes of the text it is.
func unescape(s string) (b byte, n int, err error) {
	switch {
	case s[0] > 0x7E:
		return 0, 0, fmt.Errorf(`%q is not ASCII; write such a byte as \xB0`, short(s))
	case s[0] != '\\':
		return s[0], 1, nil
	case len(s) == 1:
		return 0, 0, errors.New(`a \ with nothing behind it`)
	}
	switch s[1] {
	case 'r':
		return '\r', 2, nil
	case 'n':
		return '\n', 2, nil
	case 't':
		return '\t', 2, nil
	case 's':
		return ' ', 2, nil
	case '\\', '{', '}':
		return s[1], 2, nil
	case 'x':
		if len(s) >= 4 {
			if v, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
				return byte(v), 4, nil
			}
		}
	}
	return 0, 0, fmt.Errorf(`%q: want \r, \n, \t, \s, \\, \{ or \x and two hexadecimal digits`, short(s))
}

// literally reads a text that has no fields.
func literally(text string) ([]byte, error) {
	var out []byte
	for text != "" {
		if text[0] == '{' {
			return nil, fmt.Errorf(`%q: what is sent has no fields; write \{ for a brace`, short(text))
		}
		b, n, err := unescape(text)
		if err != nil {
			return nil, err
		}
		out, text = append(out, b), text[n:]
	}
	if len(out) == 0 {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

// match holds b against the template, and fills f where it begins with a whole frame, of n bytes.
func (t *template) match(b []byte, f *frame) (n int, v verdict) {
	at, from := 0, 0
	for i := range t.pieces {
		p := &t.pieces[i]
		rest := b[at:]
		size := p.width
		switch {
		case p.kind == begin:
			from = at
			continue
		case p.kind == literal:
			size = len(p.lit)
			if k := min(size, len(rest)); !bytes.Equal(rest[:k], p.lit[:k]) {
				return 0, none
			}
		case p.kind == field:
			if size == 0 {
				size = bytes.IndexByte(rest[:min(len(rest), maxField+1)], t.pieces[i+1].lit[0])
			}
			seen := len(rest)
			if size >= 0 {
				seen = min(seen, size)
			}
			if size == 0 || seen > maxField || !t.holds(p.field, rest[:seen]) {
				return 0, none
			}
			f.spans[p.field] = span{at, at + size}
		}
		if size < 0 || size > len(rest) {
			return 0, more
		}
		if p.kind == check && !t.sum.is(b[from:at], rest[:size]) {
			return 0, none
		}
		at += size
	}
	f.bytes = b[:at]
	return at, whole
}

// holds tells whether a field may hold these bytes: visible ASCII and blanks, and one that is looked at by its bits 0x7F, too. So what
// marks the ends of frames is in no field.
func (t *template) holds(n int, b []byte) bool {
	most := byte(0x7E)
	if t.flags>>n&1 == 1 {
		most = 0x7F
	}
	for _, c := range b {
		if c < ' ' || c > most {
			return false
		}
	}
	return true
}

// append makes a frame of the texts of its fields, each right in its width, with blanks before it.
func (t *template) append(dst []byte, texts map[string]string) ([]byte, error) {
	start, from, used := len(dst), len(dst), 0
	for i, p := range t.pieces {
		switch p.kind {
		case literal:
			dst = append(dst, p.lit...)
		case begin:
			from = len(dst)
		case check:
			dst = t.sum.append(dst, dst[from:], p.width)
		case field:
			text, ok := texts[t.fields[p.field]]
			if ok {
				used++
			}
			fits := len(text) <= p.width
			if p.width == 0 {
				fits = text != "" && len(text) <= maxField && strings.IndexByte(text, t.pieces[i+1].lit[0]) < 0
			}
			if !fits || !t.holds(p.field, []byte(text)) {
				return dst[:start], fmt.Errorf("scale: field %s: %q does not fit into template %q", t.fields[p.field], short(text), t.text)
			}
			for range p.width - len(text) {
				dst = append(dst, ' ')
			}
			dst = append(dst, text...)
		}
	}
	if used < len(texts) {
		return dst[:start], fmt.Errorf("scale: a text for a field that template %q does not have; it has %s", t.text, strings.Join(t.fields, ", "))
	}
	return dst, nil
}

// sum is how the check of a frame is worked out.
type sum struct {
	xor     bool
	negated bool // the two's complement of it
	seven   bool // of seven bits, of characters of seven bits
}

// newSum reads such a description: "xor" or "sum", and then "negated", "7bit" in any order.
func newSum(text string) (s sum, err error) {
	words := strings.Fields(text)
	if len(words) == 0 || words[0] != "xor" && words[0] != "sum" {
		return s, fmt.Errorf("%q: want xor or sum, and behind it negated, 7bit or both where they apply", short(text))
	}
	s.xor = words[0] == "xor"
	for _, w := range words[1:] {
		switch {
		case w == "negated" && !s.negated:
			s.negated = true
		case w == "7bit" && !s.seven:
			s.seven = true
		default:
			return s, fmt.Errorf("%q: behind xor or sum stands negated, 7bit or both", short(text))
		}
	}
	return s, nil
}

// of works it out.
func (s sum) of(b []byte) (v byte) {
	for _, c := range b {
		if s.xor {
			v ^= c
		} else {
			v += c
		}
	}
	if s.negated {
		v = -v
	}
	if s.seven {
		v &= 0x7F
	}
	return v
}

// is tells whether got is the check of b: a byte, or two hexadecimal digits.
func (s sum) is(b, got []byte) bool {
	want := s.of(b)
	if len(got) == 1 {
		return got[0] == want
	}
	v, err := strconv.ParseUint(string(got), 16, 8)
	return err == nil && byte(v) == want
}

func (s sum) append(dst, b []byte, width int) []byte {
	v := s.of(b)
	if width == 1 {
		return append(dst, v)
	}
	return append(dst, strings.ToUpper(hex.EncodeToString([]byte{v}))...)
}
