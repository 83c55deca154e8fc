// What Ctrl-C asks, and what keys answer.

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/batchkit/batchkit/sequencer"
)

// patience is how long a question about the batch waits for its answer; then the batch goes on.
const patience = 10 * time.Second

// choice is one answer to the question.
type choice struct {
	key     byte
	word    string
	command sequencer.Command
}

// choices are the commands that lead somewhere from a state.
func choices(s sequencer.State) (some []choice) {
	for _, c := range [...]choice{{'s', "start", sequencer.Start}, {'h', "hold", sequencer.Hold}, {'r', "restart", sequencer.Restart}, {'r', "resume", sequencer.Resume},
		{'s', "stop", sequencer.Stop}, {'a', "abort", sequencer.Abort}} {
		if _, ok := s.After(c.command); ok && !s.Repeats(c.command) {
			some = append(some, c)
		}
	}
	return some
}

// options lists the choices of a state in words.
func options(s sequencer.State) string {
	var b strings.Builder
	for _, c := range choices(s) {
		fmt.Fprintf(&b, "%c %s, ", c.key, c.word)
	}
	if s == sequencer.Idle || s == sequencer.Held || s == sequencer.Paused {
		return b.String() + "Enter leaves it so"
	}
	return b.String() + "Enter go on"
}

// dialogue is the question that Ctrl-C raises. The zero value is that none is open. It gives no command by itself: its methods
// return what is to be ordered, sequencer.NoCommand for nothing.
type dialogue struct {
	open  bool
	until time.Time
}

// interrupt takes in a Ctrl-C: the first asks, the second aborts.
func (d *dialogue) interrupt(now time.Time) sequencer.Command {
	if d.open && now.Before(d.until) {
		d.open = false
		return sequencer.Abort
	}
	d.open, d.until = true, now.Add(patience)
	return sequencer.NoCommand
}

// key takes in an answer: the key of a choice, or Enter to go on. Any other key leaves the question open.
func (d *dialogue) key(k byte, s sequencer.State) sequencer.Command {
	if !d.open {
		return sequencer.NoCommand
	}
	if k == '\r' || k == '\n' {
		d.open = false
	}
	for _, c := range choices(s) {
		if c.key == k {
			d.open = false
			return c.command
		}
	}
	return sequencer.NoCommand
}

// expire closes a question that nobody has answered in time, and tells whether it has.
func (d *dialogue) expire(now time.Time) bool {
	late := d.open && !now.Before(d.until)
	d.open = d.open && !late
	return late
}

// question is what is asked, "" if nothing is. A batch that rests already is offered what brings it on.
func (d *dialogue) question(s sequencer.State, now time.Time) string {
	if !d.open {
		return ""
	}
	left := max(d.until.Sub(now), 0)
	again := "aborts"
	if s == sequencer.Idle {
		again = "ends the run"
	}
	return fmt.Sprintf("The batch is %s: %s? Ctrl-C again %s; closes in %d s ", s, options(s), again, (left+time.Second-1)/time.Second)
}
