// What the ledger has come to, kept in a file.

package production

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// keptAnywhere holds that a fold which begins with what was kept, at any of some places of a ledger, comes to the same as one from the beginning. It is
// called for the ledgers of other tests, which have all that befalls lists and runs.
func keptAnywhere(t *testing.T, dir, prefix string, opt *journal.Options) {
	t.Helper()
	type row struct {
		r    *record.Record
		body []byte
		at   journal.Chain
	}
	var rows []row
	_, err := journal.Scan(dir, func(_ uint64, body []byte, c journal.Chain) error {
		body = []byte(string(body))
		r, err := record.Parse(body)
		rows = append(rows, row{r, body, c})
		return err
	}, opt)
	require.NoError(t, err)
	whole, next := newFold(prefix), 0
	others := map[uint64]*fold{}
	for i := range rows {
		for _, f := range append([]*fold{whole}, values(others)...) {
			require.NoError(t, f.take(rows[i].at.N, rows[i].r, rows[i].body))
		}
		text, err := whole.keep("L", rows[i].at)
		if err != nil || i < next {
			continue
		}
		next = i + max(len(rows)/20, 1)
		f, err := restored(text, prefix)
		require.NoError(t, err, "kept at record %d", i+1)
		again, err := f.keep("L", rows[i].at)
		require.NoError(t, err)
		require.Equal(t, string(text), string(again), "kept at record %d", i+1)
		others[rows[i].at.N] = f
	}
	want, err1 := whole.keep("L", journal.Chain{N: 1})
	for at, f := range others {
		is, err2 := f.keep("L", journal.Chain{N: 1})
		require.Equal(t, err1, err2, "kept at record %d", at)
		require.Equal(t, string(want), string(is), "kept at record %d", at)
		require.Equal(t, whole.diverged, f.diverged)
	}
}

func values(m map[uint64]*fold) (list []*fold) {
	for _, f := range m {
		list = append(list, f)
	}
	return list
}

// keeps has an engine that has turned over processes keep what its ledger has come to.
func keeps(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	e := listed(t, dir, 3)
	turnOver(t, e, n)
	at, err := e.keepFold()
	require.NoError(t, err)
	require.Positive(t, at)
	turnOver2(t, e, n)
	require.NoError(t, e.Close())
	return dir
}

// turnOver2 has a few more processes begin and end behind so many.
func turnOver2(t testing.TB, e *Engine, n int) {
	for i := n; i < n+6; i++ {
		id := fmt.Sprintf("J-000001-%04d", i/2+1)
		require.NoError(t, e.tell(&jobs.Event{Kind: jobs.Process, Process: id, State: []jobs.Stage{jobs.Running, jobs.Success}[i%2]}, person{}))
	}
}

// state is what an engine in a directory comes up with: its fold, and how many inputs it has read for that.
func state(t *testing.T, dir string) (text string, inputs int) {
	t.Helper()
	e, err := Open(dir, "X", newShop().needs(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	kept, err := e.fold.keep("L", journal.Chain{N: 1})
	require.NoError(t, err)
	return string(kept), e.fold.inputs
}

func TestAStartReadsWhatIsKeptAndWhatFollows(t *testing.T) {
	dir := keeps(t, 200)
	fast, few := state(t, dir)
	require.Less(t, few, 12)
	require.NoError(t, os.Remove(filepath.Join(dir, keptFile)))
	whole, all := state(t, dir)
	require.Greater(t, all, 200)
	require.Equal(t, whole, fast)
}

func TestWhatIsKeptCountsOnlyWhereTheLedgerSaysSo(t *testing.T) {
	spoil := map[string]func(dir string){
		"changed": func(dir string) {
			edit(t, dir, func(text string) string {
				return strings.Replace(text, `"process":"J-000001`, `"process":"J-000009`, 1) + " "
			})
		},
		"cut": func(dir string) { edit(t, dir, func(text string) string { return text[:len(text)/2] }) },
		"a later": func(dir string) {
			edit(t, dir, func(text string) string { return strings.Replace(text, `"engine":1`, `"engine":2`, 1) })
		},
		"of another ledger": func(dir string) {
			data, err := os.ReadFile(filepath.Join(keeps(t, 100), keptFile))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, keptFile), data, 0o600))
		},
	}
	for name, how := range spoil {
		t.Run(name, func(t *testing.T) {
			dir := keeps(t, 100)
			want, _ := state(t, dir)
			how(dir)
			is, all := state(t, dir)
			require.Equal(t, want, is)
			require.Greater(t, all, 100, "all of the ledger was read")
		})
	}
}

