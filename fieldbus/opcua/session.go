// Session: calls to a server and their answers, over a channel that is its own; what keeps it alive, and how it ends.

package opcua

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
)

// Times of a session.
const (
	sessionLife = time.Minute            // without a request, after which the server may forget it
	openWait    = 5 * time.Second        // for an answer while it is made, which takes cryptography
	byeWait     = 50 * time.Millisecond  // for the server to say that it has ended it
	leastRest   = 100 * time.Millisecond // between looks whether it is to be kept alive
)

// contact is a session of a server. It is for any number of goroutines. After the first error it is over, and says which it was.
type contact struct {
	ch       *channel
	auth     []byte // its token, a NodeId
	response time.Duration
	used     atomic.Int64 // when something was asked last, in ns since begin
	begin    time.Time

	mu      sync.Mutex
	waiting map[uint32]*waiter
	spare   *waiter
	err     error
	ended   chan struct{}
	wg      sync.WaitGroup
}

// waiter waits for an answer.
type waiter struct {
	done  chan struct{}
	timer *time.Timer
	body  []byte
	err   error
}

// begins makes a session of a channel that was dialled: it opens it, and starts who receives. Ctx ends the wait.
func begins(ctx context.Context, ch *channel, response time.Duration) (*contact, error) {
	stop := context.AfterFunc(ctx, func() { _ = ch.conn.Close() })
	err := ch.conn.SetReadDeadline(time.Now().Add(openWait))
	if err == nil {
		err = ch.ask(ch.number(), false, openWait)
	}
	if err == nil {
		var body []byte
		var opn bool
		if _, body, opn, err = ch.receive(); err == nil && !opn {
			err = errAnswer
		}
		if err == nil {
			err = ch.adopt(body)
		}
	}
	if err == nil {
		err = ch.conn.SetReadDeadline(time.Time{})
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = ch.conn.Close()
		return nil, fmt.Errorf("opening a secure channel: %w", err)
	}
	s := &contact{ch: ch, response: response, begin: time.Now(), waiting: map[uint32]*waiter{}, ended: make(chan struct{})}
	s.wg.Go(s.receive)
	return s, nil
}

// receive hands answers to who waits for them, until the connection ends.
func (s *contact) receive() {
	var err error
	defer func() {
		if p := recover(); p != nil { // of a library: what it cannot bear costs this connection alone
			err = fmt.Errorf("%w: %v", errAnswer, p)
		}
		s.fail(err)
	}()
	for {
		var request uint32
		var body []byte
		var opn bool
		request, body, opn, err = s.ch.receive()
		refused, isFault := err.(fault)
		switch {
		case err != nil && !isFault:
			return
		case opn:
			if err = s.ch.adopt(body); err != nil {
				return
			}
			continue
		}
		s.mu.Lock()
		w := s.waiting[request]
		delete(s.waiting, request)
		s.mu.Unlock()
		if w == nil {
			continue // nobody waits for it any more
		}
		w.body, w.err = append(w.body[:0], body...), nil
		if isFault {
			w.err = refused
		}
		w.done <- struct{}{}
	}
}

// fail ends the session over an error; the first one counts.
func (s *contact) fail(err error) {
	s.end(err)
	_ = s.ch.conn.Close()
}

// end ends all waits, and tells whether the session was sound until now.
func (s *contact) end(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	if s.err = err; err == nil {
		s.err = errAnswer
	}
	close(s.ended)
	s.ch.hurry()
	return true
}

// over says why the session is over; nil: it is not.
func (s *contact) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", fieldbus.ErrDown, s.err)
}

// waits gives a waiter for an answer.
func (s *contact) waits(number uint32, within time.Duration) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.spare
	if s.spare = nil; w == nil {
		w = &waiter{done: make(chan struct{}, 1), timer: time.NewTimer(within)}
	} else {
		w.timer.Reset(within)
	}
	s.waiting[number] = w
	return w
}

// keep keeps a waiter that was answered for the next call.
func (s *contact) keep(w *waiter) {
	w.timer.Stop()
	s.mu.Lock()
	s.spare = w
	s.mu.Unlock()
}

// encoder appends a request to b.
type encoder func(b []byte, number uint32) ([]byte, error)

