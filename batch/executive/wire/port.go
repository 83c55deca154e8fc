// The port of a runner: a tag.Port whose board is at the I/O process.

package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// Options are the options of Dial.
type Options struct {
	Batch    string
	Node     string         // board whose I/O process it is; "": this one. One of another board is lost when nothing was heard of it for Silence
	Channels []string       // to be watched, those of Outputs included
	Outputs  []Output       // that the batch may drive, once it has their equipment
	Clock    timebase.Clock // of the runner's rig; nil: the system's
	// Head is the head of the batch's journal, and its name, which the I/O process anchors in its own: each minute, and at the end. Nil: none.
	// It is called on a goroutine of the port.
	Head func() (journalID string, head journal.Chain)
}

// Port is a tag.Port whose board is at the I/O process. It connects when it is first watched or written, and again after the connection
// broke, when it is next: Watch returns an error then. A connection stays when Watch returns, until Close. It is no Reporter and no Mapped:
// what happens on a bus is on record where the bus is, at the I/O process.
//
// A write whose equipment the batch does not have is tag.ErrRefused, and so is one for which there is no connection; one that was sent and
// not answered is tag.ErrUnknown. Times are translated by asking the I/O process for its own, again each second: a value is never younger
// than it says, by no more than the fastest of these took, and no write is begun after its deadline. A value from before the Clock began counts as from its beginning,
// and one from more than two seconds before is BAD.
//
// Its methods may be called from any goroutine, but not from within emit.
type Port struct {
	network api.Network
	opt     Options
	clock   timebase.Clock
	outputs map[string]uint16
	turn    chan struct{} // whoever dials has it

	mu     sync.Mutex
	tokens map[string]uint64
	link   *link // nil: none was made yet
	closed bool

	emits sync.Mutex // held during emit
	emit  func(tag.Raw)
}

var _ tag.Port = (*Port)(nil)

// Dial returns the port of a batch. Nothing is connected before the first Watch or Write.
func Dial(n api.Network, opt Options) *Port {
	p := &Port{network: n, opt: opt, clock: opt.Clock, outputs: map[string]uint16{}, turn: make(chan struct{}, 1), tokens: map[string]uint64{}}
	if p.clock == nil {
		p.clock = system.NewClock(1)
	}
	for i := range opt.Outputs {
		p.outputs[opt.Outputs[i].Channel] = uint16(i)
	}
	return p
}

// Grant says that the batch has equipment under a token: from now on its outputs are written under that. It does not block. One that is
// lower than the token that is there changes nothing.
func (p *Port) Grant(equipment []string, token uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range equipment {
		if token <= p.tokens[e] {
			continue
		}
		p.tokens[e] = token
		if p.link != nil {
			p.link.add(frame{kind: kGrant, token: token, text: e})
		}
	}
}

// Release says that the batch has equipment no more: its outputs stay as they are, whatever becomes of the runner. It does not block.
func (p *Port) Release(equipment []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range equipment {
		if p.tokens[e] == 0 {
			continue
		}
		delete(p.tokens, e)
		if p.link != nil {
			p.link.add(frame{kind: kFree, text: e})
		}
	}
}

// errWatched: a Watch is under way.
var errWatched = errors.New("wire: the port is watched already; end that Watch first")

