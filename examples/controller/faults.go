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
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// faults reads a script of the form that the package comment shows. A step that the recipe does not have is refused; nil is a recipe that is
// not known. Scripted has the numbers of the prompts that the script answers. What is wrong is told in the order of the lines.
func faults(file string, of *recipe.Recipe, plant *sim.Plant, scripted map[uint32]bool) ([]runner.Scheduled, []sim.Fault, error) {
	src, err := readSmall(file, maxSmall)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("controller: -faults %s: %w; check its path", file, fs.ErrNotExist)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("controller: -faults: %w", err)
	}
	lines, unread := script.Parse(file, src)
	bad := parts(unread)
	known := steps(of)
	var schedule []runner.Scheduled
	var wrong []sim.Fault
	for i := range lines {
		l := &lines[i]
		do, ft, err := fault(l, known, plant, scripted)
		switch {
		case err != nil:
			bad = append(bad, err)
		case do == nil:
			wrong = append(wrong, ft)
		default:
			schedule = append(schedule, runner.Scheduled{At: l.When.Ns, Do: do})
		}
	}
	slices.SortStableFunc(schedule, func(a, b runner.Scheduled) int { return int(max(min(a.At-b.At, 1), -1)) })
	slices.SortStableFunc(bad, func(a, b error) int { return lineOf(a) - lineOf(b) })
	return schedule, wrong, errors.Join(bad...)
}

// parts gives the errors that were joined.
func parts(err error) []error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.Clone(all.Unwrap())
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// lineOf is the line that an error is about; one that is about none comes last.
func lineOf(err error) int {
	if at := (*script.Error)(nil); errors.As(err, &at) {
		return at.Line
	}
	return math.MaxInt32
}

// steps lists the elements of a recipe; nil has none.
func steps(of *recipe.Recipe) (list []string) {
	if of == nil {
		return nil
	}
	var add func(e *recipe.Element)
	add = func(e *recipe.Element) {
		list = append(list, e.ID)
		for _, child := range e.Children {
			add(child)
		}
	}
	add(of.Root)
	return list
}

// some lists the first names of a list that may be long.
func some(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// has tells whether a recipe has a step, or what stands around one that it has, such as HEAT.entry. Where the recipe is not known, it has.
func has(known []string, step string) bool {
	stem, what, around := strings.Cut(step, ".")
	return len(known) == 0 || step == "" || slices.Contains(known, step) || around && slices.Contains(known, stem) &&
		slices.Contains([]string{"entry", "exit", "uses", "select", "until", "step"}, what)
}

// lacking are the lines that would bring on a batch that nobody has brought on, from a second of the run on.
func lacking(res *runner.Result, from uint64) string {
	var lines []string
	for i, want := range res.Wants {
		what, of, _ := strings.Cut(want, " ")
		if of != "" {
			of = " " + of
		}
		line := fmt.Sprintf("  at %ds command %s op1 \"why\"%s", from+uint64(i), what, of)
		if what == "answer" {
			line = fmt.Sprintf("  at %ds answer op1%s yes", from+uint64(i), of)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// commands lists the commands that a line may give.
func commands() string {
	var names []string
	for c := sequencer.Start; c.String() != ""; c++ {
		if !isOverride(c) { // they have a word of their own
			names = append(names, c.String())
		}
	}
	return strings.Join(names, ", ")
}

// fault reads one line: something to do for an operator, or, where that is nil, a fault, which the plant has then.
func fault(l *script.Line, known []string, plant *sim.Plant, scripted map[uint32]bool) (do func(*runner.Runner), ft sim.Fault, err error) {
	if l.When.Kind != script.At {
		return nil, ft, l.Errorf("a time is wanted, such as \"at 5s %s ...\"", l.Verb)
	}
	switch l.Verb {
	case "command":
		do, err = command(l, known)
		return do, ft, err
	case "override":
		do, err = override(l)
		return do, ft, err
	case "comment":
		if len(l.Args) != 2 || l.Args[0] == "" || l.Args[1] == "" {
			return nil, ft, l.Errorf("comment takes an operator and a text: comment op1 \"the hose drips\"")
		}
		return tells(runner.Command{Command: sequencer.Comment, Operator: l.Args[0], Reason: l.Args[1]}), ft, nil
	case "historian":
		if len(l.Args) != 4 || slices.Contains(l.Args, "") {
			return nil, ft, l.Errorf("historian takes an operator, a window, its total by the historian and a reason: " +
				"historian op1 A \"119.98 kg\" \"read at its panel\"")
		}
		return tells(runner.Command{Command: sequencer.HistorianTotal, Operator: l.Args[0], Name: l.Args[1], Value: l.Args[2], Reason: l.Args[3]}), ft, nil
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
		why := strings.TrimPrefix(err.Error(), "sim: ")
		if strings.Contains(why, ": unknown; known are ") {
			why += "; what people do begins with command, override, comment, historian or answer"
		}
		return nil, ft, l.Errorf("%s", why)
	}
	ft.At = max(l.When.Ns, 1)
	if err := plant.Fault(ft); err != nil {
		return nil, ft, l.Errorf("%s", strings.TrimPrefix(err.Error(), "sim: "))
	}
	return nil, ft, nil
}

// command reads a command of an operator. That of a change has the parameter and its new value behind it; others may have a step, and
// go_to the step to go to.
func command(l *script.Line, known []string) (func(*runner.Runner), error) {
	is := func(c sequencer.Command) bool { return len(l.Args) > 0 && l.Args[0] == c.String() }
	named := is(sequencer.Acknowledge) || is(sequencer.ResetInterlock) || is(sequencer.ResetSafeState)
	least, most := 3, 4
	if is(sequencer.GoTo) || is(sequencer.Change) {
		least, most = 5, 5
	} else if named {
		least = 4
	}
	switch ok := len(l.Args) >= least && len(l.Args) <= most && !slices.Contains(l.Args, ""); {
	case !ok && named:
		return nil, l.Errorf("%s takes an operator, a reason and a name: command acknowledge op1 \"seen\" TAH301", l.Args[0])
	case !ok && is(sequencer.Change):
		return nil, l.Errorf("a change takes an operator, a reason, a parameter and its value: command change op1 \"weaker lot\" charge \"125 kg\"")
	case !ok && is(sequencer.GoTo):
		return nil, l.Errorf("go_to takes an operator, a reason, a block and the step in it to go to: command go_to op1 \"once more\" CHARGE FILL_A")
	case !ok:
		return nil, l.Errorf("command takes a command, an operator, a reason and the step, if one is meant: command hold op1 \"sample taken\"")
	}
	c, ok := sequencer.ParseCommand(l.Args[0])
	if !ok {
		return nil, l.Errorf("no command %q; there are %s", l.Args[0], commands())
	}
	if isOverride(c) {
		return nil, l.Errorf("%s", overrideHelp)
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
	for _, step := range []string{told.Step, told.Target} {
		if !has(known, step) {
			return nil, l.Errorf("the recipe has no step %q; it has %s", step, some(known))
		}
	}
	return tells(told), nil
}

// tells gives a command. A full inbox refuses it, as it would an operator's.
func tells(c runner.Command) func(*runner.Runner) {
	return func(r *runner.Runner) { _ = r.Tell(c) }
}
