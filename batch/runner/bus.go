// The bus: what a port tells of its devices is taken in from any goroutine, and noted by the loop at its next turn.

package runner

import (
	"errors"
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// Reporter is a port that tells what happens on its bus, such as a line.Line. Report says to whom, before the first Watch, and once more
// at the end of a run, to a function that does nothing. To takes events from any goroutine and never blocks; At counts on Rig.Clock, and
// 0 stands for now. A port around another one has the method too, or one Unwrap() tag.Port that returns the other.
type Reporter interface {
	Report(to func(ev fieldbus.Event))
}

// Holder is a port whose devices a batch holds from the beginning of its run to its end: no link goes back to its preferred way meanwhile.
// A dry run holds nothing.
type Holder interface {
	Hold(held bool)
}

// Mapped is a port that is made of tag maps. Where the batch binds one, a run is refused on a port of another, by the digests of its file
// and of those of its profiles; what has no digest was made in code and is not compared.
type Mapped interface {
	TagMaps() []*fieldbus.TagMap
}

// mapped refuses a port that reaches its devices by another tag map than the batch is bound to.
func mapped(p tag.Port, bound *fieldbus.TagMap) error {
	m, ok := behind[Mapped](p)
	if !ok || bound == nil {
		return nil
	}
	for _, has := range m.TagMaps() {
		if has.Digest != "" && has.Digest != bound.Digest {
			return fmt.Errorf("runner: the port is made of tag map %s %s, sha256 %.16s, and the batch is bound to %s %s, sha256 %.16s; make it of "+
				"Batch.Plan.TagMap", has.ID, has.Version, has.Digest, bound.ID, bound.Version, bound.Digest)
		}
		for _, profile := range has.Profiles {
			i := slices.IndexFunc(bound.Profiles, func(b *fieldbus.Profile) bool { return b.ID == profile.ID })
			if profile.Digest == "" || i >= 0 && profile.Digest == bound.Profiles[i].Digest {
				continue
			}
			return fmt.Errorf("runner: the port is made of profile %s %s, sha256 %.16s, to which the batch is not bound; make it of Batch.Plan.TagMap",
				profile.ID, profile.Version, profile.Digest)
		}
	}
	return nil
}

// Limits of what is noted of buses. An event beyond them is lost, the oldest first, and so is one that cannot be: of a channel that is
// another device's by the tag map of the batch. The next one that is noted says how many are, and so does Result.EventsLost.
const (
	MaxBusEvents  = 1024        // that wait, and that are noted one behind the other
	busEvery      = 100_000_000 // ns between two more
	maxBusDevices = 1024
	maxWrapped    = 16 // ports around each other
)

// behind finds what a port, or one that it stands around, has besides; ok is false where none has.
func behind[T any](p tag.Port) (found T, ok bool) {
	for range maxWrapped {
		if found, ok = p.(T); ok {
			return found, true
		}
		around, is := p.(interface{ Unwrap() tag.Port })
		if !is {
			break
		}
		p = around.Unwrap()
	}
	return found, false
}

// outcome says what the error of a write says of it: nothing for sure, where it wraps neither.
func outcome(err error) string {
	switch {
	case errors.Is(err, fieldbus.ErrUnknown):
		return fieldbus.OutcomeUnknown
	case errors.Is(err, fieldbus.ErrRefused):
		return fieldbus.OutcomeRefused
	}
	return ""
}

// busEvent is an event that waits, and how many before it are lost.
type busEvent struct {
	fieldbus.Event
	lost uint64
}

// busQueue is what an inbox has of buses.
type busQueue struct {
	list []busEvent
	lost uint64 // that came behind the last one of list
	all  uint64 // that were ever lost
}

// event takes in an event of a bus.
func (in *inbox) event(ev fieldbus.Event, now int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	q := &in.bus
	if ev.Record() == record.KindNone {
		q.lost++
		q.all++
		return
	}
	if ev.At <= 0 || ev.At > now {
		ev.At = now
	}
	if len(q.list) == MaxBusEvents {
		q.list[1].lost += q.list[0].lost + 1
		q.list = q.list[:copy(q.list, q.list[1:])]
		q.all++
	}
	q.list = append(q.list, busEvent{ev, q.lost})
	q.lost = 0
	in.wake()
}

// events takes out at most so many events.
func (in *inbox) events(most int, into []busEvent) []busEvent {
	in.mu.Lock()
	defer in.mu.Unlock()
	q := &in.bus
	n := min(most, len(q.list))
	into = append(into[:0], q.list[:n]...)
	q.list = q.list[:copy(q.list, q.list[n:])]
	return into
}

// eventLost counts an event that was taken out and could not be noted.
func (in *inbox) eventLost() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.bus.all++
}