// Watch implements tag.Port.
func (p *Port) Watch(ctx context.Context, emit func(tag.Raw)) error {
	if ctx.Err() != nil {
		return nil
	}
	l, err := p.connect(ctx)
	if err == nil {
		err = l.settle(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = p.follow(l, emit)
	}
	if err != nil {
		return err
	}
	defer func() {
		p.emits.Lock()
		defer p.emits.Unlock()
		p.emit = nil
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-l.gone:
		return l.why()
	}
}

// follow emits what is known, and from now on what comes.
func (p *Port) follow(l *link, emit func(tag.Raw)) error {
	p.emits.Lock()
	defer p.emits.Unlock()
	if p.emit != nil {
		return errWatched
	}
	for i := range l.values {
		if l.values[i].Channel != "" {
			emit(l.values[i])
		}
	}
	p.emit = emit
	return nil
}

// take takes in a value that came; only the goroutine that reads the link calls it.
func (p *Port) take(l *link, f *frame) error {
	if int(f.channel) >= len(l.values) {
		return fmt.Errorf("%w: a value of channel %d", errFrame, f.channel)
	}
	raw := tag.Raw{Channel: p.opt.Channels[f.channel], Form: f.form, Bits: f.bits, Quality: f.quality, At: f.at + l.lo}
	if raw.At < 1 {
		if raw.At < -beforeClock {
			raw.Quality = tag.Bad
		}
		raw.At = 1
	}
	p.emits.Lock()
	defer p.emits.Unlock()
	l.values[f.channel] = raw
	if p.emit != nil {
		p.emit(raw)
	}
	return nil
}

// beforeClock is how much older than the clock of the runner a value may be, in ns.
const beforeClock = 2_000_000_000

// Write implements tag.Port.
func (p *Port) Write(ctx context.Context, w tag.Write) error {
	i, has := p.outputs[w.Channel]
	if !has {
		return fmt.Errorf("wire: %w: the batch has no output %q", tag.ErrRefused, w.Channel)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wire: %w: %w", tag.ErrRefused, err)
	}
	if w.Deadline != 0 && p.clock.Now() >= w.Deadline {
		return fmt.Errorf("wire: %w: its deadline is over", tag.ErrRefused)
	}
	l, err := p.connect(ctx)
	if err != nil {
		return fmt.Errorf("wire: %w: %w", tag.ErrRefused, err)
	}
	p.mu.Lock()
	token := p.tokens[p.opt.Outputs[i].Equipment]
	p.mu.Unlock()
	if token == 0 {
		return fmt.Errorf("wire: %w: the batch does not have %q, of which %q is an output", tag.ErrRefused, p.opt.Outputs[i].Equipment, w.Channel)
	}
	c := l.ask(frame{kind: kWrite, id: w.ID, channel: i, form: w.Form, bits: w.Bits, at: w.Deadline, token: token, safe: w.Safe})
	select {
	case f := <-c.answer:
		return f.err()
	case <-ctx.Done():
		return l.callOff(c, ctx.Err())
	case <-l.gone:
		return l.callOff(c, l.why())
	}
}

// err is the error that an answer stands for.
func (f *frame) err() error {
	switch f.outcome {
	case done:
		return nil
	case refused:
		return fmt.Errorf("wire: %w: %s", tag.ErrRefused, strings.TrimPrefix(f.text, tag.ErrRefused.Error()+": "))
	case unknown:
		return fmt.Errorf("wire: %w: %s", tag.ErrUnknown, strings.TrimPrefix(f.text, tag.ErrUnknown.Error()+": "))
	}
	return errors.New("wire: " + f.text)
}

// errClosed: Close was called.
var errClosed = errors.New("wire: the port is closed")

// dialTime is how long the I/O process may take to take a connection.
const dialTime = 5 * time.Second

var errSilent = errors.New("wire: the I/O process does not answer")

// connect returns the link, a new one where there is none or it broke.
func (p *Port) connect(ctx context.Context) (*link, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialTime, errSilent)
	defer cancel()
	p.mu.Lock()
	l, closed := p.link, p.closed
	p.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if l != nil {
		select {
		case <-l.gone:
			l.wg.Wait()
			l = nil
		default:
		}
	}
	if l == nil {
		var err error
		if l, err = p.make(ctx); err != nil {
			return nil, err
		}
	}
	select {
	case <-l.timed:
		return l, nil
	case <-l.gone:
		return nil, l.why()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// make makes a link. Whoever calls it has the turn.
func (p *Port) make(ctx context.Context) (*link, error) {
	name := api.IO
	if p.opt.Node != "" {
		name = api.Remote(p.opt.Node, name)
	}
	client := p.network.Dial(name)
	conn, err := client.Upgrade(ctx, path, protocol, &hello{Batch: p.opt.Batch, Channels: p.opt.Channels, Outputs: p.opt.Outputs})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return nil, errClosed
	}
	p.link = newLink(p, conn)
	for _, e := range slices.Sorted(maps.Keys(p.tokens)) { // before the time is asked for, and so before there are values
		p.link.add(frame{kind: kGrant, token: p.tokens[e], text: e})
	}
	p.link.start()
	return p.link, nil
}

// Close says goodbye: what the batch had is its no more, and nothing is done to its outputs. Where Close is not called, the end of the
// process, or of the connection, is the loss of the runner. It blocks until the I/O process has taken the goodbye, for a second at most, and
// until the goroutines of the port have ended.
func (p *Port) Close() error {
	p.mu.Lock()
	l := p.link
	p.closed = true
	p.mu.Unlock()
	if l == nil {
		return nil
	}
	l.leave()
	late := p.clock.Alarm(func() { l.fail(errClosed) })
	defer late.Stop()
	late.Set(p.clock.Now() + 1_000_000_000)
	<-l.gone
	l.wg.Wait()
	return nil
}

// Drop closes the port without a goodbye, as the end of the process would: what the batch still had is lost to it, and goes to its safe
// values. It blocks until the goroutines of the port have ended.
func (p *Port) Drop() {
	p.mu.Lock()
	l := p.link
	p.closed = true
	p.mu.Unlock()
	if l == nil {
		return
	}
	l.fail(errClosed)
	l.wg.Wait()
}
