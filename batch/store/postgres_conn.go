// Connections to PostgreSQL, its tables, and what its errors mean.

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

const pgFsync = "fsync of the server is not on, so it would lose what it has acknowledged; set fsync = on in postgresql.conf and reload it"

// pgShared is said at the start of a session, and of an append: a pooler may have given the session to another in between.
const pgShared = "synchronous_commit is not on for the session, so what is acknowledged would be lost; connect to the server itself, and not " +
	"through a pooler that shares sessions"

// pgConfig reads a URL. What it has to say of one that is wrong, is not what stands in it: that may be a password.
func pgConfig(text string, busy time.Duration) (*pgx.ConnConfig, error) {
	const form = "write postgres://user@host:5432/database?sslmode=verify-full, with what is special in a password as %XX"
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return nil, fmt.Errorf("%w: the address of a PostgreSQL server is not a URL; %s", ErrRefused, form)
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		if _, err := url.Parse(text); err != nil {
			return nil, fmt.Errorf("%w: the address of the PostgreSQL server is not one that can be read; %s", ErrRefused, form)
		}
		return nil, fmt.Errorf("%w: the address of the PostgreSQL server has parameters that are unknown or contradict each other, or names files that cannot be read "+
			"(sslmode, sslrootcert, sslcert, sslkey, connect_timeout, ...); %s", ErrRefused, form)
	}
	if err := encrypted(&config.Config); err != nil {
		return nil, err
	}
	if config.ConnectTimeout <= 0 || config.ConnectTimeout > time.Minute {
		config.ConnectTimeout = 5 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "batchkit"
	}
	config.ValidateConnect = func(ctx context.Context, c *pgconn.PgConn) error { return pgCheck(ctx, c, busy) }
	return config, nil
}

// encrypted wants a decision for every host that is not here: what is left open would be sent in the clear where the server offers
// no TLS.
func encrypted(c *pgconn.Config) error {
	all := []*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}
	all = append(all, c.Fallbacks...)
	for _, f := range all {
		ip := net.ParseIP(f.Host)
		if strings.HasPrefix(f.Host, "/") || strings.HasPrefix(f.Host, "@") || f.Host == "localhost" || ip != nil && ip.IsLoopback() {
			continue
		}
		for _, g := range all {
			if f.Host == g.Host && f.Port == g.Port && (f.TLSConfig == nil) != (g.TLSConfig == nil) {
				return fmt.Errorf("%w: the address leaves open whether the connection to %s is encrypted; add sslmode=verify-full and sslrootcert=FILE to it, "+
					"or sslmode=disable where nobody else is on the wire", ErrRefused, f.Host)
			}
		}
	}
	return nil
}

// pgCheck sets a new session, and refuses a server that does not keep what it acknowledges.
func pgCheck(ctx context.Context, c *pgconn.PgConn, busy time.Duration) error {
	all, err := c.Exec(ctx, fmt.Sprintf("SET synchronous_commit = on; SET lock_timeout = %d; SET idle_in_transaction_session_timeout = 10000; "+
		"SELECT pg_is_in_recovery()::text, current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_version_num'), "+
		"current_setting('default_transaction_read_only')", busy.Milliseconds())).ReadAll()
	if err != nil {
		return err
	}
	last := all[len(all)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != 5 {
		return errors.New("it does not answer as PostgreSQL does")
	}
	says := last.Rows[0]
	switch {
	case string(says[0]) != "false":
		return fmt.Errorf("%w: the server is a standby; name the primary, or all of them as host1,host2", ErrRefused)
	case string(says[1]) != "on":
		return fmt.Errorf("%w: %s", ErrRefused, pgFsync)
	case string(says[2]) != "on":
		return fmt.Errorf("%w: %s", ErrRefused, pgShared)
	case len(says[3]) < 6 || len(says[3]) == 6 && string(says[3]) < "110000":
		return fmt.Errorf("%w: the server has version %s; use PostgreSQL 11 or a later one", ErrRefused, says[3])
	case string(says[4]) != "off":
		return fmt.Errorf("%w: default_transaction_read_only is on, so nothing can be written; set it off for this user and database", ErrRefused)
	}
	return nil
}

// pgPrepare makes the tables, or finds out whether those that are there are known. Of several that begin at once one makes them.
func pgPrepare(ctx context.Context, db *sql.DB) error {
	now, err := pgForm(ctx, db)
	if err != nil || now == len(forms) {
		return err
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(application)); err != nil {
		return err
	}
	// A session learns of tables that others have made when it makes one, and not from the lock.
	if err := pgMake(ctx, tx, "CREATE TABLE IF NOT EXISTS batchkit_form (form BIGINT NOT NULL)"); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(form), 0) FROM batchkit_form").Scan(&now); err != nil || now >= len(forms) {
		return err
	}
	for _, next := range forms[now:] {
		if err := pgMake(ctx, tx, strings.Split(next.postgres, ";\n")...); err != nil {
			return err
		}
	}
	if err := pgMake(ctx, tx, "DELETE FROM batchkit_form", fmt.Sprintf("INSERT INTO batchkit_form (form) VALUES (%d)", len(forms))); err != nil {
		return err
	}
	return tx.Commit()
}

