// Sink: the journals of a board to the hub, through the stream EV.

package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

const (
	askAgain   = 50 * time.Millisecond  // between two questions to the hub
	askOnce    = 300 * time.Millisecond // for one
	lookEach   = 400 * time.Millisecond // how often Take looks again where all stands, while nothing is heard
	refusedFor = 5 * time.Second        // how long nothing is sent that the hub has refused
	ackLimit   = time.Second            // of the stream for one message
	mostSent   = 256                    // messages of all journals that wait for the stream
	mostLanes  = 100_000                // journals of one board
	askDefault = time.Second
	takeLimit  = 3 * time.Second
)

// SinkOptions are the options of NewSink; nil means all zero.
type SinkOptions struct {
	Ask  time.Duration // how long the hub is asked before it counts as away; 0: 1 s
	Wait time.Duration // how long Take waits until the hub has what was sent; 0: 3 s
}

// Sink is an export.Sink for the journals of one node: Take publishes rows to the stream EV, which may keep them while the hub is away. What it tells
// as held is what the hub has said that it holds durably, never what the stream has acknowledged: what JetStream loses is sent again. Rows that
// wait in the stream are not sent a second time: before it sends anew it asks the hub for the last message of the journal there, which the hub asks the
// stream's leader for.
// Its methods may be called from any goroutine; those of one journal wait for each other. It blocks no longer than SinkOptions say, or ctx.
type Sink struct {
	c    *Conn
	js   jetstream.JetStream
	opt  SinkOptions
	subs []*nats.Subscription

	mu    sync.Mutex // guards what follows, and of each lane what is not guarded by busy
	boot  string     // of the hub's process that was heard last
	boots uint64
	lanes map[string]*lane
}

// lane is what is known of one journal.
type lane struct {
	ask, subject string
	told         chan struct{} // something was heard; one that waits says it all

	edge export.Edge // how it stands here

	base    journal.Chain // what Held or Take has told last, from which rows go on
	heard   journal.Chain // what the hub said last that it holds
	gap     string        // the Ev-Try of a message that does not follow that
	refused string        // why it takes nothing
	until   time.Time     // nothing is sent before: it has just refused some

	busy  sync.Mutex    // of Take; guards what follows
	sent  journal.Chain // the last record that the stream was seen to have
	known bool          // sent is what it says: nothing was lost sight of
	try   string
}

// NewSink makes the sink of the node that the connection names. Close it before the connection.
func NewSink(c *Conn, opt *SinkOptions) (*Sink, error) {
	s := &Sink{c: c, lanes: map[string]*lane{}}
	if opt != nil {
		s.opt = *opt
	}
	if s.opt.Ask <= 0 {
		s.opt.Ask = askDefault
	}
	if s.opt.Wait <= 0 {
		s.opt.Wait = takeLimit
	}
	node, err := token(c.opt.Node)
	if err != nil {
		return nil, err
	}
	if s.js, err = jetstream.New(c.nc, jetstream.WithPublishAsyncTimeout(ackLimit), jetstream.WithPublishAsyncMaxPending(mostSent)); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	for _, subject := range []string{"hub.told." + node + ".*", "hub.told"} {
		sub, err := c.nc.Subscribe(subject, s.hears)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("bus: %s cannot be listened to: %w", subject, err), s.Close())
		}
		s.subs = append(s.subs, sub)
	}
	return s, nil
}

// Close ends the listening to the hub.
func (s *Sink) Close() error {
	for _, sub := range s.subs {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			return fmt.Errorf("bus: %w", err)
		}
	}
	return nil
}

// Boots counts the processes of the hub that were heard. After each the hub may hold less than before: its disk may have been put back.
func (s *Sink) Boots() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boots
}

// lane finds that of a journal, or makes it.
func (s *Sink) lane(journalID string) (*lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[journalID]; l != nil {
		return l, nil
	}
	if len(s.lanes) >= mostLanes {
		return nil, fmt.Errorf("bus: journal %q: this board has sent %d already, which is the most", journalID, mostLanes)
	}
	ask, err := subjectOf("hub.ask", s.c.opt.Node, journalID)
	if err != nil {
		return nil, err
	}
	subject, err := subjectOf("ev", s.c.opt.Node, journalID)
	if err != nil {
		return nil, err
	}
	l := &lane{ask: ask, subject: subject, told: make(chan struct{}, 1)}
	s.lanes[journalID] = l
	return l, nil
}

