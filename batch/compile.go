// From the names of a recipe and a map to the numbers of a program.

package batch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// program is what a batch runs, with the words that its records need.
type program struct {
	seq     sequencer.Program
	elems   []*recipe.Element // by element number
	actions []action          // by action number
	meters  []metering.Meter
	windows []metering.Window
	wins    []window // by window number
	outputs []tag.ID // by output number
}

// action is what the records of an action need.
type action struct {
	id     string // step_id/n
	text   string
	kind   *recipe.ActionType
	params []string
}

// window is what the records of a window need.
type window struct {
	id    string
	meter *iomap.Meter
	tot   quantity.Ratio // counts of the window for each count of the device's totalizer
	tol   int64          // allowed difference between window and totalizer, counts
}

// noder is a place in a recipe file that can be blamed.
type noder interface {
	Errorf(format string, args ...any)
	Pos() strictyaml.Pos
}

// within is how far a number that an output reads back may lie from what was commanded: a hundredth of its range, since converters
// round, and one count at least.
func within(t *iomap.Tag) int64 {
	if t.Type == iomap.Switch {
		return 0
	}
	return max((t.Max-t.Min)/100, 1)
}

// compiler makes the program of a plan for one formula. What is wrong goes to report; the program is whole only if nothing was.
type compiler struct {
	plan    *Plan
	formula recipe.Formula
	report  func(n noder, format string, args ...any)
	out     *program
	named   map[string]int // windows by name
	missed  []string       // names that conditions asked for and the map has not
	setBy   []noder        // by set: its place in the recipe
}

func (c *compiler) compile() *program {
	c.out = &program{}
	c.named = map[string]int{}
	for i := range c.plan.Map.Tags {
		if t := &c.plan.Map.Tags[i]; t.Output {
			c.out.outputs = append(c.out.outputs, tag.ID(i))
			c.out.seq.Outputs = append(c.out.seq.Outputs, sequencer.Output{Tag: tag.ID(i), Safe: t.Safe, Within: within(t), Fresh: t.StaleAfter})
		}
	}
	c.element(c.plan.Recipe.Root, -1)
	for i := range c.out.seq.Elems {
		if c.out.seq.Elems[i].Parallel {
			c.disjoint(i)
		}
	}
	return c.out
}

// disjoint refuses an output that two branches of a parallel block set: each would undo the other and wait for its own value.
func (c *compiler) disjoint(block int) {
	p := &c.out.seq
	owner := make([]int, len(p.Outputs)) // by output: the branch that sets it, 0 for none
	for branch := block + 1; branch < p.Elems[block].End; branch = p.Elems[branch].End {
		for e := branch; e < p.Elems[branch].End; e++ {
			for _, a := range p.Actions[p.Elems[e].First : p.Elems[e].First+p.Elems[e].Count] {
				for k := a.First; k < a.First+a.Count; k++ {
					o := p.Sets[k].Output
					if owner[o] != 0 && owner[o] != branch {
						c.report(c.setBy[k], "%s is set in %s too, which runs at the same time; let one branch set it",
							c.plan.Map.Tags[p.Outputs[o].Tag].Name, c.out.elems[owner[o]].ID)
					}
					owner[o] = branch
				}
			}
		}
	}
}

func (c *compiler) element(e *recipe.Element, parent int) {
	n := len(c.out.elems)
	c.out.elems = append(c.out.elems, e)
	c.out.seq.Elems = append(c.out.seq.Elems, sequencer.Elem{})
	s := sequencer.Elem{Phase: e.Children == nil, Parallel: e.Block == recipe.Parallel, Parent: parent, First: len(c.out.seq.Actions),
		Count: len(e.Actions), OnTimeout: e.OnTimeout, Recovery: e.Recovery}
	if e.Timeout.Given() {
		s.Timeout = c.duration(&e.Timeout)
	}
	for i := range e.Actions {
		c.action(e, i)
	}
	for _, child := range e.Children {
		c.element(child, n)
	}
	s.End = len(c.out.elems)
	c.out.seq.Elems[n] = s
}

