// The window as others see it: clients of node-opcua and gopcua over a network.

package server

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	house "github.com/batchkit/batchkit/fieldbus/opcua"
)

// show fills a space, and goes on to change it and to raise events until the test ends.
func show(t *testing.T, s *Space) {
	t.Helper()
	tags := s.Folder(Node{}, "Tags")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	level := s.Variable(tags, "level", "level of the tank", Float64)
	s.Set(level, Value{Bits: 0x4045000000000000, Source: at, Server: at.Add(time.Second)}) // 42
	s.Set(s.Variable(tags, "stale", "", Bool), Value{Bits: 1, Status: fieldbus.StatusLastUsable, Source: at})
	s.Variable(tags, "waiting", "", String)
	counter := s.Variable(tags, "counter", "", Uint64)
	many := s.Folder(Node{}, "Many")
	for i := range 2500 {
		s.Variable(many, fmt.Sprint("v", i), "", Bool)
	}
	record := s.EventType("RecordEventType", Field{"EventSeq", Uint64}, Field{"HashCurr", String})
	done, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := uint64(1); ; n++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			s.Set(counter, Value{Bits: n, Source: time.Now()})
			s.Raise(Event{Message: "not of the type"})
			s.Raise(Event{Type: record, Source: tags, Time: time.Now(), Severity: 100, Message: fmt.Sprint("record ", n),
				Fields: []Value{{Bits: n}, {Text: fmt.Sprint("hash of ", n)}}})
		}
	})
	t.Cleanup(func() { close(done); wg.Wait() })
}

// cutOnce cuts all connections, a while after there is one item and no more.
func cutOnce(s *Server, stop <-chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < 20; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if st := s.Stats(); st.Items == 1 && st.Subscriptions == 1 {
			n++
		} else {
			n = 0
		}
	}
	for _, c := range s.allConns() {
		c.kill(nil)
	}
}

func TestNodeOPCUASeesValuesAndEventsAndChangesNothing(t *testing.T) {
	nodeModules(t)
	space := NewSpace("urn:test:plant")
	show(t, space)
	s, err := Serve("127.0.0.1:0", space, secured(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	var visits []map[string]any
	for _, p := range []house.Policy{house.None, house.Basic256Sha256} {
		policy, mode := nodeName(p)
		visits = append(visits, map[string]any{"url": "opc.tcp://" + s.Addr(), "policy": policy, "mode": mode})
	}
	visits = append(visits, map[string]any{"url": "opc.tcp://" + s.Addr(), "policy": "Basic256Sha256", "mode": "Sign", "cut": true})
	stop, cut := make(chan struct{}), sync.WaitGroup{}
	cut.Go(func() { cutOnce(s, stop) })
	lines := node(t, "window.js", visitor(t, visits...))
	close(stop)
	cut.Wait()
	require.Len(t, lines, len(visits))
	require.NotContains(t, lines[2], "error")
	require.Equal(t, 0.0, lines[2]["missed"], "events that came while the connection was cut came after it")
	require.EqualValues(t, s.space.items.Load(), lines[2]["same"], "it is the same subscription")
	for i, line := range lines[:2] {
		require.Equal(t, map[string]any{
			"level": map[string]any{"value": 42.0, "type": "Double", "status": "Good", "source": "2026-01-02T03:04:05.678Z", "server": "2026-01-02T03:04:06.678Z"},
			"stale": "UncertainLastUsableValue", "waiting": "BadWaitingForInitialData", "unknown": "BadNodeIdUnknown", "state": 0.0, "product": "batchkit",
			"namespaces": []any{"urn:test:plant"}, "type": "ns=0;i=11", "objects": []any{"Server", "2:Tags", "2:Many"},
			"tags": []any{"2:level", "2:stale", "2:waiting", "2:counter"}, "many": 2500.0, "path": []any{"ns=2;s=Tags/level"},
			"fields": []any{"2:EventSeq", "2:HashCurr"}, "registered": 1.0,
			"write": "BadNotWritable", "writeWrong": "BadNotWritable", "call": "BadServiceUnsupported", "history": "BadServiceUnsupported",
			"badItem": "BadNodeIdUnknown", "rising": true, "calmed": 1.0, "inOrder": true, "modified": 200.0,
			"event": map[string]any{"id": 16.0, "type": "ns=2;s=/EventTypes/RecordEventType", "source": "Tags", "message": line["event"].(map[string]any)["message"],
				"severity": 100.0, "hash": true, "times": true},
		}, line, "visit %d", i)
	}
	require.Zero(t, s.Stats().Items)
}

func TestGopcuaSeesValuesAndEventsAndChangesNothing(t *testing.T) {
	space := NewSpace("urn:test:plant")
	show(t, space)
	s, err := Serve("127.0.0.1:0", space, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := opcua.NewClient("opc.tcp://"+s.Addr(), opcua.SecurityMode(ua.MessageSecurityModeNone), opcua.AutoReconnect(false))
	require.NoError(t, err)
	require.NoError(t, c.Connect(ctx))
	defer func() { _ = c.Close(context.Background()) }()
	d, err := c.Node(own("Tags/level")).Value(ctx)
	require.NoError(t, err)
	require.Equal(t, 42.0, d.Value())
	children, err := c.Node(own("Many")).Children(ctx, 0, ua.NodeClassAll)
	require.NoError(t, err)
	require.Len(t, children, 2500)
	w, err := c.Write(ctx, &ua.WriteRequest{NodesToWrite: []*ua.WriteValue{{NodeID: own("Tags/level"), AttributeID: ua.AttributeIDValue,
		Value: &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(1.0)}}}})
	require.NoError(t, err)
	require.Equal(t, []ua.StatusCode{ua.StatusBadNotWritable}, w.Results)
	news := make(chan *opcua.PublishNotificationData, 100)
	sub, err := c.Subscribe(ctx, &opcua.SubscriptionParameters{Interval: 100 * time.Millisecond}, news)
	require.NoError(t, err)
	m, err := sub.Monitor(ctx, ua.TimestampsToReturnBoth, opcua.NewMonitoredItemCreateRequestWithDefaults(own("Tags/counter"), ua.AttributeIDValue, 1),
		listening(serverID(), 2, 100, ofType(fieldsOf("Message", "2:EventSeq"), own("/EventTypes/RecordEventType"))))
	require.NoError(t, err)
	require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusOK}, []ua.StatusCode{m.Results[0].StatusCode, m.Results[1].StatusCode})
	values, events := 0, 0
	for values < 3 || events < 3 {
		select {
		case <-ctx.Done():
			t.Fatalf("%d values and %d events came", values, events)
		case n := <-news:
			require.NoError(t, n.Error)
			switch x := n.Value.(type) {
			case *ua.DataChangeNotification:
				values += len(x.MonitoredItems)
			case *ua.EventNotificationList:
				events += len(x.Events)
			}
		}
	}
	require.NoError(t, sub.Cancel(ctx))
}
