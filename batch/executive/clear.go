// How a batch goes, and how a lost one is taken up: what it has is fenced first, always.

package executive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/roster"
)

// Limits of what a keeper waits for.
const (
	fenceLimit = 15 * time.Second // an answer of the I/O process to a fence
	killLimit  = 5 * time.Second  // the end of a process that was killed
)

// sorted gives the keys of a map in their order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// remove asks the runner to go, and waits until it has.
func (k *keeper) remove(ctx context.Context) {
	m, e := k.m, k.e
	m.mu.Lock()
	by := e.by
	m.mu.Unlock()
	if k.asked.IsZero() {
		k.asked = time.Now()
	}
	ask, cancel := context.WithTimeout(ctx, m.opt.GoneBy)
	err := k.c.Call(ask, http.MethodPost, "/v1/batches/"+e.id+"/removal",
		&api.Removal{Order: api.Order{Operator: by.actor, Role: by.role, Reason: by.reason}}, nil)
	cancel()
	var no *api.Error
	if errors.As(err, &no) && no.Status < http.StatusInternalServerError {
		k.declined(ctx, no)
		return
	}
	for ctx.Err() == nil {
		_, err := k.far(ctx)
		if how := k.gone(); how != nil || nobody(err) && k.unowned() {
			k.happens(roster.Exit, "it has gone")
			return
		}
		if time.Since(k.asked) >= m.opt.GoneBy {
			k.says(fmt.Sprintf("it has not gone within %s; remove it by force", m.opt.GoneBy))
			pause(ctx, again)
			return // and it is asked again
		}
		pause(ctx, 20*time.Millisecond)
	}
	if how := k.gone(); how != nil {
		k.happens(roster.Exit, "it has gone")
	}
}

// unowned tells whether the end of the runner is seen by nothing but its socket.
func (k *keeper) unowned() bool {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	return k.e.proc == nil
}

// declined is told that the runner refuses to go: it stands where it says then.
func (k *keeper) declined(ctx context.Context, no *api.Error) {
	var b api.Batch
	err := k.c.Call(ctx, http.MethodGet, "/v1/batches/"+k.e.id, nil, &b)
	if err == nil {
		k.m.mu.Lock()
		err = k.m.move(k.e, roster.Hears(string(b.Life)), manager, "its runner does not go: "+no.Message)
		k.m.mu.Unlock()
	}
	if err != nil {
		pause(ctx, again)
	}
}

// clear fences all that the batch has, ends its process, and then gives all back. What does not work is tried again, and the list says what it is.
func (k *keeper) clear(ctx context.Context) {
	m, e := k.m, k.e
	m.desk.cut(e.id)
	_, open, err := k.fence()
	if err != nil {
		k.says(err.Error())
		pause(ctx, again)
		return
	}
	alive := k.kill(ctx)
	if ctx.Err() != nil {
		return
	}
	if open != "" {
		k.says("its outputs are not confirmed safe, so its equipment is kept: " + open)
		pause(ctx, again)
		return
	}
	if !k.covered() { // it got something while it was ended
		return
	}
	by := k.by()
	covered := func() error { // what it was given meanwhile is fenced, too, before it is anybody else's
		if !k.covers(m.desk.tokensOf(e.id)) {
			return errors.New("it was given more meanwhile, which is fenced, too")
		}
		return nil
	}
	if _, err := m.desk.do(arbiter.Op{Kind: arbiter.Leave, Batch: e.id, Actor: by.actor, Role: by.role, Reason: "removed"}, covered); err != nil {
		k.says(err.Error())
		pause(ctx, again)
		return
	}
	if err := m.net.Forget(e.id); err != nil { // a process that was killed left its socket
		k.says(err.Error())
		pause(ctx, again)
		return
	}
	k.happens(roster.Cleared, alive)
}

func (k *keeper) by() person {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	return k.e.by
}

// covered tells whether all that the batch has is fenced under the tokens that it has now.
func (k *keeper) covered() bool { return k.covers(k.m.desk.tokens(k.e.id)) }

func (k *keeper) covers(tokens map[string]uint64) bool {
	for id, token := range tokens {
		if k.fenced[id] != token {
			return false
		}
	}
	return true
}

// fence raises the tokens of all that the batch has, and has the wire refuse the old ones and drive the outputs safe. Open is what is not confirmed
// safe. An error says that the wire does not know the new tokens.
func (k *keeper) fence() (confirmed []string, open string, err error) {
	m, e, by := k.m, k.e, k.by()
	tokens := m.desk.tokens(e.id)
	if len(tokens) == 0 {
		return nil, "", nil
	}
	lies, err := m.lie(sorted(tokens))
	if err != nil {
		return nil, "", err
	}
	for _, node := range slices.Sorted(maps.Values(lies)) {
		if err := m.floor(k.outer, node); err != nil { // a fence below what the wire has seen would be none
			return nil, "", fmt.Errorf("%s does not answer: %w", ioOf(node), err)
		}
	}
	if !k.covers(tokens) && !maps.Equal(tokens, k.raised) {
		op := arbiter.Op{Kind: arbiter.Raise, Batch: e.id, Actor: by.actor, Role: by.role, Reason: short(by.reason)}
		if _, err := m.desk.do(op, nil); err != nil {
			return nil, "", err
		}
		tokens = m.desk.tokens(e.id)
		k.raised, k.safe = tokens, map[string]uint64{}
	}
	type lot struct {
		token uint64
		node  string
	}
	sets := map[lot][]string{}
	for _, id := range sorted(tokens) {
		if _, known := lies[id]; !known { // it was given meanwhile
			return nil, "", errors.New("it was given more meanwhile, which is fenced, too")
		}
		l := lot{tokens[id], lies[id]}
		sets[l] = append(sets[l], id)
	}
	fenced := map[string]uint64{}
	var left []string
	for _, l := range slices.SortedFunc(maps.Keys(sets), func(a, b lot) int { return cmp.Or(cmp.Compare(a.token, b.token), cmp.Compare(a.node, b.node)) }) {
		answer, err := k.fenceSet(sets[l], l.token, l.node, by)
		if err != nil {
			return nil, "", fmt.Errorf("%s does not confirm that its outputs are safe: %w", ioOf(l.node), err)
		}
		for _, id := range sets[l] {
			fenced[id] = l.token
		}
		confirmed, left = append(confirmed, answer.Confirmed...), append(left, answer.Unconfirmed...)
	}
	k.fenced = fenced
	open = short(strings.Join(left, ", "))
	if open != "" && open != k.told {
		k.told = open
		m.mu.Lock()
		err = m.write(e, e.state, "fence", by, unconfirmed, open)
		m.mu.Unlock()
	}
	return confirmed, open, err
}

