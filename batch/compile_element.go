// Elements of a recipe become elements of a program: blocks, phases with their logic, and the transitions around them.

package batch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// add appends an element whose descendants and actions are still to come.
func (c *compiler) add(id string, level recipe.Level, s sequencer.Elem) int {
	s.First, s.End = len(c.out.seq.Actions), len(c.out.elems)+1
	c.out.elems = append(c.out.elems, step{id, level})
	c.out.seq.Elems = append(c.out.seq.Elems, s)
	return len(c.out.elems) - 1
}

// element adds an element, in a bracket where it has transitions around it. takes and hands say whether its equipment phase comes
// from the element before and goes to the one after it.
func (c *compiler) element(e *recipe.Element, parent int, takes, hands bool) {
	timeout := int64(0)
	if e.Timeout.Given() {
		timeout = c.duration(&e.Timeout)
	}
	if e.Entry == nil && e.Exit == nil && e.Uses == nil && e.Time == nil {
		c.body(e, parent, timeout, takes, hands)
		return
	}
	n := c.add(e.ID, e.Level, sequencer.Elem{Bracket: true, Block: recipe.Sequence, Parent: parent, Level: e.Level})
	if e.Uses != nil {
		c.transition(e, "uses", n, timeout, c.acquire(e))
	}
	if e.Entry != nil {
		c.transition(e, "entry", n, timeout, sequencer.Action{Kind: recipe.Wait, Cond: c.cond(e.Entry, e.At("entry")), Reason: e.Entry.String()})
	}
	if e.Time != nil {
		c.known(e, n, timeout)
	}
	c.out.seq.Elems[n].Body = len(c.out.elems)
	c.body(e, n, timeout, takes, hands)
	if e.Exit != nil {
		c.transition(e, "exit", n, timeout, sequencer.Action{Kind: recipe.Wait, Cond: c.cond(e.Exit, e.At("exit")), Reason: e.Exit.String()})
	}
	c.out.seq.Elems[n].End = len(c.out.elems)
}

// transition adds a transition of an element: a phase with one action.
func (c *compiler) transition(e *recipe.Element, what string, parent int, timeout int64, a sequencer.Action) int {
	n := c.add(e.ID+"."+what, e.Level, sequencer.Elem{Phase: true, Waits: true, Parent: parent, Level: e.Level, Count: 1, Timeout: timeout, Retry: e.Retry,
		OnTimeout: e.OnTimeout, Recovery: e.Recovery})
	c.out.seq.Actions = append(c.out.seq.Actions, a)
	c.out.actions = append(c.out.actions, action{id: c.out.elems[n].id + "/1"})
	return n
}

// known adds the transition at which a phase looks at how well time is known.
func (c *compiler) known(e *recipe.Element, parent int, timeout int64) {
	t := e.Time
	a := sequencer.Action{Kind: recipe.Time}
	var words []string
	if t.Within.Given() {
		a.For = c.duration(&t.Within)
		words = append(words, "within "+c.amount(&t.Within).String())
	}
	if t.State != "" {
		a.State, _ = timebase.ParseSync(t.State)
		words = append(words, t.State)
	}
	switch t.Otherwise {
	case recipe.TimeHold:
		a.React = sequencer.Hold
	case recipe.TimeAbort:
		a.React = sequencer.Abort
	}
	a.Reason = "time " + strings.Join(words, " and ")
	a.Limit = "time is not known " + strings.Join(words, " and ")
	n := c.transition(e, "time", parent, timeout, a)
	w := &c.out.actions[c.out.seq.Elems[n].First]
	w.text = fmt.Sprintf("%s was to begin, and %s. Let it begin all the same?", e.ID, a.Limit)
	w.answer = &recipe.Answer{Kind: recipe.AnswerConfirm}
}

