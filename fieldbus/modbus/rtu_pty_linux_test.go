// A real tty under RTU: pseudo terminals opened by hal/linux, a wire that takes time, and the slaves of others.

package modbus

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/linux"
)

// The requests of pseudo terminals (asm-generic/ioctls.h).
const (
	tiocGPTN    = 0x80045430
	tiocSPTLCK  = 0x40045431
	prSlack     = 29 // PR_SET_TIMERSLACK
	monotonic   = 1
	absolute    = 1
	pacedChar   = int64(10 * time.Second / paced)
	pacedGap    = 1750 * time.Microsecond
	longTimeout = 30 * time.Second
)

// terminal makes a pseudo terminal: the file that a test holds, and the name of what a port opens.
func terminal(t testing.TB) (held *os.File, device string) {
	held, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = held.Close() })
	raw, err := held.SyscallConn()
	require.NoError(t, err)
	var n uint32
	require.NoError(t, raw.Control(func(fd uintptr) {
		_, _, e := syscall.Syscall(syscall.SYS_IOCTL, fd, tiocSPTLCK, uintptr(unsafe.Pointer(new(int32))))
		require.Zero(t, e)
		_, _, e = syscall.Syscall(syscall.SYS_IOCTL, fd, tiocGPTN, uintptr(unsafe.Pointer(&n)))
		require.Zero(t, e)
	}))
	return held, "/dev/pts/" + strconv.Itoa(int(n))
}

// onTerminal opens a device by hal/linux as a line of 115200 Bd.
func onTerminal(t testing.TB, device string, o RTUOptions) *Client {
	port, err := linux.OpenRS485(device, linux.Line{Baud: paced, Data: 8, Parity: 'N', Stop: 1}, nil)
	require.NoError(t, err)
	o.Baud, o.Bits = paced, 10
	m, err := NewRTU(port, &o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// joined puts a bus behind a pseudo terminal.
func joined(t *testing.T, seed uint64, timeout time.Duration, units ...byte) (b *bus, device string) {
	held, device := terminal(t)
	return behind(t, held, seed, timeout, units...), device
}

// behind puts a bus behind a pseudo terminal that is held.
func behind(t *testing.T, held *os.File, seed uint64, timeout time.Duration, units ...byte) (b *bus) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	b = newBus(ctx, seed, 0, timeout, units...)
	b.emit = func(p []byte) { _, _ = held.Write(p) }
	go func() {
		buf := make([]byte, 512)
		var in []byte
		for {
			n, err := held.Read(buf)
			if err != nil {
				if ctx.Err() != nil || bytes.Contains([]byte(err.Error()), []byte("closed")) {
					return
				}
				time.Sleep(time.Millisecond) // nobody has it open
				continue
			}
			in = append(in, buf[:n]...)
			for k, _ := whole(in); k > 0; k, _ = whole(in) {
				b.ask(bytes.Clone(in[:k]))
				in = in[k:]
			}
			if len(in) > 256 {
				in = nil
			}
		}
	}()
	return b
}

func TestNoAnswerIsEverTakenForAnotherOnATerminal(t *testing.T) {
	t.Parallel()
	const timeout = 20 * time.Millisecond
	b, device := joined(t, 1, timeout, 1, 2, 17)
	b.ill = hostile
	n := long(150)
	c := &campaign{bus: b, m: onTerminal(t, device, RTUOptions{Timeout: timeout}), rng: rand.New(rand.NewPCG(1, 2))}
	good := 0
	for tries := 0; tries < 5 && good <= n/5; tries++ { // a machine that is busy answers late more often than the line does
		before := c.good
		c.run(t.Context(), c.exchanges+n)
		good = c.good - before
	}
	require.Empty(t, c.wrong, "seed 1")
	require.Greater(t, good, n/5, c.String())
	t.Log(c.String())
}

// pacer is a slave at the end of a wire of 115200 Bd, 8N1, that answers at once: what is sent arrives when its last character would.
// It allocates nothing, and does not miss its time by more than a thread does. Register n holds n.
type pacer struct {
	requests int64
	tight    int64 // requests that came less than t3.5 after what was on the wire before
	least    int64 // ns: the shortest silence before a request
	over     atomic.Bool
}

func (p *pacer) run(fd int) {
	runtime.LockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSlack, 1000, 0)
	var in [512]byte
	var out [512]byte
	n, end := 0, int64(0)
	for {
		k, err := syscall.Read(fd, in[n:])
		now := nanos()
		if err == syscall.EIO && p.over.Load() {
			return
		}
		if err == syscall.EIO || err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil || k <= 0 {
			return
		}
		if n == 0 && end > 0 {
			silence := now - end
			if atomic.LoadInt64(&p.least) == 0 || silence < p.least {
				atomic.StoreInt64(&p.least, silence)
			}
			if silence < int64(pacedGap) {
				atomic.AddInt64(&p.tight, 1)
			}
		}
		if n += k; n < 8 || !sound(in[:n]) {
			n %= 256
			continue
		}
		atomic.AddInt64(&p.requests, 1)
		a, count := binary.BigEndian.Uint16(in[2:]), binary.BigEndian.Uint16(in[4:])
		end = now + int64(n)*pacedChar
		sleepUntil(end)
		n = 0
		b := append(out[:0], in[0], in[1], byte(2*count))
		for i := range count {
			b = binary.BigEndian.AppendUint16(b, a+i)
		}
		b = binary.LittleEndian.AppendUint16(b, crc(b))
		end = max(end, now) + int64(len(b))*pacedChar
		sleepUntil(end)
		if _, err := syscall.Write(fd, b); err != nil {
			return
		}
	}
}

