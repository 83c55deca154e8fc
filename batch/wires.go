// What records say of a wire: how it is reached and scaled, what it is filtered by, and the edges that a switch waits for.

package batch

import (
	"fmt"
	"strconv"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// inputEdge records the edge of a switch of which edges count: what is on the wire, and the level behind polarity and debounce.
func (m *Machine) inputEdge(id tag.ID, fx []Effect) []Effect {
	t := &m.b.Plan.Map.Tags[id]
	raw, _ := m.io.Source(id)
	m.begin(record.KindInputEdge)
	m.body.Text(record.LogicalTag, t.Name)
	m.body.Text(record.PhysicalChannel, t.Channel)
	m.body.Text(record.Polarity, polarity(t))
	m.body.Text(record.EdgeLevel, t.Trigger.String())
	m.body.Count(record.RawState, uint64(raw)^bit(t.Invert))
	m.body.Count(record.DebouncedState, bit(t.Trigger == iomap.Rising))
	m.body.Int(record.DebounceMS, t.Debounce/1_000_000)
	m.body.Int(record.PulseMS, t.Pulse/1_000_000)
	m.binding(t)
	m.causes(m.input)
	return m.put(fx)
}

// wire says of an output how it is reached and scaled, and which value it takes when things fail; nothing where the map has no
// protocol_binding for it.
func (m *Machine) wire(t *iomap.Tag) {
	if t.Binding == "" {
		return
	}
	m.binding(t)
	m.scaling(t)
	m.show(record.SafeValue, t, t.Safe)
}

// channel says of a tag where it is connected, how it is reached and scaled; nothing where the map has no protocol_binding for it.
func (m *Machine) channel(t *iomap.Tag) {
	if t.Binding == "" {
		return
	}
	m.body.Text(record.PhysicalChannel, t.Channel)
	m.binding(t)
	m.scaling(t)
}

func (m *Machine) binding(t *iomap.Tag) {
	if t.Binding != "" {
		m.body.Text(record.ProtocolBinding, t.Binding)
	}
}

func (m *Machine) scaling(t *iomap.Tag) {
	if t.Type == iomap.Number {
		m.body.Text(record.Scaling, "gain "+t.Gain.String()+", offset "+t.Offset.String())
	}
}

// filtered says what a number is filtered by; nothing where it is by nothing.
func (m *Machine) filtered(t *iomap.Tag) {
	f := &t.Filter
	switch f.Type {
	case iomap.MedianFilter:
		m.body.Text(record.FilterType, f.Type.String())
		m.body.Text(record.FilterParam, "samples="+strconv.Itoa(f.Samples))
	case iomap.ExponentialFilter:
		m.body.Text(record.FilterType, f.Type.String())
		m.body.Text(record.FilterParam, fmt.Sprintf("time_constant_ms=%d.%06d", f.Time/1_000_000, f.Time%1_000_000))
	}
}
