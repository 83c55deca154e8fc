// Publishing: what is known, as variables.

package scada

import (
	"fmt"
	"math"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
)

// The folders.
const (
	folderBatches = "Batches"
	folderTags    = "Tags"
	folderDevice  = "Device"
	folderWindow  = "Window"
)

// path is the folder of a journal.
func (s *source) path() string {
	if s.name == deviceDir {
		return folderDevice
	}
	return under(folderBatches, s.name)
}

// believed is how far what is known of a journal may be believed: what is not over and was not heard of for so long may be otherwise now.
func (s *source) believed(now time.Time, silence time.Duration) fieldbus.Status {
	limit := silence + time.Duration(s.state.blockAge)*time.Millisecond
	switch {
	case !s.read:
		return fieldbus.StatusWaiting
	case s.state.ended, !s.heard.IsZero() && now.Sub(s.heard) <= limit:
		return fieldbus.StatusGood
	}
	return fieldbus.StatusLastUsable
}

// showBatch shows a batch.
func (w *Window) showBatch(s *source, now time.Time) {
	b := &s.state
	l := &look{status: s.believed(now, w.opt.Silence), tree: w.tree, folder: s.path(), utc: b.utc}
	phases, active := b.active()
	l.text("BatchId", "batch_id", b.batch, b.created)
	l.text("State", "state of the batch, one of the twelve of ISA-88", b.word, b.changed)
	l.text("StateReason", "why, in words", b.why, b.changed)
	l.text("Mode", "mode of the procedure", b.mode, b.utc)
	l.text("Recipe", "recipe_id", b.recipe, b.created)
	l.text("RecipeVersion", "recipe_version", b.recipeVersion, b.created)
	l.text("Size", "batch_size", b.size, b.created)
	l.text("Operator", "operator_id who answers for the batch", b.operator, b.created)
	l.text("Equipment", "equipment_id", b.equipment, b.created)
	l.text("RestartOf", "batch in whose place this one was begun", b.restartOf, b.created)
	l.flag("DryRun", "no output is driven", b.dry, b.created)
	l.flag("Unapproved", "it runs without approval", b.unapproved, b.created)
	l.text("Step", "phases that are under way", phases, b.utc)
	l.list("ActiveSteps", "elements that are under way, their states, and what they wait for", active, b.utc)
	l.list("Alarms", "alarms that are active or not acknowledged", b.alarmList(), b.utc)
	l.moment("StartTime", "when it left Idle", b.begun)
	l.moment("EndTime", "when it ended", b.closed)
	l.text("Result", "of batch_end: whether all outputs are confirmed to be safe", b.result, b.closed)
	l.text("Verdict", "of a batch that has ended: the first result of its windows that is not PASS, or PASS", b.verdict(), b.closed)
	l.text("MappingVersion", "mapping_version", b.mapping, b.created)
	l.text("MappingDigest", "SHA-256 of the map", b.mappingDigest, b.created)
	l.text("TagMapVersion", "tag_map_version", b.tagMap, b.created)
	l.text("CalibVersion", "calib_version", b.calib, b.created)
	l.count("Omitted", "steps, totals, alarms and links for which there was no room here", b.omitted, b.utc)
	w.showHead(l, s)
	for i := range b.steps {
		p := &b.steps[i]
		one := &look{status: l.status, tree: w.tree, folder: under(s.path(), "Steps", p.id), utc: p.utc}
		one.text("State", "phase_state", p.state, p.utc)
		one.text("Level", "level of ISA-88", p.level, p.utc)
		one.text("WaitsFor", "wait_reason", p.wait, p.utc)
	}
	for i := range b.totals {
		w.showTotal(&look{status: l.status, tree: w.tree, folder: under(s.path(), "Totals", b.totals[i].id), utc: b.totals[i].utc}, &b.totals[i])
	}
}

