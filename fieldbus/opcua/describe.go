// What is asked of each variable that a walk has found, and what kind of point follows from it.

package opcua

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
)

// asked are the attributes that are read of each variable, in the order of facts.
var asked = [...]ua.AttributeID{ua.AttributeIDDataType, ua.AttributeIDValueRank, ua.AttributeIDAccessLevel, ua.AttributeIDUserAccessLevel,
	ua.AttributeIDDescription}

// notAsked is why a variable is refused until it was asked what it is.
const notAsked = "it was not asked what it is, for want of time"

// describe reads what every variable is, and then, of those that may be points, the value for a trial. What it has no time for is in the
// Survey all the same, refused.
func (w *walk) describe(ctx context.Context) (err error) {
	slices.SortFunc(w.found, func(a, b *place) int { return cmp.Or(cmp.Compare(a.v.Path, b.v.Path), cmp.Compare(a.key, b.key)) })
	group := max(1, w.perRead/(len(asked)+1))
	for part := range slices.Chunk(w.found, group) {
		if err := w.facts(ctx, part); err != nil {
			return err
		}
		if err := w.trial(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// facts reads attributes and units of some variables.
func (w *walk) facts(ctx context.Context, part []*place) error {
	var nodes []*ua.ReadValueID
	for _, p := range part {
		for _, a := range asked {
			nodes = append(nodes, &ua.ReadValueID{NodeID: p.id, AttributeID: a})
		}
		if p.unit != nil {
			nodes = append(nodes, &ua.ReadValueID{NodeID: p.unit, AttributeID: ua.AttributeIDValue})
		}
	}
	values, err := w.read(ctx, nodes)
	if err != nil {
		return err
	}
	for _, p := range part {
		p.v.Refused = ""
		at, err := w.textOf(p.id)
		if p.v.At = at; err == nil && !plainText(at) {
			err = fmt.Errorf("its node id cannot stand in a profile: it is longer than %d bytes, or has spaces at an end or characters that are not visible",
				fieldbus.MaxText)
		}
		p.judge(values[:len(asked)])
		if values = values[len(asked):]; p.unit != nil {
			p.measured(values[0])
			values = values[1:]
		}
		if err != nil {
			p.v.Refused = err.Error()
		}
	}
	return nil
}

// plainText tells whether a text can be an address of a profile.
func plainText(text string) bool {
	return len(text) <= fieldbus.MaxText && utf8.ValidString(text) && strings.TrimSpace(text) == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// types are the built-in types of OPC UA that a point can have. A server's value of eight bits is none: profiles have no such type.
var types = map[ua.TypeID]fieldbus.Type{ua.TypeIDBoolean: fieldbus.Bool, ua.TypeIDInt16: fieldbus.Int16, ua.TypeIDUint16: fieldbus.Uint16,
	ua.TypeIDInt32: fieldbus.Int32, ua.TypeIDUint32: fieldbus.Uint32, ua.TypeIDInt64: fieldbus.Int64, ua.TypeIDUint64: fieldbus.Uint64,
	ua.TypeIDFloat: fieldbus.Float32, ua.TypeIDDouble: fieldbus.Float64, ua.TypeIDString: fieldbus.String}

// typeNames are the names of the built-in types, as part 6 has them, by their number.
var typeNames = [...]string{"", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String",
	"DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "Structure",
	"DataValue", "BaseDataType", "DiagnosticInfo", "Number", "Integer", "UInteger", "Enumeration"}

// typeName names a data type.
func typeName(n *ua.NodeID) string {
	if n.Namespace() == 0 && n.IntID() > 0 && int(n.IntID()) < len(typeNames) {
		return typeNames[n.IntID()]
	}
	return shortened(n.String(), mostName)
}

// judge goes by the attributes of a variable.
func (p *place) judge(facts []*ua.DataValue) {
	v := &p.v
	if text, ok := factOf(facts[4]).(*ua.LocalizedText); ok {
		v.Description = shortened(text.Text, mostText)
	}
	level, ok := factOf(facts[3]).(byte)
	if !ok { // what we may do counts, or what anybody may
		level, ok = factOf(facts[2]).(byte)
	}
	reads, writes := level&1 != 0, level&2 != 0
	switch {
	case !ok:
		v.Refused = "the server does not tell whether it may be read"
		return
	case !reads && !writes:
		v.Refused = "we may neither read nor write it; another user may"
		return
	case !reads:
		v.Access = fieldbus.WriteOnly
	case writes:
		v.Access = fieldbus.ReadWrite
	}
	kind, ok := factOf(facts[0]).(*ua.NodeID)
	if !ok {
		v.Refused = "the server does not tell its data type: " + named(facts[0].Status)
		return
	}
	if rank, ok := factOf(facts[1]).(int32); ok && rank >= 0 {
		v.Refused = fmt.Sprintf("an array of %s; a point is one value", typeName(kind))
		return
	}
	if kind.Namespace() == 0 {
		if v.Type = types[ua.TypeID(kind.IntID())]; v.Type == 0 && kind.IntID() < id.BaseDataType || kind.IntID() == id.DiagnosticInfo {
			v.Refused = fmt.Sprintf("%s is no type of a point", typeName(kind))
			return
		}
	}
	if v.Type == 0 { // a type that others are kinds of, or a kind of one: its value shows what it is
		v.Notes = append(v.Notes, "its data type is "+typeName(kind))
		if !reads {
			v.Refused = fmt.Sprintf("its data type %s is none of the simple ones, and its value cannot be read", typeName(kind))
		}
	}
}

// factOf gives the value of an attribute; nil where there is none.
func factOf(v *ua.DataValue) any {
	if v.Status != ua.StatusOK || v.Value == nil {
		return nil
	}
	return v.Value.Value()
}

// measured goes by a unit that the server tells.
func (p *place) measured(value *ua.DataValue) {
	o, _ := factOf(value).(*ua.ExtensionObject)
	if o == nil {
		return
	}
	u, ok := o.Value.(*ua.EUInformation)
	if !ok || u == nil {
		return
	}
	name := ""
	if u.DisplayName != nil {
		name = shortened(u.DisplayName.Text, mostName)
	}
	unit, code := unitOf(u.NamespaceURI, u.UnitID)
	if p.v.Unit = unit; unit == "" && (name != "" || u.UnitID > 0) {
		p.v.Notes = append(p.v.Notes, fmt.Sprintf("unit: the server has %q (%s), which is not known here", name, code))
	}
}

// trial reads the values of those that may be points.
func (w *walk) trial(ctx context.Context, part []*place) error {
	var nodes []*ua.ReadValueID
	var of []*place
	for _, p := range part {
		if p.v.Refused == "" && p.v.Access != fieldbus.WriteOnly {
			nodes, of = append(nodes, &ua.ReadValueID{NodeID: p.id, AttributeID: ua.AttributeIDValue}), append(of, p)
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	values, err := w.read(ctx, nodes)
	for i, p := range of {
		if err != nil {
			p.v.Refused = notAsked
			continue
		}
		p.tried(values[i])
	}
	return err
}

// tried goes by the value that a variable had.
func (p *place) tried(value *ua.DataValue) {
	v := &p.v
	v.Status = fieldbus.Status(value.Status)
	if value.Status != ua.StatusOK {
		v.Notes = append(v.Notes, "when it was read it was "+named(value.Status))
	}
	if value.Value == nil || value.Value.Type() == ua.TypeIDNull {
		if v.Type == 0 {
			v.Refused = "it had no value that would show its type"
		}
		p.sized(0)
		return
	}
	kind := types[value.Value.Type()]
	name := "a type that there is not"
	if n := int(value.Value.Type()); n < len(typeNames) {
		name = typeNames[n]
	}
	switch {
	case value.Value.Has(ua.VariantArrayValues):
		v.Refused = fmt.Sprintf("an array of %s; a point is one value", name)
		return
	case kind == 0:
		v.Refused = name + " is no type of a point"
		return
	case v.Type != 0 && v.Type != kind:
		v.Refused = fmt.Sprintf("the server says that it is %s, and gave %s", v.Type, kind)
		return
	}
	v.Type = kind
	text, _ := value.Value.Value().(string)
	p.sized(len(text))
}

// sized gives a String the room that a point of it is to have.
func (p *place) sized(bytes int) {
	v := &p.v
	switch {
	case v.Type != fieldbus.String:
	case bytes > fieldbus.MaxLength:
		v.Refused = fmt.Sprintf("a string of %d bytes; a point has %d at most", bytes, fieldbus.MaxLength)
	default:
		v.Length = max(32, bytes)
	}
	if v.Type == fieldbus.String && v.Access != fieldbus.ReadOnly {
		v.Notes, v.Access = append(v.Notes, "the server lets it be written; a string of a profile is read only"), fieldbus.ReadOnly
	}
}

// shortened gives a text of a server as one line of visible characters, cut to a number of bytes.
func shortened(text string, most int) string {
	if len(text) > 4*most { // what is behind that would be cut in any case
		text = text[:4*most]
	}
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	for text = text[:most-3]; !utf8.ValidString(text); {
		text = text[:len(text)-1]
	}
	return text + "..."
}
