// The claims of events: who is told of which, with which fields.

package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// fieldsOf selects fields of events, by names of namespace 0 or, as "2:NAME", of the space.
func fieldsOf(names ...string) *ua.EventFilter {
	f := &ua.EventFilter{WhereClause: &ua.ContentFilter{}}
	for _, n := range names {
		q := &ua.QualifiedName{Name: n}
		if rest, ok := strings.CutPrefix(n, "2:"); ok {
			q = &ua.QualifiedName{NamespaceIndex: 2, Name: rest}
		}
		f.SelectClauses = append(f.SelectClauses, &ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, idBaseEvent), AttributeID: ua.AttributeIDValue,
			BrowsePath: []*ua.QualifiedName{q}})
	}
	return f
}

// listening is an item on the events of a node.
func listening(id *ua.NodeID, handle, queue uint32, f *ua.EventFilter) *ua.MonitoredItemCreateRequest {
	return &ua.MonitoredItemCreateRequest{ItemToMonitor: readID(id, ua.AttributeIDEventNotifier), MonitoringMode: ua.MonitoringModeReporting,
		RequestedParameters: &ua.MonitoringParameters{ClientHandle: handle, QueueSize: queue, DiscardOldest: true, Filter: ua.NewExtensionObject(f)}}
}

// ofType wants events of a type alone.
func ofType(f *ua.EventFilter, id *ua.NodeID) *ua.EventFilter {
	f.WhereClause = &ua.ContentFilter{Elements: []*ua.ContentFilterElement{{FilterOperator: ua.FilterOperatorOfType,
		FilterOperands: []*ua.ExtensionObject{ua.NewExtensionObject(&ua.LiteralOperand{Value: ua.MustVariant(id)})}}}}
	return f
}

// server is the Server object.
func serverID() *ua.NodeID { return ua.NewNumericNodeID(0, idServer) }

func TestAnEventIsToldToWhoListensToTheServerToItsSourceOrToWhatIsAboveIt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		batches := s.Folder(Node{}, "Batches")
		b1, b2 := s.Folder(batches, "B1"), s.Folder(batches, "B2")
		s.Variable(b1, "v", "", Bool)
		kind := s.EventType("Record", Field{"Seq", Uint64}, Field{"Hash", String})
		require.Equal(t, kind, s.EventType("Record", Field{"Seq", Uint64}, Field{"Hash", String}), "made once")
		sub := r.subscribe(100, 100, 0).SubscriptionID
		names := []string{"EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity", "2:Seq", "2:Hash"}
		for i, x := range r.monitor(sub, listening(serverID(), 0, 0, fieldsOf(names...)), listening(ua.NewNumericNodeID(0, idObjects), 1, 0, fieldsOf("Message")),
			listening(own("Batches"), 2, 0, fieldsOf("Message")), listening(own("Batches/B1"), 3, 0, fieldsOf("Message")),
			listening(own("Batches/B2"), 4, 0, fieldsOf("Message"))) {
			require.Equal(t, ua.StatusOK, x.StatusCode)
			require.Equal(t, uint32(maxQueue), x.RevisedQueueSize)
			result := x.FilterResult.Value.(*ua.EventFilterResult)
			require.NotContains(t, result.SelectClauseResults, ua.StatusBadNodeIDUnknown, "item %d", i)
		}
		now := time.Now().UTC()
		s.Raise(Event{Type: kind, Source: b1, Time: now.Add(-time.Second), Severity: 2000, Message: "hello", Fields: []Value{{Bits: 9}, {Text: "abc"}}})
		s.Raise(Event{Message: "of the server"})
		s.Raise(Event{Source: b2, Message: "two"})
		got := map[uint32][]string{}
		var first []*ua.Variant
		for _, e := range eventsOf(r.after(100*time.Millisecond, r.publish())) {
			if e.ClientHandle == 0 {
				if first == nil {
					first = e.EventFields
				}
				got[0] = append(got[0], e.EventFields[6].LocalizedText().Text)
				continue
			}
			got[e.ClientHandle] = append(got[e.ClientHandle], e.EventFields[0].LocalizedText().Text)
		}
		require.Equal(t, map[uint32][]string{0: {"hello", "of the server", "two"}, 1: {"hello", "of the server", "two"}, 2: {"hello", "two"}, 3: {"hello"}, 4: {"two"}}, got)
		require.Len(t, first[0].ByteString(), 16)
		require.Equal(t, "ns=2;s=/EventTypes/Record", first[1].NodeID().String())
		require.Equal(t, "ns=2;s=Batches/B1", first[2].NodeID().String())
		require.Equal(t, "B1", first[3].Value())
		require.Equal(t, now.Add(-time.Second), first[4].Time())
		require.Equal(t, now, first[5].Time())
		require.Equal(t, uint16(1000), first[7].Value())
		require.Equal(t, uint64(9), first[8].Value())
		require.Equal(t, "abc", first[9].Value())
	})
}

