// VerifyJournal: a journal that is no batch's, such as a controller's device journal or the ledger of a process, held against its own chain.

package evidence

import (
	"fmt"

	"github.com/batchkit/batchkit/journal"
)

// JournalReport is what VerifyJournal found.
type JournalReport struct {
	JournalID string // as its records say it
	DeviceID  string
	Records   uint64
	Link      string // of the last record, in hex
	Outcome   string // CLEAN, or TORN_TAIL where the end was cut off or is being written; "" of an extract
	Left      uint64 // records whose bodies an extract leaves out
	Signed    Signed // which of its records are signed, and by whose key
	Unsound   string // the first thing that is wrong, in words; "" where nothing is
}

// OK tells whether nothing is wrong.
func (r *JournalReport) OK() bool { return r.Unsound == "" }

// VerifyJournal reads a journal, or an extract of it, and changes nothing: each record has its place in one chain and is a record, all are of one
// journal and one device, and the signatures are right. That nothing was cut off its end, or all of it made anew, only somebody else who keeps a
// head can tell. Trusted is as in Options. It may run beside who writes the journal. The error says why nothing can be reported: ErrNoDevice
// where there is no journal, or it cannot be read.
func VerifyJournal(dir string, trusted []*journal.PublicKey) (*JournalReport, error) {
	w, err := readWitness(dir, "", trusted)
	if err != nil {
		return nil, err
	}
	r := &JournalReport{JournalID: Plain(w.id), DeviceID: Plain(w.device), Records: w.head.N, Link: w.head.Link.String(), Outcome: w.outcome, Left: w.left,
		Signed: w.signed, Unsound: Plain(w.unsound)}
	if r.OK() && len(trusted) > 0 && w.signed.Trusted == 0 {
		r.Unsound = "no head is signed by a key that was given, or by one that such a key led to"
	}
	return r, nil
}

// Words says it in one line.
func (r *JournalReport) Words() string {
	if !r.OK() {
		return fmt.Sprintf("journal %s of %s: %s", r.JournalID, r.DeviceID, r.Unsound)
	}
	s := fmt.Sprintf("journal %s of %s: %d records, last link %s", r.JournalID, r.DeviceID, r.Records, r.Link)
	if r.Outcome == journal.TornTail.String() {
		s += "; its end was cut off, or is being written"
	}
	if r.Left > 0 {
		s += fmt.Sprintf("; an extract, which leaves out the bodies of %d records", r.Left)
	}
	if r.Signed.Records == 0 {
		return s + "; none is signed"
	}
	return s + fmt.Sprintf("; records 1 to %d are signed, 1 to %d by a key that was given", r.Signed.Records, r.Signed.Trusted)
}
