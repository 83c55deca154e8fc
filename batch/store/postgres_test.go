// PostgreSQL, held against the suites, and what is refused.

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// startPostgres starts a server, or skips where there is none.
func startPostgres(t testing.TB) *storetest.Postgres {
	t.Helper()
	p, err := storetest.StartPostgres(t.Context())
	if errors.Is(err, storetest.ErrAbsent) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// person is who changes things by hand.
func person(t testing.TB, p *storetest.Postgres) func(text string) {
	db, err := sql.Open("pgx", p.Local)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return func(text string) {
		t.Helper()
		_, err := db.Exec(text)
		require.NoError(t, err, text)
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	does := person(t, p)
	all := map[string]func(t *testing.T){} // each has logs, or a schema, of its own
	for name, test := range map[string]func(t *testing.T, p *storetest.Postgres, does func(string)){
		"it keeps what a log promises":                                    pgPromises,
		"several logs are in one database":                                pgSeveral,
		"of those who begin at once one makes the tables":                 pgAtOnce,
		"a log that was put back is damaged":                              pgPutBack,
		"what was changed by hand is damaged":                             pgChanged,
		"a refusal has the words of the server":                           pgRefusals,
		"a transaction that fails at its end is no success":               pgDeferred,
		"one who holds the head does not block for ever":                  pgBusy,
		"a serialization failure is a conflict":                           pgSerializable,
		"what would lose what it acknowledges is refused":                 pgDurable,
		"no error has a password in it":                                   pgPassword,
		"whoever is closed waits no more":                                 pgClosed,
		"a connection that was ended is another one later":                pgEnded,
		"an operation may have the size that the arbiter has":             pgLargest,
		"tables of somebody else are not taken for a server that is away": pgForeign,
		"a session that a pooler gave to another is refused":              pgPooled,
		"an answer that is lost is an unknown outcome":                    pgUnknown,
	} {
		all[name] = func(t *testing.T) { t.Parallel(); test(t, p, does) }
	}
	t.Run("together", func(t *testing.T) {
		for name, test := range all {
			t.Run(name, test)
		}
	})
	t.Run("a server that is down, one that does not flush and a standby are refused", func(t *testing.T) { pgRestart(t, p) })
}

func pgPromises(t *testing.T, p *storetest.Postgres, _ func(string)) {
	require.NoError(t, storetest.Log(t.Context(), func(ctx context.Context) (arbiter.Log, error) { return store.OpenPostgres(ctx, p.URL, "plant", nil) }))
	require.NoError(t, storetest.Follow(t.Context(), func(ctx context.Context) (arbiter.Follower, error) {
		return store.OpenPostgres(ctx, p.URL, "follow", nil)
	}))
}

func pgSeveral(t *testing.T, p *storetest.Postgres, _ func(string)) {
	a, b := openLog(t, p.Local, "several-a"), openLog(t, p.Local, "several_b")
	require.NoError(t, a.Append(t.Context(), 1, []byte("a")))
	require.NoError(t, b.Append(t.Context(), 1, []byte("b")))
	require.NoError(t, a.Append(t.Context(), 2, []byte("a")))
	require.Equal(t, []uint64{2, 1}, []uint64{last(t, a), last(t, b)})
	for _, name := range []string{"", "A", "1a", "a.b", strings.Repeat("a", 33), `a"; DROP TABLE arbiter_op; --`} {
		_, err := store.OpenPostgres(t.Context(), p.Local, name, nil)
		require.ErrorIs(t, err, store.ErrRefused, name)
	}
}

// in is the address with a schema of its own.
func in(p *storetest.Postgres, schema string) string { return p.Local + "&search_path=" + schema }

func pgAtOnce(t *testing.T, p *storetest.Postgres, does func(string)) {
	does("CREATE SCHEMA at_once")
	var all sync.WaitGroup
	came := make(chan error, 8)
	for range cap(came) {
		all.Go(func() {
			s, err := store.OpenPostgres(t.Context(), in(p, "at_once"), "plant", nil)
			if err == nil {
				err = s.Close()
			}
			came <- err
		})
	}
	all.Wait()
	for range cap(came) {
		require.NoError(t, <-came)
	}
	does("UPDATE at_once.batchkit_form SET form = 99")
	_, err := store.OpenPostgres(t.Context(), in(p, "at_once"), "plant", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "form 99, and this program knows 1 to 2; use a newer one")
	does("DELETE FROM at_once.batchkit_form")
	_, err = store.OpenPostgres(t.Context(), in(p, "at_once"), "plant", nil)
	require.ErrorIs(t, err, store.ErrDamaged)
}

func pgForeign(t *testing.T, p *storetest.Postgres, does func(string)) {
	for n, c := range []struct {
		text string
		want error
	}{
		{"CREATE TABLE $.arbiter_log (x INT)", store.ErrRefused},
		{"CREATE TABLE $.batchkit_form (x INT)", store.ErrDamaged},
		{"CREATE TABLE $.batchkit_form (form TEXT); INSERT INTO $.batchkit_form VALUES ('x')", store.ErrDamaged},
		{"CREATE TABLE $.batchkit_form (form BIGINT); INSERT INTO $.batchkit_form VALUES (1)", store.ErrDamaged},
		{"CREATE VIEW $.batchkit_form AS SELECT 1 AS form", store.ErrRefused},
		{"CREATE VIEW $.batchkit_form AS SELECT 2 AS form; CREATE TABLE $.arbiter_log (name INT, first INT, last INT, link INT)", store.ErrDamaged},
	} {
		schema := fmt.Sprint("foreign", n)
		does("CREATE SCHEMA " + schema + "; " + strings.ReplaceAll(c.text, "$", schema))
		_, err := store.OpenPostgres(t.Context(), in(p, schema), "plant", nil)
		require.ErrorIs(t, err, c.want, c.text)
	}
}

func pgPutBack(t *testing.T, p *storetest.Postgres, does func(string)) {
	s := openLog(t, p.Local, "back")
	for seq := uint64(1); seq <= 5; seq++ {
		require.NoError(t, s.Append(t.Context(), seq, opOf(seq)))
	}
	does("CREATE TABLE backup_log AS SELECT * FROM arbiter_log WHERE name = 'back'; CREATE TABLE backup_op AS SELECT * FROM arbiter_op WHERE log = 'back'")
	reader := openLog(t, p.Local, "back")
	for seq := uint64(6); seq <= 8; seq++ {
		require.NoError(t, s.Append(t.Context(), seq, opOf(seq)))
	}
	require.Equal(t, uint64(8), last(t, reader))
	does("DELETE FROM arbiter_log WHERE name = 'back'; DELETE FROM arbiter_op WHERE log = 'back'; " +
		"INSERT INTO arbiter_log SELECT * FROM backup_log; INSERT INTO arbiter_op SELECT * FROM backup_op")
	all := func(log arbiter.Log, seq uint64) {
		t.Helper()
		for _, from := range []uint64{1, 6, 8, 9} {
			require.ErrorIs(t, log.Read(t.Context(), from, func(uint64, []byte) error { return nil }), store.ErrDamaged, "from %d", from)
		}
		err := log.Append(t.Context(), seq, []byte("x"))
		require.ErrorIs(t, err, store.ErrDamaged)
		require.ErrorIs(t, err, store.ErrRefused)
		require.NotErrorIs(t, err, arbiter.ErrConflict)
	}
	all(s, 9)
	all(reader, 9)
	require.ErrorIs(t, s.Wait(t.Context(), 10), store.ErrDamaged)
	fresh := openLog(t, p.Local, "back") // who knows nothing cannot see it
	require.Equal(t, uint64(5), last(t, fresh))
	for seq := uint64(6); seq <= 8; seq++ {
		require.NoError(t, fresh.Append(t.Context(), seq, []byte("another")))
	}
	all(s, 9) // it is as long again, and another one
	require.NoError(t, fresh.Append(t.Context(), 9, []byte("another")))
	for _, from := range []uint64{1, 8, 9} {
		require.ErrorIs(t, reader.Read(t.Context(), from, func(uint64, []byte) error { return nil }), store.ErrDamaged, "longer: from %d", from)
	}
	require.ErrorIs(t, openLog(t, p.Local, "back").Append(t.Context(), 9, []byte("x")), arbiter.ErrConflict)
}

func pgChanged(t *testing.T, p *storetest.Postgres, does func(string)) {
	for n, text := range []string{
		"UPDATE arbiter_op SET op = 'x' WHERE log = '$' AND seq = 3",
		"UPDATE arbiter_op SET op = 'x', sum = sha256('\\x0000000000000003'::bytea || 'x'::bytea) WHERE log = '$' AND seq = 3",
		"UPDATE arbiter_op SET link = sha256(link) WHERE log = '$' AND seq = 3",
		"UPDATE arbiter_op SET link = 'x' WHERE log = '$' AND seq = 1",
		"DELETE FROM arbiter_op WHERE log = '$' AND seq = 1",
		"DELETE FROM arbiter_op WHERE log = '$' AND seq = 3",
		"DELETE FROM arbiter_op WHERE log = '$' AND seq = 5",
		"DELETE FROM arbiter_op WHERE log = '$'",
		"DELETE FROM arbiter_log WHERE name = '$'",
		"UPDATE arbiter_log SET last = 4 WHERE name = '$'",
		"UPDATE arbiter_log SET last = 6 WHERE name = '$'",
		"UPDATE arbiter_log SET first = -1 WHERE name = '$'",
		"UPDATE arbiter_log SET first = 2 WHERE name = '$'",
		"UPDATE arbiter_log SET link = sha256(link) WHERE name = '$'",
	} {
		name := fmt.Sprint("changed", n)
		s := openLog(t, p.Local, name)
		for seq := uint64(1); seq <= 5; seq++ {
			require.NoError(t, s.Append(t.Context(), seq, opOf(seq)))
		}
		require.NoError(t, s.Close())
		does(strings.ReplaceAll(text, "$", name))
		s, err := store.OpenPostgres(t.Context(), p.Local, name, nil)
		if err == nil {
			err = s.Read(t.Context(), 1, func(uint64, []byte) error { return nil })
			require.NoError(t, s.Close())
		}
		require.ErrorIs(t, err, store.ErrDamaged, text)
	}
}

func pgRefusals(t *testing.T, p *storetest.Postgres, does func(string)) {
	does("CREATE SCHEMA refusals")
	s := openLog(t, in(p, "refusals"), "refusals")
	require.NoError(t, s.Append(t.Context(), 1, []byte("x")))
	does(`CREATE FUNCTION refusals.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = TG_ARGV[0], HINT = 'buy a disk'; END $$`)
	for code, want := range map[string]error{"53100": store.ErrRefused, "42501": store.ErrRefused, "25006": store.ErrRefused, "23505": arbiter.ErrConflict,
		"40001": arbiter.ErrConflict, "40P01": arbiter.ErrConflict, "08P01": arbiter.ErrUnknown, "40003": arbiter.ErrUnknown} {
		does("CREATE TRIGGER no BEFORE INSERT ON refusals.arbiter_op FOR EACH ROW EXECUTE FUNCTION refusals.no('" + code + "')")
		err := s.Append(t.Context(), 2, []byte("x"))
		require.ErrorIs(t, err, want, code)
		require.Equal(t, want == arbiter.ErrUnknown, errors.Is(err, arbiter.ErrUnknown), code)
		require.Equal(t, want == store.ErrRefused, errors.Is(err, store.ErrRefused), code)
		require.ErrorContains(t, err, "the server says: no space left; buy a disk (SQLSTATE "+code+")")
		does("DROP TRIGGER no ON refusals.arbiter_op")
	}
	require.NoError(t, s.Append(t.Context(), 2, []byte("x")))

	does("CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT USAGE ON SCHEMA refusals TO guest")
	guest := strings.Replace(p.URL, "batchkit:a%2Fb%20c%25@", "guest:guest@", 1) + "&search_path="
	_, err := store.OpenPostgres(t.Context(), guest+"refusals", "refusals", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "permission denied")
	_, err = store.OpenPostgres(t.Context(), guest+"nowhere", "refusals", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "CREATE SCHEMA batchkit")
	does("GRANT SELECT ON ALL TABLES IN SCHEMA refusals TO guest")
	reads := openLog(t, guest+"refusals", "refusals")
	require.Equal(t, uint64(2), last(t, reads))
	require.ErrorIs(t, reads.Append(t.Context(), 3, []byte("x")), store.ErrRefused)
	require.ErrorIs(t, reads.Trim(t.Context(), 2), store.ErrRefused)
	does("ALTER ROLE guest SET default_transaction_read_only = on")
	_, err = store.OpenPostgres(t.Context(), guest+"refusals", "refusals", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "default_transaction_read_only is on")
}

func pgDeferred(t *testing.T, p *storetest.Postgres, does func(string)) {
	does("CREATE SCHEMA deferred")
	s := openLog(t, in(p, "deferred"), "deferred")
	does(`CREATE FUNCTION deferred.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'at the end'; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON deferred.arbiter_op DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION deferred.late()`)
	require.ErrorIs(t, s.Append(t.Context(), 1, []byte("x")), store.ErrRefused)
	require.Zero(t, last(t, s))
	does("DROP TRIGGER late ON deferred.arbiter_op")
	require.NoError(t, s.Append(t.Context(), 1, []byte("x")))
}

func pgBusy(t *testing.T, p *storetest.Postgres, _ func(string)) {
	patient := openLog(t, p.Local, "busy") // whoever opens waits for the others that do: it is not they who are in the way here
	s, err := store.OpenPostgres(t.Context(), p.Local, "busy", &store.Options{Busy: 20 * time.Millisecond})
	require.NoError(t, err)
	defer s.Close()
	db, err := sql.Open("pgx", p.Local)
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = tx.Exec("SELECT * FROM arbiter_log WHERE name = 'busy' FOR UPDATE")
	require.NoError(t, err)
	err = s.Append(t.Context(), 1, []byte("x"))
	require.ErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, arbiter.ErrUnknown)
	require.Zero(t, last(t, s), "reading goes on")
	err = store.ErrRefused // where its ctx ended before it was under way
	for n := 0; n < 100 && errors.Is(err, store.ErrRefused); n++ {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err = patient.Append(ctx, 1, []byte("x"))
		cancel()
	}
	require.ErrorIs(t, err, arbiter.ErrUnknown, "its ctx ended under way")
	require.NoError(t, tx.Rollback())
	err = store.ErrRefused // for a moment yet, where what was unknown has the head now
	for end := time.Now().Add(time.Minute); errors.Is(err, store.ErrRefused) && time.Now().Before(end); {
		err = s.Append(t.Context(), 1, []byte("x"))
	}
	if err != nil {
		require.ErrorIs(t, err, arbiter.ErrConflict, "what was unknown may have come to be")
	}
	require.Equal(t, uint64(1), last(t, s))
}

func pgSerializable(t *testing.T, p *storetest.Postgres, _ func(string)) {
	serializable := p.Local + "&default_transaction_isolation=serializable"
	require.NoError(t, storetest.Log(t.Context(), func(ctx context.Context) (arbiter.Log, error) {
		return store.OpenPostgres(ctx, serializable, "serializable", nil)
	}))
}

func pgDurable(t *testing.T, p *storetest.Postgres, does func(string)) {
	does("CREATE SCHEMA durable; CREATE ROLE hasty LOGIN SUPERUSER; ALTER ROLE hasty SET synchronous_commit = off")
	s := openLog(t, strings.Replace(in(p, "durable"), "batchkit@", "hasty@", 1), "durable") // the session sets it on
	require.NoError(t, s.Append(t.Context(), 1, []byte("x")))
	var is string
	db, err := sql.Open("pgx", p.Local)
	require.NoError(t, err)
	defer db.Close()
	does(`CREATE TABLE durable.how (is_ TEXT); CREATE FUNCTION durable.how() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO durable.how VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
CREATE TRIGGER how BEFORE INSERT ON durable.arbiter_op FOR EACH ROW EXECUTE FUNCTION durable.how()`)
	require.NoError(t, s.Append(t.Context(), 2, []byte("x")))
	require.NoError(t, db.QueryRow("SELECT is_ FROM durable.how").Scan(&is))
	require.Equal(t, "on", is)
}

// pgPooled has a proxy change what the session was set to, once it was looked at, as a pooler does that gives out another session.
func pgPooled(t *testing.T, p *storetest.Postgres, does func(string)) {
	way := newProxy(t, p.Socket)
	const asked, says = "current_setting('default_transaction_read_only')", "set_config('synchronous_commit', 'off', false)"
	way.change = func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(asked), fmt.Appendf(nil, "%-*s", len(asked), says))
	}
	s := openLog(t, "postgres://batchkit@"+way.Addr().String()+"/postgres?sslmode=disable", "pooled")
	err := s.Append(t.Context(), 1, []byte("x"))
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "synchronous_commit is not on for the session")
	require.Zero(t, last(t, s))
}

