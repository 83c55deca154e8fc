// What unit runs come to, as records.

package production

import (
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/journal/record"
)

// runFill is the record of an effect. The effect is borrowed until it is written.
//
//	state                          unit_run           state and code after it, old_value before; values: test=true, post=true
//	captured                       unit_run_data      one row "ns tag value quality" for each value
//	linked, arrived, moved, ...    unit_run_material  result: the word of the effect; values: other=MATERIAL, visit=N (place in
//	                                                  its trace), test=true
//	all others                     unit_run_notice    result: the word of the effect
func runFill(e *unitrun.Effect) fill {
	return func(b *record.Body, cause uint64) {
		switch e.Kind {
		case unitrun.RunChanged:
			fillRun(b, e)
		case unitrun.Captured:
			b.Begin(record.KindUnitRunData)
			b.Text(record.RunID, e.Run)
			rows := make([]string, len(e.Data))
			for i, v := range e.Data {
				rows[i] = string(appendRow(nil, v.At, v.Tag, v.Value, v.Quality))
			}
			b.Texts(record.RunData, rows)
			return // it is an input, and has no cause
		case unitrun.Linked, unitrun.Registered, unitrun.Arrived, unitrun.Moved, unitrun.SplitOff, unitrun.Merged, unitrun.Merging, unitrun.Exited, unitrun.MovedBack,
			unitrun.TraceInvalid, unitrun.LineInvalid, unitrun.TestMarked:
			fillMaterial(b, e)
		default:
			fillNotice(b, e)
		}
		b.Counts(record.Cause, []uint64{cause})
	}
}

func fillRun(b *record.Body, e *unitrun.Effect) {
	b.Begin(record.KindUnitRun)
	b.Text(record.RunID, e.Run)
	b.Text(record.RunDefinition, e.Definition)
	b.Text(record.UnitID, e.Unit)
	b.Text(record.RunState, e.State.String())
	b.Int(record.StatusCode, int64(e.State.Status()))
	b.Text(record.OldValue, e.Old.String())
	b.Text(record.Command, e.Command.String())
	some(b, record.MainIdent, e.Ident)
	some(b, record.ProcessID, e.Process)
	some(b, record.Detail, e.Reason)
	for _, t := range []struct {
		key record.Key
		utc int64
	}{{record.CreatedTs, e.Created}, {record.StartedTs, e.Started}, {record.EndedTs, e.Ended}} {
		if t.utc != 0 {
			b.Time(t.key, t.utc)
		}
	}
	if values := named("test", yes(e.Test), "post", yes(e.Post)); len(values) > 0 {
		b.Texts(record.Values, values)
	}
}

// yes is true as a value, and "" for false.
func yes(is bool) string {
	if is {
		return "true"
	}
	return ""
}

func fillMaterial(b *record.Body, e *unitrun.Effect) {
	b.Begin(record.KindUnitRunMaterial)
	b.Text(record.MaterialID, e.Material)
	b.Text(record.Result, e.Kind.String())
	some(b, record.RunID, e.Run)
	some(b, record.FromUnit, e.From)
	some(b, record.UnitID, e.Unit)
	some(b, record.Detail, e.Reason)
	if values := named("other", e.Other, "visit", number(int64(e.Visit)), "test", yes(e.Test || e.Kind == unitrun.TestMarked)); len(values) > 0 {
		b.Texts(record.Values, values)
	}
}

func fillNotice(b *record.Body, e *unitrun.Effect) {
	b.Begin(record.KindUnitRunNotice)
	b.Text(record.Result, e.Kind.String())
	some(b, record.RunID, e.Run)
	some(b, record.RunDefinition, e.Definition)
	some(b, record.UnitID, e.Unit)
	some(b, record.MaterialID, e.Material)
	some(b, record.LogicalTag, e.Tag)
	some(b, record.Value, e.Value)
	if e.Command != 0 {
		b.Text(record.Command, e.Command.String())
	}
	detail := e.Reason
	if e.Kind == unitrun.CaptureOn {
		detail = "every " + strconv.FormatInt(e.PeriodMS, 10) + " ms: " + strings.Join(e.Tags, ", ")
	}
	some(b, record.Detail, detail)
}
