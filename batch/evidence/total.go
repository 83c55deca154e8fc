// Totals: recomputed from a sample file and the calibration, by other arithmetic than the engine's.

package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
)

// read takes in a sample file.
func (t *tally) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 256), 256)
	var again []byte
	for n := 1; lines.Scan(); n++ {
		part := bytes.Split(lines.Bytes(), []byte{'\t'})
		if len(part) != 3 {
			return fmt.Errorf("line %d has %d of three fields parted by tabs: time, raw value, quality", n, len(part))
		}
		at, _ := strconv.ParseInt(string(part[0]), 10, 64)
		raw, _ := strconv.ParseInt(string(part[1]), 10, 64)
		word := string(part[2])
		if again = appendSample(again[:0], at, raw, word); !bytes.Equal(again[:len(again)-1], lines.Bytes()) || !slices.Contains(words, word) {
			return fmt.Errorf("line %d is no sample", n)
		}
		t.add(at, raw, word)
	}
	return lines.Err()
}

// words are what may stand at the end of a sample line.
var words = []string{tag.Good.String(), tag.Stale.String(), tag.Bad.String(), wordCut, wordNew}

// totalFile recomputes what the record that closed a window says of it, and names the first key that differs.
func (r *records) totalFile(w *window, samples io.Reader) error {
	a, err := r.aim(w.id, w.changed)
	if err != nil {
		return err
	}
	if a.meter != w.g.meter {
		return errors.New("recipe and mapping have no such window on that source")
	}
	if _, err = batch.BindMeter(r.m, r.cal, a.meter); err != nil {
		return err
	}
	t := newTally(&w.g.bound, int64(w.start.Count(record.WindowStartTsMono)))
	if err := t.read(samples); err != nil {
		return err
	}
	end := int64(w.stop.Count(record.TsMonoNS))
	t.end(end)
	counts, _ := t.total()
	said := a.totals(w, t, counts, r.cal.Version)
	said = append(said, r.sampled(w, t)...)
	if err := differs(w.stop, "recomputed", append(said, r.compared(w, a)...)...); err != nil {
		return err
	}
	return r.edges(w, w.stop, w.flowEnd, t.edge(end))
}

// totals are what a window's closing record must say, given what its samples add up to.
func (a *aim) totals(w *window, t *tally, counts int64, version string) []said {
	res := a.meter.Resolution
	delta := record.Overflow
	if off := new(big.Int).Sub(big.NewInt(counts), big.NewInt(a.target)); off.IsInt64() {
		delta = shown(off.Int64(), res)
	}
	quality := w.quality(t)
	return []said{
		{record.TotalizedValue, shown(counts, res)},
		{record.Delta, delta},
		{record.Unit, string(res.Unit)},
		{record.Samples, strconv.FormatUint(t.lines, 10)},
		{record.Quality, quality.String()},
		{record.Target, shown(a.target, res)},
		{record.Tolerance, shown(a.tolerance, res)},
		{record.Result, a.verdict(w.stop.Text(record.WindowStopEvent), quality, counts)},
		{record.WindowStartTsMono, w.start.Text(record.WindowStartTsMono)},
		{record.WindowEndTsMono, w.stop.Text(record.TsMonoNS)},
		{record.LogicalTag, w.start.Text(record.LogicalTag)},
		{record.CalibVersion, version},
		{record.Method, a.meter.Method.String()},
	}
}

// sampled are what it must say of how its samples came. What there was none of is not told.
func (r *records) sampled(w *window, t *tally) []said {
	var raw, period, late, missing, gapTime, cuts, steps, held, coalesced string
	if t.counter() {
		raw = strconv.FormatUint(uint64(nearest64(&t.count)), 10)
	}
	if t.spaces > 0 {
		if ns := nearest64(halfEven(&t.spread, big.NewInt(t.spaces))); ns > 0 {
			period = inMS(ns)
		}
	}
	if w.g.meter.Period > 0 {
		late, missing = strconv.FormatUint(t.late, 10), t.missing.String()
	}
	if t.gaps > 0 {
		gapTime = inMS(nearest64(&t.gapTime))
	}
	if t.cuts > 0 {
		cuts = strconv.FormatInt(t.cuts, 10)
	}
	if w.steps > 0 {
		steps = strconv.FormatInt(w.steps, 10)
	}
	if w.heldTime.Sign() > 0 {
		held = inMS(nearest64(&w.heldTime))
	}
	if n := w.untold(); n > 0 {
		coalesced = strconv.FormatUint(n, 10)
	}
	return []said{{record.RawState, raw}, {record.SamplePeriodMS, period}, {record.SamplesLate, late}, {record.SamplesMissing, missing},
		{record.Gaps, strconv.FormatUint(t.gaps, 10)}, {record.GapMS, gapTime}, {record.Cuts, cuts}, {record.TimeStepCount, steps},
		{record.HeldMS, held}, {record.Coalesced, coalesced}, {record.SourceUnit, string(r.m.Tags[w.source].Unit)}}
}

// compared are what it must say of the second counter and of the device's own total.
func (r *records) compared(w *window, a *aim) []said {
	var second, quality, total string
	if a.meter.Second.Source != tag.None {
		second = w.other.String()
	}
	if a.meter.Totalizer != tag.None {
		quality = w.devWorst.String()
		per, err := r.m.Tags[a.meter.Totalizer].Resolution.Per(a.meter.Resolution)
		counts := halfEven(new(big.Int).Mul(&w.device, big.NewInt(per.Num())), big.NewInt(per.Den()))
		if err == nil && w.devWorst != tag.Bad && counts.IsInt64() {
			total = shown(counts.Int64(), a.meter.Resolution)
		}
	}
	return []said{{record.SecondCount, second}, {record.MeterQuality, quality}, {record.MeterTotal, total}}
}

// edges holds what a record says of the edges of its window against what the samples show.
func (r *records) edges(w *window, rec *record.Record, flowEnd bool, edge int64) error {
	var flags []string
	if w.flowStart {
		flags = append(flags, "flow_at_start")
	}
	if flowEnd {
		flags = append(flags, "flow_at_end")
	}
	if is := rec.Texts(record.Boundary); !slices.Equal(is, flags) {
		return fmt.Errorf("%s is %.80q, by its samples it is %q", record.Boundary, is, flags)
	}
	var flow, tare string
	if edge != 0 {
		flow = shown(edge, w.g.meter.Resolution)
	}
	if w.g.bound.Method == metering.Weight {
		tare = shown(w.t.tare, r.m.Tags[w.source].Resolution)
	}
	return differs(rec, "by its samples", said{record.EdgeFlow, flow}, said{record.Tare, tare})
}
