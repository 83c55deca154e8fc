// Package oneline keeps values as lines of JSON, of which each value has one spelling only, so that equal values are equal bytes.
//
// Start with [Parse]. The rule that must not be broken: what Parse takes, the value's own Append writes again, byte for byte; a digest of
// a line is then a digest of what it says.
package oneline

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A Value appends itself as a line, or refuses to.
type Value[T any] interface {
	*T
	Append(dst []byte) ([]byte, error)
}

// Append appends v as a line of at most limit bytes. Nothing is appended where it fails, and the error wraps bad.
func Append[T any, V Value[T]](dst []byte, v V, limit int, bad error) ([]byte, error) {
	line, err := json.Marshal(v)
	switch {
	case err != nil:
		return dst, fmt.Errorf("%w: %w", bad, err)
	case len(line) > limit:
		return dst, fmt.Errorf("%w: %d bytes; at most %d are taken; make it smaller, or give it in several", bad, len(line), limit)
	}
	return append(dst, line...), nil
}

// Parse reads a line of at most limit bytes as the value's Append wrote it. Fields that it does not know, and another spelling of
// those it does, are refused with an error that wraps bad; so is what Append refuses, with its error.
func Parse[T any, V Value[T]](line []byte, limit int, bad error) (T, error) {
	var none, v T
	if len(line) > limit {
		return none, fmt.Errorf("%w: %d bytes; at most %d are taken", bad, len(line), limit)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return none, fmt.Errorf("%w: %w", bad, err)
	}
	again, err := V(&v).Append(nil)
	switch {
	case err != nil:
		return none, err
	case !bytes.Equal(again, line):
		return none, fmt.Errorf("%w: it is not written as Append writes it", bad)
	}
	return v, nil
}
