// A day in virtual time.

package production

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/internal/golden"
)

// rehearse works the example's day off and gives the story of it, for a planner.
func rehearse(t testing.TB, dir string, day *Day) (*Rehearsal, string) {
	res, story, err := tryDay(t, dir, day)
	require.NoError(t, err, story)
	return res, story
}

// tryDay is rehearse of a day that may rest.
func tryDay(t testing.TB, dir string, day *Day) (*Rehearsal, string, error) {
	var story strings.Builder
	told := map[string]string{}
	say := func(at int64, what, text string) {
		if told[what] != text {
			told[what] = text
			fmt.Fprintf(&story, "%s\n", strings.TrimRight(fmt.Sprintf("%8.3f s  %s  %s", float64(at)/1e9, what, text), " "))
		}
	}
	res, err := Rehearse(t.Context(), day, Rig{Dir: dir, Device: "CELL", Files: cellFiles(t), Plant: Plants(cellPlants()...), Runs: cellRuns(t)}, &RehearsalOptions{Seed: 1,
		Tell: func(at int64, event, gone string, body api.Body) {
			switch v := body.(type) {
			case *api.Job:
				say(at, "job     "+v.ID, fmt.Sprintf("%-10s %-7s %-16s slot %-2s %d good %d bad", v.Kind, v.Recipe, v.State, v.Slot, v.Success, v.Failure))
			case *api.JobSlots:
				var list []string
				for _, s := range *v {
					if s.Group == "" {
						list = append(list, s.Slot+": free")
						continue
					}
					list = append(list, s.Slot+": "+strings.Join([]string{s.Group, s.Recipe, s.Job}, " "))
				}
				say(at, "slots   ", strings.Join(list, ", "))
			case *api.ProcessView:
				if v.Life == api.Loading { // for no time
					return
				}
				say(at, "process "+v.ID, fmt.Sprintf("%-7s %-5s %s %s", v.Recipe, v.Unit, v.State, v.Waits))
			case *api.Run:
				say(at, "run     "+v.ID, fmt.Sprintf("%-10s %-5s %-8s %s", v.Definition, v.Unit, v.State, v.Process))
			case *api.JobNotice:
				say(at, "notice  ", strings.Join([]string{v.Result, v.Job, v.Process, v.Detail}, " "))
			default:
				say(at, event+" "+gone, "")
			}
		}})
	return res, story.String(), err
}

// dayOf reads a day.
func dayOf(t testing.TB, text string) *Day {
	d, err := ParseDay("day.yaml", []byte("schema_version: 1\n"+text))
	require.NoError(t, err)
	return d
}

func TestARehearsedDayMayBeInterrupted(t *testing.T) {
	dir := t.TempDir()
	res, story := rehearse(t, dir, dayOf(t, `
scheduler: seamless
jobs:
  - {name: a, recipe_id: CHARGE, amount: 2, unit: R101}
  - {name: b, recipe_id: RINSE, amount: 1, unit: R102}
commands:
  - {at: 4 s, command: interrupt, job: a, reason: a look at the tank}
  - {at: 90 s, command: continue, job: a, reason: it is fine}
`))
	for _, b := range res.Batches {
		require.Equal(t, b.Batch.ID == "J-000001-0002", b.Batch.State != "Complete", "the one that was ordered ahead is dropped: "+story)
	}
	require.Empty(t, res.Left)
	require.Greater(t, res.Took, 90*time.Second)
	c, err := Check(dir, "", nil)
	require.NoError(t, err)
	require.True(t, c.OK(), c.Differs)
	golden.Check(t, "testdata/day_interrupted.golden", []byte(story))
}

