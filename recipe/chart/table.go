// A recipe as tables: what it asks for, and one line for each thing that its procedure does or waits for.

package chart

import (
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

// Table gives a recipe as lines of text: batch size and formula, equipment by class, and the procedure with element, level, how long it
// may take, and what it does or waits for. The same recipe gives the same text, which ends with a line end.
func Table(r *recipe.Recipe) string {
	formula := table{rows: [][4]string{{"FORMULA", "VALUE", "SCALING", "LIMITS"},
		{"batch size", r.Nominal.String(), "", limits(r.Min, r.Max)}}}
	for i := range r.Params {
		p := &r.Params[i]
		value := p.Value.String()
		if p.Ref != "" {
			value = "$" + p.Ref
		}
		formula.rows = append(formula.rows, [4]string{"$" + p.Name, value, p.Scaling.String(), limits(p.Min, p.Max)})
	}
	text := formula.String() + "\n"
	if len(r.Units) > 0 {
		units := table{rows: [][4]string{{"EQUIPMENT", "CLASS", "NEEDS"}}}
		for i := range r.Units {
			u := &r.Units[i]
			var needs []string
			for k := range u.Needs {
				needs = append(needs, u.Needs[k].Name+" "+u.Needs[k].Value.String())
			}
			units.rows = append(units.rows, [4]string{u.Name, u.Class, strings.Join(needs, ", ")})
		}
		text += units.String() + "\n"
	}
	t := table{rows: [][4]string{{"ELEMENT", "LEVEL", "TIME", "WHAT"}}}
	t.element(r.Root, 0)
	return text + t.String()
}

// limits says within what a value must lie; "" where there is no limit.
func limits(low, high quantity.Quantity) string {
	switch {
	case low.Unit != "" && high.Unit != "":
		return low.String() + " to " + high.String()
	case low.Unit != "":
		return low.String() + " at least"
	case high.Unit != "":
		return high.String() + " at most"
	}
	return ""
}

type table struct{ rows [][4]string }

func (t *table) add(element, level, what, time string) {
	t.rows = append(t.rows, [4]string{element, level, time, what})
}

func (t *table) element(e *recipe.Element, depth int) {
	time := ""
	if e.Timeout.Given() {
		time = e.Timeout.String() + ", then " + e.TimeoutWords()
	}
	what := e.Block.String()
	switch {
	case e.Block == recipe.Repeat && e.Loop.Until != nil:
		what += " at most " + strconv.Itoa(e.Loop.AtMost) + " times, then " + e.Loop.OnLimit.String()
	case e.Block == recipe.Repeat:
		what += " " + strconv.Itoa(e.Loop.AtMost) + " times"
	case e.Equipment != "":
		what = "equipment phase " + e.Equipment
	}
	t.add(strings.Repeat("  ", depth)+e.ID, e.Level.String(), what, time)
	if e.When != nil {
		t.add("", "", "when "+e.When.String(), "")
	}
	if len(e.Uses) > 0 {
		t.add("", "", "uses "+strings.Join(e.Uses, ", "), "")
	}
	if e.Entry != nil {
		t.add("", "", "entry "+e.Entry.String(), "")
	}
	if e.Time != nil {
		t.add("", "", "time "+e.Time.String(), "")
	}
	t.actions("", e.Actions)
	for _, c := range e.Children {
		t.element(c, depth+1)
	}
	if e.Loop.Until != nil {
		t.add(strings.Repeat("  ", depth)+e.ID, "", "until "+e.Loop.Until.String(), "")
	}
	if e.Exit != nil {
		t.add("", "", "exit "+e.Exit.String(), "")
	}
	for k := range e.Logic {
		if l := &e.Logic[k]; l.Actions != nil {
			t.add("", "", recipe.Transient(k).String(), l.Timeout.String())
			t.actions("  ", l.Actions)
		}
	}
}

func (t *table) actions(indent string, list []recipe.Action) {
	for i := range list {
		t.add("", "", indent+strconv.Itoa(i+1)+" "+list[i].String(), "")
	}
}

// String aligns the columns.
func (t *table) String() string {
	var widths [4]int
	for _, r := range t.rows {
		for k, cell := range r {
			widths[k] = max(widths[k], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for _, r := range t.rows {
		line := ""
		for k, cell := range r {
			line += cell + strings.Repeat(" ", widths[k]-len([]rune(cell))+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
