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
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// errUnfit says that what a seed has grown is no recipe, or one that can get stuck.
var errUnfit = errors.New("no recipe that may run")

// venture is the trial of a seed, and what it is held against.
type venture struct {
	*Trial
	g      *grow.Grower
	site   *grow.Site
	recipe string
	steps  []string
}

// wilds makes the trial of a seed: a recipe, a map with interlocks and alarms, a plant, and people who do this and that, who later come
// by every 3 s to let go on what is held, paused, latched or in their hands, and who abort at last.
func wilds(t testing.TB, seed uint64) (*venture, error) {
	g := &grow.Grower{Rand: rand.New(rand.NewPCG(seed, 8)), Lively: true}
	v := &venture{g: g, recipe: g.Recipe().Text(), site: g.Site()}
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	files := fstest.MapFS{"recipe.yaml": file(v.recipe), "map.yaml": file(v.site.Map), "calibration.yaml": file(v.site.Calibration)}
	r, err := open(t, files, 1, "recipe.yaml", "map.yaml", newWild(seed), &Options{Seed: seed, Unattended: g.IntN(2) == 0})
	if v.Trial = r; err != nil {
		return v, fmt.Errorf("%w: %w", errUnfit, err)
	}
	v.steps = r.names(r.b.Plan.Recipe.Root)
	for n := g.IntN(8); n > 0; n-- {
		m := Moment{r: r, ns: g.Int64N(40 * second)}
		if g.IntN(2) == 0 {
			m.step, m.ns = v.step(), m.ns/8
		}
		switch g.IntN(16) {
		case 0:
			m.Crash(time.Duration(g.Int64N(3 * second)))
		case 1:
			m.PowerCut(time.Duration(g.Int64N(5 * second)))
		case 2, 3:
			m.Taken("DRYER", "B-0815", time.Duration(g.Int64N(20*second)))
		case 4:
			m.Answer(v.says(), "op3")
		case 5:
			m.Tell(runner.Command{Command: sequencer.Hold})
			m.After(time.Duration(g.Int64N(3 * second))).Tell(v.change())
		default:
			m.Tell(v.order())
		}
	}
	if g.IntN(3) == 0 {
		v.shift()
	}
	v.round()
	return v, nil
}

// step is an element, or what stands around one.
func (v *venture) step() string {
	around := []string{"", "", "", "", ".step", ".entry", ".exit", ".uses", ".select", ".until"}
	return v.steps[v.g.IntN(len(v.steps))] + around[v.g.IntN(len(around))]
}

// says is an answer to a prompt that may be right.
func (v *venture) says() string { return grow.Answers()[v.g.IntN(len(grow.Answers()))] }

// order is any order, mostly with what belongs to it.
func (v *venture) order() (c runner.Command) {
	g := v.g
	c.Command = sequencer.Command(1 + g.IntN(int(sequencer.ResetInterlock)))
	if g.IntN(2) == 0 || c.Command == sequencer.GoTo || c.Command == sequencer.Force {
		c.Step = v.step()
	}
	switch c.Command {
	case sequencer.GoTo:
		c.Target = v.steps[g.IntN(len(v.steps))]
		if e := v.elem(v.b.Plan.Recipe.Root, c.Target); e != nil && g.IntN(4) > 0 {
			c.Step = e.ID
		}
	case sequencer.Change:
		c = v.change()
	case sequencer.Acknowledge:
		c.Name = fmt.Sprintf("AL%d", 1+g.IntN(len(v.site.Alarms)+1))
	case sequencer.ResetInterlock:
		c.Name = fmt.Sprintf("IL%d", 1+g.IntN(len(v.site.Interlocks)+1))
	}
	return c
}

// change gives a parameter another value, mostly one that it takes.
func (v *venture) change() runner.Command {
	p := grow.Parameters()[v.g.IntN(len(grow.Parameters()))]
	if v.g.IntN(3) == 0 {
		p[1] = v.says()
	}
	return runner.Command{Command: sequencer.Change, Name: p[0], Value: p[1]}
}

// phase is a phase of the recipe, nil where there is none of that name.
func (v *venture) phase(id string) *recipe.Element {
	if b := v.elem(v.b.Plan.Recipe.Root, id); b != nil {
		for _, c := range b.Children {
			if c.ID == id && c.Block == recipe.NoBlock {
				return c
			}
		}
	}
	return nil
}

// elem is the block around an element.
func (v *venture) elem(e *recipe.Element, id string) (block *recipe.Element) {
	for _, c := range e.Children {
		if c.ID == id {
			return e
		}
		if block = v.elem(c, id); block != nil {
			return block
		}
	}
	return nil
}

// shift lets people lead the batch for a time.
func (v *venture) shift() {
	mode := []sequencer.Command{sequencer.SemiAutomatic, sequencer.Manual, sequencer.Manual}[v.g.IntN(3)]
	Moment{r: v.Trial, ns: v.g.Int64N(second)}.Tell(runner.Command{Command: mode})
	for at := second; at < 25*second; at += v.g.Int64N(2 * second) {
		c := runner.Command{Command: sequencer.Release}
		switch v.g.IntN(4) {
		case 0:
			c.Command, c.Step = sequencer.Force, v.steps[v.g.IntN(len(v.steps))]
		case 1:
			c.Command, c.Target = sequencer.GoTo, v.steps[1+v.g.IntN(len(v.steps)-1)]
			c.Step = v.elem(v.b.Plan.Recipe.Root, c.Target).ID
		case 2:
			c.Step = v.step()
		}
		Moment{r: v.Trial, ns: at}.Tell(c)
	}
}