func pgPassword(t *testing.T, p *storetest.Postgres, _ func(string)) {
	const secret = "pa55w0rd"
	at := p.Host + "/postgres"
	for _, text := range []string{
		"postgres://batchkit:" + secret + "@" + at + "?sslmode=disable",
		"postgres://batchkit:" + secret + "%zz@" + at, "postgres://batchkit:%zz" + secret + "@" + at, "postgres://batchkit:" + secret + "@h:port/x",
		"postgres://batchkit:a/" + secret + "@" + at, "postgres://batchkit:#" + secret + "@" + at, "postgres://batchkit:?" + secret + "@" + at,
		"postgres://batchkit:[" + secret + "@" + at, "postgres:// batchkit:" + secret + "@" + at, "postgres://batchkit:\x00" + secret + "@" + at,
		"postgres://batchkit@" + at + "?sslmode=disable&password=" + secret, "postgres://batchkit@" + at + "?sslmode=sometimes&password=" + secret,
		"postgres://batchkit@" + at + "?sslmode=disable&password=" + secret + "&connect_timeout=soon", "host=/tmp password=" + secret + " user=batchkit", secret,
		"postgres://batchkit:" + secret + "@127.0.0.1:1/x?sslmode=disable", "postgres://batchkit:" + secret + "@plant.invalid:1/x?sslmode=disable",
		"postgres://batchkit:" + secret + "@10.0.0.1/x", "postgres://batchkit:" + secret + "@127.0.0.1,10.0.0.1/x?sslmode=allow",
	} {
		_, err := store.OpenPostgres(t.Context(), text, "password", nil)
		require.Error(t, err, text)
		for deep := err; deep != nil; deep = errors.Unwrap(deep) {
			require.NotContains(t, fmt.Sprintf("%v %+v %q", deep, deep, deep), secret, text)
		}
	}
	_, err := store.OpenPostgres(t.Context(), "postgres://u@10.0.0.1/x", "password", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "leaves open whether the connection to 10.0.0.1 is encrypted")
	u, err := url.Parse(p.URL)
	require.NoError(t, err)
	q := u.Query()
	q.Del("sslrootcert") // an authority that nobody trusts
	u.RawQuery = q.Encode()
	_, err = store.OpenPostgres(t.Context(), u.String(), "password", nil)
	require.ErrorContains(t, err, "certificate")
}

