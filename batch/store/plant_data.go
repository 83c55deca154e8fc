// Captured values: what a record of them says, and how they come into the database.

package store

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/batchkit/batchkit/journal/record"
)

// Value is one captured value of a unit run.
type Value struct {
	Journal string
	Run     string
	Tag     string
	At      int64  // when it was sampled, ns since 1970 UTC
	Seq     uint64 // record that has it
	N       int64  // place in that record, from 0
	Value   string // as it was recorded, decimals to the last digit; "-" where there was none
	Quality string
}

// parseValue reads one text of run_data: ns UTC, tag, value and quality, a space between. The value may have spaces in it.
func parseValue(text string) (v Value, ok bool) {
	ns, rest, ok1 := strings.Cut(text, " ")
	tag, rest, ok2 := strings.Cut(rest, " ")
	last := strings.LastIndexByte(rest, ' ')
	if !ok1 || !ok2 || last < 0 {
		return v, false
	}
	at, err := strconv.ParseInt(ns, 10, 64)
	if err != nil || strconv.FormatInt(at, 10) != ns {
		return v, false
	}
	v = Value{Tag: tag, At: at, Value: rest[:last], Quality: rest[last+1:]}
	return v, tag != "" && v.Quality != "" && badName(tag) == "" && badName(v.Quality) == "" && !strings.Contains(v.Value, "\x00")
}

// badName says why a text is no name; "" where it may be one.
func badName(text string) string {
	switch {
	case len(text) > MaxName:
		return fmt.Sprintf("longer than %d bytes", MaxName)
	case strings.Contains(text, "\x00"):
		return "has a NUL in it"
	}
	return ""
}

// plain is a text that every database takes.
func plain(text string, most int) string {
	if len(text) > most {
		text = text[:most-3] + "..."
	}
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
	}
	return text
}

// maxKnown is how many unit runs are kept in mind: those of a plant that are under way, and then some.
const maxKnown = 20_000

// mind is what is known of the unit runs of a journal, so that not every record of values asks for its own. Runs are never taken
// away but by Rebuild, after which built is another number.
type mind struct {
	built int64
	runs  map[string]bool
}

// remember keeps in mind the runs of a transaction that was committed.
func (p *Plant) remember(f *fold) {
	p.minds.Lock()
	defer p.minds.Unlock()
	m := p.known[f.name]
	if m == nil || m.built != f.built || len(m.runs)+len(f.runs) > maxKnown {
		m = &mind{f.built, map[string]bool{}}
		p.known[f.name] = m
	}
	for id, there := range f.runs {
		if there && len(m.runs) < maxKnown {
			m.runs[id] = true
		}
	}
}

// isRun tells whether a unit run has a row.
func (f *fold) isRun(id string) (bool, error) {
	if there, known := f.runs[id]; known {
		return there, nil
	}
	f.p.minds.Lock()
	m := f.p.known[f.name]
	there := m != nil && m.built == f.built && m.runs[id]
	f.p.minds.Unlock()
	if there || badName(id) != "" {
		return there, nil
	}
	_, there, err := f.find(askRun, f.journal, id)
	if err == nil {
		f.found(id, there)
	}
	return there, err
}

// found notes whether a unit run has a row: of some of them, however many one transaction has.
func (f *fold) found(id string, there bool) {
	if len(f.runs) >= maxKnown {
		clear(f.runs)
	}
	f.runs[id] = there
}

// data brings in the values of a record: all of them, or none and the reason.
func (f *fold) data(r *record.Record) (why string, err error) {
	run := r.Text(record.RunID)
	if there, err := f.isRun(run); err != nil || !there {
		return "values of unit run " + strconv.Quote(run) + ", of which no record is there", err
	}
	begun := len(f.values)
	for i, text := range r.Texts(record.RunData) {
		v, ok := parseValue(text)
		if !ok {
			f.values = f.values[:begun]
			return fmt.Sprintf("value %d is not ns, tag, value and quality: %.80q", i, text), nil
		}
		v.Run, v.Seq, v.N = run, r.Seq(), int64(i)
		f.values = append(f.values, v)
	}
	if len(f.values) >= valuesKept {
		err = f.flush()
	}
	return "", err
}

// flush brings in the values that wait.
func (f *fold) flush() error {
	if len(f.values) == 0 {
		return nil
	}
	err := f.p.bulk(f.ctx, f.conn, f.tx, f.journal, f.values)
	f.values = f.values[:0]
	return err
}
