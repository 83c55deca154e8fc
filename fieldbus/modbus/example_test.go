// The examples of package modbus: a device as a board, and one exchange.

package modbus_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/iomap/tag"
)

// A device of a tag map becomes a driver, and that, on a line, a board.
func ExampleNewDevice() {
	memory := server.NewMemory()
	memory.Set(server.Input, 30, 0x0001, 0x86A0)
	far, err := server.Serve("127.0.0.1:0", memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = far.Close() }()

	meter := &fieldbus.Profile{ID: "meter", Version: "1", Protocol: modbus.Protocol, Points: []fieldbus.Point{
		{Index: 0, Name: "valve", At: "coil 0", Type: fieldbus.Bool, Access: fieldbus.ReadWrite},
		{Index: 1, Name: "total", At: "input 30", Type: fieldbus.Uint32},
	}}
	bus := &fieldbus.TagMap{ // ParseTagMap reads it from a file
		ID: "bus", Version: "1", Profiles: []*fieldbus.Profile{meter},
		Devices: []fieldbus.Device{{Name: "FT-101", Profile: meter, Unit: 1, Endpoints: []string{"tcp://" + far.Addr()}}},
		Classes: []fieldbus.Class{{Name: "fast", Plane: fieldbus.Control, Every: 10e6}},
		Tags:    []fieldbus.Tag{{Channel: "do/1", Point: 0, StaleAfter: 60e9}, {Channel: "tot/1", Point: 1, StaleAfter: 60e9}},
	}
	driver, err := modbus.NewDevice(&bus.Devices[0], nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	board, err := line.New(bus, []line.Attached{{Device: "FT-101", Driver: driver}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	err = board.Watch(ctx, func(r tag.Raw) {
		if seen++; seen <= 2 {
			fmt.Println(r.Channel, r.Bits, r.Quality)
		}
		if seen == 2 {
			cancel()
		}
	})
	fmt.Println(err)
	// Output:
	// do/1 0 GOOD
	// tot/1 100000 GOOD
	// <nil>
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
