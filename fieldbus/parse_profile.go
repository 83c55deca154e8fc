// ParseProfile: a device profile from its file.

package fieldbus

import (
	"math"
	"slices"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// ParseProfile reads a device profile, YAML or its subset JSON; file is the name that errors show. What is wrong is returned all at
// once, each error with line, column and the line itself; then the Profile is nil.
//
// Its keys are profile (device_profile_id), version, schema_version: 1, protocol, settings and limits, which may be left out, and points,
// a list of 1 to MaxPoints entries:
//
//	point    name: letters, digits, "_", "." and "-"
//	at       address in words of the protocol, such as "holding 40" or "ns=2;s=Flow"; those of Modbus are in package fieldbus/modbus
//	type     bool, int16, uint16, int32, uint32, int64, uint64, float32, float64 or string. A tag of the I/O map has form bool, int (of
//	         all whole numbers), float32 or float64 then
//	length   string: bytes, MaxLength at most
//	order    ABCD (default), CDAB, BADC or DCBA, see [Order]; of 16 bits and of a string only ABCD and BADC, of a bool none
//	unit     of a number: what it is measured in, such as kg/min or "{pulse}"
//	scaling  of a number: {gain: 0.1 Cel, offset: 0 Cel}, what one on the wire stands for, and what zero stands for (default 0)
//	access   r (default), rw, or w; a string is read only
//
// settings are up to MaxSettings keys with a text each, in words of the protocol: how the device's messages are framed, or how it is
// to be asked. What a protocol does not know it refuses.
//
// limits says what the device bears, each key where the protocol's own limit is too much: read_registers, read_bits, write_registers,
// write_bits (most in one exchange), hole (none, or how many registers that nobody needs may be read between two that are needed),
// in_flight (exchanges under way at a time), pause (between two exchanges), connect_pause (between connecting and the first one),
// response (within which an answer begins), absent (ranges that do not exist, in words of the protocol, such as "input 100..199").
func ParseProfile(file string, src []byte) (*Profile, error) {
	doc := strictyaml.Parse(file, src, nil)
	f := doc.Root().Map()
	p := &Profile{Digest: digestOf(src)}
	p.ID, p.Version = head(f, "profile")
	p.Protocol = f.Req("protocol").Ident()
	if n, ok := f.Opt("settings"); ok {
		for _, e := range n.Entries(MaxSettings) {
			p.Settings = append(p.Settings, Setting{e.Key.Ident(), textOf(e.Value, "a setting", "9600 8N1")})
		}
	}
	if n, ok := f.Opt("limits"); ok {
		p.Limits = limitsOf(n)
	}
	list := f.Req("points")
	items := list.List(MaxPoints)
	if list.Kind() == strictyaml.List && len(items) == 0 {
		list.Errorf("a profile needs a point")
	}
	seen := map[string]int{}
	for i, n := range items {
		point := PointOf(n, seen)
		point.Index = i
		p.Points = append(p.Points, point)
	}
	f.Done()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Find gives a point by its name; nil where there is none.
func (p *Profile) Find(name string) *Point {
	if i := slices.IndexFunc(p.Points, func(q Point) bool { return q.Name == name }); i >= 0 {
		return &p.Points[i]
	}
	return nil
}

// Setting gives the text of a setting; "" where there is none.
func (p *Profile) Setting(key string) string {
	for _, s := range p.Settings {
		if s.Key == key {
			return s.Text
		}
	}
	return ""
}

// Greatest values of limits.
const (
	maxCount    = math.MaxUint16 // values of one exchange
	maxInFlight = 256
	maxAbsent   = 64
)

// limitsOf reads what a device bears.
func limitsOf(n strictyaml.Node) (l Limits) {
	f := n.Map()
	count := func(key string, most int64) int {
		v, _ := f.Opt(key)
		return int(v.Int(1, most))
	}
	wait := func(key string) int64 {
		v, _ := f.Opt(key)
		return timeOf(v)
	}
	l.ReadRegisters, l.ReadBits = count("read_registers", maxCount), count("read_bits", maxCount)
	l.WriteRegisters, l.WriteBits = count("write_registers", maxCount), count("write_bits", maxCount)
	if v, ok := f.Opt("hole"); ok {
		if l.Hole = -1; v.Kind() != strictyaml.Scalar || v.Str() != "none" {
			l.Hole = int(v.Int(1, maxCount))
		}
	}
	l.InFlight = count("in_flight", maxInFlight)
	l.Pause, l.ConnectPause, l.Response = wait("pause"), wait("connect_pause"), wait("response")
	if v, ok := f.Opt("absent"); ok {
		seen := map[string]int{}
		for _, item := range v.List(maxAbsent) {
			text := textOf(item, "a range that does not exist", "input 100..199")
			item.Once(seen, text, "range")
			l.Absent = append(l.Absent, text)
		}
	}
	f.Done()
	return l
}

// PointOf reads one point.
func PointOf(n strictyaml.Node, seen map[string]int) (p Point) {
	f := n.Map()
	name := f.Req("point")
	p.Name = name.Ident()
	name.Once(seen, p.Name, "point")
	p.At = textOf(f.Req("at"), "an address", "holding 40")
	kind := f.Req("type")
	p.Type = Type(1 + slices.Index(typeNames[1:], kind.OneOf(typeNames[1:]...)))
	length, sized := f.Opt("length")
	order, ordered := f.Opt("order")
	unit, _ := f.Opt("unit")
	scaling, _ := f.Opt("scaling")
	access, _ := f.Opt("access")
	f.Done()
	if p.Type == 0 { // what is wrong with the rest is said all the same
		if ordered {
			order.OneOf(orderNames[:]...)
		}
		p.measured(unit, scaling)
		access.OneOf("r", "rw", "w")
		return p
	}
	switch {
	case p.Type == String && !sized:
		n.Errorf("%s is a string: key \"length\" is missing", p.shown())
	case p.Type == String:
		p.Length = int(length.Int(1, MaxLength))
	case sized:
		length.Errorf("length belongs to a string; %s is %s", p.shown(), p.Type)
	}
	if ordered {
		p.Order = orderOf(order, &p)
	}
	if p.Type == Bool || p.Type == String {
		for _, v := range [...]strictyaml.Node{unit, scaling} {
			v.Errorf("unit and scaling belong to a number; %s is %s", p.shown(), p.Type)
		}
	} else {
		p.measured(unit, scaling)
	}
	p.Access = map[string]Access{"rw": ReadWrite, "w": WriteOnly}[access.OneOf("r", "rw", "w")]
	if p.Type == String && p.Access != ReadOnly {
		access.Errorf("%s is a string, which is read only", p.shown())
	}
	return p
}

// shown names the point in messages.
func (p *Point) shown() string {
	if p.Name == "" {
		return "this point"
	}
	return p.Name
}

// orderOf reads the order of bytes, and refuses one that a value so short cannot have.
func orderOf(n strictyaml.Node, p *Point) Order {
	word := n.OneOf(orderNames[:]...)
	short := p.Type == Int16 || p.Type == Uint16 || p.Type == String
	switch {
	case p.Type == Bool:
		n.Errorf("%s is a bool, which has no order of bytes; leave order out", p.shown())
	case short && (word == "CDAB" || word == "DCBA"):
		n.Errorf("%s is %s: there are no two registers to swap; its order is ABCD or BADC", p.shown(), p.Type)
	case word != "":
		return Order(slices.Index(orderNames[:], word))
	}
	return ABCD
}

// measured reads unit and scaling of a number.
func (p *Point) measured(unit, scaling strictyaml.Node) {
	if text := unit.Str(); text != "" {
		u, err := quantity.ParseUnit(text)
		if err != nil {
			unit.Errorf("%s", bare(err))
		} else {
			p.Unit = u
		}
	}
	if scaling.Kind() == strictyaml.Absent {
		return
	}
	f := scaling.Map()
	gain := f.Req("gain")
	offset, shifted := f.Opt("offset")
	f.Done()
	g, ok := quantityOf(gain)
	if !ok {
		return
	}
	if g.Coef == 0 {
		gain.Errorf("gain %q: every value on the wire would stand for the same", g)
		return
	}
	if p.Unit == "" && unit.Kind() == strictyaml.Absent {
		p.Unit = g.Unit
	}
	o := quantity.Quantity{Unit: g.Unit}
	if shifted {
		if o, ok = quantityOf(offset); !ok {
			return
		}
	}
	fits := func(n strictyaml.Node, name string, q quantity.Quantity) {
		if p.Unit != "" && !q.Unit.Compatible(p.Unit) {
			n.Errorf("%s %q and unit %q measure different things", name, q, p.Unit)
		}
	}
	fits(gain, "gain", g)
	fits(offset, "offset", o)
	p.Scale = Scaling{Gain: g, Offset: o, Given: true}
}

// typeNames are the names of types in files, by their number.
var typeNames = [...]string{"", "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string"}

// String gives the name that profiles use, such as uint16; "" for no type.
func (t Type) String() string {
	if int(t) >= len(typeNames) {
		return ""
	}
	return typeNames[t]
}

// Bits gives how many bits a value takes up; 0 for a String, and for no type.
func (t Type) Bits() int {
	switch t {
	case Bool:
		return 1
	case Int16, Uint16:
		return 16
	case Int32, Uint32, Float32:
		return 32
	case Int64, Uint64, Float64:
		return 64
	}
	return 0
}

// Range gives the least and the greatest value that travels as a type, of all its bits as an int64: those of a float are not told apart. A
// Uint64 ends where an int64 does.
func (t Type) Range() (least, most int64) {
	switch t {
	case Bool:
		return 0, 1
	case Int16:
		return math.MinInt16, math.MaxInt16
	case Uint16:
		return 0, math.MaxUint16
	case Int32:
		return math.MinInt32, math.MaxInt32
	case Uint32, Float32:
		return 0, math.MaxUint32
	case Uint64:
		return 0, math.MaxInt64
	}
	return math.MinInt64, math.MaxInt64
}

// orderNames are the names of orders in files, by their number.
var orderNames = [...]string{"ABCD", "CDAB", "BADC", "DCBA"}

// String gives the letters.
func (o Order) String() string { return orderNames[min(o, DCBA)] }

// String gives the letters that profiles use: r, rw or w.
func (a Access) String() string { return [...]string{"r", "rw", "w"}[min(a, WriteOnly)] }
