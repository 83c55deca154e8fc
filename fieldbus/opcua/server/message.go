// Messages: what a subscription sends, and what it keeps until it was acknowledged.

package server

import (
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
)

// gather samples what could not be sampled when it was set, and standard variables.
func (sub *subscription) gather(now time.Time) {
	o := sub.owner
	o.q.Lock()
	var owed []*item
	for _, it := range sub.ready {
		if it.dirty && !now.Before(it.next) {
			owed = append(owed, it)
		}
	}
	o.q.Unlock()
	space := o.srv.space
	for _, it := range owed {
		space.mu.Lock()
		it.due(now)
		space.mu.Unlock()
	}
	for _, it := range sub.polled {
		if it.mode != ua.MonitoringModeDisabled && !now.Before(it.next) {
			it.read(now)
		}
	}
}

// read samples an attribute that is not told when it changes.
func (it *item) read(now time.Time) {
	o := it.sub.owner
	o.srv.space.mu.Lock()
	defer o.srv.space.mu.Unlock()
	if it.node == nil {
		return
	}
	d := o.srv.attribute(it.node, it.attr, it.want, now)
	o.q.Lock()
	defer o.q.Unlock()
	it.poll(now, d)
}

// news tells whether there is anything for the client.
func (sub *subscription) news() bool {
	sub.owner.q.Lock()
	defer sub.owner.q.Unlock()
	return slices.ContainsFunc(sub.ready, func(it *item) bool { return len(it.queue) > 0 || it.events != nil && it.lost })
}

// taken is what was taken out of the queue of an item; without value and event it stands for events that were lost.
type taken struct {
	it *item
	entry
}

// take takes what waits out of the queues, up to the limits of a message. It does no more than that, since a Set may wait for it.
func (sub *subscription) take() (list []taken, bytes int, more bool) {
	o := sub.owner
	o.q.Lock()
	defer o.q.Unlock()
	left := sub.ready[:0]
	for i, it := range sub.ready {
		for len(it.queue) > 0 && len(list) < sub.most && (bytes == 0 || bytes+it.queue[0].bytes() <= maxBytes) {
			e := it.queue[0]
			if it.queue = it.queue[1:]; len(it.queue) == 0 {
				it.queue = nil
			}
			if it.events != nil && it.lost && it.oldest {
				list, it.lost = append(list, taken{it: it}), false
			}
			n := e.bytes()
			o.held -= n
			bytes += n
			list = append(list, taken{it, e})
		}
		if len(it.queue) > 0 { // the others come first next time
			left, more = append(append(left, sub.ready[i+1:]...), it), true
			break
		}
		if it.events != nil && it.lost {
			list, it.lost = append(list, taken{it: it}), false
		}
		if it.listed = it.dirty; it.dirty {
			left = append(left, it)
		}
	}
	clear(sub.ready[len(left):])
	sub.ready = left
	return list, bytes, more
}

// notifications makes what is sent of what was taken.
func notifications(list []taken, now time.Time) []*ua.ExtensionObject {
	var data []*ua.MonitoredItemNotification
	var events []*ua.EventFieldList
	for i := range list {
		it, e := list[i].it, &list[i].entry
		switch {
		case it.events == nil:
			data = append(data, it.told(e, now))
		case e.event == nil:
			events = append(events, it.overflow(now))
		default:
			events = append(events, &ua.EventFieldList{ClientHandle: it.handle, EventFields: it.events.pick(e.event)})
		}
	}
	out := []*ua.ExtensionObject{}
	if len(data) > 0 {
		out = append(out, ua.NewExtensionObject(&ua.DataChangeNotification{MonitoredItems: data, DiagnosticInfos: []*ua.DiagnosticInfo{}}))
	}
	if len(events) > 0 {
		out = append(out, ua.NewExtensionObject(&ua.EventNotificationList{Events: events}))
	}
	return out
}

// overflow is what stands for events that were lost.
func (it *item) overflow(now time.Time) *ua.EventFieldList {
	return &ua.EventFieldList{ClientHandle: it.handle, EventFields: it.events.pick(overflow(now))}
}

// message answers a Publish request with what waits, or with a sign of life.
func (sub *subscription) message(to pending, now time.Time) *ua.PublishResponse {
	sub.due, sub.keepLeft = false, sub.keep
	m := &ua.NotificationMessage{SequenceNumber: sub.seq, PublishTime: now, NotificationData: []*ua.ExtensionObject{}}
	more := false
	if sub.enabled {
		var list []taken
		var bytes int
		list, bytes, more = sub.take()
		if m.NotificationData = notifications(list, now); len(list) > 0 {
			if sub.seq++; sub.seq == 0 {
				sub.seq = 1
			}
			sub.keepMessage(m, bytes)
		}
		if more {
			sub.due, sub.since = true, now
		}
	}
	numbers := make([]uint32, len(sub.sent))
	for i, k := range sub.sent {
		numbers[i] = k.message.SequenceNumber
	}
	return response(to, sub.id, m, numbers, more)
}

// keepMessage keeps a message until it is acknowledged. The oldest of the subscription give way; what is too long for what others leave is
// not kept.
func (sub *subscription) keepMessage(m *ua.NotificationMessage, bytes int) {
	o := sub.owner
	for len(sub.sent) > 0 && (len(sub.sent) >= maxSent || o.kept+bytes > maxKept) {
		o.kept -= sub.sent[0].bytes
		sub.sent = slices.Delete(sub.sent, 0, 1)
	}
	if o.kept+bytes <= maxKept {
		o.kept += bytes
		sub.sent = append(sub.sent, &sentMessage{m, bytes})
	}
}

// acknowledge forgets a message.
func (sub *subscription) acknowledge(seq uint32) ua.StatusCode {
	for i, k := range sub.sent {
		if k.message.SequenceNumber == seq {
			sub.owner.kept -= k.bytes
			sub.sent = slices.Delete(sub.sent, i, i+1)
			return ua.StatusOK
		}
	}
	return ua.StatusBadSequenceNumberUnknown
}

// response makes the answer to a Publish request.
func response(to pending, id uint32, m *ua.NotificationMessage, numbers []uint32, more bool) *ua.PublishResponse {
	return &ua.PublishResponse{
		ResponseHeader: responseHeader(to.hdr, ua.StatusOK), SubscriptionID: id, AvailableSequenceNumbers: numbers, MoreNotifications: more,
		NotificationMessage: m, Results: to.results, DiagnosticInfos: []*ua.DiagnosticInfo{},
	}
}
