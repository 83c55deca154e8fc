// What a batch waited for at a record: asked of the machine in a replay up to there.

package evidence

import (
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
)

// errTold ends the reading of records behind the last that is told of.
var errTold = errors.New("told")

// moment is an input and what the machine says around it.
type moment struct {
	events int         // of the input: the machine is asked before the last one
	seen   int         // events that the replay has fed of it
	asked  bool        // something is told of the input, or of what was decided from it
	at     int64       // of its last event, monotonic
	last   batch.Event // its last event
	due    []string    // that a tick brought
	wrote  string      // the output and value that a confirmed write was about
	before []batch.Wait
	after  []batch.Wait
}

// telling is the last pass over the records: the replay, and what is told of each.
type telling struct {
	q      *inquiry
	replay *batch.Replay
	broken string // why the records are not replayed any further
	moment moment
	heard  heard   // of buses
	runs   []int64 // by record: time of the run
	base   int64
	first  int64
	mono   int64
	epoch  int64
}

// retell goes once more over the records, with a replay beside it, and fills in what the reasons say.
func (q *inquiry) retell() error {
	t := &telling{q: q, replay: q.b.Replay()}
	t.replay.Before = t.look
	end := q.index.last() // where a step is asked for, what it waits for then is told
	if !q.ofStep {
		end = q.seq
		if q.index.isInput(q.seq) {
			end = q.index.next(q.seq) - 1
		}
	}
	_, err := q.read(func(n uint64, body []byte) error {
		if n > end {
			return errTold
		}
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		t.take(n, rec)
		return nil
	})
	if err != nil && !errors.Is(err, errTold) {
		return err
	}
	if q.ofStep {
		t.now()
	}
	if t.broken != "" {
		q.root.Lines = append([]string{Plain(cutWords("told by the records alone, which do not replay: "+t.broken, maxTold))}, q.root.Lines...)
	}
	return nil
}

// look is called before every event that is replayed.
func (t *telling) look(at int64, ev *batch.Event) {
	m := &t.moment
	m.seen++
	if m.at = at; !m.asked || m.seen != m.events {
		return
	}
	m.last = *ev
	switch ev.Kind {
	case batch.Boot, batch.Created: // its time is not that of the epoch before
		return
	case batch.Tick:
		m.due = t.replay.Machine.Dues(at)
	case batch.Done:
		if name, value, ok := t.replay.Machine.Wrote(ev.ID); ok {
			m.wrote = name + " = " + value
		}
	}
	m.before = t.replay.Machine.Waits(at, "")
}

// take takes in the next record.
func (t *telling) take(n uint64, rec *record.Record) {
	t.clock(rec)
	if rec.Kind.Spec().Field {
		t.heard.add(rec)
	}
	q, input := t.q, isInput(rec)
	if input {
		t.moment = moment{events: 1}
		if rec.Kind == record.KindInputBlock {
			t.moment.events = int(rec.Int(record.BlockEvents))
		}
		for k, next := n, q.index.next(n); k < next && !t.moment.asked; k++ {
			t.moment.asked = q.told[k] != nil
		}
	}
	if t.broken == "" {
		if err := t.feed(n, rec, input); err != nil {
			t.broken = err.Error()
		}
	}
	if r := q.told[n]; r != nil {
		r.At, r.Kind, r.Words = t.runs[n-1], rec.Kind.String(), Plain(cutWords(t.words(rec), maxTold))
		r.said = say(rec)
		if t.broken == "" {
			t.lines(r, rec)
		}
	}
	if !q.ofStep && n > q.seq && q.index.isInput(q.seq) && rec.Kind.Spec().Grade == record.Decision {
		q.root.line(fmt.Sprintf("led to record %d: %s", n, t.words(rec)))
	}
}

func isInput(rec *record.Record) bool { return rec.Kind.Spec().Grade == record.Input }

// feed lets the replay take in a record, and asks the machine after an input. What panics in a machine is no more than a reason not to
// ask it: the package may be a forger's.
func (t *telling) feed(n uint64, rec *record.Record, input bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w at record %d: %v", errFault, n, p)
		}
	}()
	if err := feed(t.replay, n, rec); err != nil {
		return err
	}
	if input && t.moment.asked {
		t.moment.after = t.replay.Machine.Waits(t.moment.at, "")
	}
	return nil
}

