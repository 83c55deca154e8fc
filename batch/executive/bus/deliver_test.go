// Evidence that JetStream, the hub's disk or a stranger changed: what is missing is sent again, what does not fit is set aside, nobody else waits.

package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// line is a server, a hub behind it, and a sink of node n1.
type line struct {
	t     *testing.T
	k     hearsay
	c     *Conn
	store *shelf
	sink  *Sink
	stop  func() // the hub
	opt   DeliverOptions
}

func newLine(t *testing.T, max int64) *line {
	t.Helper()
	s := evServer(t, t.TempDir(), -1)
	l := &line{t: t, store: &shelf{dir: &export.Dir{Path: t.TempDir()}}}
	l.opt = DeliverOptions{MaxBytes: max, Aside: t.TempDir(), Tell: l.k.tell}
	l.c = evConn(t, s.ClientURL(), "n1", &l.k)
	var err error
	l.sink, err = NewSink(l.c, nil)
	require.NoError(t, err)
	l.hub()
	inTime(t, patience, "the hub answers", func() bool { _, err := l.sink.Held(t.Context(), "any"); return err == nil })
	return l
}

// patientLine is a line whose sink waits longer for what has to come than any machine takes, for tests that count what is sent: a sink that
// has waited in vain sends again.
func patientLine(t *testing.T, max int64) *line {
	t.Helper()
	l := newLine(t, max)
	l.sink.opt = SinkOptions{Ask: patience / 2, Wait: patience / 2}
	var err error
	l.sink.js, err = jetstream.New(l.c.nc, jetstream.WithPublishAsyncTimeout(patience), jetstream.WithPublishAsyncMaxPending(mostSent))
	require.NoError(t, err)
	return l
}

// hub starts the hub; another process of it each time.
func (l *line) hub() {
	l.store.mu.Lock()
	l.store.dir = &export.Dir{Path: l.store.dir.Path}
	l.store.mu.Unlock()
	l.stop = running(l.t, func(ctx context.Context) error { return Deliver(ctx, l.c, l.store, &l.opt) })
}

// send has a journal caught up with by an exporter, again while the hub is away, and holds it against what the hub has.
func (l *line) send(b *grower) {
	l.t.Helper()
	e := l.exporter(b)
	inTime(l.t, patience, "all is sent: "+l.k.all(), func() bool {
		err := e.CatchUp(l.t.Context())
		require.True(l.t, err == nil || export.Outage(err), "%v", err)
		return err == nil
	})
	b.whole(l.store.dir.Path)
}

func (l *line) exporter(b *grower) *export.Exporter {
	l.t.Helper()
	cursor := b.dir + "-cursor"
	require.NoError(l.t, os.MkdirAll(cursor, 0o750))
	e, err := export.New("hub", l.sink, export.Source{Dir: b.dir, Durable: b.w.Durable}, cursor, newTestClock(), &export.Options{Again: true})
	require.NoError(l.t, err)
	return e
}

