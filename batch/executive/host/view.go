// What a batch shows of itself: a fold over the records of its journal.

package host

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// Bounds of what is shown of a batch.
const (
	maxSteps   = 64
	maxPrompts = 64
)

// view is the fold. It is the same whether the records were read from the disk or told as they were numbered.
type view struct {
	begun         bool   // it has a boot in this life
	boot          uint64 // number of that record: once it is durable, the batch can be started
	records       uint64 // durable
	link          string // of the last of them
	state, mode   string
	why           string // of the state
	result        string // of batch_end; "": it has not ended
	failed        string // why an OEM action has failed that has just ended
	version, size string
	model         uint64
	late          int64
	steps         []step
	prompts       []api.Prompt
	claims        []claim
	news          bool // something of this has changed since it was told
}

// step is an element of the recipe that is under way.
type step struct {
	id, level, state, wait string
	release                bool // it waits for release
}

// claim is equipment that was asked for.
type claim struct {
	id      int64
	step    string
	names   []string
	granted bool
}

// take takes in a record; what is none of those that show changes nothing.
func (v *view) take(k record.Kind, body []byte) {
	switch k {
	case record.KindBatchCreated, record.KindBoot, record.KindRecovery, record.KindBatchState, record.KindBatchEnd, record.KindStepState, record.KindActionState,
		record.KindModeChange, record.KindPrompt, record.KindActionRequest, record.KindActionResult, record.KindResourceRequest, record.KindResourceGranted, record.KindResourceRelease, record.KindTickLate:
	default:
		return
	}
	r, err := record.Parse(body)
	if err != nil {
		return // the runner's own tests see to that
	}
	v.news = true
	switch k {
	case record.KindBatchCreated:
		v.state, v.version, v.size, v.model = sequencer.Idle.String(), r.Text(record.RecipeVersion), r.Text(record.BatchSize), r.Count(record.EquipmentModelVersion)
	case record.KindBoot, record.KindRecovery:
		v.begun, v.boot = true, r.Seq()
	case record.KindBatchState:
		v.state = r.Text(record.BatchState)
		if why := r.Text(record.Detail); why != "" || v.state == sequencer.Running.String() {
			v.why = why
		}
	case record.KindBatchEnd:
		v.state, v.why, v.result, v.prompts = r.Text(record.BatchState), r.Text(record.Detail), r.Text(record.Result), nil
	case record.KindTickLate:
		v.late++
	case record.KindActionResult:
		v.failed = r.Text(record.Detail) // only one that has failed has any
	case record.KindResourceRequest, record.KindResourceGranted, record.KindResourceRelease:
		v.claimed(k, r)
	default:
		v.stepped(k, r)
	}
}

// stepped takes in what has become of an element of the recipe.
func (v *view) stepped(k record.Kind, r *record.Record) {
	id := r.Text(record.StepID)
	i := slices.IndexFunc(v.steps, func(s step) bool { return s.id == id })
	if k == record.KindStepState {
		state := r.Text(record.PhaseState)
		if why := r.Text(record.Detail); why != "" && (state == sequencer.Holding.String() || state == sequencer.Held.String()) {
			if v.why = id + ": " + why; v.failed != "" {
				v.why += ": " + v.failed
			}
		}
		switch {
		case idle(state):
			if i >= 0 {
				v.steps = slices.Delete(v.steps, i, i+1)
			}
			v.prompts = slices.DeleteFunc(v.prompts, func(p api.Prompt) bool { return p.Step == id })
		case i >= 0:
			v.steps[i].state = state
		case len(v.steps) < maxSteps:
			v.steps = append(v.steps, step{id: id, level: r.Text(record.Level), state: state})
		}
		return
	}
	switch k {
	case record.KindModeChange:
		if v.mode == "" || i < 0 || v.steps[i].level == "procedure" {
			v.mode = r.Text(record.Mode)
		}
	case record.KindActionState:
		wait := r.Text(record.WaitReason)
		if r.Text(record.ActionState) == "end" {
			wait = ""
			v.prompts = slices.DeleteFunc(v.prompts, func(p api.Prompt) bool { return p.Step == id })
		}
		if i >= 0 {
			v.steps[i].wait, v.steps[i].release = wait, r.Text(record.ActionState) == "ready"
		}
	case record.KindActionRequest:
		if i >= 0 {
			v.steps[i].wait = "result of " + r.Text(record.ActionType)
		}
	case record.KindPrompt:
		p := api.Prompt{ID: uint32(r.Int(record.PromptID)), Step: id, Text: r.Text(record.Message), Answer: r.Text(record.Answer)}
		if c := r.Texts(record.Choices); len(c) > 0 {
			p.Answer += ": " + strings.Join(c, ", ")
		}
		if i >= 0 {
			v.steps[i].wait = "answer " + strconv.FormatUint(uint64(p.ID), 10)
		}
		v.prompts = slices.DeleteFunc(v.prompts, func(q api.Prompt) bool { return q.ID == p.ID })
		if len(v.prompts) < maxPrompts {
			v.prompts = append(v.prompts, p)
		}
	}
}

