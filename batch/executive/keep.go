// The keeper of a batch: a goroutine that does what the state of the batch asks for, and carries on from there after a cut.

package executive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/roster"
)

// How long a keeper waits before it tries again what did not work: at first, and later.
const (
	soon  = 2 * time.Millisecond
	again = time.Second
)

// keep keeps one batch until it is removed, or ctx ends. A runner that it has started is waited for.
func (m *Manager) keep(ctx context.Context, e *entry) {
	var group sync.WaitGroup
	defer group.Wait()
	k := &keeper{m: m, e: e, c: e.c, group: &group, outer: ctx, began: time.Now()}
	defer k.c.Close()
	var was roster.State
	if e.order.Groups != nil && !k.moved(roster.Lost) {
		m.quit(e.id, "Lost") // whoever has seen that it is may not have come to this
	}
	for ctx.Err() == nil {
		inner, cancel := context.WithCancel(ctx)
		m.mu.Lock()
		e.cancel = cancel
		state := e.state
		m.mu.Unlock()
		if state != was {
			k.fenced, k.raised, k.safe, k.told, k.asked, was = nil, nil, nil, "", time.Time{}, state
		}
		switch state {
		case roster.Removed:
			cancel()
			return
		case roster.Clearing:
			k.clear(inner)
		case roster.Restarting:
			k.restart(inner)
		case roster.Removing:
			k.remove(inner)
		default:
			k.present(inner)
		}
		if !k.moved(state) {
			pause(inner, again/10)
		}
		cancel()
	}
}

// moved tells whether the batch stands elsewhere than it did.
func (k *keeper) moved(was roster.State) bool {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	return k.e.state != was
}

// keeper is what belongs to one keeping of one batch.
type keeper struct {
	m      *Manager
	e      *entry
	c      *api.Client
	group  *sync.WaitGroup
	began  time.Time         // when its runner was started, or looked for first
	heard  time.Time         // when it was heard last; zero: never
	asked  time.Time         // when it was asked to go
	outer  context.Context   // ends with the manager
	fenced map[string]uint64 // tokens that the wire has confirmed in this state, by equipment
	raised map[string]uint64 // all its tokens when they were raised last in this state: those are fences still, however often one is tried
	safe   map[string]uint64 // of these, those under which all is confirmed safe
	told   string            // what the last record says is not confirmed
}

