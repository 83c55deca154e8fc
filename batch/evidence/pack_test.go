// Tests of packing: what a package holds, that it can be made again, and what is refused.

package evidence

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/sequencer"
)

func TestThePackageOfAFinishedRunHoldsWhatItsManifestSays(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	wholeRun(t, dir, b)
	m, err := Pack(dir, b)
	require.NoError(t, err)

	data := slurp(t, dir, manifestName)
	read, err := parseManifest(data)
	require.NoError(t, err)
	require.Equal(t, m, read)
	require.Equal(t, "B-0001", m.BatchID)
	require.Equal(t, "J-B-0001", m.JournalID)
	require.Equal(t, "Complete", m.BatchState)
	require.Equal(t, int64(batch.Engine), m.Engine)
	require.Equal(t, "none", m.Anchor)
	require.Equal(t, "CLEAN", m.JournalOutcome)
	require.False(t, m.Unapproved)
	require.Contains(t, string(data), `"last_seq":"`, "64-bit counters are decimal strings")
	require.NotContains(t, string(data), "\n")

	require.Len(t, m.Files, 3)
	for i, f := range m.Files {
		require.Equal(t, b.Plan.Files[i].Data, slurp(t, dir, "files/"+f.Name))
		require.Equal(t, b.Plan.Files[i].Digest, f.Digest)
		require.Equal(t, "AP-"+f.ObjectKind, f.ApprovalID)
	}
	require.Len(t, m.Windows, 2)
	for i, w := range m.Windows {
		require.Equal(t, []string{"A", "B.2"}[i], w.MeterWindowID)
		require.Equal(t, int(w.Samples), strings.Count(string(slurp(t, dir, "samples/"+w.Name)), "\n"))
	}
	require.Contains(t, string(slurp(t, dir, "samples/A.tsv")), "\t65520\tGOOD\n", "the reading in force when the window opened")
	require.Contains(t, string(slurp(t, dir, "samples/B.2.tsv")), "\t\tBAD\n", "a value that its source disowned has no number")
	require.Len(t, bodies(t, slurp(t, dir, eventsName)), int(m.LastSeq))
	require.NotContains(t, string(slurp(t, dir, sumsName)), "lock")
}

func TestASecondPackWritesTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	wholeRun(t, dir, b)
	_, err := Pack(dir, b)
	require.NoError(t, err)
	first := everything(t, dir)
	for _, name := range [...]string{sumsName, "samples/A.tsv"} {
		require.NoError(t, os.Remove(filepath.Join(dir, name)), "as if the first Pack had been cut off")
	}
	put(t, dir, eventsName+tempSuffix, []byte("left over"))
	_, err = Pack(dir, b)
	require.NoError(t, err)
	require.Equal(t, first, everything(t, dir))
}

// everything reads all files below a directory.
func everything(t *testing.T, dir string) map[string]string {
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			data, err := os.ReadFile(path)
			all[path] = string(data)
			return err
		}
		return err
	}))
	return all
}

func TestABatchThatWasCutIsPackedAndPackedAgainWhenItHasEnded(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", batch.Unapproved)
	r := begin(t, dir, b)
	r.rounds(0, 6)
	r.end()
	m, err := Pack(dir, b)
	require.NoError(t, err)
	require.Equal(t, "Running", m.BatchState)
	require.True(t, m.Unapproved)
	require.Empty(t, m.Windows, "window A is still open")
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())

	r.w, _, err = journal.Open(filepath.Join(dir, journalDir), journal.Header{JournalID: b.JournalID}, nil)
	require.NoError(t, err)
	r.now += 5 * ms
	r.step(batch.Event{Kind: batch.Boot, Epoch: r.w.Header().Epoch})
	r.rounds(6, 200)
	require.Equal(t, sequencer.Complete, r.m.State())
	r.end()
	longer, err := Pack(dir, b)
	require.NoError(t, err)
	require.Greater(t, longer.LastSeq, m.LastSeq)
	require.Len(t, longer.Windows, 2)
	rep, err = Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
}

