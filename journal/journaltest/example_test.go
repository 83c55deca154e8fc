// The example of package journaltest: one crash by hand.

package journaltest_test

import (
	"fmt"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

func Example() {
	d := journaltest.NewDisk()
	h := journal.Header{JournalID: "B-0001"}
	w, err := journal.Create("j", h, &journal.Options{Storage: d})
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Append(1, []byte("first"))
	fmt.Println(w.Commit())

	// The flush of the second group never ends; 64 bytes of its sector arrive.
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "sync" {
			return &journaltest.Fault{Err: journaltest.ErrPower, Power: true}
		}
		return nil
	}
	w.Append(2, []byte("second"))
	fmt.Println(w.Commit() != nil)
	after := d.Cut(journaltest.Loss{Sectors: "a"})

	rec, err := journal.Scan("j", nil, &journal.Options{Storage: after})
	fmt.Println(rec.Outcome, "after record", rec.Head.N, err)
	// Output:
	// <nil>
	// true
	// TORN_TAIL after record 1 <nil>
}