func nanos() int64 {
	var t syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

func sleepUntil(at int64) {
	t := syscall.NsecToTimespec(at)
	for {
		if _, _, e := syscall.Syscall6(syscall.SYS_CLOCK_NANOSLEEP, monotonic, absolute, uintptr(unsafe.Pointer(&t)), 0, 0, 0); e != syscall.EINTR {
			return
		}
	}
}

// onWire makes a client whose slave is at the end of a paced wire.
func onWire(t testing.TB) (*Client, *pacer) {
	held, device := terminal(t)
	fd, err := syscall.Dup(int(held.Fd())) // Fd has made it block
	require.NoError(t, err)
	require.NoError(t, held.Close())
	m := onTerminal(t, device, RTUOptions{Timeout: longTimeout})
	p, done := &pacer{}, make(chan struct{})
	go func() {
		defer close(done)
		p.run(fd)
	}()
	t.Cleanup(func() { // it has ended before its file is closed, or it would read the next file of this number, which is another test's
		p.over.Store(true)
		_ = m.Close()
		<-done
		_ = syscall.Close(fd)
	})
	return m, p
}

func TestTheSilenceIsKeptOnARealTerminalAndAReadAllocatesNothing(t *testing.T) {
	m, p := onWire(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make([]uint16, 10)
	read := func() {
		if err := m.ReadHolding(ctx, pacedSlave, 100, out); err != nil || out[9] != 109 {
			t.Error(out, err)
		}
	}
	require.Zero(t, testing.AllocsPerRun(30, read))
	require.GreaterOrEqual(t, atomic.LoadInt64(&p.requests), int64(31))
	require.Zero(t, atomic.LoadInt64(&p.tight), "the least was %v", time.Duration(p.least))
}

// BenchmarkRTUPaced reports which part of what a wire of 115200 Bd and one t3.5 allow is reached, by the median and by the best
// exchange, and which part by a thread that does nothing but send, read so many bytes and sleep, in turns with it on a wire of its own:
// that is what the machine allows just now.
func BenchmarkRTUPaced(b *testing.B) {
	for _, n := range []int{2, 10, 60, 125} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			m, p := onWire(b)
			bare := newBare(b, n)
			out := make([]uint16, n)
			var ours, its []int64
			for b.Loop() {
				ours = row(ours, func() { require.NoError(b, m.ReadHolding(context.Background(), pacedSlave, 0, out)) })
				its = row(its, bare)
			}
			limit := float64(wireTime(paced, 10, 8+5+2*n) + pacedGap)
			slices.Sort(ours)
			slices.Sort(its)
			b.ReportMetric(limit/float64(ours[len(ours)/2]), "of-wire")
			b.ReportMetric(limit/float64(ours[0]), "best-of-wire")
			b.ReportMetric(limit/float64(its[len(its)/2]), "bare-of-wire")
			b.ReportMetric(float64(its[len(its)/2])/float64(ours[len(ours)/2]), "of-bare")
			b.ReportMetric(float64(atomic.LoadInt64(&p.tight)), "violated")
		})
	}
}

