// Programs and a plant for tests.

package sequencer

import (
	"cmp"
	"fmt"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

const second = int64(1_000_000_000)

// block is an element of a program before it is numbered.
type block struct {
	name      string
	kind      recipe.Block // NoBlock: a sequence
	below     []*block     // nil for a phase
	todo      []todo       // of a phase
	timeout   int64
	reaction  recipe.Reaction
	retry     int
	recovery  recipe.Recovery
	entry     cond.Cond
	exit      cond.Cond
	words     [5]string // of entry, exit, when, until and until's limit
	uses      []string
	when      cond.Cond // of an alternative; nil: otherwise
	until     cond.Cond
	atMost    int
	onLimit   recipe.Limit
	equipment string
	hands     bool
	level     recipe.Level
	takes     bool
	logic     [recipe.LogicEnd]*block
	time      *Action // how well time must be known when a phase begins
}

// todo is an action with the outputs that it sets, and the line or message that it names.
type todo struct {
	Action
	sets []Set
	line string
}

// wired is a program with the names of its parts.
type wired struct {
	Program
	elems     []string
	actions   []string // element/n
	tags      []string // outputs first
	windows   []string
	resources []string
	owners    map[string]int  // of those that may have several
	shared    map[string]bool // with other batches
	lines     []string
	messages  []string
	gates     []string // interlocks
	met       []party
}

// party is one who names a line or a message.
type party struct {
	kind          recipe.ActionKind
	number        int
	phase, action int
}

// output adds an output; outputs come before other tags.
func (w *wired) output(name string, safe int64) int {
	w.Outputs = append(w.Outputs, Output{Tag: w.tag(name), Safe: safe, Fresh: second})
	return len(w.Outputs) - 1
}

func numbered(names *[]string, name string) int {
	for i, t := range *names {
		if t == name {
			return i
		}
	}
	*names = append(*names, name)
	return len(*names) - 1
}

func (w *wired) tag(name string) tag.ID { return tag.ID(numbered(&w.tags, name)) }

func (w *wired) window(name string, target int64) int {
	w.windows = append(w.windows, name)
	w.Windows = append(w.Windows, Window{Target: target})
	return len(w.Windows) - 1
}

// CondTag makes every tag a plain number.
func (w *wired) CondTag(name string) (cond.Tag, bool) {
	return cond.Tag{ID: w.tag(name), Resolution: quantity.Quantity{Coef: 1, Unit: quantity.One}}, true
}

// cond reads a condition; numbers have no unit.
func (w *wired) cond(text string) (cond.Cond, error) {
	e, err := cond.Parse(text)
	if err != nil {
		return nil, err
	}
	c, errs := e.Bind(w, nil)
	if errs != nil {
		return nil, &errs[0]
	}
	return c, nil
}

// procedure numbers the elements of b and all below it.
func (w *wired) procedure(b *block) *wired {
	w.number(b, -1)
	w.Resources = len(w.resources)
	for _, name := range w.resources {
		w.Owners = append(w.Owners, max(w.owners[name], 1))
	}
	for i, name := range w.lines {
		w.Lines = append(w.Lines, Line{First: len(w.Parties)})
		w.parties(recipe.Sync, i, func(p int) string { return w.elems[p] + " will not come to line " + name })
		w.Lines[i].Count = len(w.Parties) - w.Lines[i].First
	}
	for i, name := range w.messages {
		w.Messages = append(w.Messages, Message{First: len(w.Parties), Full: "no room for one more " + name})
		w.parties(recipe.Send, i, func(p int) string { return w.elems[p] + " will not send " + name })
		w.Messages[i].Count = len(w.Parties) - w.Messages[i].First
	}
	return w
}

// parties adds those who name a line or send a message.
func (w *wired) parties(kind recipe.ActionKind, number int, lost func(phase int) string) {
	var all []party
	for _, p := range w.met {
		if p.kind == kind && p.number == number {
			all = append(all, p)
		}
	}
	for _, p := range all {
		w.Parties = append(w.Parties, Party{Branch: w.branch(all, p.phase), Phase: p.phase, Action: p.action, Lost: lost(p.phase)})
	}
}

// branch is the child of the innermost element around all parties in which one of them stands.
func (w *wired) branch(all []party, phase int) int {
	inside := func(e int) bool {
		for _, p := range all {
			if p.phase < e || p.phase >= w.Elems[e].End {
				return false
			}
		}
		return true
	}
	for w.Elems[phase].Parent >= 0 && !inside(w.Elems[phase].Parent) {
		phase = w.Elems[phase].Parent
	}
	return phase
}

// number numbers an element with its transitions.
func (w *wired) number(b *block, parent int) {
	if b.uses == nil && b.entry == nil && b.exit == nil && b.time == nil {
		w.body(b, parent)
		return
	}
	n := w.add(b.name, Elem{Bracket: true, Block: recipe.Sequence, Parent: parent, Level: b.level})
	if b.uses != nil {
		a := Action{Kind: recipe.Acquire, First: len(w.Uses), Count: len(b.uses), Reason: "uses " + fmt.Sprint(b.uses)}
		for _, r := range b.uses {
			w.Uses = append(w.Uses, numbered(&w.resources, r))
			if w.shared[r] && a.Ask == 0 {
				w.Asks = append(w.Asks, len(w.Elems))
				a.Ask = len(w.Asks)
			}
		}
		w.transition(b, "uses", n, a)
	}
	if b.entry != nil {
		w.transition(b, "entry", n, Action{Kind: recipe.Wait, Cond: b.entry, Reason: b.words[0]})
	}
	if b.time != nil {
		w.transition(b, "time", n, *b.time)
	}
	w.Elems[n].Body = len(w.Elems)
	w.body(b, n)
	if b.exit != nil {
		w.transition(b, "exit", n, Action{Kind: recipe.Wait, Cond: b.exit, Reason: b.words[1]})
	}
	w.Elems[n].End = len(w.Elems)
}

func (w *wired) add(name string, e Elem) int {
	w.elems = append(w.elems, name)
	e.First, e.End = len(w.Actions), len(w.Elems)+1
	w.Elems = append(w.Elems, e)
	return len(w.Elems) - 1
}

func (w *wired) transition(b *block, what string, parent int, a Action) int {
	n := w.add(b.name+"."+what, Elem{Phase: true, Waits: true, Parent: parent, Level: b.level, Count: 1, Timeout: b.timeout, Retry: b.retry, OnTimeout: b.reaction,
		Recovery: b.recovery})
	w.Actions = append(w.Actions, a)
	w.actions = append(w.actions, w.elems[n]+"/1")
	return n
}

func (w *wired) todo(n int, list []todo) {
	for i, t := range list {
		switch t.Kind {
		case recipe.Set, recipe.Jog:
			t.First, t.Count = len(w.Sets), len(t.sets)
			w.Sets = append(w.Sets, t.sets...)
		case recipe.Sync:
			t.Line = numbered(&w.lines, t.line)
			w.met = append(w.met, party{t.Kind, t.Line, n, len(w.Actions)})
		case recipe.Send, recipe.Receive:
			t.Line = numbered(&w.messages, t.line)
			w.met = append(w.met, party{t.Kind, t.Line, n, len(w.Actions)})
		}
		w.Actions = append(w.Actions, t.Action)
		w.actions = append(w.actions, fmt.Sprintf("%s/%d", w.elems[n], i+1))
	}
	w.Elems[n].Count = len(list)
}

// body numbers an element without entry, exit and uses.
func (w *wired) body(b *block, parent int) {
	e := Elem{Phase: b.below == nil, Block: b.kind, Parent: parent, Level: b.level, AtMost: b.atMost, OnLimit: b.onLimit,
		Hands: b.hands, Takes: b.takes}
	if e.Phase {
		e.Timeout, e.Retry, e.OnTimeout, e.Recovery = b.timeout, b.retry, b.reaction, b.recovery
	} else if e.Block == recipe.NoBlock {
		e.Block = recipe.Sequence
	}
	n := w.add(b.name, e)
	w.todo(n, b.todo)
	for i, l := range b.logic {
		if l == nil {
			continue
		}
		k := w.add(fmt.Sprint(b.name, ".", recipe.Transient(i)), Elem{Logic: true, Parent: n, Level: b.level, Timeout: l.timeout})
		w.Elems[n].Logics[i] = k
		w.todo(k, l.todo)
	}
	choose := 0
	if b.kind == recipe.Select {
		choose = w.transition(b, "select", n, Action{Kind: recipe.Choose, First: len(w.Choices), Count: len(b.below), Reason: "select"})
		for range b.below {
			w.Choices = append(w.Choices, Choice{})
		}
	}
	for i, c := range b.below {
		if b.kind == recipe.Select {
			w.Choices[w.Actions[w.Elems[choose].First].First+i] = Choice{Elem: len(w.Elems), Cond: c.when, Text: c.name + ": " + cmp.Or(c.words[2], "otherwise")}
		}
		same := func(k int) bool {
			return k >= 0 && k < len(b.below) && c.equipment != "" && c.equipment == b.below[k].equipment
		}
		c.takes, c.hands = same(i-1), same(i+1)
		w.number(c, n)
	}
	if b.kind == recipe.Repeat {
		w.transition(b, "until", n, Action{Kind: recipe.Until, Cond: b.until, Reason: "until " + b.words[3],
			Limit: fmt.Sprintf("until still false after %d rounds", b.atMost)})
	}
	if k := w.Elems[n].Block; k == recipe.Sequence || k == recipe.Repeat {
		w.Elems[n].Step = w.transition(&block{name: b.name, level: b.level, recovery: b.recovery}, "step", n, Action{Kind: recipe.Step, Reason: "release"})
	}
	w.Elems[n].End = len(w.Elems)
}

// elem finds an element by its name; -1 where there is none.
func (w *wired) elem(name string) int {
	for i, e := range w.elems {
		if e == name {
			return i
		}
	}
	return -1
}

// atLeast is the condition that a tag is GOOD and not below a value.
func atLeast(id tag.ID, value int64) cond.Cond {
	return cond.Cond{{Op: cond.Ge, Size: 1, Tag: id, Value: value}}
}

// plant is the View of a test.
type plant struct {
	value   []int64
	quality []tag.Quality
	totals  []metering.Total
	used    []bool
	now     int64
	lies    []bool                 // by output: its device confirms what it does not do
	blocks  []bool                 // by interlock
	faults  map[int]iomap.FaultSet // by output
	doubt   bool                   // what blocks was found so at the boot
	sync    timebase.Sync
	bound   int64
}

// Time tells how well the wall clock is known.
func (p *plant) Time() (timebase.Sync, int64) { return p.sync, p.bound }

func newPlant(w *wired) *plant {
	p := &plant{value: make([]int64, len(w.tags)), quality: make([]tag.Quality, len(w.tags)),
		totals: make([]metering.Total, len(w.Windows)), used: make([]bool, len(w.Windows)), lies: make([]bool, len(w.Outputs)),
		blocks: make([]bool, len(w.Interlocks))}
	for i := range p.quality {
		p.quality[i] = tag.Good
	}
	for i := range p.totals {
		p.totals[i].Source = tag.Good
	}
	for _, o := range w.Outputs {
		p.value[o.Tag] = o.Safe
	}
	return p
}

// Read gives BAD for a tag that the plant does not have.
func (p *plant) Read(id tag.ID, _ int64) (int64, tag.Quality) {
	if int(id) >= len(p.value) {
		return 0, tag.Bad
	}
	return p.value[id], p.quality[id]
}

// Seen says that every value is of now.
func (p *plant) Seen(tag.ID) int64 { return p.now }

// Blocks tells what a guard would.
func (p *plant) Blocks(interlock int) (blocks, settled bool) {
	return p.blocks[interlock], !p.doubt
}

// Faults are those of the output, none where the test names none.
func (p *plant) Faults(output int) iomap.FaultSet { return p.faults[output] }

// Total shows a window.
func (p *plant) Total(w int) metering.Total { return p.totals[w] }

func (p *plant) Source(w int) (bool, tag.Quality) { return p.totals[w].Open, p.totals[w].Source }

// judged is how a window is found to be that has closed: within 1 of its target, or not GOOD where its source is not.
func (p *plant) judged(w int, target int64) Event {
	ev := Event{Kind: WindowClosed, Window: w, Reason: "it is not as it should be"}
	switch t := &p.totals[w]; {
	case t.Source != tag.Good:
		ev.Verdict = NotGood
	case t.Value < target-1 || t.Value > target+1:
		ev.Verdict = OutOfTolerance
	}
	return ev
}

// open does what the metering floor does: a window opens once, and only on a good source.
func (p *plant) open(w int) bool {
	t := &p.totals[w]
	ok := !p.used[w] && t.Source == tag.Good
	if ok {
		*t = metering.Total{Open: true, Source: tag.Good, Quality: tag.Good}
		p.used[w] = true
	}
	return ok
}
