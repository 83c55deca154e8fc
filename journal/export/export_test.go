// Outages, cuts, lies and damaged cursors: what is sent is sent once, in order, and believed only as far as it is true.

package export_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/journaltest"
)

func TestADirectoryThatGoesAndComesIsCaughtUpWithAndBothAreOnRecord(t *testing.T) {
	b := newBook(t)
	b.note(3)
	share := filepath.Join(t.TempDir(), "share")
	require.NoError(t, os.Mkdir(share, 0o750))
	e := b.exporter(&export.Dir{Path: share}, &export.Options{Log: b, Quiet: time.Nanosecond, Batch: 30_000})
	ctx := context.Background()
	require.NoError(t, e.CatchUp(ctx))
	require.NoError(t, os.Rename(share, share+".away"))
	require.NoError(t, os.WriteFile(share, []byte("a file in its place"), 0o640))
	b.note(8)
	err := e.CatchUp(ctx)
	require.True(t, export.Outage(err), err)
	require.Equal(t, export.Down, e.Status().State)
	require.NoError(t, os.Remove(share))
	require.True(t, export.Outage(e.CatchUp(ctx)), "nothing in its place is an outage, too")
	require.NoDirExists(t, share, "a directory that is not there is not made")
	require.NoError(t, os.Rename(share+".away", share))
	require.NoError(t, e.CatchUp(ctx))
	require.NoError(t, e.CatchUp(ctx), "the words on the catching up")
	require.Equal(t, b.want(), read(t, share+"/D1-1.tsv"))
	require.Equal(t, b.w.Head(), b.acked())
	require.Equal(t, []string{"CATCHING_UP acked 0 behind 3 merged 0", "UP acked 3 behind 0 merged 0", "DOWN acked 3 behind 10 merged 0",
		"CATCHING_UP acked 3 behind 11 merged 0", "UP acked 14 behind 0 merged 0"}, b.states())
}

func TestAnEmptyDirectoryInPlaceOfTheDiskIsAnOutageUntilAllIsToBeSentAgain(t *testing.T) {
	b := newBook(t)
	b.note(3)
	share := t.TempDir()
	e := b.exporter(&export.Dir{Path: share}, nil)
	require.NoError(t, e.CatchUp(context.Background()))
	require.NoError(t, os.Rename(share+"/D1-1.tsv", share+"/kept"))
	err := e.CatchUp(context.Background())
	require.True(t, export.Outage(err), err)
	require.ErrorContains(t, err, "is it the right one, and mounted?")
	require.NoFileExists(t, share+"/D1-1.tsv")
	require.NoError(t, b.exporter(&export.Dir{Path: share}, &export.Options{Again: true}).CatchUp(context.Background()))
	require.Equal(t, read(t, share+"/kept"), read(t, share+"/D1-1.tsv"))
}

func TestAnExportThatIsCutAnywhereIsGoneOnWithToTheSameBytes(t *testing.T) {
	b := newBook(t)
	b.note(5)
	whole := b.want()
	for cut := 0; cut <= len(whole); cut += 997 {
		share := t.TempDir()
		file := share + "/D1-1.tsv"
		require.NoError(t, os.WriteFile(file, []byte(whole[:cut]), 0o640))
		require.NoError(t, os.RemoveAll(b.cursors()), "the cursor is behind what the sink has")
		require.NoError(t, b.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background()))
		require.Equal(t, whole, read(t, file), "cut at byte %d", cut)
		kept, err := filepath.Glob(share + "/*.torn")
		require.NoError(t, err)
		torn := whole[:cut][bytes.LastIndexByte([]byte(whole[:cut]), '\n')+1:]
		if torn == "" {
			require.Empty(t, kept)
			continue
		}
		require.Len(t, kept, 1)
		require.Equal(t, torn, read(t, kept[0]), "what was torn is set aside")
	}
}

func TestAHoleThatACutLeavesBeforeTheLastLineIsNotTakenForRecords(t *testing.T) {
	b := newBook(t)
	b.note(5)
	whole := []byte(b.want())
	holed := bytes.Clone(whole)
	clear(holed[len(holed)/2 : len(holed)/2+4096])
	share := t.TempDir()
	require.NoError(t, os.WriteFile(share+"/D1-1.tsv", holed, 0o640))
	require.NoError(t, b.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background()))
	require.Equal(t, string(whole), read(t, share+"/D1-1.tsv"))
}

