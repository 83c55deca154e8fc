// The claims of monitored items: modes, changes of their parameters, limits, and what becomes of them.

package server

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// mode sets the mode of items.
func (r *rig) mode(sub uint32, m ua.MonitoringMode, ids ...uint32) []ua.StatusCode {
	r.t.Helper()
	return ask[*ua.SetMonitoringModeResponse](r, &ua.SetMonitoringModeRequest{SubscriptionID: sub, MonitoringMode: m, MonitoredItemIDs: ids}).Results
}

func TestAnItemTellsSamplesOrRestsAsItsModeSays(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		s.Set(v, Value{})
		sub := r.subscribe(100, 100, 0).SubscriptionID
		x := watching(own("v"), 1, 10)
		x.MonitoringMode = ua.MonitoringModeSampling
		id := r.monitor(sub, x)[0].MonitoredItemID
		values := func() (list []int32) {
			r.after(200*time.Millisecond, r.publish())
			for _, c := range r.fresh() {
				list = append(list, c.Value.Value.Value().(int32))
			}
			return list
		}
		s.Set(v, Value{Bits: 1})
		require.Empty(t, values(), "it samples, and tells nothing")
		s.Set(v, Value{Bits: 2})
		require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusBadMonitoredItemIDInvalid}, r.mode(sub, ua.MonitoringModeReporting, id, id+1))
		require.Equal(t, []int32{0, 1, 2}, values(), "what it had sampled is told")
		require.Equal(t, []ua.StatusCode{ua.StatusOK}, r.mode(sub, ua.MonitoringModeDisabled, id))
		s.Set(v, Value{Bits: 3})
		require.Empty(t, values())
		r.mode(sub, ua.MonitoringModeReporting, id)
		require.Equal(t, []int32{3}, values(), "it begins with the value that there is")
		s.Set(v, Value{Bits: 4})
		r.mode(sub, ua.MonitoringModeDisabled, id)
		require.Empty(t, values())
		require.Zero(t, r.sess.subs.held)
		require.Equal(t, ua.StatusBadMonitoringModeInvalid, r.refused(&ua.SetMonitoringModeRequest{SubscriptionID: sub, MonitoringMode: 3, MonitoredItemIDs: []uint32{id}}))
		require.Equal(t, ua.StatusBadSubscriptionIDInvalid, r.refused(&ua.SetMonitoringModeRequest{SubscriptionID: sub + 1, MonitoredItemIDs: []uint32{id}}))
		require.Equal(t, ua.StatusBadNothingToDo, r.refused(&ua.SetMonitoringModeRequest{SubscriptionID: sub}))
	})
}

func TestASubscriptionThatIsNotEnabledKeepsWhatHappensAndSaysThatItLives(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		s.Set(v, Value{})
		sub := r.subscribe(100, 2, 0).SubscriptionID
		r.monitor(sub, watching(own("v"), 1, 10))
		list := ask[*ua.SetPublishingModeResponse](r, &ua.SetPublishingModeRequest{SubscriptionIDs: []uint32{sub, sub + 1}}).Results
		require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusBadSubscriptionIDInvalid}, list)
		s.Set(v, Value{Bits: 1})
		for range 3 {
			a := r.after(200*time.Millisecond, r.publish())
			require.Empty(t, a.NotificationMessage.NotificationData)
			require.Equal(t, uint32(1), a.NotificationMessage.SequenceNumber)
		}
		ask[*ua.SetPublishingModeResponse](r, &ua.SetPublishingModeRequest{PublishingEnabled: true, SubscriptionIDs: []uint32{sub}})
		require.Len(t, changes(r.after(100*time.Millisecond, r.publish())), 2)
	})
}

