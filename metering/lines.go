// Sample lines: the form in which the readings of a window are hashed and kept.

package metering

import (
	"strconv"

	"github.com/batchkit/batchkit/iomap/tag"
)

// Words that stand in a sample line where others have a quality. Such a line has no number.
const (
	CutWord = "CUT" // an epoch began: time starts anew, and nothing is known of the time between
	NewWord = "NEW" // another device is read from here on, by its identity: counting begins anew with the next number
)

// AppendSample appends the line of one sample: monotonic ns when it was true, raw value, quality, parted by tabs, ended by a
// line feed. Where the quality is not GOOD the place of the raw value is empty: no total may rest on it. The line is what
// Digest is taken over and what a package's sample file holds.
func AppendSample(dst []byte, at, raw int64, q tag.Quality) []byte {
	dst = append(strconv.AppendInt(dst, at, 10), '\t')
	if q == tag.Good {
		dst = strconv.AppendInt(dst, raw, 10)
	}
	dst = append(append(dst, '\t'), q.String()...)
	return append(dst, '\n')
}

// AppendBreak appends the line of a break, word CutWord or NewWord.
func AppendBreak(dst []byte, at int64, word string) []byte {
	dst = append(strconv.AppendInt(dst, at, 10), '\t', '\t')
	dst = append(dst, word...)
	return append(dst, '\n')
}

// word is the last field of a line: a quality or what stands in its place.
type word uint8

const (
	bad   = word(tag.Bad)
	stale = word(tag.Stale)
	good  = word(tag.Good)
	cut   = good + 1
	fresh = good + 2
)

// append appends the line of the word.
func (w word) append(dst []byte, at, raw int64) []byte {
	switch w {
	case cut:
		return AppendBreak(dst, at, CutWord)
	case fresh:
		return AppendBreak(dst, at, NewWord)
	}
	return AppendSample(dst, at, raw, tag.Quality(w))
}
