// The claims of a disk that is slow, full or fails, and what the journal makes of it.

package journaltest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/timebase"
)

// stepper is a clock that moves where somebody waits.
type stepper struct{ now int64 }

func (c *stepper) Now() int64 { return c.now }

func (c *stepper) Wait(_ context.Context, until int64) error {
	c.now = max(c.now, until)
	return nil
}

func (c *stepper) Alarm(func()) timebase.Alarm { return nil }

func ill(t *testing.T, at int64, verb string, args ...string) (*Ill, *stepper) {
	clock := &stepper{now: 1}
	d := NewIll(NewDisk(), clock)
	f, err := ParseDiskFault(verb, args)
	require.NoError(t, err)
	f.At = at
	require.NoError(t, d.Fault(f))
	return d, clock
}

func TestAJournalOnASlowDiskTakesLongerAndLosesNothing(t *testing.T) {
	d, clock := ill(t, 0, "slow", "200ms", "1h")
	w, err := journal.Create("j", header(), &journal.Options{Storage: d})
	require.NoError(t, err)
	began := clock.now
	require.NoError(t, w.Append(1, body(1, 100, 0)))
	require.NoError(t, w.Commit())
	require.Equal(t, int64(400*time.Millisecond), clock.now-began, "a write and a flush")
	require.NoError(t, w.Close())
	rec, err := journal.Scan("j", nil, &journal.Options{Storage: d})
	require.NoError(t, err)
	require.Equal(t, uint64(1), rec.Head.N)
}

func TestAFullDiskTakesWhatHasRoomAndNoNewJournal(t *testing.T) {
	d, clock := ill(t, 1000, "full", "1s")
	w, err := journal.Create("j", header(), &journal.Options{Storage: d})
	require.NoError(t, err)
	clock.now = 1000
	require.NoError(t, w.Append(1, body(1, 100, 0)))
	require.NoError(t, w.Commit(), "its segment has its room")
	_, err = journal.Create("k", header(), &journal.Options{Storage: d})
	require.ErrorIs(t, err, journal.ErrDiskFull)
	clock.now += int64(time.Second)
	require.NoError(t, w.Close())
	w, err = journal.Create("k", header(), &journal.Options{Storage: d})
	require.NoError(t, err, "somebody has made room")
	require.NoError(t, w.Close())
}

func TestAFailingDiskPoisonsTheJournal(t *testing.T) {
	d, clock := ill(t, 1000, "fail", "1s")
	w, err := journal.Create("j", header(), &journal.Options{Storage: d})
	require.NoError(t, err)
	clock.now = 1000
	require.NoError(t, w.Append(1, body(1, 100, 0)))
	err = w.Commit()
	require.ErrorIs(t, err, journal.ErrFailed)
	require.ErrorContains(t, err, "medium error, as the fault has it")
	clock.now += int64(time.Hour)
	require.ErrorIs(t, w.Commit(), journal.ErrFailed, "also when the disk is well again")
}

func TestADiskFaultThatCannotBeIsRefused(t *testing.T) {
	for want, words := range map[string][]string{
		`journaltest: disk fault "rust": unknown; known are slow, full, fail`:         {"rust"},
		`journaltest: disk fault "slow": 1 arguments: want slow <delay> <for>`:        {"slow", "1s"},
		`journaltest: disk fault full: argument 1: "soon" is not a time`:              {"full", "soon"},
		`disk fault "fail": from 0 on, for 0s: want a time that is not negative`:      {"fail", "0s"},
		`disk fault "slow": delay 0s: slow wants one above 0, and no other takes one`: {"slow", "0s", "1s"},
	} {
		_, err := ParseDiskFault(words[0], words[1:])
		require.ErrorContains(t, err, want)
	}
	d, _ := ill(t, 0, "full", "1s")
	require.ErrorContains(t, d.Fault(DiskFault{}), "no such kind")
	for range MaxDiskFaults - 1 {
		require.NoError(t, d.Fault(DiskFault{Kind: DiskFull, For: 1}))
	}
	require.ErrorContains(t, d.Fault(DiskFault{Kind: DiskFull, For: 1}), "the disk has 256 already")
}
