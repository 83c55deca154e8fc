// What happens on a bus: notes about devices in the field, which a replay passes over.

package batch

import (
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/journal/record"
)

// writeRefused is why the batch is held where a write was refused: nothing was written, and its device or the state of its link is why. Of
// other writes it says nothing; what is not known to have been written may have been.
func writeRefused(ev *Event) string {
	if !ev.OK && ev.Outcome == fieldbus.OutcomeRefused {
		return "write refused"
	}
	return ""
}

// AppendBus appends to dst the note of an event of a bus, as number seq. It stands between inputs and changes nothing; device_id is the
// device that it is about, device_profile_id its profile by the tag map, and logical_tag the tag of its channel, if the map has one. Lost is how many events are missing before it. An
// event without a record (fieldbus.Event.Record) is refused.
func (m *Machine) AppendBus(dst []byte, seq uint64, ev *fieldbus.Event, lost uint64) ([]byte, error) {
	m.stamp = m.keep.Stamp(m.st.Last)
	device := Clean(ev.Device)
	if device == "" {
		device = m.b.Plan.Map.Device
	}
	m.identifyAs(ev.Record(), seq, device)
	m.body.Text(record.OperatorID, m.b.Operator)
	if d := m.b.Plan.TagMap.Find(device); d != nil {
		m.body.Text(record.DeviceProfileID, d.Profile.ID)
	}
	if lost > 0 {
		m.body.Count(record.EventsLost, lost)
	}
	if id, ok := m.b.Plan.Map.Channel(ev.Channel); ok && (ev.Kind == fieldbus.WriteTold || ev.Kind == fieldbus.PointChanged) {
		m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[id].Name)
	}
	ev.Fill(&m.body)
	return m.body.Append(dst)
}
