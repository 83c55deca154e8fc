// Package metering turns samples into totals that can be recomputed.
//
// Start with [Machine]. A window has explicit edges, a calibration version and a unit; its total is the sum of the counter's
// increments between its edges, rounded once, when it is read. The samples of a window are the readings of its source: the one
// in force when it opened and every one until it closed. Their lines are hashed as they come, so the record that closes the
// window carries their digest, and anyone can add the increments up again (seed H2-6).
//
// The rule that must not be broken: no total without a calibration version, no silent zero and no silent bridge over a source
// that was not GOOD.
//
// The package is pure. It knows meters by number; package batch binds them to tags and calibrations.
package metering

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"
	"strconv"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The events of a Machine.
const (
	Reading EventKind = iota + 1 // a source of a meter was read
	Quality                      // the quality of a meter's source changed
	Open                         // open a window
	Close                        // close a window
	Cut                          // an epoch began: what was in force is no more, and monotonic time begins anew
	Stepped                      // the wall clock was stepped
	Paused                       // the batch is held, or goes on again, while windows are open
)

// Role is which of a meter's sources an event is about.
type Role uint8

// The roles.
const (
	Main     Role = iota // what is totalized
	Other                // the second counter of a Pair
	Device               // the device's own total, a Check
	Identity             // what tells one device from another: a number that changes when it is exchanged
)

// Event is one input of a Machine.
type Event struct {
	Kind    EventKind
	Meter   int         // Reading, Quality
	Role    Role        // Reading, Quality
	Raw     int64       // Reading; Open: the reading in force
	RawAt   int64       // Reading and Open: when Raw was true, monotonic ns; Quality: when it changed
	Quality tag.Quality // Reading, Quality, Open: of the source
	Window  int         // Open, Close, Paused
	On      bool        // Paused: held, not going on
}

// EffectKind is the kind of an Effect.
type EffectKind uint8

// The effects of a Machine.
const (
	Opened  EffectKind = iota + 1 // a window opened
	Refused                       // a window did not open, and Why says why not
	Closed                        // a window closed; its Total stands
	Moved                         // the total of an open window may have changed
	Noted                         // something that is to be recorded has happened to an open window
)

// Note is what has happened to an open window.
type Note uint8

// The notes.
const (
	NoNote         Note = iota
	GapBegan            // its source is not GOOD
	GapEnded            // it is GOOD again
	RolledOver          // the source, or the device's total, has rolled over; that is no loss
	WasReset            // it was set back: what flowed cannot be told
	WasReplaced         // it is another one, or has jumped further than it can have counted: what flowed cannot be told
	ChannelsDiffer      // the two counters have drifted apart
	OutOfRange          // a reading lies outside the calibration
	BecameStable        // Weight
	BecameUnstable      // Weight
	TimeStepped         // the wall clock was stepped while it was open
	WasHeld             // the batch was held while it was open
	WentOn              // and goes on
)

// Effect is one consequence of an event.
type Effect struct {
	Kind     EffectKind
	Window   int
	Note     Note   // Noted
	Role     Role   // Noted: of which source
	From, To int64  // Noted: RolledOver, WasReset, WasReplaced: the readings; ChannelsDiffer: both counts; GapEnded: To is its length in ns
	Why      string // Refused
}

// Total is what a window shows.
type Total struct {
	Open    bool
	Value   int64 // counts of the meter's resolution
	Raw     int64 // Pulses, Totalizer: counts of the source since the window opened; Weight: what the scale has gained, counts
	StartAt int64 // monotonic ns
	EndAt   int64 // monotonic ns; 0 while open
	Samples int64
	Source  tag.Quality // that the source has now
	Quality tag.Quality // worst that the source had since the window opened

	Period   quantity.Ratio // mean time between two readings of the source, ns; 0 where there were no two
	Late     int64          // readings that came more than half a period late
	Missing  int64          // readings that did not come
	Gaps     int64          // times that the source was not GOOD, or nobody watched
	GapTime  int64          // ns that those lasted, as far as it is known
	Cuts     int64          // epochs that began meanwhile
	Steps    int64          // steps of the wall clock meanwhile
	HeldTime int64          // ns for which the batch was held

	Device        int64       // counts of the device's own total since the window opened
	DeviceQuality tag.Quality // worst that it had; BAD where it was reset or replaced, or cannot be told
	DeviceRolled  bool        // it has rolled over
	DeviceHalf    int64       // Device when Value passed half of the target; 0 before
	Half          int64       // Value then
	Other         int64       // counts of the second counter
	Tare          int64       // Weight: the reading when it opened, counts
	FlowAtStart   bool        // something flowed, or the scale was not stable, when it opened
	FlowAtEnd     bool        // the same when it closed
	EdgeFlow      int64       // counts of the meter's resolution that flowed in the last second before it closed; 0 where nothing did
}

// window is the state of one window, of fixed size.
type window struct {
	Open    bool
	Used    bool
	Source  uint8
	Quality uint8
	Last    int64
	Sum     quantity.Acc
	StartAt int64
	EndAt   int64
	Samples int64
}

// Machine holds the windows of one batch. It is a pure machine.
type Machine struct {
	meters []Meter
	spec   []Window
	st     []window
	sums   []hash.Hash
	line   []byte
}

// NewMachine makes a machine whose windows are all closed.
func NewMachine(meters []Meter, windows []Window) *Machine {
	m := &Machine{meters: meters, spec: windows, st: make([]window, len(windows)), sums: make([]hash.Hash, len(windows)),
		line: make([]byte, 0, 64)}
	for i := range m.sums {
		m.sums[i] = sha256.New()
	}
	return m
}

