// What a Writer promises to whoever appends.

package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

const (
	dir        = "j"
	seg1       = "j/segments/00000001.seg"
	seg2       = "j/segments/00000002.seg"
	small      = 72 << 10
	headerSize = 512
)

var head = journal.Header{JournalID: "B-0001"}

func path(name string) string { return filepath.FromSlash(name) }

// body returns the body of record n, different for each n and size.
func body(n uint64, size int) []byte {
	b := fmt.Appendf(nil, `{"n":%d,"x":"`, n)
	for i := len(b); i < size; i++ {
		b = append(b, 'a'+byte((uint64(i)*7+n)%26))
	}
	return b[:max(size, 1)]
}

func options(d *journaltest.Disk) *journal.Options {
	return &journal.Options{Storage: d, Segment: small, Pending: small}
}

// record is one record as Scan delivered it.
type record struct {
	seq  uint64
	body []byte
}

// scan reads a journal and checks that what it delivers is numbered from 1
// and chained.
func scan(t *testing.T, where string, opt *journal.Options) (*journal.Recovery, []record) {
	t.Helper()
	var all []record
	var want journal.Chain
	rec, err := journal.Scan(where, func(seq uint64, b []byte, c journal.Chain) error {
		want.Add(b)
		require.Equal(t, want, c)
		require.Equal(t, want.N, seq)
		all = append(all, record{seq, bytes.Clone(b)})
		return nil
	}, opt)
	require.NoError(t, err)
	require.Equal(t, want, rec.Head)
	return rec, all
}

// write appends groups of records of the given sizes, one Commit per group.
func write(t *testing.T, w *journal.Writer, groups ...[]int) {
	t.Helper()
	seq := w.Head().N
	for _, g := range groups {
		for _, size := range g {
			seq++
			require.NoError(t, w.Append(seq, body(seq, size)))
		}
		require.NoError(t, w.Commit())
		require.Equal(t, seq, w.Durable())
	}
}

// wantBodies checks that the records are those that write appended.
func wantBodies(t *testing.T, got []record, sizes ...int) {
	t.Helper()
	require.Len(t, got, len(sizes))
	for i, r := range got {
		require.Equal(t, string(body(uint64(i+1), sizes[i])), string(r.body))
	}
}

func TestScanAfterEachCommitReturnsWhatWasAppended(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	var sizes []int
	for range 60 {
		g := make([]int, 1+rng.IntN(6))
		for i := range g {
			g[i] = 1 + rng.IntN(900)
		}
		if rng.IntN(8) == 0 {
			g[0] = journal.MaxBody - rng.IntN(9)
		}
		write(t, w, g)
		sizes = append(sizes, g...)
		rec, got := scan(t, dir, options(d))
		require.Equal(t, journal.Clean, rec.Outcome, "seed %d: %v", seed, rec.Path)
		require.Zero(t, rec.Warnings, "%v", rec.Path)
		require.Equal(t, w.Head(), rec.Head)
		wantBodies(t, got, sizes...)
	}
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Greater(t, rec.Segment, uint32(5), "bodies must have crossed segments")
	require.Len(t, got, len(sizes))
}

func TestAGroupIsOneWriteAndOneFlush(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	for range 5 {
		writes, syncs := d.Calls("write"), d.Calls("sync")
		write(t, w, []int{10, 300, 20})
		require.Equal(t, 1, d.Calls("write")-writes)
		require.Equal(t, 1, d.Calls("sync")-syncs)
	}
	calls := d.Calls("")
	require.NoError(t, w.Commit(), "with nothing to do")
	require.Equal(t, calls, d.Calls(""))
}

func TestOnDurableIsToldOfEachGroupAndOfNoPromise(t *testing.T) {
	var told []uint64
	opt := options(journaltest.NewDisk())
	opt.OnDurable = func(seq uint64) { told = append(told, seq) }
	w, err := journal.Create(dir, head, opt)
	require.NoError(t, err)
	write(t, w, []int{10, 20}, []int{30})
	require.NoError(t, w.Close())
	require.Equal(t, []uint64{2, 3}, told)
}

func TestNoWriteTouchesASectorThatHoldsWhatIsDurable(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	for size := 1; size < 3000; size += 37 {
		before := d.Content(path(seg1))
		write(t, w, []int{size, size / 3})
		after := d.Content(path(seg1))
		for at := 0; at < len(before); at += 512 {
			if was := before[at : at+512]; !bytes.Equal(was, make([]byte, 512)) {
				require.Equal(t, was, after[at:at+512], "records of %d bytes, sector at %d", size, at)
			}
		}
	}
}

func TestAGroupLargerThanTheRestOfASegmentIsSplit(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, &journal.Options{Storage: d, Segment: small})
	require.NoError(t, err)
	sizes := make([]int, 40)
	for i := range sizes {
		sizes[i] = 8000
	}
	write(t, w, sizes)
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome, "%v", rec.Path)
	require.Zero(t, rec.Warnings, "%v", rec.Path)
	require.Equal(t, uint32(5), rec.Segment)
	wantBodies(t, got, sizes...)
}

