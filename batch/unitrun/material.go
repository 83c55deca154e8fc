// Material: where it is, what it was made of, and which runs it belongs to.

package unitrun

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Life is how a material stands.
type Life uint8

// The lives of a material.
const (
	MaterialCreated Life = iota // it is known, and at no unit
	MaterialPresent             // it is in a unit
	MaterialExited              // it has left the plant, or has gone into another material
)

var lifeNames = [...]string{"created", "present", "exited"}

// String is the word of a life.
func (l Life) String() string { return word(lifeNames[:], int(l)) }

// MarshalText implements encoding.TextMarshaler.
func (l Life) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Life) UnmarshalText(text []byte) error {
	i := slices.Index(lifeNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%w: life %.40q is not known", ErrEvent, text)
	}
	*l = Life(i)
	return nil
}

// Visit is one place in the trace of a material.
type Visit struct {
	No      uint32 `json:"no"`             // counts from 1
	Unit    string `json:"unit,omitempty"` // "": outside
	Arrived int64  `json:"arrived,omitempty"`
	Left    int64  `json:"left,omitempty"` // UTC in ns since 1970; 0: it is there still, or that is not known
	Invalid bool   `json:"invalid,omitempty"`
}

// Line is that a material was made of another one.
type Line struct {
	Of      string `json:"of"`
	Visit   uint32 `json:"visit"` // of that one, during which it was
	Invalid bool   `json:"invalid,omitempty"`
}

// material is one piece or lot.
type material struct {
	id       string
	serial   uint64
	life     Life
	test     bool
	unit     *unit // where it is present
	arrival  uint64
	trace    []Visit // valid ones are the way that it came, the last of them where it is or exited from
	visits   uint32
	splits   uint32
	parents  []Line
	children []string
	runs     []*run // that are tracked
}

// before finds the place in a trace of the last valid visit that is earlier than place i, -1 where there is none.
func (m *material) before(i int) int {
	for i--; i >= 0 && m.trace[i].Invalid; i-- {
	}
	return i
}

// here is the visit under way, or the last one of a material that has exited.
func (m *material) here() *Visit { return &m.trace[m.before(len(m.trace))] }

// visit adds a place to the trace. Where that is full it drops the oldest that is invalid, or else the oldest.
func (m *material) visit(unit string, now int64) {
	if len(m.trace) >= MaxTrace {
		i := max(0, slices.IndexFunc(m.trace, func(v Visit) bool { return v.Invalid }))
		m.trace = slices.Delete(m.trace, i, i+1)
	}
	m.visits++
	m.trace = append(m.trace, Visit{No: m.visits, Unit: unit, Arrived: now})
}

// effect is the beginning of what is said of a material where it is, or was last.
func (m *material) effect(kind EffectKind) Effect {
	e := Effect{Kind: kind, Material: m.id, Test: m.test, Visit: m.here().No}
	if m.unit != nil {
		e.Unit = m.unit.id
	}
	return e
}

// where says where a material is.
func (m *material) where() string {
	switch {
	case m.life == MaterialExited:
		return "has exited"
	case m.unit == nil:
		return "is at no unit"
	}
	return "is in unit " + m.unit.id
}

// add makes a material known.
func (t *Tracker) add(id string, test bool) *material {
	t.serial++
	m := &material{id: id, serial: t.serial, test: test}
	t.mats[id] = m
	t.list = append(t.list, m)
	return m
}

// room refuses more materials than a tracker takes.
func (t *Tracker) room(n int) string {
	if len(t.list)-len(t.gone)+n > MaxMaterials {
		return fmt.Sprintf("%d materials are known; let some exit", len(t.list)-len(t.gone))
	}
	return ""
}

// forget drops the oldest that has exited where there are too many.
func (t *Tracker) forget() {
	for len(t.gone) > MaxExited {
		m := t.gone[0]
		t.gone[0], t.gone = nil, t.gone[1:]
		delete(t.mats, m.id)
		k, _ := slices.BinarySearchFunc(t.list, m.serial, func(m *material, n uint64) int { return cmp.Compare(m.serial, n) })
		t.list = slices.Delete(t.list, k, k+1)
	}
}

