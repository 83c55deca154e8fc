// Instruments at the end of pseudo terminals of socat, opened by hal/linux, as devices of a line: noise, another unit, and a plug that is
// pulled out and put in again.

package scale_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/iomap/tag"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// pair is a pair of pseudo terminals that socat joins: near is the port of the controller, far that of the instrument.
type pair struct {
	near, far string
	cmd       *exec.Cmd
}

// plugIn starts socat. It is killed when the test ends, or by pull.
func plugIn(t *testing.T, dir string) *pair {
	t.Helper()
	if _, err := exec.LookPath("socat"); err != nil {
		t.Skip("no socat on this machine: install socat")
	}
	p := &pair{near: filepath.Join(dir, "near"), far: filepath.Join(dir, "far")}
	p.cmd = exec.Command("socat", "pty,raw,echo=0,link="+p.near, "pty,raw,echo=0,link="+p.far)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.pull)
	require.Eventually(t, func() bool {
		_, err := os.Stat(p.far)
		_, other := os.Stat(p.near)
		return err == nil && other == nil
	}, patience, 5*time.Millisecond)
	return p
}

// pull pulls the plug. Socat is killed and leaves its links, as no adapter does.
func (p *pair) pull() {
	if p.cmd == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = p.cmd.Wait() // it was killed
	p.cmd = nil
	_, _ = os.Remove(p.near), os.Remove(p.far)
}

// plant is a line of one instrument, and all that it told.
type plant struct {
	line *line.Line
	mu   sync.Mutex
	raws []emitted
	link []fieldbus.LinkState
}

// emitted is a value, and how the line showed its channel and its link when it was emitted.
type emitted struct {
	tag.Raw
	status fieldbus.Status
	link   fieldbus.LinkState
}

func onLine(t *testing.T, p *fieldbus.Profile, endpoint string, tags ...string) *plant {
	t.Helper()
	m := &fieldbus.TagMap{ID: "bus", Profiles: []*fieldbus.Profile{p}, Classes: []fieldbus.Class{{Name: "fast", Every: int64(20 * time.Millisecond)}}}
	m.Devices = []fieldbus.Device{{Name: "S1", Profile: p, Endpoints: []string{endpoint}}}
	if serial := p.Find("SERIAL"); serial != nil {
		m.Devices[0].Identify, m.Devices[0].Identity = serial, "0815"
	}
	for _, name := range tags {
		m.Tags = append(m.Tags, fieldbus.Tag{Channel: name, Point: p.Find(name).Index, StaleAfter: int64(2 * time.Second)})
	}
	d, err := scale.NewDevice(&m.Devices[0], nil)
	require.NoError(t, err)
	l, err := line.New(m, []line.Attached{{Device: "S1", Driver: d}}, nil)
	require.NoError(t, err)
	b := &plant{line: l}
	l.Report(func(e fieldbus.Event) {
		if e.Kind == fieldbus.LinkChanged {
			b.mu.Lock()
			b.link = append(b.link, e.New)
			b.mu.Unlock()
		}
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() {
		done <- l.Watch(ctx, func(r tag.Raw) {
			v, err := l.Value(r.Channel)
			if err != nil {
				t.Error(err)
			}
			b.mu.Lock()
			b.raws = append(b.raws, emitted{r, v.Status, l.State()[0].Link})
			b.mu.Unlock()
		})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return b
}

// until waits until a channel has a quality, and gives what was emitted of it then.
func (b *plant) until(t *testing.T, name string, q tag.Quality, from int) (r emitted, at int) {
	t.Helper()
	require.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for at = from; at < len(b.raws); at++ {
			if r = b.raws[at]; r.Channel == name && r.Quality == q {
				return true
			}
		}
		return false
	}, patience, 5*time.Millisecond, "%s is not %v", name, q)
	return r, at
}

func (b *plant) emitted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.raws)
}

