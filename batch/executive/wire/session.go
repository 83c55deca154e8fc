// The connection of a runner, as the I/O process has it.

package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// What may wait for a runner that does not read: edges of switches, beside one value of each channel, and answers.
const (
	maxEdges   = 1024
	maxAnswers = 1024
)

// anchorGap is the least time in ns between two heads of a batch's journal that are anchored, but for the last.
const anchorGap = 10_000_000_000

// session is a connection. The handler's goroutine reads, and one more sends.
type session struct {
	s     *Server
	n     uint64 // a later connection has a greater one
	hello hello
	peer  api.Peer
	uid   int    // of the batch's process; of another board, by its word
	lost  string // why it ended; of the goroutine that reads
	conn  net.Conn
	wake  chan struct{} // has room for one

	seq      uint64 // of the newest write; of the goroutine that reads, as is what follows
	anchored int64
	bye      bool

	job *job // newest write that has not ended; of Server.mu

	mu      sync.Mutex // after Server.mu
	timed   bool       // it has asked for the time, which is before any value
	answers []frame
	asked   frame // question for the time that waits; kind 0: none
	pend    []pending
	place   []int // by channel: place of its newest value in pend, or -1
	last    []lastValue
	over    bool
}

// pending is a value that was not sent yet.
type pending struct {
	channel uint16
	edge    bool // it is another one than the value before it
	raw     tag.Raw
}

// lastValue is the newest value of a channel, for edges.
type lastValue struct {
	bits    uint64
	quality tag.Quality
	has     bool
}

// push lets a value wait for its turn. A number that was not sent yet is replaced by its newer value, and so is a switch that has not
// moved. An edge of a switch never is, unless maxEdges wait: then its newest value stands, and is BAD.
func (c *session) push(i uint16, raw tag.Raw) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	last := &c.last[i]
	edge := last.has && (last.bits != raw.Bits || last.quality != raw.Quality)
	*last = lastValue{raw.Bits, raw.Quality, true}
	p := c.place[i]
	switch {
	case p < 0 || raw.Form == tag.Bool && edge && len(c.pend) < maxEdges+len(c.place):
		c.pend = append(c.pend, pending{i, edge, raw})
		c.place[i] = len(c.pend) - 1
	case raw.Form == tag.Bool && edge:
		raw.Quality = tag.Bad
		last.quality = tag.Bad // so that the next value is another one again
		c.pend[p].raw = raw
	case raw.Form == tag.Bool && c.pend[p].edge: // when it moved is kept
		if len(c.pend) < maxEdges+len(c.place) {
			c.pend = append(c.pend, pending{i, false, raw})
			c.place[i] = len(c.pend) - 1
		}
	default:
		c.pend[p].raw = raw
	}
	c.stir()
}

func (c *session) stir() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// answer says what became of a write. A runner that asks on and on and reads no answer is cut off.
func (c *session) answer(seq uint64, err error) {
	f := frame{kind: kDone, seq: seq}
	if err != nil {
		f.outcome, f.text = failed, err.Error()
	}
	switch {
	case errors.Is(err, tag.ErrRefused):
		f.outcome = refused
	case errors.Is(err, tag.ErrUnknown):
		f.outcome = unknown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers = append(c.answers, f); len(c.answers) > maxAnswers {
		c.conn.Close()
	}
	c.stir()
}

// send sends what waits, until the connection ends. It may wait in a write for as long as the runner does not read.
func (c *session) send(end <-chan struct{}) {
	var buf []byte
	var pend []pending
	for {
		select {
		case <-c.wake:
		case <-end:
			return
		}
		c.mu.Lock()
		buf = buf[:0]
		if c.asked.kind != 0 {
			c.asked.now = c.s.clock.Now()
			buf = c.asked.append(buf)
			c.asked.kind = 0
		}
		for i := range c.answers {
			buf = c.answers[i].append(buf)
		}
		c.answers = c.answers[:0]
		if c.timed {
			pend, c.pend = c.pend, pend[:0]
			for i := range pend {
				c.place[pend[i].channel] = -1
			}
		}
		c.mu.Unlock()
		for i := range pend {
			p := &pend[i]
			f := frame{kind: kValue, channel: p.channel, form: p.raw.Form, quality: p.raw.Quality, bits: p.raw.Bits, at: p.raw.At}
			buf = f.append(buf)
		}
		pend = pend[:0]
		if len(buf) == 0 {
			continue
		}
		if _, err := c.conn.Write(buf); err != nil {
			c.conn.Close()
			return
		}
	}
}

// servePort answers a runner that wants the port.
func (s *Server) servePort(w http.ResponseWriter, r *http.Request) {
	c := &session{s: s, wake: make(chan struct{}, 1), peer: api.PeerOf(r)}
	if c.uid = c.peer.UID; c.peer.Node != "" {
		c.uid = c.peer.There
	}
	if err := api.Take(w, r, &c.hello); err != nil {
		api.Reply(w, nil, err)
		return
	}
	if !s.enter() {
		api.Reply(w, nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "wire: the I/O process does not run; ask again"})
		return
	}
	defer s.tasks.Done()
	if err := s.welcome(c); err != nil {
		api.Reply(w, nil, err)
		return
	}
	defer s.forget(c)
	conn, err := api.Upgrade(w, r, protocol)
	if err != nil {
		return
	}
	c.conn = conn
	end := make(chan struct{})
	stop := context.AfterFunc(s.life, func() { conn.Close() })
	defer stop()
	s.join(c)
	var wg sync.WaitGroup
	wg.Go(func() { c.send(end) })
	c.read()
	close(end)
	conn.Close()
	wg.Wait()
}

