// The plant as an OPC UA server: which variable is which channel, and what becomes of one that is written.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/fieldbus/opcua"
	uaserver "github.com/batchkit/batchkit/fieldbus/opcua/server"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
)

// What the server shows: a folder of a variable for each channel, anew at times that are showEvery apart on the clock of the plant, and
// showLeast at least in real time. The controller's end is the device profile, demo/plc-opcua.yaml.
const (
	uaSpace   = "urn:batchkit:T301"
	uaFolder  = "T301"
	showEvery = 20 * time.Millisecond
	showLeast = 2 * time.Millisecond
)

// kind is what the variable of a channel holds.
func (p *spot) kind() uaserver.Kind {
	switch {
	case p.Form == tag.Bool:
		return uaserver.Bool
	case p.Form == tag.Float32:
		return uaserver.Float32
	case p.Channel == "ai/5": // a load cell may show less than nothing
		return uaserver.Int32
	case p.Words == 2:
		return uaserver.Uint32
	}
	return uaserver.Uint16
}

// uaFace is a board as an OPC UA server. While the plant is frozen or without power there is none.
type uaFace struct {
	*board
	mu    sync.Mutex // of who shows
	space *uaserver.Space
	nodes []uaserver.Node // in the order of points
	spots map[uaserver.Node]*spot
	opt   uaserver.Options
	addr  string // where it listens, from the first time on
	srv   *uaserver.Server
	seen  uint64 // requests of srv, as of the last look
	every int64
}

// newFace makes the server of a plant: it trusts the controller whose certificate lies in the plant's directory, and nobody else.
func newFace(b *board, f *plantFlags) (*uaFace, error) {
	u := &uaFace{board: b, space: uaserver.NewSpace(uaSpace), spots: map[uaserver.Node]*spot{}, addr: "127.0.0.1:0",
		every: int64(max(showEvery, showLeast*time.Duration(f.speed)))}
	folder := u.space.Folder(uaserver.Node{}, uaFolder)
	for i := range points {
		p := &points[i]
		n := u.space.Variable(folder, p.Name, p.Channel, p.kind())
		if p.Table != server.Input {
			u.space.Writable(n)
		}
		u.nodes, u.spots[n] = append(u.nodes, n), p
	}
	u.opt = uaserver.Options{Name: "T301", Policies: []opcua.Policy{opcua.Basic256Sha256}, Write: u.write}
	var err error
	if u.opt.Identity, err = identity(f.dir, pkiPlant); err == nil {
		u.opt.Trust, err = opcua.LoadTrust(filepath.Join(f.dir, filePKI, pkiController))
	}
	if err == nil {
		u.show()
		err = u.listen()
	}
	return u, err
}

// listen has the server begin, at the address that it had before.
func (u *uaFace) listen() (err error) {
	if u.srv, err = uaserver.Serve(u.addr, u.space, &u.opt); err == nil {
		u.addr, u.seen = u.srv.Addr(), 0
	}
	return err
}

// endpoint is where the server is reached.
func (u *uaFace) endpoint() string { return "opc.tcp://" + u.addr }

// show shows every channel as it stands. It reports whether the plant answers at all.
func (u *uaFace) show() (awake bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.plant.Advance(u.clock.Now(), func(tag.Raw) {})
	at := time.Now()
	for i := range points {
		raw, ok := u.plant.Read(points[i].Channel)
		v := uaserver.Value{Bits: raw.Bits, Source: at}
		switch {
		case !ok:
			v.Null, v.Status = true, fieldbus.StatusNotConnected
		case raw.Quality != tag.Good:
			v.Null, v.Status = true, fieldbus.StatusSensorFailure
		}
		u.space.Set(u.nodes[i], v)
	}
	return u.plant.Awake()
}

// run shows the plant until the process ends. The first request is the first of the plant.
func (u *uaFace) run() (err error) {
	for u.ctx.Err() == nil {
		awake := u.show()
		switch {
		case awake && u.srv == nil:
			if err := u.listen(); err != nil {
				fmt.Fprintln(os.Stderr, err) // another may have its port meanwhile: it is tried again
			}
		case u.srv != nil && u.srv.Stats().Requests != u.seen:
			u.seen = u.srv.Stats().Requests
			u.begin()
		}
		if !awake && u.srv != nil {
			err, u.srv = errors.Join(err, u.srv.Close()), nil
		}
		_ = u.clock.Wait(u.ctx, u.clock.Now()+u.every)
	}
	if u.srv != nil {
		err = errors.Join(err, u.srv.Close())
	}
	return err
}

// write carries out what a client writes, and returns when the device has confirmed it.
func (u *uaFace) write(ctx context.Context, n uaserver.Node, v uaserver.Value) error {
	u.begin()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(u.ctx, cancel)()
	p := u.spots[n]
	switch {
	case p == nil || p.Table == server.Input || v.Null:
		return errors.New("it cannot be written")
	case p.Channel == "ao/1" && v.Bits > sim.MaxSetPoint:
		return fmt.Errorf("%d: at most %d is wanted", v.Bits, sim.MaxSetPoint)
	}
	if err := u.live(ctx); err != nil {
		return err
	}
	err := u.plant.Write(ctx, tag.Write{Channel: p.Channel, Form: p.Form, Bits: v.Bits})
	u.show() // whoever reads it back finds it
	return err
}
