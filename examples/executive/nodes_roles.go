// What the processes of a board of several have beside those of a single one.

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/bus"
	"github.com/batchkit/batchkit/batch/executive/gate"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal/export"
)

// The bus as this example runs it: a megabyte is a batch or so.
const (
	busStore  = 4 << 30
	busMemory = 64 << 20
	busRows   = 512 << 20 // journals on their way to the hub
)

// logName is that of the arbiter's log of all boards.
const logName = "plant"

// busOptions are those of a process of the node, or of the hub.
func (b *board) busOptions(user string, tell func(object, result, detail string)) *bus.Options {
	t, keys := b.site, filepath.Join(b.dir, dirKeys)
	o := &bus.Options{URL: t.NATS, Node: t.Node, User: user, Seed: filepath.Join(keys, fileSeed), Tell: tell}
	if o.URL == "" { // its own server first
		var list []string
		if at, ok := t.Clients[t.Node]; ok {
			list = append(list, "tls://"+at)
		}
		for _, node := range nodeNames(mostNodes) {
			if at, ok := t.Clients[node]; ok && node != t.Node {
				list = append(list, "tls://"+at)
			}
		}
		o.URL = strings.Join(list, ",")
	}
	if strings.HasPrefix(o.URL, "tls:") {
		o.CA, o.Cert, o.Key = filepath.Join(keys, fileCA), filepath.Join(keys, fileCert), filepath.Join(keys, fileKey)
	}
	return o
}

// commonLog opens the log that all boards share: in PostgreSQL where it is named, or else on the bus, with a copy on the board. It tries until ctx ends.
func (s *session) commonLog(ctx context.Context, b *board) (arbiter.Log, func(), error) {
	var again string
	for {
		log, end, err := s.openCommon(ctx, b)
		if err == nil {
			return log, end, nil
		}
		if again != err.Error() {
			again = err.Error()
			fmt.Fprintf(s.stderr, "executive: %s: the log of all boards: %s; it is tried again\n", b.site.Node, harmless(again))
		}
		select {
		case <-ctx.Done():
			return nil, nil, errors.Join(ctx.Err(), err)
		case <-time.After(time.Second):
		}
	}
}

func (s *session) openCommon(ctx context.Context, b *board) (arbiter.Log, func(), error) {
	if b.site.Postgres != "" {
		log, err := store.OpenPostgres(ctx, b.site.Postgres, logName, nil)
		if err != nil {
			return nil, nil, err
		}
		return log, func() { log.Close() }, nil
	}
	seen, err := store.OpenSQLite(filepath.Join(b.dir, "log.db"), nil)
	if err != nil {
		return nil, nil, err
	}
	c, err := bus.Connect(ctx, b.busOptions(b.site.Node, s.telling(b)))
	if err != nil {
		seen.Close()
		return nil, nil, err
	}
	first, cancel := context.WithTimeout(ctx, 10*time.Second)
	err = c.Ready(first) // says why no server does, such as one that does not know the key of this node
	cancel()
	if err != nil {
		c.Close()
		seen.Close()
		return nil, nil, err
	}
	log, err := bus.OpenLog(ctx, c, logName, seen)
	if err != nil {
		c.Close()
		seen.Close()
		return nil, nil, err
	}
	return log, func() { log.Close(); c.Close(); seen.Close() }, nil
}

// telling writes what becomes of a connection into the log of the process; the demo itself has none.
func (s *session) telling(b *board) func(object, result, detail string) {
	if !s.tied {
		return nil
	}
	return func(object, result, detail string) {
		fmt.Fprintf(s.stderr, "executive: %s: bus: %s\n", b.site.Node, harmless(object+" "+result+" "+detail))
	}
}

