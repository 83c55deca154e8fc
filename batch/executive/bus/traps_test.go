// What is known of JetStream and would be fallen into: each trap is shown, and that what is here goes round it.

package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

func TestAnUpdateOfAKeyDropsItsTimeToLive(t *testing.T) {
	t.Parallel()
	s, _ := runServer(t, alone(t))
	c := connect(t, &Options{URL: s.ClientURL(), Node: "n1"})
	ctx := within(t, patience)
	kv, err := c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "here", LimitMarkerTTL: time.Minute})
	require.NoError(t, err)
	ttl := func(key string) string {
		st, err := c.js.Stream(ctx, "KV_here")
		require.NoError(t, err)
		m, err := st.GetLastMsgForSubject(ctx, "$KV.here."+key)
		require.NoError(t, err)
		return m.Header.Get("Nats-TTL")
	}
	rev, err := kv.Create(ctx, "a", []byte("1"), jetstream.KeyTTL(time.Hour))
	require.NoError(t, err)
	require.NotEmpty(t, ttl("a"))
	_, err = kv.Update(ctx, "a", []byte("2"), rev)
	require.NoError(t, err)
	require.Empty(t, ttl("a"), "the trap: from now on it lives for ever")

	rev, err = kv.Create(ctx, "b", []byte("1"), jetstream.KeyTTL(time.Hour))
	require.NoError(t, err)
	m := nats.NewMsg("$KV.here.b")
	m.Header.Set("Nats-TTL", "10s") // it is there yet when it is looked at
	m.Header.Set("Nats-Expected-Last-Subject-Sequence", fmt.Sprint(rev))
	_, err = c.js.PublishMsg(ctx, m)
	require.NoError(t, err)
	require.Equal(t, "10s", ttl("b"))
	require.Eventually(t, func() bool {
		_, err := kv.Get(ctx, "b")
		return errors.Is(err, jetstream.ErrKeyNotFound)
	}, patience, 20*time.Millisecond, "published so, it ends")
	_, err = c.js.PublishMsg(ctx, m)
	require.ErrorContains(t, err, "wrong last sequence", "and it is a compare-and-set still")
}

func TestARefusedWriteLooksLikeATimeoutAndTheLogSaysWhy(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	var tale told
	hub := p.connect(t, RoleHub, "hub", &tale)
	owner := openLog(t, p.connect(t, RoleNode, "n1", nil), "plant", nil)
	fill(t, owner, 1, 1)

	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := hub.js.Publish(ctx, "arb.log.plant", []byte("x"))
	require.ErrorIs(t, err, context.DeadlineExceeded, "the trap")
	require.Eventually(t, func() bool { return strings.Contains(tale.all(), "arb.log.plant refused") }, patience, time.Millisecond)

	l := &Log{c: hub, name: "plant", stream: "ARB_plant", subject: "arb.log.plant", out: "hub.ask.none", hand: make(chan struct{}, 1), acks: make(chan *nats.Msg, 64)}
	require.NoError(t, l.listen())
	l.seen.last = 1
	err = l.Append(within(t, patience), 2, opOf(2))
	require.ErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, arbiter.ErrUnknown, "it does not wait for an answer that does not come: then the outcome would be unknown")
	require.ErrorContains(t, err, "this key may not write to arb.log.plant")
	require.Len(t, readAll(t, owner), 1)
}

// relay carries connections to a server, and keeps back what it answers for as long as it is told to.
func relay(t *testing.T, to string) (at string, deaf *atomic.Bool, cut func()) {
	deaf = new(atomic.Bool)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	conns := make(chan net.Conn, 64)
	cut = func() {
		for {
			select {
			case c := <-conns:
				c.Close()
			default:
				return
			}
		}
	}
	t.Cleanup(cut)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			conns <- in
			go func() { io.Copy(out, in); out.Close() }()
			go func() {
				defer in.Close()
				buf := make([]byte, 1<<16)
				for {
					n, err := out.Read(buf)
					if err != nil {
						return
					}
					if !deaf.Load() {
						in.Write(buf[:n])
					}
				}
			}()
		}
	}()
	return l.Addr().String(), deaf, cut
}

