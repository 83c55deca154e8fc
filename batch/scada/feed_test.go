// Journals that grow, are cut, are replaced, and end, and what the feed tells of them.

package scada

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// ear is a feed, and what it told.
type ear struct {
	*feed
	t    *testing.T
	at   time.Time
	told []uint64
	hash []string
	gaps []string
}

func listen(t *testing.T, out string) *ear {
	e := &ear{t: t, at: noon}
	e.feed = &feed{dir: out, most: 4, sources: map[string]*source{}, now: func() time.Time { return e.at },
		tell: func(_ *source, r *record.Record, hash string) {
			e.told, e.hash = append(e.told, r.Seq()), append(e.hash, hash)
		},
		gap: func(_ *source, from, to uint64, why string) { e.gaps = append(e.gaps, why) }}
	return e
}

func (e *ear) look() {
	e.t.Helper()
	e.at = e.at.Add(listEvery)
	require.NoError(e.t, e.feed.round(context.Background()))
}

func TestEveryRecordIsToldOnceWithItsLinkWhileTheJournalGrows(t *testing.T) {
	b := newBook(t)
	e := listen(t, b.out)
	e.look()
	b.to(1) // the journal was there, and empty: what comes is new
	for n := 1; n < len(b.rows); n += 7 {
		b.to(n)
		e.look()
		require.Equal(t, n, len(e.told))
	}
	b.to(len(b.rows))
	e.at = e.at.Add(restEvery)
	e.look()
	require.Empty(t, e.gaps)
	require.Len(t, e.told, len(b.rows))
	for i, seq := range e.told {
		require.Equal(t, uint64(i+1), seq)
		require.Equal(t, b.rows[i].link, e.hash[i], "hash_curr is the journal's")
	}
	s := e.sources["B-0001"]
	require.Equal(t, "Complete", s.state.word)
	require.Equal(t, uint64(1), s.from)
	require.Empty(t, s.health)
}

func TestARecordThatIsNotUnderstoodIsToldAsAGap(t *testing.T) {
	b := newBook(t)
	b.to(20)
	e := listen(t, b.out)
	e.look()
	require.NoError(t, b.w.Append(21, []byte(`{"event_type":"of a later version"}`)))
	require.NoError(t, b.w.Commit())
	e.look()
	require.Equal(t, []string{"this window does not understand them"}, e.gaps)
	require.Equal(t, [...]uint64{1, 21}, [...]uint64{e.sources["B-0001"].unread, e.sources["B-0001"].told})
}

func TestAWindowThatIsStartedAgainTellsNothingOldAndSaysFromWhereItTells(t *testing.T) {
	b := newBook(t)
	b.to(60)
	e := listen(t, b.out)
	e.look()
	require.Empty(t, e.told)
	s := e.sources["B-0001"]
	require.Equal(t, uint64(61), s.from)
	require.Equal(t, "Running", s.state.word, "the state is there at once")
	require.Equal(t, fieldbus.StatusLastUsable, s.believed(e.at, 5*time.Second), "nobody knows yet whether the controller lives")
	b.to(62)
	e.look()
	require.Equal(t, []uint64{61, 62}, e.told)
	require.Equal(t, fieldbus.StatusGood, s.believed(e.at, 5*time.Second))
	require.Equal(t, fieldbus.StatusGood, s.believed(e.at.Add(5*time.Second), 5*time.Second))
	require.Equal(t, fieldbus.StatusLastUsable, s.believed(e.at.Add(7*time.Second), 5*time.Second), "silence: the controller may be dead")
	b.to(len(b.rows))
	e.look()
	require.Equal(t, fieldbus.StatusGood, s.believed(e.at.Add(time.Hour), 5*time.Second), "what is over stays so")
}