// server is the server of the bus that the board runs; nil where the plant has its own.
func (s *session) server(b *board) (*bus.Server, error) {
	t := b.site
	if t.NATS != "" {
		return nil, nil
	}
	users, err := usersOf(b.dir)
	if err != nil {
		return nil, err
	}
	keys := filepath.Join(b.dir, dirKeys)
	o := &bus.ServerOptions{Node: t.Node, Listen: t.Clients[t.Node], Cluster: t.Routes[t.Node], Advertise: t.Told, Dir: filepath.Join(b.dir, "streams"), MaxStore: busStore, MaxMemory: busMemory,
		CA: filepath.Join(keys, fileCA), Cert: filepath.Join(keys, fileCert), Key: filepath.Join(keys, fileKey), Users: users, Log: logName,
		Tell: func(level, text string) { fmt.Fprintf(s.stderr, "%s: %s\n", level, harmless(text)) }}
	for node, at := range t.Routes {
		if node != t.Node {
			o.Routes = append(o.Routes, at)
		}
	}
	return bus.NewServer(o)
}

// bus is the bus process: a server, and what stands between the board and the bus. It may be killed at any time.
func (s *session) bus(ctx context.Context, b *board) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	led, err := ledger.Open(filepath.Join(b.dir, api.Bus), b.device, api.Bus, &ledger.Options{Clock: b.clock, Wall: b.wall})
	if err != nil {
		return err
	}
	defer led.Close()
	rec := bus.NewRecorder(led)
	server, err := s.server(b)
	if err != nil {
		return err
	}
	l, err := b.n.Listen(api.Bus)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	var first sync.Once
	var failed error
	run := func(what string, work func(context.Context) error) {
		running.Go(func() {
			defer cancel()
			if err := work(ctx); err != nil {
				first.Do(func() { failed = fmt.Errorf("executive: %s: %w", what, err) })
			}
		})
	}
	run("record", rec.Run)
	run("self", func(ctx context.Context) error { return api.Serve(ctx, l, selfOf(api.Bus)) })
	if server != nil {
		run("server", server.Run)
		if err := server.Ready(ctx); err != nil {
			cancel()
			running.Wait()
			return errors.Join(err, failed)
		}
	}
	c, err := bus.Connect(ctx, b.busOptions(b.site.Node, rec.Tell))
	if err != nil {
		return err
	}
	defer c.Close()
	bridge, err := bus.NewBridge(c, b.n, &bus.BridgeOptions{Users: map[string]string{person: "operator"}, Tell: rec.Tell})
	if err != nil {
		return err
	}
	run("bridge", bridge.Run)
	run("forwarding", func(ctx context.Context) error { return forward(ctx, b, c, rec) })
	<-ctx.Done()
	running.Wait()
	return failed
}

// forward sends the journals of the board to the hub, as they grow.
func forward(ctx context.Context, b *board, c *bus.Conn, rec *bus.Recorder) error {
	sink, err := bus.NewSink(c, nil)
	if err != nil {
		return err
	}
	defer sink.Close()
	f, err := bus.NewForward(b.dir, filepath.Join(b.dir, "cursors"), &bus.ForwardOptions{
		Sink:  func(string) (export.Sink, error) { return sink, nil },
		Boots: sink.Boots, Clock: b.clock, Tell: rec.Tell,
	})
	if err != nil {
		return err
	}
	return f.Run(ctx)
}

// gated is the work of an I/O process that other boards reach, and that reaches others.
func (s *session) gated(b *board, w *wire.Server) (func(context.Context) error, error) {
	t, keys := b.site, filepath.Join(b.dir, dirKeys)
	peers := maps.Clone(t.Gates)
	delete(peers, t.Node)
	g, err := gate.New(gate.Options{Node: t.Node, Listen: t.Gates[t.Node], Peers: peers,
		CA: filepath.Join(keys, fileCA), Cert: filepath.Join(keys, fileCert), Key: filepath.Join(keys, fileKey),
		Tell: func(line string) { fmt.Fprintln(s.stderr, harmless(line)) }})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			defer cancel()
			done <- g.Run(ctx, b.n, w.Handler())
		}()
		err := w.Run(ctx)
		cancel()
		return errors.Join(err, <-done)
	}, nil
}

// selfOf answers who a process is.
func selfOf(role string) http.Handler {
	self := api.Self{Role: role, PID: os.Getpid(), UID: os.Getuid(), Boot: fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()),
		Since: time.Now().UTC().Format(time.RFC3339Nano), Version: "1"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/self", func(w http.ResponseWriter, _ *http.Request) { api.Reply(w, &self, nil) })
	return mux
}
