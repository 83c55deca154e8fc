// Tests of overrides that a fault script orders, and of dry runs.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap/tag"
)

const overriding = `
overrides:
  - {override_id: OV-DRAIN, tags: [XV301, LT301], roles: [maintenance], limit: 10 min}
`

func TestWhatIsInOverrideIsShownAsForcedAndIsOnRecord(t *testing.T) {
	workplace(t)
	src, err := os.ReadFile("map.yaml")
	require.NoError(t, err)
	write(t, "map.yaml", string(src)+overriding)
	write(t, "script", `at 1s override grant op1 operator OV-DRAIN "5 min" "the drain sticks"
at 2s override grant op1 maintenance OV-DRAIN "5 min" "the drain sticks"
at 3s override set op1 maintenance LT301 "100 L" "to try"
at 4s override clear op1 maintenance LT301 "tried"
at 5s override revoke op1 maintenance OV-DRAIN "done"
`)
	o := controller(words("-virtual -unapproved -recipe recipe.yaml -map map.yaml -faults script")...)
	require.Equal(t, exitOK, o.code, o.err)
	require.Contains(t, o.out, "op1 orders override_grant OV-DRAIN to 5 min, because: the drain sticks: refused (role \"operator\" may not have it; it is for maintenance)\n")
	require.Contains(t, o.out, "OVERRIDE OV-DRAIN of op1 (maintenance) is granted, for 300.0 s\n")
	require.Contains(t, o.out, "FORCED LT301: 100.0 L (it was ")
	require.Contains(t, o.out, "LT301 is given back: ")
	require.Contains(t, o.out, "OVERRIDE OV-DRAIN of op1 (maintenance) is revoked (revoked by op1)\n")
	require.Regexp(t, `\d+ decisions were made while something was in override \(forced_flag\)`, o.out, "the verification says so, too")

	write(t, "script", "at 1s override take op1 maintenance XV301 open why\n")
	o = controller(words("-virtual -unapproved -recipe recipe.yaml -map map.yaml -faults script")...)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "override takes what is done, an operator, his role, what is meant and a reason")
}

func TestTheLiveViewMarksForcedTags(t *testing.T) {
	workplace(t)
	plan, err := batch.Load(os.DirFS("."), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", batch.Unapproved, &batch.BindOptions{DryRun: true})
	require.NoError(t, err)
	s := newScene(b, false)
	require.Equal(t, "NOT APPROVED, DRY RUN", s.warning)
	values := make([]runner.Reading, len(s.plan.Tags))
	for i := range values {
		values[i].Quality = tag.Good
	}
	values[1].Forced = true
	s.look(&runner.Snapshot{Tags: values})
	require.Equal(t, "FORCED "+s.plan.Tags[1].Name, s.forced())
	require.True(t, s.isForced(1) && !s.isForced(0))
	require.Contains(t, fmt.Sprint(draw(s, 120, 40, false)), "FORCED "+s.plan.Tags[1].Name)
}

func TestADryRunOfTheControllerDrivesNothingAndLeavesItsReport(t *testing.T) {
	workplace(t)
	o := controller(words("-dry -unapproved")...)
	require.Equal(t, exitOK, o.code, o.err)
	require.Contains(t, o.out, "A DRY RUN: no output is driven\n")
	require.Contains(t, o.out, "outputs  NONE was driven: this was a dry run\n")
	require.Contains(t, o.out, "A DRY RUN: no output was driven; ")
	require.Contains(t, o.out, "what would have been written, and when: "+filepath.Join("out", "B-0001.dry_run.csv"))
	report, err := os.ReadFile("out/B-0001.dry_run.csv")
	require.NoError(t, err)
	require.Contains(t, string(report), ",XV301,do/7,closed,open,,DISCHARGE,")
	require.NoDirExists(t, "out/plant")

	o = controller(words("-dry -unapproved -json")...)
	require.Contains(t, o.out, `"dry_run":true`)
}
