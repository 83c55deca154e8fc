// What leads from a record to others: kept of all of them in one pass, and walked from the one that is asked for.

package evidence

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// listGoverned hashes the governed files of a directory, and nothing else in it.
func listGoverned(root *os.Root) (*tree, error) {
	t := &tree{files: map[string]journal.Hash{}}
	entries, err := fs.ReadDir(root.FS(), filesDir)
	if err != nil {
		return t, nil // whoever binds the batch says which file is missing
	}
	for _, e := range entries[:min(len(entries), maxGoverned+1)] {
		name := filesDir + "/" + e.Name()
		if info, err := e.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > batch.MaxFile {
			continue
		}
		if t.files[name], err = hashFile(root, name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// index is what is kept of all records.
type index struct {
	kinds  []record.Kind
	from   []uint32 // by record: where its causes begin in causes
	causes []uint64
	more   map[uint64]int    // by record: causes beyond maxBranches
	asked  map[asking]uint64 // the record that announced a write, a prompt or a request
	answer map[uint64]asking // by input: what it answers
	elem   []int32           // by record: its step, a number in names
	ends   []bool            // by record: something came to its end, or a command was answered, so that others begin
	names  []string          // of steps; the first is that of records without
	lasts  []lasts           // by step
	batch  uint64            // the last batch_state
	number map[string]int32
}

// lasts are the last records of a step.
type lasts struct{ any, state, turn uint64 } // decision, or the first one of any kind; step_state; hold, stop, abort, resumption or time-out

// asking is the number of a write, a prompt or a request.
type asking struct {
	key record.Key
	id  int64
}

func newIndex() *index {
	return &index{more: map[uint64]int{}, asked: map[asking]uint64{}, answer: map[uint64]asking{}, names: []string{""},
		lasts: make([]lasts, 1), number: map[string]int32{"": 0}}
}

func (x *index) last() uint64                { return uint64(len(x.kinds)) }
func (x *index) kind(n uint64) record.Kind   { return x.kinds[n-1] }
func (x *index) grade(n uint64) record.Grade { return x.kind(n).Spec().Grade }
func (x *index) isInput(n uint64) bool       { return x.grade(n) == record.Input }
func (x *index) causesOf(n uint64) []uint64 {
	end := len(x.causes)
	if n < x.last() {
		end = int(x.from[n])
	}
	return x.causes[x.from[n-1]:end]
}

// add takes in the next record, and refuses a cause that is no record before it: so no walk back can come to a record twice.
func (x *index) add(n uint64, rec *record.Record) error {
	if n > maxWhy {
		return fmt.Errorf("it has more than %d records; query finds what is to be seen", maxWhy)
	}
	x.kinds, x.from, x.ends = append(x.kinds, rec.Kind), append(x.from, uint32(len(x.causes))), append(x.ends, ends(rec))
	id := rec.Text(record.StepID)
	if _, known := x.number[id]; !known && len(id) <= maxID && len(x.names) < maxAsked {
		id = strings.Clone(id) // and not the whole body
		x.number[id] = int32(len(x.names))
		x.names, x.lasts = append(x.names, id), append(x.lasts, lasts{})
	}
	x.elem = append(x.elem, x.number[id])
	x.note(n, rec)
	causes := rec.Counts(record.Cause)
	for i, c := range causes {
		if c == 0 || c >= n {
			return fmt.Errorf("%w: record %d names record %d as its cause, which does not stand before it", ErrCause, n, c)
		}
		if i == maxBranches {
			x.more[n] = len(causes) - i
			break
		}
		x.causes = append(x.causes, c)
	}
	for _, k := range [...]record.Key{record.WriteID, record.PromptID, record.RequestID} {
		if !rec.Has(k) || len(x.asked) >= maxAsked {
			continue
		}
		a := asking{k, rec.Int(k)}
		if _, known := x.asked[a]; x.isInput(n) && known {
			x.answer[n] = a
		} else if x.grade(n) == record.Decision && !known {
			x.asked[a] = n
		}
	}
	return nil
}

// note keeps the last records of steps and of the batch.
func (x *index) note(n uint64, rec *record.Record) {
	if rec.Kind == record.KindBatchState {
		x.batch = n
	}
	l := &x.lasts[x.elem[n-1]]
	if l.any == 0 || x.grade(n) == record.Decision && rec.Kind != record.KindAlarm {
		l.any = n
	}
	switch rec.Kind {
	case record.KindTimeout:
		l.turn = n
	case record.KindStepState:
		l.state = n
		switch rec.Text(record.StepState) {
		case sequencer.EdgeHold.String(), sequencer.EdgeStop.String(), sequencer.EdgeAbort.String(), sequencer.EdgeResume.String():
			l.turn = n
		}
	}
}

// lastOf is the record that a step is explained by, given what stands in it; 0 where there is none.
func (x *index) lastOf(step string, procedure bool, below []string) (n uint64) {
	own := x.lasts[x.number[step]]
	switch {
	case x.number[step] == 0 && !procedure:
		return 0
	case procedure && x.batch != 0:
		return x.batch
	case len(below) == 0:
		return own.any
	}
	n = own.state
	for _, id := range below {
		if k := x.number[id]; k != 0 {
			n = max(n, x.lasts[k].turn)
		}
	}
	return n
}

// near is the last decision at or before a record; 0 where there is none.
func (x *index) near(n uint64) uint64 {
	for ; n > 0 && x.grade(n) != record.Decision; n-- {
	}
	return n
}

// input is the last input before a decision, of which it was decided; 0 where there is none.
func (x *index) input(n uint64) uint64 {
	for n--; n > 0 && !x.isInput(n); n-- {
	}
	return n
}

// next is the first input behind a record, or one behind the last record.
func (x *index) next(n uint64) uint64 {
	for n++; n <= x.last() && !x.isInput(n); n++ {
	}
	return n
}

// link is a record that another one is led back to.
type link struct {
	seq uint64
	how string // see Reason.Link
}

// links are the records that a record is led back to, the last one first and confirmations of writes behind the others: those that it names; the one that asked for it, of an answer;
// and of what was decided from the same input before it, what may have made it come about. left is how many it names besides.
func (q *inquiry) links(n uint64) (list []link, left int) {
	x := q.index
	add := func(seq uint64, how string) {
		if seq != 0 && !slices.ContainsFunc(list, func(l link) bool { return l.seq == seq }) {
			list = append(list, link{seq, how})
		}
	}
	for _, c := range x.causesOf(n) {
		add(c, "")
	}
	left = x.more[n]
	switch a, ok := x.answer[n]; {
	case ok:
		add(x.asked[a], Asked)
	case x.grade(n) == record.Decision:
		onlyInputs := !slices.ContainsFunc(list, func(l link) bool { return !x.isInput(l.seq) })
		most, in := 2, x.input(n)
		boots := in > 0 && (x.kind(in) == record.KindBoot || x.kind(in) == record.KindRecovery) // it reads all anew
		for k := in + 1; k < n; k++ {
			if x.moves(k) && most > 0 && (x.kind(k) != record.KindQualityChange || !boots) {
				add(k, JustBefore)
				most--
			}
		}
		for k := n - 1; onlyInputs && k > in && n-k <= maxSought; k-- {
			if x.ends[k-1] && (x.elem[k-1] == 0 || q.b.Follows(x.names[x.elem[n-1]], x.names[x.elem[k-1]])) {
				add(k, JustBefore)
				break
			}
		}
	}
	slices.SortFunc(list, func(a, b link) int {
		if confirms := x.kind(a.seq) == record.KindWriteDone; confirms != (x.kind(b.seq) == record.KindWriteDone) {
			if confirms {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.seq, a.seq)
	})
	if len(list) > maxBranches {
		left += len(list) - maxBranches
		list = list[:maxBranches]
	}
	return list, left
}

// ends tells whether a record says that something came to its end, or of the batch itself.
func ends(rec *record.Record) bool {
	if rec.Kind == record.KindStepState {
		return rec.Text(record.PhaseState) != sequencer.Running.String() || rec.Text(record.StepState) == sequencer.EdgeRound.String()
	}
	return rec.Kind == record.KindBatchState || rec.Kind == record.KindCommandResult
}

// moves tells whether a decision is one that others follow from at once: not what merely came about beside them.
func (x *index) moves(n uint64) bool {
	switch x.kind(n) {
	case record.KindTimeout, record.KindOutputFault, record.KindQualityChange, record.KindInputEdge:
		return true
	case record.KindBatchState, record.KindStepState, record.KindActionState, record.KindOutputWrite, record.KindWindowStart,
		record.KindWindowStop, record.KindWindowEvent, record.KindReconcile, record.KindPrompt, record.KindActionRequest, record.KindCommandResult,
		record.KindMarker, record.KindClockStep, record.KindTimeSourceChange, record.KindBatchEnd, record.KindResourceRequest, record.KindResourceRelease,
		record.KindInFlight, record.KindDiagnostics, record.KindAlarm: // an alarm tells, and moves nothing
		return false
	}
	return x.grade(n) == record.Decision // of a kind that is not known here: it is told rather than left out
}

// lead makes the tree of reasons, the nearest first, so that what is left out is what lies farthest back.
func (q *inquiry) lead() {
	q.told[q.seq] = q.root
	type place struct {
		r     *Reason
		depth int // records from the root
		last  bool
	}
	for queue := []place{{r: q.root}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		list, left := q.links(at.r.Seq)
		at.r.Left = left
		for _, l := range list {
			c := &Reason{Seq: l.seq, Link: l.how, Told: q.told[l.seq] != nil}
			switch {
			case c.Told:
			case at.last || at.depth == MaxBack || len(q.told) == MaxReasons:
				at.r.Left++
				continue
			default:
				q.told[l.seq] = c
				// Far back, what came before the beginning of a step is another question.
				queue = append(queue, place{c, at.depth + 1, l.how == JustBefore && at.depth >= 2})
			}
			at.r.Causes = append(at.r.Causes, c)
		}
	}
}
