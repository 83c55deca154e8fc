// Who may change the model, and that those who may not are on record.

package registry_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/journal/record"
)

func TestRightsAreReadStrictly(t *testing.T) {
	r, err := registry.ParseRights("rights.yaml", []byte("schema_version: 1\nedges: [991]\nlocal: {\"1000\": operator, \"*\": viewer}\nroles:\n  operator: [create, command]\n  engineer: [\"*\"]\n  viewer: []\n"))
	require.NoError(t, err)
	require.True(t, r.May("operator", api.MayCreate))
	require.False(t, r.May("operator", api.MayChangeModel))
	require.True(t, r.May("engineer", api.MayChangeModel))
	require.False(t, r.May("viewer", api.MayCreate))
	require.False(t, r.May("", api.MayCreate))
	for src, want := range map[string]string{
		"schema_version: 1\n":                                       "roles",
		"schema_version: 1\nroles: {a: [fly]}\n":                    "must be one of create",
		"schema_version: 1\nroles: {a: []}\nlocal: {\"*\": b}\n":    "there is no role \"b\"",
		"schema_version: 1\nroles: {a: []}\nlocal: {root: a}\n":     "is no user id",
		"schema_version: 1\nroles: {a: []}\nlocal: {\"007\": a}\n":  "is no user id",
		"schema_version: 1\nroles: {a: []}\nedges: [-1]\n":          "from 0",
		"schema_version: 1\nroles: {a: []}\nadmin: [a]\n":           "unknown key",
		"schema_version: 2\nroles: {a: []}\nlocal: {\"1000\": a}\n": "schema_version",
	} {
		_, err := registry.ParseRights("r.yaml", []byte(src))
		require.ErrorContains(t, err, want, src)
	}
}

func TestOnlyAnEdgeSaysWhoItsOperatorIs(t *testing.T) {
	r := api.Rights{Edges: []int{991}, Local: map[string]string{"1000": "operator", "*": "viewer"}, Roles: map[string][]string{"operator": {"create"}, "viewer": {}, "qa": {"*"}}}
	for _, c := range []struct {
		peer        api.Peer
		order       api.Order
		actor, role string
		forged      bool
	}{
		{api.Peer{UID: 1000, PID: 1}, api.Order{}, "local:1000", "operator", false},
		{api.Peer{UID: 7, PID: 1}, api.Order{}, "local:7", "viewer", false},
		{api.Peer{UID: -1, PID: -1}, api.Order{}, "local:?", "", false},
		{api.Peer{UID: 991, PID: 1}, api.Order{Operator: "anna", Role: "qa"}, "anna", "qa", false},
		{api.Peer{UID: 991, PID: 1}, api.Order{}, "local:991", "viewer", false},
		{api.Peer{UID: 991, PID: 1}, api.Order{Role: "qa"}, "local:991", "viewer", true},
		{api.Peer{UID: 991, PID: 1}, api.Order{Operator: "local:1000", Role: "operator"}, "local:991", "viewer", true},
		{api.Peer{UID: 991, PID: -1}, api.Order{Operator: "anna", Role: "qa"}, "local:991", "", true},
		{api.Peer{UID: 1000, PID: 1}, api.Order{Operator: "local:1000", Role: "operator"}, "local:1000", "operator", false},
		{api.Peer{UID: 1000, PID: 1}, api.Order{Operator: "anna"}, "local:1000", "operator", true},
		{api.Peer{UID: 1000, PID: 1}, api.Order{Role: "qa"}, "local:1000", "operator", true},
	} {
		actor, role, err := r.Actor(c.peer, &c.order)
		require.Equal(t, c.actor, actor, c)
		require.Equal(t, c.role, role, c)
		require.Equal(t, c.forged, err != nil, c)
		if c.forged {
			require.Equal(t, http.StatusForbidden, status(t, err))
		}
	}
	_, _, err := r.Allow(api.Peer{UID: 7, PID: 1}, &api.Order{}, api.MayCreate)
	require.ErrorContains(t, err, `local:7 has role "viewer", which has no permission create`)
}

func TestTheRightsInForceAreOnRecordAndAgainWhenTheyAreOthers(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		dir, files := t.TempDir(), cell()
		for range 2 {
			g := serve(t, dir, files, nil)
			g.end()
			require.Len(t, g.records(record.KindLibraryChange), 1)
		}
		put(files, "rights.yaml", "schema_version: 1\nroles: {viewer: []}\nlocal: {\"*\": viewer}\n")
		g := serve(t, dir, files, nil)
		require.Equal(t, map[string]string{"*": "viewer"}, g.s.Model().Rights.Local)
		g.end()
		list := g.records(record.KindLibraryChange)
		require.Len(t, list, 2)
		require.Equal(t, list[0].Text(record.NewValue), list[1].Text(record.OldValue))
		require.Equal(t, "rights", list[1].Text(record.ObjectKind))

		put(files, "rights.yaml", "schema_version: 1\nroles: {}\nlocal: {\"*\": viewer}\n")
		_, err := registry.Open(dir, "CELL-01", files, &api.Memory{}, nil)
		require.ErrorContains(t, err, "there is no role", "rights that are wrong open nothing to anybody")
	})
}

func TestWhoMayNotOrIsNotWhomHeSaysIsRefusedAndOnRecord(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		dir, files := t.TempDir(), cell()
		put(files, "rights.yaml", fmt.Sprintf("schema_version: 1\nroles: {viewer: []}\nlocal: {\"%d\": viewer}\n", os.Getuid()))
		g := serve(t, dir, files, nil)
		_, err := g.change(without(1), "?dry=1")
		require.NoError(t, err, "everybody may ask")
		_, err = g.change(without(1), "")
		require.Equal(t, http.StatusForbidden, status(t, err))
		forged := without(1)
		forged.Operator, forged.Role = "anna", "engineer"
		for range 10 {
			_, err = g.change(forged, "")
			require.Equal(t, http.StatusForbidden, status(t, err))
			require.ErrorContains(t, err, "only an edge")
		}
		time.Sleep(3 * time.Second)
		_, err = g.change(forged, "?dry=1")
		require.Equal(t, http.StatusForbidden, status(t, err))
		require.EqualValues(t, 1, g.s.Model().Version)
		g.end()

		list := g.records(record.KindAccessRefused)
		var who []string
		var times uint64
		for _, r := range list {
			require.Equal(t, me(), r.Text(record.Actor))
			require.Equal(t, "change_model", r.Text(record.Command))
			require.EqualValues(t, os.Getuid(), r.Int(record.PeerUID))
			who = append(who, r.Text(record.ClaimedActor))
			times += max(1, r.Count(record.Coalesced))
		}
		require.Equal(t, []string{"", "anna", "anna", "anna"}, who)
		require.EqualValues(t, 1+10+1, times, "each is counted")
	})
}

func TestAFloodOfRefusalsFillsNoDisk(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		g := serve(t, t.TempDir(), cell(), nil)
		for i := range 300 {
			c := without(1)
			c.Operator = fmt.Sprint("forged-", i)
			_, err := g.change(c, "")
			require.Equal(t, http.StatusForbidden, status(t, err))
		}
		g.end()
		list := g.records(record.KindAccessRefused)
		require.LessOrEqual(t, len(list), 70)
		var times uint64
		for _, r := range list {
			times += max(1, r.Count(record.Coalesced))
		}
		require.EqualValues(t, 300, times)
	})
}
