// The trace: what the loop did last, in detail, in a ring in memory. It is noted only where something has gone wrong.

package runner

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// Limits of a trace. Samples in a row are one entry: each stands in its block.
const (
	traceSize  = 512      // entries that are kept, a power of two
	traceBytes = 30 << 10 // bytes of entries that a record takes; the oldest are left out first
)

var traceLeast = record.KindTraceDump.Spec().Gap // ns between two records of traces; never changes

// deed is what the loop did.
type deed uint8

const (
	took      deed = iota // took an event
	ticked                // stepped the machine at its deadline
	noted                 // numbered a block, a decision or a note
	held                  // put an effect into the gate
	handed                // handed on an effect: a write to the port's queue
	flushed               // saw a group durable
	crowd                 // let samples wait, for want of room
	flow                  // took samples again
	asked                 // gave a head to the signer, a state to a slot, or asked for the medium
	answered              // got what came of that
	deedCount             // none
)

var deeds = [deedCount]string{"take", "tick", "record", "hold", "out", "durable", "samples wait", "samples taken", "begin", "end"}

// entry is one thing that the loop did. It is flat: to add one allocates nothing.
type entry struct {
	at    int64  // monotonic ns
	took  int64  // ns: how long it waited, was late or took; -1: not known
	done  int64  // of an answered write: when it took effect, 0 otherwise
	seq   uint64 // record, or records durable
	id    uint32 // tag, write, prompt or OEM action
	depth int32  // inputs that waited
	more  uint32 // samples after this one that went into the same record with nothing between them; the worst of all stands here
	what  deed
	event batch.EventKind
	kind  batch.EffectKind
	of    record.Kind
	bad   bool // it failed
}

// ring holds the last entries. A nil ring holds nothing.
type ring struct {
	list  [traceSize]entry
	n     uint64 // entries since the start
	flown uint64 // records that were durable as far as entries say
	depth int32
	out   *dump // as it was when something went wrong last, nil: nothing has
	last  int64 // when the last one was noted, 0: never
}

// dump is a trace as it was when something went wrong.
type dump struct {
	why    string
	first  int64 // stamp of the first entry
	lines  []string
	over   uint64 // entries before it that are gone
	merged int64  // what went wrong since, before it was noted
	seq    uint64 // its record, 0: it is not noted yet
}

// add puts an entry over the oldest one.
func (t *ring) add(e entry) {
	if t == nil {
		return
	}
	t.list[t.n%traceSize] = e
	t.n++
}

// event adds that an event was taken, in record seq, after it waited so many ns; -1 where that is not known.
func (t *ring) event(at int64, ev *batch.Event, waited int64) {
	e := entry{at: at, took: waited, seq: ev.Seq, id: ev.ID, what: took, event: ev.Kind}
	if t == nil || ev.Kind == batch.Tick {
		return
	}
	e.depth = t.depth
	switch ev.Kind {
	case batch.Sample:
		e.id, e.bad = uint32(ev.Tag), ev.Quality != tag.Good
		if last := &t.list[(t.n-1)%traceSize]; t.n > 0 && last.event == batch.Sample && last.seq == e.seq { // each is in its block
			last.more++
			last.took, last.depth, last.bad = max(last.took, waited), max(last.depth, e.depth), last.bad || e.bad
			return
		}
	case batch.Done:
		e.done, e.bad = ev.At, !ev.OK
	case batch.Finished:
		e.bad = !ev.OK
	}
	t.add(e)
}

// durable adds that records up to seq are durable, the oldest of them after so many ns.
func (t *ring) durable(now int64, seq uint64, since int64) {
	if t != nil && seq > t.flown {
		t.flown = seq
		t.add(entry{at: now, took: since, seq: seq, what: flushed})
	}
}

// crowded adds that samples have to wait from now on, or no longer.
func (t *ring) crowded(now int64, inputs int, before, is bool) {
	if t == nil {
		return
	}
	if t.depth = int32(min(inputs, 1<<30)); before != is {
		e := entry{at: now, took: -1, depth: t.depth, what: flow}
		if is {
			e.what = crowd
		}
		t.add(e)
	}
}

// blame says that something has gone wrong: the trace as it is now is to be noted. What goes wrong before it is noted is counted.
func (t *ring) blame(why string) {
	switch {
	case t == nil:
	case t.out != nil && t.out.seq == 0:
		t.out.merged++
	default:
		t.out = t.dump(batch.Clean(why))
	}
}

