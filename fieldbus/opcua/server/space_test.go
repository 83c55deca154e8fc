// The claims of a space: what it takes, what it refuses, and what reads and writes of it give.

package server

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
)

func TestANodeIsKnownByThePathOfItsNamesAndMadeOnce(t *testing.T) {
	r := newRig(t, plant(nil))
	s := r.srv.space
	batch := s.Folder(s.Folder(Node{}, "Batches"), "B/1 100%")
	state := s.Variable(batch, "State", "of the batch", String)
	require.Equal(t, state, s.Variable(batch, "State", "", String))
	require.Equal(t, nowhere, s.Variable(batch, "State", "", Bool), "another kind")
	require.Equal(t, nowhere, s.Folder(batch, "State"))
	d := r.read(own("Batches/B%2F1 100%25/State"), ua.AttributeIDValue)
	require.Equal(t, ua.StatusBadWaitingForInitialData, d.Status)
	require.Nil(t, d.Value.Value())
	require.Equal(t, "State", r.read(own("Batches/B%2F1 100%25/State"), ua.AttributeIDBrowseName).Value.QualifiedName().Name)
	require.Equal(t, 2, s.Refused())
}

func TestWhatIsRemovedIsGoneWithAllBeneathAndItsNumberIsNotGivenAgain(t *testing.T) {
	s := NewSpace("urn:x")
	f := s.Folder(Node{}, "F")
	v := s.Variable(f, "V", "", Int32)
	s.Remove(f)
	s.Set(v, Value{Bits: 1})
	require.Equal(t, Value{}, s.Get(v))
	require.Equal(t, nowhere, s.Variable(f, "V", "", Int32), "its place was removed")
	f2 := s.Folder(Node{}, "F")
	v2 := s.Variable(f2, "V", "", Int32)
	require.NotEqual(t, f, f2)
	require.NotEqual(t, v, v2)
	s.Set(v, Value{Bits: 1})
	require.True(t, s.Get(v2).Null, "an old number sets nothing")
	s.Remove(Node{})
	require.NotNil(t, s.nodes[std(idObjects)])
}

func TestASpaceRefusesWhatGoesBeyondItsLimits(t *testing.T) {
	s := NewSpace("urn:x")
	for _, name := range []string{"", strings.Repeat("x", MaxName+1), "\xff"} {
		require.Equal(t, nowhere, s.Folder(Node{}, name), "%q", name)
	}
	require.Equal(t, nowhere, s.Variable(Node{}, "v", "", 0))
	require.Equal(t, nowhere, s.Folder(nowhere, "x"))
	deep := Node{}
	for range MaxDepth {
		deep = s.Folder(deep, "d")
		require.NotEqual(t, nowhere, deep)
	}
	require.Equal(t, nowhere, s.Folder(deep, "d"))
	text := s.Variable(Node{}, "text", "", String)
	for _, long := range []string{strings.Repeat("x", MaxText+1), "\xff"} {
		s.Set(text, Value{Text: long})
		require.Equal(t, limitsExceeded, s.Get(text).Status)
		require.True(t, s.Get(text).Null)
	}
	last := text
	for n := len(s.own); n < MaxNodes; n++ {
		last = s.Variable(Node{}, strings.Repeat("v", 1+n%9)+time.Duration(n).String(), "", Bool)
	}
	require.NotEqual(t, nowhere, last)
	require.Equal(t, nowhere, s.Folder(Node{}, "one more"))
	require.Equal(t, EventType{math.MaxUint32}, s.EventType("T"))
	s.Remove(last)
	require.NotEqual(t, nowhere, s.Folder(Node{}, "one more"))
}

