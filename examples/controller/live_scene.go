// What the live view knows: made of the records of the run and of the snapshots between them.

package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// keptEvents is how many events the live view shows at most.
const keptEvents = 8

// scene is what is drawn. Whoever changes it while it is drawn draws a copy.
type scene struct {
	batch    string
	about    string   // recipe, size and unit
	warning  string   // "" where every file is approved
	history  []string // what the batch follows on, and what may be lost of it; empty for a new one
	begun    int64    // monotonic ns of the first record
	at       int64    // monotonic ns now
	sync     synced   // of the newest record
	state    sequencer.State
	steps    []step // of the whole recipe, in its order
	busiest  int    // how many of them may be under way at once
	windows  []meter
	bound    *batch.Batch
	plan     *iomap.Map
	values   []runner.Reading // by tag; empty before the first snapshot
	events   []happening      // the newest last
	prompts  []question       // open, the oldest first
	answered bool             // prompts are answered by what is typed
	told     string           // the command whose result is to come, and what it is for
	dialogue string           // question about what is to become of the batch; "" if there is none
	typed    string           // of an answer that is under way
}

// synced is how far the wall clock may be believed.
type synced struct{ state, source, bound string } // bound in ms; "" where none is known

// step is one element of the recipe.
type step struct {
	id      string
	depth   int
	state   string // phase_state; "" before its first record
	timeout int64  // ns; 0: none
	since   int64  // monotonic ns since when it is Running; 0 where it is not
	spent   int64  // ns that it was Running before that
	wait    string // what it waits for
	window  string // whose total it waits for
	waiting int64  // monotonic ns since when it waits
}

// meter is one metering window.
type meter struct {
	id, unit      string
	target        string // as its record has it; "" where none was seen
	res           quantity.Quantity
	display       iomap.Display
	total         int64
	begun, open   bool
	source, worst tag.Quality // of the source: now, and the worst since the window opened
	verdict       string
}

// happening is an event in words.
type happening struct {
	at    int64
	text  string
	grave bool
}

// question is a prompt that nobody has answered yet.
type question struct {
	id         uint32
	step, text string
	answer     recipe.Answer // what is wanted
	taken      bool          // an answer is on its way, which may be refused
}

// newScene makes the scene of a batch in which nothing has happened yet. Answered tells that prompts wait for what is typed.
func newScene(b *batch.Batch, answered bool) *scene {
	p := b.Plan
	s := &scene{batch: b.ID, bound: b, plan: p.Map, answered: answered,
		about: p.Recipe.ID + " " + p.Recipe.Version + ", " + b.Size.String() + ", on " + p.Map.Equipment + ", operator " + b.Operator}
	for i := range b.Approvals {
		if b.Approvals[i].ID == "" {
			s.warning = "NOT APPROVED"
		}
	}
	if b.DryRun {
		s.warning = strings.TrimPrefix(s.warning+", DRY RUN", ", ")
	}
	s.busiest = s.element(p.Recipe.Root, 0)
	return s
}

// element lists an element with those below it, and returns how many of them may be under way at once.
func (s *scene) element(e *recipe.Element, depth int) (busiest int) {
	s.steps = append(s.steps, step{id: e.ID, depth: depth})
	for _, child := range e.Children {
		if n := s.element(child, depth+1); e.Block == recipe.Parallel {
			busiest += n
		} else {
			busiest = max(busiest, n)
		}
	}
	return busiest + 1
}

// copyTo makes to an independent copy, in the room that to has.
func (s *scene) copyTo(to *scene) {
	old := *to
	*to = *s
	to.history = append(old.history[:0], s.history...)
	to.steps = append(old.steps[:0], s.steps...)
	to.windows = append(old.windows[:0], s.windows...)
	to.values = append(old.values[:0], s.values...)
	to.events = append(old.events[:0], s.events...)
	to.prompts = append(old.prompts[:0], s.prompts...)
}

// look takes in a snapshot.
func (s *scene) look(n *runner.Snapshot) {
	s.at, s.state = n.At, n.State
	s.values = append(s.values[:0], n.Tags...)
	for i := range n.Windows {
		from := &n.Windows[i]
		m := s.meter(from.ID)
		m.res, m.unit, m.display = from.Resolution, string(from.Resolution.Unit), from.Display
		m.open, m.total, m.source, m.worst = from.Total.Open, from.Total.Value, from.Total.Source, from.Total.Quality
		m.begun = m.begun || from.Total.Open || from.Total.EndAt > 0
		if q, ok := quantity.FromCounts(from.Target, m.res); ok && m.open && from.Target > 0 { // a parameter may have been changed
			m.target = string(quantity.AppendDecimal(nil, q.Coef, q.Scale))
		}
	}
}

