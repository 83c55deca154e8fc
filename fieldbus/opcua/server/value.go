// Values: as a space holds them and as clients see them.

package server

import (
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
)

// kinds are the data types of the kinds in namespace 0.
var kinds = [...]struct {
	data uint32
	typ  ua.TypeID
}{
	Bool: {1, ua.TypeIDBoolean}, Int16: {4, ua.TypeIDInt16}, Uint16: {5, ua.TypeIDUint16}, Int32: {6, ua.TypeIDInt32}, Uint32: {7, ua.TypeIDUint32},
	Int64: {8, ua.TypeIDInt64}, Uint64: {9, ua.TypeIDUint64}, Float32: {10, ua.TypeIDFloat}, Float64: {11, ua.TypeIDDouble},
	String: {12, ua.TypeIDString}, Strings: {12, ua.TypeIDString}, Time: {13, ua.TypeIDDateTime},
}

// data gives data type and rank.
func (k Kind) data() (typ uint32, rank int32) {
	if k == Strings {
		return kinds[k].data, 1
	}
	return kinds[k].data, -1
}

// number tells whether values of a kind have a distance.
func (k Kind) number() bool { return k >= Int16 && k <= Float64 }

// clean gives the bits of a number as its kind has them, with the sign in all bits above, so that equal values have equal bits.
func (k Kind) clean(bits uint64) uint64 {
	switch k {
	case Bool:
		return bits & 1
	case Int16:
		return uint64(int64(int16(bits)))
	case Uint16:
		return uint64(uint16(bits))
	case Int32:
		return uint64(int64(int32(bits)))
	case Uint32, Float32:
		return uint64(uint32(bits))
	case String, Strings:
		return 0
	}
	return bits
}

// variant gives the value as it is sent.
func (k Kind) variant(v *Value) *ua.Variant {
	switch k {
	case Bool:
		return ua.MustVariant(v.Bits&1 == 1)
	case Int16:
		return ua.MustVariant(int16(v.Bits))
	case Uint16:
		return ua.MustVariant(uint16(v.Bits))
	case Int32:
		return ua.MustVariant(int32(v.Bits))
	case Uint32:
		return ua.MustVariant(uint32(v.Bits))
	case Int64:
		return ua.MustVariant(int64(v.Bits))
	case Uint64:
		return ua.MustVariant(v.Bits)
	case Float32:
		return ua.MustVariant(math.Float32frombits(uint32(v.Bits)))
	case Float64:
		return ua.MustVariant(math.Float64frombits(v.Bits))
	case Time:
		return ua.MustVariant(time.Unix(0, int64(v.Bits)).UTC())
	case Strings:
		return ua.MustVariant(append([]string{}, v.Texts...))
	}
	return ua.MustVariant(v.Text)
}

// value reads what a client wrote; the type must be that of the kind, exactly. Of Time, what int64 cannot hold is refused.
func (k Kind) value(x *ua.Variant) (v Value, ok bool) {
	if x == nil || x.Type() != kinds[k].typ || x.Has(ua.VariantArrayValues) != (k == Strings) {
		return v, false
	}
	switch b := x.Value().(type) {
	case bool:
		if b {
			v.Bits = 1
		}
	case int16:
		v.Bits = uint64(b)
	case uint16:
		v.Bits = uint64(b)
	case int32:
		v.Bits = uint64(b)
	case uint32:
		v.Bits = uint64(b)
	case int64:
		v.Bits = uint64(b)
	case uint64:
		v.Bits = b
	case float32:
		v.Bits = uint64(math.Float32bits(b))
	case float64:
		v.Bits = math.Float64bits(b)
	case string:
		v.Text = b
	case []string:
		v.Texts = b
	case time.Time:
		v.Bits = uint64(b.UnixNano())
		return v, b.Year() > 1678 && b.Year() < 2262
	default:
		return v, false
	}
	return v, v.fits()
}

// fits tells whether the texts can be sent.
func (v *Value) fits() bool {
	n := len(v.Text)
	for _, t := range v.Texts {
		if n += 4 + len(t); !utf8.ValidString(t) {
			return false
		}
	}
	return n <= MaxText && utf8.ValidString(v.Text)
}

// size is at least how many bytes a value takes up, sent or kept.
func (v *Value) size() int {
	n := 128 + len(v.Text)
	for _, t := range v.Texts {
		n += 16 + len(t)
	}
	return n
}

// sent gives the value with the timestamps that were asked for, as it stands at a time.
func (k Kind) sent(v *Value, want ua.TimestampsToReturn, now time.Time) *ua.DataValue {
	d := &ua.DataValue{Status: ua.StatusCode(v.Status)}
	if !v.Null && !bad(v.Status) {
		d.Value = k.variant(v)
	}
	if want == ua.TimestampsToReturnSource || want == ua.TimestampsToReturnBoth {
		d.SourceTimestamp = v.Source
	}
	if want == ua.TimestampsToReturnServer || want == ua.TimestampsToReturnBoth {
		if d.ServerTimestamp = v.Server; v.Server.IsZero() {
			d.ServerTimestamp = now
		}
	}
	d.UpdateMask()
	return d
}

// bad tells whether a status is Bad; the two bits on top say so.
func bad(s fieldbus.Status) bool { return s>>30 >= 2 }

// differs tells whether a value is to be told after another, by a filter (part 4, 7.22.2).
func (k Kind) differs(was, is *Value, f dataFilter) bool {
	if was.Status != is.Status {
		return true
	}
	if f.trigger == ua.DataChangeTriggerStatus {
		return false
	}
	if f.trigger == ua.DataChangeTriggerStatusValueTimestamp && !was.Source.Equal(is.Source) || was.Null != is.Null {
		return true
	}
	if was.Bits != is.Bits && (f.deadband == 0 || k.distance(was.Bits, is.Bits) > f.deadband) {
		return true
	}
	return was.Text != is.Text || !slices.Equal(was.Texts, is.Texts)
}

// distance gives how far two numbers are apart; of two that have no distance, NaN and an infinite number for example, +Inf.
func (k Kind) distance(a, b uint64) float64 {
	var d float64
	switch k {
	case Int16, Int32, Int64:
		x, y := int64(a), int64(b)
		return float64(uint64(max(x, y)) - uint64(min(x, y)))
	case Float32:
		d = float64(math.Float32frombits(uint32(a))) - float64(math.Float32frombits(uint32(b)))
	case Float64:
		d = math.Float64frombits(a) - math.Float64frombits(b)
	default:
		return float64(max(a, b) - min(a, b))
	}
	if d = math.Abs(d); math.IsNaN(d) {
		return math.Inf(1)
	}
	return d
}
