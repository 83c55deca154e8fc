// A recording of a port as a text file: its form, and the reader, which trusts nothing that it reads.

package sim

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
)

// Limits of a recording.
const (
	MaxRecording        = 64 << 20 // bytes
	MaxRecordedChannels = 4096     // names, each with a form
	MaxRecordedText     = 256      // bytes of a channel's name, and of an error
	maxRecordedLine     = 2048     // bytes; a byte of text takes up to four
)

// Recording is what a port emitted, and what was written to it, with the times. The file is text, in the one way in which Recorder
// writes it; times are whole ns on the rig's clock:
//
//	batchkit recording 1                 the first line
//	channel 0 bool "do/1"                number, form and name, before their first use; numbers count from 0
//	watch 1000                           Watch was called
//	v 1020 0 1 G 980                     at 1020 channel 0 was emitted: bits (hexadecimal), quality (G S B), and when it was true (0: not told)
//	w 2000 2900 0 0 9000 ok              a write was asked for at 2000 and answered at 2900: channel, bits, deadline (0: none)
//	w 3000 3100 0 1 9000 error "no ack"  and one that failed; in the place of error stands refused or unknown where the port said so
//	left 9000 ok                         Watch returned; or error and why
//	full 9100                            the recorder's limit was reached, and nothing was recorded from then on
//	end 8                                how many lines stand before this one, which is the last
//
// Values stand in the order in which they came, and writes in the order in which they were asked for; a write stands where its answer
// came. A file that was cut off has no end, and is read as far as its last whole line.
type Recording struct {
	Whole    bool // it has its end
	Full     bool // the recorder's limit was reached
	channels []recordedChannel
	values   []recordedValue
	writes   []recordedWrite
	begin    int64 // the first Watch
	last     int64 // of the newest line
}

type recordedChannel struct {
	name string
	form tag.Form
}

type recordedValue struct {
	t, at   int64
	bits    uint64
	channel uint16
	quality tag.Quality
}

type recordedWrite struct {
	t, done, deadline int64
	bits              uint64
	channel           uint16
	word, err         string // of the answer; err "" is ok
}

const recordingHead = "batchkit recording 1"

var (
	recordedForms     = [...]string{tag.Bool: "bool", tag.Int: "int", tag.Float32: "float32", tag.Float64: "float64"}
	recordedQualities = [...]string{tag.Bad: "B", tag.Stale: "S", tag.Good: "G"}
)

// Values is how many values were recorded, and Writes how many writes.
func (r *Recording) Values() int { return len(r.values) }

// Writes is how many writes were recorded.
func (r *Recording) Writes() int { return len(r.writes) }

// Channels are the names of all channels that occur, in the order in which they occurred first.
func (r *Recording) Channels() (names []string) {
	seen := map[string]bool{}
	for _, c := range r.channels {
		if !seen[c.name] {
			names = append(names, c.name)
		}
		seen[c.name] = true
	}
	return names
}

// ReadRecording reads a recording; file names it in errors, which tell the line. It keeps nothing of src.
func ReadRecording(file string, src []byte) (*Recording, error) {
	if len(src) > MaxRecording {
		return nil, fmt.Errorf("sim: %s: %d bytes, more than the limit of %d", file, len(src), MaxRecording)
	}
	p := recordingReader{r: &Recording{}}
	for len(src) > 0 {
		line, rest, whole := bytes.Cut(src, []byte{'\n'})
		if !whole {
			break // it was being written when it was cut off
		}
		src = rest
		p.line++
		if len(line) > maxRecordedLine {
			return nil, fmt.Errorf("sim: %s:%d: %d bytes, more than the limit of %d", file, p.line, len(line), maxRecordedLine)
		}
		if err := p.read(string(line)); err != nil {
			return nil, fmt.Errorf("sim: %s:%d: %w", file, p.line, err)
		}
	}
	switch {
	case p.line == 0:
		return nil, fmt.Errorf("sim: %s: no recording: the first line is to be %q", file, recordingHead)
	case p.r.Whole && len(src) > 0:
		return nil, fmt.Errorf("sim: %s:%d: more behind the end", file, p.line+1)
	}
	return p.r, nil
}

