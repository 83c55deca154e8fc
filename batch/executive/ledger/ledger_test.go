// Tests of a ledger: that it goes on where it was, says what was cut off, refuses what is damaged, and stops where evidence cannot be kept.

package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// source says always the same of the wall clock.
type source struct{ o timebase.Observation }

func (s source) Observe() timebase.Observation { return s.o }

func refused(actor string) func(*record.Body) {
	return func(b *record.Body) {
		b.Begin(record.KindAccessRefused)
		b.Text(record.Actor, actor)
		b.Text(record.Command, "remove")
		b.Text(record.Detail, "no permission")
	}
}

// seen opens a ledger and gives the records that were there.
func seen(t *testing.T, dir string, opt *ledger.Options) (l *ledger.Ledger, list []*record.Record) {
	t.Helper()
	if opt == nil {
		opt = &ledger.Options{}
	}
	o := *opt
	o.Take = func(seq uint64, r *record.Record) error {
		require.EqualValues(t, len(list)+1, seq)
		require.Equal(t, seq, r.Count(record.EventSeq))
		list = append(list, r)
		return nil
	}
	l, err := ledger.Open(dir, "board-1", "manager", &o)
	require.NoError(t, err)
	return l, list
}

func TestALedgerGoesOnWhereItWasUnderTheSameName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "manager")
	require.NoError(t, os.Mkdir(filepath.Dir(dir), 0o755))
	l, list := seen(t, dir, nil)
	require.Empty(t, list)
	require.True(t, strings.HasPrefix(l.ID(), "manager-"))
	for i := range 300 { // more than a segment
		seq, err := l.Append(refused(fmt.Sprint("local:", i)))
		require.NoError(t, err)
		require.EqualValues(t, i+1, seq)
	}
	head, id := l.Head(), l.ID()
	require.NoError(t, l.Close())
	for life := range 3 {
		l, list = seen(t, dir, nil)
		require.Len(t, list, 300+life)
		require.Equal(t, "local:299", list[299].Text(record.Actor))
		require.Equal(t, id, l.ID())
		require.Equal(t, head, l.Head())
		_, err := l.Append(refused("again"))
		require.NoError(t, err)
		head = l.Head()
		require.NoError(t, l.Close())
	}
	rep, err := evidence.VerifyJournal(dir, nil)
	require.NoError(t, err)
	require.Equal(t, "board-1", rep.DeviceID)
	require.Equal(t, id, rep.JournalID)
	require.Equal(t, head.Link.String(), rep.Link)
	require.EqualValues(t, 303, rep.Records)
	require.Empty(t, rep.Unsound)
}

func TestTwoProcessesDoNotHaveOneLedger(t *testing.T) {
	dir := t.TempDir()
	l, _ := seen(t, dir, nil)
	_, err := l.Append(refused("a"))
	require.NoError(t, err)
	_, err = ledger.Open(dir, "board-1", "manager", nil)
	require.ErrorIs(t, err, journal.ErrInUse)
	_, err = ledger.Open(dir, "board-1", "manager", &ledger.Options{Take: func(uint64, *record.Record) error {
		_, err := l.Append(refused("b")) // while the other reads
		require.NoError(t, err)
		require.NoError(t, l.Close())
		return nil
	}})
	require.ErrorContains(t, err, "another process wrote while it was read; start again")
	l, list := seen(t, dir, nil)
	require.Len(t, list, 2)
	require.NoError(t, l.Close())
}

// holding gives the segment that holds a text, and where.
func holding(t *testing.T, dir, text string) (name string, data []byte, at int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "segments", "*"))
	require.NoError(t, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if at := bytes.Index(data, []byte(text)); at >= 0 {
			return name, data, at
		}
	}
	require.Fail(t, "no segment holds "+text)
	return "", nil, 0
}

func TestAnEndThatWasCutOffIsContinuedAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	l, _ := seen(t, dir, nil)
	for _, actor := range []string{"a", "b", "the third"} {
		_, err := l.Append(refused(actor))
		require.NoError(t, err)
	}
	name, data, at := holding(t, dir, "the third") // as a power cut leaves it: without an end, the last group not whole
	require.NoError(t, l.Close())
	clear(data[at:])
	require.NoError(t, os.WriteFile(name, data, 0o600))
	l, list := seen(t, dir, nil)
	require.Len(t, list, 2)
	require.EqualValues(t, 3, l.Head().N)
	require.NoError(t, l.Close())
	l, list = seen(t, dir, nil)
	require.Len(t, list, 3)
	require.Equal(t, record.KindRecovery, list[2].Kind)
	require.Equal(t, "TORN_TAIL", list[2].Text(record.RecoveryPath))
	require.NoError(t, l.Close())
}

func TestADamagedLedgerIsRefusedAndLeftAsItIs(t *testing.T) {
	dir := t.TempDir()
	l, _ := seen(t, dir, nil)
	for range 200 {
		_, err := l.Append(refused("a"))
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	names, err := filepath.Glob(filepath.Join(dir, "segments", "*"))
	require.NoError(t, err)
	require.Greater(t, len(names), 1)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(names[0], data, 0o600))
	before := tree(t, dir)
	_, err = ledger.Open(dir, "board-1", "manager", nil)
	require.ErrorContains(t, err, "nothing was changed. Keep it as it is and put another directory in its place")
	require.Equal(t, before, tree(t, dir))
}

