// What a dry run would have written, and when, taken from its package.

package evidence

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/batchkit/batchkit/journal/record"
)

// ErrNotDry refuses to take the batch of a package for a dry run.
var ErrNotDry = errors.New("evidence: the batch is no dry run: what its records say of outputs was written")

// DryWrite is one thing that a dry run would have done. Its text is fit for a terminal, see [Plain].
type DryWrite struct {
	Seq     uint64 // event_seq of the record that says so
	Epoch   int64
	Mono    int64  // ts_mono_ns
	UTC     string // ts_utc; "" where it is not known
	Output  string // logical_tag; of an OEM action its type
	Channel string // physical_channel; "" of an OEM action
	Old     string // what would have been commanded before
	Value   string // of an OEM action its parameters
	Unit    string
	Step    string // in whose hands it was; "" where it was nobody's
	Action  string
	Why     string // where it would not have been set by the recipe: hold, abort, override and so on
}

// DryRun lists what the dry run of a package would have written and asked of OEM actions, in order. It reads events.tsv and files/ alone,
// and holds the chain against itself as Verify does; whether all else holds is for Verify to say. The package of another batch is refused
// with ErrNotDry.
func DryRun(dir string) ([]DryWrite, error) {
	v, err := openPackage(dir)
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	var list []DryWrite
	_, err = v.readStrict(func(n uint64, body []byte) error {
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		if rec.Has(record.BatchID) && rec.Text(record.DryRun) != dryYes {
			return ErrNotDry
		}
		switch w := dryWrite(n, rec); rec.Kind {
		case record.KindOutputWrite:
			w.Output, w.Channel = Plain(rec.Text(record.LogicalTag)), Plain(rec.Text(record.PhysicalChannel))
			w.Old, w.Value, w.Unit = Plain(rec.Text(record.OldValue)), Plain(rec.Text(record.Value)), Plain(rec.Text(record.Unit))
			if w.Why = Plain(rec.Text(record.SafeStateReason)); w.Why == "" {
				w.Why = Plain(rec.Text(record.Detail))
			}
			list = append(list, w)
		case record.KindActionRequest:
			w.Output, w.Value = Plain(rec.Text(record.ActionType)), Plain(fmt.Sprint(rec.Texts(record.Params)))
			list = append(list, w)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("evidence: dry run of %s: %w", dir, err)
	}
	return list, nil
}

func dryWrite(n uint64, rec *record.Record) DryWrite {
	return DryWrite{Seq: n, Epoch: rec.Int(record.Epoch), Mono: int64(rec.Count(record.TsMonoNS)), UTC: rec.Text(record.TsUTC),
		Step: Plain(rec.Text(record.StepID)), Action: Plain(rec.Text(record.ActionID))}
}

// WriteDryRun writes a list of DryRun as CSV (RFC 4180), a line each under a head that names the columns.
func WriteDryRun(w io.Writer, list []DryWrite) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"event_seq", "epoch", "ts_mono_ns", "ts_utc", "logical_tag", "physical_channel", "old_value", "would_be", "unit", "step_id",
		"action_id", "why"}}
	for i := range list {
		d := &list[i]
		rows = append(rows, []string{strconv.FormatUint(d.Seq, 10), strconv.FormatInt(d.Epoch, 10), strconv.FormatInt(d.Mono, 10), d.UTC, d.Output,
			d.Channel, d.Old, d.Value, d.Unit, d.Step, d.Action, d.Why})
	}
	return c.WriteAll(rows)
}
