// The words of scenario files: a procedure, the behaviour of its devices, and what happens at which time.

package sequencer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// A scenario file says first what there is:
//
//	output NAME safe VALUE            an output; all of them come first
//	window NAME target COUNTS         a metering window
//	interlock NAME trip|permissive hold|abort|hard_abort|none [OUTPUT ...]
//	owners NAME NUMBER                a resource that so many may have at a time
//	shared NAME                       a resource that an arbiter gives
//	sequence NAME ... end             elements one after the other; the outermost block is the procedure
//	parallel NAME ... end             elements together
//	select NAME ... end               the first that has a true when
//	repeat NAME MOST ... end          a body in rounds
//	trip OUTPUT VALUE TIME [COND]     the output requests a trip; TIME until it must be confirmed
//	phase NAME [TIMEOUT [THEN]]       a phase; the actions stand in the lines below it; THEN is hold, abort or hard_abort, and before it
//	                                  may stand retry N
//
// and of the element before it
//
//	level LEVEL                       its ISA-88 level; else that of the element around it
//	failure_level LEVEL               before the procedure: up to which level a failure goes
//	entry COND, exit COND, uses NAME ..., equipment NAME, recovery RULE
//	when COND                         of an alternative of a select; the one without it is taken otherwise
//	until COND, limit REACTION        of a repeat
//	timeout TIME [THEN]               of a block, as of a phase: for its transitions
//	on_hold TIME, on_restart TIME, on_stop TIME, on_abort TIME
//	                                  of a phase: the actions below it, up to the next of these or the next element, are its logic
//
// with the actions
//
//	set OUTPUT VALUE [OUTPUT VALUE ...]
//	wait TAG VALUE                    until the tag is at least that
//	wait COND                         until the condition is true; numbers have no unit
//	sync LINE, send TAG, receive TAG
//	delay TIME
//	open_window NAME, wait_total NAME SHORT, close_window and jog: see scenario_feed_test.go, as of the lines time and clock
//	verify_stable TAG BAND TIME
//	mark TEXT, prompt TEXT, request TEXT
//
// and then what happens; lines without a time happen at the time of the line before them:
//
//	at TIME ... or after TIME ...
//	tell COMMAND [ELEMENT [TARGET]]
//	read TAG VALUE [stale|bad]        a value comes in
//	total WINDOW COUNTS [stale|bad]   the meter of a window comes in; before the window opens only its quality counts
//	device OUTPUT TIME|silent|fails   how an output's device answers to writes; before the first such line, after 0.1 s
//	device OUTPUT lies                it confirms after 0.1 s what it does not do, and reads back what it had
//	answer PROMPT, result REQUEST ok|failed, done WRITE ok|failed, opened WINDOW ok|failed
//	blocks INTERLOCK [unsettled], permits INTERLOCK
//	change VALUE VALUE                what was the one in the procedure is the other from now on, numbers or times
//	granted REQUEST, refused REQUEST REASON, queued REQUEST
//	                                  what an arbiter says; nobody says it by himself
//	boot                              the controller comes up; outputs read back what their devices were last given
//	look [NAME ...]                   shows elements and outputs, or those of these names
type scenario struct {
	w      *wired
	r      *rig
	open   []*block // blocks that are not ended
	phase  *block
	last   *block // element before the line
	logic  *block // logic before the line
	root   *block
	device []int64 // by output: time to answer, or silent or fails
	due    []answer
	at     int64
	out    strings.Builder
}

const (
	silent = -1
	fails  = -2
)

// answer is a device's answer that is on its way.
type answer struct {
	at int64
	ev Event
}

// play runs a scenario and returns what it shows.
func play(file string, src []byte) (string, error) {
	lines, err := script.Parse(file, src)
	if err != nil {
		return "", err
	}
	s := &scenario{w: &wired{}}
	for _, l := range lines {
		if err := s.line(l); err != nil {
			return s.out.String(), err
		}
	}
	if err := s.until(s.at + 2*Transient); err != nil {
		return s.out.String(), err
	}
	fmt.Fprintf(&s.out, "\nthen  batch %s, next deadline %s\n", s.r.m.State(0), seconds(s.r.m.Wake()))
	return s.out.String(), nil
}

