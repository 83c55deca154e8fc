// A window of one tank: what is shown, and what a client sees of it.

package server_test

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
)

func Example() {
	space := server.NewSpace("urn:plant:controller")
	tank := space.Folder(server.Node{}, "Tank")
	level := space.Variable(tank, "Level", "in litres", server.Float64)
	full := space.EventType("FullEventType", server.Field{Name: "Level", Kind: server.Float64})

	srv, err := server.Serve("127.0.0.1:0", space, nil) // without security, and read-only
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = srv.Close() }()
	litres := server.Value{Bits: math.Float64bits(412.5), Status: fieldbus.StatusGood, Source: time.Now()}
	space.Set(level, litres)
	space.Raise(server.Event{Type: full, Source: tank, Severity: 300, Message: "the tank is full", Fields: []server.Value{litres}})

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := opcua.NewClient("opc.tcp://" + srv.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close(ctx) }()
	v, err := client.Node(ua.NewStringNodeID(2, "Tank/Level")).Value(ctx)
	fmt.Println(v.Value(), err)
	// Output: 412.5 <nil>
}