// dump writes out the entries, the oldest first.
func (t *ring) dump(why string) *dump {
	d := &dump{why: why}
	from := t.n - min(t.n, traceSize)
	for size, n := 0, t.n; n > from; n-- { // how many fit, from the newest on
		if size += len(t.line(nil, n-1, 0)) + 8; size > traceBytes { // commas, quotes, and a first stamp that is nearer
			from = n
		}
	}
	d.over, d.first = from, max(t.at(from), 0)
	for n := from; n < t.n; n++ {
		d.lines = append(d.lines, string(t.line(nil, n, d.first)))
	}
	return d
}

// at is the stamp of entry n.
func (t *ring) at(n uint64) int64 { return t.list[n%traceSize].at }

// line appends entry n in its canonical form: ms since the first entry, what was done, and name=value; times are in ms.
func (t *ring) line(b []byte, n uint64, first int64) []byte {
	e := &t.list[n%traceSize]
	b = ms(b, e.at-first)
	b = append(append(b, ' '), deeds[e.what]...)
	switch {
	case e.event == batch.Sample:
		b = append(b, " sample"...)
	case e.event != 0:
		b = append(append(b, ' '), kindOf(&batch.Event{Kind: e.event}).String()...)
	case e.of != 0:
		b = append(append(b, ' '), e.of.String()...)
	case e.kind != 0:
		b = append(append(b, ' '), effectWords[e.kind]...)
	}
	if e.seq > 0 {
		b = strconv.AppendUint(append(b, " seq="...), e.seq, 10)
	}
	if e.event == batch.Sample {
		b = strconv.AppendUint(append(b, " tag="...), uint64(e.id), 10)
		if e.more > 0 {
			b = strconv.AppendUint(append(b, " more="...), uint64(e.more), 10)
		}
	} else if e.id > 0 {
		b = strconv.AppendUint(append(b, " id="...), uint64(e.id), 10)
	}
	if e.took >= 0 {
		b = ms(append(b, [deedCount]string{took: " waited=", ticked: " late=", flushed: " took=", answered: " took="}[e.what]...), e.took)
	}
	if e.done > 0 {
		if at, ok := t.given(n, e.id); ok {
			b = ms(append(b, " took="...), e.done-at)
		}
	}
	if e.depth > 0 {
		b = strconv.AppendInt(append(b, " inputs="...), int64(e.depth), 10)
	}
	if e.bad {
		b = append(b, " bad"...)
	}
	return b
}

// given is when a write was handed out that entry n is the answer to.
func (t *ring) given(n uint64, id uint32) (at int64, ok bool) {
	for from := t.n - min(t.n, traceSize); n > from; n-- {
		if e := &t.list[(n-1)%traceSize]; e.what == handed && e.kind == batch.Write && e.id == id {
			return e.at, true
		}
	}
	return 0, false
}

// ms appends a time in ms, to 0.001.
func ms(b []byte, ns int64) []byte { return quantity.AppendDecimal(b, ns/1000, 3) }

var effectWords = [...]string{batch.Write: "write", batch.Ask: "prompt", batch.RunAction: "action", batch.CancelAction: "cancel",
	batch.End: "end", batch.RequestResource: "resource request", batch.ReleaseResource: "resource release"}

// now is the time of the loop.
func (l *loop) now() int64 { return max(l.prev, l.gauge.now) }

// did adds that something beside the loop was begun or has come to its end.
func (l *loop) did(what deed, of record.Kind, seq uint64, took int64, bad bool) {
	l.ring.add(entry{at: l.now(), took: took, seq: seq, what: what, of: of, bad: bad})
}

// hold puts an effect into the gate.
func (l *loop) hold(e *batch.Effect) {
	l.ring.add(entry{at: l.now(), took: -1, seq: e.Seq, id: effectID(e), what: held, kind: e.Kind})
	l.gauge.gated(e)
	l.gate.add(e)
}

// hand hands an effect on.
func (l *loop) hand(e *batch.Effect) {
	l.ring.add(entry{at: l.now(), took: -1, seq: e.Seq, id: effectID(e), what: handed, kind: e.Kind})
	if e.Kind == batch.Write {
		l.buses.handed(&e.Write)
	}
	l.out(e)
}

