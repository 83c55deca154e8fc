// The machine: windows that open, take in readings and close.

package metering

import (
	"crypto/sha256"
	"hash"

	"github.com/batchkit/batchkit/iomap/tag"
)

// Why a window does not open.
const (
	WhyUsed     = "it was opened before"
	WhyNoFactor = "its meter has no factor"
	WhyNotGood  = "its source is not GOOD"
	WhyOutside  = "the reading lies outside the calibration"
	WhyUnstable = "the scale is not stable"
	WhyTare     = "the tare is above its limit"
)

// window is the state of one window, of fixed size. Its fields are exported for snapshots only.
type window struct {
	Tally       tally
	StartAt     int64
	EndAt       int64
	Steps       int64
	HeldTime    int64
	HeldAt      int64
	Device      int64
	DeviceHalf  int64
	Half        int64
	Other       int64
	EdgeFlow    int64
	Open        bool
	Used        bool
	Held        bool
	Halved      bool
	Differs     bool
	Doubt       bool // what its lines do not tell speaks against it
	DevRolled   bool
	DevQuality  uint8
	FlowAtStart bool
	FlowAtEnd   bool
}

// Machine holds the windows of one batch. It is a pure machine.
type Machine struct {
	meters  []Meter
	spec    []Window
	now     int64
	st      []window
	sources []source
	sums    []hash.Hash
	line    []byte
}

// NewMachine makes a machine whose windows are all closed. Each window names one of the meters.
func NewMachine(meters []Meter, windows []Window) *Machine {
	m := &Machine{meters: meters, spec: windows, st: make([]window, len(windows)), sources: make([]source, len(meters)),
		sums: make([]hash.Hash, len(windows)), line: make([]byte, 0, 64)}
	for i := range m.sums {
		m.sums[i] = sha256.New()
	}
	return m
}

// Adopt gives the windows other targets and tolerances. They must be the same windows of the same meters otherwise. What a target has
// brought about already stays.
func (m *Machine) Adopt(windows []Window) { m.spec = windows }

// Total returns what a window shows now.
func (m *Machine) Total(w int) Total {
	s := &m.st[w]
	t := Total{Open: s.Open, StartAt: s.StartAt, EndAt: s.EndAt, Steps: s.Steps, HeldTime: s.HeldTime,
		Device: s.Device, DeviceQuality: tag.Quality(s.DevQuality), DeviceRolled: s.DevRolled, DeviceHalf: s.DeviceHalf, Half: s.Half,
		Other: s.Other, FlowAtStart: s.FlowAtStart, FlowAtEnd: s.FlowAtEnd, EdgeFlow: s.EdgeFlow}
	s.Tally.fill(&m.meters[m.spec[w].Meter], &t)
	if s.Doubt {
		t.Quality = tag.Bad
	}
	return t
}

// Tail is the time from the last reading with a number of a window that has closed to its end, ns; 0 where there is none in that epoch.
func (m *Machine) Tail(w int) int64 { return m.st[w].Tally.Tail }

// Source tells whether a window is open, and which quality its source has; it costs less than a Total.
func (m *Machine) Source(w int) (open bool, q tag.Quality) {
	return m.st[w].Open, tag.Quality(m.st[w].Tally.Source)
}

// Digest returns the SHA-256 of the window's sample lines so far.
func (m *Machine) Digest(w int) (d [sha256.Size]byte) {
	m.sums[w].Sum(d[:0])
	return d
}

// epoch bounds what is taken for a time: about 146 years to either side.
const epoch = 1 << 62

// Step takes in one event at monotonic time at and appends its effects to fx. It allocates nothing.
func (m *Machine) Step(at int64, ev *Event, fx []Effect) []Effect {
	at = max(-epoch, min(at, epoch))
	if ev.Kind == Cut {
		fx = m.cut(at, fx)
	}
	m.now = max(m.now, at)
	switch ev.Kind {
	case Reading, Quality:
		if ev.Meter >= 0 && ev.Meter < len(m.meters) {
			fx = m.heard(m.now, ev, fx)
		}
	case Open:
		fx = m.open(m.now, ev, fx)
	case Close:
		fx = m.close(m.now, ev.Window, fx)
	case Stepped:
		for w := range m.st {
			if s := &m.st[w]; s.Open {
				s.Steps++
				fx = append(fx, Effect{Kind: Noted, Window: w, Note: TimeStepped})
			}
		}
	case Paused:
		fx = m.pause(m.now, ev, fx)
	}
	return fx
}

