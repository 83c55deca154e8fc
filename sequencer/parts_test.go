// Parts of equipment that batches share: in random programs, where the watch knows by effects and events alone whose they are, and by hand.

package sequencer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// parts makes outputs parts of what is shared. What sets one without holding that sets output 0, which is a part of nothing.
func (g *grower) parts() {
	r := rand.New(rand.NewPCG(uint64(g.n), uint64(len(g.w.Sets)))) // and not that of the worlds, which stay as they are
	var shared []int
	for i, name := range g.w.resources {
		if g.w.shared[name] {
			shared = append(shared, i+1)
		}
	}
	for o := 1; len(shared) > 0 && o < g.outs; o++ {
		if g.w.Outputs[o].Part = shared[r.IntN(len(shared))]; r.IntN(4) == 0 {
			g.w.Outputs[o].Part = 0
		}
	}
	for e := range g.w.Elems {
		p := &g.w.Elems[e]
		for i := p.First; i < p.First+p.Count; i++ {
			a := &g.w.Actions[i]
			for k := a.First; a.Sets() && k < a.First+a.Count; k++ {
				s := &g.w.Sets[k]
				to := 0
				for o := range g.outs {
					if part := g.w.Outputs[o].Part; part > 0 && g.w.within(e, part-1) && r.IntN(2) == 0 {
						to = o
					}
				}
				if part := g.w.Outputs[s.Output].Part; to == 0 && (part == 0 || g.w.within(e, part-1)) {
					continue
				}
				if s.Output = to; s.Jog {
					s.Value = g.w.Outputs[to].Safe + 1
				}
			}
			if a.Sets() && a.Count == 2 && g.w.Sets[a.First].Output == g.w.Sets[a.First+1].Output {
				g.w.Sets[a.First+1].Value = g.w.Sets[a.First].Value
			}
		}
	}
}

// within tells whether an element stands in a bracket that uses a resource.
func (w *wired) within(e, r int) bool {
	for up := w.Elems[e].Parent; up >= 0; up = w.Elems[up].Parent {
		if !w.Elems[up].Bracket || !w.Elems[up+1].Phase {
			continue
		}
		if a := &w.Actions[w.Elems[up+1].First]; a.Kind == recipe.Acquire && slices.Contains(w.Uses[a.First:a.First+a.Count], r) {
			return true
		}
	}
	return false
}

// asksFor tells whether a claim asks for a resource.
func (w *watch) asksFor(c *claim, r int) bool {
	a := &w.w.Actions[w.w.Elems[c.phase].First]
	return r >= 0 && slices.Contains(w.w.Uses[a.First:a.First+a.Count], r)
}

// foreign tells whether an output is a part of what no grant that stands gives.
func (w *watch) foreign(o int) bool {
	part := w.w.Outputs[o].Part
	for _, c := range w.claims {
		if c.granted && !c.over && w.asksFor(c, part-1) {
			return false
		}
	}
	return part != 0
}

// gets takes over the parts of what was granted as they read back.
func (w *watch) gets(at int64, c *claim) {
	for o := range w.out {
		if w.asksFor(c, w.w.Outputs[o].Part-1) {
			v, q := w.plant.Read(w.w.Outputs[o].Tag, at)
			safe := w.w.Outputs[o].Safe
			w.out[o] = watched{value: safe, since: at, wrote: at, known: q == tag.Good && v >= safe-w.w.Outputs[o].Within && v <= safe+w.w.Outputs[o].Within}
		}
	}
}

// gives checks that what is given back has no part that is not known to be safe.
func (w *watch) gives(c *claim) error {
	for o := range w.out {
		if !w.asksFor(c, w.w.Outputs[o].Part-1) || !c.granted {
			continue
		}
		s, safe := &w.out[o], []int64{w.w.Outputs[o].Safe}
		for k := iomap.InputInvalid; w.w.Outputs[o].Faults != nil && k < iomap.FaultClasses; k++ {
			safe = append(safe, w.w.Outputs[o].Faults.Policy[k].Value)
		}
		if !c.taken && (s.busy || !s.known || !slices.Contains(safe, s.value) || w.safes[o].class != iomap.NoClass) {
			return fmt.Errorf("output %d is given back and is %d, known %t, busy %t, %s", o, s.value, s.known, s.busy, w.safes[o].class)
		}
		w.out[o] = watched{value: w.w.Outputs[o].Safe, known: true, since: s.since, wrote: s.wrote}
	}
	return nil
}

