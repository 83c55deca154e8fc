// Package chart draws a recipe: as a procedure function chart in the manner of ISA-88, and as a table.
//
// Start with [SVG]. The drawing needs nothing else: no script, no font, no style sheet.
//
// The rule that must not be broken: what is drawn is what runs. Every element of the recipe is in the chart once, with the conditions on
// which it begins and ends.
//
// The package decides nothing and draws no state of a run.
package chart

import (
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/recipe"
)

// Measures in user units of SVG, which a browser takes for pixels.
const (
	letter = 7  // width of a character of the font
	line   = 18 // height of a line of text
	gap    = 24 // between what follows each other
	pad    = 10 // inside a box
	margin = 20 // around the drawing
)

// SVG draws the procedure of a recipe: a box for each phase, one inside the other for each level, a bar with its condition for each
// transition, double lines where branches begin and end together, and a way back for each repeat. The same recipe gives the same
// bytes.
func SVG(r *recipe.Recipe) []byte {
	root := layout(r.Root)
	p := pen{}
	title := r.ID + " " + r.Version + "  " + r.Title
	w, h := max(root.w, letter*len([]rune(title)))+2*margin, root.h+2*margin+2*line
	p.raw(`<svg xmlns="http://www.w3.org/2000/svg" width="`, w, `" height="`, h, `" viewBox="0 0 `, w, ` `, h,
		`" font-family="monospace" font-size="11">`+"\n")
	p.raw(`<style>rect{fill:#fff;stroke:#333}.block{fill:none;stroke:#aaa}.phase{fill:#eef4fb}path{fill:none;stroke:#333}text{fill:#111}` +
		`.note{fill:#555}</style>` + "\n")
	p.raw(`<title>`, escape(title), `</title>`+"\n")
	p.text(margin, margin+line/2, "", title)
	root.draw(&p, margin+(w-2*margin-root.w)/2, margin+line+line/2)
	p.raw("</svg>\n")
	return p.out
}

// shape is a part of the drawing: it is entered at the top and left at the bottom, both at mid from its left edge.
type shape struct {
	w, h, mid int
	draw      func(p *pen, x, y int)
}

// layout gives the shape of an element with its transitions.
func layout(e *recipe.Element) shape {
	var parts []shape
	if len(e.Uses) > 0 {
		parts = append(parts, bar("acquire "+strings.Join(e.Uses, ", ")))
	}
	if e.Entry != nil {
		parts = append(parts, bar(e.Entry.String()))
	}
	if e.Time != nil {
		parts = append(parts, bar("time "+e.Time.String()))
	}
	parts = append(parts, body(e))
	if e.Exit != nil {
		parts = append(parts, bar(e.Exit.String()))
	}
	if len(e.Uses) > 0 {
		parts = append(parts, bar("release "+strings.Join(e.Uses, ", ")))
	}
	return column(parts)
}

// body gives the shape of an element without them.
func body(e *recipe.Element) shape {
	var parts []shape
	for _, c := range e.Children {
		s := layout(c)
		if e.Block == recipe.Select {
			guard := "otherwise"
			if c.When != nil {
				guard = c.When.String()
			}
			s = column([]shape{bar(guard), s})
		}
		parts = append(parts, s)
	}
	head := []string{e.ID, e.Level.String()}
	switch e.Block {
	case recipe.Parallel:
		return frame(head, row(parts, true))
	case recipe.Select:
		return frame(head, row(parts, false))
	case recipe.Repeat:
		return frame(head, loop(e, column(parts)))
	case recipe.Sequence:
		return frame(head, column(parts))
	}
	return box(e)
}

// box is a phase.
func box(e *recipe.Element) shape {
	lines := []string{e.ID}
	for i := range e.Actions {
		switch a := &e.Actions[i]; a.Kind {
		case recipe.Sync, recipe.Send, recipe.Receive:
			lines = append(lines, a.Kind.String()+" "+a.Line)
		case recipe.OpenWindow:
			lines = append(lines, "charge "+a.Window+" by "+a.Meter)
		case recipe.Jog:
			lines = append(lines, "jog "+a.Window)
		case recipe.Prompt, recipe.Request:
			lines = append(lines, a.Kind.String())
		}
	}
	if e.Equipment != "" {
		lines = append(lines, "hands over "+e.Equipment)
	}
	w := 0
	for _, l := range lines {
		w = max(w, letter*len([]rune(l)))
	}
	w += 2 * pad
	h := len(lines)*line + pad
	return shape{w, h, w / 2, func(p *pen, x, y int) {
		p.rect(x, y, w, h, "phase")
		for i, l := range lines {
			p.text(x+pad, y+line*(i+1)-2, class(i), l)
		}
	}}
}

// class is that of the n-th line of a box.
func class(n int) string {
	if n == 0 {
		return ""
	}
	return "note"
}

// bar is a transition: a short line across the way, with its condition beside it.
func bar(text string) shape {
	lines := wrap(text)
	right := 0
	for _, l := range lines {
		right = max(right, letter*len([]rune(l)))
	}
	h := line * len(lines)
	return shape{pad + right + 2*pad, h, pad, func(p *pen, x, y int) {
		p.path("M", x+pad, y, "v", h)
		p.path("M", x, y+h/2, "h", 2*pad)
		for i, l := range lines {
			p.text(x+2*pad+4, y+line*i+line/2+4, "note", l)
		}
	}}
}

