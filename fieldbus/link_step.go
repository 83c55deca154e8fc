// The machine of a link: what each event does in each state.

package fieldbus

import (
	"math"
	"strconv"
)

// Link is one link. The zero value is not ready: use NewLink. It is for one goroutine at a time.
//
// It is Up only after Synced. A loss is told once, with its cause, and then each step of the way back. With several paths each is tried
// in turn, with no pause but First between two of them, until all have failed; then the pause grows. A pause lies between First and
// three times the one before it, by chance that Seed decides, and is Longest at most; it begins anew when the link was synced.
//
// The link goes back to path 0 when a batch lets go of the device (Held, 0), and when a connection is lost that no batch needs: at these
// times a gap hurts nobody. So no path that works is left while a batch holds the device, and path 0 is tried at least once a batch.
//
// Who shells it does what it wants in the order of its effects, and answers Open by Opened or Refused, Sync by Synced, Missed or Refused,
// and Probe by Proved, Missed or Refused, each within a time of its own: the link waits for them without end.
type Link struct {
	device string
	c      LinkConfig
	state  LinkState
	path   int // in use, or next
	active int // by which it was up last; 0 before
	held   bool
	kept   bool // a connection stands
	synced bool // since it was opened or demoted
	fresh  bool // a valid reply came since the last doubt
	begun  bool

	now, since int64 // the last step, and the first in this state
	due        int64 // Down and Demoted end
	tried      int   // paths that failed since it was synced, or since the last pause
	opened     int64 // the last Open
	pause      int64 // the last one
	chance     uint64
	misses     int
	missed     int64  // the last miss
	quiet      int64  // from when on silence counts
	heard      int64  // the last valid reply; -1: none
	count      uint64 // connections

	out, told bool // an outage lasts; that it is longer than declared was told
	lost      int64
	cause     string
}

// longestTime bounds what is declared, so that no sum of two overflows.
const longestTime = 1 << 60

func declared(v, otherwise int64) int64 {
	if v <= 0 {
		return otherwise
	}
	return min(v, longestTime)
}

// NewLink makes a link that is Down and wants to be opened at once.
func NewLink(device string, c LinkConfig) *Link {
	c.First = declared(c.First, 200_000_000)
	c.Longest = max(declared(c.Longest, 30_000_000_000), c.First)
	c.DemotedFor = declared(c.DemotedFor, 10_000_000_000)
	c.Steady = declared(c.Steady, 10_000_000_000)
	c.Reconnect, c.Silence = declared(c.Reconnect, 0), declared(c.Silence, 0)
	if c.Demote <= 0 {
		c.Demote = 3
	}
	c.Paths = max(c.Paths, 1)
	chance := c.Seed
	for i := range len(device) { // FNV-1a
		chance = (chance ^ uint64(device[i])) * 0x100000001B3
	}
	return &Link{device: device, c: c, chance: chance, pause: c.First, heard: -1, out: true}
}

// State gives the state.
func (l *Link) State() LinkState { return l.state }

// Path gives the path in use, or the one that is tried next.
func (l *Link) Path() int { return l.path }

// Reconnects gives how often the device was connected again (reconnect_count). It never goes back.
func (l *Link) Reconnects() uint64 { return max(l.count, 1) - 1 }

// Passes tells whether a value that is read now may be GOOD, and whether control writes are let through. After a doubt writes wait for
// the next valid reply. Of what was read before it says nothing: that grows old.
func (l *Link) Passes() (values, writes bool) {
	values = l.state == Up || l.state == Degraded
	return values, values && l.fresh
}

// Wake gives the time at which the link wants a Tick; math.MaxInt64: none. A Tick at that time or later moves it on.
func (l *Link) Wake() int64 {
	if !l.begun {
		return 0
	}
	wake := int64(math.MaxInt64)
	switch {
	case l.state == Down || l.state == Demoted:
		wake = l.due
	case l.c.Silence > 0 && (l.state == Up || l.state == Degraded):
		wake = l.quiet + l.c.Silence
	}
	if l.c.Reconnect > 0 && l.out && !l.told {
		wake = min(wake, l.lost+l.c.Reconnect+1)
	}
	return wake
}

