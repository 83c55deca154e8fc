// Tests of bridges over a server: who is here, what is shown, and what becomes of it when something is away.

package bus

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

func TestANodeIsHereWhileItsManagerAnswersAndNotWhileItsBridgeLives(t *testing.T) {
	t.Parallel()
	url, _ := served(t, "127.0.0.1:0")
	one, two := newStub(t, "n1"), newStub(t, "n2")
	two.set(func() { two.list = []api.Batch{{ID: "n2.B-1", Life: api.Active}, {ID: "n2.B-0", Life: api.Ended}} })
	bridged(t, one, &Options{URL: url}, &BridgeOptions{Tell: one.tell})
	b, _ := bridged(t, two, &Options{URL: url}, &BridgeOptions{Tell: two.tell})
	soon(t, func() bool { here, _ := one.here("n2"); return here }, "n2 is here for n1")
	soon(t, func() bool { here, _ := two.here("n1"); return here }, "n1 is here for n2")
	soon(t, func() bool {
		one.mu.Lock()
		defer one.mu.Unlock()
		n := one.nodes.Nodes[0]
		return n.Boot == "boot-1" && len(n.Batches) == 2 && n.Batches[0].ID == "n2.B-1"
	}, "n1 has the batches of n2, that one first that has not ended")
	two.stop()
	soon(t, func() bool { here, known := one.here("n2"); return known && !here }, "n2 is not here any more")
	require.NoError(t, b.c.Ready(t.Context()), "and its bridge is")
	soon(t, func() bool { return two.heard("manager away the presence is not renewed") }, "n2 says why")
	two.boot = "boot-2"
	two.start()
	soon(t, func() bool { here, _ := one.here("n2"); return here }, "n2 is here again")
	require.True(t, one.heard("node n2 not here"))
}

func TestAPresenceThatWasRenewedOftenStillEnds(t *testing.T) {
	t.Parallel()
	url, _ := served(t, "127.0.0.1:0")
	one := newStub(t, "n1")
	b, end := bridged(t, one, &Options{URL: url}, nil)
	look := connected(t, &Options{URL: url})
	kv := func() jetstream.KeyValue {
		kv, err := look.js.KeyValue(t.Context(), presence)
		require.NoError(t, err)
		return kv
	}
	soon(t, func() bool { _, err := look.js.KeyValue(t.Context(), presence); return err == nil }, "the bucket is made")
	var first uint64
	soon(t, func() bool {
		e, err := kv().Get(t.Context(), "n1")
		if err == nil && first == 0 {
			first = e.Revision()
		}
		return err == nil && e.Revision() >= first+25 // longer than it lives
	}, "it is renewed")
	end()
	soon(t, func() bool { _, err := kv().Get(t.Context(), "n1"); return err != nil }, "it ends by itself")
	require.Greater(t, 25*b.renews, b.lives)
}

func TestABucketThatIsKeptOtherwiseIsLeftAsItIs(t *testing.T) {
	url, _ := served(t, "127.0.0.1:0")
	look := connected(t, &Options{URL: url})
	_, err := look.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: presence})
	require.NoError(t, err)
	_, err = look.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: rtStream, Subjects: []string{"rt.>"}})
	require.NoError(t, err)
	one, two := newStub(t, "n1"), newStub(t, "n2")
	bridged(t, one, &Options{URL: url}, &BridgeOptions{Tell: one.tell})
	bridged(t, two, &Options{URL: url}, nil)
	soon(t, func() bool {
		return one.heard("streams not there bus: bucket presence is there, and its keys live for 0s")
	}, "the bucket is told of")
	soon(t, func() bool {
		return one.heard("streams not there bus: stream rt is there and keeps -1 of each subject")
	}, "the stream is told of")
	soon(t, func() bool { here, _ := one.here("n2"); return here }, "who is here is known all the same")
	kv, err := look.js.KeyValue(t.Context(), presence)
	require.NoError(t, err)
	st, err := kv.Status(t.Context())
	require.NoError(t, err)
	require.Zero(t, st.TTL())
}

func TestTwoWhoSpeakAsOneNodeAreToldOfEachOther(t *testing.T) {
	t.Parallel()
	url, _ := served(t, "127.0.0.1:0")
	one, same := newStub(t, "n1"), newStub(t, "n1")
	bridged(t, one, &Options{URL: url}, &BridgeOptions{Tell: one.tell})
	bridged(t, same, &Options{URL: url}, &BridgeOptions{Tell: same.tell})
	soon(t, func() bool { return one.heard("node n1 double") && same.heard("node n1 double") }, "both hear of it")
}

// newest gives the newest value of a subject as one who comes late gets it.
func newest(t *testing.T, c *Conn, subject string) (data []byte) {
	t.Helper()
	s, err := c.js.Stream(t.Context(), rtStream)
	if err != nil {
		return nil
	}
	m, err := s.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		return nil
	}
	return m.Data
}

func lifeOf(data []byte) api.Life {
	var b api.Batch
	_ = json.Unmarshal(data, &b)
	return b.Life
}

