// Tests of the commands that speak to a hub.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// startHub runs the command hub until the test ends, and gives its address.
func startHub(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- serveHub(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), out, os.Stderr)
		out.Close()
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		require.Equal(t, exitOK, <-done)
	})
	at, _, ok := strings.Cut(strings.TrimPrefix(line, "hub at "), ": ")
	require.True(t, ok, line)
	return at
}

// patiently runs a command that speaks to a hub, and bears one that a busy machine keeps waiting.
func patiently(name string, args ...string) (code int, out, errs string) {
	return command(append([]string{name, "-patience", "30s"}, args...)...)
}

func TestAHubAnswersAsADirectoryDoes(t *testing.T) {
	dir, kept, cursors := demoRun(t, 1), t.TempDir(), filepath.Join(t.TempDir(), "cursors")
	at := startHub(t, "-dir", kept)
	for range 2 {
		code, out, errs := patiently("forward", "-to", at, "-node", "n1", "-cursors", cursors, "-once", dir)
		require.Equal(t, exitOK, code, errs)
		require.Regexp(t, `: http://\S+ has records up to \d+, 0 behind\n$`, out)
	}
	for _, words := range [][]string{nil, {"kind=window_stop"}, {"meter_window_id=A", "kind=window_start", "kind=window_stop"}, {"batch_id=B-0001", "seq=3..9"},
		{"batch_id=B-0002"}, {"step_id=CHARGE_A"}, {"from=2000-01-01T00:00:00Z", "kind=window_start"}} {
		_, want, _ := command(append([]string{"query", dir}, words...)...)
		code, got, errs := patiently("query", append([]string{at}, words...)...)
		require.Equal(t, exitOK, code, errs)
		require.Equal(t, want, got, "%v", words)
		require.Empty(t, errs)
	}
	events, err := os.ReadFile(filepath.Join(dir, "events.tsv"))
	require.NoError(t, err)
	code, out, errs := patiently("status", at)
	require.Equal(t, exitOK, code, errs)
	id, rest, _ := strings.Cut(out, " of n1: records 1 to ")
	require.Contains(t, rest, ", 0 behind, heard ")
	held, err := os.ReadFile(filepath.Join(kept, "journals", id+".tsv"))
	require.NoError(t, err)
	require.Equal(t, string(events), string(held), "the file of the hub is events.tsv")
	for _, args := range [][]string{{at}, {at, id}} {
		code, out, errs = patiently("verify", args...)
		require.Equal(t, exitOK, code, errs)
		require.Regexp(t, `^journal \S+: records 1 to \d+ are in one chain, last link [0-9a-f]{64}\nnot proven: `, out)
	}
	code, _, errs = patiently("verify", at, "J9")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "no such journal")
	code, _, errs = patiently("query", at, "nothing=1")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "no key of a record")

	require.NoError(t, os.WriteFile(filepath.Join(kept, "journals", id+".tsv"), []byte(strings.Replace(string(held), "CHARGE", "CHARGF", 1)), 0o640))
	code, out, errs = patiently("verify", at)
	require.Equal(t, exitFound, code, out)
	require.Contains(t, errs, "NOT VERIFIED: journal "+id)
	code, _, errs = patiently("query", at)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "damaged")
}

func TestAJournalIsForwardedAsAnotherWritesIt(t *testing.T) {
	dir, cursors := filepath.Join(t.TempDir(), "j"), t.TempDir()
	w, err := journal.Create(dir, journal.Header{JournalID: "J1"}, nil)
	require.NoError(t, err)
	defer w.Close()
	note := func() {
		require.NoError(t, w.Append(w.Head().N+1, []byte("not of a kind that is known")))
		require.NoError(t, w.Commit())
	}
	note()
	at := startHub(t, "-dir", t.TempDir())
	code, out, errs := patiently("forward", "-to", at, "-cursors", cursors, "-once", dir)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "has records up to 1, 0 behind")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- forward(ctx, []string{"-to", at, "-cursors", cursors, "-patience", "30s", dir}, io.Discard, os.Stderr)
	}()
	for n := 2; n < 6; n++ {
		note()
		require.Eventually(t, func() bool {
			_, out, _ := patiently("status", at)
			return strings.Contains(out, fmt.Sprintf("J1 of local: records 1 to %d, 0 behind", n))
		}, time.Minute, 20*time.Millisecond)
	}
	cancel()
	require.Equal(t, exitOK, <-done)
}

func TestABoardIsForwardedOverHTTPBesideItsWritersAndNewJournalsAsTheyAppear(t *testing.T) {
	board, kept, cursors := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "cursors")
	at := startHub(t, "-dir", kept)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- forward(ctx, []string{"-to", at, "-node", "n1", "-cursors", cursors, "-patience", "30s", "-board", board}, io.Discard, os.Stderr)
	}()
	writers := map[string]*journal.Writer{}
	dirs := []string{"manager", "batches/n1.B-1/evidence/journal", "batches/n1.B-2/evidence/journal"}
	for round := range 3 {
		id := fmt.Sprintf("J%d", round)
		dir := filepath.Join(board, filepath.FromSlash(dirs[round]))
		require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o750))
		w, err := journal.Create(dir, journal.Header{JournalID: id}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = w.Close() })
		writers[id] = w
		for _, w := range writers {
			for range 50 {
				require.NoError(t, w.Append(w.Head().N+1, []byte("not of a kind that is known")))
				require.NoError(t, w.Commit())
			}
		}
		for id, w := range writers {
			require.Eventually(t, func() bool {
				_, out, _ := patiently("status", at)
				return strings.Contains(out, fmt.Sprintf("%s of n1: records 1 to %d, 0 behind", id, w.Head().N))
			}, time.Minute, 20*time.Millisecond, id)
		}
	}
	for id, w := range writers {
		code, out, errs := patiently("verify", at, id)
		require.Equal(t, exitOK, code, errs)
		require.Contains(t, out, "last link "+w.Head().Link.String())
	}
	cancel()
	require.Equal(t, exitOK, <-done)
}

func TestAHubThatOthersReachWantsToKnowWho(t *testing.T) {
	for _, args := range [][]string{{"-listen", "0.0.0.0:0"}, {"-listen", ":0"}, {"-listen", "192.0.2.1:1"}} {
		code, _, errs := command(append([]string{"hub", "-dir", t.TempDir()}, args...)...)
		require.Equal(t, exitFound, code)
		require.Contains(t, errs, "give -cert and -key, and -tokens or -ca")
	}
	tokens := filepath.Join(t.TempDir(), "tokens")
	secret := strings.Repeat("x", 32)
	require.NoError(t, os.WriteFile(tokens, []byte("reader anna "+secret+"\n"), 0o600))
	at := startHub(t, "-dir", t.TempDir(), "-tokens", tokens)
	resp, err := http.Get(at + "/v1/journals")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	code, _, errs := patiently("status", at)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "not known")
	mine := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(mine, []byte(secret+"\n"), 0o600))
	code, out, errs := patiently("status", "-token", mine, at)
	require.Equal(t, exitOK, code, errs)
	require.Empty(t, out)
	for _, args := range [][]string{{"hub"}, {"hub", "x"}, {"hub", "-dir", "x", "y"}, {"forward", "-to", at}, {"forward", "-to", "dir", "-cursors", "x", "y"}, {"status", "dir"}} {
		code, _, errs := command(args...)
		require.Equal(t, exitUsage, code)
		require.Equal(t, usage, errs)
	}
}
