// Commands: how they are given, how many may wait in the inbox, and which is taken next.

package runner

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/sequencer"
)

// Commands that may wait in the inbox.
const (
	maxCommands = 64 // that make nothing safe, answers to prompts among them; and apart from these, of parts of the batch that make safe
	maxSafety   = 8  // that make safe and say the very same
	maxRefused  = 8  // that were refused before they came here, apart from all these
)

// given is a command that waits.
type given struct {
	ev    batch.Event
	early bool // it was taken before what was given before it, and is taken once more in its place
}

// makesSafe tells whether nothing keeps a command waiting.
func makesSafe(ev *batch.Event) bool {
	return ev.Kind == batch.Told && ev.Refusal == "" && (ev.Command == sequencer.HardAbort || ev.Command == sequencer.Abort || ev.Command == sequencer.Stop ||
		ev.Command == sequencer.Hold)
}

// begins tells whether a command or an answer may set something going that a hold or an abort from before it does not prevent.
func begins(ev *batch.Event) bool {
	return !makesSafe(ev) && ev.Refusal == "" && ev.Command != sequencer.Change && ev.Command != sequencer.Comment && ev.Command != sequencer.Acknowledge &&
		ev.Command != sequencer.HistorianTotal
}

// Tell gives a command. It does not block. What becomes of it is a record, unless the run ends before it is taken; the error says
// only why it was not accepted at all. All its words but the reason are to be UTF-8 of batch.MaxDetail bytes at most: cut, they would name
// something else. A hard abort, and behind it abort, stop and hold, come before all that waits: they are taken at once, and where
// something was given before them that begins something, once more behind that, with a record each time.
func (r *Runner) Tell(c Command) error {
	if c.Role == "" {
		c.Role = "operator"
	}
	if c.Reason == "" && c.Command == sequencer.Start {
		c.Reason = "start"
	}
	if known, ok := sequencer.ParseCommand(c.Command.String()); !ok || known != c.Command {
		return fmt.Errorf("runner: no such command: %d", c.Command)
	}
	if c.Refused != "" {
		return r.refuse(&c)
	}
	if c.Operator == "" || c.Reason == "" {
		return fmt.Errorf("runner: command %s: operator and reason are required", c.Command)
	}
	if c.Command == sequencer.Comment && len(c.Reason) > batch.MaxDetail {
		return fmt.Errorf("runner: a comment of %d bytes; a record takes %d, so make several", len(c.Reason), batch.MaxDetail)
	}
	if err := whole("command "+c.Command.String(), words{c.Step, c.Target, c.Name, c.Value, c.Operator, c.Role}); err != nil {
		return err
	}
	return r.in.tell(batch.Event{Kind: batch.Told, Command: c.Command, Step: c.Step, Target: c.Target, Name: c.Name, Value: c.Value,
		Operator: c.Operator, Role: c.Role, Reason: batch.Clean(c.Reason)})
}

// refuse takes in a command that is refused already. It is cut where others are turned away: what somebody has tried is to be on record.
func (r *Runner) refuse(c *Command) error {
	if c.Operator == "" {
		return fmt.Errorf("runner: command %s that is refused: operator is required", c.Command)
	}
	cut := batch.Clean
	return r.in.tell(batch.Event{Kind: batch.Told, Command: c.Command, Step: cut(c.Step), Target: cut(c.Target), Name: cut(c.Name), Value: cut(c.Value),
		Operator: cut(c.Operator), Role: cut(c.Role), Reason: cut(cmp.Or(c.Reason, "none was given")), Refusal: cut(c.Refused), Claimed: cut(c.Claimed)})
}

// words are those of a command that name something.
type words [6]string

// whole refuses what a record would not take as it is.
func whole(what string, said words) error {
	for i, text := range said {
		if batch.Clean(text) != text {
			return fmt.Errorf("runner: %s: %s of %d bytes; a record takes %d, of UTF-8", what,
				[...]string{"step", "target", "name", "value", "operator", "role"}[i], len(text), batch.MaxDetail)
		}
	}
	return nil
}

// tell takes in a command or refuses it. One of the whole batch that makes safe is refused only where maxSafety wait that say the same.
func (in *inbox) tell(ev batch.Event) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	safe := makesSafe(&ev)
	alike, same, refused := 0, 0, 0
	for i := range in.commands {
		c := &in.commands[i].ev
		switch {
		case c.Refusal != "":
			refused++
			continue
		case makesSafe(c) == safe && (!safe || c.Step != ""):
			alike++
		}
		if safe && c.Command == ev.Command && c.Step == ev.Step {
			same++
		}
	}
	switch {
	case in.over:
		return ErrEnded
	case ev.Refusal != "":
		if refused >= maxRefused {
			return ErrBusy
		}
	case same == maxSafety, alike >= maxCommands && !(safe && ev.Step == ""):
		return ErrBusy
	}
	in.commands = append(in.commands, given{ev: ev})
	in.wake()
	return nil
}

// urgent is the place of the command that makes safe and comes before all else: a hard abort, else the first one. It is -1 where there
// is none. Where something that begins something was given before it, it is due twice, at once and in its place: what a person has
// said last is what stands.
func (in *inbox) urgent() (place int, twice bool) {
	place = -1
	begun := false
	for i := range in.commands {
		c := &in.commands[i]
		switch {
		case !makesSafe(&c.ev):
			begun = begun || begins(&c.ev)
		case c.early && begun:
		case place < 0 || c.ev.Command == sequencer.HardAbort && in.commands[place].ev.Command != sequencer.HardAbort:
			place, twice = i, begun
		}
	}
	return place, twice
}

// command takes out the next command or answer of a device, those that make safe first. After one of these an answer has its turn.
func (in *inbox) command() (ev batch.Event, ok bool) {
	place, twice := in.urgent()
	switch {
	case len(in.answers) > 0 && (place < 0 || in.served):
		in.served = false
		ev = in.answers[0]
		in.answers = slices.Delete(in.answers, 0, 1)
		return ev, true
	case len(in.commands) == 0:
		return ev, false
	}
	in.served = place >= 0
	place = max(place, 0)
	ev = in.commands[place].ev
	if in.commands[place].early = true; !twice {
		in.commands = slices.Delete(in.commands, place, place+1)
	}
	return ev, true
}
