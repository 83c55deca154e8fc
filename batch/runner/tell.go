// Commands in the inbox: how many may wait, and which is taken next.

package runner

import (
	"slices"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/sequencer"
)

// Commands that may wait in the inbox.
const (
	maxCommands = 64 // that make nothing safe, answers to prompts among them; and apart from these, of parts of the batch that make safe
	maxSafety   = 8  // that make safe and say the very same
)

// given is a command that waits.
type given struct {
	ev    batch.Event
	early bool // it was taken before what was given before it, and is taken once more in its place
}

// makesSafe tells whether nothing keeps a command waiting.
func makesSafe(ev *batch.Event) bool {
	return ev.Kind == batch.Told && (ev.Command == sequencer.HardAbort || ev.Command == sequencer.Abort || ev.Command == sequencer.Stop ||
		ev.Command == sequencer.Hold)
}

// begins tells whether a command or an answer may set something going that a hold or an abort from before it does not prevent.
func begins(ev *batch.Event) bool {
	return !makesSafe(ev) && ev.Command != sequencer.Change && ev.Command != sequencer.Comment && ev.Command != sequencer.Acknowledge &&
		ev.Command != sequencer.HistorianTotal
}

// tell takes in a command or refuses it. One of the whole batch that makes safe is refused only where maxSafety wait that say the same.
func (in *inbox) tell(ev batch.Event) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	safe := makesSafe(&ev)
	alike, same := 0, 0
	for i := range in.commands {
		c := &in.commands[i].ev
		if makesSafe(c) == safe && (!safe || c.Step != "") {
			alike++
		}
		if safe && c.Command == ev.Command && c.Step == ev.Step {
			same++
		}
	}
	switch {
	case in.over:
		return ErrEnded
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
