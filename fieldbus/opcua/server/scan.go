// Scanning: a request is walked through before it is decoded, so that nothing is allocated or nested for its word alone.

package server

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// Limits of one request. The codec allocates what lengths say, and calls itself for every level of nesting; neither can be caught.
const (
	maxThings = 1 << 17 // elements, structures and what is in Variants
	maxNest   = 100     // values in values, which part 6 wants to be read
	maxArray  = 0xffff  // elements of an array in a Variant, as the codec has it
)

// errScan is why a request is not decoded.
var errScan = fmt.Errorf("server: malformed request: %w", ua.StatusBadDecodingError)

var (
	typNodeID     = reflect.TypeFor[*ua.NodeID]()
	typExpanded   = reflect.TypeFor[*ua.ExpandedNodeID]()
	typVariant    = reflect.TypeFor[*ua.Variant]()
	typDataValue  = reflect.TypeFor[*ua.DataValue]()
	typDiagnostic = reflect.TypeFor[*ua.DiagnosticInfo]()
	typExtension  = reflect.TypeFor[*ua.ExtensionObject]()
	typLocalized  = reflect.TypeFor[*ua.LocalizedText]()
	typGUID       = reflect.TypeFor[*ua.GUID]()
	typQualified  = reflect.TypeFor[*ua.QualifiedName]()
	typTime       = reflect.TypeFor[time.Time]()
	typDecoder    = reflect.TypeFor[ua.BinaryDecoder]()
)

// extensions are the types that an ExtensionObject of a request may be decoded as.
var extensions = map[uint32]reflect.Type{
	id.AnonymousIdentityToken_Encoding_DefaultBinary: reflect.TypeFor[*ua.AnonymousIdentityToken](),
	id.UserNameIdentityToken_Encoding_DefaultBinary:  reflect.TypeFor[*ua.UserNameIdentityToken](),
	id.X509IdentityToken_Encoding_DefaultBinary:      reflect.TypeFor[*ua.X509IdentityToken](),
	id.IssuedIdentityToken_Encoding_DefaultBinary:    reflect.TypeFor[*ua.IssuedIdentityToken](),
	id.DataChangeFilter_Encoding_DefaultBinary:       reflect.TypeFor[*ua.DataChangeFilter](),
	id.EventFilter_Encoding_DefaultBinary:            reflect.TypeFor[*ua.EventFilter](),
	id.AggregateFilter_Encoding_DefaultBinary:        reflect.TypeFor[*ua.AggregateFilter](),
	id.ElementOperand_Encoding_DefaultBinary:         reflect.TypeFor[*ua.ElementOperand](),
	id.LiteralOperand_Encoding_DefaultBinary:         reflect.TypeFor[*ua.LiteralOperand](),
	id.AttributeOperand_Encoding_DefaultBinary:       reflect.TypeFor[*ua.AttributeOperand](),
	id.SimpleAttributeOperand_Encoding_DefaultBinary: reflect.TypeFor[*ua.SimpleAttributeOperand](),
}

// variantTypes are what a Variant may hold beside what has a fixed size.
var variantTypes = map[ua.TypeID]reflect.Type{
	ua.TypeIDGUID: typGUID, ua.TypeIDNodeID: typNodeID, ua.TypeIDExpandedNodeID: typExpanded, ua.TypeIDQualifiedName: typQualified,
	ua.TypeIDLocalizedText: typLocalized, ua.TypeIDExtensionObject: typExtension, ua.TypeIDDataValue: typDataValue,
	ua.TypeIDVariant: typVariant, ua.TypeIDDiagnosticInfo: typDiagnostic,
}

// decodeScanned decodes b as a v, a pointer to a structure, after it has walked through it, and tells how long it was. What is decoded
// goes on using b. An extension object of a type that no service takes is made one of no type in b, and its body is passed over.
func decodeScanned(b []byte, v any) (n int, err error) {
	s := scanner{b: b, things: maxThings}
	s.value(reflect.TypeOf(v), 0)
	if s.bad {
		return 0, errScan
	}
	if n, err = ua.Decode(b, v); err != nil {
		return 0, fmt.Errorf("%w: %w", errScan, err)
	}
	return n, nil
}

