// Letting go what a Whole stands for.

package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch/store"
)

// Trim implements arbiter.Log. Parts that belong to nothing any more are let go, too: those before the first that is still named.
// They are in the order of the operations, because a large operation is taken apart only when the one before it is there.
func (l *Log) Trim(ctx context.Context, seq uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	if err := l.reach(ctx); err != nil {
		return fmt.Errorf("bus: log %s: %w", l.name, err)
	}
	if err := l.readOn(ctx, nil); err != nil {
		return fmt.Errorf("bus: log %s: %w", l.name, err)
	}
	switch {
	case seq < l.first || seq == 0:
		return nil
	case seq > l.seen.last:
		return fmt.Errorf("%w: operation %d is not in the log, so it cannot be the first of it", store.ErrRefused, seq)
	}
	if err := l.fit(ctx, seq); err != nil {
		return fmt.Errorf("bus: log %s: %w", l.name, err)
	}
	if err := l.c.ask(ctx, "STREAM.PURGE."+l.stream, &purge{seq}, nil); err != nil {
		return fmt.Errorf("bus: log %s: %w", l.name, err)
	}
	l.first = max(l.first, seq)
	return errors.Join(l.seen.trim(ctx, seq), l.trimParts(ctx, seq))
}

// trimParts lets go the parts before the first that an operation from seq on is made of.
func (l *Log) trimParts(ctx context.Context, seq uint64) error {
	found := errors.New("found")
	keep := uint64(0)
	err := l.c.fetch(ctx, l.stream, seq, l.seen.last, func(m *stored) error {
		e, none := entryOf(m)
		if none != nil || e.parts == 0 {
			return nil
		}
		list, err := readParts(e)
		if err != nil {
			return err
		}
		keep = list[0].seq
		return found
	})
	if err != nil && !errors.Is(err, found) {
		return fmt.Errorf("bus: log %s: %w", l.name, err)
	}
	if keep < 2 {
		return nil
	}
	if err := l.c.ask(ctx, "STREAM.PURGE."+l.parts, &purge{keep}, nil); err != nil {
		return fmt.Errorf("bus: log %s: %w", l.name, err)
	}
	return nil
}
