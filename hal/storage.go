// Storage health: how the medium that holds the evidence stands, and the record that says so.

package hal

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/batchkit/batchkit/journal/record"
)

// Health is how a medium stands. The states are told apart by what is to be done. MRAM counts as FRAM: its cells need no erasing,
// and neither wears out from what a journal writes.
type Health uint8

// The states of a medium. From Good to Failed they never get better without a new medium; Unknown lies between Good and Watch.
const (
	HealthUnknown Health = iota // nobody tells; not Good, and not a guess
	HealthGood                  // nothing speaks against it
	HealthWatch                 // 60 % of its life or of its spare blocks are used up, or it had to correct what it read
	HealthReplace               // 80 % are used up, or the file system has found errors
	HealthFailed                // it has lost data, or takes no more
)

// String gives the value of storage_health_state.
func (h Health) String() string {
	return [...]string{"UNKNOWN", "GOOD", "WATCH", "REPLACE", "FAILED"}[min(h, HealthFailed)]
}

// parseHealth is the inverse of String; ok is false where there is no such state.
func parseHealth(s string) (h Health, ok bool) {
	for h = HealthUnknown; h <= HealthFailed; h++ {
		if h.String() == s {
			return h, true
		}
	}
	return HealthUnknown, false
}

// rank orders the states: of two parts of a medium, that of the greater rank is the state of both.
func (h Health) rank() int { return [...]int{1, 0, 2, 3, 4}[min(h, HealthFailed)] }

// Wear at which a medium is watched and replaced, percent of its life.
const (
	WatchWear   = 60
	ReplaceWear = 80
)

// Unmeasured stands for a number that nobody told.
const Unmeasured = -1

// MaxReasons is the greatest number of reasons that a StorageHealth holds. The state counts those beyond it, too.
const MaxReasons = 32

// StorageHealth is how one medium stands, as far as its system tells. Make it with NewStorageHealth.
type StorageHealth struct {
	Medium       string   // what it calls itself; "" where it does not tell
	State        Health   // the worst of its parts
	Reasons      []string // why, one for each part, and remarks about the numbers
	BytesWritten int64    // bytes that it was told to write, as far back as the system counts
	WearIndex    int64    // life that is used up, percent, rounded up; 101: more than was promised
	EraseMax     int64    // erasures of the block that was erased most
	BadBlocks    int64    // blocks out of use
	Replaces     string   // medium in whose place it came, where that is the last thing on record of it; "" otherwise
	judged       bool
}

// NewStorageHealth returns the health of a medium of which nothing is known.
func NewStorageHealth(medium string) StorageHealth {
	return StorageHealth{Medium: medium, BytesWritten: Unmeasured, WearIndex: Unmeasured, EraseMax: Unmeasured, BadBlocks: Unmeasured}
}

// Judge takes in how one part stands, and why.
func (s *StorageHealth) Judge(h Health, reason string) {
	if !s.judged || h.rank() > s.State.rank() {
		s.State = h
	}
	s.judged = true
	s.Note(h.String() + ": " + reason)
}

// JudgeWear takes in that so many percent of a life are used up, at most, and makes it the wear index if none is greater.
func (s *StorageHealth) JudgeWear(percent int64, reason string) {
	h := HealthGood
	switch {
	case percent >= ReplaceWear:
		h = HealthReplace
	case percent >= WatchWear:
		h = HealthWatch
	}
	s.WearIndex = max(s.WearIndex, percent)
	s.Judge(h, reason)
}

// Note adds a remark that does not change the state.
func (s *StorageHealth) Note(remark string) {
	if len(s.Reasons) < MaxReasons {
		s.Reasons = append(s.Reasons, remark)
	}
}

// After returns s as it may be told after before: what was known to be worse then stays so, whatever the medium says of itself
// today, unless a record says that it was replaced. Another medium without such a record is no reason to be content.
func (s StorageHealth) After(before StorageHealth, replaced bool) StorageHealth {
	if replaced {
		return s
	}
	s.Reasons = slices.Clone(s.Reasons)
	if before.Medium != "" && s.Medium != "" && before.Medium != s.Medium {
		s.Note(fmt.Sprintf("the medium was %q, and no record says that it was replaced", before.Medium))
	}
	if before.State.rank() > s.State.rank() && before.State != HealthUnknown {
		s.Note(fmt.Sprintf("%s: it was so before; a medium does not get better until a record says that it was replaced", before.State))
		s.State = before.State
	}
	return s
}

// Replacement says that a medium was replaced: from then on the state of the old one does not count.
type Replacement struct {
	Actor, Reason string // who did it, and why; required
	Old, New      string // what the mediums call themselves, as StorageHealth.Medium; New is required, and another than Old
}

