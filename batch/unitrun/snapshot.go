// A tracker as bytes, so that it need not be folded from the first event.

package unitrun

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// SnapshotForm is the form of what Snapshot writes. Restore takes no other.
const SnapshotForm = 1

// ErrSnapshot: bytes that no Snapshot wrote.
var ErrSnapshot = errors.New("unitrun: no snapshot")

// state is a tracker, in the order in which it is written.
type state struct {
	Form      int             `json:"form"`
	Last      uint64          `json:"last"`
	Serial    uint64          `json:"serial"`
	Arrival   uint64          `json:"arrival"`
	Config    Config          `json:"config"`
	Slots     []slotState     `json:"slots,omitempty"` // by unit and definition, as all slots
	Levels    []levelState    `json:"levels,omitempty"`
	Materials []materialState `json:"materials,omitempty"`
	Gone      []string        `json:"gone,omitempty"`
	Runs      []runState      `json:"runs,omitempty"`
	Past      []uint64        `json:"past,omitempty"`
}

// slotState is what a slot has beside its options; they are written where it is leaving, since no configuration has them.
type slotState struct {
	Unit       string `json:"unit"`
	Definition string `json:"definition"`
	Leaving    *Slot  `json:"leaving,omitempty"`
	Count      uint64 `json:"count,omitempty"`
}

type levelState struct {
	Tag  string `json:"tag"`
	Bad  bool   `json:"bad,omitempty"`
	High bool   `json:"high,omitempty"`
	Text string `json:"text,omitempty"`
}

type materialState struct {
	ID       string   `json:"id"`
	Serial   uint64   `json:"serial"`
	Life     Life     `json:"life"`
	Test     bool     `json:"test,omitempty"`
	Unit     string   `json:"unit,omitempty"`
	Arrival  uint64   `json:"arrival,omitempty"`
	Trace    []Visit  `json:"trace"`
	Visits   uint32   `json:"visits"`
	Splits   uint32   `json:"splits,omitempty"`
	Parents  []Line   `json:"parents,omitempty"`
	Children []string `json:"children,omitempty"`
}

type runState struct {
	Number     uint64      `json:"run"`
	Unit       string      `json:"unit"`
	Definition string      `json:"definition"`
	Ident      string      `json:"ident"`
	Process    string      `json:"process,omitempty"`
	State      Status      `json:"state"`
	Created    int64       `json:"created,omitempty"`
	Started    int64       `json:"started,omitempty"`
	Ended      int64       `json:"ended,omitempty"`
	Test       bool        `json:"test,omitempty"`
	Post       bool        `json:"post,omitempty"`
	Options    *Slot       `json:"options,omitempty"` // of a tracked run, where its slot has others now
	Links      []linkState `json:"links,omitempty"`
	Short      bool        `json:"short,omitempty"`
}

type linkState struct {
	ID     string `json:"id"`
	Visit  uint32 `json:"visit,omitempty"` // of a tracked run
	Splits uint32 `json:"splits,omitempty"`
}

// Snapshot appends the whole state to dst. A tracker that Restore makes of it behaves as this one.
func (t *Tracker) Snapshot(dst []byte) ([]byte, error) {
	text, err := json.Marshal(t.state())
	if err != nil {
		return dst, fmt.Errorf("unitrun: the tracker cannot be written: %w", err)
	}
	return append(dst, text...), nil
}

func (t *Tracker) state() *state {
	s := &state{Form: SnapshotForm, Last: t.last, Serial: t.serial, Arrival: t.arrival, Config: t.Config()}
	for _, u := range t.units {
		for _, p := range u.slots {
			q := slotState{Unit: u.id, Definition: p.opt.Definition, Count: p.count}
			if p.leaving {
				q.Leaving = p.opt
			}
			s.Slots = append(s.Slots, q)
			for _, tag := range p.opt.Ports.all() {
				if l, ok := t.levels[tag]; ok && !p.leaving {
					s.Levels = append(s.Levels, levelState{tag, l.grade == bad, l.high, l.text})
				}
			}
		}
	}
	slices.SortFunc(s.Levels, func(a, b levelState) int { return cmp.Compare(a.Tag, b.Tag) })
	s.Levels = slices.CompactFunc(s.Levels, func(a, b levelState) bool { return a.Tag == b.Tag })
	for _, m := range t.list {
		q := materialState{m.id, m.serial, m.life, m.test, "", 0, m.trace, m.visits, m.splits, m.parents, m.children}
		if m.unit != nil {
			q.Unit, q.Arrival = m.unit.id, m.arrival
		}
		s.Materials = append(s.Materials, q)
	}
	for _, m := range t.gone {
		s.Gone = append(s.Gone, m.id)
	}
	for _, r := range t.runs {
		s.Runs = append(s.Runs, r.save())
	}
	for _, r := range t.past {
		s.Past = append(s.Past, r.number)
	}
	return s
}

