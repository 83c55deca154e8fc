// The running interlocks of a map: verdicts over its image, latches, and what gates they keep shut.

package iomap

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// Status is where an interlock stands. In every status but Permits it blocks.
type Status uint8

// The statuses.
const (
	Permits      Status = iota
	Unsettled           // a trip that was violated at the boot and whose violation has not lasted for its time yet
	NotPermitted        // a permissive whose condition is not true
	Tripped             // a trip whose condition holds
	Latched             // a trip whose condition holds no more, and that nobody has reset
)

// AlarmState is where an alarm stands, as ISA-18.2 names it.
type AlarmState uint8

// The states of an alarm. The bits tell whether what raised it lasts, and whether somebody is still to acknowledge it.
const (
	AlarmNormal         AlarmState = 0
	AlarmAcknowledged   AlarmState = active
	AlarmReturned       AlarmState = unseen // returned to normal, unacknowledged
	AlarmUnacknowledged AlarmState = active | unseen

	active, unseen = 1, 2
)

// String gives the name that records use.
func (a AlarmState) String() string {
	return [...]string{"normal", "acknowledged", "returned_unacknowledged", "unacknowledged"}[a&3]
}

// NoticeKind is the kind of a Notice.
type NoticeKind uint8

// The notices of a Guard.
const (
	RawEdge         NoticeKind = iota + 1 // a raw truth changed: Index counts interlocks first, alarms after them
	InterlockDecide                       // interlock Index: From, To
	AlarmDecide                           // alarm Index: Was, Is, Edge
)

// Notice is one consequence of a step of a Guard.
type Notice struct {
	Kind     NoticeKind
	Index    int
	From, To Status
	Was, Is  AlarmState
	Edge     AlarmEdge
	Edges    int64 // InterlockDecide: raw edges since its last decision, this one's left out. AlarmDecide: times it was raised or cleared untold
}

// interlock is the state of one interlock, of fixed size.
type interlock struct {
	Verdict cond.Verdict
	Shown   uint8 // status last told
	Latched bool
	Edges   uint32
}

// guardRoot is the state of the whole, of fixed size.
type guardRoot struct {
	Begun bool // a boot has shown the plant
}

// Guard runs the interlocks and alarms of a map over its image. It is a pure machine: same images at the same times, same
// notices. A tick for debounce, votes and delays comes through Wake, as any other does.
type Guard struct {
	m      *Map
	r      guardRoot
	il     []interlock
	al     []alarm
	cells  []cond.Cell
	place  []int32   // by owner: where its cells begin; one more for the end
	users  [][]int32 // by tag: owners whose conditions name it
	todo   []bool    // by owner: to be looked at in this step
	any    anyFault  // in this step
	timers *timebase.Queue
}

// NewGuard makes the guard of a map whose plant has not been seen yet. Until Boot nothing blocks, trips or is raised.
func NewGuard(m *Map) *Guard {
	n := len(m.Interlocks) + len(m.Alarms)
	g := &Guard{m: m, il: make([]interlock, len(m.Interlocks)), al: make([]alarm, len(m.Alarms)), place: make([]int32, n+1),
		users: make([][]int32, len(m.Tags)), todo: make([]bool, n), timers: timebase.NewQueue(n)}
	for i := range n {
		c, used := g.when(i)
		g.place[i+1] = g.place[i] + int32(c.Cells())
		for _, id := range used {
			g.users[id] = append(g.users[id], int32(i))
		}
	}
	g.cells = make([]cond.Cell, g.place[n])
	return g
}

// when is the condition of an owner: interlocks first, alarms after them.
func (g *Guard) when(i int) (cond.Cond, []tag.ID) {
	if k := i - len(g.il); k >= 0 {
		return g.m.Alarms[k].When, g.m.Alarms[k].Used
	}
	return g.m.Interlocks[i].When, g.m.Interlocks[i].Used
}

func (g *Guard) mem(i int) []cond.Cell { return g.cells[g.place[i]:g.place[i+1]] }

// Wake returns the monotonic time of the next Step that is due, or timebase.Never.
func (g *Guard) Wake() int64 {
	due, _ := g.timers.Next()
	return due
}

// Status tells where interlock i stands.
func (g *Guard) Status(i int) Status {
	s := &g.il[i]
	switch blocks := s.Verdict.True || s.Verdict.Doubt; {
	case g.m.Interlocks[i].Kind == PermissiveKind && blocks:
		return NotPermitted
	case s.Verdict.True:
		return Tripped
	case s.Latched:
		return Latched
	case blocks:
		return Unsettled
	}
	return Permits
}

// Blocks tells whether interlock i keeps its gates shut.
func (g *Guard) Blocks(i int) bool { return g.Status(i) != Permits }

// Raw tells whether interlock i is violated, before and after debounce.
func (g *Guard) Raw(i int) (raw, debounced bool) {
	v := &g.il[i].Verdict
	return v.Raw, v.Debounced
}

