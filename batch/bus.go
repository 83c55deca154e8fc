// What happens on a bus: notes about devices in the field, which a replay passes over.

package batch

import (
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/journal/record"
)

// AppendBus appends to dst the note of an event of a bus, as number seq. It stands between inputs and changes nothing; device_id is the
// device that it is about, and logical_tag the tag of its channel, if the map has one. Lost is how many events are missing before it. An
// event without a record (fieldbus.Event.Record) is refused.
func (m *Machine) AppendBus(dst []byte, seq uint64, ev *fieldbus.Event, lost uint64) ([]byte, error) {
	m.stamp = m.keep.Stamp(m.st.Last)
	device := Clean(ev.Device)
	if device == "" {
		device = m.b.Plan.Map.Device
	}
	m.identifyAs(ev.Record(), seq, device)
	m.body.Text(record.OperatorID, m.b.Operator)
	if lost > 0 {
		m.body.Count(record.EventsLost, lost)
	}
	if id, ok := m.b.Plan.Map.Channel(ev.Channel); ok && (ev.Kind == fieldbus.WriteTold || ev.Kind == fieldbus.PointChanged) {
		m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[id].Name)
	}
	ev.Fill(&m.body)
	return m.body.Append(dst)
}
