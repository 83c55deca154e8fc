// An explanation in one line: what there is, and the nearest thing that made it so.

package evidence

import (
	"strings"

	"github.com/batchkit/batchkit/journal/record"
)

// saying is what a record says of a state, and what can be said of it in short.
type saying struct {
	step    string // step_id; "" of the batch
	is, was string // state, and the one before it; "" of a record that is no state
	short   string // of an order and of an interlock; "" where the words are short enough
	waits   bool   // it is the beginning of a wait
}

// say takes from a record what explanations in short need.
func say(rec *record.Record) (s saying) {
	s.step = rec.Text(record.StepID)
	switch rec.Kind {
	case record.KindBatchState:
		s.is, s.was = rec.Text(record.BatchState), rec.Text(record.OldValue)
	case record.KindStepState:
		s.is, s.was = rec.Text(record.PhaseState), rec.Text(record.OldValue)
	case record.KindCommand:
		s.short = rec.Text(record.OperatorID) + ordered(rec) + ": " + rec.Text(record.ChangeReason)
	case record.KindInterlock:
		s.short, _, _ = strings.Cut(gate(rec), "; ")
	case record.KindSafeState:
		s.short, _, _ = strings.Cut(ofFault(rec), "; ")
	case record.KindActionState:
		s.waits = rec.Text(record.ActionState) != "end"
	}
	return s
}

// shorten says the whole in one line above it. An input says by itself what it is.
func (q *inquiry) shorten() {
	r := q.root
	if r.Seq == 0 || q.index.isInput(r.Seq) {
		return
	}
	words := brief(r)
	switch s := &r.said; {
	case q.ofStep && s.is == "" && q.lacks != "" && q.index.kind(r.Seq) != record.KindTimeout:
		r.Short = Plain(cutWords(q.lacks, maxTold))
		return
	case s.waits:
		if len(r.Lines) > 0 {
			r.Short = Plain(cutWords(words+": "+r.Lines[0], maxTold))
		}
		return
	case tells(q.index.kind(r.Seq)):
		r.Short = Plain(cutWords(words, maxTold))
		return
	case s.is != "" && s.step == "":
		words = "the batch is " + s.is
		if q.ofStep {
			words = q.step + ": " + words
		}
	case s.is != "":
		words = s.step + " is " + s.is
	}
	if r.said.step != "" && q.ofStep && r.said.step != q.step {
		words = q.step + ": " + words
	}
	made := q.made(q.settled())
	if made == nil {
		return
	}
	r.Short = Plain(cutWords(words+": "+brief(made)+" ("+clock(made.At)+start+")", 2*maxTold))
}

// settled is the record with which a change began that is over at the root: of Held, that with Holding.
func (q *inquiry) settled() *Reason {
	r := q.root
	for range MaxBack {
		was := r.said.was
		if was == "Running" || !strings.HasSuffix(was, "ing") {
			return r
		}
		var from *Reason
		for _, c := range q.causes(r) {
			if c.said.step == r.said.step && c.said.is == was && (from == nil || c.Seq > from.Seq) {
				from = c
			}
		}
		if from == nil {
			return r
		}
		r = from
	}
	return r
}

// causes are those of a record, wherever in the tree they are told.
func (q *inquiry) causes(r *Reason) []*Reason {
	if first := q.told[r.Seq]; first != nil {
		return first.Causes
	}
	return r.Causes
}

// made is the nearest record behind one that says what made it so; of two that are as near, the later. nil where none is told of.
func (q *inquiry) made(r *Reason) (found *Reason) {
	seen := map[uint64]bool{r.Seq: true}
	for near := []*Reason{r}; len(near) > 0 && found == nil; {
		var next []*Reason
		for _, at := range near {
			for _, c := range q.causes(at) {
				if seen[c.Seq] {
					continue
				}
				seen[c.Seq] = true
				next = append(next, c)
				kind := q.index.kind(c.Seq)
				if (makes(kind) || r.said.is == "Complete" && kind == record.KindWriteDone) && (found == nil || c.Seq > found.Seq) {
					found = c
				}
			}
		}
		near = next
	}
	return found
}

// makes tells whether others come of a record of a kind by themselves: not what merely went on, or was confirmed.
func makes(k record.Kind) bool {
	switch k {
	case record.KindCommand, record.KindPromptAnswer, record.KindInputBlock, record.KindBoot, record.KindRecovery, record.KindTimeout,
		record.KindInterlock, record.KindOutputFault, record.KindQualityChange, record.KindSafeState, record.KindPowerWarning, record.KindResourceGranted, record.KindResourceRefused,
		record.KindActionResult:
		return true
	}
	return false
}

// tells tells whether a record of a kind says by itself what it comes from.
func tells(k record.Kind) bool {
	return k == record.KindInterlock || k == record.KindTimeout || k == record.KindOutputFault || k == record.KindSafeState
}

// brief is the words of a record, of a block of samples no more than its last.
func brief(r *Reason) string {
	if r.said.short != "" {
		return r.said.short
	}
	if _, last, ok := strings.Cut(r.Words, ", the last one a sample: "); ok {
		return last
	}
	if _, last, ok := strings.Cut(r.Words, ", the last one a deadline: "); ok {
		return last
	}
	return r.Words
}
