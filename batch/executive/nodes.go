// Several boards: whose is whose, where equipment lies, and what is known of the other nodes.

package executive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal/record"
)

// checkNode refuses what is no name of a node.
func checkNode(name string) error {
	if name == "" {
		return nil
	}
	if err := api.CheckNode(name); err != nil {
		return fmt.Errorf("executive: %w", err)
	}
	return nil
}

// prefix is what the batches of this node begin with.
func (m *Manager) prefix() string {
	if m.opt.Node == "" {
		return ""
	}
	return m.opt.Node + "."
}

// own tells whether a batch may be one of this node.
func (m *Manager) own(batch string) bool {
	return strings.HasPrefix(batch, m.prefix()) && len(batch) > len(m.prefix())
}

// bare is the number of a batch as this node counts them; of a batch of another node it is nothing that counts.
func (m *Manager) bare(batch string) string { return strings.TrimPrefix(batch, m.prefix()) }

// used has no batch get the number of one that the log names.
func (m *Manager) used(batch string) {
	if m.opt.Node != "" && m.own(batch) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.numbers.Used(m.bare(batch))
	}
}

// given is how many numbers were given to batches, as far as a mark can say it.
func (m *Manager) given() uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint32(min(m.numbers.Given(), 1<<32-1))
}

// remember has numbers go on behind what the log and the mark of this node say.
func (m *Manager) remember() {
	for _, batch := range m.desk.batches() {
		m.used(batch)
	}
	for _, k := range m.desk.marks() {
		if k.Node == m.opt.Node {
			m.used(m.prefix() + "B-" + strconv.FormatUint(uint64(k.Given), 10))
		}
	}
}

// here tells whether what the model says lies at a node lies at this one.
func (m *Manager) here(node string) bool { return node == "" || node == m.opt.Node }

// lie gives the node at which each piece of equipment has its wires, "" for this one. What the model does not know has none, and is fenced here.
func (m *Manager) lie(equipment []string) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lies := map[string]string{}
	for _, id := range equipment {
		lies[id] = ""
	}
	if m.opt.Node == "" {
		return lies, nil
	}
	if m.model == nil {
		return nil, errors.New("at which node its wires are is not known, since the runtime server has never answered; start it")
	}
	for i := range m.model.Items {
		if it := &m.model.Items[i]; !m.here(it.Node) {
			if _, asked := lies[it.ID]; asked {
				lies[it.ID] = it.Node
			}
		}
	}
	return lies, nil
}

// ioOf is what people are told of the I/O process of a node.
func ioOf(node string) string {
	if node == "" {
		return "the I/O process"
	}
	return "the I/O process of node " + node
}

// wireOf gives the client of the I/O process of a node.
func (m *Manager) wireOf(node string) *api.Client {
	if node == "" {
		return m.wire
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.wires[node]
	if c == nil {
		c = m.net.Dial(api.Remote(node, api.IO))
		m.wires[node] = c
	}
	return c
}

// hangUp closes the clients of I/O processes.
func (m *Manager) hangUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.wires {
		c.Close()
	}
	m.wire.Close()
}

// tellFloors tells the I/O process of this node the tokens under which its equipment was given, by a log that was read just now: with less it might take
// a runner of another node that was fenced off meanwhile.
func (m *Manager) tellFloors(ctx context.Context) (digest string, err error) {
	if _, err := m.desk.look(ctx, math.MaxUint64); err != nil {
		return "", err
	}
	m.mu.Lock()
	model, digest := m.model, m.digest
	m.mu.Unlock()
	if model == nil {
		return "", errors.New("executive: which equipment lies here is not known")
	}
	var ids []string
	for i := range model.Items {
		if it := &model.Items[i]; m.here(it.Node) {
			ids = append(ids, it.ID)
		}
	}
	for first := true; first || len(ids) > 0; first = false { // none is told, too
		n := min(len(ids), api.MaxChannels)
		f := api.Floors{Tokens: map[string]uint64{}, Token: m.desk.token(), More: len(ids) > n}
		for _, id := range ids[:n] {
			if had := m.desk.holding(id); len(had) > 0 && had[0].Token > 0 {
				f.Tokens[id] = had[0].Token
			}
		}
		ids = ids[n:]
		ask, cancel := context.WithTimeout(ctx, fenceLimit)
		err := m.wire.Call(ask, http.MethodPost, "/v1/floors", &f, nil)
		cancel()
		if err != nil {
			return "", err
		}
	}
	return digest, nil
}

