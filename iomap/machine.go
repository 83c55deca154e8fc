// The running I/O map: raw values in, scaled values with quality and age out.

package iomap

import (
	"encoding/binary"
	"errors"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The events of a Machine.
const (
	Sample EventKind = iota + 1 // a raw value came in
	Tick                        // a deadline of Wake has come
)

// Event is one input of a Machine.
type Event struct {
	Kind    EventKind
	Tag     tag.ID      // Sample
	Form    tag.Form    // Sample
	Bits    uint64      // Sample
	Quality tag.Quality // Sample: Good or Bad
	AgeMS   int64       // Sample: how old the value was when it came in
}

// EffectKind is the kind of an Effect.
type EffectKind uint8

// The effects of a Machine.
const (
	Changed        EffectKind = iota + 1 // a scaled value is new; it may be equal to the last
	QualityChanged                       // a tag's quality is another than it was
	Triggered                            // the edge has come that the tag waits for; a Changed follows
)

// Effect is one consequence of an event.
type Effect struct {
	Kind     EffectKind
	Tag      tag.ID
	From, To tag.Quality // QualityChanged
	AgeMS    int64       // QualityChanged: age of the value in force
}

// state is what a Machine knows of one tag. Its fields are of fixed size, so that a snapshot is their plain encoding.
type state struct {
	Value   int64 // scaled, after debounce
	Raw     int64 // as it came, a Switch before debounce and after polarity
	At      int64 // when Raw was true
	Pending int64 // Switch: when Raw has rested long enough, Never if it equals Value
	Quality uint8 // Good or Bad as the source says
	Told    uint8 // quality last told by an effect, or untold
	Again   bool  // a Good value has come more than once
	Invalid bool  // it is Bad because its value was refused here, and not because the source says so
}

// untold is Told of a tag that nothing was heard of yet, not even that it is BAD.
const untold = 0xFF

// unheard is Told of a tag of which somebody was told that it is BAD because nothing was heard of it.
const unheard = 0xFE

// Machine is the running map. It is a pure machine: same events at the same times, same effects.
type Machine struct {
	m      *Map
	st     []state
	mem    []memory        // of the tags with a filter or a trigger
	slot   []int32         // by tag: its place in mem, -1 where it has none
	who    []tag.ID        // by place in mem: its tag
	timers *timebase.Queue // owners: 0..n-1 debounce, n..2n-1 staleness, from 2n on by place in mem the end of a pulse
}

// NewMachine makes the machine of a map, in which nothing has been seen yet.
func NewMachine(m *Map) *Machine {
	k := &Machine{m: m, st: make([]state, len(m.Tags)), slot: make([]int32, len(m.Tags))}
	for i := range k.st {
		k.st[i].Pending, k.st[i].Told, k.slot[i] = timebase.Never, untold, -1
		if m.Tags[i].remembers() {
			k.slot[i] = int32(len(k.mem))
			k.mem, k.who = append(k.mem, memory{Until: timebase.Never}), append(k.who, tag.ID(i))
		}
	}
	k.timers = timebase.NewQueue(2*len(m.Tags) + len(k.mem))
	return k
}

// Wake returns the monotonic time of the next Tick, or timebase.Never.
func (k *Machine) Wake() int64 {
	due, _ := k.timers.Next()
	return due
}

// Read returns the scaled value of a tag at monotonic time at, with the quality that it has then. An unknown tag is Bad.
func (k *Machine) Read(id tag.ID, at int64) (int64, tag.Quality) {
	if int(id) >= len(k.st) {
		return 0, tag.Bad
	}
	s := &k.st[id]
	q := tag.Quality(s.Quality)
	if limit := k.m.Tags[id].StaleAfter; q == tag.Good && limit > 0 && at-s.At > limit {
		q = tag.Stale
	}
	return s.Value, q
}

// Source returns the raw value in force and when it was true.
func (k *Machine) Source(id tag.ID) (raw, at int64) { return k.st[id].Raw, k.st[id].At }

// Told takes in that somebody was told of the quality of a tag, so that a change from there is an effect.
func (k *Machine) Told(id tag.ID, q tag.Quality) {
	if s := &k.st[id]; s.At == 0 && s.Told >= unheard && q == tag.Bad {
		s.Told = unheard
		return
	}
	k.st[id].Told = uint8(q)
}

// Step takes in one event at monotonic time at and appends its effects to fx. What came due up to at counts as having come
// before the event, whether a Tick told of it or not. It allocates nothing.
func (k *Machine) Step(at int64, ev *Event, fx []Effect) []Effect {
	fx = k.due(at, fx)
	if ev.Kind == Sample && int(ev.Tag) < len(k.st) {
		fx = k.sample(at, ev, fx)
	}
	return fx
}

// due carries out the deadlines that have come.
func (k *Machine) due(at int64, fx []Effect) []Effect {
	for due, owner := k.timers.Next(); owner >= 0 && due <= at; due, owner = k.timers.Next() {
		k.timers.Clear(owner)
		n := len(k.st)
		switch id := tag.ID(owner % n); {
		case owner >= 2*n:
			fx = k.off(k.who[owner-2*n], fx)
		case owner >= n:
			fx = k.aged(at, id, fx)
		case k.slot[id] >= 0:
			fx = k.settle(due, id, k.memoryOf(id), fx)
		default:
			k.st[id].Value, k.st[id].Pending = k.st[id].Raw, timebase.Never
			fx = append(fx, Effect{Kind: Changed, Tag: id})
		}
	}
	return fx
}

func (k *Machine) sample(at int64, ev *Event, fx []Effect) []Effect {
	t, s, mem := &k.m.Tags[ev.Tag], &k.st[ev.Tag], k.memoryOf(ev.Tag)
	raw, value, ok := t.scale(ev.Form, ev.Bits)
	s.Invalid = !ok && ev.Quality == tag.Good
	if !ok || ev.Quality != tag.Good {
		s.Quality = uint8(tag.Bad)
		k.timers.Clear(int(ev.Tag))
		s.Pending = timebase.Never
		if mem != nil && t.Type == Switch {
			k.forget(ev.Tag, mem)
		}
		return k.told(at, ev.Tag, fx)
	}
	first, before := s.At == 0, *s
	_, was := k.Read(ev.Tag, at)
	// No value was true after it came in, nor before the epoch.
	age := min(max(ev.AgeMS, 0), at/1_000_000+1)
	s.Raw, s.At, s.Quality = raw, max(at-age*1_000_000, 1), uint8(tag.Good)
	s.Again = s.Again || !first && s.At > before.At+1_000_000 // what a boot has read comes as a sample, too
	stale := len(k.st) + int(ev.Tag)
	if due := s.At + t.StaleAfter + 1; t.StaleAfter > 0 && due > at && due < k.timers.Due(stale) {
		k.timers.Set(stale, due)
	}
	switch {
	case mem != nil && t.Type == Switch:
		fx = k.level(at, ev.Tag, mem, before.Raw, was != tag.Good, fx)
		value = s.Value
	case mem != nil:
		value = mem.smooth(&t.Filter, value, s.At-before.At, was != tag.Good)
	case t.Type == Switch && t.Debounce > 0 && !first:
		if s.Pending = timebase.Never; raw != s.Value {
			if s.Pending = k.timers.Due(int(ev.Tag)); s.Pending == timebase.Never {
				s.Pending = at + t.Debounce
			}
		}
		k.timers.Set(int(ev.Tag), s.Pending)
		value = s.Value
	}
	s.Value = value
	fx = k.told(at, ev.Tag, fx)
	return append(fx, Effect{Kind: Changed, Tag: ev.Tag})
}

// aged looks again at a tag whose age may have passed its limit; a newer value only moves the deadline.
func (k *Machine) aged(at int64, id tag.ID, fx []Effect) []Effect {
	s := &k.st[id]
	if due := s.At + k.m.Tags[id].StaleAfter + 1; due > at {
		k.timers.Set(len(k.st)+int(id), due)
		return fx
	}
	return k.told(at, id, fx)
}

func (k *Machine) told(at int64, id tag.ID, fx []Effect) []Effect {
	s := &k.st[id]
	_, q := k.Read(id, at)
	from := tag.Quality(s.Told)
	switch s.Told {
	case unheard:
		from = tag.Bad
	case untold:
		// What is GOOD from its first value on has not changed; what comes up otherwise was BAD, for it was never seen.
		from = tag.Bad
		if q == tag.Good {
			from = q
		}
	}
	s.Told = uint8(q)
	if q == from {
		return fx
	}
	return append(fx, Effect{Kind: QualityChanged, Tag: id, From: from, To: q, AgeMS: (at - s.At) / 1_000_000})
}

// scale turns a value off the wire into the raw number that the samples show and the scaled value; ok is false for NaN,
// infinity, overflow, what lies outside of what the tag can be, and a form that the tag does not have.
func (t *Tag) scale(f tag.Form, bits uint64) (raw, value int64, ok bool) {
	if f != t.Form {
		return 0, 0, false
	}
	raw = int64(bits)
	switch t.Type {
	case Switch:
		raw &= 1
		if t.Invert {
			raw ^= 1
		}
		return raw, raw, true
	case Counter:
		return raw, raw, f == tag.Int
	}
	switch f {
	case tag.Float32:
		value, ok = t.Scale.CountsFloat32(uint32(bits))
	case tag.Float64:
		value, ok = t.Scale.CountsFloat64(bits)
	default:
		value, ok = t.Scale.Counts(raw)
	}
	return raw, value, ok && (!t.Valid || t.Min <= value && value <= t.Max)
}

// Value turns a value off the wire into the scaled one, behind polarity and scaling and before debounce and filter: for who shows values and
// decides nothing. ok is false for what the tag cannot be, and for a form that it does not have.
func (t *Tag) Value(f tag.Form, bits uint64) (value int64, ok bool) {
	_, value, ok = t.scale(f, bits)
	return value, ok
}

// Wire turns the scaled value of an output into what goes on the wire; ok is false where it does not fit.
func (t *Tag) Wire(value int64) (bits uint64, ok bool) {
	if t.Type == Switch {
		if t.Invert {
			value ^= 1
		}
		return uint64(value & 1), true
	}
	inv, ok := t.Scale.Inverse()
	if !ok {
		return 0, false
	}
	raw, ok := inv.Counts(value)
	return uint64(raw), ok
}

// errSnapshot refuses what is no snapshot of a machine with this map.
var errSnapshot = errors.New("iomap: not a snapshot of a machine with this map")

// Snapshot appends the whole state to dst.
func (k *Machine) Snapshot(dst []byte) []byte {
	for i := range k.st {
		dst, _ = binary.Append(dst, binary.LittleEndian, &k.st[i])
		dst = binary.LittleEndian.AppendUint64(dst, uint64(k.timers.Due(len(k.st)+i)))
		if mem := k.memoryOf(tag.ID(i)); mem != nil {
			dst, _ = binary.Append(dst, binary.LittleEndian, mem)
		}
	}
	return dst
}

// Restore puts back a state that Snapshot gave and returns what follows it. After an error the machine must not be used.
func (k *Machine) Restore(src []byte) ([]byte, error) {
	for i := range k.st {
		n, err := binary.Decode(src, binary.LittleEndian, &k.st[i])
		if err != nil || len(src) < n+8 {
			return nil, errSnapshot
		}
		stale := int64(binary.LittleEndian.Uint64(src[n:]))
		if !k.st[i].fits(&k.m.Tags[i], stale) {
			return nil, errSnapshot
		}
		k.timers.Set(i, k.st[i].Pending)
		k.timers.Set(len(k.st)+i, stale)
		src = src[n+8:]
		if mem := k.memoryOf(tag.ID(i)); mem != nil {
			n, err := binary.Decode(src, binary.LittleEndian, mem)
			if err != nil || !mem.fits(&k.m.Tags[i], &k.st[i]) {
				return nil, errSnapshot
			}
			k.timers.Set(k.pulseEnd(tag.ID(i)), mem.Until)
			src = src[n:]
		}
	}
	return src, nil
}

// fits tells whether a tag can have come into this state, with a deadline of staleness.
func (s *state) fits(t *Tag, stale int64) bool {
	good, bad := uint8(tag.Good), uint8(tag.Bad)
	switch {
	case s.At == 0: // no value yet
		return *s == (state{Pending: timebase.Never, Told: s.Told, Invalid: s.Invalid}) && (!s.Invalid || s.Told == bad) && (s.Told >= unheard || s.Told == bad) && stale == timebase.Never
	case s.At < 0 || s.Told > good || s.Quality != bad && s.Quality != good || (s.Quality == bad) != (s.Told == bad) || s.Invalid && s.Quality != bad:
		return false
	case t.Type == Switch && (s.Value|s.Raw)&^1 != 0:
		return false
	case s.Pending != timebase.Never && (t.Type != Switch || t.Debounce <= 0 || s.Raw == s.Value && t.Trigger == Level):
		return false
	case stale != timebase.Never && (t.StaleAfter <= 0 || stale <= s.At):
		return false
	}
	// A GOOD value that would never be told to be STALE is refused.
	return s.Told != good || t.StaleAfter <= 0 || stale-s.At <= t.StaleAfter+1
}