func TestAPublishThatTimedOutMayHaveBeenTaken(t *testing.T) {
	t.Parallel()
	s, _ := runServer(t, alone(t))
	u, err := url.Parse(s.ClientURL())
	require.NoError(t, err)
	at, deaf, sever := relay(t, u.Host)
	direct := openLog(t, connect(t, &Options{URL: s.ClientURL(), Node: "n2"}), "plant", nil)
	c := connect(t, &Options{URL: "nats://" + at, Node: "n1"})
	l := openLog(t, c, "plant", nil)
	fill(t, l, 1, 2)

	deaf.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err = l.Append(ctx, 3, opOf(3))
	require.ErrorIs(t, err, arbiter.ErrUnknown, "the trap: it is no refusal")
	require.NoError(t, direct.Wait(within(t, patience), 3), "it may still be on its way")
	require.Len(t, readAll(t, direct), 3, "it was taken")

	deaf.Store(false)
	sever()
	inTime(t, patience, "the connection is made anew", func() bool {
		err = l.Append(within(t, patience), 3, opOf(3))
		return !errors.Is(err, store.ErrRefused)
	})
	require.ErrorIs(t, err, arbiter.ErrConflict)
	require.Len(t, readAll(t, l), 3)

	deaf.Store(true)
	go func() { // while it waits for the answer, the connection is made anew
		for len(readAll(t, direct)) < 4 {
		}
		deaf.Store(false)
		sever()
	}()
	require.NoError(t, l.Append(within(t, patience), 4, opOf(4)), "an answer that was lost is looked for")
	require.Equal(t, []string{"1:operation 1", "2:operation 2", "3:operation 3", "4:operation 4"}, readAll(t, direct), "and it counts once")
}

func TestAConnectionThatIsAwayHasSentNothing(t *testing.T) {
	t.Parallel()
	o := alone(t)
	s, stop := runServer(t, o)
	l := openLog(t, connect(t, &Options{URL: s.ClientURL(), Node: "n1"}), "plant", nil)
	fill(t, l, 1, 1)
	stop()
	require.Eventually(t, func() bool { return !l.c.nc.IsConnected() }, patience, time.Millisecond)
	err := l.Append(within(t, patience), 2, opOf(2))
	require.ErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, arbiter.ErrUnknown)
	require.Error(t, l.Read(within(t, patience), 1, func(uint64, []byte) error { return nil }))
	require.Error(t, l.Trim(within(t, patience), 1))
}

func TestTwoReplicasAreRefused(t *testing.T) {
	t.Parallel()
	c := connect(t, &Options{URL: strings.Join(three(t), ","), Node: "n1"})
	openLog(t, c, "plant", nil)
	ctx := within(t, patience)
	st, err := c.js.Stream(ctx, "ARB_plant")
	require.NoError(t, err)
	require.Equal(t, 3, st.CachedInfo().Config.Replicas)
	require.ErrorIs(t, c.Ensure(ctx, &Stream{Name: "X", Subjects: []string{"x"}, Replicas: 2, MaxBytes: 1, MaxMsgs: 1}), store.ErrRefused)
	two := (&Stream{Name: "ARB_two", Subjects: []string{"arb.log.two"}, MaxBytes: logBytes, MaxMsgs: logMsgs}).config(2)
	_, err = c.js.CreateStream(ctx, two)
	require.NoError(t, err)
	_, err = OpenLog(ctx, c, "two", nil)
	require.ErrorIs(t, err, store.ErrRefused)
	require.ErrorContains(t, err, "it has 2 replicas, which have no majority when one is away: make it 3")
}