// round lets people come by.
func (v *venture) round() {
	at := 20 * second
	for ; at < 90*second; at += 3 * second {
		m := Moment{r: v.Trial, ns: at}
		m.Tell(runner.Command{Command: []sequencer.Command{sequencer.Restart, sequencer.Resume}[at/second%6/3]})
		m.Answer(grow.Answers()[at/second/3%6], "op2")
		switch k := int(at / second / 3 % 6); k {
		case 1:
			m.Tell(runner.Command{Command: sequencer.Automatic})
		case 2:
			for _, i := range v.site.Interlocks {
				m.Tell(runner.Command{Command: sequencer.ResetInterlock, Name: i.ID})
			}
		case 3:
			for _, a := range v.site.Alarms {
				m.Tell(runner.Command{Command: sequencer.Acknowledge, Name: a.ID})
			}
		case 4:
			m.Tell(runner.Command{Command: sequencer.Start})
		}
	}
	Moment{r: v.Trial, ns: at}.Tell(runner.Command{Command: sequencer.Abort})
}

// roam runs a seed and holds it against every rule, once as it is and once cut short at random.
func roam(t testing.TB, seed uint64) (p *passage, met map[string]int, err error) {
	v, err := wilds(t, seed)
	if err != nil {
		return nil, nil, err
	}
	p = newPassage(v.Trial, int64(time.Hour))
	p.play()
	if met, err = v.keeps(p); err != nil {
		return p, met, fmt.Errorf("seed %d: %w\n%s%s", seed, err, v.recipe, v.site.Map)
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	m := &p.marks[rng.IntN(len(p.marks))]
	if n := m.from + rng.Uint64N(min(m.upTo, uint64(len(p.recs)))-m.from+1); n == 0 || n >= p.boot {
		again := p.cutAt(m, n, rng.IntN(2) == 0)
		if _, err = v.keeps(again); err != nil {
			return p, met, fmt.Errorf("seed %d, cut short after record %d: %w\n%s%s", seed, n, err, v.recipe, v.site.Map)
		}
	}
	return p, met, nil
}

// keeps tells what is wrong with a passage, and how often it met what.
func (v *venture) keeps(p *passage) (met map[string]int, err error) {
	if err := sane(p); err != nil {
		return nil, err
	}
	r := newRules(v, p)
	return r.met, r.all()
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
			if v := plant.values[o]; v != 0 && !plant.lied[o] && o != "do/12" { // what confirms and does nothing is found out by its read-back, a second later
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
	states, met, records, seed := map[string]int{}, map[string]int{}, 0, uint64(0)
	for done := 0; done < runs; done++ {
		p, saw, err := roam(t, seed+1)
		for seed++; errors.Is(err, errUnfit) && seed < 10*uint64(runs); seed++ {
			p, saw, err = roam(t, seed+1)
		}
		require.NoError(t, err)
		states[p.state()]++
		records += len(p.recs)
		for what, n := range saw {
			met[what] += n
		}
	}
	t.Logf("%d recipes of %d seeds ended %v; %d records replayed; %s a recipe; met were %v", runs, seed, states, records, time.Since(begin)/time.Duration(runs), met)
	require.NotZero(t, states["Complete"])
	require.NotZero(t, states["Aborted"])
	for _, what := range []string{"interlock tripped", "interlock not_permitted", "interlock latched", "interlock reset", "interlock unsettled", "alarm raised",
		"alarm acknowledged", "trip confirmed", "hard_abort accepted", "release accepted", "go_to accepted", "force accepted", "change accepted",
		"answer refused", "parameter_change", "retry", "jog the total is not short",
		"time time is known well enough", "time let begin by a restart", "time let begin by an answer", "in_flight learnt", "in_flight not_learnt", "recovery hold", "recovery resume", "recovery abort"} {
		require.NotZero(t, met[what], "nothing shows that the rules of it were asked: %s", what)
	}
}

func TestWhatIsOnItsWayToTheWildPlantWhenAControllerComesUpNeverArrives(t *testing.T) {
	arrived := 0
	for seed := range uint64(50) {
		for _, boots := range []bool{true, false} {
			w := newWild(seed)
			if _, err := w.Apply(1, tag.Write{Channel: "do/0", Form: tag.Bool, Bits: 1}); err != nil {
				continue
			}
			if boots {
				w.Boot(2)
			}
			w.Advance(10*second, func(tag.Raw) {})
			require.False(t, boots && w.values["do/0"] == 1, "seed %d", seed)
			arrived += int(w.values["do/0"])
		}
	}
	require.Greater(t, arrived, 40, "without a boot it does")
}

// TestTheSameBytesOnEveryProcessor is run by .ci/run on arm64 and arm too.
func TestTheSameBytesOnEveryProcessor(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for seed, done := uint64(1), 0; done < 100; seed++ {
		require.Less(t, seed, uint64(1000))
		v, err := wilds(t, seed)
		if errors.Is(err, errUnfit) {
			continue
		}
		require.NoError(t, err)
		p := newPassage(v.Trial, int64(time.Hour))
		p.keep = false
		p.play()
		require.NoError(t, p.fault, "seed %d", seed)
		fmt.Fprintf(&out, "seed %d, %d records, %s: %s\n", seed, len(p.recs), p.state(), p.link())
		done++
	}
	golden.Check(t, "testdata/campaign.golden", []byte(out.String()))
}
