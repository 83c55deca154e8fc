// Unit runs against a real I/O process, over a simulated plant.

package production

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
)

// ioProcess runs an I/O process over a port until its end is called.
func ioProcess(t *testing.T, n api.Network, dir string, port tag.Port) (end func()) {
	clock := system.NewClock(1)
	l, err := ledger.Open(filepath.Join(dir, "io-ledger"), "board-1", "device", &ledger.Options{Clock: clock})
	require.NoError(t, err)
	s, err := wire.New(port, l, &wire.ServerOptions{Dir: dir, Clock: clock})
	require.NoError(t, err)
	s.SetModel([]api.Equipment{{ID: "U1", Level: "unit", Owners: 1, Channels: []string{"do/6"}, Safe: map[string]string{"do/6": "0"}}})
	listener, err := n.Listen(api.IO)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() { _ = api.Serve(ctx, listener, s.Handler()) })
	return func() { cancel(); wg.Wait(); _ = l.Close() }
}

func TestPulsesOfAPlantReachTheRunsThroughTheIOProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		list, err := ParseRuns("runs.yaml", []byte(`
schema_version: 1
run_definitions:
  - run_definition: Dosing
    units: [U1]
    control: signal
    auto_create: true
    identifier: {by: unit, prefix: D-}
    ports: {active: do/3, ready: do/4}
    capture: {period: 500 ms, tags: [{logical_tag: FT, physical_channel: ai/1}, {logical_tag: XV, physical_channel: do/3}]}
`))
		require.NoError(t, err)
		n := &api.Memory{}
		dir := t.TempDir()
		clock := system.NewClock(1)
		plant := sim.NewPlant(3).On(clock)
		endIO := ioProcess(t, n, dir, plant)
		r := &runRig{t: t, dir: dir, defs: list, net: n, plant: saidPlant{model: &api.Model{Items: []api.Equipment{{ID: "P", Level: "site"}, {ID: "U1", Level: "unit", Parent: "P", Owners: 1}}}}}
		r.start()
		defer func() { r.end() }()
		id := uint32(0)
		write := func(channel string, bits uint64) {
			id++
			require.NoError(t, plant.Write(t.Context(), tag.Write{ID: id, Channel: channel, Form: tag.Bool, Bits: bits}))
			time.Sleep(400 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		write("do/3", 1)
		time.Sleep(3 * time.Second)
		write("do/3", 0)
		require.Equal(t, "Paused", r.state("R-000001"))
		write("do/3", 1)
		endIO()
		time.Sleep(2 * time.Second)
		stale := false
		endIO = ioProcess(t, n, dir, plant)
		time.Sleep(10 * time.Second)
		require.Equal(t, "Active", r.state("R-000001"), "a level that was there already is no edge")
		write("do/4", 1)
		require.Equal(t, "Ready", r.state("R-000001"))
		for _, row := range r.rows("R-000001") {
			f := strings.Fields(row)
			require.Len(t, f, 4)
			stale = stale || f[3] == "STALE"
			if f[3] == "GOOD" && f[1] == "XV" {
				require.Contains(t, []string{"0", "1"}, f[2])
			}
		}
		require.True(t, stale, "what was captured while the I/O process was away says so")
		require.Equal(t, []string{"R-000001 Created D-1", "R-000001 Active D-1", "R-000001 Paused D-1", "R-000001 Active D-1", "R-000001 Ready D-1"}, r.states())
		lost := 0
		for _, rec := range r.records(record.KindProductionInput) {
			if strings.Contains(rec.Text(record.ChangeReason), "the board is not heard") {
				lost++
			}
		}
		require.Equal(t, 1, lost)
		r.checked()
		endIO()
	})
}