// put has a material in a unit, and links it to the runs that are tracked there.
func (t *Tracker) put(m *material, u *unit, do EventKind, fx []Effect) []Effect {
	t.arrival++
	m.life, m.unit, m.arrival = MaterialPresent, u, t.arrival
	u.inside = append(u.inside, m)
	for _, s := range u.slots {
		if s.run != nil && (s.run.state != Paused || !s.run.opt.PausedOff) {
			fx = s.run.link(m, do, fx)
		}
	}
	return fx
}

// take takes a material out of the unit that it is in.
func (m *material) take() {
	if u := m.unit; u != nil {
		i, _ := slices.BinarySearchFunc(u.inside, m.arrival, func(m *material, n uint64) int { return cmp.Compare(m.arrival, n) })
		u.inside = slices.Delete(u.inside, i, i+1)
		m.unit = nil
	}
}

// link has a material belong to a run, once. One that was taken back from where it was linked, and has come again, is linked where it is now: a
// cancel of the run takes it back from there.
func (r *run) link(m *material, do EventKind, fx []Effect) []Effect {
	if slices.Contains(m.runs, r) {
		l := &r.links[slices.IndexFunc(r.links, func(l link) bool { return l.m == m })]
		if i := m.place(l.visit); i < 0 || !m.trace[i].Invalid {
			return fx
		}
		l.visit, l.splits = m.here().No, m.splits
		return append(fx, r.linked(m))
	}
	if len(r.links) >= MaxLinks {
		r.short = true
		e := r.refused(do, fmt.Sprintf("it has %d materials, and %s is not linked to it; it cannot be canceled for restart any more", MaxLinks, m.id))
		e.Material = m.id
		return append(fx, e)
	}
	r.links = append(r.links, link{m.id, m, m.here().No, m.splits})
	m.runs = append(m.runs, r)
	e := r.linked(m)
	fx = append(fx, e)
	if r.test && !m.test {
		m.test = true
		mark := m.effect(TestMarked)
		mark.Run = e.Run
		fx = append(fx, mark)
	}
	return fx
}

// linked says that a material belongs to a run since it is where it is.
func (r *run) linked(m *material) Effect {
	e := r.effect(Linked)
	e.Material, e.Visit = m.id, m.here().No
	return e
}

// arrive takes in a material from outside, or makes it known.
func (t *Tracker) arrive(e *Event, fx []Effect) []Effect {
	m, u := t.mats[e.Material], t.unitOf[e.Unit]
	known := m != nil
	switch full := t.room(1); {
	case e.Kind == Arrive && u == nil:
		return append(fx, refusal(e, "no such unit is known; configure it first"))
	case known && e.Kind == Register:
		return append(fx, refusal(e, "it is known, and "+m.where()+"; give another name"))
	case known && m.life == MaterialExited:
		return append(fx, refusal(e, "it has exited; regenerate it where it was, or give another name"))
	case known && m.life == MaterialPresent:
		return append(fx, refusal(e, "it "+m.where()+"; move it"))
	case !known && full != "":
		return append(fx, refusal(e, full))
	case !known:
		m = t.add(e.Material, e.Test)
		m.visit("", t.now)
	}
	if e.Kind == Register {
		return append(fx, m.effect(Registered))
	}
	m.test = m.test || e.Test
	m.here().Left = t.now
	m.visit(u.id, t.now)
	m.unit = u
	return t.put(m, u, Arrive, append(fx, m.effect(Arrived)))
}

// present finds a material that is in a unit; where it is not, why says so.
func (t *Tracker) present(id string) (m *material, why string) {
	switch m = t.mats[id]; {
	case m == nil:
		return nil, fmt.Sprintf("material %s is not known; let it arrive first", id)
	case m.unit == nil:
		return nil, fmt.Sprintf("material %s %s", id, m.where())
	}
	return m, ""
}

// move takes a material to another unit.
func (t *Tracker) move(e *Event, fx []Effect) []Effect {
	m, why := t.present(e.Material)
	u := t.unitOf[e.Unit]
	switch {
	case why != "":
		return append(fx, refusal(e, why+"; what is in a unit can be moved"))
	case u == nil:
		return append(fx, refusal(e, "no such unit is known; configure it first"))
	case u == m.unit:
		return append(fx, refusal(e, "it is there already; name another unit"))
	}
	from := m.unit.id
	m.take()
	m.here().Left = t.now
	m.visit(u.id, t.now)
	m.unit = u
	moved := m.effect(Moved)
	moved.From = from
	return t.put(m, u, Move, append(fx, moved))
}

