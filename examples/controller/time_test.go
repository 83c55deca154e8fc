// References of the wall clock: what is refused, what a person sees of them, and a batch that records how one is lost.

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/stretchr/testify/require"
)

func TestReferencesThatCannotBeFollowedAreRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-time ntpd", `-time ntpd: system: reference "ntpd": unknown; write kernel, chrony, ptp or rtc`},
		{"-time chrony,chrony", `-time chrony,chrony: timebase: reference "chrony" stands twice; give each a name of its own`},
		{"-time chrony -virtual", "-time: what references say is of real time; leave out -virtual and -speed, or -time"},
		{"-time chrony -speed 2", "-time: what references say is of real time; leave out -virtual and -speed, or -time"},
		{"-time=", "-time: nothing stands behind it; give a value, or leave it out"},
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), append(strings.Fields(c.args), "-out", t.TempDir()), strings.NewReader(""), io.Discard, &stderr)
		require.Equal(t, exitUsage, code, c.args)
		require.Equal(t, "controller: "+c.want+"; see controller -help\n", stderr.String())
	}
}

func TestTheHeaderSaysHowFarTheWallClockMayBeBelieved(t *testing.T) {
	for _, c := range []struct {
		s            synced
		w            int
		text, colour string
	}{
		{synced{"PTP_LOCKED", "plant", "0.1071"}, 40, "PTP_LOCKED plant +-0.2 ms  ", dim},
		{synced{"HOLDOVER", "chrony", "1999.99"}, 40, "HOLDOVER chrony +-2.0 s  ", yellow},
		{synced{"HOLDOVER", "chrony", "1999.99"}, 20, "HOLDOVER chrony  ", yellow},
		{synced{"HOLDOVER", "chrony", "1999.99"}, 12, "HOLDOVER  ", yellow},
		{synced{"HOLDOVER", "chrony", "1999.99"}, 5, "", yellow},
		{synced{"UNSET", "none", ""}, 40, "UNSET none  ", red},
		{synced{}, 40, "", dim},
	} {
		require.Equal(t, span{c.colour, c.text}, c.s.span(c.w), "%+v", c.s)
	}
}

// chronyds runs one chronyd that serves the time of this machine and one that follows it, neither of which sets a clock. It returns the
// address of the second; kill ends the first.
func chronyds(t *testing.T) (address string, kill func()) {
	t.Helper()
	if _, err := exec.LookPath("chronyd"); err != nil {
		t.Skip("chronyd is not here: install chrony")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to run daemons with sockets of their own")
	}
	dir, err := os.MkdirTemp("/tmp", "bk")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o750))
	var port [2]int
	for i := range port {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		port[i] = c.LocalAddr().(*net.UDPAddr).Port
		require.NoError(t, c.Close())
	}
	for i, conf := range []string{
		fmt.Sprintf("port %d\nbindaddress 127.0.0.1\nlocal stratum 8\nallow 127.0.0.1\ncmdport 0\n", port[0]),
		fmt.Sprintf("server 127.0.0.1 port %d minpoll -1 maxpoll -1 iburst\nport 0\ncmdport %d\nbindcmdaddress 127.0.0.1\n", port[0], port[1]),
	} {
		conf += fmt.Sprintf("bindcmdaddress %s/%d.sock\npidfile %s/%d.pid\n", dir, i, dir, i)
		file := filepath.Join(dir, fmt.Sprint(i, ".conf"))
		require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
		cmd := exec.Command("chronyd", "-x", "-d", "-u", "root", "-f", file)
		require.NoError(t, cmd.Start())
		end := sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		t.Cleanup(end)
		if i == 0 {
			kill = end
		}
	}
	return fmt.Sprintf("127.0.0.1:%d", port[1]), kill
}

// witness is a person who ends the source of a time when asked for an answer, and answers once that is on record.
type witness struct {
	t     *testing.T
	kill  func()
	asked chan struct{}
	done  bool
}

// Read gives one answer.
func (w *witness) Read(b []byte) (int, error) {
	if <-w.asked; w.done {
		return 0, io.EOF
	}
	w.kill()
	require.Eventually(w.t, func() bool { return slices.Contains(states(w.t), "HOLDOVER site") }, 20*time.Second, 100*time.Millisecond)
	w.done = true
	return copy(b, "yes\n"), nil
}

// states are the states of synchronisation and their sources that the records of the batch show so far, one after the other.
func states(t *testing.T) (all []string) {
	_, err := journal.Scan("out/B-0001/journal", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Has(record.SyncState) {
			all = append(all, r.Text(record.SyncState)+" "+r.Text(record.TimeSource))
		}
		return err
	}, nil)
	require.NoError(t, err)
	return slices.Compact(all)
}

func TestABatchRecordsThatItsTimeWasLostWhileTheDaemonSaidThatAllWasWell(t *testing.T) {
	if aside(t) {
		return
	}
	address, kill := chronyds(t)
	workplace(t)
	write(t, "bell.yaml", bell)
	person := &witness{t: t, kill: kill, asked: make(chan struct{}, 16)}
	o := live(t.Context(), person, func(text string) {
		for range strings.Count(text, "answer, then Enter: ") {
			person.asked <- struct{}{}
		}
	}, "-time", "site=chrony:"+address, "-prompt", "-unapproved", "-recipe",
		"bell.yaml")
	require.Equal(t, exitOK, o.code, o)
	require.Equal(t, []string{"NTP_SYNC site", "HOLDOVER site"}, states(t))
	changes := of(records(t, "out/B-0001"), record.KindTimeSourceChange)
	require.Len(t, changes, 1)
	for key, want := range map[record.Key]string{record.OldValue: "NTP_SYNC site primary", record.NewValue: "HOLDOVER site primary",
		record.SourceChange: "lost", record.HoldoverState: "active", record.PrimaryBackup: "primary"} {
		require.Equal(t, want, changes[0].Text(key))
	}
	require.Contains(t, changes[0].Text(record.SourceDetail), "chronyd: not updated for ", "found by age; chronyd itself says nothing of it")
}
