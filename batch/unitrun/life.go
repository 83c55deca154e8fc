// The life of a run: the one list of arcs from which all is made.

package unitrun

import (
	"fmt"
	"strings"
)

// policy is an option of a slot that an arc needs.
type policy uint8

const (
	always policy = iota
	ifAutoCreate
	ifUnstarted
	ifPost
)

// arc leads from one state to another.
type arc struct {
	from State
	do   EventKind
	to   State
	only policy
}

// arcs is the life. Everything else that knows it is made from this list. A slot is Idle while it has no tracked run, and is so again once
// its run is not tracked any more.
var arcs = []arc{
	{Idle, Create, Created, always},
	{Idle, Start, Active, ifAutoCreate}, // with all that create comes to before it
	{Created, Start, Active, always},
	{Created, MakeReady, Ready, ifUnstarted},
	{Created, Cancel, Canceled, always},
	{Active, Pause, Paused, always},
	{Active, MakeReady, Ready, always},
	{Active, Cancel, Canceled, always},
	{Paused, Start, Active, always}, // it is the same as resume
	{Paused, Resume, Active, always},
	{Paused, MakeReady, Ready, always},
	{Paused, Cancel, Canceled, always},
	{Ready, Finish, Finished, ifPost},
}

// step is where a command leads; to is NoState where it leads nowhere.
type step struct {
	to   State
	only policy
}

// table gives the step of each command in each state.
type table [stateCount][Cancel + 1]step

// lookup is the dense form of arcs. A faulty list would leave it empty, so that nothing is allowed; a test sees to it.
var lookup, errArcs = dense(arcs)

// dense checks a list of arcs and makes its lookup.
func dense(list []arc) (table, error) {
	var t table
	at := [stateCount]bool{Idle: true}
	for range stateCount {
		for _, a := range list {
			if a.from < stateCount && a.to < stateCount {
				at[a.to] = at[a.to] || at[a.from]
			}
		}
	}
	for _, a := range list {
		switch {
		case a.from == NoState || a.from >= stateCount || a.to >= stateCount || !a.do.Command() || a.only > ifPost:
			return table{}, fmt.Errorf("unitrun: arc %d-%d-%d: no such state, command or policy", a.from, a.do, a.to)
		case a.to <= Idle || a.to == a.from:
			return table{}, fmt.Errorf("unitrun: %s in %s: leads to %s", a.do, a.from, a.to)
		case t[a.from][a.do].to != NoState:
			return table{}, fmt.Errorf("unitrun: %s in %s: stands twice", a.do, a.from)
		case a.from != Idle && !a.from.Tracked() && a.to.Tracked():
			return table{}, fmt.Errorf("unitrun: %s in %s: leads to %s, and its slot may have another run", a.do, a.from, a.to)
		}
		t[a.from][a.do] = step{a.to, a.only}
	}
	for s := Idle; s < stateCount; s++ {
		switch {
		case !at[s]:
			return table{}, fmt.Errorf("unitrun: state %s: no way leads to it", s)
		case s.Tracked() && t[s][Cancel].to != Canceled:
			return table{}, fmt.Errorf("unitrun: state %s: it cannot be canceled", s)
		}
	}
	return t, nil
}

// allows tells whether a slot has the option that an arc needs.
func (s *Slot) allows(only policy) bool {
	switch only {
	case ifAutoCreate:
		return s.AutoCreate
	case ifUnstarted:
		return s.Unstarted
	case ifPost:
		return s.Post
	}
	return true
}

// Next gives the state to which a command leads by the options of a slot; where it leads nowhere, the error says why and what is possible, and
// the state stays.
func Next(at State, do EventKind, opt *Slot) (State, error) {
	if at < stateCount && do.Command() {
		if s := lookup[at][do]; s.to != NoState && opt.allows(s.only) {
			return s.to, nil
		}
	}
	return at, fmt.Errorf("it is %s%s; possible: %s", at, hint(at, do, opt), Possible(at, opt))
}

// hint says why a command is not possible, where there is more to say than the state.
func hint(at State, do EventKind, opt *Slot) string {
	switch {
	case at == Idle && do == Start:
		return ", and has no auto-create: create a run first"
	case at == Idle:
		return ": no run is tracked"
	case at == Created && do == MakeReady:
		return ", and was not started"
	case at.Tracked() && do == Create:
		return ": end or cancel its run first"
	case at == Ready && do == Finish && !opt.Post:
		return ", which is its last state: its runs need no post-processing"
	case at == Finished, at == Canceled, at == Ready && !opt.Post:
		return ", and nothing more becomes of it"
	case at == Ready:
		return ", and not tracked any more"
	}
	return ""
}

// Possible names the commands that are taken in a state by the options of a slot, "nothing" where that is so.
func Possible(at State, opt *Slot) string {
	var names []string
	for do := Create; do <= Cancel; do++ {
		if at < stateCount && lookup[at][do].to != NoState && opt.allows(lookup[at][do].only) {
			names = append(names, do.String())
		}
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