// Step takes in one event, at a monotonic time in ns, and appends what follows from it. It is total: what means nothing in a state does
// nothing. Time that goes back stands still. It allocates nothing but room in fx.
func (l *Link) Step(at int64, ev LinkEvent, fx []LinkEffect) []LinkEffect {
	if !l.begun {
		l.begun = true
		l.now, l.since, l.lost, l.due, l.opened = at, at, at, at, at
	}
	l.now = max(l.now, at)
	if l.c.Reconnect > 0 && l.out && !l.told && l.now-l.lost > l.c.Reconnect {
		l.told = true
		fx = l.tell(fx, Event{Kind: SLABroken, New: l.state, Cause: or(l.cause, "not reached yet"), Took: l.now - l.lost, Limit: l.c.Reconnect})
	}
	switch ev.Kind {
	case Opened:
		return l.stands(fx)
	case Refused:
		if l.kept || l.state == Connecting {
			return l.lose(or(ev.Detail, "connection refused or lost"), fx)
		}
	case Synced:
		if l.state == Syncing {
			return l.up(ev.Count, fx)
		}
	case Answered:
		return l.answered(fx)
	case Missed:
		return l.miss(or(ev.Detail, "no reply that counts"), fx)
	case Proved:
		return l.proved(fx)
	case Carrier:
		if ev.Path == l.path && (l.kept || l.state == Connecting) {
			l.kept = true // what is under way in Connecting has to be closed, too
			return l.lose(or(ev.Detail, "carrier lost"), fx)
		}
	case Held:
		return l.hold(ev.Count > 0, fx)
	case Tick:
		return l.tick(fx)
	case Foreign:
		if l.kept && l.state != Demoted {
			return l.demote(or(ev.Detail, "not the device that was meant"), fx)
		}
	}
	return fx
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// stands takes in that the connection stands.
func (l *Link) stands(fx []LinkEffect) []LinkEffect {
	if l.state != Connecting {
		return fx
	}
	l.kept = true
	l.count++
	return l.sync("connected", fx)
}

// sync has the control tags read. Where a reply may be owed that was asked for by whoever used the line before, it is proved first.
func (l *Link) sync(cause string, fx []LinkEffect) []LinkEffect {
	if l.c.Owes {
		return append(l.enter(Doubt, cause, fx), LinkEffect{Kind: Probe, Path: l.path})
	}
	return append(l.enter(Syncing, cause, fx), LinkEffect{Kind: Sync, Path: l.path})
}

// up takes in that every control tag was read.
func (l *Link) up(tags int, fx []LinkEffect) []LinkEffect {
	lost, cause, from := l.lost, l.cause, l.active
	l.synced, l.fresh, l.active = true, true, l.path
	l.misses, l.tried, l.pause, l.quiet = 0, 0, l.c.First, l.now
	if tags > 0 {
		l.heard = l.now
	}
	fx = l.enter(Up, "every control tag was read", fx)
	fx = l.tell(fx, Event{Kind: Resynced, Count: int64(tags), Took: l.now - lost})
	if from != l.path {
		fx = l.tell(fx, Event{Kind: LinkFailover, Cause: cause, From: strconv.Itoa(from), To: strconv.Itoa(l.path), Took: l.now - lost})
	}
	return fx
}

// answered takes in a valid reply. While tags are synced it ends no row of misses: a device of which one block always fails would keep
// its line busy for ever.
func (l *Link) answered(fx []LinkEffect) []LinkEffect {
	switch l.state {
	case Syncing:
		l.heard = l.now
	case Up, Degraded:
		l.heard, l.quiet, l.misses, l.fresh = l.now, l.now, 0, true
		if l.state == Degraded && l.now-l.missed >= l.c.Steady {
			return l.enter(Up, "steady again", fx)
		}
	}
	return fx
}

// miss takes in that there was no reply.
func (l *Link) miss(cause string, fx []LinkEffect) []LinkEffect {
	if !l.kept || l.state == Demoted {
		return fx
	}
	l.misses++
	l.missed, l.quiet = l.now, l.now
	switch {
	case l.misses >= l.c.Demote && (l.c.Alone || l.tried+1 < l.c.Paths):
		return l.lose(cause, fx)
	case l.misses >= l.c.Demote:
		return l.demote(cause, fx)
	case l.state == Doubt:
		return append(fx, LinkEffect{Kind: Probe, Path: l.path})
	case l.c.Owes:
		l.fresh = false
		return append(l.enter(Doubt, cause, fx), LinkEffect{Kind: Probe, Path: l.path})
	case l.state == Syncing:
		return append(fx, LinkEffect{Kind: Sync, Path: l.path})
	case l.state == Up:
		return l.enter(Degraded, cause, fx)
	}
	return fx
}

// proved takes in that nothing is owed any more.
func (l *Link) proved(fx []LinkEffect) []LinkEffect {
	switch {
	case l.state != Doubt:
		return fx
	case !l.synced:
		return append(l.enter(Syncing, "nothing is owed", fx), LinkEffect{Kind: Sync, Path: l.path})
	}
	l.quiet = l.now
	return l.enter(Degraded, "nothing is owed any more", fx)
}

// lose gives up a connection, or a try to make one, and chooses the path and the time of the next.
func (l *Link) lose(cause string, fx []LinkEffect) []LinkEffect {
	home := l.synced && !l.held && l.path != 0
	if l.tried++; l.tried < l.c.Paths {
		l.due = max(l.now, l.opened+l.c.First)
	} else {
		l.tried, l.due = 0, l.now+l.backOff()
	}
	return l.down(home, cause, fx)
}

// down closes what stands; the next try takes path 0, or the path after this one.
func (l *Link) down(home bool, cause string, fx []LinkEffect) []LinkEffect {
	l.forget()
	fx = l.enter(Down, cause, fx)
	if l.kept {
		l.kept = false
		fx = append(fx, LinkEffect{Kind: Close, Path: l.path})
	}
	if l.path = (l.path + 1) % l.c.Paths; home {
		l.path = 0
	}
	return fx
}

// forget ends what was synced. What was missed since then still counts: a device that was not synced meanwhile has no new tries.
func (l *Link) forget() {
	if l.synced {
		l.misses = 0
	}
	l.synced, l.fresh = false, false
}

// demote takes the device out of the scan. A connection that it shares is kept.
func (l *Link) demote(cause string, fx []LinkEffect) []LinkEffect {
	l.synced, l.fresh, l.misses = false, false, l.c.Demote-1
	l.tried, l.due = 0, l.now+l.c.DemotedFor
	fx = l.enter(Demoted, cause, fx)
	if l.c.Alone || l.c.Paths > 1 {
		fx = append(fx, LinkEffect{Kind: Close, Path: l.path})
		l.kept, l.path = false, (l.path+1)%l.c.Paths
	}
	return fx
}

// hold takes in whether a batch holds the device.
func (l *Link) hold(held bool, fx []LinkEffect) []LinkEffect {
	lets := l.held && !held
	if l.held = held; lets && l.kept && l.path != 0 {
		l.tried, l.due = 0, l.now
		return l.down(true, "back to path 0, which is preferred", fx)
	}
	return fx
}

// tick takes in that time has come.
func (l *Link) tick(fx []LinkEffect) []LinkEffect {
	switch l.state {
	case Down, Demoted:
		switch {
		case l.now < l.due:
		case l.kept:
			return l.sync("back in the scan", fx)
		default:
			l.opened = l.now
			return append(l.enter(Connecting, "time to try", fx), LinkEffect{Kind: Open, Path: l.path})
		}
	case Up, Degraded:
		if l.c.Silence > 0 && l.now-l.quiet >= l.c.Silence {
			return l.miss("silent for longer than declared", fx)
		}
	}
	return fx
}

// enter goes into a state and tells so.
func (l *Link) enter(to LinkState, cause string, fx []LinkEffect) []LinkEffect {
	ev := Event{Kind: LinkChanged, Old: l.state, New: to, Cause: cause, Took: l.now - l.since}
	l.state, l.since = to, l.now
	switch passes := to == Up || to == Degraded; {
	case passes:
		l.out, l.told = false, false
	case !l.out:
		l.out, l.lost, l.cause = true, l.now, cause
	case l.cause == "" && (to == Down || to == Demoted): // it was not reached yet
		l.cause = cause
	}
	return l.tell(fx, ev)
}

// tell completes an event.
func (l *Link) tell(fx []LinkEffect, ev Event) []LinkEffect {
	ev.At, ev.Device, ev.Reconnects, ev.Age = l.now, l.device, l.Reconnects(), -1
	if l.heard >= 0 {
		ev.Age = l.now - l.heard
	}
	return append(fx, LinkEffect{Kind: Tell, Path: l.path, Event: ev})
}

// backOff gives the next pause.
func (l *Link) backOff() int64 {
	l.chance += 0x9E3779B97F4A7C15 // splitmix64
	z := l.chance
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	most := min(3*l.pause, l.c.Longest)
	l.pause = l.c.First + int64(z%uint64(most-l.c.First+1))
	return l.pause
}
