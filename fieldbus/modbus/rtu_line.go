// The exchange on an RTU line: silence, the request, and what of all that is heard is the answer.

package modbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// straggle is how much longer than it needs a frame may take, because of holes in it.
const straggle = 50 * time.Millisecond

// echoing is whether a line gives back what is sent, as far as is known.
type echoing uint8

const (
	unheard echoing = iota
	mute
	loud
)

// rtu is the transport over a serial line.
type rtu struct {
	port                timed
	baud, bits          int
	timeout, turnaround time.Duration
	gap                 time.Duration // silence before sending
	standing

	// Of who has the turn.
	slaves [256]*slave
	heard  time.Time // when the line was last known not to be silent
	rest   time.Time // nothing is sent before
	echoes echoing
	hearing
	sent, last     int // bytes of own and prior
	own, prior     [maxADU]byte
	first, gotEcho bool // nothing was heard before the answer; a copy of the request was
}

func (m *rtu) close() error {
	if m.closed.Swap(true) {
		return nil
	}
	return m.port.Close()
}

// lose gives up the line.
func (m *rtu) lose(err error) error {
	m.cause = err
	_ = m.close() // the error that led here is the one that matters
	return err
}

// at gives the slave of a unit.
func (m *rtu) at(unit uint8) *slave {
	if m.slaves[unit] == nil {
		m.slaves[unit] = &slave{Slave: m.defaults(Slave{})}
	}
	return m.slaves[unit]
}

func (m *rtu) defaults(s Slave) Slave {
	if s.Timeout == 0 {
		s.Timeout = m.timeout
	}
	if s.Late == 0 {
		s.Late = defaultLate
	}
	return s
}

// many does one after the other.
func (m *rtu) many(ctx context.Context, qs []query, each func(i int, pdu []byte, err error)) {
	for i := range qs {
		pdu, err := m.do(ctx, &qs[i])
		each(i, pdu, err)
	}
}

// do is one exchange, if the slave is not in doubt, or a write that ends the doubt.
func (m *rtu) do(ctx context.Context, q *query) ([]byte, error) {
	if err := m.down(); err != nil {
		return nil, err
	}
	if q.unit == 0 {
		return nil, m.broadcast(ctx, q)
	}
	s := m.at(q.unit)
	s.forget(time.Now())
	if n := len(s.owed); n > 0 && (!q.writes() || n == maxOwed || s.owes(q.shape())) {
		return nil, fmt.Errorf("%w: %d replies; not sent", ErrDoubt, n)
	}
	if q.repeats() && m.echoes == unheard {
		if err := m.listenFirst(ctx, s, q.unit); err != nil {
			return nil, err
		}
	}
	return m.exchange(ctx, s, q)
}

// listenFirst reads anything, until an answer came with nothing before it but perhaps an echo.
func (m *rtu) listenFirst(ctx context.Context, s *slave, unit uint8) error {
	for range 3 {
		q, ok := s.probe(unit)
		if !ok {
			return fmt.Errorf("%w: %d replies, and it must not be asked whether the line echoes; not sent", ErrDoubt, len(s.owed))
		}
		_, err := m.exchange(ctx, s, &q)
		if _, answered := errors.AsType[Exception](err); err != nil && !answered {
			return fmt.Errorf("not sent, since a read, which was to show whether the line echoes, failed: %w", err)
		}
		if m.echoes != unheard {
			return nil
		}
	}
	return fmt.Errorf("%w: noise before each answer, which may be an echo, as the confirmation may be; not sent", ErrDoubt)
}

// broadcast sends a write to all slaves.
func (m *rtu) broadcast(ctx context.Context, q *query) error {
	if !q.writes() || q.function == readWrite {
		return errors.New("unit 0 is all slaves at once, and none answers: only writes; not sent")
	}
	if err := m.silence(ctx, m.timeout, time.Time{}); err != nil {
		return err
	}
	if err := m.send(q); err != nil {
		return judge(q, err)
	}
	m.rest = time.Now().Add(m.turnaround)
	return judge(q, errors.New("it was sent to all slaves, and none answers"))
}

