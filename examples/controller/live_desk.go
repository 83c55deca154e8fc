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
				d.deaf.Store(true)
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

// paint makes one write of a picture. A line is cleared before it is written, with all below the last: behind a line that is full
// some terminals would clear its last column.
func paint(rows []string) []byte {
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for i, row := range rows {
		if i > 0 {
			b.WriteString("\r\n")
		}
		clear := "\x1b[K"
		if i == len(rows)-1 {
			clear = "\x1b[J"
		}
		b.WriteString(clear + row)
	}
	return b.Bytes()
}

// take takes in what was typed: single keys where the terminal is raw, whole lines where it is not.
func (d *desk) take(chunk []byte, now time.Time) {
	if !d.live && d.talk.open && len(chunk) > 0 {
		d.order(d.talk.key(chunk[0], d.state()))
		return
	}
	sequence := false
	for _, k := range chunk {
		sequence = k == 0x1b || sequence && k != '\r' && k != '\n'
		switch {
		case k == 0x03:
			d.interrupt(now)
		case sequence: // keys that send several bytes, such as arrows, mean nothing here; their letters are no answer
		case d.talk.open:
			d.order(d.talk.key(k, d.state()))
		default:
			d.edit(k)
		}
	}
}

// edit takes in a key of an answer to the prompt that is the oldest. What is typed before anything was asked answers nothing.
func (d *desk) edit(k byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.scene; d.r == nil || !s.answered || s.oldest() == nil {
		d.typed = d.typed[:0]
		return
	}
	switch {
	case k == '\r' || k == '\n':
		d.answer(string(d.typed))
		d.typed = d.typed[:0]
	case k == 0x7f || k == 0x08:
		_, size := utf8.DecodeLastRune(d.typed)
		d.typed = d.typed[:len(d.typed)-size]
	case k >= ' ' && len(d.typed) < maxTyped:
		d.typed = append(d.typed, k)
	}
}

// answer answers the oldest prompt in the name of the operator. The scene is locked.
func (d *desk) answer(text string) {
	q := d.scene.oldest()
	if err := d.r.Answer(q.id, complete(text, &q.answer), d.operator, "operator"); err != nil {
		d.complain(fmt.Sprintf("the answer was not taken: %v", err))
		return
	}
	q.taken = true
}

// complain says what went wrong. The scene is locked.
func (d *desk) complain(text string) {
	if d.live {
		d.scene.note(text, true)
		return
	}
	fmt.Fprintln(d.out, text)
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
	c := d.talk.interrupt(now)
	if c == sequencer.Abort && state == sequencer.Idle { // there is nothing to abort
		d.cancel()
		return
	}
	d.order(c)
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
	defer d.mu.Unlock()
	err := d.r.Tell(runner.Command{Command: c, Operator: d.operator, Reason: "from the terminal"})
	switch {
	case err == nil:
	case c == sequencer.Abort:
		d.cancel()
	default:
		d.complain(fmt.Sprintf("command %s was not taken: %v", c, err))
	}
}
