// The example of package bustest: a device, and a wire that goes bad.

package bustest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
)

func Example() {
	memory := server.NewMemory()
	memory.Set(server.Holding, 100, 7)
	far, err := server.Serve("127.0.0.1:0", memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = far.Close() }()

	replies := 0
	relay, err := bustest.NewRelay("127.0.0.1:0", far.Addr(), func(_, reply []byte) ([]byte, error) {
		if replies++; replies == 2 {
			return reply[:5], fmt.Errorf("cut the wire")
		}
		return reply, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error)
	go func() { done <- relay.Run(ctx) }()

	client, err := modbus.Dial(ctx, relay.Addr(), &modbus.Options{Timeout: 20 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	value := make([]uint16, 1)
	fmt.Println(client.ReadHolding(ctx, 1, 100, value), value[0])
	fmt.Println(client.ReadHolding(ctx, 1, 100, value) != nil)
	cancel()
	fmt.Println(<-done)
	// Output:
	// <nil> 7
	// true
	// <nil>
}
