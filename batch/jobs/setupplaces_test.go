// Where set-up jobs stand in the list, and when there are any: T: SetupHandlerTests of the anchor in terms of groups.

package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newFloor has an empty list worked off by rules, and a plant whose set-ups have a step each.
func newFloor(t *testing.T, rules Rules) *bench {
	b := &bench{t: t, list: NewList(""), does: map[Do][]string{}, stages: map[string]Stage{}, gone: map[string]Counts{}}
	b.todo = map[JobKind][]Step{Prepare: {clamp}, CleanUp: {clamp}}
	b.tell(Event{Kind: Configure, Rules: &rules})
	return b
}

// order is the list as a person writes it: p and c are set-ups, the number is that of the job.
func (b *bench) order() string {
	var all []string
	n := map[string]int{}
	for _, j := range b.list.Jobs() {
		switch j.Kind {
		case Prepare:
			all = append(all, "p"+j.Order.Recipe)
		case CleanUp:
			all = append(all, "c"+j.Order.Recipe)
		default:
			n[j.Order.Recipe]++
			all = append(all, fmt.Sprintf("%s%d", j.Order.Recipe, n[j.Order.Recipe]))
		}
	}
	return strings.Join(all, " ")
}

// set gives the number of the first set-up of a kind and recipe that is listed.
func (b *bench) set(kind JobKind, recipe string) string {
	b.t.Helper()
	for _, j := range b.list.Jobs() {
		if j.Kind == kind && j.Order.Recipe == recipe {
			return j.ID
		}
	}
	require.Fail(b.t, "not listed", "%s of %s", kind, recipe)
	return ""
}

// done brings process n of a job to Running and then to Success.
func (b *bench) done(job string, n int) {
	b.t.Helper()
	b.job = job
	b.comes(n, Running)
	b.comes(n, Success)
}

func (b *bench) ended(job string) bool { _, gone := b.gone[job]; return gone }

func TestTwoRecipesHaveTheirOwnSetUps(t *testing.T) {
	b := newFloor(t, Rules{Scheduler: Parallel, Slots: 2})
	b.add("A", 1)
	b.add("B", 1)
	require.Equal(t, "pA A1 cA pB B1 cB", b.order())
}

func TestTwoOfOneRecipeShareTheirSetUps(t *testing.T) {
	for _, rules := range []Rules{{Scheduler: Parallel, Slots: 2}, {Scheduler: Seamless}} {
		b := newFloor(t, rules)
		b.tell(Event{Kind: Add, Orders: []Order{{Recipe: "A", Amount: 1}, {Recipe: "A", Amount: 1}}})
		require.Equal(t, "pA A1 A2 cA", b.order())
	}
}

func TestAJobBetweenTheLastAndItsCleanUpHasNoSetUpsOfItsOwn(t *testing.T) {
	for _, rules := range []Rules{{Scheduler: Parallel, Slots: 2}, {Scheduler: Seamless}} {
		b := newFloor(t, rules)
		a1 := b.add("A", 1)
		b.done(b.set(Prepare, "A"), 1)
		b.tell(Event{Kind: Add, Place: After, Job: a1, Orders: []Order{{Recipe: "A", Amount: 1}}})
		require.Equal(t, "A1 A2 cA", b.order())
	}
}

// TestAJobBehindACleanUpThatWaitsJoinsItsGroup differs from the anchor, where it has a prepare and a clean-up of its own: here the clean-up has
// not started, so that the group is open, and the clean-up moves behind it.
func TestAJobBehindACleanUpThatWaitsJoinsItsGroup(t *testing.T) {
	b := newFloor(t, Rules{Scheduler: Parallel, Slots: 2})
	b.job = b.add("A", 1)
	a1 := b.job
	b.done(b.set(Prepare, "A"), 1)
	b.job = a1
	b.comes(1, Running)
	b.is(JobCompleting)
	b.tell(Event{Kind: Add, Orders: []Order{{Recipe: "A", Amount: 1}}})
	require.Equal(t, "A1 A2 cA", b.order())
}

func TestAJobBehindACleanUpThatHasStartedHasSetUpsOfItsOwn(t *testing.T) {
	b := newFloor(t, Rules{Scheduler: Parallel, Slots: 2})
	a1 := b.add("A", 1)
	b.done(b.set(Prepare, "A"), 1)
	b.done(a1, 1)
	require.Equal(t, "cA", b.order())
	b.add("A", 1)
	require.Equal(t, "cA pA A1 cA", b.order())
}

func TestTheProviderIsAskedOnceForAGroup(t *testing.T) {
	b := newFloor(t, Rules{Scheduler: Parallel, Slots: 1})
	b.tell(Event{Kind: Add, Orders: []Order{{Recipe: "A", Amount: 1}, {Recipe: "A", Amount: 1}, {Recipe: "A", Amount: 1}}})
	asked := map[EffectKind]int{}
	for _, fx := range b.fx {
		asked[fx.Kind]++
	}
	require.Equal(t, 1, asked[AskRecipe])
	require.Equal(t, 1, asked[AskContent], "the clean-up is asked when it starts")
}

func TestAPrepareThatCannotBeComputedSetsItsGroupAsideAndNoOther(t *testing.T) {
	b := newFloor(t, Rules{Scheduler: Parallel, Slots: 1})
	var ask Effect
	take := func(ev Event) {
		for _, fx := range b.step(ev) {
			switch fx.Kind {
			case AskRecipe:
				b.step(Event{Kind: Recipe, Recipe: &RecipeInfo{Recipe: fx.Recipe}})
			case AskContent:
				ask = fx
			}
		}
	}
	take(Event{Kind: Add, Orders: []Order{{Recipe: "A", Amount: 1}, {Recipe: "A", Amount: 1}, {Recipe: "B", Amount: 1}}})
	require.Equal(t, "pA A1 A2 cA B1", b.order())
	ask.Job = b.set(Prepare, "A")
	take(Event{Kind: Content, Job: ask.Job, Reason: "the tool list cannot be read"})
	for _, j := range b.list.Jobs() {
		if j.Kind == Production && j.Order.Recipe == "A" {
			require.Contains(t, j.SetAside, "the tool list cannot be read")
			require.Equal(t, JobInitial, j.State)
			require.Empty(t, j.Group)
		} else {
			require.Empty(t, j.SetAside)
		}
	}
	require.Equal(t, "A1 A2 pB B1 cB", b.order(), "the other recipe has the slot")
	take(Event{Kind: Abort, Job: b.list.Jobs()[3].ID})
	take(Event{Kind: Retry, Job: b.list.Jobs()[1].ID})
	require.Equal(t, "A1 pA A2 cA", b.order(), "only what a person took back")
}

func TestAPrepareIsAbortedWhenNoJobNeedsItAndTheCleanUpIsAskedAnew(t *testing.T) {
	b := newFloor(t, Rules{Scheduler: Parallel, Slots: 1})
	b.job = b.add("A", 1)
	prepare, cleanUp := b.set(Prepare, "A"), b.set(CleanUp, "A")
	b.command(Abort)
	require.True(t, b.ended(b.job))
	require.Equal(t, "pA cA", b.order())
	b.job = prepare
	b.is(SetupAborting)
	require.Equal(t, []string{b.process(1)}, b.does[AbortIt])
	b.comes(1, Failure)
	require.True(t, b.ended(prepare))
	b.job = cleanUp
	b.is(SetupRunning)
	b.done(cleanUp, 1)
	require.Empty(t, b.list.Jobs())
	require.Empty(t, b.list.Slots()[0].Group)
}
