// The proof and the engine say the same of random recipes.

package batch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/grow"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/sound"
	"github.com/batchkit/batchkit/sequencer"
)

// walk runs a batch on a plant that does everything in any order, and whose operators hold and restart it now and then. What it
// returns is wrong: somebody waits and nothing can let him go on.
func walk(r *rand.Rand, b *Batch) error {
	s := newStage(b)
	for range 200_000 {
		if s.ended || len(s.late) > 0 {
			break
		}
		held := slices.Contains(s.states, sequencer.Held)
		switch k := r.IntN(60); {
		case !held && k == 0 && !s.m.State(0).Terminal():
			s.step(sequencer.Event{Kind: sequencer.Told, Command: sequencer.Hold, Elem: r.IntN(len(s.p.Elems)) * r.IntN(2)})
		case held && k < 6:
			s.step(sequencer.Event{Kind: sequencer.Told, Command: sequencer.Restart})
		case s.random(r):
		case held:
			s.step(sequencer.Event{Kind: sequencer.Told, Command: sequencer.Restart})
		case !s.tick():
			return fmt.Errorf("nothing happens any more: %s", s)
		}
	}
	aborts := strings.Contains(s.full, "is still false")
	switch state := s.m.State(0); {
	case !s.ended || len(s.late) > 0 || state != sequencer.Complete && !aborts:
		return fmt.Errorf("the batch is %s, ended %t: %s", state, s.ended, s)
	case state == sequencer.Complete && slices.ContainsFunc(s.posted, func(n int) bool { return n > 0 }):
		return fmt.Errorf("messages are left: %v", s.posted)
	}
	return nil
}

// random lets something happen; false where nothing can but time going by.
func (s *stage) random(r *rand.Rand) bool {
	var can []int
	for p := range s.p.Elems {
		if s.data(p) {
			can = append(can, p)
		}
	}
	n := len(can)
	if writes := slices.Index(s.of, -1); writes >= 0 && (n == 0 || r.IntN(2) == 0) {
		s.answer(writes)
		return true
	}
	if s.clocked() && (n == 0 || r.IntN(4) == 0) {
		return s.tick()
	}
	if n == 0 {
		return false
	}
	p, way := can[r.IntN(n)], 0
	switch s.kind(p) {
	case recipe.Choose:
		way = r.IntN(s.p.Actions[s.waits[p]-1].Count)
	case recipe.Until:
		way = r.IntN(2)
	}
	s.throw(p, way)
	return true
}

// clocked tells whether somebody waits for time to go by.
func (s *stage) clocked() bool {
	for p, st := range s.states {
		if s.timed(p) || !st.Quiescent() && st != sequencer.Running {
			return true
		}
	}
	return false
}

// tally counts what a campaign came to.
type tally struct {
	refused, notProved, sound, unsound, runs, replays int
	kinds                                             map[sound.Kind]int
}

// judge proves a recipe and holds the engine against it.
func (c *tally) judge(r *rand.Rand, m *iomap.Map, src string) error {
	b, err := bound(m, []byte(src))
	if err != nil {
		c.refused++
		return nil
	}
	p := proof(b.Plan)
	switch p.Verdict {
	case sound.NotProved:
		c.notProved++
	case sound.Sound:
		c.sound++
		for range 2 {
			if err := walk(r, b); err != nil {
				return fmt.Errorf("the recipe is sound, and %w", err)
			}
			c.runs++
		}
	case sound.Unsound:
		c.unsound++
		for i := range p.Findings {
			f := &p.Findings[i]
			if c.kinds[f.Kind]++; f.Trace == nil {
				continue
			}
			if err := replay(b, f); err != nil {
				return fmt.Errorf("%s; it comes about so: %s; and in the engine: %w", f.Text, f.Account(), err)
			}
			c.replays++
		}
	}
	return nil
}

func (c *tally) String() string {
	return fmt.Sprintf("%d refused by the parser or binding, %d sound (%d runs), %d unsound (%d traces replayed), %d not proved; findings %v",
		c.refused, c.sound, c.runs, c.unsound, c.replays, c.notProved, c.kinds)
}

func TestTheEngineDoesWhatTheProofSaysOfRandomRecipes(t *testing.T) {
	campaign(t, 200, func(g *grow.Grower, src *grow.Element) []*grow.Element { return []*grow.Element{src} })
}

func TestTheEngineDoesWhatTheProofSaysOfEditedRecipes(t *testing.T) {
	m, err := iomap.Parse("map.yaml", []byte(grow.Map()))
	require.NoError(t, err)
	campaign(t, 200, func(g *grow.Grower, src *grow.Element) (list []*grow.Element) {
		text := src.Text()
		if !strings.Contains(text, "sync") && !strings.Contains(text, "send") && (strings.Count(text, "uses") < 2 || seldom(g)) {
			return nil // nothing that could be broken
		}
		b, err := bound(m, []byte(text))
		if err != nil || proof(b.Plan).Verdict != sound.Sound {
			return nil
		}
		for range 3 {
			e := src.Clone()
			for range 1 + g.IntN(4) {
				g.Edit(e)
			}
			list = append(list, e)
		}
		return list
	})
}

// seldom is true where a recipe is passed over of which there are too many.
func seldom(g *grow.Grower) bool { return g.IntN(4) > 0 }

func campaign(t *testing.T, n int, of func(g *grow.Grower, src *grow.Element) []*grow.Element) {
	if os.Getenv("BATCHKIT_LONG") == "1" {
		n = 10_000
	}
	one, err := iomap.Parse("map.yaml", []byte(grow.Map()))
	require.NoError(t, err)
	many, err := iomap.Parse("map.yaml", []byte(grow.ManyOwners()))
	require.NoError(t, err)
	c := tally{kinds: map[sound.Kind]int{}}
	for seed := uint64(1); c.sound+c.unsound < n; seed++ {
		g := &grow.Grower{Rand: rand.New(rand.NewPCG(seed, 6))}
		for i, e := range of(g, g.Recipe()) {
			src := e.Text()
			m := one
			if seed%2 == 0 {
				m = many
			}
			require.NoError(t, c.judge(g.Rand, m, src), "seed %d, recipe %d: %s", seed, i, src)
		}
	}
	t.Log(&c)
	require.NotZero(t, c.runs)
	require.NotZero(t, c.replays)
}
