// Tags: the tags of a batch as registers, with quality and age beside each, for systems that only speak Modbus.

package server

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Rows are the input registers that each tag takes up, whatever its form: value, then quality, then age.
const (
	ValueRegisters = 4 // int64 or float64, float32 in the lower two; big end first. 0 while the tag is BAD
	QualityAt      = 4 // behind the first register: 2 GOOD, 1 STALE, 0 BAD, as tag.Quality
	AgeAt          = 5 // two registers: ms since the value was true, rounded up; 0xFFFFFFFF: it never was
	RowRegisters   = 7
)

// MaxTags is how many tags the input registers have room for.
const MaxTags = (1 << 16) / RowRegisters

// Tags is a Model that shows channels, read-only. Row i begins at input register i times RowRegisters. All else, writes among it, is
// exception 2, or 1 for tables that have nothing: whoever wants to change something asks the controller, which knows who asks.
type Tags struct {
	names []string
	look  func(name string) (v fieldbus.Value, now int64, ok bool)
}

var _ Model = (*Tags)(nil)

// NewTags makes a model of the channels of a tag map, by place in it. Look gives a channel as it stands and the time on the clock
// that stamps it, as Line.Value and Line.Now do; it is called by any goroutine, must not block, and is not ok where there is none.
// A value is looked at, for quality and age, in the moment in which it is read.
func NewTags(m *fieldbus.TagMap, look func(name string) (v fieldbus.Value, now int64, ok bool)) (*Tags, error) {
	if m == nil || len(m.Tags) == 0 || len(m.Tags) > MaxTags || look == nil {
		return nil, fmt.Errorf("server: tags: a tag map of 1 to %d tags is wanted, and who knows their values", MaxTags)
	}
	t := &Tags{look: look}
	var wrong []error
	for i := range m.Tags {
		name := m.Tags[i].Channel
		if _, _, ok := look(name); !ok {
			wrong = append(wrong, fmt.Errorf("server: tags: channel %q: nobody knows its value; leave it out of the map", name))
		}
		t.names = append(t.names, name)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return t, nil
}

// Row gives the input register at which a channel begins.
func (t *Tags) Row(channel string) (address int, ok bool) {
	i := slices.Index(t.names, channel)
	return i * RowRegisters, i >= 0
}

// Read implements Model.
func (t *Tags) Read(r Request, out []uint16) error {
	if r.Table != Input {
		return Exception(1)
	}
	if int(r.Address)+len(out) > RowRegisters*len(t.names) {
		return Exception(2)
	}
	var row [RowRegisters]uint16
	for i := range out {
		at := int(r.Address) + i
		if i == 0 || at%RowRegisters == 0 { // one look for each row: what is read of it belongs together
			row = t.row(t.names[at/RowRegisters])
		}
		out[i] = row[at%RowRegisters]
	}
	return nil
}

// Write implements Model: it refuses.
func (t *Tags) Write(r Request, _ []uint16) error {
	if r.Table != Input {
		return Exception(1)
	}
	return Exception(2)
}

// row looks at a channel.
func (t *Tags) row(name string) (row [RowRegisters]uint16) {
	v, now, ok := t.look(name)
	q, _, age := v.At(now)
	if !ok {
		q, age = tag.Bad, -1
	}
	if q != tag.Bad {
		for i := range ValueRegisters {
			row[i] = uint16(v.Raw.Bits >> (16 * (ValueRegisters - 1 - i)))
		}
	}
	ms := uint32(math.MaxUint32)
	if age >= 0 {
		const ns = 1_000_000
		ms = uint32(min(age/ns+int64(cmp.Compare(age%ns, 0)), math.MaxUint32-1))
	}
	row[QualityAt], row[AgeAt], row[AgeAt+1] = uint16(q), uint16(ms>>16), uint16(ms)
	return row
}
