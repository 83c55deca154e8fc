// Claims about reconciliations: what each status and each hint takes, and that a cause that is not there is not named.

package metering_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/metering"
)

const second = 1_000_000_000

// window is a window of 100 s in which 10,000 counts flowed, with a tolerance of 50, that differs by d from the device's total.
func differs(d int64, change func(f *metering.Facts)) *metering.Facts {
	f := &metering.Facts{Total: 10_000, Good: true, Tolerance: 50, Grain: 5, Length: 100 * second,
		Device: metering.Side{Expected: true, Has: true, Value: 10_000 - d}}
	if change != nil {
		change(f)
	}
	return f
}

// historian is the same window held against the historian's total alone.
func historian(d int64, change func(f *metering.Facts)) *metering.Facts {
	f := differs(d, nil)
	f.Historian, f.Device = f.Device, metering.Side{}
	if change != nil {
		change(f)
	}
	return f
}

// hintFacts are facts, and what is to come of them.
type hintFacts struct {
	what   string
	facts  *metering.Facts
	status metering.Status
	hint   metering.Hint
}

func TestTheHintIsTheCauseThatTheFactsShowAndNoOther(t *testing.T) {
	for _, c := range append(factsOfTotals(), factsOfFlow()...) {
		v := metering.Reconcile(c.facts)
		require.Equal(t, c.status, v.Status, c.what)
		require.Equal(t, c.hint, v.Hint, "%s: it is %q", c.what, v.Hint)
	}
}

func factsOfTotals() []hintFacts {
	return []hintFacts{
		{"within the tolerance", differs(50, nil), metering.StatusPass, metering.NoHint},
		{"beyond it", differs(51, nil), metering.StatusWarn, metering.HintUnexplained},
		{"twice of it, below zero", differs(-100, nil), metering.StatusWarn, metering.HintUnexplained},
		{"beyond twice of it", differs(-101, nil), metering.StatusFail, metering.HintUnexplained},
		{"a difference beyond 64 bits", differs(0, func(f *metering.Facts) { f.Total, f.Device.Value = math.MaxInt64, math.MinInt64 }),
			metering.StatusFail, metering.HintUnexplained},

		{"the device's total lost a modulus", differs(65_536+20, func(f *metering.Facts) { f.Device.Modulus = 65_536 }),
			metering.StatusFail, metering.HintRollover},
		{"the source lost two", differs(-2*4096+50, func(f *metering.Facts) { f.Modulus = 4096 }), metering.StatusFail, metering.HintRollover},
		{"a modulus, and the difference is none of it", differs(3000, func(f *metering.Facts) { f.Modulus = 4096 }),
			metering.StatusFail, metering.HintUnexplained},
		{"a modulus that would explain anything", differs(3000, func(f *metering.Facts) { f.Modulus = 200 }),
			metering.StatusFail, metering.HintUnexplained},
		{"the device was exchanged", differs(300, func(f *metering.Facts) { f.Device.Marked = true }),
			metering.StatusFail, metering.HintRollover},
		{"the device was exchanged, and its total cannot be told", differs(0, func(f *metering.Facts) {
			f.Device = metering.Side{Expected: true, Marked: true}
		}), metering.StatusWarn, metering.HintRollover},

		{"the clock stepped by 3 s, and the historian lost what flowed in them", historian(300, func(f *metering.Facts) { f.Moved = 3 * second }),
			metering.StatusFail, metering.HintTimeJump},
		{"it lost ten times as much", historian(3000, func(f *metering.Facts) { f.Moved = 3 * second }),
			metering.StatusFail, metering.HintUnexplained},
		{"it lost a tenth", historian(300, func(f *metering.Facts) { f.Moved = 30 * second }),
			metering.StatusFail, metering.HintUnexplained},
		{"steps longer than the window", historian(300, func(f *metering.Facts) { f.Moved = 3600 * second }),
			metering.StatusFail, metering.HintTimeJump},
		{"the clock stepped, and the device differs, which knows no clock", differs(300, func(f *metering.Facts) { f.Moved = 3 * second }),
			metering.StatusFail, metering.HintUnexplained},
	}
}