func edit(t *testing.T, dir string, how func(string) string) {
	t.Helper()
	name := filepath.Join(dir, keptFile)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	text := how(string(data))
	require.NotEqual(t, string(data), text)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

func TestALedgerThatWasPutBackBehindWhatIsKeptIsReadWhole(t *testing.T) {
	dir := t.TempDir()
	e := listed(t, dir, 3)
	turnOver(t, e, 20)
	require.NoError(t, e.Close())
	old := t.TempDir()
	require.NoError(t, os.CopyFS(old, os.DirFS(filepath.Join(dir, "production"))))
	e, err := Open(dir, "X", newShop().needs(), nil)
	require.NoError(t, err)
	turnOver2(t, e, 20)
	_, err = e.keepFold()
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "production")))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "production"), os.DirFS(old)))
	_, all := state(t, dir)
	require.Greater(t, all, 20)
}

func TestWhatWasChangedWhileTheEngineRanIsNotKeptOn(t *testing.T) {
	dir := t.TempDir()
	e := listed(t, dir, 3)
	turnOver(t, e, 20)
	_, err := e.keepFold()
	require.NoError(t, err)
	edit(t, dir, func(text string) string { return strings.Replace(text, `"product"`, `"product" `, 1) + "\n" })
	turnOver2(t, e, 20)
	at, err := e.keepFold()
	require.NoError(t, err)
	require.NoError(t, e.Close())
	data, err := os.ReadFile(filepath.Join(dir, keptFile))
	require.NoError(t, err)
	f := newFold("")
	end, err := f.readOnTo(filepath.Join(dir, "production"), at)
	require.NoError(t, err)
	want, err := f.keep(e.led.ID(), end)
	require.NoError(t, err)
	require.Equal(t, string(want), string(data))
}

func TestARunningEngineKeepsWhatItsLedgerHasComeTo(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		p.opt.Kept = 20
		p.up()
		for i := range 10 {
			p.add(fmt.Sprint("R", i), 1)
		}
		time.Sleep(time.Minute)
		text, err := os.ReadFile(filepath.Join(p.dir, keptFile))
		require.NoError(t, err)
		sum := sha256.Sum256(text)
		require.Contains(t, strings.Join(p.deeds(didKeep), "\n"), hex.EncodeToString(sum[:]))
		p.down()
		p.up()
		require.Positive(t, p.e.fold.after.N)
		require.True(t, p.e.fold.vouched)
		p.checks()
	})
}

func TestALedgerIsOpenedBehindAChain(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(dir, "X", "x", nil)
	require.NoError(t, err)
	say := func(b *record.Body) {
		b.Begin(record.KindBusState)
		b.Text(record.ObjectKind, "x")
		b.Text(record.ObjectID, "x")
		b.Text(record.Result, "x")
	}
	for range 2000 {
		_, err := l.Append(say)
		require.NoError(t, err)
	}
	at := l.Head()
	_, err = l.Append(say)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	var read []uint64
	take := func(seq uint64, _ *record.Record) error { read = append(read, seq); return nil }
	l, err = ledger.Open(dir, "X", "x", &ledger.Options{After: at, Take: take})
	require.NoError(t, err)
	require.Equal(t, []uint64{2001}, read)
	require.EqualValues(t, 2001, l.Head().N)
	_, err = l.Append(say)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	at.Link[0]++
	_, err = ledger.Open(dir, "X", "x", &ledger.Options{After: at})
	require.ErrorContains(t, err, "has another link than the reader knows")
}