// hears takes in what the hub says unasked.
func (s *Sink) hears(m *nats.Msg) {
	p, at, err := readPosition(m.Data)
	if err != nil {
		s.c.tell("hub", "unreadable", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.booted(p.Boot)
	_, journalID, err := ofSubject("hub.told", m.Subject)
	if l := s.lanes[journalID]; err == nil && l != nil {
		l.hear(&p, at)
	}
}

// booted takes in which process of the hub was heard. The caller holds mu.
func (s *Sink) booted(boot string) {
	if boot != s.boot {
		s.boot = boot
		s.boots++
	}
}

// hear takes in what the hub said of the journal. The caller holds the mu of the Sink.
func (l *lane) hear(p *position, at journal.Chain) {
	l.heard = at
	if p.Refused != "" || p.Gap == "" && !time.Now().Before(l.until) {
		l.refused = p.Refused
	}
	if p.Gap != "" {
		l.gap = p.Gap
	}
	if p.Refused != "" {
		l.until = time.Now().Add(refusedFor)
	}
	select {
	case l.told <- struct{}{}:
	default:
	}
}

// Held implements export.Sink: it asks the hub.
func (s *Sink) Held(ctx context.Context, journalID string) (journal.Chain, error) {
	l, err := s.lane(journalID)
	if err != nil {
		return journal.Chain{}, err
	}
	p, at, err := s.asks(ctx, l, false)
	if err == nil && p.Refused != "" {
		err = fmt.Errorf("bus: the hub does not tell what it holds: %s", p.Refused)
	}
	if err == nil {
		s.mu.Lock()
		l.base = at
		s.mu.Unlock()
	}
	return at, err
}

// Announce implements export.Announcer: the hub is told with the next question.
func (s *Sink) Announce(journalID string, edge export.Edge) {
	if l, err := s.lane(journalID); err == nil {
		s.mu.Lock()
		l.edge = edge
		s.mu.Unlock()
	}
}

// asks asks the hub, until it has answered or Ask is over.
func (s *Sink) asks(ctx context.Context, l *lane, stream bool) (p position, at journal.Chain, err error) {
	s.mu.Lock()
	what := question{Durable: l.edge.Durable, Acked: l.edge.Acked, Stream: stream}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.opt.Ask)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, askOnce)
		m, err := s.c.nc.RequestWithContext(once, l.ask, what.bytes())
		done()
		if err == nil {
			if p, at, err = readPosition(m.Data); err != nil {
				return p, at, err
			}
			s.mu.Lock()
			s.booted(p.Boot)
			if p.Refused == "" {
				l.hear(&p, at)
			}
			s.mu.Unlock()
			return p, at, nil
		}
		if ctx.Err() != nil || errors.Is(err, nats.ErrConnectionClosed) {
			return p, at, fmt.Errorf("bus: no hub answers at %s: %w", l.ask, err)
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
		}
	}
}

// Take implements export.Sink. That the hub is away is an error; the rows may be in the stream all the same, and are taken from there when it is back.
func (s *Sink) Take(ctx context.Context, journalID string, rows []export.Row) (journal.Chain, error) {
	l, err := s.lane(journalID)
	if err != nil {
		return journal.Chain{}, err
	}
	l.busy.Lock()
	defer l.busy.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.opt.Wait)
	defer cancel()
	t := taking{Sink: s, lane: l, id: journalID, rows: rows}
	err = t.run(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := t.held(); now.N >= rows[0].Seq { // a part is progress, and no error
		l.base = now
		return now, nil
	}
	return l.base, err
}

// taking is one Take.
type taking struct {
	*Sink
	*lane
	id   string
	rows []export.Row
}

// held is how far the hub has the rows. The caller holds mu.
func (t *taking) held() journal.Chain {
	last := &t.rows[len(t.rows)-1]
	if t.heard.N > last.Seq {
		return journal.Chain{N: last.Seq, Link: last.Link}
	}
	return t.heard
}

// run sends what neither hub nor stream has, until the hub has all.
func (t *taking) run(ctx context.Context) error {
	up := t.c.nc.StatusChanged(nats.CONNECTED)
	defer t.c.nc.RemoveStatusListener(up)
	no, stop := t.c.refusals()
	defer stop()
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	look := !t.known || t.sent.N >= t.rows[0].Seq
	var last error
	for {
		if look {
			last = t.look(ctx)
		}
		done, err := t.learn()
		if done || err != nil {
			return err
		}
		if !look || last == nil {
			var final bool
			if final, err = t.send(ctx, no); final {
				return err
			}
			last = err
		}
		select {
		case <-t.told:
			look = !t.known
		case <-up:
			look = true
		case <-tick.C:
			look = true
		case r := <-no:
			if r.subject == t.subject {
				return fmt.Errorf("bus: the server refuses %s: %w", t.subject, r.err)
			}
		case <-ctx.Done():
			return t.silent(last)
		}
	}
}

