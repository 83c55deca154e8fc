// This file reads what a map file says of outputs while a fault lasts: on_fault and depends_on of a tag.

package iomap

import (
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/tag"
)

// MaxDepends is the most inputs that one output may depend on.
const MaxDepends = 16

// faulty is what stands in the file of one output; the inputs that it names may stand behind it.
type faulty struct {
	id              tag.ID
	policy, depends strictyaml.Node
}

// faults reads what becomes of outputs in faults, once all tags and the request for a trip are known.
func (r *reader) faults() {
	for i := range r.m.Tags {
		t := &r.m.Tags[i]
		if !t.Output || !r.known[i] || r.m.Trip != nil && r.m.Trip.Tag == tag.ID(i) {
			continue
		}
		for c := InputInvalid; c < FaultClasses; c++ {
			t.Faults.Policy[c] = DefaultFault(c)
			t.Faults.Policy[c].Value = t.Safe
		}
	}
	for i := range r.faulty {
		f := &r.faulty[i]
		t := &r.m.Tags[f.id]
		if r.m.Trip != nil && r.m.Trip.Tag == f.id {
			for _, n := range [...]strictyaml.Node{f.policy, f.depends} {
				if n.Kind() != strictyaml.Absent {
					n.Errorf("%s requests the trip of the safety chain: no fault takes that back or makes it; leave this out", t.Name)
				}
			}
			continue
		}
		if f.policy.Kind() != strictyaml.Absent {
			t.policies(f.policy)
			r.gated(f)
		}
		if f.depends.Kind() != strictyaml.Absent {
			t.Faults.Depends = r.depends(f.depends, f.id)
		}
	}
}

// gated refuses a value of its own for a fault where an interlock demands the safe value: one of the two would pass the other. A safety trip
// needs none of that: it is the gravest class, so its own value holds while it lasts.
func (r *reader) gated(f *faulty) {
	t := &r.m.Tags[f.id]
	for i := range r.m.Interlocks {
		il := &r.m.Interlocks[i]
		if il.Kind == SafetyTripKind || !slices.Contains(il.Gates, f.id) {
			continue
		}
		for c := InputInvalid; c < FaultClasses; c++ {
			if p := &t.Faults.Policy[c]; p.State != KeepState && p.Value != t.Safe {
				f.policy.Errorf("%s: interlock %s keeps %s at its safe_value, and the value for this fault is another; leave value out, or the gate",
					c, il.ID, t.Name)
			}
		}
	}
}

// depends reads the inputs whose faults are faults of an output.
func (r *reader) depends(n strictyaml.Node, of tag.ID) (ids []tag.ID) {
	items := n.List(MaxDepends)
	if n.Kind() == strictyaml.List && len(items) == 0 {
		n.Errorf("depends_on names nothing; name inputs, or leave it out")
	}
	for _, item := range items {
		id := r.tagOf(item, false)
		switch {
		case id == tag.None || !r.known[id]:
		case id == of:
			item.Errorf("%s need not depend on itself: what it reads back counts in any case", item.Str())
		case r.m.Tags[id].Output:
			item.Errorf("%s is an output; an output depends on inputs", item.Str())
		case slices.Contains(ids, id):
			item.Errorf("%s stands twice", item.Str())
		default:
			ids = append(ids, id)
		}
	}
	return ids
}

// classNames are the names of the classes of faults, in their order.
func classNames() (names []string) {
	for c := InputInvalid; c < FaultClasses; c++ {
		names = append(names, c.String())
	}
	return names
}

// policies reads on_fault of an output.
func (t *Tag) policies(n strictyaml.Node) {
	f := n.Map()
	given := false
	for c := InputInvalid; c < FaultClasses; c++ {
		if v, ok := f.Opt(c.String()); ok {
			given = true
			t.Faults.Policy[c] = t.policy(v, c)
		}
	}
	f.Done()
	if n.Kind() == strictyaml.Mapping && !given {
		n.Errorf("on_fault says of no class of faults what becomes of %s; the classes are %s", t.shown(), strings.Join(classNames(), ", "))
	}
}

