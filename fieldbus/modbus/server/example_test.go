// The example of package server: registers that somebody else reads and writes.

package server_test

import (
	"context"
	"fmt"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
)

func ExampleServe() {
	memory := server.NewMemory()
	memory.Set(server.Input, 30, 0x0001, 0x86A0)
	far, err := server.Serve("127.0.0.1:0", memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = far.Close() }()

	ctx := context.Background()
	client, err := modbus.Dial(ctx, far.Addr(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	total := make([]uint16, 2)
	err = client.ReadInput(ctx, 1, 30, total)
	fmt.Println(uint32(total[0])<<16|uint32(total[1]), err)
	fmt.Println(client.WriteCoil(ctx, 1, 7, true), memory.Get(server.Coil, 7))
	// Output:
	// 100000 <nil>
	// <nil> 1
}
