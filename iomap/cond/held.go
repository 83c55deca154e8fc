// This file holds Held: how far a stable or an elapsed has come.

package cond

// Held returns for how many ns a stable has kept within its band, or the clock of an elapsed has run, at monotonic time at; ok is
// false where neither has begun.
func (m *Cell) Held(at int64) (ns int64, ok bool) {
	switch m.State {
	case runs:
		return m.age(at), true
	case halted:
		return m.Since, true
	}
	return 0, false
}
