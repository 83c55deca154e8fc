// The stores, held against the suite; what a kill, a flipped bit and a foreign file lead to; what a grant costs.

package store_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// victim is the environment variable that makes this test program one that appends to the log in the file that it names.
const victim = "BATCHKIT_TEST_VICTIM"

func TestMain(m *testing.M) {
	if where := os.Getenv(victim); where != "" {
		victimMain(where)
	}
	if where := os.Getenv(applier); where != "" {
		applierMain(where)
	}
	if where := os.Getenv(servant); where != "" {
		servantMain(where)
		return
	}
	os.Exit(m.Run())
}

// last is the number of the last operation of a log.
func last(t testing.TB, log arbiter.Log) (last uint64) {
	t.Helper()
	require.NoError(t, log.Read(t.Context(), 1, func(seq uint64, _ []byte) error { last = seq; return nil }))
	return last
}

// openLog opens a log in PostgreSQL.
func openLog(t testing.TB, url, name string) *store.Postgres {
	t.Helper()
	s, err := store.OpenPostgres(t.Context(), url, name, nil)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// victimMain appends until it is killed, and tells on standard output what was acknowledged.
func victimMain(where string) {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	s, err := store.OpenSQLite(where, nil)
	must(err)
	next := uint64(1)
	must(s.Read(context.Background(), 1, func(seq uint64, _ []byte) error { next = seq + 1; return nil }))
	for ; ; next++ {
		must(s.Append(context.Background(), next, opOf(next)))
		fmt.Println(next)
		if next%17 == 0 {
			must(s.Trim(context.Background(), next-8))
		}
	}
}

// opOf is what the victim writes under a number.
func opOf(seq uint64) []byte {
	return bytes.Repeat([]byte(strconv.FormatUint(seq, 10)+" "), int(seq*7919%3000)+1)
}

func openAt(t testing.TB, path string) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestTheStoresKeepWhatALogPromises(t *testing.T) {
	m := store.NewMemory()
	require.NoError(t, storetest.Log(t.Context(), func(context.Context) (arbiter.Log, error) { return m, nil }))

	path := filepath.Join(t.TempDir(), "a b%20c?d#.db")
	require.NoError(t, storetest.Log(t.Context(), func(context.Context) (arbiter.Log, error) { return store.OpenSQLite(path, nil) }))
	require.FileExists(t, path)
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("wants a process that can be killed")
	}
	t.Parallel()
	rounds := 15
	if os.Getenv("BATCHKIT_LONG") != "" {
		rounds = 300
	}
	path := filepath.Join(t.TempDir(), "manager.db")
	acked := uint64(0)
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victim+"="+path)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; n <= round*3%40 && lines.Scan(); n++ {
			acked = number(t, lines.Text())
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() {
			acked = number(t, lines.Text())
		}
		_ = cmd.Wait()
		require.Empty(t, said.String())

		s := openAt(t, path)
		last := uint64(0)
		require.NoError(t, s.Read(t.Context(), 1, func(seq uint64, op []byte) error {
			if last = seq; !bytes.Equal(op, opOf(seq)) {
				return fmt.Errorf("operation %d is not what was written", seq)
			}
			return nil
		}))
		require.True(t, last == acked || last == acked+1, "acknowledged %d, found %d", acked, last)
		acked = last
		require.NoError(t, s.Close())
	}
	require.Greater(t, acked, uint64(rounds))
}

func TestWhoFollowsMemoryIsWokenByWhatOthersAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory()
		woken := make(chan error, 3)
		for range cap(woken) {
			go func() { woken <- m.Wait(t.Context(), 2) }()
		}
		for seq := uint64(1); seq <= 2; seq++ {
			synctest.Wait()
			require.Empty(t, woken, "before operation 2")
			require.NoError(t, m.Append(t.Context(), seq, []byte("x")))
		}
		for range cap(woken) {
			require.NoError(t, <-woken)
		}
		require.NoError(t, m.Trim(t.Context(), 2))
		require.NoError(t, m.Wait(t.Context(), 1), "it was there, and was trimmed")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, m.Wait(ctx, 3), context.DeadlineExceeded)
		require.ErrorIs(t, m.Wait(ctx, 1), context.DeadlineExceeded, "a ctx that has ended")
	})
}

