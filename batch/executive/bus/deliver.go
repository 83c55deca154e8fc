// Deliver: from the stream EV into the sink that keeps evidence for the long term.

package bus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

const (
	hubConsumer  = "hub"
	deliverAgain = 800 * time.Millisecond // after which the stream delivers anew what was not acknowledged: a connection may have lost it
	deliverNext  = time.Second            // before what cannot be taken now is tried again
	deliverMost  = 5                      // times that it is tried; then the board has it, and sends it again
	deliverAhead = 64                     // messages that are fetched before they are taken
	deliverBytes = 1 << 20                // of rows that the sink is handed at a time, and of a message more
	deliverOpen  = 1024                   // messages of all journals that are under way or tried again
	hubBeat      = 10 * time.Second
	askTime      = time.Second
	mostNodes    = 1024
	mostPlaces   = 100_000 // journals of which the hub's position is remembered; it is asked again for others
	evidenceRoom = 8 << 30
	evidenceMost = 10_000_000 // messages
)

// DeliverOptions are the options of Deliver; nil means all zero.
type DeliverOptions struct {
	For      func(node string) export.Sink       // where the journals of one node go, which may refuse those of another; asked once for each; nil: all to the one sink
	MaxBytes int64                               // of the stream; 0: 8 GiB
	Replicas int                                 // of the stream: 1 or 3; 0: 3 in a cluster
	Aside    string                              // directory for messages that cannot be read, which must exist; "": only their digest is told
	Tell     func(object, result, detail string) // what is set aside, dropped, or missing; from the goroutine of Deliver; nil: that of the connection
}

// deliverer is one Deliver.
type deliverer struct {
	c    *Conn
	to   export.Sink
	opt  DeliverOptions
	boot string

	mu     sync.Mutex // of all that the sinks are asked, and of what follows
	places map[string]*place
	sinks  map[string]export.Sink // by node, where there are several
	last   string                 // what was told last of the stream
}

// place is how far a journal of a node has come.
type place struct {
	node, id string
	subject  string // where positions go
	at       journal.Chain
	gap      string    // Ev-Try and number of the gap that was told
	stuck    time.Time // until then the sink is left alone with it
}

// Deliver hands the rows that come over the bus to a sink, journal by journal in their order, and says to whoever sent them what the sink holds durably. It
// blocks until ctx ends, through every outage, and then returns nil; an error is one of the options. A message leaves the stream when the sink has
// its rows durably, or when the board will send them again: when it does not follow what the sink holds, since JetStream or the sink's disk has lost some, the
// position goes out, and the board sends from there. Rows that the sink has are dropped. What cannot be read, or is another record than the sink has
// there, is set aside and told, and holds nobody up. There is one Deliver for a stream.
func Deliver(ctx context.Context, c *Conn, to export.Sink, opt *DeliverOptions) error {
	d := &deliverer{c: c, to: to, boot: rand.Text(), places: map[string]*place{}, sinks: map[string]export.Sink{}}
	if opt != nil {
		d.opt = *opt
	}
	if d.opt.Tell == nil {
		d.opt.Tell = c.tell
	}
	if d.opt.MaxBytes <= 0 {
		d.opt.MaxBytes = evidenceRoom
	}
	if to == nil && d.opt.For == nil {
		return errors.New("bus: there is no sink to deliver to")
	}
	asked, err := c.nc.Subscribe("hub.ask.*.*", func(m *nats.Msg) { d.answer(ctx, m) })
	if err != nil {
		return fmt.Errorf("bus: questions to the hub cannot be listened to: %w", err)
	}
	defer asked.Unsubscribe()
	for n := 0; ctx.Err() == nil; n++ {
		begun := time.Now()
		if err := d.session(ctx); ctx.Err() == nil {
			d.told("stream", "away", words(err))
		}
		if time.Since(begun) > hubBeat {
			n = 0
		}
		select {
		case <-time.After(min(againMin<<min(n, 8), time.Second)):
		case <-ctx.Done():
		}
	}
	return nil
}

// told tells of the stream, where it is something else than was told last.
func (d *deliverer) told(object, result, detail string) {
	if now := result + detail; now != d.last {
		d.last = now
		d.opt.Tell(object, result, detail)
	}
}

// session delivers until something fails.
func (d *deliverer) session(ctx context.Context) error {
	// It is a queue of what the hub lacks, and full only when the hub was away for long; then it refuses what is new, and the boards keep it.
	if err := d.c.Ensure(ctx, &Stream{Name: evidence, Subjects: []string{"ev.>"}, Replicas: d.opt.Replicas, MaxBytes: d.opt.MaxBytes, MaxMsgs: evidenceMost,
		Queue: true}); err != nil {
		return err
	}
	cons, err := d.c.js.CreateOrUpdateConsumer(ctx, evidence, jetstream.ConsumerConfig{Durable: hubConsumer, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: deliverAgain, MaxAckPending: deliverOpen, DeliverPolicy: jetstream.DeliverAllPolicy, MaxDeliver: -1})
	if err != nil {
		return fmt.Errorf("bus: consumer %q of stream %s: %w", hubConsumer, evidence, err)
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(deliverAhead), jetstream.PullHeartbeat(time.Second), jetstream.PullExpiry(5*time.Second))
	if err != nil {
		return fmt.Errorf("bus: stream %s: %w", evidence, err)
	}
	d.told("stream", "here", "")
	d.up()
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan jetstream.Msg, deliverAhead)
	ended := make(chan error, 1)
	go func() {
		ended <- fetch(ctx, it, ch)
		close(ch)
	}()
	d.work(ctx, ch)
	cancel()
	it.Stop()
	for range ch { // what is left is delivered again
	}
	return <-ended
}