// recordingReader reads line after line.
type recordingReader struct {
	r       *Recording
	line    int
	watched bool
}

// read takes one line. It reads the words, writes them anew, and refuses what comes out otherwise: so there is one way to write it.
func (p *recordingReader) read(line string) error {
	if p.line == 1 {
		if line != recordingHead {
			return fmt.Errorf("the first line is to be %q", recordingHead)
		}
		return nil
	}
	if p.r.Whole {
		return errors.New("more behind the end")
	}
	w := words{rest: line}
	var again string
	switch verb := w.next(); verb {
	case "channel":
		again = p.channel(&w)
	case "watch", "full":
		t := w.number(math.MaxInt64)
		p.time(&w, t)
		if verb == "watch" && !p.watched {
			p.watched, p.r.begin = true, int64(t)
		}
		p.r.Full = p.r.Full || verb == "full"
		again = fmt.Sprintf("%s %d", verb, t)
	case "v":
		again = p.value(&w)
	case "w":
		again = p.write(&w)
	case "left":
		t := w.number(math.MaxInt64)
		p.time(&w, t)
		again = fmt.Sprintf("left %d %s", t, outcome(w.outcome(answerWords[:1])))
	case "end":
		n := w.number(math.MaxInt64)
		if n != uint64(p.line-1) {
			w.fail("the end counts %d lines, and there are %d", n, p.line-1)
		}
		p.r.Whole = true
		again = fmt.Sprintf("end %d", n)
	default:
		w.fail("begins with %q: want channel, watch, v, w, left, full or end", cut(verb))
	}
	if w.wrong != "" {
		return errors.New(w.wrong)
	}
	if again != line {
		return fmt.Errorf("written otherwise than a recorder does: want %q", cut(again))
	}
	return nil
}

// time takes the time of a line; a recording ends where its newest line stands.
func (p *recordingReader) time(w *words, t uint64) {
	if t > math.MaxInt64/2 {
		w.fail("time %d: want at most %d", t, int64(math.MaxInt64/2))
		return
	}
	p.r.last = max(p.r.last, int64(t))
}

func (p *recordingReader) channel(w *words) string {
	n, form, name := w.number(MaxRecordedChannels-1), w.next(), w.text()
	f := index(recordedForms[:], form)
	switch {
	case n != uint64(len(p.r.channels)):
		w.fail("channel %d: want number %d", n, len(p.r.channels))
	case f < 0:
		w.fail("form %q: want bool, int, float32 or float64", cut(form))
	case name == "":
		w.fail("a channel without a name")
	default:
		p.r.channels = append(p.r.channels, recordedChannel{name, tag.Form(f)})
	}
	return fmt.Sprintf("channel %d %s %s", n, form, strconv.QuoteToASCII(name))
}

// known reads the number of a channel.
func (p *recordingReader) known(w *words) uint16 {
	n := w.number(MaxRecordedChannels - 1)
	if n >= uint64(len(p.r.channels)) {
		w.fail("channel %d: it was not named before", n)
	}
	return uint16(n)
}

func (p *recordingReader) value(w *words) string {
	t, ch, bits, quality, at := w.number(math.MaxInt64), p.known(w), w.hex(), w.next(), w.number(math.MaxInt64)
	q := index(recordedQualities[:], quality)
	p.time(w, t)
	n := len(p.r.values)
	switch {
	case q < 0:
		w.fail("quality %q: want G, S or B", cut(quality))
	case at > math.MaxInt64/2:
		w.fail("true at %d: want at most %d", at, int64(math.MaxInt64/2))
	case n > 0 && int64(t) < p.r.values[n-1].t:
		w.fail("a value at %d, behind one at %d", t, p.r.values[n-1].t)
	case !p.watched:
		w.fail("a value before the first watch")
	case w.wrong == "":
		p.r.values = append(p.r.values, recordedValue{int64(t), int64(at), bits, ch, tag.Quality(q)})
	}
	return fmt.Sprintf("v %d %d %x %s %d", t, ch, bits, quality, at)
}

