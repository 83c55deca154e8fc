// Locks, pipes and full media on Unix systems.

//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALockIsGivenBackAlthoughAProcessThatIsBeingStartedHasACopyOfIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	w, err := Create(dir, Header{JournalID: "a"}, nil)
	require.NoError(t, err)
	inherited, err := syscall.Dup(int(w.lock.(lock).Fd())) // as fork does, until exec closes it
	require.NoError(t, err)
	defer syscall.Close(inherited)
	require.NoError(t, w.Close())
	w, _, err = Open(dir, Header{JournalID: "a"}, nil)
	require.NoError(t, err)
	require.NoError(t, w.Close())
}

func TestALockThatCannotBeTakenIsAnError(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Error(t, lockFile(f))
}

func TestAPipeIsNoFileToRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	_, err := system{}.Read(name, maxSegment, nil)
	require.ErrorContains(t, err, "not a regular file")
}

func TestAFullMediumHasThreeNames(t *testing.T) {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, ErrDiskFull} {
		err := full(fmt.Errorf("write: %w", e))
		require.ErrorIs(t, err, ErrDiskFull)
		require.ErrorIs(t, err, e)
		require.Equal(t, 1, strings.Count(err.Error(), ErrDiskFull.Error()), "%v", err)
		require.Contains(t, remedy(e), "free some space")
	}
	require.NotErrorIs(t, full(syscall.EIO), ErrDiskFull)
	require.Contains(t, remedy(syscall.EIO), "check the medium")
}
