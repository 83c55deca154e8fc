// Why: a record, and the records that led to it, back to inputs, in words.

package evidence

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Limits of an explanation.
const (
	MaxReasons  = 40      // records that one explanation tells of
	MaxBack     = 8       // records from the one asked for back to one that is told of
	maxBranches = 8       // records that one record is led back to
	maxWhy      = 1 << 22 // records of a journal that is explained
	maxAsked    = 1 << 16 // writes, prompts and requests whose answers are led back to them, and names of steps
	maxSought   = 4096    // records among which the one is sought with whose end a step began
	maxTold     = 400     // bytes of one line of words
	maxID       = 256     // bytes of a step_id
	maxLines    = 60      // lines below a record
)

// What cannot be explained, to be told apart with errors.Is.
var (
	// ErrNoReason says that a record, or a step, has nothing to explain: it is not there, or it is a note.
	ErrNoReason = errors.New("evidence: nothing to explain")
	// ErrCause says that a record names as its cause what is no record before it.
	ErrCause = errors.New("evidence: no cause")
)

// Reason is a record and why it stands in the journal. Its texts are fit for a terminal, see [Plain].
type Reason struct {
	Seq    uint64    // number of the record; 0: a step of which there is none
	Short  string    // of the record that is asked for: in one line, what it is and what it comes from; "" of the others, and of inputs
	At     int64     // time of the run: ns since the first record, over all epochs
	Kind   string    // event_type
	Words  string    // what it says
	Lines  []string  // what it waited for, with values, and what else there is to say
	Causes []*Reason // the records that led to it, the last one first; confirmations of writes behind the others
	Link   string    // how it led to the record above it where that does not name it: JustBefore or Asked; "" where it does
	Told   bool      // it is told of elsewhere in the tree, with its causes
	Left   int       // causes that are left out, because MaxReasons or MaxBack was reached
	said   saying    // what its record says of a state
}

// How a record led to another that does not name it as its cause.
const (
	JustBefore = "just before" // both were decided from one input, this one first
	Asked      = "asked"       // the other, an input, answers it: a write, a prompt or a request
)

// Why explains record seq of a batch: what it says, what the batch waited for then, and which records led to it. dir is an evidence
// package, or the directory of a batch that runs still or was cut short. What was waited for is found by a replay up to that record;
// where the records do not replay, the causes are told by what they say alone, and the first line says so. An input is explained by
// who or what gave it and by what it led to. It reads only. A number that is none, and a note, are refused with ErrNoReason; a
// record whose cause is no record before it, with ErrCause.
func Why(dir string, seq uint64) (*Reason, error) { return why(dir, seq, false, "") }

// WhyStep explains the last record of a step, by its step_id, and says what the step waits for at the end of the records. Of a block it
// explains what came last of its own states and of holds, stops, aborts, resumptions and time-outs in it; of the procedure, for which
// "" stands too, the last state of the batch. A step that has no record is explained by what the batch waits for; one that the recipe
// has not is refused with ErrNoReason.
func WhyStep(dir, step string) (*Reason, error) { return why(dir, 0, true, step) }

func why(dir string, seq uint64, ofStep bool, step string) (*Reason, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	q := &inquiry{v: &verifier{dir: dir, root: root}, seq: seq, ofStep: ofStep, step: step, index: newIndex()}
	if err := q.open(); err != nil {
		return nil, fmt.Errorf("evidence: why %s: %w", dir, err)
	}
	if q.b, err = q.v.rebind(q.indexed); err != nil {
		return nil, fmt.Errorf("evidence: why %s: %w", dir, err)
	}
	r, err := q.explain()
	if err != nil {
		return nil, fmt.Errorf("evidence: why %s: %w", dir, err)
	}
	return r, nil
}

// inquiry is one explanation under way.
type inquiry struct {
	v      *verifier
	b      *batch.Batch
	read   func(fn func(n uint64, body []byte) error) (journal.Chain, error)
	seq    uint64
	ofStep bool   // a step is asked for, and not a record
	step   string // which one
	lacks  string // what it waits for at the end of the records, in short
	index  *index
	root   *Reason
	told   map[uint64]*Reason // by number
}

