// What the ledger has come to, kept in a file.

package production

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/golden"
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
		text, err := whole.keep(rows[i].at)
		if err != nil || i < next {
			continue
		}
		next = i + max(len(rows)/20, 1)
		f, err := restored(text, prefix)
		require.NoError(t, err, "kept at record %d", i+1)
		again, err := f.keep(rows[i].at)
		require.NoError(t, err)
		require.Equal(t, string(text), string(again), "kept at record %d", i+1)
		sameFold(t, whole, f)
		others[rows[i].at.N] = f
	}
	want, err1 := whole.keep(journal.Chain{N: 1})
	for at, f := range others {
		is, err2 := f.keep(journal.Chain{N: 1})
		require.Equal(t, err1, err2, "kept at record %d", at)
		require.Equal(t, string(want), string(is), "kept at record %d", at)
		require.Equal(t, whole.diverged, f.diverged)
		sameFold(t, whole, f)
	}
}

// sameFold holds two folds against each other, field by field: what is not kept is seen here. What a fold has for its own use is left out.
func sameFold(t *testing.T, a, b *fold) {
	t.Helper()
	strip := func(f *fold) fold {
		c := *f
		c.list, c.body, c.bytes, c.expect = nil, record.Body{}, nil, nil
		c.after, c.at, c.digest, c.vouched, c.inputs, c.agreed = journal.Chain{}, journal.Chain{}, "", false, 0, 0
		c.ended, c.aside = append([]string{}, c.ended...), append([]deed{}, c.aside...)
		c.runs.tracker = nil
		c.runs.order, c.runs.recent = append([]string{}, c.runs.order...), append([]string{}, c.runs.recent...)
		return c
	}
	require.Equal(t, strip(a), strip(b))
	require.Equal(t, string(a.list.Snapshot(nil)), string(b.list.Snapshot(nil)))
	one, err1 := a.runs.tracker.Snapshot(nil)
	two, err2 := b.runs.tracker.Snapshot(nil)
	require.Equal(t, err1, err2)
	require.Equal(t, string(one), string(two))
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
	require.NoError(t, e.keepFold(t.Context()))
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
	kept, err := e.fold.keep(journal.Chain{N: 1})
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
	require.NoError(t, e.keepFold(t.Context()))
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
	require.NoError(t, e.keepFold(t.Context()))
	edit(t, dir, func(text string) string { return strings.Replace(text, `"stage":`, `"stage" :`, 1) })
	turnOver2(t, e, 20)
	require.NoError(t, e.keepFold(t.Context()))
	require.NoError(t, e.Close())
	data, err := os.ReadFile(filepath.Join(dir, keptFile))
	require.NoError(t, err)
	var k kept
	require.NoError(t, json.Unmarshal(data, &k))
	f := newFold("")
	require.NoError(t, f.readOn(t.Context(), dir, k.Seq))
	want, err := f.keep(f.at)
	require.NoError(t, err)
	require.Equal(t, string(want), string(data))
}

// segments are the files of a ledger that have records, in their order.
func segments(t *testing.T, dir string) (list []string) {
	t.Helper()
	require.NoError(t, filepath.Walk(filepath.Join(dir, "production"), func(name string, is os.FileInfo, err error) error {
		if err == nil && strings.HasSuffix(name, ".seg") {
			list = append(list, name)
		}
		return err
	}))
	slices.Sort(list)
	return list
}

// flips changes one bit of a file.
func flips(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	require.NoError(t, errors.Join(err, f.Close()))
}

func TestDamageThatIsMetWhileTheEngineRunsIsToldAndNothingIsKept(t *testing.T) {
	dir := t.TempDir()
	e := listed(t, dir, 3)
	turnOver(t, e, 400)
	flips(t, segments(t, dir)[1], 30_000)
	head := e.led.Head()
	require.ErrorContains(t, e.keepFold(t.Context()), "the ledger is DAMAGED behind record ")
	require.Equal(t, head, e.led.Head())
	require.NoFileExists(t, filepath.Join(dir, keptFile))
	require.NoError(t, e.Close())
}