// body adds an element without what stands around it.
func (c *compiler) body(e *recipe.Element, parent int, timeout int64, takes, hands bool) {
	if e.Children == nil {
		c.phase(e, parent, timeout, takes, hands)
		return
	}
	n := c.add(e.ID, e.Level, sequencer.Elem{Block: e.Block, Parent: parent, Level: e.Level, AtMost: e.Loop.AtMost, OnLimit: e.Loop.OnLimit})
	first := len(c.out.seq.Choices)
	if e.Block == recipe.Select {
		c.transition(e, "select", n, timeout, sequencer.Action{Kind: recipe.Choose, First: first, Count: len(e.Children), Reason: choices(e)})
		c.out.seq.Choices = append(c.out.seq.Choices, make([]sequencer.Choice, len(e.Children))...)
	}
	for i, child := range e.Children {
		same := func(k int) bool {
			return (e.Block == recipe.Sequence || e.Block == recipe.Repeat) && k >= 0 && k < len(e.Children) && child.Equipment != "" &&
				child.Equipment == e.Children[k].Equipment
		}
		if e.Block == recipe.Select {
			c.out.seq.Choices[first+i] = c.choice(child)
		}
		c.element(child, n, same(i-1), same(i+1))
	}
	if e.Block == recipe.Repeat {
		a := sequencer.Action{Kind: recipe.Until, Reason: fmt.Sprintf("%d rounds", e.Loop.AtMost)}
		if e.Loop.Until != nil {
			a.Cond, a.Reason = c.cond(e.Loop.Until, e.At("repeat", "until")), e.Loop.Until.String()
			a.Limit = brief(a.Reason, maxLimit) + " is still false at the end of round " + strconv.Itoa(e.Loop.AtMost)
		}
		c.transition(e, "until", n, timeout, a)
	}
	if e.Block == recipe.Sequence || e.Block == recipe.Repeat {
		c.out.seq.Elems[n].Step = c.transition(e, "step", n, 0, sequencer.Action{Kind: recipe.Step, Reason: "release"})
	}
	c.out.seq.Elems[n].End = len(c.out.elems)
}

// choice is an alternative of a select, which is the next element.
func (c *compiler) choice(e *recipe.Element) sequencer.Choice {
	if e.When == nil {
		return sequencer.Choice{Elem: len(c.out.elems), Text: e.ID + ": otherwise"}
	}
	return sequencer.Choice{Elem: len(c.out.elems), Cond: c.cond(e.When, e.At("when")), Text: e.ID + ": " + e.When.String()}
}

// choices says what a select waits for.
func choices(e *recipe.Element) string {
	var words []string
	for _, child := range e.Children {
		if child.When != nil {
			words = append(words, child.When.String())
		} else {
			words = append(words, "otherwise")
		}
	}
	return brief(strings.Join(words, "; "), maxChoices)
}

// Bytes of the words of a recipe in records: all alternatives of a select must fit one, and the limit of a repeat stands in that of
// every phase and output which it holds.
const (
	maxChoices = 4096
	maxLimit   = MaxDetail / 2
)

// brief cuts words that are longer than most bytes.
func brief(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}

// phase adds a phase with its actions and its logic.
func (c *compiler) phase(e *recipe.Element, parent int, timeout int64, takes, hands bool) {
	n := c.add(e.ID, e.Level, sequencer.Elem{Phase: true, Parent: parent, Level: e.Level, Timeout: timeout, Retry: e.Retry, OnTimeout: e.OnTimeout,
		Recovery: e.Recovery, Takes: takes, Hands: hands})
	c.actions(n, e.Actions)
	if e.Equipment != "" {
		c.chained(n, takes)
	}
	if e.Equipment != "" && !hands {
		c.handBack(n, e)
	}
	for t := range e.Logic {
		l := &e.Logic[t]
		if l.Actions == nil {
			continue
		}
		k := c.add(e.ID+"."+recipe.Transient(t).String(), e.Level, sequencer.Elem{Logic: true, Parent: n, Level: e.Level, Timeout: c.duration(&l.Timeout)})
		c.out.seq.Elems[n].Logics[t] = k
		c.actions(k, l.Actions)
	}
	c.out.seq.Elems[n].End = len(c.out.elems)
}

