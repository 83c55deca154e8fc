// The claims of subscriptions: their cycles, keep-alive and lifetime, and what they keep for clients that do not listen.

package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) { f(t, newRig(t, plant(nil))) })
}

// after lets time go by, and gives the answer to a request.
func (r *rig) after(d time.Duration, id uint32) *ua.PublishResponse {
	time.Sleep(d)
	synctest.Wait()
	return r.answer(id)
}

func TestIntervalsAndCountsAreRevisedToWhatIsSane(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, c := range []struct {
			ms                 float64
			keep, life         uint32
			every              float64
			wantKeep, wantLife uint32
			name               string
		}{
			{ms: 0, every: 100, wantKeep: 10, wantLife: 30, name: "nothing"},
			{ms: math.NaN(), every: 100, wantKeep: 10, wantLife: 30, name: "no number"},
			{ms: math.Inf(1), every: 600_000, wantKeep: 1, wantLife: 3, name: "infinite"},
			{ms: math.Inf(-1), every: 100, wantKeep: 10, wantLife: 30, name: "minus infinite"},
			{ms: -5, every: 100, wantKeep: 10, wantLife: 30, name: "negative"},
			{ms: 1e-300, every: 100, wantKeep: 10, wantLife: 30, name: "tiny"},
			{ms: 1000, keep: math.MaxUint32, life: math.MaxUint32, every: 1000, wantKeep: 600, wantLife: 3600, name: "for ever"},
			{ms: 250, keep: 4, life: 5, every: 250, wantKeep: 4, wantLife: 12, name: "short life"},
		} {
			s := r.subscribe(c.ms, c.keep, c.life)
			require.Equal(t, c.every, s.RevisedPublishingInterval, c.name)
			require.Equal(t, c.wantKeep, s.RevisedMaxKeepAliveCount, c.name)
			require.Equal(t, c.wantLife, s.RevisedLifetimeCount, c.name)
			m := ask[*ua.ModifySubscriptionResponse](r, &ua.ModifySubscriptionRequest{SubscriptionID: s.SubscriptionID,
				RequestedPublishingInterval: c.ms, RequestedMaxKeepAliveCount: c.keep, RequestedLifetimeCount: c.life})
			require.Equal(t, c.every, m.RevisedPublishingInterval, c.name)
			del := ask[*ua.DeleteSubscriptionsResponse](r, &ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{s.SubscriptionID}})
			require.Equal(t, []ua.StatusCode{ua.StatusOK}, del.Results)
		}
		require.Equal(t, ua.StatusBadSubscriptionIDInvalid, r.refused(&ua.ModifySubscriptionRequest{SubscriptionID: 99}))
	})
}

func TestASubscriptionTellsOfChangesAtTheEndOfItsCycleAndElseThatItLives(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		sub := r.subscribe(1000, 3, 0)
		id := r.publish()
		require.Nil(t, r.after(999*time.Millisecond, id))
		a := r.after(time.Millisecond, id) // the first cycle ends with a message whatever happens
		require.NotNil(t, a)
		require.Empty(t, a.NotificationMessage.NotificationData)
		require.Equal(t, uint32(1), a.NotificationMessage.SequenceNumber, "of the next message with news")
		require.Empty(t, a.AvailableSequenceNumbers)

		it := r.monitor(sub.SubscriptionID, watching(own("v"), 7, 1))[0]
		require.Equal(t, ua.StatusOK, it.StatusCode)
		require.Equal(t, 100.0, it.RevisedSamplingInterval)
		id = r.publish()
		a = r.after(time.Second, id)
		require.NotNil(t, a)
		require.Equal(t, uint32(1), a.NotificationMessage.SequenceNumber)
		require.Equal(t, []uint32{1}, a.AvailableSequenceNumbers)
		got := changes(a)
		require.Len(t, got, 1, "the value with which it begins")
		require.Equal(t, ua.StatusBadWaitingForInitialData, got[0].Value.Status)

		id = r.publish(&ua.SubscriptionAcknowledgement{SubscriptionID: sub.SubscriptionID, SequenceNumber: 1})
		s.Set(v, Value{Bits: 5})
		s.Set(v, Value{Bits: 6})
		a = r.after(time.Second, id)
		require.Equal(t, []ua.StatusCode{ua.StatusOK}, a.Results)
		require.Equal(t, uint32(2), a.NotificationMessage.SequenceNumber)
		require.Equal(t, []uint32{2}, a.AvailableSequenceNumbers)
		require.Len(t, changes(a), 1)
		require.Equal(t, uint32(7), changes(a)[0].ClientHandle)
		require.Equal(t, int32(6), changes(a)[0].Value.Value.Value())

		id = r.publish()
		s.Set(v, Value{Bits: 6, Source: time.Now()}) // no change of status or value
		require.Nil(t, r.after(2*time.Second, id))
		a = r.after(time.Second, id)
		require.NotNil(t, a, "keep-alive after three cycles")
		require.Equal(t, uint32(3), a.NotificationMessage.SequenceNumber)
		require.Empty(t, a.NotificationMessage.NotificationData)
	})
}