func TestAValueOfEachKindIsReadWithItsTypeQualityAndTimes(t *testing.T) {
	r := newRig(t, plant(nil))
	s := r.srv.space
	at := time.Unix(1_700_000_000, 123_456_700).UTC()
	for _, c := range []struct {
		kind Kind
		v    Value
		want any
		typ  uint32
	}{
		{Bool, Value{Bits: 1}, true, 1}, {Int16, Value{Bits: 0xFFFF}, int16(-1), 4}, {Uint16, Value{Bits: 0xFFFF}, uint16(65535), 5},
		{Int32, Value{Bits: 0xFFFFFFFE}, int32(-2), 6}, {Uint32, Value{Bits: 7}, uint32(7), 7}, {Int64, Value{Bits: 1 << 63}, int64(math.MinInt64), 8},
		{Uint64, Value{Bits: math.MaxUint64}, uint64(math.MaxUint64), 9}, {Float32, Value{Bits: 0x3FC00000}, float32(1.5), 10},
		{Float64, Value{Bits: math.Float64bits(0.1)}, 0.1, 11}, {String, Value{Text: "ä"}, "ä", 12},
		{Strings, Value{Texts: []string{"a", "b"}}, []string{"a", "b"}, 12}, {Time, Value{Bits: uint64(at.UnixNano())}, at, 13},
	} {
		name := "k" + string('a'+rune(c.kind))
		c.v.Source, c.v.Server, c.v.Status = at, at.Add(time.Second), fieldbus.StatusLastUsable
		s.Set(s.Variable(Node{}, name, "what it is", c.kind), c.v)
		d := r.read(own(name), ua.AttributeIDValue)
		require.Equal(t, c.want, d.Value.Value(), "kind %d", c.kind)
		require.Equal(t, ua.StatusUncertainLastUsableValue, d.Status)
		require.Equal(t, at, d.SourceTimestamp)
		require.Equal(t, at.Add(time.Second), d.ServerTimestamp)
		require.Equal(t, c.typ, r.read(own(name), ua.AttributeIDDataType).Value.NodeID().IntID())
		rank := int32(-1)
		if c.kind == Strings {
			rank = 1
		}
		require.Equal(t, rank, r.read(own(name), ua.AttributeIDValueRank).Value.Value())
		require.Equal(t, uint8(1), r.read(own(name), ua.AttributeIDUserAccessLevel).Value.Value(), "it cannot be written")
		require.Equal(t, "what it is", r.read(own(name), ua.AttributeIDDescription).Value.LocalizedText().Text)
		require.Equal(t, 100.0, r.read(own(name), ua.AttributeIDMinimumSamplingInterval).Value.Value())
		require.Equal(t, false, r.read(own(name), ua.AttributeIDHistorizing).Value.Value())
		require.Equal(t, ua.StatusBadAttributeIDInvalid, r.read(own(name), ua.AttributeIDEventNotifier).Status)
	}
}

func TestABadValueShowsItsStatusAndNothingElseOfIt(t *testing.T) {
	r := newRig(t, plant(nil))
	v := r.srv.space.Variable(Node{}, "v", "", Int32)
	r.srv.space.Set(v, Value{Bits: 42, Status: fieldbus.StatusSensorFailure, Source: time.Unix(1e9, 0)})
	d := r.read(own("v"), ua.AttributeIDValue)
	require.Equal(t, ua.StatusBadSensorFailure, d.Status)
	require.False(t, d.Has(ua.DataValueValue))
	require.Equal(t, int64(1e9), d.SourceTimestamp.Unix())
}

func TestAReadGivesTheTimestampsThatWereAskedForAndRefusesWhatItCannotDo(t *testing.T) {
	r := newRig(t, plant(nil))
	r.srv.space.Set(r.srv.space.Variable(Node{}, "v", "", Int32), Value{Source: time.Unix(1e9, 0)})
	one := []*ua.ReadValueID{readID(own("v"), ua.AttributeIDValue)}
	for want, mask := range map[ua.TimestampsToReturn]byte{ua.TimestampsToReturnSource: ua.DataValueSourceTimestamp, ua.TimestampsToReturnNeither: 0,
		ua.TimestampsToReturnServer: ua.DataValueServerTimestamp, ua.TimestampsToReturnBoth: ua.DataValueSourceTimestamp | ua.DataValueServerTimestamp} {
		d := ask[*ua.ReadResponse](r, &ua.ReadRequest{TimestampsToReturn: want, NodesToRead: one}).Results[0]
		require.Equal(t, mask, d.EncodingMask&^ua.DataValueValue, "%v", want)
	}
	require.Equal(t, ua.StatusBadTimestampsToReturnInvalid, r.refused(&ua.ReadRequest{TimestampsToReturn: 4, NodesToRead: one}))
	require.Equal(t, ua.StatusBadMaxAgeInvalid, r.refused(&ua.ReadRequest{MaxAge: -1, NodesToRead: one}))
	require.Equal(t, ua.StatusBadMaxAgeInvalid, r.refused(&ua.ReadRequest{MaxAge: math.NaN(), NodesToRead: one}))
	require.Equal(t, ua.StatusBadNothingToDo, r.refused(&ua.ReadRequest{}))
	many := make([]*ua.ReadValueID, maxOperations+1)
	for i := range many {
		many[i] = one[0]
	}
	require.Equal(t, ua.StatusBadTooManyOperations, r.refused(&ua.ReadRequest{NodesToRead: many}))
	require.Equal(t, ua.StatusBadNodeIDUnknown, r.read(own("w"), ua.AttributeIDValue).Status)
	require.Equal(t, ua.StatusBadNodeIDUnknown, r.read(ua.NewGUIDNodeID(2, "AAAABBBB-CCDD-EEFF-0101-0123456789AB"), ua.AttributeIDValue).Status)
	require.Equal(t, ua.StatusBadAttributeIDInvalid, r.read(own("v"), 99).Status)
	for what, x := range map[ua.StatusCode]*ua.ReadValueID{
		ua.StatusBadIndexRangeInvalid:       {NodeID: own("v"), AttributeID: ua.AttributeIDValue, IndexRange: "0:1", DataEncoding: &ua.QualifiedName{}},
		ua.StatusBadDataEncodingUnsupported: {NodeID: own("v"), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{Name: "Default JSON"}},
		ua.StatusBadDataEncodingInvalid:     {NodeID: own("v"), AttributeID: ua.AttributeIDNodeID, DataEncoding: &ua.QualifiedName{Name: "Default Binary"}},
	} {
		require.Equal(t, what, ask[*ua.ReadResponse](r, &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{x}}).Results[0].Status)
	}
	text := r.srv.space.Variable(Node{}, "long", "", String)
	r.srv.space.Set(text, Value{Text: strings.Repeat("x", MaxText)})
	for i := range many {
		many[i] = readID(own("long"), ua.AttributeIDValue)
	}
	require.Equal(t, ua.StatusBadResponseTooLarge, r.refused(&ua.ReadRequest{NodesToRead: many[:100]}))
}