func TestASinkThatLiesIsRefusedAndTheCursorStays(t *testing.T) {
	high := func(rows []export.Row) (journal.Chain, error) {
		last := rows[len(rows)-1]
		return journal.Chain{N: last.Seq + 1, Link: last.Link}, nil
	}
	other := func(rows []export.Row) (journal.Chain, error) { return journal.Chain{N: rows[len(rows)-1].Seq}, nil }
	for name, l := range map[string]*liar{
		"acknowledges too much":       {take: high},
		"acknowledges another link":   {take: other},
		"holds more than the journal": {held: journal.Chain{N: 9}},
		"holds another link":          {held: journal.Chain{N: 2}},
	} {
		b := newBook(t)
		b.note(3)
		err := b.exporter(l, nil).CatchUp(context.Background())
		require.ErrorIs(t, err, export.ErrSink, name)
		require.Zero(t, b.acked(), name)
	}
}

func TestASinkThatTakesAPartIsSentTheRest(t *testing.T) {
	b := newBook(t)
	b.note(5)
	l := &liar{take: func(rows []export.Row) (journal.Chain, error) {
		return journal.Chain{N: rows[0].Seq, Link: rows[0].Link}, nil
	}}
	require.NoError(t, b.exporter(l, nil).CatchUp(context.Background()))
	require.Equal(t, b.w.Head(), b.acked())
	require.Equal(t, []uint64{1, 2, 3, 4, 5, 2, 3, 4, 5, 3, 4, 5, 4, 5, 5}, l.sent)
}

func TestACursorThatIsDamagedInAnyByteCostsASecondSendingAndNothingElse(t *testing.T) {
	b := newBook(t)
	b.note(2)
	l := &liar{}
	e := b.exporter(l, nil)
	require.NoError(t, e.CatchUp(context.Background()))
	first := b.acked()
	b.note(1)
	require.NoError(t, e.CatchUp(context.Background()))
	slot := b.cursors() + "/checkpoints/2"
	good := read(t, slot)
	for i := range good {
		bad := []byte(good)
		bad[i] ^= 0x40
		require.NoError(t, os.WriteFile(slot, bad, 0o640))
		got := b.acked()
		require.True(t, got == first || got == b.w.Head(), "byte %d: %v", i, got) // the filling of a sector is nobody's
	}
	require.NoError(t, os.WriteFile(slot, []byte(good)[:100], 0o640))
	e = b.exporter(l, nil)
	require.Len(t, e.Status().Faults, 1, "it is said")
	require.NoError(t, e.CatchUp(context.Background()))
	require.Equal(t, b.w.Head(), b.acked())
	require.Equal(t, []uint64{1, 2, 3}, l.sent, "the sink said what it holds")
}

func TestAJournalThatWasWrittenAnewIsNotExportedAsTheSame(t *testing.T) {
	b := newBook(t)
	b.note(3)
	share := t.TempDir()
	require.NoError(t, b.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background()))
	before := read(t, share+"/D1-1.tsv")
	again := newBook(t)
	again.utc++
	again.note(4)
	require.NoError(t, os.RemoveAll(again.cursors()))
	require.NoError(t, os.Rename(b.cursors(), again.cursors()))
	err := again.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background())
	require.ErrorIs(t, err, export.ErrCursor)
	require.ErrorContains(t, err, "written anew")
	require.Equal(t, before, read(t, share+"/D1-1.tsv"))

	cut := newBook(t)
	cut.note(2)
	require.NoError(t, os.RemoveAll(cut.cursors()))
	require.NoError(t, os.Rename(again.cursors(), cut.cursors()))
	require.ErrorIs(t, cut.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background()), export.ErrCursor)
}

func TestRunWaitsOutAnOutageLessAndLessOften(t *testing.T) {
	b := newBook(t)
	b.note(1)
	c := &clock{now: 1}
	ctx, cancel := context.WithCancel(context.Background())
	l := &liar{take: func([]export.Row) (journal.Chain, error) { return journal.Chain{}, errors.New("no route") }}
	c.fn = func(n int) {
		if n == 12 {
			l.take = nil
		} else if n == 13 {
			cancel()
		}
	}
	e, err := export.New("share", l, b.source(), b.cursors(), c, &export.Options{Log: b})
	require.NoError(t, err)
	require.NoError(t, e.Run(ctx))
	var seconds []int64
	for _, w := range c.waits {
		seconds = append(seconds, w/int64(time.Second))
	}
	require.Equal(t, []int64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 1}, seconds)
	require.Equal(t, []string{"DOWN acked 0 behind 1 merged 0", "UP acked 2 behind 0 merged 0"}, b.states())
}

