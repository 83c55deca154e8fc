// A log in PostgreSQL, which several boards share.

package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// The statements; each is one transaction. The row of the log in arbiter_log is its head: who has locked that appends. It is
// written in the same statement as the operation, so a head and what it is the head of are never apart.
const (
	pgAppend = `WITH head AS (
 UPDATE arbiter_log SET last = $2::bigint, link = sha256(link || $4::bytea)
 WHERE name = $1 AND last = $2::bigint - 1 AND ($5::bytea IS NULL OR link = $5::bytea)
 AND current_setting('fsync') = 'on' AND current_setting('synchronous_commit') IN ('on', 'remote_apply')
 RETURNING link
), done AS (INSERT INTO arbiter_op (log, seq, op, sum, link) SELECT $1, $2::bigint, $3::bytea, $4::bytea, link FROM head)
SELECT link, pg_notify($6, '')::text FROM head`
	pgHead = `SELECT first, last, link, current_setting('fsync'), current_setting('synchronous_commit') FROM arbiter_log WHERE name = $1`
	pgRead = `SELECT l.first, l.last, l.link, o.seq, o.op, o.sum, o.link FROM arbiter_log l
LEFT JOIN arbiter_op o ON o.log = l.name AND o.seq >= $2::bigint WHERE l.name = $1 ORDER BY o.seq`
	pgTrim = `WITH head AS (UPDATE arbiter_log SET first = $2::bigint WHERE name = $1 AND first < $2::bigint AND last >= $2::bigint RETURNING name)
DELETE FROM arbiter_op USING head WHERE log = head.name AND seq < $2::bigint`
	pgNew = `INSERT INTO arbiter_log (name, first, last, link) SELECT $1::text, 1, 0, $2::bytea
WHERE NOT EXISTS (SELECT FROM arbiter_op WHERE log = $1::text) ON CONFLICT DO NOTHING`
)

var pgName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// Postgres is a log in a PostgreSQL database, from version 11 on; any number of processes may have it open. Its methods may be
// called from any goroutine, and block until the server has answered or ctx ends: they have no limit of their own but for a
// connection (five seconds, or connect_timeout of the URL) and for the lock of another writer (Options.Busy). Only the primary is
// used, and only one that flushes what it acknowledges. Where the primary is to be replaced by a standby, have it write to that
// synchronously (synchronous_standby_names): else what was acknowledged last is lost with it, which those notice who have read it.
type Postgres struct {
	name string
	db   *sql.DB
	ears chan *sql.Conn // a connection that listens, and nobody waits on
	life context.Context
	end  context.CancelFunc

	mu   sync.Mutex
	seen head // the last that was read or written here
}

// head is where a log is: each operation has a link, which is SHA-256 over the link before it and its own sum; so a link stands for
// all before it.
type head struct {
	seq  uint64
	link []byte
}

// follow is the link of an operation with that sum.
func (h head) follow(sum []byte) []byte {
	next := sha256.Sum256(append(bytes.Clone(h.link), sum...))
	return next[:]
}

// OpenPostgres opens the log of that name (a-z, 0-9, _, -; 32 at most) in the database at a URL as
// postgres://user@host:5432/plant?sslmode=verify-full, and makes it where it is not. It makes the tables in the first schema of the
// search_path, if the user may; one is enough for all logs. A host elsewhere has to have an sslmode that says whether the
// connection is to be encrypted; a pooler between has to keep sessions apart. ErrRefused and ErrDamaged last until somebody has
// done what they say; after any other error the server was out of reach: try again. No error has a password in it.
func OpenPostgres(ctx context.Context, url, name string, opt *Options) (*Postgres, error) {
	if !pgName.MatchString(name) {
		return nil, fmt.Errorf("%w: a log in PostgreSQL has a name of a-z, 0-9, _ and -, 32 at most, not %.40q", ErrRefused, name)
	}
	config, err := pgConfig(url, opt.busy())
	if err != nil {
		return nil, err
	}
	s := &Postgres{name: name, db: stdlib.OpenDB(*config), ears: make(chan *sql.Conn, 1)}
	s.life, s.end = context.WithCancel(context.Background())
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.wrong(err), s.Close())
	}
	return s, nil
}