// open finds what the records are read from: events.tsv of a batch that has ended, and its journal until then.
func (q *inquiry) open() (err error) {
	if q.v.tree, err = listGoverned(q.v.root); err != nil {
		return err
	}
	_, noJournal := q.v.root.Lstat(segmentsDir)
	events, err := q.v.root.Lstat(eventsName)
	if err == nil && events.Mode().IsRegular() && events.Size() <= MaxEvents {
		q.v.tree.files[eventsName] = journal.Hash{} // only that it is there is asked
	}
	switch {
	case q.v.tree.has(eventsName) && (noJournal != nil || Sealed(q.v.dir)):
		q.read = q.v.readStrict
	case noJournal == nil:
		q.read = q.v.readJournal
	default:
		return fmt.Errorf("%w: neither %s nor %s is there", ErrNoPackage, eventsName, segmentsDir)
	}
	return nil
}

// indexed reads all records for whoever binds the batch, and keeps what of them leads back to others.
func (q *inquiry) indexed(fn func(n uint64, body []byte) error) (journal.Chain, error) {
	return q.read(func(n uint64, body []byte) error {
		if err := fn(n, body); err != nil {
			return err
		}
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		return q.index.add(n, rec)
	})
}

// explain makes the tree, lets a replay say what was waited for, and puts all in words.
func (q *inquiry) explain() (*Reason, error) {
	if err := q.aim(); err != nil {
		return nil, err
	}
	q.told = map[uint64]*Reason{}
	q.root = &Reason{Seq: q.seq}
	if q.seq != 0 {
		q.lead()
	}
	if err := q.retell(); err != nil {
		return nil, err
	}
	q.root.each(func(r *Reason) {
		if first := q.told[r.Seq]; first != nil && first != r {
			r.At, r.Kind, r.Words, r.said = first.At, first.Kind, first.Words, first.said
		}
	})
	q.shorten()
	return q.root, nil
}

// aim finds the record that is to be explained.
func (q *inquiry) aim() error {
	last := q.index.last()
	switch {
	case q.ofStep:
		steps := q.b.Steps()
		if q.step == "" {
			q.step = steps[0]
		}
		if q.seq = q.index.lastOf(q.step, q.step == steps[0], q.b.Below(q.step)); q.seq == 0 && !slices.Contains(steps, q.step) {
			return fmt.Errorf("%w: the recipe has no step %.80q; its steps: %s", ErrNoReason, q.step, few(steps))
		}
	case q.seq == 0 || q.seq > last:
		return fmt.Errorf("%w: there is no record %d; there are records 1 to %d, and the last decision is record %d", ErrNoReason, q.seq, last,
			q.index.near(last))
	case q.index.grade(q.seq) == record.Note:
		return fmt.Errorf("%w: record %d is a note (%s): nothing leads to it and nothing follows from it; the decision before it is record %d",
			ErrNoReason, q.seq, q.index.kind(q.seq), q.index.near(q.seq))
	}
	return nil
}

// each calls fn for a reason and all below it, in the order in which they are printed.
func (r *Reason) each(fn func(r *Reason)) {
	fn(r)
	for _, c := range r.Causes {
		c.each(fn)
	}
}

// String gives the whole explanation: in short; then a record on a line, below it, indented, what it waited for, and then the records
// that led to it. A line of a record begins with the time since the start, in seconds, and its number.
func (r *Reason) String() string {
	var text strings.Builder
	if r.Short != "" {
		text.WriteString(r.Short + "\n")
	}
	r.write(&text, "")
	return text.String()
}

func (r *Reason) write(text *strings.Builder, indent string) {
	text.WriteString(indent)
	if r.Seq != 0 {
		fmt.Fprintf(text, "%s  record %d  ", clock(r.At), r.Seq)
	}
	if r.Link != "" {
		text.WriteString(r.Link + ": ")
	}
	text.WriteString(r.Words + "\n")
	for _, line := range r.Lines {
		text.WriteString(indent + "    " + line + "\n")
	}
	var elsewhere []string
	for _, c := range r.Causes {
		if c.Told {
			elsewhere = append(elsewhere, fmt.Sprint(c.Seq))
		} else {
			c.write(text, indent+"  ")
		}
	}
	if len(elsewhere) > 0 {
		fmt.Fprintf(text, "%s  and record %s, which see\n", indent, strings.Join(elsewhere, ", "))
	}
	if r.Left > 0 {
		fmt.Fprintf(text, "%s  it goes on: why %d\n", indent, r.Seq)
	}
}

// clock gives a time since the start in seconds, to the nearest ms.
func clock(ns int64) string {
	ms := ns / 1_000_000
	if ns%1_000_000 >= 500_000 {
		ms++
	}
	return fmt.Sprintf("%d.%03d s", ms/1000, ms%1000)
}

// start says from when such a time counts.
const start = " after the start"