func (s *scenario) line(l script.Line) error {
	if s.root == nil || len(s.open) > 0 {
		return s.declare(l)
	}
	if s.r == nil {
		s.r = newRig(s.w.procedure(s.root))
		s.r.show = s.show
		s.device = slices.Repeat([]int64{second / 10}, len(s.w.Outputs))
	}
	to := s.at
	switch l.When.Kind {
	case script.At:
		to = l.When.Ns
	case script.After:
		to = s.at + l.When.Ns
	}
	if to < s.at {
		return l.Errorf("time runs backwards")
	}
	if err := s.until(to); err != nil {
		return err
	}
	s.at = to
	return s.happen(l)
}

// declare reads a line of the procedure.
func (s *scenario) declare(l script.Line) error {
	name, err := l.Arg(0)
	if err != nil && l.Verb != "end" {
		return err
	}
	switch l.Verb {
	case "failure_level":
		s.w.FailureLevel = level(name)
	case "output", "window":
		value, err := l.Int(2)
		if err != nil {
			return err
		}
		if l.Verb == "output" {
			s.w.output(name, value)
		} else {
			s.w.window(name, value)
		}
	case "interlock":
		return s.interlock(l)
	case "owners":
		n, err := l.Int(1)
		if s.w.owners == nil {
			s.w.owners = map[string]int{}
		}
		s.w.owners[name] = int(n)
		return err
	case "shared":
		if s.w.shared == nil {
			s.w.shared = map[string]bool{}
		}
		s.w.shared[name] = true
	case "sequence", "parallel", "select", "repeat":
		b := &block{name: name, kind: map[string]recipe.Block{"parallel": recipe.Parallel, "select": recipe.Select, "repeat": recipe.Repeat}[l.Verb]}
		s.add(b)
		s.open = append(s.open, b)
		if l.Verb == "repeat" {
			most, err := l.Int(1)
			b.atMost = int(most)
			return err
		}
	case "end":
		if len(s.open) == 0 {
			return l.Errorf("nothing is open")
		}
		s.open, s.phase, s.last = s.open[:len(s.open)-1], nil, nil
	case "phase":
		if len(s.open) == 0 {
			return l.Errorf("a phase stands in a block")
		}
		b := &block{name: name}
		s.add(b)
		s.phase = b
		if len(l.Args) > 1 {
			return s.timing(b, l, 1)
		}
	case "trip":
		return s.trip(l)
	default:
		return s.about(l)
	}
	return nil
}

// about reads a line about the element before it.
func (s *scenario) about(l script.Line) (err error) {
	b := s.last
	if b == nil {
		return l.Errorf("no element stands before it")
	}
	switch l.Verb {
	case "level":
		b.level = level(l.Args[0])
	case "entry":
		b.words[0] = l.Args[0]
		b.entry, err = s.w.cond(l.Args[0])
	case "exit":
		b.words[1] = l.Args[0]
		b.exit, err = s.w.cond(l.Args[0])
	case "when":
		b.words[2] = l.Args[0]
		b.when, err = s.w.cond(l.Args[0])
	case "until":
		b.words[3] = l.Args[0]
		b.until, err = s.w.cond(l.Args[0])
	case "limit":
		b.onLimit = map[string]recipe.Limit{"abort": recipe.LimitAbort, "continue": recipe.LimitContinue}[l.Args[0]]
	case "timeout":
		err = s.timing(b, l, 0)
	case "time":
		b.time, err = timeRule(l)
	case "uses":
		b.uses = l.Args
	case "equipment":
		b.equipment = l.Args[0]
	case "recovery":
		for b.recovery.String() != l.Args[0] && b.recovery < recipe.RecoverRestart {
			b.recovery++
		}
	default:
		for t := recipe.OnHold; t < recipe.LogicEnd; t++ {
			if t.String() == l.Verb && b == s.phase {
				s.logic = &block{}
				b.logic[t] = s.logic
				s.logic.timeout, err = l.Duration(0)
				return err
			}
		}
		return s.action(l)
	}
	return err
}