// fetch passes on what the stream delivers.
func fetch(ctx context.Context, it jetstream.MessagesContext, ch chan<- jetstream.Msg) error {
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("bus: stream %s: %w", evidence, err)
		}
		select {
		case ch <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// work takes what is there, at most so much at a time, until ch is closed or ctx ends.
func (d *deliverer) work(ctx context.Context, ch <-chan jetstream.Msg) {
	beat := time.NewTicker(hubBeat)
	defer beat.Stop()
	for {
		var m jetstream.Msg
		var ok bool
		select {
		case m, ok = <-ch:
		case <-beat.C:
			d.up()
			continue
		case <-ctx.Done():
		}
		if !ok {
			return
		}
		some, size := []jetstream.Msg{m}, len(m.Data())
		for more := true; more && size < deliverBytes; {
			select {
			case m, ok := <-ch:
				if more = ok; ok {
					some, size = append(some, m), size+len(m.Data())
				}
			default:
				more = false
			}
		}
		d.deliver(ctx, some)
	}
}

// up says that this hub is there.
func (d *deliverer) up() {
	p := position{Link: journal.Hash{}.String(), Boot: d.boot}
	_ = d.c.nc.Publish("hub.told", p.bytes()) // whoever does not hear it hears the next
}

// deliver takes messages of any journals.
func (d *deliverer) deliver(ctx context.Context, some []jetstream.Msg) {
	var order []string
	of := map[string][]jetstream.Msg{}
	for _, m := range some {
		if of[m.Subject()] == nil {
			order = append(order, m.Subject())
		}
		of[m.Subject()] = append(of[m.Subject()], m)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, subject := range order {
		p, err := d.place(subject)
		if err != nil {
			for _, m := range of[subject] {
				d.aside(m, err)
			}
			continue
		}
		d.journal(ctx, p, of[subject])
	}
}

// place finds that of a subject, or makes it, with nothing known.
func (d *deliverer) place(subject string) (*place, error) {
	if p := d.places[subject]; p != nil {
		return p, nil
	}
	node, id, err := ofSubject("ev", subject)
	if err != nil {
		return nil, err
	}
	to, err := subjectOf("hub.told", node, id)
	if err != nil {
		return nil, err
	}
	if len(d.places) >= mostPlaces {
		clear(d.places)
	}
	p := &place{node: node, id: id, subject: to}
	d.places[subject] = p
	return p, nil
}

// sink is where the journals of a node go. The caller holds mu.
func (d *deliverer) sink(node string) export.Sink {
	if d.opt.For == nil {
		return d.to
	}
	if d.sinks[node] == nil {
		if len(d.sinks) >= mostNodes {
			clear(d.sinks)
		}
		d.sinks[node] = d.opt.For(node)
	}
	return d.sinks[node]
}

// answer tells whoever asks what the sink holds, and what the stream has for it.
func (d *deliverer) answer(ctx context.Context, m *nats.Msg) {
	node, id, err := ofSubject("hub.ask", m.Subject)
	subject, other := subjectOf("ev", node, id)
	if err != nil || other != nil || ctx.Err() != nil {
		return
	}
	asker, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, "hub.ask."), ".")
	if inbox := inboxOf(&Options{User: asker}) + "."; !strings.HasPrefix(m.Reply, inbox) { // we may publish where he may not
		d.c.tell(cut(m.Subject), "refused", fmt.Sprintf("its answer is wanted at %.80q, which is not in the inbox of this user, %s", m.Reply, inbox))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var q question
	if len(m.Data) > maxPosition || json.Unmarshal(m.Data, &q) != nil {
		return // it is of nobody who knows how to ask
	}
	p := position{Boot: d.boot}
	if q.Stream { // first: what leaves the stream meanwhile, the sink has
		if p.Waits, p.Try, err = d.c.lastEvidence(ctx, subject); err != nil {
			p.Unseen = words(err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	sink := d.sink(node)
	if a, ok := sink.(export.Announcer); ok {
		a.Announce(id, export.Edge{Durable: q.Durable, Acked: q.Acked})
	}
	at, err := sink.Held(ctx, id)
	if err != nil {
		p.Refused = err.Error()
	} else if is := d.places[subject]; is != nil {
		is.at = at
	}
	p.Seq, p.Link = at.N, at.Link.String()
	_ = d.c.nc.Publish(m.Reply, p.bytes()) // whoever hears nothing asks again
}

// lastEvidence are Ev-Last and Ev-Try of the last message in the stream under a subject; "" where none is. It asks the leader.
func (c *Conn) lastEvidence(ctx context.Context, subject string) (last, try string, err error) {
	var is struct {
		Message struct {
			Header []byte `json:"hdrs"`
		} `json:"message"`
	}
	err = c.ask(ctx, "STREAM.MSG.GET."+evidence, map[string]string{"last_by_subj": subject}, &is)
	if coded(err) == codeNoMessage {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("bus: stream %s, last message of %s: %w", evidence, subject, err)
	}
	h, err := nats.DecodeHeadersMsg(is.Message.Header)
	if err != nil {
		return "", "", nil // it is set aside when it comes
	}
	return h.Get(headLast), h.Get(headTry), nil
}

// say says how far a journal is, and what is wrong.
func (d *deliverer) say(p *place, gap, refused string) {
	is := position{Seq: p.at.N, Link: p.at.Link.String(), Boot: d.boot, Gap: gap, Refused: refused}
	_ = d.c.nc.Publish(p.subject, is.bytes()) // whoever does not hear it asks
}
