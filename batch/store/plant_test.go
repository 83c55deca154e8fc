// The plant: its suite on both databases, what is the same in both, and what a kill leaves.

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

func openPlant(t testing.TB, where string) *store.Plant {
	t.Helper()
	p, err := store.OpenPlant(t.Context(), where, nil)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func TestThePlantKeepsWhatItPromisesInSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plant.db")
	require.NoError(t, storetest.Plant(t.Context(), func(ctx context.Context) (*store.Plant, error) { return store.OpenPlant(ctx, path, nil) }))
}

func TestThePlantKeepsWhatItPromisesInPostgreSQL(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	does := person(t, p)
	t.Run("all of it", func(t *testing.T) {
		does("CREATE SCHEMA suite")
		require.NoError(t, storetest.Plant(t.Context(), func(ctx context.Context) (*store.Plant, error) { return store.OpenPlant(ctx, in(p, "suite"), nil) }))
	})
	t.Run("the same records come to the same rows in both databases, whatever the locale", func(t *testing.T) {
		where := in(p, "same")
		does("CREATE SCHEMA same")
		db, err := sql.Open("pgx", p.Local)
		require.NoError(t, err)
		if _, err := db.Exec("CREATE DATABASE swedish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C'"); err == nil { // from version 15 on
			where = strings.Replace(p.Local, "/postgres?", "/swedish?", 1)
			require.NotEqual(t, p.Local, where)
		}
		require.NoError(t, db.Close())
		lite, large := openPlant(t, filepath.Join(t.TempDir(), "plant.db")), openPlant(t, where)
		for _, name := range []string{"b", "a", "A", "ä"} {
			apply(t, lite, name, 3, 0)
			apply(t, large, name, 3, 0)
		}
		require.Equal(t, rowsOf(t, lite), rowsOf(t, large))
	})
	t.Run("what the database refuses of one record is set aside, and no other", func(t *testing.T) {
		does("CREATE SCHEMA refuses")
		plant := openPlant(t, in(p, "refuses"))
		does("ALTER TABLE refuses.plant_value ADD CHECK (value <> '13')")
		refusesOne(t, plant)
	})
	t.Run("one tracked run for each unit and definition is a rule of the database", func(t *testing.T) {
		db, err := sql.Open("pgx", in(p, "refuses"))
		require.NoError(t, err)
		defer db.Close()
		oneTracked(t, db, "23505")
	})
	t.Run("a database that has not every letter is refused", func(t *testing.T) {
		does("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
		_, err := store.OpenPlant(t.Context(), strings.Replace(p.Local, "/postgres?", "/latin?", 1), nil)
		require.ErrorIs(t, err, store.ErrRefused)
		require.ErrorContains(t, err, "ENCODING 'UTF8'")
	})
	t.Run("tables of form 1 are taken on", func(t *testing.T) {
		does("CREATE SCHEMA old; CREATE TABLE old.batchkit_form (form BIGINT NOT NULL); INSERT INTO old.batchkit_form VALUES (1); " +
			"CREATE TABLE old.arbiter_log (name TEXT PRIMARY KEY, first BIGINT NOT NULL, last BIGINT NOT NULL, link BYTEA NOT NULL); " +
			"CREATE TABLE old.arbiter_op (log TEXT NOT NULL, seq BIGINT NOT NULL, op BYTEA NOT NULL, sum BYTEA NOT NULL, link BYTEA NOT NULL, PRIMARY KEY (log, seq))")
		log := openLog(t, in(p, "old"), "plant")
		require.NoError(t, log.Append(t.Context(), 1, opOf(1)))
		apply(t, openPlant(t, in(p, "old")), "a", 1, 20)
		require.EqualValues(t, 1, last(t, log))
	})
	t.Run("a kill of the server leaves whole transactions", func(t *testing.T) {
		does("CREATE SCHEMA killed")
		pgPlantKilled(t, p, in(p, "killed"))
	})
}

// apply brings in a day of a journal from a record on.
func apply(t testing.TB, p *store.Plant, name string, seed uint64, runs int) {
	t.Helper()
	all, err := storetest.Day(name, seed, max(runs, 20))
	require.NoError(t, err)
	require.NoError(t, p.Apply(t.Context(), name, journal.Chain{}, all))
}

func rowsOf(t testing.TB, p *store.Plant) []string {
	t.Helper()
	all, err := storetest.PlantRows(t.Context(), p, "")
	require.NoError(t, err)
	return all
}

// form1 copies a file that the release before the plant made, with operations 1 to 5 in it.
func form1(t *testing.T) string {
	whole, err := os.ReadFile("testdata/form1.db")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "manager.db")
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	return path
}

func TestAFileOfForm1IsTakenOn(t *testing.T) {
	for name, first := range map[string]func(path string){
		"by a log": func(path string) { require.NoError(t, reading(path)) },
		"by a plant": func(path string) {
			p := openPlant(t, path)
			apply(t, p, "a", 1, 20)
		},
		"by both at once": func(path string) {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { reading(path) })
				all.Go(func() {
					if p, err := store.OpenPlant(t.Context(), path, nil); err == nil {
						p.Close()
					}
				})
			}
			all.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := form1(t)
			first(path)
			s := openAt(t, path)
			seq := uint64(0)
			require.NoError(t, s.Read(t.Context(), 1, func(n uint64, op []byte) error {
				seq++
				require.Equal(t, seq, n)
				require.Equal(t, opOf(n), op)
				return nil
			}))
			require.EqualValues(t, 5, seq)
			require.NoError(t, s.Append(t.Context(), 6, opOf(6)))
			p := openPlant(t, path)
			apply(t, p, "b", 2, 20)
		})
	}
}