// clock follows the time of the run, which goes on where it stood when a controller comes up again.
func (t *telling) clock(rec *record.Record) {
	mono, epoch := int64(rec.Count(record.TsMonoNS)), rec.Int(record.Epoch)
	switch {
	case len(t.runs) == 0:
		t.first = mono
	case epoch != t.epoch:
		t.base += t.mono - mono
	}
	t.mono, t.epoch = mono, epoch
	t.runs = append(t.runs, max(mono+t.base-t.first, 0))
}

// lines says of a decision what was waited for: of what began to wait, of what no longer does, and of a step that is asked for.
func (t *telling) lines(r *Reason, rec *record.Record) {
	m, step, action, root := &t.moment, rec.Text(record.StepID), rec.Text(record.ActionID), r == t.q.root
	switch ended := rec.Text(record.ActionState) == "end"; {
	case isInput(rec):
	case rec.Kind == record.KindOutputFault:
		if id, ok := t.q.b.Plan.Map.Lookup(rec.Text(record.LogicalTag)); ok {
			shows := t.replay.Machine.Shows(m.at, id)
			r.line(shows.String())
		}
	case rec.Kind == record.KindTimeout, rec.Kind == record.KindActionState && ended:
		t.needs(r, m.before, before, func(w *batch.Wait) bool {
			return w.Step == step && (action == "" || w.Action == action)
		})
	case root && t.q.ofStep: // what it waits for at the end of the records is told
	case rec.Kind == record.KindStepState && root:
		t.needs(r, m.after, "", func(w *batch.Wait) bool { return w.Step == step })
	case rec.Kind != record.KindOutputWrite || root:
		waits := t.needs(r, m.after, "", func(w *batch.Wait) bool { return w.Seq == r.Seq })
		if !waits && root && rec.Kind == record.KindActionState {
			r.line("it waited no longer than for this input: the records behind it say what came of it")
		}
	}
}

// needs tells what the waits are for that are meant.
func (t *telling) needs(r *Reason, waits []batch.Wait, when string, means func(w *batch.Wait) bool) (some bool) {
	for i := range waits {
		w := &waits[i]
		if !means(w) {
			continue
		}
		some = true
		for k := range w.Needs {
			r.line(when + t.need(&w.Needs[k], r))
			for _, words := range t.heard.why(t.q.b, &w.Needs[k]) {
				r.line(when + words)
			}
		}
		if w.Left >= 0 && r == t.q.root && (when == "" || when != before && w.Step == t.q.step) {
			r.line(fmt.Sprintf("%s%s runs out of time in %d.%d s", when, w.Step, w.Left/1_000_000_000, w.Left/100_000_000%10))
		}
	}
	return some
}

// before stands before what was lacking until then.
const before = "before: "

// need says what is lacking, and which record says more.
func (t *telling) need(n *batch.Need, r *Reason) string {
	words := n.String()
	if n.Seq == 0 || n.Seq == r.Seq || n.Seq > uint64(len(t.runs)) {
		return words
	}
	if n.Kind == batch.NeedEquipment {
		words += "; since " + clock(t.runs[n.Seq-1]) + start
	}
	return words + fmt.Sprintf("; see record %d", n.Seq)
}

// line adds a line below a record.
func (r *Reason) line(words string) {
	switch {
	case len(r.Lines) < maxLines:
		r.Lines = append(r.Lines, Plain(cutWords(words, maxTold)))
	case len(r.Lines) == maxLines:
		r.Lines = append(r.Lines, "and more")
	}
}

// now says what the step waits for at the end of the records; of a step that has not begun, what the batch waits for.
func (t *telling) now() {
	q, root, step := t.q, t.q.root, t.q.step
	if q.seq == 0 {
		root.Words, step = Plain(q.step)+" has not begun", ""
	}
	if t.broken != "" || len(t.runs) == 0 || t.replay.Machine.Ended() {
		return
	}
	var waits []batch.Wait
	func() {
		defer func() {
			if recover() != nil { // see feed
				waits = nil
			}
		}()
		waits = t.replay.Machine.Waits(t.moment.at, step)
	}()
	if len(waits) > 0 {
		root.line("at the end of the records, " + clock(t.runs[len(t.runs)-1]) + start + ":")
	}
	for i := range waits {
		w := &waits[i]
		words := w.Step + " is " + w.State.String()
		if w.For != "" {
			words = w.Step + " waits: " + w.For
		}
		root.line("  " + words)
		if q.lacks == "" && len(w.Needs) > 0 {
			q.lacks = words + ": " + w.Needs[0].String()
		}
		t.needs(root, waits[i:i+1], "    ", func(*batch.Wait) bool { return true })
	}
}