// exit lets a material leave the plant.
func (t *Tracker) exit(e *Event, fx []Effect) []Effect {
	m, why := t.present(e.Material)
	if why != "" {
		return append(fx, refusal(e, why+"; what is in a unit can exit"))
	}
	left := m.effect(Exited)
	left.From, left.Unit = left.Unit, ""
	fx = append(fx, left)
	t.leave(m)
	t.forget()
	return fx
}

// leave takes a material out of the plant.
func (t *Tracker) leave(m *material) {
	m.take()
	m.here().Left = t.now
	m.life = MaterialExited
	t.part(m)
}

// part has a material be one that is forgotten in time, once it has exited and belongs to no tracked run.
func (t *Tracker) part(m *material) {
	if m.life == MaterialExited && len(m.runs) == 0 {
		t.gone = append(t.gone, m)
	}
}

// split makes new materials of one, where it is. They came the way that it came.
func (t *Tracker) split(e *Event, fx []Effect) []Effect {
	m, why := t.present(e.Material)
	if why == "" && len(m.children)+len(e.Materials) > MaxLines {
		why = fmt.Sprintf("material %s was split into %d already", m.id, len(m.children))
	}
	for _, id := range e.Materials {
		if why == "" && t.mats[id] != nil {
			why = fmt.Sprintf("material %s is known; give another name", id)
		}
	}
	if why == "" {
		why = t.room(len(e.Materials))
	}
	if why != "" {
		return append(fx, refusal(e, why))
	}
	m.splits++
	for _, id := range e.Materials {
		c := t.add(id, m.test)
		c.inherit(m)
		c.parents = []Line{{Of: m.id, Visit: m.here().No}}
		m.children = append(m.children, id)
		c.unit = m.unit
		off := c.effect(SplitOff)
		off.Other = m.id
		fx = t.put(c, m.unit, Split, append(fx, off))
	}
	return fx
}

// inherit gives a new material the way that another one came.
func (m *material) inherit(of *material) {
	for _, v := range of.trace {
		if !v.Invalid {
			m.visits++
			v.No = m.visits
			m.trace = append(m.trace, v)
		}
	}
}

// merge makes a new material of others in one unit, which exit into it. It came the way that they came where that is the same, else it begins here.
func (t *Tracker) merge(e *Event, fx []Effect) []Effect {
	of := make([]*material, 0, len(e.Materials))
	why := ""
	if t.mats[e.Material] != nil {
		why = fmt.Sprintf("material %s is known; give another name", e.Material)
	}
	for _, id := range e.Materials {
		m, missing := t.present(id)
		switch {
		case why != "":
		case missing != "":
			why = missing
		case len(of) > 0 && of[0].unit != m.unit:
			why = fmt.Sprintf("materials %s and %s are in different units; move them together first", of[0].id, m.id)
		case len(m.children) >= MaxLines:
			why = fmt.Sprintf("material %s was split into %d already", m.id, len(m.children))
		}
		of = append(of, m)
	}
	if why != "" {
		return append(fx, refusal(e, why))
	}
	u, made := of[0].unit, t.add(e.Material, false)
	for _, m := range of {
		made.test = made.test || m.test
		made.parents = append(made.parents, Line{Of: m.id, Visit: m.here().No})
		m.children = append(m.children, made.id)
	}
	if made.inherit(of[0]); slices.ContainsFunc(of, func(m *material) bool { return !sameWay(made, m) }) {
		made.trace, made.visits = nil, 0
		made.visit(u.id, t.now)
	}
	for _, m := range of {
		into := m.effect(Merging)
		into.Other, into.From, into.Unit = made.id, u.id, ""
		fx = append(fx, into)
		t.leave(m)
	}
	made.unit = u
	fx = t.put(made, u, Merge, append(fx, made.effect(Merged)))
	t.forget()
	return fx
}

// sameWay tells whether two materials came to where they are by the same units.
func sameWay(m, n *material) bool {
	i, k := m.before(len(m.trace)), n.before(len(n.trace))
	for i >= 0 && k >= 0 && m.trace[i].Unit == n.trace[k].Unit {
		i, k = m.before(i), n.before(k)
	}
	return i < 0 && k < 0
}

// count says how many there are of something.
func count(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return strconv.Itoa(n) + " " + of
}