// row adds how long each of 10 exchanges took, from the end of the one before it.
func row(all []int64, exchange func()) []int64 {
	exchange()
	for range 10 {
		begin := nanos()
		exchange()
		all = append(all, nanos()-begin)
	}
	return all
}

// newBare gives an exchange of so many registers on a wire of its own, by system calls alone; the silence is kept behind the answer.
func newBare(b *testing.B, n int) func() {
	wire, _ := onWire(b) // sets the terminal
	fd, err := syscall.Open(wire.line.(*rtu).port.(*linux.RS485).Device(), syscall.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		b.Skip("needs root, since the line is another's: ", err)
	}
	b.Cleanup(func() { _ = syscall.Close(fd) })
	request := appendADU(nil, &query{unit: pacedSlave, function: readHolding, count: uint16(n)})
	buf := make([]byte, maxADU)
	return func() {
		_, err := syscall.Write(fd, request)
		require.NoError(b, err)
		for got := 0; got < 5+2*n; {
			k, err := syscall.Read(fd, buf[got:])
			if err != nil && err != syscall.EINTR {
				b.Fatal(err)
			}
			got += max(k, 0)
		}
		sleepUntil(nanos() + int64(pacedGap))
	}
}

// BenchmarkRTUCancel reports how long after the end of its context a read that waits returns.
func BenchmarkRTUCancel(b *testing.B) {
	_, device := terminal(b)
	m := onTerminal(b, device, RTUOptions{Timeout: longTimeout})
	require.NoError(b, m.SetSlave(context.Background(), 1, Slave{Late: time.Nanosecond}))
	var worst, all time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		var at atomic.Int64
		begin := time.Now()
		go func() {
			time.Sleep(8*time.Millisecond + time.Duration(rand.IntN(4000))*time.Microsecond)
			at.Store(int64(time.Since(begin)))
			cancel()
		}()
		require.ErrorIs(b, m.ReadHolding(ctx, 1, 0, make([]uint16, 1)), context.Canceled)
		took := time.Since(begin) - time.Duration(at.Load())
		worst, all = max(worst, took), all+took
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	b.ReportMetric(float64(all.Microseconds())/1000/float64(b.N), "mean-ms")
}

// pulls are ways in which a line goes away.
var pulls = map[string]func(held *os.File, device string) error{
	"closed": func(held *os.File, _ string) error { return held.Close() },
	"hung up": func(_ *os.File, device string) error {
		f, err := os.OpenFile(device, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), 0x5437, 0); e != 0 { // TIOCVHANGUP
			return e
		}
		return nil
	},
}

func TestALineThatIsPulledOutIsSeenInOneReadAndOpensAgain(t *testing.T) {
	for name, pull := range pulls {
		t.Run(name, func(t *testing.T) {
			held, device := terminal(t)
			m := onTerminal(t, device, RTUOptions{Timeout: longTimeout})
			go func() {
				_, _ = held.Read(make([]byte, 8)) // the request
				time.Sleep(20 * time.Millisecond) // until it waits for the answer
				_ = pull(held, device)
			}()
			_, err := holding(m, 1, 0, 1)
			if err != nil && isErr(err, os.ErrPermission) {
				t.Skip("needs root: ", err)
			}
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			_, err = holding(m, 1, 0, 1)
			require.ErrorIs(t, err, ErrDown)
			before, begin := used(), time.Now()
			_, err = linux.OpenRS485("/dev/pts/none", linux.Line{Baud: paced, Data: 8, Parity: 'N', Stop: 1}, nil)
			require.ErrorIs(t, err, os.ErrNotExist)
			time.Sleep(200 * time.Millisecond) // as a line does before it tries again
			t.Logf("%.2f %% of a processor while it was gone", 100*float64(used()-before)/float64(time.Since(begin)))
			b, again := joined(t, 1, time.Second, 1)
			next := onTerminal(t, again, RTUOptions{Timeout: patient, After: m})
			require.NoError(t, next.Prove(t.Context(), 1))
			got, err := holding(next, 1, 7, 1)
			require.NoError(t, err)
			require.Equal(t, []uint16{word(1, readHolding, 7)}, got)
			require.NotEmpty(t, b.requests)
		})
	}
}

// used is the processor time of this process.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
