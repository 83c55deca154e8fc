// What was noted of links: an event that does not follow from it says that something is missing.

package runner

import "github.com/batchkit/batchkit/fieldbus"

// linkSeen is how a link was noted last.
type linkSeen struct {
	state      fieldbus.LinkState
	known      bool // state is
	synced     bool // every control tag was read since it was connected
	owes       bool // values count, and that they were read was not told yet
	reconnects uint64
	counted    bool // reconnects is
}

// follows takes in an event, and tells whether it follows from what was noted of its device. Where it does not, something is missing before
// it, and its note says so: who verifies can rely on it that nothing is where none does. These are the rules of the verification.
func (s *buses) follows(device string, e *fieldbus.Event) (ok bool) {
	was := s.seen[device]
	switch e.Kind {
	case fieldbus.LinkChanged:
		ok = (!was.known || e.Old == was.state) && !was.owes && was.counts(e.Reconnects, 1)
		was.change(e)
	case fieldbus.SLABroken:
		ok = (!was.known || e.New == was.state) && was.counts(e.Reconnects, 0)
		was.state, was.known = e.New, true
	case fieldbus.LinkFailover:
		ok = was.counts(e.Reconnects, 0)
	case fieldbus.Resynced:
		ok = was.counts(e.Reconnects, 0)
		was.synced, was.owes = true, false
	case fieldbus.PointChanged:
		return e.Status>>30 != 0 || !was.known || was.state == fieldbus.Syncing || was.state == fieldbus.Up || was.state == fieldbus.Degraded
	default:
		return true
	}
	if s.seen == nil {
		s.seen = map[string]linkSeen{}
	}
	if _, has := s.seen[device]; !has && len(s.seen) == maxBusDevices {
		return false
	}
	s.seen[device] = was
	return ok
}

// change takes in that a link has another state.
func (l *linkSeen) change(e *fieldbus.Event) {
	up := e.New == fieldbus.Up || e.New == fieldbus.Degraded
	l.owes = false
	switch {
	case !up && e.New != fieldbus.Doubt:
		l.synced = false
	case up && l.known && !l.synced, up && !l.known && e.Old == fieldbus.Syncing:
		l.owes = true
	case up && !l.known:
		l.synced = true // it was up before anything was told
	}
	l.state, l.known = e.New, true
}

// counts takes in how often a link was connected again: nothing but a change of its state adds to it, and no more than one.
func (l *linkSeen) counts(now, most uint64) (ok bool) {
	ok = !l.counted || now >= l.reconnects && now-l.reconnects <= most
	l.reconnects, l.counted = now, true
	return ok
}
