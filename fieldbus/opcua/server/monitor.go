// Services of monitored items: what part 4, 5.13 asks for, but SetTriggering.

package server

import (
	"math"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
)

func createItems(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.CreateMonitoredItemsRequest)
	if err := operations(len(r.ItemsToCreate)); err != nil {
		return nil, err
	}
	if r.TimestampsToReturn > ua.TimestampsToReturnNeither {
		return nil, ua.StatusBadTimestampsToReturnInvalid
	}
	s := &c.sess.subs
	list := make([]*ua.MonitoredItemCreateResult, len(r.ItemsToCreate))
	err := s.serve(c, func(now time.Time) ([]reply, error) {
		sub, err := s.get(r.SubscriptionID)
		if err != nil {
			return nil, err
		}
		for i, x := range r.ItemsToCreate {
			it := &item{sub: sub, attr: x.ItemToMonitor.AttributeID, want: r.TimestampsToReturn, mode: x.MonitoringMode}
			result, err := it.create(x, now)
			list[i] = &ua.MonitoredItemCreateResult{StatusCode: codeOf(err), FilterResult: extension(result)}
			if err == nil {
				list[i].MonitoredItemID, list[i].RevisedQueueSize = it.id, uint32(it.size)
				list[i].RevisedSamplingInterval = milliseconds(it.every)
			}
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &ua.CreateMonitoredItemsResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list,
		DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// extension wraps what is said of a filter of events; nil: nothing is.
func extension(r *ua.EventFilterResult) *ua.ExtensionObject {
	if r == nil {
		return ua.NewExtensionObject(nil)
	}
	return ua.NewExtensionObject(r)
}

// create puts an item into its subscription.
func (it *item) create(x *ua.MonitoredItemCreateRequest, now time.Time) (*ua.EventFilterResult, error) {
	o := it.sub.owner
	space := o.srv.space
	space.mu.Lock()
	defer space.mu.Unlock()
	k, ok := keyOf(x.ItemToMonitor.NodeID)
	n := space.nodes[k]
	switch {
	case !ok || n == nil:
		return nil, ua.StatusBadNodeIDUnknown
	case x.ItemToMonitor.IndexRange != "":
		return nil, ua.StatusBadIndexRangeInvalid
	case x.ItemToMonitor.DataEncoding != nil && x.ItemToMonitor.DataEncoding.Name != "":
		return nil, ua.StatusBadDataEncodingUnsupported
	case it.mode > ua.MonitoringModeReporting:
		return nil, ua.StatusBadMonitoringModeInvalid
	case o.items >= o.srv.o.Limits.Items || n.watchers >= maxWatchers:
		return nil, ua.StatusBadTooManyMonitoredItems
	}
	if it.attr == ua.AttributeIDEventNotifier && n.class == object && !n.notifies() {
		return nil, ua.StatusBadNotSupported
	}
	if it.attr != ua.AttributeIDValue || n.v == nil {
		if d := o.srv.attribute(n, it.attr, it.want, now); d.Value == nil {
			return nil, d.Status
		}
	}
	if it.node = n; o.moving+it.moves() > maxMoving {
		return nil, ua.StatusBadTooManyMonitoredItems
	}
	result, err := it.take(x.RequestedParameters, n)
	if err != nil {
		return result, err
	}
	if it.id = space.items.Add(1); it.id == 0 || it.id == math.MaxUint32 {
		space.items.Store(math.MaxUint32 - 1) // none is given twice
		o.fields -= it.clauses()
		return nil, ua.StatusBadTooManyMonitoredItems
	}
	it.link(n)
	o.items++
	it.sub.items[it.id] = it
	if it.polls() {
		it.sub.polled = append(it.sub.polled, it)
		o.moving += it.moves()
	}
	o.q.Lock()
	defer o.q.Unlock()
	it.begin(now)
	return result, nil
}

// polls tells whether the attribute has to be read to see whether it has changed.
func (it *item) polls() bool {
	return it.events == nil && (it.attr != ua.AttributeIDValue || it.node.v == nil)
}

// moves is 1 where the value is one that changes without being set.
func (it *item) moves() int {
	if it.attr == ua.AttributeIDValue && it.node != nil && (it.node.key == std(2256) || it.node.key == std(2258)) { // ServerStatus, CurrentTime
		return 1
	}
	return 0
}

// clauses gives how many fields of events it asks for.
func (it *item) clauses() int {
	if it.events == nil {
		return 0
	}
	return len(it.events.fields)
}

// begin takes in the first value of an item that begins to sample. Locks of the space and of the queues are held.
func (it *item) begin(now time.Time) {
	it.next, it.made = time.Time{}, nil
	if it.mode != ua.MonitoringModeDisabled && it.attr == ua.AttributeIDValue && it.node != nil && it.node.v != nil {
		it.first(now, &it.node.v.value)
	}
}

// take takes in the parameters of an item of a node, as far as they can be had. The lock of the space is held.
func (it *item) take(p *ua.MonitoringParameters, n *vertex) (result *ua.EventFilterResult, err error) {
	o := it.sub.owner
	var filter dataFilter
	var events *eventFilter
	if it.attr == ua.AttributeIDEventNotifier {
		if events, result, err = o.srv.space.parseEvents(p.Filter, maxFields-o.fields+it.clauses()); err != nil {
			return result, err
		}
	} else if it.attr != ua.AttributeIDValue && p.Filter != nil && p.Filter.Value != nil {
		return nil, ua.StatusBadFilterNotAllowed
	} else if filter, err = parseData(p.Filter, n); err != nil {
		return nil, err
	}
	o.q.Lock()
	defer o.q.Unlock()
	if events != nil {
		o.fields += len(events.fields) - it.clauses()
	}
	it.handle, it.oldest, it.filter, it.events = p.ClientHandle, p.DiscardOldest, filter, events
	if n.v != nil {
		it.kind = n.v.kind
	}
	switch it.size = int(min(p.QueueSize, maxQueue)); {
	case events != nil && p.QueueSize == 0:
		it.size = maxQueue
	case it.size == 0:
		it.size = 1
	}
	if it.every = 0; events == nil {
		if it.every = it.sub.every; p.SamplingInterval >= 0 {
			it.every = o.srv.interval(p.SamplingInterval)
		} else if math.IsNaN(p.SamplingInterval) {
			it.every = o.srv.interval(0)
		}
		if n.v == nil {
			it.every = max(it.every, time.Second)
		}
	}
	it.trim()
	return result, nil
}

// trim makes the queue as short as it may be now. The lock of the queues is held.
func (it *item) trim() {
	n := len(it.queue) - it.size
	if n <= 0 {
		return
	}
	at := 0
	if !it.oldest {
		at = it.size
	}
	for i := range it.queue[at : at+n] {
		it.sub.owner.held -= it.queue[at+i].bytes()
	}
	it.queue = slices.Delete(it.queue, at, at+n)
	switch {
	case it.events != nil:
		it.lost = true
	case it.size > 1 && it.oldest:
		it.queue[0].lost = true
	case it.size > 1:
		it.queue[it.size-1].lost = true
	}
}

func modifyItems(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.ModifyMonitoredItemsRequest)
	if err := operations(len(r.ItemsToModify)); err != nil {
		return nil, err
	}
	if r.TimestampsToReturn > ua.TimestampsToReturnNeither {
		return nil, ua.StatusBadTimestampsToReturnInvalid
	}
	s := &c.sess.subs
	list := make([]*ua.MonitoredItemModifyResult, len(r.ItemsToModify))
	err := s.serve(c, func(now time.Time) ([]reply, error) {
		sub, err := s.get(r.SubscriptionID)
		if err != nil {
			return nil, err
		}
		for i, x := range r.ItemsToModify {
			list[i] = &ua.MonitoredItemModifyResult{StatusCode: ua.StatusBadMonitoredItemIDInvalid, FilterResult: extension(nil)}
			it := sub.items[x.MonitoredItemID]
			if it == nil {
				continue
			}
			result, err := it.modify(x.RequestedParameters, r.TimestampsToReturn)
			list[i].StatusCode, list[i].FilterResult = codeOf(err), extension(result)
			list[i].RevisedQueueSize, list[i].RevisedSamplingInterval = uint32(it.size), milliseconds(it.every)
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &ua.ModifyMonitoredItemsResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list,
		DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// modify takes in other parameters.
func (it *item) modify(p *ua.MonitoringParameters, want ua.TimestampsToReturn) (*ua.EventFilterResult, error) {
	space := it.sub.owner.srv.space
	space.mu.Lock()
	defer space.mu.Unlock()
	if it.node == nil {
		return nil, ua.StatusBadNodeIDUnknown
	}
	result, err := it.take(p, it.node)
	if err == nil {
		it.sub.owner.q.Lock()
		defer it.sub.owner.q.Unlock()
		it.want = want
	}
	return result, err
}

func setMonitoringMode(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.SetMonitoringModeRequest)
	if r.MonitoringMode > ua.MonitoringModeReporting {
		return nil, ua.StatusBadMonitoringModeInvalid
	}
	list, err := eachItem(c, r.SubscriptionID, r.MonitoredItemIDs, func(it *item, now time.Time) {
		space := c.srv.space
		space.mu.Lock()
		defer space.mu.Unlock()
		c.sess.subs.q.Lock()
		defer c.sess.subs.q.Unlock()
		old := it.mode
		it.mode = r.MonitoringMode
		switch {
		case it.mode == ua.MonitoringModeDisabled:
			it.clear()
		case old == ua.MonitoringModeDisabled:
			it.begin(now)
		}
		if it.list(); it.mode != ua.MonitoringModeReporting && it.listed {
			it.sub.unlist(it)
		}
	})
	if err != nil {
		return nil, err
	}
	return &ua.SetMonitoringModeResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

func deleteItems(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.DeleteMonitoredItemsRequest)
	list, err := eachItem(c, r.SubscriptionID, r.MonitoredItemIDs, func(it *item, now time.Time) { it.sub.remove(it) })
	if err != nil {
		return nil, err
	}
	return &ua.DeleteMonitoredItemsResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// eachItem runs f for each item of a list, and gives what becomes of each.
func eachItem(c *call, sub uint32, ids []uint32, f func(it *item, now time.Time)) ([]ua.StatusCode, error) {
	if err := operations(len(ids)); err != nil {
		return nil, err
	}
	s := &c.sess.subs
	list := make([]ua.StatusCode, len(ids))
	return list, s.serve(c, func(now time.Time) ([]reply, error) {
		sub, err := s.get(sub)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			if it := sub.items[id]; it != nil {
				f(it, now)
			} else {
				list[i] = ua.StatusBadMonitoredItemIDInvalid
			}
		}
		return nil, nil
	})
}

// remove takes an item out of its subscription, and out of the space.
func (sub *subscription) remove(it *item) {
	o := sub.owner
	space := o.srv.space
	space.mu.Lock()
	defer space.mu.Unlock()
	o.moving -= it.moves()
	it.unlink()
	delete(sub.items, it.id)
	o.items--
	o.fields -= it.clauses()
	if i := slices.Index(sub.polled, it); i >= 0 {
		sub.polled = slices.Delete(sub.polled, i, i+1)
	}
	o.q.Lock()
	defer o.q.Unlock()
	it.clear()
	it.mode = ua.MonitoringModeDisabled
	if it.listed {
		sub.unlist(it)
	}
}

// unlist takes an item out of those that have something for the client. The lock of the queues is held.
func (sub *subscription) unlist(it *item) {
	if i := slices.Index(sub.ready, it); i >= 0 {
		sub.ready = slices.Delete(sub.ready, i, i+1)
	}
	it.listed = false
}
