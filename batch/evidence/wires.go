// What records say of a wire is held against the map: how it is reached and scaled, its filter, its edge.

package evidence

import (
	"strconv"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
)

// wired holds what a record says of the wire of its tag against the map that the batch is bound to.
func (r *records) wired(n uint64, rec *record.Record) {
	if r.m == nil {
		return
	}
	id, ok := r.m.Lookup(rec.Text(record.LogicalTag))
	if !ok {
		return
	}
	t := &r.m.Tags[id]
	want := []said{{record.ProtocolBinding, t.Binding}}
	scaling := ""
	if t.Binding != "" && t.Type == iomap.Number {
		scaling = "gain " + t.Gain.String() + ", offset " + t.Offset.String()
	}
	switch rec.Kind {
	case record.KindOutputWrite, record.KindOutputFault:
		want = append(want, said{record.Scaling, scaling})
	case record.KindQualityChange:
		kind, param := filterOf(&t.Filter)
		want = append(want, said{record.Scaling, scaling}, said{record.FilterType, kind}, said{record.FilterParam, param})
	case record.KindInputEdge:
		polarity, wire := "normal", "0"
		if t.Invert {
			polarity = "inverted"
		}
		if t.Trigger == iomap.Rising {
			wire = "1"
		}
		want = append(want, said{record.PhysicalChannel, t.Channel}, said{record.Polarity, polarity}, said{record.EdgeLevel, t.Trigger.String()},
			said{record.DebouncedState, wire}, said{record.DebounceMS, strconv.FormatInt(t.Debounce/1_000_000, 10)},
			said{record.PulseMS, strconv.FormatInt(t.Pulse/1_000_000, 10)})
	default:
		return
	}
	if err := differs(rec, "by the map", want...); err != nil {
		r.breach("records", n, "%s: %v", t.Name, err)
	}
}

// filterOf is the filter of a tag as records tell it.
func filterOf(f *iomap.Filter) (kind, param string) {
	switch f.Type {
	case iomap.MedianFilter:
		return "median", "samples=" + strconv.Itoa(f.Samples)
	case iomap.ExponentialFilter:
		ns := strconv.FormatInt(1_000_000+f.Time%1_000_000, 10)
		return "exponential", "time_constant_ms=" + strconv.FormatInt(f.Time/1_000_000, 10) + "." + ns[1:]
	}
	return "", ""
}

// tabled holds the digest of the table of safe states that the record of the mapping names against that of the map.
func (r *records) tabled(b *binding) {
	want := ""
	if r.m.SaysFaults() {
		want = iomap.SafeStatesDigest(r.m)
	}
	if b.table != want {
		r.breach("records", b.seq, "%s is %.80q, by the mapping it is %q", record.SafeStateTable, b.table, want)
	}
}