// call asks for something, and has use look at the answer, which is valid only there. Sent tells whether the request went out whole.
// A fault leaves the session as it is; any other error ends it, but for one from before the request was sent.
func (s *contact) call(ctx context.Context, within time.Duration, request encoder, use func(body []byte) error) (sent bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("not begun: %w", err)
	}
	if err := s.over(); err != nil {
		return false, err
	}
	stop := func() bool { return true }
	if ctx.Done() != nil { // a server that does not read what is sent holds nobody up
		stop = context.AfterFunc(ctx, func() { s.fail(ctx.Err()) })
	}
	defer stop()
	if s.ch.due() {
		if err := s.ch.ask(s.ch.number(), true, within); err != nil {
			s.fail(fmt.Errorf("renewing the secure channel: %w", err))
			return false, s.over()
		}
	}
	number := s.ch.number()
	body, err := request(nil, number)
	if err != nil {
		return false, err
	}
	w := s.waits(number, within)
	s.used.Store(int64(time.Since(s.begin)))
	if sent, err = s.ch.request("MSG", number, body, within); err != nil {
		s.fail(err)
		return sent, s.over()
	}
	stop()
	select {
	case <-w.done:
		if err = w.err; err == nil {
			err = use(w.body)
		}
		s.keep(w)
		if _, ok := err.(fault); err == nil || ok {
			return true, err
		}
		s.fail(err)
	case <-w.timer.C:
		s.fail(fmt.Errorf("no answer within %v", within))
	case <-ctx.Done():
		s.fail(ctx.Err())
	case <-s.ended:
	}
	return true, s.over()
}

// ask is call for a request of the library.
func (s *contact) ask(ctx context.Context, within time.Duration, req ua.Request, use func(body []byte) error) (sent bool, err error) {
	return s.call(ctx, within, func(_ []byte, number uint32) ([]byte, error) { return encoded(req, s.auth, number, within) }, use)
}

// appendHead appends type and head of a request.
func (s *contact) appendHead(b []byte, kind uint16, number uint32, within time.Duration) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, 1, 0), kind)
	b = append(b, s.auth...)
	b = binary.LittleEndian.AppendUint64(b, uint64(time.Now().UnixNano()/100+epoch))
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint32(b, 0) // no diagnostics
	b = binary.LittleEndian.AppendUint32(b, math.MaxUint32)
	b = binary.LittleEndian.AppendUint32(b, uint32(within.Milliseconds()))
	return append(b, 0, 0, 0) // no additional header
}

// epoch is the beginning of 1970 in 100 ns since that of 1601.
const epoch = 116_444_736_000_000_000

// read asks for the values of nodes, each as appendNode makes it, and has use look at them.
func (s *contact) read(ctx context.Context, nodes [][]byte, out []dataValue, use func()) error {
	_, err := s.call(ctx, s.response, func(b []byte, number uint32) ([]byte, error) {
		size := 64 + len(s.auth)
		for _, n := range nodes {
			size += len(n)
		}
		b = s.appendHead(append(b, make([]byte, 0, size)...), id.ReadRequest_Encoding_DefaultBinary, number, s.response)
		b = binary.LittleEndian.AppendUint64(b, 0) // of no age
		b = binary.LittleEndian.AppendUint32(b, uint32(ua.TimestampsToReturnBoth))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(nodes)))
		for _, n := range nodes {
			b = append(b, n...)
		}
		return b, nil
	}, func(body []byte) error {
		if err := readAnswer(body, out); err != nil {
			return err
		}
		use()
		return nil
	})
	return err
}

// appendNode appends a ReadValueId: a node, as NodeId, whose value is wanted.
func appendNode(b, node []byte) []byte {
	b = append(b, node...)
	b = binary.LittleEndian.AppendUint32(b, uint32(ua.AttributeIDValue))
	b = chunk.AppendBytes(b, nil)
	return chunk.AppendBytes(append(b, 0, 0), nil)
}

// stay keeps the session alive until it ends: a server forgets one of whom it hears nothing.
func (s *contact) stay(life time.Duration) {
	rest := max(min(life/3, s.ch.life/8), leastRest)
	state := [][]byte{appendNode(nil, []byte{1, 0, 0xD3, 0x08})} // i=2259, state of the server
	timer := time.NewTimer(rest)
	defer timer.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-timer.C:
		}
		idle := time.Since(s.begin) - time.Duration(s.used.Load())
		if idle >= rest {
			idle = 0
			if err := s.read(context.Background(), state, make([]dataValue, 1), func() {}); err != nil {
				s.fail(fmt.Errorf("keeping the session alive: %w", err))
			}
		}
		timer.Reset(rest - idle)
	}
}

// close ends the session: calls that wait at once, then, where it is sound and the server answers, its half. It waits until nothing is
// left of it.
func (s *contact) close() {
	if s.end(errClosed) {
		number := s.ch.number()
		if body, err := encoded(&ua.CloseSessionRequest{DeleteSubscriptions: true}, s.auth, number, byeWait); err == nil && s.auth != nil {
			w := s.waits(number, byeWait)
			if _, err := s.ch.request("MSG", number, body, byeWait); err == nil {
				select {
				case <-w.done:
				case <-w.timer.C:
				}
			}
		}
		number = s.ch.number()
		if body, err := encoded(&ua.CloseSecureChannelRequest{}, s.auth, number, byeWait); err == nil {
			_, _ = s.ch.request("CLO", number, body, byeWait) // it may be gone
		}
	}
	_ = s.ch.conn.Close()
	s.wg.Wait()
}
