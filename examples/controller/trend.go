// Values on their way out: what passes at the port waits in a ring below -out, and is posted to a window or a historian. The batch does not
// depend on it.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// trendHelp describes the flag.
const trendHelp = "`URL` that the values of all channels are posted to, such as http://127.0.0.1:4841/ or unix:out.sock for examples/scada; " +
	"while it is away they wait in DIR/trend, 64 MiB of them at most"

// How values are sent, on the clock of the run.
const (
	trendSink  = "trend"                // the name under which the cursor is kept, and of which telemetry_backlog tells
	trendEvery = time.Second            // of a channel that does not change
	trendPoll  = 200 * time.Millisecond // between two looks for new ones
	trendMost  = 10 * time.Second       // longest pause after failures
)

// unixScheme begins the address of a Unix socket.
const unixScheme = "unix:"

// trendTo makes a sink of an address.
func trendTo(address string) (*trend.Lines, error) {
	path, ok := strings.CutPrefix(address, unixScheme)
	if !ok {
		return trend.NewLines(address, nil)
	}
	if path == "" {
		return nil, errors.New("trend: unix: names no socket; give one such as unix:out.sock")
	}
	return trend.NewLines("http://window/", &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}})
}

// trendWrong says why values cannot be posted to an address; nil where they can.
func trendWrong(address string) error {
	_, err := trendTo(address)
	return err
}

// tapped is a port with a tap, which tells of the sender too, and so stands before whatever tells of the bus behind the tap. What else a
// runner asks of a port it finds behind Tap.Unwrap.
type tapped struct {
	*trend.Tap
	mu sync.Mutex
	to func(fieldbus.Event)
}

// Report implements runner.Reporter.
func (p *tapped) Report(to func(ev fieldbus.Event)) {
	p.mu.Lock()
	p.to = to
	p.mu.Unlock()
	for at, depth := p.Unwrap(), 0; at != nil && depth < 16; depth++ { // the bus may be behind more than one
		if r, ok := at.(runner.Reporter); ok {
			r.Report(to)
			return
		}
		around, ok := at.(interface{ Unwrap() tag.Port })
		if !ok {
			return
		}
		at = around.Unwrap()
	}
}

// tell tells what the sender says.
func (p *tapped) tell(ev fieldbus.Event) {
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	if to != nil {
		to(ev)
	}
}

// sendValues puts a ring behind the port of a rig and sends it until release is called. Where that cannot be the rig stays as it is, and stderr says
// why: a batch waits for no trend.
func sendValues(f *flags, m *iomap.Map, rig *runner.Rig, stderr io.Writer) (release func()) {
	if f.trend == "" {
		return func() {}
	}
	port, sender, ring, err := newTap(f, m, rig)
	if err != nil {
		fmt.Fprintf(stderr, "controller: -trend %s: %v; the batch runs, and its values are not sent\n", f.trend, err)
		return func() {}
	}
	rig.Port = port
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := sender.Run(ctx); err != nil {
			fmt.Fprintf(stderr, "controller: -trend: %v\n", err)
		}
	}()
	return func() {
		cancel()
		<-done
		if err := ring.Close(); err != nil {
			fmt.Fprintf(stderr, "controller: -trend: %v\n", err)
		}
	}
}

func newTap(f *flags, m *iomap.Map, rig *runner.Rig) (*tapped, *trend.Sender, *trend.Ring, error) {
	sink, err := trendTo(f.trend)
	if err == nil {
		err = makeOut(f.out)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	ring, err := trend.Open(filepath.Join(f.out, "trend"), nil)
	if err != nil {
		return nil, nil, nil, err
	}
	keep := make(map[string]trend.Keep, len(m.Tags))
	for i := range m.Tags {
		keep[m.Tags[i].Channel] = trend.Keep{Change: true, Every: trendEvery}
	}
	wall := rig.Wall
	if wall == nil {
		wall = system.Wall(rig.Clock)
	}
	p := &tapped{}
	s, err := trend.NewSender(trendSink, ring, sink, rig.Clock, &trend.SenderOptions{Poll: trendPoll, Most: trendMost, Report: p.tell})
	if err == nil {
		p.Tap, err = trend.NewTap(rig.Port, ring, rig.Clock, wall, keep)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, ring.Close())
	}
	return p, s, ring, nil
}

var (
	_ tag.Port        = (*tapped)(nil)
	_ runner.Reporter = (*tapped)(nil)
)
