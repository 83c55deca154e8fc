// The text of a random recipe, and the map that it needs.

package grow

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/recipe"
)

// What the map has of each: outputs XV1, XV2 and so on, switches LS0, LS1 and so on, and, for lively recipes, meters FQ1 and so on. The
// channels are do/0, di/0 and ctr/1 and so on; the temperature TT1 is ai/1.
const (
	outputs  = 12
	switches = 8
	Meters   = 3
)

// Map returns the map of random recipes.
func Map() string {
	text := "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n"
	for i := range outputs {
		text += fmt.Sprintf("  - {logical_tag: XV%d, physical_channel: do/%d, direction: out, type: switch, words: [closed, open], safe_value: closed}\n", i+1, i)
	}
	for i := range switches {
		text += fmt.Sprintf("  - {logical_tag: LS%d, physical_channel: di/%d, direction: in, type: switch, words: [empty, full], stale_after: 2 s}\n", i, i)
	}
	return text + "  - {logical_tag: TT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 0.1 Cel, gain: 0.1 Cel, stale_after: 2 s}\n"
}

// ManyOwners returns a map on which some of what recipes share has several owners, and some is given by an arbiter.
func ManyOwners() string {
	return Map() + resources
}

const resources = "resources: [{resource_id: HOSE}, {resource_id: DRYER, between_batches: true}, {resource_id: PUMP, owners: 2}]\n"

// writer writes recipes. Before every action that concerns others, and before equipment is got, stands a wait: so the plant decides
// who comes first.
type writer struct {
	strings.Builder
	n      int
	lively bool
}

// Text returns the recipe of which e is the procedure.
func (e *Element) Text() string {
	w := &writer{lively: e.lively}
	w.WriteString("recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n")
	if e.fails != "" {
		fmt.Fprintf(w, "failure_level: %s\n", e.fails)
	}
	if e.lively {
		w.WriteString(formula)
	}
	w.WriteString("procedure: ")
	w.element(e, "")
	return w.String() + "\n"
}

func (w *writer) element(e *Element, when string) {
	w.n++
	level := "operation"
	switch {
	case w.n == 1:
		level = "procedure"
	case e.unit:
		level = "unit_procedure"
	}
	if len(e.uses) > 0 {
		fmt.Fprintf(w, "{id: W%s, level: %s, %ssequence: [{id: G%s, level: phase, timeout: 3000 h, actions: [{wait: LS7}]}, ", e.id, level, when, e.id)
		defer w.WriteString("]}")
		if when = ""; !e.unit {
			level = "operation"
		}
	}
	if e.block == 0 {
		level = "phase"
	}
	fmt.Fprintf(w, "{id: %s, level: %s, %s", e.id, level, when)
	if len(e.uses) > 0 {
		fmt.Fprintf(w, "uses: [%s], ", strings.Join(e.uses, ", "))
	}
	if e.entry {
		w.WriteString("entry: LS5, ")
	}
	if e.exit {
		w.WriteString("exit: TT1 >= 20 Cel, ")
	}
	w.known(e)
	if e.block == 0 || len(e.uses) > 0 || e.entry || e.exit || e.block == recipe.Select || e.block == recipe.Repeat && e.asks {
		fmt.Fprintf(w, "timeout: %s, ", cmp.Or(e.time, "3000 h"))
		if e.late != "" {
			fmt.Fprintf(w, "on_timeout: %s, ", e.late)
		}
	}
	if e.rule != "" {
		fmt.Fprintf(w, "recovery: %s, ", e.rule)
	}
	if e.equip != "" {
		fmt.Fprintf(w, "equipment_phase: %s, ", e.equip)
	}
	if e.logic != "" && e.block == 0 {
		fmt.Fprintf(w, "%s: {timeout: 30 s, actions: [{delay: 2 s}, {mark: x}]}, ", e.logic)
	}
	w.content(e)
	w.WriteString("}")
}

