// The bus of the plant in place of a server of each board.

package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/bus"
)

func TestTheDemoOfThreeBoardsRunsOnTheBusOfThePlant(t *testing.T) {
	if !long() {
		t.Skip("three boards once more: BATCHKIT_LONG=1 runs it")
	}
	if aside(t) {
		return
	}
	t.Chdir(t.TempDir())
	t.Setenv(asCommand, "1")
	var out, wrong said
	s := &session{flags: flags{dir: "x", nodes: 3, groups: groups{}, offsets: offsets{}}, stdout: &wrong, stderr: &wrong}
	_, err := s.prepare() // the bus of the plant is to know who may do what
	require.NoError(t, err)
	users, err := usersOf("x/n1")
	require.NoError(t, err)
	at, err := freePorts(1)
	require.NoError(t, err)
	keys := "x/n1/" + dirKeys
	server, err := bus.NewServer(&bus.ServerOptions{Node: "plant1", Listen: at[0], Dir: t.TempDir(), MaxStore: busStore, MaxMemory: busMemory, Log: logName, Users: users,
		CA: filepath.Join(keys, fileCA), Cert: filepath.Join(keys, fileCert), Key: filepath.Join(keys, fileKey)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	require.NoError(t, server.Ready(ctx))
	code := run(t.Context(), []string{"-plain", "-nodes", "3", "-dir", "x", "-nats", "tls://" + at[0]}, &out, &wrong)
	require.Equal(t, exitOK, code, out.String()+wrong.String())
	require.Len(t, verifiedOn.FindAllString(out.String(), -1), 9, out.String())
	for _, want := range []string{"9 of 9 batches are complete", "none of what another had", "the ledgers of n1, n2, n3 say the same", "each up to its end"} {
		require.Contains(t, out.String(), want)
	}
	_, err = os.Stat("x/n1/streams")
	require.ErrorIs(t, err, os.ErrNotExist, "no board has a server of its own")
}
