// What others put into the stream of a log: all readers take it for the same, and go on.

package bus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

func TestAVoidChangesNoBook(t *testing.T) {
	op, err := arbiter.ParseOp([]byte(void))
	require.NoError(t, err)
	stock := arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"a"}, Owners: 1}
	for _, at := range []uint64{1, 2} {
		b := arbiter.NewBook()
		for n := uint64(1); n < at; n++ {
			b.Step(n, &stock, nil)
		}
		was := b.Holdings()
		require.Empty(t, b.Step(at, &op, nil))
		require.Equal(t, was, b.Holdings())
		require.Zero(t, b.Token())
		require.Equal(t, at+1, b.Next(), "it has a number")
	}
}

// foreign puts a message into the stream of a log, as nobody of ours does.
func foreign(t *testing.T, l *Log, change func(m *nats.Msg)) {
	m := nats.NewMsg(l.subject)
	m.Data = []byte("an operation, it says")
	if change != nil {
		change(m)
	}
	_, err := l.c.nc.RequestMsg(m, patience)
	require.NoError(t, err)
}

func TestAMessageThatIsNoOperationChangesNothingForAllReaders(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	with, without := b.node("n1", sqlite(t)), b.node("n2", nil)
	foreign(t, with, nil) // even the first
	fill(t, with, 2, 3)
	for range 2*window + 3 {
		foreign(t, with, func(m *nats.Msg) { m.Header.Set(headID, "n1.x") })
	}
	next := uint64(4 + 2*window + 3)
	require.ErrorIs(t, without.Append(within(t, patience), 4, opOf(4)), arbiter.ErrConflict)
	fill(t, without, next, next)
	foreign(t, with, func(m *nats.Msg) { m.Header.Set(headLink, strings.Repeat("0", 64)) })
	want := readAll(t, with)
	require.Len(t, want, int(next)+1)
	require.Equal(t, "1:"+void, want[0])
	require.Equal(t, "2:operation 2", want[1])
	require.Equal(t, fmt.Sprintf("%d:%s", next+1, void), want[next])
	require.Equal(t, want, readAll(t, without))
	require.Equal(t, want, readAll(t, b.node("n3", nil)), "who comes late finds the same")
	for from := uint64(1); from <= next+1; from++ {
		var got []string
		require.NoError(t, without.Read(within(t, patience), from, func(seq uint64, op []byte) error {
			got = append(got, fmt.Sprintf("%d:%s", seq, op))
			return nil
		}))
		require.Equal(t, want[from-1:], got)
	}
	require.Contains(t, b.tale.all(), "ARB_plant foreign 1 messages that are no operations, the first of them 1; they change nothing: message 1 is no operation of an arbiter: it has no headers")
	require.Contains(t, b.tale.all(), fmt.Sprintf("ARB_plant foreign %d messages that are no operations, the first of them 4", 2*window+4))

	require.ErrorIs(t, with.Trim(within(t, patience), 5), store.ErrRefused, "a log does not begin with one")
	require.NoError(t, with.Trim(within(t, patience), 3))
	require.NoError(t, with.Trim(within(t, patience), 2))
	fill(t, with, next+2, next+2)
	require.Equal(t, readAll(t, with), readAll(t, b.node("n4", nil)))
}

func TestAVoidIsPutBackAsWhatItStandsFor(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	copied, blind := b.node("n1", sqlite(t)), b.node("n2", nil)
	fill(t, copied, 1, 3)
	image := b.keep()
	for _, l := range []*Log{copied, blind} {
		soon(t, func() bool { return l.Read(t.Context(), 1, func(uint64, []byte) error { return nil }) == nil }, "it is there again")
	}
	foreign(t, copied, nil)
	fill(t, copied, 5, 6)
	foreign(t, copied, nil)
	want := readAll(t, blind)
	require.Equal(t, want, readAll(t, copied))
	b.rollBack(image)
	require.NoError(t, copied.c.Ready(within(t, patience)))
	require.NoError(t, blind.c.Ready(within(t, patience)))
	require.Equal(t, want, readAll(t, copied))
	require.Equal(t, want, readAll(t, blind), "its link is that of the message that stood there")
	fill(t, blind, 8, 8)
	require.Len(t, readAll(t, b.node("n3", nil)), 8)
}

func TestALogThatWasPurgedToAVoidSaysWhatIsToBeDone(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	l := b.node("n1", nil)
	fill(t, l, 1, 2)
	foreign(t, l, nil)
	fill(t, l, 4, 5)
	require.NoError(t, l.c.ask(within(t, patience), "STREAM.PURGE.ARB_plant", &purge{3}, nil)) // as no Trim does
	err := b.node2Error()
	require.ErrorIs(t, err, store.ErrDamaged)
	require.ErrorContains(t, err, "purge it up to the operation behind it: nats stream purge ARB_plant --seq=NUMBER")
	require.NoError(t, l.c.ask(within(t, patience), "STREAM.PURGE.ARB_plant", &purge{4}, nil))
	require.NoError(t, b.node2Error())
}

// TestWhatJetStreamIsMadeToAnswerIntoTheLogIsNoOperation: whoever may ask JetStream may have its answer sent to any subject, and the
// hub may have messages of EV delivered to any.
func TestWhatJetStreamIsMadeToAnswerIntoTheLogIsNoOperation(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	l := openLog(t, p.connect(t, RoleNode, "n1", nil), "plant", nil)
	hub := p.connect(t, RoleHub, "hub", nil)
	fill(t, l, 1, 2)
	require.NoError(t, hub.Ensure(within(t, patience), &Stream{Name: evidence, Subjects: []string{"ev.>"}, MaxBytes: 1 << 20, MaxMsgs: 100, Queue: true}))
	require.NoError(t, hub.nc.PublishRequest("$JS.API.STREAM.INFO."+evidence, "arb.log.plant", nil))
	require.NoError(t, l.Wait(within(t, patience), 3))
	_, err := hub.nc.Request("$JS.API.CONSUMER.CREATE.EV.x.ev.>", []byte(`{"stream_name":"EV","config":{"name":"x","filter_subject":"ev.>",
		"deliver_subject":"arb.log.plant","deliver_policy":"all","ack_policy":"explicit","max_ack_pending":1}}`), patience)
	require.NoError(t, err)
	_, err = p.connect(t, RoleNode, "n2", nil).nc.Request("ev.n2.j1", []byte("rows"), patience)
	require.NoError(t, err)
	require.NoError(t, l.Wait(within(t, patience), 4))
	got := readAll(t, l)
	require.GreaterOrEqual(t, len(got), 4)
	for n, op := range got[2:] {
		require.Equal(t, fmt.Sprintf("%d:%s", n+3, void), op)
	}
}
