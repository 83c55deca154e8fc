// Locks on Unix systems.

//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package journal

import (
	"path/filepath"
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
