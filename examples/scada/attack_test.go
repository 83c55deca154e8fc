// Attacks on a window, by a process of its own: what a client without any right can send.

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// asAttacker is the variable of the environment that makes the test binary attack an address.
const asAttacker = "BATCHKIT_TEST_ATTACK"

// attackers is how many connections attack at a time.
const attackers = 24

// attack attacks an address until the process is killed: sessions that are made and abandoned, discovery as fast as it is answered, whole
// messages of garbage, writes without a session, connections that say nothing, wrong passwords, and somebody who was let in and asks for
// intervals of 0, nodes that are not there and numbers that were given back.
func attack(addr string) {
	stepAside(func(error) {})
	var done, failed atomic.Int64
	for n := range attackers {
		go func() {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			for {
				if assault(addr, n%8, rng) != nil {
					failed.Add(1)
					time.Sleep(time.Millisecond)
				}
				done.Add(1)
			}
		}()
	}
	for range time.Tick(time.Second) {
		fmt.Printf("attacks %d, refused or cut off %d, wrong passwords %d, rounds of who was let in %d\n", done.Load(), failed.Load(),
			wrongPasswords.Load(), rogueRounds.Load())
	}
}

// assault is one connection of a kind.
func assault(addr string, kind int, rng *rand.Rand) error {
	from := byte(1)
	if kind >= 6 { // who speaks for longer than the others would give way to them, were it one machine
		from += byte(kind)
	}
	l, err := lairAt(addr, from)
	if err != nil {
		return err
	}
	c := l.c
	defer c.Close()
	garbage := make([]byte, 8<<10)
	for i := range garbage {
		garbage[i] = byte(rng.Uint32())
	}
	switch kind {
	case 0: // garbage from the first byte on
		_, err = c.Write(garbage)
		return err
	case 1: // a greeting, and nothing more
		_, _ = c.Write(hello(addr))
		_, err = c.Read(garbage)
		_, _ = c.Read(garbage)
		return err
	}
	if err := l.open(addr); err != nil {
		return err
	}
	switch kind {
	case 6:
		return l.rogue(addr)
	case 7:
		return l.guess(addr)
	}
	for range 200 {
		switch kind {
		case 2:
			err = l.ask(428, append(text(nil, "opc.tcp://"+addr), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)) // GetEndpoints
		case 3:
			err = l.ask(461, session(addr)) // CreateSession, which is never activated
		case 4:
			err = l.ask(673, garbage[:64+rng.IntN(4096)]) // Write without a session, of garbage
		default:
			err = l.ask(uint16(rng.IntN(900)), garbage[:rng.IntN(4096)])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lair is a secure channel without security.
type lair struct {
	c              net.Conn
	channel, token uint32
	seq            uint32
	auth           []byte // node id by which the session is known
}

// lairAt connects, as the machine of a number where loopback has many addresses; nothing is said yet.
func lairAt(addr string, from byte) (*lair, error) {
	d := net.Dialer{Timeout: time.Second}
	if runtime.GOOS == "linux" {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &lair{c: c}, c.SetDeadline(time.Now().Add(5 * time.Second))
}

func u32(b []byte, n uint32) []byte  { return binary.LittleEndian.AppendUint32(b, n) }
func text(b []byte, s string) []byte { return append(u32(b, uint32(len(s))), s...) }

func message(kind string, body []byte) []byte {
	return append(u32([]byte(kind), uint32(len(body)+8)), body...)
}

func hello(addr string) []byte {
	b := u32(u32(u32(u32(u32(nil, 0), 1<<16), 1<<16), 0), 0)
	return message("HELF", text(b, "opc.tcp://"+addr))
}

// header is a node id of a request and its header.
func header(id uint16) []byte { return headerOf(id, []byte{0, 0}) }

// headerOf is header, of a session.
func headerOf(id uint16, auth []byte) []byte {
	b := append([]byte{1, 0, byte(id), byte(id >> 8)}, auth...)
	b = append(b, make([]byte, 8)...) // no time
	b = u32(u32(b, 1), 0)
	b = u32(u32(b, 0xFFFFFFFF), 10_000)
	return append(b, 0, 0, 0)
}

func (l *lair) open(addr string) error {
	if _, err := l.c.Write(hello(addr)); err != nil {
		return err
	}
	if _, err := l.reply(); err != nil {
		return err
	}
	b := text(u32(nil, 0), "http://opcfoundation.org/UA/SecurityPolicy#None")
	b = u32(u32(u32(u32(b, 0xFFFFFFFF), 0xFFFFFFFF), 1), 1)
	b = u32(u32(u32(u32(u32(append(b, header(446)...), 0), 0), 1), 0xFFFFFFFF), 60_000)
	if _, err := l.c.Write(message("OPNF", b)); err != nil {
		return err
	}
	r, err := l.reply()
	if err != nil || len(r) < 28 {
		return fmt.Errorf("no channel: %w", err)
	}
	l.channel, l.seq = binary.LittleEndian.Uint32(r), 1
	l.token = token(r)
	return nil
}

// token finds the token in the answer to OpenSecureChannel: behind the channel's number once more.
func token(r []byte) uint32 {
	for i := len(r) - 24; i > 8 && i+8 <= len(r); i-- {
		if binary.LittleEndian.Uint32(r[i:]) == binary.LittleEndian.Uint32(r) {
			return binary.LittleEndian.Uint32(r[i+4:])
		}
	}
	return 1
}

// ask sends a request and waits for an answer, whatever that is.
func (l *lair) ask(id uint16, body []byte) error {
	l.seq++
	b := u32(u32(u32(u32(nil, l.channel), l.token), l.seq), l.seq)
	if _, err := l.c.Write(message("MSGF", append(append(b, header(id)...), body...))); err != nil {
		return err
	}
	_, err := l.reply()
	return err
}

func (l *lair) reply() ([]byte, error) {
	var h [8]byte
	for n := 0; n < len(h); {
		got, err := l.c.Read(h[n:])
		if err != nil {
			return nil, err
		}
		n += got
	}
	body := make([]byte, min(max(int(binary.LittleEndian.Uint32(h[4:]))-8, 0), 1<<20))
	for n := 0; n < len(body); {
		got, err := l.c.Read(body[n:])
		if err != nil {
			return nil, err
		}
		n += got
	}
	if string(h[:3]) == "ERR" {
		return nil, fmt.Errorf("refused: %x", body)
	}
	return body, nil
}

// session is the body of a CreateSession.
func session(addr string) []byte {
	b := text(text(nil, "urn:x"), "urn:x") // application and product
	b = append(b, 0)                       // no name
	b = u32(b, 1)
	for range 2 {
		b = u32(b, 0xFFFFFFFF)
	}
	b = u32(u32(b, 0xFFFFFFFF), 0xFFFFFFFF)
	b = text(text(b, "opc.tcp://"+addr), "x")
	b = append(u32(b, 32), make([]byte, 32)...)
	b = u32(b, 0xFFFFFFFF)
	b = binary.LittleEndian.AppendUint64(b, 0x412E848000000000) // 1,000,000 ms
	return u32(b, 1<<20)
}
