// The whole state of a list as bytes, and back.

package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrSnapshot: bytes that are no snapshot of a list.
var ErrSnapshot = errors.New("jobs: no snapshot of a list")

// listState is a list, in the order in which it is written. What can be told from the rest is not in it.
type listState struct {
	Prefix  string        `json:"prefix,omitempty"`
	Rules   Rules         `json:"rules"`
	Halted  bool          `json:"halted,omitempty"`
	Avail   bool          `json:"available,omitempty"`
	Job     uint64        `json:"job"`
	Group   uint64        `json:"group"`
	Turn    uint64        `json:"turn"`
	Recipes []recipeState `json:"recipes,omitempty"`
	Groups  []groupState  `json:"groups,omitempty"`
	Jobs    []jobState    `json:"jobs,omitempty"`
	Remains []jobState    `json:"remains,omitempty"`
}

type recipeState struct {
	Info       RecipeInfo `json:"info"`
	Known      bool       `json:"known,omitempty"`
	Asked      bool       `json:"asked,omitempty"`
	Generation uint64     `json:"generation,omitempty"`
}

type groupState struct {
	ID         string `json:"id"`
	Recipe     int    `json:"recipe"` // its place among recipes
	Generation uint64 `json:"generation"`
	Slot       string `json:"slot"`
	Turn       uint64 `json:"turn"`
	Lead       bool   `json:"lead,omitempty"`
	Prepared   bool   `json:"prepared,omitempty"`
	Closed     bool   `json:"closed,omitempty"`
	Cleaned    bool   `json:"cleaned,omitempty"`
	Begun      bool   `json:"begun,omitempty"`
	Broken     bool   `json:"broken,omitempty"`
}

type jobState struct {
	ID     string         `json:"id"`
	Serial uint64         `json:"serial"`
	Kind   JobKind        `json:"kind"`
	Order  Order          `json:"order"`
	Recipe int            `json:"recipe"`
	State  State          `json:"state"`
	Group  int            `json:"group,omitempty"` // its place among groups, from 1
	Aside  string         `json:"aside,omitempty"`
	Hold   hold           `json:"hold,omitempty"`
	Made   int64          `json:"made,omitempty"`
	Counts Counts         `json:"counts"`
	Open   []processState `json:"open,omitempty"`
	Steps  []Step         `json:"steps,omitempty"`
	Off    []string       `json:"off,omitempty"`
	Sort   int            `json:"sort,omitempty"`
	Tries  int            `json:"tries,omitempty"`
	Failed bool           `json:"failed,omitempty"`
}

type processState struct {
	ID     string `json:"id"`
	No     int64  `json:"no"`
	Step   int    `json:"step,omitempty"`
	Stage  Stage  `json:"stage"`
	Do     Do     `json:"do"`
	Begun  bool   `json:"begun,omitempty"`
	Absent bool   `json:"absent,omitempty"`
	Unsaid bool   `json:"unsaid,omitempty"`
	Byself bool   `json:"byself,omitempty"`
}

// Snapshot appends the whole state to dst. A list that is given it by Restore behaves as this one.
func (l *List) Snapshot(dst []byte) []byte {
	s := listState{Prefix: l.prefix, Rules: l.rules, Halted: l.halted, Avail: l.avail, Job: l.jobNo, Group: l.groupNo, Turn: l.turn}
	recipes, groups := make(map[*recipe]int, len(l.recipes)), make(map[*group]int, len(l.groups))
	for i, r := range l.recipes {
		recipes[r] = i
		s.Recipes = append(s.Recipes, recipeState{r.info, r.known, r.asked, r.generation})
	}
	for i, g := range l.groups {
		groups[g] = i + 1
		s.Groups = append(s.Groups, groupState{g.id, recipes[g.rec], g.generation, g.slot, g.turn, l.lead == g, g.prepared, g.closed, g.cleaned,
			g.begun, g.broken})
	}
	save := func(j *job) jobState {
		q := jobState{ID: j.id, Serial: j.serial, Kind: j.kind, Order: j.order, Recipe: recipes[j.rec], State: j.state, Group: groups[j.group],
			Aside: j.aside, Hold: j.hold, Made: j.made, Counts: j.counts, Steps: j.steps, Off: j.off, Sort: j.sort, Tries: j.tries, Failed: j.failed}
		for _, p := range j.open {
			q.Open = append(q.Open, processState{p.id, p.no, p.step, p.stage, p.do, p.begun, p.absent, p.unsaid, p.byself})
		}
		return q
	}
	for j := l.order.first; j != nil; j = j.next {
		s.Jobs = append(s.Jobs, save(j))
	}
	for _, j := range l.remains {
		s.Remains = append(s.Remains, save(j))
	}
	text, err := json.Marshal(&s)
	if err != nil {
		panic("jobs: a list cannot be written: " + err.Error()) // there is nothing in it that could not
	}
	return append(dst, text...)
}

