// The picture of the live view: a pure function of its scene and the size of the terminal.

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// section is a part of the picture.
type section struct {
	title string
	lines []line
}

// draw gives the lines of the picture, at most h of them and each at most w columns wide. What there is no room for is left
// out: first blank lines and titles, then old events, what the batch follows on, and tags.
func draw(s *scene, w, h int, coloured bool) []string {
	top, foot := s.header(w), s.footer(w)
	steps := section{"STEPS", s.current(max(h/4, 4))}
	windows := section{"WINDOWS", s.bars(w, max(h/6, 2))}
	room := h - len(top) - len(foot) - len(steps.lines) - len(windows.lines) - 1
	tags := section{"TAGS, outputs marked with >", s.tags(w, room-keptEvents/2, len(s.follows(w, h)))}
	past := s.follows(w, room-len(tags.lines)-keptEvents/4)
	top, room = append(top, past...), room-len(past)
	spacing := 0
	switch free := room - len(tags.lines) - keptEvents; {
	case free >= 8: // four titles but one, and five blank lines
		spacing = 2
	case free >= 3:
		spacing = 1
	}
	all := append([]line(nil), top...)
	all = steps.append(all, spacing, false)
	all = windows.append(all, spacing, false)
	all = tags.append(all, spacing, true)
	left := h - len(foot) - len(all) - spacing - spacing/2
	events := section{"EVENTS", nil}
	for i := max(len(s.events)-max(left, 0), 0); i < len(s.events); i++ {
		events.lines = append(events.lines, s.events[i].line(s.begun))
	}
	all = events.append(all, spacing, false)
	if spacing == 2 {
		all = append(all, nil)
	}
	all = append(all[:max(min(len(all), h-len(foot)), 0)], foot...)
	all = all[:min(len(all), max(h, 0))]
	rows := make([]string, len(all))
	for i, l := range all {
		rows[i] = strings.TrimRight(l.text(w, coloured), " ")
	}
	return rows
}

// append puts a section behind others, with as much space as there is: 0 none, 1 a title, 2 a blank line and a title.
func (p section) append(all []line, spacing int, titled bool) []line {
	if len(p.lines) == 0 {
		return all
	}
	if spacing == 2 {
		all = append(all, nil)
	}
	if spacing > 0 || titled {
		all = append(all, line{{dim, p.title}})
	}
	return append(all, p.lines...)
}

// header says which batch this is, what state it is in, how far the wall clock may be believed, and since when.
func (s *scene) header(w int) []line {
	left := line{{bold, s.batch + "  "}, {colourOf(s.state), strings.ToUpper(s.state.String())}}
	if s.warning != "" {
		left = append(left, span{red, "  " + s.warning})
	}
	if forced := s.forced(); forced != "" {
		left = append(left, span{red, "  " + cut(forced, max(w/3, 6))})
	}
	used := 0
	for _, p := range left {
		used += width(harmless(p.text))
	}
	clock := seconds(s.at - s.begun)
	sync := s.sync.span(w - used - len(clock) - 4)
	left = append(left, span{plain, strings.Repeat(" ", max(w-used-len(clock)-width(sync.text), 1))}, sync, span{bold, clock})
	return []line{left, {{dim, s.about}}}
}

// span says how far the wall clock may be believed, in at most w columns.
func (s synced) span(w int) (p span) {
	p.colour = dim
	switch s.state {
	case timebase.Holdover.String():
		p.colour = yellow
	case timebase.Unset.String():
		p.colour = red
	}
	bound := ""
	if ms, err := strconv.ParseFloat(s.bound, 64); err == nil && ms >= 1000 {
		bound = fmt.Sprintf(" +-%.1f s", math.Ceil(ms/100)/10)
	} else if err == nil {
		bound = fmt.Sprintf(" +-%.1f ms", math.Ceil(ms*10)/10)
	}
	for _, text := range []string{s.state + " " + s.source + bound, s.state + " " + s.source, s.state} {
		if text = harmless(text) + "  "; s.state != "" && width(text) <= w {
			p.text = text
			break
		}
	}
	return p
}

// follows says what the batch follows on, in at most n lines. Where there is no room for all of it, what was said first goes.
func (s *scene) follows(w, n int) (lines []line) {
	for first := range s.history {
		lines = nil
		for _, text := range s.history[first:] {
			for _, row := range wrap(text, w, 2) {
				lines = append(lines, line{{yellow, row}})
			}
		}
		if len(lines) <= n {
			return lines
		}
	}
	return nil
}

