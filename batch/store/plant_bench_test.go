// What captured values cost, beside a bare insert of the same rows in the same run.

package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// capturing is the data of many runs at 1 Hz: each second one value of each, in blocks of some seconds, as the executive writes
// them.
type capturing struct {
	t      testing.TB
	teller *storetest.Teller
	at     journal.Chain
	runs   int
	block  int
	second int64
	parse  time.Duration
}

// begin gives the records of the runs.
func (c *capturing) begin() (all []*record.Record) {
	for n := range c.runs {
		r, err := c.teller.Run(fmt.Sprintf("R-%06d", n+1), "Production", fmt.Sprintf("U%d", n), "Idle", "Created", 65569)
		require.NoError(c.t, err)
		all = append(all, r)
	}
	return all
}

// next gives the records of the next block of each run, and the same as rows: run, tag, at_ns, seq, n, value, quality.
func (c *capturing) next() (all []*record.Record, rows [][]any) {
	values := make([]string, c.block)
	for n := range c.runs {
		run := fmt.Sprintf("R-%06d", n+1)
		for i := range values {
			at, value := int64(1_800_000_000_000_000_000)+(c.second+int64(i))*1e9, fmt.Sprintf("%d.%02d", 20+n%60, (c.second+int64(i)*7)%100)
			values[i] = fmt.Sprintf("%d TT101.temperature %s GOOD", at, value)
			rows = append(rows, []any{int64(1), run, "TT101.temperature", at, int64(0), int64(i), value, "GOOD"})
		}
		r, err := c.teller.Data(run, values...)
		require.NoError(c.t, err)
		for i := range values {
			rows[len(rows)-1-i][4] = int64(r.Seq())
		}
		all = append(all, r)
	}
	c.second += int64(c.block)
	return all, rows
}

// apply brings in records, and tells how long that took, with their bodies read anew as they come from a journal.
func (c *capturing) apply(p *store.Plant, all []*record.Record) time.Duration {
	from := c.at
	begun := time.Now()
	fresh := make([]*record.Record, len(all))
	for i, r := range all {
		var err error
		fresh[i], err = record.Parse(r.Body)
		require.NoError(c.t, err)
	}
	c.parse += time.Since(begun)
	require.NoError(c.t, p.Apply(c.t.Context(), c.teller.Journal, from, fresh))
	took := time.Since(begun)
	for _, r := range all {
		c.at.Add(r.Body)
	}
	return took
}

// bare inserts rows by statements of many rows, in one transaction.
func bare(t testing.TB, db *sql.DB, rows [][]any, many int) time.Duration {
	var b strings.Builder
	b.WriteString("INSERT INTO plant_value (journal, run, tag, at_ns, seq, n, value, quality) VALUES ")
	for i := range many {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "($%d, $%d, $%d, $%d, $%d, $%d, $%d, $%d)", 8*i+1, 8*i+2, 8*i+3, 8*i+4, 8*i+5, 8*i+6, 8*i+7, 8*i+8)
	}
	begun := time.Now()
	tx, err := db.Begin()
	require.NoError(t, err)
	insert, err := tx.Prepare(b.String())
	require.NoError(t, err)
	args := make([]any, 0, 8*many)
	for len(rows) > 0 {
		args = args[:0]
		for _, r := range rows[:many] {
			args = append(args, r...)
		}
		rows = rows[many:]
		_, err := insert.Exec(args...)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	return time.Since(begun)
}

// rowsTogether are those of one statement of the bare insert. SQLite takes longer for many than for one, so there one is
// measured, too.
const rowsTogether = 100

// values brings seconds of a thousand runs into a plant, and the same rows into tables of the same form, in turns.
func values(t *testing.T, what string, p *store.Plant, seconds int, bares map[int]*sql.DB) {
	c := &capturing{t: t, teller: &storetest.Teller{Journal: "bench"}, runs: 1000, block: 5}
	c.apply(p, c.begin())
	c.parse = 0
	var ours time.Duration
	theirs := map[int]time.Duration{}
	n := 0
	for range seconds / c.block {
		all, rows := c.next()
		n += len(rows)
		ours += c.apply(p, all)
		for many, db := range bares {
			theirs[many] += bare(t, db, rows, many)
		}
	}
	rate := func(d time.Duration) float64 { return float64(n) / d.Seconds() }
	t.Logf("%s: %d values of 1,000 runs: %.0f values/s, of which the reading of records takes %.0f %%", what, n, rate(ours), 100*c.parse.Seconds()/ours.Seconds())
	for many, d := range theirs {
		t.Logf("%s: bare insert of %d rows in a statement: %.0f values/s; ratio %.2f", what, many, rate(d), d.Seconds()/ours.Seconds())
	}
	if os.Getenv("BATCHKIT_LONG") != "" {
		require.GreaterOrEqual(t, theirs[rowsTogether].Seconds()/ours.Seconds(), 0.7)
	}
}

// seconds of a thousand runs at 1 Hz: an hour, or what go test has time for.
func seconds() int {
	if os.Getenv("BATCHKIT_LONG") != "" {
		return 3600
	}
	return 30
}

func TestValuesOfAThousandRunsComeAsFastAsABareInsert(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		bares := map[int]*sql.DB{}
		for _, many := range []int{1, rowsTogether} {
			path := filepath.Join(t.TempDir(), "bare.db")
			openPlant(t, path).Close()
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate")
			require.NoError(t, err)
			defer db.Close()
			db.SetMaxOpenConns(1)
			bares[many] = db
		}
		values(t, "SQLite", openPlant(t, filepath.Join(t.TempDir(), "plant.db")), seconds(), bares)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		p := startPostgres(t)
		does := person(t, p)
		does("CREATE SCHEMA ours; CREATE SCHEMA bare")
		openPlant(t, in(p, "bare")).Close()
		db, err := sql.Open("pgx", in(p, "bare"))
		require.NoError(t, err)
		defer db.Close()
		values(t, "PostgreSQL", openPlant(t, in(p, "ours")), seconds(), map[int]*sql.DB{rowsTogether: db})
	})
}