// heard takes in a reading or a quality of one of a meter's sources.
func (m *Machine) heard(at int64, ev *Event, fx []Effect) []Effect {
	then := max(-epoch, min(ev.RawAt, at))
	switch ev.Role {
	case Main:
		return m.main(at, then, ev, fx)
	case Device:
		return m.device(then, ev, fx)
	case Other:
		return m.other(then, ev, fx)
	case Identity:
		if ev.Kind == Reading && ev.Quality == tag.Good {
			return m.identity(then, ev, fx)
		}
	}
	return fx
}

// main takes a reading or a quality of the source into every open window of its meter.
func (m *Machine) main(at, then int64, ev *Event, fx []Effect) []Effect {
	mt := &m.meters[ev.Meter]
	if ev.Kind == Reading || ev.Quality != tag.Good {
		m.sources[ev.Meter].main(mt, then, ev.Raw, ev.Quality)
	}
	fx = m.settle(ev.Meter, at, fx)
	for w := range m.st {
		if s := &m.st[w]; !s.Open || m.spec[w].Meter != ev.Meter {
			continue
		}
		switch {
		case ev.Kind == Reading && ev.Quality == tag.Good:
			fx = m.number(w, then, ev.Raw, fx)
		case ev.Kind == Reading, ev.Quality != tag.Good && uint8(ev.Quality) != m.st[w].Tally.Source:
			fx = m.blank(w, word(min(ev.Quality, tag.Good)), then, fx)
		default:
			m.st[w].Tally.Source = uint8(min(ev.Quality, tag.Good))
		}
		fx = append(fx, Effect{Kind: Moved, Window: w})
	}
	return fx
}

// number takes a reading that is GOOD into a window.
func (m *Machine) number(w int, then, x int64, fx []Effect) []Effect {
	s, mt := &m.st[w], &m.meters[m.spec[w].Meter]
	then = max(then, s.Tally.Line)
	from, outside := s.Tally.Integral.Last, s.Tally.Integral.Outside
	if s.Tally.InGap {
		s.Tally.reach(then)
		fx = append(fx, Effect{Kind: Noted, Window: w, Note: GapEnded, To: s.Tally.Gap})
	}
	m.hash(w, good, then, x)
	note := s.Tally.number(mt, then, x)
	if note == OutOfRange {
		from = 0
	}
	if note != NoNote && (note != OutOfRange || !outside) {
		fx = append(fx, Effect{Kind: Noted, Window: w, Note: note, From: from, To: x})
	}
	if mt.Second.Has {
		fx = m.pair(w, fx)
	}
	m.half(w)
	return fx
}

// blank writes a line without number into a window.
func (m *Machine) blank(w int, word word, then int64, fx []Effect) []Effect {
	s := &m.st[w]
	if word != cut {
		then = max(then, s.Tally.Line)
	}
	was := s.Tally.InGap
	m.hash(w, word, then, 0)
	s.Tally.blank(&m.meters[m.spec[w].Meter], word, then)
	if s.Tally.InGap && !was {
		fx = append(fx, Effect{Kind: Noted, Window: w, Note: GapBegan})
	}
	return fx
}

// half keeps what the device's total was when the window's passed half of its target.
func (m *Machine) half(w int) {
	s, target := &m.st[w], m.spec[w].Target
	mt := &m.meters[m.spec[w].Meter]
	if s.Halved || target <= 0 || !mt.Device.Has {
		return
	}
	if v, q := s.Tally.Integral.total(mt); q == tag.Good && v > 0 && v >= target-v {
		s.Halved, s.Half, s.DeviceHalf = true, v, s.Device
	}
}

