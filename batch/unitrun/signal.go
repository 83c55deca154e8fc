// Ports: levels, and the edges that are commands.

package unitrun

import (
	"fmt"
	"strconv"
)

// role is what a port is for. Edges of one event are carried out in the order of roles.
type role uint8

const (
	roleIdent role = iota
	roleCreate
	roleActive
	roleReady
	roleCancel
	roleCount
)

// port is a slot that a tag tells what to do.
type port struct {
	slot *slot
	role role
}

// grade says what is known of a level.
type grade uint8

const (
	unseen grade = iota // since the start
	bad                 // its quality was not GOOD
	good
)

// level is what a tag had last.
type level struct {
	grade grade
	high  bool
	text  string
}

// edge is what has become of a tag.
type edge uint8

const (
	none edge = iota
	rising
	falling
)

// signal takes in levels: first all of them, then the commands that their edges are.
func (t *Tracker) signal(e *Event, fx []Effect) []Effect {
	edges := make([]edge, len(e.Signals))
	for i := range e.Signals {
		fx = t.sense(&e.Signals[i], &edges[i], fx)
	}
	for r := roleCreate; r < roleCount; r++ {
		for i := range e.Signals {
			if edges[i] == none {
				continue
			}
			for _, p := range t.ports[e.Signals[i].Tag] {
				if do := p.command(edges[i]); p.role == r && do != 0 {
					fx = t.do(p.slot, do, order{tag: e.Signals[i].Tag}, fx)
				}
			}
		}
	}
	return fx
}

// sense takes in the level of one tag. What was not GOOD just before, or was never seen since the start, has no edge, and that is told.
func (t *Tracker) sense(l *Level, was *edge, fx []Effect) []Effect {
	ports := t.ports[l.Tag]
	if len(ports) == 0 {
		return append(fx, Effect{Kind: Refused, Command: Signal, Tag: l.Tag, Reason: "no slot has a port of that tag; configure one"})
	}
	now, before := level{good, l.High, l.Text}, t.levels[l.Tag]
	if l.Bad {
		now = level{grade: bad}
	}
	t.levels[l.Tag] = now
	switch {
	case now.grade == bad && before.grade == bad:
		return fx
	case now.grade == good && before.grade == good:
		if now.high != before.high {
			*was = falling
			if now.high {
				*was = rising
			}
		}
		return fx
	}
	for _, p := range ports {
		fx = append(fx, p.sampled(l, before.grade))
	}
	return fx
}

// sampled tells of a level that is no edge.
func (p port) sampled(l *Level, before grade) Effect {
	e := Effect{Kind: Sampled, Unit: p.slot.unit.id, Definition: p.slot.opt.Definition, Tag: l.Tag, Value: "low"}
	if p.slot.run != nil {
		e = p.slot.run.effect(Sampled)
		e.Tag, e.Value = l.Tag, "low"
	}
	switch {
	case l.Bad:
		e.Value, e.Reason = "bad", "its quality is not GOOD: what it has is not known, and the level that follows is no edge"
		return e
	case p.role == roleIdent:
		e.Value = strconv.Quote(l.Text)
	case l.High:
		e.Value = "high"
	}
	if e.Reason = "first level since the start"; before == bad {
		e.Reason = "first level after its quality was not GOOD"
	}
	if r := p.slot.run; p.role == roleActive && r != nil && (r.state == Active) != l.High {
		e.Reason += fmt.Sprintf("; %s is %s: command it where that is not as it should be", r.id(), r.state)
	}
	return e
}

// command is what an edge at a port orders, 0 for nothing.
func (p port) command(e edge) EventKind {
	switch {
	case p.role == roleActive && e == falling:
		return Pause
	case e != rising:
		return 0
	case p.role == roleActive && p.slot.run != nil && p.slot.run.state == Paused:
		return Resume
	}
	return [roleCount]EventKind{roleCreate: Create, roleActive: Start, roleReady: MakeReady, roleCancel: Cancel}[p.role]
}
