// Available against what the system says.

//go:build darwin || linux

package journal_test

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/journal"
)

func TestAvailableIsWhatMayBeWrittenWithoutPrivileges(t *testing.T) {
	dir := t.TempDir()
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &s))
	free, err := journal.Available(dir)
	require.NoError(t, err)
	require.InDelta(t, float64(s.Bavail)*float64(s.Bsize), float64(free), 1<<30, "others may write meanwhile")
	_, err = journal.Available(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
