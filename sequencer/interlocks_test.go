// Interlocks in scenarios and under random events: what must hold while one blocks.

package sequencer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/recipe"
	"github.com/stretchr/testify/require"
)

// interlock reads a line "interlock NAME trip|permissive REACTION [OUTPUT ...]".
func (s *scenario) interlock(l script.Line) (err error) {
	t := Interlock{Trip: l.Args[1] == "trip", Text: "interlock " + l.Args[0]}
	t.React, _ = ParseCommand(l.Args[2])
	for i, name := range l.Args[3:] {
		o := slices.Index(s.w.tags, name)
		if o < 0 || o >= len(s.w.Outputs) {
			return l.ArgErrorf(i+3, "no such output")
		}
		t.Outputs = append(t.Outputs, o)
	}
	s.w.gates = append(s.w.gates, l.Args[0])
	s.w.Interlocks = append(s.w.Interlocks, t)
	return nil
}

// gate lets an interlock block or permit.
func (s *scenario) gate(l script.Line) error {
	i := slices.Index(s.w.gates, l.Args[0])
	if i < 0 {
		return l.ArgErrorf(0, "no such interlock")
	}
	s.r.plant.blocks[i], s.r.plant.doubt = l.Verb == "blocks", len(l.Args) > 1
	return nil
}

// gated checks that nothing an interlock gates has left its safe value, that what has tripped rests, and that who had to react has.
func (w *watch) gated(m *Machine) error {
	for i := range w.w.Interlocks {
		t := &w.w.Interlocks[i]
		if !w.plant.blocks[i] || !t.Trip || m.Ended() {
			continue
		}
		for _, o := range t.Outputs {
			if w.out[o].value != w.safe(o) {
				return fmt.Errorf("output %d is %d, and interlock %d has tripped", o, w.out[o].value, i)
			}
		}
		for e := range w.w.Elems {
			s := m.State(e)
			_, holds := s.After(Hold)
			_, aborts := s.After(Abort)
			if len(t.Outputs) == 0 && w.w.Elems[e].Phase && !w.batch.Terminal() && (t.React == Hold && holds || t.React >= Abort && (aborts && !w.plant.doubt || holds)) {
				return fmt.Errorf("phase %d is %s, and interlock %d wants %s", e, s, i, t.React)
			}
		}
	}
	return nil
}

// blamed checks that an effect names the interlock that has led to it or withholds something, if one has, and no other.
func (w *watch) blamed(ev *Event, e *Effect) error {
	if i := e.Interlock - 1; i >= 0 {
		if e.Kind == SafeStateChanged && i < len(w.w.Interlocks) && w.plant.blocks[i] && w.w.Interlocks[i].Safety {
			return nil
		}
		if i >= len(w.w.Interlocks) || !w.plant.blocks[i] {
			return fmt.Errorf("interlock %d does not block and is named: %s", i, e.Reason)
		}
		called := e.Kind == CancelAction || e.Kind == StepChanged && e.Reason == "overtaken" // without a text of it
		if text := w.w.Interlocks[i].Text; e.Reason != text && !called {
			return fmt.Errorf("%q is named, and the reason is %q", text, e.Reason)
		}
		return nil
	}
	says := func(t Interlock) bool { return t.Text == e.Reason }
	if e.Reason != ev.Reason && slices.ContainsFunc(w.w.Interlocks, says) {
		return fmt.Errorf("nothing is named, and the reason is %q", e.Reason)
	}
	return nil
}

// interlocked tells whether an interlock that has tripped wants a hard abort.
func (w *watch) interlocked() bool {
	for i := range w.w.Interlocks {
		if t := &w.w.Interlocks[i]; t.Trip && t.React == HardAbort && w.plant.blocks[i] && !w.plant.doubt {
			return true
		}
	}
	return false
}

// withheld tells whether an output may not leave its safe value.
func (w *watch) withheld(o int) bool {
	for i := range w.w.Interlocks {
		if w.plant.blocks[i] && slices.Contains(w.w.Interlocks[i].Outputs, o) {
			return true
		}
	}
	return false
}

// interlocks makes up to three of them, most programs having none.
func (g *grower) interlocks() {
	for g.IntN(3) == 0 && len(g.w.Interlocks) < 3 {
		t := Interlock{Trip: g.IntN(3) > 0, Text: fmt.Sprint("interlock ", len(g.w.Interlocks))}
		t.Safety = t.Trip && len(g.w.Interlocks)%2 == 0
		t.React = []Command{NoCommand, Hold, Hold, Abort, HardAbort}[g.IntN(5)]
		for o := range g.outs { // but that which requests a trip
			if g.IntN(2) == 0 {
				t.Outputs = append(t.Outputs, o)
			}
		}
		g.w.Interlocks = append(g.w.Interlocks, t)
	}
}

func TestAnInterlockThatComesAndGoesAllocatesNothing(t *testing.T) {
	w := &wired{}
	o := w.output("HS301", 0)
	w.Interlocks = []Interlock{{Outputs: []int{o}, Trip: true, Text: "interlock"}, {Outputs: []int{o}, Text: "permissive"}}
	w.procedure(&block{name: "MAIN", kind: recipe.Repeat, atMost: 1 << 30, below: []*block{{name: "HEAT", timeout: 1 << 60,
		todo: []todo{{Action: Action{Kind: recipe.Set}, sets: []Set{{Output: o, Value: 1}}},
			{Action: Action{Kind: recipe.Set}, sets: []Set{{Output: o, Value: 0}}}}}}})
	p := newPlant(w)
	m := New(&w.Program, p)
	fx := make([]Effect, 0, 64)
	now, writes := int64(1), 0
	step := func(ev Event) {
		fx = m.Step(now, &ev, fx[:0])
		for i := 0; i < len(fx); i++ {
			if fx[i].Kind == Write {
				writes++
			}
		}
	}
	step(Event{Kind: Boot})
	step(Event{Kind: Told, Command: Start})
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		now += second / 7
		p.blocks[0], p.blocks[1] = now%5 == 0, now%3 == 0
		p.value[0] = m.out[0].Value
		step(Event{Kind: Input})
		step(Event{Kind: Done, ID: m.out[0].Write, OK: true})
		step(Event{Kind: Tick})
	}))
	require.Greater(t, writes, 500)
}