func effectID(e *batch.Effect) uint32 {
	if e.Kind == batch.Write {
		return e.Write.ID
	}
	return e.ID
}

// goesWrong tells whether a batch that was in a state before an event is aborted for another reason than that a person wants it.
func (l *loop) goesWrong(before sequencer.State, ev *batch.Event) {
	now := l.m.State()
	aborted := func(s sequencer.State) bool { return s == sequencer.Aborting || s == sequencer.Aborted }
	if now == before || !aborted(now) || aborted(before) {
		return
	}
	switch {
	case ev.Kind != batch.Told:
		l.ring.blame("the batch is aborted, and nobody has ordered it")
	case ev.Operator == controller && ev.Reason != toldToStop:
		l.ring.blame("the batch is aborted: " + ev.Reason)
	}
}

// losses takes in why the journal has lost its anchor, and why the port was lost.
func (l *loop) losses(anchor string, port error) {
	if anchor != "" {
		l.gauge.v.Anchor = anchor
		l.did(answered, record.KindMeasures, 0, -1, true)
	}
	if port != nil {
		l.ring.blame("the port was lost: " + port.Error())
	}
}

// trace notes the trace if something has gone wrong, and returns when it is time for that.
func (l *loop) trace(now int64) int64 {
	t := l.ring
	if t == nil || t.out == nil || t.out.seq > 0 || l.failed != nil || l.m.Ended() { // what is left is noted at the end
		return timebase.Never
	}
	if due := t.last + traceLeast; t.last > 0 && now < due {
		return due
	}
	if l.w.Room() < reserve {
		return now + measureLeast
	}
	t.last = now
	l.seal()
	t.out.seq = l.next
	l.note(record.KindTraceDump, t.out.fill)
	return timebase.Never
}

func (d *dump) fill(b *record.Body) {
	b.Text(record.Detail, d.why)
	b.Count(record.FirstMonoNS, uint64(d.first))
	b.Texts(record.Trace, d.lines)
	if d.over > 0 {
		b.Count(record.Overwritten, d.over)
	}
	if d.merged > 0 {
		b.Count(record.Coalesced, uint64(d.merged))
	}
}

// give has the newest trace for the caller, since the journal takes nothing more.
func (t *ring) give(err error) {
	if t == nil {
		return
	}
	merged := int64(0)
	if t.out != nil && t.out.seq == 0 {
		merged = t.out.merged + 1
	}
	t.out = t.dump(err.Error())
	t.out.merged = merged
}

// left is the trace that is in none of the records up to a number.
func (t *ring) left(durable uint64) []string {
	if t == nil || t.out == nil || t.out.seq > 0 && t.out.seq <= durable {
		return nil
	}
	return t.out.words()
}

// words are what a record of the trace would say, for where there is none.
func (d *dump) words() []string {
	head := fmt.Sprintf("%s; trace from %d ns on, in ms; %d entries before it are gone", d.why, d.first, d.over)
	if d.merged > 0 {
		head += fmt.Sprintf("; %d more things went wrong that were not traced", d.merged)
	}
	return append([]string{head}, d.lines...)
}

// close notes, behind all else, what the shell has left to say: how the medium stands now, and the trace of what has gone wrong and
// is on no record. Outputs are safe, or were tried, when it is called. It returns what the run has come to.
func (l *loop) close(err error) (out error) {
	defer func() {
		if p := recover(); p != nil {
			out = errors.Join(err, fmt.Errorf("%w: %v", ErrEngine, p))
		}
	}()
	if errors.Is(err, ErrEvidence) {
		l.ring.give(err)
		return err
	}
	if l.next == 1 { // nothing was begun
		return err
	}
	l.seal()
	l.lastEvents()
	if l.r.rig.Health != nil {
		h := ask(l.r.rig.Health)
		l.last(record.KindStorageHealth, l.stands(&h))
	}
	if t := l.ring; t != nil && t.out != nil && t.out.seq == 0 && l.last(record.KindTraceDump, t.out.fill) {
		t.out.seq = l.next - 1
	}
	return err
}

// last notes something behind the end of the run, and tells whether the journal has taken it.
func (l *loop) last(k record.Kind, fill func(b *record.Body)) bool {
	body, err := l.m.AppendNote(nil, l.next, k, fill)
	if err != nil || l.w.Append(l.next, body) != nil {
		return false
	}
	l.next++
	l.watch(k, body)
	return true
}
