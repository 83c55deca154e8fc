// What the batches of a rehearsal share: the plant, and the book of who has what of it.

package production

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// floor is the plant of a rehearsal with its arbiter. Its methods are called by whoever has the turn.
type floor struct {
	turns *turns
	plant runner.Simulation
	book  *arbiter.Book
	last  map[string]tag.Raw // what each channel showed last, for who comes later
	order []string           // of its channels
	seats []*seat
	fx    []arbiter.Effect
	items []api.Equipment
	heard map[string]bool // channels that the unit runs want to hear
	fresh []tag.Raw       // of these, what they have not heard
}

// newFloor puts a plant up, with all that its model has to be shared. Its time begins now.
func newFloor(turns *turns, plant runner.Simulation, model *api.Model) (*floor, error) {
	f := &floor{turns: turns, plant: plant, book: arbiter.NewBook(), last: map[string]tag.Raw{}, items: model.Items}
	for i := range model.Items {
		it := &model.Items[i]
		if it.Owners == 0 {
			continue
		}
		for _, e := range f.do(&arbiter.Op{Kind: arbiter.Stock, Equipment: []string{it.ID}, Owners: it.Owners, Retired: it.Retired}) {
			if e.Kind == arbiter.Refused {
				return nil, fmt.Errorf("production: rehearsal: %s: %s", it.ID, e.Reason)
			}
		}
	}
	f.advance()
	return f, nil
}

// do has the book take an operation in, and tells each batch what it comes to.
func (f *floor) do(op *arbiter.Op) []arbiter.Effect {
	f.fx = f.book.Step(f.book.Next(), op, f.fx[:0])
	for i := range f.fx {
		for _, s := range f.seats {
			if e := &f.fx[i]; s.batch == e.Batch {
				s.ruled(e)
			}
		}
	}
	return f.fx
}

// next is when the plant has something to say; never, where nobody listens.
func (f *floor) next() int64 {
	if len(f.seats) == 0 {
		return timebase.Never
	}
	return f.plant.Next()
}

// advance moves the plant to now. Each batch whose map names a channel that has said something goes on.
func (f *floor) advance() {
	f.plant.Advance(f.turns.now, func(raw tag.Raw) {
		if _, known := f.last[raw.Channel]; !known {
			f.order = append(f.order, raw.Channel)
		}
		if f.heard[raw.Channel] && differs(f.last[raw.Channel], raw) {
			f.fresh = append(f.fresh, raw)
		}
		f.last[raw.Channel] = raw
		for _, s := range f.seats {
			if s.names[raw.Channel] {
				s.said = append(s.said, raw)
				s.turn.rouse()
			}
		}
	})
}

// differs tells whether a value is another one to whoever looks.
func differs(was, is tag.Raw) bool {
	return was.Channel == "" || was.Bits != is.Bits || was.Form != is.Form || was.Quality != is.Quality
}

// seat is the place of one batch: its port, and its arbiter.
type seat struct {
	of       *floor
	turn     *turn
	batch    string
	priority int64
	m        *iomap.Map
	names    map[string]bool // channels of its map
	said     []tag.Raw       // of them, since it has listened last
	say      map[uint32]func(runner.Ruling)
}

// take gives a batch its place, and what all its channels showed last.
func (f *floor) take(t *turn, batch string, priority int64, m *iomap.Map) *seat {
	s := &seat{of: f, turn: t, batch: batch, priority: priority, m: m, names: map[string]bool{}, say: map[uint32]func(runner.Ruling){}}
	for i := range m.Tags {
		s.names[m.Tags[i].Channel] = true
	}
	for _, c := range f.order {
		if s.names[c] {
			s.said = append(s.said, f.last[c])
		}
	}
	f.seats = append(f.seats, s)
	return s
}

// leave ends all that the batch has in the book, and its place.
func (s *seat) leave() {
	for i := range s.of.seats {
		if s.of.seats[i] == s {
			s.of.seats = append(s.of.seats[:i], s.of.seats[i+1:]...)
			break
		}
	}
	s.of.do(&arbiter.Op{Kind: arbiter.Leave, Batch: s.batch})
}

// errVirtual says that a port of a rehearsal has no real time.
var errVirtual = errors.New("production: the port of a rehearsal is for virtual time")

// Watch implements tag.Port.
func (s *seat) Watch(context.Context, func(tag.Raw)) error { return errVirtual }

// Write implements tag.Port.
func (s *seat) Write(context.Context, tag.Write) error { return errVirtual }

// Next implements runner.Simulation.
func (s *seat) Next() int64 {
	if len(s.said) > 0 {
		return s.of.turns.now
	}
	return timebase.Never
}

// Advance implements runner.Simulation: the plant is there already.
func (s *seat) Advance(_ int64, emit func(tag.Raw)) {
	for _, raw := range s.said {
		emit(raw)
	}
	s.said = s.said[:0]
}

// Apply implements runner.Simulation.
func (s *seat) Apply(now int64, w tag.Write) (int64, error) { return s.of.plant.Apply(now, w) }

// Request implements runner.Arbiter.
func (s *seat) Request(c runner.Claim, say func(runner.Ruling)) {
	s.say[c.ID] = say
	s.of.do(&arbiter.Op{Kind: arbiter.Request, At: dayBegins + s.of.turns.now, Batch: s.batch, ID: c.ID, Step: c.Step, Equipment: s.equipment(c.Resources), Priority: s.priority})
}

// Release implements runner.Arbiter.
func (s *seat) Release(c runner.Claim) {
	s.of.do(&arbiter.Op{Kind: arbiter.Release, At: dayBegins + s.of.turns.now, Batch: s.batch, ID: c.ID, Step: c.Step})
}

// equipment are the equipment_ids of resources of the map.
func (s *seat) equipment(resources []string) (list []string) {
	for _, name := range resources {
		if i, ok := s.m.Resource(name); ok && s.m.Resources[i].Equipment != "" {
			name = s.m.Resources[i].Equipment
		}
		list = append(list, name)
	}
	return list
}

// ruled tells the batch what an operation came to for it; it goes on at once.
func (s *seat) ruled(e *arbiter.Effect) {
	say := s.say[e.ID]
	if say == nil {
		return
	}
	v := runner.Ruling{Token: e.Token, Place: e.Place, Owner: e.Owner, Since: e.Since, Reason: e.Reason}
	switch e.Kind {
	case arbiter.Granted:
		v.Kind = runner.Granted
	case arbiter.Queued:
		v.Kind = runner.Queued
	case arbiter.Refused:
		v.Kind, v.Ended = runner.Refused, true
	default:
		return
	}
	say(v)
	s.turn.rouse()
}

// Has implements ResourceManagement: equipment of the model has a capability where it is named there, whatever its value.
func (f *floor) Has(_ context.Context, capability string) (bool, error) {
	for i := range f.items {
		if _, has := f.items[i].Capabilities[capability]; has && !f.items[i].Retired {
			return true, nil
		}
	}
	return false, nil
}

// Holdings implements ResourceManagement.
func (f *floor) Holdings(context.Context) (list api.Holdings, err error) {
	for _, h := range f.book.Holdings() {
		v := api.Holding{Equipment: h.Equipment, Batch: h.Batch, Step: h.Step, Token: h.Token, Retired: h.Retired}
		for _, w := range h.Waiting {
			v.Waiting = append(v.Waiting, api.Waiting{Batch: w.Batch, ID: w.ID, Step: w.Step, Equipment: w.Equipment, Priority: w.Priority})
		}
		list = append(list, v)
	}
	return list, nil
}
