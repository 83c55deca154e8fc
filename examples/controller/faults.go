// Fault scripts: what shall go wrong with the plant, and what operators do, and when.

package main

import (
	"errors"
	"fmt"
	"io/fs"
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
//	at 13s command acknowledge op1 "seen" TAH301
//	at 14s command reset_interlock op1 "level is back" IL-HEAT-DRY
//
// Every line has a time. The faults are those of sim.ParseFault; commands are those of the procedure, by an operator, with a
// reason; acknowledge names an alarm and reset_interlock an interlock.
func faults(file string, plant *sim.Plant) ([]runner.Scheduled, []sim.Fault, error) {
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
		do, ft, err := fault(l, plant)
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
func fault(l *script.Line, plant *sim.Plant) (do func(*runner.Runner), ft sim.Fault, err error) {
	if l.When.Kind != script.At {
		return nil, ft, l.Errorf("a time is wanted, such as \"at 5s %s ...\"", l.Verb)
	}
	if l.Verb == "command" {
		name, named := "", len(l.Args) > 0 && (l.Args[0] == sequencer.Acknowledge.String() || l.Args[0] == sequencer.ResetInterlock.String())
		if named && len(l.Args) == 4 {
			l.Args, name = l.Args[:3], l.Args[3]
		} else if named {
			return nil, ft, l.Errorf("%s takes an operator, a reason and a name: command acknowledge op1 \"seen\" TAH301", l.Args[0])
		}
		if len(l.Args) != 3 || l.Args[1] == "" || l.Args[2] == "" {
			return nil, ft, l.Errorf("command takes a command, an operator and a reason: command hold op1 \"sample taken\"")
		}
		c, ok := sequencer.ParseCommand(l.Args[0])
		if !ok {
			return nil, ft, l.Errorf("no command %q; there are pause, resume, hold, restart, stop, abort, hard_abort, acknowledge, reset_interlock", l.Args[0])
		}
		return func(r *runner.Runner) {
			// A full inbox refuses the command, as it would an operator's.
			_ = r.Tell(runner.Command{Command: c, Name: name, Operator: l.Args[1], Reason: l.Args[2]})
		}, ft, nil
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
