// Nodes: how a space keeps what it shows, in both namespaces.

package server

import (
	"cmp"

	"github.com/gopcua/opcua/ua"
)

// maxWatchers is how many items monitor one node at most, all clients together: a Set looks at each.
const maxWatchers = 1024

// key identifies a node: a number or a text in a namespace. Nodes have no identifiers of other sorts.
type key struct {
	ns   uint16
	num  uint32
	text string // "": num counts
}

// std is the key of a standard node.
func std(id uint32) key { return key{num: id} }

// keyOf reads an identifier; one that no node here can have is false.
func keyOf(id *ua.NodeID) (key, bool) {
	if id == nil {
		return key{}, false
	}
	switch id.Type() {
	case ua.NodeIDTypeTwoByte, ua.NodeIDTypeFourByte, ua.NodeIDTypeNumeric:
		return key{ns: id.Namespace(), num: id.IntID()}, true
	case ua.NodeIDTypeString:
		text := id.StringID()
		return key{ns: id.Namespace(), text: text}, text != ""
	}
	return key{}, false
}

// id writes the identifier.
func (k key) id() *ua.NodeID {
	switch {
	case k.text != "":
		return ua.NewStringNodeID(k.ns, k.text)
	case k.ns == 0 && k.num < 256:
		return ua.NewTwoByteNodeID(uint8(k.num))
	case k.ns == 0 && k.num < 1<<16:
		return ua.NewFourByteNodeID(0, uint16(k.num))
	}
	return ua.NewNumericNodeID(k.ns, k.num)
}

// far writes the identifier for places where a node of another server might stand.
func (k key) far() *ua.ExpandedNodeID { return &ua.ExpandedNodeID{NodeID: k.id()} }

// vertex is a node of either namespace. All but its value, what is beneath it and who watches it stays as it was made.
type vertex struct {
	key      key
	num      uint32 // of the Node that names it; 0: a standard node
	class    ua.NodeClass
	ns       uint16 // of its name
	name     string
	about    string
	depth    int       // beneath the Objects folder
	up       *vertex   // above it; nil: the Root folder
	link     uint32    // type of the reference from up to it
	down     []*vertex // beneath it, by their numbers; standard nodes before all others
	typ      *vertex   // type definition
	also     []ref     // its other references
	data     uint32    // data type, of a variable
	rank     int32
	v        *held // of a variable of namespace 2 whose value is set
	watch    *item // first of those that monitor it
	watchers int
}

// held is the value of a variable.
type held struct {
	kind     Kind
	writable bool
	value    Value
}

// ref is a reference of a node.
type ref struct {
	typ     uint32
	inverse bool
	to      *vertex
}

// byNumber compares for binary searches beneath a node.
func byNumber(n *vertex, num uint32) int { return cmp.Compare(n.num, num) }

// path is what identifiers of nodes beneath a node begin with.
func (n *vertex) path() string {
	if n.num == 0 {
		return ""
	}
	return n.key.text + "/"
}

// notifies tells whether events can be had of a node.
func (n *vertex) notifies() bool {
	return n.class == object && (n.num != 0 || n.key == std(idObjects) || n.key == std(idServer))
}

// refs calls f with the references of a node from a place on, in an order that stays, until f says no; it gives the place of the one that
// f did not want. A place counts the references that stay, and stands for the number of a node beneath after them.
func (n *vertex) refs(from place, f func(ref) bool) (at place, more bool) {
	for at = from; at.fixed < 2+len(n.also); at.fixed++ {
		var r ref
		switch {
		case at.fixed == 0:
			r = ref{n.link, true, n.up}
		case at.fixed == 1:
			r = ref{idTypeDef, false, n.typ}
		default:
			r = n.also[at.fixed-2]
		}
		if r.to != nil && !f(r) {
			return at, true
		}
	}
	for i := n.first(at); i < len(n.down); i++ {
		d := n.down[i]
		if at.std = i; d.num != 0 {
			at.num = d.num
		}
		if !f(ref{d.link, false, d}) {
			return at, true
		}
	}
	return at, false
}

// place is where the references of a node are gone on with.
type place struct {
	fixed int    // those that stay
	std   int    // of standard nodes beneath: how many were told
	num   uint32 // of the next node beneath; 0: a standard one
}

// first gives the index of the node beneath at a place, or of the one after it where that was removed.
func (n *vertex) first(at place) int {
	if at.num == 0 {
		return at.std
	}
	lo, hi := 0, len(n.down)
	for lo < hi {
		if mid := (lo + hi) / 2; n.down[mid].num < at.num {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// addStandard makes the standard nodes.
func (s *Space) addStandard() {
	for i := range standard {
		r := &standard[i]
		n := &vertex{key: std(r.id), class: r.class, name: r.name, link: r.link, up: s.nodes[std(r.up)], data: r.data, rank: -1}
		if r.rank == 1 {
			n.rank = 1
		}
		if n.up != nil {
			n.up.down = append(n.up.down, n)
		}
		s.nodes[n.key] = n
	}
	for i := range standard {
		r := &standard[i]
		n := s.nodes[std(r.id)]
		n.typ = s.nodes[std(r.typ)] // of what has none: nil, since no node has the number 0
		if n.up != nil && n.up.key == std(idBaseEvent) && n.class == variable {
			n.also = append(n.also, ref{idModellingRule, false, s.nodes[std(idMandatory)]})
		}
	}
	types, base := s.nodes[std(idEventTypes)], s.nodes[std(idBaseEvent)]
	types.also = append(types.also, ref{idOrganizes, false, base})
	base.also = append(base.also, ref{idOrganizes, true, types})
}

// isA tells whether a type of references or of others is a type given, or beneath it.
func (n *vertex) isA(top key) bool {
	for ; n != nil; n = n.up {
		if n.key == top {
			return true
		}
		if n.link != idSubtype {
			return false
		}
	}
	return false
}
