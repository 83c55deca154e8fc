// Scenario scripts: configuration and expectations.

package unitrun_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/internal/script"
)

// configure makes the event of a line that says how units and runs are.
func (p *player) configure(l script.Line) (e unitrun.Event, err error) {
	e = unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{}}
	needs := 2
	if l.Verb == "gone" {
		needs = 1
	}
	words, rest, err := args(l, needs)
	if err != nil {
		return e, err
	}
	switch u := p.units[words[0]]; {
	case l.Verb == "definition":
		e.Config.Definitions = []unitrun.Definition{{Name: words[0], Classes: l.Args[1:]}}
		return e, nil
	case l.Verb == "unit":
		u = &unitrun.Unit{ID: words[0], Classes: l.Args[1:]}
		if old := p.units[words[0]]; old != nil {
			u.Slots = old.Slots
		}
		p.units[words[0]] = u
	case u == nil && l.Verb == "gone":
		e.Config.Definitions = []unitrun.Definition{{Name: words[0], Gone: true}}
		return e, nil
	case u == nil:
		return e, l.ArgErrorf(0, "unit %q is not there", words[0])
	case l.Verb == "gone":
		e.Config.Units = []unitrun.Unit{{ID: words[0], Gone: true}}
		return e, nil
	default:
		u.Slots = slices.DeleteFunc(slices.Clone(u.Slots), func(s unitrun.Slot) bool { return s.Definition == words[1] })
		if l.Verb == "slot" {
			s, err := options(l, words[1], rest)
			if err != nil {
				return e, err
			}
			u.Slots = append(u.Slots, s)
		}
	}
	e.Config.Units = []unitrun.Unit{*p.units[words[0]]}
	return e, nil
}

// options reads the options of a slot.
func options(l script.Line, definition string, rest []string) (s unitrun.Slot, err error) {
	s.Definition = definition
	for i, w := range rest {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "message", "signal", "both":
			err = s.Control.UnmarshalText([]byte(name))
		case "by-message":
			s.Naming = unitrun.NamedByMessage
		case "auto-create":
			s.AutoCreate = true
		case "post":
			s.Post = true
		case "ready-unstarted":
			s.Unstarted = true
		case "no-link-paused":
			s.PausedOff = true
		case "test":
			s.Test = true
		case "prefix":
			s.Prefix = value
		case "digits":
			s.Digits, err = strconv.Atoi(value)
		case "capture":
			s.Capture = &unitrun.Capture{Tags: strings.Split(value, ","), PeriodMS: 1000}
		case "period":
			s.Capture.PeriodMS, err = strconv.ParseInt(strings.TrimSuffix(value, "s"), 10, 64)
			s.Capture.PeriodMS *= 1000
		case "ident":
			s.Naming, s.Ports.Ident = unitrun.NamedBySignal, value
		case "create":
			s.Ports.Create = value
		case "active":
			s.Ports.Active = value
		case "ready":
			s.Ports.Ready = value
		case "cancel":
			s.Ports.Cancel = value
		default:
			err = fmt.Errorf("option %q is not known", w)
		}
		if err != nil {
			return s, l.ArgErrorf(i+2, "%s", err)
		}
	}
	return s, nil
}

// expect holds what a line expects.
func (p *player) expect(l script.Line) error {
	if len(l.Args) > 0 && l.Args[0] == "refused" {
		return p.expectRefused(l, strings.Join(l.Args[1:], " "))
	}
	words, rest, err := args(l, 2)
	if err != nil {
		return err
	}
	if err := p.unexpected(); err != nil {
		return err
	}
	got, want := "", strings.Join(rest, " ")
	switch words[0] {
	case "code", "ident", "times", "linked":
		r, ok := p.tracker.Run(words[1])
		if !ok {
			return l.Errorf("no run %s is known", words[1])
		}
		got = ofRun(words[0], r)
	case "inside":
		got = strings.Join(p.tracker.Inside(words[1]), " ")
	case "material", "trace":
		m, ok := p.tracker.Material(words[1])
		if !ok {
			return l.Errorf("no material %s is known", words[1])
		}
		got = ofMaterial(words[0], m)
	default:
		return p.expectState(l, words, rest)
	}
	if got != want {
		return l.Errorf("%s %s is [%s]", words[0], words[1], got)
	}
	return nil
}

func (p *player) expectRefused(l script.Line, want string) error {
	if len(p.refused) == 0 {
		return l.Errorf("the line before is not refused")
	}
	if !strings.Contains(p.refused[0], want) {
		return l.Errorf("the line before is refused otherwise: %s", p.refused[0])
	}
	p.refused = p.refused[1:]
	return nil
}

// ofRun says what a run has.
func ofRun(what string, r unitrun.Run) string {
	switch what {
	case "code":
		return strconv.FormatUint(uint64(r.State.Status()), 10)
	case "ident":
		return r.Ident
	case "linked":
		return strings.Join(r.Materials, " ")
	}
	var times []string
	for _, at := range []int64{r.Created, r.Started, r.Ended} {
		if at == 0 {
			times = append(times, "-")
		} else {
			times = append(times, seconds(at-zero))
		}
	}
	return strings.Join(times, " ")
}

// ofMaterial says where a material is, or was.
func ofMaterial(what string, m unitrun.Material) string {
	outside := func(unit string) string {
		if unit == "" {
			return "outside"
		}
		return unit
	}
	if what == "material" {
		if m.Life == unitrun.MaterialExited {
			return "exited"
		}
		return outside(m.Unit)
	}
	var all []string
	for _, v := range m.Trace {
		unit := outside(v.Unit)
		if v.Invalid {
			unit = "!" + unit
		}
		all = append(all, unit)
	}
	return strings.Join(all, " ")
}

// expectState holds the state of a run, or of a slot.
func (p *player) expectState(l script.Line, words, rest []string) error {
	want := strings.Join(words[1:], " ")
	got := ""
	if strings.HasPrefix(words[0], "R-") {
		want = strings.TrimSpace(want + " " + strings.Join(rest, " "))
		r, ok := p.tracker.Run(words[0])
		if _, known := unitrun.ParseState(want); !known {
			return l.ArgErrorf(1, "%q is no state", want)
		}
		if !ok {
			return l.Errorf("no run %s is known", words[0])
		}
		got = r.State.String()
	} else {
		s, ok := p.tracker.Stand(words[0], words[1])
		if !ok {
			return l.Errorf("unit %s has no slot for %s", words[0], words[1])
		}
		got, want = s.State.String(), strings.Join(rest, " ")
	}
	state, known := unitrun.ParseState(want)
	if !known {
		return l.ArgErrorf(len(l.Args)-1, "%q is no state", want)
	}
	if got != state.String() {
		return l.Errorf("%s is %s", words[0], got)
	}
	return nil
}
