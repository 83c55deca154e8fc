// Reading the log of an arbiter from its stream.

package bus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// stored is a message as the leader of a stream gives it.
type stored struct {
	Subject string `json:"subject"`
	Seq     uint64 `json:"seq"`
	Hdrs    []byte `json:"hdrs"`
	Data    []byte `json:"data"`
}

// missing: the stream does not have that message.
type missing struct{ seq uint64 }

func (m missing) Error() string { return fmt.Sprintf("message %d is not there", m.seq) }

// ends tells the first and the last number of a stream. Before it asks, it has the servers agree on something that changes nothing,
// a purge up to message 1: a leader that was deposed and does not know it yet cannot answer that.
func (c *Conn) ends(ctx context.Context, stream string, agreed bool) (first, last uint64, err error) {
	if agreed {
		nothing := struct {
			Filter string `json:"filter"` // no subject of any stream of ours: a server that takes "up to 1" for "all" still finds nothing
			Seq    uint64 `json:"seq"`
		}{"arb.nothing", 1}
		if err := c.ask(ctx, "STREAM.PURGE."+stream, &nothing, nil); err != nil {
			return 0, 0, fmt.Errorf("stream %s: %w", stream, err)
		}
	}
	var is info
	if err := c.ask(ctx, "STREAM.INFO."+stream, nil, &is); err != nil {
		return 0, 0, fmt.Errorf("stream %s: %w", stream, err)
	}
	return is.State.First, is.State.Last, nil
}

// window is how many messages are asked for at a time; one has at most what a server takes.
const window = 16

// fetch gives messages lo to hi of a stream, as its leader has them, in their order. Each window is waited for as long as askLimit.
func (c *Conn) fetch(ctx context.Context, stream string, lo, hi uint64, do func(m *stored) error) error {
	if lo > hi {
		return nil
	}
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() // the connection may be gone
	for ; lo <= hi; lo += window {
		list := make([]*stored, min(window, hi-lo+1))
		if err := c.gather(ctx, sub, inbox, stream, lo, list); err != nil {
			return err
		}
		for _, m := range list {
			if err := do(m); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// gather asks for the messages from lo on, and again for those that nobody has answered.
func (c *Conn) gather(ctx context.Context, sub *nats.Subscription, inbox, stream string, lo uint64, list []*stored) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	denied, stop := c.refusals()
	defer stop()
	subject := "$JS.API.STREAM.MSG.GET." + stream
	for n := 0; ; n++ {
		open := 0
		var failed error
		for i, m := range list {
			if m != nil {
				continue
			}
			open++
			failed = errors.Join(failed, c.nc.PublishRequest(subject, inbox+"."+strconv.Itoa(i), fmt.Appendf(nil, `{"seq":%d}`, lo+uint64(i))))
		}
		one, cancel := context.WithTimeout(ctx, attempt)
		for open > 0 && failed == nil {
			var msg *nats.Msg
			if msg, failed = sub.NextMsgWithContext(one); failed != nil {
				break
			}
			i, err := strconv.Atoi(msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:])
			if err != nil || i < 0 || i >= len(list) || list[i] != nil {
				continue
			}
			m, err := storedOf(msg, lo+uint64(i))
			if again := coded(err) == codeNotAvailable || errors.Is(err, nats.ErrNoResponders); again {
				failed = err
			} else if errors.As(err, new(other)) {
				continue // to a question that was put before
			} else if err != nil {
				cancel()
				return err
			} else {
				list[i], open = m, open-1
			}
		}
		cancel()
		if open == 0 {
			return nil
		}
		if why := refused(denied, subject); why != nil {
			return why
		}
		if stop := pause(ctx, n); stop != nil {
			return fmt.Errorf("stream %s: message %d: the servers do not answer: %w", stream, lo, errors.Join(stop, failed))
		}
	}
}

// other is the number of a message that was not asked for.
type other uint64

func (o other) Error() string { return fmt.Sprintf("message %d was not asked for", uint64(o)) }

func storedOf(msg *nats.Msg, seq uint64) (*stored, error) {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return nil, nats.ErrNoResponders
	}
	var is struct {
		Message *stored `json:"message"`
	}
	err := answer(msg.Data, &is)
	switch {
	case coded(err) == codeNoMessage:
		return nil, missing{seq}
	case err != nil:
		return nil, err
	case is.Message == nil:
		return nil, errors.New("bus: an answer of a server has no message")
	case is.Message.Seq != seq:
		return nil, other(is.Message.Seq)
	}
	return is.Message, nil
}

