// The cell: four units and a cleaning skid, each a simulated plant with its own channels, as one port.

package main

import (
	"context"
	"strings"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// What the cell is made of. The names stand in cell/equipment.yaml, too.
var (
	units = []string{"R101", "R102", "R103", "R104"}
	parts = append(units[:len(units):len(units)], "S901")

	// wired are the channels of a plant that lead anywhere.
	wired = []string{"do/1", "do/2", "do/6", "do/7", "di/1", "di/3", "di/5", "ctr/1", "tot/1", "ai/1", "ai/5"}
)

// newCell gives the whole cell of some plants; its tanks are empty and its outputs are off.
func newCell(clock timebase.Clock, parts ...string) (tag.Port, error) {
	var all []runner.Part
	for i, name := range parts {
		p := runner.Part{Name: name, Port: &prefixed{name + "/", sim.NewPlant(uint64(i + 1)).On(clock)}}
		for _, c := range wired {
			p.Channels = append(p.Channels, name+"/"+c)
		}
		all = append(all, p)
	}
	return runner.Join(all...)
}

// prefixed is a port whose channels have another name outside: do/1 is R101/do/1.
type prefixed struct {
	prefix string
	port   tag.Port
}

// Watch implements tag.Port.
func (p *prefixed) Watch(ctx context.Context, emit func(tag.Raw)) error {
	return p.port.Watch(ctx, func(r tag.Raw) {
		r.Channel = p.prefix + r.Channel
		emit(r)
	})
}

// Write implements tag.Port.
func (p *prefixed) Write(ctx context.Context, w tag.Write) error {
	w.Channel = strings.TrimPrefix(w.Channel, p.prefix)
	return p.port.Write(ctx, w)
}