func TestADamagedLedgerIsNotChangedWhereWhatIsKeptDoesNotCount(t *testing.T) {
	dir := keeps(t, 400)
	flips(t, segments(t, dir)[1], 30_000)
	edit(t, dir, func(s string) string { return s + " " })
	before := segments(t, dir)
	_, err := Open(dir, "X", newShop().needs(), nil)
	require.ErrorContains(t, err, "nothing was changed")
	require.Equal(t, before, segments(t, dir))
}

func TestAnEngineThatIsToEndKeepsNothingMore(t *testing.T) {
	dir := t.TempDir()
	e := listed(t, dir, 3)
	turnOver(t, e, 400)
	head := e.led.Head()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, e.keepFold(ctx), context.Canceled)
	require.Equal(t, head, e.led.Head())
	require.NoError(t, e.Close())
}

func TestWhatIsKeptOfOneLedgerIsTheSameInEachBuildOfItsForm(t *testing.T) {
	dir := t.TempDir()
	rehearse(t, dir, dayOf(t, `
scheduler: seamless
jobs:
  - {name: a, recipe_id: CHARGE, amount: 2, unit: R101}
  - {name: b, recipe_id: RINSE, amount: 1, unit: R102}
commands:
  - {at: 4 s, command: interrupt, job: a, reason: a look at the tank}
  - {at: 90 s, command: continue, job: a, reason: it is fine}
`))
	f := newFold("")
	var most []byte
	_, err := journal.Scan(filepath.Join(dir, "production"), func(seq uint64, body []byte, c journal.Chain) error {
		r, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, f.take(seq, r, body))
		if text, err := f.keep(c); err == nil && len(text) > len(most) {
			most = text
		}
		return nil
	}, nil)
	require.NoError(t, err)
	var k kept
	require.NoError(t, json.Unmarshal(most, &k))
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, bytes.Replace(most, []byte(k.Link), []byte("..."), 1), "", " "))
	golden.Check(t, "testdata/kept.golden", append(out.Bytes(), '\n')) // keptForm grows with a difference
}

func TestWhatIsKeptHasThePrefixTheProviderAndThePriority(t *testing.T) {
	dir := t.TempDir()
	e, err := Open(dir, "X", newShop().needs(), &Options{Prefix: "n1."})
	require.NoError(t, err)
	_, err = e.add(&api.AddJobs{Jobs: []api.JobOrder{{Recipe: "A", Provider: "P", Amount: 3, Priority: 7, Unit: "R1", Size: "20 kg"}}})
	require.NoError(t, err)
	require.NoError(t, e.tell(&jobs.Event{Kind: jobs.Recipe, Recipe: &jobs.RecipeInfo{Recipe: "A", Provider: "P"}}, person{}))
	for _, j := range e.Jobs().List() {
		if j.Kind == "prepare" {
			require.NoError(t, e.tell(&jobs.Event{Kind: jobs.Content, Job: j.ID}, person{}))
		}
	}
	require.NoError(t, e.tell(&jobs.Event{Kind: jobs.Process, Process: "n1.J-000001-0001", State: jobs.Running}, person{}))
	require.NoError(t, e.did(&deed{Did: didTakeUp, Process: "n1.J-000001-0001"}, person{}))
	text, err := e.fold.keep(e.led.Head())
	require.NoError(t, err)
	for _, want := range []string{`"prefix":"n1."`, `"provider":"P"`, `"priority":7`, `"unit":"R1"`, `"size":"20 kg"`, `"taken":true`} {
		require.Contains(t, string(text), want)
	}
	require.NoError(t, e.Close())
	keptAnywhere(t, filepath.Join(dir, "production"), "n1.", nil)
}

func TestARunningEngineKeepsWhatItsLedgerHasComeTo(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		p.opt.Kept = 20
		p.up()
		for i := range 10 {
			p.add(fmt.Sprint("R", i), 1)
		}
		time.Sleep(3 * time.Minute)
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