// showTotal shows a metering window.
func (w *Window) showTotal(l *look, t *total) {
	l.number("Total", "totalized_value as of the last record about it", t.total, t.utc)
	l.number("Target", "target", t.target, t.utc)
	l.number("Delta", "total less target", t.delta, t.utc)
	l.number("Tolerance", "tolerance", t.tolerance, t.utc)
	l.text("Unit", "UCUM unit of all of these", t.unit, t.utc)
	l.text("Meter", "meter of the map", t.meter, t.utc)
	l.flag("Open", "it is being metered", t.open, t.utc)
	l.text("Result", "result: PASS or what it is short of", t.result, t.utc)
	l.text("Reconciled", "reconcile_status", t.reconciled, t.utc)
}

// showHead shows how far a journal is known.
func (w *Window) showHead(l *look, s *source) {
	b := &s.state
	l.text("JournalId", "journal_id", b.journal, b.utc)
	l.count("JournalHead", "event_seq of the last record", b.seq, b.utc)
	l.text("HashCurr", "hash_curr of the last record", b.link, b.utc)
	l.text("LastEvent", "event_type of the last record", b.kind, b.utc)
	l.moment("LastTime", "ts_utc of the last record", b.utc)
	l.text("JournalHealth", "what is wrong with the journal; empty where nothing is", s.health, b.utc)
	l.count("EventsFrom", "records from this one on are told as events", s.from, b.utc)
	l.count("NotUnderstood", "records that this window does not understand", s.unread, b.utc)
	l.text("SyncState", "sync_state of the wall clock", b.sync, b.utc)
	l.text("TimeSource", "time_source", b.source, b.utc)
	l.text("TimeBoundMs", "time_bound_ms", b.bound, b.utc)
}

// showDevice shows the device: its own journal, and what the newest batch says of health and links.
func (w *Window) showDevice(device, newest *source, now time.Time) {
	if device != nil {
		l := &look{status: device.believedDevice(), tree: w.tree, folder: folderDevice, utc: device.state.utc}
		l.text("DeviceId", "device_id", device.state.device, device.state.utc)
		w.showHead(l, device)
	}
	s := newest
	if s == nil || s.state.health == "" && device != nil && device.state.health != "" {
		s = device
	}
	if s == nil {
		return
	}
	h := &look{status: s.believed(now, w.opt.Silence), tree: w.tree, folder: under(folderDevice, "Storage"), utc: s.state.utc}
	h.text("Health", "storage_health_state", s.state.health, s.state.utc)
	h.text("WearIndex", "percent of the life of the medium", s.state.wear, s.state.utc)
	h.list("Reasons", "why", s.state.healthWhy, s.state.utc)
	if newest == nil {
		return
	}
	status := newest.believed(now, w.opt.Silence)
	if newest.state.ended {
		status = fieldbus.StatusLastUsable // nobody watches a link between two batches
	}
	t := &look{status: status, tree: w.tree, folder: under(folderDevice, "Time"), utc: newest.state.utc}
	t.text("SyncState", "sync_state of the wall clock", newest.state.sync, newest.state.utc)
	t.text("TimeSource", "time_source", newest.state.source, newest.state.utc)
	t.text("TimeBoundMs", "time_bound_ms", newest.state.bound, newest.state.utc)
	for i := range newest.state.links {
		k := &newest.state.links[i]
		l := &look{status: status, tree: w.tree, folder: under(folderDevice, "Links", k.device), utc: k.utc}
		l.text("WatchdogState", "watchdog_state of the link", k.state, k.utc)
		l.text("OpcUaStatus", "opcua_status: why it is no better", k.status, k.utc)
		l.text("Detail", "in words", k.detail, k.utc)
		l.count("ReconnectCount", "reconnect_count", k.reconnects, k.utc)
	}
}

// believedDevice is how far what the device journal says may be believed: it is written when something happens, and is silent otherwise.
func (s *source) believedDevice() fieldbus.Status {
	if !s.read {
		return fieldbus.StatusWaiting
	}
	return fieldbus.StatusGood
}