// policy reads what becomes of an output in a fault of one class.
func (t *Tag) policy(n strictyaml.Node, c FaultClass) FaultPolicy {
	p := FaultPolicy{Value: t.Safe, Given: true}
	f := n.Map()
	state, value, back := f.Req("state"), strictyaml.Node{}, strictyaml.Node{}
	value, valued := f.Opt("value")
	back, said := f.Opt("recover")
	f.Done()
	word := state.OneOf("hold", "drop", "latch")
	if word == "" {
		return p
	}
	p.State = map[string]SafeState{"hold": KeepState, "drop": DropState, "latch": LatchState}[word]
	if why := c.refuses(p.State); why != "" {
		state.Errorf("%s: %s", c, why)
		return p
	}
	p.Recover = c.usual(p.State)
	if said {
		word := back.OneOf("auto", "restart", "reset", "plc")
		if word == "" {
			return p
		}
		p.Recover = map[string]Recovery{"auto": RecoverAuto, "restart": RecoverRestart, "reset": RecoverReset, "plc": RecoverPLC}[word]
		if why := c.recovers(p.State, p.Recover); why != "" {
			back.Errorf("%s: %s", c, why)
		}
	}
	if valued && p.State == KeepState {
		value.Errorf("%s: hold keeps the value that the output has; leave value out, or let state be drop or latch", c)
	} else if valued {
		p.Value = t.valueOf(value, c)
	}
	return p
}

// valueOf reads the value that an output takes in a fault.
func (t *Tag) valueOf(n strictyaml.Node, c FaultClass) int64 {
	if t.Type == Switch {
		switch w := n.Str(); {
		case w == "" || t.Words[0] == "":
		case w == t.Words[1]:
			return 1
		case w != t.Words[0]:
			n.Errorf("%s: %q is not a value of %s; it is %s or %s", c, w, t.shown(), t.Words[0], t.Words[1])
		}
		return 0
	}
	v, ok := countsOf(n, t.Resolution)
	if ok && (v < t.Min || v > t.Max) {
		n.Errorf("%s: value %q is beyond min and max of %s", c, n.Str(), t.shown())
	}
	return v
}

// usual is how an output leaves a safe state of which the file does not say it.
func (c FaultClass) usual(s SafeState) Recovery {
	switch {
	case s == LatchState:
		return RecoverReset
	case s == KeepState:
		return RecoverAuto
	case c == SafetyTrip:
		return RecoverPLC
	}
	return RecoverRestart
}

// refuses says why an output cannot be in a safe state in a fault of the class, "" where it can.
func (c FaultClass) refuses(s SafeState) string {
	switch {
	case c == SafetyTrip && s != DropState:
		return "the PLC chain drops the output, whatever stands here; let state be drop"
	case s != KeepState:
	case c == PowerLoss:
		return "without supply nothing holds its value; let state be drop or latch"
	case c == Watchdog:
		return "a board that is reset holds nothing; let state be drop or latch"
	case c == DeviceAbsent:
		return "nobody knows which value the device has, so none can be held; let state be drop or latch"
	}
	return ""
}

// recovers says why an output cannot leave a safe state in this way, "" where it can.
func (c FaultClass) recovers(s SafeState, r Recovery) string {
	switch {
	case (c == SafetyTrip) != (r == RecoverPLC):
		if r == RecoverPLC {
			return "plc is the way back from a safety_trip alone; this one is auto, restart or reset"
		}
		return "the PLC chain resets its trip, and nobody here; let recover be plc, or leave it out"
	case s == LatchState && r != RecoverReset:
		return "what latches is reset by a person; let recover be reset, or leave it out"
	case s != LatchState && r == RecoverReset:
		return "only what latches is reset; let state be latch"
	case s == KeepState && r == RecoverRestart:
		return "a batch that is held brings its outputs to their safe values, so hold ends by itself; let recover be auto, or state be drop"
	case c == DeviceAbsent && r == RecoverAuto:
		return "what a device did that did not answer is not known; let recover be restart"
	}
	return ""
}
