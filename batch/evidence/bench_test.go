// T3: whole batches on a metering bench, every method over every profile of flow, held against what has really flowed.

package evidence_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/sequencer"
)

// benchMap has a meter of every method on the one line of the bench, and two of a flow. The pulses of the second channel are read behind
// those of the first: the two may differ by what flows in a period, 80 pulses at 8 kg/s.
const benchMap = `mapping: BENCH
version: "1"
schema_version: 1
device_id: C1
equipment_id: BENCH
calibration: cal.yaml
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed, stale_after: 3 s}
  - {logical_tag: FC1, physical_channel: ctr/1, direction: in, type: counter, unit: "{pulse}", stale_after: 500 ms}
  - {logical_tag: FC2, physical_channel: ctr/2, direction: in, type: counter, unit: "{pulse}", stale_after: 500 ms}
  - {logical_tag: FT1.total, physical_channel: tot/1, direction: in, type: number, form: int, resolution: 0.001 kg, gain: 0.001 kg, stale_after: 500 ms}
  - {logical_tag: FT1.id, physical_channel: id/1, direction: in, type: number, form: int, resolution: "1", gain: "1", stale_after: 500 ms}
  - {logical_tag: FT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 0.000001 kg/s, gain: 0.000183108263 kg/s, stale_after: 500 ms}
  - {logical_tag: FT2, physical_channel: ai/2, direction: in, type: number, form: float32, resolution: 0.00001 kg/min, gain: 1 kg/min, stale_after: 500 ms}
  - {logical_tag: WT1, physical_channel: ai/3, direction: in, type: number, form: int, resolution: 0.01 kg, gain: 0.01 kg, stale_after: 500 ms}
meters:
  - {meter: PULSES, source: FC1, bits: 32, most: 2000 Hz, second: {source: FC2, bits: 16, within: "90 {pulse}"}, resolution: 0.01 kg, totalizer: FT1.total, totalizer_modulus: 1000 kg, tolerance: 0.03 kg, sample_period: 100 ms}
  - {meter: TOTALIZER, method: totalizer, source: FT1.total, modulus: 1000 kg, most: 20 kg/s, identity: FT1.id, resolution: 0.001 kg, sample_period: 100 ms}
  - {meter: RECTANGLE, method: flow, source: FT1, integration: rectangle, resolution: 0.001 kg, sample_period: 100 ms, filter: {type: device, delay: 400 ms}}
  - {meter: TRAPEZOID, method: flow, source: FT2, integration: trapezoid, resolution: 0.001 kg, sample_period: 100 ms, filter: {type: device, delay: 400 ms}}
  - {meter: WEIGHT, method: weight, source: WT1, direction: gain, tare: {most: 100 kg, stable: true}, stable: {within: 0.05 kg, for: 500 ms}, resolution: 0.01 kg, sample_period: 100 ms}
`

const benchCalibration = `calibration: BENCH
version: "1"
schema_version: 1
valid_from: 2026-01-01T00:00:00Z
valid_to: 2099-01-01T00:00:00Z
factors:
  - {meter: PULSES, k_factor: "100 {pulse}/kg"}
`

// benchMethods are the windows; each is the name of its meter.
var benchMethods = []string{"PULSES", "TOTALIZER", "RECTANGLE", "TRAPEZOID", "WEIGHT"}

// benchRecipe opens a window of every meter, lets a target flow, waits for rest, and closes them.
func benchRecipe(target string) string {
	var open, shut []string
	for _, m := range benchMethods {
		open = append(open, fmt.Sprintf("{open_window: {window: %s, meter: %s, target: %s, tolerance: 100 kg}}", m, m, target))
		shut = append(shut, fmt.Sprintf("{close_window: %s}", m))
	}
	return `recipe: BENCH
version: "1"
schema_version: 1
title: A charge that every method measures
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
procedure:
  id: P
  level: procedure
  sequence:
    - {id: REST, level: phase, actions: [{delay: 2 s}]}
    - id: CHARGE
      level: phase
      timeout: 30 min
      actions: [` + strings.Join(open, ", ") + `, {set: {XV1: open}}, {wait_total: {window: PULSES}}, {set: {XV1: closed}}, {delay: 4 s}, ` +
		strings.Join(shut, ", ") + "]\n"
}