// strange checks that nothing concerns an output that is foreign, and that who has got equipment goes on only when all its parts are safe.
func (w *watch) strange(e *Effect) error {
	switch e.Kind {
	case ActionEnded:
		for _, c := range w.claims {
			for o := range w.out {
				if s := &w.out[o]; c.phase == e.Elem && !c.over && w.asksFor(c, w.w.Outputs[o].Part-1) && (s.busy || !s.known) {
					return fmt.Errorf("phase %d goes on, and output %d is not known to be safe", e.Elem, o)
				}
			}
		}
	case Write, OutputFault, SafeStateChanged, OverrideCut, TripChanged:
		if w.foreign(e.Output) {
			return fmt.Errorf("output %d is a part of equipment that the batch does not hold", e.Output)
		}
	}
	return nil
}

func TestNoRandomProgramDrivesOrJudgesAPartOfWhatItDoesNotHold(t *testing.T) {
	seeds := uint64(320) // in 315 a fault comes in the step of a grant
	if os.Getenv("BATCHKIT_LONG") == "1" {
		seeds = 10_000
	}
	met := map[string]int{}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 12))
		g := grower{Rand: rnd, faulty: seed%3 == 0, sharing: true}
		w := &world{Rand: rnd, r: newRig(g.program()), hand: seed/6%4 == 1, mood: []mood{{0, 0, 2, 0, 0}, {0, 5, 10, 2, 5}, {5, 10, 10, 5, 0},
			{20, 20, 10, 10, 5}, {0, 1, 1, 0, 0}, {0, 3, 4, 2, 2}}[seed%6]}
		w.r.show = func(ev *Event, fx []Effect) {
			w.show(ev, fx)
			for i := range fx {
				if e := &fx[i]; e.Kind == Write && w.r.w.Outputs[e.Output].Part != 0 {
					met[map[bool]string{true: "set"}[e.Reason == ""]+e.Reason]++
				}
			}
		}
		thief := rand.New(rand.NewPCG(seed, 13))
		w.also = func() error { // somebody else drives them meanwhile, or a person wants to
			for id := uint32(1); id <= w.r.watch.asked; id++ {
				if c := w.r.watch.claims[id]; c != nil && c.granted && !c.over && !w.r.m.Ended() && thief.IntN(60) == 0 {
					met["taken"]++
					if err := w.r.take(w.r.now, Event{Kind: ResourceRefused, ID: id, OK: true, Reason: "taken"}); err != nil {
						return err
					}
					if !c.over {
						return fmt.Errorf("request %d was taken and stands", id)
					}
				}
			}
			for o := range w.r.w.Outputs {
				if w.r.m.Foreign(o) != w.r.watch.foreign(o) && !w.r.m.Ended() {
					return fmt.Errorf("output %d: foreign %t", o, w.r.m.Foreign(o))
				}
				if w.r.m.Foreign(o) {
					met["foreign"]++
					if why, _ := w.r.m.MayOverride(o, 3); why == "" {
						return fmt.Errorf("a person may have output %d", o)
					}
				}
			}
			return nil
		}
		if err := w.run(); err != nil {
			for _, line := range w.seen[max(len(w.seen)-25, 0):] {
				t.Log(line)
			}
			require.NoError(t, err, "seed %d, %d elements", seed, len(w.r.w.Elems))
		}
	}
	t.Logf("met %v", met)
	for _, what := range []string{"foreign", "set", justGot, givesBack, "boot", "retry", "taken"} {
		require.NotZero(t, met[what], "%v", met)
	}
}

func TestASpoiltSnapshotOfPartsIsRefusedOrRunsOn(t *testing.T) {
	taken, refused := 0, 0
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 12))
		g := grower{Rand: rnd, faulty: seed%3 == 0, sharing: true}
		w := &world{Rand: rnd, r: newRig(g.program())}
		w.r.show = w.show
		for n := range 1 + rnd.IntN(12) {
			ev := []Event{{Kind: Boot}, {Kind: Told, Command: Start}, {Kind: Input}}[min(n, 2)]
			if n > 2 {
				ev = w.event()
			}
			require.NoError(t, w.r.take(int64(n+1)*second, ev))
		}
		good := w.r.m.Snapshot(nil)
		for range 400 {
			bad := slices.Clone(good)
			bad[rnd.IntN(len(bad))] ^= byte(1 + rnd.IntN(255))
			m := New(w.r.p, w.r.plant)
			if _, err := m.Restore(bad); err != nil {
				require.ErrorIs(t, err, errSnapshot)
				refused++
				continue
			}
			taken++
			at := int64(100) * second
			for _, ev := range []Event{{Kind: Input}, {Kind: ResourceGranted, ID: 1}, {Kind: Tick}, {Kind: Told, Command: Hold}, {Kind: Boot},
				{Kind: Told, Command: Restart}, {Kind: ResourceRefused, ID: 1}, {Kind: Told, Command: Abort}, {Kind: Tick}} {
				at += second
				for _, e := range m.Step(at, &ev, nil) {
					require.False(t, e.Kind == Write && w.r.p.Outputs[e.Output].Part < 0)
				}
			}
		}
	}
	require.NotZero(t, taken)
	require.NotZero(t, refused)
}
