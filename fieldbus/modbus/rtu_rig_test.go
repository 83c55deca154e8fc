// The far end of an RTU line for tests: a wire that takes time and on which frames collide, slaves that answer as they should, late,
// cut, doubled, wrong or not at all, and a port at the near end.

package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"
)

// ill is how often what goes wrong, in 1000 answers.
type ill struct {
	late, lost, deaf, cut, doubled, before, after, flip, hole, foreign, refused int
	echo                                                                        bool          // the adapter gives back what is sent
	slow                                                                        time.Duration // how long a slave thinks at least
}

// executed is one value that a slave took over.
type executed struct {
	at      time.Time
	unit    byte
	by      uint8 // function
	coil    bool
	address uint16
	value   uint16
}

// bus is a line with its slaves.
type bus struct {
	char    time.Duration // per character; 0: the wire takes no time
	timeout time.Duration // of the master, so that late is late
	emit    func([]byte)  // to the master
	slaves  map[byte]*farSlave

	mu       sync.Mutex
	rng      *rand.Rand
	ill      ill
	sender   *sending
	log      []executed
	requests [][]byte // that came through
	arrivals []time.Time
}

// sending is one frame on the wire.
type sending struct{ hit bool }

// farSlave is one slave: it does one request after the other.
type farSlave struct {
	unit  byte
	bus   *bus
	queue chan []byte
	words map[uint16]uint16 // that were written
	coils map[uint16]bool
}

// newBus starts the slaves; they end when done does.
func newBus(done context.Context, seed uint64, char, timeout time.Duration, units ...byte) *bus {
	b := &bus{char: char, timeout: timeout, rng: rand.New(rand.NewPCG(seed, 1)), slaves: map[byte]*farSlave{}}
	for _, u := range units {
		s := &farSlave{unit: u, bus: b, queue: make(chan []byte, 64), words: map[uint16]uint16{}, coils: map[uint16]bool{}}
		b.slaves[u] = s
		go s.serve(done)
	}
	return b
}

// word is what a register holds that was never written, so that each is known by its value.
func word(unit byte, function uint8, address uint16) uint16 {
	x := uint32(unit)<<24 ^ uint32(function)<<16 ^ uint32(address)
	x = (x ^ x>>15) * 0x2C1B3C6D
	x = (x ^ x>>12) * 0x297A2D39
	return uint16(x ^ x>>15)
}

// chance tells whether something befalls, n times in 1000. Of who has mu.
func (b *bus) chance(n int) bool { return b.rng.IntN(1000) < n }

// transmit puts a frame on the wire, and returns what comes out of it: of two at a time, neither.
func (b *bus) transmit(p []byte) []byte {
	b.mu.Lock()
	s := &sending{}
	if b.sender != nil {
		b.sender.hit, s.hit = true, true
	}
	b.sender = s
	b.mu.Unlock()
	time.Sleep(time.Duration(len(p)) * b.char)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sender == s {
		b.sender = nil
	}
	p = slices.Clone(p)
	if s.hit {
		for i := range p {
			p[i] ^= byte(b.rng.IntN(256))
		}
	}
	return p
}

// ask is what the master sends. It returns when the last bit is out.
func (b *bus) ask(p []byte) {
	heard := b.transmit(p)
	b.mu.Lock()
	echo := b.ill.echo
	part := slices.Clone(p)
	if echo && b.chance(50) {
		part = part[:1+b.rng.IntN(len(part)-1)]
	}
	b.mu.Unlock()
	if echo {
		b.emit(part)
	}
	if sound(heard) {
		b.mu.Lock()
		b.requests, b.arrivals = append(b.requests, heard), append(b.arrivals, time.Now())
		b.mu.Unlock()
		for u, s := range b.slaves {
			if heard[0] == u || heard[0] == 0 {
				select {
				case s.queue <- heard:
				default:
				}
			}
		}
	}
}

func (s *farSlave) serve(done context.Context) {
	for {
		select {
		case <-done.Done():
			return
		case request := <-s.queue:
			s.answer(request)
		}
	}
}

// answer does what a request asks for, and sends the answer or what becomes of it.
func (s *farSlave) answer(request []byte) {
	b := s.bus
	b.mu.Lock()
	i := b.ill
	late, lost, deaf, refuse := b.chance(i.late), b.chance(i.lost), b.chance(i.deaf), b.chance(i.refused)
	think := time.Duration(b.rng.IntN(3000)) * time.Microsecond
	wait := b.timeout/2 + time.Duration(b.rng.Int64N(int64(3*b.timeout)))
	code := []byte{1, 2, 3, 4, 6}[b.rng.IntN(5)]
	first := b.chance(500)
	b.mu.Unlock()
	if deaf {
		return
	}
	if b.char == 0 {
		think /= 10
	}
	time.Sleep(i.slow + think)
	if late && !first {
		time.Sleep(wait)
	}
	reply := []byte{s.unit, request[1] | exception, code}
	if !refuse || request[0] == 0 {
		reply = s.do(request[:len(request)-2])
	}
	if late && first {
		time.Sleep(wait)
	}
	if lost || request[0] == 0 {
		return
	}
	s.send(binary.LittleEndian.AppendUint16(reply, crc(reply)))
}

