// The machine of a batch: I/O map, metering, interlocks and sequencer, stepped in this order, and the records of what they decide.

package batch

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// WriteTime is the time in ns that a device is given to confirm a write.
const WriteTime = 2_000_000_000

// Machine is a running batch. It is a pure machine: state, time and event give its effects and nothing else does. It is not
// safe for concurrent use.
type Machine struct {
	b     *Batch
	io    *iomap.Machine
	met   *metering.Machine
	seq   *sequencer.Machine
	guard *iomap.Guard
	keep  timebase.Keeper
	st    state
	refs  refs
	form  form        // the formula in force, and what was made of it
	line  []line      // by number of a request to an arbiter in the program: where it stands
	feeds []feedState // by window
	ov    overrides

	troubles troubles

	// What follows is set anew by every Step.
	at      int64 // monotonic time
	now     int64 // engine time
	stamp   timebase.Stamp
	input   uint64 // number of the record that carries the event
	next    uint64 // number of the next record
	body    record.Body
	arena   []byte
	text    []byte // scratch for words of records
	cause   [4]uint64
	ifx     []iomap.Effect
	mfx     []metering.Effect
	notes   []metering.Effect // of open windows, still to be recorded
	sfx     []sequencer.Effect
	notices []iomap.Notice
	told    []sequencer.Event // what the sequencer is still to be told in this Step
	heard   line              // what an arbiter says of a request
	steps   list              // found for the next diagnostics record
	diag    uint64            // the first of these records in this Step
}

// state is what belongs to no single floor, of fixed size.
type state struct {
	Epoch uint32
	Ended bool

	TimedOut bool // a step ran out of time, and something was aborted for it

	TimeConfirmed bool // a person has confirmed that the batch may begin though UTC is not known

	Last int64 // stamp of the last event
	Base int64 // what the epochs before this one add to monotonic time; deadlines are kept in the sum, engine time
}

// refs are the numbers of the records that later ones name as their causes, and the readings at which windows opened.
type refs struct {
	Batch   uint64
	Elems   []uint64 // by element: last record of its state
	Actions []uint64 // by element: record that began its action
	Windows []uint64 // by window: record that opened it
	Outputs []uint64 // by output: record of its last write
	Told    []uint64 // by window and metering.Note: how often that has happened
	TotalQ  []uint8  // by window: quality of the device's totalizer when it opened
	recRefs
	guardRefs
}

// Start makes the machine of a batch in which nothing has happened yet.
func (b *Batch) Start() *Machine {
	p := b.prog
	m := &Machine{b: b, keep: timebase.Keeper{Limit: b.Plan.Map.OrderTolerance}, io: iomap.NewMachine(b.Plan.Map), met: metering.NewMachine(p.meters, p.windows), form: b.bound(),
		arena: make([]byte, 0, 16<<10), text: make([]byte, 0, 256)}
	m.seq, m.guard = sequencer.New(&p.seq, image{m}), iomap.NewGuard(b.Plan.Map)
	n, w := len(p.elems), len(p.wins)
	m.refs = refs{Elems: make([]uint64, n), Actions: make([]uint64, n), Windows: make([]uint64, w), Outputs: make([]uint64, len(p.outputs)),
		Told: make([]uint64, w*noteCount), TotalQ: make([]uint8, w), recRefs: newRecRefs(w), guardRefs: b.guardRefs()}
	m.line, m.feeds = make([]line, len(p.seq.Asks)), make([]feedState, w)
	m.ov = newOverrides(b.Plan.Map)
	m.troubles = b.troubles()
	m.troubledAll()
	return m
}

// Read returns the scaled value of a tag and its quality at monotonic time at, as the recipe sees it: of an input in override what a
// person has given it.
func (m *Machine) Read(id tag.ID, at int64) (int64, tag.Quality) {
	return image{m}.Read(id, at+m.st.Base)
}

// Total returns what a window shows.
func (m *Machine) Total(w int) metering.Total { return m.met.Total(w) }

