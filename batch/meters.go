// Meters and their windows: what is read goes to the meters, and what happens to an open window goes into a record.

package batch

import (
	"strconv"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/sequencer"
)

// threshold is the note of a wait for a total that has come true, and noteCount is how many notes there are.
const (
	threshold = metering.WentOn + 1
	noteCount = int(threshold) + 1
)

// noteWords are the values of window_event, by note.
var noteWords = [noteCount]string{metering.GapBegan: "gap", metering.GapEnded: "gap_end", metering.RolledOver: "rollover",
	metering.WasReset: "reset", metering.WasReplaced: "replaced", metering.ChannelsDiffer: "channels_differ",
	metering.OutOfRange: "out_of_range", metering.BecameStable: "stable", metering.BecameUnstable: "unstable",
	metering.TimeStepped: "time_step", metering.WasHeld: "held", metering.WentOn: "resumed", threshold: "threshold"}

// WindowEventsTold is how often something that happens to a window again and again is recorded each time. After that it is recorded
// when its number is a power of two; what lies between is counted.
const WindowEventsTold = 8

// toldAgain tells whether the nth time of something is recorded, and how many there were since it was recorded last.
func toldAgain(n uint64) (told bool, since uint64) {
	if n <= WindowEventsTold {
		return true, 0
	}
	last := uint64(WindowEventsTold)
	for last*2 < n {
		last *= 2
	}
	return n == last*2, n - last - 1
}

// meterStep hands an event to the meters, and keeps what it has brought about.
func (m *Machine) meterStep(ev *metering.Event) {
	m.mfx = m.met.Step(m.at, ev, m.mfx[:0])
	for i := range m.mfx {
		if m.mfx[i].Kind == metering.Noted {
			m.notes = append(m.notes, m.mfx[i])
		}
	}
}

// sourceOf is the value of a tag as meters take it: of a counter as it came, of a number in counts of its
// resolution, before the filter of the tag.
func (m *Machine) sourceOf(id tag.ID) (v, at int64, q tag.Quality) {
	raw, at := m.io.Source(id)
	v, q = m.io.Unfiltered(id, m.now)
	if m.b.Plan.Map.Tags[id].Type == iomap.Counter {
		v = raw
	}
	return v, at - m.st.Base, q
}

// meter hands a sample to the meters that it belongs to.
func (m *Machine) meter(ev *Event) {
	for _, f := range m.form.prog.inputs[ev.Tag] {
		v, _, q := m.sourceOf(ev.Tag)
		if m.b.Plan.Map.Tags[ev.Tag].Type == iomap.Counter {
			v = int64(ev.Bits)
		}
		m.meterStep(&metering.Event{Kind: metering.Reading, Meter: f.meter, Role: f.role, Raw: v, RawAt: m.at - ev.AgeMS*1_000_000, Quality: q})
	}
}

// qualities records edges that tags wait for and changes of quality, hands them to the meters, and records what has happened to open windows. That a boot makes
// sources STALE meters know already, by the epoch that began: what was read then came after that.
func (m *Machine) qualities(boot bool, fx []Effect) []Effect {
	for i := range m.ifx {
		e := &m.ifx[i]
		if e.Kind == iomap.Triggered {
			fx = m.inputEdge(e.Tag, fx)
		}
		if e.Kind != iomap.QualityChanged {
			continue
		}
		fx = m.qualityChanged(e, fx)
		if boot && e.To == tag.Stale {
			continue
		}
		for _, f := range m.form.prog.inputs[e.Tag] {
			m.meterStep(&metering.Event{Kind: metering.Quality, Meter: f.meter, Role: f.role, RawAt: m.at, Quality: e.To})
		}
	}
	return m.happened(0, fx)
}

// metersStepped tells the meters that the wall clock was stepped, and the records of open windows.
func (m *Machine) metersStepped(moved int64, fx []Effect) []Effect {
	m.meterStep(&metering.Event{Kind: metering.Stepped})
	return m.happened(moved, fx)
}

// paused tells the meters of the windows of a phase that it is held, or goes on.
func (m *Machine) paused(e *sequencer.Effect, fx []Effect) []Effect {
	on := e.To == sequencer.Holding || e.To == sequencer.Held
	if !on && e.To != sequencer.Running {
		return fx
	}
	for w := range m.form.prog.wins {
		if m.form.prog.wins[w].elem == e.Elem && m.isOpen(w) {
			m.meterStep(&metering.Event{Kind: metering.Paused, Window: w, On: on})
		}
	}
	return m.happened(0, fx)
}

func (m *Machine) isOpen(w int) bool {
	open, _ := m.met.Source(w)
	return open
}

// happened records what has happened to open windows.
func (m *Machine) happened(moved int64, fx []Effect) []Effect {
	for i := range m.notes {
		m.noteFacts(&m.notes[i], moved)
		fx = m.windowEvent(&m.notes[i], moved, fx)
	}
	m.notes = m.notes[:0]
	return fx
}

