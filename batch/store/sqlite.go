// A log in a SQLite file.

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// application makes a database one of this package.
const application = 0x62617463

// The statements; each is one transaction.
const (
	sqlAppend = `INSERT INTO arbiter_op (seq, op, sum) SELECT $1, $2, $3 WHERE (SELECT COALESCE(MAX(seq), 0) FROM arbiter_op) = $1 - 1`
	sqlRead   = `SELECT seq, op, sum FROM arbiter_op WHERE seq >= $1 ORDER BY seq`
	sqlEnds   = `SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0) FROM arbiter_op`
	sqlTrim   = `DELETE FROM arbiter_op WHERE seq < $1`
)

// Options are the options of OpenSQLite and OpenPostgres. Nil is the same as the zero value.
type Options struct {
	Busy time.Duration // how long a write waits for that of another process; 0: five seconds
}

func (o *Options) busy() time.Duration {
	if o == nil || o.Busy <= 0 {
		return 5 * time.Second
	}
	return o.Busy
}

// SQLite is a store in one file, with its write-ahead log beside it. Its methods may be called from any goroutine, and any number of
// processes may have the same file open. Each write is durable when it returns: journal_mode is WAL, synchronous FULL.
type SQLite struct {
	path  string
	mu    sync.Mutex // one write at a time
	write *sql.DB    // one connection
	read  *sql.DB
	add   *sql.Stmt
}

// OpenSQLite opens the file at path, and makes it, in a directory that is there, where it is not. It reads all of it: a file that is no
// database, one of something else, and one whose pages contradict each other are ErrDamaged, and left where they are. Writes of other processes are
// waited for.
func OpenSQLite(path string, opt *Options) (*SQLite, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", path, err)
	}
	s := &SQLite{path: path}
	if err := s.open(full, opt.busy()); err != nil {
		return nil, errors.Join(fmt.Errorf("store: %s: %w", path, damage(err)), s.Close())
	}
	return s, nil
}

// address names a file and how each connection to it is set.
func address(full string, busy time.Duration, more ...string) string {
	v := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds())}, more...)}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(full), RawQuery: v.Encode()}).String()
}

func (s *SQLite) open(full string, busy time.Duration) (err error) {
	_, missing := os.Stat(full)
	if s.write, err = sql.Open("sqlite", address(full, busy, "journal_mode(WAL)", "synchronous(FULL)")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", address(full, busy, "query_only(1)")); err != nil {
		return err
	}
	if err := sqlitePrepare(s.write, 2, true); err != nil {
		return err
	}
	if s.add, err = s.write.Prepare(sqlAppend); err != nil {
		return err
	}
	if errors.Is(missing, os.ErrNotExist) {
		return syncDir(filepath.Dir(full))
	}
	return nil
}

// sqlitePrepare makes the tables in one transaction, or finds out whether those that are there are ours; and whole, where that was
// asked for. Safe is the synchronous that was asked for: 1 is NORMAL, 2 FULL.
func sqlitePrepare(db *sql.DB, safe int, whole bool) error {
	var mode string
	check := "ok"
	var sync, app, form, tables int
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	for _, q := range []struct {
		text string
		to   any
	}{{"PRAGMA journal_mode", &mode}, {"PRAGMA synchronous", &sync}, {"PRAGMA application_id", &app}, {"PRAGMA user_version", &form},
		{"SELECT COUNT(*) FROM sqlite_schema", &tables}, {"PRAGMA quick_check(1)", &check}} {
		if q.to == any(&check) && !whole {
			continue
		}
		if err := tx.QueryRow(q.text).Scan(q.to); err != nil {
			return fmt.Errorf("%s: %w", q.text, err)
		}
	}
	switch {
	case mode != "wal" || sync != safe:
		return fmt.Errorf("journal_mode is %s and synchronous %d, not wal and %d; put it on a file system that SQLite can lock", mode, sync, safe)
	case check != "ok":
		return fmt.Errorf("%w: %s", ErrDamaged, check)
	case tables > 0 && app != application:
		return fmt.Errorf("%w: it is a database of something else; name another file", ErrDamaged)
	case form < 0 || form > len(forms):
		return fmt.Errorf("%w: it has form %d, and this program knows 1 to %d; use a newer one", ErrRefused, form, len(forms))
	case form == len(forms):
		return nil
	}
	for _, next := range forms[form:] {
		if _, err := tx.Exec(next.sqlite); err != nil {
			return err
		}
	}
	for _, text := range []string{fmt.Sprintf("PRAGMA application_id = %d", application), fmt.Sprintf("PRAGMA user_version = %d", len(forms))} {
		if _, err := tx.Exec(text); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// code is what SQLite says went wrong; 0 where it was not SQLite.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// damage tells what SQLite says of a file that it cannot read.
func damage(err error) error {
	if c := code(err); c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB {
		return fmt.Errorf("%w: %w; keep it, and put another one in its place", ErrDamaged, err)
	}
	return err
}

// sum is what stands beside an operation, so that it is known again.
func sum(seq uint64, op []byte) []byte {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], seq)
	h.Write(n[:])
	h.Write(op)
	return h.Sum(nil)
}

