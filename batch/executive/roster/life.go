// The life of a batch: states, events, and the one list of arcs from which all is made.

package roster

import (
	"fmt"
	"strings"
)

// State is where a batch stands.
type State uint8

// The states. A list shows Clearing as Removing, and Restarting as Loading.
const (
	None       State = iota // never seen
	Loading                 // its runner comes up
	Ready                   // it can be started
	LoadFailed              // its runner could not load it
	Active                  // its procedure is under way
	Ended                   // complete, stopped or aborted
	Lost                    // its runner is gone without having been asked to, or is not heard
	Removing                // its runner was asked to go
	Clearing                // what it has is fenced and made safe, its process is ended, then it gives all back
	Restarting              // what it has is fenced, its process is ended, then another one takes it up
	Removed                 // gone for good; its number is never used again
	stateCount
)

// String gives the name that stands in records, "" for what is no state.
func (s State) String() string {
	if s < stateCount {
		return [...]string{"none", "Loading", "Ready", "Load Failed", "Active", "Ended", "Lost", "Removing", "Clearing", "Restarting", "Removed"}[s]
	}
	return ""
}

// Shown gives the state that a list shows.
func (s State) Shown() State {
	switch s {
	case Clearing:
		return Removing
	case Restarting:
		return Loading
	}
	return s
}

// Parse gives the state of a name as String has it; ok is false where there is none.
func Parse(name string) (s State, ok bool) {
	for s = range stateCount {
		if s.String() == name {
			return s, true
		}
	}
	return None, false
}

// Event is what happens to a batch. The zero value is none.
type Event uint8

// The events. What is heard of a runner in state Removing is one only after it has refused to go.
const (
	Create       Event = iota + 1 // a person asks for it
	HeardLoading                  // its runner says that it loads
	HeardReady                    // its runner says that it is Ready
	HeardFailed                   // its runner says that loading failed
	HeardActive                   // its runner says that it is under way
	HeardEnded                    // its runner says that it has ended
	Overdue                       // its runner did not come up in time
	Silent                        // its runner is not heard, and its process may live
	Exit                          // its process has ended
	Remove                        // a person asks it to go
	Force                         // a person has it fenced and ended
	Warm                          // a person has it taken up where it was
	Cold                          // a person has a new one take its place
	Fenced                        // a restart: its tokens are raised and its process has ended
	Cleared                       // it has nothing any more
	eventCount
)

// String gives the name that stands in records, "" for what is no event.
func (e Event) String() string {
	if e < eventCount {
		return [...]string{"", "create", "heard Loading", "heard Ready", "heard Load Failed", "heard Active", "heard Ended", "overdue", "silent", "exit",
			"remove", "remove by force", "restart warm", "restart cold", "fenced", "cleared"}[e]
	}
	return ""
}

// Asked tells whether an event is what a person asks for.
func (e Event) Asked() bool { return e == Create || e >= Remove && e <= Cold }

// arc leads from one state to another.
type arc struct {
	from  State
	event Event
	to    State
}

// arcs is the life. Everything else that knows it is made from this list.
var arcs = []arc{
	{None, Create, Loading},
	{Loading, HeardReady, Ready},
	{Loading, HeardFailed, LoadFailed},
	{Loading, HeardActive, Active},
	{Loading, HeardEnded, Ended},
	{Loading, Overdue, LoadFailed},
	{Loading, Silent, Lost},
	{Loading, Exit, Lost},
	{Loading, Force, Clearing},
	{Ready, HeardActive, Active},
	{Ready, HeardEnded, Ended},
	{Ready, Silent, Lost},
	{Ready, Exit, Lost},
	{Ready, Remove, Removing},
	{Ready, Force, Clearing},
	{LoadFailed, HeardReady, Ready}, // it came up after all
	{LoadFailed, HeardActive, Active},
	{LoadFailed, HeardEnded, Ended},
	{LoadFailed, Silent, Lost},
	{LoadFailed, Exit, Lost},
	{LoadFailed, Remove, Removing},
	{LoadFailed, Force, Clearing},
	{Active, HeardEnded, Ended},
	{Active, Silent, Lost},
	{Active, Exit, Lost},
	{Active, Force, Clearing},
	{Ended, Silent, Lost},
	{Ended, Exit, Lost},
	{Ended, Remove, Removing},
	{Ended, Force, Clearing},
	{Lost, HeardLoading, Loading},
	{Lost, HeardReady, Ready},
	{Lost, HeardFailed, LoadFailed},
	{Lost, HeardActive, Active},
	{Lost, HeardEnded, Ended},
	{Lost, Remove, Clearing},
	{Lost, Force, Clearing},
	{Lost, Warm, Restarting},
	{Lost, Cold, Clearing},
	{Removing, HeardReady, Ready},
	{Removing, HeardFailed, LoadFailed},
	{Removing, HeardActive, Active},
	{Removing, HeardEnded, Ended},
	{Removing, Exit, Clearing},
	{Removing, Force, Clearing},
	{Restarting, Fenced, Loading},
	{Restarting, Force, Clearing},
	{Clearing, Cleared, Removed},
}