func (p *recordingReader) write(w *words) string {
	t, done, ch, bits, deadline := w.number(math.MaxInt64), w.number(math.MaxInt64), p.known(w), w.hex(), w.number(math.MaxInt64)
	word, err := w.outcome(answerWords[:])
	p.time(w, t)
	p.time(w, done)
	n := len(p.r.writes)
	switch {
	case done < t:
		w.fail("a write that was answered at %d, before it was asked for at %d", done, t)
	case n > 0 && int64(t) < p.r.writes[n-1].t:
		w.fail("a write at %d, behind one at %d", t, p.r.writes[n-1].t)
	case w.wrong == "":
		p.r.writes = append(p.r.writes, recordedWrite{int64(t), int64(done), int64(deadline), bits, ch, word, err})
	}
	return fmt.Sprintf("w %d %d %d %x %d %s", t, done, ch, bits, deadline, outcome(word, err))
}

// answerWords begin an answer that is not ok, and answers are what the port said of it with them.
var (
	answerWords = [...]string{"error", "refused", "unknown"}
	answers     = [...]error{nil, tag.ErrRefused, tag.ErrUnknown}
)

// answer is how the error of a write is recorded. Of one that says both, the worse counts.
func answer(err error) (word, text string) {
	if err == nil {
		return "", ""
	}
	if text = clipped(err.Error()); text == "" {
		text = "failed"
	}
	word = answerWords[0]
	for i, is := range answers {
		if is != nil && errors.Is(err, is) {
			word = answerWords[i]
		}
	}
	return word, text
}

// answered is a recorded error, with what the port said of it.
type answered struct {
	text string
	is   error
}

func (a *answered) Error() string { return a.text }

// Unwrap gives what the port said of the write, nil where it did not.
func (a *answered) Unwrap() error { return a.is }

// outcome is how an answer is written.
func outcome(word, err string) string {
	if err == "" {
		return "ok"
	}
	return word + " " + strconv.QuoteToASCII(err)
}

func index(all []string, word string) int {
	for i := range all {
		if all[i] == word {
			return i
		}
	}
	return -1
}

// cut shortens what is shown in an error.
func cut(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// words reads a line word by word; the first thing that is wrong stays.
type words struct {
	rest  string
	wrong string
}

func (w *words) fail(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = fmt.Sprintf(format, args...)
	}
}

func (w *words) next() string {
	word, rest, _ := strings.Cut(w.rest, " ")
	w.rest = rest
	return word
}

func (w *words) number(most uint64) uint64 {
	word := w.next()
	v, err := strconv.ParseUint(word, 10, 64)
	if err != nil || v > most {
		w.fail("%q: want a whole number from 0 to %d", cut(word), most)
		return 0
	}
	return v
}

func (w *words) hex() uint64 {
	word := w.next()
	v, err := strconv.ParseUint(word, 16, 64)
	if err != nil {
		w.fail("%q: want a value of at most 64 bits, hexadecimal", cut(word))
	}
	return v
}

// text reads the quoted rest of a line.
func (w *words) text() string {
	s, err := strconv.Unquote(w.rest)
	if err != nil || len(s) > MaxRecordedText {
		w.fail("%q: want a text in double quotes, of at most %d bytes", cut(w.rest), MaxRecordedText)
		return ""
	}
	w.rest = ""
	return s
}

// outcome reads ok, or one of the words and a text that is not empty.
func (w *words) outcome(of []string) (word, err string) {
	switch word = w.next(); {
	case word == "ok":
	case index(of, word) < 0:
		w.fail("%q: want ok or %s", cut(word), strings.Join(of, " or "))
	default:
		if err = w.text(); err == "" {
			w.fail("an error without a text")
		}
	}
	return word, err
}
