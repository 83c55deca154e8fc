// The bus process of a board: what it tells the plant of the processes here, and these of the plant.

package bus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// Limits of a bridge.
const (
	renewEach = 5 * time.Second  // between two renewals of a presence, and two tellings of the manager
	hereFor   = 30 * time.Second // time to live of a presence: six renewals
	quiet     = 5 * time.Second  // silence after which a stream of a process of this board is given up
	callLimit = 3 * time.Second  // that a process of this board may take to answer the bridge itself
	modelEach = 10 * time.Second // between two looks at the equipment model
	maxUsers  = 256              // of the bus who may command
)

// BridgeOptions are the options of NewBridge. Nil is the same as the zero value: nobody commands.
type BridgeOptions struct {
	// Users have the roles of those who may command by the bus, by the names in their subjects. Who is not named may neither order nor ask. What a role
	// may the rights of the manager say, which are to name the user of the bus process as an edge.
	Users map[string]string
	// Areas of the equipment model whose channels are shown as rt.AREA.UNIT.CHANNEL, those that the key of the node may publish under: an area may be
	// that of several nodes, and none has the name of one. Channels elsewhere are shown as rt.NODE.io.CHANNEL.
	Areas []string
	// Units has the equipment that channels are shown under which belong to none, such as inputs, by the beginning of their names; the longest counts.
	Units map[string]string
	// Tell is told which nodes are here, and what was refused: Recorder.Tell puts it on record. Any goroutine may call it; it may not block. Nil: nobody is.
	Tell func(object, result, detail string)
}

// Bridge stands between the processes of one board and the bus. It keeps nothing: whatever it is asked or told it asks of these or of the bus, so it may
// be killed at any time, and nothing that runs on the board waits for it. Names in subjects are written by Token; all values are JSON:
//
//	$KV.presence.NODE         Presence, each five seconds while the manager answers; who is silent for thirty is not here
//	cmd.NODE.USER             Request, answered with an Answer in the inbox of the user, _INBOX.USER.>
//	rt.NODE.node              NodeState, each five seconds
//	rt.NODE.batch.ID          api.Batch; at the end one with life Removed
//	rt.NODE.equipment.ID      api.Holdings of that piece: several batches may have one
//	rt.AREA.UNIT.CHANNEL      NodeValue of a channel of equipment in an area of BridgeOptions.Areas
//	rt.NODE.io.CHANNEL        NodeValue of any other channel
//
// Run-time data is said when it changes, the newest ten times a second at most, and again each half minute, which is when who comes late has all of it; who
// may command asks for it (see Request), and who may read streams finds the newest in stream rt, for two minutes. It is never a retained message of MQTT.
// It may be lost and is no record: batches have journals.
type Bridge struct {
	c       *Conn
	opt     BridgeOptions
	node    string
	life    string // of this bridge; another one after each start
	manager *api.Client
	runtime *api.Client
	io      *api.Client
	out     *outbox
	here    *scene
	nodes   *nodes
	memory  *memory
	stream  time.Time     // when the stream of run-time data was made that keep has seen last; only keep has it
	renews  time.Duration // renewEach, but in tests
	lives   time.Duration // hereFor, but in tests
}

// NewBridge returns the bridge of the node that c was connected for, on the network of that board. It starts nothing, and asks nobody. The connection
// is the caller's to close, after Run has returned.
func NewBridge(c *Conn, n api.Network, o *BridgeOptions) (*Bridge, error) {
	if c == nil || n == nil {
		return nil, errors.New("bus: a bridge wants a connection and the network of its board")
	}
	if err := checkName("node", c.opt.Node); err != nil {
		return nil, err
	}
	b := &Bridge{c: c, node: c.opt.Node,
		manager: n.Dial(api.Manager), runtime: n.Dial(api.Runtime), io: n.Dial(api.IO), out: newOutbox(), here: newScene(), memory: newMemory(),
		renews: renewEach, lives: hereFor}
	if o != nil {
		b.opt = *o
	}
	if b.opt.Tell == nil {
		b.opt.Tell = func(string, string, string) {}
	}
	if len(b.opt.Users) > maxUsers {
		return nil, fmt.Errorf("bus: %d users may command; at most %d are taken", len(b.opt.Users), maxUsers)
	}
	for user, role := range b.opt.Users {
		if err := checkName("user", user); err != nil {
			return nil, err
		}
		if role == "" || len(role) > api.MaxText {
			return nil, fmt.Errorf("bus: user %s has a role of %d bytes; give him one of those that the rights of the manager have, or leave him out", user, len(role))
		}
	}
	for _, area := range b.opt.Areas {
		if err := checkName("area", area); err != nil {
			return nil, err
		}
		if area == b.node {
			return nil, fmt.Errorf("bus: area %s has the name of this node: their run-time data could not be told apart; give the node another name", area)
		}
	}
	var life [8]byte
	if _, err := rand.Read(life[:]); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	b.life = hex.EncodeToString(life[:])
	b.nodes = newNodes(b.node, b.life, b.lives, b.opt.Tell)
	return b, nil
}

// Run carries until ctx ends, and returns when all that it has started has ended. The bus, the manager, the runtime server and the I/O process may go
// and come meanwhile, in any order; what cannot be carried then is not kept, but for the newest of each value. Only a connection that was closed
// is an error. It is called once.
func (b *Bridge) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for _, do := range []func(context.Context){
		b.keep, b.followManager, b.followEquipment, b.followModel, b.followValues, b.send, b.hear, b.renew, b.tellManager, b.command,
	} {
		group.Go(func() { do(ctx) })
	}
	var err error
	select {
	case <-ctx.Done():
	case <-b.c.closed:
		err = errClosed
	}
	cancel()
	group.Wait()
	for _, c := range []*api.Client{b.manager, b.runtime, b.io} {
		c.Close()
	}
	return err
}

// rest waits for d, or until ctx ends; it is false then.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask asks a process of this board something short.
func ask(ctx context.Context, c *api.Client, method, path string, in, out api.Body) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return c.Call(ctx, method, path, in, out)
}
