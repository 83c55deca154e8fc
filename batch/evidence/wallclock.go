// The wall clock: each step and each change of its source is held against the looks at it, and the beginning of a batch against UNSET.

package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// wallClock is what the looks at the wall clock come to.
type wallClock struct {
	last      *record.Record // newest look: a time_observed, or the record at the head of an epoch
	was       *record.Record // the one before it in this epoch
	steps     int64          // time_step_count, by the records
	due       []owed         // what the newest look must lead to
	orders    *record.Record // last confirm_time that was ordered
	confirmed bool
}

// owed is a decision that must follow, with what it must say.
type owed struct {
	kind record.Kind
	want []said
}

// looksAt takes in a look at the wall clock.
func (c *wallClock) looksAt(rec *record.Record, tolerance int64) error {
	c.was, c.last, c.due = c.last, rec, c.due[:0]
	if rec.Kind != record.KindTimeObserved {
		c.was, c.steps = nil, 0
		return nil
	}
	if c.was == nil {
		return errors.New("no epoch has begun before it")
	}
	moved, counted, err := c.moved()
	if err != nil {
		return err
	}
	limit := big.NewInt(tolerance)
	beyond := moved.CmpAbs(limit) > 0
	if known(c.was) && known(rec) && (counted > 0 || beyond) {
		c.steps += max(counted, 1)
		want := []said{{record.MovedMS, millis(moved)}, {record.StepReason, rec.Text(record.StepReason)}}
		from, to, within := "", "", ""
		if beyond {
			from, to, within = c.was.Text(record.TsMonoNS), rec.Text(record.TsMonoNS), strconv.FormatInt(tolerance/1_000_000, 10)
		}
		c.due = append(c.due, owed{record.KindClockStep, append(want, said{record.FromMonoNS, from}, said{record.ToMonoNS, to},
			said{record.OrderToleranceMS, within})})
	}
	before, now := sourced(c.was), sourced(rec)
	if before == now {
		return nil
	}
	why, held := rec.Text(record.SourceChange), "none"
	switch state := rec.Text(record.SyncState); {
	case state == timebase.Holdover.String():
		held = "active"
	case (state == timebase.RTCOnly.String() || state == timebase.Unset.String()) && rec.Has(record.LastSyncTs):
		held = "ended"
	}
	if why == "" {
		why = "observed"
	}
	want := []said{{record.OldValue, before}, {record.NewValue, now}, {record.SourceChange, why}, {record.HoldoverState, held}}
	for _, k := range [...]record.Key{record.SourceDetail, record.LastSyncTs, record.HoldoverAgeS, record.PrimaryBackup} {
		want = append(want, said{k, rec.Text(k)})
	}
	c.due = append(c.due, owed{record.KindTimeSourceChange, want})
	return nil
}

// moved is by how many ns UTC was moved between the last two looks, and how many steps the observer has counted between them. Of its own
// measure and the difference of the stamps the greater counts.
func (c *wallClock) moved() (ns *big.Int, counted int64, err error) {
	ns = new(big.Int)
	if !known(c.was) || !known(c.last) {
		return ns, 0, nil
	}
	ns.Sub(big.NewInt(c.last.Time(record.TsUTC)), big.NewInt(c.was.Time(record.TsUTC)))
	for _, r := range [...]*record.Record{c.last, c.was} {
		mono := new(big.Int).SetUint64(r.Count(record.TsMonoNS))
		if r == c.last {
			mono.Neg(mono)
		}
		ns.Add(ns, mono)
	}
	counted = c.last.Int(record.TimeStepCount) - c.was.Int(record.TimeStepCount)
	if counted <= 0 || !c.last.Has(record.MovedMS) {
		return ns, counted, nil
	}
	own, err := nanos(c.last.Text(record.MovedMS))
	if err == nil && own.CmpAbs(ns) > 0 {
		ns = own
	}
	return ns, counted, err
}

// decides holds a decision about the wall clock against the newest look.
func (c *wallClock) decides(rec *record.Record) error {
	if len(c.due) == 0 || c.due[0].kind != rec.Kind {
		return fmt.Errorf("no look at the wall clock before it leads to a %s", rec.Kind)
	}
	want := append(c.due[0].want, said{record.TimeStepCount, strconv.FormatInt(c.steps, 10)})
	c.due = c.due[1:]
	for _, k := range [...]record.Key{record.SyncState, record.TimeSource, record.TsUTC, record.OffsetMS, record.TimeBoundMS, record.TsMonoNS} {
		want = append(want, said{k, c.last.Text(k)})
	}
	if !caused(rec, c.last) {
		return fmt.Errorf("its causes are %v, and the look before it is record %d", rec.Counts(record.Cause), c.last.Seq())
	}
	return differs(rec, "by the looks at the wall clock", want...)
}

