// Marks: how far each node has on record what the log came to. What none of them needs any more may go from the log.

package arbiter

import (
	"cmp"
	"fmt"
	"slices"
)

// NodeMark is how far one node is.
type NodeMark struct {
	Node  string `json:"node"`
	Seq   uint64 `json:"seq"`             // it has on record what all operations up to this one came to
	Last  uint64 `json:"last,omitempty"`  // the last of these that came to something that goes on record
	Given uint32 `json:"given,omitempty"` // so many numbers it has given to batches
	Life  string `json:"life,omitempty"`  // who said so last: each start of whoever speaks for a node has another one
}

// Marks are those of all nodes that have one, in the order of their names. The log is trimmed only up to the least of them.
func (b *Book) Marks() []NodeMark { return slices.Clone(b.marks) }

// marked finds the place of a node.
func (b *Book) marked(node string) (int, bool) {
	return slices.BinarySearchFunc(b.marks, node, func(m NodeMark, node string) int { return cmp.Compare(m.Node, node) })
}

func (b *Book) knownMark(op *Op, fx []Effect) ([]Effect, bool) {
	i, there := b.marked(op.Batch)
	switch {
	case op.Retired && !there:
		return append(fx, refusal(op, fmt.Sprintf("node %s has no mark that could be struck out; look at the nodes", op.Batch))), true
	case op.Retired:
		return fx, false
	case uint64(op.Place) >= b.next:
		return append(fx, refusal(op, fmt.Sprintf("operation %d is not in the log, which ends with %d; mark what is there", op.Place, b.next-1))), true
	case !there && len(b.marks) >= MaxMarks:
		return append(fx, refusal(op, fmt.Sprintf("the book has marks of %d nodes; strike one out that is there no more", MaxMarks))), true
	}
	return fx, there && uint64(op.Place) <= b.marks[i].Seq && op.Token <= b.marks[i].Last && op.ID <= b.marks[i].Given && (op.Key == "" || op.Key == b.marks[i].Life)
}

// note moves the mark of a node on, or strikes it out.
func (b *Book) note(op *Op) {
	i, there := b.marked(op.Batch)
	switch {
	case op.Retired:
		b.marks = slices.Delete(b.marks, i, i+1)
		return
	case !there:
		b.marks = slices.Insert(b.marks, i, NodeMark{Node: op.Batch})
	}
	m := &b.marks[i]
	m.Seq, m.Last, m.Given = max(m.Seq, uint64(op.Place)), max(m.Last, op.Token), max(m.Given, op.ID)
	if op.Key != "" {
		m.Life = op.Key
	}
}

// soundMarks tells whether marks are those of a book that the operation under seq holds.
func soundMarks(marks []NodeMark, seq uint64) bool {
	for i, m := range marks {
		if m.Node == "" || m.Seq == 0 || m.Seq >= seq || m.Last > m.Seq || checkText("life", m.Life) != nil || i > 0 && marks[i-1].Node >= m.Node {
			return false
		}
	}
	return len(marks) <= MaxMarks
}
