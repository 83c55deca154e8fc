// Tests of the check "approval": what the records say of who let the batch run.

package evidence

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
)

// period approves of everything from one instant to another, 0 for open.
type period struct{ from, to int64 }

func (p period) Approved(kind, _, _, _ string) (batch.Approval, error) {
	return batch.Approval{ID: "AP-" + kind, By: "qa.lead", EffectiveFrom: p.from, Expiry: p.to}, nil
}

func TestABatchThatWasCreatedWithinTheTimeOfItsApprovalsIsApproved(t *testing.T) {
	for _, p := range []period{{}, {from: created}, {to: created + 1}, {created, created + 1}} {
		rep, err := Verify(packed(t, "B-0001", p))
		require.NoError(t, err)
		require.True(t, rep.OK(), "%v: %s", p, rep.Verdict())
		require.Contains(t, found(rep, "approval").Detail, "recipe by AP-recipe of qa.lead")
	}
	dir := forge(t, packed(t, "B-0001", period{}), with("batch_created", 1, "ts_utc", nil))
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.False(t, found(rep, "approval").Failed, "an approval without limits needs no time of day: %s", rep.Verdict())
	require.Contains(t, found(rep, "records").String(), "the look at the wall clock before it", "which the records after it know")
}

func TestABatchThatRanWithoutApprovalSaysSo(t *testing.T) {
	rep, err := Verify(packed(t, "B-0001", batch.Unapproved))
	require.NoError(t, err)
	require.Equal(t, "nobody approved, and every record says so", found(rep, "approval").Detail)
	require.True(t, rep.Unapproved)
}

func TestApprovalsThatTheRecordsContradictAreNamed(t *testing.T) {
	whole, free := packed(t, "B-0001", approved{}), packed(t, "B-0001", batch.Unapproved)
	always := packed(t, "B-0001", period{})
	for _, c := range []struct {
		name string
		dir  string
		edit func(uint64, []byte) []byte
		at   string
		says string
	}{
		{"one file without approval", whole, with("object_bound", 2, "approval_id", nil), "object_bound/2",
			"the mapping TINY-IO 7 has no approval_id, and the records do not say"},
		{"the flag taken out of every record", free, with("", 0, "unapproved", nil), "object_bound/1", "has no approval_id"},
		{"the flag put into every record", whole, with("", 0, "unapproved", true), "object_bound/1", `has approval_id "AP-recipe"`},
		{"an approval where there was none", free, with("object_bound", 3, "approval_id", "AP-9"), "object_bound/3", "ran without approval"},
		{"not yet in effect", always, with("object_bound", 1, "effective_from", "2026-01-01T00:00:00.000000001Z"), "object_bound/1",
			"effective from 2026-01-01T00:00:00.000000001Z, the batch was created at 2026-01-01T00:00:00.000000000Z"},
		{"in effect no longer", always, with("object_bound", 2, "expiry", "2026-01-01T00:00:00.000000000Z"), "object_bound/2",
			"expired at 2026-01-01T00:00:00.000000000Z"},
		{"created later", whole, with("batch_created", 1, "ts_utc", "2031-01-01T00:00:00.000000000Z"), "object_bound/1", "expired at 2030"},
		{"created when nobody knew the time", whole, with("batch_created", 1, "ts_utc", nil), "object_bound/1", "does not know the time of day"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, c.dir, c.edit), "approval")
			require.Equal(t, place(t, c.dir, c.at), got.Seq, got.String())
			require.Contains(t, got.Detail, c.says)
		})
	}
}

func TestOfAPackageWithoutBatchNothingIsApproved(t *testing.T) {
	dir := forge(t, packed(t, "B-0001", approved{}), func(n uint64, body []byte) []byte {
		if n == 1 {
			return []byte("{}")
		}
		return body
	})
	require.Contains(t, failed(t, dir, "approval").Detail, "no batch is created")
}
