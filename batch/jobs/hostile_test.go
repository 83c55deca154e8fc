// A list that is told anything in any order: it stays whole, and whatever was said, it can be emptied.

package jobs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/timebase"
)

// crowd tells a list what comes to mind, and checks it after each event.
type crowd struct {
	t     testing.TB
	r     *rand.Rand
	list  *List
	begun map[string]bool // processes that were ordered to start
	over  map[string]bool // that have come to an end
	asks  []Effect        // that were not answered
	log   []string        // events, for who reads a failure
	seed  uint64
}

// newCrowd has a list that is worked off by rules of chance.
func newCrowd(t testing.TB, seed uint64) *crowd {
	c := &crowd{t: t, r: rand.New(rand.NewPCG(seed, 14)), list: NewList(""), begun: map[string]bool{}, over: map[string]bool{}, seed: seed}
	c.tell(Event{Kind: Configure, Rules: rules(c.r)})
	return c
}

func (c *crowd) tell(ev Event) {
	line, err := ev.Append(nil)
	if err != nil {
		return
	}
	c.log = append(c.log, string(line))
	before := c.list.Snapshot(nil)
	twin := NewList("")
	require.NoError(c.t, twin.Restore(before), "seed %d", c.seed)
	fx := c.list.Step(timebase.Stamp{}, &ev, nil)
	require.Equal(c.t, fx, twin.Step(timebase.Stamp{}, &ev, nil), "seed %d: %s", c.seed, line)
	require.Equal(c.t, string(c.list.Snapshot(nil)), string(twin.Snapshot(nil)), "seed %d: %s", c.seed, line)
	for _, f := range fx {
		switch f.Kind {
		case Ordered:
			if f.Do == Start && !c.begun[f.Process] {
				c.begun[f.Process] = true
			}
			require.False(c.t, c.over[f.Process], "seed %d: %s is over, and is ordered to %s: %s", c.seed, f.Process, f.Do, line)
		case ProcessChanged:
			if f.Stage >= Discarded {
				require.False(c.t, c.over[f.Process], "seed %d: %s is over twice", c.seed, f.Process)
				c.over[f.Process] = true
			}
		case AskRecipe, AskContent:
			c.asks = append(c.asks, f)
		case Refused:
			require.NotEmpty(c.t, f.Reason)
			require.Len(c.t, fx, 1, "seed %d: what is refused changes nothing: %s", c.seed, line)
			require.Equal(c.t, before, c.list.Snapshot(nil), "seed %d: what is refused changes nothing: %s", c.seed, line)
		}
	}
	c.whole(string(line))
}

// whole checks what must hold whatever was said.
func (c *crowd) whole(line string) {
	groups := map[string]int{}
	for _, s := range c.list.Slots() {
		if s.Group != "" {
			groups[s.Group]++
			require.Equal(c.t, 1, groups[s.Group], "seed %d: group %s has one slot: %s", c.seed, s.Group, line)
		}
	}
	rules := c.list.Rules()
	if rules.Scheduler == Parallel {
		require.LessOrEqual(c.t, len(groups), rules.Slots, "seed %d: %s", c.seed, line)
	}
	dispatching := map[string]string{}
	for _, j := range c.list.Jobs() {
		require.True(c.t, j.State.Known() && j.State.Class() != ClassCompleted, "seed %d: %s %s: %s", c.seed, j.ID, j.State, line)
		require.Equal(c.t, j.Kind == Production, j.State < setup)
		if j.Group != "" {
			require.Equal(c.t, 1, groups[j.Group], "seed %d: %s is of a group without a slot: %s", c.seed, j.ID, line)
		}
		if j.State == JobDispatched || j.State == JobRunning {
			require.Empty(c.t, dispatching[j.Group], "seed %d: %s dispatches beside it: %s", c.seed, j.ID, line)
			dispatching[j.Group] = j.ID
		}
		n := j.Counts
		require.True(c.t, n.Running >= 0 && n.Success+n.Failure+n.Running == n.Begun && n.Reworked <= n.Success+n.Failure,
			"seed %d: %s counts %+v: %s", c.seed, j.ID, n, line)
	}
}

// anything is an event that may make no sense.
func (c *crowd) anything() Event {
	r := c.r
	pick := func() string {
		if all := c.list.Jobs(); len(all) > 0 && r.IntN(20) > 0 {
			return all[r.IntN(len(all))].ID
		}
		return fmt.Sprintf("J-%06d", 1+r.IntN(30))
	}
	recipe := func() string { return string(rune('A' + r.IntN(3))) }
	steps := func() (list []Step) {
		for range r.IntN(3) {
			list = append(list, Step{Type: recipe(), Recipe: "S", Sort: r.IntN(2), Off: r.IntN(4) == 0})
		}
		return list
	}
	process := func() string {
		if all := c.list.Processes(); len(all) > 0 && r.IntN(20) > 0 {
			return all[r.IntN(len(all))].Process
		}
		return fmt.Sprintf("J-%06d-%04d", 1+r.IntN(20), 1+r.IntN(4))
	}
	switch n := r.IntN(100); {
	case n < 18:
		ev := Event{Kind: Add, Place: []Place{Append, Append, First, Before, After, AfterRecipe}[r.IntN(6)]}
		if ev.Place == Before || ev.Place == After {
			ev.Job = pick()
		}
		for range 1 + r.IntN(2) {
			ev.Orders = append(ev.Orders, Order{Recipe: recipe(), Amount: int64(r.IntN(4)), Product: "P"})
		}
		return ev
	case n < 20:
		return Event{Kind: Add, Place: Around, Orders: []Order{{ID: pick()}, {Recipe: recipe(), Amount: 1}, {ID: pick()}}}
	case n < 30 && len(c.asks) > 0:
		return c.answer(steps())
	case n < 32:
		info := RecipeInfo{Recipe: recipe()}
		if r.IntN(3) == 0 {
			info.Missing = "it is not there"
		}
		if r.IntN(3) == 0 {
			info.NoResume = "it is cold"
		}
		return Event{Kind: Recipe, Recipe: &info}
	case n < 36:
		return Event{Kind: Content, Job: pick(), Steps: steps()}
	case n < 37:
		return Event{Kind: Content, Job: pick(), Reason: "nobody knows"}
	case n < 55:
		kind := []EventKind{Complete, Abort, Interrupt, Suspend, Continue, Continue, Continue, Retry, Acknowledge}[r.IntN(9)]
		ev := Event{Kind: kind, Job: pick(), Actor: "ann"}
		if kind == Acknowledge {
			ev.Steps = steps()
		}
		return ev
	case n < 95:
		stage := Stage(1 + r.IntN(6))
		return Event{Kind: Process, Process: process(), State: stage, Reworked: stage >= Success && r.IntN(5) == 0}
	case n < 97:
		return Event{Kind: Halt}
	case n < 98:
		return Event{Kind: Configure, Rules: rules(r)}
	}
	return c.boot()
}