func factsOfFlow() []hintFacts {
	return []hintFacts{
		{"readings of 4 s are missing, and what flowed in them", differs(-400, func(f *metering.Facts) { f.Gaps, f.Lost = 1, 4*second }),
			metering.StatusFail, metering.HintMissingSamples},
		{"they are missing, and the total is too great", differs(400, func(f *metering.Facts) { f.Gaps, f.Lost = 1, 4*second }),
			metering.StatusFail, metering.HintUnexplained},
		{"readings of a second are missing, and ten times as much", differs(-1000, func(f *metering.Facts) { f.Gaps, f.Lost = 1, second }),
			metering.StatusFail, metering.HintUnexplained},
		{"nobody knows how much is missing", differs(-4000, func(f *metering.Facts) { f.Gaps, f.Blind = 1, true }),
			metering.StatusFail, metering.HintMissingSamples},
		{"the window is not GOOD", differs(0, func(f *metering.Facts) { f.Good, f.Gaps = false, 1 }),
			metering.StatusWarn, metering.HintMissingSamples},
		{"the window is not GOOD, and nothing is missing", differs(0, func(f *metering.Facts) { f.Good = false }),
			metering.StatusWarn, metering.HintUnexplained},

		{"it flowed on at the end, 80 in 2 s", differs(-80, func(f *metering.Facts) {
			f.Anomalies, f.Edge, f.Lag, f.Device.Lag = metering.FlowedAtEnd, 40, second, second
		}), metering.StatusWarn, metering.HintWindowMismatch},
		{"it flowed at the start", differs(-80, func(f *metering.Facts) { f.Anomalies, f.Lag = metering.FlowedAtStart, second }),
			metering.StatusWarn, metering.HintWindowMismatch},
		{"it dribbled, and much more is lacking", differs(-180, func(f *metering.Facts) {
			f.Anomalies, f.Edge, f.Lag, f.Device.Lag = metering.FlowedAtEnd, 40, second, second
		}), metering.StatusFail, metering.HintUnexplained},
		{"nothing flowed at the edges", differs(-80, func(f *metering.Facts) { f.Lag, f.Device.Lag = second, second }),
			metering.StatusWarn, metering.HintUnexplained},

		{"2 percent at half of the target and at its end", differs(200, func(f *metering.Facts) { f.Half, f.DeviceHalf = 5000, 4900 }),
			metering.StatusFail, metering.HintCalibration},
		{"the same, below zero", differs(-200, func(f *metering.Facts) { f.Half, f.DeviceHalf = 5000, 5100 }),
			metering.StatusFail, metering.HintCalibration},
		{"all of it came in the first half", differs(200, func(f *metering.Facts) { f.Half, f.DeviceHalf = 5000, 4800 }),
			metering.StatusFail, metering.HintUnexplained},
		{"all of it came in the second half", differs(200, func(f *metering.Facts) { f.Half, f.DeviceHalf = 5000, 5000 }),
			metering.StatusFail, metering.HintUnexplained},
		{"the historian used another calibration", historian(200, func(f *metering.Facts) { f.OtherCalibration = true }),
			metering.StatusFail, metering.HintCalibration},
		{"it did, and its total is the same", historian(20, func(f *metering.Facts) { f.OtherCalibration = true }),
			metering.StatusPass, metering.NoHint},
	}
}

func TestATotalThatIsExpectedAndAbsentIsNeverPassedOver(t *testing.T) {
	v := metering.Reconcile(differs(0, func(f *metering.Facts) { f.Historian.Expected = true }))
	require.Equal(t, metering.StatusWarn, v.Status)
	require.True(t, v.NoHistorian)
	require.Equal(t, metering.NoHint, v.Hint, "that it is absent is said by itself")
	v = metering.Reconcile(differs(0, func(f *metering.Facts) { f.Device = metering.Side{Expected: true} }))
	require.Equal(t, metering.StatusWarn, v.Status)
	require.True(t, v.NoMeter && v.NothingCompared)
	require.Equal(t, metering.HintMissingSamples, v.Hint)
	v = metering.Reconcile(differs(0, func(f *metering.Facts) { f.Device = metering.Side{} }))
	require.Equal(t, metering.StatusWarn, v.Status)
	require.True(t, v.NothingCompared, "there is nothing to compare with, so nothing is proven")
	require.Equal(t, metering.NoHint, v.Hint)
}

func TestTheWorstOfThreePairsTells(t *testing.T) {
	v := metering.Reconcile(differs(40, func(f *metering.Facts) {
		f.Historian = metering.Side{Expected: true, Has: true, Value: 10_040}
	}))
	require.Equal(t, metering.StatusPass, v.Pairs[metering.BatchMeter].Status)
	require.Equal(t, metering.StatusPass, v.Pairs[metering.BatchHistorian].Status)
	require.Equal(t, int64(-80), v.Pairs[metering.MeterHistorian].Delta)
	require.Equal(t, metering.StatusWarn, v.Pairs[metering.MeterHistorian].Status)
	require.Equal(t, metering.StatusWarn, v.Status)
}

func TestAnomaliesHaveNamesInOneOrder(t *testing.T) {
	require.Equal(t, []string{"closed_by_timeout", "flow_at_end", "not_stable", "forced"},
		(metering.Forced | metering.NotStable | metering.ClosedByTimeout | metering.FlowedAtEnd).AppendNames(nil))
	require.Len(t, metering.Anomaly(math.MaxUint16).AppendNames(nil), 12)
}

func TestReconcilingTakesAnyFactsAndAllocatesNothing(t *testing.T) {
	worst := []int64{0, 1, -1, math.MaxInt64, math.MinInt64}
	for _, a := range worst {
		for _, b := range worst {
			for _, c := range worst {
				f := &metering.Facts{Total: a, Tolerance: max(b, 0), Grain: c, Length: c, Modulus: b, Lost: a, Edge: b, Lag: c, Moved: a, Half: b,
					DeviceHalf: c, Anomalies: math.MaxUint16, Device: metering.Side{Has: true, Value: b, Modulus: c, Lag: a},
					Historian: metering.Side{Has: true, Value: c, Modulus: a, Lag: b}}
				require.Zero(t, testing.AllocsPerRun(1, func() { metering.Reconcile(f) }))
			}
		}
	}
}
