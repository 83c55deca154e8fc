// What stands in a production_input: one event of the list or of the unit runs, or a deed of the engine, as a line.

package production

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
)

// What an input is for: object_kind of its record.
const (
	forJobs  = "jobs"      // the list, package jobs
	forRuns  = "unit_runs" // the unit runs, package unitrun
	forDeeds = "engine"    // nobody decides by it: a deed
	forPart  = "part"      // a piece of a line that has no room in one record: "2/3 jobs ...", the pieces in their order
)

// Limits of a line.
const (
	maxPiece = 24 << 10 // bytes of a line in one record, in which each quote takes two
	maxParts = 700      // records of one line
)

// input is what is about to be taken.
type input struct {
	kind                        string
	line                        []byte
	actor, role, reason         string
	job, process, run, material string
}

// fills are the records of an input: one, or more where the line is too long for it. The last of them is the one that decisions name.
func (in *input) fills() ([]func(b *record.Body), error) {
	if len(in.line) <= maxPiece {
		return []func(b *record.Body){func(b *record.Body) { in.fill(b, in.kind, string(in.line)) }}, nil
	}
	n := (len(in.line) + maxPiece - 1) / maxPiece
	if n > maxParts {
		return nil, fmt.Errorf("it has %d bytes; at most %d are taken at a time", len(in.line), maxParts*maxPiece)
	}
	list := make([]func(b *record.Body), 0, n)
	for i, rest := 1, in.line; len(rest) > 0; i++ {
		at := min(len(rest), maxPiece)
		for at < len(rest) && rest[at]&0xC0 == 0x80 { // in the middle of a character
			at--
		}
		piece := fmt.Sprintf("%d/%d %s %s", i, n+1, in.kind, rest[:at]) // a piece less than its size may make one more
		if rest = rest[at:]; len(rest) == 0 {
			piece = fmt.Sprintf("%d/%d %s %s", i, i, in.kind, in.line[len(in.line)-at:])
		}
		list = append(list, func(b *record.Body) { in.fill(b, forPart, piece) })
	}
	return list, nil
}

func (in *input) fill(b *record.Body, kind, operation string) {
	b.Begin(record.KindProductionInput)
	b.Text(record.ObjectKind, kind)
	b.Text(record.Operation, operation)
	some(b, record.Actor, in.actor)
	some(b, record.OperatorRole, in.role)
	some(b, record.ChangeReason, in.reason)
	some(b, record.JobID, in.job)
	some(b, record.ProcessID, in.process)
	some(b, record.RunID, in.run)
	some(b, record.MaterialID, in.material)
}

// pieces puts lines together again.
type pieces struct {
	kind string
	next int
	line []byte
}

// take gives the line of an input, nil while pieces of it are missing. Pieces that do not follow on each other are those of an input that was cut off: nothing
// came of it.
func (p *pieces) take(r *record.Record) (kind string, line []byte) {
	kind, text := r.Text(record.ObjectKind), r.Text(record.Operation)
	if kind != forPart {
		*p = pieces{}
		return kind, []byte(text)
	}
	number, rest, _ := strings.Cut(text, " ")
	kind, piece, ok := strings.Cut(rest, " ")
	at, all, _ := strings.Cut(number, "/")
	i, err1 := strconv.Atoi(at)
	n, err2 := strconv.Atoi(all)
	if !ok || err1 != nil || err2 != nil || i < 1 || i > n || n > maxParts+1 {
		*p = pieces{}
		return forPart, []byte(text) // which nobody can read
	}
	if i == 1 {
		*p = pieces{kind: strings.Clone(kind), next: 1} // the record is gone when the next piece comes
	}
	if i != p.next || kind != p.kind {
		*p = pieces{}
		return forPart, []byte(text)
	}
	p.line, p.next = append(p.line, piece...), p.next+1
	if i < n {
		return "", nil
	}
	line = p.line
	*p = pieces{}
	return kind, line
}

// The deeds.
const (
	didTakeUp  = "take up"   // a batch was Lost, and is taken up where it was
	didGoOn    = "go on"     // what was taken up runs again, or rests as it did
	didLeave   = "leave"     // a batch was Lost, and is left so: Detail says why
	didSetup   = "set up"    // what a set-up has to do was found out by Setup, and Content follows
	didGive    = "give"      // an article was taken by product management
	didCommand = "command"   // a person has ordered something of a process: Detail
	didAside   = "set aside" // input Seq cannot be read: Detail. The rest goes on without it
	didDiverge = "diverge"   // decision Seq comes out differently now: Detail
	didFail    = "fail"      // an order cannot be carried out yet: Detail. It is tried on
	didEngine  = "engine"    // from here on engine number Seq decides, for a list whose ids begin with Detail
	didKeep    = "keep"      // what the ledger has come to up to record Seq is kept in a file with the digest Detail
	didFeed    = "feed"      // the store cannot be fed, or can be again: Detail
)

// atRest is the Seq of a didTakeUp of what a person had rest before it was Lost.
const atRest = 1

// deed is what the engine did, or what it could not do, which neither the list nor the unit runs decide.
type deed struct {
	Did     string     `json:"did"`
	Process string     `json:"process,omitempty"`
	Job     string     `json:"job,omitempty"`
	Seq     uint64     `json:"seq,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	Setup   *setupSaid `json:"setup,omitempty"`
}

// setupSaid is what the steps of a set-up follow from, by jobs.Setup.
type setupSaid struct {
	Recipe   string         `json:"recipe"`
	Kind     jobs.JobKind   `json:"kind"`
	Triggers []jobs.Trigger `json:"triggers,omitempty"` // that are about it
	Has      []string       `json:"has,omitempty"`      // capabilities of them that were there
}

// steps are the steps that follow.
func (s *setupSaid) steps() []jobs.Step {
	return jobs.Setup(s.Triggers, s.Recipe, s.Kind, func(c string) bool { return slices.Contains(s.Has, c) })
}

func (d *deed) line() []byte {
	d.Detail = short(d.Detail)
	line, err := json.Marshal(d)
	if err != nil { // it has texts and a number
		return []byte(`{"did":"` + didFail + `"}`)
	}
	return line
}

// parseDeed reads what line wrote.
func parseDeed(line []byte) (d deed, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&d); err == nil && dec.InputOffset() != int64(len(line)) {
		err = errors.New("more stands behind it")
	}
	if err == nil && d.Did == "" {
		err = errors.New("it says of nothing that it was done")
	}
	return d, err
}

// maxDetail is how many bytes of what others say go on record.
const maxDetail = 1000

// short cuts a text that others have said to what goes on record.
func short(s string) string { return cutTo(s, maxDetail) }

// cutTo cuts a text to so many bytes.
func cutTo(s string, most int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-3], "") + "..."
}
