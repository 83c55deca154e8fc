// How late clocks are, beside cyclictest in the same run and with a load in another process:
//
//	go test ./timebase/system -run '^$' -bench Lateness -benchtime 1x
//
// Each clock is measured in a process of its own, since manners stay. BATCHKIT_LONG=1 takes ten times as many periods.

package system

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/timebase"
)

// latenessOf is what a process of this test shall do in place of its tests: a word, a period in us, a number of periods.
const latenessOf = "BATCHKIT_LATENESS"

func TestMain(m *testing.M) {
	if args := strings.Fields(os.Getenv(latenessOf)); len(args) == 3 {
		period, _ := strconv.Atoi(args[1])
		n, _ := strconv.Atoi(args[2])
		if err := measured(args[0], time.Duration(period)*time.Microsecond, n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// measured does what a process is told to, and prints how late each period was, in ns.
func measured(how string, period time.Duration, n int) error {
	late := make([]time.Duration, 0, n)
	got := ""
	switch how {
	case "load":
		return load()
	case "ticker":
		start, at := time.Now(), period
		for ticker := time.NewTicker(period); len(late) < n; {
			<-ticker.C
			for since := time.Since(start); at <= since && len(late) < n; at += period { // of those it has left out, too
				late = append(late, since-at)
			}
		}
	case "clock":
		late = waits(NewClock(1), period, late)
	case "thread", "edge":
		got = Manners{Priority: Priority, Lock: true, Memory: 256 << 20}.Take()
		c, err := NewThreadClock(ClockPriority)
		if err != nil {
			return err
		}
		defer c.Close()
		if how == "thread" {
			late = waits(c, period, late)
		} else {
			late = edges(c, period, late)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(lateness{got, late})
}

// lateness is what a process says of a clock.
type lateness struct {
	Got  string
	Late []time.Duration
}

// waits tells how late a goroutine is that waits for each period. One that has passed when its turn comes counts as late as it is.
func waits(c timebase.Clock, period time.Duration, late []time.Duration) []time.Duration {
	for at := c.Now(); len(late) < cap(late); {
		at += int64(period)
		_ = c.Wait(context.Background(), at)
		late = append(late, time.Duration(c.Now()-at))
	}
	return late
}

// edges tells how late alarms are called, where what they hand over begins.
func edges(c timebase.Clock, period time.Duration, late []time.Duration) []time.Duration {
	done := make(chan struct{})
	at := c.Now() + int64(period)
	var a timebase.Alarm
	a = c.Alarm(func() {
		late = append(late, time.Duration(c.Now()-at))
		if len(late) == cap(late) {
			close(done)
			return
		}
		at += int64(period)
		a.Set(at)
	})
	a.Set(at)
	<-done
	return late
}

// load allocates flat out on all processors, and writes to a disk without pause, until its input ends.
func load() error {
	f, err := os.CreateTemp("", "load")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	for range 2 {
		go func() {
			for kept := make([][]byte, 1<<16); ; {
				for i := range kept {
					kept[i] = make([]byte, 1024)
				}
			}
		}()
	}
	go func() {
		for line := bytes.Repeat([]byte("x"), 200); ; {
			_, _ = f.Write(line)
			_ = unix.Fdatasync(int(f.Fd()))
		}
	}()
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

// quantile is the value below which are so many of a thousand.
func quantile(late []time.Duration, of int) float64 {
	return float64(late[min(len(late)*of/1000, len(late)-1)]) / 1000
}

// inProcess measures a clock in a process of its own.
func inProcess(b *testing.B, how string, period time.Duration, n int) lateness {
	self, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", latenessOf, how, period.Microseconds(), n))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(b, err)
	var l lateness
	require.NoError(b, json.Unmarshal(out, &l))
	slices.Sort(l.Late)
	return l
}

// byCyclictest measures the floor: a thread of C with the priority of ours.
func byCyclictest(b *testing.B, priority int, period time.Duration, n int) (late []time.Duration) {
	file := filepath.Join(b.TempDir(), "hist")
	out, err := exec.Command("cyclictest", "-q", "-m", "-t1", "-p", strconv.Itoa(priority), "-i", strconv.Itoa(int(period.Microseconds())),
		"-l", strconv.Itoa(n), "-h", "20000", "--histfile="+file).CombinedOutput()
	require.NoError(b, err, string(out))
	text, err := os.ReadFile(file)
	require.NoError(b, err)
	for line := range strings.Lines(string(text)) {
		var us, count int
		if k, _ := fmt.Sscanf(line, "%d %d", &us, &count); k == 2 {
			late = append(late, slices.Repeat([]time.Duration{time.Duration(us) * time.Microsecond}, count)...)
		}
	}
	require.NotEmpty(b, late, string(text))
	return late
}

// BenchmarkLateness holds clocks against cyclictest: with SCHED_FIFO p50 and p99 of the edge are within twice of it, and without a
// privilege the median is a tenth of a time.Ticker's, or less.
func BenchmarkLateness(b *testing.B) {
	if _, err := exec.LookPath("cyclictest"); err != nil {
		b.Skip("cyclictest is not there; install rt-tests")
	}
	for _, loaded := range []bool{false, true} {
		for _, period := range []time.Duration{time.Millisecond, 10 * time.Millisecond} {
			b.Run(fmt.Sprintf("load=%t/period=%v", loaded, period), func(b *testing.B) {
				if loaded {
					defer loading(b)()
				}
				compare(b, period, int(3*time.Second/period))
			})
		}
	}
}

// loading starts the load.
func loading(b *testing.B) (stop func()) {
	self, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), latenessOf+"=load 0 0")
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	return func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}

// compare measures all clocks, with cyclictest before and behind those of SCHED_FIFO.
func compare(b *testing.B, period time.Duration, n int) {
	if os.Getenv("BATCHKIT_LONG") == "1" {
		n *= 10
	}
	for b.Loop() {
		ticker, clock := inProcess(b, "ticker", period, n), inProcess(b, "clock", period, n)
		floor := byCyclictest(b, ClockPriority, period, n)
		edge, thread := inProcess(b, "edge", period, n), inProcess(b, "thread", period, n)
		floor = append(floor, byCyclictest(b, ClockPriority, period, n)...)
		slices.Sort(floor)
		b.Logf("manners: %s", edge.Got)
		for _, one := range []struct {
			name string
			late []time.Duration
		}{{"ticker", ticker.Late}, {"clock", clock.Late}, {"cyclictest", floor}, {"edge", edge.Late}, {"thread", thread.Late}} {
			b.Logf("%-10s p50 %7.0f us, p99 %7.0f us, p99.9 %7.0f us, %d periods", one.name, quantile(one.late, 500), quantile(one.late, 990),
				quantile(one.late, 999), len(one.late))
		}
		b.ReportMetric(quantile(ticker.Late, 500)/quantile(clock.Late, 500), "ticker/clock-p50")
		b.ReportMetric(quantile(edge.Late, 500)/max(quantile(floor, 500), 1), "edge/cyclictest-p50")
		b.ReportMetric(quantile(edge.Late, 990)/max(quantile(floor, 990), 1), "edge/cyclictest-p99")
		b.ReportMetric(quantile(thread.Late, 500)/max(quantile(floor, 500), 1), "handed/cyclictest-p50")
		b.ReportMetric(quantile(thread.Late, 990)/max(quantile(floor, 990), 1), "handed/cyclictest-p99")
	}
}