// meter finds a window, or makes it.
func (s *scene) meter(id string) *meter {
	for i := range s.windows {
		if s.windows[i].id == id {
			return &s.windows[i]
		}
	}
	s.windows = append(s.windows, meter{id: id})
	return &s.windows[len(s.windows)-1]
}

// record takes in a record.
func (s *scene) record(k record.Kind, body []byte) {
	if k != record.KindBatchCreated && k != record.KindTimeObserved && !shown(k) {
		return
	}
	r, err := record.Parse(body)
	if err != nil {
		return
	}
	s.sync = synced{r.Text(record.SyncState), r.Text(record.TimeSource), r.Text(record.TimeBoundMS)}
	if k == record.KindTimeObserved {
		return
	}
	at := int64(r.Count(record.TsMonoNS))
	s.at = max(s.at, at)
	if s.begun == 0 {
		s.begun = at
	}
	text := sentence(s.bound, k, r)
	s.told, text = pair(s.told, k, r, text)
	if text != "" {
		s.note(text, grave(k, r))
	}
	switch k {
	case record.KindBatchState:
		s.state = stateOf(r.Text(record.BatchState))
	case record.KindRecovery:
		s.history = append(s.history, recovered(r), lost(r))
	case record.KindStepState, record.KindActionState:
		if stateOf(r.Text(record.PhaseState)).Terminal() || r.Text(record.StepState) == sequencer.EdgeRetry.String() {
			s.withdraw(r.Text(record.StepID))
		}
		for i := range s.steps {
			if s.steps[i].id == r.Text(record.StepID) {
				s.steps[i].record(k, r, at)
			}
		}
	case record.KindWindowStart:
		m := s.meter(r.Text(record.MeterWindowID))
		m.begun, m.target, m.unit, m.verdict = true, r.Text(record.Target), r.Text(record.Unit), ""
	case record.KindWindowStop:
		s.meter(r.Text(record.MeterWindowID)).verdict = r.Text(record.Result)
	case record.KindPrompt:
		s.withdraw(r.Text(record.StepID)) // a batch that is continued asks again
		s.prompts = append(s.prompts, question{uint32(r.Int(record.PromptID)), r.Text(record.StepID), r.Text(record.Message), batch.ReadAnswer(r), false})
	case record.KindPromptAnswer:
		s.taken(uint32(r.Int(record.PromptID)), true)
	case record.KindCommandResult:
		if r.Has(record.PromptID) {
			s.taken(uint32(r.Int(record.PromptID)), false)
		}
	}
}

// taken remembers that a prompt was answered, or that it waits on because the answer was refused.
func (s *scene) taken(id uint32, yes bool) {
	for i := range s.prompts {
		if s.prompts[i].id == id {
			s.prompts[i].taken = yes
		}
	}
}

// oldest is the oldest prompt that waits for an answer; nil where none does.
func (s *scene) oldest() *question {
	for i := range s.prompts {
		if !s.prompts[i].taken {
			return &s.prompts[i]
		}
	}
	return nil
}

// withdraw takes back what a step has asked.
func (s *scene) withdraw(step string) {
	s.prompts = slices.DeleteFunc(s.prompts, func(q question) bool { return q.step == step })
}

// past takes in the records of the lives before, of a batch that is continued. Their times are on clocks that have ended, so the
// time that steps have run begins anew.
func (s *scene) past(dir string) {
	_, _ = journal.Scan(filepath.Join(dir, "journal"), func(_ uint64, body []byte, _ journal.Chain) error {
		if rec, err := record.Parse(body); err == nil {
			s.record(rec.Kind, body)
		}
		return nil
	}, nil) // what cannot be read is refused by the run
	s.begun, s.at, s.events = 0, 0, nil
	for i := range s.steps {
		s.steps[i].since, s.steps[i].spent, s.steps[i].waiting = 0, 0, 0
	}
}

// note adds an event to those that are shown.
func (s *scene) note(text string, grave bool) {
	if len(s.events) == keptEvents {
		s.events = s.events[:copy(s.events, s.events[1:])]
	}
	s.events = append(s.events, happening{s.at, text, grave})
}

