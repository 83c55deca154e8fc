// Two batches that want one unit, and a third process that reads the log.

package arbiter_test

import (
	"context"
	"fmt"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// Two batches want R101. Each operation is appended to the log first, and then applied; who reads the log has the same book.
func Example() {
	ctx := context.Background()
	log, book := store.NewMemory(), arbiter.NewBook()
	for _, op := range []arbiter.Op{
		{Kind: arbiter.Stock, Equipment: []string{"R101"}, Owners: 1},
		{Kind: arbiter.Request, Batch: "B-0001", ID: 1, Equipment: []string{"R101"}},
		{Kind: arbiter.Request, Batch: "B-0002", ID: 1, Equipment: []string{"R101"}},
		{Kind: arbiter.Release, Batch: "B-0001", ID: 1},
	} {
		line, err := op.Append(nil)
		if err == nil {
			err = log.Append(ctx, book.Next(), line)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range book.Step(book.Next(), &op, nil) {
			switch e.Kind {
			case arbiter.Granted:
				fmt.Println(e.Batch, "gets", e.Equipment, "under token", e.Token)
			case arbiter.Queued:
				fmt.Println(e.Batch, "waits at place", e.Place, "behind", e.Owner)
			}
		}
	}
	again, err := arbiter.Read(ctx, log)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range again.Holdings() {
		fmt.Println("read anew:", h.Batch, "has", h.Equipment, "under token", h.Token)
	}
	// Output:
	// B-0001 gets [R101] under token 1
	// B-0002 waits at place 1 behind B-0001
	// B-0002 gets [R101] under token 2
	// read anew: B-0002 has R101 under token 2
}
