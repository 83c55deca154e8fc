// How a scenario shows effects.

package sequencer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// show writes the effects of an event, and lets the devices take what is written to them.
func (s *scenario) show(ev *Event, fx []Effect) {
	if ev.Kind == WindowOpened && len(fx) > 0 {
		fmt.Fprintf(&s.out, "%12swindow %s opened: %t\n", "", s.w.windows[ev.Window], ev.OK)
	}
	for i := range fx {
		e := &fx[i]
		fmt.Fprintf(&s.out, "%12s%s\n", "", s.words(e))
		if e.Kind != Write {
			continue
		}
		a := answer{s.r.now + s.device[e.Output], Event{Kind: Done, ID: e.ID, OK: true}}
		switch s.device[e.Output] {
		case silent:
			continue
		case fails:
			a.at, a.ev.OK = s.r.now+second/10, false
		default:
			if !s.r.plant.lies[e.Output] {
				s.r.plant.value[s.w.Outputs[e.Output].Tag] = e.Value
			}
		}
		s.due = append(s.due, a)
		slices.SortStableFunc(s.due, func(a, b answer) int { return cmp.Compare(a.at, b.at) })
	}
}

// words says one effect.
func (s *scenario) words(e *Effect) string {
	elem := s.w.elems[e.Elem]
	because := ""
	if e.Reason != "" {
		because = ": " + e.Reason
	}
	switch e.Kind {
	case BatchChanged:
		return fmt.Sprintf("batch %s -> %s", e.From, e.To)
	case StepChanged:
		took := ""
		if e.To == Complete {
			took = " after " + seconds(e.Elapsed)
		}
		round := ""
		if e.Round > 0 {
			round = fmt.Sprintf(", round %d", e.Round)
		}
		if e.Tries > 0 {
			round = fmt.Sprintf(" %d", e.Tries) + round
		}
		return fmt.Sprintf("%s %s -> %s (%s%s)%s%s", elem, e.From, e.To, e.Edge, round, took, because)
	case ActionStarted:
		return fmt.Sprintf("%s waits%s%s", s.w.actions[e.Action], because, s.who(e))
	case ActionEnded:
		return fmt.Sprintf("%s ends after %s", s.w.actions[e.Action], seconds(e.Elapsed))
	case Write:
		return s.written(e)
	case OpenWindow, CloseWindow:
		return fmt.Sprintf("%s window %s shall %s%s", elem, s.w.windows[e.Window], map[EffectKind]string{OpenWindow: "open",
			CloseWindow: "close"}[e.Kind], because)
	case Ask, RequestAction, CancelAction, Mark:
		verb := map[EffectKind]string{Ask: "asks", RequestAction: "requests", CancelAction: "is called off", Mark: "marks"}[e.Kind]
		if e.Kind != Mark {
			verb += fmt.Sprintf(" (number %d)", e.ID)
		}
		return fmt.Sprintf("%s %s%s", s.w.actions[e.Action], verb, because)
	case TimedOut:
		tries := ""
		if e.Tries > 0 {
			tries = fmt.Sprintf(" (%d)", e.Tries)
		}
		return fmt.Sprintf("%s has run out of its %s, reaction %s%s%s", elem, seconds(e.Elapsed), cmp.Or(e.Command.String(), "retry"), tries,
			because+s.who(e))
	case Found, Diagnosed, TripChanged:
		return s.hard(e)
	case Answer:
		return fmt.Sprintf("%s of %s, %s: %s%s", e.Command, elem, e.From, e.Result, because)
	case RequestResource:
		return fmt.Sprintf("%s asks the arbiter (number %d)", s.w.actions[e.Action], e.ID)
	case ReleaseResource:
		verb := map[Result]string{Accepted: "gives back", Refused: "keeps"}[e.Result]
		if e.Elem == 0 {
			return fmt.Sprintf("%s number %d%s", verb, e.ID, because)
		}
		return fmt.Sprintf("%s %s number %d%s", s.w.actions[e.Action], verb, e.ID, because)
	case ActionWaits:
		return fmt.Sprintf("%s waits still%s, number %d is queued", s.w.actions[e.Action], because, e.ID)
	case OutputFault:
		return fmt.Sprintf("%s is not known to be %d, write %d%s", s.w.tags[e.Output], e.Value, e.ID, because)
	case End:
		return fmt.Sprintf("END %s%s", e.To, because)
	}
	return fmt.Sprintf("%+v", *e)
}

// hard says an effect of an abort.
func (s *scenario) hard(e *Effect) string {
	switch {
	case e.Kind == TripChanged:
		return fmt.Sprintf("trip of %s = %d is %s after %s: %s", s.w.tags[e.Output], e.Value, e.Trip, seconds(e.Elapsed), e.Reason)
	case e.Kind == Diagnosed:
		return fmt.Sprintf("%s of %s is diagnosed: %s", e.Command, s.w.elems[e.Elem], e.Reason)
	case e.Value == 0:
		return fmt.Sprintf("found %s %s", s.w.elems[e.Elem], e.From)
	}
	return fmt.Sprintf("found %s %s at %s for %s: %s%s", s.w.elems[e.Elem], e.From, s.w.actions[e.Action], seconds(e.Elapsed), e.Reason,
		strings.TrimSuffix(s.who(e), "; 1 waited before"))
}

func (s *scenario) written(e *Effect) string {
	by := []string{fmt.Sprintf("write %d: %s %d -> %d", e.ID, s.w.tags[e.Output], e.Old, e.Value)}
	if e.Safe {
		by = append(by, "safe direction")
	}
	if e.Reason != "" {
		by = append(by, e.Reason)
	} else {
		by = append(by, s.w.actions[e.Action])
	}
	return strings.Join(by, ", ")
}

// who names those who are waited for.
func (s *scenario) who(e *Effect) string {
	var names []string
	for _, n := range e.Who.Elems {
		if n != 0 {
			names = append(names, s.w.elems[n])
		}
	}
	if names == nil {
		return ""
	}
	text := "; for " + strings.Join(names, ", ")
	if e.Who.More > 0 {
		text += fmt.Sprintf(" and %d more", e.Who.More)
	}
	if e.Value > 0 {
		text += fmt.Sprintf("; %d waited before", e.Value)
	}
	return text
}
