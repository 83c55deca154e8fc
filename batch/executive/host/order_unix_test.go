// What a runner may have put in the place of its order.

//go:build unix

package host

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnOrderIsWrittenNowhereElseThanInItsDirectory(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, []byte("kept"), 0o600))
	require.NoError(t, os.Symlink(other, filepath.Join(dir, orderFile+".tmp")))
	require.NoError(t, os.Symlink(other, filepath.Join(dir, orderFile)))
	_, err := ReadOrder(dir)
	require.ErrorContains(t, err, "no file that was written there")
	o := Order{Batch: "B-0001", Recipe: "FILL", Operator: "op1"}
	require.NoError(t, WriteOrder(dir, o))
	text, err := os.ReadFile(other)
	require.NoError(t, err)
	require.Equal(t, "kept", string(text))
	got, err := ReadOrder(dir)
	require.NoError(t, err)
	require.Equal(t, o, got)
}

func TestAPipeInThePlaceOfAnOrderHoldsUpNobody(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, orderFile), 0o600))
	_, err := ReadOrder(dir)
	require.ErrorContains(t, err, "no file that was written there")
}

func TestAnOrderThatTheManagerHasNotWrittenIsNoneToIt(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	dir := t.TempDir()
	o := Order{Batch: "B-0001", Recipe: "FILL", Operator: "op1"}
	require.NoError(t, WriteOrder(dir, o))
	got, err := ReadOwnOrder(dir)
	require.NoError(t, err)
	require.Equal(t, o, got)
	require.NoError(t, os.Chown(filepath.Join(dir, orderFile), 65534, 0))
	_, err = ReadOwnOrder(dir)
	require.ErrorContains(t, err, "belongs to user 65534")
	require.NoError(t, os.Chown(filepath.Join(dir, orderFile), 0, 0))
	require.NoError(t, os.Link(filepath.Join(dir, orderFile), filepath.Join(dir, "kept")))
	_, err = ReadOwnOrder(dir)
	require.ErrorContains(t, err, "2 names", "an older order can be kept and put back")
}
