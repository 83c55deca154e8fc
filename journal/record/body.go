// The writer: one record is collected field by field and put out in canonical form.

package record

import (
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/batchkit/batchkit/metering/quantity"
)

// MaxBody is the greatest length of a body in bytes. What is longer goes to a file, and the record carries its digest.
const MaxBody = 64 << 10

type field struct {
	form   form
	scale  uint8
	n      int64
	text   string
	texts  []string
	counts []uint64
}

// Body collects the fields of one record. Begin starts it; fields may come in any order, each by the method that suits the form
// of its key; Append puts it out, or refuses it with the first thing that was wrong. A Body is used again and again and allocates nothing once its caller's buffer is large enough. Strings and slices are borrowed until Append.
type Body struct {
	kind Kind
	set  keySet
	bad  error
	f    [keyCount]field // by key, which is the order of a body
}

// Begin empties the body and sets its kind.
func (b *Body) Begin(k Kind) {
	b.kind, b.set, b.bad = k, keySet{}, nil
	b.Text(EventType, k.String())
}

// Kind returns the kind that Begin set.
func (b *Body) Kind() Kind { return b.kind }

// put marks a key as given in a form and returns its field, cleared.
func (b *Body) put(k Key, given form) *field {
	if k >= keyCount {
		b.fail(k, "no such key")
		return &b.f[0]
	}
	if b.set.has(k) {
		b.fail(k, "given twice")
	}
	if want := k.form(); !want.takes(given) {
		b.fail(k, "given as "+given.String()+", its form is "+want.String())
	}
	b.set.add(k)
	b.f[k] = field{form: given}
	return &b.f[k]
}

func (b *Body) fail(k Key, why string) {
	if b.bad == nil {
		b.bad = fmt.Errorf("%w: %s: %s: %s", ErrRecord, b.kind, k, why)
	}
}

// Text adds a string. It must be UTF-8.
func (b *Body) Text(k Key, s string) {
	if !utf8.ValidString(s) {
		b.fail(k, "not UTF-8")
		return
	}
	given := formText
	if s == Overflow && k.form() == formMeasure {
		given = formMeasure
	}
	b.put(k, given).text = s
}

// Int adds a small integer, at most 2^53-1 in magnitude.
func (b *Body) Int(k Key, n int64) {
	if n > maxInt || n < -maxInt {
		b.fail(k, "integer beyond 2^53-1; its form must be a count")
		return
	}
	b.put(k, formInt).n = n
}

// Count adds a 64-bit counter, written as a decimal string.
func (b *Body) Count(k Key, n uint64) { b.put(k, formCount).n = int64(n) }

// Decimal adds the number coef x 10^-scale, written as a decimal string with scale digits after the point, at most
// [quantity.MaxScale].
func (b *Body) Decimal(k Key, coef int64, scale uint8) {
	if scale > quantity.MaxScale {
		b.fail(k, "more decimals than any reader takes")
		return
	}
	f := b.put(k, formDecimal)
	f.n, f.scale = coef, scale
}

// Time adds a time in ns since 1970-01-01 UTC.
func (b *Body) Time(k Key, utc int64) { b.put(k, formTime).n = utc }

// Bool adds true or false.
func (b *Body) Bool(k Key, v bool) {
	f := b.put(k, formBool)
	if v {
		f.n = 1
	}
}

// Texts adds a list of strings.
func (b *Body) Texts(k Key, v []string) {
	for _, s := range v {
		if !utf8.ValidString(s) {
			b.fail(k, "not UTF-8")
			return
		}
	}
	b.put(k, formTexts).texts = v
}

// Counts adds a list of 64-bit counters.
func (b *Body) Counts(k Key, v []uint64) { b.put(k, formCounts).counts = v }

// Append checks the record against its kind and appends its canonical form to dst. On an error dst is returned as it was.
func (b *Body) Append(dst []byte) ([]byte, error) {
	if b.bad != nil {
		return dst, b.bad
	}
	if err := b.kind.check(&b.set); err != nil {
		return dst, err
	}
	out := append(dst, '{')
	for i, word := range b.set {
		for ; word != 0; word &= word - 1 {
			k := Key(i*64 + bits.TrailingZeros64(word))
			if len(out) > len(dst)+1 {
				out = append(out, ',')
			}
			out = append(out, '"')
			out = append(out, keys[k].name...)
			out = append(out, '"', ':')
			out = b.f[k].append(out)
		}
	}
	out = append(out, '}')
	if len(out)-len(dst) > MaxBody {
		return dst, fmt.Errorf("%w: %s: %d bytes, at most %d; the longest field is %s",
			ErrRecord, b.kind, len(out)-len(dst), MaxBody, b.longest())
	}
	return out, nil
}

// longest finds the field that takes the most room.
func (b *Body) longest() (key Key) {
	most := 0
	for k := range keyCount {
		if !b.set.has(k) {
			continue
		}
		if n := len(b.f[k].append(nil)); n > most {
			key, most = k, n
		}
	}
	return key
}

func (f *field) append(out []byte) []byte {
	switch f.form {
	case formInt:
		return strconv.AppendInt(out, f.n, 10)
	case formBool:
		return strconv.AppendBool(out, f.n != 0)
	case formTexts:
		out = append(out, '[')
		for i, s := range f.texts {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendText(out, s)
		}
		return append(out, ']')
	case formCounts:
		out = append(out, '[')
		for i, n := range f.counts {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, '"')
			out = strconv.AppendUint(out, n, 10)
			out = append(out, '"')
		}
		return append(out, ']')
	case formText, formMeasure:
		return appendText(out, f.text)
	}
	out = append(out, '"')
	switch f.form {
	case formCount:
		out = strconv.AppendUint(out, uint64(f.n), 10)
	case formDecimal:
		out = quantity.AppendDecimal(out, f.n, f.scale)
	case formTime:
		out = AppendTime(out, f.n)
	}
	return append(out, '"')
}

// appendText appends s as a JSON string with the escapes of CJ1 and no others.
func appendText(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c == '\b':
			out = append(out, '\\', 'b')
		case c == '\f':
			out = append(out, '\\', 'f')
		case c < 0x20 || c == 0x7F:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
