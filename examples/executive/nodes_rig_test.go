// The rig of the campaigns of several boards: their processes, plants that tell the truth, and a network whose cables the test owns.

//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/bus"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
)

// boardsRig is several boards in processes, whose plants are in this one. The bus between two boards goes through links of the test; what goes from gate to
// gate does not, unless it is asked for.
type boardsRig struct {
	t      *testing.T
	s      *session
	sites  []*site
	boards map[string]*rig
	links  map[[2]string][]*link // of the bus, from one board to another
	gates  map[[2]string]*link
	wrong  said
	waits  map[string]func(stages int) // of each board: manager, runtime server, I/O process, bus
	hub    func(stages int)
	asked  int
}

// newBoards starts three boards in a directory of their own. They end with the test, and leave no process behind.
func newBoards(t *testing.T, before func(b *boardsRig)) *boardsRig {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv(asCommand, "1")
	b := &boardsRig{t: t, boards: map[string]*rig{}, links: map[[2]string][]*link{}, gates: map[[2]string]*link{},
		waits: map[string]func(int){}}
	b.s = &session{flags: flags{dir: "x", nodes: 3, groups: groups{}, offsets: offsets{}}, stdout: &b.wrong, stderr: &b.wrong}
	b.cable()
	for _, site := range b.sites {
		r := &rig{t: t, s: b.s.of(site.Node), parts: partsOf(site.Node), pids: map[int]string{}, ended: map[string]bool{}}
		cell, err := newCell(system.NewClock(1), r.parts...)
		require.NoError(t, err)
		r.plant = &truth{Port: cell, out: map[string]uint64{}}
		b.boards[site.Node] = r
		drainNode(t, filepath.Join("x", site.Node))
	}
	if before != nil {
		before(b)
	}
	_, err := b.s.prepare()
	require.NoError(t, err)
	b.start()
	return b
}

// nowhere is where nobody listens: no server of the bus finds another one but by its own links.
const nowhere = "127.0.0.1:1"

// cable makes the network: each board reaches each other one by links.
func (b *boardsRig) cable() {
	sites, err := b.s.survey("x")
	require.NoError(b.t, err)
	for _, from := range sites {
		own := &site{Node: from.Node, Told: nowhere, Hub: from.Hub, Gates: maps.Clone(from.Gates), Clients: maps.Clone(from.Clients), Routes: maps.Clone(from.Routes)}
		for _, to := range sites {
			if to.Node == from.Node {
				continue
			}
			way := [2]string{from.Node, to.Node}
			routes, clients, gate := newLink(b.t, from.Routes[to.Node]), newLink(b.t, from.Clients[to.Node]), newLink(b.t, from.Gates[to.Node])
			b.links[way], b.gates[way] = []*link{routes, clients}, gate
			own.Routes[to.Node], own.Clients[to.Node], own.Gates[to.Node] = routes.at(), clients.at(), gate.at()
		}
		b.sites = append(b.sites, own)
		require.NoError(b.t, os.MkdirAll(filepath.Join("x", own.Node), 0o750))
		require.NoError(b.t, own.write(filepath.Join("x", own.Node)))
	}
}

// drainNode lays out the recipes of a node so that a batch lets out first what another has left in a vessel.
func drainNode(t *testing.T, dir string) {
	drain(t, dir)
	data, err := nodeFiles.ReadFile("nodes/recipes/dose.yaml")
	require.NoError(t, err)
	data = leavings.ReplaceAll(data, []byte("$1- set: {XV913: open}\n$1- wait: \"$2 < 0.50 kg\"\n$1- set: {XV913: closed}\n$0"))
	require.NoError(t, lay(filepath.Join(dir, dirCell, "recipes", "dose.yaml"), data))
}

