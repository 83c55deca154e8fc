// The log of an arbiter in a stream.

package bus

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// Limits of a log.
const (
	attempt     = 3 * time.Second  // for one answer, before it is asked again
	appendLimit = 15 * time.Second // for one Append: a cluster that has lost its leader has another one after four to ten seconds
	awayLimit   = 2 * time.Second  // for a connection that is away, before Append gives up: nothing was sent
	partSize    = 512 << 10        // bytes of one part: servers take messages of 1 MB unless they are told otherwise
	maxOp       = arbiter.MaxOp - 256
	logBytes    = 256 << 20
	partBytes   = 512 << 20
	logMsgs     = 1 << 24
)

// Log is the log of an arbiter that several nodes share: a stream in which each message is an operation, its number that of the
// message. It implements arbiter.Follower. Its methods may be called from any goroutine; one Append goes on at a time. None blocks
// longer than its ctx, an Append no longer than fifteen seconds and one more for each 512 KiB, and a question to a cluster without a
// leader no longer than ten.
//
// Each operation carries a link over itself and all before it. What was acknowledged and is gone, or is another one now, is
// store.ErrDamaged, from Append, Read and Trim, for as long as it is so: nothing is given on a log that has forgotten. A tail that
// is gone is put back by a node whose copy has it.
type Log struct {
	c                           *Conn
	name                        string
	stream, parts, subject, out string
	hand                        chan struct{} // has room for one: whoever holds the stream against what was seen
	seen                        mirror
	first                       uint64 // of the stream, as it was told last
	inbox                       string
	acks                        chan *nats.Msg
	count                       uint64
	subs                        []*nats.Subscription
	wake                        bell
}

// bell wakes all who wait.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed when it rings next.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// OpenLog opens the log of that name, an identifier such as plant, and makes its streams ARB_plant and ARB_plant_PARTS where they
// are not. Copy, which may be nil, is a log of this node alone, such as a store.SQLite: what was seen of the shared one is kept
// there, each operation behind its number and link, read from there, and put back from there should the servers lose it. It is
// trimmed with the shared one. OpenLog reads the copy, and what has come since; where no server answers within ctx, or a minute, it
// is an error that wraps store.ErrRefused, and the caller opens it again.
func OpenLog(ctx context.Context, c *Conn, name string, copy arbiter.Log) (*Log, error) {
	if !ident(name) {
		return nil, fmt.Errorf("bus: %.40q is no name of a log: 1 to 32 letters, digits, - and _", name)
	}
	l := &Log{c: c, name: name, stream: "ARB_" + name, parts: "ARB_" + name + "_PARTS", subject: "arb.log." + name, out: "arb.told." + name,
		hand: make(chan struct{}, 1), seen: mirror{log: copy}, acks: make(chan *nats.Msg, 64)}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := l.seen.open(ctx)
	for _, s := range []Stream{{Name: l.stream, Subjects: []string{l.subject}, MaxBytes: logBytes, MaxMsgs: logMsgs},
		{Name: l.parts, Subjects: []string{"arb.part." + name}, MaxBytes: partBytes, MaxMsgs: logMsgs}} {
		if err == nil {
			err = c.Ensure(ctx, &s)
		}
	}
	if err == nil {
		err = l.listen()
	}
	if err == nil {
		err = l.readOn(ctx, nil)
	}
	if err != nil {
		l.Close()
		if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrRefused) {
			err = fmt.Errorf("%w: %w", store.ErrRefused, err)
		}
		return nil, fmt.Errorf("bus: log %s: %w", name, err)
	}
	return l, nil
}

// listen subscribes to what servers and other nodes tell.
func (l *Log) listen() error {
	l.inbox = l.c.nc.NewInbox()
	acks, err := l.c.nc.ChanSubscribe(l.inbox+".*", l.acks)
	if err != nil {
		return err
	}
	l.subs = append(l.subs, acks)
	told, err := l.c.nc.Subscribe(l.out, func(*nats.Msg) { l.wake.ring() })
	if err != nil {
		return err
	}
	l.subs = append(l.subs, told)
	return nil
}

// Close ends the log. Connection and copy are the caller's.
func (l *Log) Close() error {
	for _, s := range l.subs {
		_ = s.Unsubscribe() // the connection may be gone
	}
	l.wake.ring()
	return nil
}

