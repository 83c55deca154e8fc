// An extract verifies, and the device journal knows it by its export_ref.

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal/record"
)

func TestAnExtractIsOnRecordByItsExportRef(t *testing.T) {
	workplace(t)
	o := controller("extract", "-batch", "B-0001", "-to", "x", "-operator", "eva")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "is no device journal to record it in")
	done(t, "-virtual")
	done(t, "extract", "-batch", "B-0001", "-to", "x", "-operator", "eva", "-select", "step_id=CHARGE_A", "-select", "kind=window_stop")
	rep, err := evidence.VerifyWith("x", &evidence.Options{Device: "out/device"})
	require.NoError(t, err)
	require.True(t, rep.OK() && rep.Extract, rep.Verdict())
	var refs []string
	require.NoError(t, scanDevice("out/device", func(r *record.Record) {
		if r.Kind == record.KindExport {
			refs = append(refs, r.Text(record.Actor)+" "+r.Text(record.ExportRef))
		}
	}))
	require.Equal(t, []string{"eva " + rep.Ref}, refs)
	require.Equal(t, exitFailed, controller("extract", "-batch", "B-0001", "-to", "x", "-operator", "eva").code, "it is never overwritten")
	require.Equal(t, exitUsage, controller("extract", "-batch", "B-0001", "-to", "y").code)
}
