// Tests of Release: a package goes by a record and by nothing else, whatever is cut off, and takes nothing along.

package evidence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// leaving is a package below a directory, and what lets it go.
func leaving(t *testing.T) (dir string, d *Departure) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "B-0001")
	require.NoError(t, os.CopyFS(dir, os.DirFS(packed(t, "B-0001", approved{}))))
	var last int64
	head, _, err := Select(dir, nil, func(r *Row) error {
		last = max(last, r.Record.Time(record.TsUTC))
		return nil
	})
	require.NoError(t, err)
	return dir, &Departure{Policy: export.Policy{Sinks: []string{"share"}, Age: time.Hour}, Acks: []export.Ack{{Sink: "share", At: head}},
		Now: last + int64(2*time.Hour), Actor: "ines", Reason: "room"}
}

func TestAPackageGoesWithARecordThatSaysWhatItWasAndWhoHasIt(t *testing.T) {
	dir, d := leaving(t)
	ref, err := Ref(dir)
	require.NoError(t, err)
	l := &logged{t: t}
	left, err := Release(l, dir, d)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoDirExists(t, dir)
	require.DirExists(t, filepath.Dir(dir))
	r := l.recs[len(l.recs)-1]
	require.Equal(t, record.KindBatchReleased, r.Kind)
	require.Equal(t, []string{"B-0001", ref, d.Acks[0].At.Link.String()},
		[]string{r.Text(record.ObjectID), r.Text(record.ExportRef), r.Text(record.HeadLink)})
}

func TestWhatIsNobodysBusinessStaysAndIsNamed(t *testing.T) {
	dir, d := leaving(t)
	put(t, dir, "letter.txt", []byte("dear"))
	put(t, dir, "journal/mine", []byte("own"))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "notebook")))
	l := &logged{t: t}
	_, err := Release(l, dir, d)
	require.ErrorIs(t, err, ErrStays, "a link is no part of a package that verifies")
	require.NoError(t, os.Remove(filepath.Join(dir, "notebook")))
	left, err := Release(l, dir, d)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{`"letter.txt"`, `"journal/mine"`}, left)
	require.Equal(t, "dear", string(slurp(t, dir, "letter.txt")))
	require.Equal(t, "own", string(slurp(t, dir, "journal/mine")))
}

func TestAPackageStaysUnlessAllThatThePolicyWantsIsThere(t *testing.T) {
	for says, harm := range map[string]func(dir string, d *Departure){
		"names no sink":                         func(_ string, d *Departure) { d.Policy.Sinks = nil },
		`sink "plant" has acknowledged nothing`: func(_ string, d *Departure) { d.Policy.Sinks = append(d.Policy.Sinks, "plant") },
		"has acknowledged records up to 3 of":   func(_ string, d *Departure) { d.Acks[0].At.N = 3 },
		"has acknowledged another journal":      func(_ string, d *Departure) { d.Acks[0].At.Link[0] ^= 1 },
		"its last record is 59m59s old":         func(_ string, d *Departure) { d.Now -= int64(time.Hour + time.Second) },
		"it does not verify":                    func(dir string, _ *Departure) { touch(t, dir, "events.tsv") },
		"name of who has it done":               func(_ string, d *Departure) { d.Actor = "" },
		"in use": func(dir string, _ *Departure) {
			c, err := journal.Claim(filepath.Join(dir, journalDir), nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
		},
	} {
		t.Run(says, func(t *testing.T) {
			dir, d := leaving(t)
			harm(dir, d)
			before := everything(t, dir)
			l := &logged{t: t}
			_, err := Release(l, dir, d)
			require.ErrorContains(t, err, says)
			require.Empty(t, l.recs, "no record either")
			require.Equal(t, before, everything(t, dir))
		})
	}
}

func TestAReleaseThatIsCutAnywhereIsFinishedAtTheNextStart(t *testing.T) {
	dir, d := leaving(t)
	whole := t.TempDir()
	require.NoError(t, os.CopyFS(whole, os.DirFS(dir)))
	l := &logged{t: t}
	_, err := Release(l, dir, d)
	require.NoError(t, err)
	rec := l.recs[len(l.recs)-1]
	out := filepath.Dir(dir)
	var names []string
	for row := range strings.Lines(string(slurp(t, whole, sumsName))) {
		if name := strings.TrimSpace(row[66:]); name != manifestName {
			names = append(names, name)
		}
	}
	require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
	before := everything(t, dir)
	_, err = FinishRelease(out, rec)
	require.NoError(t, err)
	require.Equal(t, before, everything(t, dir), "what is whole may have been put back, and stays")
	require.NoError(t, os.RemoveAll(dir))
	for cut := 1; cut < len(names)+2; cut++ {
		require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
		for _, name := range append(names, sumsName)[:cut] {
			require.NoError(t, os.Remove(filepath.Join(dir, filepath.FromSlash(name))))
		}
		left, err := FinishRelease(out, rec)
		require.NoError(t, err)
		require.Empty(t, left, "cut %d", cut)
		require.NoDirExists(t, dir)
	}
	left, err := FinishRelease(out, rec)
	require.NoError(t, err, "nothing is left to do")
	require.Empty(t, left)
	other := packed(t, "B-0001", batch.Unapproved)
	require.NoError(t, os.CopyFS(dir, os.DirFS(other)))
	_, err = FinishRelease(out, rec)
	require.NoError(t, err)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), "another package in the same place is another package: %s", rep.Verdict())
}

func TestWhatALinkLeadsToIsNotReleasedNorACopyUnderAnotherName(t *testing.T) {
	dir, d := leaving(t)
	out := t.TempDir()
	there := filepath.Join(out, "B-0001")
	require.NoError(t, os.Symlink(dir, there))
	before, l := everything(t, dir), &logged{t: t}
	_, err := Release(l, there, d)
	require.ErrorIs(t, err, ErrStays)
	require.ErrorContains(t, err, "a link")
	require.Equal(t, before, everything(t, dir))

	copied := filepath.Join(out, "B-0001 copy")
	require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
	_, err = Release(l, copied, d)
	require.ErrorIs(t, err, ErrStays, "what a cut leaves of it could not be found, and another of its name could")
	require.Empty(t, l.recs)

	_, err = Release(l, dir, d)
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(dir, os.DirFS(packed(t, "B-0001", approved{}))))
	require.NoError(t, os.Remove(filepath.Join(dir, eventsName)))
	before = everything(t, dir)
	_, err = FinishRelease(out, l.recs[len(l.recs)-1])
	require.NoError(t, err)
	require.Equal(t, before, everything(t, dir), "it is not below out")
}