func number(t *testing.T, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

// filled makes a file with some operations, and closes it.
func filled(t *testing.T, ops int) string {
	path := filepath.Join(t.TempDir(), "manager.db")
	s := openAt(t, path)
	for seq := range uint64(ops) {
		require.NoError(t, s.Append(t.Context(), seq+1, opOf(seq+1)))
	}
	require.NoError(t, s.Close())
	return path
}

// reading opens a file and reads all.
func reading(path string) error {
	s, err := store.OpenSQLite(path, nil)
	if err != nil {
		return err
	}
	return errors.Join(s.Read(context.Background(), 1, func(uint64, []byte) error { return nil }), s.Close())
}

func TestADamagedFileIsRefusedAndKept(t *testing.T) {
	whole := filled(t, 20)
	text, err := os.ReadFile(whole)
	require.NoError(t, err)
	require.NoError(t, reading(whole))
	found := 0
	for at := 0; at < len(text); at += 293 {
		path := filepath.Join(t.TempDir(), "damaged.db")
		bad := bytes.Clone(text)
		bad[at] ^= 0x40
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		if err := reading(path); err != nil {
			found++
			require.ErrorIs(t, err, store.ErrDamaged, "byte %d", at)
		}
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Len(t, kept, len(bad), "byte %d", at)
	}
	require.Greater(t, found, 30, "of %d", len(text)/293)

	short := filepath.Join(t.TempDir(), "short.db")
	require.NoError(t, os.WriteFile(short, text[:len(text)/2], 0o600))
	require.ErrorIs(t, reading(short), store.ErrDamaged)
	other := filepath.Join(t.TempDir(), "other.db")
	require.NoError(t, os.WriteFile(other, bytes.Repeat([]byte("not a database "), 1000), 0o600))
	require.ErrorIs(t, reading(other), store.ErrDamaged)

	aside, err := store.SetAside(short)
	require.NoError(t, err)
	kept, err := os.ReadFile(aside)
	require.NoError(t, err)
	require.Len(t, kept, len(text)/2)
	require.NoError(t, reading(short), "it begins anew")
	second, err := store.SetAside(short)
	require.NoError(t, err)
	require.NotEqual(t, aside, second)
	_, err = store.SetAside(short)
	require.Error(t, err)
}

func TestADatabaseOfSomethingElseAndOneOfALaterFormAreRefused(t *testing.T) {
	for text, want := range map[string]error{
		"CREATE TABLE t (a); INSERT INTO t VALUES (1)": store.ErrDamaged,
		"PRAGMA user_version = 99":                     store.ErrRefused,
		"DELETE FROM arbiter_op WHERE seq = 3":         store.ErrDamaged, // a gap
		"UPDATE arbiter_op SET op = x'00' WHERE seq=2": store.ErrDamaged,
	} {
		path := filepath.Join(t.TempDir(), "x.db")
		if !strings.HasPrefix(text, "CREATE") {
			path = filled(t, 5)
		}
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = db.Exec(text)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		require.ErrorIs(t, reading(path), want, text)
	}
	require.Error(t, reading(filepath.Join(t.TempDir(), "no", "such", "directory.db")))
}

func TestADatabaseThatAnotherKeepsBusyWritesNothing(t *testing.T) {
	path := filled(t, 3)
	s, err := store.OpenSQLite(path, &store.Options{Busy: 1e6})
	require.NoError(t, err)
	defer s.Close()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.Begin()
	require.NoError(t, err)
	err = s.Append(t.Context(), 4, []byte("x"))
	require.ErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, arbiter.ErrUnknown)
	require.NoError(t, tx.Rollback())
	require.NoError(t, s.Append(t.Context(), 4, []byte("x")))
}

var (
	_ io.Closer        = (*store.SQLite)(nil)
	_ arbiter.Follower = (*store.Memory)(nil)
)