// eventsLost is how many events were lost; what was not noted when a run is over is lost, too.
func (in *inbox) eventsLost() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bus.all + uint64(len(in.bus.list))
}

// buses is what the loop knows of buses.
type buses struct {
	seen    map[string]linkSeen // by device, as it was noted last
	level   int64               // notes, less one for each busEvery since; at drained
	drained int64
	list    []busEvent
	lost    uint64 // that the next note has to tell
	writes  [maxBusWrites]tag.Write
}

// maxBusWrites is how many writes, the newest ones, an event may be about; one about another says nothing of which write it is.
const maxBusWrites = 1024

// handed takes in that the port is to write.
func (s *buses) handed(w *tag.Write) { s.writes[w.ID%maxBusWrites] = *w }

// listen has a port report to the inbox, and holds its devices; the end of both is what it returns.
func (l *loop) listen(port tag.Port, now func() int64) (end func()) {
	reporter, reports := behind[Reporter](port)
	if reports {
		l.guest("Port.Report", func() { reporter.Report(func(ev fieldbus.Event) { l.r.in.event(ev, now()) }) })
	}
	holder, holds := behind[Holder](port)
	if holds {
		l.guest("Port.Hold", func() { holder.Hold(true) })
	}
	return func() {
		if holds {
			l.guest("Port.Hold", func() { holder.Hold(false) })
		}
		if reports {
			l.guest("Port.Report", func() { reporter.Report(func(fieldbus.Event) {}) })
		}
	}
}

// events notes what has happened on buses, and returns when there will be time for what still waits.
func (l *loop) events(now int64) int64 {
	s := &l.buses
	past := max(now-s.drained, 0) / busEvery
	s.level, s.drained = max(s.level-past, 0), s.drained+past*busEvery
	for l.failed == nil {
		most := MaxBusEvents - int(s.level)
		if most <= 0 || l.w.Room() < reserve {
			return now + busEvery
		}
		if s.list = l.r.in.events(min(most, 16), s.list); len(s.list) == 0 {
			break
		}
		for i := range s.list {
			if l.failed == nil {
				l.happened(&s.list[i])
			}
		}
	}
	return timebase.Never
}

// happened notes one event.
func (l *loop) happened(e *busEvent) {
	defer l.fault()
	s := &l.buses
	if s.lost += e.lost; !l.tells(&e.Event) {
		s.lost++
		l.r.in.eventLost()
		return
	}
	l.seal()
	body, err := l.m.AppendBus(l.buf[:0], l.next, &e.Event, s.lost)
	if err != nil {
		panic(err)
	}
	s.level, s.lost = s.level+1, 0
	l.append(e.Record(), l.next, body)
}

// tells makes sure of an event before it is noted. It is false of one that cannot be by the tag map of the batch, which is lost. A write
// that this run has not handed to the port, such as one of the batch before, has no number here.
func (l *loop) tells(e *fieldbus.Event) bool {
	s, device := &l.buses, batch.Clean(e.Device)
	m := l.r.b.Plan.TagMap
	d := m.Find(device)
	if (e.Kind == fieldbus.WriteTold || e.Kind == fieldbus.PointChanged) && m.Owner(e.Channel) != d ||
		e.Kind == fieldbus.SLABroken && d != nil && e.Limit/1_000_000 != d.Reconnect/1_000_000 {
		return false
	}
	if w := &s.writes[e.WriteID%maxBusWrites]; w.ID != e.WriteID || w.Channel != e.Channel {
		e.WriteID = 0
	}
	if s.lost == 0 && !s.follows(device, e) {
		s.lost++
	}
	if s.lost > 0 { // who verifies starts anew, too
		clear(s.seen)
		s.follows(device, e)
	}
	return true
}

// lastEvents notes behind the end of a run what was told of buses until then, as far as the journal has room.
func (l *loop) lastEvents() {
	for l.w.Room() >= reserve {
		list := l.r.in.events(1, nil)
		if len(list) == 0 {
			return
		}
		e := &list[0]
		if l.buses.lost += e.lost; !l.tells(&e.Event) {
			l.buses.lost++
			l.r.in.eventLost()
			continue
		}
		body, err := l.m.AppendBus(nil, l.next, &e.Event, l.buses.lost)
		if err != nil || l.w.Append(l.next, body) != nil {
			l.r.in.eventLost()
			return
		}
		l.next++
		l.buses.lost = 0
		l.watch(e.Record(), body)
	}
}
