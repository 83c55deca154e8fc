// A journal from its creation to its second start.

package journal_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
)

func Example() {
	temp, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temp)
	dir := filepath.Join(temp, "B-0001")
	h := journal.Header{JournalID: "B-0001"}

	w, err := journal.Create(dir, h, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Append(1, []byte(`{"event_type":"batch_created"}`))
	w.Append(2, []byte(`{"event_type":"batch_started"}`))
	fmt.Println("durable before Commit:", w.Durable())
	err = w.Commit()
	fmt.Println("durable after Commit:", w.Durable(), err)
	w.Append(3, []byte(`{"event_type":"step_started"}`))
	fmt.Println("closed:", w.Close())

	w, rec, err := journal.Open(dir, h, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rec.Outcome, "after record", rec.Head.N, "- now epoch", w.Header().Epoch)
	w.Close()

	journal.Scan(dir, func(seq uint64, body []byte, c journal.Chain) error {
		fmt.Printf("%d %.8s %s\n", seq, c.Link, body)
		return nil
	}, nil)
	// Output:
	// durable before Commit: 0
	// durable after Commit: 2 <nil>
	// closed: <nil>
	// CLEAN after record 3 - now epoch 2
	// 1 4d291061 {"event_type":"batch_created"}
	// 2 4ef787b7 {"event_type":"batch_started"}
	// 3 9d085a28 {"event_type":"step_started"}
}

func ExampleChip() {
	temp, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temp)
	board, err := sim.NewBoard(1, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("formatted:", journal.FormatChip(board.FRAM(), 4, 0, ""))
	chip, err := journal.OpenChip(board.FRAM(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	anchor, err := chip.Take("B-0001")
	fmt.Println(anchor, err)

	dir, opt := filepath.Join(temp, "B-0001"), &journal.Options{Anchor: anchor}
	w, err := journal.Create(dir, journal.Header{JournalID: "B-0001"}, opt)
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Append(1, []byte(`{"event_type":"batch_created"}`))
	err = w.Stage() // Staging does so whenever there is something
	fmt.Println("durable before Commit:", w.Durable(), err)
	fmt.Println("closed:", w.Close())
	os.RemoveAll(dir)

	rec, err := journal.Scan(dir, nil, opt)
	fmt.Println(rec.Outcome, rec.Missing, err)
	// Output:
	// formatted: <nil>
	// fram: slot 0, a ring of 31488 bytes <nil>
	// durable before Commit: 1 <nil>
	// closed: <nil>
	// TAIL_LOST 1 <nil>
}
