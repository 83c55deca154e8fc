// The recorder: a port between a board and whoever uses it, which writes down what passes.

package sim

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// Stepped is a port whose time is whoever's who steps it, as that of a Plant is; see there.
type Stepped interface {
	tag.Port
	Next() int64
	Advance(now int64, emit func(tag.Raw))
	Apply(now int64, w tag.Write) (done int64, err error)
}

// Recorder is a tag.Port that hands everything on to another one and records it. What is recorded lies in memory until Flush, so that
// emit does not wait for a disk; a recording that has become full, or whose writer fails, ends, and the port goes on.
type Recorder struct {
	port  tag.Port
	clock timebase.Clock

	mu       sync.Mutex
	out      io.Writer
	buffer   []byte
	size     int // of all that was recorded
	limit    int
	lines    int
	full     bool
	closed   bool
	err      error
	channels map[recordedChannel]int
}

var _ tag.Port = (*Recorder)(nil)

// SteppedRecorder is a Recorder of a port in virtual time.
type SteppedRecorder struct {
	Recorder
	stepped Stepped
	begun   bool
}

var _ Stepped = (*SteppedRecorder)(nil)

// NewRecorder returns a recorder of a port, on the clock of the rig that the port lives on. It writes to out, of which it closes nothing,
// and at most limit bytes; a limit of 0, or one above MaxRecording, is that.
func NewRecorder(port tag.Port, clock timebase.Clock, out io.Writer, limit int) *Recorder {
	r := &Recorder{}
	r.open(port, clock, out, limit)
	return r
}

// NewSteppedRecorder returns a recorder of a port in virtual time, such as a Plant; see NewRecorder. Its clock is that of who steps it.
func NewSteppedRecorder(port Stepped, out io.Writer, limit int) *SteppedRecorder {
	r := &SteppedRecorder{stepped: port}
	r.open(port, nil, out, limit)
	return r
}

func (r *Recorder) open(port tag.Port, clock timebase.Clock, out io.Writer, limit int) {
	r.port, r.clock, r.out, r.limit, r.channels = port, clock, out, limit, map[recordedChannel]int{}
	if limit <= 0 || limit > MaxRecording {
		r.limit = MaxRecording
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(recordingHead)
}

// room is what is kept for the last two lines.
const room = 64

// add records a line; the caller holds mu.
func (r *Recorder) add(line string) bool {
	if r.full || r.closed || r.err != nil || r.size+len(line)+1 > r.limit-room {
		return false
	}
	r.put(line)
	return true
}

func (r *Recorder) put(line string) {
	r.buffer = append(append(r.buffer, line...), '\n')
	r.size += len(line) + 1
	r.lines++
}

// fill ends a recording that has no room for more.
func (r *Recorder) fill(now int64) {
	if !r.full && !r.closed {
		r.full = true
		r.put("full " + strconv.FormatInt(now, 10))
	}
}

// Unwrap returns the port behind the recorder. What that tells of a bus, and whether it is held, passes the recorder by.
func (r *Recorder) Unwrap() tag.Port { return r.port }

// channel is the number of a channel, and records its name before its first use.
func (r *Recorder) channel(name string, form tag.Form) (n int, ok bool) {
	c := recordedChannel{clipped(name), min(form, tag.Float64)}
	if n, ok = r.channels[c]; ok {
		return n, true
	}
	n = len(r.channels)
	if n == MaxRecordedChannels || c.name == "" || !r.add(fmt.Sprintf("channel %d %s %s", n, recordedForms[c.form], strconv.QuoteToASCII(c.name))) {
		return 0, false
	}
	r.channels[c] = n
	return n, true
}

func clipped(text string) string { return text[:min(len(text), MaxRecordedText)] }

// value records a value that came at now.
func (r *Recorder) value(now int64, raw *tag.Raw) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch, ok := r.channel(raw.Channel, raw.Form)
	if !ok || !r.add(fmt.Sprintf("v %d %d %x %s %d", now, ch, raw.Bits, recordedQualities[min(raw.Quality, tag.Good)], max(raw.At, 0))) {
		r.fill(now)
	}
}

// written records a write and its answer.
func (r *Recorder) written(now, done int64, w *tag.Write, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	word, text := answer(err)
	ch, ok := r.channel(w.Channel, w.Form)
	if !ok || !r.add(fmt.Sprintf("w %d %d %d %x %d %s", now, max(done, now), ch, w.Bits, max(w.Deadline, 0), outcome(word, text))) {
		r.fill(now)
	}
}

// note records a line of its own.
func (r *Recorder) note(now int64, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.add(fmt.Sprintf(format, args...)) {
		r.fill(now)
	}
}

// Watch implements tag.Port.
func (r *Recorder) Watch(ctx context.Context, emit func(tag.Raw)) error {
	if r.clock == nil {
		return r.port.Watch(ctx, emit)
	}
	begin := r.clock.Now()
	r.note(begin, "watch %d", begin)
	err := r.port.Watch(ctx, func(raw tag.Raw) {
		r.value(r.clock.Now(), &raw)
		emit(raw)
	})
	text := ""
	if err != nil {
		text = clipped("Watch: " + err.Error())
	}
	now := r.clock.Now()
	r.note(now, "left %d %s", now, outcome(answerWords[0], text))
	return err
}

// Write implements tag.Port.
func (r *Recorder) Write(ctx context.Context, w tag.Write) error {
	if r.clock == nil {
		return r.port.Write(ctx, w)
	}
	begin := r.clock.Now()
	err := r.port.Write(ctx, w)
	r.written(begin, r.clock.Now(), &w, err)
	return err
}

// Next implements Stepped.
func (r *SteppedRecorder) Next() int64 { return r.stepped.Next() }

// Advance implements Stepped.
func (r *SteppedRecorder) Advance(now int64, emit func(tag.Raw)) {
	if !r.begun {
		r.begun = true
		r.note(now, "watch %d", now)
	}
	r.stepped.Advance(now, func(raw tag.Raw) {
		r.value(now, &raw)
		emit(raw)
	})
}

// Apply implements Stepped.
func (r *SteppedRecorder) Apply(now int64, w tag.Write) (done int64, err error) {
	done, err = r.stepped.Apply(now, w)
	r.written(now, done, &w, err)
	return done, err
}

// Flush writes to the recorder's writer what was recorded since the last Flush. It blocks for as long as that does. After an error
// nothing more is recorded, and each Flush and Close returns it.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	out, b := r.out, r.buffer
	r.buffer = nil
	err := r.err
	r.mu.Unlock()
	if err != nil || len(b) == 0 {
		return err
	}
	n, err := out.Write(b)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	if err == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = fmt.Errorf("sim: recording: %d of %d bytes written: %w", n, len(b), err)
	return r.err
}

// Close ends the recording and flushes it. The port goes on. Close and Flush are for one goroutine at a time.
func (r *Recorder) Close() error {
	r.mu.Lock()
	if !r.closed && r.err == nil {
		r.put("end " + strconv.Itoa(r.lines))
		r.closed = true
	}
	r.mu.Unlock()
	return r.Flush()
}
