// The enumerations on storage that breaks its word: each must be found out.

package journaltest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// broken is storage that does not do some of what it says.
type broken struct {
	journal.Storage
	sync, dir, settle, panics bool // left out
	wrong                     bool // reads have one wrong bit
}

func (b broken) Create(name string) (journal.File, error) {
	f, err := b.Storage.Create(name)
	if err == nil && b.sync {
		f = lazy{f}
	}
	return f, err
}

type lazy struct{ journal.File }

func (lazy) Sync() error { return nil }

func (b broken) SyncDir(dir string) error {
	if b.dir {
		return nil
	}
	return b.Storage.SyncDir(dir)
}

func (b broken) Settle(name string) error {
	if b.settle {
		return nil
	}
	return b.Storage.Settle(name)
}

func (b broken) Read(name string, most int, buf []byte) ([]byte, error) {
	got, err := b.Storage.Read(name, most, buf)
	if b.panics && len(got) > 0 {
		panic("a cable fell out")
	}
	if b.wrong && len(got) > 600 && got[600] != 0 {
		got[600] ^= 1
	}
	return got, err
}

// as makes every process start on storage that is broken like this.
func as(b broken) func(journal.Storage) journal.Storage {
	return func(s journal.Storage) journal.Storage {
		b.Storage = s
		return b
	}
}

func TestStorageThatBreaksItsWordIsFoundOut(t *testing.T) {
	for claim, c := range map[string]struct {
		b    broken
		says string
	}{
		"a flush left out":           {broken{sync: true}, "after recovery and record 1: NONE"},
		"names not made durable":     {broken{dir: true}, "after recovery and record 1: NONE"},
		"a cache that is not asked":  {broken{settle: true}, "what was set aside is not in"},
		"reads with a wrong bit":     {broken{wrong: true}, "seed 1, state"},
		"a panic within the storage": {broken{panics: true}, "panic: a cable fell out"},
	} {
		r, err := journaltest.Crash(journaltest.Options{Seed: 1, Wrap: as(c.b)})
		require.ErrorContains(t, err, c.says, claim)
		require.NotZero(t, r.States, claim)
	}
}

func TestAFailureIsReplayedByItsName(t *testing.T) {
	for _, b := range []broken{{sync: true}, {settle: true}} {
		_, err := journaltest.Crash(journaltest.Options{Seed: 1, Wrap: as(b)})
		first, _, _ := strings.Cut(err.Error(), "\n")
		name := regexp.MustCompile(`state "([^"]*)"`).FindStringSubmatch(first)
		require.Len(t, name, 2)
		r, err := journaltest.Crash(journaltest.Options{Seed: 1, Wrap: as(b), Only: name[1]})
		require.EqualError(t, err, first)
		require.Equal(t, 1, r.States)
	}
	_, err := journaltest.Crash(journaltest.Options{Only: "of no such name"})
	require.EqualError(t, err, `there is no state "of no such name"`)
	r, err := journaltest.Flips(journaltest.Options{Only: "flip closed j/segments/00000002.seg byte 700 bit 3"})
	require.NoError(t, err)
	require.Equal(t, "0 states, 1 flips, 0 faults; flip DAMAGED 1", r.String())
}

func TestALimitEndsARun(t *testing.T) {
	r, err := journaltest.Crash(journaltest.Options{Seed: 1, Limit: 300})
	require.NoError(t, err)
	require.Equal(t, 300, r.States)
	require.True(t, r.Stopped)
	require.Contains(t, r.String(), "stopped at the limit")
	r, err = journaltest.Flips(journaltest.Options{Seed: 1, Limit: 300})
	require.NoError(t, err)
	require.Equal(t, 300, r.Flips)
}
