// Waiting for what others append.

package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// How Wait looks.
const (
	pgPoll  = 2 * time.Second // it looks by itself so often: a pooler loses notifications
	pgPause = time.Second     // and this long it blocks at least where the server is out of reach
	pgLook  = 8 * time.Second // a look that takes longer has lost the server: a cable that was pulled says nothing
)

// channel is where an append is told.
func (s *Postgres) channel() string { return "batchkit_log_" + s.name }

// Wait implements arbiter.Follower. It listens on a connection of its own, so that it returns some milliseconds after an append of
// another; where notifications do not come through, after two seconds. It returns other errors than that of ctx, too: ErrDamaged,
// and where the server is out of reach, after a second at least, so that whoever asks again and again does no harm.
func (s *Postgres) Wait(ctx context.Context, seq uint64) error {
	begun := time.Now()
	err := s.listen(ctx, seq)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	pause := time.NewTimer(pgPause - time.Since(begun))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.life.Done():
	}
	return s.wrong(err)
}

// listen is Wait, but that it returns at once where it cannot listen.
func (s *Postgres) listen(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	c, err := s.ear(ctx)
	if err != nil {
		return err
	}
	for there := false; err == nil; {
		if there, err = s.there(ctx, c, seq); err != nil || there {
			break
		}
		err = hear(ctx, c, pgPoll)
	}
	if s.life.Err() != nil {
		c.Close()
		return fmt.Errorf("it was closed")
	}
	select {
	case s.ears <- c: // one that broke is found out by the next
	default:
		c.Close()
	}
	return err
}

// there looks whether an operation is there.
func (s *Postgres) there(ctx context.Context, c *sql.Conn, seq uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, pgLook)
	defer cancel()
	at, err := s.head(ctx, c)
	return err == nil && at.seq >= seq, err
}

// ear is a connection that listens.
func (s *Postgres) ear(ctx context.Context) (*sql.Conn, error) {
	select {
	case c := <-s.ears:
		if c.Raw(func(driver any) error {
			if driver.(*stdlib.Conn).Conn().IsClosed() {
				return sql.ErrConnDone
			}
			return nil
		}) == nil {
			return c, nil
		}
		c.Close()
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, pgLook)
	defer cancel()
	c, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.ExecContext(ctx, "LISTEN "+pgx.Identifier{s.channel()}.Sanitize()); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// hear blocks until a notification has come, or for so long at most.
func hear(ctx context.Context, c *sql.Conn, most time.Duration) error {
	short, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := c.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().WaitForNotification(short)
		return err
	})
	if short.Err() != nil {
		return ctx.Err()
	}
	return err
}
