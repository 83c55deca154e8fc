// What tests see of a guard besides its notices.

package iomap

// Alarm tells where alarm k stands, told or not.
func (g *Guard) Alarm(k int) AlarmState { return g.stands(k) }
