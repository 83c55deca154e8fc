// Findings on interlocks, alarms, faults, the trip request and overrides.

package iomap

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
)

// ranges are what tags can be: those in safe at their safe values only.
type ranges struct {
	m    *Map
	safe []tag.ID
}

// Range is that of one tag.
func (r ranges) Range(id tag.ID) (low, high int64) {
	switch t := &r.m.Tags[id]; {
	case slices.Contains(r.safe, id):
		return t.Safe, t.Safe
	case t.Type == Switch:
		return 0, 1
	case t.Output || t.Valid:
		return t.Min, t.Max
	}
	return math.MinInt64, math.MaxInt64
}

// can tells whether a condition can be true, and whether it can be false.
func (r ranges) can(c cond.Cond) (yes, no bool) {
	return cond.Possible([]cond.Cond{c}, nil, r), cond.Possible(nil, []cond.Cond{c}, r)
}

// interlock looks for one that never comes, never goes, or comes later than its debounce says.
func (c *checker) interlock(i *Interlock) {
	c.where = "interlock " + i.ID
	yes, no := ranges{m: c.m}.can(i.When)
	safeYes, safeNo := ranges{c.m, i.Gates}.can(i.When)
	change := "change " + quoted(i.Text)
	switch permits := i.Kind == PermissiveKind; {
	case permits && !yes:
		c.find(Wrong, "its condition can never be true, so it permits nothing", change)
	case permits && !no:
		c.find(Warning, "its condition is always true, so it withholds nothing", change)
	case permits && !safeYes:
		c.find(Wrong, "its condition is true only when an output that it gates is not at its safe value, so it permits nothing", change+", or leave that output out of gates")
	case permits:
	case !yes:
		c.find(Wrong, "its condition can never be true, so it never trips", change)
	case !no:
		c.find(Wrong, "its condition is always true, so it never clears", change)
	case !safeNo:
		c.find(Wrong, "its condition stays true while the outputs that it gates are at their safe values, so it never clears", change+", or leave that output out of gates")
	}
	c.used(i.When, i.Used, i.Filter, "debounce", i.Kind != PermissiveKind && !i.Latch)
}

// used looks at the tags of a condition and at what it must outlast.
func (c *checker) used(when cond.Cond, used []tag.ID, f cond.Filter, what string, passes bool) {
	for _, id := range used {
		t := &c.m.Tags[id]
		if t.Output && t.StaleAfter == 0 {
			c.find(Warning, "it goes by "+t.Name+", which is an output that is not read back", "give "+t.Name+" a stale_after, or use the input that shows its position")
		}
		if late := c.late(id); late > f.On+f.Window {
			c.find(Warning, "it goes by "+t.Name+", whose filter is late by "+span(late)+", and its "+what+" is "+span(f.On)+": it comes later than it says",
				"bind the same wire's device to a second tag without a filter, or count that time in")
		}
		if p := c.period[id]; p > f.On && f.On > 0 {
			c.find(Warning, "it goes by "+t.Name+", which is read every "+span(p)+", and its "+what+" is "+span(f.On)+": a single reading decides",
				"read "+t.Name+" more often, or make the "+what+" longer")
		}
		switch {
		case t.Trigger == Level:
		case t.Pulse <= f.On+max(f.Need, 0):
			c.find(Wrong, "it goes by "+t.Name+", which is on for "+span(t.Pulse)+" from each edge, and must last for "+span(f.On+f.Need), "make the pulse longer")
		case passes:
			c.find(Note, "it goes by "+t.Name+", of which edges count: it is over by itself after "+span(t.Pulse), "let it latch if somebody has to reset it")
		}
	}
	for k := range when {
		n := &when[k]
		if n.Op != cond.Stable {
			continue
		}
		if p := c.period[n.Tag]; p >= n.Time {
			c.find(Warning, c.m.Tags[n.Tag].Name+" is read every "+span(p)+", and must be stable for "+span(n.Time)+": one reading is enough for that",
				"make that time longer, or read it more often")
		}
	}
}

// late is by how much the filter of a tag is late: by its time constant, or by half of its readings.
func (c *checker) late(id tag.ID) int64 {
	switch f := &c.m.Tags[id].Filter; f.Type {
	case ExponentialFilter:
		return f.Time
	case MedianFilter:
		return int64(f.Samples/2) * c.period[id]
	}
	return 0
}

// alarm looks for one that is never raised or never cleared.
func (c *checker) alarm(a *Alarm) {
	c.where = "alarm " + a.ID
	switch a.Fault {
	case NoFault:
		yes, no := ranges{m: c.m}.can(a.When)
		if !yes {
			c.find(Wrong, "its condition can never be true, so it is never raised", "change "+quoted(a.Text)+", or min and max of its tags")
		} else if !no {
			c.find(Wrong, "its condition is always true, so it is never cleared", "change "+quoted(a.Text))
		}
		c.used(a.When, a.Used, cond.Filter{On: a.Filter.On}, "delay", false)
	case FaultInterlock:
		if a.Interlock < 0 && !slices.ContainsFunc(c.m.Interlocks, func(i Interlock) bool { return i.Kind != PermissiveKind }) {
			c.find(Wrong, "the map has no interlock that trips, so it is never raised", "leave it out")
		}
	case FaultOutput:
		if a.Of == tag.None && !slices.ContainsFunc(c.m.Tags, func(t Tag) bool { return t.Output }) {
			c.find(Wrong, "the map has no output, so it is never raised", "leave it out")
		}
	case FaultQuality:
		if c.known(a.Of) && c.m.Tags[a.Of].StaleAfter == 0 {
			c.find(Warning, c.m.Tags[a.Of].Name+" is not read back, so it is never STALE", "give "+c.m.Tags[a.Of].Name+" a stale_after")
		}
	}
}

