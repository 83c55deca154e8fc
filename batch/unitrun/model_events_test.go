// Random events: configurations, commands, signals and material that may or may not make sense.

package unitrun_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/batch/unitrun"
)

var (
	units       = []string{"R1", "R2", "T1"}
	definitions = []string{"Maintenance", "Production"}
	tags        = []string{"di/1", "di/2", "di/3", "di/4", "di/5"}
)

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// newWorld begins with units that have slots.
func newWorld(t *testing.T, seed uint64, met map[string]int) *world {
	w := &world{T: t, rng: rand.New(rand.NewPCG(seed, 1)), track: unitrun.NewTracker(), twin: unitrun.NewTracker(), every: 1 + int(seed%7),
		runs: map[string]*modelRun{}, mats: map[string]*modelMaterial{}, levels: map[string]unitrun.Level{}, edges: map[string]bool{},
		idents: map[string]bool{}, gone: map[string]bool{}, due: map[string]bool{}, met: met}
	e := unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{}}
	for _, d := range definitions {
		e.Config.Definitions = append(e.Config.Definitions, unitrun.Definition{Name: d, Classes: []string{"c"}})
	}
	for _, u := range units {
		e.Config.Units = append(e.Config.Units, w.unit(u))
	}
	w.step(e)
	return w
}

// unit is a unit with slots of any kind.
func (w *world) unit(id string) unitrun.Unit {
	r := w.rng
	u := unitrun.Unit{ID: id, Classes: []string{"c"}}
	for _, d := range definitions {
		if r.IntN(10) == 0 {
			continue
		}
		s := unitrun.Slot{Definition: d, AutoCreate: r.IntN(2) == 0, Post: r.IntN(2) == 0, Unstarted: r.IntN(3) == 0, PausedOff: r.IntN(3) == 0,
			Test: r.IntN(8) == 0, Prefix: d[:1], Digits: r.IntN(4)}
		if r.IntN(2) == 0 {
			s.Capture = &unitrun.Capture{Tags: []string{"TT1", "FT1"}, PeriodMS: 1000}
		}
		if s.Control = pick(r, []unitrun.Control{unitrun.ByMessage, unitrun.ByBoth, unitrun.ByBoth, unitrun.BySignal}); s.Control != unitrun.ByMessage {
			s.Ports = unitrun.Ports{Create: tags[0], Active: tags[1], Ready: tags[2]}
			if r.IntN(2) == 0 {
				s.Ports.Cancel = tags[3]
			}
			if r.IntN(3) == 0 {
				s.Ports.Ident, s.Naming, s.Prefix, s.Digits = tags[4], unitrun.NamedBySignal, "", 0
			}
		} else if r.IntN(4) == 0 {
			s.Naming, s.Prefix, s.Digits = unitrun.NamedByMessage, "", 0
		}
		u.Slots = append(u.Slots, s)
	}
	return u
}

// event makes an event that may or may not make sense.
func (w *world) event() unitrun.Event {
	r := w.rng
	e := unitrun.Event{Unit: pick(r, units), Definition: pick(r, definitions)}
	switch n := r.IntN(100); {
	case n < 40:
		return w.command(e)
	case n < 55:
		return w.signals()
	case n < 57:
		return unitrun.Event{Kind: unitrun.Boot}
	case n < 61:
		return unitrun.Event{Kind: unitrun.Sample, Run: w.run(), Data: []unitrun.Value{{Tag: pick(r, []string{"TT1", "TT1", "XX"}), Value: "1", Quality: "GOOD"}}}
	case n < 64:
		return w.config()
	}
	return w.matter()
}