// windowEvent records one of these, or counts it where the same has been recorded often.
func (m *Machine) windowEvent(e *metering.Effect, moved int64, fx []Effect) []Effect {
	n := &m.refs.Told[e.Window*noteCount+int(e.Note)]
	*n++
	told, since := toldAgain(*n)
	if !told {
		return fx
	}
	w := &m.form.prog.wins[e.Window]
	id := w.meter.Source
	switch e.Role {
	case metering.Other:
		id = w.meter.Second.Source
	case metering.Device:
		id = w.meter.Totalizer
	case metering.Identity:
		id = w.meter.Identity
	}
	t := m.met.Total(e.Window)
	m.begin(record.KindWindowEvent)
	m.body.Text(record.StepID, m.form.prog.elems[w.elem].id)
	m.body.Text(record.MeterWindowID, w.id)
	m.body.Text(record.CalibVersion, m.b.Plan.Calibration.Version)
	m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[id].Name)
	m.body.Text(record.WindowEvent, noteWords[e.Note])
	m.body.Text(record.Unit, string(w.meter.Resolution.Unit))
	m.decimal(record.TotalizedValue, t.Value, w.meter.Resolution)
	switch e.Note {
	case metering.RolledOver, metering.WasReset, metering.WasReplaced, metering.ChannelsDiffer:
		m.body.Text(record.OldValue, strconv.FormatInt(e.From, 10))
		m.body.Text(record.NewValue, strconv.FormatInt(e.To, 10))
	case metering.OutOfRange:
		m.body.Text(record.NewValue, strconv.FormatInt(e.To, 10))
	case metering.GapEnded:
		m.body.Decimal(record.ElapsedMS, e.To, 6)
	case metering.TimeStepped:
		m.body.Decimal(record.MovedMS, moved, 6)
	}
	if since > 0 {
		m.body.Count(record.Coalesced, since)
	}
	m.causes(m.input, m.refs.Windows[e.Window], m.refs.Elems[w.elem])
	return m.put(fx)
}

// untold is how much of what has happened to a window is in no record of its own.
func (m *Machine) untold(w int) (n uint64) {
	for _, times := range m.refs.Told[w*noteCount : (w+1)*noteCount] {
		if told, since := toldAgain(times); !told {
			n += since + 1
		}
	}
	return n
}

// unusable says why no window may be opened with the calibration now; "" where one may.
func (m *Machine) unusable() string {
	cal := m.b.Plan.Calibration
	limited := cal.ValidFrom != 0 || cal.ValidTo != 0 || cal.EffectiveFrom != 0
	switch utc := m.stamp.UTC; {
	case utc == 0 && limited && !m.st.TimeConfirmed:
		return "calibration " + cal.Version + " holds for a time, and nobody knows what time it is"
	case utc != 0 && !cal.Covers(utc):
		return "calibration " + cal.Version + " does not hold at this time"
	}
	return ""
}

// openWindow opens a window in the metering floor and tells the sequencer what came of it.
func (m *Machine) openWindow(e *sequencer.Effect, fx []Effect) []Effect {
	w := &m.form.prog.wins[e.Window]
	why, opened := m.unusable(), false
	if why == "" {
		v, at, q := m.sourceOf(w.meter.Source)
		m.meterStep(&metering.Event{Kind: metering.Open, Window: e.Window, Raw: v, RawAt: at, Quality: q})
		for i := range m.mfx {
			opened = opened || m.mfx[i].Kind == metering.Opened
			if m.mfx[i].Kind == metering.Refused {
				why = m.shut(w, &m.mfx[i])
			}
		}
		if w.meter.Totalizer != tag.None {
			_, q := m.io.Read(w.meter.Totalizer, m.now)
			m.refs.TotalQ[e.Window] = uint8(q)
		}
		if opened {
			m.opensFacts(e.Window, at)
			fx = m.happened(0, m.windowStart(e, v, fx))
		}
	}
	m.tell(sequencer.Event{Kind: sequencer.WindowOpened, Window: e.Window, OK: opened, Reason: why})
	return fx
}

// shut says why a window stays shut, with the reading where that is the reason.
func (m *Machine) shut(w *window, e *metering.Effect) string {
	why := "window " + w.id + " stays shut: " + e.Why
	if t := &m.b.Plan.Map.Tags[w.meter.Source]; t.Type == iomap.Number && (e.Why == metering.WhyOutside || e.Why == metering.WhyTare) {
		why += ", " + amountOf(e.From, t.Resolution)
	}
	return why
}

func (m *Machine) closeWindow(e *sequencer.Effect, fx []Effect) []Effect {
	m.meterStep(&metering.Event{Kind: metering.Close, Window: e.Window})
	if len(m.mfx) == 0 {
		return fx
	}
	t := m.met.Total(e.Window)
	fx = m.windowStop(e, m.happened(0, fx))
	return m.learn(e, &t, m.reconcile(e, fx))
}
