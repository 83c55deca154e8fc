// Overrides in a fault script and in what people see, and the report of a dry run.

package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

const overrideHelp = "override takes what is done, an operator, his role, what is meant and a reason: override grant op1 maintenance OV-FILL \"5 min\" " +
	"\"the valve sticks\", override set op1 maintenance XV301 open \"to see it move\", override clear op1 maintenance XV301 \"it does\", " +
	"override revoke op1 maintenance OV-FILL \"done\""

// override reads what an operator does with an override: a grant has its time behind what is meant, and a set its value.
func override(l *script.Line) (func(*runner.Runner), error) {
	what := map[string]sequencer.Command{"grant": sequencer.OverrideGrant, "set": sequencer.OverrideSet, "clear": sequencer.OverrideClear,
		"revoke": sequencer.OverrideRevoke}
	if len(l.Args) == 0 || slices.Contains(l.Args, "") {
		return nil, l.Errorf("%s", overrideHelp)
	}
	c, ok := what[l.Args[0]]
	want := 5
	if c == sequencer.OverrideGrant || c == sequencer.OverrideSet {
		want = 6
	}
	if !ok || len(l.Args) != want {
		return nil, l.Errorf("%s", overrideHelp)
	}
	told := runner.Command{Command: c, Operator: l.Args[1], Role: l.Args[2], Name: l.Args[3], Reason: l.Args[want-1]}
	if want == 6 {
		told.Value = l.Args[4]
	}
	return tells(told), nil
}

// isOverride tells whether a command has lines of its own in a fault script.
func isOverride(c sequencer.Command) bool {
	return c >= sequencer.OverrideGrant && c <= sequencer.OverrideRevoke
}

// protected says what has become of an interlock, an alarm or an override.
func protected(k record.Kind, r *record.Record) string {
	text := r.Text
	switch k {
	case record.KindInterlock:
		return fmt.Sprintf("%s %s %s, it %s: %s [%s]", text(record.InterlockKind), text(record.InterlockID), text(record.Result),
			text(record.InterlockGateState), text(record.Detail), strings.Join(r.Texts(record.Values), ", "))
	case record.KindAlarm:
		return fmt.Sprintf("ALARM %s %s (%s priority): %s", text(record.AlarmID), text(record.AlarmState), text(record.Priority), text(record.Message))
	}
	return overridden(r)
}

// overridden says what has become of an override.
func overridden(r *record.Record) string {
	text, who := r.Text, fmt.Sprintf("%s of %s (%s)", r.Text(record.OverrideID), r.Text(record.Actor), r.Text(record.OverrideRole))
	because := bracket(text(record.Detail))
	switch result := text(record.Result); result {
	case "active":
		return fmt.Sprintf("FORCED %s: %s%s (it was %s), by %s, because: %s", text(record.LogicalTag), text(record.NewValue), unit(r), text(record.OldValue),
			who, text(record.ChangeReason))
	case "cleared":
		return fmt.Sprintf("%s is given back: %s%s (it was forced to %s), by %s%s", text(record.LogicalTag), text(record.NewValue), unit(r),
			text(record.OldValue), who, because)
	case "granted", "continued":
		return fmt.Sprintf("OVERRIDE %s is %s, for %s%s", who, result, text(record.OverrideDuration), because)
	default:
		return fmt.Sprintf("OVERRIDE %s is %s%s", who, result, because)
	}
}

// forced names the tags that are in override.
func (s *scene) forced() string {
	var names []string
	for id := range s.values {
		if s.values[id].Forced {
			names = append(names, s.plan.Tags[id].Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "FORCED " + strings.Join(names, " ")
}

// isForced tells whether a tag is in override.
func (s *scene) isForced(id tag.ID) bool { return int(id) < len(s.values) && s.values[id].Forced }

// sortFlags are the flags that say what sort of batch it is.
func sortFlags(set *flag.FlagSet, f *flags) {
	set.BoolVar(&f.unapproved, "unapproved", false, "run although recipe or map is not approved; every record says so")
	set.BoolFunc("dry", "run the batch dry, in virtual time on a model of the plant: no output is driven; what would be written, and when, goes to DIR/ID.dry_run.csv",
		func(text string) (err error) {
			if f.dry, err = strconv.ParseBool(text); f.dry {
				f.virtual = true
			}
			return err
		})
}

// dryReport writes what a dry run would have written beside its package, and returns where.
func dryReport(f *flags, dir string) (name string, err error) {
	list, err := evidence.DryRun(dir)
	if err != nil {
		return "", fmt.Errorf("controller: %w", err)
	}
	name = filepath.Join(f.out, filepath.Base(dir)+".dry_run.csv")
	file, err := os.Create(name)
	if err != nil {
		return "", fmt.Errorf("controller: %w", err)
	}
	if err = evidence.WriteDryRun(file, list); err != nil {
		file.Close()
		return "", fmt.Errorf("controller: %s: %w", name, err)
	}
	return name, file.Close()
}
