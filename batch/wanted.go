// What a person has to order so that a batch goes on, told when somebody asks.

package batch

import (
	"slices"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// Wanted says what would bring a batch on that waits for persons alone, in the order in which they are to give it: each a command by its
// name, and behind a blank what it is for, if it is not for the whole batch, such as "reset_interlock IL-LEVEL", "reset_safe_state XV101", "restart" and
// "release MAIN.step"; "answer 2" is an answer to prompt 2. An interlock whose violation lasts is not reset before that is over. It is
// empty where no order is waited for, and changes nothing.
func (m *Machine) Wanted() (orders []string) {
	add := func(c sequencer.Command, name string) {
		order := c.String()
		if name != "" {
			order += " " + name
		}
		if !slices.Contains(orders, order) {
			orders = append(orders, order)
		}
	}
	state := m.State()
	if state.Terminal() {
		return nil
	}
	for i := range m.b.Plan.Map.Interlocks {
		if t := &m.b.Plan.Map.Interlocks[i]; t.Latch && (m.guard.Status(i) == iomap.Latched || m.guard.Status(i) == iomap.Tripped) {
			add(sequencer.ResetInterlock, t.ID)
		}
	}
	for o, id := range m.form.prog.outputs {
		if m.latched(o) {
			add(sequencer.ResetSafeState, m.b.Plan.Map.Tags[id].Name)
		}
	}
	if state == sequencer.Idle {
		if m.timeless() {
			add(sequencer.ConfirmTime, "")
		}
		add(sequencer.Start, "")
		return orders
	}
	for _, w := range m.seq.Waits(0) {
		switch e := m.over(w.Elem, w.State); {
		case w.State == sequencer.Held:
			add(sequencer.Restart, e)
		case w.State == sequencer.Paused:
			add(sequencer.Resume, e)
		case w.Release:
			add(sequencer.Release, m.form.prog.elems[w.Elem].id)
		case w.Action >= 0 && (m.form.prog.seq.Actions[w.Action].Kind == recipe.Prompt || w.ID != 0 && m.form.prog.seq.Actions[w.Action].Kind == recipe.Time):
			orders = append(orders, "answer "+number(w.ID))
		}
	}
	return orders
}

// over names the outermost element around one that is in a state together with it; "" is the whole batch.
func (m *Machine) over(e int, s sequencer.State) string {
	for p := m.form.prog.seq.Elems[e].Parent; p >= 0 && m.seq.State(p) == s; p = m.form.prog.seq.Elems[p].Parent {
		e = p
	}
	if e == 0 {
		return ""
	}
	return m.form.prog.elems[e].id
}
