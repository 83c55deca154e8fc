// The claims of Browse against node-opcua.

package opcua

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
)

func TestBrowseAgainstNodeOPCUA(t *testing.T) {
	p := &browsable{peer: newPeer(t, t.TempDir())}
	p.start(t)
	t.Run("a server is browsed into a profile and a tag map", func(t *testing.T) { drafts(t, p) })
	t.Run("a large server is browsed to its end, or it is said what is missing", func(t *testing.T) { large(t, p) })
}

// browsable is a node-opcua server with something to be found: testdata/browse.js.
type browsable struct{ *peer }

func (p *browsable) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command("node", "testdata/browse.js", fmt.Sprint(p.port), p.root, "3000")
	cmd.Env = append(os.Environ(), append(p.env, "HOME="+p.root, "XDG_CONFIG_HOME="+p.root, "XDG_DATA_HOME="+p.root)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		t.Log(lines.Text())
	}
	require.Equal(t, "ready", lines.Text(), "the server did not come up")
	go func() { _, _ = io.Copy(io.Discard, out) }()
}

func drafts(t *testing.T, p *browsable) {
	const reactor = "nsu=urn:batchkit:browse%3B100%25;s=R1"
	s, err := Browse(t.Context(), p.endpoint(), nil, &BrowseOptions{Node: reactor})
	require.NoError(t, err)
	s.Endpoint = "opc.tcp://plc:4840/plant" // the port is another each time
	profile, tagMap, err := s.Draft("PLC-1")
	require.NoError(t, err)
	golden.Check(t, "testdata/draft_profile.golden", profile)
	golden.Check(t, "testdata/draft_bus.golden", tagMap)

	reads(t, p, s, profile)

	secure := trusting(t, p.peer, Basic256Sha256)
	secure.User, secure.Password = "op", "secret"
	again, err := Browse(t.Context(), p.endpoint(), secure, &BrowseOptions{Node: reactor})
	require.NoError(t, err)
	again.Endpoint = s.Endpoint
	require.Equal(t, s, again)
	_, err = Browse(t.Context(), p.endpoint(), nil, &BrowseOptions{Node: "nsu=urn:elsewhere;s=R1"})
	require.ErrorContains(t, err, `node "nsu=urn:elsewhere;s=R1": the server has no namespace "urn:elsewhere"`)
	secure.Password = "wrong"
	_, err = Browse(t.Context(), p.endpoint(), secure, nil)
	require.ErrorContains(t, err, "BadUserAccessDenied")
	_, err = Browse(t.Context(), p.endpoint(), &DeviceOptions{Policy: Basic256Sha256}, nil)
	require.ErrorContains(t, err, "wants an Identity")
}

// reads is the claim that a Device finds every point of a draft, GOOD where the Survey says so.
func reads(t *testing.T, p *browsable, s *Survey, text []byte) {
	profile, err := fieldbus.ParseProfile(ProfileFile, text)
	require.NoError(t, err)
	d := device(t, profile, nil)
	require.NoError(t, d.Open(t.Context(), p.endpoint()))
	found := map[string]*Variable{}
	for i := range s.Variables {
		found[s.Variables[i].At] = &s.Variables[i]
	}
	for i := range profile.Points {
		pt := &profile.Points[i]
		v := found[pt.At]
		switch {
		case pt.Type == fieldbus.String:
			text, err := d.Text(t.Context(), pt)
			require.NoError(t, err)
			require.Equal(t, "A-1002", text)
		case pt.Access != fieldbus.WriteOnly:
			out := make([]fieldbus.Reading, 1)
			require.NoError(t, d.Read(t.Context(), []*fieldbus.Point{pt}, out))
			require.Equal(t, v.Status == fieldbus.StatusGood, out[0].Quality == tag.Good, "%s: %+v", pt.Name, out[0])
		}
	}
}

func large(t *testing.T, p *browsable) {
	begun := time.Now()
	s, err := Browse(t.Context(), p.endpoint(), nil, nil)
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

	s, err = Browse(t.Context(), p.endpoint(), nil, &BrowseOptions{Nodes: 100})
	require.NoError(t, err)
	require.Contains(t, strings.Join(s.Gaps, "\n"), "the rest: the server names more than the 100 nodes")
	require.LessOrEqual(t, len(s.Variables), 100)
	s, err = Browse(t.Context(), p.endpoint(), nil, &BrowseOptions{Depth: 1})
	require.NoError(t, err)
	require.Empty(t, s.Variables)
	require.Contains(t, strings.Join(s.Gaps, "\n"), "that lie deeper than 1 steps")
}
