// Tests of who listens where: sockets in a directory, and in memory.

package api

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASocketIsThereWhenItCanBeConnectedToAndGoesWithItsListener(t *testing.T) {
	t.Chdir(t.TempDir()) // where temporary files have a long name, too
	n := Sockets(".")
	names, err := n.Names()
	require.NoError(t, err)
	require.Empty(t, names)
	l, err := n.Listen("B-0001")
	require.NoError(t, err)
	path := n.path("B-0001")
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
	require.Equal(t, path, l.Addr().String())
	require.NoError(t, os.WriteFile(filepath.Join(string(n), "file.sock"), nil, 0o600))
	names, err = n.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"B-0001"}, names)

	_, err = n.Listen("B-0001")
	require.ErrorContains(t, err, "another process listens there; end it first")
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	list, err := os.ReadDir(string(n))
	require.NoError(t, err)
	require.Len(t, list, 1, "nothing is left behind but what was there")

	_, err = n.Listen("file")
	require.ErrorContains(t, err, "it is there and no socket; remove it")
	_, err = n.Listen("../out")
	require.ErrorContains(t, err, "an identifier has")
	_, err = Listen(filepath.Join(string(n), strings.Repeat("x", 107)+".sock"))
	require.ErrorContains(t, err, "give a directory with a shorter name")
	names, err = Sockets(filepath.Join(string(n), "none")).Names()
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestTheSocketOfOneWhoDiedIsTakenOverAndNotTakenAwayAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "io.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	require.FileExists(t, path)
	n := Sockets(filepath.Dir(path))
	require.NoError(t, n.Forget("io"))
	require.NoFileExists(t, path)
	require.NoError(t, n.Forget("io"))
	dead, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	require.ErrorContains(t, n.Forget("io"), "another process listens there")
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	require.NoError(t, os.WriteFile(path+newSuffix, nil, 0o600), "what he left who died while he listened")

	first, err := Listen(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	second, err := Listen(path)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	c, err := net.Dial("unix", path)
	require.NoError(t, err, "the socket of the second is not the first's to remove")
	require.NoError(t, c.Close())
	require.NoError(t, second.Close())
	require.NoFileExists(t, path)
}

func TestOfManyWhoWantOneSocketOneGetsIt(t *testing.T) {
	for _, n := range []Network{Sockets(t.TempDir()), &Memory{}} {
		for range 20 {
			var got atomic.Int32
			var all sync.WaitGroup
			var winner net.Listener
			for range 8 {
				all.Go(func() {
					if l, err := n.Listen("manager"); err == nil {
						got.Add(1)
						winner = l
					}
				})
			}
			all.Wait()
			require.EqualValues(t, 1, got.Load())
			require.NoError(t, winner.Close())
		}
	}
}

func TestInMemoryOneListensByANameUntilHeCloses(t *testing.T) {
	var m Memory
	require.ErrorContains(t, m.Dial("io").Call(t.Context(), "GET", "/v1/self", nil, nil), "io: nobody listens")
	l, err := m.Listen("io")
	require.NoError(t, err)
	_, err = m.Listen("io")
	require.ErrorContains(t, err, "io listens already")
	names, err := m.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"io"}, names)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err = l.Accept()
	require.True(t, errors.Is(err, net.ErrClosed))
	again, err := m.Listen("io")
	require.NoError(t, err)
	require.NoError(t, l.Close(), "the first is not the second's to end")
	names, err = m.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"io"}, names)
	require.NoError(t, again.Close())
}
