// Cursor: bytes of a server read one after the other, in the binary encoding of OPC UA part 6, without trust.

package opcua

import (
	"encoding/binary"
	"math"
)

// maxDepth is how deep values may be nested, one in the other; part 6 (5.1.10) asks a decoder for 100.
const maxDepth = 100

// cursor reads a message. After the first thing that cannot be it is bad and reads zeros. It never reads beyond its bytes, never
// allocates by a number that a message claims, and takes time in proportion to the bytes alone.
type cursor struct {
	b   []byte
	bad bool
}

// take takes n bytes; nil where there are not so many.
func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	t := c.b[:n:n]
	c.b = c.b[n:]
	return t
}

func (c *cursor) u8() byte {
	if t := c.take(1); t != nil {
		return t[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if t := c.take(2); t != nil {
		return binary.LittleEndian.Uint16(t)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if t := c.take(4); t != nil {
		return binary.LittleEndian.Uint32(t)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if t := c.take(8); t != nil {
		return binary.LittleEndian.Uint64(t)
	}
	return 0
}

// float gives a Double as it is.
func (c *cursor) float() float64 { return math.Float64frombits(c.u64()) }

// bytes reads a String, ByteString or XmlElement; null is as empty.
func (c *cursor) bytes() []byte {
	n := c.u32()
	if n == math.MaxUint32 {
		return nil
	}
	if n > math.MaxInt32 {
		c.bad = true
		return nil
	}
	return c.take(int(n))
}

// count reads the length of an array whose elements take at least least bytes each; null is as empty.
func (c *cursor) count(least int) int {
	n := int32(c.u32())
	if n <= 0 {
		return 0
	}
	if int64(n)*int64(least) > int64(len(c.b)) {
		c.bad, c.b = true, nil
		return 0
	}
	return int(n)
}

// nodeID reads a NodeId and gives its bytes, as they are to be sent back.
func (c *cursor) nodeID() []byte {
	all := c.b
	c.identifier(c.u8())
	if c.bad {
		return nil
	}
	n := len(all) - len(c.b)
	return all[:n:n]
}

// identifier reads what follows the first byte of a NodeId.
func (c *cursor) identifier(kind byte) {
	switch kind & 0x3F {
	case 0:
		c.take(1)
	case 1:
		c.take(3)
	case 2:
		c.take(6)
	case 3, 5:
		c.take(2)
		c.bytes()
	case 4:
		c.take(18)
	default:
		c.bad = true
	}
}

// expanded skips an ExpandedNodeId.
func (c *cursor) expanded() {
	kind := c.u8()
	c.identifier(kind)
	if kind&0x80 != 0 {
		c.bytes()
	}
	if kind&0x40 != 0 {
		c.take(4)
	}
}

// localized skips a LocalizedText.
func (c *cursor) localized() {
	mask := c.u8()
	for _, bit := range [...]byte{1, 2} {
		if mask&bit != 0 {
			c.bytes()
		}
	}
}

// object reads an ExtensionObject and gives the number of its type, where it is one of namespace 0, and its body.
func (c *cursor) object() (kind uint32, body []byte) {
	id := cursor{b: c.nodeID()}
	switch id.u8() {
	case 0:
		kind = uint32(id.u8())
	case 1:
		if id.u8() == 0 {
			kind = uint32(id.u16())
		}
	case 2:
		if id.u16() == 0 {
			kind = id.u32()
		}
	}
	if c.u8() != 0 {
		body = c.bytes()
	}
	return kind, body
}

// diagnostics skips a DiagnosticInfo, which nobody asked for.
func (c *cursor) diagnostics() {
	for depth := 0; ; depth++ {
		if depth > maxDepth {
			c.bad = true
		}
		mask := c.u8()
		for _, bit := range [...]byte{1, 2, 8, 4} {
			if mask&bit != 0 {
				c.take(4)
			}
		}
		if mask&0x10 != 0 {
			c.bytes()
		}
		if mask&0x20 != 0 {
			c.take(4)
		}
		if mask&0x40 == 0 || c.bad {
			return
		}
	}
}

// diagnosticsList skips an array of them.
func (c *cursor) diagnosticsList() {
	for range c.count(1) {
		c.diagnostics()
	}
}

// The types of a Variant that are told apart.
const (
	kindNull   = 0
	kindBool   = 1
	kindSByte  = 2
	kindByte   = 3
	kindString = 12
	kindArray  = 0x80 // a flag
)

// variant reads a Variant and gives its kind and the bytes behind it.
func (c *cursor) variant(depth int) (kind byte, body []byte) {
	kind = c.u8()
	all := c.b
	if depth > maxDepth {
		c.bad = true
	}
	n := 1
	if kind&kindArray != 0 {
		if n = c.count(1); kind&0x3F == kindNull { // it would take time and no bytes
			c.bad = true
		}
	}
	for range n {
		if c.skip(kind&0x3F, depth); c.bad {
			return kind, nil
		}
	}
	if kind&0x40 != 0 {
		c.take(4 * c.count(4))
	}
	if c.bad {
		return kind, nil
	}
	return kind, all[:len(all)-len(c.b)]
}

// sizes are those of built-in types that are all of one size, by their number.
var sizes = [...]int8{1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4, 25: 0}

// skip skips a value of a built-in type.
func (c *cursor) skip(kind byte, depth int) {
	switch {
	case kind == kindNull:
	case kind > 25:
		c.bad = true
	case sizes[kind] > 0:
		c.take(int(sizes[kind]))
	default:
		switch kind {
		case kindString, 15, 16:
			c.bytes()
		case 17:
			c.nodeID()
		case 18:
			c.expanded()
		case 20:
			c.take(2)
			c.bytes()
		case 21:
			c.localized()
		case 22:
			c.object()
		case 23:
			var v dataValue
			c.dataValue(&v, depth+1)
		case 24:
			c.variant(depth + 1)
		case 25:
			c.diagnostics()
		}
	}
}

// dataValue is a DataValue. Times are in 100 ns since 1601, 0 where there is none.
type dataValue struct {
	kind           byte   // of the variant, kindNull where there is none
	body           []byte // of the variant, in the message that it came in
	status         uint32
	source, server int64
}

// dataValue reads a DataValue.
func (c *cursor) dataValue(v *dataValue, depth int) {
	*v = dataValue{}
	mask := c.u8()
	if mask&0x01 != 0 {
		v.kind, v.body = c.variant(depth)
	}
	if mask&0x02 != 0 {
		v.status = c.u32()
	}
	if mask&0x04 != 0 {
		v.source = int64(c.u64())
	}
	if mask&0x10 != 0 {
		c.take(2)
	}
	if mask&0x08 != 0 {
		v.server = int64(c.u64())
	}
	if mask&0x20 != 0 {
		c.take(2)
	}
	if mask&0xC0 != 0 {
		c.bad = true
	}
}

// strings reads an array of strings of a variant.
func (v *dataValue) strings() []string {
	if v.kind != kindString|kindArray {
		return nil
	}
	c := cursor{b: v.body}
	list := make([]string, 0, c.count(4))
	for range cap(list) {
		list = append(list, string(c.bytes()))
	}
	return list
}