// Append implements arbiter.Log. It blocks for one flush of the disk, and for writes of others, and is not called off under way: a ctx that ended
// before is ErrRefused, and so is a database that another process keeps busy. Then nothing was written.
func (s *SQLite) Append(ctx context.Context, seq uint64, op []byte) error {
	if err := checkAppend(ctx, seq, op); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.add.Exec(int64(seq), op, sum(seq, op))
	if err == nil {
		var n int64
		if n, err = done.RowsAffected(); err == nil && n == 0 {
			return fmt.Errorf("%w: number %d is not next", arbiter.ErrConflict, seq)
		}
	}
	switch c := code(err); {
	case err == nil:
		return nil
	case c == sqlite3.SQLITE_CONSTRAINT:
		return fmt.Errorf("%w: number %d: %w", arbiter.ErrConflict, seq, err)
	case c == sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%w: %s: another process is writing; nothing was written, ask again: %w", ErrRefused, s.path, err)
	}
	return fmt.Errorf("%w: %s: %w", arbiter.ErrUnknown, s.path, damage(err))
}

// Read implements arbiter.Log. It sees what was durable when it began, and holds each operation against its sum: one that is not what
// was written, and a gap, are ErrDamaged. Do may append to the log.
func (s *SQLite) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) (err error) {
	if from > 1<<62 {
		return ctx.Err()
	}
	rows, err := s.read.QueryContext(ctx, sqlRead, int64(from))
	if err != nil {
		return fmt.Errorf("store: %s: %w", s.path, damage(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	last := uint64(0)
	for rows.Next() {
		var seq uint64
		var op, want []byte
		if err := rows.Scan(&seq, &op, &want); err != nil {
			return fmt.Errorf("store: %s: after operation %d: %w", s.path, last, damage(err))
		}
		if !bytes.Equal(want, sum(seq, op)) || last > 0 && seq != last+1 {
			return fmt.Errorf("%w: %s: operation %d, after %d, is not what was written; keep the file, and put another one in its place", ErrDamaged, s.path, seq, last)
		}
		if last = seq; ctx.Err() != nil {
			return ctx.Err()
		}
		if err := do(seq, op); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: %s: %w", s.path, damage(err))
	}
	return ctx.Err()
}

// Trim implements arbiter.Log. What is let go makes room in the file for what comes.
func (s *SQLite) Trim(ctx context.Context, seq uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var first, last uint64
	if err := s.write.QueryRow(sqlEnds).Scan(&first, &last); err != nil {
		return fmt.Errorf("store: %s: %w", s.path, damage(err))
	}
	if seq < first {
		return nil
	}
	if seq > last || first == 0 {
		return fmt.Errorf("%w: operation %d is not in the log, so it cannot be the first of it", ErrRefused, seq)
	}
	if _, err := s.write.Exec(sqlTrim, int64(seq)); err != nil {
		return fmt.Errorf("store: %s: %w", s.path, damage(err))
	}
	return nil
}

// Close closes the file. What was acknowledged is in it already.
func (s *SQLite) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.add != nil {
		err = s.add.Close()
	}
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	return err
}

// SetAside moves a database that nobody has open, with all that is beside it, to a name of its own in the same directory, and returns that. It is what
// a person decides: whoever opens path next begins with nothing.
func SetAside(path string) (string, error) {
	for i := 1; i < 1000; i++ {
		to := fmt.Sprintf("%s.aside-%d", path, i)
		if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		for _, end := range []string{"-wal", "-shm", ""} {
			if err := os.Rename(path+end, to+end); err != nil && (end == "" || !errors.Is(err, os.ErrNotExist)) {
				return "", fmt.Errorf("store: %s: it cannot be set aside: %w", path, err)
			}
		}
		return to, syncDir(filepath.Dir(path))
	}
	return "", fmt.Errorf("store: %s: a thousand were set aside; move some away", path)
}
