// Monitored items: when they sample a value, and what waits in their queues.

package server

import (
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Limits of what waits for clients.
const (
	maxQueue = 1000    // values or events in the queue of an item
	maxHeld  = 1 << 21 // bytes in the queues of a session; a queue is shorter than it was granted where that is used up
)

// overflowed marks a value beside which others were lost (part 4, 7.39.1: info type DataValue, Overflow).
const overflowed = 0x0480

// item is a monitored item. The lock of the space guards its place among those that watch a node, that of the queues (subscriptions.q) what
// waits in it, and that of its subscriptions all else.
type item struct {
	sub          *subscription
	id           uint32
	attr         ua.AttributeID
	want         ua.TimestampsToReturn
	node         *vertex // nil: it was removed
	above, below *item   // among those that watch the node

	handle uint32
	mode   ua.MonitoringMode
	every  time.Duration // sampling interval
	size   int           // of the queue
	oldest bool          // is thrown away when the queue is full; else the newest
	filter dataFilter
	events *eventFilter // of an item of events
	kind   Kind         // of the values, where the node has a value that is set

	queue  []entry
	lost   bool      // something was, and nobody was told yet
	dirty  bool      // the value was set since it was sampled last
	next   time.Time // when it may be sampled next
	last   Value     // that was sampled last and told, or waits
	made   []byte    // the same, of a standard variable
	listed bool      // in subscription.ready
}

// entry is what waits in a queue: a value, a value as it is sent, or an event.
type entry struct {
	value Value
	made  *ua.DataValue
	event *event
	lost  bool
}

// bytes is what an entry counts for.
func (e *entry) bytes() int {
	switch {
	case e.event != nil:
		return 64 + e.event.size
	case e.made != nil:
		return 512
	}
	return e.value.size()
}

// link puts an item among those that watch a node.
func (it *item) link(n *vertex) {
	it.node, it.below, it.above = n, n.watch, nil
	if n.watch != nil {
		n.watch.above = it
	}
	n.watch = it
	n.watchers++
}

// unlink takes it out.
func (it *item) unlink() {
	n := it.node
	if n == nil {
		return
	}
	if it.above != nil {
		it.above.below = it.below
	} else {
		n.watch = it.below
	}
	if it.below != nil {
		it.below.above = it.above
	}
	it.node, it.above, it.below = nil, nil, nil
	n.watchers--
}

// changed tells that the value of the node is another one, and was set at a time. What was set before and has not been sampled is, as if it
// had been when it was due.
func (it *item) changed(now time.Time, old, is *Value) {
	if it.attr != ua.AttributeIDValue {
		return
	}
	q := &it.sub.owner.q
	q.Lock()
	defer q.Unlock()
	if it.mode == ua.MonitoringModeDisabled {
		return
	}
	if it.dirty && !now.Before(it.next) {
		it.sample(it.next, old)
	}
	if it.dirty = true; !now.Before(it.next) {
		it.sample(now, is)
	}
	it.list()
}

// due samples a value that was set and could not be sampled then.
func (it *item) due(now time.Time) {
	q := &it.sub.owner.q
	q.Lock()
	defer q.Unlock()
	if it.dirty && it.node != nil && it.node.v != nil && it.mode != ua.MonitoringModeDisabled && !now.Before(it.next) {
		it.sample(now, &it.node.v.value)
	}
}

// sample takes in a value as it stood at a time. The lock of the queues is held.
func (it *item) sample(at time.Time, v *Value) {
	it.dirty = false
	if it.next = it.next.Add(it.every); it.next.Before(at) || it.next.Sub(at) > it.every {
		it.next = at.Add(it.every)
	}
	if !it.kind.differs(&it.last, v, it.filter) {
		return
	}
	e := entry{value: *v}
	if e.value.Server.IsZero() {
		e.value.Server = at
	}
	if it.push(e) {
		it.last = *v
	} else {
		it.dirty = true // once there is room
	}
}

// first takes in the value with which it begins.
func (it *item) first(now time.Time, v *Value) {
	it.last = *v
	it.last.Status ^= 1 // so that it differs
	it.next = time.Time{}
	it.dirty = true
	it.sample(now, v)
	it.list()
}

// poll takes in a value that is not set but made when it is read. The lock of the queues is held.
func (it *item) poll(now time.Time, d *ua.DataValue) {
	if it.next = it.next.Add(it.every); it.next.Before(now) {
		it.next = now.Add(it.every)
	}
	if it.moves() == 0 {
		it.next = now.AddDate(100, 0, 0) // it stays as it is
	}
	made, err := ua.Encode(&ua.DataValue{EncodingMask: d.EncodingMask &^ 0x3C, Value: d.Value, Status: d.Status})
	if err == nil && it.made != nil && slices.Equal(made, it.made) {
		return
	}
	if it.push(entry{made: d}) {
		it.made = made
	}
	it.list()
}

// gone tells that the node was removed.
func (it *item) gone(now time.Time) {
	q := &it.sub.owner.q
	q.Lock()
	defer q.Unlock()
	if it.dirty = false; it.events == nil && it.mode != ua.MonitoringModeDisabled {
		it.push(entry{made: &ua.DataValue{EncodingMask: ua.DataValueStatusCode | ua.DataValueServerTimestamp, Status: ua.StatusBadNodeIDUnknown,
			ServerTimestamp: now}})
		it.list()
	}
}

// happened takes in an event, if it is wanted.
func (it *item) happened(e *event) {
	if it.attr != ua.AttributeIDEventNotifier {
		return
	}
	q := &it.sub.owner.q
	q.Lock()
	defer q.Unlock()
	if it.mode == ua.MonitoringModeDisabled || !it.events.passes(e) {
		return
	}
	it.push(entry{event: e})
	it.list()
}

// push puts something at the end of the queue, and throws away what the client said where there is no room. It is false where nothing was
// taken in, since other items use up all room of the session.
func (it *item) push(e entry) bool {
	o := it.sub.owner
	full := len(it.queue) >= it.size
	for len(it.queue) > 0 && (len(it.queue) >= it.size || o.held+e.bytes() > maxHeld) {
		full = true
		if !it.oldest && it.events != nil {
			it.lost = true // what waits stays, and the new one is lost
			return true
		}
		i := 0
		if !it.oldest {
			i = len(it.queue) - 1
		}
		o.held -= it.queue[i].bytes()
		it.queue = slices.Delete(it.queue, i, i+1)
	}
	if o.held+e.bytes() > maxHeld {
		it.lost = true
		return false
	}
	o.held += e.bytes()
	it.queue = append(it.queue, e)
	switch {
	case it.events != nil:
		it.lost = it.lost || full
	case it.size == 1: // that a value replaces another is what a queue of one is for
		it.lost = false
	case full && it.oldest:
		it.queue[0].lost, it.lost = true, false
	case full || it.lost:
		it.queue[len(it.queue)-1].lost, it.lost = true, false
	}
	return true
}

// list puts an item among those that have something for the client.
func (it *item) list() {
	if !it.listed && it.mode == ua.MonitoringModeReporting && (it.dirty || it.lost || len(it.queue) > 0) {
		it.listed = true
		it.sub.ready = append(it.sub.ready, it)
	}
}

// clear empties the queue. The lock of the queues is held.
func (it *item) clear() {
	for i := range it.queue {
		it.sub.owner.held -= it.queue[i].bytes()
	}
	it.queue, it.lost, it.dirty = nil, false, false
}

// told gives an entry as a data change.
func (it *item) told(e *entry, now time.Time) *ua.MonitoredItemNotification {
	var d *ua.DataValue
	if e.made != nil {
		c := *e.made
		d = &c
	} else {
		d = it.kind.sent(&e.value, it.want, now)
	}
	if e.lost {
		d.Status |= overflowed
		d.EncodingMask |= ua.DataValueStatusCode
	}
	return &ua.MonitoredItemNotification{ClientHandle: it.handle, Value: d}
}