func (r *run) save() runState {
	q := runState{Number: r.number, Unit: r.unit, Definition: r.definition, Ident: r.ident, Process: r.process, State: r.state.Status(),
		Created: r.created, Started: r.started, Ended: r.finally, Test: r.test, Post: r.post, Short: r.short}
	if r.slot != nil && !r.opt.same(r.slot.opt) {
		q.Options = r.opt
	}
	for _, l := range r.links {
		k := linkState{ID: l.id}
		if r.slot != nil {
			k.Visit, k.Splits = l.visit, l.splits
		}
		q.Links = append(q.Links, k)
	}
	return q
}

// Restore makes a tracker of what Snapshot wrote. What it did not write is ErrSnapshot.
func Restore(text []byte) (*Tracker, error) {
	var s state
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if s.Form != SnapshotForm {
		return nil, fmt.Errorf("%w: form %d, and this build has form %d; fold the events from the first", ErrSnapshot, s.Form, SnapshotForm)
	}
	t := NewTracker()
	if err := t.load(&s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if again, err := t.Snapshot(nil); err != nil || !bytes.Equal(again, text) {
		return nil, fmt.Errorf("%w: it is not written as a snapshot is", ErrSnapshot)
	}
	return t, nil
}

func (t *Tracker) load(s *state) error {
	t.last, t.serial, t.arrival = s.Last, s.Serial, s.Arrival
	if err := t.loadSlots(s); err != nil {
		return err
	}
	if err := t.loadMaterials(s); err != nil {
		return err
	}
	for i := range s.Runs {
		if err := t.loadRun(&s.Runs[i]); err != nil {
			return fmt.Errorf("run %d: %w", s.Runs[i].Number, err)
		}
	}
	if err := cmp.Or(t.loadGone(s.Gone), t.loadPast(s.Past)); err != nil {
		return err
	}
	for _, u := range t.units {
		for _, p := range u.slots {
			if p.leaving && p.run == nil {
				return fmt.Errorf("unit %s: definition %s is leaving, and has no run", u.id, p.opt.Definition)
			}
		}
	}
	return nil
}

// loadSlots reads the configuration, and what slots have beside it.
func (t *Tracker) loadSlots(s *state) error {
	if err := cmp.Or(s.Config.checkEach(), t.checkConfig(&s.Config)); err != nil {
		return err
	}
	t.configure(&Event{Kind: Configure, Config: &s.Config}, nil)
	for i := range s.Slots {
		q := &s.Slots[i]
		u := t.unitOf[q.Unit]
		if u == nil {
			return fmt.Errorf("unit %s is not there", q.Unit)
		}
		p := u.slot(q.Definition)
		switch {
		case q.Leaving != nil && (p != nil || q.Leaving.check() != nil || q.Leaving.Definition != q.Definition):
			return fmt.Errorf("unit %s: definition %s is leaving and is not", q.Unit, q.Definition)
		case q.Leaving == nil && p == nil:
			return fmt.Errorf("unit %s: definition %s is not there", q.Unit, q.Definition)
		case p == nil:
			p = &slot{unit: u, opt: q.Leaving, leaving: true}
			k, _ := slices.BinarySearchFunc(u.slots, q.Definition, func(s *slot, name string) int { return cmp.Compare(s.opt.Definition, name) })
			u.slots = slices.Insert(u.slots, k, p)
			t.slots++
		}
		p.count = q.Count
	}
	t.wire()
	for _, l := range s.Levels {
		if len(t.ports[l.Tag]) == 0 || len(l.Text) > MaxText {
			return fmt.Errorf("level %q is none of a port", l.Tag)
		}
		t.levels[l.Tag] = level{good, l.High, l.Text}
		if l.Bad {
			t.levels[l.Tag] = level{grade: bad}
		}
	}
	return nil
}

// loadMaterials reads materials, and puts them where they are.
func (t *Tracker) loadMaterials(s *state) error {
	var inside []*material
	for i := range s.Materials {
		q := &s.Materials[i]
		m := &material{q.ID, q.Serial, q.Life, q.Test, t.unitOf[q.Unit], q.Arrival, q.Trace, q.Visits, q.Splits, q.Parents, q.Children, nil}
		valid := slices.ContainsFunc(m.trace, func(v Visit) bool { return !v.Invalid })
		order := slices.IsSortedFunc(m.trace, func(a, b Visit) int { return cmp.Compare(a.No, b.No) })
		switch {
		case t.mats[m.id] != nil || m.id == "" || len(m.id) > MaxText || m.serial == 0 || m.serial > t.serial,
			i > 0 && s.Materials[i-1].Serial >= m.serial, m.arrival > t.arrival, len(m.children) > MaxLines*2, len(m.trace) > MaxTrace,
			!valid || !order || m.trace[len(m.trace)-1].No > m.visits || m.life > MaterialExited,
			(m.life == MaterialPresent) != (m.unit != nil), m.unit == nil && q.Unit != "",
			m.life == MaterialPresent && m.here().Unit != q.Unit:
			return fmt.Errorf("material %q is not in order", m.id)
		}
		t.mats[m.id] = m
		t.list = append(t.list, m)
		if m.unit != nil {
			inside = append(inside, m)
		}
	}
	slices.SortStableFunc(inside, func(a, b *material) int { return cmp.Compare(a.arrival, b.arrival) })
	for i, m := range inside {
		if i > 0 && inside[i-1].arrival == m.arrival {
			return fmt.Errorf("materials %q and %q arrived as one", inside[i-1].id, m.id)
		}
		m.unit.inside = append(m.unit.inside, m)
	}
	return nil
}

// loadGone reads the order of those that have exited and belong to no tracked run.
func (t *Tracker) loadGone(names []string) error {
	waits := map[string]bool{}
	for _, m := range t.list {
		if m.life == MaterialExited && len(m.runs) == 0 {
			waits[m.id] = true
		}
	}
	for _, id := range names {
		if !waits[id] {
			return fmt.Errorf("material %q has not exited, belongs to a run, or is named twice", id)
		}
		delete(waits, id)
		t.gone = append(t.gone, t.mats[id])
	}
	if len(waits) > 0 || len(t.gone) > MaxExited {
		return errors.New("not all materials that have exited are named, or too many")
	}
	return nil
}

// loadRun reads a run, and puts it into its slot where it is tracked.
func (t *Tracker) loadRun(q *runState) error {
	s, odd := q.State.State()
	r := &run{number: q.Number, unit: q.Unit, definition: q.Definition, ident: q.Ident, process: q.Process, state: s, created: q.Created, started: q.Started,
		finally: q.Ended, test: q.Test, post: q.Post, short: q.Short}
	if odd != "" || s == Idle || r.number == 0 || r.number > t.last || len(t.runs) > 0 && t.runs[len(t.runs)-1].number >= r.number {
		return errors.New("its state or its number is not in order")
	}
	t.runs = append(t.runs, r)
	if s.Tracked() {
		u := t.unitOf[r.unit]
		if u == nil || u.slot(r.definition) == nil || u.slot(r.definition).run != nil {
			return errors.New("its slot is not there, or has another run")
		}
		r.slot = u.slot(r.definition)
		if r.slot.run, r.opt = r, r.slot.opt; q.Options != nil {
			if err := q.Options.check(); err != nil {
				return err
			}
			r.opt = q.Options
		}
	}
	for _, l := range q.Links {
		k := link{id: l.ID, visit: l.Visit, splits: l.Splits}
		if r.slot != nil {
			if k.m = t.mats[l.ID]; k.m == nil || slices.Contains(k.m.runs, r) {
				return fmt.Errorf("material %q is not there, or linked twice", l.ID)
			}
			k.m.runs = append(k.m.runs, r)
		}
		r.links = append(r.links, k)
	}
	if s == Ready && r.post {
		t.ready++
	}
	return nil
}

// loadPast reads in which order runs came to be over.
func (t *Tracker) loadPast(numbers []uint64) error {
	waits := map[uint64]*run{}
	for _, r := range t.runs {
		if r.over() {
			waits[r.number] = r
		}
	}
	for _, n := range numbers {
		if waits[n] == nil {
			return fmt.Errorf("run %d is not over, or named twice", n)
		}
		t.past = append(t.past, waits[n])
		delete(waits, n)
	}
	if len(waits) > 0 || len(t.past) > MaxOver {
		return errors.New("not all runs that are over are named, or too many")
	}
	return nil
}
