// What a grant costs, beside what a durable write of the same database does in the same run.

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// BenchmarkGrant takes turns: a claim that is asked for and granted, durable; a bare insert of as many bytes, in a database of the same
// settings; and the release of the claim, which is not timed. What it reports are percentiles of each, and their ratio.
func BenchmarkGrant(b *testing.B) {
	ctx := context.Background()
	log := openAt(b, filepath.Join(b.TempDir(), "manager.db"))
	bare, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	require.NoError(b, err)
	defer bare.Close()
	bare.SetMaxOpenConns(1)
	_, err = bare.Exec("CREATE TABLE t (seq INTEGER PRIMARY KEY, op BLOB NOT NULL) STRICT")
	require.NoError(b, err)
	insert, err := bare.Prepare("INSERT INTO t (seq, op) VALUES ($1, $2)")
	require.NoError(b, err)
	defer insert.Close()

	book := arbiter.NewBook()
	var line []byte
	do := func(op *arbiter.Op) []arbiter.Effect {
		fx, known := book.Known(op, nil)
		if known {
			b.Fatalf("%+v", fx)
		}
		line, err = op.Append(line[:0])
		if err == nil {
			err = log.Append(ctx, book.Next(), line)
		}
		if err != nil {
			b.Fatal(err)
		}
		return book.Step(book.Next(), op, fx)
	}
	for u := range 10 {
		do(&arbiter.Op{Kind: arbiter.Stock, Equipment: []string{fmt.Sprint("R", u), fmt.Sprint("S", u)}, Owners: 1})
	}
	grants, writes := make([]time.Duration, 0, b.N), make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for n := range b.N {
		u := n % 10
		op := arbiter.Op{Kind: arbiter.Request, At: 1_800_000_000_000_000_000, Batch: fmt.Sprint("B-000", u), ID: uint32(n + 1), Step: "CHARGE_AND_HEAT",
			Equipment: []string{fmt.Sprint("R", u), fmt.Sprint("S", u)}}
		begun := time.Now()
		fx := do(&op)
		grants = append(grants, time.Since(begun))
		if len(fx) != 1 || fx[0].Kind != arbiter.Granted {
			b.Fatalf("%+v", fx)
		}
		begun = time.Now()
		if _, err := insert.Exec(n+1, line); err != nil {
			b.Fatal(err)
		}
		writes = append(writes, time.Since(begun))
		b.StopTimer()
		do(&arbiter.Op{Kind: arbiter.Release, Batch: op.Batch, ID: op.ID, Step: op.Step})
		b.StartTimer()
	}
	b.StopTimer()
	slices.Sort(grants)
	slices.Sort(writes)
	for _, p := range []int{50, 99} {
		g, w := grants[b.N*p/100], writes[b.N*p/100]
		b.ReportMetric(float64(g.Microseconds()), fmt.Sprintf("grant-p%d-µs", p))
		b.ReportMetric(float64(w.Microseconds()), fmt.Sprintf("write-p%d-µs", p))
		b.ReportMetric(float64(g)/float64(w), fmt.Sprintf("ratio-p%d", p))
	}
}

// BenchmarkPostgres takes turns: an append, and a bare insert of as many bytes, on one server over its socket. TMPDIR has to be on a disk.
func BenchmarkPostgres(b *testing.B) {
	p := startPostgres(b)
	log := openLog(b, p.Local, "bench")
	follower := openLog(b, p.Local, "bench")
	bare, err := sql.Open("pgx", p.Local)
	require.NoError(b, err)
	defer bare.Close()
	_, err = bare.Exec("CREATE TABLE t (seq BIGINT PRIMARY KEY, op BYTEA NOT NULL)")
	require.NoError(b, err)
	line := []byte(`{"op":"request","at":1800000000000000000,"batch":"n1.B-0001","claim":1,"step":"CHARGE_AND_HEAT","equipment":["R101","S101"]}`)
	appends, writes, heard := make([]time.Duration, 0, b.N), make([]time.Duration, 0, b.N), make([]time.Duration, 0, b.N)
	woken := make(chan error, 1)
	for n := range b.N {
		go func() { woken <- follower.Wait(b.Context(), uint64(n+1)) }()
		begun := time.Now()
		err := log.Append(b.Context(), uint64(n+1), line)
		appends = append(appends, time.Since(begun))
		require.NoError(b, err)
		require.NoError(b, <-woken)
		heard = append(heard, time.Since(begun))
		begun = time.Now()
		_, err = bare.Exec("INSERT INTO t (seq, op) VALUES ($1, $2)", n+1, line)
		writes = append(writes, time.Since(begun))
		require.NoError(b, err)
	}
	slices.Sort(appends)
	slices.Sort(writes)
	slices.Sort(heard)
	for _, q := range []int{50, 99} {
		a, w := appends[b.N*q/100], writes[b.N*q/100]
		b.ReportMetric(float64(a.Microseconds()), fmt.Sprintf("append-p%d-µs", q))
		b.ReportMetric(float64(w.Microseconds()), fmt.Sprintf("write-p%d-µs", q))
		b.ReportMetric(float64(heard[b.N*q/100].Microseconds()), fmt.Sprintf("heard-p%d-µs", q))
		b.ReportMetric(float64(a)/float64(w), fmt.Sprintf("ratio-p%d", q))
	}
}
