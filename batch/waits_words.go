// What is lacking and what comes due, as a person reads it.

package batch

import (
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

const overflow = record.Overflow

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func unsigned(n uint64) string { return strconv.FormatUint(n, 10) }

// seconds gives a time in seconds and tenths, cut off.
func seconds(ns int64) string {
	const tenth = 100_000_000
	return strconv.FormatInt(ns/(10*tenth), 10) + "." + strconv.FormatInt(ns/tenth%10, 10) + " s"
}

// String says in one line what is lacking, such as "LT301 is 9.8 L, GOOD, 0.2 s old; wanted is >= 40.0 L".
func (n *Need) String() string {
	var text string
	switch n.Kind {
	case NeedTag:
		text = n.Name + " is " + n.read()
	case NeedOutput:
		text = n.Name + " reads back " + n.read()
	case NeedTotal:
		text = "total " + n.Name + " is " + n.Value
	case NeedStep, NeedEquipment:
		if text = n.Name; n.Step == "" {
			return text + ": " + join(n.Wants, n.Detail)
		}
		if text += ": " + n.Step + " has " + n.Wants; n.Kind == NeedEquipment {
			text = n.Name + ": held by " + n.Step
		}
		return join(text, n.Detail)
	case NeedPerson:
		return join("an operator has to "+n.Wants, n.Detail)
	case NeedTime:
		return join("has to go by: "+n.Wants, n.Detail)
	default:
		return join(strings.TrimSuffix("wanted is "+n.Wants+" of "+n.Name, " of "), n.Detail)
	}
	if n.Wants != "" {
		text += "; wanted is " + n.Wants
	}
	return join(text, n.Detail)
}

func join(words ...string) string {
	kept := words[:0]
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, "; ")
}

// read is the value with its quality and age.
func (n *Need) read() string {
	if n.AgeMS < 0 {
		return "nothing yet, " + n.Quality.String()
	}
	return n.Value + ", " + n.Quality.String() + ", " + seconds(n.AgeMS*1_000_000) + " old"
}

// Dues says in words what is due at monotonic time at: what a Tick then brings. It changes nothing.
func (m *Machine) Dues(at int64) (words []string) {
	m.io.Dues(at+m.st.Base, func(id tag.ID, stale bool) {
		name := m.b.Plan.Map.Tags[id].Name
		if stale {
			words = append(words, name+" has become too old")
		} else {
			words = append(words, name+" has rested for its debounce")
		}
	})
	m.guard.Dues(at+m.st.Base, func(i int) {
		if k := i - len(m.b.Plan.Map.Interlocks); k >= 0 {
			words = append(words, "the delay of alarm "+m.b.Plan.Map.Alarms[k].ID+" is over")
		} else {
			words = append(words, "the debounce or vote of interlock "+m.b.Plan.Map.Interlocks[i].ID+" is over")
		}
	})
	m.seq.Dues(at+m.st.Base, func(d sequencer.Due) {
		switch d.Kind {
		case sequencer.DueTimeout:
			words = append(words, m.form.prog.elems[d.Elem].id+" runs out of time")
		case sequencer.DueAction:
			words = append(words, m.dueAction(d.Elem))
		case sequencer.DueRest:
			words = append(words, "phases go on with what they had left to do")
		case sequencer.DueRetry:
			words = append(words, "the safe value of "+m.b.Plan.Map.Tags[m.form.prog.outputs[d.Output]].Name+" is written again")
		case sequencer.DueEscape:
			words = append(words, "the time for devices to confirm is over")
		case sequencer.DueFault:
			words = append(words, "the fault of "+m.b.Plan.Map.Tags[m.form.prog.outputs[d.Output]].Name+" was gone for long enough")
		case sequencer.DueTrip:
			words = append(words, "the time for a trip to be confirmed is over")
		}
	})
	return words
}

// dueAction says what has had its time.
func (m *Machine) dueAction(e int) string {
	for _, w := range m.seq.Waits(0) {
		if w.Elem != e || w.Action < 0 {
			continue
		}
		a, id := &m.form.prog.seq.Actions[w.Action], m.form.prog.actions[w.Action].id
		switch a.Kind {
		case recipe.Delay:
			return "the " + a.Reason + " of " + id + " is over"
		case recipe.VerifyStable:
			return a.Reason + ", for " + id + ", is over"
		default:
			return id + " has had the time that it waits for"
		}
	}
	return m.form.prog.elems[e].id + " has had the time that it waits for"
}

// Wrote tells which output, and which of its values, a write is about that was the last to it; ok is false where a later write has
// taken its place, or there was none.
func (m *Machine) Wrote(id uint32) (name, value string, ok bool) {
	o := m.seq.Written(id)
	if o < 0 {
		return "", "", false
	}
	t := &m.b.Plan.Map.Tags[m.form.prog.outputs[o]]
	v, _ := m.seq.Commanded(o)
	return t.Name, shown(t, v), true
}
