// Tests of the limits of a package, and of what its text may do to a terminal.

package evidence

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
)

func TestFilesThatAreLargerThanTheyCanBeAreNamedAndNotRead(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for name, c := range map[string]struct {
		most  int64
		check string // that cannot be made without it
	}{eventsName: {MaxEvents, "chain"}, manifestName: {MaxManifest, "manifest"}, "files/map.yaml": {batch.MaxFile, "files"},
		"samples/A.tsv": {MaxEvents, "samples"}, "journal/segments/00000001.seg": {maxSegment, "journal"},
		"journal/quarantine/1.torn": {maxSegment, "journal"}} {
		t.Run(name, func(t *testing.T) {
			dir := clone(t, dir)
			put(t, dir, "journal/quarantine/1.torn", nil)
			resum(t, dir)
			require.NoError(t, os.Truncate(filepath.Join(dir, name), c.most+1)) // sparse
			got := failed(t, dir, "sums")
			require.Equal(t, name, got.File)
			require.Equal(t, fmt.Sprintf("it is larger than it can be, %d bytes", c.most), got.Detail)
			require.Zero(t, got.More, "listed it is still")
			failed(t, dir, c.check)
			root, err := os.OpenRoot(dir)
			require.NoError(t, err)
			defer root.Close()
			tree, err := list(root)
			require.NoError(t, err)
			require.NotContains(t, tree.files, name)
		})
	}
	require.NoError(t, os.Truncate(filepath.Join(dir, sumsName), maxSums+1))
	require.Contains(t, failed(t, dir, "sums").Detail, "larger than it can be")
}

func TestSamplesThatAreNoLinesAreNotTakenIn(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	require.NoError(t, os.Truncate(filepath.Join(dir, "samples/A.tsv"), 1<<20))
	resum(t, dir)
	failed(t, dir, "samples")
	failed(t, dir, "totals")
}

func TestAPackageThatIsTooLargeAsAWholeIsRefusedBeforeItIsRead(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for i := range MaxBytes/MaxEvents + 1 {
		name := fmt.Sprintf("samples/%d.tsv", i)
		put(t, dir, name, nil)
		require.NoError(t, os.Truncate(filepath.Join(dir, name), MaxEvents)) // sparse
	}
	_, err := Verify(dir)
	require.ErrorContains(t, err, "more than 17179869184 bytes together")
}

func TestAJournalIsLeftOutAsAWholeAndNotInPart(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	put(t, dir, "journal/quarantine/1.torn", []byte("torn"))
	resum(t, dir)
	for _, name := range []string{"journal/quarantine/1.torn", "journal/segments/00000001.seg"} {
		part := clone(t, dir)
		require.NoError(t, os.Remove(filepath.Join(part, name)))
		got := failed(t, part, "sums")
		require.Equal(t, name, got.File)
		require.Contains(t, got.Detail, "listed in SHA256SUMS and absent")
	}
	require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, found(rep, "sums").Detail, "left out as a whole, so listed and absent: journal/quarantine/1.torn, journal/segments/00000001.seg")
	require.Contains(t, found(rep, "journal").Detail, "not in the package")
}

func TestFilesThatAreAbsentAreListedTogether(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	require.NoError(t, os.RemoveAll(filepath.Join(dir, filesDir)))
	got := failed(t, dir, "sums")
	require.Equal(t, "files/calibration.yaml", got.File)
	require.Equal(t, "listed in SHA256SUMS and absent: files/calibration.yaml, files/map.yaml, files/recipe.yaml", got.Detail)
	require.Equal(t, "a, b, c, d, e and 2 more", few([]string{"a", "b", "c", "d", "e", "f", "g"}))
}

func TestSumsVouchForNothingThatBelongsToNoPackage(t *testing.T) {
	for _, name := range []string{"report.html", "journal/segments/1.seg", "journal/notes.txt", "notes/files/x"} {
		dir := packed(t, "B-0001", approved{})
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750))
		put(t, dir, name, []byte("<p>"))
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Equal(t, []string{name}, rep.Other)
		var sums []byte
		lines := bytes.SplitAfter(slurp(t, dir, sumsName), []byte{'\n'})
		row := fmt.Appendf(nil, "%064d  %s\n", 0, name)
		for _, line := range lines {
			if row != nil && (len(line) == 0 || bytes.Compare(line[64:], row[64:]) > 0) {
				sums, row = append(sums, row...), nil
			}
			sums = append(sums, line...)
		}
		put(t, dir, sumsName, sums)
		got := failed(t, dir, "sums")
		require.Equal(t, name, got.File)
		require.Contains(t, got.Detail, "belongs to no package")
	}
}

func TestPlainShowsWhatCannotBeSeen(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"XV1 öffnen, 开阀, 20 °C":  "XV1 öffnen, 开阀, 20 °C",
		"red\x1b[31m":            `red\u001b[31m`,
		"c1 \u009b31m":           `c1 \u009b31m`,
		"two\nlines\r\x00\x7f":   `two\u000alines\u000d\u0000\u007f`,
		"abc\u202egnp.exe":       `abc\u202egnp.exe`,
		"\u2066isolate\u2069":    `\u2066isolate\u2069`,
		"\u200fmark\u061c":       `\u200fmark\u061c`,
		"B-\u200b0001\u200d":     `B-\u200b0001\u200d`,
		"\ufeffB-0001\u2060":     `\ufeffB-0001\u2060`,
		"soft\u00adhyphen":       `soft\u00adhyphen`,
		"no\u00a0break\u2003odd": `no\u00a0break\u2003odd`,
		"line\u2028paragraph":    `line\u2028paragraph`,
		"filler\u3164\u2800":     `filler\u3164\u2800`,
		"variant\ufe0f\u034f":    `variant\ufe0f\u034f`,
		"tag\U000e0041":          `tag\ue0041`,
		"not UTF-8 \xff\xfe.":    "not UTF-8 ?.",
	} {
		require.Equal(t, want, Plain(text))
		require.Equal(t, want, Plain(Plain(text)))
	}
}

func TestControlCharactersOfAPackageDoNotReachTheTerminal(t *testing.T) {
	dir := forge(t, packed(t, "B-0001", approved{}), func(_ uint64, body []byte) []byte {
		return bytes.Replace(body, []byte(`"batch_id":"B-0001"`), []byte(`"batch_id":"B\u001b[2J"`), 1)
	})
	if runtime.GOOS != "windows" { // there no name can hold one
		put(t, dir, "x\x1b[2J", nil)
	}
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.NotContains(t, fmt.Sprint(*rep), "\x1b")
}
