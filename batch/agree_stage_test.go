// The stage: a program on which a test decides what every condition comes to, and sees who waits for what.

package batch

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// stage runs the program of a batch. Each condition of a wait, an alternative or the end of a repeat is replaced by a switch of its
// own, which is BAD until the test throws it: the proof counts conditions as free, and so they are here.
type stage struct {
	b        *Batch
	p        sequencer.Program
	m        *sequencer.Machine
	at       int64
	gates    []int8 // by action, then by choice: 0 BAD, 1 false, 2 true
	value    []int64
	open     []bool            // by window
	answers  []sequencer.Event // writes, prompts and requests to be answered
	of       []int             // by answer: the phase that asked; -1 for a write
	states   []sequencer.State // by element
	waits    []int             // by phase: its action that waits + 1
	happened map[done]int
	posted   []int  // by message
	full     string // why the batch was held or aborted last
	late     []int  // who ran out of time
	ended    bool
	plant    *plant // nil: what batches share is granted to this one
}

// done is something that an element did.
type done struct {
	elem int
	what string // begins, ends, is over, round, act
	act  int    // act: the number of the action that ended
}

const firstGate = 1 << 15 // above all tags

func newStage(b *Batch) *stage {
	s := &stage{b: b, p: b.prog.seq, at: 1, happened: map[done]int{}}
	s.gate()
	return s.start()
}

// gate replaces the conditions.
func (s *stage) gate() {
	s.p.Actions, s.p.Choices = slices.Clone(s.p.Actions), slices.Clone(s.p.Choices)
	gate := func(i int) cond.Cond {
		return cond.Cond{{Op: cond.Eq, Size: 1, Tag: tag.ID(firstGate + i), Value: 1}}
	}
	for i := range s.p.Actions {
		if s.p.Actions[i].Cond != nil {
			s.p.Actions[i].Cond = gate(i)
		}
	}
	for i := range s.p.Choices {
		if s.p.Choices[i].Cond != nil {
			s.p.Choices[i].Cond = gate(len(s.p.Actions) + i)
		}
	}
	s.gates = make([]int8, len(s.p.Actions)+len(s.p.Choices))
}

func (s *stage) start() *stage {
	s.value = make([]int64, len(s.b.Plan.Map.Tags))
	for _, o := range s.p.Outputs {
		s.value[o.Tag] = o.Safe
	}
	s.open = make([]bool, len(s.p.Windows))
	s.states, s.waits = make([]sequencer.State, len(s.p.Elems)), make([]int, len(s.p.Elems))
	s.posted = make([]int, len(s.p.Messages))
	s.m = sequencer.New(&s.p, s)
	s.step(sequencer.Event{Kind: sequencer.Boot})
	s.step(sequencer.Event{Kind: sequencer.Told, Command: sequencer.Start})
	return s
}

// Read returns the value of a switch of the test, or of a tag of the map.
func (s *stage) Read(id tag.ID, _ int64) (int64, tag.Quality) {
	if id >= firstGate {
		g := s.gates[id-firstGate]
		return int64(g) - 1, map[bool]tag.Quality{true: tag.Good, false: tag.Bad}[g > 0]
	}
	return s.value[id], tag.Good
}

// Seen returns the time of now.
func (s *stage) Seen(tag.ID) int64 { return s.at }

// Blocks says that the map of a stage has no interlock.
// Time says that nobody knows it.
func (s *stage) Time() (timebase.Sync, int64)      { return timebase.Unset, 0 }
func (s *stage) Blocks(int) (blocks, settled bool) { return false, true }
func (s *stage) Faults(int) iomap.FaultSet         { return 0 }

// Total is at its target.
func (s *stage) Source(w int) (bool, tag.Quality) {
	t := s.Total(w)
	return t.Open, t.Source
}

func (s *stage) Total(w int) metering.Total {
	return metering.Total{Open: s.open[w], Source: tag.Good, Value: s.p.Windows[w].Target}
}

// step takes in an event and all that the floors below answer at once.
func (s *stage) step(ev sequencer.Event) {
	for queue := []sequencer.Event{ev}; len(queue) > 0; queue = queue[1:] {
		fx := s.m.Step(s.at, &queue[0], nil)
		for i := range fx {
			if e := &fx[i]; e.Kind == sequencer.OpenWindow {
				s.open[e.Window] = true
				queue = append(queue, sequencer.Event{Kind: sequencer.WindowOpened, Window: e.Window, OK: true})
			}
			s.see(&fx[i])
		}
	}
}