// table gives the state to which an event leads, None where it leads nowhere.
type table [stateCount][eventCount]State

// lookup is the dense form of arcs. A faulty list would leave it empty, so that nothing is allowed; a test sees to it.
var lookup, errArcs = dense(arcs)

// dense checks a list of arcs and makes its lookup.
func dense(list []arc) (table, error) {
	var t table
	for _, a := range list {
		switch {
		case a.from >= stateCount || a.to >= stateCount || a.event == 0 || a.event >= eventCount:
			return table{}, fmt.Errorf("roster: arc %d-%d-%d: no such state or event", a.from, a.event, a.to)
		case a.to == None || a.to == a.from:
			return table{}, fmt.Errorf("roster: %s from %s: leads to %s", a.event, a.from, a.to)
		case t[a.from][a.event] != None:
			return table{}, fmt.Errorf("roster: %s from %s: stands twice", a.event, a.from)
		case a.from == Lost && !(a.event >= HeardLoading && a.event <= HeardEnded) && a.to != Clearing && a.to != Restarting:
			return table{}, fmt.Errorf("roster: %s from Lost: leads to %s without a fence", a.event, a.to)
		}
		t[a.from][a.event] = a.to
	}
	for s := range stateCount {
		if s != Removed && t[s] == ([eventCount]State{}) {
			return table{}, fmt.Errorf("roster: state %s: no way leads out of it", s)
		}
		if s != None && s != Removed && t[s][Force] != Clearing && s != Clearing {
			return table{}, fmt.Errorf("roster: state %s: a person cannot end it by force", s)
		}
		if !reached(list)[s] {
			return table{}, fmt.Errorf("roster: state %s: no way leads to it", s)
		}
	}
	return t, nil
}

// reached tells which states can be come to.
func reached(list []arc) [stateCount]bool {
	at := [stateCount]bool{None: true}
	for range stateCount {
		for _, a := range list {
			at[a.to] = at[a.to] || at[a.from]
		}
	}
	return at
}

// Move gives the state to which an event leads; where it leads nowhere, the error says why and what can be done, and the state stays.
func Move(at State, e Event) (State, error) {
	if at < stateCount && e < eventCount && lookup[at][e] != None {
		return lookup[at][e], nil
	}
	return at, fmt.Errorf("roster: %s: it is %s%s; possible: %s", e, at.Shown(), hint(at, e), Possible(at))
}

// hint says why an event is not possible, where there is more to say than the state.
func hint(at State, e Event) string {
	switch {
	case at == None && e != Create:
		return ", no batch has that number"
	case at == Removed:
		return ", and nothing more becomes of it"
	case e == Create:
		return ", the number is used; give another"
	case at == Active && e == Remove:
		return ", under way: abort it first, or remove it by force"
	case at == Loading && e == Remove:
		return ": wait until it is Ready or Load Failed, or remove it by force"
	case e == Warm || e == Cold:
		return ": only a Lost batch is restarted"
	case at == Clearing && e.Asked():
		return ": it is fenced and made safe already"
	}
	return ""
}

// Possible names what a person may ask of a batch in a state, "nothing" where that is so.
func Possible(at State) string {
	var names []string
	for e := range eventCount {
		if at < stateCount && e.Asked() && lookup[at][e] != None {
			names = append(names, e.String())
		}
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// Hears gives the event of what a runner says of its life, by the words of a list; 0 for any other.
func Hears(life string) Event {
	switch s, _ := Parse(life); s {
	case Loading:
		return HeardLoading
	case Ready:
		return HeardReady
	case LoadFailed:
		return HeardFailed
	case Active:
		return HeardActive
	case Ended:
		return HeardEnded
	}
	return 0
}

// Takes tells whether a batch in this state has a runner that takes commands and answers.
func (s State) Takes() bool { return s == Ready || s == LoadFailed || s == Active || s == Ended }
