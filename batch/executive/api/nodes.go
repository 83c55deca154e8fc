// Several boards: what each knows of the others.

package api

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/equipment"
)

// MaxNodes is how many boards one executive has at most.
const MaxNodes = 64

// Node is one board of several, as it was heard last.
type Node struct {
	Node    string      `json:"node"`
	Boot    string      `json:"boot,omitempty"`  // of its manager
	Since   string      `json:"since,omitempty"` // when Here became what it is
	Here    bool        `json:"here"`            // it was heard within the time to live of its presence
	Batches []NodeBatch `json:"batches,omitempty"`
	Mark    uint64      `json:"mark,omitempty"`   // it has on record what all operations of the arbiter's log up to this one came to
	Reason  string      `json:"reason,omitempty"` // what is to be done about it
}

// NodeBatch is a batch of a node, in one line.
type NodeBatch struct {
	ID   string `json:"batch_id"`
	Life Life   `json:"life"`
}

// Nodes is all boards but this one. The bus process tells the manager of them with POST /v1/nodes, anybody may ask with GET. It shows batches of a node
// that is not here as Lost, and gives nothing away.
type Nodes struct {
	Nodes []Node `json:"nodes"`
	Log   string `json:"log,omitempty"` // why the log of the arbiter is out of reach of who answers
}

// CheckNode refuses what may not be the name of a board: it is an identifier without dots, since the ids of its batches begin with it and a dot.
func CheckNode(node string) error {
	if !equipment.IsNode(node) {
		return fmt.Errorf(`node %.80q: the name of a board has 1 to %d letters, digits, "_" and "-", and begins with a letter or a digit, such as n2`, node, equipment.MaxNode)
	}
	return nil
}

// OfNode tells whether a batch is one of a board, by its id.
func OfNode(batch, node string) bool { return strings.HasPrefix(batch, node+".") }

// Check implements Body.
func (l *Nodes) Check() error {
	return cmp.Or(texts("log", l.Log), each("nodes", l.Nodes, MaxNodes, func(n *Node) error {
		return cmp.Or(CheckNode(n.Node), texts("boot", n.Boot, "since", n.Since, "reason", n.Reason),
			each("batches", n.Batches, MaxBatches, func(b *NodeBatch) error { return cmp.Or(CheckBatch(b.ID), texts("life", string(b.Life))) }))
	}))
}

// Floors tells an I/O process the tokens under which equipment was given, POST /v1/floors: it refuses what is lower from then on, as if it had seen them
// itself, and drives to their safe values the outputs of whoever it then refuses. An I/O process of several boards takes no runner of another board
// before it was told: its disk may be one that was put back.
type Floors struct {
	Tokens map[string]uint64 `json:"tokens"` // by equipment
	// Token is the greatest that was given, wherever that lies: the boards count together, and one whose equipment nobody has asked for in a long time would
	// take the next token for one that nobody gave. 0: not told.
	Token uint64 `json:"token,omitempty"`
	More  bool   `json:"more,omitempty"` // these are not all: others follow, and until then nobody of another board is taken
}

// Check implements Body.
func (f *Floors) Check() error {
	if len(f.Tokens) > MaxChannels {
		return &Error{Status: 400, Message: "api: floors: more than 4096 pieces of equipment; send less at a time"}
	}
	for id := range f.Tokens {
		if err := ident("equipment_id", id); err != nil {
			return err
		}
	}
	return nil
}
