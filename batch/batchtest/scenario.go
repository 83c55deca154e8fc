// The words of scenario files.

package batchtest

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/sequencer"
)

// scenario is a file that was read: first what there is, then what happens, then what must come of it.
type scenario struct {
	recipe, mapping string
	opt             Options
	limit           time.Duration
	before          int // batches that run first, one after the other, of which each hands on what it has learnt
	events, wants   []script.Line
	said            map[string]bool // words of which one line is enough
	last            *script.When    // of the line with a time before
}

// The usage of each word, as errors show it.
var (
	headWords = map[string]string{
		"recipe": "recipe FILE", "map": "map FILE", "plant": "plant seed NUMBER", "size": `size "200 kg"`, "unattended": "unattended",
		"limit": "limit TIME", "batches": "batches NUMBER"}
	eventWordsOf = map[string]string{
		"fault":   "fault KIND ..., such as: fault silent ctr/1 3s",
		"command": `command COMMAND OPERATOR "REASON" [step=ID] [target=ID] [name=NAME] ["value=VALUE"] [role=ROLE]`,
		"answer":  "answer VALUE OPERATOR", "crash": "crash TIME [told]", "power_cut": "power_cut TIME [told]", "here": "here",
		"watchdog": "watchdog TIME", "power_warning": "power_warning TIME",
		"taken": "taken RESOURCE BATCH TIME"}
	wantWords = map[string]string{
		"state": "want state STATE", "total": "want total WINDOW QUANTITY within QUANTITY, such as: want total A 120 kg within 0.1 kg",
		"record": "want record KIND [key=value ...]", "no": "want no record KIND [key=value ...]"}
)

// readScenario reads a file. All that is wrong with its words is told at once.
func readScenario(name string, src []byte) (*scenario, error) {
	lines, bad := script.Parse(filepath.Base(name), src)
	s := &scenario{limit: 24 * time.Hour, said: map[string]bool{}}
	s.opt.Seed = 1
	errs := []error{bad}
	for i := range lines {
		errs = append(errs, s.line(&lines[i]))
	}
	for _, word := range []string{"recipe", "map"} {
		if !s.said[word] {
			errs = append(errs, fmt.Errorf("%s: it names no %s; write a line: %s", filepath.Base(name), word, headWords[word]))
		}
	}
	if len(s.wants) == 0 {
		errs = append(errs, fmt.Errorf("%s: it wants nothing; write at least a line: want state Complete", filepath.Base(name)))
	}
	dir := filepath.Dir(name)
	s.recipe, s.mapping = filepath.Join(dir, filepath.FromSlash(s.recipe)), filepath.Join(dir, filepath.FromSlash(s.mapping))
	return s, errors.Join(errs...)
}

func (s *scenario) line(l *script.Line) error {
	_, head := headWords[l.Verb]
	_, event := eventWordsOf[l.Verb]
	switch {
	case head && l.When.Kind != script.None:
		return l.Errorf("%q takes no time", l.Verb)
	case head && s.said[l.Verb]:
		return l.Errorf("a second %q; one is enough", l.Verb)
	case head:
		s.said[l.Verb] = true
		return s.head(l)
	case event:
		return s.event(l)
	case l.Verb == "want":
		return s.want(l)
	}
	return l.Errorf("no word %q; known are %s", l.Verb, knownWords(headWords, eventWordsOf, map[string]string{"want": ""}))
}