// pgMake makes tables.
func pgMake(ctx context.Context, tx *sql.Tx, all ...string) error {
	for _, text := range all {
		_, err := tx.ExecContext(ctx, text)
		var e *pgconn.PgError
		if errors.As(err, &e) && (e.Code == "42501" || e.Code == "42P07" || e.Code == "3F000" || e.Code == "55000") {
			return fmt.Errorf("%w: the tables cannot be made: %s; give the user a schema of its own (CREATE SCHEMA batchkit AUTHORIZATION ..., and "+
				"search_path=batchkit in the address)", ErrRefused, words(e))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pgForm is the form of the tables that are there; 0 for none.
func pgForm(ctx context.Context, from asker) (form int, err error) {
	var there bool
	if err := from.QueryRowContext(ctx, "SELECT to_regclass('batchkit_form') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, err
	}
	if err := from.QueryRowContext(ctx, "SELECT form::bigint FROM batchkit_form").Scan(&form); errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("%w: table batchkit_form is empty; restore the database", ErrDamaged)
	} else if err != nil {
		return 0, err
	}
	if form < 1 || form > len(forms) {
		return 0, fmt.Errorf("%w: the tables have form %d, and this program knows 1 to %d; use a newer one", ErrRefused, form, len(forms))
	}
	return form, nil
}

// maxWords is how much of it is repeated, in bytes.
const maxWords = 1000

// words are what the server has said.
func words(e *pgconn.PgError) string {
	text := e.Message
	for _, more := range []string{e.Detail, e.Hint} {
		if more != "" {
			text += "; " + more
		}
	}
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "..."
	}
	return fmt.Sprintf("the server says: %s (SQLSTATE %.5s)", text, e.Code)
}

// wrong says what an error is that came without an append.
func (s *Postgres) wrong(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		err = fmt.Errorf("%w: the log is not there any more; %s", ErrDamaged, pgBack)
	}
	return fmt.Errorf("store: log %s in PostgreSQL: %w", s.name, pgWrong(err))
}

// pgWrong says what an error of the server means.
func pgWrong(err error) error {
	var e *pgconn.PgError
	switch {
	case strings.HasPrefix(err.Error(), "sql: Scan error"): // it has no value of its own
		err = fmt.Errorf("%w: %w; what stands in the tables is not what was written; %s", ErrDamaged, err, pgBack)
	case errors.As(err, &e):
		text := words(e)
		switch {
		case strings.HasPrefix(e.Code, "22") || e.Code == "42804" || e.Code == "42883":
			err = fmt.Errorf("%w: %s; the tables are none of this program's: give its user a schema of its own", ErrDamaged, text)
		case e.Code == "42P01" || e.Code == "42703":
			err = fmt.Errorf("%w: %s; restore the tables", ErrDamaged, text)
		case strings.HasPrefix(e.Code, "XX"):
			err = fmt.Errorf("%w: %s; have the database restored", ErrDamaged, text)
		case strings.HasPrefix(e.Code, "28") || strings.HasPrefix(e.Code, "42") || e.Code == "3D000" || e.Code == "25006":
			err = fmt.Errorf("%w: %s", ErrRefused, text)
		default:
			err = fmt.Errorf("%s: %w", text, err)
		}
	}
	return err
}

// outcome says what became of an append that ended with an error.
func (s *Postgres) outcome(seq uint64, err error) error {
	var refused *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &connect) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, ErrRefused) || pgconn.SafeToRetry(err):
		return fmt.Errorf("%w: log %s: PostgreSQL was not reached; nothing was written, ask again: %w", ErrRefused, s.name, err)
	case !errors.As(err, &refused):
	case strings.HasPrefix(refused.Code, "08") || refused.Code == "40003": // a pooler lost the server, and says so as if it were the server
	case refused.Code == "23505" || refused.Code == "40001" || refused.Code == "40P01":
		return fmt.Errorf("%w: number %d: %s", arbiter.ErrConflict, seq, words(refused))
	case refused.SeverityUnlocalized == "ERROR" || refused.Severity == "ERROR": // the transaction has ended; after FATAL it may have been committed
		return fmt.Errorf("%w: log %s: %s", ErrRefused, s.name, words(refused))
	}
	return fmt.Errorf("%w: %w", arbiter.ErrUnknown, s.wrong(err))
}
