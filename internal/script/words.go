// This file cuts a line into words, and gives the consumer its arguments as text, whole numbers and durations.

package script

import (
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is one word of a line.
type word struct {
	text   string
	column int
	quoted bool
}

// split returns the words before the comment, if any. Nothing but printable characters and the space may stand anywhere in a line, so
// that what looks like a space is one.
func split(source string) ([]word, *fault) {
	column := 0
	for at, r := range source {
		column++
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(source[at:], "\ufffd"):
			return nil, &fault{column, fmt.Sprintf("byte 0x%02x is not UTF-8; save the file as UTF-8", source[at])}
		case r == '\t':
			return nil, &fault{column, "tab; use spaces"}
		case !unicode.IsPrint(r):
			return nil, &fault{column, fmt.Sprintf("character %U is not allowed", r)}
		}
	}
	runes := []rune(source)
	var words []word
	for i := 0; i < len(runes); {
		if runes[i] == ' ' {
			i++
			continue
		}
		if runes[i] == '#' {
			break
		}
		if len(words) == MaxWords {
			return nil, &fault{i + 1, fmt.Sprintf("line has more than %d words", MaxWords)}
		}
		w, end, bad := next(runes, i)
		if bad != nil {
			return nil, bad
		}
		words = append(words, w)
		i = end
	}
	return words, nil
}

// next reads the word that begins at i and returns where it ends.
func next(runes []rune, i int) (word, int, *fault) {
	w := word{column: i + 1, quoted: runes[i] == '"'}
	if !w.quoted {
		end := i
		for end < len(runes) && runes[end] != ' ' {
			if runes[end] == '"' {
				return w, end, &fault{end + 1, `quote inside a word; put the whole word in quotes and write \" in it`}
			}
			end++
		}
		w.text = string(runes[i:end])
		return w, end, nil
	}
	var text strings.Builder
	for i++; i < len(runes) && runes[i] != '"'; i++ {
		r := runes[i]
		if r == '\\' {
			i++
			if i == len(runes) {
				break
			}
			switch runes[i] {
			case '"', '\\':
				r = runes[i]
			case 'n':
				r = '\n'
			default:
				return w, i, &fault{i, fmt.Sprintf(`\%c is not an escape; there are \" \\ \n`, runes[i])}
			}
		}
		text.WriteRune(r)
	}
	switch {
	case i >= len(runes):
		return w, i, &fault{w.column, "the quote that opens here is not closed"}
	case i+1 < len(runes) && runes[i+1] != ' ':
		return w, i, &fault{i + 2, "a space is missing after the closing quote"}
	}
	w.text = text.String()
	return w, i + 1, nil
}

// Errorf returns an *[Error] at the verb of the line.
func (l Line) Errorf(format string, args ...any) error {
	return l.ArgErrorf(-1, format, args...)
}

// ArgErrorf returns an *[Error] at argument i, from 0, or at the end of the line if there is no such argument.
func (l Line) ArgErrorf(i int, format string, args ...any) error {
	column := utf8.RuneCountInString(l.source) + 1
	if i = max(i, -1); i+1 < len(l.columns) {
		column = l.columns[i+1]
	}
	return l.errorAt(column, fmt.Sprintf(format, args...))
}

func (l Line) errorAt(column int, msg string) error {
	return &Error{File: l.File, Line: l.No, Column: column, Msg: msg, Source: l.source}
}

// Arg returns argument i, from 0, or an *[Error] if the line has fewer.
func (l Line) Arg(i int) (string, error) {
	if i < 0 || i >= len(l.Args) {
		return "", l.ArgErrorf(len(l.Args), "%s: argument %d is missing", l.Verb, i+1)
	}
	return l.Args[i], nil
}

var wholePattern = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// Int returns argument i as a whole number: decimal digits with an optional minus sign and no leading zero, within 64 bits.
func (l Line) Int(i int) (int64, error) {
	text, err := l.Arg(i)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !wholePattern.MatchString(text) {
		return 0, l.ArgErrorf(i, "%s: argument %d must be a whole number, is %q", l.Verb, i+1, text)
	}
	return v, nil
}

// Duration returns argument i in nanoseconds, never negative. It is one or more numbers with their units, the larger unit first: h,
// m or min, s, ms, us, ns. The last number may have decimals, as far as they are whole nanoseconds: 1m30s, 12.5s, 0.000000001s.
func (l Line) Duration(i int) (int64, error) {
	text, err := l.Arg(i)
	if err != nil {
		return 0, err
	}
	ns, why := duration(text)
	if why != "" {
		return 0, l.ArgErrorf(i, "%s: argument %d: %s", l.Verb, i+1, why)
	}
	return ns, nil
}

var partPattern = regexp.MustCompile(`^([0-9]+)(?:\.([0-9]+))?(h|min|ms|m|s|us|ns)`)

var unitNs = map[string]uint64{"h": 3600e9, "min": 60e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1}

// duration returns the nanoseconds of text, or why it is not a time.
func duration(text string) (ns int64, why string) {
	total, last := uint64(0), uint64(math.MaxUint64)
	for rest := text; rest != "" || text == ""; {
		part := partPattern.FindStringSubmatch(rest)
		if part == nil {
			return 0, fmt.Sprintf("%q is not a time; write for example 12.5s, 1m30s or 200ms (units h m min s ms us ns)", text)
		}
		rest = rest[len(part[0]):]
		unit := unitNs[part[3]]
		if unit >= last {
			return 0, fmt.Sprintf("%q: each unit stands once, the larger first", text)
		}
		last = unit
		if part[2] != "" && rest != "" {
			return 0, fmt.Sprintf("%q: only the last number may have decimals", text)
		}
		whole, err := strconv.ParseUint(part[1], 10, 63)
		high, low := bits.Mul64(whole, unit)
		fraction, exact := decimals(part[2], unit)
		if !exact {
			return 0, fmt.Sprintf("%q is finer than a nanosecond", text)
		}
		// Each addend is below 2^63, and so is the total before it: the sum of two cannot wrap.
		if err != nil || high != 0 || low > math.MaxInt64 {
			return 0, fmt.Sprintf("%q is too long; the limit is about 292 years", text)
		}
		for _, addend := range [2]uint64{low, fraction} {
			if total += addend; total > math.MaxInt64 {
				return 0, fmt.Sprintf("%q is too long; the limit is about 292 years", text)
			}
		}
	}
	return int64(total), ""
}

// decimals returns 0.digits of a unit in nanoseconds, and whether that is a whole number of them.
func decimals(digits string, unit uint64) (uint64, bool) {
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return 0, true
	}
	// An hour is 2^13 * 5^11 * 9 ns: more than 13 decimals are never whole.
	if len(digits) > 13 {
		return 0, false
	}
	value, scale := uint64(0), uint64(1)
	for _, c := range []byte(digits) {
		value, scale = value*10+uint64(c-'0'), scale*10
	}
	high, low := bits.Mul64(value, unit)
	whole, remainder := bits.Div64(high, low, scale)
	return whole, remainder == 0
}