func TestAFieldThatAnEventDoesNotHaveIsNullAndAClauseThatNoneCanHaveSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		a := s.EventType("A", Field{"X", Int32})
		s.EventType("B", Field{"Y", Int32})
		sub := r.subscribe(100, 100, 0).SubscriptionID
		f := fieldsOf("Message", "2:X", "2:Y", "Nonsense", "2:Message", "")
		f.SelectClauses = append(f.SelectClauses,
			&ua.SimpleAttributeOperand{TypeDefinitionID: own("/EventTypes/B"), AttributeID: ua.AttributeIDValue, BrowsePath: []*ua.QualifiedName{{Name: "Message"}}},
			&ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, 2782), AttributeID: ua.AttributeIDNodeID},
			&ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, idBaseEvent), AttributeID: ua.AttributeIDNodeID},
			&ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, idBaseEvent), AttributeID: ua.AttributeIDDisplayName, BrowsePath: []*ua.QualifiedName{{Name: "Message"}}})
		x := r.monitor(sub, listening(serverID(), 1, 0, f))[0]
		require.Equal(t, ua.StatusOK, x.StatusCode)
		require.Equal(t, []ua.StatusCode{ua.StatusOK, ua.StatusOK, ua.StatusOK, ua.StatusBadNodeIDUnknown, ua.StatusBadNodeIDUnknown, ua.StatusBadBrowseNameInvalid,
			ua.StatusOK, ua.StatusBadTypeDefinitionInvalid, ua.StatusOK, ua.StatusBadAttributeIDInvalid}, x.FilterResult.Value.(*ua.EventFilterResult).SelectClauseResults)
		s.Raise(Event{Type: a, Message: "m", Fields: []Value{{Bits: 3}, {Bits: 4}}})
		e := eventsOf(r.after(100*time.Millisecond, r.publish()))
		require.Len(t, e, 1)
		require.Equal(t, "m", e[0].EventFields[0].LocalizedText().Text)
		require.Equal(t, int32(3), e[0].EventFields[1].Value())
		for _, v := range e[0].EventFields[2:] {
			require.Nil(t, v.Value())
		}
	})
}

