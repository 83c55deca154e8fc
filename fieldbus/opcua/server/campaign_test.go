// The campaign: clients of other makers are served while foes try everything at once.

package server

import (
	"context"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	gopcua "github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// long tells whether a campaign may take minutes: BATCHKIT_LONG=1.
func long() bool { return os.Getenv("BATCHKIT_LONG") == "1" }

// foes are what goes on against a server, again and again, each in its own way.
var foes = map[string]func(t testing.TB, s *Server){
	"noise":          func(t testing.TB, s *Server) { _ = dialFoe(t, s).raw(newNonce()).end() },
	"hello and gone": func(t testing.TB, s *Server) { _ = dialFoe(t, s).raw(headOf("HELF", 60)).nc.Close() },
	"untrusted": func(t testing.TB, s *Server) {
		tryFoe(s, func(f *foe) { _ = f.as(opcua.Basic256Sha256, people.stranger).open(ua.SecurityTokenRequestTypeIssue) })
	},
	"in the trusted one's name": func(t testing.TB, s *Server) {
		tryFoe(s, func(f *foe) {
			f.as(opcua.Aes256Sha256RsaPss, &opcua.Identity{Certificate: people.client.Certificate, Key: people.stranger.Key})
			_ = f.open(ua.SecurityTokenRequestTypeIssue)
		})
	},
	"without a session": func(t testing.TB, s *Server) {
		tryFoe(s, func(f *foe) {
			_ = f.as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue)
			_, _ = f.ask(&ua.WriteRequest{NodesToWrite: []*ua.WriteValue{}})
		})
	},
	"a fault": func(t testing.TB, s *Server) {
		tryFoe(s, func(f *foe) {
			_ = f.as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue)
			if f.enter() == nil {
				_, _ = f.ask(&ua.WriteRequest{NodesToWrite: []*ua.WriteValue{}})
			}
		})
	},
	"never reads": func(t testing.TB, s *Server) {
		tryFoe(s, func(f *foe) {
			_ = f.as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue)
			if f.enter() == nil {
				for range 100 {
					f.say(reading("s=long"))
				}
			}
		})
	},
}

// foeTB is the test of a foe: that the server shows it the door is no failure.
type foeTB struct{ testing.TB }

func (foeTB) Helper()               {}
func (foeTB) Errorf(string, ...any) {}
func (foeTB) FailNow()              { panic(errGone) }
func (foeTB) Cleanup(func())        {}

// tryFoe lets a foe do something that the server may cut short anywhere.
func tryFoe(s *Server, do func(f *foe)) {
	f := dialFoe(foeTB{}, s)
	defer func() {
		_ = recover()
		_ = f.nc.Close()
	}()
	f.hello()
	do(f)
}

func TestOthersAreServedAmongFoes(t *testing.T) {
	nodeModules(t)
	o := secured(t)
	o.Refused = func(client string, why error) { t.Log(why) } // some of them
	s := serve(t, o)
	ms := 3000
	if long() {
		ms = 60000
	}
	policy, mode := nodeName(opcua.Basic256Sha256)
	var lines []map[string]any
	var good, bad sync.WaitGroup
	good.Go(func() {
		lines = node(t, "reader.js", visitor(t, map[string]any{
			"url": "opc.tcp://" + s.Addr(), "policy": policy, "mode": mode, "ms": ms, "renew": 1000,
		}))
	})
	require.Eventually(t, func() bool { return s.Stats().Sessions == 1 }, 3*patience, 5*time.Millisecond)
	stop := make(chan struct{})
	for _, attack := range foes {
		bad.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					attack(foeTB{}, s)
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	good.Wait()
	close(stop)
	bad.Wait()
	require.Len(t, lines, 2, "%v", lines)
	t.Logf("node-opcua: %v; server: %+v", lines[1], s.Stats())
	require.Zero(t, lines[1]["wrong"])
	require.Greater(t, lines[1]["reads"], 10.0)
	require.GreaterOrEqual(t, lines[1]["renewed"], 1.0, "keys have changed while it read")
	require.Greater(t, s.Stats().Refused, uint64(50))
	require.LessOrEqual(t, s.Stats().Connections, 32)
	require.LessOrEqual(t, s.Stats().Sessions, 32)
	alive(t, s)
}

func TestAbandonedSessionsAreBounded(t *testing.T) {
	s := serve(t, &Options{})
	n := 1000
	if long() {
		n = 5000
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	good := dialFoe(t, s).come(opcua.None)
	before, began, most := heap(), time.Now(), 0
	for i := range n {
		tryFoe(s, func(f *foe) {
			_ = f.as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue)
			if i%2 == 0 {
				_, _ = f.create()
			} else {
				_ = f.enter()
			}
		})
		st := s.Stats()
		most = max(most, st.Sessions)
		require.LessOrEqual(t, st.Connections, 32)
	}
	took := time.Since(began)
	require.LessOrEqual(t, most, 32)
	require.NoError(t, good.read())
	alive(t, s)
	after := heap()
	t.Logf("%d sessions abandoned in %s: %d sessions at most, heap %d KiB before and %d KiB after", n, took, most, before>>10, after>>10)
	require.Less(t, int64(after)-int64(before), int64(8<<20))

	hoard := dialFoe(t, s).hello().as(opcua.None, nil)
	require.NoError(t, hoard.open(ua.SecurityTokenRequestTypeIssue))
	var err error
	made := 0
	for ; err == nil; made++ {
		err = hoard.enter()
	}
	require.Equal(t, ua.StatusBadTooManySessions, err)
	require.Equal(t, 9, made, "of one connection")
	alive(t, s)
}

// The client of gopcua races with itself as it renews: between waitIfLock and pendingReq.Add(1) of a request, renew may have come to
// pendingReq.Wait (uasc/secure_channel.go of v0.9.1), which sync.WaitGroup forbids. Nothing of ours is in that; so .ci/run does not race this.
func TestGopcuaReadsOnWhileKeysChange(t *testing.T) {
	s := serve(t, secured(t))
	_, client, _, _ := meet(t)
	for _, p := range []opcua.Policy{opcua.None, opcua.Aes256Sha256RsaPss} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			sec := securities[p]
			all, err := gopcua.GetEndpoints(ctx, "opc.tcp://"+s.Addr())
			require.NoError(t, err)
			i := slices.IndexFunc(all, func(e *ua.EndpointDescription) bool { return e.SecurityPolicyURI == sec.uri })
			c, err := gopcua.NewClient(all[i].EndpointURL, gopcua.SecurityFromEndpoint(all[i], ua.UserTokenTypeAnonymous), gopcua.AutoReconnect(false),
				gopcua.Certificate(client.Certificate), gopcua.PrivateKey(client.Key), gopcua.ApplicationURI(client.URI), gopcua.Lifetime(6*time.Second))
			require.NoError(t, err)
			require.NoError(t, c.Connect(ctx))
			reads := 0
			for began := time.Now(); time.Since(began) < 5*time.Second; reads++ { // it renews after 4.5 s
				resp, err := c.Read(ctx, &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{{NodeID: ua.MustParseNodeID("i=2259")}}})
				require.NoError(t, err, "%s, after %d reads in %s", p, reads, time.Since(began))
				require.Equal(t, int32(0), resp.Results[0].Value.Value())
			}
			require.NoError(t, c.Close(ctx))
			t.Logf("%s: %d reads", p, reads)
			require.Greater(t, reads, 10)
		})
	}
}