// inVain has the sink take rows while the hub is away, until it has sent so many messages of them, as it must, and has asked for the hub so
// often. It sends before it asks: so that is done when it ends, however slow the machine is. Nobody listens to what it asks, as when a hub is
// away, or the server would not say so: what the connection has sent is counted.
func (l *line) inVain(id string, rows []export.Row, sends, asks int) (journal.Chain, error) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	opt := l.sink.opt
	defer func() { l.sink.opt = opt }()
	l.sink.opt.Ask = askDefault // it gives up, and looks again
	sent := l.published()
	until := l.c.nc.Stats().OutMsgs + uint64(sends+asks)
	go func() {
		for ctx.Err() == nil && l.c.nc.Stats().OutMsgs < until {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	at, err := l.sink.Take(ctx, id, rows)
	require.EqualValues(l.t, sends, l.published()-sent, "each message is sent once, and none that waits in the stream already")
	return at, err
}

// messages counts those in which the sink sends rows.
func (l *line) messages(rows []export.Row) int {
	return len(pack("", "", "", rows, false, min(int(l.c.nc.MaxPayload())-headRoom, rowsEach)))
}

// manyAsks is how often the sink asks at least once more after it has given up once.
const manyAsks = int(askDefault/askAgain) + 5

// refusedUntil is how long the sink sends nothing of a journal, since the hub has refused it.
func (l *line) refusedUntil(id string) time.Time {
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	return l.sink.lanes[id].until
}

// stream is the stream of evidence.
func (l *line) stream() jetstream.Stream {
	l.t.Helper()
	s, err := l.c.js.Stream(l.t.Context(), evidence)
	require.NoError(l.t, err)
	return s
}

// waiting counts the messages in the stream.
func (l *line) waiting() uint64 { return l.stream().CachedInfo().State.Msgs }

// published counts the messages that the stream has ever taken.
func (l *line) published() uint64 { return l.stream().CachedInfo().State.LastSeq }

func (l *line) grower(id string) *grower { return newGrower(l.t, filepath.Join(l.t.TempDir(), id), id) }

func TestWhatWaitsInTheStreamIsNotSentAgainAndTheHubTakesItFromThere(t *testing.T) {
	t.Parallel()
	l := patientLine(t, 64<<20)
	b := l.grower("J1")
	b.grow(10, 100)
	l.send(b)
	l.stop()
	b.grow(1500, 300)
	rows := b.rowsOf(11)
	at, err := l.inVain("J1", rows, l.messages(rows), manyAsks)
	require.ErrorContains(t, err, "they wait in the stream")
	require.Equal(t, uint64(10), at.N, "what the stream has is not what the hub has")
	sent := l.published()
	for range 2 {
		_, err = l.inVain("J1", rows, 0, manyAsks)
		require.Error(t, err)
	}
	l.hub()
	l.send(b)
	require.Equal(t, sent, l.published(), "nor when the hub is back")
	require.Equal(t, 1510, l.store.rows)
	inTime(t, patience, "what was taken leaves the stream", func() bool { return l.waiting() == 0 })
}

func TestAcknowledgedMessagesThatTheStreamLosesAreSentAgain(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]uint64{"all": 0, "the first": 2} {
		t.Run(name, func(t *testing.T) {
			l := patientLine(t, 64<<20)
			b := l.grower("J1")
			b.grow(10, 100)
			l.send(b)
			l.stop()
			b.grow(2500, 300)
			rows := b.rowsOf(11)
			_, err := l.inVain("J1", rows, l.messages(rows), 1)
			require.ErrorContains(t, err, "they wait in the stream")
			before := l.waiting()
			require.Greater(t, before, keep+1)
			purge := []jetstream.StreamPurgeOpt{}
			if keep > 0 {
				purge = append(purge, jetstream.WithPurgeKeep(keep))
			}
			require.NoError(t, l.stream().Purge(t.Context(), purge...))
			l.hub()
			l.send(b)
			require.Equal(t, 2510, l.store.rows, "none twice")
			if keep > 0 {
				require.Positive(t, l.k.has("J1 gap"), l.k.all())
			}
			inTime(t, patience, "what came too early leaves the stream", func() bool { return l.waiting() == 0 })
		})
	}
}

func TestAHubWhoseDiskWasPutBackIsSentWhatItLacks(t *testing.T) {
	t.Parallel()
	l := newLine(t, 64<<20)
	b, gone := l.grower("J1"), l.grower("J2")
	b.grow(100, 100)
	l.send(b)
	old, err := os.ReadFile(filepath.Join(l.store.dir.Path, "J1.tsv"))
	require.NoError(t, err)
	b.grow(900, 300)
	gone.grow(50, 100)
	l.send(b)
	l.send(gone)
	l.stop()
	require.NoError(t, os.WriteFile(filepath.Join(l.store.dir.Path, "J1.tsv"), old, 0o640))
	require.NoError(t, os.Remove(filepath.Join(l.store.dir.Path, "J2.tsv")))
	l.hub()
	l.send(b)
	l.send(gone)
}

