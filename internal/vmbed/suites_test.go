//go:build linux && amd64

// The suites that ask a kernel, run in one.

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/vmbed/guest"
)

// suites are the packages with tests that run in the bed, and which of their tests do. A whole batch on a board has a test of its own.
var suites = []struct{ dir, run, skip string }{
	{"internal/vmbed/guest", ".", "^$"},
	{"hal/linux", "^TestKernel", "^$"},
	{"examples/controller", "^TestKernel", "ABatchRunsOnTheLines"},
	{"examples/commission", "^TestKernel", "^$"},
}

func TestSuitesInTheKernel(t *testing.T) {
	b := newBench(t)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	var programs []program
	m := b.m
	for i, s := range suites {
		dir := filepath.Join(root, s.dir)
		tests := b.build(strings.ReplaceAll(s.dir, "/", "-"), "test -c", dir)
		if _, err := os.Stat(filepath.Join(dir, "testdata")); err == nil {
			m.bring = append(m.bring, filepath.Join(dir, "testdata"))
		}
		programs = append(programs, program{Dir: dir, Env: environment(os.Environ()),
			Args: []string{tests, "-test.v", "-test.timeout", "4m", "-test.run", s.run, "-test.skip", s.skip}})
		require.FileExists(t, tests, "package %d has tests", i)
	}
	said, statuses, err := b.run(context.Background(), m, nil, programs...)
	require.NoError(t, err, said)
	parts := strings.Split(said, nextProgram+"\n")
	require.Len(t, parts, len(suites), said)
	for i, s := range suites {
		t.Run(s.dir, func(t *testing.T) {
			if testing.Verbose() {
				t.Log(parts[i])
			}
			require.Zero(t, statuses[i], parts[i])
			require.Contains(t, parts[i], "--- PASS: ")
			require.NotContains(t, parts[i], guest.Elsewhere)
		})
	}
}
