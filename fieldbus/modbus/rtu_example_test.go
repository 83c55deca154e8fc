// The example of a serial line with several slaves.

package modbus_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/hal/linux"
)

func ExampleNewRTU() {
	port, err := linux.OpenRS485("/dev/ttyNorth", linux.Line{Baud: 19200, Data: 8, Parity: 'E', Stop: 1}, nil)
	if err != nil {
		fmt.Println("no such line here")
		return
	}
	client, err := modbus.NewRTU(port, &modbus.RTUOptions{Baud: 19200})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	level := make([]uint16, 2)
	err = client.ReadHolding(context.Background(), 7, 40, level)
	if errors.Is(err, fieldbus.ErrDoubt) { // no answer: one may still come, and is to be taken for nothing else
		err = client.Prove(context.Background(), 7)
	}
	fmt.Println(level, err)
	// Output: no such line here
}
