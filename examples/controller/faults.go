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
//	at 20s command manual op1 "charge by hand" CHARGE
//	at 25s command go_to op1 "once more" CHARGE FILL_A
//
// Every line has a time. The faults are those of sim.ParseFault; commands are by an operator, with a reason, and concern the procedure
// or the step behind that; go_to has, besides, the step that comes next.
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
		c, err := command(l)
		return func(r *runner.Runner) {
			_ = r.Tell(c) // a full inbox refuses the command, as it would an operator's
		}, ft, err
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

// command reads what an operator is to say.
func command(l *script.Line) (c runner.Command, err error) {
	most := 4
	if len(l.Args) > 0 && l.Args[0] == sequencer.GoTo.String() {
		most = 5
	}
	if len(l.Args) < 3 || len(l.Args) > most || slices.Contains(l.Args, "") || most == 5 && len(l.Args) != 5 {
		return c, l.Errorf("command takes a command, an operator, a reason and the step, if one is meant; go_to takes the step to go to besides: " +
			"command hold op1 \"sample taken\"")
	}
	var ok bool
	if c.Command, ok = sequencer.ParseCommand(l.Args[0]); !ok {
		return c, l.Errorf("no command %q; there are pause, resume, hold, restart, stop, abort, hard_abort, automatic, semi_automatic, manual, release, "+
			"go_to, force", l.Args[0])
	}
	c.Operator, c.Reason = l.Args[1], l.Args[2]
	if len(l.Args) > 3 {
		c.Step = l.Args[3]
	}
	if len(l.Args) > 4 {
		c.Target = l.Args[4]
	}
	return c, nil
}
