// The whole of several boards, in processes.

package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/bus"
	"github.com/batchkit/batchkit/batch/executive/registry"
)

// hubLeft is the line that says where the journals of the hub are.
var hubLeft = regexp.MustCompile(`examples/evidence hub -dir (\S+) `)

// verifiedOn is the line of a batch of a board whose evidence is whole.
var verifiedOn = regexp.MustCompile(`(?m)^n[123]\.B-\d+  .*; verified, .*$`)

func TestTheDemoOfThreeBoardsLeavesNineVerifiedPackagesOneArbitrationAndAllJournalsAtTheHub(t *testing.T) {
	if aside(t) {
		return
	}
	t.Chdir(t.TempDir())
	t.Setenv(asCommand, "1")
	var out, wrong said
	code := run(t.Context(), []string{"-plain", "-nodes", "3"}, &out, &wrong)
	require.Equal(t, exitOK, code, out.String()+wrong.String())
	require.Len(t, verifiedOn.FindAllString(out.String(), -1), 9, out.String())
	for _, want := range []string{"9 of 9 batches are complete", "none of what another had", "the ledgers of n1, n2, n3 say the same", "each up to its end"} {
		require.Contains(t, out.String(), want)
	}
	left := hubLeft.FindStringSubmatch(out.String())
	require.NotNil(t, left, out.String())
	h, err := hub.Open(left[1], nil)
	require.NoError(t, err, "the demo is over, and so is its hub")
	defer h.Close()
	has := func(st hub.Status) bool { return st.Node == "n1" && st.Held > 0 && st.Trouble == "" }
	require.True(t, slices.ContainsFunc(h.Journals(), has), "what the demo names has the journals")
}

func TestWhatAPlantsServersAreToBeSetByLetsInAllBoardsTheHubAndAPerson(t *testing.T) {
	dir := t.TempDir()
	s := &session{flags: flags{dir: dir, nodes: 3, nats: "nats://127.0.0.1:1"}, stdout: io.Discard, stderr: io.Discard}
	_, err := s.prepare()
	require.NoError(t, err)
	name := filepath.Join(dir, fileSetting)
	set, err := server.ProcessConfigFile(name)
	require.NoError(t, err)
	require.True(t, set.SyncAlways)
	require.True(t, filepath.IsAbs(set.StoreDir), "not where the system empties it")
	var in []string
	for _, u := range set.Nkeys {
		in = append(in, u.Nkey)
	}
	for _, who := range []string{"n1", "n2", "n3", hubRole, person} {
		key, err := bus.ReadKey(filepath.Join(dir, who, dirKeys, fileSeed))
		require.NoError(t, err)
		require.Contains(t, in, key.Public, who)
	}
	before, err := os.ReadFile(name)
	require.NoError(t, err)
	_, err = s.prepare()
	require.NoError(t, err)
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "another start wants no other setting")
}

func TestWhoOrdersByTheBusIsBelievedToBeWhomTheBusNamesAndNobodyWhereTheSystemHasNoUsers(t *testing.T) {
	order := &api.Order{Operator: "nats:" + person, Role: "operator", Reason: "a look"}
	for uid, may := range map[int]bool{991: true, -1: false} {
		text, err := rightsOf(uid)
		require.NoError(t, err)
		rights, err := registry.ParseRights("rights.yaml", text)
		require.NoError(t, err, string(text))
		actor, _, err := rights.Allow(api.Peer{UID: uid, PID: 1}, order, api.MayCreate)
		require.Equal(t, may, err == nil, err)
		if may {
			require.Equal(t, "nats:desk", actor)
		}
		_, _, err = rights.Allow(api.Peer{UID: 1000, PID: 1}, order, api.MayCreate)
		require.Error(t, err, "another user of the board is no edge")
	}
}

func TestTwoBoardsAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, count := range []string{"1", "2", "8"} {
		var out, wrong said
		require.Equal(t, exitFailed, run(t.Context(), []string{"up", "-nodes", count}, &out, &wrong))
		require.Contains(t, wrong.String(), "3 to 7 are taken")
	}
}