func TestATornTailIsPackedAndNamedAndADamagedJournalIsNot(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 6)
	require.NoError(t, r.w.Commit())
	r.rounds(6, 200)
	require.NoError(t, r.w.Commit())
	torn := clone(t, dir) // before anything promises that the last group is durable
	r.end()

	name := filepath.Join(torn, journalDir, "segments", "00000001.seg")
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	last := strings.LastIndex(string(data), `"event_type":`)
	data[last]++
	require.NoError(t, os.WriteFile(name, data, 0o640))
	m, err := Pack(torn, b)
	require.NoError(t, err)
	require.Equal(t, "TORN_TAIL", m.JournalOutcome)
	rep, err := Verify(torn)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())

	name = filepath.Join(dir, journalDir, "segments", "00000001.seg")
	data, err = os.ReadFile(name)
	require.NoError(t, err)
	data[strings.Index(string(data), `"event_type":`)]++
	require.NoError(t, os.WriteFile(name, data, 0o640))
	_, err = Pack(dir, b)
	require.ErrorIs(t, err, ErrJournal)
	require.ErrorContains(t, err, "DAMAGED")
	require.NoFileExists(t, filepath.Join(dir, eventsName))
	require.NoFileExists(t, filepath.Join(dir, eventsName+tempSuffix))
}

func TestPackRefusesWhatIsNotThisBatch(t *testing.T) {
	one, two := tinyBatch(t, "B-0001", approved{}), tinyBatch(t, "B-0002", approved{})
	whole := packed(t, "B-0001", approved{})
	other := packed(t, "B-0002", approved{})
	for _, c := range []struct {
		name string
		b    *batch.Batch
		make func(dir string)
		want error
		says string
	}{
		{"a package of another batch", two, func(string) {}, ErrOther, "holds batch B-0001, journal J-B-0001"},
		{"a journal of another batch", two, func(dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, manifestName)))
		}, ErrOther, "is that of batch B-0001"},
		{"a journal that lacks records of the package", one, func(dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
			r := begin(t, dir, one)
			r.rounds(0, 6)
			r.end()
		}, ErrOther, "the journal does not"},
		{"a journal that was put in place of the package's", one, func(dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
			require.NoError(t, os.CopyFS(filepath.Join(dir, journalDir), os.DirFS(filepath.Join(other, journalDir))))
		}, ErrOther, "is that of batch B-0002"},
		{"a manifest that cannot be read", one, func(dir string) { put(t, dir, manifestName, []byte("{}")) }, ErrOther, "move it away"},
		{"a governed file that was changed", one, func(dir string) { put(t, dir, "files/map.yaml", []byte("mapping: other")) }, ErrOther,
			"is not the mapping of batch B-0001"},
		{"a governed file that is gone", one, func(dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "files/map.yaml")))
		}, fs.ErrNotExist, "map.yaml"},
		{"no journal", one, func(dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir))) }, ErrJournal, "is NONE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := clone(t, whole)
			c.make(dir)
			before := everything(t, dir)
			_, err := Pack(dir, c.b)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, before, everything(t, dir), "what lies there stays as it is")
		})
	}
	_, err := Pack(filepath.Join(whole, "nowhere"), one)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestGovernedFilesAreNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	require.NoError(t, WriteFiles(dir, b))
	require.NoError(t, WriteFiles(dir, b), "the same files may lie there")
	require.Equal(t, b.Plan.Files[2].Data, slurp(t, dir, "files/calibration.yaml"))
	put(t, dir, "files/map.yaml", []byte("mapping: other"))
	require.ErrorIs(t, WriteFiles(dir, b), ErrOther)
	require.ErrorIs(t, WriteFiles(filepath.Join(dir, "nowhere"), b), fs.ErrNotExist)
}
