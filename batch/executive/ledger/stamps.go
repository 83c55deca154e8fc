// What a ledger gives every record beside its fields, and how it is read again.

package ledger

import (
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/timebase"
)

// Stamps are what a ledger gives every record beside its fields.
type Stamps struct {
	Seq     uint64
	Journal string
	Epoch   int64
	Device  string
	At      timebase.Stamp
}

// Write adds them to a body.
func (s *Stamps) Write(b *record.Body) {
	b.Count(record.EventSeq, s.Seq)
	b.Text(record.JournalID, s.Journal)
	b.Int(record.Epoch, s.Epoch)
	b.Count(record.TsMonoNS, uint64(s.At.Mono))
	b.Text(record.SyncState, s.At.Sync.String())
	b.Text(record.TimeSource, s.At.Source)
	if s.At.UTC != 0 {
		b.Time(record.TsUTC, s.At.UTC)
		b.Decimal(record.OffsetMS, s.At.Offset, 6)
	}
	if s.At.Bound > 0 {
		b.Decimal(record.TimeBoundMS, s.At.Bound, 6)
	}
	b.Text(record.DeviceID, s.Device)
}

// StampsOf reads the stamps of a record: Write adds the same again. A time by which something was decided is thus the same when it is decided again.
func StampsOf(r *record.Record) (s Stamps, err error) {
	s = Stamps{Seq: r.Seq(), Journal: r.Text(record.JournalID), Epoch: r.Int(record.Epoch), Device: r.Text(record.DeviceID)}
	s.At.Mono, s.At.UTC, s.At.Source = int64(r.Count(record.TsMonoNS)), r.Time(record.TsUTC), r.Text(record.TimeSource)
	var ok bool
	if s.At.Sync, ok = timebase.ParseSync(r.Text(record.SyncState)); !ok {
		return s, fmt.Errorf("ledger: record %d: sync_state %.40q is none", s.Seq, r.Text(record.SyncState))
	}
	for _, f := range []struct {
		key record.Key
		to  *int64
	}{{record.OffsetMS, &s.At.Offset}, {record.TimeBoundMS, &s.At.Bound}} {
		if !r.Has(f.key) {
			continue
		}
		coef, scale, err := quantity.ParseDecimal(r.Text(f.key))
		if err != nil || scale != 6 {
			return s, fmt.Errorf("ledger: record %d: %.40q is no time in ms with six digits behind the point", s.Seq, r.Text(f.key))
		}
		*f.to = coef
	}
	return s, nil
}
