// The page does what it says, and fits on a page.

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
)

func TestTheQuickStartRunsABatchOnceAndLeavesEvidenceThatReplays(t *testing.T) {
	synctest.Test(t, once) // no stall of the machine has the batch held
}

func once(t *testing.T) {
	time.Sleep(27 * 365 * 24 * time.Hour) // no batch begins in the year 2000
	out := t.TempDir()
	var said bytes.Buffer
	require.NoError(t, run(t.Context(), "Q-0001", out, &said, 1))
	require.Contains(t, said.String(), "CHARGE start\nCHARGE end\nDISCHARGE start\nDISCHARGE end\n")
	require.Contains(t, said.String(), " kg of 20.00, PASS\nbatch Q-0001 is Complete; ran without approval; verified, ")
	replay, err := evidence.Replay(filepath.Join(out, "Q-0001"))
	require.NoError(t, err)
	require.Nil(t, replay.Divergence)
	require.ErrorIs(t, run(t.Context(), "Q-0001", out, &said, 1), runner.ErrUsed)
}

func TestTheQuickStartAbortsWhenItIsToldToEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var said bytes.Buffer
	require.ErrorContains(t, run(ctx, "Q-0001", t.TempDir(), writer(func(p []byte) (int, error) {
		if bytes.HasPrefix(p, []byte("CHARGE")) {
			cancel()
		}
		return said.Write(p)
	}), 20), "batch Q-0001 is not complete")
	require.Contains(t, said.String(), "batch Q-0001 is Aborted; ran without approval; verified, ")
}

func TestTheQuickStartIsOnePage(t *testing.T) {
	src, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Less(t, bytes.Count(src, []byte("\n")), 100)
}

// writer is a function that is written to.
type writer func(p []byte) (int, error)

// Write hands p to the function.
func (w writer) Write(p []byte) (int, error) { return w(p) }
