// Which nodes are here.

package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// The keys of presence: key NODE of bucket presence.
const (
	presencePrefix = "$KV." + presence + "."
	maxPresent     = 512 // batches that a presence lists
	maxPresence    = 128 << 10
)

// Presence is what a node says of itself, as the value of its key. It lists the batches that have not ended first, and says how many there are; what
// it has no room for is to be had as run-time data.
type Presence struct {
	Node    string          `json:"node"`
	Boot    string          `json:"boot"`   // of its manager, which has answered just now
	Bridge  string          `json:"bridge"` // one life of its bus process
	Total   int             `json:"total"`  // batches that there are
	Batches []api.NodeBatch `json:"batches,omitempty"`
}

// nodes is what is known of the others. A node is here for as long as renewals come, by our own monotonic clock: what a server says of the age of a
// key, and what anybody says of the time of day, decides nothing.
type nodes struct {
	own    string
	life   string
	ttl    time.Duration
	tell   func(object, result, detail string)
	change chan struct{} // has room for one

	mu   sync.Mutex
	rev  uint64
	list map[string]*heard
}

// heard is one node.
type heard struct {
	node  api.Node
	at    time.Time // when a renewal came last; with a found key when it was found
	found bool      // its key lay there when we came, and nothing was heard since: nobody knows yet
}

func newNodes(own, life string, ttl time.Duration, tell func(object, result, detail string)) *nodes {
	return &nodes{own: own, life: life, ttl: ttl, tell: tell, change: make(chan struct{}, 1), list: map[string]*heard{}}
}

// readPresence reads what somebody says to be, under a key.
func readPresence(key string, data []byte) (*Presence, error) {
	if len(data) > maxPresence {
		return nil, fmt.Errorf("it has %d bytes; at most %d are taken", len(data), maxPresence)
	}
	var p Presence
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&p); err != nil {
		return nil, err
	}
	if err := checkName("node", p.Node); err != nil {
		return nil, err
	}
	if p.Node != key {
		return nil, fmt.Errorf("it names node %q", p.Node)
	}
	if len(p.Bridge) > api.MaxText || p.Total < 0 {
		return nil, errors.New("its life or its total is out of bounds")
	}
	l := api.Nodes{Nodes: []api.Node{{Node: p.Node, Boot: p.Boot, Batches: p.Batches}}}
	return &p, l.Check()
}

// take takes a renewal that came now, or a key that was found.
func (n *nodes) take(now time.Time, key string, data []byte, found bool) {
	p, err := readPresence(key, data)
	if err != nil {
		n.tell("presence."+key, "refused", "what it says is not taken: "+err.Error())
		return
	}
	if p.Node == n.own {
		if p.Bridge != n.life && !found {
			n.tell("node "+p.Node, "double", "another bus process speaks as this node: end one of them, and look whose key it has")
		}
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.list[key]
	switch {
	case h == nil && len(n.list) >= api.MaxNodes && !n.evict():
		n.tell("node "+p.Node, "refused", fmt.Sprintf("there are %d nodes already", api.MaxNodes))
		return
	case h == nil:
		h = &heard{found: true}
		n.list[key] = h
	case found: // what lies there is not newer than what was heard
		return
	}
	was := h.node
	h.at = now
	h.node = api.Node{Node: p.Node, Boot: p.Boot, Batches: p.Batches, Here: !found, Since: was.Since}
	if !found && (!was.Here || h.found) {
		h.found, h.node.Since = false, clock()
		n.tell("node "+p.Node, "here", "its manager "+p.Boot+" answers")
	}
	if was.Boot != h.node.Boot || was.Here != h.node.Here || !sameBatches(was.Batches, h.node.Batches) {
		n.poke()
	}
}

// evict makes room by letting go a node that is not here; the caller holds mu.
func (n *nodes) evict() bool {
	oldest := ""
	for key, h := range n.list {
		if !h.node.Here && (oldest == "" || h.at.Before(n.list[oldest].at)) {
			oldest = key
		}
	}
	delete(n.list, oldest)
	return oldest != ""
}

// gone takes in that a key was deleted: somebody says that the node is not here.
func (n *nodes) gone(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.list[key]; h != nil {
		n.away(h, "its key was deleted")
	}
}

func (n *nodes) away(h *heard, why string) {
	if !h.node.Here && !h.found {
		return
	}
	h.found, h.node.Here, h.node.Since = false, false, clock()
	n.tell("node "+h.node.Node, "not here", why)
	n.poke()
}

// poke says that something has changed; the caller holds mu.
func (n *nodes) poke() {
	n.rev++
	select {
	case n.change <- struct{}{}:
	default:
	}
}

// now is what is known of the others, and how often that has changed. Of one whose key was found and that was not heard yet nothing is said.
func (n *nodes) now(now time.Time) (*api.Nodes, uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := &api.Nodes{Nodes: []api.Node{}}
	for _, key := range sorted(n.list) {
		h := n.list[key]
		if now.Sub(h.at) >= n.ttl {
			n.away(h, fmt.Sprintf("nothing was heard of it for %s", n.ttl))
		}
		if !h.found {
			all.Nodes = append(all.Nodes, h.node)
		}
	}
	return all, n.rev
}

// hear takes in what nodes say, until ctx ends. It is subscribed to as any subject is, so that who is here is known while no server leads.
func (b *Bridge) hear(ctx context.Context) {
	sub, err := b.c.nc.SubscribeSync(presencePrefix + "*")
	if err != nil {
		b.opt.Tell("presence", "refused", words(err))
		return
	}
	defer func() { _ = sub.Unsubscribe() }()
	_ = sub.SetPendingLimits(4*api.MaxNodes, 4*api.MaxNodes*maxPresence/16)
	for ctx.Err() == nil {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			if !errors.Is(err, nats.ErrSlowConsumer) && !rest(ctx, time.Second) {
				return
			}
			continue
		}
		key := strings.TrimPrefix(m.Subject, presencePrefix)
		switch m.Header.Get("KV-Operation") {
		case "":
			b.nodes.take(time.Now(), key, m.Data, false)
		default:
			b.nodes.gone(key)
		}
	}
}