// welcome takes a connection in, or refuses it: a batch comes from its own board, and one that has equipment is the user that it was. An older connection of the batch may
// still write: its write ends first, so that it does not arrive after what comes by this one.
func (s *Server) welcome(c *session) error {
	if err := s.fromBoard(c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) >= MaxRunners {
		return &api.Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("wire: %d runners are connected, which is all that are taken", MaxRunners)}
	}
	for e, o := range s.owners {
		if o.Batch == c.hello.Batch && o.UID >= 0 && o.UID != c.uid {
			why := fmt.Sprintf("%s has %s as user %d, and asks as user %d", c.hello.Batch, e, o.UID, c.uid)
			s.mu.Unlock()
			s.refuseAccess(c.peer, "port", c.hello.Batch, why)
			s.mu.Lock()
			return &api.Error{Status: http.StatusForbidden, Message: "wire: " + why}
		}
	}
	s.numbers++
	c.n = s.numbers
	c.place, c.last = make([]int, len(c.hello.Channels)), make([]lastValue, len(c.hello.Channels))
	for i := range c.place {
		c.place[i] = -1
	}
	for old := range s.sessions {
		for old.hello.Batch == c.hello.Batch && old.job != nil && s.life.Err() == nil {
			s.cut(old)
			s.idle.Wait()
		}
	}
	s.sessions[c] = true
	return nil
}

// join has a connection watch its channels, and gives it every value that there is.
func (s *Server) join(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, name := range c.hello.Channels {
		v := s.value(name)
		v.subs[c] = uint16(i)
		if v.raw.Channel != "" {
			c.push(uint16(i), v.raw)
		}
	}
}

// forget ends a connection: what it asked for is called off, and when that has ended, its runner is lost, unless it said goodbye or the
// I/O process ends.
func (s *Server) forget(c *session) {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	s.mu.Lock()
	delete(s.sessions, c)
	for _, name := range c.hello.Channels {
		if v := s.values[name]; v != nil {
			delete(v.subs, c)
			if len(v.subs) == 0 && v.raw.Channel == "" {
				delete(s.values, name)
			}
		}
	}
	for c.job != nil && s.life.Err() == nil {
		s.cut(c)
		s.idle.Wait()
	}
	var had []string
	for e, o := range s.owners {
		if o.session == c {
			o.session = nil
			had = append(had, e)
		}
	}
	ended := s.life.Err() != nil
	s.mu.Unlock()
	switch {
	case ended || len(had) == 0:
	case c.bye:
		for _, e := range had {
			s.free(c, e)
		}
	default:
		s.runnerLost(s.life, c.hello.Batch, had, c.n, c.lost)
	}
}

// read takes in what comes, until the connection ends or the runner says goodbye.
func (c *session) read() {
	r, buf := bufio.NewReaderSize(c.conn, 4096), make([]byte, maxFrame)
	c.lost = "its connection ended without a goodbye"
	for {
		f, err := c.next(r, buf)
		if err != nil {
			return
		}
		switch f.kind {
		case kTime:
			c.mu.Lock()
			c.asked, c.timed = frame{kind: kNow, at: f.at}, true
			c.stir()
			c.mu.Unlock()
		case kGrant:
			_ = c.s.claim(c, f.text, f.token) // what is wrong with it is said of the write that comes with it
		case kFree:
			c.s.free(c, f.text)
		case kWrite:
			if int(f.channel) >= len(c.hello.Outputs) || f.seq <= c.seq {
				return
			}
			c.seq = f.seq
			c.s.write(c, &f)
		case kCancel:
			c.s.callOff(c, f.seq)
		case kHead:
			c.anchor(&f, false)
		case kBye:
			c.bye = true
			return
		default:
			return
		}
	}
}

// next reads a frame. One of another board is waited for as long as silence may be.
func (c *session) next(r io.Reader, buf []byte) (f frame, err error) {
	if c.peer.Node == "" {
		return readFrame(r, buf)
	}
	if err = c.conn.SetReadDeadline(time.Now().Add(c.s.opt.Silence)); err == nil {
		f, err = readFrame(r, buf)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.lost = fmt.Sprintf("nothing was heard of it from %s for %s", c.peer.Node, c.s.opt.Silence)
	}
	return f, err
}

// anchor keeps the head of a batch's journal in the ledger.
func (c *session) anchor(f *frame, last bool) {
	now := c.s.clock.Now()
	if f.text == "" || f.seq == 0 || !last && c.anchored != 0 && now-c.anchored < anchorGap {
		return
	}
	c.anchored = now
	_ = c.s.append(func(b *record.Body) {
		b.Begin(record.KindHeadAnchored)
		b.Text(record.AnchoredJournalID, f.text)
		b.Count(record.HeadSize, f.seq)
		b.Text(record.HeadLink, journal.Hash(f.link).String())
	})
}
