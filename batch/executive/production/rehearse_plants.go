// Several simulated plants as one.

package production

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// Plant is one of several that are rehearsed together: its channel do/1 is Name/do/1.
type Plant struct {
	Name       string
	Simulation runner.Simulation
	Channels   []string // those that lead anywhere, by their own names; nil: all
}

// plants is what Plants returns.
type plants struct{ list []Plant }

// Plants makes one plant of several, for virtual time: at one time they speak in the order of the list. The plants are used by
// nobody else.
func Plants(list ...Plant) runner.Simulation { return &plants{list} }

// Watch implements tag.Port.
func (p *plants) Watch(context.Context, func(tag.Raw)) error { return errVirtual }

// Write implements tag.Port.
func (p *plants) Write(context.Context, tag.Write) error { return errVirtual }

// Next implements runner.Simulation.
func (p *plants) Next() int64 {
	next := timebase.Never
	for i := range p.list {
		next = min(next, p.list[i].Simulation.Next())
	}
	return next
}

// Advance implements runner.Simulation.
func (p *plants) Advance(now int64, emit func(tag.Raw)) {
	for i := range p.list {
		part := &p.list[i]
		part.Simulation.Advance(now, func(raw tag.Raw) {
			if part.Channels == nil || slices.Contains(part.Channels, raw.Channel) {
				raw.Channel = part.Name + "/" + raw.Channel
				emit(raw)
			}
		})
	}
}

// Apply implements runner.Simulation.
func (p *plants) Apply(now int64, w tag.Write) (int64, error) {
	for i := range p.list {
		if channel, ok := strings.CutPrefix(w.Channel, p.list[i].Name+"/"); ok {
			w.Channel = channel
			return p.list[i].Simulation.Apply(now, w)
		}
	}
	return now, fmt.Errorf("production: rehearsal: no plant has channel %q", w.Channel)
}
