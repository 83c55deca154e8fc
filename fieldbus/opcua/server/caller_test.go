// A client without a network: it calls the services of a server, and what crosses is encoded and decoded.

package server

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// rig is a client of a server.
type rig struct {
	t     testing.TB
	srv   *Server
	sess  *session
	serve map[uint16]service
	last  uint32
	hint  uint32 // TimeoutHint of its requests

	mu      sync.Mutex
	answers map[uint32]ua.Response
	seen    uint32      // last answer that fresh gave
	gone    atomic.Bool // its connection has
}

// plant is a server with defaults that shows nothing yet, without a network.
func plant(write func(context.Context, Node, Value) error) *Server {
	s, err := newServer(NewSpace("urn:test:plant"), &Options{Write: write})
	if err != nil {
		panic(err)
	}
	return s
}

// newRig makes a client, which ends with the test.
func newRig(t testing.TB, srv *Server) *rig {
	r := &rig{t: t, srv: srv, serve: srv.services(), answers: make(map[uint32]ua.Response)}
	r.sess = &session{closed: make(chan struct{})}
	r.sess.subs.answer = func(id uint32, hdr *ua.RequestHeader, a ua.Response) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.answers[id] = wire(t, a)
		return true
	}
	r.sess.subs.waits = func(*ua.RequestHeader) bool { return !r.gone.Load() }
	t.Cleanup(r.sess.subs.end)
	return r
}

// wire sends something through the codec.
func wire[T any](t testing.TB, x T) T {
	t.Helper()
	b, err := ua.Encode(x)
	require.NoError(t, err)
	y := reflect.New(reflect.TypeOf(x).Elem()).Interface()
	n, err := ua.Decode(b, y)
	require.NoError(t, err)
	require.Equal(t, len(b), n)
	return y.(T)
}

// send makes a request, and gives its number and what came back at once.
func (r *rig) send(req ua.Request) (uint32, ua.Response, error) {
	r.t.Helper()
	r.last++
	hdr := &ua.RequestHeader{AuthenticationToken: ua.NewTwoByteNodeID(0), RequestHandle: r.last, TimeoutHint: r.hint, AdditionalHeader: ua.NewExtensionObject(nil)}
	req.SetHeader(hdr)
	req = wire(r.t, req)
	serve := r.serve[ua.ServiceTypeID(req)]
	require.NotNil(r.t, serve, "no service for %T", req)
	a, err := serve(&call{srv: r.srv, sess: r.sess, id: r.last, hdr: hdr}, req)
	if a != nil {
		a = wire(r.t, a)
		require.Equal(r.t, r.last, a.Header().RequestHandle)
	}
	return r.last, a, err
}

// ask makes a request that is answered at once, and well.
func ask[A ua.Response](r *rig, req ua.Request) A {
	r.t.Helper()
	_, a, err := r.send(req)
	require.NoError(r.t, err)
	return a.(A)
}

// refused makes a request that is refused, and gives why.
func (r *rig) refused(req ua.Request) ua.StatusCode {
	r.t.Helper()
	_, _, err := r.send(req)
	require.Error(r.t, err)
	return codeOf(err)
}

// publish sends a Publish request, and gives its number.
func (r *rig) publish(acks ...*ua.SubscriptionAcknowledgement) uint32 {
	r.t.Helper()
	id, _, err := r.send(&ua.PublishRequest{SubscriptionAcknowledgements: acks})
	require.NoError(r.t, err)
	return id
}

// answer gives the answer to a request that was answered later; nil: there is none yet.
func (r *rig) answer(id uint32) *ua.PublishResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, _ := r.answers[id].(*ua.PublishResponse)
	return a
}

// fresh gives the data changes that came since it was asked last. Requests are answered in the order in which they came.
func (r *rig) fresh() (list []*ua.MonitoredItemNotification) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := r.seen + 1; id <= r.last; id++ {
		if a, ok := r.answers[id].(*ua.PublishResponse); ok {
			list = append(list, changes(a)...)
			r.seen = id
		}
	}
	return list
}

// fault gives the error with which a request was answered; StatusOK: none.
func (r *rig) fault(id uint32) ua.StatusCode {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.answers[id].(*ua.ServiceFault); ok {
		return a.ResponseHeader.ServiceResult
	}
	return ua.StatusOK
}

// own is the identifier of a node of the space.
func own(path string) *ua.NodeID { return ua.NewStringNodeID(2, path) }

// readID asks for an attribute.
func readID(id *ua.NodeID, a ua.AttributeID) *ua.ReadValueID {
	return &ua.ReadValueID{NodeID: id, AttributeID: a, DataEncoding: &ua.QualifiedName{}}
}

// read reads one attribute.
func (r *rig) read(id *ua.NodeID, a ua.AttributeID) *ua.DataValue {
	r.t.Helper()
	return ask[*ua.ReadResponse](r, &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth, NodesToRead: []*ua.ReadValueID{readID(id, a)}}).Results[0]
}

// subscribe makes a subscription.
func (r *rig) subscribe(ms float64, keep, life uint32) *ua.CreateSubscriptionResponse {
	r.t.Helper()
	return ask[*ua.CreateSubscriptionResponse](r, &ua.CreateSubscriptionRequest{
		RequestedPublishingInterval: ms, RequestedMaxKeepAliveCount: keep, RequestedLifetimeCount: life, PublishingEnabled: true})
}

// watching is an item on the value of a node that samples as fast as may be, with a handle.
func watching(id *ua.NodeID, handle, queue uint32) *ua.MonitoredItemCreateRequest {
	return &ua.MonitoredItemCreateRequest{ItemToMonitor: readID(id, ua.AttributeIDValue), MonitoringMode: ua.MonitoringModeReporting,
		RequestedParameters: &ua.MonitoringParameters{ClientHandle: handle, QueueSize: queue, DiscardOldest: true, Filter: ua.NewExtensionObject(nil)}}
}

// monitor makes items.
func (r *rig) monitor(sub uint32, items ...*ua.MonitoredItemCreateRequest) []*ua.MonitoredItemCreateResult {
	r.t.Helper()
	return ask[*ua.CreateMonitoredItemsResponse](r, &ua.CreateMonitoredItemsRequest{SubscriptionID: sub, TimestampsToReturn: ua.TimestampsToReturnBoth,
		ItemsToCreate: items}).Results
}

// changes gives the data changes of a message.
func changes(p *ua.PublishResponse) (list []*ua.MonitoredItemNotification) {
	for _, x := range p.NotificationMessage.NotificationData {
		if d, ok := x.Value.(*ua.DataChangeNotification); ok {
			list = append(list, d.MonitoredItems...)
		}
	}
	return list
}

// events gives the events of a message.
func eventsOf(p *ua.PublishResponse) (list []*ua.EventFieldList) {
	for _, x := range p.NotificationMessage.NotificationData {
		if d, ok := x.Value.(*ua.EventNotificationList); ok {
			list = append(list, d.Events...)
		}
	}
	return list
}