func (c *compiler) action(e *recipe.Element, i int) {
	a := &e.Actions[i]
	s := sequencer.Action{Kind: a.Kind, First: len(c.out.seq.Sets)}
	w := action{id: fmt.Sprintf("%s/%d", e.ID, i+1), text: a.Text}
	switch a.Kind {
	case recipe.Set:
		for k := range a.Settings {
			c.set(&a.Settings[k])
		}
		s.Count = len(c.out.seq.Sets) - s.First
		s.Reason = "outputs confirmed"
	case recipe.Wait:
		s.Reason = a.Cond.String()
		bound, errs := a.Cond.Bind(c, c.formula)
		for _, err := range errs {
			c.report(a.Node, "condition, character %d: %s%s", err.Column, err.Msg, c.meant(err.Msg))
		}
		s.Cond = bound
	case recipe.Delay:
		s.For = c.duration(&a.For)
		s.Reason = "delay " + c.amount(&a.For).String()
	case recipe.OpenWindow:
		s.Window = c.window(a)
	case recipe.CloseWindow, recipe.WaitTotal:
		s.Window = c.named[a.Window]
		if a.Kind == recipe.WaitTotal {
			s.Reason = "total " + a.Window + " at its target"
			if a.ShortBy.Given() && s.Window < len(c.out.wins) {
				s.Short = c.counts(&a.ShortBy, c.out.wins[s.Window].meter.Resolution)
				s.Reason = "total " + a.Window + " within " + c.amount(&a.ShortBy).String() + " of its target"
			}
		}
	case recipe.VerifyStable:
		c.stable(a, &s)
	case recipe.Prompt:
		s.Reason = "answer of an operator"
	case recipe.Request:
		s.Reason = "result of " + a.Type
		w.kind, w.params = c.request(a)
	}
	c.out.seq.Actions = append(c.out.seq.Actions, s)
	c.out.actions = append(c.out.actions, w)
}

func (c *compiler) set(s *recipe.Setting) {
	id, ok := c.plan.Map.Lookup(s.Name)
	if !ok {
		c.report(s.Node, "no tag %q in the I/O map %s%s", s.Name, c.plan.Map.ID, c.similar(s.Name))
		return
	}
	t := &c.plan.Map.Tags[id]
	if !t.Output {
		c.report(s.Node, "tag %s is an input; only outputs can be set", s.Name)
		return
	}
	v, ok := c.value(t, &s.Value)
	if !ok {
		return
	}
	for o, out := range c.out.outputs {
		if out == id {
			c.out.seq.Sets = append(c.out.seq.Sets, sequencer.Set{Output: o, Value: v})
			c.setBy = append(c.setBy, s.Node)
		}
	}
}

// value turns what a recipe wants of an output into its scaled value.
func (c *compiler) value(t *iomap.Tag, a *recipe.Amount) (v int64, ok bool) {
	if t.Type == iomap.Switch {
		for v, w := range t.Words {
			if a.Word == w && w != "" {
				return int64(v), true
			}
		}
		c.report(a.Node, "%s takes %s or %s and nothing else", t.Name, t.Words[0], t.Words[1])
		return 0, false
	}
	v, err := c.amount(a).Counts(t.Resolution)
	if err != nil {
		c.report(a.Node, "%s is set in %s: %s", t.Name, t.Unit, strings.TrimPrefix(err.Error(), "quantity: "))
		return 0, false
	}
	if v < t.Min || v > t.Max {
		lo, _ := quantity.FromCounts(t.Min, t.Resolution)
		hi, _ := quantity.FromCounts(t.Max, t.Resolution)
		c.report(a.Node, "%s is outside the limits of %s, %s to %s", c.amount(a), t.Name, lo, hi)
		return 0, false
	}
	return v, true
}

func (c *compiler) window(a *recipe.Action) int {
	n := len(c.out.wins)
	c.named[a.Window] = n
	for i := range c.plan.Map.Meters {
		m := &c.plan.Map.Meters[i]
		if m.Name != a.Meter {
			continue
		}
		k, err := c.plan.Calibration.Ratio(m.Name, c.plan.Map.Tags[m.Source].Unit, m.Resolution)
		if err != nil {
			c.factor(a, m, err)
		}
		w := window{id: a.Window, meter: m}
		if m.Totalizer != tag.None {
			w.tol = c.convert(a.Node, m.Tolerance, m.Resolution)
			if w.tot, err = c.plan.Map.Tags[m.Totalizer].Resolution.Per(m.Resolution); err != nil {
				c.report(a.Node, "totalizer of meter %s: %v", m.Name, err)
			}
		}
		spec := metering.Window{Meter: len(c.out.meters), Target: c.counts(&a.Target, m.Resolution)}
		if spec.Tolerance = m.Resolution.Coef; a.Tolerance.Given() {
			spec.Tolerance = c.counts(&a.Tolerance, m.Resolution)
		}
		c.out.meters = append(c.out.meters, metering.Meter{Bits: m.Bits, K: k})
		c.out.windows = append(c.out.windows, spec)
		c.out.seq.Windows = append(c.out.seq.Windows, sequencer.Window{Target: spec.Target})
		c.out.wins = append(c.out.wins, w)
		return n
	}
	has := "none"
	for i := range c.plan.Map.Meters {
		if has == "none" {
			has = c.plan.Map.Meters[i].Name
		} else {
			has += ", " + c.plan.Map.Meters[i].Name
		}
	}
	c.report(a.Node, "no meter %q in the I/O map %s; its meters: %s", a.Meter, c.plan.Map.ID, has)
	return n
}

// factor reports a meter whose counts cannot be turned into its resolution.
func (c *compiler) factor(a *recipe.Action, m *iomap.Meter, err error) {
	cal := c.plan.Calibration
	for i := range cal.Factors {
		if cal.Factors[i].Meter == m.Name {
			c.report(a.Node, "meter %s cannot be used: %v", m.Name, err)
			return
		}
	}
	c.report(a.Node, "meter %s has no K-factor in calibration %s %s; add one in %s/%s there, with a new version",
		m.Name, cal.ID, cal.Version, c.plan.Map.Tags[m.Source].Unit, m.Resolution.Unit)
}

