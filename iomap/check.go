// What somebody who commissions a map wants to know of it before he approves it, although it can be read.

package iomap

import (
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
)

// Severity is how grave a Finding is.
type Severity uint8

// The severities.
const (
	Note    Severity = iota // worth knowing
	Warning                 // it may not do what is meant; whoever approves the map should know why it is so
	Wrong                   // it cannot do what is meant
)

// String gives the word that a report begins with: note, warning or wrong.
func (s Severity) String() string { return [...]string{"note", "warning", "wrong"}[min(s, Wrong)] }

// Finding is one thing that was found in a map.
type Finding struct {
	Severity Severity
	Where    string // a tag, a meter, or such as "interlock IL-DRY"; "map" where it is of the whole
	Text     string // what is so
	Do       string // what to do about it
}

// String gives the finding on one line.
func (f Finding) String() string {
	return f.Severity.String() + ": " + f.Where + ": " + f.Text + "; " + f.Do
}

// CheckOptions are what a check may know beside the map. Nil is the same as the zero value.
type CheckOptions struct {
	// Period tells how often the board or the bus reads a tag, in ns; 0 where that is not known. Nil: it is known of none. Of the
	// source of a meter with a sample_period that is known anyway.
	Period func(id tag.ID) int64
}

// Check looks for what a map that Parse takes may still have wrong: wires that are bound twice, safe values that a lost supply does
// not bring, scalings that overflow, values that can never be fresh enough, interlocks and alarms that can never come or go, faults
// that nobody is told of, overrides that blind an interlock. The findings stand in the order of the map. It changes nothing.
func Check(m *Map, opt *CheckOptions) []Finding {
	c := checker{m: m, period: make([]int64, len(m.Tags))}
	for i := range m.Tags {
		if opt != nil && opt.Period != nil {
			c.period[i] = max(opt.Period(tag.ID(i)), 0)
		}
	}
	for i := range m.Meters {
		if id := m.Meters[i].Source; c.known(id) {
			c.period[id] = max(c.period[id], m.Meters[i].Period)
		}
	}
	c.channels()
	for i := range m.Tags {
		c.where = m.Tags[i].Name
		if m.Tags[i].Output {
			c.output(tag.ID(i))
		} else {
			c.input(tag.ID(i))
		}
		if m.Tags[i].Type == Number {
			c.scaling(&m.Tags[i])
		}
	}
	for i := range m.Meters {
		c.meter(&m.Meters[i])
	}
	for i := range m.Interlocks {
		c.interlock(&m.Interlocks[i])
	}
	for i := range m.Alarms {
		c.alarm(&m.Alarms[i])
	}
	c.told()
	c.trip()
	for i := range m.Overrides {
		c.override(&m.Overrides[i])
	}
	return c.out
}

// checker collects findings.
type checker struct {
	m      *Map
	period []int64 // by tag: how often it is read, ns; 0: not known
	where  string
	out    []Finding
}

func (c *checker) find(s Severity, text, do string) {
	c.out = append(c.out, Finding{Severity: s, Where: c.where, Text: text, Do: do})
}

func (c *checker) known(id tag.ID) bool { return int(id) < len(c.m.Tags) }

// span is a time in the greatest unit of which it is a whole number.
func span(ns int64) string {
	for _, u := range [...]struct {
		ns   int64
		name string
	}{{3_600_000_000_000, " h"}, {60_000_000_000, " min"}, {1_000_000_000, " s"}, {1_000_000, " ms"}, {1000, " us"}} {
		if ns%u.ns == 0 && ns >= u.ns {
			return strconv.FormatInt(ns/u.ns, 10) + u.name
		}
	}
	return strconv.FormatInt(ns, 10) + " ns"
}