// whole is the operation of an entry, with its parts put together.
func (l *Log) whole(ctx context.Context, e *entry) ([]byte, error) {
	if e.parts == 0 {
		return e.body, nil
	}
	list, err := readParts(e)
	if err != nil {
		return nil, err
	}
	var op []byte
	for i := 0; i < len(list); { // as long as they stand one behind the other they are asked for together
		n := i + 1
		for n < len(list) && list[n].seq == list[n-1].seq+1 {
			n++
		}
		err := l.c.fetch(ctx, l.parts, list[i].seq, list[n-1].seq, func(m *stored) error {
			if sum := sha256.Sum256(m.Data); !bytes.Equal(sum[:], list[i].sum[:]) {
				return fmt.Errorf("%w: operation %d: part %d is not what was written", store.ErrDamaged, e.seq, i+1)
			}
			i++
			if len(op)+len(m.Data) > arbiter.MaxOp {
				return fmt.Errorf("%w: operation %d is larger than any", store.ErrDamaged, e.seq)
			}
			op = append(op, m.Data...)
			return nil
		})
		if gone := (missing{}); errors.As(err, &gone) {
			return nil, fmt.Errorf("%w: operation %d: a part of it is gone: %w", store.ErrDamaged, e.seq, err)
		}
		if err != nil {
			return nil, err
		}
	}
	return op, nil
}

// walk gives entries lo to hi of the stream with their operations, each held against the one before: prev is the link before lo,
// nil where that is not known.
func (l *Log) walk(ctx context.Context, lo, hi uint64, prev *link, do func(e *entry, op []byte) error) error {
	return l.c.fetch(ctx, l.stream, lo, hi, func(m *stored) error {
		e, err := l.entry(ctx, m, prev)
		if err != nil {
			return err
		}
		op, err := l.whole(ctx, e)
		if err != nil {
			return err
		}
		if prev != nil && prev.next(e.seq, op) != e.link {
			return fmt.Errorf("%w: operation %d of %s (by %s) does not follow on the one before it, or is not what was written: two servers have each gone their own way, "+
				"or someone else writes there; nothing is given until a person has decided whose log holds", store.ErrDamaged, e.seq, l.name, e.id)
		}
		prev = new(link)
		*prev = e.link
		return do(e, op)
	})
}

// readOn holds the stream against what was seen of it, and takes in what is new; see, where it is given, gets that. What was seen
// and is gone is put back, where this node has a copy. Who calls it has the hand.
func (l *Log) readOn(ctx context.Context, see func(e *entry)) error {
	for n := 0; ; n++ {
		first, last, err := l.c.ends(ctx, l.stream, true)
		if err != nil {
			return err
		}
		if last >= l.seen.last {
			l.first = first
			err = l.takeIn(ctx, first, last, see)
			if gone := (missing{}); errors.As(err, &gone) {
				if n < 3 { // it was trimmed meanwhile
					continue
				}
				return fmt.Errorf("%w: operation %d of %s is gone from the middle of its stream: %w", store.ErrDamaged, gone.seq, l.name, err)
			}
			if err == nil {
				err = l.seen.trim(ctx, first)
			}
			return err
		}
		if n < 3 { // it may be a leader that knows no better yet
			if err := pause(ctx, 5); err != nil {
				return err
			}
			continue
		}
		if err := l.refill(ctx, first, last); err != nil {
			return err
		}
		if n > 10 {
			return fmt.Errorf("%w: %s loses operations as fast as they are put back: look at its servers", store.ErrDamaged, l.stream)
		}
	}
}

