// The records of an abort: what was found when it came, and how the request for a trip stands.

package batch

import (
	"strconv"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// Bytes that the lists of a diagnostics record may take, so that both fit one record; what does not fit is counted.
const (
	maxFound  = 16 << 10 // of the steps
	maxValues = 32 << 10 // of the tags
)

// list collects words up to a number of bytes, as they stand in a record.
type list struct {
	words   []string
	left    int
	omitted int64
}

// add takes a word as long as the words before it have all fitted.
func (l *list) add(word string) {
	l.left -= len(word) + 3 // quotes and comma
	for i := range len(word) {
		if c := word[i]; c < ' ' || c == '"' || c == '\\' {
			l.left -= 5
		}
	}
	if l.left < 0 {
		l.omitted++
		return
	}
	l.words = append(l.words, word)
}

// found remembers a step until its abort is diagnosed.
func (m *Machine) found(e *sequencer.Effect) {
	word := m.form.prog.elems[e.Elem].id + " " + e.From.String()
	if e.Round > 0 {
		word += ", round " + strconv.FormatInt(e.Round, 10)
	}
	if e.Value != 0 {
		word += ", " + m.form.prog.actions[e.Action].id + " for " + strconv.FormatInt(e.Elapsed/1_000_000, 10) + " ms"
		if why := m.waits(e); why != "" {
			word += ": " + brief(why, MaxDetail)
		}
	}
	m.steps.add(word)
}

// diagnosed keeps what was found when an abort came: each step below what is aborted, and every tag. Of several aborts in one step the
// first keeps the tags, and the others name its record.
func (m *Machine) diagnosed(e *sequencer.Effect, fx []Effect) []Effect {
	tags := list{left: maxValues}
	for id := range m.b.Plan.Map.Tags {
		if m.diag == 0 {
			tags.add(m.reading(tag.ID(id)))
		}
	}
	m.begin(record.KindDiagnostics)
	if e.Elem != 0 {
		m.step(e)
	}
	m.body.Text(record.Command, e.Command.String())
	m.body.Text(record.Detail, e.Reason)
	m.body.Texts(record.ActiveSteps, m.steps.words)
	m.body.Texts(record.Values, tags.words)
	if n := m.steps.omitted + tags.omitted; n > 0 {
		m.body.Int(record.Omitted, n)
	}
	m.causes(m.input, m.diag, m.refs.Elems[e.Elem], m.by(e))
	if m.diag == 0 {
		m.diag = m.next
	}
	m.steps = list{left: maxFound, words: m.steps.words[:0]}
	return m.put(fx)
}

// tripChanged records how the request for a trip stands.
func (m *Machine) tripChanged(e *sequencer.Effect, fx []Effect) []Effect {
	t := &m.b.Plan.Map.Tags[m.form.prog.outputs[e.Output]]
	m.begin(record.KindTripRequest)
	m.body.Text(record.LogicalTag, t.Name)
	m.show(record.Value, t, e.Value)
	m.body.Text(record.Result, e.Trip.String())
	m.body.Decimal(record.ElapsedMS, e.Elapsed, 6)
	m.body.Int(record.TimeoutMS, m.b.Plan.Map.Trip.Within/1_000_000)
	if e.Reason != "" {
		m.body.Text(record.Detail, e.Reason)
	}
	m.causes(m.input, m.refs.Outputs[e.Output])
	if e.Trip == sequencer.TripRequested { // the write names it
		m.refs.Outputs[e.Output] = m.next
	}
	return m.put(fx)
}

// Tripped tells whether the batch was aborted hard on a map that says how to request a trip: until the next batch begins nobody may write
// the output at rest.
func (m *Machine) Tripped() bool { return m.seq.Trip() != sequencer.NoTrip }
