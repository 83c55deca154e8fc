// Tags: what a value off the wire is by the map of the batch, and how far it may be believed now.

package scada

import (
	"math"
	"strconv"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// statusBad is Bad of OPC UA: something is bad, and nobody says why.
const statusBad fieldbus.Status = 0x80000000

// statusMap is BadConfigurationError: the map that a value would be read by is that of another batch.
const statusMap fieldbus.Status = 0x80890000

// slack is how much later than its tag allows a value may be here: it is sent once a second, and some time is lost on the way.
const slack = 2500 * time.Millisecond

// reading is a tag as it is shown.
type reading struct {
	value   server.Value // in the kind of kindOf
	text    string       // exact, with its unit
	quality tag.Quality
	status  fieldbus.Status
}

// kindOf is the kind of variable that shows a tag: numbers are Float64, which is for eyes; exact is the text beside it.
func kindOf(t *iomap.Tag) server.Kind {
	switch t.Type {
	case iomap.Switch:
		return server.Bool
	case iomap.Counter:
		return server.Int64
	}
	return server.Float64
}

// limitOf is the age beyond which a tag is STALE here.
func limitOf(t *iomap.Tag, silence time.Duration) time.Duration {
	if t.StaleAfter > 0 {
		return time.Duration(t.StaleAfter) + slack
	}
	return silence
}

// readTag says what a tag is at a time. A cause, where it is not zero, is why its device gives no better.
func readTag(t *iomap.Tag, s sample, ok bool, now time.Time, silence time.Duration, cause fieldbus.Status) (r reading) {
	r.value.Server = s.came
	if s.UTC != 0 {
		r.value.Source = time.Unix(0, s.UTC).UTC()
	}
	r.quality, r.status = tag.Bad, fieldbus.StatusWaiting
	if !ok {
		r.value.Null, r.value.Status = true, r.status
		return r
	}
	value, fits := t.Value(s.Form, s.Bits)
	switch age := now.Sub(s.came) + s.lag; {
	case s.Quality == tag.Bad:
		if r.status = s.Status; r.status == statusBad && cause != fieldbus.StatusGood {
			r.status = cause
		}
		if r.status == fieldbus.StatusGood {
			r.status = statusBad
		}
	case !fits:
		r.status = fieldbus.StatusOutOfRange
	case age > limitOf(t, silence) || s.Quality == tag.Stale:
		r.quality, r.status = tag.Stale, fieldbus.StatusLastUsable
	default:
		r.quality, r.status = tag.Good, fieldbus.StatusGood
	}
	r.value.Status = r.status
	if !fits {
		r.value.Null = true
		return r
	}
	r.value.Bits, r.text = shown(t, value)
	return r
}

// misread makes a reading one by a map that is not that of the batch: no number of it is right.
func (r *reading) misread() {
	r.quality, r.status, r.text = tag.Bad, statusMap, ""
	r.value.Status, r.value.Null, r.value.Bits = statusMap, true, 0
}

// shown is a value as a variable has it, and as exact text.
func shown(t *iomap.Tag, value int64) (bits uint64, text string) {
	switch t.Type {
	case iomap.Switch:
		return uint64(value & 1), t.Words[value&1]
	case iomap.Counter:
		return uint64(value), strconv.FormatInt(value, 10) + " " + string(t.Unit)
	}
	q, ok := quantity.FromCounts(value, t.Resolution)
	if !ok {
		return math.Float64bits(math.NaN()), ""
	}
	text = q.String()
	return math.Float64bits(double(string(quantity.AppendDecimal(nil, q.Coef, q.Scale)))), text
}

// double is a decimal for eyes; NaN where there is none.
func double(decimal string) float64 {
	f, err := strconv.ParseFloat(decimal, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// status reads a status as records have it; one that cannot be read is Bad.
func status(text string) uint32 {
	if n, err := strconv.ParseUint(text, 0, 32); err == nil {
		return uint32(n)
	}
	return uint32(statusBad)
}
