// The forms of values: what a key holds, as the writer takes it and the reader demands it.

package record

import (
	"strconv"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Overflow is the text that stands for a measured value, in place of its decimal, where no decimal can tell it.
const Overflow = "overflow"

// maxInt is the greatest magnitude of a JSON integer that every reader takes exactly (RFC 8259 section 6).
const maxInt = 1<<53 - 1

// form is what the value of a key is. A key has one form, whatever the kind.
type form uint8

const (
	formText    form = iota // string
	formValue               // string: a word, a decimal or a count, as the tag or the object beside it says
	formInt                 // JSON integer, at most 2^53-1 in magnitude
	formCount               // string: digits of an unsigned 64-bit number
	formDecimal             // string: decimal number with a coefficient of 64 bits
	formMeasure             // string: decimal number, or Overflow
	formTime                // string: RFC 3339 in UTC with nine digits
	formBool                // true or false
	formTexts               // list of strings
	formCounts              // list of strings, each a count
)

// String gives the form as refusals name it.
func (f form) String() string {
	return [...]string{"text", "text or number", "integer", "count", "decimal", "decimal or overflow", "time", "truth value",
		"list of texts", "list of counts"}[min(f, formCounts)]
}

// takes tells whether a value given in one form may stand under a key of this one.
func (f form) takes(given form) bool {
	switch f {
	case formValue:
		return given == formText || given == formDecimal || given == formCount
	case formMeasure:
		return given == formMeasure || given == formDecimal
	}
	return given == f
}

// holds tells whether a string is of this form, byte for byte as the writer puts it out.
func (f form) holds(s string) bool {
	switch f {
	case formCount:
		_, err := strconv.ParseUint(s, 10, 64)
		return err == nil && (s[0] != '0' || s == "0")
	case formDecimal:
		_, _, err := quantity.ParseDecimal(s)
		return err == nil
	case formMeasure:
		return s == Overflow || formDecimal.holds(s)
	case formTime:
		_, ok := ParseTime(s)
		return ok
	}
	return true
}