// benched runs one batch on a bench and returns its verified package.
func benched(t *testing.T, bench *sim.Bench, target string, orders ...runner.Scheduled) runner.Result {
	t.Helper()
	plan, err := batch.Load(fstest.MapFS{"map.yaml": {Data: []byte(benchMap)}, "cal.yaml": {Data: []byte(benchCalibration)},
		"recipe.yaml": {Data: []byte(benchRecipe(target))}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("T3", "", batch.Unapproved, &batch.BindOptions{Operator: "op"})
	require.NoError(t, err)
	res, err := runner.Run(t.Context(), b, runner.Rig{Port: bench, Dir: filepath.Join(t.TempDir(), "T3")}, &runner.Options{Virtual: &runner.Virtual{}, Schedule: orders})
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	report, err := evidence.Verify(res.Dir)
	require.NoError(t, err)
	require.True(t, report.OK(), report.Verdict())
	return res
}

// told returns the newest record of a kind in a package, by window.
func told(t *testing.T, dir, kind string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, rec := range recordsOf(t, dir, kind) {
		all[fmt.Sprint(rec["meter_window_id"])] = rec
	}
	return all
}

// recordsOf returns the records of a kind in a package.
func recordsOf(t *testing.T, dir, kind string) (list []map[string]any) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "events.tsv"))
	require.NoError(t, err)
	defer f.Close()
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return list
		}
		rec := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(strings.SplitN(line, "\t", 4)[3]), &rec))
		if rec["event_type"] == kind {
			list = append(list, rec)
		}
	}
}

func number(t *testing.T, v any) int64 {
	t.Helper()
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	require.NoError(t, err)
	return n
}

// sampled is a line of an exported sample file.
type sampled struct{ at, n int64 }

func samplesOf(t *testing.T, dir, window string) (list []sampled) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(dir, "samples", window+".tsv"))
	require.NoError(t, err)
	for line := range strings.Lines(string(src)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, f, 3, line)
		require.Equal(t, "GOOD", f[2])
		list = append(list, sampled{number(t, f[0]), number(t, f[1])})
	}
	return list
}

// exact is the total of a window in kg as an exact fraction, from its lines, its edges and the files.
func exact(method string, list []sampled, start, end int64) *big.Rat {
	sum := new(big.Int)
	add := func(a, b int64) { sum.Add(sum, new(big.Int).Mul(big.NewInt(a), big.NewInt(b))) }
	unit := big.NewRat(1, 1)
	switch method {
	case "PULSES", "TOTALIZER":
		size, kg := int64(1)<<32, int64(100)
		if method == "TOTALIZER" {
			size, kg = 1_000_000, 1000
		}
		for i := 1; i < len(list); i++ {
			add(((list[i].n-list[i-1].n)%size+size)%size, 1)
		}
		unit.SetFrac64(1, kg)
	case "WEIGHT":
		add(list[len(list)-1].n-list[0].n, 1)
		unit.SetFrac64(1, 100)
	default: // of counts, by ns
		for i, s := range list {
			from, to, next := max(s.at, start), end, s.n
			if i+1 < len(list) {
				to, next = list[i+1].at, list[i+1].n
			}
			if method == "RECTANGLE" {
				next = s.n
			}
			add(s.n+next, to-from) // twice the area
		}
		unit.SetFrac64(1, 2_000_000_000)
		if method == "RECTANGLE" {
			unit.Mul(unit, big.NewRat(1, 1_000_000)) // kg/s
		} else {
			unit.Mul(unit, big.NewRat(1, 6_000_000)) // 1/100,000 kg/min
		}
	}
	return unit.Mul(unit, new(big.Rat).SetInt(sum))
}