// Restore takes in what Snapshot wrote of a list of the same prefix, and nothing else; after an error, which is ErrSnapshot, the list is as it was.
func (l *List) Restore(src []byte) error {
	var s listState
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if s.Prefix != l.prefix { // its ids would be those of another board
		return fmt.Errorf("%w: it is of a list with the prefix %.40q, and this one has %.40q", ErrSnapshot, s.Prefix, l.prefix)
	}
	read := NewList(s.Prefix)
	read.rules, read.halted, read.avail, read.jobNo, read.groupNo, read.turn = s.Rules, s.Halted, s.Avail, s.Job, s.Group, s.Turn
	if err := read.fill(&s); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if !bytes.Equal(read.Snapshot(nil), src) {
		return fmt.Errorf("%w: it is not written as Snapshot writes it", ErrSnapshot)
	}
	*l = *read
	return nil
}

// fill makes a list of what was written.
func (l *List) fill(s *listState) error {
	if err := l.rules.check(); err != nil {
		return err
	}
	for _, q := range s.Recipes {
		name := recipeName{q.Info.Provider, q.Info.Recipe}
		if l.byName[name] != nil {
			return fmt.Errorf("recipe %s stands twice", q.Info.Recipe)
		}
		r := l.recipe(name)
		r.info, r.known, r.asked, r.generation = q.Info, q.Known, q.Asked, q.Generation
	}
	for _, q := range s.Groups {
		if q.Recipe < 0 || q.Recipe >= len(l.recipes) {
			return fmt.Errorf("group %s is of recipe %d, which is not there", q.ID, q.Recipe)
		}
		g := &group{id: q.ID, rec: l.recipes[q.Recipe], generation: q.Generation, slot: q.Slot, turn: q.Turn, members: tree{set: inGroup},
			waiting: tree{set: waiting}, resumed: tree{set: resumed}, prepared: q.Prepared, closed: q.Closed, cleaned: q.Cleaned, begun: q.Begun, broken: q.Broken}
		l.groups = append(l.groups, g)
		if q.Lead {
			l.lead = g
		}
	}
	for i := range s.Jobs {
		j, err := l.loadJob(&s.Jobs[i])
		if err != nil {
			return err
		}
		l.order.put(l.order.last, j)
		l.jobs[j.id] = j
		if err := l.loadPlace(j, s.Jobs[i].Group); err != nil {
			return err
		}
	}
	for i := range s.Remains {
		j, err := l.loadJob(&s.Remains[i])
		if err != nil {
			return err
		}
		j.gone = true
		l.remains = append(l.remains, j)
	}
	for _, r := range l.recipes {
		l.refresh(r)
		r.dirty = false
	}
	l.dirty = nil
	return nil
}

// loadJob makes one job of what was written.
func (l *List) loadJob(q *jobState) (*job, error) {
	switch {
	case l.jobs[q.ID] != nil:
		return nil, fmt.Errorf("job %s stands twice", q.ID)
	case q.Recipe < 0 || q.Recipe >= len(l.recipes):
		return nil, fmt.Errorf("job %s is of recipe %d, which is not there", q.ID, q.Recipe)
	case !q.State.Known() || (q.Kind == Production) != (q.State < setup) || q.Kind < Production || q.Kind > CleanUp || q.Hold >= holdCount:
		return nil, fmt.Errorf("job %s is %s, which is no state of a %s", q.ID, q.State, q.Kind)
	}
	j := &job{id: q.ID, serial: q.Serial, kind: q.Kind, order: q.Order, rec: l.recipes[q.Recipe], state: q.State, aside: q.Aside, hold: q.Hold,
		made: q.Made, counts: q.Counts, steps: q.Steps, off: q.Off, sort: q.Sort, tries: q.Tries, failed: q.Failed}
	for _, o := range q.Open {
		if l.procs[o.ID] != nil {
			return nil, fmt.Errorf("process %s stands twice", o.ID)
		}
		p := &process{id: o.ID, no: o.No, job: j, step: o.Step, stage: o.Stage, do: o.Do, begun: o.Begun, absent: o.Absent, unsaid: o.Unsaid, byself: o.Byself}
		if o.Step < 0 {
			return nil, fmt.Errorf("process %s is of step %d", o.ID, o.Step)
		}
		l.procs[p.id] = p
		j.open = append(j.open, p)
	}
	return j, nil
}

// loadPlace puts a job that was written into the sets and the group where it belongs.
func (l *List) loadPlace(j *job, at int) error {
	if at < 0 || at > len(l.groups) || at == 0 && j.kind != Production {
		return fmt.Errorf("job %s is of group %d, which is not there", j.id, at)
	}
	if at > 0 {
		j.group = l.groups[at-1]
	}
	g := j.group
	switch {
	case j.kind == Prepare && g.prepare == nil:
		g.prepare = j
	case j.kind == CleanUp && g.cleanUp == nil:
		g.cleanUp = j
	case j.kind != Production:
		return fmt.Errorf("group %s has two set-up jobs of one kind", g.id)
	}
	if j.kind != Production {
		return nil
	}
	j.rec.jobs.insert(j)
	if j.aside == "" && (g != nil || j.hold != resting) {
		l.play.insert(j)
		if g == nil && j.state == JobInitial {
			j.rec.idle.insert(j)
		}
	}
	if g != nil {
		g.members.insert(j)
		l.recount(j)
		g.line(j, !l.halted)
	}
	return nil
}