// Total returns what a window shows now.
func (m *Machine) Total(w int) Total {
	s := &m.st[w]
	t := Total{Open: s.Open, StartAt: s.StartAt, EndAt: s.EndAt, Samples: s.Samples,
		Source: tag.Quality(s.Source), Quality: tag.Quality(s.Quality)}
	var whole, fits bool
	t.Raw, whole = s.Sum.Int64()
	t.Value, fits = s.Sum.ScaleRound(m.meters[m.spec[w].Meter].K)
	if !whole || !fits {
		t.Quality = tag.Bad
	}
	return t
}

// Source tells whether a window is open, and which quality its source has; it costs less than a Total.
func (m *Machine) Source(w int) (open bool, q tag.Quality) {
	return m.st[w].Open, tag.Quality(m.st[w].Source)
}

// Digest returns the SHA-256 of the window's sample lines so far.
func (m *Machine) Digest(w int) (d [sha256.Size]byte) {
	m.sums[w].Sum(d[:0])
	return d
}

// AppendSample appends the line of one sample: monotonic ns when it was true, raw value, quality, parted by tabs, ended by a
// line feed. Where the quality is not GOOD the place of the raw value is empty: no total may rest on it. The line is what
// Digest is taken over and what a package's sample file holds.
func AppendSample(dst []byte, at, raw int64, q tag.Quality) []byte {
	dst = append(strconv.AppendInt(dst, at, 10), '\t')
	if q == tag.Good {
		dst = strconv.AppendInt(dst, raw, 10)
	}
	dst = append(append(dst, '\t'), q.String()...)
	return append(dst, '\n')
}

// Step takes in one event at monotonic time at and appends its effects to fx. It allocates nothing.
func (m *Machine) Step(at int64, ev *Event, fx []Effect) []Effect {
	switch ev.Kind {
	case Reading, Quality:
		for w := range m.st {
			if m.st[w].Open && m.spec[w].Meter == ev.Meter {
				m.read(w, ev)
				fx = append(fx, Effect{Kind: Moved, Window: w})
			}
		}
	case Open:
		s := &m.st[ev.Window]
		if s.Used || ev.Quality != tag.Good {
			return append(fx, Effect{Kind: Refused, Window: ev.Window})
		}
		*s = window{Open: true, Used: true, Source: uint8(tag.Good), Quality: uint8(tag.Good), Last: ev.Raw, StartAt: at}
		m.hash(ev.Window, ev.RawAt, ev.Raw, ev.Quality)
		fx = append(fx, Effect{Kind: Opened, Window: ev.Window})
	case Close:
		if s := &m.st[ev.Window]; s.Open {
			s.Open, s.EndAt = false, at
			fx = append(fx, Effect{Kind: Closed, Window: ev.Window})
		}
	}
	return fx
}

// read takes one reading into a window. A reading that is not GOOD leaves its mark in the window's quality and is a sample
// without a number; the next good one is bridged by the counter itself, which went on counting.
func (m *Machine) read(w int, ev *Event) {
	s := &m.st[w]
	s.Source = uint8(ev.Quality)
	s.Quality = min(s.Quality, s.Source)
	if ev.Kind == Quality {
		return
	}
	m.hash(w, ev.RawAt, ev.Raw, ev.Quality)
	if ev.Quality != tag.Good {
		return
	}
	bits := m.meters[m.spec[w].Meter].Bits
	inc := ev.Raw - s.Last
	if bits < 64 {
		inc &= 1<<bits - 1
	}
	s.Last = ev.Raw
	// Half the range in one step is no rollover: the counter was reset or replaced, and what flowed cannot be told.
	if inc>>(bits-1) != 0 || !s.Sum.Add(inc) {
		s.Quality = uint8(tag.Bad)
	}
}

func (m *Machine) hash(w int, at, raw int64, q tag.Quality) {
	m.st[w].Samples++
	m.line = AppendSample(m.line[:0], at, raw, q)
	m.sums[w].Write(m.line)
}

var errSnapshot = errors.New("metering: not a snapshot of a machine with these windows")

// Snapshot appends the whole state to dst.
func (m *Machine) Snapshot(dst []byte) []byte {
	for w := range m.st {
		dst, _ = binary.Append(dst, binary.LittleEndian, &m.st[w])
		at := len(dst)
		dst = append(dst, 0)
		dst, _ = m.sums[w].(encoding.BinaryAppender).AppendBinary(dst)
		dst[at] = byte(len(dst) - at - 1)
	}
	return dst
}

// Restore puts back a state that Snapshot gave and returns what follows it. After an error the machine must not be used.
func (m *Machine) Restore(src []byte) ([]byte, error) {
	for w := range m.st {
		n, err := binary.Decode(src, binary.LittleEndian, &m.st[w])
		if err != nil || len(src) <= n || len(src) <= n+int(src[n]) {
			return nil, errSnapshot
		}
		end := n + 1 + int(src[n])
		if !m.st[w].sound() || m.sums[w].(encoding.BinaryUnmarshaler).UnmarshalBinary(src[n+1:end]) != nil {
			return nil, errSnapshot
		}
		src = src[end:]
	}
	return src, nil
}

// sound tells whether a window can have come into this state.
func (s *window) sound() bool {
	return s.Used == (s.Samples > 0) && s.Samples >= 0 && (s.Used || !s.Open) && (s.EndAt == 0 || !s.Open) && s.Sum.Hi >= 0 &&
		s.Source <= uint8(tag.Good) && s.Quality <= s.Source
}