// rounded is a fraction of a kg with so many decimals, half to even.
func rounded(v *big.Rat, decimals int) string {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	v = new(big.Rat).Mul(v, new(big.Rat).SetInt(scale))
	q, rest := new(big.Int).DivMod(v.Num(), v.Denom(), new(big.Int))
	if c := rest.Lsh(rest, 1).Cmp(v.Denom()); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(q, scale).FloatString(decimals)
}

// byHandOf are the arguments of the lines of package metering for a window: its method there, K, and where its counter rolls over.
var byHandOf = map[string][3]string{"PULSES": {"pulses", "1", "4294967296"}, "TOTALIZER": {"totalizer", "1", "1000000"},
	"RECTANGLE": {"rectangle", "1/1000000000000", "0"}, "TRAPEZOID": {"trapezoid", "1/12000000000000", "0"}, "WEIGHT": {"weight", "1", "0"}}

func TestT3TheLinesOfPythonAndAwkComeToTheSameTotals(t *testing.T) {
	bench, err := sim.NewBench(sim.BenchOptions{Profile: sim.NoisyFlow, Seed: 7, Damping: 400_000_000, Count: 1<<32 - 50, Total: 999_500, Modulus: 1_000_000})
	require.NoError(t, err)
	res := benched(t, bench, "60 kg")
	starts, stops := told(t, res.Dir, "window_start"), told(t, res.Dir, "window_stop")
	for _, by := range []struct{ program, install, call string }{{"python3", "Python 3", "python3 total.py"}, {"awk", "mawk", "awk -v"}} {
		t.Run(by.program, func(t *testing.T) {
			path, err := exec.LookPath(by.program)
			if err != nil {
				t.Skipf("%s is not there; install %s", by.program, by.install)
			}
			for _, w := range res.Windows {
				of := byHandOf[w.ID]
				from, to := fmt.Sprint(starts[w.ID]["window_start_ts_mono"]), fmt.Sprint(stops[w.ID]["window_end_ts_mono"])
				args := []string{"-c", lines(t, by.call), of[0], from, to, of[1], of[2]}
				if by.program == "awk" {
					args = []string{"-v", "method=" + of[0], "-v", "start=" + from, "-v", "end=" + to, "-v", "num=1", "-v", "den=1", "-v", "lap=" + of[2], lines(t, by.call)}
				}
				if by.program == "awk" && of[1] != "1" {
					continue // what a flow adds up to is beyond its doubles
				}
				samples, err := os.Open(filepath.Join(res.Dir, "samples", w.ID+".tsv"))
				require.NoError(t, err)
				c := exec.Command(path, args...)
				c.Stdin = samples
				out, err := c.CombinedOutput()
				require.NoError(t, errors.Join(err, samples.Close()), "%s", out)
				require.Equal(t, strings.TrimLeft(strings.Replace(w.Total, ".", "", 1), "0"), strings.TrimSpace(string(out)), w.ID)
			}
		})
	}
}

// lines are those of a program in the comment of package metering, behind the line that says how it is called.
func lines(t *testing.T, call string) string {
	t.Helper()
	src, err := os.ReadFile("../../metering/metering.go")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(src), "//\t# "+call)
	require.True(t, ok, call)
	var program strings.Builder
	for line := range strings.Lines(rest[strings.Index(rest, "\n")+1:]) {
		code, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			break
		}
		program.WriteString(code)
	}
	return program.String()
}