func knownWords(lists ...map[string]string) string {
	var words []string
	for _, list := range lists {
		for w := range list {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func (s *scenario) head(l *script.Line) (err error) {
	usage := headWords[l.Verb]
	if len(l.Args) != len(strings.Fields(usage))-1 && (l.Verb != "size" || len(l.Args) != 1) {
		return l.Errorf("write: %s", usage)
	}
	switch l.Verb {
	case "recipe":
		s.recipe = l.Args[0]
	case "map":
		s.mapping = l.Args[0]
	case "plant":
		var seed int64
		if seed, err = l.Int(1); err == nil && (l.Args[0] != "seed" || seed < 0) {
			err = l.Errorf("write: %s", usage)
		}
		s.opt.Seed = uint64(seed)
	case "size":
		s.opt.Size = l.Args[0]
	case "unattended":
		s.opt.Unattended = true
	case "batches":
		var n int64
		if n, err = l.Int(0); err == nil && (n < 1 || n > MaxBatches) {
			err = l.Errorf("batches %s: want 1 to %d", l.Args[0], MaxBatches)
		}
		s.before = int(n) - 1
	case "limit":
		var ns int64
		if ns, err = l.Duration(0); err == nil && (ns == 0 || ns > int64(MaxTime)) {
			err = l.Errorf("limit %s: want more than 0 and at most %s", l.Args[0], MaxTime)
		}
		s.limit = time.Duration(ns)
	}
	return err
}

// event keeps a line with a time. After is a time after the line before it.
func (s *scenario) event(l *script.Line) error {
	when := l.When
	switch {
	case when.Kind == script.None:
		return l.Errorf("when? Write: at TIME %s ..., during STEP %s ..., or after TIME %s ...", l.Verb, l.Verb, l.Verb)
	case when.Kind == script.After && s.last == nil:
		return l.Errorf("after what? A line with a time must stand before it; or write: at TIME %s ...", l.Verb)
	case when.Kind == script.After:
		when = script.When{Kind: s.last.Kind, Ns: s.last.Ns + when.Ns, Step: s.last.Step}
	}
	s.last = &when
	if when.Ns < 0 || when.Ns > int64(MaxTime) {
		return l.Errorf("a time beyond %s", MaxTime)
	}
	l.When = when
	s.events = append(s.events, *l)
	return s.happen(l, nil)
}

// happen lets a line happen in a trial; without one it only reads its words.
func (s *scenario) happen(l *script.Line, r *Trial) error {
	m := moment{}
	m.ns, m.step = l.When.Ns, l.When.Step
	usage := eventWordsOf[l.Verb]
	switch l.Verb {
	case "fault":
		if len(l.Args) == 0 {
			return l.Errorf("write: %s", usage)
		}
		f, err := sim.ParseFault(l.Args[0], l.Args[1:])
		if err != nil {
			return l.Errorf("%s", strings.TrimPrefix(err.Error(), "sim: "))
		}
		m.what, m.fault = fails, f
	case "command":
		c, err := command(l)
		if err != nil {
			return err
		}
		m.what, m.command = tells, c
	case "answer":
		if len(l.Args) != 2 || l.Args[1] == "" {
			return l.Errorf("write: %s", usage)
		}
		m.what, m.command = answers, runner.Command{Value: l.Args[0], Operator: l.Args[1]}
	case "here":
		if len(l.Args) != 0 {
			return l.Errorf("write: %s", usage)
		}
		m.what = nothing
	case "taken":
		ns, err := l.Duration(2)
		if err != nil || len(l.Args) != 3 || ns > int64(MaxTime) {
			return l.Errorf("write: %s", usage)
		}
		m.what, m.resource, m.owner, m.gone = takes, l.Args[0], l.Args[1], ns
	default:
		ns, err := l.Duration(0)
		told := len(l.Args) == 2 && l.Args[1] == "told" && (l.Verb == "crash" || l.Verb == "power_cut")
		if err != nil || len(l.Args) != 1 && !told || ns > int64(MaxTime) {
			return l.Errorf("write: %s", usage)
		}
		m.what, m.gone = map[string]uint8{"crash": crashes, "power_cut": darkens, "watchdog": darkens, "power_warning": warns}[l.Verb], ns
		switch {
		case l.Verb == "watchdog":
			m.cause = hal.ResetWatchdog
		case told:
			m.cause = map[string]hal.ResetCause{"crash": hal.ResetProcess, "power_cut": hal.ResetPower}[l.Verb]
		}
	}
	if r == nil {
		return nil
	}
	if m.step != "" && !r.knows(m.step) {
		return l.Errorf("the recipe has no step %q; it has %s", m.step, r.steps())
	}
	if n := len(r.moments); n == MaxMoments || n == MaxMoments-1 && m.what == warns {
		return l.Errorf("more than %d things are to happen", MaxMoments)
	}
	m.r = r
	if r.moments = append(r.moments, m); m.what == warns {
		m.ns, m.back = m.ns+m.gone, true
		r.moments = append(r.moments, m)
	}
	return nil
}

// command reads the words of a command.
func command(l *script.Line) (c runner.Command, err error) {
	usage := eventWordsOf["command"]
	if len(l.Args) < 3 || l.Args[1] == "" || l.Args[2] == "" {
		return c, l.Errorf("write: %s", usage)
	}
	var ok bool
	if c.Command, ok = sequencer.ParseCommand(l.Args[0]); !ok {
		var names []string
		for k := sequencer.Start; k.String() != ""; k++ {
			names = append(names, k.String())
		}
		return c, l.ArgErrorf(0, "no command %q; there are %s", l.Args[0], strings.Join(names, ", "))
	}
	c.Operator, c.Role, c.Reason = l.Args[1], "operator", l.Args[2]
	for i, arg := range l.Args[3:] {
		name, value, ok := strings.Cut(arg, "=")
		into, known := map[string]*string{"step": &c.Step, "target": &c.Target, "name": &c.Name, "value": &c.Value, "role": &c.Role}[name]
		if !ok || !known || value == "" {
			return c, l.ArgErrorf(i+3, "%q: write: %s", arg, usage)
		}
		*into = value
	}
	return c, nil
}

func (s *scenario) want(l *script.Line) error {
	if l.When.Kind != script.None {
		return l.Errorf("want takes no time: it is looked at when the run is over")
	}
	s.wants = append(s.wants, *l)
	if len(l.Args) == 0 || wantWords[l.Args[0]] == "" {
		return l.Errorf("want what? Known are %s", knownWords(wantWords))
	}
	usage := wantWords[l.Args[0]]
	switch n := len(l.Args); l.Args[0] {
	case "state":
		if n != 2 {
			return l.Errorf("write: %s", usage)
		}
	case "total":
		if _, _, ok := strings.Cut(strings.Join(l.Args, " "), " within "); !ok || n < 5 {
			return l.Errorf("write: %s", usage)
		}
	case "record":
		if n < 2 {
			return l.Errorf("write: %s", usage)
		}
		return placed(l, known(l.Args[1], l.Args[2:]))
	case "no":
		if n < 3 || l.Args[1] != "record" {
			return l.Errorf("write: %s", usage)
		}
		return placed(l, known(l.Args[2], l.Args[3:]))
	}
	return nil
}

// got looks at a want when the run is over.
func (s *scenario) got(l *script.Line, p *passage) error {
	switch l.Args[0] {
	case "state":
		return placed(l, p.wantState(l.Args[1]))
	case "total":
		total, within, _ := strings.Cut(strings.Join(l.Args[2:], " "), " within ")
		return placed(l, p.wantTotal(l.Args[1], total, within))
	case "no":
		return placed(l, p.wantRecord(false, l.Args[2], l.Args[3:]))
	}
	return placed(l, p.wantRecord(true, l.Args[1], l.Args[2:]))
}

// placed gives an error the place of a line.
func placed(l *script.Line, err error) error {
	if err == nil {
		return nil
	}
	return l.Errorf("%s", err)
}

// MaxBatches is how many batches a scenario may run.
const MaxBatches = 100

// history runs the batches that come first, and says what they have learnt.
func (s *scenario) history(t testing.TB) error {
	for n := range s.before {
		r, err := open(t, disk{}, n+1, s.recipe, s.mapping, sim.NewPlant(s.opt.Seed), &s.opt)
		if err != nil {
			return err
		}
		r.Run(s.limit)
		if learnt := r.Learnt(); learnt != nil {
			s.opt.InFlight = learnt
		}
	}
	return nil
}

// trial makes the trial of a scenario.
func (s *scenario) trial(t testing.TB) (*Trial, error) {
	if err := s.history(t); err != nil {
		return nil, err
	}
	r, err := open(t, disk{}, s.before+1, s.recipe, s.mapping, sim.NewPlant(s.opt.Seed), &s.opt)
	if err != nil {
		return nil, err
	}
	var errs []error
	for i := range s.events {
		errs = append(errs, s.happen(&s.events[i], r))
	}
	return r, errors.Join(errs...)
}
