//go:build linux && amd64

// What the tests on the host share: the machine made ready, and programs built for it.

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/vmbed/guest"
)

// patience is for one machine, which takes some ten seconds where nothing else runs; it ends before a test's own time does, so that what
// the machine said is told.
const patience = 6 * time.Minute

// bench builds programs for the guest, and machines to run them in.
type bench struct {
	t   *testing.T
	dir string
	m   machine // without a job
}

// newBench skips the test where there is no bed, unless BATCHKIT_BED_WANTED is set, and where BATCHKIT_NO_BED is.
func newBench(t *testing.T) *bench {
	t.Helper()
	if guest.Inside() {
		t.Skip("it starts a machine, and runs in one")
	}
	if os.Getenv("BATCHKIT_NO_BED") != "" {
		t.Skip("BATCHKIT_NO_BED is set: machines are started elsewhere")
	}
	bed, err := bedDir()
	require.NoError(t, err)
	_, kernel := os.Stat(filepath.Join(bed, "vmlinux"))
	if _, err := exec.LookPath(qemu); err != nil || kernel != nil {
		require.Empty(t, os.Getenv("BATCHKIT_BED_WANTED"), "no bed in %s", bed)
		t.Skip("install qemu-system-x86, then run: bash internal/vmbed/make.sh")
	}
	b := &bench{t: t, dir: t.TempDir()}
	b.m = machine{first: b.build("vmbed", "build", "."), bed: bed, cpus: 1, memory: 512}
	return b
}

// build builds a program for the guest. verb is "build", or "test -c" for a package's tests.
func (b *bench) build(name, verb, pkg string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	args := append(strings.Fields(verb), "-ldflags=-s -w", "-o", path, pkg)
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	said, err := cmd.CombinedOutput()
	require.NoError(b.t, err, "go %v: %s", args, said)
	return path
}

// run runs programs in a machine and returns what the console said and the statuses.
func (b *bench) run(ctx context.Context, m machine, watch func(line string), programs ...program) (string, []int, error) {
	b.t.Helper()
	m.job = job{Programs: programs, Disk: m.disk != ""}
	for _, p := range programs {
		if !strings.HasPrefix(p.Args[0], "/disk/") {
			m.bring = append(m.bring, p.Args[0])
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it has run for %v", patience))
	defer cancel()
	w := &console{watch: watch}
	all, err := m.run(ctx, w)
	return w.String(), all, err
}

// console keeps what the guest says, and shows every line to who watches as soon as it is whole.
type console struct {
	mu    sync.Mutex
	text  bytes.Buffer
	shown int
	watch func(line string)
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	for c.watch != nil {
		line, _, whole := bytes.Cut(c.text.Bytes()[c.shown:], []byte("\n"))
		if !whole {
			break
		}
		c.shown += len(line) + 1
		c.watch(string(line))
	}
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// disk makes a file with an empty ext4.
func (b *bench) disk(mib int64) string {
	b.t.Helper()
	path := filepath.Join(b.dir, "disk")
	require.NoError(b.t, os.WriteFile(path, nil, 0o600))
	require.NoError(b.t, os.Truncate(path, mib<<20))
	tool, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		tool = "/sbin/mkfs.ext4" // which is in nobody's PATH but root's
	}
	if _, err := os.Stat(tool); err != nil {
		b.t.Skip("no mkfs.ext4: install e2fsprogs")
	}
	said, err := exec.Command(tool, "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", path).CombinedOutput()
	require.NoError(b.t, err, "%s", said)
	return path
}