// benchBound is by how much a total may differ from what has flowed, in ug, by what is declared of meter and instrument. The window opens
// and closes at rest.
//
//	pulses     one pulse, which is under way at an edge
//	totalizer  one count of it
//	flow       what one reading may be wrong by - its noise, half a count of the instrument and one of the tag - for as long as the window
//	           is open; P*P/8 times the bend of the damped flow, P being the period (both rules, since from rest to rest a
//	           rectangle comes to what a trapezoid does); and what the damping holds back at the end, which after 7 time constants
//	           of rest is less than a thousandth of what flows at most in one of them
//	weight     noise and half a count at both edges
//
// and half a count of the total's resolution.
func benchBound(method string, bench *sim.Bench, openMS, periodMS, dampingMS int64) int64 {
	const kg = 1_000_000_000
	held := 10*kg/1000*dampingMS/1000 + bench.Bend()/8*periodMS/1000*periodMS/1000
	switch method {
	case "PULSES":
		return sim.PulseMass + kg/200
	case "TOTALIZER":
		return sim.TotalMass + kg/2000
	case "RECTANGLE":
		count := int64(sim.BenchSpan / 65535)
		return (sim.ADCNoise*count+count/2+kg/1_000_000)*openMS/1000 + held + kg/2000
	case "TRAPEZOID": // its noise is a share of the flow
		return bench.Delivered()/1_000_000*sim.FloatNoise + kg/100_000/60*openMS/1000 + held + kg/2000
	}
	return 2*(sim.ScaleNoise*sim.ScaleMass+sim.ScaleMass/2) + kg/200
}

func TestT3EveryMethodComesToWhatHasFlowedWithinItsBoundOverEveryProfile(t *testing.T) {
	const periodMS, dampingMS = 100, 400
	t.Logf("%-9s %-10s %12s %12s %12s %12s", "profile", "method", "true kg", "total kg", "error kg", "bound kg")
	kg := func(ug int64) string { return big.NewRat(ug, 1_000_000_000).FloatString(4) }
	for _, profile := range sim.Profiles() {
		target := "60 kg"
		if profile == sim.LowFlow {
			target = "1 kg"
		}
		bench, err := sim.NewBench(sim.BenchOptions{Profile: profile, Seed: 7, Damping: dampingMS * 1_000_000, Count: 1<<32 - 50, Total: 999_500, Modulus: 1_000_000,
			Tare: 12_345_678_901})
		require.NoError(t, err)
		res := benched(t, bench, target)
		starts, stops := told(t, res.Dir, "window_start"), told(t, res.Dir, "window_stop")
		require.Len(t, res.Windows, len(benchMethods))
		for _, w := range res.Windows {
			start, end := number(t, starts[w.ID]["window_start_ts_mono"]), number(t, stops[w.ID]["window_end_ts_mono"])
			list := samplesOf(t, res.Dir, w.ID)
			sum := exact(w.ID, list, start, end)
			_, after, _ := strings.Cut(w.Total, ".")
			require.Equal(t, rounded(sum, len(after)), w.Total, "%s, %s: the exact total of the exported samples, rounded once", profile, w.ID)
			require.Equal(t, "GOOD", stops[w.ID]["quality"], "%s, %s: %v", profile, w.ID, recordsOf(t, res.Dir, "window_event"))
			total, ok := new(big.Rat).SetString(w.Total)
			require.True(t, ok)
			total.Mul(total, big.NewRat(1_000_000_000, 1))
			require.True(t, total.IsInt())
			off, bound := total.Num().Int64()-bench.Delivered(), benchBound(w.ID, bench, (end-start)/1_000_000, periodMS, dampingMS)
			t.Logf("%-9s %-10s %12s %12s %12s %12s", profile, w.ID, kg(bench.Delivered()), w.Total, kg(off), kg(bound))
			require.LessOrEqual(t, max(off, -off), bound, "%s, %s, in ug", profile, w.ID)
		}
		require.Equal(t, "PASS", stops["PULSES"]["result"])
	}
}

