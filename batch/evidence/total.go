// Totals: recomputed from a sample file and the calibration, by other arithmetic than the engine's.

package evidence

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

// meterOf finds the meter that the recipe opens a window on.
func (r *records) meterOf(id string) *iomap.Meter {
	if r.rec == nil || r.m == nil {
		return nil
	}
	name := meterName(r.rec.Root, id)
	for i := range r.m.Meters {
		if m := &r.m.Meters[i]; m.Name == name && m.Source != tag.None {
			return m
		}
	}
	return nil
}

func meterName(e *recipe.Element, window string) string {
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind == recipe.OpenWindow && a.Window == window {
			return a.Meter
		}
	}
	for _, child := range e.Children {
		if name := meterName(child, window); name != "" {
			return name
		}
	}
	return ""
}

// tally adds up the samples of one window.
type tally struct {
	bits    uint8 // width at which the counter rolls over
	samples uint64
	last    int64
	sum     big.Int // counts of the source
	worst   tag.Quality
}

// add takes in one sample. The first is the reading in force when the window opened. One that is not GOOD has no number; one
// that is half the counter's range away is no count, for the counter was reset or replaced.
func (t *tally) add(raw int64, q tag.Quality) {
	t.samples++
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
func (t *tally) total(k quantity.Ratio) (counts int64, ok bool) {
	num := new(big.Int).Mul(&t.sum, big.NewInt(k.Num()))
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
	m := r.meterOf(w.id)
	if m == nil || m.Source != w.source {
		return fmt.Errorf("recipe and mapping have no such window on that source")
	}
	k, err := r.cal.Ratio(m.Name, r.m.Tags[m.Source].Unit, m.Resolution)
	if err != nil {
		return err
	}
	t := tally{bits: m.Bits}
	if err := t.read(samples); err != nil {
		return err
	}
	counts, ok := t.total(k)
	quality, raw := min(t.worst, w.worst), int64(0)
	if t.sum.IsInt64() {
		raw = t.sum.Int64()
	}
	if !ok || !t.sum.IsInt64() {
		quality = tag.Bad
	}
	want := []struct {
		key  record.Key
		text string
	}{
		{record.TotalizedValue, "overflow"},
		{record.Delta, w.stop.Text(record.Delta)},
		{record.Unit, string(m.Resolution.Unit)},
		{record.RawState, strconv.FormatUint(uint64(raw), 10)},
		{record.Samples, strconv.FormatUint(t.samples, 10)},
		{record.Quality, quality.String()},
		{record.Target, w.start.Text(record.Target)},
		{record.WindowStartTsMono, w.start.Text(record.WindowStartTsMono)},
		{record.CalibVersion, r.cal.Version},
	}
	if total, ok := quantity.FromCounts(counts, m.Resolution); ok {
		want[0].text = string(quantity.AppendDecimal(nil, total.Coef, total.Scale))
		target, scale, err := quantity.ParseDecimal(w.stop.Text(record.Target))
		if err == nil && scale == total.Scale {
			want[1].text = string(quantity.AppendDecimal(nil, total.Coef-target, scale))
		}
	}
	for _, f := range want {
		if is := w.stop.Text(f.key); is != f.text {
			return fmt.Errorf("%s is %q, recomputed it is %q", f.key, is, f.text)
		}
	}
	return nil
}
