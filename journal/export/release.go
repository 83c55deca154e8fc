// Releases: what a journal may give up by a policy, and the record that has it given up.

package export

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Policy says when records may go.
type Policy struct {
	// Sinks must all have acknowledged them; one at least.
	Sinks []string
	// Age is how old they must be by their own UTC. Records of which no UTC is known stay.
	Age time.Duration
}

// String gives the policy as records have it.
func (p *Policy) String() string {
	return fmt.Sprintf("acknowledged by all of %s, and older than %s", strings.Join(p.Sinks, ", "), p.Age)
}

// Ack is what one sink has acknowledged of the journal in question: Status.Acked.
type Ack struct {
	Sink string
	At   journal.Chain
}

// String gives it as records have it.
func (a Ack) String() string { return fmt.Sprintf("%s=%d %s", a.Sink, a.At.N, a.At.Link) }

// Least returns the acknowledgement that reaches least far of those that the policy wants, or says which is lacking.
func (p *Policy) Least(acks []Ack) (least Ack, lacks string) {
	if len(p.Sinks) == 0 || p.Age < 0 {
		return least, "the policy names no sink, or an age below 0"
	}
	for i, name := range p.Sinks {
		at := slices.IndexFunc(acks, func(a Ack) bool { return a.Sink == name })
		if at < 0 || acks[at].At.N == 0 {
			return least, fmt.Sprintf("sink %q has acknowledged nothing", name)
		}
		if i == 0 || acks[at].At.N < least.At.N {
			least = acks[at]
		}
	}
	return least, ""
}

// Plan is what a journal may give up.
type Plan struct {
	// Through is the chain after the last record that may go; zero where none may.
	Through journal.Chain
	// Why says what keeps the record after it, in words.
	Why string
	// Unfinished is the record of a release that may have been cut off before its segments were removed; 0 where there is none.
	Unfinished uint64

	policy Policy
	acks   []Ack
	before uint64
	tree   journal.Tree
	id     string
}

// Releasable reads a journal and tells what it may give up: whole segments, not the one in use, whose records are all acknowledged by
// every sink of the policy, older than its age at the time now (ns since 1970 UTC), and before the record floor, which and all behind
// it stay; 0 is no floor. An acknowledgement that is not of this chain is refused with ErrCursor, a damaged journal with ErrJournal.
func Releasable(src Source, p *Policy, acks []Ack, now int64, floor uint64) (*Plan, error) {
	opt := &journal.Options{Storage: src.Storage}
	id, before, ends, err := journal.Begin(src.Dir, opt)
	if err != nil {
		return nil, err
	}
	rec, err := journal.Scan(src.Dir, nil, opt)
	if err != nil {
		return nil, err
	}
	if rec.Outcome != journal.Clean && rec.Outcome != journal.TornTail {
		return nil, fmt.Errorf("%w: it is %s: %s", ErrJournal, rec.Outcome, rec.Reason)
	}
	plan := &Plan{policy: *p, acks: slices.Clone(acks), before: before.N, id: id, tree: rec.Released.Tree}
	if rec.Released.Through.N > before.N {
		plan.Unfinished = rec.Released.Record
	}
	least, lacks := p.Least(acks)
	if plan.Why = lacks; lacks != "" {
		return plan, nil
	}
	s := scout{plan: plan, limit: least.At.N, young: now - int64(p.Age), ends: ends}
	plan.Why = fmt.Sprintf("sink %q has acknowledged records up to %d", least.Sink, least.At.N)
	if floor > 0 && floor-1 < s.limit {
		s.limit, plan.Why = floor-1, fmt.Sprintf("record %d and those behind it are still needed here", floor)
	}
	s.tree = rec.Released.Tree
	if _, err := journal.Scan(src.Dir, s.see, opt); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return plan, nil
}

// scout reads a journal as far as it may be given up.
type scout struct {
	plan  *Plan
	limit uint64
	young int64 // what is as late as this stays
	ends  []journal.Chain
	tree  journal.Tree
	known bool // a record of this segment has its UTC
	kept  bool // what follows stays; acknowledgements are still held against the chain
}

func (s *scout) see(seq uint64, body []byte, c journal.Chain) error {
	for _, a := range s.plan.acks {
		if a.At.N == c.N && a.At.Link != c.Link {
			return fmt.Errorf("%w: sink %q acknowledged record %d with another link", ErrCursor, a.Sink, c.N)
		}
	}
	if s.kept || len(s.ends) == 0 {
		return nil
	}
	if seq > s.limit {
		s.kept = true
		return nil
	}
	r, err := record.Parse(body)
	if err == nil && r.Has(record.TsUTC) {
		s.known = true
		if r.Time(record.TsUTC) > s.young {
			s.kept, s.plan.Why = true, fmt.Sprintf("record %d is younger than %s", seq, s.plan.policy.Age)
			return nil
		}
	}
	if seq > s.tree.Size() {
		s.tree.Add(journal.Leaf(body))
	}
	for len(s.ends) > 0 && s.ends[0].N < seq {
		s.ends = s.ends[1:]
	}
	if len(s.ends) == 0 || s.ends[0].N != seq {
		return nil
	}
	if !s.known {
		s.kept, s.plan.Why = true, fmt.Sprintf("of the records before %d no UTC is known", seq+1)
		return nil
	}
	if s.known = false; s.tree.Size() == seq {
		s.plan.Through, s.plan.tree = c, s.tree
	}
	if len(s.ends) == 1 {
		s.plan.Why = fmt.Sprintf("record %d is in the segment in use", seq+1)
	}
	return nil
}

// Give has the journal of w give up what is planned: first the record, by log, which must write into that journal, and when it is
// durable the removal. It returns how many segments were removed, those of a release that was cut off included. A cut at any point
// is made good by the next Releasable and Give.
func (p *Plan) Give(w *journal.Writer, log record.Log, actor, reason string) (removed int, err error) {
	if p.Unfinished != 0 {
		if removed, err = w.Release(p.Unfinished); err != nil {
			return removed, err
		}
	}
	if p.Through.N == 0 {
		return removed, nil
	}
	if actor == "" || reason == "" {
		return removed, errors.New("export: a release needs the name of who has it done, and why")
	}
	seq, err := log.Append(p.fill(actor, reason))
	if err != nil {
		return removed, fmt.Errorf("export: nothing was released: %w", err)
	}
	n, err := w.Release(seq)
	return removed + n, err
}

// fill makes the record.
func (p *Plan) fill(actor, reason string) func(b *record.Body) {
	var peaks []string
	for _, h := range p.tree.Peaks() {
		peaks = append(peaks, h.String())
	}
	return func(b *record.Body) {
		b.Begin(record.KindRecordsReleased)
		b.Text(record.Actor, actor)
		b.Text(record.ChangeReason, reason)
		b.Count(record.OldValue, p.before+1)
		b.Count(record.NewValue, p.Through.N+1)
		b.Text(record.ImpactScope, fmt.Sprintf("records %d to %d of journal %s", p.before+1, p.Through.N, p.id))
		b.Text(record.Policy, p.policy.String())
		b.Texts(record.Sinks, Acks(p.acks))
		b.Count(record.HeadSize, p.Through.N)
		b.Text(record.HeadLink, p.Through.Link.String())
		b.Texts(record.TreePeaks, peaks)
	}
}

// Acks gives acknowledgements as records have them.
func Acks(acks []Ack) []string {
	texts := make([]string, len(acks))
	for i, a := range acks {
		texts[i] = a.String()
	}
	return texts
}
