// The window attacked, and how long control takes meanwhile.

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/timebase/system"
)

// asAttacker is the variable of the environment that makes the test binary attack an address.
const asAttacker = "BATCHKIT_TEST_ATTACK"

// attackers is how many connections attack at a time.
const attackers = 24

// attack attacks an address until the process is killed: sessions that are made and abandoned, discovery as fast as it is answered, whole
// messages of garbage, halves of messages, and connections that say nothing.
func attack(addr string) {
	var done, failed atomic.Int64
	for n := range attackers {
		go func() {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			for {
				if assault(addr, n%6, rng) != nil {
					failed.Add(1)
					time.Sleep(time.Millisecond)
				}
				done.Add(1)
			}
		}()
	}
	for range time.Tick(time.Second) {
		fmt.Printf("attacks %d, refused or cut off %d\n", done.Load(), failed.Load())
	}
}

// assault is one connection of a kind.
func assault(addr string, kind int, rng *rand.Rand) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
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
	l := &lair{c: c}
	if err := l.open(addr); err != nil {
		return err
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
func header(id uint16) []byte {
	b := []byte{1, 0, byte(id), byte(id >> 8), 0, 0}
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

// beats reads the plant on a grid for a while and gives how long each read took, from when it was due.
func beats(t *testing.T, addr string, every, long time.Duration) (took []time.Duration) {
	t.Helper()
	c, err := modbus.Dial(t.Context(), addr, nil)
	require.NoError(t, err)
	defer c.Close()
	clock := system.NewClock(1)
	var words [16]uint16
	for due := clock.Now() + int64(every); due < int64(long); due += int64(every) {
		require.NoError(t, clock.Wait(context.Background(), due))
		require.NoError(t, c.ReadInput(t.Context(), 0, 0, words[:]))
		took = append(took, time.Duration(clock.Now()-due))
	}
	return took
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

func TestControlTakesNoLongerWhileTheWindowIsAttacked(t *testing.T) {
	if os.Getenv("BATCHKIT_LONG") == "" {
		t.Skip("it measures for minutes, on a machine that does nothing else; set BATCHKIT_LONG=1")
	}
	if runtime.GOOS != "linux" {
		t.Skip("priorities of processes are lowered on Linux alone")
	}
	out := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Mkdir(out, 0o750))
	w, endpoint, _ := window(t, out, "-listen", "127.0.0.1:0", "-trend", "127.0.0.1:0")
	plant := filepath.Join(out, "plant")
	require.NoError(t, os.Mkdir(plant, 0o750))
	begin(t, nil, controller(t), "plant", "-dir", plant, "-seed", "1", "-speed", "1", "-linger", "10m", "-fresh")
	var at string
	w.until(func() bool {
		b, _ := os.ReadFile(filepath.Join(plant, "addr"))
		m := regexp.MustCompile(`"address":"([^"]+)"`).FindSubmatch(b)
		if m != nil {
			at = string(m[1])
		}
		return m != nil
	}, "the plant does not listen")
	const rounds, long, every = 12, 5 * time.Second, 10 * time.Millisecond
	var idle, attacked, ratios []time.Duration
	self, err := os.Executable()
	require.NoError(t, err)
	for n := range rounds {
		quiet := beats(t, at, every, long)
		a := begin(t, []string{asAttacker + "=" + strings.TrimPrefix(endpoint, "opc.tcp://")}, "nice", "-n", "39", self)
		a.find(`attacks \d{2,}`)
		loud := beats(t, at, every, long)
		said := a.text()
		a.kill()
		q, l := p99(quiet), p99(loud)
		ratios = append(ratios, l*1000/q)
		idle, attacked = append(idle, quiet...), append(attacked, loud...)
		t.Logf("round %d: p99 idle %s, attacked %s; %s", n+1, q, l, said[strings.LastIndex(strings.TrimSpace(said), "\n")+1:])
	}
	slices.Sort(ratios)
	q, l := p99(idle), p99(attacked)
	t.Logf("%d reads each: p50 %s and %s, p99 %s and %s, ratio of p99 %d per mille, median of the rounds %d per mille; window: peak %d KiB resident", len(idle),
		idle[len(idle)/2], attacked[len(attacked)/2], q, l, l*1000/q, ratios[rounds/2], peak(t, w.cmd.Process.Pid))
	select {
	case <-w.over:
		require.Fail(t, "the window has died", w.text())
	default:
	}
	require.Less(t, peak(t, w.cmd.Process.Pid), 300<<10, "its memory is bounded")
	t.Log(w.text())
}

// peak is the most memory that a process ever had, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(t, m)
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return n
}
