// A log in a file, and two who append to it.

package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// Of two who append under one number one wins; the other reads on, and asks anew.
func Example() {
	dir, err := os.MkdirTemp("", "batchkit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	log, err := store.OpenSQLite(filepath.Join(dir, "manager.db"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close()
	ctx := context.Background()
	for _, batch := range []string{"B-0001", "B-0002"} {
		op := arbiter.Op{Kind: arbiter.Request, Batch: batch, ID: 1, Equipment: []string{"R101"}}
		line, err := op.Append(nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = log.Append(ctx, 1, line)
		fmt.Println(batch, "came second:", errors.Is(err, arbiter.ErrConflict))
	}
	err = log.Read(ctx, 1, func(seq uint64, op []byte) error {
		fmt.Println(seq, string(op))
		return nil
	})
	fmt.Println(err)
	// Output:
	// B-0001 came second: false
	// B-0002 came second: true
	// 1 {"op":"request","batch":"B-0001","claim":1,"equipment":["R101"]}
	// <nil>
}