func rules(r *rand.Rand) *Rules {
	if r.IntN(2) == 0 {
		return &Rules{Scheduler: Seamless, KeepSlot: r.IntN(2) == 0, Retries: r.IntN(3) - 1, Complete: r.IntN(4) == 0}
	}
	return &Rules{Scheduler: Parallel, Slots: 1 + r.IntN(3), Retries: r.IntN(3) - 1, Complete: r.IntN(4) == 0}
}

// boot finds most of what there was, some of it further on.
func (c *crowd) boot() Event {
	ev := Event{Kind: Boot}
	for _, p := range c.list.Processes() {
		switch at := p.Stage; c.r.IntN(6) {
		case 0:
		case 1:
			ev.Processes = append(ev.Processes, Found{Process: p.Process, State: Stage(1 + c.r.IntN(6))})
		case 2:
			ev.Processes = append(ev.Processes, Found{Process: p.Process, State: Interrupted})
		default:
			ev.Processes = append(ev.Processes, Found{Process: p.Process, State: at})
		}
	}
	return ev
}

// answer answers what was asked first.
func (c *crowd) answer(steps []Step) Event {
	ask := c.asks[0]
	c.asks = c.asks[1:]
	if ask.Kind == AskContent {
		return Event{Kind: Content, Job: ask.Job, Steps: steps}
	}
	return Event{Kind: Recipe, Recipe: &RecipeInfo{Recipe: ask.Recipe, Provider: ask.Provider}}
}

// empty ends all that is there: a person aborts, and processes do what they are ordered.
func (c *crowd) empty() {
	for round := 0; round < 40 && (c.list.Halted() || len(c.list.Jobs())+len(c.list.Processes()) > 0); round++ {
		if c.list.Halted() {
			boot := Event{Kind: Boot}
			for _, p := range c.list.Processes() {
				boot.Processes = append(boot.Processes, Found{Process: p.Process, State: p.Stage})
			}
			c.tell(boot)
		}
		for len(c.asks) > 0 {
			c.tell(c.answer(nil))
		}
		for _, j := range c.list.Jobs() {
			if j.Kind == Production || round > 20 {
				c.tell(Event{Kind: Abort, Job: j.ID})
			} else if j.State == SetupRetryBlocked {
				c.tell(Event{Kind: Acknowledge, Job: j.ID})
			}
		}
		for _, p := range c.list.Processes() {
			if to := c.obeys(p); to != p.Stage {
				c.tell(Event{Kind: Process, Process: p.Process, State: to})
			}
		}
	}
	require.Empty(c.t, c.list.Jobs(), "seed %d: it does not come to an end; %s%+v", c.seed, c.told(), c.list.Slots())
	require.Empty(c.t, c.list.Processes(), "seed %d", c.seed)
	for _, s := range c.list.Slots() {
		require.Empty(c.t, s.Group, "seed %d: a slot is leaked; %s", c.seed, c.told())
	}
	require.True(c.t, c.list.Available(), "seed %d: no slot is free; %s", c.seed, c.told())
}

// obeys is the stage to which a process goes by what it was ordered. What a job has left behind is ended by a person.
func (c *crowd) obeys(p ProcessView) Stage {
	_, listed := c.list.Job(p.Job)
	switch {
	case !listed && p.Stage == Interrupted:
		return Failure
	case p.Do == Drop && p.Stage == Awaited:
		return Discarded
	case p.Do == Pause && p.Stage == Awaited:
		return Discarded
	case p.Do == Pause:
		return Interrupted
	case p.Do == AbortIt || p.Do == CleanItUp:
		return Failure
	case p.Stage == Running:
		return Success
	}
	return Running
}

// told gives the last events.
func (c *crowd) told() string {
	text := "the last events:\n"
	for _, line := range c.log[max(0, len(c.log)-60):] {
		text += line + "\n"
	}
	return text
}

func TestAListThatIsToldAnythingStaysWholeAndCanBeEmptied(t *testing.T) {
	seeds, events := uint64(30), 120
	if testing.Short() {
		seeds = 10
	}
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 1000
	}
	for seed := range seeds {
		c := newCrowd(t, seed)
		for range events {
			c.tell(c.anything())
		}
		c.empty()
	}
}