// clocked takes in what a record says of the wall clock.
func (r *records) clocked(n uint64, rec *record.Record) {
	c, err := &r.clock, error(nil)
	switch {
	case rec.Kind == record.KindClockStep || rec.Kind == record.KindTimeSourceChange:
		err = c.decides(rec)
	case rec.Kind.Spec().Grade == record.Note:
		return
	case len(c.due) > 0:
		r.breach("records", n, "before it a %s is missing, to which the look at the wall clock in record %d leads", c.due[0].kind, c.last.Seq())
		c.due = c.due[:0]
	}
	switch rec.Kind {
	case record.KindTimeObserved, record.KindBatchCreated, record.KindBoot, record.KindRecovery:
		tolerance := int64(timebase.StepLimit)
		if r.m != nil {
			tolerance = r.m.OrderTolerance
		}
		err = c.looksAt(rec, tolerance)
	case record.KindCommand, record.KindCommandResult:
		err = c.begins(rec)
	}
	if err == nil {
		err = c.stamped(rec)
	}
	if err != nil {
		r.breach("records", n, "%v", err)
	}
}

// stamped holds what a record says of the wall clock against the newest look: UTC has gone on since, and its bound has grown.
func (c *wallClock) stamped(rec *record.Record) error {
	if c.last == nil || rec == c.last || rec.Int(record.Epoch) != c.last.Int(record.Epoch) {
		return nil
	}
	want := []said{{record.SyncState, c.last.Text(record.SyncState)}, {record.TimeSource, c.last.Text(record.TimeSource)},
		{record.OffsetMS, c.last.Text(record.OffsetMS)}}
	age := new(big.Int).Sub(new(big.Int).SetUint64(rec.Count(record.TsMonoNS)), new(big.Int).SetUint64(c.last.Count(record.TsMonoNS)))
	bound := ""
	if c.last.Has(record.TimeBoundMS) {
		ns, err := nanos(c.last.Text(record.TimeBoundMS))
		if err != nil {
			return err
		}
		grown := new(big.Int).Add(new(big.Int).Abs(age), big.NewInt(999_999))
		grown.Quo(grown, big.NewInt(1_000_000))
		bound = millis(ns.Add(ns, grown.Mul(grown, big.NewInt(timebase.DriftPPM))))
	}
	want = append(want, said{record.TimeBoundMS, bound})
	if err := differs(rec, "by the look at the wall clock before it", want...); err != nil {
		return err
	}
	if known(rec) != known(c.last) {
		return fmt.Errorf("%s is %q, and the look at the wall clock before it has %q", record.TsUTC, rec.Text(record.TsUTC), c.last.Text(record.TsUTC))
	}
	if utc := age.Add(age, big.NewInt(c.last.Time(record.TsUTC))); known(rec) && utc.Cmp(big.NewInt(rec.Time(record.TsUTC))) != 0 {
		return fmt.Errorf("%s is %s, by the look at the wall clock before it and monotonic time it is %s ns since 1970", record.TsUTC,
			rec.Text(record.TsUTC), utc)
	}
	return nil
}

// begins holds the start of a batch against what was known of UTC.
func (c *wallClock) begins(rec *record.Record) error {
	name := rec.Text(record.Command)
	switch accepted := rec.Text(record.Result) == sequencer.Accepted.String(); {
	case rec.Kind == record.KindCommand:
		if c.orders = nil; name == sequencer.ConfirmTime.String() {
			c.orders = rec
		}
	case !accepted:
	case name == sequencer.ConfirmTime.String():
		if c.orders == nil || !caused(rec, c.orders) || c.orders.Text(record.OperatorID) == "" || c.orders.Text(record.OperatorRole) == "" ||
			c.orders.Text(record.ChangeReason) == "" {
			return errors.New("it accepts that UTC is not known, and no person answers for that just before it")
		}
		c.confirmed = true
	case name == sequencer.Start.String() && rec.Text(record.SyncState) == timebase.Unset.String() && !c.confirmed:
		return errors.New("the batch begins while UTC is not known, and nobody has confirmed that")
	}
	return nil
}

// known tells whether a record has UTC.
func known(rec *record.Record) bool { return rec.Has(record.TsUTC) }

// sourced are state, source and role, as a change of them spells them.
func sourced(rec *record.Record) string {
	return strings.TrimSpace(rec.Text(record.SyncState) + " " + rec.Text(record.TimeSource) + " " + rec.Text(record.PrimaryBackup))
}

// millis is a number of ns as records spell it in ms.
func millis(ns *big.Int) string {
	whole, rest := new(big.Int).QuoRem(new(big.Int).Abs(ns), big.NewInt(1_000_000), new(big.Int))
	sign := ""
	if ns.Sign() < 0 {
		sign = "-"
	}
	return fmt.Sprintf("%s%s.%06d", sign, whole, rest.Int64())
}

// nanos is the inverse of millis.
func nanos(text string) (*big.Int, error) {
	whole, rest, ok := strings.Cut(text, ".")
	ns, read := new(big.Int).SetString(whole+rest, 10)
	if !ok || !read || len(rest) != 6 {
		return nil, fmt.Errorf("moved_ms %.40q has not six decimals", text)
	}
	return ns, nil
}
