// The system's storage: what it refuses, and how much it takes.

package journal

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileInThePlaceOfADirectoryIsAnError(t *testing.T) {
	name := filepath.Join(t.TempDir(), "j")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	require.ErrorIs(t, system{}.Mkdir(name), fs.ErrExist)
	require.Error(t, system{}.SyncDir(filepath.Join(name, "none")))
}

func TestAFileLargerThanAnySegmentIsNotRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte("begin"), 0o600))
	for size, ok := range map[int64]bool{5: true, maxSegment: true, maxSegment + 1: false} {
		require.NoError(t, os.Truncate(name, size))
		b, err := system{}.Read(name, 8, nil)
		if !ok {
			require.ErrorContains(t, err, "more than any file of a journal")
			continue
		}
		require.NoError(t, err)
		require.Len(t, b, min(8, int(size)))
	}
	require.NoError(t, os.Truncate(name, 5))
	b, err := system{}.Read(name, maxSegment, nil)
	require.NoError(t, err)
	require.Len(t, b, 5)
	require.Less(t, cap(b), 4096, "a small file takes little")
}
