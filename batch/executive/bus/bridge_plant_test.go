// A test of a whole board on the bus: its four processes, its bridge, and people with keys.

package bus

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
)

// cell is what the runtime server of the board reads.
func cell() fstest.MapFS {
	return fstest.MapFS{
		"rights.yaml": {Data: []byte(fmt.Sprintf("schema_version: 1\nedges: [%d]\nlocal: {\"*\": viewer}\nroles:\n  operator: [create, command, remove]\n  viewer: []\n", os.Getuid()))},
		"equipment.yaml": {Data: []byte(`schema_version: 1
equipment:
  - {equipment_id: PLANT, level: site}
  - {equipment_id: mill, level: area, parent: PLANT}
  - {equipment_id: R1, level: unit, parent: mill, owners: 1, channels: [do/1], safe: {do/1: 0}, map: maps/R1.yaml}
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
}

// executed runs the processes of a board until the test ends, and gives their network and directory.
func executed(t *testing.T) (n *api.Memory, dir string) {
	t.Helper()
	dir, n = t.TempDir(), &api.Memory{}
	clock := system.NewClock(1)
	runtime, err := registry.Open(dir, "CELL-1", cell(), n, nil)
	require.NoError(t, err)
	led, err := ledger.Open(filepath.Join(dir, "device"), "CELL-1", "io", nil)
	require.NoError(t, err)
	io, err := wire.New(sim.NewPlant(1).On(clock), led, &wire.ServerOptions{Dir: filepath.Join(dir, "io"), Clock: clock, Network: n})
	require.NoError(t, err)
	socket, err := n.Listen(api.IO)
	require.NoError(t, err)
	m, err := executive.New(dir, n, store.NewMemory(), executive.Goroutines{Run: func(ctx context.Context, _, dir string) error {
		o, err := host.ReadOrder(dir)
		if err != nil {
			return err
		}
		return host.Run(ctx, dir, o, n, &host.Options{Clock: clock})
	}}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{runtime.Run, m.Run, io.Run, func(ctx context.Context) error { return api.Serve(ctx, socket, io.Handler()) }} {
		all.Go(func() { _ = run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		all.Wait()
		require.NoError(t, m.Close())
		require.NoError(t, led.Close())
	})
	return n, dir
}

// recordsOf reads the records of one kind of a journal.
func recordsOf(t *testing.T, dir string, kind record.Kind) (list []*record.Record) {
	t.Helper()
	_, err := journal.Scan(dir, func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == kind {
			list = append(list, r)
		}
		return err
	}, &journal.Options{})
	require.NoError(t, err)
	return list
}

// onBus is a board whose bridge runs with the key of its node, and anna, who may order there.
type onBus struct {
	*plant
	dir    string // of the board
	busDir string // of the ledger of the bus process
	node   *Conn
	anna   *Conn
	mu     sync.Mutex
	seen   map[string][]string // what anna sees, by subject
}

func newOnBus(t *testing.T) *onBus {
	t.Helper()
	v := &onBus{plant: newPlant(t), seen: map[string][]string{}, busDir: filepath.Join(t.TempDir(), "bus")}
	n, dir := executed(t)
	led, err := ledger.Open(v.busDir, "CELL-1", "bus", nil)
	require.NoError(t, err)
	rec := NewRecorder(led)
	v.dir, v.node = dir, connected(t, &Options{URL: v.url, Seed: v.seeds["n1"], Node: "n1", Tell: rec.Tell})
	b, err := NewBridge(v.node, n, &BridgeOptions{Users: map[string]string{"anna": "operator"}, Areas: []string{"mill"}, Tell: rec.Tell})
	require.NoError(t, err)
	v.anna = v.connect(t, RoleClient, "anna", nil)
	sub, err := v.anna.nc.SubscribeSync("rt.>")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	all.Go(func() {
		if err := rec.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	all.Go(func() {
		for {
			m, err := sub.NextMsgWithContext(ctx)
			if err != nil {
				return
			}
			v.mu.Lock()
			v.seen[m.Subject] = append(v.seen[m.Subject], string(m.Data))
			v.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		all.Wait()
		require.NoError(t, led.Close())
	})
	return v
}

// sees waits until anna has seen a value that has something in it.
func (v *onBus) sees(t *testing.T, subject, what string) {
	t.Helper()
	soon(t, func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return slices.ContainsFunc(v.seen[subject], func(s string) bool { return strings.Contains(s, what) })
	}, "she sees "+subject+" with "+what)
}

// asks sends a request to n1.
func asks(t *testing.T, c *Conn, method, path, body string) (*Answer, error) {
	t.Helper()
	r := &Request{ID: NewID(), Method: method, Path: path}
	if body != "" {
		r.Body = []byte(body)
	}
	return c.Ask(t.Context(), "n1", r)
}

// created creates a batch once the manager knows the rights.
func (v *onBus) created(t *testing.T) {
	t.Helper()
	soon(t, func() bool {
		a, err := asks(t, v.anna, "POST", "/v1/batches", `{"batch_id":"n1.B-0001","recipe_id":"FILL","unit":"R1"}`)
		if err == nil {
			require.JSONEq(t, `{"batch_id":"n1.B-0001","as":"nats:anna"}`, string(a.Body))
		}
		return err == nil
	}, "it is created")
	v.sees(t, "rt.n1.batch.n1//B-0001", `"life":"Ready"`)
}

func TestABatchIsOrderedAndSeenByTheBus(t *testing.T) {
	t.Parallel()
	v := newOnBus(t)
	v.created(t)
	_, err := asks(t, v.anna, "POST", "/v1/batches/n1.B-0001/commands", `{"command":"start"}`)
	require.NoError(t, err)
	v.sees(t, "rt.n1.batch.n1//B-0001", `"life":"Ended"`)
	v.sees(t, "rt.n1.equipment.R1", `"equipment_id":"R1"`)         // that somebody has it may last less long than a look
	v.sees(t, "rt.mill.R1.do%2F1", `"value":"0","quality":"GOOD"`) // that it was open may last less long than a look, too
	v.sees(t, "rt.n1.io.di%2F1", `"node":"n1","channel":"di/1","form":"bool","value":"0"`)
	v.sees(t, "rt.n1.node", `"io":true`)
	a, err := asks(t, v.anna, "GET", "/v1/model", "")
	require.NoError(t, err)
	require.Contains(t, string(a.Body), `"recipe_id":"FILL"`)
	var by string
	for _, r := range recordsOf(t, filepath.Join(v.dir, "manager"), record.KindBatchLife) {
		if r.Text(record.ObjectID) == "n1.B-0001" && r.Text(record.Command) == "create" {
			by = r.Text(record.Actor) + " as " + r.Text(record.OperatorRole)
		}
	}
	require.Equal(t, "nats:anna as operator", by)

	v.mu.Lock()
	clear(v.seen)
	v.mu.Unlock()
	_, err = asks(t, v.anna, "GET", "/v1/again", "") // as one who has come late
	require.NoError(t, err)
	v.sees(t, "rt.n1.batch.n1//B-0001", `"life":"Ended"`)
	v.sees(t, "rt.mill.R1.do%2F1", `"value":"0"`)
}

func TestWhoMayNotIsRefusedWithTheReasonWhoeverRefuses(t *testing.T) {
	t.Parallel()
	v := newOnBus(t)
	v.created(t)
	root := v.connect(t, RoleAdmin, "root", nil)
	_, err := asks(t, v.anna, "POST", "/v1/equipment/R1/release", `{}`)
	require.ErrorContains(t, err, `nats:anna has role "operator", which has no permission force_release`)
	_, err = asks(t, root, "POST", "/v1/batches/n1.B-0001/removal", `{}`)
	require.ErrorContains(t, err, `nats:root has role "", which has no permission remove`)
	boss := connected(t, &Options{URL: v.url, Seed: v.seeds["anna"], User: "boss"}) // anna, who says to be another
	_, err = asks(t, boss, "POST", "/v1/batches/n1.B-0001/removal", `{}`)
	var no *api.Error
	require.ErrorAs(t, err, &no)
	require.Equal(t, http.StatusForbidden, no.Status)
	require.ErrorContains(t, err, "the server refuses cmd.n1.boss")
	var refusals []string
	for _, r := range recordsOf(t, filepath.Join(v.dir, "manager"), record.KindAccessRefused) {
		refusals = append(refusals, r.Text(record.Actor)+" "+r.Text(record.Command))
	}
	require.Subset(t, refusals, []string{"nats:anna force_release", "nats:root remove"})

	// A node may not speak for another, and hears why.
	require.NoError(t, v.node.nc.Publish("rt.n2.batch.x", []byte("{}")))
	require.NoError(t, v.node.nc.Publish("rt.dairy.U1.x", []byte("{}")))
	require.NoError(t, v.node.nc.Publish("$KV.presence.n2", []byte("{}")))
	soon(t, func() bool {
		states := strings.Join(statesOf(t, v.busDir), "\n")
		return strings.Contains(states, "subject rt.n2.batch.x refused") && strings.Contains(states, "subject rt.dairy.U1.x refused") &&
			strings.Contains(states, "subject $KV.presence.n2 refused") && strings.Contains(states, "bus connection connected")
	}, "it is on record that it was refused")
	v.mu.Lock()
	defer v.mu.Unlock()
	require.NotContains(t, v.seen, "rt.n2.batch.x")
	require.NotContains(t, v.seen, "rt.dairy.U1.x")
}

// statesOf reads the bus_state records of a ledger.
func statesOf(t *testing.T, dir string) (list []string) {
	t.Helper()
	for _, r := range recordsOf(t, dir, record.KindBusState) {
		text := r.Text(record.ObjectKind) + " " + r.Text(record.ObjectID) + " " + r.Text(record.Result)
		if n := r.Count(record.Coalesced); n > 0 {
			text += fmt.Sprint(" and ", n)
		}
		list = append(list, text)
	}
	return list
}