func TestASubscriptionEndsWhenNobodyPublishesAndTheClientIsToldWhy(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.srv.space.Variable(Node{}, "v", "", Int32)
		sub := r.subscribe(100, 2, 6)
		other := r.subscribe(1000, 10, 1000)
		r.monitor(sub.SubscriptionID, watching(own("v"), 1, 1))
		time.Sleep(599 * time.Millisecond)
		synctest.Wait()
		n, items := r.sess.subs.count()
		require.Equal(t, []int{2, 1}, []int{n, items})
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		n, items = r.sess.subs.count()
		require.Equal(t, []int{1, 0}, []int{n, items})
		require.Zero(t, r.srv.space.nodes[key{ns: 2, text: "v"}].watchers)
		a := r.answer(r.publish())
		require.NotNil(t, a)
		require.Equal(t, sub.SubscriptionID, a.SubscriptionID)
		change := a.NotificationMessage.NotificationData[0].Value.(*ua.StatusChangeNotification)
		require.Equal(t, ua.StatusBadTimeout, change.Status)
		require.NotNil(t, r.after(time.Second, r.publish()))
		ask[*ua.DeleteSubscriptionsResponse](r, &ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{other.SubscriptionID}})
		require.Equal(t, ua.StatusBadNoSubscription, r.refused(&ua.PublishRequest{}))
	})
}

func TestPublishRequestsThatWaitKeepASubscriptionAlive(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.subscribe(100, 2, 6)
		for range 30 {
			r.publish()
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		n, _ := r.sess.subs.count()
		require.Equal(t, 1, n)
	})
}

func TestPublishRequestsAreBoundedAndAnsweredWhenTheirTimeIsOverOrTheirSubscriptionGone(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		require.Equal(t, ua.StatusBadNoSubscription, r.refused(&ua.PublishRequest{}))
		sub := r.subscribe(60_000, 10, 0)
		first := r.publish()
		for range maxRequests {
			r.publish()
		}
		require.Equal(t, ua.StatusBadTooManyPublishRequests, r.fault(first), "the oldest gives way")
		require.Equal(t, ua.StatusOK, r.fault(first+1))
		ask[*ua.DeleteSubscriptionsResponse](r, &ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{sub.SubscriptionID}})
		for id := first + 1; id <= first+maxRequests; id++ {
			require.Equal(t, ua.StatusBadNoSubscription, r.fault(id))
		}
		r.subscribe(1000, 100, 0)
		require.NotNil(t, r.after(time.Second, r.publish()))
		r.hint = 2500
		late := r.publish()
		r.after(2*time.Second, late)
		require.Equal(t, ua.StatusOK, r.fault(late))
		r.after(time.Second, late)
		require.Equal(t, ua.StatusBadTimeout, r.fault(late))
		r.sess.subs.end()
		require.Equal(t, ua.StatusBadSessionClosed, r.refused(&ua.PublishRequest{}))
	})
}

func TestAMessageIsSentAgainUntilItIsAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		sub := r.subscribe(100, 10, 10_000).SubscriptionID
		r.monitor(sub, watching(own("v"), 1, 1))
		for i := range maxSent + 5 {
			s.Set(v, Value{Bits: uint64(i)})
			require.NotNil(t, r.after(100*time.Millisecond, r.publish()))
		}
		require.Equal(t, ua.StatusBadMessageNotAvailable, r.refused(&ua.RepublishRequest{SubscriptionID: sub, RetransmitSequenceNumber: 5}), "the oldest are forgotten")
		again := ask[*ua.RepublishResponse](r, &ua.RepublishRequest{SubscriptionID: sub, RetransmitSequenceNumber: 60})
		require.Equal(t, uint32(60), again.NotificationMessage.SequenceNumber)
		require.Equal(t, int32(59), again.NotificationMessage.NotificationData[0].Value.(*ua.DataChangeNotification).MonitoredItems[0].Value.Value.Value())
		id := r.publish(&ua.SubscriptionAcknowledgement{SubscriptionID: sub, SequenceNumber: 60}, &ua.SubscriptionAcknowledgement{SubscriptionID: sub, SequenceNumber: 60},
			&ua.SubscriptionAcknowledgement{SubscriptionID: sub + 1, SequenceNumber: 60})
		require.Equal(t, ua.StatusBadMessageNotAvailable, r.refused(&ua.RepublishRequest{SubscriptionID: sub, RetransmitSequenceNumber: 60}))
		require.Equal(t, ua.StatusBadSubscriptionIDInvalid, r.refused(&ua.RepublishRequest{SubscriptionID: sub + 1}))
		a := r.after(time.Second, id)
		require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusBadSequenceNumberUnknown, ua.StatusBadSubscriptionIDInvalid}, a.Results)
		require.Len(t, a.AvailableSequenceNumbers, maxSent-1)
	})
}

func TestAQueueOverflowsAsTheClientSaidAndTellsSo(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		s.Set(v, Value{})
		sub := r.subscribe(10_000, 10, 0).SubscriptionID
		newest := watching(own("v"), 2, 3)
		newest.RequestedParameters.DiscardOldest = false
		r.monitor(sub, watching(own("v"), 1, 3), newest, watching(own("v"), 3, 1))
		for i := 1; i <= 9; i++ {
			time.Sleep(200 * time.Millisecond)
			s.Set(v, Value{Bits: uint64(i)})
		}
		got := map[uint32]string{}
		for _, c := range changes(r.after(10*time.Second, r.publish())) {
			got[c.ClientHandle] += fmt.Sprintf("%v/%x ", c.Value.Value.Value(), uint32(c.Value.Status))
		}
		require.Equal(t, map[uint32]string{1: "7/480 8/0 9/0 ", 2: "0/0 1/0 9/480 ", 3: "9/0 "}, got)
	})
}

func TestASampleIsTakenWhenItIsDueAlsoOfWhatWasSetSince(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		s.Set(v, Value{})
		sub := r.subscribe(1000, 10, 0).SubscriptionID
		slow := watching(own("v"), 1, 100)
		slow.RequestedParameters.SamplingInterval = 250
		start := time.Now()
		r.monitor(sub, slow)
		for i := 1; i <= 9; i++ {
			time.Sleep(100 * time.Millisecond)
			s.Set(v, Value{Bits: uint64(i)})
		}
		var got []string
		for _, c := range changes(r.after(100*time.Millisecond, r.publish())) {
			got = append(got, fmt.Sprint(c.Value.Value.Value(), " ", c.Value.ServerTimestamp.Sub(start)))
		}
		require.Equal(t, []string{"0 0s", "2 250ms", "4 500ms", "7 750ms", "9 1s"}, got)
	})
}