// Target returns what a window aims at, in counts of its meter's resolution, by the values that parameters have now.
func (m *Machine) Target(w int) int64 { return m.form.prog.windows[w].Target }

// State returns the state of the batch.
func (m *Machine) State() sequencer.State { return m.seq.State(0) }

// Mode returns the mode of the procedure.
func (m *Machine) Mode() sequencer.Mode { return m.seq.Mode(0) }

// Resting tells whether nothing goes on before a person has given an order: all that is active is held or paused, or waits between
// two steps for release.
func (m *Machine) Resting() bool { return m.seq.Resting() }

// Ended tells whether End was an effect.
func (m *Machine) Ended() bool { return m.st.Ended }

// Again tells whether a recovery rule has aborted the batch so that a new one, which names it, takes its place.
func (m *Machine) Again() bool { return m.seq.Again() }

// Epoch returns the epoch that the last Boot set.
func (m *Machine) Epoch() uint32 { return m.st.Epoch }

// Wake returns the monotonic time of the next Tick, or timebase.Never.
func (m *Machine) Wake() int64 {
	due := min(m.io.Wake(), m.seq.Wake())
	if !m.st.Ended {
		due = min(due, m.guard.Wake(), m.untilOver())
	}
	if due != timebase.Never {
		return due - m.st.Base
	}
	return timebase.Never
}

// image is what the sequencer sees of a machine, in engine time.
type image struct{ m *Machine }

// Read returns the scaled value of a tag and its quality.
func (v image) Read(id tag.ID, now int64) (int64, tag.Quality) {
	if f, ok := v.m.forced(id); ok && !v.m.b.Plan.Map.Tags[id].Output {
		return f.Value, tag.Good
	}
	return v.m.io.Read(id, now)
}

// Seen returns when the value that Read returns was true.
func (v image) Seen(id tag.ID) int64 {
	if f, ok := v.m.forced(id); ok && !v.m.b.Plan.Map.Tags[id].Output {
		return f.Since
	}
	_, at := v.m.io.Source(id)
	return at
}

// Total returns what a window shows.
func (v image) Total(w int) metering.Total { return v.m.met.Total(w) }

// Time tells how well the wall clock is known.
func (v image) Time() (timebase.Sync, int64) { return v.m.stamp.Sync, v.m.stamp.Bound }

// Source tells whether a window is open, and which quality its source has.
func (v image) Source(w int) (open bool, q tag.Quality) { return v.m.met.Source(w) }