func TestAMissingRecipeOfADaySetsItsJobAsideAndNothingElse(t *testing.T) {
	res, story := rehearse(t, t.TempDir(), dayOf(t, `
scheduler: parallel
jobs:
  - {recipe_id: MILK, amount: 2}
  - {recipe_id: RINSE, amount: 2, unit: R101}
  - {recipe_id: CHARGE, amount: 1, unit: NOWHERE}
`))
	require.Contains(t, story, "set_aside J-000001")
	require.Len(t, res.Left, 1)
	require.Equal(t, "recipe MILK is not there: the runtime server has none of that id; Retry when it is", res.Left[0].Aside)
	states := map[string]int{}
	for _, b := range res.Batches {
		states[b.Batch.Recipe+" "+string(b.Batch.Life)]++
	}
	require.Equal(t, map[string]int{"RINSE Ended": 2, "CHARGE Load Failed": 1}, states, story)
	require.Regexp(t, `process +J-0000\d\d-0001 .*Failure`, story, "who watches is told how it ended, though it came and went in a moment")
}

func TestADayThatWaitsForAPersonSaysForWhat(t *testing.T) {
	res, story, err := tryDay(t, t.TempDir(), dayOf(t, `
scheduler: parallel
jobs:
  - {name: a, recipe_id: CHARGE, amount: 1, unit: R101}
commands:
  - {at: 4 s, command: interrupt, job: a, reason: a look at the tank}
`))
	require.ErrorIs(t, err, ErrRests, story)
	require.ErrorContains(t, err, "J-000001-0001 is Held")
	require.Len(t, res.Left, 2, "the job and its clean-up")
	require.Equal(t, "Aborted", res.Batches[0].Batch.State)
}

func TestARehearsalWritesOverNothing(t *testing.T) {
	dir, day := t.TempDir(), dayOf(t, "scheduler: parallel\njobs: []\n")
	_, _, err := tryDay(t, dir, day)
	require.NoError(t, err)
	_, _, err = tryDay(t, dir, day)
	require.ErrorContains(t, err, "give an empty directory")
}

func TestADayIsOverAtItsLimit(t *testing.T) {
	_, err := Rehearse(t.Context(), dayOf(t, "scheduler: seamless\njobs:\n  - {recipe_id: RINSE, amount: 0, unit: R101}\n"),
		Rig{Dir: t.TempDir(), Device: "CELL", Files: cellFiles(t), Plant: Plants(cellPlants()...)}, &RehearsalOptions{Limit: time.Minute})
	require.ErrorContains(t, err, "the rehearsal is not over after 1m0s: J-000001-00")
}

// cellRuns are the unit runs of the example's cell.
func cellRuns(t testing.TB) []Definition {
	const name = "../../../examples/executive/cell/runs.yaml"
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	all, err := ParseRuns(name, data)
	require.NoError(t, err)
	return all
}

func exampleDay(t testing.TB) *Day {
	const name = "../../../examples/executive/cell/day.yaml"
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	day, err := ParseDay(name, data)
	require.NoError(t, err)
	return day
}

// dropped is the process of the example's day that was ordered ahead and that nobody wants when its job is completed.
const dropped = "J-000009-0003"

func TestADayIsRehearsedAndEachTimeTheSame(t *testing.T) {
	var left, stories [2]string
	for i := range left {
		dir := t.TempDir()
		res, story := rehearse(t, dir, exampleDay(t))
		for _, b := range res.Batches {
			require.Equal(t, b.Batch.ID == dropped, b.Batch.State != "Complete", b.Batch.ID+" is "+b.Batch.State+": "+b.Batch.Reason)
			r, err := evidence.Verify(b.Batch.Package)
			require.NoError(t, err)
			require.True(t, r.OK())
		}
		c, err := Check(dir, "", nil)
		require.NoError(t, err)
		require.True(t, c.OK(), c.Differs)
		require.Positive(t, c.Decisions)
		left[i] = digests(t, filepath.Join(dir, "batches")) + digests(t, res.Ledger)
		stories[i] = story + fmt.Sprintf("it took %v: %d batches\n", res.Took.Round(1e6), len(res.Batches))
	}
	golden.Check(t, "testdata/day.golden", []byte(stories[0]))
	require.Equal(t, stories[0], stories[1])
	require.Equal(t, left[0], left[1], "journals, packages and decisions are the same, byte for byte")
}