// showTags shows all tags of the map in use.
func (w *Window) showTags(s *source, now time.Time) {
	if w.plan == nil {
		return
	}
	mapped := w.mapped(s)
	for i := range w.plan.Tags {
		t := &w.plan.Tags[i]
		got, ok := w.samples.look(t.Channel)
		r := readTag(t, got, ok, now, w.opt.Silence, w.causeOf(s, t))
		if ok && !mapped {
			r.misread()
		}
		if r.quality == tag.Good {
			w.good++
		}
		folder := under(folderTags, t.Name)
		w.tree.set(folder, "Value", "value of the tag, in its Unit; for eyes, as Text is exact", kindOf(t), r.value)
		text := r.value
		text.Bits, text.Text = 0, r.text
		w.tree.set(folder, "Text", "value with its unit, exact", server.String, text)
		w.tree.set(folder, "Quality", "GOOD, STALE or BAD", server.String, said(r.quality.String()))
		w.tree.set(folder, "OpcUaStatus", "why it is no better", server.String, said(statusText(r.status)))
		fixed := &look{tree: w.tree, folder: folder}
		fixed.text("Unit", "UCUM unit", string(t.Unit), 0)
		fixed.text("Channel", "physical_channel", t.Channel, 0)
		fixed.text("Words", "names of off and on, of a switch", words(t), 0)
	}
}

// statusText is a status as records have it.
func statusText(s fieldbus.Status) string { return fmt.Sprintf("0x%08X", uint32(s)) }

// causeOf is why a value is no better, as the records of a batch say.
func (w *Window) causeOf(s *source, t *iomap.Tag) fieldbus.Status {
	if s == nil {
		return fieldbus.StatusGood
	}
	return fieldbus.Status(s.state.points[clip(t.Channel, maxText)])
}

func words(t *iomap.Tag) string {
	if t.Type != iomap.Switch {
		return ""
	}
	return t.Words[0] + ", " + t.Words[1]
}

// showWindow shows how the window itself stands.
func (w *Window) showWindow(now time.Time) {
	count, heard := w.samples.stats()
	for _, s := range w.feed.sources {
		if s.heard.After(heard) {
			heard = s.heard
		}
	}
	l := &look{tree: w.tree, folder: folderWindow}
	l.text("Version", "form of what is shown here", Version, 0)
	l.text("Controller", "directory that is watched", w.feed.dir, 0)
	behind := server.Value{Null: true, Status: fieldbus.StatusWaiting}
	if !heard.IsZero() {
		behind = server.Value{Bits: math.Float64bits(now.Sub(heard).Truncate(time.Second).Seconds())}
	}
	w.tree.set(folderWindow, "Behind", "seconds since anything was heard of the controller", server.Float64, behind)
	l.moment("Since", "since when this window watches", w.since.UnixNano())
	l.text("Fault", "why the directory, or the map of the batch, cannot be read", w.fault(), 0)
	l.list("EventsFrom", "by journal, from which record on events are told", w.eventsFrom(), 0)
	l.count("NotShown", "nodes, values and events that are beyond the limits of the space", uint64(w.space.Refused()), 0)
	l.count("EventsTold", "events", w.raised, 0)
	l.count("SamplesTaken", "samples of tags", count.Taken, 0)
	l.count("SamplesMissing", "numbers of samples that never came", count.Missing, 0)
	l.count("SamplesRefused", "requests with samples that were refused", count.Refused, 0)
	if w.plan != nil {
		l.text("Mapping", "mapping that the tags are named by", w.plan.ID, 0)
		l.text("MappingVersion", "mapping_version", w.plan.Version, 0)
		l.text("MappingDigest", "SHA-256 of the map", w.digest, 0)
	}
}

// stamp is a time of a record; zero where it is not known.
func stamp(utc int64) (t time.Time) {
	if utc != 0 {
		t = time.Unix(0, utc).UTC()
	}
	return t
}

// doubleBits is a decimal as the bits of a Float64.
func doubleBits(decimal string) uint64 { return math.Float64bits(double(decimal)) }