// TestT3NoFaultOfAnInstrumentMakesATotalThatCallsItselfGood lets things go wrong in mid-charge: the windows of the instruments that are
// befallen say so, and what has happened; all others come to what they come to without.
func TestT3NoFaultOfAnInstrumentMakesATotalThatCallsItselfGood(t *testing.T) {
	const at, late, second = 6_000_000_000, 15_000_000_000, 1_000_000_000 // while it flows, and when the valve has shut
	plain, err := sim.NewBench(sim.BenchOptions{Seed: 7})
	require.NoError(t, err)
	want := map[string]string{}
	for _, w := range benched(t, plain, "60 kg").Windows {
		want[w.ID] = w.Total
	}
	for _, row := range []struct {
		name   string
		fault  sim.BenchFault
		opt    sim.BenchOptions
		window string
		event  string
		good   bool
	}{
		{"the totalizer rolls over", sim.BenchFault{}, sim.BenchOptions{Total: 970_000, Modulus: 1_000_000}, "TOTALIZER", "rollover", true},
		{"the counter rolls over", sim.BenchFault{}, sim.BenchOptions{Count: 1<<32 - 1000}, "PULSES", "rollover", true},
		{"the totalizer is reset", sim.BenchFault{Kind: sim.BenchReset, Channel: "tot/1", At: at}, sim.BenchOptions{Total: 900_000}, "TOTALIZER", "reset", false},
		{"the device is exchanged", sim.BenchFault{Kind: sim.BenchReplaced, Channel: "tot/1", At: at}, sim.BenchOptions{}, "TOTALIZER", "replaced", false},
		{"a channel misses pulses", sim.BenchFault{Kind: sim.BenchMissed, Channel: "ctr/2", At: at, For: second}, sim.BenchOptions{}, "PULSES", "channels_differ", false},
		{"a transmitter is silent", sim.BenchFault{Kind: sim.BenchSilent, Channel: "ai/1", At: late, For: 2 * second}, sim.BenchOptions{}, "RECTANGLE", "gap", false},
		{"a transmitter is bad", sim.BenchFault{Kind: sim.BenchBad, Channel: "ai/2", At: late, For: second}, sim.BenchOptions{}, "TRAPEZOID", "gap_end", false},
	} {
		row.opt.Seed = 7
		bench, err := sim.NewBench(row.opt)
		require.NoError(t, err)
		if row.fault.Kind != 0 {
			require.NoError(t, bench.Fault(row.fault))
		}
		var orders []runner.Scheduled
		if row.fault.At == late { // an open window whose source is not GOOD holds the batch
			orders = append(orders, runner.Scheduled{At: 30 * second, Do: func(r *runner.Runner) {
				require.NoError(t, r.Tell(runner.Command{Command: sequencer.Restart, Operator: "op", Role: "operator", Reason: "it is back"}))
			}})
		}
		res := benched(t, bench, "60 kg", orders...)
		seen := false
		for _, rec := range recordsOf(t, res.Dir, "window_event") {
			seen = seen || rec["meter_window_id"] == row.window && rec["window_event"] == row.event
		}
		require.True(t, seen, "%s: %v", row.name, recordsOf(t, res.Dir, "window_event"))
		stops := told(t, res.Dir, "window_stop")
		for _, w := range res.Windows {
			switch {
			case w.ID != row.window && orders != nil: // open for longer, so that the noise at rest adds to it
				require.Equal(t, "GOOD", stops[w.ID]["quality"], "%s: %s", row.name, w.ID)
			case w.ID != row.window:
				require.Equal(t, want[w.ID], w.Total, "%s: %s", row.name, w.ID)
			case row.good:
				require.Equal(t, "GOOD", stops[w.ID]["quality"], row.name)
				require.Equal(t, want[w.ID], w.Total, row.name)
			default:
				require.NotEqual(t, "GOOD", stops[w.ID]["quality"], row.name)
				require.Equal(t, "NOT_GOOD", w.Verdict, row.name)
			}
			t.Logf("%-26s %-10s %8s kg, %-4s %s", row.name, w.ID, w.Total, stops[w.ID]["quality"], w.Verdict)
		}
	}
}