// record takes in a record of the step.
func (p *step) record(k record.Kind, r *record.Record, at int64) {
	if k == record.KindActionState {
		p.wait, p.window, p.waiting = "", "", at
		if r.Text(record.ActionState) != "end" {
			p.wait, p.window = r.Text(record.WaitReason), r.Text(record.MeterWindowID)
		}
		return
	}
	if r.Text(record.StepState) == sequencer.EdgeStart.String() {
		p.spent, p.since, p.wait = 0, 0, ""
		p.timeout = r.Int(record.TimeoutMS) * 1_000_000
	}
	if p.since > 0 {
		p.spent, p.since = p.spent+at-p.since, 0
	}
	if p.state = r.Text(record.PhaseState); p.state == sequencer.Running.String() {
		p.since = at
	}
}

// current tells whether a step has begun and not ended.
func (p *step) current() bool {
	return p.state != "" && !stateOf(p.state).Terminal() && p.state != sequencer.Idle.String()
}

// ran is the time in ns for which a step was Running. What it is held for does not count, as it does not for its time-out.
func (p *step) ran(now int64) int64 {
	if p.since > 0 {
		return p.spent + max(now-p.since, 0)
	}
	return p.spent
}

// grave tells whether an event is one to look at twice.
func grave(k record.Kind, r *record.Record) bool {
	switch k {
	case record.KindTimeout, record.KindOutputFault, record.KindTripRequest:
		return true
	case record.KindInterlock:
		return r.Text(record.InterlockGateState) == "blocks"
	case record.KindAlarm:
		return r.Text(record.AlarmState) == "raised"
	case record.KindOverride:
		return r.Text(record.Result) == "active"
	case record.KindQualityChange, record.KindPointQuality:
		return r.Text(record.Quality) != tag.Good.String()
	case record.KindLinkState:
		return r.Text(record.WatchdogState) != fieldbus.Up.String()
	case record.KindBusWrite, record.KindWriteDone:
		return r.Has(record.Outcome) && r.Text(record.Outcome) != fieldbus.OutcomeConfirmed
	case record.KindCommandResult:
		return r.Text(record.Result) == sequencer.Refused.String()
	case record.KindWindowStop:
		return r.Text(record.Result) != "PASS"
	}
	return false
}

// stateOf finds a state by its name.
func stateOf(name string) sequencer.State {
	for st := sequencer.Idle; st <= sequencer.Aborted; st++ {
		if st.String() == name {
			return st
		}
	}
	return sequencer.Idle
}

// value gives the value of a tag in words, with its unit.
func (s *scene) value(id tag.ID) string {
	if int(id) >= len(s.values) || s.values[id].Quality == tag.Bad {
		return "---"
	}
	v, t := s.values[id].Value, &s.plan.Tags[id]
	switch t.Type {
	case iomap.Switch:
		return t.Words[v&1]
	case iomap.Number:
		if text, ok := t.Display.Text(v, t.Resolution); ok {
			return text
		}
		return record.Overflow
	}
	return strconv.FormatUint(uint64(v), 10) + " " + string(t.Unit)
}

// quality gives the quality of a tag.
func (s *scene) quality(id tag.ID) tag.Quality {
	if int(id) < len(s.values) {
		return s.values[id].Quality
	}
	return tag.Bad
}

// shows gives the current values of what a step waits for; "" where its words name nothing that has a value.
func (s *scene) shows(p *step) string {
	if p.window != "" {
		for i := range s.windows {
			if m := &s.windows[i]; m.id == p.window {
				return m.amount() + " " + m.source.String()
			}
		}
	}
	if strings.HasPrefix(p.wait, "delay ") {
		return seconds(s.at - p.waiting)
	}
	var all, seen []string
	for _, name := range strings.FieldsFunc(p.wait, func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		id, ok := s.plan.Lookup(name)
		if !ok || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		all = append(all, name+" "+s.value(id)+" "+s.quality(id).String())
	}
	return strings.Join(all, ", ")
}

// amount gives the total of a window, with its unit.
func (m *meter) amount() string {
	if text, ok := m.display.Text(m.total, m.res); ok {
		return text
	}
	return record.Overflow
}

// goal gives the target of a window, with its unit.
func (m *meter) goal() string { return inUnit(m.display, m.target, m.unit) }

// percent is how much of the target a window has reached; ok is false where its target is not known.
func (m *meter) percent() (n int64, ok bool) {
	target, err := quantity.Parse(m.target + " " + m.unit)
	if err != nil {
		return 0, false
	}
	goal, err := target.Counts(m.res)
	if err != nil || goal <= 0 {
		return 0, false
	}
	return quantity.MulDivRound(m.total, 100, goal)
}
