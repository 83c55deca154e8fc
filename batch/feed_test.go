// What runs in is learnt within its limits, and how well time is known decides by which tolerance a window is judged.

package batch

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

const feedMap = `mapping: IO
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
calibration: calibration.yaml
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: FC1, physical_channel: ctr/1, direction: in, type: counter, unit: "{pulse}", stale_after: 60 s}
meters:
  - {meter: FQ1, source: FC1, bits: 32, resolution: 0.01 kg}
`

const feedCalibration = `calibration: CAL
version: "1"
schema_version: 1
factors:
  - {meter: FQ1, k_factor: "100 {pulse}/kg"}
`

const feedRecipe = `recipe: R
version: "1"
schema_version: 1
title: T
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
formula:
  - {name: most, value: 0.60 kg}
procedure:
  id: P
  level: procedure
  sequence:
    - id: DOSE
      level: phase
      timeout: 1 min
      actions:
        - open_window: {window: A, meter: FQ1, target: 5 kg, tolerance: 0.10 kg, time: {within: 100 ms, tolerance: 0.05 kg}}
        - set: {XV1: open}
        - wait_total: {window: A, short_by: 0.20 kg, learn: {min: 0 kg, max: $most, share: 50 %}}
        - set: {XV1: closed}
        - delay: 1 s
        - close_window: A
`

func feedBatch(t testing.TB, text string, known ...InFlight) (*Batch, error) {
	p, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(feedMap)}, "calibration.yaml": {Data: []byte(feedCalibration)}, "recipe.yaml": {Data: []byte(text)}},
		"recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	return p.Bind("B-2", "", Unapproved, &BindOptions{InFlight: known})
}

func kilograms(t testing.TB, text string) quantity.Quantity {
	q, err := quantity.Parse(text)
	require.NoError(t, err)
	return q
}

// known is what an earlier batch has learnt.
func known(t testing.TB, value string) InFlight {
	return InFlight{Recipe: "R", Window: "A", Meter: "FQ1", Value: kilograms(t, value), Version: 3, Batch: "B-1", Seq: 57}
}

// fedTo runs a batch whose total comes to some counts, with the wall clock as observations say at the opening and before the closing.
func fedTo(t *testing.T, counts int64, opening, closing timebase.Observation, list ...InFlight) (d *desk, stop, learnt *record.Record) {
	b, err := feedBatch(t, feedRecipe, list...)
	require.NoError(t, err)
	d = newDesk(t, b)
	d.boot()
	see := func(o timebase.Observation) {
		o.Mono, o.UTC = d.now, d.seen().UTC+d.now
		d.take(Event{Kind: Observed, Observation: o})
	}
	see(opening)
	d.take(Event{Kind: Told, Command: sequencer.Start, Operator: "op1", Role: "operator", Reason: "start"})
	d.to(500 * msec)
	id, _ := b.Plan.Map.Lookup("FC1")
	d.value[id] = counts
	d.send(id)
	d.to(d.now + 300*msec)
	see(closing)
	d.to(20_000 * msec)
	for _, body := range d.list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		switch rec.Kind {
		case record.KindWindowStop:
			stop = rec
		case record.KindInFlight:
			learnt = rec
		}
	}
	require.NotNil(t, stop)
	require.NotNil(t, learnt)
	return d, stop, learnt
}

var sure = timebase.Observation{Sync: timebase.PTPLocked, Source: "ptp", Bound: 1}

func TestABatchWorksWithWhatWasLearntAndSaysSo(t *testing.T) {
	d, _, learnt := fedTo(t, 520, sure, sure, known(t, "0.35 kg"))
	require.Equal(t, []string{"window A, meter FQ1, 0.35 kg, version 3, learnt in B-1 at 57"}, parsed(t, d.list[0]).Texts(record.InFlight))
	require.Contains(t, d.shown.String(), "total A within 0.35 kg of its target, learnt, version 3")
	for k, want := range map[record.Key]string{record.OldValue: "0.35", record.NewValue: "0.45", record.Delta: "0.20", record.SettledTotal: "5.20",
		record.FromVersion: "3", record.ToVersion: "4", record.Result: "learnt", record.MinValue: "0.00", record.MaxValue: "0.60", record.LearnShare: "50.00 %"} {
		require.Contains(t, string(learnt.Body), fmt.Sprintf("%q:%q", k, want))
	}
	require.Equal(t, []InFlight{{Recipe: "R", Window: "A", Meter: "FQ1", Value: kilograms(t, "0.45 kg"), Version: 4, Batch: "B-2", Seq: learnt.Seq()}}, d.m.Learnt())
	replayed(t, d)
}

