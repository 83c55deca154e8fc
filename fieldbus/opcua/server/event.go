// Events: their types, and what happened.

package server

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gopcua/opcua/ua"
)

// EventType names a type of events. The zero EventType is BaseEventType, which has no fields of its own.
type EventType struct{ id uint32 }

// Field is a field of a type of events.
type Field struct {
	Name string
	Kind Kind
}

// Event is something that happened.
type Event struct {
	Type     EventType
	Source   Node // what it happened to; zero: the server
	Time     time.Time
	Severity uint16 // 1 to 1000
	Message  string
	Fields   []Value // in the order of the type's; not to be changed any more. What is missing is null
}

// eventType is a type of events as a space keeps it.
type eventType struct {
	node   *vertex
	fields []Field
}

// EventType makes a type of events, beneath BaseEventType, with fields of its own, or gives the one that is there. Its identifier is
// "ns=2;s=/EventTypes/NAME", those of its fields have the name of the field behind that. At most MaxEventTypes types with MaxFields fields
// each are made; what goes beyond them, has a name that Folder would refuse, or is there with other fields, is refused, and so are its
// events.
func (s *Space) EventType(name string, fields ...Field) EventType {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.types {
		if t.node.name == name && slices.Equal(t.fields, fields) {
			return EventType{uint32(i) + 1}
		}
	}
	base := s.nodes[std(idBaseEvent)]
	k := key{ns: 2, text: "/EventTypes/" + escape.Replace(name)} // no path begins so
	if s.nodes[k] != nil || !proper(name, fields) || len(s.types) >= MaxEventTypes || !s.room(1+len(fields)) {
		s.refused++
		return EventType{math.MaxUint32}
	}
	t := &eventType{node: &vertex{key: k, class: objType, ns: 2, name: name, up: base, link: idSubtype, rank: -1}, fields: slices.Clone(fields)}
	s.add(t.node)
	for _, f := range fields {
		n := &vertex{key: key{ns: 2, text: k.text + "/" + escape.Replace(f.Name)}, class: variable, ns: 2, name: f.Name, up: t.node, link: idProperty,
			typ: s.nodes[std(idPropertyType)], also: []ref{{idModellingRule, false, s.nodes[std(idMandatory)]}}}
		n.data, n.rank = f.Kind.data()
		s.add(n)
	}
	s.types = append(s.types, t)
	return EventType{uint32(len(s.types))}
}

// proper tells whether the names of a type and its fields can be taken, and the fields have kinds.
func proper(name string, fields []Field) bool {
	good := func(n string) bool { return n != "" && len(n) <= MaxName && utf8.ValidString(n) }
	if !good(name) || len(fields) > MaxFields {
		return false
	}
	for i, f := range fields {
		if !good(f.Name) || f.Kind < Bool || f.Kind > Time || slices.ContainsFunc(fields[:i], func(g Field) bool { return g.Name == f.Name }) {
			return false
		}
	}
	return true
}

// event is what happened, as those who monitor events have it in their queues. It does not change.
type event struct {
	typ      key
	own      *eventType // nil: it has no fields of its own
	id       [16]byte
	source   key
	from     string // name of the source
	at, here time.Time
	severity uint16
	message  string
	fields   []Value
	size     int
}

// Raise raises an event: who subscribed to the events of the Server object, of the source, or of a folder above it, is told; the Objects
// folder is above all. A severity outside of 1 to 1000 counts as the nearest. A message is cut after MaxText bytes, and says so; of fields that are no UTF-8, or longer, the
// status is BadEncodingLimitsExceeded. An event of a type that was refused, or of a source that is not there, is refused.
func (s *Space) Raise(e Event) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	source := s.nodes[std(idServer)]
	if e.Source.id != 0 {
		source = s.own[e.Source.id]
	}
	if source == nil || int64(e.Type.id) > int64(len(s.types)) {
		s.refused++
		return
	}
	x := &event{typ: std(idBaseEvent), source: source.key, from: source.name, at: e.Time, here: now, severity: min(max(e.Severity, 1), 1000)}
	if e.Type.id != 0 {
		x.own = s.types[e.Type.id-1]
		x.typ = x.own.node.key
		x.fields = slices.Clone(e.Fields[:min(len(e.Fields), len(x.own.fields))])
	}
	if x.message = message(e.Message); x.at.IsZero() {
		x.at = now
	}
	s.events++
	binary.BigEndian.PutUint64(x.id[:8], uint64(s.began.UnixNano()))
	binary.BigEndian.PutUint64(x.id[8:], s.events)
	x.size = 256 + len(x.message)
	for i := range x.fields {
		if f := &x.fields[i]; !f.fits() {
			*f = Value{Null: true, Status: limitsExceeded}
			s.refused++
		}
		x.size += x.fields[i].size()
	}
	s.tell(source, x)
}

// tell hands an event to those who monitor its source, a folder above it, or the server.
func (s *Space) tell(source *vertex, e *event) {
	for n := source; n != nil; n = n.up {
		for it := n.watch; it != nil; it = it.below {
			it.happened(e)
		}
	}
	if source.key != std(idServer) {
		for it := s.nodes[std(idServer)].watch; it != nil; it = it.below {
			it.happened(e)
		}
	}
}

// message makes a text that can be sent.
func message(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= MaxText {
		return text
	}
	const cut = " [cut]"
	text = text[:MaxText-len(cut)]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + cut
}

// overflow is the event that stands for those that a queue has lost (part 4, 7.22.3).
func overflow(now time.Time) *event {
	e := &event{typ: std(idOverflow), source: std(idServer), from: "Server", at: now, here: now, severity: 500,
		message: "events were lost: the queue of this item was full", size: 256}
	binary.BigEndian.PutUint64(e.id[:8], uint64(now.UnixNano()))
	e.id[8] = 0xFF // no event of a space has it
	return e
}

// field gives a field by its path, of one name; nil: the event has none of that name.
func (e *event) field(name *ua.QualifiedName) *ua.Variant {
	if name.NamespaceIndex == 2 && e.own != nil {
		for i, f := range e.own.fields {
			if f.Name == name.Name && i < len(e.fields) && !e.fields[i].Null && !bad(e.fields[i].Status) {
				return f.Kind.variant(&e.fields[i])
			}
		}
	}
	if name.NamespaceIndex != 0 {
		return nil
	}
	switch name.Name {
	case "EventId":
		return ua.MustVariant(e.id[:])
	case "EventType":
		return ua.MustVariant(e.typ.id())
	case "SourceNode":
		return ua.MustVariant(e.source.id())
	case "SourceName":
		return ua.MustVariant(e.from)
	case "Time":
		return ua.MustVariant(e.at)
	case "ReceiveTime":
		return ua.MustVariant(e.here)
	case "Message":
		return ua.MustVariant(ua.NewLocalizedText(e.message))
	case "Severity":
		return ua.MustVariant(e.severity)
	}
	return nil
}
