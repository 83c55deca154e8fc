// Scanning: what would make the codec take more than it was sent, or nest without end, is refused before it is decoded.

package server

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// written makes the bytes of a WriteRequest whose one value has these bytes.
func written(variant ...byte) []byte {
	r := &ua.WriteRequest{NodesToWrite: []*ua.WriteValue{{
		NodeID: ua.NewTwoByteNodeID(1), Value: &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(false)},
	}}}
	r.SetHeader(&ua.RequestHeader{AuthenticationToken: ua.NewTwoByteNodeID(0), AdditionalHeader: ua.NewExtensionObject(nil)})
	b := must(ua.Encode(r))
	return append(b[:len(b)-2], variant...) // of one byte and its mask
}

func le(n ...uint32) []byte {
	var b []byte
	for _, n := range n {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func TestBombsAreNotDecoded(t *testing.T) {
	const array, dims = ua.VariantArrayValues, ua.VariantArrayValues | ua.VariantArrayDimensions
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"an array of two gigabytes", append([]byte{array | byte(ua.TypeIDDateTime)}, le(math.MaxInt32)...)},
		{"an array of less than nothing", append([]byte{array | byte(ua.TypeIDDateTime)}, le(1<<31)...)},
		{"an array of 65,535 of nothing", append([]byte{array | byte(ua.TypeIDDateTime)}, le(0xffff)...)},
		{"dimensions of eight gigabytes", append([]byte{dims | byte(ua.TypeIDInt32)}, le(0, math.MaxInt32)...)},
		{"dimensions that overflow to nothing", append([]byte{dims | byte(ua.TypeIDInt32)}, le(0, 3, 65536, 65536, 2)...)},
		{"dimensions without an end", append([]byte{dims | byte(ua.TypeIDByte)}, append(le(1), append([]byte{1}, append(le(1000), bytes.Repeat(le(1), 1000)...)...)...)...)},
		{"values in values", bytes.Repeat([]byte{byte(ua.TypeIDVariant)}, 1<<20)},
		{"arrays in arrays", bytes.Repeat(append([]byte{array | byte(ua.TypeIDVariant)}, le(1)...), 1<<17)},
		{"data values in data values", bytes.Repeat([]byte{byte(ua.TypeIDDataValue), 1}, 1<<19)},
		{"diagnostics in diagnostics", append([]byte{byte(ua.TypeIDDiagnosticInfo)}, bytes.Repeat([]byte{0x40}, 1<<20)...)},
		{"a million data values of a byte each", bytes.Repeat(append(append([]byte{array | byte(ua.TypeIDVariant)}, le(16)...),
			bytes.Repeat(append(append([]byte{array | byte(ua.TypeIDDataValue)}, le(0xffff)...), make([]byte, 0xffff)...), 16)...), 1)},
		{"a string of four gigabytes", append([]byte{byte(ua.TypeIDString)}, le(0xfffffffe)...)},
		{"an extension object of four gigabytes", append([]byte{byte(ua.TypeIDExtensionObject), 0, 1, 1}, le(0xfffffffe)...)},
		{"a type that is none", []byte{60}},
	} {
		b := written(c.b...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decodeRequest(reflect.TypeFor[ua.WriteRequest](), b)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ua.StatusBadDecodingError, c.name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), c.name)
	}
	for _, n := range []uint32{0x7fffffff, 0x80000000, 0xfffffffe} { // nodes to write, of 60 bytes
		b := written(1, 1)
		at := len(b) - 17
		require.Equal(t, uint32(1), binary.LittleEndian.Uint32(b[at:]))
		binary.LittleEndian.PutUint32(b[at:], n)
		_, err := decodeRequest(reflect.TypeFor[ua.WriteRequest](), b)
		require.ErrorIs(t, err, ua.StatusBadDecodingError)
	}
}

