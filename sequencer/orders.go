// Orders: what an operator may ask for beside the commands of the table.

package sequencer

// ordered answers an order and, where it may be, carries it out.
func (m *Machine) ordered(at int64, ev *Event, fx []Effect) []Effect {
	answer := Effect{Kind: Answer, Command: ev.Command, Elem: ev.Elem, From: m.state(ev.Elem), Result: Refused}
	switch {
	case m.r.Ended:
		answer.Reason = "a batch runs once; create another"
	case ev.Command == HardAbort:
		return m.orderedHard(at, answer, fx)
	default:
		answer.Reason = "nothing here takes this order"
	}
	return append(fx, answer)
}