func TestAJournalWhoseEndWasCutIsBegunAnewAndToldAsAGap(t *testing.T) {
	b := newBook(t)
	b.to(40)
	e := listen(t, b.out)
	e.look()
	b.to(50)
	e.look()
	require.Len(t, e.told, 10)
	// The power was cut, and the last group with it: an older end, on which the batch goes on otherwise.
	require.NoError(t, b.w.Close())
	dir := filepath.Join(b.out, "B-0001", "journal")
	require.NoError(t, os.RemoveAll(dir))
	w, err := journal.Create(dir, journal.Header{JournalID: "J-1"}, nil)
	require.NoError(t, err)
	b.w, b.n = w, 0
	t.Cleanup(func() { _ = w.Close() })
	b.to(45)
	e.look()
	require.Len(t, e.gaps, 1)
	require.Contains(t, e.gaps[0], "TAIL_LOST")
	e.look()
	s := e.sources["B-0001"]
	require.Equal(t, uint64(45), s.state.seq)
	require.Equal(t, uint64(46), s.from)
	require.Equal(t, uint64(1), s.lost)
	b.to(47)
	e.look()
	require.Equal(t, []uint64{46, 47}, e.told[10:])
}

func TestTheNewestBatchesAreReadAndWhatIsGoneIsForgotten(t *testing.T) {
	b := newBook(t)
	b.to(5)
	for _, name := range []string{"B-0002", "B-0003", "B-0004", "B-0005", "plant", ".hidden"} {
		dir := filepath.Join(b.out, name, "journal")
		require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o750))
		if name == "plant" {
			continue
		}
		w, err := journal.Create(dir, journal.Header{JournalID: "J-" + name}, nil)
		require.NoError(t, err)
		require.NoError(t, w.Append(1, b.rows[0].body))
		require.NoError(t, w.Commit())
		require.NoError(t, w.Close())
	}
	old := noon.AddDate(-1, 0, 0)
	require.NoError(t, os.Chtimes(filepath.Join(b.out, "B-0003", "journal", "segments", "00000001.seg"), old, old))
	e := listen(t, b.out)
	e.look()
	require.Equal(t, []string{"B-0001", "B-0002", "B-0004", "B-0005"}, e.names(), "four at most: the oldest is not read")
	require.NoError(t, os.RemoveAll(filepath.Join(b.out, "B-0002")))
	e.look()
	require.Equal(t, []string{"B-0001", "B-0003", "B-0004", "B-0005"}, e.names())
	require.NoError(t, os.RemoveAll(b.out))
	e.look()
	require.Empty(t, e.sources)
	require.NotEmpty(t, e.fault, "the directory is gone, and that is said")
}

func TestReadingLeavesNoTraceAndTakesNoLock(t *testing.T) {
	b := newBook(t)
	b.to(30)
	before := files(t, b.out)
	e := listen(t, b.out)
	e.look()
	require.Equal(t, before, files(t, b.out))
	require.NoError(t, b.w.Close())
	e.look()
	w, _, err := journal.Open(filepath.Join(b.out, "B-0001", "journal"), journal.Header{JournalID: "J-1"}, nil)
	require.NoError(t, err, "the journal is free for its controller")
	require.NoError(t, w.Close())
	e.look()
	require.Empty(t, e.gaps)
	require.Empty(t, e.sources["B-0001"].health)
}

// files lists what lies below a directory, with sizes and times.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		require.NoError(t, err)
		list = append(list, path+" "+info.ModTime().String()+" "+info.Mode().String())
		return nil
	}))
	return list
}

func TestTheMapIsTheOneThatTheBatchIsBoundTo(t *testing.T) {
	b := newBook(t)
	dir := filepath.Join(b.out, "B-0001", "files")
	digest := reduced(b.rows, 10).mappingDigest
	m, err := mapOf(dir, digest)
	require.NoError(t, err)
	require.Equal(t, "T301-IO", m.ID)
	f, err := os.OpenFile(filepath.Join(dir, "map.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("# another\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = mapOf(dir, digest)
	require.ErrorIs(t, err, errNoMap)
	_, err = mapOf(filepath.Join(dir, "nowhere"), digest)
	require.ErrorIs(t, err, os.ErrNotExist)
}
