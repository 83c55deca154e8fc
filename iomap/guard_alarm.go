// The running alarms of a map: raised, cleared, acknowledged, and told no more often than somebody can read.

package iomap

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// AlarmEdge is what has become of an alarm.
type AlarmEdge uint8

// The edges of an alarm.
const (
	Raised AlarmEdge = iota
	Cleared
	Acknowledged
)

// String gives the name that records use.
func (e AlarmEdge) String() string {
	return [...]string{"raised", "cleared", "acknowledged"}[min(e, Acknowledged)]
}

// AlarmGap is the time in ns for which an alarm that is raised and cleared, and that nobody has acknowledged since, waits with what it
// has to tell; each time twice as long, up to AlarmGap << 6. What happened meanwhile is counted. Whatever makes an alarm
// unacknowledged that was not, and whatever a person does, is told at once.
const AlarmGap = 1_000_000_000

const maxOften = 6

// alarm is the state of one alarm, of fixed size.
type alarm struct {
	Verdict cond.Verdict
	Told    uint8 // state last told
	Often   uint8 // how often in a row it was told soon after it was told before
	Unseen  bool  // nobody has acknowledged it since it was raised last
	Fault   bool  // a fault lasts that package batch knows of
	At      int64 // when it was told last
	Edges   uint32
}

// stands tells where alarm k stands.
func (g *Guard) stands(k int) AlarmState {
	s := &g.al[k]
	state := AlarmNormal
	if s.Verdict.True {
		state |= active
	}
	if s.Unseen {
		state |= unseen
	}
	return state
}

// quality marks the alarms that look at the quality of a tag.
func (g *Guard) quality(id tag.ID) (found bool) {
	for k := range g.al {
		if a := &g.m.Alarms[k]; a.Fault == FaultQuality && (a.Of == tag.None || a.Of == id) {
			g.todo[len(g.il)+k], found = true, true
		}
	}
	return found
}

// Fault tells alarm k, whose class of faults is one that a map cannot see, whether such a fault lasts.
func (g *Guard) Fault(at int64, img cond.Image, k int, lasts bool, out []Notice) []Notice {
	if s := &g.al[k]; g.r.Begun && s.Fault != lasts {
		s.Fault = lasts
		return g.lookAlarm(at, img, k, out)
	}
	return out
}

// raw tells whether what raises an alarm is there. While a condition is STALE or BAD nobody can tell: it stays as it is.
func (g *Guard) raw(at int64, img cond.Image, k int) bool {
	s, a := &g.al[k], &g.m.Alarms[k]
	switch a.Fault {
	case FaultQuality:
		if a.Of != tag.None {
			_, q := img.Read(a.Of, at)
			return q != tag.Good
		}
		return g.anyTag(at, img)
	case FaultInterlock:
		if a.Interlock >= 0 {
			return g.tripped(a.Interlock)
		}
		return g.anyInterlock()
	case FaultOutput, FaultTimeout, FaultSafeState:
		return s.Fault
	}
	t := a.When.Eval(img, at, g.mem(len(g.il)+k))
	return t == cond.True || t != cond.False && s.Verdict.Raw
}

// anyFault is what alarms of any tag, or of any interlock, ask for: it is looked for once in a step, however many ask.
type anyFault struct {
	Tags, Interlocks bool // was looked for
	Tag, Interlock   bool // a tag that becomes STALE is not GOOD; an interlock has tripped or is latched
}

func (g *Guard) anyTag(at int64, img cond.Image) bool {
	f := &g.any
	for id := 0; !f.Tags && !f.Tag && id < len(g.m.Tags); id++ {
		if g.m.Tags[id].StaleAfter > 0 {
			_, q := img.Read(tag.ID(id), at)
			f.Tag = q != tag.Good
		}
	}
	f.Tags = true
	return f.Tag
}

func (g *Guard) anyInterlock() bool {
	f := &g.any
	for i := 0; !f.Interlocks && !f.Interlock && i < len(g.il); i++ {
		f.Interlock = g.tripped(i)
	}
	f.Interlocks = true
	return f.Interlock
}

// tripped tells whether an interlock has tripped, or is latched.
func (g *Guard) tripped(i int) bool {
	s := g.Status(i)
	return s == Tripped || s == Latched
}

// lookAlarm steps one alarm.
func (g *Guard) lookAlarm(at int64, img cond.Image, k int, out []Notice) []Notice {
	s, a, i := &g.al[k], &g.m.Alarms[k], len(g.il)+k
	raw := g.raw(at, img, k)
	if raw != s.Verdict.Raw {
		out = append(out, Notice{Kind: RawEdge, Index: i})
	}
	was := s.Verdict.True
	rose := a.Filter.Step(at, raw, &s.Verdict)
	if rose {
		s.Unseen = true
		s.Edges = min(s.Edges, 1<<31) + 1
	}
	if rose && !s.Verdict.True || was && !s.Verdict.True {
		s.Edges = min(s.Edges, 1<<31) + 1
	}
	wake := min(a.Filter.Wake(&s.Verdict), a.When.Wake(at, g.mem(i)))
	if s.Edges > 0 {
		if due := s.at(g.stands(k)); due > at {
			wake = min(wake, due)
		} else {
			out = g.tellAlarm(at, k, Raised, out)
		}
	}
	g.timers.Set(i, wake)
	return out
}

// at is when a state may be told that follows on the one that was told last.
func (s *alarm) at(state AlarmState) int64 {
	if s.Told&unseen == 0 || state&unseen == 0 {
		return 0
	}
	return s.At + AlarmGap<<s.Often
}

// tellAlarm tells where an alarm stands; edge is Acknowledged where a person has acknowledged it.
func (g *Guard) tellAlarm(at int64, k int, edge AlarmEdge, out []Notice) []Notice {
	s := &g.al[k]
	n := Notice{Kind: AlarmDecide, Index: k, Was: AlarmState(s.Told), Is: g.stands(k), Edge: edge, Edges: int64(s.Edges)}
	if edge != Acknowledged {
		if n.Edge = Raised; n.Is&active == 0 {
			n.Edge = Cleared
		}
		n.Edges = max(n.Edges-1, 0)
	}
	switch {
	case edge == Acknowledged:
		s.Often = 0
	case n.Was&unseen != 0 && at < s.At+2*AlarmGap<<s.Often:
		s.Often = min(s.Often+1, maxOften)
	default:
		s.Often = 0
	}
	s.Told, s.At, s.Edges = uint8(n.Is), at, 0
	return append(out, n)
}

// Acknowledge acknowledges alarm k at monotonic time at; ok is false where there was nothing to acknowledge.
func (g *Guard) Acknowledge(at int64, k int, out []Notice) (_ []Notice, ok bool) {
	s := &g.al[k]
	if !s.Unseen {
		return out, false
	}
	s.Unseen = false
	out = g.tellAlarm(at, k, Acknowledged, out)
	a := &g.m.Alarms[k]
	g.timers.Set(len(g.il)+k, min(a.Filter.Wake(&s.Verdict), a.When.Wake(at, g.mem(len(g.il)+k)), timebase.Never))
	return out, true
}
