// The claims of Browse against node-opcua.

package opcua

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/internal/golden"
)

func TestAgainstNodeOPCUA(t *testing.T) {
	p := served(t, 3000)
	t.Run("a session has the policy that was asked for", func(t *testing.T) { policies(t, p) })
	t.Run("a server is browsed into a profile and a tag map", func(t *testing.T) { drafts(t, p) })
	t.Run("a large server is browsed to its end, or it is said what is missing", func(t *testing.T) { large(t, p) })
}

func drafts(t *testing.T, p plant) {
	const reactor = "nsu=urn:batchkit:test:server;s=R1"
	s, err := Browse(t.Context(), p.endpoint, nil, &BrowseOptions{Node: reactor})
	require.NoError(t, err)
	s.Endpoint = "opc.tcp://plc:4840/plant" // the port is another each time
	profile, tagMap, err := s.Draft("PLC-1")
	require.NoError(t, err)
	golden.Check(t, "testdata/draft_profile.golden", profile)
	golden.Check(t, "testdata/draft_bus.golden", tagMap)

	secure := p.known(t, Basic256Sha256)
	secure.User, secure.Password = "op", "secret"
	again, err := Browse(t.Context(), p.endpoint, secure, &BrowseOptions{Node: reactor})
	require.NoError(t, err)
	again.Endpoint = s.Endpoint
	require.Equal(t, s, again)
	_, err = Browse(t.Context(), p.endpoint, nil, &BrowseOptions{Node: "nsu=urn:elsewhere;s=R1"})
	require.ErrorContains(t, err, `the server has no namespace "urn:elsewhere"`)
}

func large(t *testing.T, p plant) {
	begun := time.Now()
	s, err := Browse(t.Context(), p.endpoint, nil, nil)
	require.NoError(t, err)
	require.Len(t, s.Gaps, 1)
	t.Logf("%d nodes in %s", s.Nodes, time.Since(begun))
	n := 0
	for i := range s.Variables {
		if v := &s.Variables[i]; strings.HasPrefix(v.Path, "All/V") {
			require.Equal(t, fieldbus.Float64, v.Type)
			require.Empty(t, v.Refused)
			n++
		}
	}
	require.Equal(t, 3000, n)
	profile, _, err := s.Draft("P")
	require.NoError(t, err)
	read, err := fieldbus.ParseProfile("p", profile)
	require.NoError(t, err)
	require.Greater(t, len(read.Points), 3000)

	s, err = Browse(t.Context(), p.endpoint, nil, &BrowseOptions{Nodes: 100})
	require.NoError(t, err)
	require.Contains(t, strings.Join(s.Gaps, "\n"), "the rest: the server names more than the 100 nodes")
	require.LessOrEqual(t, len(s.Variables), 100)
	s, err = Browse(t.Context(), p.endpoint, nil, &BrowseOptions{Depth: 1})
	require.NoError(t, err)
	require.Empty(t, s.Variables)
	require.Contains(t, strings.Join(s.Gaps, "\n"), "that lie deeper than 1 steps")
}
