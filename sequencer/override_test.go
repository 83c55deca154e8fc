// Tests of outputs in override: what keeps them, and what takes them from whoever has them.

package sequencer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// overrides gives outputs to a person and back at random, and holds what must be true of them after every event.
type overrides struct {
	w   *world
	rnd *rand.Rand
	met map[string]int
	fx  []Effect // of the last event that was shown
}

func (h *overrides) event() error {
	m := h.w.r.m
	for o := range m.out {
		if s := &m.out[o]; s.Taken && s.Value != m.safe(o) {
			if m.gate(o).shut() && m.trips(o) {
				return fmt.Errorf("output %d is in override past a trip", o)
			}
			if st := m.state(int(s.Owner)); s.Owner > 0 && (st == Stopping || st == Aborting || st.Terminal() && st != Complete) {
				return fmt.Errorf("output %d is in override in %s of who answers for it", o, st)
			}
		}
	}
	if m.Ended() || h.rnd.IntN(3) > 0 {
		return nil
	}
	o := h.rnd.IntN(len(m.out))
	if t := h.w.r.w.Trip; t != nil && t.Output == o { // no map lets anybody have it
		return nil
	}
	ev := Event{Kind: Override, Output: o, Value: h.rnd.Int64N(5) - 2, OK: h.rnd.IntN(3) > 0}
	was, taken := m.out[o].Value, m.out[o].Taken
	why, _ := m.MayOverride(o, ev.Value)
	value, later := m.Returns(h.w.r.now, o)
	if err := h.w.r.take(h.w.r.now, ev); err != nil {
		return err
	}
	switch s := &m.out[o]; {
	case !ev.OK && taken:
		h.met["given back"]++
		if i := slices.IndexFunc(h.fx, func(e Effect) bool { return e.Kind == Write && e.Output == o && e.Reason == overrideOver }); i >= 0 {
			was = h.fx[i].Value // what a phase sets behind that has a reason of its own
		}
		if !later && was != value && s.Value != m.safe(o) {
			return fmt.Errorf("output %d returns to %d, not to %d", o, was, value)
		}
	case ev.OK && why == "" && s.Taken && s.Value != m.safe(o):
		if h.met["taken"]++; s.Value != ev.Value {
			return fmt.Errorf("output %d is in override and has %d, not %d", o, s.Value, ev.Value)
		}
	case ev.OK && why == "":
		h.met["taken and safe, or cut at once"]++
	case ev.OK:
		if h.met["refused"]++; s.Value != was && s.Value != m.safe(o) && s.Taken {
			return fmt.Errorf("output %d was refused and has changed", o)
		}
	}
	return nil
}

// trips tells whether a trip that blocks drives an output to its safe value.
func (m *Machine) trips(o int) bool {
	for _, i := range m.gates[o] {
		if blocks, _ := m.view.Blocks(int(i)); blocks && m.p.Interlocks[i].Trip {
			return true
		}
	}
	return false
}

func TestRandomProgramsKeepTheRulesWhileOutputsAreTakenAndGivenBack(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		g := grower{Rand: rnd, faulty: seed%3 > 0}
		w := &world{Rand: rnd, r: newRig(g.program()), hand: seed%2 == 1, mood: []mood{{0, 0, 2, 0, 0}, {0, 5, 10, 2, 5}, {5, 10, 10, 5, 0}}[seed%3]}
		h := &overrides{w: w, rnd: rand.New(rand.NewPCG(seed, 1)), met: met}
		w.also = h.event
		w.r.show = func(ev *Event, fx []Effect) {
			w.show(ev, fx)
			if ev.Kind == Override {
				h.fx = fx
			}
			for i := range fx {
				if fx[i].Kind == OverrideCut {
					met["cut"]++
				}
				if fx[i].Kind == ActionStarted && fx[i].Reason == InOverride {
					met["waits"]++
				}
			}
		}
		if err := w.run(); err != nil {
			for _, line := range w.seen[max(len(w.seen)-25, 0):] {
				t.Log(line)
			}
			require.NoError(t, err, "seed %d, %d elements", seed, len(w.r.w.Elems))
		}
	}
	t.Log(met)
	for _, what := range []string{"taken", "given back", "refused", "cut", "waits"} {
		require.NotZero(t, met[what], "%v", met)
	}
}
