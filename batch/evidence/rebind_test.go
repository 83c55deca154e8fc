// Tests of Rebind: the batch of a run that was cut short, from nothing but its journal and its files.

package evidence

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
)

func TestABatchThatWasCutShortIsBoundAgainToAllThatItWasBoundTo(t *testing.T) {
	for name, rel := range map[string]batch.Release{"approved": approved{}, "unapproved": batch.Unapproved} {
		t.Run(name, func(t *testing.T) {
			dir, b := t.TempDir(), tinyBatch(t, "B-0001", rel)
			b.RestartOf, b.Model = "B-0000", 17
			r := begin(t, dir, b)
			r.rounds(0, 5)
			r.end()
			before := everything(t, dir)
			got, err := Rebind(dir)
			require.NoError(t, err)
			require.Equal(t, []any{b.ID, b.JournalID, b.Operator, b.Size, b.Seed, b.RestartOf, b.Model, b.Approvals},
				[]any{got.ID, got.JournalID, got.Operator, got.Size, got.Seed, got.RestartOf, got.Model, got.Approvals})
			require.Equal(t, len(b.Plan.Files), len(got.Plan.Files))
			for i, f := range b.Plan.Files {
				require.Equal(t, f.Digest, got.Plan.Files[i].Digest)
			}
			relived(t, dir, got) // the batch that was bound again decides as the first one did
			require.Equal(t, before, everything(t, dir))
		})
	}
}

func TestABatchIsNotBoundAgainToAnythingElse(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, dir string)
		says string
	}{
		"no journal":       {func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir))) }, "journal"},
		"no files":         {func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, filesDir))) }, "has no file with the digest of the recipe TINY 1.0"},
		"an edited recipe": {func(t *testing.T, dir string) { touch(t, dir, "files/recipe.yaml") }, "has no file with the digest of the recipe TINY 1.0"},
		"an edited map":    {func(t *testing.T, dir string) { touch(t, dir, "files/map.yaml") }, "has no file with the digest of the mapping TINY-IO 7"},
		"a damaged journal": {func(t *testing.T, dir string) {
			name := filepath.Join(dir, filepath.FromSlash(segmentsDir), "00000001.seg")
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			data[2048] ^= 1
			require.NoError(t, os.WriteFile(name, data, 0o640))
		}, "it is DAMAGED"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := begin(t, dir, tinyBatch(t, "B-0001", approved{}))
			r.rounds(0, 5)
			r.end()
			c.harm(t, dir)
			before := everything(t, dir)
			_, err := Rebind(dir)
			require.ErrorIs(t, err, ErrJournal)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, before, everything(t, dir))
		})
	}
}

// touch appends a comment to a file.
func touch(t *testing.T, dir, name string) {
	t.Helper()
	data := slurp(t, dir, name)
	require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), append(data, "# touched\n"...), 0o640))
}