// take takes the hand, within ctx.
func (l *Log) take(ctx context.Context) error {
	select {
	case l.hand <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Log) give() { <-l.hand }

// outcome is what is known of one attempt to publish.
type outcome uint8

const (
	outDone    outcome = iota
	outNever           // it was not sent, or nobody was there: it may be tried again
	outRefused         // it was refused, and will be again
	outTaken           // another message has that number, or is about to
	outUnknown
)

// Append implements arbiter.Log. It returns once a majority of the servers has the operation on disk. Where an answer is missing it
// asks the stream what has become of it, and tries again under the same number, which cannot count twice. A connection that is
// away, a stream that is full, and a key that may not write are store.ErrRefused: then nothing was written. A ctx that ended under
// way, and a cluster without a leader, are ErrUnknown.
func (l *Log) Append(ctx context.Context, seq uint64, op []byte) error {
	switch {
	case ctx.Err() != nil:
		return never(ctx.Err())
	case len(op) == 0 || len(op) > maxOp:
		return never(fmt.Errorf("an operation of %d bytes; it has 1 to %d", len(op), maxOp))
	case seq == 0 || seq > 1<<62:
		return fmt.Errorf("%w: number %d; operations are numbered from 1", arbiter.ErrConflict, seq)
	}
	ctx, cancel := context.WithTimeout(ctx, appendLimit+time.Duration(len(op)/partSize)*time.Second) // each part waits for the disk
	defer cancel()
	if err := l.take(ctx); err != nil {
		return never(err)
	}
	defer l.give()
	if err := l.reach(ctx); err != nil {
		return never(err)
	}
	if l.seen.last+1 != seq && l.seen.last < seq || len(op) > partSize {
		if err := l.readOn(ctx, nil); err != nil {
			return never(err)
		}
	}
	if l.seen.last+1 != seq {
		return fmt.Errorf("%w: number %d is next, not %d", arbiter.ErrConflict, l.seen.last+1, seq)
	}
	e := &entry{seq: seq, link: l.seen.tail.next(seq, op), id: l.id(), body: op}
	return l.append(ctx, e)
}

// never says that nothing was written.
func never(err error) error { return fmt.Errorf("%w: nothing was written: %w", store.ErrRefused, err) }

// id is the name of one call of Append.
func (l *Log) id() string {
	who := l.c.opt.Node
	if who == "" {
		who = l.c.opt.User
	}
	if !ident(who) {
		who = "somebody"
	}
	return who + "." + rand.Text()
}

// reach waits a moment for a connection that is away.
func (l *Log) reach(ctx context.Context) error {
	if l.c.nc.IsConnected() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, awayLimit)
	defer cancel()
	return l.c.Ready(ctx)
}

// append tries until it is known what has become of an operation, or ctx ends.
func (l *Log) append(ctx context.Context, e *entry) error {
	maybe := false // an attempt may have been taken that was not answered
	end := func(err error) error {
		if maybe {
			return fmt.Errorf("%w: operation %d: %w", arbiter.ErrUnknown, e.seq, err)
		}
		return never(err)
	}
	for n := 0; ; n++ {
		out, err := l.put(ctx, e)
		if out == outDone && !l.follows(ctx, e) {
			out = outUnknown // it was put behind something else, or that is not known
		}
		if out == outDone {
			if err := l.seen.add(ctx, e, e.body); err != nil { // it is in the log; the next call reads it from there
				l.c.tell(l.stream, "copy", words(err))
			}
			_ = l.c.nc.Publish(l.out, strconv.AppendUint(nil, e.seq, 10)) // who misses it asks by itself
			return nil
		}
		switch out {
		case outRefused:
			return end(err)
		case outUnknown:
			maybe = true
			fallthrough
		case outTaken:
			mine := false
			if err := l.reach(ctx); err != nil {
				return end(err)
			}
			if err := l.readOn(ctx, func(o *entry) { mine = mine || o.seq == e.seq && o.id == e.id }); err != nil {
				return end(err)
			}
			if mine {
				_ = l.c.nc.Publish(l.out, strconv.AppendUint(nil, e.seq, 10))
				return nil
			}
			if l.seen.last >= e.seq {
				return fmt.Errorf("%w: operation %d is that of another", arbiter.ErrConflict, e.seq)
			}
		case outNever:
			if err := l.reach(ctx); err != nil {
				return end(err)
			}
		}
		if stop := pause(ctx, n); stop != nil {
			return end(errors.Join(stop, err))
		}
	}
}

// follows tells whether the one before an operation that was taken is the one that was seen: a server counts numbers, and knows of
// no chain.
func (l *Log) follows(ctx context.Context, e *entry) bool {
	if e.seq == 1 {
		return true
	}
	err := l.same(ctx, e.seq-1, l.seen.tail)
	return err == nil || errors.As(err, new(missing)) // it was trimmed meanwhile
}

// put publishes an entry, once, with its parts before it where it is large. E has the whole operation, and keeps it.
func (l *Log) put(ctx context.Context, e *entry) (outcome, error) {
	send := *e
	if len(e.body) > partSize {
		list, out, err := l.putParts(ctx, e.body)
		if err != nil {
			if out == outUnknown { // of a part; the entry itself was not sent
				out = outNever
			}
			return out, err
		}
		send.parts, send.body = len(list), partList(list)
	}
	ack, out, err := l.publish(ctx, send.message(l.subject))
	if out == outDone && ack != e.seq {
		return outRefused, fmt.Errorf("%w: operation %d was put down as %d: the stream was made anew", store.ErrDamaged, e.seq, ack)
	}
	return out, err
}