func (s *stage) see(e *sequencer.Effect) {
	ask := func(k sequencer.EventKind, by int) {
		s.answers, s.of = append(s.answers, sequencer.Event{Kind: k, ID: e.ID, OK: true}), append(s.of, by)
	}
	switch e.Kind {
	case sequencer.Write:
		ask(sequencer.Done, -1)
		s.value[s.p.Outputs[e.Output].Tag] = e.Value
	case sequencer.RequestResource, sequencer.ReleaseResource:
		s.share(e)
	case sequencer.Ask:
		ask(sequencer.Answered, e.Elem)
	case sequencer.RequestAction:
		ask(sequencer.Finished, e.Elem)
	case sequencer.CloseWindow:
		s.open[e.Window] = false
	case sequencer.ActionStarted:
		s.waits[e.Elem] = e.Action + 1
	case sequencer.ActionEnded:
		s.waits[e.Elem] = 0
		s.happened[done{e.Elem, "act", e.Action}]++
		switch a := &s.p.Actions[e.Action]; a.Kind {
		case recipe.Send:
			s.posted[a.Line]++
		case recipe.Receive:
			s.posted[a.Line]--
		}
	case sequencer.TimedOut:
		s.late = append(s.late, e.Elem)
	case sequencer.End:
		s.ended = true
	case sequencer.StepChanged:
		s.changed(e)
	}
}

func (s *stage) changed(e *sequencer.Effect) {
	s.states[e.Elem] = e.To
	switch {
	case e.Edge == sequencer.EdgeRound:
		s.happened[done{e.Elem, "round", 0}]++
	case e.From == sequencer.Idle:
		s.happened[done{e.Elem, "begins", 0}]++
	case e.To == sequencer.Complete:
		s.waits[e.Elem] = 0
		s.happened[done{e.Elem, "ends", 0}]++
		s.happened[done{e.Elem, "is over", 0}]++ // counted apart by who looks for it
	case e.To == sequencer.Holding || e.To == sequencer.Aborting:
		s.full = e.Reason
	}
}

// answer answers what was asked as number i.
func (s *stage) answer(i int) {
	ev := s.answers[i]
	s.answers, s.of = slices.Delete(s.answers, i, i+1), slices.Delete(s.of, i, i+1)
	s.step(ev)
}

// confirm confirms every write.
func (s *stage) confirm() {
	for i := slices.Index(s.of, -1); i >= 0; i = slices.Index(s.of, -1) {
		s.answer(i)
	}
}

// tick lets time go on to the next deadline; false where there is none.
func (s *stage) tick() bool {
	due := s.m.Wake()
	if due == timebase.Never {
		return false
	}
	s.at = max(due, s.at)
	s.step(sequencer.Event{Kind: sequencer.Tick})
	return true
}

// kind is what a phase waits for; 0 for nothing.
func (s *stage) kind(p int) recipe.ActionKind {
	if s.waits[p] == 0 || s.states[p] != sequencer.Running {
		return 0
	}
	return s.p.Actions[s.waits[p]-1].Kind
}

// data tells whether a phase waits for what the test decides.
func (s *stage) data(p int) bool {
	if slices.Contains(s.of, p) && s.states[p] == sequencer.Running {
		return true
	}
	switch s.kind(p) {
	case recipe.Wait, recipe.Choose:
		return true
	case recipe.Until:
		return s.p.Actions[s.waits[p]-1].Cond != nil
	}
	return false
}

// timed tells whether a phase waits for time to go by.
func (s *stage) timed(p int) bool {
	k := s.kind(p)
	return k == recipe.Delay || k == recipe.VerifyStable || k == recipe.Until && s.p.Actions[s.waits[p]-1].Cond == nil
}

// throw lets a phase have what it waits for: way is the alternative, or 1 for a repeat to go on and 0 for one round more.
func (s *stage) throw(p, way int) {
	if i := slices.Index(s.of, p); i >= 0 {
		s.answer(i)
		return
	}
	i := s.waits[p] - 1
	a := &s.p.Actions[i]
	clear(s.gates)
	switch a.Kind {
	case recipe.Choose:
		for k := range way {
			s.gates[len(s.p.Actions)+a.First+k] = 1
		}
		s.gates[len(s.p.Actions)+a.First+way] = 2
	case recipe.Until:
		s.gates[i] = int8(way) + 1
	default:
		s.gates[i] = 2
	}
	next := done{s.p.Elems[p].Parent, "round", 0}
	round := s.happened[next]
	s.step(sequencer.Event{Kind: sequencer.Input})
	for a.Kind == recipe.Until && s.waits[p] == i+1 && s.full == "" && s.happened[next] == round {
		s.tick() // two rounds are some time apart
	}
	clear(s.gates)
}

// String says who waits for what.
func (s *stage) String() (text string) {
	for p := range s.p.Elems {
		if st := s.states[p]; s.p.Elems[p].Phase && st != sequencer.Idle && !st.Terminal() {
			text += fmt.Sprintf("%s is %s", s.b.prog.elems[p].id, st)
			if s.waits[p] > 0 {
				text += fmt.Sprintf(" and waits for %s", s.p.Actions[s.waits[p]-1].Reason)
			}
			text += "; "
		}
	}
	return text
}
