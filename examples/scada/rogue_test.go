// Attacks by who speaks the protocol: wrong passwords, and a client that was let in and means harm.

package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who may come into a window that is attacked.
const (
	rogueName     = "anna"
	roguePassword = "correct horse"
)

// Requests, and what answers say.
const (
	createSession       = 461
	activateSession     = 467
	write               = 673
	createItems         = 751
	deleteItems         = 781
	createSubscription  = 787
	publish             = 826
	republish           = 832
	deleteSubscriptions = 847
	userDenied          = 0x801F0000
	notWritable         = 0x803B0000
)

// Tallies of an attack.
var wrongPasswords, rogueRounds atomic.Int64

// letThrough says what a window must not have done.
func letThrough(format string, args ...any) {
	fmt.Printf("let through: "+format+"\n", args...)
}

// refusal is why a request was refused.
type refusal uint32

func (r refusal) Error() string { return fmt.Sprintf("refused: 0x%08X", uint32(r)) }

// answer is what an answer says behind its header. What is read beyond its end is zero.
type answer []byte

func (a *answer) take(n int) []byte {
	b := make([]byte, n)
	*a = (*a)[copy(b, *a):]
	return b
}

func (a *answer) u32() uint32  { return binary.LittleEndian.Uint32(a.take(4)) }
func (a *answer) f64() float64 { return math.Float64frombits(binary.LittleEndian.Uint64(a.take(8))) }
func (a *answer) text() []byte { return a.take(min(int(a.u32()), len(*a))) }

// call sends a request and gives its answer; what else comes before is passed over.
func (l *lair) call(id uint16, body []byte) (answer, error) {
	if err := l.send(id, body); err != nil {
		return nil, err
	}
	for {
		b, err := l.reply()
		if err != nil {
			return nil, err
		}
		if len(b) < 16+28 || binary.LittleEndian.Uint32(b[12:]) != l.seq {
			continue
		}
		if s := binary.LittleEndian.Uint32(b[32:]); s != 0 {
			return nil, refusal(s)
		}
		return b[44:], nil // type, time, handle, status, no diagnostics, no texts, no header beyond
	}
}

// send sends a request and waits for nothing.
func (l *lair) send(id uint16, body []byte) error {
	l.seq++
	b := u32(u32(u32(u32(nil, l.channel), l.token), l.seq), l.seq)
	_, err := l.c.Write(message("MSGF", append(append(b, headerOf(id, l.auth)...), body...)))
	return err
}

func f64(b []byte, f float64) []byte { return binary.LittleEndian.AppendUint64(b, math.Float64bits(f)) }
func none(b []byte) []byte           { return u32(b, 0xFFFFFFFF) }

// own is a node of the window.
func own(b []byte, path string) []byte { return text(append(b, 3, 2, 0), path) }

// comeIn makes a session and gives a name and a password for it.
func (l *lair) comeIn(addr, name, password string) error {
	l.auth = []byte{0, 0}
	a, err := l.call(createSession, session(addr))
	if err != nil {
		return err
	}
	a.take(7) // number of the session
	l.auth = a.take(7 + 32)
	a.f64()
	nonce := a.text()
	cert, err := x509.ParseCertificate(a.text())
	if err != nil {
		return err
	}
	secret := append(append(u32(nil, uint32(len(password)+len(nonce))), password...), nonce...)
	secret, err = rsa.EncryptOAEP(sha1.New(), rand.Reader, cert.PublicKey.(*rsa.PublicKey), secret, nil)
	if err != nil {
		return err
	}
	user := text(text(text(nil, "username-basic256sha256"), name), string(secret))
	user = text(user, "http://www.w3.org/2001/04/xmlenc#rsa-oaep")
	b := none(none(none(none(nil))))      // no signature, no certificates, no languages
	b = append(b, 1, 0, 0x44, 0x01, 1)    // a UserNameIdentityToken
	b = none(none(text(b, string(user)))) // no signature
	_, err = l.call(activateSession, b)
	return err
}

// guess guesses a password until the connection is cut.
func (l *lair) guess(addr string) error {
	for {
		_ = l.c.SetDeadline(time.Now().Add(30 * time.Second)) // the window is busy
		switch err := l.comeIn(addr, rogueName, "wrong horse"); err {
		case nil:
			letThrough("a wrong password")
		case refusal(userDenied):
			wrongPasswords.Add(1)
		default:
			return err
		}
	}
}

