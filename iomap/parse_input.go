// This file reads what a map file says of inputs beside their scaling: how they are reached, filters, edges, and what they can be.

package iomap

import "github.com/batchkit/batchkit/internal/strictyaml"

// Limits of inputs.
const (
	MaxTriggers = 64                // tags of which edges count: what they say at once fits the records of one step
	maxBinding  = 120               // bytes of a protocol_binding
	maxPulse    = 3_600_000_000_000 // 1 h
	maxConstant = 3_600_000_000_000 // 1 h
)

// bindingOf reads how a channel is reached: visible ASCII and spaces, since records and people show it.
func bindingOf(n strictyaml.Node) string {
	text := n.Str()
	ok := len(text) <= maxBinding
	for i := range len(text) {
		ok = ok && text[i] >= ' ' && text[i] < 0x7F
	}
	if !ok {
		n.Errorf("a protocol_binding must be 1 to %d visible ASCII characters on one line, such as \"modbus unit 3, holding 40012\"", maxBinding)
		return ""
	}
	return text
}

// filter reads the filter of a number.
func (t *Tag) filter(n strictyaml.Node) {
	if n.Kind() == strictyaml.Absent {
		return
	}
	f := n.Map()
	word := f.Req("type").OneOf("none", "median", "exponential")
	samples, hasSamples := f.Opt("samples")
	constant, hasConstant := f.Opt("time_constant")
	f.Not("delay", "a filter of type device belongs to a meter")
	f.Done()
	switch {
	case word == "median" && !hasSamples:
		n.Errorf("a median: key \"samples\", of how many readings, is missing")
	case word == "median":
		t.Filter = Filter{Type: MedianFilter, Samples: medianOf(samples)}
	case word == "exponential" && !hasConstant:
		n.Errorf("an exponential filter: key \"time_constant\", after which it has gone 63 %% of a step, is missing")
	case word == "exponential":
		if t.Filter = (Filter{Type: ExponentialFilter, Time: timeOf(constant)}); t.Filter.Time > maxConstant {
			constant.Errorf("time_constant is %q; it must not be longer than 1 h", constant.Str())
		}
	}
	if hasSamples && word != "median" {
		samples.Errorf("\"samples\" belongs to a filter of type median")
	}
	if hasConstant && word != "exponential" {
		constant.Errorf("\"time_constant\" belongs to a filter of type exponential")
	}
}

// medianOf reads of how many readings a median is taken; 0 where it is refused.
func medianOf(n strictyaml.Node) int {
	count := n.Int(3, MaxMedian)
	if count != 0 && count%2 == 0 {
		n.Errorf("a median is taken of an odd number of readings, 3 to %d", MaxMedian)
		return 0
	}
	return int(count)
}

// valid reads the limits outside of which a number that is an input is BAD.
func (t *Tag) valid(at *[keyCount]strictyaml.Node) {
	low, high := at[keyMin], at[keyMax]
	hasLow, hasHigh := low.Kind() != strictyaml.Absent, high.Kind() != strictyaml.Absent
	switch {
	case !hasLow && !hasHigh:
		return
	case !hasLow:
		high.Errorf("%s has a max: key \"min\" is missing; what lies outside of both is BAD", t.shown())
		return
	case !hasHigh:
		low.Errorf("%s has a min: key \"max\" is missing; what lies outside of both is BAD", t.shown())
		return
	}
	var okLow, okHigh bool
	t.Min, okLow = countsOf(low, t.Resolution)
	t.Max, okHigh = countsOf(high, t.Resolution)
	if t.Valid = okLow && okHigh; t.Valid && t.Min >= t.Max {
		high.Errorf("max %q is not above min %q: no value would be GOOD", high.Str(), low.Str())
	}
}

// trigger reads whether a switch counts by its level or by its edges. Debounce bounds how often an edge is decided.
func (t *Tag) trigger(at *[keyCount]strictyaml.Node) {
	trigger, pulse, debounce := at[keyTrigger], at[keyPulse], at[keyDebounce]
	hasPulse := pulse.Kind() != strictyaml.Absent
	if trigger.Kind() != strictyaml.Absent {
		t.Trigger = map[string]Trigger{"rising": Rising, "falling": Falling}[trigger.OneOf("level", "rising", "falling")]
	}
	if hasPulse {
		t.Pulse = timeOf(pulse)
	}
	switch {
	case t.Trigger == Level && hasPulse:
		pulse.Errorf("\"pulse\" is for how long an edge is seen, and %s counts by its level; add a line such as \"trigger: rising\"", t.shown())
	case t.Trigger == Level:
	case !hasPulse:
		trigger.Errorf("%s counts by its edges: key \"pulse\", for how long it is on from each, is missing", t.shown())
	case t.Pulse > maxPulse || t.Pulse%millisecond != 0:
		pulse.Errorf("pulse is %q; it must be whole milliseconds, 1 h at most", pulse.Str())
	case debounce.Kind() == strictyaml.Absent:
		trigger.Errorf("%s counts by its edges: key \"debounce\" is missing; without one each bounce would be an edge", t.shown())
	case t.Debounce != 0 && (t.Debounce < minDebounce || t.Debounce > maxDebounce || t.Debounce%millisecond != 0):
		debounce.Errorf("debounce is %q; where edges count it must be whole milliseconds from 10 ms to 60 s", debounce.Str())
	}
}

// triggers refuses more tags of which edges count than the records of one step can tell of.
func (r *reader) triggers(n strictyaml.Node) {
	count := 0
	for i := range r.m.Tags {
		if r.m.Tags[i].Trigger != Level {
			count++
		}
	}
	if count > MaxTriggers {
		n.Errorf("of %d tags edges count; %d are the most, for a record tells of each; let the others count by their level", count, MaxTriggers)
	}
}