// chained remembers what a phase sets, as long as its equipment phase is handed over.
func (c *compiler) chained(n int, takes bool) {
	if !takes {
		c.chain = make([]noder, len(c.out.outputs))
	}
	for i := c.out.seq.Elems[n].First; i < len(c.out.seq.Actions); i++ {
		a := &c.out.seq.Actions[i]
		for k := a.First; a.Sets() && k < a.First+a.Count; k++ {
			c.chain[c.out.seq.Sets[k].Output] = c.setBy[k]
		}
	}
}

// handBack adds what the last phase of an equipment phase does at its end: what was set goes to its safe value.
func (c *compiler) handBack(n int, e *recipe.Element) {
	a := sequencer.Action{Kind: recipe.Set, First: len(c.out.seq.Sets), Reason: "outputs of " + e.Equipment + " safe"}
	for o, by := range c.chain {
		if by != nil {
			c.out.seq.Sets = append(c.out.seq.Sets, sequencer.Set{Output: o, Value: c.out.seq.Outputs[o].Safe})
			c.setBy = append(c.setBy, by)
		}
	}
	if a.Count = len(c.out.seq.Sets) - a.First; a.Count == 0 {
		return
	}
	if c.out.seq.Elems[n].Timeout == 0 {
		c.report(e.Node, "phase %q: key \"timeout\" is missing; at its end the outputs of equipment phase %q go to their safe values, "+
			"which may take for ever", e.ID, e.Equipment)
	}
	c.out.seq.Elems[n].Count++
	c.out.seq.Actions = append(c.out.seq.Actions, a)
	c.out.actions = append(c.out.actions, action{id: fmt.Sprintf("%s/%d", e.ID, c.out.seq.Elems[n].Count)})
}

// actions adds the actions of a phase or logic.
func (c *compiler) actions(n int, list []recipe.Action) {
	for i := range list {
		c.action(n, &list[i], fmt.Sprintf("%s/%d", c.out.elems[n].id, i+1))
	}
	c.out.seq.Elems[n].Count = len(list)
}

func (c *compiler) action(n int, a *recipe.Action, id string) {
	s := sequencer.Action{Kind: a.Kind, First: len(c.out.seq.Sets)}
	w := action{id: id, text: a.Text, line: a.Line, answer: &a.Answer}
	switch a.Kind {
	case recipe.Set:
		for k := range a.Settings {
			c.set(&a.Settings[k])
		}
		s.Count = len(c.out.seq.Sets) - s.First
		s.Reason = "outputs confirmed"
	case recipe.Wait:
		s.Reason = a.Cond.String()
		text, _ := a.Node.Map().Opt(recipe.Wait.String())
		s.Cond = c.cond(a.Cond, text)
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
				s.Short = c.atLeast(0, "short_by", &a.ShortBy, c.out.wins[s.Window].meter.Resolution)
				s.Reason = "total " + a.Window + " within " + c.amount(&a.ShortBy).String() + " of its target"
				if a.Learn.Given() {
					c.learn(a, &s)
				}
			}
		}
		s.React, s.NotGood = reacts(a.OutOfTolerance), reacts(a.NotGood)
	case recipe.Jog:
		c.jogs(a, &s)
	case recipe.VerifyStable:
		c.stable(a, &s)
	case recipe.Prompt:
		s.Reason = "answer of an operator"
	case recipe.Request:
		s.Reason = "result of " + a.Type
		w.kind, w.params = c.request(a)
	case recipe.Sync:
		s.Reason = "sync " + a.Line
		s.Line = c.lines.add(a, n, len(c.out.seq.Actions))
	case recipe.Send, recipe.Receive:
		s.Reason = a.Kind.String() + " " + a.Line
		s.Line = c.posts.add(a, n, len(c.out.seq.Actions))
	}
	c.out.seq.Actions = append(c.out.seq.Actions, s)
	c.out.actions = append(c.out.actions, w)
}