// colourOf is the colour in which operators know a state.
func colourOf(st sequencer.State) string {
	switch st {
	case sequencer.Running:
		return green
	case sequencer.Pausing, sequencer.Paused, sequencer.Holding, sequencer.Held, sequencer.Restarting:
		return yellow
	case sequencer.Stopping, sequencer.Aborting:
		return magenta
	case sequencer.Stopped, sequencer.Aborted:
		return red
	}
	return grey
}

// seconds gives a time in ns, to a tenth of a second.
func seconds(ns int64) string {
	tenths := max(ns, 0) / 100_000_000
	if tenths < 600 {
		return fmt.Sprintf("%d.%d s", tenths/10, tenths%10)
	}
	if tenths < 36_000 {
		return fmt.Sprintf("%d:%02d min", tenths/600, tenths/10%60)
	}
	return fmt.Sprintf("%d:%02d h", tenths/36_000, tenths/600%60)
}

// current shows the steps under way, at most n lines of them.
func (s *scene) current(n int) (lines []line) {
	for i := range s.steps {
		p := &s.steps[i]
		if !p.current() {
			continue
		}
		name := strings.Repeat("  ", p.depth) + p.id
		l := line{{bold, name + "  "}}
		if p.state != sequencer.Running.String() {
			l = append(l, span{colourOf(stateOf(p.state)), p.state + "  "})
		}
		if p.timeout > 0 {
			l = append(l, span{plain, seconds(p.ran(s.at)) + " of " + seconds(p.timeout)})
		}
		if p.wait != "" {
			l = append(l, span{plain, "  waits: " + p.wait})
			if now := s.shows(p); now != "" {
				l = append(l, span{green, "  " + now})
			}
		}
		lines = append(lines, l)
	}
	if more := len(lines) - n; more > 0 {
		lines = append(lines[:n-1], line{{dim, fmt.Sprintf("... and %d more steps", more+1)}})
	}
	// What stands below does not jump as steps come and go.
	for !s.state.Terminal() && len(lines) < min(s.busiest, n) {
		lines = append(lines, nil)
	}
	return lines
}

// bars shows the windows, n of them: where there are more, those that have closed make room first.
func (s *scene) bars(w, n int) (lines []line) {
	name, amount, over := 1, 1, len(s.windows)-n
	for i := range s.windows {
		m := &s.windows[i]
		name, amount = max(name, width(harmless(m.id))), max(amount, width(m.amount()), width(m.goal()))
	}
	name = min(name, w/4)
	for i := range s.windows {
		m := &s.windows[i]
		if over > 0 && m.verdict != "" {
			over--
			continue
		}
		l := line{{bold, pad(harmless(m.id), name) + " "}}
		if !m.begun {
			lines = append(lines, append(l, span{dim, "not opened yet"}))
			continue
		}
		if percent, ok := m.percent(); ok {
			size := min(max(w-name-2*amount-34, 5), 40)
			full := int(min(max(percent, 0), 100)) * size / 100
			l = append(l, span{plain, "["}, span{green, strings.Repeat("#", full)}, span{dim, strings.Repeat(".", size-full)},
				span{plain, fmt.Sprintf("] %3d %%  ", percent)})
		}
		l = append(l, span{plain, fmt.Sprintf("%*s", amount, m.amount())})
		if m.target != "" {
			l = append(l, span{plain, " of " + m.goal()})
		}
		lines = append(lines, append(l, m.judged()))
	}
	return lines[:min(len(lines), n)]
}

// judged is what is to be thought of a window: its verdict, or, while it is open, the quality of its source.
func (m *meter) judged() span {
	switch {
	case m.verdict == "PASS":
		return span{green, "  PASS"}
	case m.verdict != "":
		return span{red, "  " + m.verdict}
	case m.worst != tag.Good && m.worst != m.source:
		return span{red, "  " + m.source.String() + ", was " + m.worst.String()}
	case m.source != tag.Good:
		return span{red, "  " + m.source.String()}
	}
	return span{dim, "  " + m.source.String()}
}

// line shows an event.
func (e *happening) line(begun int64) line {
	ms := max(e.at-begun, 0) / 1_000_000
	colour := plain
	if e.grave {
		colour = yellow
	}
	return line{{dim, fmt.Sprintf("%4d.%03d s  ", ms/1000, ms%1000)}, {colour, e.text}}
}

