// Lives: who speaks for a node in the log. A disk that was copied speaks twice, and of two the later is believed.

package executive

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal/record"
)

// What a bus_state record says of a node: its detail is a life.
const (
	nodeKind       = "node"
	nodeBegan      = "began"      // from now on it speaks for the node
	nodeLet        = "let"        // it has spoken for the node, and a person has let this ledger go on behind it
	nodeSuperseded = "superseded" // it speaks for the node as well, and who writes this gives nothing more
)

// begun puts on record who speaks for this node from now on, before the log is told. Who did last, by the log, is one of the lives, or a person has let it be.
func (d *desk) begun(lives map[string]bool) error {
	if d.node == "" {
		return nil
	}
	list := []func(b *record.Body){d.says(nodeBegan, d.life)}
	if last := lifeOf(d.node, d.marks()); last != "" && !lives[last] {
		list = append(list, d.says(nodeLet, last))
		lives[last] = true
	}
	d.lives = lives
	d.lives[d.life] = true
	_, err := d.led.AppendAll(list...)
	return err
}

// lifeOf is the life that has spoken for a node last; "": none is known.
func lifeOf(node string, marks []arbiter.NodeMark) string {
	for _, m := range marks {
		if m.Node == node {
			return m.Life
		}
	}
	return ""
}

// says is a record of a life.
func (d *desk) says(result, life string) func(b *record.Body) {
	return func(b *record.Body) {
		b.Begin(record.KindBusState)
		b.Text(record.ObjectKind, nodeKind)
		b.Text(record.ObjectID, d.node)
		b.Text(record.Result, result)
		b.Text(record.Detail, life)
	}
}

// speak has the log know who speaks for this node, before anything else is said there. Whoever did before gives nothing more from then on.
func (d *desk) speak(ctx context.Context) error {
	if d.node == "" || d.spoke {
		return nil
	}
	if !d.sure {
		if _, err := d.readOn(ctx, nil); err != nil {
			return err
		}
	}
	d.mark(ctx)
	if !d.spoke && d.next() > 1 { // of a log with nothing in it nobody has read anything
		return errors.New("it could not be told yet who speaks for this node")
	}
	return nil
}

// superseded refuses to go on where somebody else speaks for this node. It is called with mu held.
func (d *desk) superseded(seq uint64, op *arbiter.Op) error {
	if op.Kind != arbiter.Mark || op.Batch != d.node || op.Key == "" || d.lives == nil || d.lives[op.Key] {
		return nil
	}
	if d.other != op.Key {
		d.other = op.Key
		d.pen.note([]func(b *record.Body){d.says(nodeSuperseded, op.Key)})
		if err := d.pen.write(); err != nil {
			return err
		}
	}
	return fmt.Errorf("since operation %d somebody else speaks for node %s: does a copy of its disk run on another board? This manager gives nothing more, and its batches go on with what "+
		"they have; end the other one or give it a name of its own, and start this one again", seq, d.node)
}