func TestAnOutageBehindSomethingThatWasTakenIsANewOne(t *testing.T) {
	b := newBook(t)
	c := &clock{now: 1}
	ctx, cancel := context.WithCancel(context.Background())
	away := func([]export.Row) (journal.Chain, error) { return journal.Chain{}, errors.New("no route") }
	l := &liar{take: away}
	c.fn = func(n int) {
		switch {
		case n == 14:
			cancel()
		case n%5 == 0: // it takes one row of those there are, and is away again
			l.take = func(rows []export.Row) (journal.Chain, error) {
				l.take = away
				return journal.Chain{N: rows[0].Seq, Link: rows[0].Link}, nil
			}
		}
	}
	b.note(5)
	e, err := export.New("share", l, b.source(), b.cursors(), c, nil)
	require.NoError(t, err)
	require.NoError(t, e.Run(ctx))
	var seconds []int64
	for _, w := range c.waits {
		seconds = append(seconds, w/int64(time.Second))
	}
	require.Equal(t, []int64{1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 1, 2, 4, 8}, seconds)
}

// told is a sink that is told how the journal stands.
type told struct {
	liar
	edges []export.Edge
}

func (d *told) Announce(journalID string, edge export.Edge) { d.edges = append(d.edges, edge) }

func TestASinkIsToldHowFarItIsBehind(t *testing.T) {
	b := newBook(t)
	b.note(3)
	d := &told{}
	e := b.exporter(d, nil)
	require.NoError(t, e.CatchUp(context.Background()))
	b.note(2)
	require.NoError(t, e.CatchUp(context.Background()))
	require.Equal(t, []export.Edge{{Durable: 3}, {Durable: 5, Acked: 3}}, d.edges)
	require.NoError(t, b.w.Close())
	idle, err := export.New("share", d, export.Source{Dir: b.dir}, b.cursors(), &clock{now: 1}, nil)
	require.NoError(t, err)
	require.NoError(t, idle.CatchUp(context.Background()))
	require.Equal(t, export.Edge{Durable: 5, Acked: 5}, d.edges[2], "of a journal that nobody writes, too")
}

func TestWhatAnotherProcessWritesIsDurableThereBeforeItIsSent(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create("d", journal.Header{JournalID: "J1"}, &journal.Options{Storage: d})
	require.NoError(t, err)
	require.NoError(t, w.Append(1, []byte("one")))
	require.NoError(t, w.Commit())
	require.NoError(t, d.Mkdir("c"))
	to := &told{}
	e, err := export.New("share", to, export.Source{Dir: "d", Storage: d, Beside: true}, "c", &clock{now: 1}, nil)
	require.NoError(t, err)
	require.NoError(t, e.CatchUp(context.Background()))
	require.EqualValues(t, 1, to.held.N)
	var cut *journaltest.Disk
	d.OnSync = func() { // the writer has written a group, and is killed before it is flushed; the power goes behind what was sent
		d.OnSync = nil
		require.NoError(t, e.CatchUp(context.Background()))
		cut = d.Cut(journaltest.Loss{})
	}
	require.NoError(t, w.Append(2, []byte("two")))
	require.NoError(t, w.Commit())
	require.Equal(t, []uint64{1, 2}, to.sent)
	require.Equal(t, []export.Edge{{Durable: 1}, {Durable: 2, Acked: 1}}, to.edges)
	rec, err := journal.Scan("d", nil, &journal.Options{Storage: cut})
	require.NoError(t, err)
	require.Equal(t, to.held, rec.Head)
}

func TestWhatADiskDoesNotFlushIsNotSent(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create("d", journal.Header{JournalID: "J1"}, &journal.Options{Storage: d})
	require.NoError(t, err)
	require.NoError(t, w.Append(1, []byte("one")))
	require.NoError(t, w.Commit())
	require.NoError(t, d.Mkdir("c"))
	to := &told{}
	e, err := export.New("share", to, export.Source{Dir: "d", Storage: d, Beside: true}, "c", &clock{now: 1}, nil)
	require.NoError(t, err)
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "settle" {
			return &journaltest.Fault{Err: errors.New("I/O error")}
		}
		return nil
	}
	require.ErrorIs(t, e.CatchUp(context.Background()), export.ErrJournal)
	require.Empty(t, to.sent)
	d.Fault = nil
	require.NoError(t, e.CatchUp(context.Background()))
	require.Equal(t, []uint64{1}, to.sent)
}