func TestADeadbandAndATriggerHoldBackWhatIsNotWanted(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v, big := s.Variable(Node{}, "v", "", Float64), s.Variable(Node{}, "big", "", Int64)
		s.Variable(Node{}, "text", "", String)
		s.Set(v, Value{})
		s.Set(big, Value{Bits: 1 << 63})
		sub := r.subscribe(100, 100, 0).SubscriptionID
		with := func(id string, handle uint32, f any) *ua.MonitoredItemCreateRequest {
			x := watching(own(id), handle, 10)
			x.RequestedParameters.Filter = ua.NewExtensionObject(f)
			return x
		}
		band := func(kind uint32, d float64) any {
			return &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValue, DeadbandType: kind, DeadbandValue: d}
		}
		for i, x := range r.monitor(sub, with("v", 1, band(1, 0.5)), with("big", 2, band(1, 1e18)), with("v", 3, &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatus}),
			with("v", 4, &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValueTimestamp}), with("text", 5, band(1, 1)), with("v", 6, band(2, 1)),
			with("v", 7, band(1, -1)), with("v", 8, band(1, math.NaN())), with("v", 9, band(1, math.Inf(1))), with("v", 10, &ua.DataChangeFilter{Trigger: 7}),
			with("v", 11, &ua.AggregateFilter{AggregateType: ua.NewTwoByteNodeID(0), AggregateConfiguration: &ua.AggregateConfiguration{}}), with("v", 12, fieldsOf("Message"))) {
			require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusOK, ua.StatusOK, ua.StatusOK, ua.StatusBadFilterNotAllowed, ua.StatusBadMonitoredItemFilterUnsupported,
				ua.StatusBadDeadbandFilterInvalid, ua.StatusBadDeadbandFilterInvalid, ua.StatusBadDeadbandFilterInvalid, ua.StatusBadMonitoredItemFilterInvalid,
				ua.StatusBadMonitoredItemFilterUnsupported, ua.StatusBadFilterNotAllowed}[i], x.StatusCode, "item %d", i+1)
		}
		require.Len(t, changes(r.after(100*time.Millisecond, r.publish())), 4)
		told := func() (list []uint32) {
			id := r.publish()
			if a := r.after(200*time.Millisecond, id); a != nil {
				for _, c := range changes(a) {
					list = append(list, c.ClientHandle)
				}
			}
			return list
		}
		s.Set(v, Value{Bits: math.Float64bits(0.5)})
		s.Set(big, Value{Bits: 1<<63 + 1e18})
		require.Equal(t, []uint32{4}, told())
		s.Set(v, Value{Bits: math.Float64bits(0.6)})
		s.Set(big, Value{Bits: math.MaxInt64})
		require.ElementsMatch(t, []uint32{1, 2, 4}, told())
		s.Set(v, Value{Bits: math.Float64bits(math.NaN())})
		require.ElementsMatch(t, []uint32{1, 4}, told())
		s.Set(v, Value{Bits: math.Float64bits(math.NaN()), Source: time.Now()})
		require.Equal(t, []uint32{4}, told())
		s.Set(v, Value{Null: true, Status: 0x80050000})
		require.ElementsMatch(t, []uint32{1, 3, 4}, told())
	})
}

func TestWhatASubscriberThatDoesNotListenCostsIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		sub := r.subscribe(100, 100, 36_000).SubscriptionID
		var nodes []Node
		for i := range 100 {
			name := fmt.Sprint("v", i)
			nodes = append(nodes, s.Variable(Node{}, name, "", String))
			r.monitor(sub, watching(own(name), uint32(i), maxQueue))
		}
		text := strings.Repeat("x", 1000)
		for i := range 200 {
			for _, n := range nodes {
				s.Set(n, Value{Text: fmt.Sprint(text, i)})
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.LessOrEqual(t, r.sess.subs.held, maxHeld)
		}
		last := make(map[uint32]string)
		lost := 0
		for more := true; more; {
			a := r.after(100*time.Millisecond, r.publish())
			if a == nil {
				break
			}
			for _, c := range changes(a) {
				last[c.ClientHandle] = c.Value.Value.String()
				if c.Value.Status == overflowed {
					lost++
				}
			}
		}
		require.Len(t, last, 100)
		for h, v := range last {
			require.Equal(t, fmt.Sprint(text, 199), v, "the newest value of item %d came", h)
		}
		require.GreaterOrEqual(t, lost, 90, "and it was told that others did not")
		require.Zero(t, r.sess.subs.held)
		require.LessOrEqual(t, r.sess.subs.kept, maxKept)
	})
}

func TestTheSubscriptionOfHighestPriorityIsServedFirst(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var subs []uint32
		for _, p := range []uint8{1, 200, 100} {
			a := ask[*ua.CreateSubscriptionResponse](r, &ua.CreateSubscriptionRequest{RequestedPublishingInterval: 100, PublishingEnabled: true, Priority: p})
			subs = append(subs, a.SubscriptionID)
		}
		time.Sleep(150 * time.Millisecond)
		var got []uint32
		for range 3 {
			got = append(got, r.answer(r.publish()).SubscriptionID)
		}
		require.Equal(t, []uint32{subs[1], subs[2], subs[0]}, got)
	})
}

func TestAClientThatComesBackByAnotherConnectionMissesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		sub := r.subscribe(100, 10, 1000).SubscriptionID
		r.monitor(sub, watching(own("v"), 1, 10))
		require.NotNil(t, r.after(100*time.Millisecond, r.publish()))
		lost := r.publish()
		r.gone.Store(true)
		for i := range 3 {
			s.Set(v, Value{Bits: uint64(i)})
			require.Nil(t, r.after(time.Second, lost), "what is asked for by a connection that has gone takes nothing away")
		}
		r.gone.Store(false)
		require.Empty(t, r.sess.subs.requests)
		require.Len(t, changes(r.answer(r.publish())), 3)
	})
}
