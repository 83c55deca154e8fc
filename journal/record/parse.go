// The reader: a stored body is taken apart, and refused where it is not in canonical form.

package record

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Record is a body taken apart. Its strings are a copy; Body is the slice that was parsed, and stays the caller's.
type Record struct {
	Kind   Kind
	Body   []byte
	fields []parsed
}

type parsed struct {
	key  Key
	text string   // decoded string, or the digits of an integer, or true and false
	list []string // decoded list
}

// Parse reads one body. It refuses whatever is not byte for byte what the writer makes of a record of a known kind.
func Parse(body []byte) (*Record, error) {
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRecord, len(body), MaxBody)
	}
	r := &Record{Body: body, fields: make([]parsed, 0, 32)}
	if err := r.read(string(body)); err != nil {
		return nil, err
	}
	k, ok := ParseKind(r.Text(EventType))
	if !ok {
		return nil, fmt.Errorf("%w: unknown event_type %q", ErrRecord, r.Text(EventType))
	}
	r.Kind = k
	var set keySet
	for i := range r.fields {
		set.add(r.fields[i].key)
	}
	if err := k.check(&set); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Record) read(s string) error {
	c := cursor{s: s}
	if !c.take('{') {
		return c.refuse("a body begins with {")
	}
	last := -1
	for {
		name, ok := c.text()
		if !ok || !c.take(':') {
			return c.refuse("a key in quotation marks and a colon are wanted")
		}
		k, known := ParseKey(name)
		if !known {
			return c.refuse("unknown key " + strconv.Quote(name))
		}
		if int(k) <= last {
			return c.refuse(name + ": keys are not in ascending order, each once")
		}
		last = int(k)
		p := parsed{key: k}
		if !c.value(&p) {
			return c.refuse(name + ": value is no canonical " + k.form().String())
		}
		r.fields = append(r.fields, p)
		if c.take(',') {
			continue
		}
		if !c.take('}') || c.i != len(s) {
			return c.refuse("a body ends with its first }")
		}
		return nil
	}
}

// cursor walks over a body.
type cursor struct {
	s string
	i int
}

func (c *cursor) refuse(why string) error { return fmt.Errorf("%w: byte %d: %s", ErrRecord, c.i, why) }

func (c *cursor) take(b byte) bool {
	if c.i < len(c.s) && c.s[c.i] == b {
		c.i++
		return true
	}
	return false
}

// value reads a value of the form of p.key.
func (c *cursor) value(p *parsed) (ok bool) {
	switch f := p.key.form(); f {
	case formInt:
		return c.integer(p)
	case formBool:
		for _, w := range [...]string{"true", "false"} {
			if strings.HasPrefix(c.s[c.i:], w) {
				p.text, c.i = w, c.i+len(w)
				return true
			}
		}
		return false
	case formTexts:
		return c.list(p)
	case formCounts:
		return c.list(p) && !slices.ContainsFunc(p.list, func(s string) bool { return !formCount.holds(s) })
	default:
		p.text, ok = c.text()
		return ok && f.holds(p.text)
	}
}

func (c *cursor) integer(p *parsed) bool {
	start := c.i
	for c.i < len(c.s) && (c.s[c.i] == '-' || c.s[c.i] >= '0' && c.s[c.i] <= '9') {
		c.i++
	}
	p.text = c.s[start:c.i]
	n, err := strconv.ParseInt(p.text, 10, 64)
	return err == nil && n <= maxInt && n >= -maxInt && strconv.FormatInt(n, 10) == p.text
}

func (c *cursor) list(p *parsed) bool {
	if !c.take('[') {
		return false
	}
	p.list = []string{}
	if c.take(']') {
		return true
	}
	for {
		s, ok := c.text()
		if !ok {
			return false
		}
		p.list = append(p.list, s)
		if c.take(']') {
			return true
		}
		if !c.take(',') {
			return false
		}
	}
}

// text reads a string and holds it against what the writer would have put out.
func (c *cursor) text() (string, bool) {
	if !c.take('"') {
		return "", false
	}
	start := c.i
	plain := true
	for ; c.i < len(c.s) && c.s[c.i] != '"'; c.i++ {
		if b := c.s[c.i]; b == '\\' {
			plain = false
			c.i++
		} else if b < 0x20 || b == 0x7F {
			return "", false
		}
	}
	if c.i >= len(c.s) {
		return "", false
	}
	raw := c.s[start:c.i]
	c.i++
	if !utf8.ValidString(raw) {
		return "", false
	}
	if plain {
		return raw, true
	}
	text, ok := unescape(raw)
	return text, ok && string(appendText(nil, text)) == `"`+raw+`"`
}

func unescape(raw string) (string, bool) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		if i == len(raw) {
			return "", false
		}
		switch raw[i] {
		case '"', '\\':
			out = append(out, raw[i])
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'u':
			if i+5 > len(raw) {
				return "", false
			}
			n, err := strconv.ParseUint(raw[i+1:i+5], 16, 8)
			if err != nil {
				return "", false
			}
			out, i = append(out, byte(n)), i+4
		default:
			return "", false
		}
	}
	return string(out), true
}

func (r *Record) find(k Key) *parsed {
	for i := range r.fields {
		if r.fields[i].key == k {
			return &r.fields[i]
		}
	}
	return nil
}

// Has tells whether the record carries a key.
func (r *Record) Has(k Key) bool { return r.find(k) != nil }

// Text returns a string, a decimal or a time as it stands in the body, or the digits of an integer; "" where it is absent.
func (r *Record) Text(k Key) string {
	if p := r.find(k); p != nil {
		return p.text
	}
	return ""
}

// Int returns an integer field; 0 where it is absent or none.
func (r *Record) Int(k Key) int64 {
	n, err := strconv.ParseInt(r.Text(k), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Count returns a 64-bit counter; 0 where it is absent or none.
func (r *Record) Count(k Key) uint64 {
	n, err := strconv.ParseUint(r.Text(k), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Time returns a time in ns since 1970-01-01 UTC; 0 where it is absent or none.
func (r *Record) Time(k Key) int64 {
	n, _ := ParseTime(r.Text(k))
	return n
}

// Bool tells whether a field is true.
func (r *Record) Bool(k Key) bool {
	return k.form() == formBool && r.Text(k) == "true"
}

// Texts returns a list, of counters as their digits; nil where it is absent or none.
func (r *Record) Texts(k Key) []string {
	if p := r.find(k); p != nil {
		return p.list
	}
	return nil
}

// Counts returns a list of 64-bit counters; nil where it is absent or none.
func (r *Record) Counts(k Key) []uint64 {
	p := r.find(k)
	if p == nil || k.form() != formCounts {
		return nil
	}
	out := make([]uint64, len(p.list))
	for i, s := range p.list {
		out[i], _ = strconv.ParseUint(s, 10, 64) // Parse took it
	}
	return out
}

// Seq returns the number of the record.
func (r *Record) Seq() uint64 { return r.Count(EventSeq) }
