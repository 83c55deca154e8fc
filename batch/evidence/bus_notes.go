// Buses: what the notes of links, points and writes say of a device is held against what they said before.

package evidence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
)

// maxDevices is how many devices are followed at a time. A journal that names more was made by no controller of ours; what the others do
// is then held against nothing before it.
const maxDevices = 1024

// linkStates are the states that a link has, as records spell them.
var linkStates = []string{"DOWN", "CONNECTING", "SYNCING", "UP", "DEGRADED", "DOUBT", "DEMOTED"}

// busNotes is what the notes about buses come to.
type busNotes struct {
	links  map[string]*linkSaid // by device, in this epoch, since an event was lost last
	writes map[int64]*writeSaid // by write_id
}

// linkSaid is how a link is, by the notes.
type linkSaid struct {
	state      string // "": none was said
	reconnects uint64
	counted    bool   // reconnects is known
	synced     bool   // every control tag was read since it was connected
	owes       uint64 // record by which values count again, of which the synchronisation is not on record yet; 0: none
}

// writeSaid is what records say of one write.
type writeSaid struct {
	channel string // of the output_write
	done    string // result of the write_done; "" before it
	blocked bool   // a bus_write says REFUSED
}

// bused takes in what a record says of a bus, or of a write that goes by one.
func (r *records) bused(n uint64, rec *record.Record) {
	var err error
	switch rec.Kind {
	case record.KindBatchCreated, record.KindBoot, record.KindRecovery:
		r.links.links = nil // a controller that comes up connects anew
		return
	case record.KindOutputWrite, record.KindWriteDone:
		err = r.links.write(rec)
	default:
		if !rec.Kind.Spec().Field {
			return
		}
		if err = mapped(r.bus, rec); err == nil {
			err = r.links.told(n, rec)
		}
	}
	if err != nil {
		r.breach("records", n, "%v", err)
	}
}

// write takes in that an output is to be written, or was.
func (b *busNotes) write(rec *record.Record) error {
	if b.writes == nil {
		b.writes = map[int64]*writeSaid{}
	}
	id := rec.Int(record.WriteID)
	w := b.writes[id]
	if rec.Kind == record.KindOutputWrite {
		if w == nil {
			b.writes[id] = &writeSaid{channel: rec.Text(record.PhysicalChannel)}
		}
		return nil
	}
	if word := rec.Text(record.Outcome); rec.Has(record.Outcome) &&
		(rec.Text(record.Result) == "confirmed" || word != fieldbus.OutcomeRefused && word != fieldbus.OutcomeUnknown) {
		return fmt.Errorf("its outcome is %.40q, and its result %.40q", word, rec.Text(record.Result))
	}
	if w == nil {
		return nil // the replay says so
	}
	w.done = rec.Text(record.Result)
	return w.agrees(id)
}

// agrees tells whether what a bus and what the port said of a write can both be.
func (w *writeSaid) agrees(id int64) error {
	if w.blocked && w.done == "confirmed" {
		return fmt.Errorf("write %d is confirmed by its write_done and refused by its bus_write", id)
	}
	return nil
}

// told takes in a note about a bus.
func (b *busNotes) told(n uint64, rec *record.Record) error {
	if lost := rec.Count(record.EventsLost); lost > 0 {
		b.links = nil // something is missing, and the note says so
	} else if rec.Has(record.EventsLost) {
		return fmt.Errorf("%s is 0, which is said by its absence", record.EventsLost)
	}
	device := rec.Text(record.DeviceID)
	switch rec.Kind {
	case record.KindBusWrite:
		return b.busWrite(rec)
	case record.KindBusMeasures:
		return measured(rec)
	case record.KindTelemetryBacklog:
		return addsUp(rec)
	}
	if b.links == nil {
		b.links = map[string]*linkSaid{}
	}
	l := b.links[device]
	if l == nil {
		l = &linkSaid{}
		if len(b.links) < maxDevices {
			b.links[device] = l
		}
	}
	if rec.Kind == record.KindPointQuality {
		return l.point(rec)
	}
	was, count, most := l.reconnects, rec.Count(record.ReconnectCount), uint64(0)
	if rec.Kind == record.KindLinkState && rec.Text(record.Result) == fieldbus.ResultChanged {
		most = 1 // nothing else connects
	}
	counted := l.counted
	if l.reconnects, l.counted = count, true; counted && (count < was || count-was > most) {
		return fmt.Errorf("%s of %.80q is %d, and it was %d before", record.ReconnectCount, device, count, was)
	}
	switch rec.Kind {
	case record.KindResync:
		l.synced, l.owes = true, 0
	case record.KindLinkState:
		return l.changed(n, device, rec)
	case record.KindLinkFailover:
		if rec.Text(record.FromPath) == rec.Text(record.ToPath) {
			return fmt.Errorf("%.80q goes over from a path to the same one, %.80q", device, rec.Text(record.ToPath))
		}
	}
	return nil
}