// claimed takes in what has become of equipment that was asked for.
func (v *view) claimed(k record.Kind, r *record.Record) {
	id := r.Int(record.RequestID)
	i := slices.IndexFunc(v.claims, func(c claim) bool { return c.id == id })
	switch {
	case k == record.KindResourceRequest && i < 0:
		v.claims = append(v.claims, claim{id: id, step: r.Text(record.StepID), names: r.Texts(record.ResourceID)})
	case k == record.KindResourceGranted && i >= 0:
		v.claims[i].granted = true
	case k == record.KindResourceRelease && i >= 0 && r.Text(record.Result) == "released":
		step := v.claims[i].step // which gives back all that it asked for before, too
		v.claims = slices.DeleteFunc(v.claims, func(c claim) bool { return c.id == id || c.step == step && c.id < id })
	}
}

// idle tells whether a phase in a state is not under way.
func idle(state string) bool {
	return state == sequencer.Idle.String() || over(state)
}

// over tells whether a state is the end of a run.
func over(state string) bool {
	return state == sequencer.Complete.String() || state == sequencer.Stopped.String() || state == sequencer.Aborted.String()
}

// stateOf is the state of a name.
func stateOf(name string) (s sequencer.State, ok bool) {
	for s = sequencer.Idle; s <= sequencer.Aborted; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// legal are the commands that the batch takes: those that the states of what is under way have, and orders that are always taken.
func (v *view) legal() (list []string) {
	own, ok := stateOf(v.state)
	if !ok || v.result != "" {
		return nil
	}
	states := []sequencer.State{own}
	release := false
	for i := range v.steps {
		if s, ok := stateOf(v.steps[i].state); ok && !slices.Contains(states, s) {
			states = append(states, s)
		}
		release = release || v.steps[i].release
	}
	for c := sequencer.Start; c < sequencer.Reset; c++ {
		if slices.ContainsFunc(states, func(s sequencer.State) bool { _, ok := s.After(c); return ok }) || c == sequencer.Start && own == sequencer.Idle {
			list = append(list, c.String())
		}
	}
	if release {
		list = append(list, sequencer.Release.String())
	}
	if !own.Terminal() && own != sequencer.Idle {
		list = append(list, sequencer.HardAbort.String())
	}
	return append(list, sequencer.Comment.String())
}

// equipment is what the batch has, by the names of its map.
func (v *view) equipment() (list []string) {
	for i := range v.claims {
		for _, name := range v.claims[i].names {
			if v.claims[i].granted && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return list
}

// active are the phases under way, each with what it waits for, and before them the elements that wait for equipment.
func (v *view) active() (list []string) {
	for i := range v.claims {
		if c := &v.claims[i]; !c.granted {
			list = append(list, c.step+": waits for "+strings.Join(c.names, ", "))
		}
	}
	for i := range v.steps {
		s := &v.steps[i]
		if s.level != "phase" {
			continue
		}
		text := s.id
		if s.state != sequencer.Running.String() {
			text += " (" + s.state + ")"
		}
		if s.wait != "" {
			text += ": " + s.wait
		}
		list = append(list, text)
	}
	return list
}

// stamp is how a time of day is written in answers.
const stamp = "2006-01-02T15:04:05.000Z"

// batch is the batch as a list shows it. The caller holds mu.
func (h *host) batch() api.Batch {
	v := &h.view
	b := api.Batch{ID: h.o.Batch, Life: h.life, State: v.state, Mode: v.mode, Reason: h.reason, Recipe: h.o.Recipe, Version: v.version, Unit: h.o.Unit,
		Size: v.size, Model: v.model, Operator: h.o.Operator, Steps: v.active(), Prompts: slices.Clone(v.prompts), Equipment: h.desk.has(v.equipment()),
		Records: v.records, Link: v.link, PID: os.Getpid(), Boot: h.boot, Late: v.late, Package: h.packed, Ended: h.life == api.Ended,
		Since: h.since.UTC().Format(stamp)}
	if b.Version == "" {
		b.Version = h.bound.Version
	}
	if b.Unit == "" {
		b.Unit = h.bound.Unit
	}
	if b.Model == 0 {
		b.Model = h.bound.Model
	}
	if b.Reason == "" && v.state == sequencer.Held.String() {
		b.Reason = v.why
		if h.others != nil {
			b.Reason = strings.Trim(b.Reason+"; "+h.others.missing(), "; ")
		}
	}
	if h.run != nil && h.life != api.Removing {
		b.Commands = v.legal()
	}
	return b
}

// record takes in a record as it is numbered. It is called on the loop.
func (h *host) record(k record.Kind, body []byte) {
	if h.opt.Record != nil {
		h.opt.Record(k, body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.view.take(k, body)
	h.heard(k, body)
	h.proceed()
	if h.view.news {
		h.view.news = false
		h.tell()
	}
}