// start starts the plants and the processes.
func (b *boardsRig) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	var running sync.WaitGroup
	for _, r := range b.boards {
		running.Go(func() { _ = servePlant(ctx, filepath.Join(r.s.home(), plantSocket), r.plant, system.NewClock(1)) })
	}
	for _, site := range b.sites {
		b.begin(site.Node)
	}
	b.hub = keepAll(ctx, [][]process{{{b.s.of(hubRole), hubRole}}})
	b.t.Cleanup(func() {
		b.join()
		for _, node := range b.names() {
			b.waits[node](boardProcesses)
		}
		b.hub(1)
		cancel()
		running.Wait()
		for _, r := range b.boards {
			for pid := range r.pids {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if b.t.Failed() {
			b.t.Log(b.wrong.String())
			_ = os.CopyFS(filepath.Join(os.TempDir(), fmt.Sprintf("boards-failed-%d", os.Getpid())), os.DirFS("x"))
		}
	})
	b.up()
}

// boardProcesses is how many processes of a board are kept alive, beside the plant, which is in this one.
const boardProcesses = 4

// begin starts the processes of a board.
func (b *boardsRig) begin(node string) {
	var stages [][]process
	for _, role := range []string{api.Manager, api.Runtime, api.IO, api.Bus} {
		stages = append(stages, []process{{b.s.of(node), role}})
	}
	b.waits[node] = keepAll(b.t.Context(), stages)
}

// up waits until all processes of all boards answer and each manager knows the equipment.
func (b *boardsRig) up() {
	b.t.Helper()
	for _, node := range b.names() {
		b.boards[node].up()
		require.NoError(b.t, readyNode(b.t.Context(), b.boards[node].s.network(), node, b.sites))
	}
}

func (b *boardsRig) names() []string { return slices.Sorted(maps.Keys(b.boards)) }

// of is the board of a batch.
func (b *boardsRig) of(batch string) *rig {
	for node, r := range b.boards {
		if api.OfNode(batch, node) {
			return r
		}
	}
	require.Fail(b.t, "no board has "+batch)
	return nil
}

// until waits for something, for two minutes at most.
func (b *boardsRig) until(what string, yes func() bool) {
	b.t.Helper()
	b.boards["n1"].until(what, yes)
}

// cut takes a board off the bus; its gate stays. With alone empty, all are cut off from each other.
func (b *boardsRig) cut(alone string) {
	for way, list := range b.links {
		if alone == "" || way[0] == alone || way[1] == alone {
			for _, k := range list {
				k.cut()
			}
		}
	}
}

// join mends every cable.
func (b *boardsRig) join() {
	for _, list := range b.links {
		for _, k := range list {
			k.join()
		}
	}
	for _, k := range b.gates {
		k.join()
	}
}

// leader is the node whose server leads the stream of the log; "" where nobody says so in time.
func (b *boardsRig) leader() string {
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
	defer cancel()
	site := b.sites[b.asked%len(b.sites)] // another one each time: what it asks may be what was killed
	b.asked++
	c, err := bus.Connect(ctx, (&board{dir: filepath.Join("x", site.Node), site: site}).busOptions(site.Node, nil))
	if err != nil {
		return ""
	}
	defer c.Close()
	node, _ := c.Leader(ctx, "ARB_"+logName)
	return node
}

// settled removes every batch of every board, ends what decides and writes, and holds all witnesses against each other.
func (b *boardsRig) settled() (grants, packages int) {
	b.t.Helper()
	for _, node := range b.names() {
		b.boards[node].removeAll()
	}
	var known *witness
	b.until("all managers know what the log says", func() bool {
		for _, r := range b.boards {
			for _, h := range r.holdings() {
				if h.Batch != "" {
					return false
				}
			}
		}
		return true
	})
	for _, node := range b.names() {
		b.boards[node].nothingLeft()
	}
	for _, node := range b.names() {
		b.waits[node](boardProcesses - 1)
	}
	log, end, err := b.s.commonLog(b.t.Context(), &board{dir: filepath.Join("x", b.sites[0].Node), site: b.sites[0]})
	require.NoError(b.t, err)
	known, err = witnessLog(b.t.Context(), log)
	end()
	require.NoError(b.t, err)
	for _, node := range b.names() {
		l, err := witnessLedger(node, filepath.Join("x", node, api.Manager))
		require.NoError(b.t, err)
		require.NoError(b.t, l.agree(known))
		packages += b.boards[node].evidence()
	}
	b.batchesAgree(known)
	return len(known.tokens), packages
}

// batchesAgree holds what the journals of batches say that they were given against the log.
func (b *boardsRig) batchesAgree(log *witness) {
	b.t.Helper()
	dirs, err := filepath.Glob(filepath.Join("x", "n*", "batches", "*", "evidence", "journal"))
	require.NoError(b.t, err)
	q, err := evidence.ParseQuery([]string{"kind=resource_granted"})
	require.NoError(b.t, err)
	for _, dir := range dirs {
		batch := filepath.Base(filepath.Dir(filepath.Dir(dir)))
		_, _, err := evidence.Select(dir, q, func(row *evidence.Row) error {
			if token := row.Record.Count(record.Token); token > 0 && log.tokens[token].seq >= log.first {
				require.Equal(b.t, batch, log.tokens[token].batch, "token %d", token)
			}
			return nil
		})
		require.NoError(b.t, err, dir)
	}
}

// choices are batches that want each other's equipment.
func (b *boardsRig) create(rng *rand.Rand, node string) string {
	units := unitsOf(node)
	return b.boards[node].create([]string{"RINSE", "DOSE", "CHARGE", "RINSE", "DOSE"}[rng.IntN(5)], units[rng.IntN(len(units))], nil)
}