// scanner walks through bytes as the codec will.
type scanner struct {
	b      []byte
	things int // that may still come
	bad    bool
}

// take takes the next n bytes.
func (s *scanner) take(n int) []byte {
	if s.bad || n < 0 || n > len(s.b) {
		s.bad = true
		return nil
	}
	b := s.b[:n]
	s.b = s.b[n:]
	return b
}

func (s *scanner) byte() byte {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) uint32() uint32 {
	if b := s.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// length takes the length of a string or an array: -1 means that there is none.
func (s *scanner) length() int {
	n := s.uint32()
	if n == 1<<32-1 {
		return -1
	}
	if int64(n) > int64(len(s.b)) { // an element takes a byte at least
		s.bad = true
		return -1
	}
	return int(n)
}

// text takes a string, or a string of bytes.
func (s *scanner) text() { s.take(max(s.length(), 0)) }

// thing counts one.
func (s *scanner) thing() {
	if s.things--; s.things < 0 {
		s.bad = true
	}
}

// value walks through a value of type t. What the codec reads by methods of its own is done by hand; an unknown method is refused.
func (s *scanner) value(t reflect.Type, nest int) {
	if t.Kind() == reflect.Pointer {
		s.thing()
	}
	if nest > maxNest {
		s.bad = true
	}
	if s.bad {
		return
	}
	switch {
	case t == typNodeID:
		s.nodeID()
	case t == typExpanded:
		s.expanded()
	case t == typVariant:
		s.variant(nest + 1)
	case t == typDataValue:
		s.dataValue(nest + 1)
	case t == typDiagnostic:
		s.diagnostic(nest + 1)
	case t == typExtension:
		s.extension(nest + 1)
	case t == typLocalized:
		mask := s.byte()
		for _, bit := range []byte{ua.LocalizedTextLocale, ua.LocalizedTextText} {
			if mask&bit != 0 {
				s.text()
			}
		}
	case t == typGUID:
		s.take(16)
	case t.Implements(typDecoder):
		s.bad = true
	case t.ConvertibleTo(typTime):
		s.take(8)
	default:
		s.plain(t, nest)
	}
}

// plain walks through what the codec reads by the kind of its type.
func (s *scanner) plain(t reflect.Type, nest int) {
	switch t.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Uint8, reflect.Int16, reflect.Uint16, reflect.Int32, reflect.Uint32, reflect.Int64, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		s.take(int(t.Size()))
	case reflect.String:
		s.text()
	case reflect.Pointer:
		s.value(t.Elem(), nest)
	case reflect.Struct:
		for i := range t.NumField() {
			s.value(t.Field(i).Type, nest)
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			s.text()
			return
		}
		for n := s.length(); n > 0 && !s.bad; n-- {
			s.thing()
			s.value(t.Elem(), nest)
		}
	default:
		s.bad = true
	}
}

// nodeID takes a NodeId, and gives its identifier, which may be overwritten, and whether it is a number of namespace 0.
func (s *scanner) nodeID() (mask byte, ident []byte, zero bool) {
	mask = s.byte()
	switch ua.NodeIDType(mask & 0xf) {
	case ua.NodeIDTypeTwoByte:
		return mask, s.take(1), true
	case ua.NodeIDTypeFourByte:
		ns := s.byte()
		return mask, s.take(2), ns == 0
	case ua.NodeIDTypeNumeric:
		ns := s.take(2)
		return mask, s.take(4), ns != nil && ns[0]|ns[1] == 0
	case ua.NodeIDTypeGUID:
		s.take(2)
		return mask, s.take(16), false
	case ua.NodeIDTypeString, ua.NodeIDTypeByteString:
		s.take(2)
		return mask, s.take(max(s.length(), 0)), false
	}
	s.bad = true
	return mask, nil, false
}