func parsed(t *testing.T, body []byte) *record.Record {
	rec, err := record.Parse(body)
	require.NoError(t, err)
	return rec
}

// replayed decides everything again, with a machine that is restored before every event.
func replayed(t *testing.T, d *desk) {
	r := d.b.Replay()
	r.Before = func(int64, *Event) {
		next := d.b.Start()
		require.NoError(t, next.Restore(r.Machine.Snapshot(nil)))
		r.Machine = next
	}
	feed(t, r, d.list)
	require.Equal(t, d.m.Learnt(), r.Machine.Learnt())
}

func TestAnOutlierTeachesNothingAndALimitIsALimit(t *testing.T) {
	for _, c := range []struct {
		counts       int64
		value        string
		result, next string
		version      string
	}{
		{500, "0.35 kg", "learnt", "0.35", "4"},
		{501, "0.35 kg", "learnt", "0.35", "4"}, // half of 0.01 kg goes to the even neighbour
		{503, "0.35 kg", "learnt", "0.37", "4"},
		{560, "0.35 kg", "limited", "0.60", "4"},
		{561, "0.35 kg", "not_learnt", "0.35", "3"}, // more than max less min
	} {
		d, _, learnt := fedTo(t, c.counts, sure, sure, known(t, c.value))
		require.Contains(t, string(learnt.Body), `"new_value":"`+c.next+`"`, "%d", c.counts)
		require.Equal(t, c.result, learnt.Text(record.Result), "%d", c.counts)
		require.Equal(t, c.version, learnt.Text(record.ToVersion), "%d", c.counts)
		require.Equal(t, c.result != "not_learnt", len(d.m.Learnt()) == 1)
		replayed(t, d)
	}
}

func TestWhatIsLearntNeverLeavesItsLimits(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, 8))
	for range 1000 {
		l := learning{min: rnd.Int64N(1 << rnd.IntN(62)), share: 1 + rnd.Int64N(10_000)}
		l.max = l.min + rnd.Int64N(1+(math.MaxInt64-l.min)>>rnd.IntN(62))
		l.value = l.min + rnd.Int64N(max(l.max-l.min, 1))
		for range 20 {
			off := rnd.Int64N(max(l.max-l.min, 1))
			if rnd.IntN(2) == 0 {
				off = -off
			}
			v, result := l.next(off)
			require.True(t, v >= l.min && v <= l.max, "seed %d: %+v, error %d: %d", seed, l, off, v)
			require.Equal(t, result == "limited", result != "learnt")
			if off > 0 {
				require.GreaterOrEqual(t, v, l.value)
			} else {
				require.LessOrEqual(t, v, l.value)
			}
			l.value = v
		}
	}
}

func TestTimeThatIsNotKnownWellMakesAWindowStricter(t *testing.T) {
	worse := timebase.Observation{Sync: timebase.Holdover, Source: "ntp", Bound: 100_000_001}
	unknown := timebase.Observation{Sync: timebase.RTCOnly, Source: "rtc"}
	for _, c := range []struct {
		opening, closing            timebase.Observation
		tolerance, quality, verdict string
	}{
		{sure, sure, "0.10", "within", "PASS"},
		{worse, sure, "0.05", "worse at opening", "OUT_OF_TOLERANCE"},
		{sure, worse, "0.05", "worse at closing", "OUT_OF_TOLERANCE"},
		{sure, unknown, "0.05", "worse at closing", "OUT_OF_TOLERANCE"},
		{unknown, worse, "0.05", "worse at both edges", "OUT_OF_TOLERANCE"},
	} {
		d, stop, _ := fedTo(t, 508, c.opening, c.closing)
		require.Equal(t, []string{c.tolerance, c.quality, "100.000000", c.verdict}, []string{stop.Text(record.Tolerance), stop.Text(record.TimeQuality),
			stop.Text(record.TimeWithinMS), stop.Text(record.Result)})
		replayed(t, d)
	}
}