// exchange sends a query and waits for its answer. Without one, the slave owes it.
func (m *rtu) exchange(ctx context.Context, s *slave, q *query) (pdu []byte, err error) {
	if err := m.silence(ctx, s.Timeout, s.rest); err != nil {
		return nil, err
	}
	if s.owes(q.shape()) { // as was heard just now
		return nil, fmt.Errorf("%w: it has answered what it was not asked; not sent", ErrDoubt)
	}
	at := time.Now()
	if err := m.send(q); err != nil {
		s.owe(q, at)
		return nil, judge(q, err)
	}
	at = time.Now()
	pdu, err = m.listen(ctx, s, q, at)
	_, refused := errors.AsType[Exception](err)
	switch {
	case err == nil || refused:
		s.owed = s.owed[:0] // it answers in order
		if err == nil {
			s.took(q)
		}
	case !m.closed.Load():
		s.owe(q, at)
		err = fmt.Errorf("%w: %w", ErrDoubt, err)
	default:
		s.owe(q, at)
	}
	if s.rest = time.Now().Add(s.Pause); err != nil {
		return nil, judge(q, err)
	}
	return pdu, nil
}

// send sends the request.
func (m *rtu) send(q *query) error {
	b := appendADU(m.own[:0], q)
	m.sent, m.first, m.gotEcho = len(b), true, false
	m.reset()
	n, err := m.port.Write(b)
	m.heard = time.Now()
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return m.lose(fmt.Errorf("%d of %d bytes sent: %w", n, len(b), err))
	}
	return nil
}

// silence waits until the line was silent for long enough, and rest is over. What comes in meanwhile was asked for by nobody.
func (m *rtu) silence(ctx context.Context, patience time.Duration, rest time.Time) error {
	m.reset()
	if m.rest.After(rest) {
		rest = m.rest
	}
	for begin := time.Now(); ; {
		now := time.Now()
		if err := ended(ctx); err != nil {
			return fmt.Errorf("not sent: %w", err)
		}
		until := m.heard.Add(m.gap)
		if rest.After(until) {
			until = rest
		}
		n, err := m.read(ctx, until)
		switch {
		case err != nil && m.closed.Load():
			return fmt.Errorf("%w, given up after: %w", ErrDown, err)
		case err != nil:
			return fmt.Errorf("not sent: %w", err)
		case n > 0:
			for k := m.frame(nil, false); k > 0; k = m.frame(nil, false) {
				m.stray(m.buf[:k])
				m.drop(k)
			}
		case !now.Before(until):
			return nil
		}
		if late := m.heard.Sub(begin); n > 0 && late > patience && m.heard.Sub(rest) > patience {
			return fmt.Errorf("%w: the line is not silent for %v, %v on; not sent; is something else sending on it?", ErrDoubt, m.gap, late)
		}
	}
}

// read adds to what was heard until a time has come, which is no error; n is 0 then. What is there is taken even if it has come.
func (m *rtu) read(ctx context.Context, until time.Time) (n int, err error) {
	n, err = m.port.ReadUntil(ctx, m.room(), until)
	now := time.Now()
	if n > 0 {
		m.n += n
		m.heard = now
		return n, nil
	}
	switch why := ended(ctx); {
	case err == nil:
		return 0, m.lose(fmt.Errorf("the port gives nothing and no error: %w", io.ErrNoProgress))
	case m.closed.Load():
		return 0, m.lose(err)
	case !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded):
		return 0, m.lose(err)
	case why != nil:
		return 0, why
	}
	return 0, nil
}

// listen waits for the answer to q.
func (m *rtu) listen(ctx context.Context, s *slave, q *query, sent time.Time) (pdu []byte, err error) {
	begin := sent.Add(s.Timeout)
	end := begin.Add(straggle)
	if m.baud != 0 {
		end = end.Add(wireTime(m.baud, m.bits, q.size()+3))
	}
	for quiet := false; ; {
		if n, err := m.pick(s, q, quiet); n > 0 || err != nil {
			if err != nil {
				return nil, err
			}
			pdu = m.keep(n)
			return pdu, q.check(pdu)
		}
		now, limit := time.Now(), begin
		if !m.first || m.n > 0 {
			limit = end
		}
		if !now.Before(limit) {
			return nil, fmt.Errorf("no answer within %v (%d bytes heard that are none): %w", s.Timeout, m.n, os.ErrDeadlineExceeded)
		}
		until := limit
		if hush := m.heard.Add(m.gap); m.n > 0 && !quiet && hush.Before(limit) {
			until = hush
		}
		n, err := m.read(ctx, until)
		if err != nil {
			return nil, err
		}
		quiet = n == 0 && m.n > 0 && !time.Now().Before(m.heard.Add(m.gap))
	}
}

