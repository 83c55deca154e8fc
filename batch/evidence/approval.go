// The check "approval": what the records say of who let the batch run.

package evidence

import (
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
)

// checkApproval holds every binding against the flag unapproved, and its period of validity against the time at which the batch
// was created. Whether the approvals themselves were ever given is in another journal.
func (v *verifier) checkApproval() error {
	c, r := v.check("approval"), v.recs
	if r.created == nil {
		c.fail(0, "", "no batch is created, so nothing is approved")
		return nil
	}
	at := r.created.Time(record.TsUTC)
	when := string(record.AppendTime(nil, at))
	names := make([]string, len(r.bound))
	for i := range r.bound {
		b := &r.bound[i]
		a := &b.approval
		what := fmt.Sprintf("the %.64s %.64s %.64s", b.kind, b.id, b.version)
		names[i] = fmt.Sprintf("%s by %.64s of %.64s", b.kind, a.ID, a.By)
		switch {
		case a.ID == "" && !r.unapproved():
			c.fail(b.seq, "", "%s has no approval_id, and the records do not say that the batch ran without approval", what)
		case a.ID != "" && r.unapproved():
			c.fail(b.seq, "", "%s has approval_id %.64q, and the records say that the batch ran without approval", what, a.ID)
		}
		switch {
		case a.EffectiveFrom == 0 && a.Expiry == 0:
		case !r.created.Has(record.TsUTC):
			c.fail(b.seq, "", "%s is approved for a time only, and batch_created does not know the time of day", what)
		case at < a.EffectiveFrom:
			c.fail(b.seq, "", "%s is effective from %s, the batch was created at %s", what, record.AppendTime(nil, a.EffectiveFrom), when)
		case a.Expiry != 0 && at >= a.Expiry:
			c.fail(b.seq, "", "%s expired at %s, the batch was created at %s", what, record.AppendTime(nil, a.Expiry), when)
		}
	}
	if r.unapproved() {
		c.found("nobody approved, and every record says so")
		return nil
	}
	c.found("the records name an approval of each file, in force when the batch was created: %s", few(names))
	return nil
}