// silent says why Take ends although the hub lacks rows.
func (t *taking) silent(last error) error {
	where := "they are not in the stream either"
	if t.known && t.sent.N >= t.rows[len(t.rows)-1].Seq {
		where = "they wait in the stream"
	}
	return errors.Join(fmt.Errorf("bus: journal %q: the hub has said nothing of records %d to %d for %v; %s",
		t.id, t.rows[0].Seq, t.rows[len(t.rows)-1].Seq, t.opt.Wait, where), last)
}

// learn draws what follows from what the hub said.
func (t *taking) learn() (done bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gap != "" && t.gap == t.try { // what was sent before it was lost; of what was sent before that, it says nothing
		t.sent = t.heard
	}
	t.gap = ""
	if t.heard.N >= t.rows[len(t.rows)-1].Seq {
		return true, nil
	}
	if t.heard.N < t.base.N {
		return true, fmt.Errorf("bus: journal %q: the hub has records up to %d, and had them up to %d", t.id, t.heard.N, t.base.N)
	}
	if t.refused != "" {
		return true, fmt.Errorf("bus: the hub takes nothing of journal %q: %s", t.id, t.refused)
	}
	return false, nil
}

// look asks the hub what the stream has of the journal, through its leader, and what it has itself: what left the stream in between, the hub has.
func (t *taking) look(ctx context.Context) error {
	p, _, err := t.asks(ctx, t.lane, true)
	if err == nil && p.Unseen+p.Refused != "" {
		err = fmt.Errorf("bus: the hub does not tell what it holds, or what the stream has: %s%s", p.Refused, p.Unseen)
	}
	if err != nil {
		return err
	}
	sent := p.waits()
	if at := sent.N - t.rows[0].Seq; sent.N >= t.rows[0].Seq && at < uint64(len(t.rows)) && t.rows[at].Link != sent.Link {
		sent = journal.Chain{} // of another one with this name: what does not follow there the hub sets aside
	}
	t.sent, t.try, t.known = sent, p.Try, true
	return nil
}

// send publishes what neither hub nor stream has and returns when the stream has it. Final tells that Take cannot go on.
func (t *taking) send(ctx context.Context, no <-chan refusal) (final bool, err error) {
	t.mu.Lock()
	from, begin := max(t.sent.N, t.heard.N), t.base.N == 0 // then nothing of the journal is before rows
	t.mu.Unlock()
	rows := t.rows
	for len(rows) > 0 && rows[0].Seq <= from {
		rows = rows[1:]
	}
	if len(rows) == 0 {
		return false, nil
	}
	size := int(min(t.c.nc.MaxPayload(), 1<<30)) - headRoom
	if !t.c.nc.IsConnected() {
		return false, errors.New("bus: no connection")
	}
	if size < rowLeast {
		return true, fmt.Errorf("bus: the server takes messages of %d bytes, and a record may need %d; set its max_payload to 1MB",
			t.c.nc.MaxPayload(), rowLeast+headRoom)
	}
	t.try, t.known = rand.Text(), false
	var all []jetstream.PubAckFuture
	for _, m := range pack(t.subject, t.id, t.try, rows, begin && rows[0].Seq == t.rows[0].Seq, min(size, rowsEach)) {
		f, err := t.js.PublishMsgAsync(m, jetstream.WithExpectStream(evidence))
		if err != nil {
			return false, fmt.Errorf("bus: %s: %w", t.subject, err)
		}
		all = append(all, f)
	}
	if final, err = t.acked(ctx, all, no); err == nil {
		last := &rows[len(rows)-1]
		t.sent, t.known = journal.Chain{N: last.Seq, Link: last.Link}, true
	}
	return final, err
}

// acked waits until the stream has acknowledged all messages, or the hub has them: then it is not asked any more.
func (t *taking) acked(ctx context.Context, all []jetstream.PubAckFuture, no <-chan refusal) (final bool, err error) {
	for len(all) > 0 {
		f := all[0]
		select {
		case <-f.Ok():
			all = all[1:]
		case err := <-f.Err():
			var api *jetstream.APIError
			return errors.As(err, &api), fmt.Errorf("bus: stream %s does not take %s: %w", evidence, t.subject, err)
		case r := <-no:
			if r.subject == t.subject {
				return true, fmt.Errorf("bus: the server refuses %s: %w", t.subject, r.err)
			}
		case <-ctx.Done():
			return false, fmt.Errorf("bus: stream %s has not acknowledged %s: %w", evidence, t.subject, ctx.Err())
		}
	}
	return false, nil
}