// pair holds the two counters against each other.
func (m *Machine) pair(w int, fx []Effect) []Effect {
	s := &m.st[w]
	a, b := s.Tally.Integral.Count, s.Other // neither below zero
	if d := a - b; s.Differs || d <= m.meters[m.spec[w].Meter].Second.Within && -d <= m.meters[m.spec[w].Meter].Second.Within {
		return fx
	}
	s.Differs, s.Doubt = true, true
	return append(fx, Effect{Kind: Noted, Window: w, Note: ChannelsDiffer, Role: Other, From: a, To: b})
}

// open opens a window, or says why it stays closed.
func (m *Machine) open(at int64, ev *Event, fx []Effect) []Effect {
	if ev.Window < 0 || ev.Window >= len(m.st) {
		return fx
	}
	s, n := &m.st[ev.Window], m.spec[ev.Window].Meter
	mt, src := &m.meters[n], &m.sources[n]
	fx = m.settle(n, at, fx)
	then := max(-epoch, min(ev.RawAt, at))
	var began window
	refuse := func(why string) []Effect {
		return append(fx, Effect{Kind: Refused, Window: ev.Window, From: ev.Raw, Why: why})
	}
	switch {
	case s.Used:
		return refuse(WhyUsed)
	case !mt.usable():
		return refuse(WhyNoFactor)
	case ev.Quality != tag.Good:
		return refuse(WhyNotGood)
	case !began.Tally.begin(mt, at, then, ev.Raw):
		return refuse(WhyOutside)
	case mt.Method == Weight && mt.Tare.Stable && !src.Stable:
		return refuse(WhyUnstable)
	case mt.Method == Weight && mt.Tare.Limited && began.Tally.Integral.First > mt.Tare.Most:
		return refuse(WhyTare)
	}
	began.Open, began.Used, began.StartAt = true, true, at
	if mt.Device.Has && src.Device.Has {
		began.DevQuality = src.Device.Quality
	}
	switch mt.Method {
	case Flow:
		began.FlowAtStart = began.Tally.Integral.Last != 0
	case Weight:
		began.FlowAtStart = !src.Stable
	default:
		began.FlowAtStart = src.flowed(at)
	}
	*s = began
	m.hash(ev.Window, good, then, ev.Raw)
	return append(fx, Effect{Kind: Opened, Window: ev.Window})
}

// close ends a window.
func (m *Machine) close(at int64, w int, fx []Effect) []Effect {
	if w < 0 || w >= len(m.st) || !m.st[w].Open {
		return fx
	}
	s, n := &m.st[w], m.spec[w].Meter
	mt := &m.meters[n]
	fx = m.settle(n, at, fx)
	s.Tally.end(mt, at)
	if s.Held {
		sum(&s.HeldTime, max(0, at-s.HeldAt))
	}
	s.Open, s.Held, s.EndAt = false, false, at
	s.FlowAtEnd = m.Flows(w, at)
	s.EdgeFlow = s.Tally.Integral.edge(mt, at)
	return append(fx, Effect{Kind: Closed, Window: w})
}

// Flows tells whether, of a window that is open at time at, something flows, or its scale is not stable: what FlowAtEnd would say.
func (m *Machine) Flows(w int, at int64) bool {
	n := m.spec[w].Meter
	mt := &m.meters[n]
	return m.st[w].Tally.Integral.flows(mt, at) || mt.Method == Weight && !m.sources[n].Stable
}

// settle judges whether the scale of a meter is stable at time at, and tells every open window where that has changed.
func (m *Machine) settle(meter int, at int64, fx []Effect) []Effect {
	note := m.sources[meter].judge(&m.meters[meter], at)
	if note == NoNote {
		return fx
	}
	for w := range m.st {
		if m.st[w].Open && m.spec[w].Meter == meter {
			fx = append(fx, Effect{Kind: Noted, Window: w, Note: note})
		}
	}
	return fx
}

// usable tells whether totals can be made of a meter.
func (m *Meter) usable() bool {
	return m.K.Num() != 0 && (m.Method != Pulses || m.Bits == 16 || m.Bits == 32 || m.Bits == 64)
}

func (m *Machine) hash(w int, word word, at, raw int64) {
	m.line = word.append(m.line[:0], at, raw)
	m.sums[w].Write(m.line)
}