// Step takes in one event at monotonic time at and appends its effects to fx. Times must not decrease. A step that decides
// nothing allocates nothing. A panic means that an invariant of the engine is broken, never that an input was bad.
func (m *Machine) Step(at int64, ev *Event, fx []Effect) []Effect {
	if ev.Kind == Boot && ev.Epoch != m.st.Epoch {
		// Monotonic time begins anew, engine time goes on where it stood.
		m.st.Base += m.st.Last - at
	}
	m.at, m.now, m.input, m.next = at, at+m.st.Base, ev.Seq, ev.Seq+1
	m.st.Last = at
	m.arena = m.arena[:0]
	m.stamp = m.keep.Stamp(at)
	m.told = m.told[:0]
	m.steps, m.diag = list{left: maxFound, words: m.steps.words[:0]}, 0
	m.ifx, m.notes = m.ifx[:0], m.notes[:0]
	clear(m.ov.ends)
	if m.ov.was = m.ov.Taken > 0; ev.Kind != Boot && !m.st.Ended {
		fx = m.overDue(fx)
	}
	switch ev.Kind {
	case Sample:
		e := iomap.Event{Kind: iomap.Sample, Tag: ev.Tag, Form: ev.Form, Bits: ev.Bits, Quality: ev.Quality, AgeMS: ev.AgeMS}
		m.ifx = m.io.Step(m.now, &e, m.ifx)
		m.meter(ev)
		m.touched()
		m.troubled(ev.Tag)
		m.tell(sequencer.Event{Kind: sequencer.Changed})
	case Tick:
		e := iomap.Event{Kind: iomap.Tick}
		m.ifx = m.io.Step(m.now, &e, m.ifx)
		m.touched()
		m.tell(sequencer.Event{Kind: sequencer.Tick})
	case Observed:
		fx = m.observed(ev, fx)
	case Created:
		m.starts(ev)
	case Boot:
		m.boot(ev)
		fx = m.overBoot(ev, fx)
	case Told:
		fx = m.order(ev, fx)
	case Answered:
		fx = m.answered(ev, fx)
	case Done:
		m.tell(sequencer.Event{Kind: sequencer.Done, ID: ev.ID, OK: ev.OK, Reason: writeRefused(ev)})
	case ResourceGranted, ResourceRefused, ResourceQueue:
		m.ruled(ev)
	case Finished:
		m.tell(sequencer.Event{Kind: sequencer.Finished, ID: ev.ID, OK: ev.OK})
	case HistorianSaid:
		fx = m.heardTotal(ev, fx)
	case PowerWarned:
		m.tell(sequencer.Event{Kind: sequencer.Power, OK: ev.OK})
	}
	fx = m.guards(ev.Kind == Boot, m.qualities(ev.Kind == Boot, fx))
	for i := 0; i < len(m.told); i++ {
		m.sfx = m.seq.Step(m.now, &m.told[i], m.sfx[:0])
		for k := range m.sfx {
			fx = m.faults(&m.sfx[k], m.decided(&m.sfx[k], fx))
		}
		if i == len(m.told)-1 && !m.st.Ended {
			fx = m.overLook(fx)
		}
	}
	return m.confirmed(fx)
}

// touched tells the sequencer which tags have moved.
func (m *Machine) touched() {
	for i := range m.ifx {
		m.seq.Touch(m.ifx[i].Tag)
		m.troubled(m.ifx[i].Tag)
	}
}

func (m *Machine) tell(ev sequencer.Event) { m.told = append(m.told, ev) }

// elem finds an element by its id; -1 where there is none.
func (m *Machine) elem(id string) int {
	if id == "" {
		return 0
	}
	for i, e := range m.form.prog.elems {
		if e.id == id {
			return i
		}
	}
	return -1
}

// starts begins an epoch: monotonic time begins anew, and nothing that was known of the wall clock holds any longer.
func (m *Machine) starts(ev *Event) {
	m.st.Epoch = ev.Epoch
	m.keep = m.keeper()
	m.keep.Observe(ev.Observation)
	m.stamp = m.keep.Stamp(m.at)
}

// boot forgets what was read before and takes in what is read now, also into the total of every open window, which it marks:
// whatever its source counted meanwhile, nobody watched it.
func (m *Machine) boot(ev *Event) {
	m.starts(ev)
	m.meterStep(&metering.Event{Kind: metering.Cut})
	m.io = iomap.NewMachine(m.b.Plan.Map)
	for _, r := range ev.Readback {
		e := iomap.Event{Kind: iomap.Sample, Tag: r.Tag, Form: r.Form, Bits: r.Bits, Quality: r.Quality}
		m.ifx = m.io.Step(m.now, &e, m.ifx[:0])
		m.meter(&Event{Tag: r.Tag, Bits: r.Bits})
	}
	m.ifx = m.ifx[:0]
	m.troubledAll()
	for w := range m.form.prog.wins {
		if !m.met.Total(w).Open {
			continue
		}
		id := m.form.prog.wins[w].meter.Source
		m.ifx = append(m.ifx, iomap.Effect{Kind: iomap.QualityChanged, Tag: id, From: tag.Good, To: tag.Stale, AgeMS: ev.LossMS})
		if _, q := m.io.Read(id, m.now); q != tag.Stale {
			m.ifx = append(m.ifx, iomap.Effect{Kind: iomap.QualityChanged, Tag: id, From: tag.Stale, To: q})
			m.io.Told(id, q)
		}
	}
	m.tell(sequencer.Event{Kind: sequencer.Boot, Fault: cameUpFor(ev)})
}