// rogue is somebody who was let in: intervals that are none, items of nodes that are not there, numbers that were given back, and writes.
func (l *lair) rogue(addr string) error {
	_ = l.c.SetDeadline(time.Now().Add(30 * time.Second))
	if err := l.comeIn(addr, rogueName, roguePassword); err != nil {
		return err
	}
	last := uint32(0)
	for n := range 200 {
		_ = l.c.SetDeadline(time.Now().Add(10 * time.Second))
		b := f64(nil, [...]float64{0, -1, math.NaN(), 1e-300}[n%4])
		a, err := l.call(createSubscription, append(u32(u32(u32(b, 0), 0), 0), 1, 0))
		if err != nil {
			return err
		}
		sub, every, life := a.u32(), a.f64(), a.u32()
		if !(every >= 100) || life < 3 {
			letThrough("a publishing interval of %v ms, %d times", every, life)
		}
		if sub <= last {
			letThrough("subscription %d after %d", sub, last)
		}
		last = sub
		for range 40 { // more than may wait
			if err := l.send(publish, u32(u32(u32(nil, 1), sub), 99)); err != nil {
				return err
			}
		}
		if err := l.items(sub); err != nil {
			return err
		}
		for i, id := range [...]uint32{sub, sub, math.MaxUint32} { // given back, again, and one that never was
			a, err := l.call(deleteSubscriptions, u32(u32(nil, 1), id))
			if err != nil {
				return err
			}
			if n, got := a.u32(), a.u32(); n != 1 || (got == 0) != (i == 0) {
				letThrough("subscription %d is deleted, %d: 0x%08X", id, i, got)
			}
		}
		rogueRounds.Add(1)
	}
	return nil
}

// items asks for nodes that are not there and for one that is, goes on with what was given back, and writes.
func (l *lair) items(sub uint32) error {
	const most = 200
	b := u32(u32(u32(nil, sub), 2), most)
	for i := range most {
		path := "Window/Version"
		if i > 0 {
			path = fmt.Sprintf("Tags/NONE%d/Value", i)
		}
		b = none(u32(own(b, path), 13))
		b = none(append(b, 0, 0))
		b = append(f64(u32(u32(b, 2), 1), math.Inf(-1)), 0, 0, 0)
		b = append(u32(b, math.MaxUint32), 1)
	}
	a, err := l.call(createItems, b)
	if err != nil {
		return err
	}
	var item uint32
	for i := range a.u32() {
		status, id := a.u32(), a.u32()
		a.take(8 + 4 + 3)
		if (status == 0) != (i == 0) {
			letThrough("item %d: 0x%08X", i, status)
		}
		if i == 0 {
			item = id
		}
	}
	for n := range 2 {
		if a, err = l.call(deleteItems, u32(u32(u32(u32(nil, sub), 2), item), math.MaxUint32)); err != nil {
			return err
		}
		if _, first, second := a.u32(), a.u32(), a.u32(); (first == 0) != (n == 0) || second == 0 {
			letThrough("items are deleted: 0x%08X 0x%08X", first, second)
		}
	}
	if _, err = l.call(republish, u32(u32(nil, sub), 99)); err == nil {
		letThrough("a message that never was")
	}
	b = none(u32(own(u32(nil, 1), "Window/Version"), 13))
	if a, err = l.call(write, text(append(b, 1, 12), "x")); err != nil {
		return err
	}
	if _, got := a.u32(), a.u32(); got != notWritable {
		letThrough("a write: 0x%08X", got)
	}
	return nil
}

// guarded are the flags of a window that asks for a password, on connections that anybody can make.
func guarded(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	line, err := newUser(rogueName, roguePassword)
	require.NoError(t, err)
	list := filepath.Join(dir, "users")
	require.NoError(t, os.WriteFile(list, []byte(line+"\n"), 0o600))
	return []string{"-policy", "none", "-cert", filepath.Join(dir, "w.pem"), "-key", filepath.Join(dir, "w.key"), "-users", list}
}

func TestAWindowThatIsAttackedLetsNothingThroughAndLives(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	w, endpoint, _ := window(t, place(t), append(guarded(t), "-listen", "127.0.0.1:0", "-trend", "127.0.0.1:0")...)
	addr := endpoint[len("opc.tcp://"):]
	a := begin(t, []string{asAttacker + "=" + addr}, self)
	a.find(`attacks \d{2,}, .*(wrong passwords [1-9]|rounds of who was let in [1-9])`) // where logins are few, either may wait for the other
	w.until(func() bool {                                                              // who is known comes in, from another machine, meanwhile
		l, err := lairAt(addr, 9)
		if err != nil {
			return false
		}
		defer l.c.Close()
		_ = l.c.SetDeadline(time.Now().Add(30 * time.Second))
		return l.open(addr) == nil && l.comeIn(addr, rogueName, roguePassword) == nil
	}, "nobody comes in any more")
	a.kill()
	require.NotContains(t, a.text(), "let through")
	select {
	case <-w.over:
		require.Fail(t, "the window has died", w.text())
	default:
	}
}
