// The port of a batch at the I/O process: what it watches, what it may drive, and what becomes of that when the runner is lost.

package host

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
)

// Port is a port that knows under which token its equipment is written, such as a wire.Port. Grant and Release do not block.
type Port interface {
	tag.Port
	Grant(equipment []string, token uint64)
	Release(equipment []string)
	Close() error // a goodbye: the batch has nothing any more
	Drop()        // no goodbye: what it still has is lost to it
}

var _ Port = (*wire.Port)(nil)

// port is the port of the batch at the I/O process, and at those of other boards that its map reaches. A map with an output that is part of no equipment
// is refused: no batch could drive it.
func (h *host) port(b *batch.Batch) (tag.Port, error) {
	h.mu.Lock()
	nodes := h.bound.Nodes
	h.mu.Unlock()
	home := wire.Options{Batch: b.ID, Clock: h.opt.Clock, Head: func() (string, journal.Chain) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return b.JournalID, h.head
	}}
	var others []*away
	lies := map[string]string{} // by equipment: the board of its outputs
	m := b.Plan.Map
	for i := range m.Tags {
		t := &m.Tags[i]
		node, channel := equipment.Split(t.Channel, nodes)
		o := &home
		if node != "" {
			k := slices.IndexFunc(others, func(a *away) bool { return a.Node == node })
			if k < 0 {
				k, others = len(others), append(others, &away{Options: wire.Options{Batch: b.ID, Node: node, Clock: h.opt.Clock}})
			}
			o = &others[k].Options
			others[k].named = append(others[k].named, t.Channel)
		}
		o.Channels = append(o.Channels, channel)
		if !t.Output {
			continue
		}
		out, err := output(m, t)
		if err != nil {
			return nil, err
		}
		if at, has := lies[out.Equipment]; has && at != node {
			return nil, fmt.Errorf("host: map %s %s: %s has outputs on two boards, %q and %q; the wires of one piece of equipment lie on one board",
				m.ID, m.Version, out.Equipment, at, node)
		}
		lies[out.Equipment], out.Channel = node, channel
		o.Outputs = append(o.Outputs, out)
	}
	if len(others) == 0 {
		return wire.Dial(h.n, home), nil
	}
	slices.SortFunc(others, func(a, b *away) int { return strings.Compare(a.Node, b.Node) })
	told := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tell()
	}
	p := newBoards(wire.Dial(h.n, home), h.opt.Clock, others, func(o wire.Options) Port { return wire.Dial(h.n, o) }, told)
	h.mu.Lock()
	h.others = p
	h.mu.Unlock()
	return p, nil
}

// output is what the I/O process is told of an output.
func output(m *iomap.Map, t *iomap.Tag) (out wire.Output, err error) {
	if t.Resource == 0 {
		return out, fmt.Errorf("host: map %s %s: output %s is part of no equipment, so nobody could let a batch drive it; give it a resource: whose "+
			"equipment_id is in the equipment model", m.ID, m.Version, t.Name)
	}
	lost := t.Fault(iomap.RunnerLost)
	out = wire.Output{Channel: t.Channel, Equipment: m.Resources[t.Resource-1].Equipment, Form: t.Form, Hold: lost.State == iomap.KeepState}
	safe := t.Safe
	if lost.State != iomap.KeepState {
		safe = lost.Value
	}
	bits, ok := t.Wire(safe)
	if !ok {
		return out, fmt.Errorf("host: map %s %s: the safe value of %s does not fit on its wire", m.ID, m.Version, t.Name)
	}
	out.Safe = bits
	return out, nil
}
