// What the tests share: a batch that ran in virtual time, and a journal that grows with its records.

package scada

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// row is a record of the batch, with the link of the chain there.
type row struct {
	body []byte
	link string
	rec  *record.Record
}

// ran is the demo batch, run once for all tests.
var ran = sync.OnceValues(func() (rows []row, err error) {
	out, err := os.MkdirTemp("", "scada")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	p, err := batch.Load(os.DirFS("../../examples/controller/demo"), "recipe.yaml", "map.yaml", nil)
	if err != nil {
		return nil, err
	}
	b, err := p.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Operator: "op1", JournalID: "J-1", Seed: 1})
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(out, b.ID)
	if _, err = runner.Run(context.Background(), b, runner.Rig{Port: sim.NewPlant(1), Dir: dir}, &runner.Options{Virtual: &runner.Virtual{},
		Ask: func(r *runner.Runner, p runner.Prompt) { _ = r.Answer(p.ID, "done", "op1", "operator") }}); err != nil {
		return nil, err
	}
	_, err = journal.Scan(filepath.Join(dir, "journal"), func(_ uint64, body []byte, c journal.Chain) error {
		one := row{body: append([]byte(nil), body...), link: c.Link.String()}
		var err error
		one.rec, err = record.Parse(one.body)
		rows = append(rows, one)
		return err
	}, nil)
	return rows, err
})

func records(t *testing.T) []row {
	t.Helper()
	rows, err := ran()
	require.NoError(t, err)
	require.Greater(t, len(rows), 100)
	return rows
}

// last is the number of the last record of a kind.
func last(rows []row, k record.Kind) (n int) {
	for i := range rows {
		if rows[i].rec.Kind == k {
			n = i + 1
		}
	}
	return n
}

// book is a directory of a controller in which the batch goes on as far as a test wants.
type book struct {
	t    *testing.T
	out  string
	rows []row
	w    *journal.Writer
	n    int
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{t: t, out: t.TempDir(), rows: records(t)}
	require.NoError(t, os.MkdirAll(filepath.Join(b.out, "B-0001", "files"), 0o750))
	for _, name := range []string{"map.yaml", "recipe.yaml"} {
		src, err := os.ReadFile(filepath.Join("../../examples/controller/demo", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(b.out, "B-0001", "files", name), src, 0o640))
	}
	var err error
	b.w, err = journal.Create(filepath.Join(b.out, "B-0001", "journal"), journal.Header{JournalID: "J-1"}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.w.Close() })
	return b
}

// to writes the records up to one.
func (b *book) to(n int) {
	b.t.Helper()
	for ; b.n < n; b.n++ {
		require.NoError(b.t, b.w.Append(uint64(b.n+1), b.rows[b.n].body))
	}
	require.NoError(b.t, b.w.Commit())
}