func (s *scanner) expanded() (ident []byte, zero bool) {
	mask, ident, zero := s.nodeID()
	if mask&0x80 != 0 {
		s.text()
	}
	if mask&0x40 != 0 {
		s.take(4)
	}
	return ident, zero
}

func (s *scanner) dataValue(nest int) {
	mask := s.byte()
	if mask&ua.DataValueValue != 0 {
		s.value(typVariant, nest)
	}
	for _, f := range []struct {
		bit  byte
		size int
	}{{ua.DataValueStatusCode, 4}, {ua.DataValueSourceTimestamp, 8}, {ua.DataValueSourcePicoseconds, 2},
		{ua.DataValueServerTimestamp, 8}, {ua.DataValueServerPicoseconds, 2}} {
		if mask&f.bit != 0 {
			s.take(f.size)
		}
	}
}

func (s *scanner) diagnostic(nest int) {
	mask := s.byte()
	for _, bit := range []byte{ua.DiagnosticInfoSymbolicID, ua.DiagnosticInfoNamespaceURI, ua.DiagnosticInfoLocale, ua.DiagnosticInfoLocalizedText} {
		if mask&bit != 0 {
			s.take(4)
		}
	}
	if mask&ua.DiagnosticInfoAdditionalInfo != 0 {
		s.text()
	}
	if mask&ua.DiagnosticInfoInnerStatusCode != 0 {
		s.take(4)
	}
	if mask&ua.DiagnosticInfoInnerDiagnosticInfo != 0 {
		s.value(typDiagnostic, nest)
	}
}

func (s *scanner) extension(nest int) {
	ident, zero := s.expanded()
	mask := s.byte()
	if mask == ua.ExtensionObjectEmpty {
		return
	}
	body := scanner{b: s.take(max(s.length(), 0)), things: s.things}
	if s.bad || len(body.b) == 0 {
		return
	}
	var number uint32
	for i, c := range ident {
		if i < 4 {
			number |= uint32(c) << (8 * i)
		}
	}
	t := extensions[number]
	switch {
	case mask == ua.ExtensionObjectXML:
		body.text()
	case zero && t != nil:
		body.value(t, nest)
	default:
		clear(ident)
	}
	s.things, s.bad = body.things, body.bad
}

func (s *scanner) variant(nest int) {
	mask := s.byte()
	t := ua.TypeID(mask & 0x3f)
	if t == ua.TypeIDNull {
		return
	}
	if mask&ua.VariantArrayValues == 0 {
		s.held(t, nest)
		return
	}
	n := max(s.length(), 0) // of none the codec makes an empty one, and there are no dimensions of it
	if n > maxArray {
		s.bad = true
	}
	for i := 0; i < n && !s.bad; i++ {
		s.thing()
		s.held(t, nest)
	}
	if mask&ua.VariantArrayDimensions == 0 {
		return
	}
	product := int64(1)
	dims := s.length()
	if dims < 0 || dims > 16 {
		s.bad = true
	}
	for ; dims > 0 && !s.bad; dims-- {
		d := int64(s.uint32())
		if product *= d; d < 1 || product > int64(n) {
			s.bad = true
		}
	}
}

// held walks through one value in a Variant.
func (s *scanner) held(t ua.TypeID, nest int) {
	switch t {
	case ua.TypeIDBoolean, ua.TypeIDSByte, ua.TypeIDByte:
		s.take(1)
	case ua.TypeIDInt16, ua.TypeIDUint16:
		s.take(2)
	case ua.TypeIDInt32, ua.TypeIDUint32, ua.TypeIDFloat, ua.TypeIDStatusCode:
		s.take(4)
	case ua.TypeIDInt64, ua.TypeIDUint64, ua.TypeIDDouble, ua.TypeIDDateTime:
		s.take(8)
	case ua.TypeIDString, ua.TypeIDByteString, ua.TypeIDXMLElement:
		s.text()
	default:
		if typ := variantTypes[t]; typ != nil {
			s.value(typ, nest)
			return
		}
		s.bad = true
	}
}
