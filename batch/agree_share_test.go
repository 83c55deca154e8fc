// Several batches of sound recipes on one plant: none waits for ever for what another one has.

package batch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/grow"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe/sound"
	"github.com/batchkit/batchkit/sequencer"
)

// plant gives what batches share to who asked first of those for whom all is free.
type plant struct{ queue []*wish }

// wish is what one batch has asked for.
type wish struct {
	s     *stage
	id    uint32
	phase int
	names []string
	has   bool
}

// share hands on what a batch asks of the plant, or gives back.
func (s *stage) share(e *sequencer.Effect) {
	w := &wish{s: s, id: e.ID, phase: e.Elem, names: s.b.prog.used(&s.p.Actions[e.Action], true)}
	if s.plant == nil {
		if e.Kind == sequencer.RequestResource {
			w.grant()
		}
		return
	}
	q := &s.plant.queue
	if e.Kind == sequencer.RequestResource {
		*q = append(*q, w)
	} else {
		*q = slices.DeleteFunc(*q, func(o *wish) bool { return o.s == s && o.id == e.ID })
	}
	for _, w := range *q {
		if !w.has && !slices.ContainsFunc(*q, w.kept) {
			w.grant()
		}
	}
}

// kept tells whether another one has something that is wished for.
func (w *wish) kept(o *wish) bool {
	return o.has && slices.ContainsFunc(o.names, func(n string) bool { return slices.Contains(w.names, n) })
}

func (w *wish) grant() {
	w.has = true
	w.s.answers = append(w.s.answers, sequencer.Event{Kind: sequencer.ResourceGranted, ID: w.id})
	w.s.of = append(w.s.of, w.phase)
}

// together runs batches on one plant, in any order.
func together(r *rand.Rand, all []*Batch) error {
	p := &plant{}
	var open []*stage
	for _, b := range all {
		s := newStage(b)
		s.plant = p
		open = append(open, s)
	}
	for range 400_000 {
		if open = slices.DeleteFunc(open, func(s *stage) bool { return s.ended }); len(open) == 0 {
			break
		}
		i := r.IntN(len(open))
		moved := false
		for k := 0; k < len(open) && !moved; k++ {
			s := open[(i+k)%len(open)]
			if moved = s.random(r); !moved && slices.Contains(s.states, sequencer.Held) {
				moved = true // it has used up its rounds
				s.step(sequencer.Event{Kind: sequencer.Told, Command: sequencer.Restart})
			}
			if len(s.late) > 0 {
				return fmt.Errorf("out of time: %s", s)
			}
		}
		if !moved {
			text := "all wait:"
			for _, s := range open {
				text += fmt.Sprintf(" %s", s)
			}
			return fmt.Errorf("%s", text)
		}
	}
	if len(open) > 0 || len(p.queue) > 0 {
		return fmt.Errorf("%d have not ended, %d wishes are left", len(open), len(p.queue))
	}
	return nil
}

func TestBatchesOfSoundRecipesNeverWaitForEachOtherForEver(t *testing.T) {
	m, err := iomap.Parse("map.yaml", []byte(grow.Map()+"resources: [{resource_id: HOSE, between_batches: true}, {resource_id: DRYER, between_batches: true}, {resource_id: PUMP}]\n"))
	require.NoError(t, err)
	sets, unordered, stuck := 100, 0, 0
	if os.Getenv("BATCHKIT_LONG") == "1" {
		sets = 3_000
	}
	var some []*Batch
	var text string
	for seed := uint64(1); sets > 0; seed++ {
		g := &grow.Grower{Rand: rand.New(rand.NewPCG(seed, 9))}
		src := g.Recipe().Text()
		b, err := bound(m, []byte(src))
		if err != nil {
			continue
		}
		p := proof(b.Plan)
		if slices.ContainsFunc(p.Findings, func(f sound.Finding) bool { return f.Kind == sound.OutOfOrder }) {
			unordered++
			for k := 0; k < 20 && stuck < unordered; k++ { // and such ones do, on a day that is bad enough
				if together(g.Rand, []*Batch{b, b, b}) != nil {
					stuck++
				}
			}
		}
		if p.Verdict != sound.Sound || len(b.prog.seq.Asks) == 0 {
			continue
		}
		if some, text = append(some, b), text+"\n"+src; len(some) == 3 {
			require.NoError(t, together(g.Rand, some), "seed %d: %s", seed, text)
			sets, some, text = sets-1, nil, ""
		}
	}
	t.Logf("%d were refused for the order in which they get things, and %d of them do get stuck", unordered, stuck)
	require.NotZero(t, stuck)
}
