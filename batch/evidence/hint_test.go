// Whole batches in virtual time on a plant with a fault: what the reconciliation comes to, which cause it names, and that it names none
// that only looks like it.

package evidence

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

const hintMap = `mapping: HINT-IO
version: "1"
schema_version: 1
device_id: CTRL-1
equipment_id: R1
calibration: calibration.yaml
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: ES1, physical_channel: di/1, direction: in, type: switch, words: [tripped, healthy], stale_after: 60 s}
  - {logical_tag: FC1, physical_channel: ctr/1, direction: in, type: counter, unit: "{pulse}", stale_after: 5 s}
  - {logical_tag: FT1, physical_channel: tot/1, direction: in, type: number, form: int, resolution: 0.01 kg, gain: 0.01 kg, stale_after: 2 s}
meters:
  - {meter: FQ1, source: FC1, bits: 16, resolution: 0.01 kg, totalizer: FT1, totalizer_modulus: 50 kg, tolerance: 0.20 kg, historian: external,
     sample_period: 100 ms}
`

const hintRecipe = `recipe: HINT
version: "1.0"
schema_version: 1
title: One charge
batch_size: {nominal: 10 kg, min: 1 kg, max: 20 kg}
procedure:
  id: HINT
  level: procedure
  sequence:
    - id: CHARGE
      level: phase
      timeout: 120 s
      actions:
        - open_window: {window: A, meter: FQ1, target: 10.00 kg, tolerance: 5.00 kg}
        - set: {XV1: open}
        - wait_total: {window: A}
        - set: {XV1: closed}
        - delay: 3 s
        - close_window: A
        - prompt: Go on?
`

const hintCalibration = `calibration: HINT-CAL
version: "2026-03"
schema_version: 1
factors:
  - {meter: FQ1, k_factor: "100 {pulse}/kg"}
`

// hintPlant is a plant in which 0.10 kg flow in 100 ms while the valve is open. Amounts are in 0.01 kg.
type hintPlant struct {
	*run
	rounds   int // since the valve opened first
	flowed   int64
	device   int64 // what the device shows
	history  int64 // what the historian has
	quality  tag.Quality
	leaks    bool    // what flows, flows on when the valve is closed
	lag      []int64 // of the device: the last readings
	fault    func(p *hintPlant, flow int64)
	answered bool
	silent   bool // the historian never answers
}

// turn lets 100 ms pass.
func (p *hintPlant) turn() {
	p.until(p.now + 100*ms)
	flow := int64(0)
	if p.open || p.leaks && p.rounds > 0 {
		flow = 10
		p.rounds++
	}
	p.flowed += flow
	p.pulses += uint64(flow)
	p.device += flow
	p.history += flow
	p.quality = tag.Good
	if p.fault != nil {
		p.fault(p, flow)
	}
	p.sample(1, 1, tag.Good, 0)
	p.sample(2, p.pulses%65536, p.quality, 0)
	p.sample(3, uint64(p.device), tag.Good, 0)
}

// hintRun runs a batch on a plant with a fault to the question after its charge, has the historian answer, and packs it.
func hintRun(t *testing.T, recipe string, calib string, fault func(p *hintPlant, flow int64)) (dir string, last *record.Record) {
	t.Helper()
	plan := fstest.MapFS{}
	for name, text := range map[string]string{"map.yaml": hintMap, "recipe.yaml": recipe, "calibration.yaml": hintCalibration} {
		plan[name] = &fstest.MapFile{Data: []byte(text)}
	}
	dir = t.TempDir()
	b := bound(t, plan, "B-0001", approved{})
	p := &hintPlant{run: begin(t, dir, b), fault: fault, device: 4000}
	for n := 0; n < 600 && !p.m.Ended(); n++ {
		p.turn()
		if n == 0 {
			p.tell(sequencer.Start)
		}
		if p.m.State() == sequencer.Held && p.quality == tag.Good {
			p.tell(sequencer.Restart)
		}
		if p.ask != 0 && !p.answered {
			p.answered = true
			if s, ok := p.m.Sought(-1); ok && !p.silent {
				p.step(batch.Event{Kind: batch.HistorianSaid, Window: s.Window, Value: fmt.Sprintf("%d.%02d kg", p.history/100, p.history%100),
					Source: "historian of the test", Calib: calib})
			}
			p.step(batch.Event{Kind: batch.Answered, ID: p.ask, Value: "yes", Operator: "o.night", Role: "operator"})
		}
	}
	require.True(t, p.m.Ended(), "it is %s", p.m.State())
	p.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	re, err := Replay(dir)
	require.NoError(t, err)
	require.Nil(t, re.Divergence)
	_, err = readChain(strings.NewReader(string(slurp(t, dir, eventsName))), func(_ uint64, body []byte) error {
		if rec, err := record.Parse(body); err == nil && rec.Kind == record.KindReconcile {
			last = rec
		}
		return nil
	})
	require.NoError(t, err)
	require.NotNil(t, last)
	return dir, last
}

// stepClock has the wall clock stepped by so many ms.
func stepClock(p *hintPlant, by int64) {
	p.step(batch.Event{Kind: batch.Observed, Observation: timebase.Observation{Mono: p.now, UTC: created + p.now + by*ms, Sync: timebase.NTPSync,
		Source: "ntp", Bound: 5 * ms}})
}

