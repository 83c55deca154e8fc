// The hub, and how the journals of the boards come to it.

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/batch/executive/bus"
	"github.com/batchkit/batchkit/journal/export"
)

// hubFiles is the directory in which the hub of several boards keeps journals.
func hubFiles(dir string) string { return filepath.Join(dir, hubRole, "journals") }

// hub keeps the journals of all boards, and answers for them at an address of this host.
func (s *session) hub(ctx context.Context, b *board) error {
	h, err := hub.Open(hubFiles(filepath.Dir(b.dir)), nil)
	if err != nil {
		return err
	}
	defer h.Close()
	aside := filepath.Join(b.dir, "aside")
	if err := os.MkdirAll(aside, 0o750); err != nil {
		return err
	}
	tell := func(object, result, detail string) {
		fmt.Fprintf(s.stderr, "executive: hub: %s\n", harmless(object+" "+result+" "+detail))
	}
	c, err := bus.Connect(ctx, b.busOptions(hubRole, tell))
	if err != nil {
		return err
	}
	defer c.Close()
	l, err := net.Listen("tcp", b.site.Hub)
	if err != nil {
		return err
	}
	// Here anybody of this host may read, and nobody write but by the bus; a plant asks for certificates or tokens.
	reads := func(*http.Request) (hub.Caller, error) { return hub.Caller{Name: "reader", Read: true}, nil }
	deliver := func(ctx context.Context) error {
		return bus.Deliver(ctx, c, h, &bus.DeliverOptions{For: func(node string) export.Sink { return h.From(node) }, MaxBytes: busRows, Aside: aside, Tell: tell})
	}
	return both(ctx, deliver, l, hub.Handler(h, reads))
}

// forwarded waits until the hub has the journals of all boards up to their ends, and says so.
func (s *session) forwarded(ctx context.Context, sites []*site) error {
	var dirs []string
	for _, t := range sites {
		list, err := journalsOf(filepath.Join(s.dir, t.Node))
		if err != nil {
			return err
		}
		dirs = append(dirs, list...)
	}
	want, err := endsOf(dirs)
	if err != nil {
		return err
	}
	c, err := hub.NewClient("http://"+sites[0].Hub, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		list, err := c.Journals(ctx)
		left, records := heldBack(want, list)
		if err == nil && left == "" {
			fmt.Fprintf(s.stdout, "the hub has %d journals, %d records, each up to its end; after the demo examples/evidence hub -dir %s answers for it\n", len(want), records, hubFiles(s.dir))
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("executive: the hub does not have all journals: %s: %w", left, errors.Join(err, ctx.Err()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