func TestBatchesAreShownAsTheyChangeAndToWhoComesLate(t *testing.T) {
	t.Parallel()
	url, _ := served(t, "127.0.0.1:0")
	one := newStub(t, "n1")
	one.set(func() { one.list = []api.Batch{{ID: "n1.B-1", Life: api.Ready}, {ID: "n1.B-2", Life: api.Active}} })
	bridged(t, one, &Options{URL: url}, nil)
	look := connected(t, &Options{URL: url})
	soon(t, func() bool { return lifeOf(newest(t, look, "rt.n1.batch.n1//B-1")) == api.Ready }, "the first")
	soon(t, func() bool { return lifeOf(newest(t, look, "rt.n1.batch.n1//B-2")) == api.Active }, "the second")
	soon(t, func() bool { return newest(t, look, "rt.n1.equipment.U1") != nil }, "the equipment")
	var list api.Holdings
	require.NoError(t, json.Unmarshal(newest(t, look, "rt.n1.equipment.U1"), &list))
	require.Len(t, list, 2)
	sub, err := look.nc.SubscribeSync("rt.n1.batch.*")
	require.NoError(t, err)
	require.NoError(t, look.nc.Flush())
	one.set(func() { one.list[0].Life = api.Active })
	// Each may come once more as it was: all is said again when the bridge hears that the stream is made, which may be late.
	for was := map[string]api.Life{"rt.n1.batch.n1//B-1": api.Ready, "rt.n1.batch.n1//B-2": api.Active}; ; {
		m, err := sub.NextMsg(patience)
		require.NoError(t, err)
		if m.Subject == "rt.n1.batch.n1//B-1" && lifeOf(m.Data) == api.Active {
			break
		}
		require.Contains(t, was, m.Subject, "what has not changed is not said")
		require.Equal(t, was[m.Subject], lifeOf(m.Data))
		delete(was, m.Subject)
	}
	one.set(func() { one.list, one.gone = one.list[:1], []string{"n1.B-2"} })
	soon(t, func() bool { return lifeOf(newest(t, look, "rt.n1.batch.n1//B-2")) == api.Removed }, "one is removed")
	one.stop()
	one.set(func() { one.list = nil })
	one.start()
	soon(t, func() bool { return lifeOf(newest(t, look, "rt.n1.batch.n1//B-1")) == api.Removed }, "the other went while nobody looked")
	var state NodeState
	soon(t, func() bool {
		return json.Unmarshal(newest(t, look, "rt.n1.node"), &state) == nil && state.Manager == "boot-1" && state.Batches == 0
	}, "the node")
	require.False(t, state.IO)
}

func TestABridgeSurvivesTheBus(t *testing.T) {
	t.Parallel()
	url, stop := served(t, free(t))
	one, two := newStub(t, "n1"), newStub(t, "n2")
	one.set(func() { one.list = []api.Batch{{ID: "n1.B-1", Life: api.Ready}} })
	bridged(t, one, &Options{URL: url}, &BridgeOptions{Tell: one.tell, Users: map[string]string{"anna": "operator"}})
	bridged(t, two, &Options{URL: url}, nil)
	soon(t, func() bool { here, _ := one.here("n2"); return here }, "n2 is here")
	stop()
	soon(t, func() bool { here, known := one.here("n2"); return known && !here }, "without a bus nobody is heard")
	served(t, strings.TrimPrefix(url, "nats://")) // with nothing on its disk
	soon(t, func() bool { here, _ := one.here("n2"); return here }, "n2 is here again")
	anna := connected(t, &Options{URL: url, User: "anna"})
	soon(t, func() bool { return lifeOf(newest(t, anna, "rt.n1.batch.n1//B-1")) == api.Ready }, "what was shown is shown again")
	_, err := anna.Ask(t.Context(), "n1", &Request{Method: "POST", Path: "/v1/batches/n1.B-1/commands", Body: []byte(`{"command":"start"}`)})
	require.NoError(t, err)
	require.Equal(t, []string{"POST /v1/batches/n1.B-1/commands nats:anna/operator start"}, one.ordered())
}

func TestABridgeComesUpWhileNobodyElseIsThere(t *testing.T) {
	t.Parallel()
	at := free(t)
	one := newStub(t, "n1")
	one.stop()
	bridged(t, one, &Options{URL: "nats://" + at}, &BridgeOptions{Tell: one.tell})
	soon(t, func() bool { return one.heard("manager away") }, "it has asked for the manager")
	served(t, at)
	one.start()
	two := newStub(t, "n2")
	bridged(t, two, &Options{URL: "nats://" + at}, nil)
	soon(t, func() bool { here, _ := two.here("n1"); return here }, "it is here once all are")
}

func TestABridgeEndsWithItsConnection(t *testing.T) {
	url, _ := served(t, "127.0.0.1:0")
	c, err := Connect(t.Context(), &Options{URL: url, Node: "n1"})
	require.NoError(t, err)
	b, err := NewBridge(c, newStub(t, "n1").net, nil)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- b.Run(context.Background()) }()
	soon(t, func() bool { return c.nc.NumSubscriptions() >= 2 }, "it runs")
	c.Close()
	require.ErrorIs(t, <-done, errClosed)
	require.ErrorIs(t, c.nc.Publish("x", nil), nats.ErrConnectionClosed)
}

func TestABridgeIsRefusedWhatCannotBeRight(t *testing.T) {
	url, _ := served(t, "127.0.0.1:0")
	c := connected(t, &Options{URL: url, Node: "n1"})
	n := &api.Memory{}
	for want, o := range map[string]*BridgeOptions{
		`user "a.b"`:                {Users: map[string]string{"a.b": "operator"}},
		"user anna has a role of 0": {Users: map[string]string{"anna": ""}},
		"has the name of this node": {Areas: []string{"n1"}},
		`area "a b"`:                {Areas: []string{"a b"}},
	} {
		_, err := NewBridge(c, n, o)
		require.ErrorContains(t, err, want)
	}
	_, err := NewBridge(connected(t, &Options{URL: url}), n, nil)
	require.ErrorContains(t, err, `node ""`)
	_, err = NewBridge(nil, n, nil)
	require.ErrorContains(t, err, "wants a connection")
}
