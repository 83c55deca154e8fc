// A server, and two boards that share a log.

package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/bus"
	"github.com/batchkit/batchkit/batch/store"
)

// Two boards want the same skid, and append under one number: one is first, the other reads on.
func Example() {
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := bus.NewServer(&bus.ServerOptions{Node: "n1", Listen: "127.0.0.1:0", Dir: dir, MaxStore: 1 << 30, MaxMemory: 64 << 20}) // no Users: a trial
	if err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := s.Ready(ctx); err != nil {
		panic(err)
	}
	for _, node := range []string{"n1", "n2"} {
		c, err := bus.Connect(ctx, &bus.Options{URL: s.ClientURL(), Node: node})
		if err != nil {
			panic(err)
		}
		seen, err := store.OpenSQLite(filepath.Join(dir, node+".db"), nil) // what this board has seen of the log
		if err != nil {
			panic(err)
		}
		log, err := bus.OpenLog(ctx, c, "plant", seen)
		if err != nil {
			panic(err)
		}
		op := arbiter.Op{Kind: arbiter.Request, Batch: node + ".B-0001", ID: 1, Equipment: []string{"S901"}}
		line, err := op.Append(nil)
		if err != nil {
			panic(err)
		}
		err = log.Append(ctx, 1, line)
		fmt.Println(node, "came second:", errors.Is(err, arbiter.ErrConflict))
		err = log.Read(ctx, 1, func(seq uint64, op []byte) error {
			fmt.Println(node, "reads", seq, string(op))
			return nil
		})
		if err := errors.Join(err, log.Close(), seen.Close()); err != nil {
			panic(err)
		}
		c.Close()
	}
	cancel()
	fmt.Println(<-done)
	// Output:
	// n1 came second: false
	// n1 reads 1 {"op":"request","batch":"n1.B-0001","claim":1,"equipment":["S901"]}
	// n2 came second: true
	// n2 reads 1 {"op":"request","batch":"n1.B-0001","claim":1,"equipment":["S901"]}
	// <nil>
}
