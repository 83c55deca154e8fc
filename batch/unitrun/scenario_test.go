// Scenario scripts: the lines of the package comment, run against a tracker that is written and read after each of them.

package unitrun_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/timebase"
)

var folder = flag.String("scenarios", "", "directory of more scenario scripts to run, as an absolute path")

func TestScenarios(t *testing.T) {
	golden.Scripts(t, *folder, "unitrun", func(_ testing.TB, name string, src []byte) (string, error) { return play(name, src) })
}

// TestAScriptThatIsWrongIsToldWhere holds what a person sees who writes one.
func TestAScriptThatIsWrongIsToldWhere(t *testing.T) {
	for src, want := range map[string]string{
		"fly R1":                           `s.txt:1:1: "fly" is no event and no expectation; the package comment lists them`,
		"unit R1":                          `s.txt:1:8: argument 2 is missing`,
		"unit R1 a\nexpect R-000001 Ready": `s.txt:2:1: no run R-000001 is known`,
		"definition P a\nunit R1 a\nslot R1 P\ncreate R1 P\nexpect R-000001 Ready":                                                       `s.txt:5:1: R-000001 is Created`,
		"definition P a\nunit R1 a\nslot R1 P\nstart R1 P":                                                                               `s.txt:4:1: refused: start R1 P: it is Idle, and has no auto-create: create a run first; possible: create`,
		"definition P a\nunit R1 a\nslot R1 P\nstart R1 P\nexpect refused ready\nboot":                                                   `s.txt:5:1: the line before is refused otherwise: refused: start R1 P: it is Idle`,
		"definition P a\nunit R1 a\nslot R1 P\nstart R1 P\nexpect refused it is Idle\nstart R1 P\nexpect refused\nexpect R-000001 Ready": `s.txt:8:1: no run R-000001 is known`,
		"unit R1 a\nat 5s scenario S2 a unit is there no more\nat 1s pause R1 P":                                                         `s.txt:3:7: refused`,
		"boot\nexpect refused x":       `s.txt:2:1: the line before is not refused`,
		"unit R1 a\nslot R1 P wide":    `s.txt:2:11: option "wide" is not known`,
		"after 3s expect inside R1 M1": `s.txt:1:10: inside R1 is []`,
		"expect R-000001 Busy":         `s.txt:1:17: "Busy" is no state`,
	} {
		_, err := play("s.txt", []byte(src))
		require.ErrorContains(t, err, want, src)
	}
}

// zero is when scripts begin, UTC in ns.
const zero = 1_767_225_600_000_000_000

// player plays one script.
type player struct {
	tracker *unitrun.Tracker
	ns      int64
	unset   bool
	units   map[string]*unitrun.Unit
	refused []string // of the line before, that nobody has expected yet
	before  script.Line
	out     strings.Builder
}

// play runs a script and returns its transcript, as far as it came.
func play(file string, src []byte) (string, error) {
	lines, err := script.Parse(file, src)
	if err != nil {
		return "", err
	}
	p := &player{}
	p.anew()
	for _, l := range lines {
		if err := p.line(l); err != nil {
			return p.out.String(), err
		}
	}
	return p.out.String(), p.unexpected()
}

// anew has no unit, and a clock at 0s.
func (p *player) anew() {
	p.tracker, p.units, p.ns, p.unset, p.refused = unitrun.NewTracker(), map[string]*unitrun.Unit{}, 0, false, nil
}

// unexpected fails where the line before was refused and nobody expected it.
func (p *player) unexpected() error {
	if len(p.refused) > 0 {
		return p.before.Errorf("%s", p.refused[0])
	}
	return nil
}

func (p *player) line(l script.Line) error {
	switch l.When.Kind {
	case script.At:
		if l.When.Ns < p.ns {
			return l.Errorf("time went on to %s already", seconds(p.ns))
		}
		p.ns = l.When.Ns
	case script.After:
		p.ns += l.When.Ns
	case script.During:
		return l.Errorf("a script of unit runs has no steps; use at or after")
	}
	if l.Verb == "expect" {
		return p.expect(l)
	}
	if err := p.unexpected(); err != nil {
		return err
	}
	if l.Verb == "scenario" {
		p.anew()
	}
	fmt.Fprintf(&p.out, "%s %s\n", seconds(p.ns), strings.Join(append([]string{l.Verb}, l.Args...), " "))
	if l.Verb == "scenario" {
		return nil
	}
	if l.Verb == "clock" {
		p.unset = slices.Equal(l.Args, []string{"unset"})
		return nil
	}
	e, err := p.event(l)
	if err != nil {
		return err
	}
	p.refused, p.before = nil, l
	return p.step(l, e)
}

