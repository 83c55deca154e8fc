// A writer in a process of its own, on the system's files, killed at any moment.

package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
)

// victim is the environment variable that makes this test program a writer of the journal in the directory that it names.
const victim = "BATCHKIT_TEST_VICTIM"

// withChip is one that gives it a file that stands in for a chip.
const withChip = "BATCHKIT_TEST_CHIP"

func TestMain(m *testing.M) {
	if where := os.Getenv(victim); where != "" {
		victimMain(where)
	}
	os.Exit(m.Run())
}

// victimMain appends until it is killed, and tells on standard output what is durable.
func victimMain(where string) {
	opt := &journal.Options{Segment: small, OnDurable: func(seq uint64) { fmt.Println(seq) }}
	if file := os.Getenv(withChip); file != "" {
		_, anchor, err := chipIn(file)
		assert(err)
		opt.Anchor = anchor
	}
	w, rec, err := journal.Open(where, head, opt)
	if err != nil {
		w, err = journal.Create(where, head, opt)
		rec = &journal.Recovery{}
	}
	assert(err)
	fmt.Println(rec.Head.N)
	go func() { assert(w.Run(context.Background())) }()
	go func() { assert(w.Prepare(context.Background())) }()
	go func() { assert(w.Staging(context.Background())) }()
	for seq := rec.Head.N + 1; ; seq++ {
		assert(w.Append(seq, body(seq, int(seq*7919%2000))))
		if seq%5 == 0 {
			assert(w.Wait(context.Background(), seq-seq%3))
		}
	}
}

// chipIn opens the chip in a file, formats it where no process has come to do that, and takes the journal's slot.
func chipIn(file string) (*sim.Board, *journal.Anchor, error) {
	board, err := sim.NewBoard(1, &sim.BoardOptions{FRAMFile: file})
	if err != nil {
		return nil, nil, err
	}
	chip, err := journal.OpenChip(board.FRAM(), file+".lock")
	if errors.Is(err, journal.ErrChip) {
		if err = journal.FormatChip(board.FRAM(), 2, 0, file+".lock"); err == nil {
			chip, err = journal.OpenChip(board.FRAM(), file+".lock")
		}
	}
	if err != nil {
		return nil, nil, err
	}
	anchor, err := chip.Take(head.JournalID)
	return board, anchor, err
}

func TestWhatAKilledProcessHasAcknowledgedByItsRingIsThere(t *testing.T) {
	kills := 12
	if os.Getenv("BATCHKIT_LONG") != "" {
		kills = 200
	}
	seed := uint64(os.Getpid())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	where := filepath.Join(t.TempDir(), "j")
	file := where + ".fram"
	t.Setenv(withChip, file)
	ringed, before := 0, uint64(0)
	for kill := range kills {
		told := max(before, killed(t, where, time.Duration(rng.IntN(40_000))*time.Microsecond, false))
		board, anchor, err := chipIn(file)
		require.NoError(t, err)
		rec, all := scan(t, where, &journal.Options{Anchor: anchor})
		require.Contains(t, []journal.Outcome{journal.Clean, journal.TornTail}, rec.Outcome, "kill %d: %v", kill, rec.Path)
		require.GreaterOrEqual(t, rec.Head.N, told, "kill %d: %v", kill, rec.Path)
		require.Equal(t, journal.AnchorStandIn, rec.Anchor)
		for _, r := range all {
			require.Equal(t, body(r.seq, int(r.seq*7919%2000)), r.body, "kill %d, record %d", kill, r.seq)
		}
		ringed += rec.Ringed
		before = rec.Head.N
		require.NoError(t, board.Close())
	}
	t.Logf("%d kills, %d records, of which %d were in the ring only when they were needed", kills, before, ringed)
}

func TestWhatAKilledProcessHasAcknowledgedIsThere(t *testing.T) {
	kills := 50
	if os.Getenv("BATCHKIT_LONG") != "" {
		kills = 1000
	}
	seed := uint64(os.Getpid())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var where string
	torn, records, before := 0, uint64(0), uint64(0)
	for kill := range kills {
		if kill%20 == 0 {
			where, before = filepath.Join(t.TempDir(), "j"), 0
		}
		told := max(before, killed(t, where, time.Duration(rng.IntN(30_000))*time.Microsecond, rng.IntN(4) == 0))
		rec, all := scan(t, where, nil)
		if told == 0 && rec.Outcome == journal.None {
			continue // it was killed before the journal was there
		}
		require.Contains(t, []journal.Outcome{journal.Clean, journal.TornTail}, rec.Outcome, "kill %d: %v", kill, rec.Path)
		require.GreaterOrEqual(t, rec.Head.N, told, "kill %d: %v", kill, rec.Path)
		for _, r := range all {
			require.Equal(t, body(r.seq, int(r.seq*7919%2000)), r.body, "kill %d, record %d", kill, r.seq)
		}
		if before = rec.Head.N; rec.Outcome == journal.TornTail {
			torn++
		}
		if kill%20 == 19 {
			records += rec.Head.N
		}
	}
	t.Logf("%d kills, %d torn tails, %d records in journals of 20 kills each", kills, torn, records)
}

// killed runs a writer, kills it after a time, early ones from their start on and others from their first word, and returns the last
// record that it has told to be durable.
func killed(t *testing.T, where string, after time.Duration, early bool) (told uint64) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), victim+"="+where)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	err = cmd.Start()
	if err != nil && strings.Contains(err.Error(), "exec format error") {
		t.Skip("a test that is emulated cannot start itself: run it on a board")
	}
	require.NoError(t, err)
	kill := func() { time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) }
	var once sync.Once
	if early {
		once.Do(kill)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		// Each line is one write into a pipe, which is whole or not there.
		if told, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Errorf("the writer says %q", lines.Text())
		}
		once.Do(kill)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); runtime.GOOS == "windows" {
		require.NotContains(t, []int{0, 2}, code, "it ended by itself")
	} else {
		require.Equal(t, -1, code, "it ended by itself and not by the signal")
	}
	return told
}
