// Batch: what the records of a journal say of a batch, reduced one by one. Nothing here knows a clock, a file or a client.

package scada

import (
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// Limits of what is kept of one batch. What comes beyond them is counted as omitted, and still told as an event.
const (
	maxSteps  = 256
	maxTotals = 64
	maxAlarms = 128
	maxLinks  = 256
	maxPoints = 4096
	maxText   = 256 // bytes of a text of a record that a variable shows
)

// state is what the records of one journal say: of a batch, or of a device.
type state struct {
	batch, recipe, recipeVersion, size, operator, equipment, restartOf string
	mapping, mappingDigest, tagMap, calib                              string
	device, journal                                                    string
	word, why, mode                                                    string // state of the batch, why, and mode of its procedure
	result                                                             string // of batch_end; "" before
	ended, dry, unapproved                                             bool
	blockAge                                                           int64 // ms
	seq                                                                uint64
	link                                                               string // hash_curr of seq, hex
	kind                                                               string // of seq
	utc, created, begun, closed, changed                               int64  // of seq, of batch_created, the first and last state, and of word; ns since 1970, 0: not known
	sync, source, bound                                                string
	health, wear                                                       string
	healthWhy                                                          []string
	steps                                                              []step
	totals                                                             []total
	alarms                                                             []alarm
	links                                                              []link
	points                                                             map[string]uint32 // by channel, why its value is no better, as OPC UA status
	omitted                                                            uint64            // steps, totals and so on for which there was no room
}

// step is one element of the recipe that has begun.
type step struct {
	id, level, state, wait string
	utc                    int64
}

// total is one metering window. Numbers are decimals as their record has them.
type total struct {
	id, unit, meter, total, target, delta, tolerance, result, reconciled string
	open                                                                 bool
	utc                                                                  int64
}

// alarm is an alarm that is active, or that nobody has acknowledged.
type alarm struct{ id, state, priority, message string }

// link is the way to a device on a bus.
type link struct {
	device, state, status, detail string
	reconnects                    uint64
	utc                           int64
}

// take takes in the next record, with the link of the chain there.
func (s *state) take(r *record.Record, hash string) {
	text := func(k record.Key) string { return clip(r.Text(k), maxText) }
	s.seq, s.link, s.kind = r.Seq(), hash, r.Kind.String()
	s.utc = r.Time(record.TsUTC)
	s.journal, s.sync, s.source, s.bound = text(record.JournalID), text(record.SyncState), text(record.TimeSource), text(record.TimeBoundMS)
	if !r.Kind.Spec().Field {
		s.device = text(record.DeviceID)
	}
	switch r.Kind {
	case record.KindBatchCreated:
		s.batch, s.recipe, s.recipeVersion, s.size = text(record.BatchID), text(record.RecipeID), text(record.RecipeVersion), text(record.BatchSize)
		s.operator, s.equipment, s.restartOf = text(record.OperatorID), text(record.EquipmentID), text(record.RestartOf)
		s.mapping, s.tagMap, s.calib = text(record.MappingVersion), text(record.TagMapVersion), text(record.CalibVersion)
		s.dry, s.unapproved = r.Bool(record.DryRun), r.Bool(record.Unapproved)
		s.word, s.blockAge, s.created, s.changed = sequencer.Idle.String(), r.Int(record.BlockAgeMS), s.utc, s.utc
	case record.KindObjectBound:
		if r.Text(record.ObjectKind) == "mapping" {
			s.mappingDigest = text(record.Digest)
		}
	case record.KindBatchState:
		s.word, s.why, s.changed = text(record.BatchState), text(record.Detail), s.utc
		if s.begun == 0 {
			s.begun = s.utc
		}
	case record.KindBatchEnd:
		s.word, s.why, s.result, s.ended, s.closed, s.changed = text(record.BatchState), text(record.Detail), text(record.Result), true, s.utc, s.utc
	case record.KindStepState, record.KindActionState, record.KindModeChange:
		s.stepped(r, text)
	case record.KindWindowStart, record.KindWindowEvent, record.KindWindowStop, record.KindReconcile:
		s.metered(r, text)
	case record.KindAlarm:
		s.alarmed(text)
	case record.KindLinkState, record.KindPointQuality:
		s.linked(r, text)
	case record.KindStorageHealth:
		s.health, s.wear, s.healthWhy = text(record.StorageHealthState), text(record.WearIndex), clipAll(r.Texts(record.Reasons))
	}
}

// stepped takes in what has become of an element of the recipe.
func (s *state) stepped(r *record.Record, text func(record.Key) string) {
	p := find(&s.steps, maxSteps, &s.omitted, func(p *step) bool { return p.id == text(record.StepID) })
	if p == nil {
		return
	}
	p.id, p.utc = text(record.StepID), s.utc
	switch r.Kind {
	case record.KindStepState:
		p.level, p.state = text(record.Level), text(record.PhaseState)
		if over(p.state) {
			p.wait = ""
		}
	case record.KindActionState:
		p.wait = ""
		if r.Text(record.ActionState) != "end" {
			p.wait = text(record.WaitReason)
		}
	case record.KindModeChange:
		if p.level == "procedure" || len(s.steps) == 1 {
			s.mode = text(record.Mode)
		}
	}
}

// metered takes in what has become of a metering window.
func (s *state) metered(r *record.Record, text func(record.Key) string) {
	t := find(&s.totals, maxTotals, &s.omitted, func(t *total) bool { return t.id == text(record.MeterWindowID) })
	if t == nil {
		return
	}
	switch t.id, t.utc, t.unit = text(record.MeterWindowID), s.utc, text(record.Unit); r.Kind {
	case record.KindWindowStart:
		*t = total{id: t.id, unit: t.unit, utc: t.utc, meter: text(record.Meter), target: text(record.Target), tolerance: text(record.Tolerance), open: true}
	case record.KindWindowEvent:
		t.total = text(record.TotalizedValue)
	case record.KindWindowStop:
		t.total, t.target, t.delta, t.result, t.open = text(record.TotalizedValue), text(record.Target), text(record.Delta), text(record.Result), false
	case record.KindReconcile:
		t.reconciled = text(record.ReconcileStatus)
	}
}

// alarmed takes in what has become of an alarm. One that is normal again is gone.
func (s *state) alarmed(text func(record.Key) string) {
	id, now := text(record.AlarmID), text(record.NewValue)
	if now == iomap.AlarmNormal.String() {
		s.alarms = slices.DeleteFunc(s.alarms, func(a alarm) bool { return a.id == id })
		return
	}
	if a := find(&s.alarms, maxAlarms, &s.omitted, func(a *alarm) bool { return a.id == id }); a != nil {
		*a = alarm{id, now, text(record.Priority), text(record.Message)}
	}
}

// linked takes in what a bus tells.
func (s *state) linked(r *record.Record, text func(record.Key) string) {
	if r.Kind == record.KindPointQuality {
		channel := text(record.PhysicalChannel)
		if _, known := s.points[channel]; known || len(s.points) < maxPoints {
			if s.points == nil {
				s.points = map[string]uint32{}
			}
			s.points[channel] = status(r.Text(record.OPCUAStatus))
		}
		return
	}
	if l := find(&s.links, maxLinks, &s.omitted, func(l *link) bool { return l.device == text(record.DeviceID) }); l != nil {
		*l = link{text(record.DeviceID), text(record.WatchdogState), text(record.OPCUAStatus), text(record.Detail), r.Count(record.ReconnectCount), s.utc}
	}
}

// active names the phases that are under way, and lists all elements that are, with what they wait for.
func (s *state) active() (phases string, all []string) {
	var names []string
	for i := range s.steps {
		p := &s.steps[i]
		if over(p.state) || p.state == "" || p.state == sequencer.Idle.String() {
			continue
		}
		line := p.id + " " + p.state
		if p.wait != "" {
			line += ": " + p.wait
		}
		all = append(all, line)
		if p.level == "phase" {
			names = append(names, p.id)
		}
	}
	return strings.Join(names, ", "), all
}

// verdict is the worst that is said of the windows of a batch that has ended; "" where nothing is.
func (s *state) verdict() (worst string) {
	if !s.ended {
		return ""
	}
	for i := range s.totals {
		if t := &s.totals[i]; worst == "" || worst == "PASS" {
			worst = t.result
		}
	}
	return worst
}

// over tells whether an element has ended.
func over(word string) bool {
	for _, st := range [...]sequencer.State{sequencer.Complete, sequencer.Stopped, sequencer.Aborted} {
		if st.String() == word {
			return true
		}
	}
	return false
}

// find finds an entry, or makes room for a new one; nil where there is none.
func find[T any](list *[]T, most int, omitted *uint64, is func(*T) bool) *T {
	for i := range *list {
		if is(&(*list)[i]) {
			return &(*list)[i]
		}
	}
	if len(*list) >= most {
		*omitted++
		return nil
	}
	var zero T
	*list = append(*list, zero)
	return &(*list)[len(*list)-1]
}

// clip cuts a text to so many bytes of UTF-8.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-3], "") + "..."
}

// clipAll cuts a list, and each text of it.
func clipAll(list []string) []string {
	out := make([]string, 0, min(len(list), 32))
	for _, s := range list[:min(len(list), 32)] {
		out = append(out, clip(s, maxText))
	}
	return out
}

// alarmList says which alarms are active or not acknowledged.
func (s *state) alarmList() (list []string) {
	for _, a := range s.alarms {
		list = append(list, a.priority+" "+a.id+" "+a.state+": "+a.message)
	}
	return list
}

// stands tells whether a batch does not go on by itself.
func stands(word string) bool {
	for _, st := range [...]sequencer.State{sequencer.Holding, sequencer.Held, sequencer.Stopping, sequencer.Stopped, sequencer.Aborting, sequencer.Aborted} {
		if st.String() == word {
			return true
		}
	}
	return false
}
