// Days that are read, and what is said of those that are not.

package production

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/golden"
)

func TestADayIsReadInTheOrderOfItsTimes(t *testing.T) {
	d, err := ParseDay("day.yaml", []byte(`schema_version: 1
scheduler: parallel
slots: 2
unit_runs: runs.yaml
recipes:
  - recipe_id: CHARGE
    product_id: A-30
    no_resume: it may have set
    prepare:
      - {type: rinse, recipe_id: RINSE, unit: R101, provides: clean}
    clean_up:
      - {type: rinse, recipe_id: RINSE, unit: R101, sort: 2}
commands:
  - {at: 30 s, command: complete, job: first, reason: the tank is full}
  - {at: 40 s, command: acknowledge, job: first, steps_off: [rinse], reason: it is clean}
jobs:
  - {at: 20 s, place: after, job: first, recipe_id: CHARGE, amount: 1, unit: R101}
  - {name: first, recipe_id: CHARGE, amount: 2, unit: R101, size: 30 kg, priority: 3}
  - {recipe_id: RINSE, amount: 0, product_id: W}
`))
	require.NoError(t, err)
	require.Equal(t, &Day{
		Rules: jobs.Rules{Scheduler: jobs.Parallel, Slots: 2}, Runs: "runs.yaml",
		Recipes: []DayRecipe{{Recipe: "CHARGE", Product: "A-30", NoResume: "it may have set", Triggers: []jobs.Trigger{
			{Kind: jobs.Prepare, For: "CHARGE", Type: "rinse", Recipe: "RINSE", Unit: "R101", Provides: "clean"},
			{Kind: jobs.CleanUp, For: "CHARGE", Type: "rinse", Recipe: "RINSE", Unit: "R101", Sort: 2}}}},
		Entries: []DayEntry{
			{Orders: []jobs.Order{{Recipe: "CHARGE", Amount: 2, Unit: "R101", Size: "30 kg", Priority: 3}, {Recipe: "RINSE", Product: "W"}}, Names: []string{"first", ""}},
			{At: 20e9, Place: jobs.After, Job: "first", Orders: []jobs.Order{{Recipe: "CHARGE", Amount: 1, Unit: "R101"}}, Names: []string{""}},
			{At: 30e9, Command: jobs.Complete, Job: "first", Reason: "the tank is full"},
			{At: 40e9, Command: jobs.Acknowledge, Job: "first", Off: []string{"rinse"}, Reason: "it is clean"},
		},
	}, d)
}

func TestEverythingThatIsWrongWithADayIsSaidAtOnce(t *testing.T) {
	_, err := ParseDay("day.yaml", []byte(`schema_version: 1
scheduler: seamless
slots: 2
colour: red
recipes:
  - {recipe_id: CHARGE}
  - {recipe_id: CHARGE}
jobs:
  - {name: a, at: 20 s, recipe_id: CHARGE, amount: -1}
  - {place: after, recipe_id: CHARGE, amount: 1}
  - {place: append, job: a, recipe_id: CHARGE, amount: 1}
  - {place: before, job: b, recipe_id: CHARGE, amount: 1}
  - {at: 9 kg, recipe_id: CHARGE, amount: 1}
commands:
  - {at: 1 s, command: stop, job: a, reason: x}
  - {at: 1 s, command: abort, job: a}
  - {at: 30 s, command: abort, job: a, steps_off: [x], reason: y}
`))
	require.Error(t, err)
	golden.Check(t, "testdata/day_errors.golden", []byte(err.Error()+"\n"))
}

func FuzzParseDay(f *testing.F) {
	f.Add([]byte("schema_version: 1\nscheduler: parallel\njobs:\n  - {recipe_id: A, amount: 1}\n"))
	f.Add([]byte("schema_version: 1\nscheduler: seamless\njobs: []\ncommands:\n  - {at: 1 s, command: abort, job: a, reason: x}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := ParseDay("x", src)
		require.True(t, (d == nil) == (err != nil))
	})
}
