// Tables of states: their form, and what makes one dense and refuses one that breaks what a list relies on.

package jobs

import (
	"fmt"
	"math/bits"
)

// arc leads to a state at each cue of a set.
type arc struct {
	on cue
	to State
	do acts
}

// row is all that a table says of a state. Each cue of the table stands in its arcs, or is calm: accepted, and nothing happens,
// or is refused.
type row struct {
	at            State
	name          string
	class         Class
	arcs          []arc
	calm, refused cue
}

// cell is what a cue comes to in a state.
type cell struct {
	to State
	do acts
	ok bool
}

// state is a row as it is looked up.
type state struct {
	row   *row
	cells [cueCount]cell
}

// lookup gives the state of a number.
type lookup [2 * setup]*state

// of gives the state of a number, nil where that is none.
func (l *lookup) of(at State) *state {
	if int(at) < len(l) {
		return l[at]
	}
	return nil
}

// states are both tables in dense form, errStates what is wrong with them: then there is no state, and nothing is allowed; a test
// sees to it.
var states, errStates = bothTables()

func bothTables() (*lookup, error) {
	all := &lookup{}
	for _, t := range []*table{&productionTable, &setupTable} {
		if err := t.dense(all); err != nil {
			return &lookup{}, err
		}
	}
	return all, nil
}

// next gives the state to which a cue leads and what is to be done on the way. What is accepted without consequence leaves the
// state and has no acts; what is refused leaves it and is not ok.
func next(at State, c cue) (to State, do acts, ok bool) {
	s := states.of(at)
	if i := bits.TrailingZeros32(uint32(c)); s != nil && i < cueCount && c == 1<<i && s.cells[i].ok {
		return s.cells[i].to, s.cells[i].do, true
	}
	return at, 0, false
}

// table is the life of a kind of job: its first row is where it begins, its last is where it ends.
type table struct {
	name string
	cues cue // what it speaks of
	rows []row
}

// dense checks a table and adds its states to what is looked up.
func (t *table) dense(made *lookup) error {
	for i := range t.rows {
		r := &t.rows[i]
		if int(r.at) >= len(made) || made[r.at] != nil || r.name == "" || r.class > ClassCompleted {
			return fmt.Errorf("jobs: %s state %d %s: stands twice, or has no name, class or number", t.name, r.at, r.name)
		}
		s := &state{row: r}
		if err := t.fill(s); err != nil {
			return err
		}
		made[r.at] = s
	}
	for i := range t.rows {
		for _, a := range t.rows[i].arcs {
			if made.of(a.to) == nil {
				return fmt.Errorf("jobs: %s %s at %s: leads to %d, which is no state of it", t.name, t.rows[i].name, a.on, a.to)
			}
		}
	}
	for _, err := range []error{t.reached(), t.ends(), t.promises(made)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// fill makes the cells of a row: each cue stands in it once.
func (t *table) fill(s *state) error {
	r, seen := s.row, cue(0)
	take := func(set cue, c cell) error {
		if twice := seen & set; twice != 0 {
			return fmt.Errorf("jobs: %s %s: %s stands twice", t.name, r.name, twice)
		}
		if set == 0 && c != (cell{}) || set&^t.cues != 0 {
			return fmt.Errorf("jobs: %s %s: %s is no cue of it", t.name, r.name, set&^t.cues)
		}
		for seen |= set; set != 0; set &= set - 1 {
			s.cells[bits.TrailingZeros32(uint32(set))] = c
		}
		return nil
	}
	for _, a := range r.arcs {
		if a.to == r.at && a.do == 0 {
			return fmt.Errorf("jobs: %s %s at %s: leads to itself and does nothing; call it calm", t.name, r.name, a.on)
		}
		if err := take(a.on, cell{a.to, a.do, true}); err != nil {
			return err
		}
	}
	if r.calm != 0 {
		if err := take(r.calm, cell{r.at, 0, true}); err != nil {
			return err
		}
	}
	if err := take(r.refused, cell{}); err != nil {
		return err
	}
	if left := t.cues &^ seen; left != 0 {
		return fmt.Errorf("jobs: %s %s: nothing is said of %s", t.name, r.name, left)
	}
	return nil
}

// reached refuses a state that no way leads to.
func (t *table) reached() error {
	at := map[State]bool{t.rows[0].at: true}
	for range t.rows {
		for i := range t.rows {
			for _, a := range t.rows[i].arcs {
				at[a.to] = at[a.to] || at[t.rows[i].at]
			}
		}
	}
	for i := range t.rows {
		if !at[t.rows[i].at] {
			return fmt.Errorf("jobs: %s %s: no way leads to it", t.name, t.rows[i].name)
		}
	}
	return nil
}

// ends refuses a state from which no way leads to the last row.
func (t *table) ends() error {
	over := map[State]bool{t.rows[len(t.rows)-1].at: true}
	for range t.rows {
		for i := range t.rows {
			for _, a := range t.rows[i].arcs {
				over[t.rows[i].at] = over[t.rows[i].at] || over[a.to]
			}
		}
	}
	for i := range t.rows {
		if !over[t.rows[i].at] {
			return fmt.Errorf("jobs: %s %s: no way leads from it to the end", t.name, t.rows[i].name)
		}
	}
	return nil
}

// promises refuses a table that breaks what a list relies on.
func (t *table) promises(made *lookup) error {
	for i := range t.rows {
		r := &t.rows[i]
		end := i == len(t.rows)-1
		cells := func(set cue, wrong func(c cell) bool) bool {
			for ; set != 0; set &= set - 1 {
				if wrong(made[r.at].cells[bits.TrailingZeros32(uint32(set))]) {
					return true
				}
			}
			return false
		}
		moves := func(c cell) bool { return c.ok && c.to != r.at }
		why := ""
		switch {
		case end != (r.class == ClassCompleted) || end && len(r.arcs) > 0:
			why = "only the last state is Completed, and nothing leads out of it"
		case r.refused&(anyNotice|anyOutcome|anyContent) != 0:
			why = "a notice cannot be refused"
		case !end && cells(anyAbort|anyInterrupt|anyLoad, func(c cell) bool { return !c.ok }):
			why = "abort, interrupt and load are possible in every state but the last"
		case cells(anyLoad, func(c cell) bool {
			return moves(c) && made[c.to].row.class != ClassIdle && made[c.to].row.class != ClassCompleted
		}):
			why = "load leads to a state that is not at rest"
		case t.name == "production" && r.class == ClassIdle && cells(anyInterrupt, moves):
			why = "what is idle is at rest: an interrupt leaves it"
		case cells(cueStart|cueStartAsk, func(c cell) bool { return moves(c) && r.class != ClassWaiting && r.at != JobSuspended }):
			why = "only what waits is started"
		case (r.class == ClassIdle) != cells(cueReady, moves):
			why = "what is idle can be accepted, and only that"
		default:
			continue
		}
		return fmt.Errorf("jobs: %s %s: %s", t.name, r.name, why)
	}
	return nil
}
