// What must hold in the records of any batch, found from the records and the map alone.

package batchtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/grow"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
)

// rules follows the records of a batch.
type rules struct {
	v     *venture
	p     *passage
	value map[string]string // by output: what it was commanded last
	shut  map[string]bool   // by interlock: it blocks
	alarm map[string]string // by alarm: its state
	mode  map[string]string // by block
	begun map[string]bool   // by element: it has begun, and has not ended
	now   map[string]bool   // what was noted in the decisions of this input
	owed  []string          // alarms of which something must have been told by the end of this input
	seen  string            // the alarm that an order of this input has acknowledged
	runs  map[string]bool   // phases that are Running
	ran   []string          // phases that were Running when the controller came up in this input
	batch string            // state of the batch
	hard  bool              // there was a hard abort
	asked string            // the trip that was requested: the value of ES
	last  *record.Record    // the order or answer that is answered
	met   map[string]int    // what was seen, so that a test can tell that it was
}

func newRules(v *venture, p *passage) *rules {
	r := &rules{v: v, p: p, value: map[string]string{}, shut: map[string]bool{}, alarm: map[string]string{},
		mode: map[string]string{}, runs: map[string]bool{}, begun: map[string]bool{}, now: map[string]bool{}, met: map[string]int{}}
	return r
}

// all holds the records against the rules.
func (r *rules) all() error {
	for i, rec := range r.p.recs {
		var err error
		if rec.Kind.Spec().Grade == record.Input {
			err = r.settled()
			clear(r.now)
			r.last = rec
		}
		if err == nil {
			err = r.record(rec)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w\n%s\n%s", rec.Seq(), err, rec.Body, strings.Join(r.p.told(r.p.recs[:i+1], -30), "\n"))
		}
	}
	return r.settled()
}

func (r *rules) record(rec *record.Record) error {
	safe := rec.Kind == record.KindOutputWrite && rec.Bool(record.SafeDirection)
	if (r.now["refused"] || r.now["no_op"] && !safe) && rec.Kind.Spec().Grade == record.Decision {
		return errors.New("it follows from an order that was refused, or had nothing to do")
	}
	switch rec.Kind {
	case record.KindInterlock:
		id := rec.Text(record.InterlockID)
		r.shut[id] = rec.Text(record.InterlockGateState) == "blocks"
		r.met["interlock "+rec.Text(record.Result)]++
		if rec.Text(record.Result) == "tripped" {
			r.owes("interlock", id)
		}
	case record.KindInFlight:
		r.met["in_flight "+rec.Text(record.Result)]++
	case record.KindActionState:
		if kind := rec.Text(record.Command); rec.Text(record.ActionState) == "end" && (kind == "jog" || kind == "time") {
			_, how, _ := strings.Cut(rec.Text(record.Detail), "; ")
			r.met[kind+" "+or(how, rec.Text(record.Detail))]++
		}
	case record.KindOutputWrite:
		return r.write(rec)
	case record.KindAlarm:
		return r.tells(rec)
	case record.KindOutputFault:
		r.owes("output_fault", "")
	case record.KindTimeout:
		r.owes("timeout", "")
		r.hard = r.hard || rec.Text(record.Result) == "hard_abort"
	case record.KindTripRequest:
		r.asked = "trip"
		r.met["trip "+rec.Text(record.Result)]++
	case record.KindDiagnostics:
		r.hard = r.hard || rec.Text(record.Command) == "hard_abort"
	case record.KindModeChange:
		r.mode[rec.Text(record.StepID)] = rec.Text(record.Mode)
		r.met[rec.Text(record.Mode)]++
	case record.KindCommandResult:
		return r.answers(rec)
	case record.KindStepState:
		return r.steps(rec)
	case record.KindBatchState:
		r.batch = rec.Text(record.BatchState)
	case record.KindRecovery:
		for name := range r.runs {
			r.ran = append(r.ran, name)
		}
	case record.KindParameterChange:
		r.met["parameter_change"]++
	}
	return nil
}

// owes notes that the alarms of a fault must be told, or stand already.
func (r *rules) owes(fault, of string) {
	for _, a := range r.v.site.Alarms {
		if a.Fault == fault && (a.Of == "" || a.Of == of) {
			r.owed = append(r.owed, a.ID)
		}
	}
}

// settled holds what an input has left behind against what must be so between two inputs.
func (r *rules) settled() error {
	for _, a := range r.owed {
		if !r.now["alarm "+a] && or(r.alarm[a], "normal") == "normal" {
			return fmt.Errorf("what raises alarm %s is on record, and nothing of the alarm is", a)
		}
	}
	if r.seen != "" && !r.now["alarm "+r.seen] {
		return fmt.Errorf("alarm %s was acknowledged, and no record of it says so", r.seen)
	}
	r.owed, r.seen = r.owed[:0], ""
	if err := r.recovered(); err != nil {
		return err
	}
	for o, v := range r.value {
		if v == atRest(o) {
			continue
		}
		if r.hard && (o != "ES" || r.asked == "") {
			return fmt.Errorf("%s is commanded %s behind a hard abort", o, v)
		}
		if i := r.gate(o); i != nil && i.Kind != "permissive" {
			return fmt.Errorf("%s is commanded %s while %s blocks", o, v, i.ID)
		}
	}
	if r.asked != "" && r.value["ES"] != r.asked {
		return fmt.Errorf("a trip was requested, and ES is commanded %q", r.value["ES"])
	}
	return nil
}

