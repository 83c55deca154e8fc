// Answers to Browse and BrowseNext: where one can go from a node.

package opcua

import (
	"fmt"
	"slices"

	"github.com/gopcua/opcua/id"
)

// branch is what hangs on a node, or a part of it.
type branch struct {
	status     uint32
	more       []byte // asks for the rest; nil: there is none
	references []reference
}

// reference leads to a node. It keeps nothing of the message that it came in.
type reference struct {
	property, forward bool
	node              []byte // a NodeId
	uri               string // of its namespace; "": it is in node, by its index
	server            uint32 // 0: this one
	space             uint16 // namespace of its name
	name              string // cut to mostName bytes
	class             uint32
}

// branchesAnswer reads the results of a Browse or BrowseNext, which are to be n.
func branchesAnswer(body []byte, want uint32, n int) ([]branch, error) {
	c, err := answer(body, want)
	if err != nil {
		return nil, err
	}
	if got := c.count(12); got != n {
		return nil, fmt.Errorf("%w: %d results for %d", errAnswer, got, n)
	}
	list := make([]branch, n)
	for i := range list {
		list[i].status = c.u32()
		list[i].more = slices.Clone(c.bytes())
		for range c.count(18) {
			if r := c.reference(); !c.bad {
				list[i].references = append(list[i].references, r)
			}
		}
		if c.bad {
			return nil, errAnswer
		}
	}
	c.diagnosticsList()
	return list, c.done()
}

// reference reads a ReferenceDescription.
func (c *cursor) reference() (r reference) {
	kind := cursor{b: c.nodeID()}
	switch kind.u8() {
	case 0:
		r.property = kind.u8() == id.HasProperty
	case 1:
		r.property = kind.u8() == 0 && kind.u16() == id.HasProperty
	case 2:
		r.property = kind.u16() == 0 && kind.u32() == id.HasProperty
	}
	r.forward = c.u8() != 0
	all := c.b
	first := c.u8()
	if c.identifier(first); c.bad {
		return r
	}
	r.node = slices.Clone(all[:min(len(all)-len(c.b), mostID+1)]) // what is longer is refused, and not kept
	r.node[0] &= 0x3F
	if first&0x80 != 0 {
		uri := c.bytes()
		r.uri = string(uri[:min(len(uri), mostID)])
	}
	if first&0x40 != 0 {
		r.server = c.u32()
	}
	r.space = c.u16()
	r.name = shortened(string(c.bytes()), mostName)
	c.localized()
	r.class = c.u32()
	c.expanded()
	return r
}