// widest is how many characters of a condition stand on one line, if they can be parted.
const widest = 40

// wrap parts a text behind commas and before "and" and "or".
func wrap(text string) (lines []string) {
	now := ""
	for _, w := range strings.SplitAfter(text, " ") {
		breaks := strings.HasPrefix(w, "and ") || strings.HasPrefix(w, "or ") || strings.HasSuffix(now, ", ")
		if breaks && len([]rune(now))+len([]rune(w)) > widest/2 && len([]rune(text)) > widest {
			lines, now = append(lines, strings.TrimSpace(now)), ""
		}
		now += w
	}
	return append(lines, strings.TrimSpace(now))
}

// column puts shapes below each other, on one line.
func column(parts []shape) shape {
	left, right, h := 0, 0, 0
	for i, s := range parts {
		left, right = max(left, s.mid), max(right, s.w-s.mid)
		if h += s.h; i > 0 {
			h += gap
		}
	}
	return shape{left + right, h, left, func(p *pen, x, y int) {
		for i, s := range parts {
			if i > 0 {
				p.path("M", x+left, y-gap, "v", gap)
			}
			s.draw(p, x+left-s.mid, y)
			y += s.h + gap
		}
	}}
}

// row puts shapes beside each other, between two lines: double ones where they run at once.
func row(parts []shape, double bool) shape {
	w, tall := 0, 0
	for i, s := range parts {
		if w += s.w; i > 0 {
			w += gap
		}
		tall = max(tall, s.h)
	}
	h := tall + 2*gap
	return shape{w, h, w / 2, func(p *pen, x, y int) {
		first, last := x+parts[0].mid, x+w-parts[len(parts)-1].w+parts[len(parts)-1].mid
		first, last = min(first, x+w/2), max(last, x+w/2)
		for _, at := range []int{y, y + h} {
			p.path("M", first, at, "H", last)
			if double {
				p.path("M", first, at+3*sign(y+1-at), "H", last)
			}
		}
		for _, s := range parts {
			p.path("M", x+s.mid, y, "v", gap)
			s.draw(p, x, y+gap)
			p.path("M", x+s.mid, y+gap+s.h, "V", y+h)
			x += s.w + gap
		}
	}}
}

func sign(n int) int {
	if n > 0 {
		return 1
	}
	return -1
}

// loop is the body of a repeat, its condition, and the way back.
func loop(e *recipe.Element, inner shape) shape {
	text := "at most " + strconv.Itoa(e.Loop.AtMost) + " times"
	if e.Loop.Until != nil {
		text = "until " + e.Loop.Until.String() + ", " + text
	}
	s := column([]shape{inner, bar(text)})
	w := s.w + gap
	return shape{w, s.h + gap, s.mid + gap, func(p *pen, x, y int) {
		p.path("M", x+gap+s.mid, y, "v", gap/2)
		s.draw(p, x+gap, y+gap/2)
		end := y + gap/2 + s.h
		p.path("M", x+gap+s.mid, end, "v", gap/2)
		p.path("M", x+gap+s.mid, end, "H", x+gap/2, "V", y+gap/4, "H", x+gap+s.mid)
		p.path("M", x+gap+s.mid-6, y+gap/4-4, "l", 6, 4, "l", -6, 4)
	}}
}

// frame puts a box with a heading around a block.
func frame(head []string, inner shape) shape {
	title := strings.Join(head, "  ")
	extra := max(0, letter*len([]rune(title))+2*pad-inner.w-2*pad)
	w, h := inner.w+2*pad+extra, inner.h+line+2*gap
	mid := inner.mid + pad + extra/2
	return shape{w, h, mid, func(p *pen, x, y int) {
		p.rect(x, y, w, h, "block")
		p.text(x+pad, y+line-4, "note", title)
		p.path("M", x+mid, y, "v", 4)
		p.path("M", x+mid, y+line, "v", gap)
		inner.draw(p, x+pad+extra/2, y+line+gap)
		p.path("M", x+mid, y+line+gap+inner.h, "v", gap)
	}}
}

// pen writes SVG.
type pen struct{ out []byte }

func (p *pen) raw(parts ...any) {
	for _, v := range parts {
		switch v := v.(type) {
		case string:
			p.out = append(p.out, v...)
		case int:
			p.out = strconv.AppendInt(p.out, int64(v), 10)
		}
	}
}

func (p *pen) rect(x, y, w, h int, class string) {
	p.raw(`<rect class="`, class, `" x="`, x, `" y="`, y, `" width="`, w, `" height="`, h, `"/>`+"\n")
}

func (p *pen) text(x, y int, class, text string) {
	p.raw(`<text x="`, x, `" y="`, y, `" class="`, class, `" xml:space="preserve">`, escape(text), "</text>\n")
}

// path draws a line of commands with their numbers.
func (p *pen) path(parts ...any) {
	p.raw(`<path d="`)
	for i, v := range parts {
		if i > 0 {
			p.raw(" ")
		}
		p.raw(v)
	}
	p.raw(`"/>` + "\n")
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
