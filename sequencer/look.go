// Which phases a step looks at: those that something has happened to. To look at any other changes nothing.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// index says which actions ask for what. It follows from the program and never changes, since a program that is
// adopted has the same form.
type index struct {
	elem   []int32 // by action: its phase or logic
	tags   lists   // by tag: the actions whose end hangs on it
	sets   lists   // by output: the actions that set it
	takers lists   // by message: those that receive it
}

// lists are lists of actions, one behind the other.
type lists struct {
	from []int32
	all  []int32
}

func (l *lists) of(n int) []int32 {
	if n < 0 || n+1 >= len(l.from) {
		return nil
	}
	return l.all[l.from[n]:l.from[n+1]]
}

// gather makes lists of pairs, which come in the order of their actions.
func gather(pairs [][2]int32) (l lists) {
	most := int32(-1)
	for _, p := range pairs {
		most = max(most, p[0])
	}
	l.from = make([]int32, most+2)
	for _, p := range pairs {
		l.from[p[0]+1]++
	}
	for i := range most + 1 {
		l.from[i+1] += l.from[i]
	}
	l.all = make([]int32, len(pairs))
	at := append([]int32(nil), l.from...)
	for _, p := range pairs {
		l.all[at[p[0]]] = p[1]
		at[p[0]]++
	}
	return l
}

func newIndex(p *Program) (x index) {
	x.elem = make([]int32, len(p.Actions))
	for e := range p.Elems {
		for i := p.Elems[e].First; i < p.Elems[e].First+p.Elems[e].Count; i++ {
			x.elem[i] = int32(e)
		}
	}
	var tags, sets, takers [][2]int32
	read := func(i int, c cond.Cond) {
		for k := range c {
			if c[k].Op >= cond.Eq && c[k].Op != cond.Elapsed {
				tags = append(tags, [2]int32{int32(c[k].Tag), int32(i)})
			}
		}
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		read(i, a.Cond)
		switch a.Kind {
		case recipe.Choose:
			for _, c := range p.Choices[a.First : a.First+a.Count] {
				read(i, c.Cond)
			}
		case recipe.VerifyStable:
			tags = append(tags, [2]int32{int32(a.Tag), int32(i)})
		case recipe.WaitTotal, recipe.Jog:
			tags = append(tags, [2]int32{int32(p.Windows[a.Window].Source), int32(i)})
		case recipe.Receive:
			takers = append(takers, [2]int32{int32(a.Line), int32(i)})
		}
		for k := a.First; a.Sets() && k < a.First+a.Count; k++ {
			sets = append(sets, [2]int32{int32(p.Sets[k].Output), int32(i)})
		}
	}
	x.tags, x.sets, x.takers = gather(tags), gather(sets), gather(takers)
	return x
}

// Touch says that View may show another value, quality or total of a tag, which the next Changed or Tick takes in; [tag.None], that
// anything may be another.
func (m *Machine) Touch(id tag.ID) {
	if id == tag.None {
		m.all = true
		return
	}
	m.lookAt(m.x.tags.of(int(id)))
}

// lookAt looks at the phases that are at one of some actions.
func (m *Machine) lookAt(actions []int32) {
	for _, i := range actions {
		e := int(m.x.elem[i])
		if s := &m.el[e]; s.Waiting && m.p.Elems[e].First+int(s.PC) == int(i) {
			m.look(e)
		}
	}
}

// look looks at a phase, or at that of a logic.
func (m *Machine) look(e int) {
	if m.p.Elems[e].Logic {
		e = m.p.Elems[e].Parent
	}
	if m.p.Elems[e].Phase {
		m.looks.add(e)
	}
}

// confirmed looks at whoever may go on now that a device has answered for an output: those that set it, who had set it and begins anew,
// and those that wait for equipment of somebody who was stopped.
func (m *Machine) confirmed(o int) {
	m.lookAt(m.x.sets.of(o))
	m.parted(o)
	m.lookParts(o)
	m.freed()
}

// parted looks at the phase that has answered for an output so far, if it waits for it to be safe.
func (m *Machine) parted(o int) {
	if p := int(m.out[o].Owner); m.el[p].Anew {
		m.look(p)
	}
}

// freed looks at those that wait for equipment.
func (m *Machine) freed() {
	m.loose = true
	for p := m.queue.next(0); p >= 0; p = m.queue.next(p + 1) {
		m.look(p)
	}
}

// nextLook returns the first phase from one on that is to be looked at and is active, -1 where there is none.
func (m *Machine) nextLook(from int) int {
	if m.all {
		return m.active.next(from)
	}
	for p := m.looks.next(from); p >= 0; p = m.looks.next(p + 1) {
		if m.looks.remove(p); m.active.has(p) {
			return p
		}
	}
	return -1
}