// channels finds wires that are bound twice under names that are not the same text.
func (c *checker) channels() {
	plain, bound := map[string]tag.ID{}, map[string]tag.ID{}
	for i := range c.m.Tags {
		t := &c.m.Tags[i]
		c.where = t.Name
		key := sameChannel(t.Channel)
		if other, ok := plain[key]; ok {
			o := &c.m.Tags[other]
			switch {
			case t.Output && o.Output:
				c.find(Wrong, "its channel "+t.Channel+" and "+o.Channel+" of "+o.Name+" look like one wire, and both are outputs",
					"bind each output to a channel of its own")
			case t.Output || o.Output:
				c.find(Warning, "its channel "+t.Channel+" and "+o.Channel+" of "+o.Name+" look like one wire, of which one is an output",
					"an output is read back under its own name: give it a stale_after instead")
			default:
				c.find(Note, "its channel "+t.Channel+" and "+o.Channel+" of "+o.Name+" look like one wire", "bind each wire once")
			}
		} else {
			plain[key] = tag.ID(i)
		}
		if other, ok := bound[t.Binding]; ok && t.Binding != "" && t.Output && c.m.Tags[other].Output {
			c.find(Wrong, "its protocol_binding is that of the output "+c.m.Tags[other].Name, "give each output a register of its own")
		} else if t.Output && !ok {
			bound[t.Binding] = tag.ID(i)
		}
	}
	for i := range c.m.Tags {
		t := &c.m.Tags[i]
		c.where = t.Name
		key := sameChannel(t.Channel)
		for at := range len(key) {
			if other, ok := plain[key[:at]]; ok && strings.IndexByte(".:#/[", key[at]) >= 0 && (t.Output || c.m.Tags[other].Output) {
				c.find(Warning, "its channel "+t.Channel+" looks like a part of "+c.m.Tags[other].Channel+", to which "+c.m.Tags[other].Name+" is bound",
					"make sure that a write to the one leaves the other as it is")
			}
		}
	}
}

// sameChannel is the same text for channels that differ in case or in zeros before a number.
func sameChannel(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		x := s[i]
		if x >= 'A' && x <= 'Z' {
			x += 'a' - 'A'
		}
		digit := func(k int) bool { return k >= 0 && k < len(s) && s[k] >= '0' && s[k] <= '9' }
		if x == '0' && digit(i+1) && (len(b) == 0 || b[len(b)-1] < '0' || b[len(b)-1] > '9') {
			continue
		}
		b = append(b, x)
	}
	return string(b)
}

// output looks at what becomes of an output when things fail.
func (c *checker) output(id tag.ID) {
	t := &c.m.Tags[id]
	request := c.m.Trip != nil && c.m.Trip.Tag == id
	if bits, ok := t.Wire(t.Safe); ok && bits != 0 && !request {
		s := Warning
		if t.Type == Number {
			s = Note
		}
		c.find(s, "its safe value "+t.text(t.Safe)+" is "+strconv.FormatInt(int64(bits), 10)+" on the wire, so a lost supply or a broken wire does not bring it",
			"let what hangs on it be of the kind that is "+t.text(t.Safe)+" without a signal, and say so by polarity, gain or offset")
	}
	if t.StaleAfter == 0 {
		c.find(Note, "it is not read back, so what its device confirms is believed", "give it a stale_after if the device can be asked for it")
	} else {
		c.fresh(id)
	}
	c.faults(id)
	for i := range c.m.Interlocks {
		if l := &c.m.Interlocks[i]; t.Resource > 0 && slices.Contains(l.Gates, id) {
			c.find(Note, "it is a part of "+c.m.part(t)+", and interlock "+l.ID+" gates it only in the batch that holds that",
				"let the PLC, or what it is wired to, keep it safe while nobody has it")
		}
	}
}

// input looks at whether an input can be fresh, settled and believed.
func (c *checker) input(id tag.ID) {
	t := &c.m.Tags[id]
	c.fresh(id)
	if t.Debounce >= t.StaleAfter && t.Debounce > 0 {
		c.find(Warning, "its debounce of "+span(t.Debounce)+" is not shorter than its stale_after of "+span(t.StaleAfter)+
			": a change may be too old before it counts", "make stale_after longer, or the debounce shorter")
	}
	if p := c.period[id]; t.Filter.Type == ExponentialFilter && p > t.Filter.Time {
		c.find(Note, "it is read every "+span(p)+", and its filter has a time_constant of "+span(t.Filter.Time)+": it smooths next to nothing",
			"leave the filter out, or make the time_constant longer")
	}
	if (t.Form == tag.Float32 || t.Form == tag.Float64) && !t.Valid {
		c.find(Note, "a float can show any value, and none of them is refused", "give it the min and max of what the instrument can show; what lies outside is BAD")
	}
}