func TestACursorGoesOnWhateverNamesAreMadeOf(t *testing.T) {
	p := openPlant(t, filepath.Join(t.TempDir(), "plant.db"))
	teller := &storetest.Teller{Journal: "names"}
	var all []*record.Record
	add := func(r *record.Record, err error) { require.NoError(t, err); all = append(all, r) }
	for _, c := range []string{"<", "\x01", "\"", "\u2028", "\U0001F600", "x"} {
		run, tag := strings.Repeat(c, store.MaxName/len(c)), strings.Repeat(c, store.MaxName/len(c))
		add(teller.Run(run, "P", "U"+c, "Idle", "Created", 65569))
		add(teller.Data(run, "1 "+tag+" 5 GOOD", "2 "+tag+" 5 GOOD"))
	}
	require.NoError(t, p.Apply(t.Context(), "names", journal.Chain{}, all))
	got, f := 0, store.Filter{Limit: 1}
	for {
		list, next, err := p.Values(t.Context(), f)
		require.NoError(t, err)
		if got += len(list); next == "" {
			break
		}
		f.After = next
	}
	require.Equal(t, 12, got)
}

// refusesOne brings in values of which the database refuses 13.
func refusesOne(t *testing.T, p *store.Plant) {
	teller := &storetest.Teller{Journal: "refuses"}
	var all []*record.Record
	add := func(r *record.Record, err error) { require.NoError(t, err); all = append(all, r) }
	add(teller.Run("R-1", "Production", "R101", "Idle", "Created", 65569))
	for n := range 40 {
		add(teller.Data("R-1", fmt.Sprintf("%d a %d GOOD", n, n), fmt.Sprintf("%d b x GOOD", n)))
	}
	add(teller.Run("R-1", "Production", "R101", "Created", "Active", 131171))
	require.NoError(t, p.Apply(t.Context(), "refuses", journal.Chain{}, all))
	asides, _, err := p.Asides(t.Context(), store.Filter{})
	require.NoError(t, err)
	require.Len(t, asides, 1)
	require.EqualValues(t, 15, asides[0].Seq)
	require.Contains(t, asides[0].Reason, "the database refuses it")
	values, _, err := p.Values(t.Context(), store.Filter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, values, 78)
	runs, _, err := p.Runs(t.Context(), store.Filter{State: "Active"})
	require.NoError(t, err)
	require.Len(t, runs, 1)
}

// oneTracked tries by hand to have two.
func oneTracked(t *testing.T, db *sql.DB, words string) {
	insert := func(id string, status int) error {
		_, err := db.Exec(fmt.Sprintf("INSERT INTO plant_run VALUES (77, '%s', 'Production', 'R9', 'x', %d, '', '', 0, 0, 0, 0, 0, '', 1, 0)", id, status))
		return err
	}
	require.NoError(t, insert("a", 65569))
	require.ErrorContains(t, insert("b", 131171), words)
	require.NoError(t, insert("c", 1048616))
	require.NoError(t, insert("d", 1048616))
}

func TestWhatSQLiteRefusesOfOneRecordIsSetAsideAndNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plant.db")
	p := openPlant(t, path)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TRIGGER t BEFORE INSERT ON plant_value WHEN NEW.value = '13' BEGIN SELECT RAISE(ABORT, 'an unlucky value'); END")
	require.NoError(t, err)
	refusesOne(t, p)
	oneTracked(t, db, "UNIQUE")
}

func TestAPlantThatIsNoneIsRefusedAndOneThatIsBusyWritesNothing(t *testing.T) {
	for where, want := range map[string]error{
		"http://x/y": store.ErrRefused,
		"postgres://somebody@192.0.2.1/x?sslmode=prefer": store.ErrRefused,
		"": store.ErrRefused,
	} {
		_, err := store.OpenPlant(t.Context(), where, nil)
		require.ErrorIs(t, err, want, where)
	}
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TABLE t (a)")
	require.NoError(t, err)
	_, err = store.OpenPlant(t.Context(), path, nil)
	require.ErrorIs(t, err, store.ErrDamaged)
	require.NoError(t, os.WriteFile(path+"2", bytes.Repeat([]byte("not a database "), 1000), 0o600))
	_, err = store.OpenPlant(t.Context(), path+"2", nil)
	require.ErrorIs(t, err, store.ErrDamaged)

	busy := filepath.Join(t.TempDir(), "busy.db")
	p, err := store.OpenPlant(t.Context(), busy, &store.Options{Busy: 1e6})
	require.NoError(t, err)
	defer p.Close()
	other, err := sql.Open("sqlite", "file:"+busy+"?_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	tx, err := other.Begin()
	require.NoError(t, err)
	all, err := storetest.Day("a", 1, 2)
	require.NoError(t, err)
	require.ErrorIs(t, p.Apply(t.Context(), "a", journal.Chain{}, all), store.ErrRefused)
	require.NoError(t, tx.Rollback())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Apply(ctx, "a", journal.Chain{}, all), context.Canceled)
	require.Empty(t, rowsOf(t, p))
	require.NoError(t, p.Apply(t.Context(), "a", journal.Chain{}, all))
}
