// What a server takes: memory of what it shows and of who watches, and the time of a Set.

package server

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// heap gives the bytes that are in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// watched is a space of variables, and sessions that watch all of them in a subscription each.
func watched(t testing.TB, variables, sessions int, tell func(what string)) (*Server, []Node, []*rig) {
	t.Helper()
	srv := plant(nil)
	tell("the standard nodes")
	f := srv.space.Folder(Node{}, "Tags")
	var nodes []Node
	var items []*ua.MonitoredItemCreateRequest
	for i := range variables {
		name := fmt.Sprint("tag_", i)
		nodes = append(nodes, srv.space.Variable(f, name, "a tag of the plant", Float64))
		srv.space.Set(nodes[i], Value{Bits: uint64(i), Source: time.Now()})
		items = append(items, watching(own("Tags/"+name), uint32(i), 10))
	}
	tell(fmt.Sprint(variables, " variables"))
	var rigs []*rig
	for range sessions {
		r := newRig(t, srv)
		for _, x := range r.monitor(r.subscribe(1000, 10, 3000).SubscriptionID, items...) {
			require.Equal(t, ua.StatusOK, x.StatusCode)
		}
		rigs = append(rigs, r)
	}
	tell(fmt.Sprintf("%d sessions with %d items each", sessions, variables))
	return srv, nodes, rigs
}

func TestWhatAServerTakesIsFarBelowTheStandardNodeset(t *testing.T) {
	last := heap()
	begin := last
	tell := func(what string) {
		now := heap()
		t.Logf("%-36s %6d KiB", what, (now-last)/1024)
		last = now
	}
	srv, nodes, rigs := watched(t, 500, 3, tell)
	for n := range 20 { // nobody publishes: all queues are full
		for i := range nodes {
			srv.space.Set(nodes[i], Value{Bits: uint64(n)})
		}
		for _, r := range rigs {
			for _, it := range r.sess.subs.list[0].items {
				it.next = time.Time{}
			}
		}
	}
	tell("their queues, 10 deep and full")
	require.Less(t, last-begin, 8<<20)
	runtime.KeepAlive(srv)
}

// BenchmarkSet is a Set of a variable that three clients watch.
func BenchmarkSet(b *testing.B) {
	srv, nodes, _ := watched(b, 500, 3, func(string) {})
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		srv.space.Set(nodes[n%500], Value{Bits: n})
	}
}

// BenchmarkRead is a Read of 100 variables.
func BenchmarkRead(b *testing.B) {
	srv, _, rigs := watched(b, 500, 1, func(string) {})
	req := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth}
	for i := range 100 {
		req.NodesToRead = append(req.NodesToRead, readID(own(fmt.Sprint("Tags/tag_", i)), ua.AttributeIDValue))
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := read(&call{srv: srv, sess: rigs[0].sess, hdr: &ua.RequestHeader{}}, req)
		require.NoError(b, err)
	}
}