// recovered wants that what ran when the controller came up goes on by its rule, or is stopped by a graver one.
func (r *rules) recovered() error {
	for _, name := range r.ran {
		r.met["recovery "+r.v.phase(name).Recovery.String()]++
		switch r.v.phase(name).Recovery {
		case recipe.RecoverAbort, recipe.RecoverRestart:
			if r.batch != "Aborting" && r.batch != "Aborted" {
				return fmt.Errorf("%s ran when the controller came up, and the batch is %s", name, r.batch)
			}
		case recipe.RecoverHold:
			if r.runs[name] {
				return fmt.Errorf("%s ran when the controller came up, and runs on", name)
			}
		}
	}
	r.ran = r.ran[:0]
	return nil
}

// atRest is the word of the map for the safe value of an output.
func atRest(o string) string {
	if o == "ES" {
		return "rest"
	}
	return "closed"
}

// gate is an interlock that blocks and gates an output.
func (r *rules) gate(o string) *grow.Interlock {
	for i := range r.v.site.Interlocks {
		if il := &r.v.site.Interlocks[i]; r.shut[il.ID] && slices.Contains(il.Gates, o) {
			return il
		}
	}
	return nil
}

// write wants that nothing gated leaves its safe value, and that nothing does behind a hard abort.
func (r *rules) write(rec *record.Record) error {
	o, v := rec.Text(record.LogicalTag), rec.Text(record.Value)
	r.value[o] = v
	switch i := r.gate(o); {
	case v == atRest(o):
	case i != nil:
		return fmt.Errorf("%s leaves its safe value while %s blocks", o, i.ID)
	case r.hard && o != "ES":
		return fmt.Errorf("%s leaves its safe value behind a hard abort", o)
	}
	return nil
}

// tells wants that alarms are told one state after the other, and that only an operator acknowledges them.
func (r *rules) tells(rec *record.Record) error {
	id, edge, is := rec.Text(record.AlarmID), rec.Text(record.AlarmState), rec.Text(record.NewValue)
	was := or(r.alarm[id], "normal")
	r.alarm[id], r.now["alarm "+id] = is, true
	r.met["alarm "+edge]++
	unseen := func(state string) bool { return strings.HasSuffix(state, "unacknowledged") }
	switch {
	case rec.Text(record.OldValue) != was:
		return fmt.Errorf("alarm %s was %s", id, was)
	case unseen(was) && !unseen(is) && edge != "acknowledged":
		return fmt.Errorf("alarm %s is %s, and nobody has acknowledged it", id, is)
	case edge == "acknowledged" && (unseen(is) || r.last.Kind != record.KindCommand || r.last.Text(record.AlarmID) != id):
		return fmt.Errorf("alarm %s is acknowledged by nobody", id)
	case edge == "raised" && !unseen(is):
		return fmt.Errorf("alarm %s is raised and is %s", id, is)
	}
	return nil
}

// answers takes in what became of an order.
func (r *rules) answers(rec *record.Record) error {
	result := rec.Text(record.Result)
	r.met[rec.Text(record.Command)+" "+result]++
	switch {
	case r.last.Kind != record.KindCommand && r.last.Kind != record.KindPromptAnswer:
	case result == "refused" || result == "no_op":
		r.now[result] = true
	case rec.Text(record.Command) == "hard_abort":
		r.hard = true
	case rec.Text(record.Command) == "acknowledge":
		r.seen = r.last.Text(record.AlarmID)
	case slices.Contains([]string{"release", "go_to", "automatic", "semi_automatic", "resume", "restart"}, rec.Text(record.Command)):
		r.now["order"] = true // what was released while it was paused goes on when it is resumed
	}
	return nil
}

// steps wants that in a block in manual nothing begins that no order has let begin.
func (r *rules) steps(rec *record.Record) error {
	id, from, to := rec.Text(record.StepID), rec.Text(record.OldValue), rec.Text(record.PhaseState)
	name, around, _ := strings.Cut(id, ".")
	block := r.v.elem(r.v.b.Plan.Recipe.Root, name)
	if delete(r.runs, id); to == "Running" && r.v.phase(id) != nil {
		r.runs[id] = true
	}
	if rec.Text(record.StepState) == "retry" {
		r.met["retry"]++
	}
	switch {
	case from == "Idle" && to == "Running" && slices.Contains([]string{"", "uses", "entry"}, around):
		first := !r.begun[name]
		r.begun[name], r.now["begins "+name] = true, true
		if !first {
			return nil
		}
		if block != nil && r.mode[block.ID] == "manual" && block.Block != recipe.Parallel && !r.now["begins "+block.ID] && !r.now["order"] {
			return fmt.Errorf("%s begins in %s, which is in manual, without an order", name, block.ID)
		}
	case around == "" && (to == "Complete" || to == "Stopped" || to == "Aborted" || to == "Idle"):
		delete(r.begun, name)
	}
	return nil
}
