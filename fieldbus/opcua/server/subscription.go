// Subscriptions: stub until those of the space stand.

package server

// subscriptions are those of one session. The zero value has none.
type subscriptions struct{}

// end ends them all; it is called once, when the session ends.
func (s *subscriptions) end() {}

// count gives how many there are, and how many items they monitor.
func (s *subscriptions) count() (subscriptions, items int) { return 0, 0 }