func pgClosed(t *testing.T, p *storetest.Postgres, _ func(string)) {
	s := openLog(t, p.Local, "closed")
	done := make(chan error)
	go func() { done <- s.Wait(t.Context(), 1) }()
	time.Sleep(50 * time.Millisecond) // most often it waits by now
	require.NoError(t, s.Close())
	require.Error(t, <-done)
	require.Error(t, s.Wait(t.Context(), 1))
	require.Error(t, s.Append(t.Context(), 1, []byte("x")))
	require.Error(t, s.Read(t.Context(), 1, nil))
	require.NoError(t, s.Close())
}

func pgEnded(t *testing.T, p *storetest.Postgres, does func(string)) {
	s := openLog(t, p.Local+"&application_name=ended", "ended")
	require.NoError(t, s.Append(t.Context(), 1, []byte("x")))
	does("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended'")
	looks := openLog(t, p.Local, "ended") // its connections are its own
	next := uint64(2)
	for range 10 {
		err := s.Append(t.Context(), next, []byte("x"))
		if err == nil {
			break
		}
		switch at := last(t, looks); { // which it is depends on whether the connection was gone before the first byte
		case errors.Is(err, arbiter.ErrUnknown):
			next = at + 1
		default:
			require.ErrorIs(t, err, store.ErrRefused)
			require.Equal(t, next-1, at, "what is refused was not written: %v", err)
		}
	}
	require.NotZero(t, last(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next = last(t, s) + 1
	done := make(chan error, 1)
	go func() { done <- s.Wait(ctx, next) }()
	for lost := error(nil); lost == nil; {
		select {
		case lost = <-done:
			require.Error(t, lost, "it says that it lost the server")
		case <-time.After(50 * time.Millisecond): // again, since it may not have begun to wait
			does("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended' AND query LIKE '%arbiter_log%'")
		}
	}
	require.NoError(t, ctx.Err(), "and not that it waited in vain")
	other := openLog(t, p.Local, "ended")
	require.NoError(t, other.Append(t.Context(), next, []byte("x")))
	again, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	go func() { done <- s.Wait(again, next+1) }()
	time.Sleep(50 * time.Millisecond) // most often it waits by now
	require.NoError(t, other.Append(t.Context(), next+1, []byte("x")))
	require.NoError(t, <-done, "and listens anew")
}

func pgLargest(t *testing.T, p *storetest.Postgres, _ func(string)) {
	if os.Getenv("BATCHKIT_LONG") == "" {
		t.Skip("64 MB: with BATCHKIT_LONG=1")
	}
	s := openLog(t, p.Local, "largest")
	require.NoError(t, s.Append(t.Context(), 1, make([]byte, arbiter.MaxOp)))
	require.ErrorIs(t, s.Append(t.Context(), 2, make([]byte, arbiter.MaxOp+1)), store.ErrRefused)
	require.NoError(t, s.Read(t.Context(), 1, func(_ uint64, op []byte) error { require.Len(t, op, arbiter.MaxOp); return nil }))
}

func pgUnknown(t *testing.T, p *storetest.Postgres, _ func(string)) {
	way := newProxy(t, p.Socket)
	s := openLog(t, "postgres://batchkit@"+way.Addr().String()+"/postgres?sslmode=disable", "unknown")
	require.NoError(t, s.Append(t.Context(), 1, []byte("x")))
	way.deaf.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Append(ctx, 2, []byte("y")), arbiter.ErrUnknown)
	require.NoError(t, openLog(t, p.Local, "unknown").Wait(t.Context(), 2), "it came to be all the same")
	way.cut()
	way.deaf.Store(false)
	require.ErrorIs(t, s.Append(t.Context(), 2, []byte("z")), arbiter.ErrConflict)
	require.NoError(t, s.Append(t.Context(), 3, []byte("z")))
}

// fresh asks again while what fails is a connection that the server has not ended: one that was used a moment ago is not looked at.
func fresh(ask func() error) (err error) {
	for range 5 {
		if err = ask(); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
	}
	return err
}

// pgRestart stops the server, and starts it with settings that are refused.
func pgRestart(t *testing.T, p *storetest.Postgres) {
	s := openLog(t, p.Local, "restart")
	require.NoError(t, s.Append(t.Context(), 1, []byte("x")))
	p.Kill()
	time.Sleep(1100 * time.Millisecond) // so that a connection of the pool is looked at before it is used
	err := s.Append(t.Context(), 2, []byte("x"))
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "not reached; nothing was written")
	_, err = store.OpenPostgres(t.Context(), p.Local, "restart", nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrRefused, "it may be tried again")
	require.Error(t, s.Wait(t.Context(), 2))

	require.NoError(t, p.Start(t.Context(), "fsync=off"))
	err = fresh(func() error { return s.Append(t.Context(), 2, []byte("x")) })
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "set fsync = on in postgresql.conf")
	_, err = store.OpenPostgres(t.Context(), p.Local, "restart", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	p.Kill()
	require.NoError(t, p.Start(t.Context()))
	require.NoError(t, fresh(func() error { return s.Append(t.Context(), 2, []byte("x")) }))
	require.Equal(t, uint64(2), last(t, s))

	standby := filepath.Join(filepath.Dir(p.Socket), "data", "standby.signal")
	require.NoError(t, os.WriteFile(standby, nil, 0o644))
	p.Kill()
	require.NoError(t, p.Start(t.Context()))
	_, err = store.OpenPostgres(t.Context(), p.Local, "restart", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "the server is a standby; name the primary")
	require.ErrorIs(t, fresh(func() error { return s.Read(t.Context(), 1, func(uint64, []byte) error { return nil }) }), store.ErrRefused, "what it has may be old")
	require.ErrorIs(t, s.Append(t.Context(), 3, []byte("x")), store.ErrRefused)
}