// told finds faults of which nobody is told.
func (c *checker) told() {
	c.where = "map"
	told := func(f Fault, id tag.ID) bool {
		return slices.ContainsFunc(c.m.Alarms, func(a Alarm) bool { return a.Fault == f && (a.Of == tag.None || a.Of == id) })
	}
	var keep, silent []string
	for i := range c.m.Tags {
		t := &c.m.Tags[i]
		if !t.Output {
			continue
		}
		if !told(FaultOutput, tag.ID(i)) {
			silent = append(silent, t.Name)
		}
		untold := t.StaleAfter > 0 && !told(FaultQuality, tag.ID(i)) ||
			slices.ContainsFunc(t.Faults.Depends, func(id tag.ID) bool { return !told(FaultQuality, id) })
		if untold && t.Fault(NetStale).State == KeepState {
			keep = append(keep, t.Name)
		}
	}
	if len(keep) > 0 {
		c.find(Warning, some(keep)+" keep their values while what they go by is STALE, and no alarm tells of all of that", "add an alarm with fault: quality")
	}
	if len(silent) > 0 {
		c.find(Note, "no alarm tells when it is not known of "+some(silent)+" what value they have", "add an alarm with fault: output_fault")
	}
}

// some lists a few names and counts the rest.
func some(names []string) string {
	const shown = 4
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:shown], ", ") + " and " + strconv.Itoa(len(names)-shown) + " more"
}

// quoted is a condition in quotes.
func quoted(text string) string { return `"` + text + `"` }

// faults looks at what the map says of one output in a fault.
func (c *checker) faults(id tag.ID) {
	t := &c.m.Tags[id]
	gated := func(trips bool) bool {
		return slices.ContainsFunc(c.m.Interlocks, func(i Interlock) bool {
			return slices.Contains(i.Gates, id) && (!trips || i.Kind == SafetyTripKind)
		})
	}
	for class := InputInvalid; class < FaultClasses; class++ {
		p := t.Fault(class)
		if p.State != KeepState && p.Value != t.Safe {
			if gated(false) {
				c.find(Warning, "in "+class.String()+" it goes to "+t.text(p.Value)+", and an interlock that gates it keeps it at "+t.text(t.Safe),
					"make sure that "+t.text(p.Value)+" is what the interlock may withhold")
			} else {
				c.find(Note, "in "+class.String()+" it goes to "+t.text(p.Value)+" and not to its safe_value "+t.text(t.Safe), "have that signed off")
			}
		}
		if !p.Given {
			continue
		}
		alone := len(t.Faults.Depends) == 0
		switch {
		case class == NetStale && alone && t.StaleAfter == 0, (class == InputInvalid || class == SensorBad) && alone:
			c.find(Warning, "what on_fault says of "+class.String()+" never comes: it depends on no input, and is not read back", "name the inputs in depends_on")
		case class == SafetyTrip && !gated(true):
			c.find(Warning, "what on_fault says of safety_trip never comes: no interlock of that kind gates it", "add one, or name it in the gates of the one that there is")
		}
	}
}

// Fault is what becomes of an output in a fault of a class: what the file says, or the default.
func (t *Tag) Fault(class FaultClass) FaultPolicy {
	if p := t.Faults.Policy[min(class, FaultClasses-1)]; p.Given {
		return p
	}
	p := DefaultFault(class)
	p.Value = t.Safe
	return p
}

// trip looks at whether a request can be seen in time.
func (c *checker) trip() {
	p := c.m.Trip
	if p == nil || !c.known(p.Tag) {
		return
	}
	t := &c.m.Tags[p.Tag]
	c.where = "trip_request"
	if every := c.period[p.Tag]; every >= p.Within {
		c.find(Wrong, t.Name+" is read back every "+span(every)+", and must be seen within "+span(p.Within), "read it more often, or make within longer")
	}
	if bits, ok := t.Wire(p.Value); ok && bits != 0 {
		c.find(Note, t.text(p.Value)+" is 1 on the wire of "+t.Name+": a wire that breaks requests no trip", "let the PLC trip where the signal is 0, and say so by polarity")
	}
	if p.Confirm != nil {
		if yes, _ := (ranges{m: c.m}).can(p.Confirm); !yes {
			c.find(Wrong, "what confirms it can never be true, so no request is ever confirmed", "change confirm")
		}
	}
}

// override looks at what a permission may do that nobody wants.
func (c *checker) override(o *Override) {
	c.where = "override " + o.ID
	if o.When != nil {
		if yes, _ := (ranges{m: c.m}).can(o.When); !yes {
			c.find(Wrong, "its condition can never be true, so it is never granted", "change "+quoted(o.Text))
		}
	}
	for _, id := range o.Tags {
		if !c.known(id) {
			continue
		}
		name := c.m.Tags[id].Name
		if c.m.Trip != nil && c.m.Trip.Tag == id {
			c.find(Wrong, name+" requests a trip of the safety chain; nobody may take that into his hands", "take it out of the permission")
		}
		for k := range c.m.Interlocks {
			i := &c.m.Interlocks[k]
			if slices.Contains(i.Used, id) {
				c.find(Warning, "who forces "+name+" blinds interlock "+i.ID+", whose condition goes by it", "take it out of the permission, or allow it only in conditions in which the interlock is not needed")
			}
		}
	}
	if o.OverBoot && o.Limit > 3_600_000_000_000 {
		c.find(Note, "it may outlive a cut of the supply by up to "+span(o.Limit), "let a start end it, or make its limit shorter")
	}
}