func TestHistoryIsHeldAgainstTheRecipe(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(i *InFlight)
		want string
	}{
		{"above", func(i *InFlight) { i.Value = kilograms(t, "0.61 kg") }, `it is above max "0.60 kg"`},
		{"below", func(i *InFlight) { i.Value = kilograms(t, "-0.01 kg") }, `it is below min "0 kg"`},
		{"finer", func(i *InFlight) { i.Value = kilograms(t, "0.105 kg") }, "0.105 kg"},
		{"litres", func(i *InFlight) { i.Value = kilograms(t, "0.1 L") }, "0.1 L"},
		{"recipe", func(i *InFlight) { i.Recipe = "Q" }, `it belongs to recipe "Q", and this is R`},
		{"window", func(i *InFlight) { i.Window = "A B" }, "the name of a window is wanted"},
		{"meter", func(i *InFlight) { i.Meter = "" }, "the name of a meter is wanted"},
		{"version", func(i *InFlight) { i.Version = 0 }, "a version from 1 to 1125899906842624 is wanted"},
		{"version far ahead", func(i *InFlight) { i.Version = 1<<63 - 1 }, "a version from 1 to 1125899906842624 is wanted"},
		{"batch", func(i *InFlight) { i.Seq = 0 }, "the batch and the record where it was learnt are wanted"},
	} {
		i := known(t, "0.35 kg")
		c.with(&i)
		_, err := feedBatch(t, feedRecipe, i)
		require.ErrorContains(t, err, c.want, c.name)
		var outside *InFlightError
		require.Equal(t, errors.As(err, &outside), c.name == "above" || c.name == "below" || c.name == "finer" || c.name == "litres", c.name)
	}
	_, err := feedBatch(t, feedRecipe, known(t, "0.35 kg"), known(t, "0.30 kg"))
	require.ErrorContains(t, err, "there is another one of that window and meter")
	other := known(t, "0.35 kg")
	other.Meter = "FQ2" // of other equipment: nothing of it holds here
	b, err := feedBatch(t, feedRecipe, other)
	require.NoError(t, err)
	require.Empty(t, b.InFlight)
	_, err = feedBatch(t, strings.Replace(feedRecipe, "value: 0.60 kg", "value: 0.30 kg", 1), known(t, "0.35 kg"))
	require.ErrorContains(t, err, "widen the limits of the recipe, or bind without it to begin anew")
}

func TestWordsOfHistoryAreReadBack(t *testing.T) {
	i := known(t, "0.35 kg")
	again, ok := ReadInFlight("R", i.String())
	require.True(t, ok)
	require.Equal(t, i, again)
	for _, text := range []string{"", "window A", i.String() + " ", strings.Replace(i.String(), "version 3", "version 03", 1),
		strings.Replace(i.String(), "0.35 kg", "0.35 kilo", 1), strings.Replace(i.String(), "at 57", "at 0", 1)} {
		_, ok := ReadInFlight("R", text)
		require.False(t, ok, text)
	}
}

func FuzzReadInFlight(f *testing.F) {
	f.Add("window A, meter FQ1, 0.35 kg, version 3, learnt in B-1 at 57")
	f.Fuzz(func(t *testing.T, words string) {
		if i, ok := ReadInFlight("R", words); ok {
			require.Equal(t, words, i.String())
		}
	})
}

func TestAJogThatWouldDoNothingIsRefused(t *testing.T) {
	text := strings.Replace(feedRecipe, "- delay: 1 s", "- jog: {window: A, set: {XV1: closed}, for: 1 s, settle: 1 s, at_most: 3}", 1)
	_, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(feedMap)}, "calibration.yaml": {Data: []byte(feedCalibration)}, "recipe.yaml": {Data: []byte(text)}},
		"recipe.yaml", "map.yaml", nil)
	require.ErrorContains(t, err, "this is the safe value of XV1, to which a jog returns; set another")
}
