// How far a run came, as its records say: what a reader must know before any verdict on its evidence.

package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
)

// How a run ends, as batch_end says it, and as a manifest does.
const (
	endingSafe    = "outputs_safe"          // every output was confirmed to be safe
	endingUnsafe  = "outputs_not_confirmed" // some never were
	endingFault   = "engine_fault"          // the engine broke; nothing may follow
	endingNotYet  = ""                      // the run goes on, or was cut short and can be continued
	unapprovedYes = "true"
	dryYes        = "true"
	dryWords      = "A DRY RUN: no output was driven"
)

// Run is what the records of a package say of how far its run came. Its text is fit for a terminal, see [Plain].
type Run struct {
	State      string   // last state of the batch
	Ended      bool     // batch_end stands in the records. Otherwise the run goes on, was cut short, or broke
	Broke      uint64   // number of the engine_fault record with which the journal ends; 0 where there is none
	Unsafe     []string // outputs that were not confirmed to be safe when the run ended
	Open       []string // metering windows that were opened and not closed
	Unapproved bool     // the batch ran without approval
	Forced     int      // decisions that an override may have touched, by their forced_flag
	DryRun     bool     // nothing was driven: what the records say of outputs is what would have been written
}

// Words says on one line what a reader must know of a run before anything else, the gravest first: that it was a dry run, that it has not
// ended, which outputs were never confirmed to be safe, that it ran without approval, and that something was in override. It is "" where there is nothing to say.
func (r *Run) Words() string {
	var words []string
	if r.DryRun {
		words = append(words, dryWords)
	}
	if !r.Ended {
		open := "no window open"
		switch {
		case len(r.Open) == 1:
			open = "window " + r.Open[0] + " open"
		case len(r.Open) > 1:
			open = "windows " + strings.Join(r.Open, ", ") + " open"
		}
		if r.Broke != 0 {
			open += fmt.Sprintf("; the engine broke, see record %d", r.Broke)
		}
		words = append(words, "the run has not ended: last state "+r.State+", "+open)
	}
	if len(r.Unsafe) > 0 {
		words = append(words, "OUTPUTS NOT CONFIRMED SAFE when the run ended: "+strings.Join(r.Unsafe, ", "))
	}
	if r.Unapproved {
		words = append(words, "ran without approval")
	}
	if r.Forced > 0 {
		words = append(words, fmt.Sprintf("%d decisions were made while something was in override (forced_flag)", r.Forced))
	}
	return strings.Join(words, "; ")
}

// run sums up the records that were seen.
func (r *records) run() Run {
	s := Run{State: Plain(r.state), Ended: r.end != nil, Broke: r.fault, Unapproved: r.unapproved(), DryRun: r.dry(), Forced: r.touched}
	if r.end != nil {
		for _, name := range r.end.Texts(record.Values) {
			s.Unsafe = append(s.Unsafe, Plain(name))
		}
	}
	for _, w := range r.windows.all {
		if w.stop == nil {
			s.Open = append(s.Open, w.id)
		}
	}
	return s
}

// unapproved tells whether the records say that the batch ran without approval.
func (r *records) unapproved() bool { return r.text(record.Unapproved) == unapprovedYes }

// dry tells whether the records say that the batch has driven nothing.
func (r *records) dry() bool { return r.text(record.DryRun) == dryYes }

// lastInput is the number of the record that the engine took in last, where it broke at it.
func (r *records) lastInput() uint64 {
	if r.fault != 0 {
		return r.fault - 1
	}
	return r.n
}

// ending says how the run ended, in the word that a manifest has for it.
func (r *records) ending() string {
	switch {
	case r.fault != 0:
		return endingFault
	case r.end != nil:
		return r.end.Text(record.Result)
	}
	return endingNotYet
}

// ends takes in batch_end and holds it against itself and the records before it.
func (r *records) ends(n uint64, rec *record.Record) {
	r.end, r.last = rec, n
	result, outputs := rec.Text(record.Result), rec.Texts(record.Values)
	switch {
	case result != endingSafe && result != endingUnsafe:
		r.breach("records", n, "%.64q is no way for a run to end", result)
	case (result == endingSafe) != (len(outputs) == 0):
		r.breach("records", n, "result is %s, and values names %d outputs that were not confirmed", result, len(outputs))
	case rec.Text(record.BatchState) != r.state:
		r.breach("records", n, "batch_state is %.64q, the last one before it is %.64q", rec.Text(record.BatchState), r.state)
	case r.m != nil:
		if i := slices.IndexFunc(outputs, func(name string) bool { return !r.isOutput(name) }); i >= 0 {
			r.breach("records", n, "%.64q is no output of the mapping", outputs[i])
		}
	}
}

func (r *records) isOutput(name string) bool {
	id, ok := r.m.Lookup(name)
	return ok && r.m.Tags[id].Output
}

// proven and notProven are what a package can show and what it cannot, however whole it is.
func (r *records) proven() []string {
	files := "recipe, mapping and calibration"
	if r.bus != nil {
		files = "recipe, mapping, calibration, tag map and device profiles"
	}
	return []string{
		"every record is the one that was hashed into last_link: none was changed, added, left out or moved without changing that link",
		files + " are, byte for byte, those that the records name",
		"the samples of each closed window are those of the input records; its total follows from them and from the calibration, " +
			"its target and its verdict from the recipe",
	}
}

// unanchored is what records leave open whose head is kept nowhere else.
func unanchored() []string {
	return []string{
		"that the end is whole: there is no anchor, so records cut off at the end, with manifest and sums made again, do not show; " +
			"compare last_link with one kept elsewhere",
		"that the whole was not made anew: there is no anchor, so records that were all hashed again do not show; " +
			"a replay tells whether the decisions still follow from the inputs, not whether the inputs are the old ones",
	}
}

// notDone is what no dry run shows.
const notDone = "that anything was done: it was a dry run, and outputs, confirmations and totals are what would have been"

// notProven is what records cannot show, with what anchors and signatures leave open.
func (r *records) notProven(anchors, signatures []string) []string {
	var list []string
	if r.dry() {
		list = append(list, notDone)
	}
	if run := r.run(); !run.Ended {
		list = append(list, "how the run ends and whether its outputs are safe then: the records stop before its end")
	} else if len(run.Unsafe) > 0 {
		list = append(list, "that these outputs are safe: "+strings.Join(run.Unsafe, ", ")+"; the devices never confirmed it")
	}
	return slices.Concat(list, anchors, []string{
		"that the decisions follow from the inputs: decisions were not recomputed: run replay",
		"that anyone approved: the device journal, where approvals are recorded, is not in the package",
	}, signatures, []string{"that the inputs were true: what devices and people gave is recorded as it came"})
}
