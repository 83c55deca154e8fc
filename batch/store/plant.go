// The plant: a database of what its journals tell.

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	sqlite3 "modernc.org/sqlite/lib"
)

// Plant is a database of process unit runs, materials, articles, batches, jobs and captured values, for whoever asks with a query
// and not by a batch's name. It is a projection: Apply and Rebuild make its rows of the records of journals, nothing else writes
// them, and what the database loses is made anew. So it is no evidence, and never asked by whoever decides.
//
// Each row belongs to a journal, and names of different journals never meet: several boards may have one database, and a board that
// begins a new journal counts its jobs from 1 again. The place in each journal is kept in the same transaction as the rows, so a
// record is in the rows once, whatever is cut and however often it is given. What a record says that contradicts those before it is
// set aside (Asides) with the reason, and the others go on.
//
// A SQLite file has journal_mode WAL and synchronous NORMAL: what was applied in the last moments before a power cut may be gone,
// with the place that it came to, so it is applied again. Its methods may be called from any goroutine; each blocks for as long as
// the database does or until ctx ends.
type Plant struct {
	where string // for errors; never a password
	write *sql.DB
	read  *sql.DB // the same in PostgreSQL
	bulk  func(ctx context.Context, c *sql.Conn, tx *sql.Tx, journal int64, all []Value) error
	mu    sync.Mutex           // one transaction that writes, of SQLite
	stmts map[string]*sql.Stmt // of SQLite, by their texts
	minds sync.Mutex
	known map[string]*mind // by journal
}

// plantPool is how many connections a plant has.
const plantPool = 8

// OpenPlant opens the database at where, which is the path of a SQLite file or the URL of a PostgreSQL database, as OpenPostgres
// takes it, and makes file and tables where they are not. A file or tables of something else are ErrDamaged; unlike
// OpenSQLite it does not read all that is there. It may be the database of a log.
func OpenPlant(ctx context.Context, where string, opt *Options) (*Plant, error) {
	if strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://") {
		return openPlantPostgres(ctx, where, opt)
	}
	if where == "" || strings.Contains(where, "://") {
		return nil, fmt.Errorf("%w: a plant is in the file at a path, or at postgres://user@host:5432/database", ErrRefused)
	}
	return openPlantSQLite(where, opt)
}

func openPlantSQLite(path string, opt *Options) (*Plant, error) {
	p := &Plant{where: path, known: map[string]*mind{}, stmts: map[string]*sql.Stmt{}}
	p.bulk = p.bulkSQLite
	err := func() error {
		full, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		_, missing := os.Stat(full)
		if p.write, err = sql.Open("sqlite", address(full, opt.busy(), "journal_mode(WAL)", "synchronous(NORMAL)")); err != nil {
			return err
		}
		p.write.SetMaxOpenConns(1)
		if p.read, err = sql.Open("sqlite", address(full, opt.busy(), "query_only(1)")); err != nil {
			return err
		}
		p.read.SetMaxOpenConns(plantPool)
		if err := sqlitePrepare(p.write, 1, false); err != nil {
			return err
		}
		for _, text := range statements {
			if p.stmts[text], err = p.write.Prepare(text); err != nil {
				return err
			}
		}
		if errors.Is(missing, os.ErrNotExist) {
			return syncDir(filepath.Dir(full))
		}
		return nil
	}()
	if err != nil {
		return nil, errors.Join(p.wrong(err), p.Close())
	}
	return p, nil
}

func openPlantPostgres(ctx context.Context, url string, opt *Options) (*Plant, error) {
	config, err := pgConfig(url, opt.busy())
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(plantPool)
	p := &Plant{where: "PostgreSQL", write: db, read: db, bulk: bulkPostgres, known: map[string]*mind{}}
	err = pgPrepare(ctx, db)
	if err == nil {
		err = pgEveryText(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(p.wrong(err), p.Close())
	}
	return p, nil
}

// pgEveryText refuses a database that cannot have every text: of a record with one that it has no letter for there would be no row, nor could it be set aside.
func pgEveryText(ctx context.Context, db *sql.DB) error {
	var is string
	if err := db.QueryRowContext(ctx, "SELECT current_setting('server_encoding')").Scan(&is); err != nil {
		return err
	}
	if is != "UTF8" && is != "SQL_ASCII" {
		return fmt.Errorf("%w: the database has texts in %.40s; create one WITH ENCODING 'UTF8' TEMPLATE template0", ErrRefused, is)
	}
	return nil
}

// insertValue brings in one value.
const insertValue = "INSERT INTO plant_value (journal, run, tag, at_ns, seq, n, value, quality) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"

// bulkSQLite inserts values one by one, by a statement that was prepared: this SQLite takes longer for statements of many rows.
func (p *Plant) bulkSQLite(ctx context.Context, _ *sql.Conn, tx *sql.Tx, journal int64, all []Value) error {
	insert := tx.StmtContext(ctx, p.stmts[insertValue])
	for i := range all {
		v := &all[i]
		if _, err := insert.Exec(journal, v.Run, v.Tag, v.At, int64(v.Seq), v.N, v.Value, v.Quality); err != nil { // a ctx costs it a goroutine each
			return err
		}
	}
	return ctx.Err()
}

// bulkPostgres copies values, in the transaction that the connection is in.
func bulkPostgres(ctx context.Context, c *sql.Conn, _ *sql.Tx, journal int64, all []Value) error {
	return c.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{"plant_value"},
			[]string{"journal", "run", "tag", "at_ns", "seq", "n", "value", "quality"},
			pgx.CopyFromSlice(len(all), func(i int) ([]any, error) {
				v := &all[i]
				return []any{journal, v.Run, v.Tag, v.At, int64(v.Seq), v.N, v.Value, v.Quality}, nil
			}))
		return err
	})
}

// contradicts reports whether a database refused a statement for what was to be written: the next try fails the same way.
func contradicts(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") || strings.HasPrefix(e.Code, "54")
	}
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return true
	}
	return false
}

// wrong says what an error of the database means.
func (p *Plant) wrong(err error) error {
	if err == nil {
		return nil
	}
	var e *pgconn.PgError
	if code(err) == sqlite3.SQLITE_BUSY || errors.As(err, &e) && (e.Code == "55P03" || e.Code == "40P01" || e.Code == "40001") {
		return fmt.Errorf("%w: plant in %s: another process is writing; nothing was written, ask again: %w", ErrRefused, p.where, err)
	}
	return fmt.Errorf("store: plant in %s: %w", p.where, pgWrong(damage(err)))
}

// Close ends all connections. What was applied is in the database already.
func (p *Plant) Close() error {
	var err error
	for _, text := range statements {
		if s := p.stmts[text]; s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	if p.read != nil && p.read != p.write {
		err = errors.Join(err, p.read.Close())
	}
	if p.write != nil {
		err = errors.Join(err, p.write.Close())
	}
	return err
}