// takeIn reads from the last operation that was seen, which has to be the same still, to the last that there is.
func (l *Log) takeIn(ctx context.Context, first, last uint64, see func(e *entry)) error {
	lo := l.seen.last + 1
	prev := &l.seen.tail
	switch {
	case l.seen.last == 0 && first <= 1: // the link before the first is all zero
	case first > lo:
		if l.seen.last > 0 {
			l.c.tell(l.stream, "gap", fmt.Sprintf("operations %d to %d were trimmed before they were seen here", lo, first-1))
		}
		lo, prev = first, nil
	case l.seen.last >= first:
		if err := l.same(ctx, l.seen.last, l.seen.tail); err != nil {
			return err
		}
	}
	var odd strangers
	defer func() { odd.tell(l) }()
	return l.walk(ctx, lo, last, prev, func(e *entry, op []byte) error {
		odd.note(e)
		if err := l.seen.add(ctx, e, op); err != nil {
			return err
		}
		if see != nil {
			see(e)
		}
		return nil
	})
}

// same holds that the operation in the stream is the one that was seen.
func (l *Log) same(ctx context.Context, seq uint64, want link) error {
	return l.c.fetch(ctx, l.stream, seq, seq, func(m *stored) error {
		e, err := l.entry(ctx, m, nil)
		if err != nil || e.link == want {
			return err
		}
		return l.forked(ctx, seq, e.id)
	})
}

// forked says which operation is the first that is not the same in stream and copy, as far as that can be told, and who has written both.
func (l *Log) forked(ctx context.Context, seq uint64, id string) error {
	mine := "this node has seen another one, and has no copy of it"
	for n := seq; l.seen.has(n) && n >= l.first && n > 0; n-- {
		var there, here *entry
		err := l.c.fetch(ctx, l.stream, n, n, func(m *stored) (err error) { there, err = l.entry(ctx, m, nil); return err })
		err = errors.Join(err, l.seen.read(ctx, n, n, func(e *entry) error { here = e; return nil }))
		if err != nil || there.link == here.link {
			break
		}
		seq, id, mine = n, there.id, "the copy of this node has that of "+here.id
	}
	return fmt.Errorf("%w: operation %d of %s is no longer what it was: the stream has that of %s, %s; nothing is given until a person has decided whose log holds, "+
		"and set the other aside", store.ErrDamaged, seq, l.name, id, mine)
}

// refill puts back what the stream has lost behind its last, from the copy of this node.
func (l *Log) refill(ctx context.Context, first, last uint64) error {
	lost := fmt.Sprintf("operations %d to %d of %s, which were acknowledged, are gone from its stream", last+1, l.seen.last, l.name)
	l.c.tell(l.stream, "lost", lost)
	empty := last < first || last == 0
	from := last + 1
	switch {
	case l.seen.log == nil || !l.seen.has(l.seen.last):
		return fmt.Errorf("%w: %s, and this node has no copy: another one whose copy has them puts them back", store.ErrDamaged, lost)
	case !empty && l.seen.has(last):
		var here *entry
		if err := l.seen.read(ctx, last, last, func(e *entry) error { here = e; return nil }); err != nil {
			return err
		}
		if err := l.same(ctx, last, here.link); err != nil {
			return err
		}
	case from > l.seen.first:
		return fmt.Errorf("%w: %s, and nothing before them is left to hold the copy against", store.ErrDamaged, lost)
	case from < l.seen.first: // what is before the first of the copy, a Whole, was let go
		from = l.seen.first
		if err := l.c.ask(ctx, "STREAM.PURGE."+l.stream, &purge{from}, nil); err != nil {
			return fmt.Errorf("stream %s: %w", l.stream, err)
		}
	}
	err := l.seen.read(ctx, from, l.seen.last, func(e *entry) error {
		out, err := l.put(ctx, e)
		if out == outTaken { // another node puts it back as well: readOn finds out whether it is the same
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %s, and they are not all put back: %w", store.ErrDamaged, lost, err)
	}
	l.c.tell(l.stream, "refilled", fmt.Sprintf("operations %d to %d were put back from the copy of this node", from, l.seen.last))
	return nil
}

// purge is the request that lets messages before one go.
type purge struct {
	Seq uint64 `json:"seq"`
}

// Wait implements arbiter.Follower. It is woken by whoever appends, and asks by itself each second.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	for {
		woken := l.wake.next()
		one, cancel := context.WithTimeout(ctx, attempt)
		_, last, err := l.c.ends(one, l.stream, false)
		cancel()
		if err == nil && last >= seq {
			return ctx.Err()
		}
		t := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
		case <-woken:
		case <-t.C:
		case <-l.c.closed:
			t.Stop()
			return errClosed
		}
		if t.Stop(); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