func TestEventsAreChosenByTypeAndAnyOtherConditionIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		a, b := s.EventType("A"), s.EventType("B")
		sub := r.subscribe(100, 100, 0).SubscriptionID
		other := fieldsOf("Message")
		other.WhereClause.Elements = []*ua.ContentFilterElement{{FilterOperator: ua.FilterOperatorEquals, FilterOperands: []*ua.ExtensionObject{}}}
		two := ofType(fieldsOf("Message"), own("/EventTypes/A"))
		two.WhereClause.Elements = append(two.WhereClause.Elements, two.WhereClause.Elements[0])
		got := r.monitor(sub, listening(serverID(), 1, 0, ofType(fieldsOf("Message"), own("/EventTypes/A"))),
			listening(serverID(), 2, 0, ofType(fieldsOf("Message"), ua.NewNumericNodeID(0, idBaseEvent))), listening(serverID(), 3, 0, other), listening(serverID(), 4, 0, two),
			listening(serverID(), 5, 0, ofType(fieldsOf("Message"), own("/EventTypes/C"))), listening(serverID(), 6, 0, &ua.EventFilter{WhereClause: &ua.ContentFilter{}}),
			listening(ua.NewNumericNodeID(0, 2268), 7, 0, fieldsOf("Message")))
		require.Equal(t, ua.StatusOK, got[0].StatusCode)
		require.Equal(t, ua.StatusOK, got[1].StatusCode)
		for i, code := range []ua.StatusCode{ua.StatusBadFilterOperatorUnsupported, ua.StatusOK, ua.StatusBadFilterOperandInvalid} {
			require.Equal(t, ua.StatusBadEventFilterInvalid, got[2+i].StatusCode)
			require.Equal(t, code, got[2+i].FilterResult.Value.(*ua.EventFilterResult).WhereClauseResult.ElementResults[0].StatusCode)
		}
		require.Equal(t, ua.StatusBadEventFilterInvalid, got[5].StatusCode)
		require.Equal(t, ua.StatusBadNotSupported, got[6].StatusCode)
		s.Raise(Event{Type: a, Message: "a"})
		s.Raise(Event{Type: b, Message: "b"})
		seen := map[uint32]string{}
		for _, e := range eventsOf(r.after(100*time.Millisecond, r.publish())) {
			seen[e.ClientHandle] += e.EventFields[0].LocalizedText().Text
		}
		require.Equal(t, map[uint32]string{1: "a", 2: "ab"}, seen)
	})
}

func TestEventsThatAreLostAreToldAsAnEvent(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.srv.space
		sub := r.subscribe(100, 100, 0).SubscriptionID
		newest := listening(serverID(), 2, 3, fieldsOf("Message", "EventType"))
		newest.RequestedParameters.DiscardOldest = false
		r.monitor(sub, listening(serverID(), 1, 3, fieldsOf("Message", "EventType")), newest)
		for i := range 10 {
			s.Raise(Event{Message: fmt.Sprint(i)})
		}
		seen := map[uint32]string{}
		for _, e := range eventsOf(r.after(100*time.Millisecond, r.publish())) {
			text := e.EventFields[0].LocalizedText().Text
			if e.EventFields[1].NodeID().IntID() == idOverflow {
				text = "lost"
			}
			seen[e.ClientHandle] += text + " "
		}
		require.Equal(t, map[uint32]string{1: "lost 7 8 9 ", 2: "0 1 2 lost "}, seen)
		s.Raise(Event{Message: "again"})
		require.Len(t, eventsOf(r.after(100*time.Millisecond, r.publish())), 2, "it is told once")
	})
}

func TestWhatIsNoEventIsRefusedAndCounted(t *testing.T) {
	s := NewSpace("urn:x")
	s.Raise(Event{Source: nowhere})
	s.Raise(Event{Type: EventType{7}})
	require.Equal(t, 2, s.Refused())
	for _, fields := range [][]Field{{{"", Bool}}, {{"x", 0}}, {{"x", Bool}, {"x", Bool}}, make([]Field, MaxFields+1)} {
		s.EventType("T", fields...)
	}
	s.EventType("")
	require.Equal(t, 7, s.Refused())
	require.Empty(t, s.types)
	s.EventType("T")
	s.EventType("T", Field{"x", Bool})
	for i := range MaxEventTypes {
		s.EventType(fmt.Sprint("T", i))
	}
	require.Equal(t, 9, s.Refused())
	require.Len(t, s.types, MaxEventTypes)
	require.Len(t, message(strings.Repeat("ä", MaxText)), MaxText)
	require.True(t, strings.HasSuffix(message(strings.Repeat("x", MaxText+1)), " [cut]"))
}