// footer says what can be done: it asks what is to be asked, or tells what Ctrl-C does.
func (s *scene) footer(w int) (lines []line) {
	if q := s.oldest(); q != nil && s.answered && s.dialogue == "" {
		for _, row := range wrap(q.step+" asks: "+q.text+bracket(wanted(q.answer)), w, 3) {
			lines = append(lines, line{{yellow, row}})
		}
		const ask = "answer, then Enter (Ctrl-C asks): "
		return append(lines, line{{bold, ask}, {plain, tail(harmless(s.typed)+"_", max(w-len(ask), 1))}})
	}
	switch {
	case s.dialogue != "":
		for _, row := range wrap(s.dialogue, w, 3) {
			lines = append(lines, line{{inverse, row}})
		}
		return lines
	case s.state.Terminal():
		return []line{{{dim, "the batch has ended"}}}
	}
	said := "Ctrl-C asks: "
	if s.state == sequencer.Held || s.state == sequencer.Paused {
		said = s.state.String() + ": nothing goes on without a command; Ctrl-C asks: "
	}
	return []line{{{dim, said + options(s.state)}}}
}

// tags shows every tag in columns from top to bottom, in at most n lines: with the quality in full where there is room for it and
// for some lines more, with its first letter where there is not.
func (s *scene) tags(w, n, more int) []line {
	if n < 1 || len(s.plan.Tags) == 0 {
		return nil
	}
	var form columns
	for _, short := range []bool{false, true} {
		if form = s.columns(w, short); form.rows <= n-more {
			break
		}
	}
	lines := make([]line, min(form.rows, n))
	for i := range s.plan.Tags {
		row, col := i%form.rows, i/form.rows
		if row >= len(lines) {
			continue
		}
		gap := ""
		if col > 0 {
			gap = "  "
		}
		lines[row] = append(lines[row], s.cell(tag.ID(i), form, col, gap)...)
	}
	if hidden := form.rows - len(lines); hidden > 0 {
		lines[len(lines)-1] = line{{dim, "... there is no room for all tags; a higher window shows them"}}
	}
	return lines
}

// columns is how tags are set.
type columns struct {
	rows         int
	names, words []int // by column: widths of names and values
	short        bool
}

// columns finds the form with the most columns that fits into a width.
func (s *scene) columns(w int, short bool) (best columns) {
	quality := 5
	if short {
		quality = 1
	}
	for count := 1; count <= max(len(s.plan.Tags), 1); count++ {
		c := columns{rows: (len(s.plan.Tags) + count - 1) / count, short: short}
		sum := -2
		for first := 0; first < len(s.plan.Tags); first += c.rows {
			name, value := 1, 3
			for i := first; i < min(first+c.rows, len(s.plan.Tags)); i++ {
				name, value = max(name, len(s.plan.Tags[i].Name)), max(value, s.room(tag.ID(i)))
			}
			name, value = min(name, 20), min(value, 24)
			c.names, c.words = append(c.names, name), append(c.words, value)
			sum += 2 + 1 + name + 1 + value + 1 + quality
		}
		if count > 1 && sum > w {
			break
		}
		best = c
	}
	return best
}

// room is the width that a value is given: what it needs now, and more where it may soon.
func (s *scene) room(id tag.ID) int {
	t, now := &s.plan.Tags[id], width(harmless(s.value(id)))
	switch t.Type {
	case iomap.Switch:
		return max(now, width(harmless(t.Words[0])), width(harmless(t.Words[1])))
	case iomap.Number:
		return max(now, 7+len(t.Unit))
	}
	return max(now, 8+len(t.Unit))
}

// cell shows one tag.
func (s *scene) cell(id tag.ID, form columns, col int, gap string) line {
	t, q := &s.plan.Tags[id], s.quality(id)
	mark, colour, word := " ", dim, pad(q.String(), 5)
	if t.Output {
		mark = ">"
	}
	if q != tag.Good {
		colour = red
	}
	if s.isForced(id) {
		colour, word = red, pad("FORCE", 5)
	}
	if form.short {
		word = word[:1]
	}
	return line{{plain, gap + mark + pad(harmless(t.Name), form.names[col]) + " "},
		{bold, pad(harmless(s.value(id)), form.words[col]) + " "}, {colour, word}}
}