// mapped holds device, profile, channel and what was declared against the tag map, if one is bound. A device that the map does not have is
// of a port beside its lines: it has no profile, and no channel of the map.
func mapped(m *fieldbus.TagMap, rec *record.Record) error {
	name, profile, channel := rec.Text(record.DeviceID), rec.Text(record.DeviceProfileID), rec.Text(record.PhysicalChannel)
	d := m.Find(name)
	switch {
	case m == nil && profile != "":
		return fmt.Errorf("%s is %.80q, and no tag map is bound", record.DeviceProfileID, profile)
	case d == nil && (profile != "" || m.Owner(channel) != nil):
		return fmt.Errorf("%.80q is no device of the tag map", name)
	case d == nil:
		return nil
	case profile != d.Profile.ID:
		return fmt.Errorf("%s of %.80q is %.80q, by the tag map it is %q", record.DeviceProfileID, name, profile, d.Profile.ID)
	}
	if rec.Has(record.PhysicalChannel) && m.Owner(channel) != d {
		return fmt.Errorf("%.80q is no channel of %.80q by the tag map", channel, name)
	}
	if rec.Kind == record.KindLinkState && rec.Has(record.Limit) && rec.Int(record.Limit) != d.Reconnect/1_000_000 {
		return fmt.Errorf("%.80q is to be up again within %d ms, by the tag map within %d ms", name, rec.Int(record.Limit), d.Reconnect/1_000_000)
	}
	return nil
}

// changed takes in that a link has another state, or is late. Values count in UP and DEGRADED alone, and so nobody comes there without
// having read every control tag since it was connected.
func (l *linkSaid) changed(n uint64, device string, rec *record.Record) error {
	was, is, result := rec.Text(record.OldValue), rec.Text(record.WatchdogState), rec.Text(record.Result)
	switch {
	case !slices.Contains(linkStates, was) || !slices.Contains(linkStates, is):
		return fmt.Errorf("a link is never %.40q or %.40q", was, is)
	case result != fieldbus.ResultChanged && result != fieldbus.ResultLate:
		return fmt.Errorf("%.40q is no result of a link", result)
	case (result == fieldbus.ResultChanged) == (was == is):
		return fmt.Errorf("the link to %.80q was %s and is %s, and the record says that it is %s", device, was, is, result)
	case l.state != "" && was != l.state:
		return fmt.Errorf("the link to %.80q was %s, and the record before says that it is %s", device, was, l.state)
	case result == fieldbus.ResultLate && (is == "UP" || is == "DEGRADED" || !rec.Has(record.Limit)):
		return fmt.Errorf("the link to %.80q is %s, and late, without a limit or although it is up", device, is)
	case l.owes != 0 && result == fieldbus.ResultChanged:
		owed := l.owes
		l.owes, l.state = 0, is
		return fmt.Errorf("the values of %.80q count since record %d, and no %s says that they were read", device, owed, record.KindResync)
	}
	up := is == "UP" || is == "DEGRADED"
	switch {
	case is == "DOWN" || is == "CONNECTING" || is == "SYNCING" || is == "DEMOTED":
		l.synced = false
	case up && l.state != "" && !l.synced:
		l.owes = n // it may stand just behind
	case up && l.state == "" && was == "SYNCING":
		l.owes = n
	case up && l.state == "":
		l.synced = true // it was up before anything was told
	}
	l.state = is
	return nil
}

