// Recompute: the total of a window from its sample file.

package metering

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/batchkit/batchkit/iomap/tag"
)

// maxLine is how long a sample line can be, with its end: two whole numbers of 64 bits, two tabs and a word.
const maxLine = 20 + 1 + 20 + 1 + 5 + 1

// Recompute reads the sample lines of a window that was open from start to end, monotonic ns, and gives the total that a
// [Machine] with that meter shows, and the digest of the lines. What lines do not tell is left 0 in the total: steps and holds,
// the second counter, the device's total and what came of them, FlowAtStart, and FlowAtEnd of a scale.
//
// What is no sample file of such a window is refused with the number of its line: a line of another form, a time before the one
// above it or after the end, a first line without number or after the start, and a reading in force that the calibration does not
// know.
func Recompute(r io.Reader, m *Meter, start, end int64) (Total, [sha256.Size]byte, error) {
	f := file{meter: m, start: start}
	if !m.usable() {
		return Total{}, f.digest, errors.New("metering: a meter without factor, or pulses that are not of 16, 32 or 64 bits, has no total")
	}
	if !instant(start, end) {
		return Total{}, f.digest, errors.New("metering: start or end is more than 146 years away; write monotonic ns")
	}
	err := f.read(r)
	if err == nil {
		err = f.end(end)
	}
	if err != nil {
		return Total{}, [sha256.Size]byte{}, fmt.Errorf("metering: samples, line %d: %w", f.lines, err)
	}
	t := Total{StartAt: start, EndAt: end}
	f.tally.fill(m, &t)
	if m.Method != Weight {
		t.FlowAtEnd = f.tally.Integral.flows(m, end)
	}
	t.EdgeFlow = f.tally.Integral.edge(m, end)
	return t, f.digest, nil
}

// file is a sample file as it is read.
type file struct {
	meter  *Meter
	start  int64
	lines  int64
	tally  tally
	digest [sha256.Size]byte
}

// read takes in the lines, whole blocks at a time.
func (f *file) read(r io.Reader) error {
	sum := sha256.New()
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		kept += n
		used, bad := f.block(buf[:kept])
		if bad != nil {
			return bad
		}
		sum.Write(buf[:used])
		kept = copy(buf, buf[used:kept])
		switch {
		case err == io.EOF && kept > 0:
			f.lines++
			return errors.New("it has no end; the file is cut off")
		case err == io.EOF:
			sum.Sum(f.digest[:0])
			return nil
		case err != nil:
			return err
		}
	}
}

// block takes in the whole lines of b and tells how long they are.
func (f *file) block(b []byte) (used int, err error) {
	for used < len(b) {
		at, raw, w, n := parseLine(b[used:])
		if n == 0 {
			rest := b[used:]
			if end := bytes.IndexByte(rest, '\n'); end >= 0 || len(rest) >= maxLine {
				f.lines++
				return 0, errors.New("it is no sample; write time, raw value where it is GOOD, and GOOD, STALE, BAD, CUT or NEW, parted by tabs")
			}
			return used, nil
		}
		f.lines++
		if err := f.take(at, raw, w); err != nil {
			return 0, err
		}
		used += n
	}
	return used, nil
}

// take takes in one line.
func (f *file) take(at, raw int64, w word) error {
	switch {
	case at < -epoch || at > epoch:
		return errors.New("its time is none of this machine's; it is more than 146 years away")
	case f.lines == 1 && (w != good || at > f.start):
		return errors.New("the first line is not the reading in force when the window opened")
	case f.lines == 1:
		if !f.tally.begin(f.meter, f.start, at, raw) {
			return errors.New(WhyOutside)
		}
		return nil
	case w != cut && at < f.tally.Line:
		return errors.New("its time lies before that of the line above")
	case w == good:
		f.tally.number(f.meter, at, raw)
	default:
		f.tally.blank(f.meter, w, at)
	}
	return nil
}

// end takes in that the window ended.
func (f *file) end(at int64) error {
	switch {
	case f.lines == 0:
		return errors.New("there is none; a window has at least the reading in force when it opened")
	case f.tally.Line > at, f.tally.Cuts == 0 && f.start > at:
		return errors.New("its time lies after the end of the window")
	}
	f.tally.end(f.meter, at)
	return nil
}

// words are the last fields of lines, in the order of their type.
var words = [...]string{tag.Bad.String(), tag.Stale.String(), tag.Good.String(), CutWord, NewWord}

// parseLine reads the line that b begins with and tells its length, 0 where there is no whole line that is one. It takes what
// AppendSample and AppendBreak give, and nothing else.
func parseLine(b []byte) (at, raw int64, w word, n int) {
	at, n = parseInt(b)
	if n == 0 || n >= len(b) || b[n] != '\t' {
		return 0, 0, 0, 0
	}
	n++
	raw, digits := parseInt(b[n:])
	n += digits
	if n >= len(b) || b[n] != '\t' {
		return 0, 0, 0, 0
	}
	n++
	rest := b[n:]
	if digits > 0 {
		if len(rest) < 5 || rest[0] != 'G' || rest[1] != 'O' || rest[2] != 'O' || rest[3] != 'D' || rest[4] != '\n' {
			return 0, 0, 0, 0
		}
		return at, raw, good, n + 5
	}
	for i, text := range words {
		if word(i) != good && len(rest) > len(text) && rest[len(text)] == '\n' && string(rest[:len(text)]) == text {
			return at, 0, word(i), n + len(text) + 1
		}
	}
	return 0, 0, 0, 0
}

// parseInt reads the whole number of 64 bits that b begins with, in the one form that strconv.AppendInt gives it; 0 characters
// where there is none.
func parseInt(b []byte) (v int64, n int) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		n = 1
	}
	first, u := n, uint64(0)
	for ; n < len(b); n++ {
		d := b[n] - '0'
		if d > 9 {
			break
		}
		if n-first >= 18 && u > (1<<63-uint64(d))/10 {
			return 0, 0
		}
		u = u*10 + uint64(d)
	}
	switch {
	case n == first, b[first] == '0' && (neg || n > first+1), !neg && u>>63 != 0:
		return 0, 0
	case neg:
		return int64(-u), n
	}
	return int64(u), n
}