func (w *writer) content(e *Element) {
	switch e.block {
	case 0:
		w.WriteString("actions: [")
		for i, d := range e.does {
			if i > 0 {
				w.WriteString(", ")
			}
			w.deed(d)
		}
		w.WriteString("]")
		return
	case recipe.Repeat:
		w.WriteString("repeat: {")
		if e.asks {
			w.WriteString("until: LS6, ")
			if e.limit != "" {
				fmt.Fprintf(w, "on_limit: %s, ", e.limit)
			}
		}
		fmt.Fprintf(w, "at_most: %d, sequence: [", e.most)
	default:
		fmt.Fprintf(w, "%s: [", e.block)
	}
	for i, c := range e.kids {
		if i > 0 {
			w.WriteString(", ")
		}
		when := ""
		switch {
		case e.block == recipe.Select && i > 0 && i == len(e.kids)-1:
			when = "otherwise: true, "
		case e.block == recipe.Select:
			when = fmt.Sprintf("when: LS%d, ", i)
		}
		w.element(c, when)
	}
	w.WriteString("]")
	if e.block == recipe.Repeat {
		w.WriteString("}")
	}
}

func (w *writer) deed(d deed) {
	switch d.verb {
	case "wait":
		fmt.Fprintf(w, "{wait: \"TT1 >= %s\"}", w.either("$hot", "50 Cel"))
	case "delay":
		fmt.Fprintf(w, "{delay: %s}", w.either("$pause", "3 s"))
	case "set":
		fmt.Fprintf(w, "{set: {%s: open}}", d.name)
	case "meter":
		w.window(d.name)
	case "mark", "prompt":
		fmt.Fprintf(w, "{%s: %s}", d.verb, cmp.Or(d.name, "x"))
	case "verify_stable":
		w.WriteString("{verify_stable: {tag: TT1, within: 1 Cel, for: 2 s}}")
	default:
		fmt.Fprintf(w, "{wait: LS7}, {%s: %s}", d.verb, d.name)
	}
}

// window writes the actions of a window. Where it has an output to jog by it learns, and a total that is out of tolerance holds the
// batch, or where the window has an even number aborts it.
func (w *writer) window(name string) {
	meter, output, jogs := strings.Cut(name, " ")
	if !jogs {
		fmt.Fprintf(w, "{open_window: {window: W%[1]s, meter: FQ%[1]s, target: $charge, tolerance: 1 kg}}, {wait_total: {window: W%[1]s}}, "+
			"{close_window: W%[1]s}", meter)
		return
	}
	then := []string{"hold", "abort"}[(len(meter)+int(meter[0])+1)%2]
	fmt.Fprintf(w, "{open_window: {window: W%[1]s, meter: FQ%[1]s, target: $charge, tolerance: 1 kg, time: {within: 1 ms, tolerance: 0 kg}}}, "+
		"{wait_total: {window: W%[1]s, short_by: 1 kg, learn: {min: 0 kg, max: 2 kg, share: 50 %%}}}, "+
		"{jog: {window: W%[1]s, set: {%[2]s: open}, for: 300 ms, settle: 1200 ms, at_most: 2}}, "+
		"{close_window: {window: W%[1]s, out_of_tolerance: %[3]s}}", meter, output, then)
}

// known writes how well time must be known when a phase begins: of the phases of a lively recipe every seventh, two in a row, says so.
func (w *writer) known(e *Element) {
	if !w.lively || e.block != 0 {
		return
	}
	switch w.n % 7 {
	case 3:
		w.WriteString("time: {state: PTP_LOCKED, otherwise: hold}, ")
	case 4:
		w.WriteString("time: {within: 1 ms, otherwise: confirm}, ")
	}
}

// either is the one in a lively recipe and the other elsewhere.
func (w *writer) either(lively, other string) string {
	if w.lively {
		return lively
	}
	return other
}
