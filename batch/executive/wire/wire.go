// Package wire stands between the batches and the board: an I/O process that owns the port, and the ports by which runners reach it.
//
// Start with [Dial], which gives a runner a tag.Port, and [New], which makes the process that answers it. The board is polled once, for
// all. A write carries the token of the equipment that its channel belongs to by the equipment model, and the I/O process keeps the
// greatest token that it has seen of each, on disk before the first write under it.
//
// The rule that must not be broken: a write under a token that is not the newest is not carried out, whatever was restarted in
// between, and that it was refused is on record.
//
// A runner that dies is seen by the end of its connection: its outputs go to their safe values. One that is frozen keeps its connection,
// and nothing happens until somebody fences its equipment; what it wrote before that stands. Values carry the time at which they were true,
// so that what waited for a runner that was frozen is as old as it is.
//
// Of several boards each has an I/O process with a name ([ServerOptions.Node]), and runners of one reach the wires of another by package gate. Such a
// runner is taken from when this board's manager has told the floors, the tokens that were given: the disk here may be one that was put back. A cable
// between two boards may be cut without a word; so each end says something every second, and who is not heard of for [Silence] is lost. Times cross a
// connection as how long ago: clocks of two boards need not agree on anything.
//
// The package starts goroutines; Run and Close return when they have ended.
package wire

import (
	"fmt"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
)

// protocol is what a connection goes on in once the hello was taken.
const protocol = "batchkit-port/1"

// path is where a connection is asked for.
const path = "/v1/port"

// Output is an output that a batch may drive.
type Output struct {
	Channel   string   `json:"channel"`
	Equipment string   `json:"equipment_id"` // by the map; a write is refused where the equipment model says otherwise
	Form      tag.Form `json:"form"`         // Bool or Int
	Safe      uint64   `json:"safe"`         // value that is safe; what the equipment model says goes before it
	Hold      bool     `json:"hold"`         // it stays as it is when the runner is lost; else it goes to its safe value
}

// hello is what a runner says when it connects.
type hello struct {
	Batch    string   `json:"batch_id"`
	Channels []string `json:"channels"` // that are to be watched
	Outputs  []Output `json:"outputs"`
}

// Check implements api.Body.
func (h *hello) Check() error {
	if h.Batch == "" || len(h.Batch) > maxText || len(h.Channels) > maxNames || len(h.Outputs) > maxNames {
		return fmt.Errorf("wire: hello of %.40q: a batch_id, and at most %d channels and as many outputs are wanted", h.Batch, maxNames)
	}
	seen := map[string]bool{}
	for i := range h.Outputs {
		o := &h.Outputs[i]
		if o.Channel == "" || len(o.Channel) > api.MaxText || len(o.Equipment) > api.MaxText || o.Form > tag.Int || seen[o.Channel] {
			return fmt.Errorf("wire: hello of %.40q: output %.40q: each has a name of its own, and form bool or int", h.Batch, o.Channel)
		}
		seen[o.Channel] = true
	}
	clear(seen)
	for _, c := range h.Channels {
		if c == "" || len(c) > api.MaxText || seen[c] {
			return fmt.Errorf("wire: hello of %.40q: channel %.40q: each has a name, and stands there once", h.Batch, c)
		}
		seen[c] = true
	}
	return nil
}