// find takes in the keys that are there: of a node that has gone before we came nothing else is heard. It asks for each, and watches
// nothing: who may have keys delivered may have them delivered to any subject, as if the hub or another node had said them.
func (b *Bridge) find(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var is struct {
		State struct {
			Subjects map[string]uint64 `json:"subjects"`
		} `json:"state"`
	}
	const bucket = "KV_" + presence
	if err := b.c.ask(ctx, "STREAM.INFO."+bucket, map[string]string{"subjects_filter": presencePrefix + "*"}, &is); err != nil {
		return fmt.Errorf("bus: bucket %s: %w", presence, err)
	}
	for _, subject := range slices.Sorted(maps.Keys(is.State.Subjects)) {
		var last struct {
			Message stored `json:"message"`
		}
		err := b.c.ask(ctx, "STREAM.MSG.GET."+bucket, map[string]string{"last_by_subj": subject}, &last)
		if coded(err) == codeNoMessage { // it has ended meanwhile
			continue
		}
		if err != nil {
			return fmt.Errorf("bus: bucket %s: %w", presence, err)
		}
		if h, err := nats.DecodeHeadersMsg(last.Message.Hdrs); len(last.Message.Hdrs) > 0 && (err != nil || h.Get("KV-Operation") != "") {
			continue
		}
		b.nodes.take(time.Now(), strings.TrimPrefix(subject, presencePrefix), last.Message.Data, true)
	}
	return nil
}

// renew says that this node is here, for as long as its manager answers.
func (b *Bridge) renew(ctx context.Context) {
	for next := time.Now(); ; {
		var self api.Self
		if err := ask(ctx, b.manager, http.MethodGet, "/v1/self", nil, &self); err != nil {
			if ctx.Err() == nil {
				b.opt.Tell("manager", "away", "the presence is not renewed: "+words(err))
			}
			b.sayNode("")
		} else {
			b.sayNode(self.Boot)
			if err := b.say(ctx, self.Boot); err != nil && !errors.Is(err, jetstream.ErrNoStreamResponse) && ctx.Err() == nil { // no bucket: keep tells
				b.opt.Tell("presence", "not renewed", words(err))
			}
		}
		if next = next.Add(b.renews); time.Until(next) < 0 {
			next = time.Now().Add(b.renews)
		}
		if !rest(ctx, time.Until(next)) {
			return
		}
	}
}

// say writes the own key. All keys of the bucket have the time to live that it has: a raw publish renews it, and so would any write.
func (b *Bridge) say(ctx context.Context, boot string) error {
	p := Presence{Node: b.node, Boot: boot, Bridge: b.life}
	p.Batches, p.Total = b.here.batches(maxPresent)
	data, err := json.Marshal(&p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	_, err = b.c.js.PublishMsg(ctx, &nats.Msg{Subject: presencePrefix + b.node, Data: data}, jetstream.WithRetryAttempts(0))
	return err
}

// tellManager tells the manager of this board who is here: at each change, and again and again.
func (b *Bridge) tellManager(ctx context.Context) {
	t := time.NewTicker(b.renews / 5)
	defer t.Stop()
	told, at := uint64(0), time.Time{}
	for {
		if all, rev := b.nodes.now(time.Now()); rev != told || time.Since(at) >= b.renews {
			at = time.Now()
			err := ask(ctx, b.manager, http.MethodPost, "/v1/nodes", all, nil)
			if err == nil {
				told = rev
			} else if ctx.Err() == nil {
				b.opt.Tell("manager", "not told", "of the nodes that are here: "+words(err))
			}
		}
		select {
		case <-b.nodes.change:
			rest(ctx, rtGap)
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
