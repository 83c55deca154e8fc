// This file reads the interlocks and alarms of a map file.

package iomap

import (
	"errors"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Limits of what one interlock or alarm says and of its times.
const (
	maxWhen     = 200            // bytes of a condition
	maxMessage  = 120            // bytes of a message
	minDebounce = 10_000_000     // 10 ms: it bounds how often an interlock decides
	maxDebounce = 60_000_000_000 // 60 s
	maxDelay    = 86_400_000_000_000
	millisecond = 1_000_000 // records say debounce_ms and vote_window_ms
)

func (r *reader) interlocks(n strictyaml.Node) {
	seen := map[string]int{}
	for _, item := range n.List(MaxInterlocks) {
		r.m.Interlocks = append(r.m.Interlocks, r.interlock(item, seen))
	}
}

// interlock reads one entry of interlocks.
func (r *reader) interlock(n strictyaml.Node, seen map[string]int) (i Interlock) {
	f := n.Map()
	id := f.Req("interlock_id")
	i.ID = id.Ident()
	id.Once(seen, i.ID, "interlock_id")
	kind := f.Req("kind").OneOf("permissive", "trip", "safety_trip")
	i.Kind = map[string]InterlockKind{"trip": TripKind, "safety_trip": SafetyTripKind}[kind]
	i.When, i.Text, i.Used = r.when(f.Req("when"))
	r.filter(f, &i)
	latch, latches := f.Opt("latch")
	switch {
	case kind == "":
	case i.Kind == TripKind && !latches:
		n.Errorf("interlock %q trips: key \"latch\" is missing; write until_reset, or auto where it may clear by itself", i.ID)
	case i.Kind == PermissiveKind && latches:
		latch.Errorf("a permissive does not latch; leave latch out, or make it a trip of what is not permitted")
	case i.Kind == SafetyTripKind && latches:
		latch.Errorf("a safety_trip is followed as the PLC reports it and latches there; leave latch out")
	case latches:
		i.Latch = latch.OneOf("until_reset", "auto") == "until_reset"
	}
	gates := f.Req("gates")
	for _, g := range gates.List(MaxGates) {
		i.Gates = r.gate(g, i.Gates)
	}
	reaction, reacts := f.Opt("reaction")
	switch {
	case kind == "":
	case i.Kind == PermissiveKind && reacts:
		reaction.Errorf("a permissive only withholds what waits for it; leave reaction out, or make it a trip of what is not permitted")
	case i.Kind != PermissiveKind && !reacts:
		n.Errorf("interlock %q trips: key \"reaction\" is missing; it is hold, abort, hard_abort or none", i.ID)
	case reacts:
		i.Reaction = map[string]Reaction{"hold": ReactHold, "abort": ReactAbort, "hard_abort": ReactHardAbort}[reaction.OneOf(
			"hold", "abort", "hard_abort", "none")]
		if i.Reaction == ReactNone && gates.Kind() == strictyaml.List && len(i.Gates) == 0 && reaction.Str() == "none" {
			reaction.Errorf("interlock %q gates no output and reacts with none: it would do nothing; make it an alarm", i.ID)
		}
	}
	f.Done()
	return i
}

// gate adds an output to those that an interlock gates.
func (r *reader) gate(n strictyaml.Node, gates []tag.ID) []tag.ID {
	id := r.tagOf(n, true)
	switch {
	case id == tag.None || !r.known[id]:
		return gates
	case !r.m.Tags[id].Output:
		n.Errorf("%q is an input; gates names outputs, which it keeps at their safe values", r.m.Tags[id].Name)
		return gates
	case slices.Contains(gates, id):
		n.Errorf("%q stands twice in gates", r.m.Tags[id].Name)
		return gates
	}
	return append(gates, id)
}

// ungated refuses that an interlock gates the output which requests a trip: nothing may keep that from its value.
func (r *reader) ungated(n strictyaml.Node) {
	for i := range r.m.Interlocks {
		if t := r.m.Trip; t.Tag != tag.None && slices.Contains(r.m.Interlocks[i].Gates, t.Tag) {
			n.Errorf("interlock %q gates %s, and nothing may keep a request for a trip from the PLC; take it out of gates", r.m.Interlocks[i].ID,
				r.m.Tags[t.Tag].Name)
		}
	}
}

// filter reads what a raw violation must outlast.
func (r *reader) filter(f *strictyaml.Fields, i *Interlock) {
	debounce := f.Req("debounce")
	window, votes := f.Opt("vote_window")
	share, shared := f.Opt("vote")
	d := timeOf(debounce)
	if d != 0 && (d < minDebounce || d > maxDebounce || d%millisecond != 0) {
		debounce.Errorf("debounce is %q; it must be whole milliseconds from 10 ms to 60 s", debounce.Str())
		d = 0
	}
	i.Filter = cond.Filter{On: d, Off: d}
	switch {
	case votes && !shared:
		window.Errorf("a vote_window needs the share of it that must be violated: add a line such as \"vote: 60 %%\"")
	case shared && !votes:
		share.Errorf("a vote needs the window that it looks at: add a line such as \"vote_window: 500 ms\"")
	case votes:
		w := timeOf(window)
		i.Vote = percentOf(share)
		if w != 0 && d != 0 && (w < d || w > cond.MaxVotes*d || w%millisecond != 0) {
			window.Errorf("vote_window is %q; it must be whole milliseconds, from 1 to %d times the debounce, which is %q", window.Str(),
				cond.MaxVotes, debounce.Str())
			return
		}
		// Whole ns, rounded up: the share is never less than what was asked for.
		i.Filter.Window, i.Filter.Need = w, w/100*i.Vote+(w%100*i.Vote+99)/100
	}
}

// percentOf reads a share in whole percent, from 1 % to 100 %; 0 where it is refused.
func percentOf(n strictyaml.Node) (p int64) {
	text := n.Str()
	number, ok := strings.CutSuffix(text, "%")
	number = strings.TrimSuffix(number, " ")
	for _, c := range []byte(number) {
		ok = ok && c >= '0' && c <= '9' && p <= 100
		p = p*10 + int64(c&15)
	}
	if text != "" && (!ok || p < 1 || p > 100) {
		n.Errorf("%q is no share; write whole percent from 1 %% to 100 %%, such as 60 %%", text)
		return 0
	}
	return p
}

// when reads a condition of an interlock or alarm.
func (r *reader) when(n strictyaml.Node) (c cond.Cond, text string, used []tag.ID) {
	src := n.Str()
	if src == "" {
		return nil, "", nil
	}
	e, err := cond.Parse(src)
	var syntax *cond.SyntaxError
	if errors.As(err, &syntax) {
		n.Errorf("condition, column %d: %s", syntax.Column, syntax.Msg)
	}
	if err != nil {
		return nil, "", nil
	}
	c, errs := e.Bind(r.m, nil)
	for _, err := range errs {
		n.Errorf("condition, column %d: %s", err.Column, err.Msg)
	}
	for i := range c {
		switch id := c[i].Tag; {
		case c[i].Op == cond.Elapsed:
			n.Errorf("elapsed counts from where a step begins, and an interlock or alarm has no such place; use debounce or delay")
			return nil, "", nil
		case (c[i].Op >= cond.Eq) && !slices.Contains(used, id):
			used = append(used, id)
		}
	}
	if text = e.String(); len(text) > maxWhen {
		n.Errorf("the condition is %d bytes long; %d are the most, for it is said in records", len(text), maxWhen)
	}
	if len(used) > MaxUsed {
		n.Errorf("the condition names %d tags; %d are the most, for records show each of them; split it", len(used), MaxUsed)
	}
	return c, text, used
}

func (r *reader) alarms(n strictyaml.Node) {
	seen := map[string]int{}
	for _, item := range n.List(MaxAlarms) {
		r.m.Alarms = append(r.m.Alarms, r.alarm(item, seen))
	}
}

// alarm reads one entry of alarms.
func (r *reader) alarm(n strictyaml.Node, seen map[string]int) Alarm {
	a := Alarm{Of: tag.None, Interlock: -1}
	f := n.Map()
	id, message := f.Req("alarm_id"), f.Req("message")
	a.ID, a.Message = id.Ident(), message.Str()
	id.Once(seen, a.ID, "alarm_id")
	if len(a.Message) > maxMessage {
		message.Errorf("message is %d bytes long; %d are the most", len(a.Message), maxMessage)
	}
	a.Priority = f.Req("priority").OneOf("low", "medium", "high", "urgent")
	when, conditional := f.Opt("when")
	fault, faulty := f.Opt("fault")
	of, some := f.Opt("of")
	switch {
	case conditional == faulty && a.ID != "":
		n.Errorf("alarm %q is raised by a condition or by a class of faults: give it either when or fault", a.ID)
	case conditional == faulty:
	case conditional && some:
		of.Errorf("of says which tag or interlock a fault is of; a condition names its own")
	case conditional:
		a.When, a.Text, a.Used = r.when(when)
	default:
		a.Fault = map[string]Fault{"quality": FaultQuality, "output_fault": FaultOutput, "timeout": FaultTimeout, "interlock": FaultInterlock,
			"safe_state": FaultSafeState}[fault.OneOf("quality", "output_fault", "timeout", "interlock", "safe_state")]
		if some {
			r.of(of, &a)
		}
	}
	a.Filter.On, a.Filter.Off = delayOf(f, "delay"), delayOf(f, "off_delay")
	f.Done()
	return a
}

// of reads whose fault raises an alarm.
func (r *reader) of(n strictyaml.Node, a *Alarm) {
	switch a.Fault {
	case FaultQuality, FaultOutput, FaultSafeState:
		a.Of = r.tagOf(n, a.Fault != FaultQuality)
		if a.Of != tag.None && a.Fault != FaultQuality && r.known[a.Of] && !r.m.Tags[a.Of].Output {
			n.Errorf("%q is an input; %s is of an output", r.m.Tags[a.Of].Name, map[Fault]string{FaultOutput: "an output_fault", FaultSafeState: "a safe_state"}[a.Fault])
		}
	case FaultInterlock:
		var names []string
		a.Interlock = slices.IndexFunc(r.m.Interlocks, func(i Interlock) bool { return i.ID == n.Str() })
		for i := range r.m.Interlocks {
			if r.m.Interlocks[i].ID != "" {
				names = append(names, r.m.Interlocks[i].ID)
			}
		}
		if a.Interlock < 0 {
			unknown(n, n.Str(), "interlock", names)
		} else if r.m.Interlocks[a.Interlock].Kind == PermissiveKind {
			n.Errorf("interlock %q is a permissive: that it does not permit is no fault", n.Str())
		}
	case FaultTimeout:
		n.Errorf("a map knows no steps: an alarm of a timeout is of any; leave of out")
	}
}

// delayOf reads how long what raises an alarm must last, or be gone; 0 where nothing stands there.
func delayOf(f *strictyaml.Fields, key string) int64 {
	n, ok := f.Opt(key)
	if !ok {
		return 0
	}
	d := timeOf(n)
	if d > maxDelay {
		n.Errorf("%s is %q; it must not be longer than 24 h", key, n.Str())
	}
	return d
}
