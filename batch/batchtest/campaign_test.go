// Random recipes on a wild plant, with commands and cuts at random, and what must hold in all of them.

package batchtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/grow"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// errUnfit says that what a seed has grown is no recipe, or one that can get stuck.
var errUnfit = errors.New("no recipe that may run")

// wilds makes the trial of a seed: a recipe, a plant, and people who do this and that, who later come by every 6 s to let go on what is
// held or paused, and who abort at last.
func wilds(t testing.TB, seed uint64) (*Trial, string, error) {
	g := &grow.Grower{Rand: rand.New(rand.NewPCG(seed, 8)), Lively: true}
	text := g.Recipe().Text()
	ioMap, calibration := grow.LivelyMap()
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	files := fstest.MapFS{"recipe.yaml": file(text), "map.yaml": file(ioMap), "calibration.yaml": file(calibration)}
	r, err := open(t, files, "recipe.yaml", "map.yaml", newWild(seed), &Options{Seed: seed, Unattended: g.IntN(4) == 0})
	if err != nil {
		return nil, text, fmt.Errorf("%w: %w", errUnfit, err)
	}
	steps := r.names(r.b.Plan.Recipe.Root)
	for n := g.IntN(6); n > 0; n-- {
		m := Moment{r: r, ns: g.Int64N(40 * second)}
		if g.IntN(2) == 0 {
			m.step, m.ns = steps[g.IntN(len(steps))], m.ns/8
		}
		c := runner.Command{Command: sequencer.Command(1 + g.IntN(int(sequencer.ResetInterlock)))}
		if g.IntN(2) == 0 {
			c.Step = steps[g.IntN(len(steps))]
		}
		switch g.IntN(12) {
		case 0:
			m.Crash(time.Duration(g.Int64N(3 * second)))
		case 1:
			m.PowerCut(time.Duration(g.Int64N(5 * second)))
		case 2, 3:
			m.Taken("DRYER", "B-0815", time.Duration(g.Int64N(20*second)))
		default:
			m.Tell(c)
		}
	}
	at := 20 * second
	for ; at < 90*second; at += 3 * second {
		c := []sequencer.Command{sequencer.Restart, sequencer.Resume}[at/second%6/3]
		Moment{r: r, ns: at}.Tell(runner.Command{Command: c})
		Moment{r: r, ns: at}.Answer("ok", "op2")
	}
	Moment{r: r, ns: at}.Tell(runner.Command{Command: sequencer.Abort})
	return r, text, nil
}

// roam runs a seed and holds it against every rule, once as it is and once cut short at random.
func roam(t testing.TB, seed uint64) (*passage, error) {
	r, text, err := wilds(t, seed)
	if err != nil {
		return nil, err
	}
	p := newPassage(r, int64(time.Hour))
	p.play()
	require.NoError(t, sane(p), "seed %d: %s", seed, text)
	rng := rand.New(rand.NewPCG(seed, 9))
	m := &p.marks[rng.IntN(len(p.marks))]
	if n := m.from + rng.Uint64N(min(m.upTo, uint64(len(p.recs)))-m.from+1); n == 0 || n >= p.boot {
		again := p.cutAt(m, n, rng.IntN(2) == 0)
		require.NoError(t, sane(again), "seed %d, cut after record %d: %s", seed, n, text)
	}
	return p, nil
}

// sane tells what is wrong with a passage: the loop has found its own faults by now.
func sane(p *passage) error {
	if p.fault != nil {
		return fmt.Errorf("%w\n%s", p.fault, p.tail())
	}
	last := p.recs[len(p.recs)-1]
	for i := len(p.recs) - 1; i > 0 && last.Kind != record.KindBatchEnd; i-- {
		last = p.recs[i]
	}
	state, err := sequencer.Idle, error(nil)
	for s := sequencer.Idle; s <= sequencer.Aborted; s++ {
		if s.String() == p.state() {
			state = s
		}
	}
	switch {
	case p.ended != "":
		err = fmt.Errorf("it %s", p.ended)
	case !state.Terminal():
		err = errors.New("it ended in a state that is no end")
	case last.Kind != record.KindBatchEnd:
		err = errors.New("there is no batch_end")
	case last.Text(record.Result) == "outputs_safe":
		plant := p.w.Simulation.(*wild)
		for _, o := range plant.out {
			if v := plant.values[o]; v != 0 && !plant.lied[o] { // what confirms and does nothing is found out by its read-back, a second later
				err = fmt.Errorf("output %s is %d behind an end at which it is safe", o, v)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("the batch is %s: %w\n%s", p.state(), err, strings.Join(p.told(p.recs, -40), "\n"))
	}
	return nil
}

func TestRandomRecipesOnAWildPlantKeepEveryRule(t *testing.T) {
	t.Parallel()
	runs, begin := 200, time.Now()
	if long() {
		runs = 10_000
	}
	states, records, seed := map[string]int{}, 0, uint64(0)
	for done := 0; done < runs; done++ {
		p, err := roam(t, seed+1)
		for seed++; errors.Is(err, errUnfit) && seed < 10*uint64(runs); seed++ {
			p, err = roam(t, seed+1)
		}
		require.NoError(t, err)
		states[p.state()]++
		records += len(p.recs)
	}
	t.Logf("%d recipes of %d seeds ended %v; %d records replayed; %s a recipe", runs, seed, states, records, time.Since(begin)/time.Duration(runs))
	require.NotZero(t, states["Complete"])
	require.NotZero(t, states["Aborted"])
}

func TestWhatWasOnItsWayWhenTheProcessDiedDoesNotSwitchOnAnOutputThatIsSafe(t *testing.T) {
	_, err := roam(t, 900042) // an output that does not read back, cut short between a write and its arrival
	require.NoError(t, err)
}

// TestTheSameBytesOnEveryProcessor is run by .ci/run on arm64 and arm too.
func TestTheSameBytesOnEveryProcessor(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for seed, done := uint64(1), 0; done < 100; seed++ {
		require.Less(t, seed, uint64(1000))
		r, _, err := wilds(t, seed)
		if errors.Is(err, errUnfit) {
			continue
		}
		require.NoError(t, err)
		p := newPassage(r, int64(time.Hour))
		p.keep = false
		p.play()
		require.NoError(t, p.fault, "seed %d", seed)
		fmt.Fprintf(&out, "seed %d, %d records, %s: %s\n", seed, len(p.recs), p.state(), p.link())
		done++
	}
	golden.Check(t, "testdata/campaign.golden", []byte(out.String()))
}