func level(word string) (l recipe.Level) {
	for l.String() != word && l < recipe.Phase {
		l++
	}
	return l
}

// timing reads a time-out and what follows it, from an argument on.
func (s *scenario) timing(b *block, l script.Line, from int) (err error) {
	if b.timeout, err = l.Duration(from); err != nil {
		return err
	}
	rest := l.Args[from+1:]
	if len(rest) > 1 && rest[0] == "retry" {
		n, err := l.Int(from + 2)
		if err != nil {
			return err
		}
		b.retry, rest = int(n), rest[2:]
	}
	for len(rest) > 0 && b.reaction < recipe.HardAbort && b.reaction.String() != rest[0] {
		b.reaction++
	}
	return nil
}

func (s *scenario) trip(l script.Line) (err error) {
	t := &Trip{Output: slices.Index(s.w.tags, l.Args[0])}
	if t.Value, err = l.Int(1); err != nil {
		return err
	}
	if t.Within, err = l.Duration(2); err == nil && len(l.Args) > 3 {
		t.Confirm, err = s.w.cond(l.Args[3])
	}
	s.w.Trip = t
	return err
}

func (s *scenario) add(b *block) {
	s.last, s.logic = b, nil
	if s.root == nil {
		s.root = b
	} else {
		up := s.open[len(s.open)-1]
		up.below, b.level = append(up.below, b), up.level
	}
	s.phase = nil
}

// action reads a line of a phase.
func (s *scenario) action(l script.Line) (err error) {
	t := todo{Action: Action{Reason: strings.Join(append([]string{l.Verb}, l.Args...), " ")}}
	for t.Kind = recipe.Set; t.Kind.String() != l.Verb; t.Kind++ {
		if t.Kind == recipe.Receive || s.phase == nil {
			return l.Errorf("no such word, or no phase around it")
		}
	}
	switch t.Kind {
	case recipe.Set:
		for i := 0; i < len(l.Args) && err == nil; i += 2 {
			var set Set
			if set.Output = slices.Index(s.w.tags, l.Args[i]); set.Output < 0 || set.Output >= len(s.w.Outputs) {
				return l.ArgErrorf(i, "no such output")
			}
			set.Value, err = l.Int(i + 1)
			t.sets = append(t.sets, set)
		}
	case recipe.Sync, recipe.Send, recipe.Receive:
		t.line = l.Args[0]
	case recipe.Wait:
		if len(l.Args) == 1 {
			t.Cond, err = s.w.cond(l.Args[0])
			break
		}
		var value int64
		value, err = l.Int(1)
		t.Cond = atLeast(s.w.tag(l.Args[0]), value)
	case recipe.Delay:
		t.For, err = l.Duration(0)
	case recipe.OpenWindow, recipe.CloseWindow, recipe.WaitTotal:
		if t.Window = slices.Index(s.w.windows, l.Args[0]); t.Window < 0 {
			return l.ArgErrorf(0, "no such window")
		}
		err = reacts(l, &t)
	case recipe.Jog:
		err = s.jog(l, &t)
	case recipe.VerifyStable:
		t.Tag = s.w.tag(l.Args[0])
		if t.Within, err = l.Int(1); err == nil {
			t.For, err = l.Duration(2)
		}
	}
	to := s.phase
	if s.logic != nil {
		to = s.logic
	}
	to.todo = append(to.todo, t)
	return err
}