// maxWords is the most bytes that a field of a Replacement has.
const maxWords = 256

// Log writes a medium_replaced record into log, which is the device journal, and returns its number once it is durable. It blocks for
// as long as log does.
func (r *Replacement) Log(log record.Log) (seq uint64, err error) {
	for _, f := range [...]struct{ name, text string }{{"actor", r.Actor}, {"reason", r.Reason}, {"new medium", r.New}} {
		if f.text == "" || len(f.text) > maxWords {
			return 0, fmt.Errorf("hal: replacement of a medium: the %s is %d bytes long; 1 to %d are wanted", f.name, len(f.text), maxWords)
		}
	}
	if len(r.Old) > maxWords || r.Old == r.New {
		return 0, fmt.Errorf("hal: replacement of a medium: %q and %q are to be two mediums, of at most %d bytes; put the new one in first",
			r.Old, r.New, maxWords)
	}
	return log.Append(func(b *record.Body) {
		b.Begin(record.KindMediumReplaced)
		b.Text(record.Actor, r.Actor)
		b.Text(record.ChangeReason, r.Reason)
		b.Text(record.OldValue, r.Old)
		b.Text(record.NewValue, r.New)
		b.Text(record.ImpactScope, "storage_health")
	})
}

// Traffic is what one writer of evidence has given a medium to do.
type Traffic struct {
	Payload  uint64 // bytes of evidence
	Written  uint64 // bytes written for it, zeros of new files included
	ZeroFill uint64 // of these, zeros of new files
	Flushes  uint64
	Segments uint64 // files begun
}

// Amplification is how many bytes were written for each byte of evidence, in hundredths, rounded up; ok is false before the first
// byte, and where no 63 bits hold it.
func (t Traffic) Amplification() (hundredths int64, ok bool) {
	hi, lo := bits.Mul64(t.Written, 100)
	if t.Payload == 0 || hi >= t.Payload {
		return 0, false
	}
	q, r := bits.Div64(hi, lo, t.Payload)
	if r > 0 {
		q++
	}
	return int64(q), q>>63 == 0
}

// Fill gives the body of a storage_health record, which was begun, all that is known. Traffic and life may be nil.
func (s *StorageHealth) Fill(b *record.Body, t *Traffic, life *Life) {
	b.Text(record.StorageHealthState, s.State.String())
	b.Texts(record.Reasons, s.Reasons)
	if s.Medium != "" {
		b.Text(record.Medium, s.Medium)
	}
	if s.WearIndex >= 0 {
		b.Int(record.WearIndex, s.WearIndex)
	}
	for _, one := range [...]struct {
		k record.Key
		n int64
	}{{record.BytesWrittenTotal, s.BytesWritten}, {record.EraseCountMax, s.EraseMax}, {record.BadBlockCount, s.BadBlocks}} {
		if one.n >= 0 {
			b.Count(one.k, uint64(one.n))
		}
	}
	if t != nil {
		b.Count(record.PayloadBytes, t.Payload)
		b.Count(record.JournalBytes, t.Written)
		b.Count(record.ZeroFillBytes, t.ZeroFill)
		b.Count(record.Flushes, t.Flushes)
		b.Count(record.Segments, t.Segments)
		if a, ok := t.Amplification(); ok {
			b.Decimal(record.WriteAmplification, a, 2)
		}
	}
	if life != nil {
		b.Count(record.ProjectedLifeDays, uint64(max(life.Days, 0)))
		b.Texts(record.BudgetAssumptions, life.Assumptions)
	}
}

// Told is the inverse of Fill as far as After needs it: medium, state and numbers of a storage_health record. Of a medium_replaced
// record it gives the new medium, of which nothing is known yet but what it replaces.
func Told(rec *record.Record) StorageHealth {
	if rec.Kind == record.KindMediumReplaced {
		s := NewStorageHealth(rec.Text(record.NewValue))
		s.Replaces = rec.Text(record.OldValue)
		return s
	}
	s := NewStorageHealth(rec.Text(record.Medium))
	s.State, _ = parseHealth(rec.Text(record.StorageHealthState))
	s.Reasons, s.judged = rec.Texts(record.Reasons), true
	if rec.Has(record.WearIndex) {
		s.WearIndex = rec.Int(record.WearIndex)
	}
	for _, one := range [...]struct {
		k record.Key
		n *int64
	}{{record.BytesWrittenTotal, &s.BytesWritten}, {record.EraseCountMax, &s.EraseMax}, {record.BadBlockCount, &s.BadBlocks}} {
		if rec.Has(one.k) {
			*one.n = int64(min(rec.Count(one.k), 1<<63-1))
		}
	}
	return s
}