func TestItemsAreChangedCountedAndTakenOut(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		s.Set(v, Value{})
		r.srv.o.Limits.Items = 3
		sub := r.subscribe(10_000, 100, 0).SubscriptionID
		got := r.monitor(sub, watching(own("v"), 1, 0), watching(own("v"), 2, math.MaxUint32), watching(own("none"), 3, 1), watching(ua.NewNumericNodeID(0, idServer), 4, 1),
			watching(own("v"), 5, 1), watching(own("v"), 6, 1))
		require.Equal(t, uint32(1), got[0].RevisedQueueSize)
		require.Equal(t, uint32(maxQueue), got[1].RevisedQueueSize)
		require.Equal(t, ua.StatusBadNodeIDUnknown, got[2].StatusCode)
		require.Equal(t, ua.StatusBadAttributeIDInvalid, got[3].StatusCode, "an object has no value")
		require.Equal(t, ua.StatusBadTooManyMonitoredItems, got[5].StatusCode)
		for i := 1; i <= 9; i++ {
			time.Sleep(100 * time.Millisecond)
			s.Set(v, Value{Bits: uint64(i)})
		}
		m := ask[*ua.ModifyMonitoredItemsResponse](r, &ua.ModifyMonitoredItemsRequest{SubscriptionID: sub, ItemsToModify: []*ua.MonitoredItemModifyRequest{
			{MonitoredItemID: got[1].MonitoredItemID, RequestedParameters: &ua.MonitoringParameters{ClientHandle: 22, QueueSize: 2, DiscardOldest: true, SamplingInterval: -1}},
			{MonitoredItemID: 99, RequestedParameters: &ua.MonitoringParameters{}}}}).Results
		require.Equal(t, uint32(2), m[0].RevisedQueueSize)
		require.Equal(t, 10_000.0, m[0].RevisedSamplingInterval, "that of publishing")
		require.Equal(t, ua.StatusBadMonitoredItemIDInvalid, m[1].StatusCode)
		seen := map[uint32]string{}
		for _, c := range changes(r.after(10*time.Second, r.publish())) {
			seen[c.ClientHandle] += fmt.Sprintf("%v/%x ", c.Value.Value.Value(), uint32(c.Value.Status))
		}
		require.Equal(t, map[uint32]string{1: "9/0 ", 22: "8/480 9/0 ", 5: "9/0 "}, seen)
		del := ask[*ua.DeleteMonitoredItemsResponse](r, &ua.DeleteMonitoredItemsRequest{SubscriptionID: sub, MonitoredItemIDs: []uint32{got[0].MonitoredItemID, got[0].MonitoredItemID}})
		require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusBadMonitoredItemIDInvalid}, del.Results)
		again := r.monitor(sub, watching(own("v"), 1, 1))[0]
		require.Equal(t, ua.StatusOK, again.StatusCode)
		require.Greater(t, again.MonitoredItemID, got[4].MonitoredItemID, "a number is given once")
		first := r.subscribe(100, 0, 0).SubscriptionID
		ask[*ua.DeleteSubscriptionsResponse](r, &ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{sub, first}})
		require.Greater(t, r.subscribe(100, 0, 0).SubscriptionID, first)
		require.Zero(t, s.nodes[key{ns: 2, text: "v"}].watchers)
		for range 7 {
			r.subscribe(100, 0, 0)
		}
		require.Equal(t, ua.StatusBadTooManySubscriptions, r.refused(&ua.CreateSubscriptionRequest{}))
	})
}

func TestWhoMonitorsWhatIsRemovedIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		f := s.Folder(Node{}, "F")
		s.Set(s.Variable(f, "v", "", Int32), Value{Bits: 5})
		sub := r.subscribe(100, 100, 0).SubscriptionID
		name := watching(own("F/v"), 2, 1)
		name.ItemToMonitor.AttributeID = ua.AttributeIDBrowseName
		got := r.monitor(sub, watching(own("F/v"), 1, 10), name, listening(own("F"), 3, 0, fieldsOf("Message")))
		require.Len(t, changes(r.after(100*time.Millisecond, r.publish())), 2)
		s.Remove(f)
		told := changes(r.after(100*time.Millisecond, r.publish()))
		require.Len(t, told, 2)
		require.Equal(t, ua.StatusBadNodeIDUnknown, told[0].Value.Status)
		s.Set(s.Variable(s.Folder(Node{}, "F"), "v", "", Int32), Value{Bits: 6})
		require.Nil(t, r.after(300*time.Millisecond, r.publish()), "what is made in its place is another thing")
		require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusOK}, r.mode(sub, ua.MonitoringModeDisabled, got[0].MonitoredItemID, got[2].MonitoredItemID))
		require.Equal(t, []ua.StatusCode{ua.StatusOK}, r.mode(sub, ua.MonitoringModeReporting, got[0].MonitoredItemID))
		m := ask[*ua.ModifyMonitoredItemsResponse](r, &ua.ModifyMonitoredItemsRequest{SubscriptionID: sub, ItemsToModify: []*ua.MonitoredItemModifyRequest{
			{MonitoredItemID: got[0].MonitoredItemID, RequestedParameters: &ua.MonitoringParameters{}}}}).Results
		require.Equal(t, ua.StatusBadNodeIDUnknown, m[0].StatusCode)
		del := ask[*ua.DeleteMonitoredItemsResponse](r, &ua.DeleteMonitoredItemsRequest{SubscriptionID: sub, MonitoredItemIDs: []uint32{got[0].MonitoredItemID}})
		require.Equal(t, []ua.StatusCode{ua.StatusOK}, del.Results)
	})
}