// gone gives what tells whether a batch is one of a node that is not here, or one that its node says is Lost. Of a node that was never heard of nothing
// is said.
func (m *Manager) gone() func(batch string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	away, lost := map[string]bool{}, map[string]bool{}
	for _, n := range m.nodes {
		away[n.Node] = !n.Here
		for _, b := range n.Batches {
			lost[b.ID] = b.Life == api.Lost
		}
	}
	return func(batch string) bool {
		node, _, ok := strings.Cut(batch, ".")
		return ok && (away[node] || lost[batch])
	}
}

// listNodes gives what is known of the other nodes, and how far each is with the log.
func (m *Manager) listNodes() *api.Nodes {
	marks, due := m.desk.marks(), m.desk.due()
	list := &api.Nodes{}
	if err := m.desk.reach(); err != nil {
		list.Log = short(err.Error())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]api.Node{}
	for name, n := range m.nodes {
		all[name] = n
	}
	for _, k := range marks {
		if k.Node == m.opt.Node {
			continue
		}
		n, ok := all[k.Node]
		if n.Node, n.Mark = k.Node, k.Seq; !ok {
			n.Reason = "it was not heard of since this manager came up"
		}
		if k.Seq+1 < due {
			n.Reason = fmt.Sprintf("the log is kept for it from operation %d on; strike it out if it is there no more", k.Seq+1)
		}
		all[k.Node] = n
	}
	for _, name := range sorted(all) {
		list.Nodes = append(list.Nodes, all[name])
	}
	list.Nodes = list.Nodes[:min(len(list.Nodes), api.MaxNodes)]
	return list
}

// serveNodes takes in which nodes there are, from who may listen in the directory of this manager.
func (m *Manager) serveNodes(w http.ResponseWriter, r *http.Request) {
	var list api.Nodes
	err := api.Take(w, r, &list)
	if peer := api.PeerOf(r); err == nil {
		why := peer.Keeps(m.dir)
		if peer.Node != "" {
			why = fmt.Errorf("executive: node %s does not say which nodes there are", peer.Node)
		}
		if why != nil {
			err = m.denied(peer, nil, "nodes", "", peer.Actor(), "", &api.Error{Status: http.StatusForbidden, Message: short(why.Error())})
		}
	}
	if err == nil {
		m.mu.Lock()
		clear(m.nodes)
		for _, n := range list.Nodes {
			if n.Mark, n.Reason = 0, ""; n.Node != m.opt.Node {
				m.nodes[n.Node] = n
			}
		}
		m.touch(nil)
		m.mu.Unlock()
	}
	api.Reply(w, &api.Accepted{As: api.PeerOf(r).Actor()}, err)
}

// serveStrike strikes out the mark of a node, so that the log is kept for it no longer.
func (m *Manager) serveStrike(w http.ResponseWriter, r *http.Request) {
	var o api.Order
	node := r.PathValue("node")
	err := api.Take(w, r, &o)
	var by person
	if err == nil {
		by, err = m.allow(r, &o, api.MayForceRelease, short(node))
	}
	if err == nil {
		err = m.strike(node, by)
	}
	api.Reply(w, &api.Accepted{As: by.actor}, err)
}

func (m *Manager) strike(node string, by person) error {
	marks := m.desk.marks()
	i := slices.IndexFunc(marks, func(k arbiter.NodeMark) bool { return k.Node == node })
	switch {
	case node == m.opt.Node:
		return &api.Error{Status: http.StatusConflict, Message: "executive: node " + node + " is this one, which is here; it is struck out at another"}
	case i < 0:
		return &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("executive: node %.40q has no mark; look at the nodes", node)}
	}
	_, err := m.led.Append(func(b *record.Body) {
		b.Begin(record.KindLibraryChange)
		b.Text(record.Actor, by.actor)
		b.Text(record.ChangeReason, cmp.Or(by.reason, "none was given"))
		b.Text(record.OldValue, fmt.Sprintf("up to operation %d", marks[i].Seq))
		b.Text(record.NewValue, "struck out")
		b.Text(record.ImpactScope, "the log of the arbiter is not kept for it any longer; its manager does not come up without a person's word")
		b.Text(record.ObjectKind, "node")
		b.Text(record.ObjectID, node)
		b.Text(record.ObjectVersion, strconv.FormatUint(marks[i].Seq, 10))
		b.Text(record.Digest, "none")
		b.Text(record.ApprovalID, "none")
	})
	if err != nil {
		return &api.Error{Status: http.StatusServiceUnavailable, Message: "executive: " + short(err.Error())}
	}
	fx, err := m.desk.do(arbiter.Op{Kind: arbiter.Mark, Batch: node, Retired: true, Actor: by.actor, Role: by.role, Reason: by.reason}, nil)
	if err == nil {
		err = refusal(fx)
	}
	return err
}
