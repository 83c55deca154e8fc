// What phases wait for, in the words of recipe and map, told when somebody asks.

package batch

import (
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// Wait is what a phase, a transition or the logic of a phase waits for.
type Wait struct {
	Step   string          // step_id
	Action string          // action_id; "" where it waits in no action, and State says what for, or For where it is to be tried again
	For    string          // what it waits for, in the words of the recipe, as wait_reason has them
	State  sequencer.State // of the step
	Since  int64           // monotonic ns at which the action began; below 0 where that was before the controller came up
	Left   int64           // ns that are left until the step runs out of time; -1: it has no limit, or its clock stands
	Seq    uint64          // record that began the action; 0: none did
	Needs  []Need          // what is lacking
}

// NeedKind is what sort of thing is lacking.
type NeedKind uint8

// The kinds of what is lacking.
const (
	NeedTag       NeedKind = iota + 1 // an input is not what a condition wants
	NeedTime                          // time has to go by
	NeedOutput                        // a device has not confirmed what was commanded
	NeedTotal                         // a metering window is not at its target
	NeedStep                          // another step has not come, or has not sent
	NeedEquipment                     // another step holds it, or has waited longer
	NeedPerson                        // an operator has to answer or to command
	NeedResult                        // an OEM action has not ended
)

// Need is one thing that is lacking. Fields that its kind does not name are empty.
type Need struct {
	Kind    NeedKind
	Name    string      // tag; output; window; line, message or resources, parted by ", "; type of the OEM action
	Value   string      // NeedTag, NeedOutput: what is read, with its unit; NeedTotal: the total
	Wants   string      // what it is to be, such as ">= 40.0 L" or "open"
	Quality tag.Quality // NeedTag, NeedOutput: of the value; NeedTotal: of its source
	AgeMS   int64       // NeedTag, NeedOutput: age of the value; -1: none was read
	Detail  string      // what else there is to say
	Step    string      // NeedStep, NeedEquipment: who is waited for
	Seq     uint64      // record that says more: of the last write, of the opening of the window, of who is waited for; 0: none
}

// Waits tells what each active phase at or below a step waits for at monotonic time at, "" for the whole procedure, in the order of the
// recipe. At is not before the last event. It changes nothing; a step that has not begun, has ended, or is unknown waits for nothing.
func (m *Machine) Waits(at int64, step string) (list []Wait) {
	e := m.elem(step)
	if e < 0 {
		return nil
	}
	for _, w := range m.seq.Waits(e) {
		list = append(list, m.wait(at, &w))
	}
	return list
}

func (m *Machine) wait(at int64, s *sequencer.Wait) Wait {
	w := Wait{Step: m.form.prog.elems[s.Elem].id, State: s.State, Left: -1}
	if s.Limit != timebase.Never {
		w.Left = max(s.Limit-m.st.Base-at, 0)
	}
	if s.Action < 0 {
		m.needState(at, s, &w)
		return w
	}
	a := &m.form.prog.seq.Actions[s.Action]
	w.Action, w.For, w.Since, w.Seq = m.form.prog.actions[s.Action].id, a.Reason, s.Since-m.st.Base, m.refs.Actions[s.Elem]
	if s.Release {
		w.For = "release"
		w.Needs = append(w.Needs, Need{Kind: NeedPerson, Wants: "release it; in manual, go_to as well", Seq: w.Seq})
		return w
	}
	switch a.Kind {
	case recipe.Set:
		m.withheld(s.Elem, &w)
		m.needOutputs(at, s.Elem, &w)
	case recipe.WaitTotal:
		w.Needs = append(w.Needs, m.needTotal(a))
	case recipe.Jog:
		m.withheld(s.Elem, &w)
		w.Needs = append(w.Needs, m.needTotal(a))
		m.needOutputs(at, s.Elem, &w)
	case recipe.VerifyStable:
		w.Needs = append(w.Needs, m.needStable(at, a, s))
	case recipe.Sync, recipe.Receive:
		m.needSteps(a, s, &w)
	case recipe.Acquire:
		m.needEquipment(a, s, &w)
	case recipe.Prompt, recipe.Time:
		w.Needs = append(w.Needs, Need{Kind: NeedPerson, Wants: "answer prompt " + number(s.ID), Detail: m.form.prog.actions[s.Action].text,
			Seq: w.Seq})
	case recipe.Request:
		w.Needs = append(w.Needs, Need{Kind: NeedResult, Name: m.form.prog.actions[s.Action].kind.Name, Wants: "the result of request " + number(s.ID),
			Seq: w.Seq})
	default:
		m.needConds(at, s, &w)
	}
	if left := s.Due - m.st.Base - at; s.Due != timebase.Never && (a.Kind == recipe.Delay || a.Kind == recipe.Until && len(w.Needs) == 0) {
		w.Needs = append(w.Needs, Need{Kind: NeedTime, Wants: seconds(max(left, 0)) + " more"})
	}
	return w
}

// withheld says what keeps an element from what it sets.
func (m *Machine) withheld(e int, w *Wait) {
	if g, words := m.seq.Withheld(e); words != "" {
		w.For = m.because(words, g)
	}
}

// needState says what a phase waits for that is in no action.
func (m *Machine) needState(at int64, s *sequencer.Wait, w *Wait) {
	switch s.State {
	case sequencer.Held:
		w.Needs = append(w.Needs, Need{Kind: NeedPerson, Wants: "restart it: it is Held"})
	case sequencer.Paused:
		w.Needs = append(w.Needs, Need{Kind: NeedPerson, Wants: "let it go on: it is Paused"})
	}
	if s.Anew {
		w.For = "what it did to be over, to be tried again"
	}
	if s.ID != 0 {
		w.Needs = append(w.Needs, Need{Kind: NeedResult, Wants: "the end of request " + number(s.ID) + ", which was called off"})
	}
	m.needOutputs(at, s.Elem, w)
}

// needConds says what the conditions of an action want.
func (m *Machine) needConds(at int64, s *sequencer.Wait, w *Wait) {
	m.seq.Conditions(at+m.st.Base, s.Elem, func(q sequencer.Question) {
		if q.Truth == cond.True || q.Leaf.Op == 0 {
			return
		}
		n := m.needLeaf(at, &q)
		if q.Choice >= 0 {
			n.Detail = strings.TrimPrefix(n.Detail+", for "+m.form.prog.elems[m.form.prog.seq.Choices[q.Choice].Elem].id, ", ")
		}
		w.Needs = append(w.Needs, n)
	})
}

// needLeaf says what the decisive part of a condition wants.
func (m *Machine) needLeaf(at int64, q *sequencer.Question) Need {
	n := &q.Leaf
	if n.Op == cond.Elapsed {
		gone, _ := q.Cell.Held(at + m.st.Base)
		return Need{Kind: NeedTime, Wants: "elapsed(" + seconds(n.Time) + ")", Detail: seconds(gone) + " have gone by"}
	}
	need := m.Shows(at, n.Tag)
	t := &m.b.Plan.Map.Tags[n.Tag]
	if need.Wants = n.Op.String() + " " + shown(t, n.Value); n.Op == cond.Stable {
		need.Wants = "within " + shown(t, n.Value) + " for " + seconds(n.Time)
		if kept, ok := q.Cell.Held(at + m.st.Base); ok {
			need.Detail = "kept for " + seconds(kept)
		}
	}
	if q.Holds == cond.True { // a not above it
		need.Wants = "not " + need.Wants
	}
	return need
}

// Shows tells what a tag reads at monotonic time at: a Need that wants nothing.
func (m *Machine) Shows(at int64, id tag.ID) Need {
	v, q := m.io.Read(id, at+m.st.Base)
	_, seen := m.io.Source(id)
	t := &m.b.Plan.Map.Tags[id]
	n := Need{Kind: NeedTag, Name: t.Name, Quality: q, AgeMS: -1}
	if seen != 0 {
		n.Value, n.AgeMS = shown(t, v), max(at+m.st.Base-seen, 0)/1_000_000
	}
	return n
}

// needOutputs says which outputs are not what they were commanded to be.
func (m *Machine) needOutputs(at int64, e int, w *Wait) {
	m.seq.Outputs(e, func(o sequencer.Missing) {
		id := m.form.prog.outputs[o.Output]
		t := &m.b.Plan.Map.Tags[id]
		n := m.Shows(at, id)
		n.Kind, n.Wants, n.Seq = NeedOutput, shown(t, o.Value), m.refs.Outputs[o.Output]
		switch {
		case o.Now != o.Value:
			n.Detail = "commanded is " + shown(t, o.Now)
		case o.Busy && o.Write != 0:
			n.Detail = "write " + number(o.Write) + " is not confirmed"
		case o.Busy:
			n.Detail = "the last write failed; it is written again"
		default:
			n.Detail = "it is not known to have that"
		}
		w.Needs = append(w.Needs, n)
	})
}

// needTotal says how far a window is from its target.
func (m *Machine) needTotal(a *sequencer.Action) Need {
	win, t := &m.form.prog.wins[a.Window], m.met.Total(a.Window)
	n := Need{Kind: NeedTotal, Name: win.id, Quality: t.Source, AgeMS: -1, Seq: m.refs.Windows[a.Window],
		Value: amountOf(t.Value, win.meter.Resolution), Wants: ">= " + amountOf(m.form.prog.windows[a.Window].Target-a.Short, win.meter.Resolution),
		Detail: "source " + m.b.Plan.Map.Tags[win.meter.Source].Name + " is " + t.Source.String()}
	if !t.Open {
		n.Detail = "the window is not open"
	}
	return n
}

// needStable says how long a tag has kept its band.
func (m *Machine) needStable(at int64, a *sequencer.Action, s *sequencer.Wait) Need {
	n, t := m.Shows(at, a.Tag), &m.b.Plan.Map.Tags[a.Tag]
	n.Wants = "within " + shown(t, a.Within) + " for " + seconds(a.For)
	if s.From != 0 {
		n.Detail = "kept for " + seconds(max(at+m.st.Base-s.From, 0)) + " between " + shown(t, s.Low) + " and " + shown(t, s.High)
	}
	return n
}

// needSteps says who is missing at a line, or who sends a message.
func (m *Machine) needSteps(a *sequencer.Action, s *sequencer.Wait, w *Wait) {
	line := m.form.prog.actions[s.Action].line
	for _, e := range s.Who.Elems {
		if e == 0 {
			continue
		}
		n := Need{Kind: NeedStep, Name: line, Step: m.form.prog.elems[e].id, Seq: m.refs.Elems[e]}
		if n.Wants = "to come to it"; a.Kind == recipe.Receive {
			n.Wants = "to send it"
		}
		n.Detail = m.doing(e)
		w.Needs = append(w.Needs, n)
	}
	w.more(s.Who.More, NeedStep, line)
}

// needEquipment says who holds what a step uses, and how many have waited longer for it.
func (m *Machine) needEquipment(a *sequencer.Action, s *sequencer.Wait, w *Wait) {
	what := strings.Join(m.form.prog.used(a, false), ", ")
	for _, e := range s.Who.Elems {
		if e != 0 { // a bracket, whose first element has got what it holds
			w.Needs = append(w.Needs, Need{Kind: NeedEquipment, Name: what, Step: m.form.prog.elems[e].id, Seq: m.refs.Elems[min(e+1, len(m.refs.Elems)-1)],
				Wants: "to give it back", Detail: m.doing(e)})
		}
	}
	w.more(s.Who.More, NeedEquipment, what)
	if s.Asked != 0 {
		w.Needs = append(w.Needs, Need{Kind: NeedEquipment, Name: strings.Join(m.form.prog.used(a, true), ", "),
			Wants: "a grant of request " + number(s.Asked), Detail: m.line[a.Ask-1].String()})
	}
	if s.Ahead > 0 {
		w.Needs = append(w.Needs, Need{Kind: NeedEquipment, Name: what, Wants: "its turn", Detail: number(uint32(s.Ahead)) + " in the queue before it"})
	}
}

// doing says how an element stands, and what the first phase of it waits for.
func (m *Machine) doing(e int) string {
	words := "it is " + m.seq.State(e).String()
	if list := m.seq.Waits(e); len(list) > 0 && list[0].Action >= 0 {
		words += " and waits: " + brief(m.form.prog.seq.Actions[list[0].Action].Reason, MaxDetail)
	}
	return words
}

func (w *Wait) more(n int, k NeedKind, name string) {
	if n > 0 {
		w.Needs = append(w.Needs, Need{Kind: k, Name: name, Detail: number(uint32(n)) + " more are waited for"})
	}
}

// shown gives a scaled value of a tag with its unit, or the word of a switch.
func shown(t *iomap.Tag, v int64) string {
	switch t.Type {
	case iomap.Switch:
		return t.Words[v&1]
	case iomap.Number:
		return amountOf(v, t.Resolution)
	}
	return strings.TrimSuffix(unsigned(uint64(v))+" "+string(t.Unit), " ")
}

func amountOf(counts int64, res quantity.Quantity) string {
	if q, ok := quantity.FromCounts(counts, res); ok {
		return q.String()
	}
	return overflow
}

// Follows tells whether one element begins when another has come to its end, or when that has ended which the other is a part of; so
// does the first element of a block with the block, and that of a repeat with its next round.
func (b *Batch) Follows(step, other string) bool {
	p, ids := b.prog.seq.Elems, b.prog.elems
	from, to := -1, -1
	for i := range ids {
		if ids[i].id == step {
			from = i
		}
		if ids[i].id == other {
			to = i
		}
	}
	if from <= 0 || to <= 0 {
		return false
	}
	for e, up := from, p[from].Parent; up >= 0; e, up = up, p[up].Parent {
		if p[up].Block == recipe.Repeat && to == up {
			return true
		}
		before := -1
		for c := up + 1; c < e && p[up].Block != recipe.Parallel; c = p[c].End {
			if before < 0 || p[up].Block != recipe.Select {
				before = c
			}
		}
		if before >= 0 {
			return to >= before && to < p[before].End
		}
	}
	return false
}

// Steps returns the step_id of every element of the batch, of transitions and logic too, in the order of the recipe.
func (b *Batch) Steps() (ids []string) {
	for e := range b.prog.elems {
		if !b.prog.seq.Elems[e].Bracket {
			ids = append(ids, b.prog.elems[e].id)
		}
	}
	return ids
}

// Below returns the step_id of every element that stands in a block, in the order of the recipe; none of a phase, a transition, or
// what the recipe has not.
func (b *Batch) Below(block string) (ids []string) {
	p := b.prog.seq.Elems
	for e := range b.prog.elems {
		if b.prog.elems[e].id != block || p[e].Bracket || p[e].Phase || p[e].Logic {
			continue
		}
		for c := e + 1; c < p[e].End; c++ {
			if !p[c].Bracket {
				ids = append(ids, b.prog.elems[c].id)
			}
		}
	}
	return ids
}