func (c *compiler) stable(a *recipe.Action, s *sequencer.Action) {
	s.For = c.duration(&a.For)
	s.Reason = a.Tag + " within " + c.amount(&a.Within).String() + " for " + c.amount(&a.For).String()
	id, ok := c.plan.Map.Lookup(a.Tag)
	if !ok {
		c.report(a.Node, "no tag %q in the I/O map %s%s", a.Tag, c.plan.Map.ID, c.similar(a.Tag))
		return
	}
	if c.plan.Map.Tags[id].Type != iomap.Number {
		c.report(a.Node, "tag %s is no number; only a number can be stable", a.Tag)
		return
	}
	s.Tag = id
	s.Within = c.counts(&a.Within, c.plan.Map.Tags[id].Resolution)
}

func (c *compiler) request(a *recipe.Action) (*recipe.ActionType, []string) {
	for i := range c.plan.Actions {
		t := &c.plan.Actions[i]
		if t.Name != a.Type {
			continue
		}
		var params []string
		for _, f := range t.Params {
			found := false
			for k := range a.Settings {
				if s := &a.Settings[k]; s.Name == f.Name {
					found = true
					params = append(params, f.Name+"="+c.param(s, f))
				}
			}
			if !found {
				c.report(a.Node, "action %s needs %q", a.Type, f.Name)
			}
		}
		if len(a.Settings) > len(t.Params) {
			c.report(a.Node, "action %s takes %d parameters, %d are given", a.Type, len(t.Params), len(a.Settings))
		}
		return t, params
	}
	c.report(a.Node, "no action type %q is declared to this controller", a.Type)
	return nil, nil
}

func (c *compiler) param(s *recipe.Setting, f recipe.Field) string {
	if f.Unit == "" {
		return s.Value.Word
	}
	q := c.amount(&s.Value)
	if _, err := q.CountsRound(quantity.Quantity{Coef: 1, Scale: quantity.MaxScale, Unit: f.Unit}); err != nil {
		c.report(s.Node, "%s is a quantity in %s: %v", f.Name, f.Unit, err)
	}
	return q.String()
}

// amount returns the quantity that an amount stands for.
func (c *compiler) amount(a *recipe.Amount) quantity.Quantity {
	if a.Param == "" {
		if a.Word != "" {
			c.report(a.Node, "a quantity with its unit is wanted, not %q", a.Word)
		}
		return a.Quantity
	}
	q, ok := c.formula.Lookup(a.Param)
	if !ok {
		c.report(a.Node, "no parameter %q in the formula", a.Param)
	}
	return q
}

func (c *compiler) counts(a *recipe.Amount, res quantity.Quantity) int64 {
	return c.convert(a.Node, c.amount(a), res)
}

func (c *compiler) convert(n noder, q, res quantity.Quantity) int64 {
	v, err := q.Counts(res)
	if err != nil {
		c.report(n, "%s", strings.TrimPrefix(err.Error(), "quantity: "))
	}
	return v
}

func (c *compiler) duration(a *recipe.Amount) int64 {
	q := c.amount(a)
	ns, err := q.Nanoseconds()
	if err != nil || ns <= 0 {
		c.report(a.Node, "a time above zero such as 30 s is wanted, not %q", q)
	}
	return ns
}

// CondTag finds a tag for a condition.
func (c *compiler) CondTag(name string) (t cond.Tag, ok bool) {
	id, ok := c.plan.Map.Lookup(name)
	if !ok {
		c.missed = append(c.missed, name)
		return t, false
	}
	m := &c.plan.Map.Tags[id]
	return cond.Tag{ID: id, Switch: m.Type == iomap.Switch, Words: m.Words, Resolution: m.Resolution}, true
}

// meant is similar for the tag that a message about a condition calls missing.
func (c *compiler) meant(msg string) string {
	for _, name := range c.missed {
		if strings.Contains(msg, strconv.Quote(name)) {
			return c.similar(name)
		}
	}
	return ""
}

// similar returns "; did you mean ...?" with the tag that is most likely meant by a name that the map has not: the same but for
// case, or else with the fewest of its characters other, two at most. It returns nothing where there is none.
func (c *compiler) similar(name string) string {
	best, least := "", 3
	for i := range c.plan.Map.Tags {
		other := c.plan.Map.Tags[i].Name
		short := min(len(name), len(other))
		differ := max(len(name), len(other)) - short
		for k := range short {
			if name[k] != other[k] && !(k > 0 && name[k] == other[k-1] && name[k-1] == other[k]) {
				differ++
			}
		}
		if strings.EqualFold(name, other) {
			differ = 0
		}
		if differ < min(least, short) {
			best, least = other, differ
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