// keep makes the first n bytes heard the answer, and gives its PDU.
func (m *rtu) keep(n int) []byte {
	m.last = copy(m.prior[:], m.buf[:n])
	if !m.gotEcho && m.first && m.echoes == unheard {
		m.echoes = mute
	}
	return m.prior[1 : n-2]
}

// pick looks for the answer to q in what was heard, and leaves it in front. It returns its length, or 0 if more must be heard.
func (m *rtu) pick(s *slave, q *query, quiet bool) (int, error) {
	own := m.own[:m.sent]
	for m.clean && m.n > 0 {
		b := m.buf[:m.n]
		if len(b) < len(own) && len(b) >= shortADU && bytes.HasPrefix(own, b) && !quiet {
			return 0, nil // it may be an echo that goes on
		}
		if bytes.HasPrefix(b, own) && m.echo(q) {
			m.drop(len(own))
			continue
		}
		n := m.frame(q, quiet)
		switch {
		case n == 0:
		case m.counts(s, q, b[:n]):
			return n, m.alone(q, n)
		default:
			m.stray(b[:n])
			m.drop(n)
			m.first = false
			continue
		}
		break
	}
	if m.clean || m.n == 0 {
		return 0, nil
	}
	m.first = false
	if !quiet {
		return 0, nil
	}
	return m.dig(s, q)
}

// dig finds the answer behind what is no frame, once the line is quiet.
func (m *rtu) dig(s *slave, q *query) (int, error) {
	own, echoes := m.own[:m.sent], 0
	if !q.repeats() {
		echoes = len(m.buf) // each copy of the request is an echo
	} else if m.echoes == loud && !m.gotEcho {
		echoes = 1
	}
	at, n, others := m.buried(q, own, echoes)
	switch {
	case at < 0 || !m.counts(s, q, m.buf[at:at+n]):
		return 0, nil
	case others > 0:
		return 0, fmt.Errorf("%w: %d answers at once, which differ", ErrStray, others+1)
	}
	end := at + n
	for bytes.HasPrefix(m.buf[end:m.n], m.buf[at:at+n]) {
		end += n
	}
	if m.n-end > 1 {
		return 0, nil // it may stand in a frame that is broken, of which two bytes at least follow
	}
	m.drop(at)
	return n, nil
}

// echo tells whether a copy of the request is an echo, and not the answer.
func (m *rtu) echo(q *query) bool {
	if !q.repeats() {
		m.echoes, m.gotEcho = loud, true
		return true
	}
	if m.echoes == loud && !m.gotEcho {
		m.gotEcho = true
		return true
	}
	return false
}

// counts tells whether a frame is the answer to q. A refusal that may be one that is owed is none.
func (m *rtu) counts(s *slave, q *query, b []byte) bool {
	return answered(q, b) == len(b) && (b[1]&exception == 0 || !s.owesOf(q.function))
}

// alone refuses the answer in front if another, that is not the same, came with it.
func (m *rtu) alone(q *query, n int) error {
	first, rest := m.buf[:n], m.buf[n:m.n]
	for len(rest) > 0 {
		k := answered(q, rest)
		if k == 0 {
			return nil
		}
		if !bytes.Equal(first, rest[:k]) {
			return fmt.Errorf("%w: two answers at once, which differ", ErrStray)
		}
		rest = rest[k:]
	}
	return nil
}

// stray takes in a frame that nobody waits for. Of a slave that owes nothing it means that more is on its way than is known, unless it
// is the last answer over again, or an echo.
func (m *rtu) stray(b []byte) {
	s := m.slaves[b[0]]
	switch {
	case bytes.Equal(b, m.own[:m.sent]):
		if fn := b[1]; fn != writeCoil && fn != writeRegister && fn != maskWrite {
			m.echoes = loud
		}
	case s == nil || len(s.owed) > 0 || bytes.Equal(b, m.prior[:m.last]):
	default:
		s.add(debt{shape: shapeOf(b[1 : len(b)-2]), at: time.Now()})
	}
}