func TestAJournalThatBeginsLateIsTakenAndOneWhoseBeginningWasLostIsNot(t *testing.T) {
	t.Parallel()
	l := patientLine(t, 64<<20)
	b := l.grower("J1")
	b.grow(20, 100)
	at, err := l.sink.Held(t.Context(), "J1")
	require.NoError(t, err)
	require.Zero(t, at)
	late := b.rowsOf(8) // as an exporter hands them on that finds nothing before
	at, err = l.sink.Take(t.Context(), "J1", late)
	require.NoError(t, err)
	require.Equal(t, b.w.Head(), at)

	c := l.grower("J2")
	c.grow(20, 100)
	subject, err := subjectOf("ev", "n1", "J2")
	require.NoError(t, err)
	for _, m := range pack(subject, "J2", "other", c.rowsOf(8), false, rowsEach) { // what was before it is lost
		_, err := l.c.js.PublishMsg(t.Context(), m)
		require.NoError(t, err)
	}
	inTime(t, patience, "a gap is told", func() bool { return l.k.has("J2 gap") > 0 })
	at, err = l.sink.Held(t.Context(), "J2")
	require.NoError(t, err)
	require.Zero(t, at)
	l.send(c)
}

func TestWhatIsNoEvidenceIsSetAsideAndHoldsNobodyUp(t *testing.T) {
	l := newLine(t, 64<<20)
	b := l.grower("J1")
	b.grow(30, 100)
	l.send(b)
	b.grow(5, 100)
	rows := b.rowsOf(31)
	forged := []export.Row{{Seq: 31, Body: []byte("forged")}}
	forged[0].Leaf = journal.Leaf(forged[0].Body)
	forged[0].Link = journal.Link(31, journal.Hash{1}, forged[0].Leaf)
	var good, bad bytes.Buffer
	good.Write(rows[0].Append(nil))
	bad.Write(rows[0].Append(nil))
	bad.Write(rows[2].Append(nil))
	for name, m := range map[string]*nats.Msg{
		"no rows":          {Subject: "ev.n1.J1"},
		"no line":          {Subject: "ev.n1.J1", Data: []byte("31\tx\ty")},
		"a changed body":   {Subject: "ev.n1.J1", Data: bytes.Replace(good.Bytes(), []byte("xxx"), []byte("xyx"), 1)},
		"a hole":           {Subject: "ev.n1.J1", Data: bad.Bytes()},
		"another link":     {Subject: "ev.n1.J1", Data: forged[0].Append(nil)},
		"a zero before":    {Subject: "ev.n1.J1", Data: append([]byte("0"), good.Bytes()...)},
		"no journal":       {Subject: "ev.n1"},
		"a name with dots": {Subject: "ev.n1.J1.x", Data: good.Bytes()},
		"a false name":     {Subject: "ev.n1._J", Data: good.Bytes()},
	} {
		before := l.k.has("set aside")
		_, err := l.c.js.PublishMsg(t.Context(), m)
		require.NoError(t, err, name)
		inTime(t, patience, name+" is set aside: "+l.k.all(), func() bool { return l.k.has("set aside") > before })
	}
	kept, err := os.ReadDir(l.opt.Aside)
	require.NoError(t, err)
	require.Len(t, kept, 7, "each once, by its digest")
	l.send(b)
	inTime(t, patience, "nothing waits", func() bool { return l.waiting() == 0 }) // what was taken is told before it leaves the stream
}

func TestAJournalThatTheSinkDoesNotTakeHoldsNoOtherUpAndComesLater(t *testing.T) {
	t.Parallel()
	l := patientLine(t, 64<<20)
	bad, good := l.grower("bad"), l.grower("good")
	bad.grow(2000, 300)
	good.grow(200, 300)
	l.store.mu.Lock()
	l.store.fail = func(id string, _ []export.Row) error {
		if id == "bad" {
			return errors.New("no room for this one")
		}
		return nil
	}
	l.store.mu.Unlock()
	e := l.exporter(bad)
	l.sink.opt.Wait = takeLimit // it ends while the hub tries it again, and the other one comes then
	require.True(t, export.Outage(e.CatchUp(t.Context())))
	l.sink.opt.Wait = patience / 2
	l.send(good)
	inTime(t, patience, "it is left to the board", func() bool { return l.waiting() == 0 })
	inTime(t, 2*patience, "ten are refused before it may be sent again", func() bool {
		require.ErrorContains(t, e.CatchUp(t.Context()), "no room for this one")
		sent, until := l.published(), l.refusedUntil("bad")
		ctx, cancel := context.WithDeadline(t.Context(), until.Add(-refusedFor/5))
		defer cancel()
		for range 10 {
			require.Error(t, e.CatchUp(ctx))
		}
		if now := l.published(); time.Now().Before(until) {
			require.Equal(t, sent, now, "what was refused is not sent at once again")
		}
		return ctx.Err() == nil
	})
	l.store.mu.Lock()
	l.store.fail = nil
	l.store.mu.Unlock()
	l.send(bad)
}