// happen carries out a line with a time.
func (s *scenario) happen(l script.Line) error {
	ev := Event{Kind: Input}
	switch l.Verb {
	case "look":
		s.look(l.Args)
		return nil
	case "change":
		return s.change(l)
	case "clock":
		return s.clock(l)
	case "boot":
		ev.Kind = Boot
	case "tell":
		ev.Kind = Told
		if ev.Command, _ = ParseCommand(l.Args[0]); len(l.Args) > 1 {
			ev.Elem = s.w.elem(l.Args[1])
		}
		if len(l.Args) > 2 {
			ev.Target = s.w.elem(l.Args[2])
		}
	case "answer", "result", "done":
		id, err := l.Int(0)
		if err != nil {
			return err
		}
		ev.Kind = map[string]EventKind{"answer": Answered, "result": Finished, "done": Done}[l.Verb]
		ev.ID, ev.OK = uint32(id), l.Args[len(l.Args)-1] == "ok"
	case "granted", "refused", "queued":
		id, err := l.Int(0)
		if err != nil {
			return err
		}
		ev.ID = uint32(id)
		ev.Kind = map[string]EventKind{"granted": ResourceGranted, "refused": ResourceRefused, "queued": ResourceQueue}[l.Verb]
		if len(l.Args) > 1 {
			ev.Reason = l.Args[1]
		}
	case "opened":
		ev.Kind, ev.Window, ev.OK = WindowOpened, slices.Index(s.w.windows, l.Args[0]), l.Args[1] == "ok"
	case "device":
		return s.behave(l)
	case "blocks", "permits":
		if err := s.gate(l); err != nil {
			return err
		}
	case "read", "total":
		if err := s.come(l); err != nil {
			return err
		}
		if l.Verb == "read" {
			ev.Kind, s.r.touch = Changed, tag.ID(slices.Index(s.w.tags, l.Args[0]))
		}
	default:
		return l.Errorf("no such word")
	}
	return s.take(s.at, ev, strings.Join(append([]string{l.Verb}, l.Args...), " "))
}

func (s *scenario) behave(l script.Line) (err error) {
	o := slices.Index(s.w.tags, l.Args[0])
	s.r.plant.lies[o] = l.Args[1] == "lies"
	switch l.Args[1] {
	case "lies":
		s.device[o] = second / 10
	case "silent":
		s.device[o] = silent
	case "fails":
		s.device[o] = fails
	default:
		s.device[o], err = l.Duration(1)
	}
	return err
}

// come lets a value or a meter reading come in.
func (s *scenario) come(l script.Line) error {
	value, err := l.Int(1)
	if err != nil {
		return err
	}
	q := tag.Good
	if len(l.Args) > 2 {
		q = map[string]tag.Quality{"stale": tag.Stale, "bad": tag.Bad}[l.Args[2]]
	}
	p := s.r.plant
	if l.Verb == "total" {
		t := &p.totals[slices.Index(s.w.windows, l.Args[0])]
		t.Value, t.Source = value, q
		return nil
	}
	id := slices.Index(s.w.tags, l.Args[0])
	if id < 0 {
		return l.ArgErrorf(0, "no such tag")
	}
	p.value[id], p.quality[id] = value, q
	return nil
}

// until lets time pass: deadlines and the answers of devices, a deadline before an answer of the same time.
func (s *scenario) until(to int64) error {
	for s.r != nil {
		next := min(to, s.r.m.Wake())
		if len(s.due) > 0 {
			next = min(next, s.due[0].at)
		}
		switch {
		case s.r.m.Wake() <= next:
			if err := s.take(next, Event{Kind: Tick}, "time"); err != nil {
				return err
			}
		case len(s.due) > 0 && s.due[0].at <= next:
			a := s.due[0]
			s.due = s.due[1:]
			if err := s.take(next, a.ev, "device answers to write "+strconv.Itoa(int(a.ev.ID))); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (s *scenario) take(at int64, ev Event, words string) error {
	fmt.Fprintf(&s.out, "%-10s  %s\n", seconds(at), words)
	return s.r.take(at, ev)
}

func (s *scenario) look(only []string) {
	for e, name := range s.w.elems {
		if s.w.Elems[e].Bracket || (s.w.Elems[e].Logic || s.r.m.isStep(e) && s.r.m.State(e) == Idle) && only == nil {
			continue
		}
		if only == nil || slices.Contains(only, name) {
			fmt.Fprintf(&s.out, "%-10s  look: %s %s\n", seconds(s.at), name, s.r.m.State(e))
		}
	}
	for o := range s.w.Outputs {
		if name := s.w.tags[o]; only == nil || slices.Contains(only, name) {
			value, sure := s.r.m.Commanded(o)
			fmt.Fprintf(&s.out, "%-10s  look: %s %d, confirmed %t\n", seconds(s.at), name, value, sure)
		}
	}
}