// Decisive is the tag that made the condition of interlock i, or of alarm i - len(Interlocks), what it is; tag.None where it
// has none.
func (g *Guard) Decisive(i int, img cond.Image, at int64) tag.ID {
	c, _ := g.when(i)
	if leaf := c.Decisive(img, at, g.mem(i)); leaf >= 0 && c[leaf].Op >= cond.Eq {
		return c[leaf].Tag
	}
	return tag.None
}

// Boot takes the plant as it was found at monotonic time at. What was seen before is forgotten, but for latches and alarms: a violation
// that is found blocks from now on, and trips when it has lasted for its time.
func (g *Guard) Boot(at int64, img cond.Image, out []Notice) []Notice {
	g.r.Begun = true
	for i := range g.todo {
		c, _ := g.when(i)
		c.Begin(at, g.mem(i))
		g.todo[i] = true
		if i >= len(g.il) {
			continue
		}
		s, d := &g.il[i], &g.m.Interlocks[i]
		if raw := d.Kind.violated(c.Eval(img, at, g.mem(i))); raw && !s.Verdict.True {
			d.Filter.Begin(at, true, &s.Verdict)
			out = append(out, Notice{Kind: RawEdge, Index: i})
		}
	}
	return g.work(at, img, out)
}

// Step takes in what has changed in the image at monotonic time at, and what came due up to then. It allocates nothing once out is
// large enough. Before the first Boot it does nothing.
func (g *Guard) Step(at int64, img cond.Image, changed []Effect, out []Notice) []Notice {
	if !g.r.Begun || len(g.todo) == 0 {
		return out
	}
	found := false
	for due, i := g.timers.Next(); i >= 0 && due <= at; due, i = g.timers.Next() {
		g.timers.Clear(i)
		g.todo[i], found = true, true
	}
	for k := range changed {
		for _, i := range g.users[changed[k].Tag] {
			g.todo[i], found = true, true
		}
		if changed[k].Kind == QualityChanged && g.quality(changed[k].Tag) {
			found = true
		}
	}
	if !found {
		return out
	}
	return g.work(at, img, out)
}

// work looks at all that is to be looked at: interlocks in the order of the map, then alarms.
func (g *Guard) work(at int64, img cond.Image, out []Notice) []Notice {
	g.any = anyFault{}
	for i := range g.todo {
		if !g.todo[i] {
			continue
		}
		g.todo[i] = false
		if i < len(g.il) {
			out = g.look(at, img, i, out)
		} else {
			out = g.lookAlarm(at, img, i-len(g.il), out)
		}
	}
	return out
}

// look steps one interlock.
func (g *Guard) look(at int64, img cond.Image, i int, out []Notice) []Notice {
	s, d := &g.il[i], &g.m.Interlocks[i]
	raw := d.Kind.violated(d.When.Eval(img, at, g.mem(i)))
	if raw != s.Verdict.Raw {
		s.Edges = min(s.Edges, 1<<31) + 1
		out = append(out, Notice{Kind: RawEdge, Index: i})
	}
	rose := d.Filter.Step(at, raw, &s.Verdict)
	s.Latched = s.Latched || d.Latch && rose
	if rose && !g.Blocks(i) { // it was true for a while, and nobody asked then
		out = g.tell(i, g.trips(i), out)
	}
	g.timers.Set(i, min(d.Filter.Wake(&s.Verdict), d.When.Wake(at, g.mem(i))))
	return g.tell(i, g.Status(i), out)
}

// trips is the status of an interlock that is violated.
func (g *Guard) trips(i int) Status {
	if g.m.Interlocks[i].Kind == PermissiveKind {
		return NotPermitted
	}
	return Tripped
}

// tell tells a change of an interlock's status.
func (g *Guard) tell(i int, to Status, out []Notice) []Notice {
	s := &g.il[i]
	from := Status(s.Shown)
	if from == to {
		return out
	}
	n := Notice{Kind: InterlockDecide, Index: i, From: from, To: to, Edges: max(int64(s.Edges)-1, 0)}
	s.Shown, s.Edges = uint8(to), 0
	for k := range g.al {
		if a := &g.m.Alarms[k]; a.Fault == FaultInterlock && (a.Interlock < 0 || a.Interlock == i) {
			g.todo[len(g.il)+k] = true
		}
	}
	return append(out, n)
}

// Reset resets the latch of interlock i at monotonic time at. Refused says why it may not be; where it is empty and nothing was
// told, there was nothing to reset.
func (g *Guard) Reset(at int64, img cond.Image, i int, out []Notice) (_ []Notice, refused string) {
	s, d := &g.il[i], &g.m.Interlocks[i]
	switch status := g.Status(i); {
	case d.Kind == SafetyTripKind:
		return out, "the PLC reports it: clear it at the PLC, and this follows"
	case status == Permits:
		return out, ""
	case d.Kind == PermissiveKind:
		return out, "a permissive does not latch: it permits when its condition is true"
	case status != Latched || s.Verdict.Debounced:
		return out, "its violation lasts: " + d.Text
	}
	s.Latched = false
	return g.work(at, img, g.tell(i, g.Status(i), out)), ""
}
