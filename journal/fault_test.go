// Power cuts and failing calls, at every call that a journal makes.

package journal_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// history is what a run of several writers was told and what it had appended.
type history struct {
	found    int // when it last began
	acked    int
	appended int
	err      error
}

// sizes gives record n of the workload its size: some cross into a new segment.
func sizeOf(n int) int {
	if n%4 == 3 {
		return 30000
	}
	return 100 + 37*n
}

func sizesTo(n int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = sizeOf(i + 1)
	}
	return sizes
}

// begin opens the journal, or creates it where there is none, as a process
// does when it starts.
func begin(d *disk) (*journal.Writer, *journal.Recovery, error) {
	w, rec, err := journal.Open(dir, head, options(d))
	if errors.Is(err, journal.ErrNone) {
		w, err = journal.Create(dir, head, options(d))
	}
	return w, rec, err
}

// run lets one writer append groups and close; the history goes on in h.
func (h *history) run(d *disk, groups, each int) {
	w, _, err := begin(d)
	if err != nil {
		h.err = err
		return
	}
	h.found = int(w.Head().N)
	h.appended = h.found
	defer func() {
		h.acked = int(w.Durable())
		h.err = errors.Join(h.err, w.Close())
		h.acked = max(h.acked, int(w.Durable()))
	}()
	h.acked = h.appended
	if groups > 1 { // some writers have a reserve, others make each segment when they need it
		if h.err = w.Reserve(); h.err != nil {
			return
		}
	}
	for range groups {
		for range each {
			n := h.appended + 1
			if h.err = w.Append(uint64(n), body(uint64(n), sizeOf(n))); h.err != nil {
				return
			}
			h.appended = n
		}
		if h.err = w.Commit(); h.err != nil {
			return
		}
	}
}

// workload is two writers one after the other, three segments.
func workload(d *disk) history {
	var h history
	h.run(d, 4, 3)
	if h.err == nil {
		h.run(d, 2, 1)
	}
	return h
}

// wantRecovered checks what must hold after any cut: all that was
// acknowledged, nothing that was not appended, and that it can go on.
func wantRecovered(t *testing.T, d *disk, h history, where string) {
	t.Helper()
	rec, err := journal.Scan(dir, nil, options(d))
	require.NoError(t, err, where)
	require.NotContains(t, []journal.Outcome{journal.Damaged, journal.Foreign}, rec.Outcome, "%s: %v", where, rec.Path)
	n := int(rec.Head.N)
	require.GreaterOrEqual(t, n, h.acked, "%s: %v", where, rec.Path)
	require.LessOrEqual(t, n, h.appended, "%s: %v", where, rec.Path)
	again := history{}
	again.run(d, 1, 1)
	require.NoError(t, again.err, where)
	// Open may find less than Scan: it asks the medium, not the cache.
	require.GreaterOrEqual(t, again.found, h.acked, where)
	require.LessOrEqual(t, again.found, n, where)
	require.Equal(t, again.found+1, again.acked, where)
	rec, got := scan(t, dir, options(d.cut(losses(0)[0])))
	require.Equal(t, journal.Clean, rec.Outcome, "%s: %v", where, rec.Path)
	wantBodies(t, got, sizesTo(again.acked)...)
}

// callsOf counts the calls that an undisturbed run makes.
func callsOf(t *testing.T, d *disk, f func(*disk) history) int {
	t.Helper()
	h := f(d)
	require.NoError(t, h.err)
	require.Equal(t, h.appended, h.acked)
	return d.calls
}

// at makes one call fail.
func at(n int, f fault) func(int, string, string) *fault {
	return func(call int, _, _ string) *fault {
		if call == n {
			return &f
		}
		return nil
	}
}

func TestAPowerCutAtAnyCallLosesNothingAcknowledged(t *testing.T) {
	calls := callsOf(t, newDisk(), workload)
	for call := 1; call <= calls; call++ {
		for _, half := range []bool{false, true} {
			d := newDisk()
			d.fault = at(call, fault{err: errPower, power: true, half: half, done: !half})
			h := workload(d)
			require.ErrorIs(t, h.err, errPower)
			for _, l := range losses(uint64(call)) {
				wantRecovered(t, d.cut(l), h, fmt.Sprintf("cut at call %d (half %v), %s", call, half, l.name))
			}
		}
	}
}

