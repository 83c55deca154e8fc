// An executive in one process: the whole of a controller for many batches, in one page.

package executive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing/fstest"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/timebase/system"
)

// cell is what the runtime server reads: one unit, the map of its wires, and a recipe. The recipe says UNIT, the map which equipment that is, and
// the model which outputs that equipment has.
var cell = fstest.MapFS{
	"equipment.yaml": {Data: []byte(`schema_version: 1
equipment:
  - {equipment_id: PLANT, level: site}
  - {equipment_id: CELL, level: process_cell, parent: PLANT}
  - {equipment_id: R1, level: unit, parent: CELL, owners: 1, channels: [do/1], safe: {do/1: 0}, map: maps/R1.yaml}
`)},
	"maps/R1.yaml": {Data: []byte(`mapping: R1-IO
version: "1.0"
schema_version: 1
device_id: CELL-1
equipment_id: R1
resources:
  - {resource_id: UNIT, equipment_id: R1, between_batches: true}
tags:
  - {logical_tag: XV1, physical_channel: do/1, resource: UNIT, direction: out, type: switch, words: [closed, open], safe_value: closed, stale_after: 3 s}
  - {logical_tag: ZS1, physical_channel: di/1, direction: in, type: switch, words: [closed, open], stale_after: 3 s}
`)},
	"recipes/fill.yaml": {Data: []byte(`recipe: FILL
version: "1.0"
schema_version: 1
title: Open the valve, and close it again
recovery: hold
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
procedure:
  id: FILL
  level: operation
  uses: [UNIT]
  timeout: 1 min
  sequence:
    - id: CHARGE
      level: phase
      timeout: 30 s
      actions:
        - set: {XV1: open}
        - wait: "ZS1 == open"
        - set: {XV1: closed}
        - wait: "ZS1 == closed"
`)},
}

// The four parts of an executive in one process, and a client that has one batch run from its creation to its removal. As processes they are the
// same: api.Sockets(DIR/run) stands for the network, store.OpenSQLite for the log, and Processes for Goroutines.
func Example() {
	if err := one(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// FILL on R1: Ended Complete
	// its evidence is whole: true
	// R1 is free: true
	// removed
}

func one() (err error) {
	dir, err := os.MkdirTemp("", "batchkit")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, clock, log := &api.Memory{}, system.NewClock(1), store.NewMemory()

	// The runtime server, which has the model, recipes and rights.
	runtime, err := registry.Open(dir, "CELL-1", cell, n, nil)
	if err != nil {
		return err
	}
	// The I/O process, which alone has the board: here a simulated one.
	led, err := ledger.Open(filepath.Join(dir, "device"), "CELL-1", "io", nil)
	if err != nil {
		return err
	}
	defer led.Close()
	io, err := wire.New(sim.NewPlant(1).On(clock), led, &wire.ServerOptions{Dir: filepath.Join(dir, "io"), Clock: clock, Network: n})
	if err != nil {
		return err
	}
	socket, err := n.Listen(api.IO)
	if err != nil {
		return err
	}
	// The manager, and how it starts the runner of a batch.
	manager, err := executive.New(dir, n, log, executive.Goroutines{Run: func(ctx context.Context, _, dir string) error {
		o, err := host.ReadOrder(dir)
		if err != nil {
			return err
		}
		return host.Run(ctx, dir, o, n, &host.Options{Clock: clock})
	}}, nil)
	if err != nil {
		return err
	}
	defer manager.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for _, run := range []func(context.Context) error{
		runtime.Run, manager.Run, io.Run,
		func(ctx context.Context) error { return api.Serve(ctx, socket, io.Handler()) },
	} {
		group.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				fmt.Println(err)
			}
		})
	}
	return order(ctx, n)
}

// order is a client: it has a batch created and started, follows it to its end, looks who has its unit, and removes it.
func order(ctx context.Context, n api.Network) error {
	c := n.Dial(api.Manager)
	defer c.Close()
	var a api.Accepted
	w := n.Dial(api.IO)
	defer w.Close()
	// All is up once the manager and the I/O process know the equipment that the runtime server has.
	var units api.Holdings
	var wires api.Wire
	for len(units) == 0 || len(wires.Equipment) == 0 {
		if err := errors.Join(c.Call(ctx, "GET", "/v1/equipment", nil, &units), w.Call(ctx, "GET", "/v1/wire", nil, &wires)); ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := c.Call(ctx, "POST", "/v1/batches", &api.Create{Recipe: "FILL", Unit: "R1", Start: true}, &a); err != nil {
		return err
	}
	seen := errors.New("that was it")
	follow := func(is func(event string, b *api.Batch) bool) error {
		err := c.Events(ctx, "/v1/events", 5*time.Second, func(event, _ string, data []byte) error {
			var b api.Batch
			if event == "batch" {
				if err := json.Unmarshal(data, &b); err != nil {
					return err
				}
			}
			if is(event, &b) {
				return seen
			}
			return nil
		})
		if errors.Is(err, seen) {
			return nil
		}
		return err
	}
	var end api.Batch
	if err := follow(func(_ string, b *api.Batch) bool { end = *b; return b.Life == api.Ended || b.Life == api.LoadFailed }); err != nil {
		return err
	}
	fmt.Printf("%s on %s: %s %s%s\n", end.Recipe, end.Unit, end.Life, end.State, end.Reason)
	r, err := evidence.Verify(end.Package)
	if err != nil {
		return err
	}
	fmt.Println("its evidence is whole:", r.OK())

	var who api.Holdings
	if err := c.Call(ctx, "GET", "/v1/equipment", nil, &who); err != nil {
		return err
	}
	fmt.Println(who[0].Equipment, "is free:", who[0].Batch == "")

	if err := c.Call(ctx, "POST", "/v1/batches/"+a.Batch+"/removal", &api.Removal{Order: api.Order{Reason: "it is done"}}, nil); err != nil {
		return err
	}
	for c.Call(ctx, "GET", "/v1/batches/"+a.Batch, nil, &end) == nil && end.Life != api.Removed {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("removed")
	return nil
}
