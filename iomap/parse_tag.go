// This file reads one tag of a map file.

package iomap

import (
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// The keys of a tag that depend on its type and direction, by their place in keys.
const (
	keyForm = iota
	keyPolarity
	keyWords
	keyResolution
	keyGain
	keyOffset
	keyUnit
	keyStale
	keyDebounce
	keySafe
	keyMin
	keyMax
	keyDisplay
	keyBinding
	keyFilter
	keyTrigger
	keyPulse
	keyOnFault
	keyDepends
	keyResource
	keyCount
)

// keys says which tags may have a key and which must.
var keys = [keyCount]struct {
	name  string
	whose string // the tags that may have it
	may   func(t *Tag) bool
	must  func(t *Tag) bool
}{
	keyForm:       {"form", "a tag", anyTag, isNumber},
	keyPolarity:   {"polarity", "a switch", isSwitch, noTag},
	keyWords:      {"words", "a switch", isSwitch, noTag},
	keyResolution: {"resolution", "a number", isNumber, isNumber},
	keyGain:       {"gain", "a number", isNumber, isNumber},
	keyOffset:     {"offset", "a number", isNumber, noTag},
	keyUnit:       {"unit", "a counter", isCounter, isCounter},
	keyStale:      {"stale_after", "a tag", anyTag, isInput},
	keyDebounce:   {"debounce", "a switch that is an input", isSwitchInput, noTag},
	keySafe:       {"safe_value", "an output", isOutput, isOutput},
	keyMin:        {"min", "a number", isNumber, isNumberOutput},
	keyMax:        {"max", "a number", isNumber, isNumberOutput},
	keyDisplay:    {"display", "a number", isNumber, noTag},
	keyBinding:    {"protocol_binding", "a tag", anyTag, noTag},
	keyFilter:     {"filter", "a number that is an input", isNumberInput, noTag},
	keyTrigger:    {"trigger", "a switch that is an input", isSwitchInput, noTag},
	keyPulse:      {"pulse", "a switch that is an input", isSwitchInput, noTag},
	keyOnFault:    {"on_fault", "an output", isOutput, noTag},
	keyDepends:    {"depends_on", "an output", isOutput, noTag},
	keyResource:   {"resource", "an output", isOutput, noTag},
}

func anyTag(*Tag) bool           { return true }
func noTag(*Tag) bool            { return false }
func isSwitch(t *Tag) bool       { return t.Type == Switch }
func isNumber(t *Tag) bool       { return t.Type == Number }
func isCounter(t *Tag) bool      { return t.Type == Counter }
func isInput(t *Tag) bool        { return !t.Output }
func isOutput(t *Tag) bool       { return t.Output }
func isSwitchInput(t *Tag) bool  { return t.Type == Switch && !t.Output }
func isNumberInput(t *Tag) bool  { return t.Type == Number && !t.Output }
func isNumberOutput(t *Tag) bool { return t.Type == Number && t.Output }

// tag reads one entry of tags; known is false where its type or direction is refused.
func (r *reader) tag(n strictyaml.Node) (t Tag, known bool) {
	f := n.Map()
	name, channel := f.Req("logical_tag"), f.Req("physical_channel")
	t.Name, t.Channel = nameOf(name), channelOf(channel)
	name.Once(r.names, t.Name, "logical_tag")
	channel.Once(r.channels, t.Channel, "physical_channel")
	direction := f.Req("direction").OneOf("in", "out")
	kind := f.Req("type")
	word := kind.OneOf("switch", "number", "counter")
	t.Output = direction == "out"
	t.Type = map[string]Type{"number": Number, "counter": Counter}[word]
	known = direction != "" && word != ""
	if known && t.Output && t.Type == Counter {
		kind.Errorf("a counter is an input; an output is a switch or a number")
		known = false
	}
	var at [keyCount]strictyaml.Node
	for i := range keys {
		k := &keys[i]
		v, given := f.Opt(k.name)
		switch {
		case !known:
		case given && !k.may(&t):
			v.Errorf("%q belongs to %s; %s is %s", k.name, k.whose, t.shown(), t.class())
		case !given && k.must(&t):
			n.Errorf("%s is %s: key %q is missing", t.shown(), t.class(), k.name)
		default:
			at[i] = v
		}
	}
	f.Done()
	if known {
		t.read(&at)
	}
	if p, d := at[keyOnFault], at[keyDepends]; p.Kind() != strictyaml.Absent || d.Kind() != strictyaml.Absent {
		r.faulty = append(r.faulty, faulty{tag.ID(len(r.m.Tags)), p, d})
	}
	if n := at[keyResource]; n.Kind() != strictyaml.Absent {
		r.owned = append(r.owned, part{tag.ID(len(r.m.Tags)), n})
	}
	return t, known
}

// shown names the tag in messages.
func (t *Tag) shown() string {
	if t.Name == "" {
		return "this tag"
	}
	return t.Name
}

// class says in messages what the tag is.
func (t *Tag) class() string {
	switch {
	case t.Type == Counter:
		return "a counter"
	case t.Output:
		return "a " + t.Type.String() + " that is an output"
	}
	return "a " + t.Type.String() + " that is an input"
}

// read reads the keys that the tag may have; those that are missing or misplaced are absent.
func (t *Tag) read(at *[keyCount]strictyaml.Node) {
	t.form(at[keyForm])
	t.StaleAfter = timeOf(at[keyStale])
	t.Debounce = timeOf(at[keyDebounce])
	t.Binding = bindingOf(at[keyBinding])
	switch t.Type {
	case Switch:
		t.Invert = at[keyPolarity].Kind() != strictyaml.Absent && at[keyPolarity].OneOf("normal", "inverted") == "inverted"
		t.Words = wordsOf(at[keyWords])
		if w := at[keySafe].Str(); w != "" && w == t.Words[1] {
			t.Safe = 1
		} else if w != "" && w != t.Words[0] && t.Words[0] != "" {
			at[keySafe].Errorf("%q is not a value of %s; it is %s or %s", w, t.shown(), t.Words[0], t.Words[1])
		}
		t.trigger(at)
	case Counter:
		if text := at[keyUnit].Str(); text != "" {
			u, err := quantity.ParseUnit(text)
			if err != nil {
				at[keyUnit].Errorf("%s", bare(err))
			}
			t.Unit = u
		}
	case Number:
		scaled := t.scaling(at[keyResolution], at[keyGain], at[keyOffset])
		t.Display = displayOf(at[keyDisplay], t.Unit)
		if t.Output {
			t.limits(at, scaled)
		} else {
			t.filter(at[keyFilter])
			t.valid(at)
		}
	}
}

// form reads the form on the wire, of which only numbers have a choice.
func (t *Tag) form(n strictyaml.Node) {
	allowed, usual := []string{"bool"}, tag.Bool
	switch {
	case t.Type == Number && !t.Output:
		allowed, usual = []string{"int", "float32", "float64"}, tag.Int
	case t.Type != Switch:
		allowed, usual = []string{"int"}, tag.Int
	}
	t.Form = usual
	switch n.OneOf(allowed...) {
	case "float32":
		t.Form = tag.Float32
	case "float64":
		t.Form = tag.Float64
	}
}

// scaling reads what turns raw values into counts; false where it is not complete.
func (t *Tag) scaling(resolution, gain, offset strictyaml.Node) bool {
	res, okRes := quantityOf(resolution)
	if okRes && res.Coef <= 0 {
		resolution.Errorf("resolution %q is not above zero", res)
		okRes = false
	}
	if okRes {
		t.Resolution, t.Unit = res, res.Unit
	}
	g, okGain := quantityOf(gain)
	if okGain && g.Coef == 0 {
		gain.Errorf("gain %q: every value on the wire would stand for the same", g)
		okGain = false
	}
	o := quantity.Quantity{Unit: t.Unit}
	okOffset := true
	if offset.Kind() != strictyaml.Absent {
		o, okOffset = quantityOf(offset)
	}
	if okGain {
		t.Gain = g
	}
	if okOffset {
		t.Offset = o
	}
	ratio := func(n strictyaml.Node, name string, q quantity.Quantity, ok bool) (quantity.Ratio, bool) {
		if !ok || !okRes {
			return quantity.Ratio{}, false
		}
		if !q.Unit.Compatible(res.Unit) {
			n.Errorf("%s %q and resolution %q measure different things", name, q, res)
			return quantity.Ratio{}, false
		}
		r, err := q.Per(res)
		if err != nil {
			n.Errorf("%s %q in counts of resolution %q needs more than 64 bits; write fewer digits", name, q, res)
		}
		return r, err == nil
	}
	perRaw, ok1 := ratio(gain, "gain", g, okGain)
	atZero, ok2 := ratio(offset, "offset", o, okOffset)
	t.Scale = quantity.Linear{Gain: perRaw, Offset: atZero}
	if !ok1 || !ok2 {
		return false
	}
	if inv, ok := t.Scale.Inverse(); t.Output && (!ok || inv.Gain.Den() != 1 || inv.Offset.Den() != 1) {
		gain.Errorf("%s is an output: not every multiple of resolution %q can be written in steps of gain %q from offset %q",
			t.shown(), res, g, o)
		return false
	}
	return true
}

// limits reads what may be written to a number, and the value it takes when things fail.
func (t *Tag) limits(at *[keyCount]strictyaml.Node, scaled bool) {
	low, okLow := countsOf(at[keyMin], t.Resolution)
	high, okHigh := countsOf(at[keyMax], t.Resolution)
	safe, okSafe := countsOf(at[keySafe], t.Resolution)
	t.Min, t.Max, t.Safe = low, high, safe
	if _, ok := t.Wire(low); scaled && !ok {
		at[keyMin].Errorf("min %q does not fit 64 bits on the wire", at[keyMin].Str())
	}
	if _, ok := t.Wire(high); scaled && !ok {
		at[keyMax].Errorf("max %q does not fit 64 bits on the wire", at[keyMax].Str())
	}
	switch {
	case okLow && okHigh && low > high:
		at[keyMax].Errorf("max %q is below min %q", at[keyMax].Str(), at[keyMin].Str())
	case okSafe && okLow && safe < low:
		at[keySafe].Errorf("safe_value %q is below min %q", at[keySafe].Str(), at[keyMin].Str())
	case okSafe && okHigh && safe > high:
		at[keySafe].Errorf("safe_value %q is above max %q", at[keySafe].Str(), at[keyMax].Str())
	}
}

// wordsOf reads the names of off and on; both are empty where they are refused.
func wordsOf(n strictyaml.Node) [2]string {
	if n.Kind() == strictyaml.Absent {
		return [2]string{"off", "on"}
	}
	items := n.List(maxName)
	if n.Kind() == strictyaml.List && len(items) != 2 {
		n.Errorf("words must be two, the name of off and the name of on, such as [closed, open]")
		return [2]string{}
	}
	var words [2]string
	for i, item := range items {
		words[i] = item.Str()
		if words[i] != "" && !isWord(words[i]) {
			item.Errorf("%q is not a word of letters, digits and _ that begins with a letter (and, or, not are taken)", words[i])
			words[i] = ""
		}
	}
	if words[0] != "" && words[0] == words[1] {
		items[1].Errorf("the words of off and on are both %q", words[0])
	}
	if words[0] == "" || words[1] == "" {
		return [2]string{}
	}
	return words
}