// step tells the tracker an event as a log would, and one beside it that was written and read.
func (p *player) step(l script.Line, e unitrun.Event) error {
	line, err := e.Append(nil)
	if err != nil {
		p.refused = []string{err.Error()}
		fmt.Fprintf(&p.out, "    %s\n", err)
		return nil
	}
	parsed, err := unitrun.ParseEvent(line)
	if err != nil {
		return l.Errorf("%s", err)
	}
	text, err := p.tracker.Snapshot(nil)
	if err != nil {
		return err
	}
	twin, err := unitrun.Restore(text)
	if err != nil {
		return l.Errorf("%s", err)
	}
	at := timebase.Stamp{Mono: p.ns, UTC: zero + p.ns}
	if p.unset {
		at.UTC = 0
	}
	fx := p.tracker.Step(at, &parsed, nil)
	again := twin.Step(at, &parsed, nil)
	if fmt.Sprint(fx) != fmt.Sprint(again) {
		return l.Errorf("a tracker that was written and read does otherwise:\n%v\n%v", fx, again)
	}
	for i := range fx {
		fmt.Fprintf(&p.out, "    %s\n", fx[i].String())
		if fx[i].Kind == unitrun.Refused {
			p.refused = append(p.refused, fx[i].String())
		}
	}
	return nil
}

// seconds writes a time of a script.
func seconds(ns int64) string { return fmt.Sprintf("%ds", ns/1e9) }

// args reads arguments: words in their places, and after them words alone and name=value.
func args(l script.Line, places int) (words []string, rest []string, err error) {
	for i := range places {
		w, err := l.Arg(i)
		if err != nil {
			return nil, nil, l.ArgErrorf(i, "argument %d is missing", i+1)
		}
		words = append(words, w)
	}
	return words, l.Args[places:], nil
}

// event makes the event of a line.
func (p *player) event(l script.Line) (e unitrun.Event, err error) {
	if do, ok := unitrun.ParseCommand(l.Verb); ok {
		return command(l, do)
	}
	switch l.Verb {
	case "definition", "unit", "slot", "unslot", "gone":
		return p.configure(l)
	case "boot":
		return unitrun.Event{Kind: unitrun.Boot}, nil
	case "signal":
		return signal(l)
	case "sample":
		return sample(l)
	case "register", "arrive", "move", "exit", "regenerate", "split", "merge":
		return material(l)
	}
	return e, l.Errorf("%q is no event and no expectation; the package comment lists them", l.Verb)
}

func command(l script.Line, do unitrun.EventKind) (unitrun.Event, error) {
	e := unitrun.Event{Kind: do}
	words, rest, err := args(l, 1)
	if err != nil {
		return e, err
	}
	if e.Run = words[0]; !strings.HasPrefix(e.Run, "R-") {
		if words, rest, err = args(l, 2); err != nil {
			return e, err
		}
		e.Run, e.Unit, e.Definition = "", words[0], words[1]
	}
	for i, w := range rest {
		name, value, _ := strings.Cut(w, "=")
		switch {
		case w == "test":
			e.Test = true
		case name == "ident":
			e.Ident = value
		case name == "batch":
			e.Process = value
		default:
			return e, l.ArgErrorf(len(l.Args)-len(rest)+i, "option %q is not known", w)
		}
	}
	return e, nil
}

func signal(l script.Line) (unitrun.Event, error) {
	e := unitrun.Event{Kind: unitrun.Signal}
	for i, w := range l.Args {
		tag, value, ok := strings.Cut(w, "=")
		v := unitrun.Level{Tag: tag}
		switch {
		case !ok:
			return e, l.ArgErrorf(i, "%q is no tag=level", w)
		case value == "bad":
			v.Bad = true
		case value == "high":
			v.High = true
		case value != "low":
			v.Text = value
		}
		e.Signals = append(e.Signals, v)
	}
	return e, nil
}

func sample(l script.Line) (unitrun.Event, error) {
	words, rest, err := args(l, 1)
	if err != nil {
		return unitrun.Event{}, err
	}
	e := unitrun.Event{Kind: unitrun.Sample, Run: words[0]}
	for _, w := range rest {
		tag, value, _ := strings.Cut(w, "=")
		value, quality, _ := strings.Cut(value, ",")
		if quality == "" {
			quality = "GOOD"
		}
		e.Data = append(e.Data, unitrun.Value{Tag: tag, Value: value, Quality: quality})
	}
	return e, nil
}

func material(l script.Line) (e unitrun.Event, err error) {
	kinds := map[string]unitrun.EventKind{"register": unitrun.Register, "arrive": unitrun.Arrive, "move": unitrun.Move, "exit": unitrun.Exit,
		"regenerate": unitrun.Regenerate, "split": unitrun.Split, "merge": unitrun.Merge}
	e.Kind = kinds[l.Verb]
	words, rest, err := args(l, 1)
	if err != nil {
		return e, err
	}
	e.Material = words[0]
	if e.Kind == unitrun.Split || e.Kind == unitrun.Merge {
		e.Materials = rest
		return e, nil
	}
	for _, w := range rest {
		if w == "test" {
			e.Test = true
		} else {
			e.Unit = w
		}
	}
	return e, nil
}