func (w *world) command(e unitrun.Event) unitrun.Event {
	r := w.rng
	e.Kind = pick(r, []unitrun.EventKind{unitrun.Create, unitrun.Create, unitrun.Start, unitrun.Start, unitrun.Pause, unitrun.Resume, unitrun.MakeReady,
		unitrun.Finish, unitrun.Finish, unitrun.Cancel, unitrun.Cancel})
	if s, ok := w.track.Stand(e.Unit, e.Definition); ok && r.IntN(3) > 0 {
		if all := strings.Split(unitrun.Possible(s.State, &s.Slot), ", "); all[0] != "nothing" {
			e.Kind, _ = unitrun.ParseCommand(pick(r, all))
		}
	}
	if e.Kind == unitrun.Finish || e.Kind != unitrun.Create && r.IntN(3) == 0 {
		e.Unit, e.Definition, e.Run = "", "", w.run()
	}
	if e.Kind <= unitrun.Start && r.IntN(3) == 0 {
		e.Ident, e.Process, e.Test = pick(r, []string{"", "X", "Y"}), pick(r, []string{"", "J-1/1"}), r.IntN(9) == 0
	}
	if r.IntN(20) == 0 {
		e.Unit = pick(r, []string{"", "ZZ"})
	}
	return e
}

// run names a run that is there, or is not.
func (w *world) run() string {
	n := len(w.order)
	return fmt.Sprintf("R-%06d", max(0, n-w.rng.IntN(6)+w.rng.IntN(2)))
}

func (w *world) signals() unitrun.Event {
	e := unitrun.Event{Kind: unitrun.Signal}
	for _, tag := range append(tags, "zz") {
		if w.rng.IntN(3) > 0 || tag == "zz" && w.rng.IntN(10) > 0 {
			continue
		}
		l := unitrun.Level{Tag: tag}
		switch {
		case w.rng.IntN(12) == 0:
			l.Bad = true
		case tag == tags[4]:
			l.Text = pick(w.rng, []string{"", "B-1", "B-2"})
		default:
			l.High = w.rng.IntN(2) == 0
		}
		e.Signals = append(e.Signals, l)
	}
	return e
}

func (w *world) config() unitrun.Event {
	e := unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{}}
	switch w.rng.IntN(5) {
	case 0:
		e.Config.Units = []unitrun.Unit{{ID: pick(w.rng, units), Gone: true}}
	case 1:
		e.Config.Definitions = []unitrun.Definition{{Name: pick(w.rng, definitions), Gone: true}}
	case 2:
		e.Config.Definitions = []unitrun.Definition{{Name: pick(w.rng, definitions), Classes: []string{pick(w.rng, []string{"c", "d"})}}}
	default:
		e.Config.Units = []unitrun.Unit{w.unit(pick(w.rng, units))}
	}
	return e
}

// matter is an event of material.
func (w *world) matter() unitrun.Event {
	r := w.rng
	some := func() string {
		if all := w.track.Inside(pick(r, units)); len(all) > 0 && r.IntN(3) > 0 {
			return pick(r, all)
		}
		return fmt.Sprint("M", 1+r.IntN(len(w.mats)+1))
	}
	fresh := fmt.Sprint("M", len(w.mats)+1)
	e := unitrun.Event{Material: some()}
	switch n := r.IntN(20); {
	case n < 5:
		e.Kind, e.Material, e.Unit, e.Test = unitrun.Arrive, pick(r, []string{fresh, fresh, e.Material}), pick(r, units), r.IntN(9) == 0
	case n < 6:
		e.Kind, e.Material = unitrun.Register, fresh
	case n < 12:
		e.Kind, e.Unit = unitrun.Move, pick(r, units)
	case n < 14:
		e.Kind, e.Materials = unitrun.Split, []string{fresh, fmt.Sprint("M", len(w.mats)+2)}[:1+r.IntN(2)]
	case n < 16:
		e.Kind, e.Material, e.Materials = unitrun.Merge, fresh, w.together(some())
	case n < 18:
		e.Kind, e.Unit = unitrun.Regenerate, pick(r, units)
	default:
		e.Kind = unitrun.Exit
	}
	return e
}

// together names a material and what is in its unit.
func (w *world) together(id string) []string {
	all := []string{id}
	m, _ := w.track.Material(id)
	for _, other := range w.track.Inside(m.Unit) {
		if other != id && len(all) < 3 && w.rng.IntN(2) == 0 {
			all = append(all, other)
		}
	}
	return all
}
