// Compile: a profile's addresses, types, settings and limits against what OPC UA has.

package opcua

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Times of profiles: what a profile may ask for, and what stands where it does not.
const (
	leastInterval   = 10 * time.Millisecond
	longestInterval = time.Minute
	defaultInterval = 100 * time.Millisecond
	defaultResponse = time.Second
	longestWait     = time.Minute
)

// asked is how a device is asked, by the settings of its profile.
type asked struct {
	subscribe  bool
	publishing time.Duration
	sampling   time.Duration
	sourceAge  time.Duration // 0: not looked at
}

// place is a point: where it lies, and what it holds.
type place struct {
	name   string
	space  string // URI of its namespace; "": by index
	index  uint16 // of its namespace
	kind   byte   // of a NodeId: numeric, string, GUID or opaque
	id     []byte // behind the namespace
	typ    fieldbus.Type
	form   tag.Form
	access fieldbus.Access
	length int
}

// settings are the keys of a profile, and what they take.
var settings = []string{"read", "publishing_interval", "sampling_interval", "source_age"}

// compile makes places and settings of the profile, and returns all that is wrong with it.
func (d *Device) compile() (wrong []error) {
	p := d.profile
	if p.Protocol != Protocol {
		wrong = append(wrong, fmt.Errorf("protocol %.40q: this driver has %q", p.Protocol, Protocol))
	}
	wrong = append(wrong, d.setting(p)...)
	l := &p.Limits
	for _, n := range []struct {
		what string
		n    int
	}{{"read_registers", l.ReadRegisters}, {"read_bits", l.ReadBits}, {"write_registers", l.WriteRegisters}, {"write_bits", l.WriteBits}, {"hole", l.Hole},
		{"in_flight", l.InFlight}, {"absent", len(l.Absent)}, {"pause", int(min(l.Pause, 1))}} {
		if n.n != 0 {
			wrong = append(wrong, fmt.Errorf("limit %s: OPC UA has nothing that it could limit, and a server says itself what it bears; leave it out", n.what))
		}
	}
	if l.Response < 0 || l.Response > int64(longestWait) {
		wrong = append(wrong, fmt.Errorf("limit response %v: must be 0 to %v", time.Duration(l.Response), longestWait))
	}
	if d.response = time.Duration(l.Response); d.response == 0 {
		d.response = defaultResponse
	}
	for i := range p.Points {
		pt := &p.Points[i]
		at, err := newPlace(pt)
		if pt.Index != i {
			err = errors.Join(err, fmt.Errorf("index %d: its place in the profile is %d", pt.Index, i))
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("point %.64q: %w", pt.Name, err))
		}
		d.places = append(d.places, at)
	}
	return wrong
}

// setting reads the settings.
func (d *Device) setting(p *fieldbus.Profile) (wrong []error) {
	a := &d.asked
	a.publishing = defaultInterval
	given := map[string]bool{}
	for _, s := range p.Settings {
		if given[s.Key] {
			wrong = append(wrong, fmt.Errorf("setting %q: is there twice", s.Key))
		}
		given[s.Key] = true
		var err error
		switch s.Key {
		case "read":
			a.subscribe = s.Text == "subscribe"
			if s.Text != "subscribe" && s.Text != "ask" {
				err = fmt.Errorf("%.40q: must be ask or subscribe", s.Text)
			}
		case "publishing_interval":
			a.publishing, err = interval(s.Text)
		case "sampling_interval":
			a.sampling, err = interval(s.Text)
		case "source_age":
			a.sourceAge, err = interval(s.Text)
		default:
			err = fmt.Errorf("OPC UA does not know it; there are %s", strings.Join(settings, ", "))
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("setting %.40q: %w", s.Key, err))
		}
	}
	for _, key := range settings[1:3] {
		if given[key] && !a.subscribe {
			wrong = append(wrong, fmt.Errorf("setting %q: belongs to read: subscribe", key))
		}
	}
	if a.sampling == 0 {
		a.sampling = a.publishing
	}
	return wrong
}