func TestANodeIsWatchedByABoundedNumberOfItems(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.srv.space.Variable(Node{}, "v", "", Int32)
		sub := r.subscribe(100, 100, 0).SubscriptionID
		var many []*ua.MonitoredItemCreateRequest
		for i := range maxOperations {
			many = append(many, watching(own("v"), uint32(i), 1))
		}
		r.monitor(sub, many...)
		got := r.monitor(sub, many[:maxWatchers-maxOperations+1]...)
		require.Equal(t, ua.StatusOK, got[len(got)-2].StatusCode)
		require.Equal(t, ua.StatusBadTooManyMonitoredItems, got[len(got)-1].StatusCode)
		clauses := make([]string, maxSelect)
		for i := range clauses {
			clauses[i] = "Message"
		}
		for i := range maxFields/maxSelect + 1 {
			x := r.monitor(sub, listening(serverID(), 1, 0, fieldsOf(clauses...)))[0]
			require.Equal(t, i == maxFields/maxSelect, x.StatusCode == ua.StatusBadTooManyMonitoredItems)
		}
		require.Equal(t, ua.StatusBadEventFilterInvalid, r.monitor(sub, listening(serverID(), 1, 0, fieldsOf(append(clauses, "Message")...)))[0].StatusCode)
	})
}

func TestTheTimeOfTheServerIsToldOnceASecondAndWhatStaysIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		sub := r.subscribe(100, 100, 0).SubscriptionID
		clock := ua.NewNumericNodeID(0, 2258)
		got := r.monitor(sub, watching(clock, 1, 100), watching(ua.NewNumericNodeID(0, 2255), 2, 100), watching(ua.NewNumericNodeID(0, 2256), 3, 1))
		require.Equal(t, 1000.0, got[0].RevisedSamplingInterval)
		seen := map[uint32]int{}
		for range 25 {
			r.after(200*time.Millisecond, r.publish())
			for _, c := range r.fresh() {
				seen[c.ClientHandle]++
			}
		}
		require.Equal(t, 1, seen[2])
		require.InDelta(t, 5, seen[1], 1)
		require.InDelta(t, 5, seen[3], 1)
		for i := range maxMoving {
			x := r.monitor(sub, watching(clock, 4, 1))[0]
			require.Equal(t, i >= maxMoving-2, x.StatusCode == ua.StatusBadTooManyMonitoredItems)
		}
	})
}

// books holds the counts of a session against what they count.
func books(t *testing.T, r *rig) {
	t.Helper()
	synctest.Wait()
	s := &r.sess.subs
	s.mu.Lock()
	defer s.mu.Unlock()
	r.srv.space.mu.Lock()
	defer r.srv.space.mu.Unlock()
	s.q.Lock()
	defer s.q.Unlock()
	held, kept, items, fields, moving := 0, 0, 0, 0, 0
	for _, sub := range s.list {
		items += len(sub.items)
		for _, it := range sub.items {
			fields += it.clauses()
			moving += it.moves()
			for i := range it.queue {
				held += it.queue[i].bytes()
			}
			require.LessOrEqual(t, len(it.queue), it.size)
			if len(it.queue) > 0 && it.mode == ua.MonitoringModeReporting {
				require.Contains(t, sub.ready, it, "what waits is told")
			}
		}
		for _, m := range sub.sent {
			kept += m.bytes
		}
	}
	require.Equal(t, []int{held, kept, items, fields, moving}, []int{s.held, s.kept, s.items, s.fields, s.moving})
	require.LessOrEqual(t, len(s.requests), maxRequests)
	watchers := 0
	for _, n := range r.srv.space.nodes {
		watchers += n.watchers
	}
	require.LessOrEqual(t, watchers, items)
}

func TestWhateverAClientAsksForTheBooksAreRight(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	bubble(t, func(t *testing.T, r *rig) {
		m := &monkey{rig: r, rand: rand.New(rand.NewPCG(seed, 1))}
		m.kind = r.srv.space.EventType("E", Field{"F", Int32})
		for i := range 3000 {
			m.act()
			if i%100 == 0 {
				books(t, r)
			}
		}
		r.sess.subs.end()
		require.Zero(t, r.sess.subs.held)
		require.Zero(t, r.sess.subs.kept)
		for _, n := range r.srv.space.nodes {
			require.Zero(t, n.watchers)
		}
	})
}

