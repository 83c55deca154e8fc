// The examples of package modbus: a device as a board, and one exchange.

package modbus_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/iomap/tag"
)

func Example() {
	memory := server.NewMemory()
	memory.Set(server.Input, 30, 0x0001, 0x86A0)
	far, err := server.Serve("127.0.0.1:0", memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = far.Close() }()

	port, err := modbus.NewPort(far.Addr(), []modbus.Point{
		{Channel: "do/1", Table: modbus.Coil, Address: 0, Form: tag.Bool},
		{Channel: "tot/1", Table: modbus.Input, Address: 30, Words: 2, Form: tag.Int},
	}, &modbus.PortOptions{Period: 10 * time.Millisecond, Unit: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	err = port.Watch(ctx, func(r tag.Raw) {
		fmt.Println(r.Channel, r.Bits, r.Quality)
		if seen++; seen == 2 {
			fmt.Println(port.Write(ctx, tag.Write{Channel: "do/1", Form: tag.Bool, Bits: 1}))
			cancel()
		}
	})
	fmt.Println(memory.Get(server.Coil, 0), err)
	// Output:
	// do/1 0 GOOD
	// tot/1 100000 GOOD
	// <nil>
	// 1 <nil>
}

func ExampleDial() {
	far, err := server.Serve("127.0.0.1:0", server.NewMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	client, err := modbus.Dial(ctx, far.Addr(), &modbus.Options{Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	fmt.Println(client.WriteRegister(ctx, 1, 7, 42))
	out := make([]uint16, 1)
	fmt.Println(client.ReadHolding(ctx, 1, 7, out), out)

	_ = far.Close()
	err = client.WriteRegister(ctx, 1, 7, 43)
	fmt.Println(errors.Is(err, modbus.ErrUnknown), errors.Is(err, modbus.ErrRefused))
	err = client.WriteRegister(ctx, 1, 7, 44)
	fmt.Println(errors.Is(err, modbus.ErrDown))
	// Output:
	// <nil>
	// <nil> [42]
	// true false
	// true
}
