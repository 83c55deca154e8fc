// Interoperation: node-opcua as a client comes in by each policy.

package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

func TestNodeOPCUAComesInByEachPolicy(t *testing.T) {
	named := secured(t)
	named.Login = func(user, password string) bool { return user == "ann" && password == "right" }
	open, closed := serve(t, secured(t)), serve(t, named)
	var visits []map[string]any
	var in []bool
	visit := func(s *Server, p opcua.Policy, user, password string, lets bool) {
		policy, mode := nodeName(p)
		visits = append(visits, map[string]any{"url": "opc.tcp://" + s.Addr(), "policy": policy, "mode": mode, "user": user, "password": password})
		in = append(in, lets)
	}
	for _, p := range allPolicies {
		visit(closed, p, "ann", "right", true)
	}
	visit(open, opcua.None, "", "", true)
	visit(closed, opcua.Aes128Sha256RsaOaep, "ann", "wrong", false)
	visit(closed, opcua.Aes256Sha256RsaPss, "", "", false)

	lines := node(t, "reader.js", visitor(t, visits...))
	for i, v := range visits {
		require.NotEmpty(t, lines, "visit %d: %v", i, v)
		if in[i] {
			require.Equal(t, map[string]any{"in": true}, lines[0], "visit %d: %v", i, v)
			require.Equal(t, map[string]any{"endpoints": 5.0, "state": 0.0, "reads": 0.0, "wrong": 0.0, "renewed": 0.0}, lines[1], "visit %d: %v", i, v)
			lines = lines[1:]
		} else {
			require.Contains(t, lines[0], "error", "visit %d: %v", i, v)
		}
		lines = lines[1:]
	}
	require.Empty(t, lines)
	require.Zero(t, open.Stats().Sessions)
}