// utter says what text gives at the far end of a pair, every 10 ms, until the plug is pulled or stop is called.
func utter(t *testing.T, far string, text func(n int) string) (stop func()) {
	t.Helper()
	f, err := os.OpenFile(far, os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = f.Close() }()
		for n := 0; !over.Load(); n++ {
			if _, err := f.WriteString(text(n)); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	stop = sync.OnceFunc(func() { over.Store(true); <-done })
	t.Cleanup(stop)
	return stop
}

func TestAnInstrumentIsPulledOutAndPutInAgainAndNoWrongWeightCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wire := plugIn(t, dir)
	var pounds atomic.Bool
	said := func(n int) string {
		unit := "kg"
		if pounds.Load() {
			unit = "lb"
		}
		whole := fmt.Sprintf("ST,GS,+%08.2f%s\r\n", float64(100+n%5), unit) // 100 to 104 kg
		switch n % 10 {
		case 3:
			return "\x00\xfe#,9\r\n" + whole
		case 5:
			return whole[:9]
		case 6:
			return whole[12:]
		case 8:
			return "ST,GS,+00\x0000.00kg\r\n" // as parity shows it
		case 9:
			return "ST,GS,+999999.99kg\r\n"
		}
		return whole
	}
	stop := utter(t, wire.far, said)
	b := onLine(t, profile(t, "and-stream"), "serial:"+wire.near, "WEIGHT", "STABLE")
	b.until(t, "WEIGHT", tag.Good, 0)
	at := b.emitted()
	pounds.Store(true)
	r, at := b.until(t, "WEIGHT", tag.Bad, at)
	for end := time.Now().Add(patience); r.status != fieldbus.StatusConfigurationError; r, at = b.until(t, "WEIGHT", tag.Bad, at+1) {
		// A link that has fallen, on a busy machine, is BAD for that reason, until it is back.
		require.False(t, r.link == fieldbus.Up || r.link == fieldbus.Degraded, "the link is %v, and its value has status %#x", r.link, uint32(r.status))
		require.True(t, time.Now().Before(end), "the link was never up")
	}
	pounds.Store(false)
	b.until(t, "WEIGHT", tag.Good, at)

	at = b.emitted()
	wire.pull()
	b.until(t, "WEIGHT", tag.Bad, at)
	require.Eventually(t, func() bool { return b.line.State()[0].Link == fieldbus.Down }, patience, 5*time.Millisecond)
	t.Log("pulled out:", b.line.State()[0].Down)
	stop()
	at = b.emitted()
	wire = plugIn(t, dir)
	utter(t, wire.far, said)
	b.until(t, "WEIGHT", tag.Good, at)
	b.until(t, "WEIGHT", tag.Good, b.emitted()+100)

	b.mu.Lock()
	defer b.mu.Unlock()
	good := 0
	for _, r := range b.raws {
		if r.Channel == "WEIGHT" && r.Quality == tag.Good {
			good++
			v := int64(r.Bits)
			require.True(t, v >= 10000 && v <= 10400 && v%100 == 0, "%d was never said", v)
		}
	}
	t.Logf("%d weights counted, 0 wrong; the link went %v", good, b.link)
}

func TestABalanceThatIsAskedOnATerminalProvesItselfAndCountsAgainAfterASilence(t *testing.T) {
	t.Parallel()
	wire := plugIn(t, t.TempDir())
	far, err := os.OpenFile(wire.far, os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	b := &balance{say: func(p []byte) { _, _ = far.Write(p) }}
	go func() {
		buf := make([]byte, 64)
		var in []byte
		for {
			n, err := far.Read(buf)
			if err != nil {
				return
			}
			for _, c := range buf[:n] {
				if in = append(in, c); c == '\n' {
					b.hear(in)
					in = in[:0]
				}
			}
		}
	}()
	t.Cleanup(func() { _ = far.Close() })
	l := onLine(t, profile(t, "sics", "response: 500 ms", "response: 5 s"), "serial:"+wire.near, "WEIGHT", "ZERO") // for machines that are busy
	l.until(t, "WEIGHT", tag.Good, 0)
	require.NoError(t, l.line.Write(t.Context(), tag.Write{Channel: "ZERO", Form: tag.Bool, Bits: 1}))
	b.quiet(true)
	require.Eventually(t, func() bool { return l.line.State()[0].Link == fieldbus.Doubt }, patience, 5*time.Millisecond)
	at := l.emitted()
	b.quiet(false)
	r, _ := l.until(t, "WEIGHT", tag.Good, at)
	require.Equal(t, uint64(250), r.Bits)
}
