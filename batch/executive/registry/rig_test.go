// What the tests run on: a small cell of files in memory, and a server in a bubble.

package registry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

const modelYAML = `schema_version: 1
equipment:
  - {equipment_id: PLANT, level: site}
  - {equipment_id: CELL, level: process_cell, parent: PLANT}
  - {equipment_id: R101, level: unit, parent: CELL, priority: 2, owners: 1, channels: [R101/do/1], safe: {R101/do/1: 0}, map: maps/R101.yaml}
  - {equipment_id: R102, level: unit, parent: CELL, priority: 1, owners: 1, channels: [R102/do/1], safe: {R102/do/1: 0}, map: maps/R102.yaml}
  - {equipment_id: S901, level: equipment_module, parent: CELL, owners: 1, channels: [S901/do/1], safe: {S901/do/1: 0}}
`

const mapYAML = `mapping: "UNIT-IO"
version: "1.0"
schema_version: 1
device_id: CELL-01
equipment_id: "UNIT"
resources:
  - {resource_id: OWN, equipment_id: "UNIT", between_batches: true}
  - {resource_id: SKID, equipment_id: S901, between_batches: true}
tags:
  - {logical_tag: XV1, physical_channel: "UNIT/do/1", resource: OWN, direction: out, type: switch, words: [closed, open], safe_value: closed, stale_after: 3 s}
  - {logical_tag: XV9, physical_channel: S901/do/1, resource: SKID, direction: out, type: switch, words: [closed, open], safe_value: closed, stale_after: 3 s}
`

const recipeYAML = `recipe: RINSE
version: "1.0"
schema_version: 1
title: Open and close
recovery: hold
batch_size: {nominal: 20 kg, min: 10 kg, max: 50 kg}
procedure:
  id: RINSE
  level: operation
  uses: [OWN]
  timeout: 10 min
  sequence:
    - id: OPEN
      level: phase
      timeout: 30 s
      actions:
        - set: {XV1: open}
        - delay: 1 s
        - set: {XV1: closed}
`

// cell is the files of a cell of two units.
func cell() fstest.MapFS {
	f := fstest.MapFS{}
	put(f, "equipment.yaml", modelYAML)
	put(f, "recipes/rinse.yaml", recipeYAML)
	put(f, "maps/R101.yaml", mapOf("R101"))
	put(f, "maps/R102.yaml", mapOf("R102"))
	return f
}

func mapOf(unit string) string { return strings.ReplaceAll(mapYAML, "UNIT", unit) }

func put(f fstest.MapFS, name, text string) { f[name] = &fstest.MapFile{Data: []byte(text)} }

// rig is a server that runs in a bubble.
type rig struct {
	t    *testing.T
	dir  string
	net  *api.Memory
	s    *registry.Server
	c    *api.Client
	end  func()
	told []string
}

// inOurTime runs a test in a bubble, and in a year that a record can have.
func inOurTime(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		fn(t)
	})
}

// serve starts a server on files and the ledger of dir.
func serve(t *testing.T, dir string, files fstest.MapFS, opt *registry.Options) *rig {
	t.Helper()
	g := &rig{t: t, dir: dir, net: &api.Memory{}}
	if opt == nil {
		opt = &registry.Options{}
	}
	opt.Tell = func(line string) { g.told = append(g.told, line) }
	s, err := registry.Open(dir, "CELL-01", files, g.net, opt)
	require.NoError(t, err)
	g.s, g.c = s, g.net.Dial(api.Runtime)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	g.end = func() {
		g.c.Close()
		cancel()
		require.NoError(t, <-done)
	}
	return g
}

// change asks for a change.
func (g *rig) change(c *api.ModelChange, query string) (*api.Impact, error) {
	var i api.Impact
	err := g.c.Call(g.t.Context(), "POST", "/v1/model/changes"+query, c, &i)
	return &i, err
}

// records reads the ledger, whose server has ended.
func (g *rig) records(kind record.Kind) (list []*record.Record) {
	g.t.Helper()
	_, err := journal.Scan(filepath.Join(g.dir, "runtime"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Text(record.EventType) == kind.String() {
			list = append(list, r)
		}
		return err
	}, &journal.Options{Segment: 72 << 10})
	require.NoError(g.t, err)
	return list
}

// status is the status of a refusal.
func status(t *testing.T, err error) int {
	t.Helper()
	var e *api.Error
	require.ErrorAs(t, err, &e)
	return e.Status
}

// write puts files into a directory.
func write(t *testing.T, dir string, files fstest.MapFS) {
	t.Helper()
	for name, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, f.Data, 0o644))
	}
}

// me is who the tests are on record as.
func me() string { return fmt.Sprintf("local:%d", os.Getuid()) }
