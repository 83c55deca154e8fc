// A cell for these tests: a runtime server, an I/O process with a simulated board, and a manager whose runners are goroutines, all in one process.

package production_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing/fstest"
	"time"

	"github.com/batchkit/batchkit/batch/executive"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/timebase/system"
)

// files is what the runtime server of a cell reads: one unit, the map of its wires, and two recipes. FILL opens the valve and closes it
// again; STEEP keeps it open for a while, which is long enough to look at it on a machine that is slow, and may be resumed.
var files = fstest.MapFS{
	"equipment.yaml": {Data: []byte(`schema_version: 1
equipment:
  - {equipment_id: PLANT, level: site}
  - {equipment_id: CELL, level: process_cell, parent: PLANT}
  - {equipment_id: R1, level: unit, parent: CELL, owners: 1, capabilities: {VALVE: DN50}, channels: [do/1], safe: {do/1: 0}, map: maps/R1.yaml}
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
	"recipes/fill.yaml":  {Data: []byte(recipe("FILL", `        - wait: "ZS1 == open"`))},
	"recipes/steep.yaml": {Data: []byte(recipe("STEEP", `        - wait: "elapsed(8 s)"`))},
}

func recipe(id, waits string) string {
	return `recipe: ` + id + `
version: "1.0"
schema_version: 1
title: Open the valve, and close it again
recovery: resume
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
procedure:
  id: ` + id + `
  level: operation
  uses: [UNIT]
  timeout: 1 min
  sequence:
    - id: CHARGE
      level: phase
      timeout: 30 s
      actions:
        - set: {XV1: open}
` + waits + `
        - set: {XV1: closed}
        - wait: "ZS1 == closed"
`
}

// cell runs the parts of a cell in dir until end is called, which returns when all have ended.
func cell(ctx context.Context, dir string, n *api.Memory, log arbiter.Log) (end func(), err error) {
	clock := system.NewClock(1)
	runtime, err := registry.Open(dir, "CELL-1", files, n, nil)
	if err != nil {
		return nil, err
	}
	led, err := ledger.Open(filepath.Join(dir, "device"), "CELL-1", "io", nil)
	if err != nil {
		return nil, err
	}
	io, err := wire.New(sim.NewPlant(1).On(clock), led, &wire.ServerOptions{Dir: filepath.Join(dir, "io"), Clock: clock, Network: n})
	if err != nil {
		return nil, err
	}
	socket, err := n.Listen(api.IO)
	if err != nil {
		return nil, err
	}
	manager, err := executive.New(dir, n, log, executive.Goroutines{Run: func(ctx context.Context, _, dir string) error {
		o, err := host.ReadOrder(dir)
		if err != nil {
			return err
		}
		return host.Run(ctx, dir, o, n, &host.Options{Clock: clock})
	}}, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{runtime.Run, manager.Run, io.Run,
		func(ctx context.Context) error { return api.Serve(ctx, socket, io.Handler()) }} {
		group.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				fmt.Println(err)
			}
		})
	}
	return func() {
		cancel()
		group.Wait()
		manager.Close()
		led.Close()
	}, nil
}

// jobsIn asks for the list until a condition holds, and gives it.
func jobsIn(ctx context.Context, c *api.Client, is func(list api.Jobs) bool) (list api.Jobs, err error) {
	for {
		list = nil
		if err := c.Call(ctx, http.MethodGet, "/v1/jobs", nil, &list); ctx.Err() != nil {
			return list, fmt.Errorf("%w: %v %w", ctx.Err(), list, err)
		} else if err == nil && is(list) {
			return list, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}
