// This file finds what became other with the elements of a procedure and their actions.

package recipe

import (
	"fmt"
	"strings"
)

// words names the element in a sentence: "phase HEAT".
func (e *Element) words() string { return strings.ReplaceAll(e.Level.String(), "_", " ") + " " + e.ID }

// where says where an element stands: "in REACT after STIR".
func (p *place) where() string {
	switch {
	case p.parent == nil:
		return "as the whole procedure"
	case p.parent.Block == Parallel:
		return "in " + p.parent.ID + ", beside the others"
	case p.n == 0:
		return "in " + p.parent.ID + " as the first"
	}
	return "in " + p.parent.ID + " after " + p.parent.Children[p.n-1].ID
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// gone tells of elements that are in the first recipe only.
func (d *differ) gone(e *Element) {
	if p := d.before[e.ID]; d.after[e.ID].e == nil {
		d.say("%s is removed; it stood %s", upper(e.words()), p.where())
	}
	for _, c := range e.Children {
		d.gone(c)
	}
}

// element tells of an element of the second recipe and of those in it.
func (d *differ) element(e *Element) {
	was, is := d.before[e.ID], d.after[e.ID]
	if was.e == nil {
		d.say("%s is new, %s", upper(e.words()), is.where())
		d.fresh = true
		d.changed(&Element{}, e)
		d.fresh = false
	} else {
		d.moved(&was, &is)
		d.changed(was.e, e)
	}
	for _, c := range e.Children {
		d.element(c)
	}
}

// moved tells whether an element that both have stands elsewhere.
func (d *differ) moved(was, is *place) {
	switch {
	case is.parent == nil && was.parent == nil:
		return
	case is.parent != nil && was.parent != nil && is.parent.ID == was.parent.ID:
		if d.stays[is.parent.ID] == nil {
			d.stays[is.parent.ID] = d.inOrder(was.parent, is.parent)
		}
		if d.stays[is.parent.ID][is.e.ID] {
			return
		}
	}
	d.say("%s is moved: it stood %s, and stands %s", upper(is.e.words()), was.where(), is.where())
}

// inOrder tells which elements of a block follow each other as they did in the block that it was.
func (d *differ) inOrder(was, is *Element) map[string]bool {
	var a, b []string
	for _, c := range was.Children {
		if p := d.after[c.ID]; p.parent != nil && p.parent.ID == is.ID {
			a = append(a, c.ID)
		}
	}
	for _, c := range is.Children {
		if p := d.before[c.ID]; p.parent != nil && p.parent.ID == is.ID {
			b = append(b, c.ID)
		}
	}
	stays := map[string]bool{}
	for _, pair := range common(a, b) {
		stays[b[pair[1]]] = true
	}
	return stays
}

// changed tells what became other with an element itself.
func (d *differ) changed(a, b *Element) {
	becomes := func(what, a, c string) { d.becomes(b.ID+", "+what, a, c) }
	if !d.fresh {
		becomes("level", strings.ReplaceAll(a.Level.String(), "_", " "), strings.ReplaceAll(b.Level.String(), "_", " "))
	}
	becomes("block", a.Block.String(), b.Block.String())
	becomes("taken when", inQuotes(condWords(a.When)), inQuotes(condWords(b.When)))
	becomes("condition to begin", inQuotes(condWords(a.Entry)), inQuotes(condWords(b.Entry)))
	becomes("condition to end", inQuotes(condWords(a.Exit)), inQuotes(condWords(b.Exit)))
	becomes("equipment for itself", strings.Join(a.Uses, ", "), strings.Join(b.Uses, ", "))
	becomes("time known when it begins", a.Time.String(), b.Time.String())
	becomes("repeated until", inQuotes(condWords(a.Loop.Until)), inQuotes(condWords(b.Loop.Until)))
	becomes("rounds at most", rounds(a), rounds(b))
	if a.Loop.Until != nil || b.Loop.Until != nil {
		becomes("after the last round", a.Loop.OnLimit.String(), b.Loop.OnLimit.String())
	}
	becomes("time-out", a.Timeout.String(), b.Timeout.String())
	if a.Timeout.Given() || b.Timeout.Given() {
		becomes("after a time-out", a.TimeoutWords(), b.TimeoutWords())
	}
	if b.Block == NoBlock {
		becomes("when the controller comes up again", a.Recovery.String(), b.Recovery.String())
	}
	becomes("equipment phase", a.Equipment, b.Equipment)
	d.actions(b.ID, a.Actions, b.Actions)
	for t := OnHold; t < LogicEnd; t++ {
		name := b.ID + ", " + strings.ReplaceAll(t.String(), "_", " ")
		d.becomes(name+", time-out", a.Logic[t].Timeout.String(), b.Logic[t].Timeout.String())
		d.actions(name, a.Logic[t].Actions, b.Logic[t].Actions)
	}
}

func rounds(e *Element) string {
	if e.Loop.AtMost == 0 {
		return ""
	}
	return fmt.Sprint(e.Loop.AtMost)
}

// actions tells which actions are gone, new, moved or changed.
func (d *differ) actions(name string, a, b []Action) {
	wordsOf := func(actions []Action) (words []string) {
		for i := range actions {
			words = append(words, actions[i].String())
		}
		return words
	}
	was, is := wordsOf(a), wordsOf(b)
	goneA, newB := make([]bool, len(was)), make([]bool, len(is))
	for i := range goneA {
		goneA[i] = true
	}
	for i := range newB {
		newB[i] = true
	}
	for _, pair := range common(was, is) {
		goneA[pair[0]], newB[pair[1]] = false, false
	}
	d.pairs(name, a, b, was, is, goneA, newB)
	for i, gone := range goneA {
		if gone {
			d.say("%s: action %d, %s, is removed", name, i+1, was[i])
		}
	}
	for i, fresh := range newB {
		if fresh && d.fresh {
			d.say("%s, action %d: %s", name, i+1, is[i])
		} else if fresh {
			d.say("%s: action %d, %s, is new", name, i+1, is[i])
		}
	}
}

// pairs tells of actions that are gone here and new there: moved with the same words, or changed where one of the same kind
// takes the place between the same neighbours.
func (d *differ) pairs(name string, a, b []Action, was, is []string, goneA, newB []bool) {
	for i := range was {
		for k := range is {
			if goneA[i] && newB[k] && was[i] == is[k] {
				d.say("%s: action %d, %s, is moved and is action %d", name, i+1, was[i], k+1)
				goneA[i], newB[k] = false, false
			}
		}
	}
	k := 0
	for i := range was {
		if !goneA[i] {
			continue
		}
		for ; k < len(is); k++ {
			if newB[k] && b[k].Kind == a[i].Kind && stayed(goneA, i) == stayed(newB, k) {
				d.say("%s, action %d: was %s, is now %s", name, k+1, was[i], is[k])
				goneA[i], newB[k] = false, false
				k++
				break
			}
			if stayed(newB, k) > stayed(goneA, i) {
				break
			}
		}
	}
}

// stayed is how many before the i-th are neither gone nor new.
func stayed(other []bool, i int) (n int) {
	for _, o := range other[:i] {
		if !o {
			n++
		}
	}
	return n
}

// maxCommon bounds the table of common; above it only what stands at the same place is taken to be common.
const maxCommon = 4 << 20

// common pairs what two lists have in the same order, as much as can be.
func common(a, b []string) (pairs [][2]int) {
	at := 0 // what both begin with is common without a table
	for at < len(a) && at < len(b) && a[at] == b[at] {
		pairs = append(pairs, [2]int{at, at})
		at++
	}
	restA, restB := a[at:], b[at:]
	if len(restA)*len(restB) > maxCommon {
		for i := range min(len(restA), len(restB)) {
			if restA[i] == restB[i] {
				pairs = append(pairs, [2]int{at + i, at + i})
			}
		}
		return pairs
	}
	rows := make([][]int32, len(restA)+1)
	for i := range rows {
		rows[i] = make([]int32, len(restB)+1)
	}
	for i := len(restA) - 1; i >= 0; i-- {
		for k := len(restB) - 1; k >= 0; k-- {
			if restA[i] == restB[k] {
				rows[i][k] = rows[i+1][k+1] + 1
			} else {
				rows[i][k] = max(rows[i+1][k], rows[i][k+1])
			}
		}
	}
	for i, k := 0, 0; i < len(restA) && k < len(restB); {
		switch {
		case restA[i] == restB[k]:
			pairs = append(pairs, [2]int{at + i, at + k})
			i, k = i+1, k+1
		case rows[i+1][k] >= rows[i][k+1]:
			i++
		default:
			k++
		}
	}
	return pairs
}