func TestASinkThatFlapsDoesNotFillTheJournal(t *testing.T) {
	b := newBook(t)
	b.note(1)
	c := &clock{now: 1}
	l := &liar{}
	e, err := export.New("share", l, b.source(), b.cursors(), c, &export.Options{Log: b})
	require.NoError(t, err)
	for range 30 {
		l.take = func([]export.Row) (journal.Chain, error) { return journal.Chain{}, errors.New("no route") }
		b.note(1)
		require.True(t, export.Outage(e.CatchUp(context.Background())))
		l.take = nil
		require.NoError(t, e.CatchUp(context.Background()))
		c.now += int64(2 * time.Second)
	}
	require.LessOrEqual(t, len(b.states()), 2)
	c.now += int64(time.Minute)
	require.NoError(t, e.CatchUp(context.Background()))
	last := b.states()[len(b.states())-1]
	require.Regexp(t, `^UP .* merged [1-9]`, last)
}

func TestTheFileOfADirIsVerifiedByAShellWithSha256sum(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("needs sha256sum: install GNU coreutils")
	}
	b := newBook(t)
	b.note(4)
	share := t.TempDir()
	require.NoError(t, b.exporter(&export.Dir{Path: share}, nil).CatchUp(context.Background()))
	const loop = `set -u; t=$(printf '\t') n=0 prev=$(printf '%064d' 0)
while IFS="$t" read -r seq leaf link body; do n=$((n + 1))
  [ "$seq" = "$n" ] || { echo "record $n: number $seq"; exit 1; }
  [ "$( { printf '\0'; printf %s "$body"; } | sha256sum)" = "$leaf  -" ] || { echo "record $n: body"; exit 1; }
  [ "$(printf '%s\n' "$n" "$prev" "$leaf" | sha256sum)" = "$link  -" ] || { echo "record $n: link"; exit 1; }
  prev=$link
done <"$1"; echo "$n records hold"`
	out, err := exec.Command("sh", "-c", loop, "sh", share+"/D1-1.tsv").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "4 records hold\n", string(out))
	bad := bytes.Replace([]byte(b.want()), []byte("xxx"), []byte("xyx"), 1)
	require.NoError(t, os.WriteFile(share+"/D1-1.tsv", bad, 0o640))
	out, err = exec.Command("sh", "-c", loop, "sh", share+"/D1-1.tsv").CombinedOutput()
	require.Error(t, err)
	require.Equal(t, "record 1: body\n", string(out))
}

func TestAFileThatWasChangedAnywhereIsNotWhole(t *testing.T) {
	b := newBook(t)
	b.note(8)
	share := t.TempDir()
	require.NoError(t, b.exporter(&export.Dir{Path: share}, nil).CatchUp(t.Context()))
	name := filepath.Join(share, "D1-1.tsv")
	data := read(t, name)
	lines := strings.SplitAfter(data, "\n")
	whole := func(text string) (uint64, journal.Chain, error) {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o640))
		return (&export.Dir{Path: share}).Whole(t.Context(), "D1-1")
	}
	first, last, err := whole(data)
	require.NoError(t, err)
	require.Equal(t, uint64(1), first)
	require.Equal(t, b.w.Head(), last)
	first, last, err = whole(strings.Join(lines[2:], ""))
	require.NoError(t, err, "a journal that had released records is sent from there on")
	require.Equal(t, uint64(3), first)
	require.Equal(t, b.w.Head(), last)
	for says, text := range map[string]string{
		"a line is gone":      strings.Join(append(slices.Clone(lines[:3]), lines[4:]...), ""),
		"a line is doubled":   strings.Join(append(slices.Clone(lines[:4]), lines[3:]...), ""),
		"a byte is another":   data[:len(data)/2] + "y" + data[len(data)/2+1:],
		"it is cut off":       data[:len(data)-1],
		"something is behind": data + "\n",
		"a line is huge":      lines[0][:len(lines[0])-1] + strings.Repeat("x", 1<<20) + "\n",
	} {
		_, last, err := whole(text)
		require.ErrorIs(t, err, export.ErrSink, says)
		require.Zero(t, last, says)
	}
	require.NoError(t, os.Remove(name))
	_, _, err = (&export.Dir{Path: share}).Whole(t.Context(), "D1-1")
	require.ErrorIs(t, err, export.ErrSink, "it is not there")
	require.NoError(t, os.Mkdir(name, 0o750))
	_, _, err = (&export.Dir{Path: share}).Whole(t.Context(), "D1-1")
	require.ErrorContains(t, err, "not a regular file")
}
