// What was heard of the bus: a wait for a value that is not GOOD is explained by the last note of its point and of the link to its device.

package evidence

import (
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// heard is what notes have said of buses up to a record.
type heard struct {
	links  map[string]string // by device: how it is reached, in words
	points map[string]string // by channel: how its value is, in words
	owners map[string]string // by channel: the device that it is of
}

// add takes in a note about a bus.
func (h *heard) add(rec *record.Record) {
	if h.links == nil {
		h.links, h.points, h.owners = map[string]string{}, map[string]string{}, map[string]string{}
	}
	device, channel := rec.Text(record.DeviceID), rec.Text(record.PhysicalChannel)
	if channel != "" && len(h.owners) < maxAsked {
		h.owners[channel] = device
	}
	words := busWords(rec) + fmt.Sprintf("; record %d", rec.Seq())
	switch {
	case rec.Kind == record.KindLinkState && (len(h.links) < maxDevices || h.links[device] != ""):
		h.links[device] = words
	case rec.Kind == record.KindPointQuality && (len(h.points) < maxAsked || h.points[channel] != ""):
		h.points[channel] = words
	}
}

// why says what was heard last of a tag that is not GOOD, a line each.
func (h *heard) why(b *batch.Batch, n *batch.Need) (lines []string) {
	id, ok := b.Plan.Map.Lookup(n.Name)
	if !ok || n.Quality == tag.Good || n.Kind != batch.NeedTag && n.Kind != batch.NeedOutput {
		return nil
	}
	channel := b.Plan.Map.Tags[id].Channel
	for _, words := range [...]string{h.links[h.owner(b, channel)], h.points[channel]} {
		if words != "" {
			lines = append(lines, "  "+n.Name+": "+words)
		}
	}
	return lines
}

// owner is the device of a channel, by the tag map, or else by what was said of the channel; "" where nobody tells.
func (h *heard) owner(b *batch.Batch, channel string) string {
	if d := b.Plan.TagMap.Owner(channel); d != nil {
		return d.Name
	}
	return h.owners[channel]
}

// busWords says what a note about a bus says; "" of another record.
func busWords(rec *record.Record) string {
	device := rec.Text(record.DeviceID)
	switch rec.Kind {
	case record.KindLinkState:
		if rec.Text(record.Result) == "late" {
			return "the link to " + device + " is still " + rec.Text(record.WatchdogState) + ago(rec, ", for ", record.ElapsedMS, "") +
				ago(rec, "; it was to be up again within ", record.Limit, "")
		}
		return "the link to " + device + " is " + rec.Text(record.WatchdogState) + ", it was " + rec.Text(record.OldValue) +
			ago(rec, " for ", record.ElapsedMS, "") + also(rec, ": ", record.Detail) + ago(rec, "; its last valid reply was ", record.AgeMS, " old") +
			also(rec, "; reconnect ", record.ReconnectCount)
	case record.KindLinkFailover:
		return device + " is reached by " + rec.Text(record.ToPath) + " in the place of " + rec.Text(record.FromPath) +
			ago(rec, ", after ", record.GapMS, " without") + also(rec, ": ", record.Detail)
	case record.KindResync:
		return "all " + rec.Text(record.TagsRead) + " control tags of " + device + " were read" + ago(rec, ", ", record.ElapsedMS, " after it was lost")
	case record.KindBusWrite:
		return "write " + rec.Text(record.WriteID) + " to " + rec.Text(record.PhysicalChannel) + " of " + device + " " +
			outcomeWords[rec.Text(record.Outcome)] + also(rec, ": ", record.Detail)
	case record.KindPointQuality:
		return rec.Text(record.PhysicalChannel) + " of " + device + " is " + rec.Text(record.Quality) + ", " + rec.Text(record.OPCUAStatus) +
			also(rec, ": ", record.Detail) + ago(rec, "; its last valid value was ", record.AgeMS, " old")
	}
	return ""
}

// outcomeWords say what became of a write.
var outcomeWords = map[string]string{"CONFIRMED": "was carried out, as reading back shows", "REFUSED": "was refused: nothing was written",
	"UNKNOWN": "may have been carried out: it was sent, and not confirmed"}