// send sends a frame, and whatever befalls it.
func (s *farSlave) send(frame []byte) {
	b := s.bus
	b.mu.Lock()
	i, whole := b.ill, slices.Clone(frame)
	noise := make([]byte, 1+b.rng.IntN(6))
	for k := range noise {
		noise[k] = byte(b.rng.IntN(256))
	}
	if b.chance(i.flip) {
		frame[b.rng.IntN(len(frame))] ^= 1 << b.rng.IntN(8)
	}
	if b.chance(i.cut) {
		frame = frame[:b.rng.IntN(len(frame))]
	}
	if b.chance(i.before) {
		frame = append(slices.Clone(noise), frame...)
	}
	if b.chance(i.foreign) { // of another unit, with the same shape
		other := slices.Clone(whole[:len(whole)-2])
		other[0] = byte(100 + b.rng.IntN(100))
		frame = append(binary.LittleEndian.AppendUint16(other, crc(other)), frame...)
	}
	if b.chance(i.after) {
		frame = append(frame, noise...)
	}
	gap, twice := time.Duration(b.rng.IntN(1000))*time.Microsecond, b.chance(i.doubled)
	cut, hole := 0, time.Duration(0)
	if b.chance(i.hole) && len(frame) > 1 {
		cut, hole = 1+b.rng.IntN(len(frame)-1), time.Duration(1+b.rng.IntN(30))*time.Millisecond
	}
	b.mu.Unlock()
	if cut > 0 {
		b.emit(b.transmit(frame[:cut]))
		time.Sleep(hole)
		frame = frame[cut:]
	}
	if twice && cut == 0 && b.char == 0 {
		// On a real tty a sleep may last until the next request is out, so at once means in one piece: a double that comes after a gap is
		// tried on the wire that takes time alone.
		b.emit(append(b.transmit(frame), b.transmit(whole)...))
		return
	}
	b.emit(b.transmit(frame))
	if twice && cut == 0 { // a line that doubles does so at once
		time.Sleep(gap)
		b.emit(b.transmit(whole))
	}
}

// do is a right slave: it takes over what is written and gives the answer without its check sum.
func (s *farSlave) do(q []byte) []byte {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	fn, a, n := q[1], binary.BigEndian.Uint16(q[2:]), binary.BigEndian.Uint16(q[4:])
	reply := []byte{s.unit, fn}
	switch fn {
	case readCoils, readDiscrete:
		bits := make([]byte, (n+7)/8)
		for i := range n {
			if s.bit(fn, a+i) {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		return append(append(reply, byte(len(bits))), bits...)
	case readHolding, readInput:
		reply = append(reply, byte(2*n))
		for i := range n {
			reply = binary.BigEndian.AppendUint16(reply, s.register(fn, a+i))
		}
		return reply
	case writeCoil:
		s.note(fn, true, a, min(n, 1))
	case writeRegister:
		s.note(fn, false, a, n)
	case writeCoils:
		for i := range n {
			s.note(fn, true, a+i, uint16(q[7+i/8]>>(i%8)&1))
		}
	case writeRegisters:
		for i := range n {
			s.note(fn, false, a+i, binary.BigEndian.Uint16(q[7+2*i:]))
		}
	case maskWrite:
		or := binary.BigEndian.Uint16(q[6:])
		s.note(fn, false, a, s.register(readHolding, a)&n|or&^n)
		return append(reply, q[2:8]...)
	case readWrite:
		to, m := binary.BigEndian.Uint16(q[6:]), binary.BigEndian.Uint16(q[8:])
		for i := range m {
			s.note(fn, false, to+i, binary.BigEndian.Uint16(q[11+2*i:]))
		}
		reply = append(reply, byte(2*n))
		for i := range n {
			reply = binary.BigEndian.AppendUint16(reply, s.register(readHolding, a+i))
		}
		return reply
	default:
		return []byte{s.unit, fn | exception, 1}
	}
	return append(reply, q[2:6]...)
}

func (s *farSlave) note(by uint8, coil bool, a, value uint16) {
	if coil {
		s.coils[a] = value == 1
	} else {
		s.words[a] = value
	}
	s.bus.log = append(s.bus.log, executed{time.Now(), s.unit, by, coil, a, value})
}

func (s *farSlave) register(fn uint8, a uint16) uint16 {
	if v, ok := s.words[a]; ok && fn == readHolding {
		return v
	}
	return word(s.unit, fn, a)
}

func (s *farSlave) bit(fn uint8, a uint16) bool {
	if v, ok := s.coils[a]; ok && fn == readCoils {
		return v
	}
	return word(s.unit, fn, a)&1 == 1
}

// near is the near end of a bus in memory, a hal.RS485.
type near struct {
	bus    *bus
	mu     sync.Mutex
	in     []byte
	wake   chan struct{}
	closed bool
	writes []time.Time // when each began
	last   time.Time   // when the last byte came in
	tight  int         // requests that came before t3.5
	gap    time.Duration
}

func newNear(b *bus, gap time.Duration) *near {
	n := &near{bus: b, wake: make(chan struct{}, 1), gap: gap, last: time.Now()}
	b.emit = func(p []byte) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(p) > 0 {
			n.in, n.last = append(n.in, p...), time.Now()
		}
		n.ring()
	}
	return n
}

func (n *near) ring() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *near) Write(p []byte) (int, error) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return 0, os.ErrClosed
	}
	n.writes = append(n.writes, time.Now())
	if time.Since(n.last) < n.gap {
		n.tight++
	}
	n.mu.Unlock()
	n.bus.ask(p)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = time.Now()
	return len(p), nil
}

func (n *near) Read(ctx context.Context, p []byte) (int, error) {
	for {
		n.mu.Lock()
		if n.closed {
			n.mu.Unlock()
			return 0, os.ErrClosed
		}
		k := copy(p, n.in)
		n.in = n.in[k:]
		n.mu.Unlock()
		if k > 0 {
			return k, nil
		}
		select {
		case <-ctx.Done():
			if ctx.Err() == nil {
				return 0, errors.New("a context that is done and has no error")
			}
			return 0, ctx.Err()
		case <-n.wake:
		}
	}
}

func (n *near) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.ring()
	return nil
}