func TestAppendRefusesWithoutTaking(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, &journal.Options{Storage: d, Pending: 66 << 10})
	require.NoError(t, err)
	require.ErrorIs(t, w.Append(2, []byte("x")), journal.ErrOrder)
	require.ErrorIs(t, w.Append(0, []byte("x")), journal.ErrOrder)
	require.ErrorIs(t, w.Append(1, nil), journal.ErrSize)
	require.ErrorIs(t, w.Append(1, make([]byte, journal.MaxBody+1)), journal.ErrSize)
	require.Equal(t, 66<<10, w.Room())
	require.NoError(t, w.Append(1, make([]byte, journal.MaxBody)))
	require.Equal(t, 66<<10-journal.MaxBody-24, w.Room())
	require.ErrorIs(t, w.Append(1, []byte("x")), journal.ErrOrder)
	for seq := uint64(2); w.Room() >= 32; seq++ {
		require.NoError(t, w.Append(seq, []byte("x")))
	}
	last := uint64(2 + (66<<10-journal.MaxBody-24)/32)
	require.ErrorIs(t, w.Append(last, []byte("x")), journal.ErrFull)
	require.NoError(t, w.Commit())
	require.NoError(t, w.Append(last, []byte("x")), "room again")
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.Append(last+1, []byte("x")), journal.ErrClosed)
	require.ErrorIs(t, w.Commit(), journal.ErrClosed)
	require.NoError(t, w.Close())
	require.Equal(t, last, w.Durable())
}

func TestAppendNeverWaitsForAStalledFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		var durable []uint64
		opt := options(d)
		opt.OnDurable = func(seq uint64) { durable = append(durable, seq) }
		w, err := journal.Create(dir, head, opt)
		require.NoError(t, err)
		stall := make(chan struct{})
		d.OnSync = func() { <-stall }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		require.NoError(t, w.Append(1, body(1, 100)))
		synctest.Wait() // Run is now in the flush
		last := uint64(1)
		for err == nil {
			last++
			err = w.Append(last, body(last, 1000))
		}
		require.ErrorIs(t, err, journal.ErrFull)
		require.Less(t, w.Room(), 1024+32)
		require.Zero(t, w.Durable())
		require.Zero(t, w.Head())
		d.OnSync = nil
		close(stall)
		synctest.Wait()
		require.Equal(t, last-1, w.Durable())
		require.NoError(t, w.Append(last, body(last, 1000)))
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, last, w.Durable(), "Run commits what is left")
		require.IsIncreasing(t, durable)
		require.Equal(t, last, durable[len(durable)-1])
		require.NoError(t, w.Close())
	})
}

func TestManyMayCommitWhileOneAppends(t *testing.T) {
	const records = 3000
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { assert(w.Run(ctx)) })
		all.Go(func() {
			for ctx.Err() == nil {
				assert(w.Commit())
				if h := w.Head(); h.N > w.Durable() {
					panic("head ahead of durable")
				}
				runtime.Gosched()
			}
		})
	}
	for seq := uint64(1); seq <= records; {
		err := w.Append(seq, body(seq, 100))
		if !errors.Is(err, journal.ErrFull) {
			require.NoError(t, err)
			seq++
		}
	}
	cancel()
	all.Wait()
	require.Equal(t, uint64(records), w.Durable())
	require.NoError(t, w.Close())
	rec, _ := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, w.Head(), rec.Head)
}

// assert stops the test program from a goroutine that is not the test's own.
func assert(err error) {
	if err != nil {
		panic(err)
	}
}

func TestRunEndsWithCloseAndWithFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- w.Run(t.Context()) }()
		synctest.Wait()
		require.NoError(t, w.Close())
		require.NoError(t, <-done)

		w, _, err = journal.Open(dir, head, options(d))
		require.NoError(t, err)
		idle, cancel := context.WithCancel(t.Context())
		go func() { done <- w.Run(idle) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-done, "nothing was appended")
		require.NoError(t, w.Close())

		w, _, err = journal.Open(dir, head, options(d))
		require.NoError(t, err)
		go func() { done <- w.Run(t.Context()) }()
		d.Fault = func(int, string, string) *journaltest.Fault { return &journaltest.Fault{Err: syscall.EIO} }
		require.NoError(t, w.Append(1, []byte("x")))
		err = <-done
		require.ErrorIs(t, err, journal.ErrFailed)
		require.ErrorIs(t, err, syscall.EIO)
		require.ErrorIs(t, w.Run(t.Context()), journal.ErrFailed)
	})
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	w, err := journal.Create(dir, head, &journal.Options{Storage: still{journaltest.NewDisk()}, Segment: 8 << 20})
	require.NoError(t, err)
	b := body(1, 300)
	seq := uint64(0)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		seq++
		if w.Append(seq, b) != nil {
			panic("append")
		}
	}), "Append")
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		seq++
		if w.Append(seq, b) != nil || w.Commit() != nil {
			panic("commit")
		}
	}), "Append and Commit")
}

// still is a disk whose files take writes and forget them.
type still struct{ *journaltest.Disk }

type sink struct{}