// put writes a value.
func (r *rig) put(id *ua.NodeID, a ua.AttributeID, v *ua.Variant) ua.StatusCode {
	r.t.Helper()
	return ask[*ua.WriteResponse](r, &ua.WriteRequest{NodesToWrite: []*ua.WriteValue{{NodeID: id, AttributeID: a,
		Value: &ua.DataValue{EncodingMask: ua.DataValueValue, Value: v}}}}).Results[0]
}

func TestNothingIsWrittenUnlessTheServerAndTheVariableAreMadeForIt(t *testing.T) {
	r := newRig(t, plant(nil))
	v := r.srv.space.Variable(Node{}, "v", "", Int32)
	r.srv.space.Writable(v)
	require.Equal(t, ua.StatusBadNotWritable, r.put(own("v"), ua.AttributeIDValue, ua.MustVariant(int32(1))))
	var got []Value
	r = newRig(t, plant(func(_ context.Context, n Node, v Value) error {
		if v.Bits == 13 {
			return errors.New("no")
		} else if v.Bits == 14 {
			return ua.StatusBadOutOfRange
		}
		got = append(got, v)
		return nil
	}))
	s := r.srv.space
	s.Variable(Node{}, "fixed", "", Int32)
	s.Writable(s.Variable(Node{}, "v", "", Int32))
	s.Writable(s.Variable(Node{}, "texts", "", Strings))
	require.Equal(t, uint8(3), r.read(own("v"), ua.AttributeIDAccessLevel).Value.Value())
	for _, c := range []struct {
		id   *ua.NodeID
		a    ua.AttributeID
		v    *ua.Variant
		want ua.StatusCode
	}{
		{own("fixed"), ua.AttributeIDValue, ua.MustVariant(int32(1)), ua.StatusBadNotWritable},
		{own("nothing"), ua.AttributeIDValue, ua.MustVariant(int32(1)), ua.StatusBadNodeIDUnknown},
		{ua.NewNumericNodeID(0, 2258), ua.AttributeIDValue, ua.MustVariant(time.Now()), ua.StatusBadNotWritable},
		{own("v"), ua.AttributeIDDisplayName, ua.MustVariant("x"), ua.StatusBadNotWritable},
		{own("v"), ua.AttributeIDEventNotifier, ua.MustVariant("x"), ua.StatusBadAttributeIDInvalid},
		{own("v"), ua.AttributeIDValue, ua.MustVariant("1"), ua.StatusBadTypeMismatch},
		{own("v"), ua.AttributeIDValue, ua.MustVariant(int64(1)), ua.StatusBadTypeMismatch},
		{own("v"), ua.AttributeIDValue, ua.MustVariant([]int32{1}), ua.StatusBadTypeMismatch},
		{own("v"), ua.AttributeIDValue, &ua.Variant{}, ua.StatusBadTypeMismatch},
		{own("v"), ua.AttributeIDValue, ua.MustVariant(int32(13)), ua.StatusBadDeviceFailure},
		{own("v"), ua.AttributeIDValue, ua.MustVariant(int32(14)), ua.StatusBadOutOfRange},
		{own("v"), ua.AttributeIDValue, ua.MustVariant(int32(-1)), ua.StatusOK},
		{own("texts"), ua.AttributeIDValue, ua.MustVariant("a"), ua.StatusBadTypeMismatch},
		{own("texts"), ua.AttributeIDValue, ua.MustVariant([][]string{{"a"}, {"b"}}), ua.StatusBadTypeMismatch},
		{own("texts"), ua.AttributeIDValue, ua.MustVariant([]string{"a", "b"}), ua.StatusOK},
	} {
		require.Equal(t, c.want, r.put(c.id, c.a, c.v), "%v %v %v", c.id, c.a, c.v.Value())
	}
	require.Len(t, got, 2)
	require.Equal(t, int32(-1), int32(got[0].Bits))
	require.Equal(t, []string{"a", "b"}, got[1].Texts)
}
