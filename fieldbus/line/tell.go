// Telling: values to who watches, events to who keeps records.

package line

import (
	"slices"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Report has to called for everything of the line that belongs on record, in order, one call at a time and under no lock, on the
// goroutine of Watch or of Write. What a value follows from is told before the value is emitted. It must not block. It is to be called
// before Watch: what happens before is not kept.
func (l *Line) Report(to func(fieldbus.Event)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

// said is a value that is to be emitted, or an event that is to be told.
type said struct {
	raw   tag.Raw
	event *fieldbus.Event // nil: raw
}

// tell queues an event; deliver calls for it when the turn is over.
func (l *Line) tell(ev *fieldbus.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to != nil {
		l.queue = append(l.queue, said{event: ev})
	}
}

// deliver tells and emits all that is queued, in order. Only Watch emits. A write leaves to whoever is about it what it has to tell.
func (l *Line) deliver(emit func(tag.Raw)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.busy {
		if emit == nil {
			return
		}
		l.idle.Wait() // so that the queue has what one turn says, and no more
	}
	l.busy = true
	defer func() {
		l.busy = false
		l.idle.Signal()
	}()
	for l.head < len(l.queue) {
		one := &l.queue[l.head]
		event, raw, to := one.event, one.raw, l.to
		if event == nil && emit == nil {
			l.wake()
			return
		}
		one.event = nil
		l.head++
		func() {
			l.mu.Unlock()
			defer l.mu.Lock()
			switch {
			case event == nil:
				emit(raw)
			case to != nil: // Report(nil) came between
				to(*event)
			}
		}()
	}
	l.queue, l.head = l.queue[:0], 0
}

// pending tells whether something is to be told.
func (l *Line) pending() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head < len(l.queue)
}

// unsay takes back what was to be emitted and was not, because its Watch has ended.
func (l *Line) unsay() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.DeleteFunc(l.queue[l.head:], func(one said) bool { return one.event == nil })
	l.head = 0
}

// note tells what a link has said of itself.
func (l *Line) note(d *device, told *fieldbus.Event) {
	ev := *told // the room that it is in is used again
	ev.Device = d.name
	if ev.Kind == fieldbus.LinkChanged {
		l.mu.Lock()
		d.view.Since = ev.At
		l.mu.Unlock()
	}
	ev.From, ev.To = d.endpoint(ev.From), d.endpoint(ev.To)
	l.tell(&ev)
}

// bad makes a channel Bad as of now.
func (l *Line) bad(c *channel, status fieldbus.Status) {
	r := fieldbus.Reading{Form: c.point.Type.Form(), Status: status}
	l.set(c, &r, l.clock.Now())
}

// publish emits what a device gave. The link is up.
func (l *Line) publish(c *channel, r *fieldbus.Reading, at int64) {
	l.settle(c, r)
	l.set(c, r, at)
	l.judge(c)
}

// set makes a channel what a reading says, and emits it.
func (l *Line) set(c *channel, r *fieldbus.Reading, at int64) {
	raw := tag.Raw{Channel: c.tag.Channel, Form: r.Form}
	status := r.Status
	if r.Quality == tag.Good {
		raw.Bits, raw.Quality = r.Bits, tag.Good
	} else if status == fieldbus.StatusGood { // a driver that does not say why
		status = fieldbus.StatusDeviceFailure
	}
	if l.stamps {
		raw.At = at
	}
	l.mu.Lock()
	c.value.Raw, c.value.Status = raw, status
	if raw.Quality == tag.Good {
		c.value.Read = at
	}
	if l.watching {
		l.queue = append(l.queue, said{raw: raw})
	}
	l.mu.Unlock()
}