// putParts publishes the parts of a large operation. Those of one that comes to nothing are let go with the next trim.
func (l *Log) putParts(ctx context.Context, op []byte) (list []part, out outcome, err error) {
	for len(op) > 0 {
		n := min(partSize, len(op))
		m := nats.NewMsg("arb.part." + l.name)
		m.Data = op[:n]
		ack, out, err := l.publish(ctx, m)
		if out != outDone {
			return nil, out, err
		}
		list = append(list, part{ack, sha256.Sum256(op[:n])})
		op = op[n:]
	}
	return list, outDone, nil
}

// publish sends one message and waits for the word of the stream, or of the server that refuses it.
func (l *Log) publish(ctx context.Context, m *nats.Msg) (seq uint64, out outcome, err error) {
	denied, stop := l.c.refusals()
	defer stop()
	l.count++
	m.Reply = l.inbox + "." + strconv.FormatUint(l.count, 10)
	switch err := l.c.nc.PublishMsg(m); {
	case errors.Is(err, nats.ErrMaxPayload):
		return 0, outRefused, fmt.Errorf("a message of %d bytes, and the servers take %d: set max_payload to 1 MB at least: %w", m.Size(), l.c.nc.MaxPayload(), err)
	case errors.Is(err, nats.ErrConnectionClosed):
		return 0, outRefused, err
	case err != nil:
		return 0, outNever, err
	}
	t := time.NewTimer(attempt)
	defer t.Stop()
	for {
		select {
		case msg := <-l.acks:
			if msg.Subject != m.Reply {
				continue // to one that was given up
			}
			return ackOf(msg)
		case r := <-denied:
			if r.subject == m.Subject {
				return 0, outRefused, fmt.Errorf("this key may not write to %s: %w; look at the permissions of its role", m.Subject, r.err)
			}
		case <-t.C:
			return 0, outUnknown, fmt.Errorf("no answer within %s", attempt)
		case <-ctx.Done():
			return 0, outUnknown, ctx.Err()
		case <-l.c.closed:
			return 0, outUnknown, errClosed
		}
	}
}

// ackOf reads what a stream has answered.
func ackOf(msg *nats.Msg) (seq uint64, out outcome, err error) {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return 0, outNever, fmt.Errorf("no stream takes it: it has no leader, or its server is away: %w", nats.ErrNoResponders)
	}
	var ack struct {
		Seq uint64 `json:"seq"`
	}
	err = answer(msg.Data, &ack)
	switch code := coded(err); {
	case err == nil && ack.Seq > 0:
		return ack.Seq, outDone, nil
	case code == codeWrongLast || code == codeWrongLast2:
		return 0, outTaken, err
	case code == codeNotAvailable || code == codeTooMany:
		return 0, outUnknown, err
	case code == codeStoreFull || code == codeStoreFailed:
		return 0, outRefused, fmt.Errorf("the stream is full, or its disk: trim the log, or give it more room: %w", err)
	case code == codeTooLarge:
		return 0, outRefused, err
	case code > 0:
		return 0, outUnknown, err
	}
	return 0, outUnknown, fmt.Errorf("the stream has answered something else: %w", errors.Join(err, errors.New(cut(string(msg.Data)))))
}

// Read implements arbiter.Log. It gives what the leader of the stream has when it is called, a leader that a majority has just
// agreed with; where this node has a copy, each operation is read from there.
func (l *Log) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.take(ctx); err != nil {
		return err
	}
	err := l.reach(ctx)
	if err == nil {
		err = l.readOn(ctx, nil)
	}
	seen, first := l.seen, l.first
	l.give()
	if err != nil {
		return fmt.Errorf("bus: log %s: %w", l.name, err)
	}
	for from = max(from, first, 1); from <= seen.last; {
		lo := from
		if seen.has(from) {
			err = seen.read(ctx, from, seen.last, func(e *entry) error { from = e.seq + 1; return do(e.seq, e.body) })
		} else {
			if from > first {
				lo-- // its link is what the first is held against
			}
			err = l.walk(ctx, lo, seen.last, nil, func(e *entry, op []byte) error {
				if e.seq < from {
					return nil
				}
				if from = e.seq + 1; e.seq == seen.last && e.link != seen.tail {
					return l.forked(ctx, e.seq, e.id)
				}
				return do(e.seq, op)
			})
		}
		if gone := (missing{}); errors.As(err, &gone) {
			now, _, ends := l.c.ends(ctx, l.stream, true)
			if ends != nil { // nobody knows whether it was trimmed
				return fmt.Errorf("bus: log %s: %w", l.name, ends)
			}
			if now > lo { // trimmed meanwhile
				first, from = now, max(from, now)
				continue
			}
			err = fmt.Errorf("%w: operation %d of %s is gone: %w", store.ErrDamaged, gone.seq, l.name, err)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