// point holds the quality of a point against its status, and against its link.
func (l *linkSaid) point(rec *record.Record) error {
	text, is := rec.Text(record.OPCUAStatus), rec.Text(record.Quality)
	status, err := parseStatus(text)
	if err != nil {
		return err
	}
	if want := [...]string{"GOOD", "STALE", "BAD", "BAD"}[status>>30]; is != want {
		return fmt.Errorf("%s is %.40q, and status %s is %s", record.Quality, is, text, want)
	}
	if is == "GOOD" && (l.state == "DOWN" || l.state == "CONNECTING" || l.state == "DEMOTED" || l.state == "DOUBT") {
		return fmt.Errorf("%.80q is GOOD, and the link to its device is %s", rec.Text(record.PhysicalChannel), l.state)
	}
	return nil
}

// parseStatus reads an OPC UA status as records spell it.
func parseStatus(text string) (uint64, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	status, err := strconv.ParseUint(digits, 16, 32)
	if !ok || err != nil || len(digits) != 8 || strings.ToUpper(digits) != digits {
		return 0, fmt.Errorf("%.40q is no status such as 0x808A0000", text)
	}
	return status, nil
}

// busWrite holds what a bus says of a write against what was to be written.
func (b *busNotes) busWrite(rec *record.Record) error {
	id, outcome := rec.Int(record.WriteID), rec.Text(record.Outcome)
	if outcome != fieldbus.OutcomeConfirmed && outcome != fieldbus.OutcomeRefused && outcome != fieldbus.OutcomeUnknown {
		return fmt.Errorf("%.40q is no outcome of a write", outcome)
	}
	w := b.writes[id]
	switch {
	case id == 0: // of a controller that makes safe what it found
		return nil
	case w == nil:
		return fmt.Errorf("no output was to be written by write %d", id)
	case w.channel != rec.Text(record.PhysicalChannel):
		return fmt.Errorf("write %d is to %.80q, by its output_write to %.80q", id, rec.Text(record.PhysicalChannel), w.channel)
	}
	w.blocked = w.blocked || outcome == fieldbus.OutcomeRefused
	return w.agrees(id)
}

// measured holds the exchanges over a budget against the longest one.
func measured(rec *record.Record) error {
	count, over := rec.Int(record.Exchanges), rec.Int(record.OverBudget)
	most, scale, err := quantity.ParseDecimal(rec.Text(record.ControlPlaneLatencyMS))
	if err != nil || scale != 3 || most < 0 || count < 0 || over < 0 || over > count {
		return fmt.Errorf("of %d exchanges %d were over the budget, and the longest took %.40s ms", count, over, rec.Text(record.ControlPlaneLatencyMS))
	}
	if !rec.Has(record.LatencyBudget) {
		return nil
	}
	text := rec.Text(record.LatencyBudget)
	number, ok := strings.CutSuffix(text, " ms")
	budget, scale, err := quantity.ParseDecimal(number)
	if !ok || err != nil || scale != 3 || budget < 0 {
		return fmt.Errorf("%s %.40q is no time such as 20.000 ms", record.LatencyBudget, text)
	}
	if (most > budget) && over == 0 || most < budget && over > 0 {
		return fmt.Errorf("%d exchanges were over the budget of %s, and the longest took %s ms", over, text, rec.Text(record.ControlPlaneLatencyMS))
	}
	return nil
}

// addsUp holds the numbers of a backlog against each other: what was taken in is acknowledged, dropped or waits.
func addsUp(rec *record.Record) error {
	acked, dropped, waits := rec.Count(record.TelemetryAcked), rec.Count(record.TelemetryDropped), rec.Count(record.TelemetryBacklog)
	if taken := rec.Count(record.TelemetryTaken); acked+dropped+waits != taken {
		return fmt.Errorf("%d samples were acknowledged, %d dropped and %d wait, and %d were taken in", acked, dropped, waits, taken)
	}
	if sent := rec.Count(record.TelemetrySent); acked > sent {
		return fmt.Errorf("%d samples were acknowledged, and %d sent", acked, sent)
	}
	return nil
}
