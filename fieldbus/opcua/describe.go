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

// facets are the attributes that are read of each variable, in the order of facts.
var facets = [...]ua.AttributeID{ua.AttributeIDDataType, ua.AttributeIDValueRank, ua.AttributeIDAccessLevel, ua.AttributeIDUserAccessLevel,
	ua.AttributeIDDescription}

// notAsked is why a variable is refused until it was asked what it is.
const notAsked = "it was not asked what it is, for want of time"

// describe reads what every variable is, and then, of those that may be points, the value for a trial. What it has no time for is in the
// Survey all the same, refused.
func (w *walk) describe(ctx context.Context) (err error) {
	slices.SortFunc(w.found, func(a, b *spot) int { return cmp.Or(cmp.Compare(a.v.Path, b.v.Path), cmp.Compare(a.key, b.key)) })
	group := max(1, w.perRead/(len(facets)+1))
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
func (w *walk) facts(ctx context.Context, part []*spot) error {
	var nodes []*ua.ReadValueID
	for _, p := range part {
		for _, a := range facets {
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
		p.v.At = at
		p.judge(values[:len(facets)])
		if values = values[len(facets):]; p.unit != nil {
			p.measured(&values[0])
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

// pointOf gives the type of a point that a built-in type of OPC UA has; 0: none has it. Byte and SByte can be read as a wider one.
func pointOf(kind uint32) fieldbus.Type {
	switch kind {
	case kindByte:
		return fieldbus.Uint16
	case kindSByte:
		return fieldbus.Int16
	}
	for t := fieldbus.Bool; t <= fieldbus.String; t++ {
		if uint32(kinds[t]) == kind {
			return t
		}
	}
	return 0
}

// builtIn are the names of the built-in types, and of those that others are kinds of, as part 6 has them, by their number.
var builtIn = [...]string{"null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String",
	"DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "Structure",
	"DataValue", "BaseDataType", "DiagnosticInfo", "Number", "Integer", "UInteger", "Enumeration"}

// typeName names a data type.
func typeName(n *ua.NodeID) string {
	if n.Namespace() == 0 && n.IntID() > 0 && int(n.IntID()) < len(builtIn) {
		return builtIn[n.IntID()]
	}
	return shortened(n.String(), mostName)
}

// judge goes by the attributes of a variable.
func (p *spot) judge(facts []dataValue) {
	v := &p.v
	v.Description = facts[4].localized(mostText)
	level, ok := facts[3].number(kindByte)
	if !ok { // what we may do counts, or what anybody may
		level, ok = facts[2].number(kindByte)
	}
	reads, writes := level&1 != 0, level&2 != 0
	switch {
	case !ok:
		v.Refused = "the server does not tell whether it may be read: " + statusName(facts[2].status)
		return
	case !reads && !writes:
		v.Refused = "we may neither read nor write it; another user may"
		return
	case !reads:
		v.Access = fieldbus.WriteOnly
	case writes:
		v.Access = fieldbus.ReadWrite
	}
	kind := facts[0].node()
	if kind == nil {
		v.Refused = "the server does not tell its data type: " + statusName(facts[0].status)
		return
	}
	if rank, ok := facts[1].number(kindInt32); ok && int32(rank) >= 0 {
		v.Refused = fmt.Sprintf("an array of %s; a point is one value", typeName(kind))
		return
	}
	if kind.Namespace() == 0 {
		if v.Type = pointOf(kind.IntID()); v.Type == 0 && kind.IntID() < id.BaseDataType || kind.IntID() == id.DiagnosticInfo {
			v.Refused = fmt.Sprintf("%s is no type of a point", typeName(kind))
			return
		}
		p.narrow(kind.IntID())
	}
	if v.Type == 0 { // a type that others are kinds of, or a kind of one: its value shows what it is
		v.Notes = append(v.Notes, "its data type is "+typeName(kind))
		if !reads {
			v.Refused = fmt.Sprintf("its data type %s is none of the simple ones, and its value cannot be read", typeName(kind))
		}
	}
}

// narrow notes that a value of eight bits is read as a wider one, and cannot be written.
func (p *spot) narrow(kind uint32) {
	if kind != kindByte && kind != kindSByte {
		return
	}
	p.v.Notes = append(p.v.Notes, "the server has a "+builtIn[kind])
	switch p.v.Access {
	case fieldbus.WriteOnly:
		p.v.Refused = builtIn[kind] + " can be read as a wider type, and not be written"
	case fieldbus.ReadWrite:
		p.v.Access = fieldbus.ReadOnly
		p.v.Notes = append(p.v.Notes, "which it lets be written, and we cannot")
	}
}

// Kinds of attributes.
const (
	kindInt32     = 6
	kindUint32    = 7
	kindNodeID    = 17
	kindLocalized = 21
	kindObject    = 22
)

// number gives a Byte, Int32 or UInt32, as its bits.
func (v *dataValue) number(kind byte) (uint32, bool) {
	if v.status>>30 != 0 || v.kind != kind {
		return 0, false
	}
	c := cursor{b: v.body}
	if kind == kindByte {
		return uint32(c.u8()), !c.bad
	}
	return c.u32(), !c.bad
}

// node gives a NodeId; nil where there is none.
func (v *dataValue) node() *ua.NodeID {
	if v.status>>30 != 0 || v.kind != kindNodeID {
		return nil
	}
	n, err := decoded(v.body)
	if err != nil {
		return nil
	}
	return n
}

// localized gives a LocalizedText, cut to a number of bytes; "" where there is none.
func (v *dataValue) localized(most int) string {
	if v.status>>30 != 0 || v.kind != kindLocalized {
		return ""
	}
	c := cursor{b: v.body}
	return c.text(most)
}

// text reads the text of a LocalizedText, cut to a number of bytes.
func (c *cursor) text(most int) (text string) {
	mask := c.u8()
	if mask&1 != 0 {
		c.bytes()
	}
	if mask&2 != 0 {
		text = shortened(string(c.bytes()), most)
	}
	return text
}

// measured goes by a unit that the server tells: an EUInformation.
func (p *spot) measured(v *dataValue) {
	if v.status>>30 != 0 || v.kind != kindObject {
		return
	}
	object := cursor{b: v.body}
	kind, body := object.object()
	if kind != id.EUInformation_Encoding_DefaultBinary {
		return
	}
	c := cursor{b: body}
	space, number, name := string(c.bytes()), int32(c.u32()), c.text(mostName)
	if c.bad {
		return
	}
	unit, code := unitOf(space, number)
	if p.v.Unit = unit; unit == "" && (name != "" || number > 0) {
		p.v.Notes = append(p.v.Notes, fmt.Sprintf("unit: the server has %q (%s), which is not known here", name, code))
	}
}

// trial reads the values of those that may be points.
func (w *walk) trial(ctx context.Context, part []*spot) error {
	var nodes []*ua.ReadValueID
	var of []*spot
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
		p.tried(&values[i])
	}
	return err
}

// tried goes by the value that a variable had.
func (p *spot) tried(value *dataValue) {
	v := &p.v
	v.Status = fieldbus.Status(value.status)
	if value.status>>30 != 0 {
		v.Notes = append(v.Notes, "when it was read it was "+statusName(value.status))
	}
	kind, name := uint32(value.kind&0x3F), "a type that there is not"
	if int(kind) < len(builtIn) {
		name = builtIn[kind]
	}
	was := pointOf(kind)
	switch {
	case kind == kindNull:
		if v.Type == 0 {
			v.Refused = "it had no value that would show its type"
		}
	case value.kind&kindArray != 0:
		v.Refused = fmt.Sprintf("an array of %s; a point is one value", name)
	case was == 0:
		v.Refused = name + " is no type of a point"
	case v.Type != 0 && v.Type != was:
		v.Refused = fmt.Sprintf("the server says that it is %s, and gave %s", v.Type, was)
	case v.Type == 0:
		v.Type = was
		p.narrow(kind)
	}
	c := cursor{b: value.body}
	if kind != kindString {
		c.b = nil
	}
	p.sized(len(c.bytes()))
}

// sized gives a String the room that a point of it is to have.
func (p *spot) sized(bytes int) {
	v := &p.v
	switch {
	case v.Type != fieldbus.String || v.Refused != "":
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
