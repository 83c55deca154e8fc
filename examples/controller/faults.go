// Fault scripts: what shall go wrong with the plant, and what operators do, and when.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/sequencer"
)

// faults reads a script such as
//
//	at 5s  silent ctr/1 3s
//	at 12s command restart op1 "meter is back"
//	at 20s command manual op1 "charge by hand" CHARGE
//	at 25s command go_to op1 "once more" CHARGE FILL_A
//	at 12s command change op1 "weaker lot" charge_a "125 kg"
//	at 13s comment op1 "the hose drips"
//	at 14s answer op1 2 "2.50 kg"
//	at 15s command acknowledge op1 "seen" TAH301
//	at 16s command reset_interlock op1 "level is back" IL-HEAT-DRY
//
// Every line has a time. The faults are those of sim.ParseFault; commands are by an operator, with a reason, and concern the
// procedure or the step behind that; go_to has, besides, the step that comes next, acknowledge names an alarm and reset_interlock an
// interlock. An answer names the number of its prompt, which nobody else answers then: scripted has those numbers.
func faults(file string, plant *sim.Plant, scripted map[uint32]bool) ([]runner.Scheduled, []sim.Fault, error) {
	src, err := readSmall(file, maxSmall)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("controller: -faults %s: %w; check its path", file, fs.ErrNotExist)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("controller: -faults: %w", err)
	}
	lines, bad := script.Parse(file, src)
	var schedule []runner.Scheduled
	var wrong []sim.Fault
	for i := range lines {
		l := &lines[i]
		do, ft, err := fault(l, plant, scripted)
		switch {
		case err != nil:
			bad = errors.Join(bad, err)
		case do == nil:
			wrong = append(wrong, ft)
		default:
			schedule = append(schedule, runner.Scheduled{At: l.When.Ns, Do: do})
		}
	}
	slices.SortStableFunc(schedule, func(a, b runner.Scheduled) int { return int(max(min(a.At-b.At, 1), -1)) })
	return schedule, wrong, bad
}

// fault reads one line: something to do for an operator, or, where that is nil, a fault, which the plant has then.
func fault(l *script.Line, plant *sim.Plant, scripted map[uint32]bool) (do func(*runner.Runner), ft sim.Fault, err error) {
	if l.When.Kind != script.At {
		return nil, ft, l.Errorf("a time is wanted, such as \"at 5s %s ...\"", l.Verb)
	}
	switch l.Verb {
	case "command":
		do, err = command(l)
		return do, ft, err
	case "comment":
		if len(l.Args) != 2 || l.Args[0] == "" || l.Args[1] == "" {
			return nil, ft, l.Errorf("comment takes an operator and a text: comment op1 \"the hose drips\"")
		}
		return tells(runner.Command{Command: sequencer.Comment, Operator: l.Args[0], Reason: l.Args[1]}), ft, nil
	case "answer":
		id, err := l.Int(1)
		if err != nil || len(l.Args) != 3 || l.Args[0] == "" || id < 1 || id > math.MaxUint32 {
			return nil, ft, l.Errorf("answer takes an operator, the number of the prompt and the answer: answer op1 1 yes")
		}
		scripted[uint32(id)] = true
		return func(r *runner.Runner) { _ = r.Answer(uint32(id), l.Args[2], l.Args[0], "operator") }, ft, nil
	}
	ft, err = sim.ParseFault(l.Verb, l.Args)
	if err != nil {
		return nil, ft, l.Errorf("%s", strings.TrimPrefix(err.Error(), "sim: "))
	}
	ft.At = max(l.When.Ns, 1)
	if err := plant.Fault(ft); err != nil {
		return nil, ft, l.Errorf("%s", strings.TrimPrefix(err.Error(), "sim: "))
	}
	return nil, ft, nil
}

// command reads a command of an operator. That of a change has the parameter and its new value behind it; others may have a step, and
// go_to the step to go to.
func command(l *script.Line) (func(*runner.Runner), error) {
	of := func(c sequencer.Command) bool { return len(l.Args) > 0 && l.Args[0] == c.String() }
	named := of(sequencer.Acknowledge) || of(sequencer.ResetInterlock)
	least, most := 3, 4
	if of(sequencer.GoTo) || of(sequencer.Change) {
		least, most = 5, 5
	} else if named {
		least = 4
	}
	switch ok := len(l.Args) >= least && len(l.Args) <= most && !slices.Contains(l.Args, ""); {
	case !ok && named:
		return nil, l.Errorf("%s takes an operator, a reason and a name: command acknowledge op1 \"seen\" TAH301", l.Args[0])
	case !ok && of(sequencer.Change):
		return nil, l.Errorf("a change takes an operator, a reason, a parameter and its value: command change op1 \"weaker lot\" charge \"125 kg\"")
	case !ok && of(sequencer.GoTo):
		return nil, l.Errorf("go_to takes an operator, a reason, a block and the step in it to go to: command go_to op1 \"once more\" CHARGE FILL_A")
	case !ok:
		return nil, l.Errorf("command takes a command, an operator, a reason and the step, if one is meant: command hold op1 \"sample taken\"")
	}
	c, ok := sequencer.ParseCommand(l.Args[0])
	if !ok {
		return nil, l.Errorf("no command %q; there are pause, resume, hold, restart, stop, abort, hard_abort, change, acknowledge, "+
			"reset_interlock, automatic, semi_automatic, manual, release, go_to, force", l.Args[0])
	}
	told := runner.Command{Command: c, Operator: l.Args[1], Reason: l.Args[2]}
	switch {
	case c == sequencer.Change:
		told.Name, told.Value = l.Args[3], l.Args[4]
	case named:
		told.Name = l.Args[3]
	case len(l.Args) > 3:
		told.Step = l.Args[3]
	}
	if c == sequencer.GoTo {
		told.Target = l.Args[4]
	}
	return tells(told), nil
}

// tells gives a command. A full inbox refuses it, as it would an operator's.
func tells(c runner.Command) func(*runner.Runner) {
	return func(r *runner.Runner) { _ = r.Tell(c) }
}