// open makes or finds the tables and the log.
func (s *Postgres) open(ctx context.Context) error {
	if err := pgPrepare(ctx, s.db); err != nil {
		return err
	}
	for range 2 {
		_, err := s.head(ctx, s.db)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		salt := make([]byte, sha256.Size) // no two logs have a link in common
		rand.Read(salt)
		if _, err := s.db.ExecContext(ctx, pgNew, s.name, salt); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: there are operations of it and no head; restore the table arbiter_log, or use another name", ErrDamaged)
}

// asker is a database or one connection of it.
type asker interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// place is what the row of a log says.
type place struct {
	head
	first uint64
	fsync string
	waits string // synchronous_commit
}

// head reads the row of the log, and holds it against what was seen.
func (s *Postgres) head(ctx context.Context, from asker) (place, error) {
	seen := s.last() // before the row is read
	var at place
	if err := from.QueryRowContext(ctx, pgHead, s.name).Scan(&at.first, &at.seq, &at.link, &at.fsync, &at.waits); err != nil {
		return at, err
	}
	return at, s.back(seen, at.head)
}

// back finds a log that is not at or behind what was seen of it.
func (s *Postgres) back(seen, at head) error {
	switch {
	case seen.seq > at.seq:
		return fmt.Errorf("%w: operation %d was in the log, and it ends with %d now; %s", ErrDamaged, seen.seq, at.seq, pgBack)
	case seen.seq == at.seq && seen.link != nil && !bytes.Equal(seen.link, at.link):
		return fmt.Errorf("%w: operation %d is another one than it was; %s", ErrDamaged, at.seq, pgBack)
	}
	return nil
}

const pgBack = "the database was put back, or another one is there: put the right one there"

func (s *Postgres) last() head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// saw remembers the latest that is known.
func (s *Postgres) saw(h head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.seq > s.seen.seq {
		s.seen = h
	}
}

// Append implements arbiter.Log. It blocks for one round trip and one flush, and for writes of others. ErrRefused, with the
// server's words, is all that came to nothing for certain: a server that is not reached, too. ErrDamaged is a log that is behind
// what was read of it, or another one.
func (s *Postgres) Append(ctx context.Context, seq uint64, op []byte) error {
	if err := checkAppend(ctx, seq, op); err != nil {
		return err
	}
	seen, mine := s.last(), sum(seq, op)
	var before []byte
	if seen.seq == seq-1 {
		before = seen.link
	}
	done := head{seq: seq}
	var told string
	err := s.db.QueryRowContext(ctx, pgAppend, s.name, int64(seq), op, mine, before, s.channel()).Scan(&done.link, &told)
	if errors.Is(err, sql.ErrNoRows) {
		return s.why(ctx, seq, before)
	}
	if err != nil {
		return s.outcome(seq, err)
	}
	s.saw(done)
	return nil
}

// why says why an operation was not taken; nothing was written.
func (s *Postgres) why(ctx context.Context, seq uint64, before []byte) error {
	at, err := s.head(ctx, s.db)
	switch {
	case errors.Is(err, ErrDamaged) || errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: nothing was written: %w", ErrRefused, s.wrong(err))
	case err != nil:
		return fmt.Errorf("%w: number %d was not next: %w", arbiter.ErrConflict, seq, s.wrong(err))
	case at.fsync != "on":
		return fmt.Errorf("%w: log %s: %s", ErrRefused, s.name, pgFsync)
	case at.waits != "on" && at.waits != "remote_apply":
		return fmt.Errorf("%w: log %s: %s", ErrRefused, s.name, pgShared)
	}
	return fmt.Errorf("%w: number %d is not next, %d is", arbiter.ErrConflict, seq, at.seq+1)
}

// Read implements arbiter.Log. It sees what was durable when it began, and holds each operation against its sum and its link, and
// the log against what was read of it before: one that is not what was written, a gap, and a log that was put back are ErrDamaged.
// Do may append to the log.
func (s *Postgres) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) (err error) {
	if from > 1<<62 {
		return ctx.Err()
	}
	seen := s.last() // before the log is read
	rows, err := s.db.QueryContext(ctx, pgRead, s.name, int64(from))
	if err != nil {
		return s.wrong(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r := reading{Postgres: s, seen: seen, from: from}
	for rows.Next() {
		seq, op, err := r.take(rows)
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && seq > 0 {
			err = do(seq, op)
		}
		if err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return s.wrong(err)
	}
	if err := r.whole(); err != nil {
		return s.wrong(err)
	}
	return ctx.Err()
}

// reading is one pass over a log.
type reading struct {
	*Postgres
	seen, at, end head // what was seen before; where the pass is; where the log ends
	from, first   uint64
	begun         bool
}

// take reads one row; seq is 0 where it has no operation.
func (r *reading) take(rows *sql.Rows) (seq uint64, op []byte, err error) {
	var number sql.NullInt64
	var want, link []byte
	if err := rows.Scan(&r.first, &r.end.seq, &r.end.link, &number, &op, &want, &link); err != nil {
		return 0, nil, r.wrong(err)
	}
	if !r.begun {
		r.begun = true
		if err := r.back(r.seen, r.end); err != nil {
			return 0, nil, r.wrong(err)
		}
		r.at.seq = max(r.first, r.from, 1) - 1
		if r.at.seq == r.seen.seq {
			r.at.link = r.seen.link
		}
	}
	if seq = uint64(number.Int64); !number.Valid {
		return 0, nil, nil
	}
	mine := sum(seq, op)
	switch {
	case seq != r.at.seq+1 || seq > r.end.seq || !bytes.Equal(want, mine) || len(link) != sha256.Size || r.at.link != nil && !bytes.Equal(link, r.at.follow(mine)):
		err = fmt.Errorf("%w: operation %d, after %d, is not what was written; %s", ErrDamaged, seq, r.at.seq, pgBack)
	case seq == r.seen.seq && !bytes.Equal(link, r.seen.link):
		err = fmt.Errorf("%w: operation %d is another one than it was; %s", ErrDamaged, seq, pgBack)
	}
	if err != nil {
		return 0, nil, r.wrong(err)
	}
	r.at = head{seq, link}
	r.saw(r.at)
	return seq, op, nil
}

// whole holds what was read against the head of the log.
func (r *reading) whole() error {
	switch {
	case !r.begun:
		return sql.ErrNoRows
	case r.at.seq < r.end.seq || r.at.seq == r.end.seq && r.at.link != nil && !bytes.Equal(r.at.link, r.end.link):
		return fmt.Errorf("%w: the log ends with operation %d, and it was not found, or is another one; %s", ErrDamaged, r.end.seq, pgBack)
	}
	return nil
}

// Trim implements arbiter.Log. The server makes room of what is let go in its own time.
func (s *Postgres) Trim(ctx context.Context, seq uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := int64(min(seq, 1<<62))
	done, err := s.db.ExecContext(ctx, pgTrim, s.name, n)
	if err != nil {
		return s.wrong(err)
	}
	if n, err := done.RowsAffected(); err == nil && n > 0 {
		return nil
	}
	at, err := s.head(ctx, s.db)
	switch {
	case err != nil:
		return s.wrong(err)
	case seq > at.first || at.seq == 0 && seq > 0:
		return fmt.Errorf("%w: operation %d is not in log %s, so it cannot be the first of it", ErrRefused, seq, s.name)
	}
	return nil
}

// Close ends all connections, and each Wait. What was acknowledged is durable already.
func (s *Postgres) Close() error {
	s.end()
	select {
	case c := <-s.ears:
		c.Close()
	default:
	}
	return s.db.Close()
}
