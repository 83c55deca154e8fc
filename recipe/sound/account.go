// What a reader is told of a trace: what decides, and nothing that follows from it.

package sound

import (
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/recipe"
)

// lastTold is how much of a trace an account holds: what is before it can be seen in the trace.
const lastTold = 12

// Account tells in one sentence what leads to a finding: which alternatives are taken, who meets, what is sent and received, who gets
// equipment and gives it back. It is "" where nothing of this comes before.
func (f *Finding) Account() string {
	var list []string
	for i := 0; i < len(f.Trace); {
		m := &f.Trace[i]
		if m.passing {
			i++
			continue
		}
		text, n := m.Text+inLine(m.Node), 1
		if at := m.line(); at != "" {
			var who []string
			for n = 0; i+n < len(f.Trace) && f.Trace[i+n].line() == at; n++ {
				who = append(who, f.Trace[i+n].Element.ID+inLine(f.Trace[i+n].Node))
			}
			text = fmt.Sprintf("%s meet at line %q", and(who, "and"), at)
		}
		list = append(list, text)
		i += n
	}
	list = repeated(list)
	if n := len(list) - lastTold; n > 0 {
		list = append([]string{fmt.Sprintf("%d moves more", n)}, list[n:]...)
	}
	return strings.Join(list, ", ")
}

// line is the line at which a move meets others, "" for another move.
func (m *Move) line() string {
	if m.Action >= 0 && m.Element.Actions[m.Action].Kind == recipe.Sync {
		return m.Element.Actions[m.Action].Line
	}
	return ""
}

// repeated counts what follows itself.
func repeated(list []string) (short []string) {
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n] == list[i] {
			n++
		}
		if short = append(short, list[i]); n > 1 {
			short[len(short)-1] += fmt.Sprintf(" %d times", n)
		}
		i += n
	}
	return short
}

// and joins the members of a list as a sentence does.
func and(list []string, word string) string {
	if n := len(list) - 1; n > 0 {
		return strings.Join(list[:n], ", ") + " " + word + " " + list[n]
	}
	return strings.Join(list, "")
}