// tree is what lies in a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = string(data)
		return err
	}))
	return all
}

func TestManyMayAppendAtATime(t *testing.T) {
	dir := t.TempDir()
	l, _ := seen(t, dir, nil)
	var all sync.WaitGroup
	var got sync.Map
	for g := range 8 {
		all.Go(func() {
			for i := range 20 {
				seq, err := l.Append(refused(fmt.Sprint(g, "/", i)))
				if err != nil {
					t.Error(err)
				}
				got.Store(seq, fmt.Sprint(g, "/", i))
			}
		})
	}
	all.Wait()
	require.NoError(t, l.Close())
	l, list := seen(t, dir, nil)
	require.Len(t, list, 160)
	for i, r := range list {
		actor, _ := got.Load(uint64(i + 1))
		require.Equal(t, actor, r.Text(record.Actor), "the number is that of the record")
	}
	require.NoError(t, l.Close())
}

func TestAfterTheDiskFailsNothingIsTakenAnyMore(t *testing.T) {
	clock := system.NewClock(1)
	disk := journaltest.NewIll(journal.System(), clock)
	dir := t.TempDir()
	l, _ := seen(t, dir, &ledger.Options{Storage: disk, Clock: clock})
	_, err := l.Append(refused("a"))
	require.NoError(t, err)
	require.NoError(t, disk.Fault(journaltest.DiskFault{Kind: journaltest.DiskFails, For: time.Hour}))
	_, err = l.Append(refused("b"))
	require.ErrorContains(t, err, "evidence can no longer be kept")
	_, again := l.Append(refused("c"))
	require.Equal(t, err, again)
	require.Error(t, errors.Join(l.Close()), "what was not durable is told at the end, too")
	l, list := seen(t, dir, nil)
	require.LessOrEqual(t, len(list), 2)
	require.Equal(t, "a", list[0].Text(record.Actor))
	require.NoError(t, l.Close())
}

func TestARecordThatIsNoneIsRefusedAndTheLedgerGoesOn(t *testing.T) {
	l, _ := seen(t, t.TempDir(), nil)
	_, err := l.Append(func(b *record.Body) { b.Begin(record.KindAccessRefused); b.Text(record.Actor, "a") })
	require.ErrorContains(t, err, "is missing")
	seq, err := l.Append(refused("a"))
	require.NoError(t, err)
	require.EqualValues(t, 1, seq)
	require.NoError(t, l.Close())
	_, err = l.Append(refused("a"))
	require.ErrorContains(t, err, "closed")
}

func TestARecordHasTheTimeThatIsKnown(t *testing.T) {
	clock := system.NewClock(1)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixNano()
	dir := t.TempDir()
	wall := source{timebase.Observation{Mono: clock.Now(), UTC: at, Sync: timebase.NTPSync, Source: "chrony", Bound: 1_000_000, LastSync: at}}
	l, _ := seen(t, dir, &ledger.Options{Clock: clock, Wall: wall})
	_, err := l.Append(refused("a"))
	require.NoError(t, err)
	latest := at + clock.Now() - wall.o.Mono
	require.InDelta(t, at, l.UTC(), float64(time.Minute))
	require.NoError(t, l.Close())
	l, list := seen(t, dir, nil)
	ts := list[0].Time(record.TsUTC)
	require.True(t, at <= ts && ts <= latest, "%d ns after the clock was read, and it took %d", ts-at, latest-at)
	require.Equal(t, "chrony", list[0].Text(record.TimeSource))
	require.Equal(t, l.ID(), list[0].Text(record.JournalID))
	require.Equal(t, "board-1", list[0].Text(record.DeviceID))
	require.NoError(t, l.Close())
}

func TestAFileIsTheOldOneOrTheNewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.json")
	require.NoError(t, ledger.Put(path, []byte("a long one")))
	require.NoError(t, os.WriteFile(path+".tmp", []byte("what a cut has left"), 0o600))
	require.NoError(t, ledger.Put(path, []byte("short")))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "short", string(data))
	require.NoFileExists(t, path+".tmp")
	require.NoError(t, os.MkdirAll(filepath.Join(path+".tmp", "full"), 0o700))
	require.ErrorContains(t, ledger.Put(path, nil), "ledger: ")
	data, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "short", string(data), "the old one is there")
	require.Error(t, ledger.Settle(filepath.Join(path, "no directory")))
}

func TestTheStampsOfARecordAreReadAndWrittenAgainAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(dir, "board-1", "production", &ledger.Options{ID: "production-7"})
	require.NoError(t, err)
	at := timebase.Stamp{Mono: 5, UTC: 1_700_000_000_000_000_001, Sync: timebase.Holdover, Source: "chrony", Offset: -3, Bound: 1_000_001}
	n, err := l.AppendAt(at, refused("a"), refused("b"))
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.NoError(t, l.Close())
	_, err = journal.Scan(dir, func(seq uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		require.NoError(t, err)
		s, err := ledger.StampsOf(r)
		require.NoError(t, err)
		require.Equal(t, ledger.Stamps{Seq: seq, Journal: "production-7", Epoch: s.Epoch, Device: "board-1", At: at}, s)
		var b record.Body
		refused(r.Text(record.Actor))(&b)
		s.Write(&b)
		again, err := b.Append(nil)
		require.NoError(t, err)
		require.Equal(t, string(body), string(again))
		return nil
	}, nil)
	require.NoError(t, err)
}