// hintCase is a plant with a fault, and what is to come of it.
type hintCase struct {
	name, recipe, calib string
	status, hint        string
	fault               func(p *hintPlant, flow int64)
}

func TestAWholeBatchNamesTheCauseThatIsInThePlant(t *testing.T) {
	for _, c := range append(hintsOfTotals(), hintsOfFlow()...) {
		t.Run(c.name, func(t *testing.T) {
			_, rec := hintRun(t, c.recipe, c.calib, c.fault)
			t.Logf("%s %q %v absent %v anomalies %v facts %v", rec.Text(record.ReconcileStatus), rec.Text(record.Hint), rec.Texts(record.Pairs),
				rec.Texts(record.Absent), rec.Texts(record.Anomalies), rec.Texts(record.Facts))
			require.Equal(t, c.status, rec.Text(record.ReconcileStatus))
			require.Equal(t, c.hint, rec.Text(record.Hint))
		})
	}
}

// hintsOfTotals are faults of totalizers and clocks, hintsOfFlow those of what is measured.
func hintsOfTotals() []hintCase {
	return []hintCase{
		{"nothing", hintRecipe, "", "PASS", "", nil},
		{"rollover: the device was set back, which looked like one", hintRecipe, "", "FAIL", "rollover", func(p *hintPlant, _ int64) {
			if p.rounds == 40 {
				p.device = 0
			}
		}},
		{"no rollover: the device rolls over as the map says", hintRecipe, "", "PASS", "", func(p *hintPlant, _ int64) { p.device %= 5000 }},
		{"rollover: the device was exchanged", hintRecipe, "", "WARN", "rollover", func(p *hintPlant, _ int64) {
			if p.rounds == 40 && p.device >= 4000 {
				p.device = 3000
			}
		}},
		{"no rollover: it rolls over, and has lost 2 kg besides", hintRecipe, "", "FAIL", "unexplained", func(p *hintPlant, flow int64) {
			if p.rounds > 60 && p.rounds <= 80 {
				p.device -= flow
			}
			p.device = (p.device + 300*one(p.rounds == 1 && flow > 0)) % 5000
		}},
		{"time jump: the historian loses the 2 s by which the clock is stepped", hintRecipe, "", "FAIL", "time jump", func(p *hintPlant, flow int64) {
			if p.rounds == 50 && flow > 0 {
				stepClock(p, 2000)
			}
			if p.rounds > 50 && p.rounds <= 70 {
				p.history -= flow
			}
		}},
		{"no time jump: the clock is stepped by 0.1 s, and the historian loses 2 s", hintRecipe, "", "FAIL", "unexplained", func(p *hintPlant, flow int64) {
			if p.rounds == 50 && flow > 0 {
				stepClock(p, 100)
			}
			if p.rounds > 50 && p.rounds <= 70 {
				p.history -= flow
			}
		}},
	}
}

func hintsOfFlow() []hintCase {
	early := strings.NewReplacer("        - set: {XV1: closed}\n        - delay: 3 s\n        - close_window: A\n",
		"        - close_window: A\n        - set: {XV1: closed}\n").Replace(hintRecipe)
	return []hintCase{
		{"missing samples: the sensor is off for 2 s, and its pulses are lost", hintRecipe, "", "FAIL", "missing samples", func(p *hintPlant, flow int64) {
			if p.rounds > 40 && p.rounds <= 60 && flow > 0 {
				p.pulses, p.quality = p.pulses-uint64(flow), tag.Bad
			}
			p.leaks = p.rounds >= 40 && p.rounds < 60
		}},
		{"no missing samples: it is off for 0.2 s, and the device counts 5 kg that never flowed", hintRecipe, "", "FAIL", "unexplained",
			func(p *hintPlant, _ int64) {
				p.leaks = p.rounds >= 40 && p.rounds < 42
				switch {
				case p.rounds > 40 && p.rounds <= 42 && p.leaks:
					p.quality = tag.Bad
				case p.rounds == 60 && p.device < 4900:
					p.device, p.history = p.device+500, p.history+500
				}
			}},
		{"window mismatch: it flows at the close, and the device is 1 s behind", early, "", "FAIL", "window mismatch", func(p *hintPlant, _ int64) {
			p.lag = append(p.lag, 4000+p.flowed)
			p.history = p.flowed
			p.history = max(p.history-100, 0)
			p.device = p.lag[max(0, len(p.lag)-11)]
		}},
		{"calibration mismatch: the device counts 8 percent more", hintRecipe, "", "FAIL", "calibration mismatch", func(p *hintPlant, _ int64) {
			p.device = 4000 + p.flowed*108/100
		}},
		{"no calibration mismatch: it counts 1 kg too much in the second half", hintRecipe, "", "FAIL", "unexplained", func(p *hintPlant, _ int64) {
			if p.rounds == 80 && p.device < 4850 {
				p.device += 100
			}
		}},
		{"calibration mismatch: the historian names another", hintRecipe, "2025-12", "FAIL", "calibration mismatch", func(p *hintPlant, flow int64) {
			p.history += flow * 8 / 100
			if flow > 0 && p.rounds%2 == 0 {
				p.history++
			}
		}},
	}
}