// monkey is a client, and a plant, that do anything.
type monkey struct {
	*rig
	rand  *rand.Rand
	kind  EventType
	subs  []uint32
	items []uint32
}

// any gives one of a list, or a number that was never given.
func (m *monkey) any(list []uint32) uint32 {
	if len(list) == 0 || m.rand.IntN(20) == 0 {
		return m.rand.Uint32()
	}
	return list[m.rand.IntN(len(list))]
}

// act does something; that it is refused is no matter.
func (m *monkey) act() {
	s := m.srv.space
	name := fmt.Sprint("v", m.rand.IntN(8))
	p := &ua.MonitoringParameters{ClientHandle: 1, SamplingInterval: float64(m.rand.IntN(500) - 1), QueueSize: uint32(m.rand.IntN(5)), DiscardOldest: m.rand.IntN(2) == 0,
		Filter: ua.NewExtensionObject(nil)}
	switch m.rand.IntN(16) {
	case 0:
		if _, a, err := m.send(&ua.CreateSubscriptionRequest{RequestedPublishingInterval: float64(m.rand.IntN(400)), RequestedLifetimeCount: 9, RequestedMaxKeepAliveCount: 3,
			MaxNotificationsPerPublish: uint32(m.rand.IntN(4)), PublishingEnabled: m.rand.IntN(4) > 0}); err == nil {
			m.subs = append(m.subs, a.(*ua.CreateSubscriptionResponse).SubscriptionID)
		}
	case 1:
		if m.rand.IntN(5) == 0 {
			_, _, _ = m.send(&ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{m.any(m.subs)}})
		}
	case 2, 3:
		x := watching(own(name), 1, 1)
		if m.rand.IntN(3) == 0 {
			x = listening(serverID(), 1, 1, fieldsOf("Message", "2:F"))
			p.Filter = x.RequestedParameters.Filter
		} else if m.rand.IntN(4) == 0 {
			x = watching(ua.NewNumericNodeID(0, 2258), 1, 1)
		}
		x.RequestedParameters, x.MonitoringMode = p, ua.MonitoringMode(m.rand.IntN(3))
		if _, a, err := m.send(&ua.CreateMonitoredItemsRequest{SubscriptionID: m.any(m.subs), ItemsToCreate: []*ua.MonitoredItemCreateRequest{x}}); err == nil {
			m.items = append(m.items, a.(*ua.CreateMonitoredItemsResponse).Results[0].MonitoredItemID)
		}
	case 4:
		_, _, _ = m.send(&ua.ModifyMonitoredItemsRequest{SubscriptionID: m.any(m.subs), ItemsToModify: []*ua.MonitoredItemModifyRequest{
			{MonitoredItemID: m.any(m.items), RequestedParameters: p}}})
	case 5:
		_, _, _ = m.send(&ua.SetMonitoringModeRequest{SubscriptionID: m.any(m.subs), MonitoringMode: ua.MonitoringMode(m.rand.IntN(3)), MonitoredItemIDs: []uint32{m.any(m.items)}})
	case 6:
		_, _, _ = m.send(&ua.DeleteMonitoredItemsRequest{SubscriptionID: m.any(m.subs), MonitoredItemIDs: []uint32{m.any(m.items)}})
	case 7:
		s.Remove(s.Variable(Node{}, name, "", Int32))
	case 8:
		_, _, _ = m.send(&ua.SetPublishingModeRequest{PublishingEnabled: m.rand.IntN(3) > 0, SubscriptionIDs: []uint32{m.any(m.subs)}})
	case 9, 10:
		_, _, _ = m.send(&ua.PublishRequest{SubscriptionAcknowledgements: []*ua.SubscriptionAcknowledgement{{SubscriptionID: m.any(m.subs), SequenceNumber: m.rand.Uint32N(9)}}})
	case 11:
		s.Raise(Event{Type: m.kind, Message: name, Fields: []Value{{Bits: 1}}})
	case 12:
		time.Sleep(time.Duration(m.rand.IntN(300)) * time.Millisecond)
	default:
		s.Set(s.Variable(Node{}, name, "", Int32), Value{Bits: m.rand.Uint64N(5)})
	}
}
