// Messages in the stream of a log that are no operations: somebody else has written them, and every reader takes them for the same.

package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch/store"
)

// void is what a message that is no operation stands for. It has a number, as each message of a stream, so those who read have to
// agree on something, or nothing could ever be given again: it is an operation that changes no book.
const void = `{"op":"floor","reason":"a message of somebody else stands here, which is no operation"}`

// stranger is who has written it.
const stranger = "nobody"

// entry is what a message is for all who read the log. Prev is the link before it, nil where that is not known. Whether a message is
// an operation is told by itself alone, so all find the same; one that has the headers and does not follow is no void, but a fork.
func (l *Log) entry(ctx context.Context, m *stored, prev *link) (*entry, error) {
	e, err := entryOf(m)
	if err == nil {
		return e, nil
	}
	e = &entry{seq: m.Seq, id: stranger, void: err.Error(), body: []byte(void)}
	var before link
	if prev != nil {
		before = *prev
	} else if before, err = l.before(ctx, m.Seq); err != nil {
		return nil, err
	}
	e.link = before.next(e.seq, e.body)
	return e, nil
}

// before is the link before a message: that of the last operation before it, and of the voids behind that.
func (l *Log) before(ctx context.Context, seq uint64) (link, error) {
	first, _, err := l.c.ends(ctx, l.stream, false)
	for hi := seq - 1; err == nil && hi >= max(first, 1); {
		lo := max(first, 1)
		if hi-lo >= window {
			lo = hi - window + 1
		}
		var last *entry
		if err = l.c.fetch(ctx, l.stream, lo, hi, func(m *stored) error {
			if e, none := entryOf(m); none == nil {
				last = e
			}
			return nil
		}); err != nil {
			break
		}
		if last != nil {
			return voids(last.link, last.seq+1, seq), nil
		}
		hi = lo - 1
	}
	switch {
	case err != nil:
		return link{}, err
	case first <= 1:
		return voids(link{}, 1, seq), nil
	}
	return link{}, fmt.Errorf("%w: %s begins with message %d, which is no operation of an arbiter, so nobody can tell what was before it; "+
		"purge it up to the operation behind it: nats stream purge %s --seq=NUMBER", store.ErrDamaged, l.stream, first, l.stream)
}

// voids is the link before operation to, where from on there is nothing but voids, behind a link.
func voids(at link, from, to uint64) link {
	for ; from < to; from++ {
		at = at.next(from, []byte(void))
	}
	return at
}

// strangers tells of what is no operation, once for all that came together.
type strangers struct {
	first *entry
	n     int
}

func (s *strangers) note(e *entry) {
	if e.void == "" {
		return
	}
	if s.n++; s.first == nil {
		s.first = e
	}
}

func (s *strangers) tell(l *Log) {
	if s.n > 0 {
		l.c.tell(l.stream, "foreign", fmt.Sprintf("%d messages that are no operations, the first of them %d; they change nothing: %s", s.n, s.first.seq, s.first.void))
	}
}

// fit refuses to trim a log to where it would begin with a void.
func (l *Log) fit(ctx context.Context, seq uint64) error {
	err := l.c.fetch(ctx, l.stream, seq, seq, func(m *stored) error {
		if _, none := entryOf(m); none != nil {
			return fmt.Errorf("%w: it cannot be the first of the log: %w", store.ErrRefused, none)
		}
		return nil
	})
	if errors.As(err, new(missing)) {
		return nil // another one has trimmed further meanwhile
	}
	return err
}
