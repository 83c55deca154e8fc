// A profile says what is wrong with it, all at once; an address finds its namespace in each session; a value has its type or none.

package opcua

import (
	"math"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

func TestAProfileSaysAllThatIsWrongWithItAtOnce(t *testing.T) {
	p := &fieldbus.Profile{ID: "p", Version: "1", Protocol: "modbus",
		Settings: []fieldbus.Setting{{Key: "read", Text: "maybe"}, {Key: "speed", Text: "9600"}, {Key: "sampling_interval", Text: "5 kg"}, {Key: "source_age", Text: "1 us"},
			{Key: "read", Text: "ask"}},
		Limits: fieldbus.Limits{ReadRegisters: 10, Hole: -1, InFlight: 2, Absent: []string{"input 1..2"}, Pause: 5, Response: -1},
		Points: []fieldbus.Point{{Name: "a", At: "holding 40", Type: fieldbus.Int16}, {Name: "b", At: "ns=2;s=", Type: fieldbus.Int16, Index: 1},
			{Name: "c", At: "i=1", Type: fieldbus.Int32, Order: fieldbus.CDAB, Index: 7}, {Name: "d", At: "ns=70000;i=1", Type: 77, Index: 3}, {Name: "e", At: "nsu=;i=1", Type: fieldbus.Bool, Index: 4}},
	}
	_, err := NewDevice(&fieldbus.Device{Name: "d", Profile: p, Endpoints: []string{"tcp://10.0.0.7:502", "opc.tcp://host", "opc.tcp://me:secret@host:4840"}},
		&DeviceOptions{Policy: Basic256Sha256})
	for _, want := range []string{`protocol "modbus"`, `setting "read": "maybe"`, `"speed": OPC UA does not know it; there are read, publishing_interval`, `"5 kg": must be a time`,
		`"1 us": must be`, `"read": is there twice`, `"sampling_interval": belongs to read: subscribe`, "limit read_registers", "limit hole", "limit in_flight", "limit absent", "limit pause",
		"limit response", `point "a": address "holding 40": it has no identifier`, `"ns=2;s=": it has no identifier`, "order CDAB", "index 7: its place in the profile is 2",
		"type 77", "no number of 0 to 65535", "a namespace without a URI", `endpoint "tcp://10.0.0.7:502"`, `endpoint "opc.tcp://host"`, `without a name or password`, "wants an Identity"} {
		require.ErrorContains(t, err, want)
	}
	_, err = NewDevice(nil, nil)
	require.ErrorContains(t, err, "has no profile")
}

func TestAPasswordIsNotForEverybody(t *testing.T) {
	for want, o := range map[string]DeviceOptions{
		"wants a Trust, which says what server may read": {User: "op", Password: "secret"}, "a password without a user": {Password: "x", Trust: &Trust{}},
		"wants a Trust, which says what servers": {Policy: Basic256Sha256, Identity: &Identity{Key: nil}}, "policy 9": {Policy: 9},
	} {
		if o.Identity != nil {
			id, err := us()
			require.NoError(t, err)
			o.Identity = id
		}
		_, err := NewDevice(&fieldbus.Device{Profile: plantProfile()}, &o)
		require.ErrorContains(t, err, want)
	}
}

func TestAnAddressIsFoundInEachSession(t *testing.T) {
	spaces := []string{"http://opcfoundation.org/UA/", "urn:server", "urn:a;b%c"}
	for at, want := range map[string]*ua.NodeID{
		"i=2258": ua.NewNumericNodeID(0, 2258), "ns=2;s=Flow": ua.NewStringNodeID(2, "Flow"), "nsu=urn:a%3Bb%25c;s=A;B=C": ua.NewStringNodeID(2, "A;B=C"),
		"s=x": ua.NewStringNodeID(0, "x"), "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a": ua.NewGUIDNodeID(1, "09087e75-8e5e-499b-954f-f2a9603db28a"),
		"ns=65535;b=AQID": ua.NewByteStringNodeID(65535, []byte{1, 2, 3}), "ns=1;i=4294967295": ua.NewNumericNodeID(1, math.MaxUint32),
	} {
		var p place
		require.NoError(t, p.locate(at), at)
		b, err := want.Encode()
		require.NoError(t, err)
		require.Equal(t, b, p.node(spaces), at)
	}
	var p place
	require.NoError(t, p.locate("nsu=urn:gone;s=x"))
	require.Nil(t, p.node(spaces), "a server without the namespace has none of its nodes")
	for _, at := range []string{"", "ns=2", "ns=-1;i=1", "ns=2;i=-1", "i=4294967296", "x=1", "g=12", "b=!", "ns=1;nsu=x;i=1", "ns;i=1"} {
		require.Error(t, p.locate(at), at)
	}
}

// valued gives a value as it comes.
func valued(t *testing.T, v *ua.DataValue) *dataValue {
	v.UpdateMask()
	b, err := v.Encode()
	require.NoError(t, err)
	var d dataValue
	c := cursor{b: b}
	c.dataValue(&d, 0)
	require.NoError(t, c.done())
	require.Empty(t, c.b)
	return &d
}

func TestAValueHasItsTypeOrIsBad(t *testing.T) {
	type want struct {
		bits   uint64
		status fieldbus.Status
	}
	wrong := want{status: fieldbus.StatusConfigurationError}
	for _, c := range []struct {
		typ  fieldbus.Type
		v    any
		want want
	}{
		{fieldbus.Bool, true, want{bits: 1}}, {fieldbus.Int16, int16(-2), want{bits: ^uint64(1)}}, {fieldbus.Uint16, uint16(65535), want{bits: 65535}},
		{fieldbus.Int32, int32(-2), want{bits: ^uint64(1)}}, {fieldbus.Uint32, uint32(1 << 31), want{bits: 1 << 31}}, {fieldbus.Int64, int64(-2), want{bits: ^uint64(1)}},
		{fieldbus.Uint64, uint64(1) << 63, want{status: fieldbus.StatusOutOfRange}}, {fieldbus.Uint64, uint64(7), want{bits: 7}},
		{fieldbus.Float32, float32(1.5), want{bits: 0x3FC0_0000}}, {fieldbus.Float64, 1.5, want{bits: 0x3FF8_0000_0000_0000}},
		{fieldbus.Uint16, byte(200), want{bits: 200}}, {fieldbus.Int16, int8(-3), want{bits: ^uint64(2)}},
		{fieldbus.Int32, int16(1), wrong}, {fieldbus.Float64, float32(1), wrong}, {fieldbus.Uint32, int32(1), wrong}, {fieldbus.Int16, "1", wrong}, {fieldbus.Bool, byte(1), wrong},
		{fieldbus.Int16, []int16{1}, wrong}, {fieldbus.Int64, time.Unix(1, 0), wrong}, {fieldbus.String, "x", wrong},
	} {
		p := place{typ: c.typ, form: c.typ.Form()}
		r := p.reading(valued(t, &ua.DataValue{Value: ua.MustVariant(c.v)}))
		require.Equal(t, c.want, want{r.Bits, r.Status}, "%v as %v", c.v, c.typ)
		require.Equal(t, c.typ.Form(), r.Form)
		require.Equal(t, r.Status == 0, r.Quality == tag.Good)
	}
	p := place{typ: fieldbus.Int16}
	require.Equal(t, fieldbus.StatusWaiting, p.reading(&dataValue{}).Status, "no value at all")
}

func TestWhatTheServerDoubtsIsBadAndSaysWhy(t *testing.T) {
	for status, want := range map[ua.StatusCode]fieldbus.Status{
		ua.StatusGood: 0, ua.StatusGoodClamped: 0, ua.StatusGood | 0x0480: 0, ua.StatusGoodLocalOverride: statusOutOfService, ua.StatusBadSensorFailure: fieldbus.StatusSensorFailure,
		ua.StatusBadNodeIDUnknown | 0x0400: statusNodeUnknown, ua.StatusUncertainLastUsableValue: statusNoCommunication, ua.StatusUncertainInitialValue: fieldbus.StatusWaiting,
		ua.StatusUncertainSubNormal: fieldbus.StatusSensorFailure, ua.StatusUncertain: fieldbus.StatusDeviceFailure, ua.StatusUncertainSubstituteValue: statusOutOfService, 0xC000_0000: 0xC000_0000,
	} {
		require.Equal(t, want, cause(uint32(status)), "%v", status)
	}
}

func TestWhatAWriteCameToIsNeverSaidTooWell(t *testing.T) {
	require.NoError(t, wrote(0))
	for _, s := range []ua.StatusCode{ua.StatusGoodCompletesAsynchronously, ua.StatusUncertain, ua.StatusBadTimeout, ua.StatusBadCommunicationError, ua.StatusBadDeviceFailure, ua.StatusBadInternalError,
		ua.StatusGoodClamped, ua.StatusBadWaitingForResponse, ua.StatusBadOperationAbandoned, ua.StatusBadRequestCancelledByRequest, ua.StatusBadNotConnected,
		ua.StatusBadConnectionClosed, ua.StatusBadResponseTooLarge, ua.StatusBadEncodingLimitsExceeded} {
		require.ErrorIs(t, wrote(uint32(s)), fieldbus.ErrUnknown, "%v", s)
	}
	for _, s := range []ua.StatusCode{ua.StatusBadTypeMismatch, ua.StatusBadNotWritable, ua.StatusBadUserAccessDenied, ua.StatusBadOutOfRange} {
		require.ErrorIs(t, wrote(uint32(s)), fieldbus.ErrRefused, "%v", s)
	}
}