// nobody tells whether an error says that nobody listens, and not only that nobody answers.
func nobody(err error) bool {
	return errors.Is(err, api.ErrNobody) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// happens lets something happen that no person has asked for. What is not possible does not.
func (k *keeper) happens(ev roster.Event, why string) bool {
	k.m.mu.Lock()
	err := k.m.move(k.e, ev, manager, why)
	lost := k.e.state == roster.Lost && len(k.e.order.Groups) > 0
	k.m.mu.Unlock()
	if err == nil && lost {
		k.m.quit(k.e.id, "Lost")
	}
	return err == nil
}

// says shows a reason in the list; it is on record once where it is one that a person waits for.
func (k *keeper) says(why string) {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if why = short(why); k.e.reason != why {
		k.e.reason = why
		k.m.touch(k.e)
	}
}

// pause waits for a while, or for ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// launch starts the runner.
func (k *keeper) launch(ctx context.Context) {
	m, e := k.m, k.e
	m.mu.Lock()
	groups := e.order.Groups
	m.mu.Unlock()
	err := m.join(e.id, groups)
	for away := m.desk.reach(); err != nil && away != nil; away = m.desk.reach() { // without its partners it is not started
		k.says("it is started when its partners can be told of it: the log of the arbiter: " + away.Error())
		if pause(ctx, again); ctx.Err() != nil {
			return
		}
		if err = m.join(e.id, groups); err == nil {
			k.says("")
		}
	}
	var p Process
	if err == nil {
		p, err = m.sp.Spawn(e.id, batchDir(m.dir, e.id))
	}
	k.began, k.heard = time.Now(), time.Time{}
	if err != nil {
		ev := roster.Overdue
		if m.flag(&e.warm) {
			ev = roster.Exit
		}
		k.happens(ev, "it could not be started: "+err.Error())
		return
	}
	m.mu.Lock()
	e.kept = true
	m.mu.Unlock()
	k.own(p)
}

// flag reads a flag of an entry.
func (m *Manager) flag(b *bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *b
}

// own has a runner waited for.
func (k *keeper) own(p Process) {
	m, e, ctx := k.m, k.e, k.outer
	m.mu.Lock()
	defer m.mu.Unlock()
	e.proc, e.pid, e.ended = p, p.PID(), nil
	m.touch(e)
	k.group.Go(func() {
		err := p.Wait(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("its runner has ended")
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if e.proc == p {
			e.ended = err
			if e.cancel != nil {
				e.cancel()
			}
		}
	})
}

// gone tells whether the runner has ended, and how, as far as is known without asking it.
func (k *keeper) gone() error {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if err := k.e.ended; err != nil {
		k.e.proc, k.e.pid, k.e.ended = nil, 0, nil
		return err
	}
	return nil
}

// present starts the runner where that is due, and listens to it until something else is to be done.
func (k *keeper) present(ctx context.Context) {
	m, e := k.m, k.e
	m.mu.Lock()
	spawn := e.spawn && e.state == roster.Loading
	e.spawn = false
	m.mu.Unlock()
	if spawn {
		k.launch(ctx)
	}
	wait := soon
	for ctx.Err() == nil {
		before := k.heard
		err := k.listen(ctx)
		if ctx.Err() != nil || k.ended() {
			break
		}
		k.missed(err)
		switch {
		case k.heard != before:
			wait = soon
		case k.heard.IsZero(): // it comes up: the longer that takes, the less often it is looked for
			wait = min(max(time.Since(k.began)/8, soon), again)
		default:
			wait = min(2*wait, again)
		}
		pause(ctx, wait)
	}
	if k.outer.Err() == nil {
		k.ended()
	}
}

// ended sees to it that the end of the runner counts, and tells whether it has ended.
func (k *keeper) ended() bool {
	how := k.gone()
	if how != nil && !k.happens(roster.Exit, how.Error()) {
		k.says(how.Error())
	}
	return how != nil
}

// missed decides what it means that the runner is not heard just now.
func (k *keeper) missed(err error) {
	m := k.m
	m.mu.Lock()
	state, known := k.e.state, k.e.proc != nil
	m.mu.Unlock()
	since := k.heard
	if since.IsZero() {
		since = k.began
	}
	quiet := time.Since(since)
	switch {
	case state == roster.Lost || state == roster.LoadFailed && k.heard.IsZero():
	case state == roster.Loading && k.heard.IsZero():
		if quiet < m.opt.UpBy {
			return
		}
		if known {
			k.happens(roster.Overdue, fmt.Sprintf("it did not come up within %s: see the file log in its directory", m.opt.UpBy))
		} else {
			k.happens(roster.Exit, "nobody answers for it, and it is not known whether its runner was started")
		}
	case nobody(err) && !known && (!k.heard.IsZero() || quiet >= again):
		k.happens(roster.Exit, "nobody answers at its socket")
	case quiet >= m.opt.Quiet && k.answers():
		k.heard = time.Now() // it was this process that stood still
	case quiet >= m.opt.Quiet:
		k.happens(roster.Silent, "it does not answer since "+stamp(m.led.UTC()-quiet.Nanoseconds()))
	}
}

// answers tells whether the runner answers a plain question within half the time of its silence, a second at least.
func (k *keeper) answers() bool {
	ctx, cancel := context.WithTimeout(k.outer, max(again, k.m.opt.Quiet/2))
	defer cancel()
	var no *api.Error
	err := k.c.Call(ctx, http.MethodGet, "/v1/batches/"+k.e.id, nil, nil)
	return err == nil || errors.As(err, &no)
}

// listen hears the runner for as long as it is heard.
func (k *keeper) listen(ctx context.Context) error {
	far, err := k.far(ctx)
	if err != nil {
		return err
	}
	k.adopt(far)
	return k.c.Events(ctx, "/v1/events", k.m.opt.Quiet, func(event, _ string, data []byte) error {
		if event != "batch" {
			if !k.heard.IsZero() {
				k.heard = time.Now()
			}
			return nil
		}
		var b api.Batch
		if err := json.Unmarshal(data, &b); err != nil {
			return fmt.Errorf("executive: %s: an event of its runner: %w", k.e.id, err)
		}
		if err := b.Check(); err != nil || b.ID != k.e.id {
			return fmt.Errorf("executive: %s: its runner says that it is %.40q", k.e.id, b.ID)
		}
		k.heard = time.Now()
		return k.hear(ctx, b)
	})
}

// far asks the kernel who listens at the socket of the batch.
func (k *keeper) far(ctx context.Context) (api.Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, k.m.opt.Quiet)
	defer cancel()
	return k.m.far(ctx, k.e)
}

// far tells who listens at the socket of a batch. The runner is of the user whose its directory is: nobody else is taken for it.
func (m *Manager) far(ctx context.Context, e *entry) (api.Peer, error) {
	p, err := e.c.Far(ctx)
	if err == nil {
		err = p.Keeps(batchDir(m.dir, e.id))
	}
	return p, err
}

// adopt takes a runner over that this manager has not started.
func (k *keeper) adopt(far api.Peer) {
	m, e := k.m, k.e
	m.mu.Lock()
	known := e.proc != nil && e.pid == far.PID
	m.mu.Unlock()
	if known {
		return
	}
	if p, err := m.sp.Adopt(e.id, far.PID); err == nil {
		k.own(p)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e.pid = far.PID // it is listened to; its end is seen by its socket
}

// hear takes in what the runner says of its batch.
func (k *keeper) hear(ctx context.Context, b api.Batch) error {
	m, e := k.m, k.e
	m.mu.Lock()
	ev := roster.Hears(string(b.Life))
	old, differs := e.said, !same(&e.said, &b)
	was, first := e.state, !e.kept
	e.said = b
	to, err := roster.Move(was, ev)
	if was == roster.Removing {
		err = errors.New("it was asked to go")
	}
	switch {
	case err == nil:
		why := map[bool]string{true: "adopted: it has gone on", false: ""}[first]
		if was == roster.Lost && !first {
			why = "heard again"
		}
		if err = m.move(e, ev, manager, why); err == nil {
			e.reason = "" // from now on its runner says why
		}
	case first:
		err = m.write(e, was, "adopt", manager, done, "")
	default:
		err = nil
	}
	if err != nil {
		e.said = old // without evidence it is not so
		m.mu.Unlock()
		return err
	}
	e.kept = true
	if differs {
		m.touch(e)
	}
	start := e.start && e.state == roster.Ready
	m.mu.Unlock()
	switch {
	case was == roster.Lost && to != was:
		m.desk.owe(e.id, func() error { return unsaid(m.join(e.id, e.order.Groups)) }) // what is refused now its messages are refused for
	case b.State != complete && (to == roster.Ended && was != to || first && was == roster.Ended):
		m.quit(e.id, b.State)
	}
	if start {
		return k.start(ctx)
	}
	return nil
}

// start starts a batch that was created to be started, in the name of who created it. A cut in between has it started again, which a batch that is under
// way refuses.
func (k *keeper) start(ctx context.Context) error {
	m, e := k.m, k.e
	m.mu.Lock()
	o, why := e.order, e.by.reason
	m.mu.Unlock()
	err := k.order(ctx, "/commands", &api.Command{Order: api.Order{Operator: o.Operator, Role: o.Role, Reason: why}, Command: "start"})
	if err != nil {
		return err // it is asked again when it is heard next
	}
	o.Start = false
	m.mu.Lock()
	e.start, e.order = false, o
	m.mu.Unlock()
	return host.WriteOrder(batchDir(m.dir, e.id), o)
}

// order has the runner do something; that it refuses is on its record and no error.
func (k *keeper) order(ctx context.Context, what string, body api.Body) error {
	ctx, cancel := context.WithTimeout(ctx, k.m.opt.Quiet)
	defer cancel()
	err := k.c.Call(ctx, http.MethodPost, "/v1/batches/"+k.e.id+what, body, nil)
	var no *api.Error
	if errors.As(err, &no) {
		return nil
	}
	return err
}

// join makes a batch a partner of its groups.
func (m *Manager) join(batch string, groups map[string]string) error {
	for _, name := range sorted(groups) {
		fx, err := m.desk.do(arbiter.Op{Kind: arbiter.Join, Batch: batch, Group: groups[name]}, nil)
		if err == nil {
			err = refusal(fx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// complete is the state of a batch that has ended as it was to.
const complete = "Complete"

// quit releases who waits for messages of a batch that sends none any more, now or when the log can be reached again.
func (m *Manager) quit(batch, why string) {
	m.desk.owe(batch, func() error {
		_, err := m.desk.do(arbiter.Op{Kind: arbiter.Quit, Batch: batch, Reason: short(why)}, nil)
		return unsaid(err)
	})
}

// unsaid gives an error that says that the log was not told; one that has refused was.
func unsaid(err error) error {
	var no *api.Error
	if errors.As(err, &no) && no.Status < http.StatusInternalServerError {
		return nil
	}
	return err
}

// refusal gives what the book has refused, nil where it did not.
func refusal(fx []arbiter.Effect) error {
	for i := range fx {
		if fx[i].Kind == arbiter.Refused {
			return &api.Error{Status: http.StatusConflict, Message: "executive: " + fx[i].Reason}
		}
	}
	return nil
}
