// How long control takes while the window is attacked.

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/timebase/system"
)

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

// apart starts a program in a session of its own, as a service manager does, at the ordinary policy.
func apart(t *testing.T, env string, name string, args ...string) *program {
	t.Helper()
	cmd := exec.Command("chrt", append([]string{"-o", "0", name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return start(t, []string{env}, cmd)
}

// realTime gives processes the policy that controller -realtime takes, where BATCHKIT_REALTIME asks for it. What they start has it not.
func realTime(t *testing.T, pids ...int) {
	t.Helper()
	if os.Getenv("BATCHKIT_REALTIME") == "" {
		return
	}
	for _, pid := range pids {
		said, err := exec.Command("chrt", "-a", "-R", "-r", "-p", strconv.Itoa(system.Priority), strconv.Itoa(pid)).CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
}

func TestControlTakesNoLongerWhileTheWindowIsAttacked(t *testing.T) {
	if os.Getenv("BATCHKIT_LONG") == "" {
		t.Skip("it measures for minutes, on a machine that does nothing else; set BATCHKIT_LONG=1")
	}
	out := place(t)
	self, err := os.Executable()
	require.NoError(t, err)
	w := apart(t, asCommand+"=1", self, append(guarded(t), "-from", out, "-listen", "127.0.0.1:0", "-trend", "127.0.0.1:0")...)
	endpoint := w.find(`opc\.tcp://(\S+)  shows`)[1]
	plant := filepath.Join(out, "plant")
	require.NoError(t, os.Mkdir(plant, 0o750))
	p := begin(t, nil, controller(t), "plant", "-dir", plant, "-seed", "1", "-speed", "1", "-linger", "10m", "-fresh")
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
	realTime(t, os.Getpid(), p.cmd.Process.Pid)
	for n := range rounds {
		quiet := beats(t, at, every, long)
		a := apart(t, asAttacker+"="+endpoint, self)
		a.find(`attacks \d{2,}, .*(wrong passwords [1-9]|rounds of who was let in [1-9])`) // where logins are few, either may wait for the other
		loud := beats(t, at, every, long)
		said := a.text()
		a.kill()
		require.NotContains(t, said, "let through")
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
