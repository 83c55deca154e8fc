// Fuzzing of services: whatever a request holds, it is answered or refused, and what is answered can be encoded.

package server

import (
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

func FuzzServices(f *testing.F) {
	item := watching(own("v"), 1, 2)
	item.RequestedParameters.Filter = ua.NewExtensionObject(&ua.DataChangeFilter{DeadbandType: 1, DeadbandValue: 1})
	reqs := []ua.Request{
		&ua.ReadRequest{NodesToRead: []*ua.ReadValueID{readID(own("v"), ua.AttributeIDValue)}},
		&ua.WriteRequest{NodesToWrite: []*ua.WriteValue{{NodeID: own("v"), AttributeID: ua.AttributeIDValue, Value: &ua.DataValue{EncodingMask: 1, Value: ua.MustVariant(int32(1))}}}},
		&ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: 1, NodesToBrowse: []*ua.BrowseDescription{
			{NodeID: ua.NewTwoByteNodeID(84), ReferenceTypeID: ua.NewTwoByteNodeID(33), IncludeSubtypes: true, ResultMask: 63}}},
		&ua.BrowseNextRequest{ContinuationPoints: [][]byte{{0, 0, 0, 0, 0, 0, 0, 1}}},
		&ua.TranslateBrowsePathsToNodeIDsRequest{BrowsePaths: []*ua.BrowsePath{path(ua.NewTwoByteNodeID(84), &ua.QualifiedName{Name: "Objects"})}},
		&ua.RegisterNodesRequest{NodesToRegister: []*ua.NodeID{own("v")}},
		&ua.CreateSubscriptionRequest{RequestedPublishingInterval: 100},
		&ua.ModifySubscriptionRequest{SubscriptionID: 1},
		&ua.SetPublishingModeRequest{SubscriptionIDs: []uint32{1}},
		&ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{1}},
		&ua.PublishRequest{SubscriptionAcknowledgements: []*ua.SubscriptionAcknowledgement{{SubscriptionID: 1, SequenceNumber: 1}}},
		&ua.RepublishRequest{SubscriptionID: 1, RetransmitSequenceNumber: 1},
		&ua.CreateMonitoredItemsRequest{SubscriptionID: 1, ItemsToCreate: []*ua.MonitoredItemCreateRequest{item,
			listening(serverID(), 1, 2, ofType(fieldsOf("Message", "2:X"), own("/EventTypes/E")))}},
		&ua.ModifyMonitoredItemsRequest{SubscriptionID: 1, ItemsToModify: []*ua.MonitoredItemModifyRequest{{MonitoredItemID: 1, RequestedParameters: item.RequestedParameters}}},
		&ua.SetMonitoringModeRequest{SubscriptionID: 1, MonitoredItemIDs: []uint32{1}},
		&ua.DeleteMonitoredItemsRequest{SubscriptionID: 1, MonitoredItemIDs: []uint32{1}},
	}
	for i, r := range reqs {
		r.SetHeader(&ua.RequestHeader{AuthenticationToken: ua.NewTwoByteNodeID(0), AdditionalHeader: ua.NewExtensionObject(nil)})
		b, err := ua.Encode(r)
		require.NoError(f, err)
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		r := newRig(t, plant(nil))
		s := r.srv.space
		v := s.Variable(Node{}, "v", "", Int32)
		kind := s.EventType("E", Field{"X", Int32})
		sub := r.subscribe(100, 0, 0).SubscriptionID
		r.monitor(sub, watching(own("v"), 1, 2))
		number := ua.ServiceTypeID(reqs[int(which)%len(reqs)])
		req, err := decodeRequest(requestTypes[number], b)
		if err != nil {
			return
		}
		a, err := r.serve[number](&call{srv: r.srv, sess: r.sess, id: 99, hdr: req.Header()}, req)
		require.False(t, a != nil && err != nil)
		if a != nil {
			_, err = ua.Encode(a)
			require.NoError(t, err)
		}
		s.Set(v, Value{Bits: 7})
		s.Raise(Event{Type: kind, Fields: []Value{{Bits: 1}}})
		for _, a := range r.sess.subs.turn(time.Now().Add(time.Minute)) {
			_, err = ua.Encode(a.r)
			require.NoError(t, err)
		}
		_, _, _ = r.send(&ua.PublishRequest{})
		s.Remove(v)
	})
}