// fenceSet fences a set that lies at one node. One that is confirmed safe is not told again, each second that it takes another board to come back: all
// that is done to it is on record there.
func (k *keeper) fenceSet(set []string, token uint64, node string, by person) (answer api.Fenced, err error) {
	if !slices.ContainsFunc(set, func(id string) bool { return k.safe[id] != token }) {
		return answer, nil
	}
	f := api.Fence{Equipment: set, Token: token, Batch: k.e.id, Safe: true, Order: api.Order{Operator: by.actor, Role: by.role, Reason: by.reason}}
	err = k.m.fenceAt(node, &f, &answer)
	if errors.Is(err, errPast) {
		k.raised = nil
	}
	if err == nil && len(answer.Unconfirmed) == 0 {
		for _, id := range set {
			k.safe[id] = token
		}
	}
	return answer, err
}

// errPast says that the I/O process has seen a greater token than that of a fence. Tokens go on above it, so the next fence is none that is past.
var errPast = errors.New("it has seen a greater token than that of the fence; it is fenced anew")

// fenceAt has the I/O process of a node put up a fence; "" is this one.
func (m *Manager) fenceAt(node string, f *api.Fence, answer *api.Fenced) error {
	ctx, cancel := context.WithTimeout(context.Background(), fenceLimit)
	defer cancel()
	err := m.wireOf(node).Call(ctx, http.MethodPost, "/v1/fences", f, answer)
	if err == nil && answer.Greater > 0 {
		err = errPast
		if answer.Greater > m.desk.token() {
			_, bad := m.desk.do(arbiter.Op{Kind: arbiter.Floor, Token: answer.Greater}, nil)
			err = cmp.Or(bad, err)
		}
	}
	return err
}

// kill ends the runner and waits until it has ended. What it gives says why that is not known, "" where it has ended.
func (k *keeper) kill(ctx context.Context) string {
	m, e := k.m, k.e
	deadline := time.Now().Add(killLimit)
	for ctx.Err() == nil {
		far, err := k.far(ctx)
		m.mu.Lock()
		p, pid := e.proc, e.pid
		if e.ended != nil {
			p, e.proc, e.pid, e.ended = nil, nil, 0, nil
		}
		m.mu.Unlock()
		if p == nil && err == nil && far.PID > 0 {
			if p, err = m.sp.Adopt(e.id, far.PID); err == nil {
				k.own(p)
			}
			pid = far.PID
		}
		switch {
		case p == nil && nobody(err):
			return ""
		case p != nil:
			if err := p.Kill(); err != nil && time.Now().After(deadline) {
				return fmt.Sprintf("its process %d could not be ended: %s", pid, err)
			}
		}
		if time.Now().After(deadline) {
			return fmt.Sprintf("its process %d has not ended within %s", pid, killLimit)
		}
		pause(ctx, 5*time.Millisecond)
	}
	return ""
}

// restart fences all that a lost batch has, ends its old runner, and has another one take it up.
func (k *keeper) restart(ctx context.Context) {
	m, e, by := k.m, k.e, k.by()
	m.desk.cut(e.id)
	_, open, err := k.fence()
	if err == nil {
		if alive := k.kill(ctx); alive != "" {
			err = errors.New(alive + "; end it, or remove the batch by force")
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err == nil && !k.covered() {
		return
	}
	if err == nil {
		err = m.warm(e, by)
	}
	if err != nil {
		k.says(err.Error())
		pause(ctx, again)
		return
	}
	if open != "" {
		open = "not confirmed safe, and its own again: " + open
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.move(e, roster.Fenced, manager, open) == nil {
		e.spawn, e.warm = true, true
	}
}

// warm writes the order by which the new runner takes the batch up.
func (m *Manager) warm(e *entry, by person) error {
	dir := batchDir(m.dir, e.id)
	o, err := host.ReadOwnOrder(dir)
	if err == nil && o.Batch != e.id {
		err = fmt.Errorf("its order is that of %s", o.Batch)
	}
	if err != nil {
		return fmt.Errorf("it cannot be restarted: %w; remove it", err)
	}
	o.Start, o.Warm, o.Reason, o.WarmBy, o.WarmRole = false, true, by.reason, by.actor, by.role // who restarts it starts it
	m.mu.Lock()
	e.start, e.order.Start = false, false
	m.mu.Unlock()
	return host.WriteOrder(dir, o)
}