func TestAStreamThatIsKeptOtherwiseIsRefusedAndLeftAsItIs(t *testing.T) {
	s, _ := runServer(t, alone(t))
	c := connect(t, &Options{URL: s.ClientURL(), Node: "n1"})
	ctx := within(t, patience)
	want := Stream{Name: "S", Subjects: []string{"s"}, MaxBytes: 1 << 20, MaxMsgs: 100}
	// The server removes the directory of an account whose last stream was deleted, also below one that is being made just then: one stays.
	require.NoError(t, c.Ensure(ctx, &Stream{Name: "STAYS", Subjects: []string{"stays"}, MaxBytes: 1 << 20, MaxMsgs: 100}))
	for i, k := range []struct {
		change func(cfg *jetstream.StreamConfig)
		says   string
	}{
		{func(cfg *jetstream.StreamConfig) { cfg.Discard = jetstream.DiscardOld }, "discard must be new"},
		{func(cfg *jetstream.StreamConfig) { cfg.MaxAge = time.Hour }, "max_age must be 0"},
		{func(cfg *jetstream.StreamConfig) { cfg.Storage = jetstream.MemoryStorage }, "not kept in files"},
		{func(cfg *jetstream.StreamConfig) { cfg.AllowDirect = true }, "any replica would answer"},
		{func(cfg *jetstream.StreamConfig) { cfg.DenyDelete = false }, "deny_delete is off"},
		{func(cfg *jetstream.StreamConfig) { cfg.MaxBytes = 7 }, "max_bytes is 7, not 1048576"},
		{func(cfg *jetstream.StreamConfig) { cfg.Subjects = []string{"s", "t"} }, "its subjects are"},
		{func(cfg *jetstream.StreamConfig) { cfg.MaxMsgsPerSubject = 1 }, "max_msgs_per_subject is 1"},
		{func(cfg *jetstream.StreamConfig) { cfg.AllowRollup = true }, "may replace others"},
		{func(cfg *jetstream.StreamConfig) { cfg.PersistMode = jetstream.AsyncPersistMode }, "not on the disk"},
	} {
		want := want
		want.Name += strconv.Itoa(i) // the directory of one that was deleted is there for a while
		cfg := want.config(1)
		k.change(&cfg)
		st, err := c.js.CreateStream(ctx, cfg)
		require.NoError(t, err, k.says)
		before := st.CachedInfo().Config
		err = c.Ensure(ctx, &want)
		require.ErrorIs(t, err, store.ErrRefused)
		require.ErrorContains(t, err, k.says)
		st, err = c.js.Stream(ctx, want.Name)
		require.NoError(t, err)
		require.Equal(t, before, st.CachedInfo().Config)
		require.NoError(t, c.js.DeleteStream(ctx, want.Name))
	}
	require.NoError(t, c.Ensure(ctx, &want))
	require.NoError(t, c.Ensure(ctx, &want))
	require.ErrorIs(t, c.Ensure(ctx, &Stream{Name: "T", Subjects: []string{"t"}}), store.ErrRefused, "without a limit")
}

func TestAFullStreamRefusesAndForgetsNothing(t *testing.T) {
	s, _ := runServer(t, alone(t))
	c := connect(t, &Options{URL: s.ClientURL(), Node: "n1"})
	l := openLog(t, c, "plant", nil)
	ctx := within(t, patience)
	small := (&Stream{Name: l.stream, Subjects: []string{l.subject}, MaxBytes: logBytes, MaxMsgs: 5}).config(1)
	_, err := c.js.UpdateStream(ctx, small)
	require.NoError(t, err)
	fill(t, l, 1, 5)
	err = l.Append(ctx, 6, opOf(6))
	require.ErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, arbiter.ErrUnknown)
	require.ErrorContains(t, err, "the stream is full")
	require.Len(t, readAll(t, l), 5)
	require.NoError(t, l.Trim(ctx, 3))
	fill(t, l, 6, 7)
}

func TestServersThatTakeOnlySmallMessagesAreToldOf(t *testing.T) {
	for _, k := range []struct {
		payload int32
		taken   bool
	}{{1 << 20, true}, {64 << 10, false}} { // 1 MB is what servers take by default
		ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: filepath.Join(t.TempDir(), "js"), NoSigs: true, NoLog: true,
			MaxPayload: k.payload})
		require.NoError(t, err)
		go ns.Start()
		t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
		require.True(t, ns.ReadyForConnections(patience))
		l := openLog(t, connect(t, &Options{URL: ns.ClientURL(), Node: "n1"}), "plant", nil)
		err = l.Append(within(t, patience), 1, make([]byte, 3<<20))
		if k.taken {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, store.ErrRefused)
		require.ErrorContains(t, err, "set max_payload to 1 MB at least")
		fill(t, l, 1, 1)
	}
}
