// The blind table: what can be done to a package without its being found, by one who has no key. Each row is demonstrated.

package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// The rows of the blind table.
const (
	rewritten   = "records changed, and all hashed anew, where neither journal/ nor a signature is in the package"
	tailCut     = "records cut off at the end, and all made anew, where neither journal/, signature nor anchor tells"
	journalLess = "journal/ left out as a whole, or not listed"
	unusedBytes = "bytes of journal/ that no record needs: padding, the second copy of a header, the reserve"
	ownKey      = "all made anew without signatures, or signed with another key, where the reader knows no key"
	lastNote    = "the note of the last head, which no record holds, taken away"
	behindHead  = "records behind a signed head changed, and all made anew, with the heads behind it taken away"
)

// blindRow finds the row of the table in which a mutation stands that was not found; "" where it stands in none.
func blindRow(t testing.TB, v *victim, strength int) string {
	events, err := os.ReadFile(filepath.Join(v.dir, eventsName))
	require.NoError(t, err)
	if strength == resigned {
		return v.row
	}
	if !bytes.Equal(events, v.files[eventsName]) && slices.ContainsFunc(v.names, func(name string) bool {
		return strings.HasPrefix(name, segmentsDir+"/")
	}) {
		return "" // journal/ is there, and tells
	}
	switch same := bytes.Equal(events, v.files[eventsName]); {
	case !same && strength == rechained && bytes.HasPrefix(v.files[eventsName], events):
		return tailCut
	case !same && strength == rechained:
		return rewritten
	case !same:
		return ""
	}
	if v.forge != nil && strength == resummed && onlyLastNoteGone(v) {
		return lastNote
	}
	inJournal, outside := false, false
	for _, name := range v.names {
		data, err := os.ReadFile(filepath.Join(v.dir, name))
		switch changed := err != nil || !bytes.Equal(data, v.files[name]); {
		case !changed || name == sumsName:
		case strings.HasPrefix(name, journalDir+"/"):
			inJournal = true
		default:
			outside = true
		}
	}
	found, err := journal.Scan(filepath.Join(v.dir, journalDir), nil, nil)
	switch {
	case outside || err != nil:
		return ""
	case found.Outcome == journal.None:
		return journalLess
	case inJournal && strength == resummed:
		return unusedBytes
	}
	return ""
}

// onlyLastNoteGone tells whether nothing was done to a package but to take away the note of its last head, and to hash anew.
func onlyLastNoteGone(v *victim) bool {
	last := v.forge.heads[len(v.forge.heads)-1].File
	return !slices.ContainsFunc(v.names, func(name string) bool {
		data, err := os.ReadFile(filepath.Join(v.dir, name))
		switch name {
		case sumsName:
			return err != nil
		case last:
			return !os.IsNotExist(err)
		}
		return err != nil || !bytes.Equal(data, v.files[name])
	})
}

// unfound tells that a package verifies, and returns what its report calls not proven.
func unfound(t *testing.T, dir string) string {
	t.Helper()
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	return strings.Join(append(rep.NotProven, rep.Verdict()), "\n")
}

func TestEachRowOfTheBlindTableIsBlindAndTheReportSaysSo(t *testing.T) {
	v := newVictim(t, "whole", packed(t, "B-0001", approved{}))
	t.Run(rewritten, func(t *testing.T) {
		edit := func() func(uint64, []byte) []byte {
			return replaced("command", 1, `"operator_id":"o.shift"`, `"operator_id":"o.day"`)
		}
		require.Contains(t, unfound(t, forge(t, v.dir, edit())), "records that were all hashed again do not show")
		defer v.mend(t)
		all, one := bodies(t, v.files[eventsName]), edit()
		for i := range all {
			all[i] = one(uint64(i)+1, all[i])
		}
		put(t, v.dir, eventsName, chained(all))
		v.remake(t)
		failed(t, v.dir, "journal") // journal/ tells, as long as it is not written anew, too
	})
	t.Run(tailCut, func(t *testing.T) {
		bare := newVictim(t, "bare", clone(t, v.dir))
		require.NoError(t, os.RemoveAll(filepath.Join(bare.dir, journalDir)))
		all := bodies(t, v.files[eventsName])
		put(t, bare.dir, eventsName, chained(all[:place(t, v.dir, "window_start/1")]))
		for _, w := range []string{"A", "B.2"} {
			require.NoError(t, os.Remove(filepath.Join(bare.dir, "samples", w+sampleSuffix)))
		}
		bare.remake(t)
		words := unfound(t, bare.dir)
		require.Contains(t, words, "the run has not ended")
		require.Contains(t, words, "records cut off at the end, with manifest and sums made again, do not show")
	})
	t.Run(journalLess, func(t *testing.T) {
		dir := clone(t, v.dir)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
		unfound(t, dir)
		resum(t, dir)
		unfound(t, dir)
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.Contains(t, found(rep, "journal").Detail, "is not in the package")
	})
	t.Run(unusedBytes, func(t *testing.T) {
		defer v.mend(t)
		name := "journal/segments/00000001.seg"
		data := bytes.Clone(v.files[name])
		data[len(data)-1] ^= 1 // of the reserve
		put(t, v.dir, name, data)
		resum(t, v.dir)
		unfound(t, v.dir)
	})
}

// The rows of extracts, and of files that are none of the package's.
func TestWhatIsLeftOutOfAnExtractAndWhatLiesBesideAPackageIsNotFound(t *testing.T) {
	full := packed(t, "B-0001", approved{})
	part := filepath.Join(t.TempDir(), "x")
	q, err := ParseQuery([]string{"kind=command", "kind=boot"})
	require.NoError(t, err)
	_, err = Export(full, part, q)
	require.NoError(t, err)
	t.Run("a body more that is left out of an extract", func(t *testing.T) {
		lines := bytes.SplitAfter(slurp(t, part, eventsName), []byte{'\n'})
		n := place(t, full, "boot/1") - 1
		ln := parseLine(bytes.TrimSuffix(lines[n], []byte{'\n'}))
		lines[n] = appendLine(nil, ln.seq, ln.leaf, ln.link, nil)
		put(t, part, eventsName, bytes.Join(lines, nil))
		rederive(t, part)
		p, err := openPackage(part)
		require.NoError(t, err)
		defer p.root.Close()
		p.readPart()
		require.NoError(t, p.checkExtract())
		m, err := p.excerpt.manifest(p.head).encode()
		require.NoError(t, err)
		put(t, part, manifestName, m)
		resum(t, part)
		require.Contains(t, unfound(t, part), "that none of them should have been selected")
	})
	t.Run("a file beside the package", func(t *testing.T) {
		put(t, full, "report.html", []byte("all is well"))
		unfound(t, full)
		rep, err := Verify(full)
		require.NoError(t, err)
		require.Equal(t, []string{"report.html"}, rep.Other)
	})
}
