// The life of a governed object: states, events, and the one list of arcs from which machine and lookup are made.

package library

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/looplab/fsm"
)

// State is where a version of a governed object stands.
type State uint8

// The states.
const (
	StateNone      State = iota // never seen
	StateDraft                  // known by its digest, and no more
	StateApproved               // someone answers for it
	StatePublished              // batches may be bound to it
	StateRetired                // no new batch may be bound to it
	stateCount
)

// String gives the name that stands in records, "" for what is no state.
func (s State) String() string {
	if s < stateCount {
		return [...]string{"none", "draft", "approved", "published", "retired"}[s]
	}
	return ""
}

// Event is what is done to a version of a governed object. The zero value is no event.
type Event uint8

// The events.
const (
	Draft    Event = iota + 1 // a version is made known
	Approve                   // a draft is approved
	Publish                   // an approved version may be used from now on, or from a given time
	Retire                    // a published version is taken out of use
	Withdraw                  // a version that was never published is given up
	Rollback                  // a retired version that was once published may be used again
	eventCount
)

// String gives the name that people use, "" for what is no event.
func (e Event) String() string {
	if e < eventCount {
		return [...]string{"", "draft", "approve", "publish", "retire", "withdraw", "rollback"}[e]
	}
	return ""
}

// arc leads from one state to another.
type arc struct {
	from  State
	event Event
	to    State
}

// arcs is the life. Everything else that knows it is made from this list.
var arcs = []arc{
	{StateNone, Draft, StateDraft},
	{StateDraft, Approve, StateApproved},
	{StateDraft, Withdraw, StateRetired},
	{StateApproved, Publish, StatePublished},
	{StateApproved, Withdraw, StateRetired},
	{StatePublished, Retire, StateRetired},
	{StateRetired, Rollback, StatePublished},
}

// table gives the state to which an event leads, StateNone where it leads nowhere.
type table [stateCount][eventCount]State

// lookup is the dense form of arcs. A faulty list would leave it empty, so that nothing is allowed; a test sees to it.
var lookup, errArcs = dense(arcs)

// dense checks a list of arcs and makes its lookup.
func dense(list []arc) (table, error) {
	var t table
	var pairs [stateCount][stateCount]bool
	for _, a := range list {
		switch {
		case a.from >= stateCount || a.to >= stateCount || a.event == 0 || a.event >= eventCount:
			return table{}, fmt.Errorf("library: arc %d-%d-%d: no such state or event", a.from, a.event, a.to)
		case a.to == StateNone || a.to == a.from:
			return table{}, fmt.Errorf("library: %s from %s: leads to %s", a.event, a.from, a.to)
		case t[a.from][a.event] != StateNone:
			return table{}, fmt.Errorf("library: %s from %s: stands twice", a.event, a.from)
		case pairs[a.from][a.to]:
			return table{}, fmt.Errorf("library: two arcs from %s to %s: a record tells arcs by their ends", a.from, a.to)
		}
		t[a.from][a.event] = a.to
		pairs[a.from][a.to] = true
	}
	reached := [stateCount]bool{StateNone: true}
	for range stateCount {
		for _, a := range list {
			reached[a.to] = reached[a.to] || reached[a.from]
		}
	}
	for s := range stateCount {
		if !reached[s] {
			return table{}, fmt.Errorf("library: state %s: no way leads to it", s)
		}
		if s != StateRetired && t[s] == ([eventCount]State{}) {
			return table{}, fmt.Errorf("library: state %s: no way leads out of it", s)
		}
	}
	return t, nil
}

// machine makes the machine of a version that stands in a state.
func machine(at State) *fsm.FSM {
	events := make([]fsm.EventDesc, 0, len(arcs))
	for _, a := range arcs {
		events = append(events, fsm.EventDesc{Name: a.event.String(), Src: []string{a.from.String()}, Dst: a.to.String()})
	}
	return fsm.NewFSM(at.String(), events, nil)
}

// move lets the machine take one event.
func move(at State, e Event) (State, error) {
	m := machine(at)
	if m.Event(context.Background(), e.String()) == nil {
		for s := range stateCount {
			if m.Is(s.String()) {
				return s, nil
			}
		}
	}
	if at == StateNone {
		return at, errors.New("this version was never seen here; draft it first")
	}
	return at, fmt.Errorf("not possible, it is %s; possible: %s", at, possible(at))
}

// possible names what can be done in a state, in the order of the events.
func possible(at State) string {
	var names []string
	for e, to := range lookup[at] {
		if to != StateNone {
			names = append(names, Event(e).String())
		}
	}
	return strings.Join(names, ", ")
}

// between finds the arc that a record names by its ends.
func between(from, to string) (arc, bool) {
	for _, a := range arcs {
		if a.from.String() == from && a.to.String() == to {
			return a, true
		}
	}
	return arc{}, false
}
