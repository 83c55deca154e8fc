// The desk at work: it draws, listens, and orders what was answered.

package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/sequencer"
)

// maxTyped is how many bytes of an answer are taken.
const maxTyped = 200

// run draws and listens until end.
func (d *desk) run(typed <-chan []byte, end <-chan struct{}) {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	if d.live {
		_, h := d.c.size()
		// What was on the screen moves up and out of the way; it is not lost.
		fmt.Fprint(d.out, strings.Repeat("\r\n", h)+"\x1b[?25l")
		defer fmt.Fprint(d.out, "\r\n\x1b[?25h")
	}
	for {
		select {
		case chunk, ok := <-typed:
			if !ok {
				typed = nil
				_ = d.answers.Close()
			}
			d.take(chunk, time.Now())
		case <-d.c.interrupts:
			d.interrupt(time.Now())
		case now := <-tick.C:
			if d.talk.expire(now) && !d.live {
				fmt.Fprintln(d.out, "nobody has answered: the batch goes on")
			}
			d.picture(now)
		case <-end:
			d.talk.open = false
			d.picture(time.Now())
			return
		}
	}
}

// picture draws, over the picture before.
func (d *desk) picture(now time.Time) {
	if !d.live {
		return
	}
	d.mu.Lock()
	d.scene.copyTo(&d.shown)
	d.mu.Unlock()
	d.shown.dialogue, d.shown.typed = d.talk.question(d.shown.state, now), string(d.typed)
	w, h := d.c.size()
	_, _ = d.out.Write(paint(draw(&d.shown, w, h, true)))
}

// paint makes one write of a picture. Every line is cleared behind its end, and the screen behind the last.
func paint(rows []string) []byte {
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for i, row := range rows {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(row + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	return b.Bytes()
}

// take takes in what was typed: single keys where the terminal is raw, whole lines where it is not.
func (d *desk) take(chunk []byte, now time.Time) {
	if !d.live && len(chunk) > 0 {
		switch {
		case d.talk.open:
			d.order(d.talk.key(chunk[0], d.state()))
		case d.prompts:
			_, _ = d.answers.Write(chunk)
		}
		return
	}
	for _, k := range chunk {
		switch {
		case k == 0x1b:
			return // keys that send sequences, such as arrows, mean nothing here; their letters are no answer
		case k == 0x03:
			d.interrupt(now)
		case d.talk.open:
			d.order(d.talk.key(k, d.state()))
		case d.prompts:
			d.edit(k)
		}
	}
}

// edit takes in a key of an answer to a prompt.
func (d *desk) edit(k byte) {
	switch {
	case k == '\r' || k == '\n':
		_, _ = d.answers.Write(append(d.typed, '\n'))
		d.typed = d.typed[:0]
	case k == 0x7f || k == 0x08:
		_, size := utf8.DecodeLastRune(d.typed)
		d.typed = d.typed[:len(d.typed)-size]
	case k >= ' ' && len(d.typed) < maxTyped:
		d.typed = append(d.typed, k)
	}
}

// state is the state of the batch.
func (d *desk) state() sequencer.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.scene.state
}

// interrupt takes in a Ctrl-C. Before there is anything to ask about, and where nothing else is left, it does not ask.
func (d *desk) interrupt(now time.Time) {
	d.mu.Lock()
	r, state := d.r, d.scene.state
	d.mu.Unlock()
	if r == nil || len(choices(state)) == 0 {
		d.cancel()
		return
	}
	d.order(d.talk.interrupt(now))
	if d.talk.open && !d.live {
		fmt.Fprintf(d.out, "%s\nthe letter, then Enter: ", d.talk.question(state, now))
	}
}

// order gives a command in the name of the operator. An abort that cannot be told ends the run.
func (d *desk) order(c sequencer.Command) {
	if c == sequencer.NoCommand {
		return
	}
	d.mu.Lock()
	r := d.r
	d.mu.Unlock()
	err := r.Tell(runner.Command{Command: c, Operator: d.operator, Reason: "from the terminal"})
	switch {
	case err == nil:
	case c == sequencer.Abort:
		d.cancel()
	case d.live:
		d.mu.Lock()
		d.scene.note(fmt.Sprintf("command %s was not taken: %v", c, err), true)
		d.mu.Unlock()
	default:
		fmt.Fprintf(d.out, "command %s was not taken: %v\n", c, err)
	}
}
