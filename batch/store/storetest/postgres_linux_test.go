// What a server for tests leaves behind: nothing.

package storetest_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store/storetest"
)

// host is the environment variable that makes this test program one that has a server and is killed.
const host = "BATCHKIT_TEST_HOST"

// closed is how it has left its server: otherwise that is stopped, and goes when its host does.
const closed = "closed after a kill"

// hostMain starts a server, says where it is, and waits.
func hostMain(t *testing.T, how string) {
	p, err := storetest.StartPostgres(t.Context())
	if errors.Is(err, storetest.ErrAbsent) {
		t.Skip(err)
	}
	require.NoError(t, err)
	dir := filepath.Dir(p.Socket)
	segment := segmentOf(t, dir)
	if p.Pause(); how == closed {
		p.Kill()
		require.NoError(t, p.Close())
	}
	fmt.Println("host", dir, segment)
	time.Sleep(time.Hour)
}

// processesIn are the processes that work in a directory.
func processesIn(dir string) (all []string) {
	found, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, path := range found {
		if at, err := os.Readlink(path); err == nil && strings.HasPrefix(at, dir) {
			all = append(all, filepath.Dir(path))
		}
	}
	return all
}

// segments are the segments of shared memory, by their numbers.
func segments(t *testing.T) map[string]bool {
	text, err := os.ReadFile("/proc/sysvipc/shm")
	require.NoError(t, err)
	all := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		all[strings.Fields(line)[1]] = true
	}
	return all
}

// segmentOf is the number of the segment of the server in a directory.
func segmentOf(t *testing.T, dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			return fields[1]
		}
	}
	require.Fail(t, "no segment", text)
	return ""
}

func TestAServerLeavesNoProcessAndNoSharedMemoryBehind(t *testing.T) {
	if how := os.Getenv(host); how != "" {
		hostMain(t, how)
	}
	for _, how := range []string{"stopped", closed} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			mine := filepath.Join(t.TempDir(), "of root")
			require.NoError(t, os.Mkdir(mine, 0o700))
			cmd := exec.Command(os.Args[0], "-test.run=^TestAServerLeaves", "-test.v")
			cmd.Env = append(os.Environ(), host+"="+how, "TMPDIR="+mine)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			dir, segment, said := "", "", ""
			for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); said += lines.Text() + "\n" {
				_, _ = fmt.Sscanf(lines.Text(), "host %s %s", &dir, &segment)
			}
			if strings.Contains(said, "install") {
				t.Skip(said)
			}
			require.NotEmpty(t, segment, said)
			defer os.RemoveAll(dir)
			if how == closed {
				require.NoDirExists(t, dir)
			} else {
				require.NotEmpty(t, processesIn(dir))
				require.True(t, segments(t)[segment])
			}
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			require.Eventually(t, func() bool { return len(processesIn(dir)) == 0 }, time.Minute, 50*time.Millisecond)
			require.False(t, segments(t)[segment])
		})
	}
}
