// What becomes of packages is recorded, too: that one was exported, and what verifying one came to.

package evidence

import (
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
)

// maxActor is the most bytes of the name of an actor.
const maxActor = 256

// named refuses what nobody answers for.
func named(actor, what string) error {
	if actor == "" || len(actor) > maxActor {
		return fmt.Errorf("evidence: %s needs the name of who has it done, of at most %d bytes", what, maxActor)
	}
	return nil
}

// LogExport records that the package in dir was exported by actor: its export_ref, the journal it is of, and what it holds. It
// returns the number of the record once that is durable.
func LogExport(log record.Log, actor, dir string, m *Manifest) (seq uint64, err error) {
	ref, err := Ref(dir)
	if err == nil {
		err = named(actor, "an export")
	}
	if err != nil {
		return 0, err
	}
	what := "all"
	if m.Selection != nil {
		what = m.Selection.String()
	}
	return log.Append(func(b *record.Body) {
		b.Begin(record.KindExport)
		b.Text(record.Actor, actor)
		b.Text(record.ExportRef, ref)
		b.Text(record.ObjectID, m.JournalID)
		b.Texts(record.Values, []string{"batch_id=" + m.BatchID, fmt.Sprintf("bodies=%d", m.Bodies), "last_link=" + m.LastLink,
			fmt.Sprintf("last_seq=%d", m.LastSeq)})
		b.Text(record.Detail, what)
	})
}

// LogVerification records what a verification by actor came to: hash_chain_verify_result is PASS where sums and chain hold,
// result where no check failed; the levels stand beside them. It returns the number of the record once that is durable.
func LogVerification(log record.Log, actor string, r *Report) (seq uint64, err error) {
	if err := named(actor, "a verification"); err != nil {
		return 0, err
	}
	chain, whole := "PASS", "PASS"
	var values []string
	levels := r.Levels()
	for i := range levels {
		l := &levels[i]
		values = append(values, l.Name+"="+l.State)
		if i <= 1 && l.State != LevelHolds {
			chain = "FAIL"
		}
	}
	if !r.OK() {
		whole = "FAIL"
	}
	return log.Append(func(b *record.Body) {
		b.Begin(record.KindVerification)
		b.Text(record.Actor, actor)
		b.Text(record.ExportRef, r.Ref)
		b.Text(record.ChainVerifyResult, chain)
		b.Text(record.ObjectID, r.JournalID)
		b.Text(record.Result, whole)
		b.Texts(record.Values, values)
		b.Text(record.Detail, r.Verdict())
	})
}
