// Claims about the records of unit runs.

package production

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/journal/record"
)

func TestEachEffectOfUnitRunsHasItsRecord(t *testing.T) {
	run := unitrun.Effect{Run: "R-000001", Unit: "R101", Definition: "Production", Ident: "B-7", Process: "B-7"}
	var all bytes.Buffer
	last := unitrun.EffectKind(0)
	for kind := unitrun.RunChanged; kind <= unitrun.Refused; kind++ {
		e := unitrun.Effect{Kind: kind}
		switch kind {
		case unitrun.RunChanged:
			e = run
			e.Command, e.Old, e.State, e.Created, e.Started, e.Ended, e.Test, e.Post = unitrun.MakeReady, unitrun.Active, unitrun.Ready, noon, noon+sec, noon+2*sec, true, true
		case unitrun.CaptureOn:
			e = run
			e.Tags, e.PeriodMS = []string{"WT301", "FT101"}, 1000
		case unitrun.CaptureOff, unitrun.Refused, unitrun.Sampled:
			e = run
			e.Command, e.Tag, e.Value, e.Reason = unitrun.Pause, "R101/di/4", "high", "why, and what to do"
		case unitrun.Captured:
			e = run
			e.Data = []unitrun.Value{{At: noon, Tag: "WT301", Value: "1.50", Quality: "GOOD"}, {At: noon, Tag: "FT101", Value: "-", Quality: "BAD"}}
		case unitrun.Configured:
			e.Unit = "R101"
		default:
			e.Material, e.Other, e.From, e.Unit, e.Run, e.Visit, e.Test = "M-000001", "M-000002", "R102", "R101", "R-000001", 3, kind == unitrun.Arrived
		}
		e.Kind = kind
		var b record.Body
		runFill(&e)(&b, 41)
		stampBody(&b, 42)
		body, err := b.Append(nil)
		require.NoError(t, err, kind.String())
		r, err := record.Parse(body)
		require.NoError(t, err, kind.String())
		if kind != unitrun.Captured {
			require.Equal(t, []uint64{41}, r.Counts(record.Cause))
		}
		all.Write(append(body, '\n'))
		last = kind
	}
	require.Equal(t, unitrun.Refused, last)
	require.Equal(t, "effect "+strconv.Itoa(int(last)+1), (last + 1).String(), "a kind that comes anew wants a record, too")
	golden.Check(t, "testdata/runs_records.golden", all.Bytes())
}