func TestAFullStreamIsAnOutageThatSaysSo(t *testing.T) {
	t.Parallel()
	l := patientLine(t, 512<<10)
	b := l.grower("J1")
	b.grow(10, 100)
	l.send(b)
	l.stop()
	b.grow(3000, 300)
	rows := b.rowsOf(11)
	_, err := l.sink.Take(t.Context(), "J1", rows)
	require.ErrorContains(t, err, "maximum bytes exceeded")
	l.hub()
	l.send(b)
}

func TestOneRowThatIsAsLargeAsARecordCanBeIsCarried(t *testing.T) {
	t.Parallel()
	l := newLine(t, 64<<20)
	b := l.grower("J1")
	for range 3 {
		seq := b.w.Tail().N + 1
		require.NoError(t, b.w.Append(seq, []byte(strings.Repeat("x", journal.MaxBody))))
		require.NoError(t, b.w.Commit())
	}
	l.send(b)
}

func TestMessagesOfRowsAreNoLargerThanTheServerTakes(t *testing.T) {
	var rows []export.Row
	for seq := range uint64(100) {
		rows = append(rows, export.Row{Seq: seq + 1, Body: bytes.Repeat([]byte("x"), int(seq)*37)})
	}
	n := 0
	for _, m := range pack("s", "J", "t", rows, true, 8000) {
		require.LessOrEqual(t, len(m.Data), 8000)
		n += bytes.Count(m.Data, []byte("\n"))
	}
	require.Equal(t, 100, n)
}

func TestNamesAsTokensComeBackAndWhatIsNoneIsRefused(t *testing.T) {
	for _, name := range []string{"n1", "n1.B-0001", "D1-1", "a_b-c.d", strings.Repeat("x", 64)} {
		subject, err := subjectOf("ev", "n1", name)
		require.NoError(t, err)
		node, id, err := ofSubject("ev", subject)
		require.NoError(t, err)
		require.Equal(t, []string{"n1", name}, []string{node, id})
	}
	for _, name := range []string{"", ".", "..", "_x", "a b", "a/b", "a*", "a>", "~", "a~b", "é", "a\x00", strings.Repeat("x", 65)} {
		_, err := subjectOf("ev", "n1", name)
		require.Error(t, err, "%q", name)
	}
	for _, s := range []string{"ev", "ev.n1", "ev.n1.", "ev..J", "ev.n1.J.x", "ew.n1.J", "ev.n1.*", "ev.n1.a/b", "ev.n1.~~"} {
		_, _, err := ofSubject("ev", s)
		require.Error(t, err, "%q", s)
	}
}

func FuzzWhatIsReadFromAMessageIsWrittenTheSame(f *testing.F) {
	r := export.Row{Seq: 1, Body: []byte("{}")}
	r.Leaf = journal.Leaf(r.Body)
	r.Link = journal.Link(1, journal.Hash{}, r.Leaf)
	next := export.Row{Seq: 2, Leaf: r.Leaf, Body: r.Body, Link: journal.Link(2, r.Link, r.Leaf)}
	f.Add(r.Append(nil))
	f.Add(next.Append(r.Append(nil)))
	f.Add([]byte("1\t\t\t\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := unpack(data)
		if err != nil {
			return
		}
		var again []byte
		for i := range rows {
			again = rows[i].Append(again)
		}
		require.Equal(t, string(data), string(again))
	})
}

func FuzzWhatAHubSaysIsAPositionOrRefused(f *testing.F) {
	p := position{Seq: 3, Link: journal.Hash{1}.String(), Boot: "b", Gap: "g"}
	f.Add(p.bytes())
	f.Add([]byte(`{"seq":"0","link":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, at, err := readPosition(data)
		if err == nil {
			require.Equal(t, p.Seq, at.N)
			require.Equal(t, fmt.Sprint(at.Link), strings.ToLower(p.Link))
		}
	})
}
