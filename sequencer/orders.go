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
	case ev.Command == ResetSafeState:
		return m.resets(at, ev, answer, fx)
	case ev.Command >= Automatic && ev.Command <= Force:
		answer.Result = Accepted
		return m.directed(at, ev, answer, fx)
	default:
		answer.Reason = "nothing here takes this order"
	}
	return append(fx, answer)
}

// directed answers the orders of who takes the sequence into his own hands.
func (m *Machine) directed(at int64, ev *Event, answer Effect, fx []Effect) []Effect {
	switch ev.Command {
	case Release:
		return m.letGo(at, ev, answer, fx)
	case GoTo:
		return m.chooses(at, ev, answer, fx)
	case Force:
		return m.forces(at, ev, answer, fx)
	}
	return m.mode(ev, answer, fx)
}