func TestWhatClientsSendIsDecoded(t *testing.T) {
	dv := &ua.DataValue{EncodingMask: 0x3f, Status: ua.StatusBad, SourceTimestamp: time.Unix(1, 0).UTC(), ServerTimestamp: time.Unix(2, 0).UTC()}
	values := []*ua.Variant{}
	for _, v := range []any{
		true, int8(1), byte(2), int16(3), uint16(4), int32(5), uint32(6), int64(7), uint64(8), float32(9), float64(10), "eleven", time.Unix(12, 0).UTC(),
		ua.NewGUID("00112233-4455-6677-8899-aabbccddeeff"), []byte{13}, ua.XMLElement("<a/>"), ua.NewStringNodeID(1, "fifteen"),
		ua.NewExpandedNodeID(ua.NewGUIDNodeID(2, "00112233-4455-6677-8899-aabbccddeeff"), "urn:a", 3), ua.StatusBad,
		&ua.QualifiedName{Name: "eighteen"}, ua.NewLocalizedTextWithLocale("text", "en"), ua.MustVariant([]int32{1, 2}),
		&ua.DiagnosticInfo{EncodingMask: 0x7f, AdditionalInfo: "a", InnerDiagnosticInfo: &ua.DiagnosticInfo{}},
		[]string{"a", "b"}, []bool{true}, ua.ByteArray{1, 2}, [][]int32{{1, 2}, {3, 4}}, []*ua.Variant{ua.MustVariant("a"), ua.MustVariant(int32(1))},
		ua.NewExtensionObject(&ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValue, DeadbandValue: 1}),
	} {
		values = append(values, ua.MustVariant(v))
	}
	var nodes []*ua.WriteValue
	for _, v := range values {
		d := *dv
		d.Value = v
		nodes = append(nodes, &ua.WriteValue{NodeID: ua.NewStringNodeID(1, "a"), AttributeID: 13, Value: &d})
	}
	filter := ua.NewExtensionObject(&ua.EventFilter{
		SelectClauses: []*ua.SimpleAttributeOperand{{
			TypeDefinitionID: ua.NewNumericNodeID(0, id.BaseEventType), BrowsePath: []*ua.QualifiedName{{Name: "Severity"}}, AttributeID: 13,
		}},
		WhereClause: &ua.ContentFilter{Elements: []*ua.ContentFilterElement{{FilterOperator: ua.FilterOperatorGreaterThan, FilterOperands: []*ua.ExtensionObject{
			ua.NewExtensionObject(&ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewTwoByteNodeID(0), BrowsePath: []*ua.QualifiedName{{Name: "Severity"}}}),
			ua.NewExtensionObject(&ua.LiteralOperand{Value: ua.MustVariant(uint16(100))}),
		}}}},
	})
	many := make([]*ua.MonitoredItemCreateRequest, 4096)
	for i := range many {
		many[i] = &ua.MonitoredItemCreateRequest{
			ItemToMonitor:       &ua.ReadValueID{NodeID: ua.NewStringNodeID(1, "Tags/Something"), AttributeID: 13, DataEncoding: &ua.QualifiedName{}},
			RequestedParameters: &ua.MonitoringParameters{Filter: ua.NewExtensionObject(&ua.DataChangeFilter{})},
		}
	}
	many[0].RequestedParameters.Filter = filter
	for _, r := range []ua.Request{
		&ua.WriteRequest{NodesToWrite: nodes},
		&ua.CreateMonitoredItemsRequest{ItemsToCreate: many},
		&ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, NodesToBrowse: []*ua.BrowseDescription{{
			NodeID: ua.NewTwoByteNodeID(85), ReferenceTypeID: ua.NewTwoByteNodeID(31)}}},
		&ua.PublishRequest{SubscriptionAcknowledgements: []*ua.SubscriptionAcknowledgement{{SubscriptionID: 1, SequenceNumber: 2}}},
	} {
		r.SetHeader(&ua.RequestHeader{AuthenticationToken: ua.NewByteStringNodeID(0, newNonce()), AdditionalHeader: ua.NewExtensionObject(nil)})
		b := must(ua.Encode(r))
		got, err := decodeRequest(reflect.TypeOf(r).Elem(), b)
		require.NoError(t, err, "%T", r)
		require.Equal(t, b, must(ua.Encode(got)), "%T", r)
	}
}

func TestAnExtensionObjectThatNoServiceTakesStaysClosed(t *testing.T) {
	// A HistoryEvent is decoded by the codec wherever it stands; here its body is a bomb.
	body := append([]byte{byte(ua.TypeIDExtensionObject), 1, 0}, binary.LittleEndian.AppendUint16(nil, id.HistoryEvent_Encoding_DefaultBinary)...)
	body = append(append(body, 1), append(le(4), le(0x7fffffff)...)...)
	req, err := decodeRequest(reflect.TypeFor[ua.WriteRequest](), written(body...))
	require.NoError(t, err)
	eo, ok := req.(*ua.WriteRequest).NodesToWrite[0].Value.Value.Value().(*ua.ExtensionObject)
	require.True(t, ok)
	require.Nil(t, eo.Value)
}

// FuzzRequest holds the scanner against the codec: what the scanner lets through decodes without a panic, and takes no more memory than
// its limits say.
func FuzzRequest(f *testing.F) {
	var types []reflect.Type
	for number := range uint16(0xffff) {
		if t := requestTypes[number]; t != nil {
			types = append(types, t)
			f.Add(uint8(len(types)-1), make([]byte, 200))
		}
	}
	write := uint8(0)
	for i, t := range types {
		if t == reflect.TypeFor[ua.WriteRequest]() {
			write = uint8(i)
		}
	}
	f.Add(write, written(1, 1))
	f.Add(write, written(append([]byte{0x80 | byte(ua.TypeIDVariant)}, append(le(2), 1, 1, 11, 0)...)...))
	f.Add(write, written(append([]byte{0xc0 | byte(ua.TypeIDByte)}, append(le(4), append([]byte{1, 2, 3, 4}, le(2, 2, 2)...)...)...)...))
	f.Add(write, written(append([]byte{byte(ua.TypeIDExtensionObject), 1, 0, 0xd4, 2, 1}, append(le(16), make([]byte, 16)...)...)...))
	f.Fuzz(func(t *testing.T, i uint8, b []byte) {
		b = bytes.Clone(b)
		s := scanner{b: b, things: maxThings}
		s.value(reflect.PointerTo(types[int(i)%len(types)]), 0)
		if s.bad {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decodeRequest(types[int(i)%len(types)], b)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20+1000*uint64(len(b)) {
			t.Fatalf("%d bytes took %d", len(b), got)
		}
		_ = err // such as an array whose dimensions are not its own
	})
}