// interval reads a time.
func interval(text string) (time.Duration, error) {
	q, err := quantity.Parse(text)
	if err == nil && q.Unit.Compatible("s") {
		ns, err := q.Nanoseconds()
		if t := time.Duration(ns); err == nil && t >= leastInterval && t <= longestInterval {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%.40q: must be a time such as 100 ms, of %v to %v", text, leastInterval, longestInterval)
}

// kinds are the built-in types of OPC UA, by those of profiles.
var kinds = [...]byte{fieldbus.Bool: kindBool, fieldbus.Int16: 4, fieldbus.Uint16: 5, fieldbus.Int32: 6, fieldbus.Uint32: 7, fieldbus.Int64: 8,
	fieldbus.Uint64: 9, fieldbus.Float32: 10, fieldbus.Float64: 11, fieldbus.String: kindString}

// newPlace compiles a point.
func newPlace(pt *fieldbus.Point) (place, error) {
	p := place{name: pt.Name, typ: pt.Type, form: pt.Type.Form(), access: pt.Access, length: pt.Length}
	var wrong []error
	if int(pt.Type) >= len(kinds) || pt.Type == 0 {
		wrong = append(wrong, fmt.Errorf("type %d: there is none", pt.Type))
	}
	if pt.Order != fieldbus.ABCD {
		wrong = append(wrong, fmt.Errorf("order %v: OPC UA has one order of bytes; leave it out", pt.Order))
	}
	if err := p.locate(pt.At); err != nil {
		wrong = append(wrong, err)
	}
	return p, errors.Join(wrong...)
}

// Kinds of a NodeId in its binary form.
const (
	idNumeric = 2
	idString  = 3
	idGUID    = 4
	idOpaque  = 5
)

// locate reads an address.
func (p *place) locate(at string) error {
	rest := at
	bad := func(why string) error {
		return fmt.Errorf(`address %.200q: %s; write it such as "ns=2;s=Flow", "i=2258" or "nsu=http://maker/device;s=Flow"`, at, why)
	}
	if space, behind, ok := strings.Cut(rest, ";"); ok && strings.HasPrefix(rest, "ns") {
		rest = behind
		if uri, ok := strings.CutPrefix(space, "nsu="); ok {
			if p.space = strings.NewReplacer("%3B", ";", "%3b", ";", "%25", "%").Replace(uri); p.space == "" {
				return bad("it has a namespace without a URI")
			}
		} else {
			n, err := strconv.ParseUint(strings.TrimPrefix(space, "ns="), 10, 16)
			if err != nil || !strings.HasPrefix(space, "ns=") {
				return bad("its namespace is no number of 0 to 65535")
			}
			p.index = uint16(n)
		}
	}
	kind, text, ok := strings.Cut(rest, "=")
	if !ok || text == "" {
		return bad("it has no identifier")
	}
	switch kind {
	case "i":
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return bad("its identifier is no number of 0 to 4294967295")
		}
		p.kind, p.id = idNumeric, binary.LittleEndian.AppendUint32(nil, uint32(n))
	case "s":
		p.kind, p.id = idString, chunk.AppendBytes(nil, []byte(text))
	case "g":
		g := ua.NewGUID(text)
		if g == nil || len(text) != 36 {
			return bad("its identifier is no GUID")
		}
		p.kind, p.id = idGUID, binary.LittleEndian.AppendUint32(nil, g.Data1)
		p.id = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(p.id, g.Data2), g.Data3)
		p.id = append(p.id, g.Data4...)
	case "b":
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return bad("its identifier is not base64")
		}
		p.kind, p.id = idOpaque, chunk.AppendBytes(nil, b)
	default:
		return bad("its identifier is none of i, s, g and b")
	}
	return nil
}

// node gives the NodeId in a session with these namespaces; nil where the server does not have its namespace.
func (p *place) node(spaces []string) []byte {
	index := int(p.index)
	if p.space != "" {
		if index = slices.Index(spaces, p.space); index < 0 || index > math.MaxUint16 {
			return nil
		}
	}
	return append(binary.LittleEndian.AppendUint16([]byte{p.kind}, uint16(index)), p.id...)
}