func TestAPowerCutDuringRecoveryChangesNothing(t *testing.T) {
	long := os.Getenv("BATCHKIT_LONG") != ""
	calls := callsOf(t, newDisk(), workload)
	recover := func(d *disk) history {
		var h history
		h.run(d, 1, 1)
		return h
	}
	for call := 1; call <= calls; call++ {
		first := newDisk()
		first.fault = at(call, fault{err: errPower, power: true, done: true})
		h := workload(first)
		for i, l := range losses(uint64(call)) {
			if !long && i != call%6 {
				continue
			}
			cut := first.cut(l)
			inner := callsOf(t, cut.clone(), recover)
			for second := 1; second <= inner; second++ {
				if !long && (call+second)%4 != 0 {
					continue
				}
				d := cut.cut(losses(0)[0])
				d.fault = at(second, fault{err: errPower, power: true, done: true})
				again := recover(d)
				again.acked = max(again.acked, h.acked)
				again.appended = max(again.appended, h.appended)
				for j, l2 := range losses(uint64(second)) {
					if long || j == (second+call)%6 {
						wantRecovered(t, d.cut(l2), again, fmt.Sprintf("cut at call %d, %s, then at call %d, %s", call, l.name, second, l2.name))
					}
				}
			}
		}
	}
}

func TestAFailureAtAnyCallIsToldAndLosesNothingAcknowledged(t *testing.T) {
	calls := callsOf(t, newDisk(), workload)
	faults := map[string]fault{
		"I/O error":               {err: syscall.EIO},
		"short write":             {err: syscall.EIO, half: true},
		"done, but error":         {err: syscall.EIO, done: true},
		"disk full":               {err: syscall.ENOSPC},
		"disk full, half written": {err: syscall.ENOSPC, half: true},
	}
	for call := 1; call <= calls; call++ {
		for name, f := range faults {
			d := newDisk()
			d.fault = at(call, f)
			h := workload(d)
			where := fmt.Sprintf("%s at call %d", name, call)
			require.ErrorIs(t, h.err, f.err, where)
			d.fault = nil
			lost := losses(uint64(call))
			wantRecovered(t, d.cut(lost[call%len(lost)]), h, where+", then a cut")
			wantRecovered(t, d, h, where)
		}
	}
}

func TestAFailedFlushIsNotAcknowledgedAndNotRetried(t *testing.T) {
	for _, done := range []bool{false, true} {
		d := newDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		write(t, w, []int{sizeOf(1), sizeOf(2)})
		before := w.Head()
		d.fault = at(d.calls+2, fault{err: syscall.EIO, done: done})
		require.NoError(t, w.Append(3, body(3, sizeOf(3))))
		err = w.Commit()
		require.ErrorIs(t, err, journal.ErrFailed)
		require.ErrorContains(t, err, "writing records 3 to 3")
		require.ErrorContains(t, err, "records up to 2 are durable, later ones are not")
		calls := d.calls
		require.Equal(t, err, w.Commit())
		require.Equal(t, err, w.Append(4, []byte("x")))
		require.Equal(t, calls, d.calls, "storage is not used again")
		require.Equal(t, uint64(2), w.Durable())
		require.Equal(t, before, w.Head())
		require.ErrorIs(t, w.Close(), journal.ErrFailed)
		w, rec, err := journal.Open(dir, head, options(d))
		require.NoError(t, err)
		want := 2 + int(b2n(done))
		require.Equal(t, uint64(want), rec.Head.N, "what the medium holds counts, not what the cache shows")
		require.NoError(t, w.Close())
		_, got := scan(t, dir, options(d.cut(losses(0)[0])))
		wantBodies(t, got, sizesTo(want)...)
	}
}

func TestAFullDiskSaysWhatIsDurableAndWhatToDo(t *testing.T) {
	d := newDisk()
	full := func(_ int, op, name string) *fault {
		if op == "write" && d.nodes[name] != nil && len(d.nodes[name].cache) < small {
			return &fault{err: syscall.ENOSPC, half: true}
		}
		return nil
	}
	d.fault = full
	_, err := journal.Create(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorContains(t, err, "free some space")
	d.fault = nil
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err, "an unfinished segment is no journal")
	write(t, w, []int{30000, 30000})
	d.fault = full
	require.NoError(t, w.Append(3, body(3, 30000)))
	err = w.Commit()
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorIs(t, err, journal.ErrFailed)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "disk full")
	require.ErrorContains(t, err, "records up to 2 are durable, later ones are not; free some space, then open the journal again")
	require.ErrorIs(t, w.Close(), journal.ErrFailed)
	_, _, err = journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorContains(t, err, "records up to 2 are durable")
	d.fault = nil
	goOn(t, d, slices.Repeat([]int{30000}, 2)...)
}