// fresh holds the age that a value may have against how often it is read.
func (c *checker) fresh(id tag.ID) {
	t, p := &c.m.Tags[id], c.period[id]
	switch {
	case p == 0 || t.StaleAfter == 0:
	case t.StaleAfter <= p:
		c.find(Wrong, "it is read every "+span(p)+" and STALE after "+span(t.StaleAfter)+": it is STALE between two readings, and no gate on it can last",
			"make stale_after longer than three readings take")
	case t.StaleAfter < 2*p:
		c.find(Warning, "it is read every "+span(p)+" and STALE after "+span(t.StaleAfter)+": one reading that is lost makes it STALE",
			"make stale_after longer than three readings take")
	}
}

// scaling looks for overflow, and for digits that are none.
func (c *checker) scaling(t *Tag) {
	gain := t.Scale.Gain
	if gain.Den() == 0 {
		return
	}
	per := gain.Num() / gain.Den()
	switch {
	case t.Form == tag.Float32 && t.Valid && max(t.Max, -t.Min) > 1<<24:
		c.find(Warning, "a float32 holds 24 bits, and "+t.text(t.Max)+" is more than that many counts of "+t.Resolution.String(), "make the resolution coarser")
	case t.Form != tag.Int:
	case !c.holds(t, -1<<15, 1<<16-1):
		c.find(Wrong, "what 16 bits on the wire can show overflows: gain "+t.Gain.String()+", resolution "+t.Resolution.String(), "make the resolution coarser")
	case !c.holds(t, -1<<31, 1<<32-1):
		c.find(Warning, "what 32 bits on the wire can show overflows, and is BAD: gain "+t.Gain.String()+", resolution "+t.Resolution.String(),
			"make the resolution coarser, unless the device has 16 bits")
	case per >= 10 || per <= -10:
		c.find(Note, "one step on the wire is "+strconv.FormatInt(max(per, -per), 10)+" counts of "+t.Resolution.String()+": it shows digits that are not measured",
			"make the resolution as coarse as the gain")
	case per == 0 && gain.Den()/max(gain.Num(), -gain.Num()) >= 100:
		c.find(Note, "it takes "+strconv.FormatInt(gain.Den()/max(gain.Num(), -gain.Num()), 10)+" steps on the wire to move by one count of "+
			t.Resolution.String()+": what is measured is not shown", "make the resolution finer")
	}
}

// holds tells whether both raw values can be scaled.
func (c *checker) holds(t *Tag, low, high int64) bool {
	_, a := t.Scale.Counts(low)
	_, b := t.Scale.Counts(high)
	return a && b
}

// meter looks at whether a counter can be told from one that has rolled over, and says of filters what they do not do.
func (c *checker) meter(m *Meter) {
	c.where = "meter " + m.Name
	if !c.known(m.Source) {
		return
	}
	t := &c.m.Tags[m.Source]
	if half := int64(1) << min(max(m.Bits, 1)-1, 62); m.Bits > 0 && m.Most > 0 && half/m.Most < t.StaleAfter/1_000_000_000 {
		c.find(Warning, t.Name+" goes through half of its "+strconv.Itoa(int(m.Bits))+" bits in "+span(half/m.Most*1_000_000_000)+", and is STALE only after "+
			span(t.StaleAfter)+": what it has counted in a gap is then not known", "make stale_after shorter, or use a wider counter")
	}
	if t.Filter.Type == MedianFilter || t.Filter.Type == ExponentialFilter {
		c.find(Note, "it totalizes "+t.Name+" without the filter of the tag", "give the meter a filter of its own if its total needs one")
	}
}

// text is a scaled value as files write it.
func (t *Tag) text(v int64) string {
	if t.Type == Switch {
		return t.Words[v&1]
	}
	text, ok := Display{}.Text(v, t.Resolution)
	if !ok {
		return strconv.FormatInt(v, 10) + " counts"
	}
	return text
}
