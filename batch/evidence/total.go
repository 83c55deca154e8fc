// Totals: recomputed from a sample file and the calibration, by other arithmetic than the engine's.

package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// tally adds up the samples of one window.
type tally struct {
	bits    uint8 // width at which the counter rolls over
	samples uint64
	last    int64
	sum     big.Int // counts of the source
	worst   tag.Quality

	until uint64  // samples after which its sum is noted; 0: it is not
	noted big.Int // that sum
}

// add takes in one sample. The first is the reading in force when the window opened. One that is not GOOD has no number; one
// that is half the counter's range away is no count, for the counter was reset or replaced.
func (t *tally) add(raw int64, q tag.Quality) {
	t.samples++
	defer func() {
		if t.samples == t.until {
			t.noted.Set(&t.sum)
		}
	}()
	if t.samples == 1 {
		t.last, t.worst = raw, q
		return
	}
	if t.worst = min(t.worst, q); q != tag.Good {
		return
	}
	inc := uint64(raw) - uint64(t.last)
	t.last = raw
	if t.bits < 64 {
		inc &= 1<<t.bits - 1
	}
	if inc>>(t.bits-1) != 0 {
		t.worst = tag.Bad
		return
	}
	t.sum.Add(&t.sum, new(big.Int).SetUint64(inc))
}

// total is the sum in counts of the total's resolution, rounded half to even; ok is false where 64 bits do not hold it.
func (t *tally) total(k quantity.Ratio) (counts int64, ok bool) { return scaled(&t.sum, k) }

func scaled(sum *big.Int, k quantity.Ratio) (counts int64, ok bool) {
	num := new(big.Int).Mul(sum, big.NewInt(k.Num()))
	den := big.NewInt(k.Den())
	q, rest := new(big.Int).DivMod(num, den, new(big.Int))
	switch twice := rest.Lsh(rest, 1).Cmp(den); {
	case twice > 0, twice == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	if !q.IsInt64() {
		return 0, false
	}
	return q.Int64(), true
}

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
		q := parseQuality(string(part[2]))
		if again = metering.AppendSample(again[:0], at, raw, q); !bytes.Equal(again[:len(again)-1], lines.Bytes()) {
			return fmt.Errorf("line %d is no sample", n)
		}
		t.add(raw, q)
	}
	return lines.Err()
}

// totalFile recomputes what the record that closed a window says of it, and names the first key that differs.
func (r *records) totalFile(w *window, samples io.Reader) error {
	a, err := r.aim(w.id, w.changed)
	if err != nil {
		return err
	}
	if a.meter.Source != w.source {
		return errors.New("recipe and mapping have no such window on that source")
	}
	k, err := r.cal.Ratio(a.meter.Name, r.m.Tags[w.source].Unit, a.meter.Resolution)
	if err != nil {
		return err
	}
	t := tally{bits: a.meter.Bits, until: w.settled}
	if err := t.read(samples); err != nil {
		return err
	}
	if settled, ok := scaled(&t.noted, k); w.learnt != nil && w.jogged != 0 && ok {
		if err := differs(w.learnt, "recomputed", said{record.SettledTotal, shown(settled, a.meter.Resolution)}); err != nil {
			return fmt.Errorf("record %d: %w", w.learnt.Seq(), err)
		}
	}
	counts, fits := t.total(k)
	return differs(w.stop, "recomputed", a.totals(w, &t, counts, fits, r.cal.Version)...)
}

// totals are what a window's closing record must say, given what its samples add up to.
func (a *aim) totals(w *window, t *tally, counts int64, fits bool, version string) []said {
	res := a.meter.Resolution
	quality, raw := min(t.worst, w.worst), int64(0)
	if t.sum.IsInt64() {
		raw = t.sum.Int64()
	}
	if !fits || !t.sum.IsInt64() {
		quality = tag.Bad
	}
	delta := record.Overflow
	if off := new(big.Int).Sub(big.NewInt(counts), big.NewInt(a.target)); off.IsInt64() {
		delta = shown(off.Int64(), res)
	}
	tolerance, time, within := a.judge(w.start, w.stop)
	return []said{
		{record.TotalizedValue, shown(counts, res)},
		{record.Delta, delta},
		{record.Unit, string(res.Unit)},
		{record.RawState, strconv.FormatUint(uint64(raw), 10)},
		{record.Samples, strconv.FormatUint(t.samples, 10)},
		{record.Quality, quality.String()},
		{record.Target, shown(a.target, res)},
		{record.Tolerance, shown(tolerance, res)},
		{record.TimeQuality, time},
		{record.TimeWithinMS, within},
		{record.Result, a.verdict(w.stop.Text(record.WindowStopEvent), quality, counts, tolerance)},
		{record.WindowStartTsMono, w.start.Text(record.WindowStartTsMono)},
		{record.WindowEndTsMono, w.stop.Text(record.TsMonoNS)},
		{record.LogicalTag, w.start.Text(record.LogicalTag)},
		{record.CalibVersion, version},
	}
}