func (still) Create(string) (journal.File, error)   { return sink{}, nil }
func (sink) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (sink) Sync() error                            { return nil }
func (sink) Close() error                           { return nil }

func TestOneWriterAtATime(t *testing.T) {
	where := filepath.Join(t.TempDir(), "journal")
	w, err := journal.Create(where, head, nil)
	require.NoError(t, err)
	_, _, err = journal.Open(where, head, nil)
	require.ErrorIs(t, err, journal.ErrInUse)
	_, err = journal.Create(where, head, nil)
	require.ErrorIs(t, err, journal.ErrInUse)
	write(t, w, []int{5})
	require.NoError(t, w.Close())
	_, err = journal.Create(where, head, nil)
	require.ErrorIs(t, err, journal.ErrExists)
	w, rec, err := journal.Open(where, head, nil)
	require.NoError(t, err)
	require.Equal(t, journal.Clean, rec.Outcome)
	require.NoError(t, w.Close())
}

func TestAJournalOnTheSystemsFilesSurvivesReopening(t *testing.T) {
	where := filepath.Join(t.TempDir(), "journal")
	opt := &journal.Options{Segment: small}
	w, err := journal.Create(where, head, opt)
	require.NoError(t, err)
	sizes := []int{100, 65536, 1, 30000, 7, 8, 9}
	write(t, w, sizes[:2], sizes[2:5])
	require.NoError(t, w.Close())
	w, rec, err := journal.Open(where, head, opt)
	require.NoError(t, err)
	require.Equal(t, uint64(5), rec.Head.N)
	require.Equal(t, uint32(2), w.Header().Epoch)
	write(t, w, sizes[5:])
	require.NoError(t, w.Close())
	before := tree(t, where)
	rec, got := scan(t, where, nil)
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Zero(t, rec.Warnings, "%v", rec.Path)
	wantBodies(t, got, sizes...)
	require.Equal(t, before, tree(t, where), "Scan changes nothing")
}

// tree returns every file below root with its content.
func tree(t *testing.T, root string) map[string]string {
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "lock" {
			return err
		}
		b, err := os.ReadFile(p)
		all[p] = string(b)
		return err
	}))
	return all
}

func TestEqualHeadersAndRecordsMakeEqualFiles(t *testing.T) {
	make1 := func(salt uint64) []byte {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, journal.Header{JournalID: "v", Epoch: 4, Salt: salt}, options(d))
		require.NoError(t, err)
		write(t, w, []int{50, 60}, []int{70})
		return d.Content(path(seg1))
	}
	require.Equal(t, make1(9), make1(9))
	require.NotEqual(t, make1(9), make1(8))
}

func TestRefusalsBeforeAnythingIsWritten(t *testing.T) {
	d := journaltest.NewDisk()
	for _, id := range []string{"", "a b", "ü", strings.Repeat("x", 65), "a/b"} {
		_, err := journal.Create(dir, journal.Header{JournalID: id}, options(d))
		require.ErrorContains(t, err, "journal id", "%q", id)
	}
	for _, o := range []journal.Options{{Segment: 4096}, {Segment: small - 4096}, {Segment: small + 1}, {Segment: 128 << 20}} {
		_, err := journal.Create(dir, head, &o)
		require.ErrorContains(t, err, "Options.Segment")
	}
	for _, o := range []journal.Options{{Pending: 4096}, {Pending: 1<<20 + 1}, {Pending: 1 << 30}} {
		_, err := journal.Create(dir, head, &o)
		require.ErrorContains(t, err, "Options.Pending")
	}
	_, rec, err := journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrNone)
	require.Equal(t, journal.None, rec.Outcome)
	require.Empty(t, d.Files())
	names, _ := d.Pending()
	require.Zero(t, names, "no file, no directory")
	rec, err = journal.Scan(dir, nil, options(d))
	require.NoError(t, err)
	require.Equal(t, journal.None, rec.Outcome)
	_, err = journal.Create(path("no/such/parent"), head, options(d))
	require.Error(t, err)
}

func TestOpenRefusesAnotherJournalAndAnOldEpoch(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, journal.Header{JournalID: "B-0001", Epoch: 5}, options(d))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, _, err = journal.Open(dir, journal.Header{JournalID: "B-0002"}, options(d))
	require.ErrorIs(t, err, journal.ErrForeign)
	require.ErrorContains(t, err, `it is journal "B-0001", not "B-0002"`)
	_, _, err = journal.Open(dir, journal.Header{JournalID: "B-0001", Epoch: 5}, options(d))
	require.ErrorContains(t, err, "must be larger than the last one, 5")
	w, _, err = journal.Open(dir, head, options(d))
	require.NoError(t, err, "the refusals gave the lock back")
	require.Equal(t, uint32(6), w.Header().Epoch)
}

func TestAnErrorOfTheCallbackEndsTheScan(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{1, 2, 3})
	stop := errors.New("enough")
	n := 0
	_, err = journal.Scan(dir, func(uint64, []byte, journal.Chain) error {
		n++
		return stop
	}, options(d))
	require.ErrorIs(t, err, stop)
	require.Equal(t, 1, n)
}
