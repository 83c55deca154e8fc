// Set-ups: which steps there are, in which order, and which triggers are refused.

package jobs

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// types lists the types of steps.
func types(steps []Step) (list []string) {
	for _, s := range steps {
		list = append(list, s.Type)
	}
	return list
}

// machineWith is a plant of which some resource has each of these capabilities.
func machineWith(capabilities ...string) func(string) bool {
	return func(c string) bool { return slices.Contains(capabilities, c) }
}

var plant = []Trigger{
	{Kind: Prepare, Type: "clamp", Recipe: "CLAMP", Unit: "R2", Provides: "clamp", Sort: 2},
	{Kind: Prepare, Type: "tool", Recipe: "TOOL", Unit: "R1", Provides: "tool A", For: "A", Sort: 1},
	{Kind: Prepare, Type: "program", Recipe: "PROGRAM", Sort: 2},
	{Kind: CleanUp, Type: "rinse", Recipe: "RINSE", Unit: "R1", Removes: "product", Sort: 1},
	{Kind: CleanUp, Type: "take tool away", Recipe: "AWAY", Unit: "R1", Removes: "tool A", For: "A", Sort: -1},
}

func TestProvideIsPassedOverWhereAResourceHasIt(t *testing.T) {
	require.NoError(t, CheckTriggers(plant))
	require.Equal(t, []string{"tool", "clamp", "program"}, types(Setup(plant, "A", Prepare, machineWith())))
	require.Equal(t, []string{"clamp", "program"}, types(Setup(plant, "A", Prepare, machineWith("tool A"))))
	require.Equal(t, []string{"program"}, types(Setup(plant, "A", Prepare, machineWith("tool A", "clamp"))))
	require.Equal(t, []string{"clamp", "program"}, types(Setup(plant, "B", Prepare, machineWith())), "the tool is for A alone")
}

func TestRemoveIsPassedOverWhereNoResourceHasIt(t *testing.T) {
	require.Empty(t, Setup(plant, "A", CleanUp, machineWith()))
	require.Equal(t, []string{"rinse"}, types(Setup(plant, "A", CleanUp, machineWith("product"))))
	require.Equal(t, []string{"take tool away", "rinse"}, types(Setup(plant, "A", CleanUp, machineWith("product", "tool A"))))
	require.Empty(t, Setup(plant, "B", CleanUp, machineWith("tool A")))
}

func TestProbingShowsAllThatThereCouldBe(t *testing.T) {
	require.Equal(t, []string{"tool", "clamp", "program"}, types(Setup(plant, "A", Prepare, nil)))
	require.Equal(t, []string{"take tool away", "rinse"}, types(Setup(plant, "A", CleanUp, nil)))
	require.Equal(t, []string{"rinse"}, types(Setup(plant, "B", CleanUp, nil)))
	require.Empty(t, Setup(nil, "A", CleanUp, nil))
	require.Empty(t, Setup(plant, "A", Production, nil))
	require.Empty(t, Setup([]Trigger{{}}, "A", 0, nil))
}

func TestAscendingSortIsASequenceAndEqualSortIsSideBySide(t *testing.T) {
	steps := Setup(plant, "A", Prepare, machineWith())
	require.Equal(t, []Step{
		{Type: "tool", Recipe: "TOOL", Unit: "R1", Sort: 1},
		{Type: "clamp", Recipe: "CLAMP", Unit: "R2", Sort: 2},
		{Type: "program", Recipe: "PROGRAM", Sort: 2},
	}, steps, "those of one sort stand in the order of their triggers")
	again := Setup(plant, "A", Prepare, machineWith())
	require.Equal(t, steps, again)
	_, err := (&Event{Kind: Content, Job: "J-000001", Steps: steps}).Append(nil)
	require.NoError(t, err, "a list takes what Setup makes")
}

func TestTriggersThatNoListCouldTakeAreRefused(t *testing.T) {
	many := func(n int, recipe string) (list []Trigger) {
		for range n {
			list = append(list, Trigger{Kind: Prepare, Type: "t", Recipe: "R", For: recipe})
		}
		return list
	}
	good := Trigger{Kind: Prepare, Type: "t", Recipe: "R"}
	with := func(change func(t *Trigger)) []Trigger {
		bad := good
		change(&bad)
		return []Trigger{good, bad}
	}
	for _, c := range []struct {
		list []Trigger
		want string
	}{
		{many(MaxTriggers+1, ""), fmt.Sprintf("%d triggers; at most %d are taken", MaxTriggers+1, MaxTriggers)},
		{many(MaxSteps+1, ""), `trigger 1: prepare of recipe "" has 65 steps; at most 64 are taken`},
		{append(many(MaxSteps, ""), many(1, "A")...), `trigger 65: prepare of recipe "A" has 65 steps; at most 64 are taken`},
		{with(func(t *Trigger) { t.Kind = Production }), "trigger 2: kind is missing or not known; it is prepare or clean_up"},
		{with(func(t *Trigger) { t.Removes = "x" }), "trigger 2: removes belongs to clean_up; leave it out"},
		{with(func(t *Trigger) { t.Kind, t.Provides = CleanUp, "x" }), "trigger 2: provides belongs to prepare; leave it out"},
		{with(func(t *Trigger) { t.Type = "" }), "trigger 2: type is missing; say what kind of step it is"},
		{with(func(t *Trigger) { t.Recipe = "" }), "trigger 2: recipe is missing; name it"},
		{with(func(t *Trigger) { t.For = "a\n" }), "trigger 2: for holds a control character; write it without"},
		{with(func(t *Trigger) { t.Provides = strings.Repeat("x", MaxName+1) }), "trigger 2: provides has 97 bytes, or is no UTF-8; at most 96 are taken"},
		{with(func(t *Trigger) { t.Sort = math.MaxInt32 }), "trigger 2: sort is 2147483647; it is -1048576 to 1048576"},
	} {
		require.EqualError(t, CheckTriggers(c.list), "jobs: "+c.want)
	}
	require.NoError(t, CheckTriggers(append(many(MaxSteps, "A"), many(MaxSteps, "B")...)))
	require.NoError(t, CheckTriggers(nil))
}
