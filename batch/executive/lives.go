// Lives: who speaks for a node in the log. A disk that was copied speaks twice, and of two the later is believed.

package executive

import (
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

// spoken takes in a record of a life.
func (a *account) spoken(node, result, life string) {
	switch result {
	case nodeBegan:
		a.node, a.lives[life] = node, true
	case nodeLet:
		a.lives[life] = true
	case nodeSuperseded:
		a.other = life
	}
}

// strange tells whether somebody has spoken for the node, in the log or before this ledger was superseded, whom it does not know.
func (a *account) strange(last string) bool {
	return last != "" && !a.lives[last] || a.other != "" && !a.lives[a.other]
}

// begun gives the records of who speaks for this node from now on, which are there before the log is told. Whom the account finds strange a person has let be.
func (d *desk) begun(a *account) []func(b *record.Body) {
	if d.node == "" {
		return nil
	}
	list := []func(b *record.Body){d.says(nodeBegan, d.life)}
	for _, life := range []string{a.other, lifeOf(d.node, d.marks())} {
		if life != "" && !a.lives[life] {
			list = append(list, d.says(nodeLet, life))
			a.lives[life] = true
		}
	}
	d.lives = a.lives
	d.lives[d.life] = true
	return list
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
	return fmt.Errorf("operation %d: %w", seq, d.stopped())
}

// stopped is why nothing more is given where somebody else speaks for this node. It is called with mu held.
func (d *desk) stopped() error {
	if d.other == "" {
		return nil
	}
	return fmt.Errorf("somebody else speaks for node %s: does a copy of its disk run on another board? This manager gives nothing more, and its batches go on with what they have; "+
		"end the other one and clear its disk, and start this one again, which wants a reason for that", d.node)
}

// twofold is stopped without mu held.
func (d *desk) twofold() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped()
}
