// The pen: what is told of equipment is on record right behind, in order, and nothing is given where that cannot be.

package executive

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal"
)

// slowDisk is a disk whose writes wait while wait is not nil, and fail with err then.
type slowDisk struct {
	journal.Storage
	mu     sync.Mutex
	wait   chan struct{}
	err    error
	writes int
}

func (d *slowDisk) Create(name string) (journal.File, error) {
	f, err := d.Storage.Create(name)
	return &slowFile{f, d}, err
}

type slowFile struct {
	journal.File
	d *slowDisk
}

func (f *slowFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	wait := f.d.wait
	f.d.writes++
	f.d.mu.Unlock()
	if wait != nil {
		<-wait
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		if f.d.err != nil {
			return 0, f.d.err
		}
	}
	return f.File.WriteAt(p, off)
}

// hangs has the disk hang, or go on.
func (d *slowDisk) hangs(is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wait != nil {
		close(d.wait)
		d.wait = nil
	}
	if is {
		d.wait = make(chan struct{})
	}
}

// behindDisk gives a desk whose ledger is on such a disk, and knows of units U0 to U39.
func behindDisk(t *testing.T, s *site) (*Manager, *slowDisk) {
	disk := &slowDisk{Storage: journal.System()}
	m, err := New(s.dir, s.net, s.log, s, &Options{Device: "test", Storage: disk})
	require.NoError(t, err)
	var all api.Model
	for i := range 40 {
		all.Items = append(all.Items, api.Equipment{ID: fmt.Sprint("U", i), Owners: 1})
	}
	require.NoError(t, m.stock(&all))
	return m, disk
}

func listener(t *testing.T, m *Manager, batch string) *rulings {
	r, err := m.desk.attach(batch, func() error { return nil })
	require.NoError(t, err)
	return r
}

func wants(batch string, id uint32, equipment string) arbiter.Op {
	return arbiter.Op{Kind: arbiter.Request, Batch: batch, ID: id, Step: fmt.Sprint("S", id), Equipment: []string{equipment}}
}

func ownerRecords(s *site) []string {
	return slices.DeleteFunc(s.records(), func(r string) bool { return !strings.HasPrefix(r, "owner") })
}

func TestAGrantIsToldWhileTheLedgerIsStillWrittenAndManyAreWrittenAtOnce(t *testing.T) {
	inOurTime(t, func(s *site) {
		m, disk := behindDisk(t, s)
		heard := listener(t, m, "A")
		disk.hangs(true)
		writes := disk.writes
		var all sync.WaitGroup
		var want []string
		for i := range 40 {
			all.Go(func() {
				_, err := m.desk.do(wants("A", uint32(i+1), fmt.Sprint("U", i)), nil)
				require.NoError(t, err)
			})
			synctest.Wait()
			list, _ := heard.next()
			require.Len(t, list, 1, "it is told at once")
			require.Equal(t, "granted", list[0].Kind)
			want = append(want, fmt.Sprint("owner A granted U", i))
		}
		require.Empty(t, ownerRecords(s))
		disk.hangs(false)
		all.Wait()
		require.LessOrEqual(t, disk.writes-writes, 10, "of 40 records")
		require.Equal(t, want, ownerRecords(s))
		require.NoError(t, m.Close())
	})
}

func TestWhatAPersonOrdersIsOnRecordBeforeItIsTold(t *testing.T) {
	inOurTime(t, func(s *site) {
		m, disk := behindDisk(t, s)
		_, err := m.desk.do(wants("A", 1, "U1"), nil)
		require.NoError(t, err)
		heard := listener(t, m, "A")
		heard.next()
		disk.hangs(true)
		var all sync.WaitGroup
		all.Go(func() {
			_, err := m.desk.do(arbiter.Op{Kind: arbiter.Force, Equipment: []string{"U1"}, Actor: "op", Reason: "stuck"}, nil)
			require.NoError(t, err)
		})
		synctest.Wait()
		list, _ := heard.next()
		require.Empty(t, list)
		disk.hangs(false)
		all.Wait()
		list, _ = heard.next()
		require.Equal(t, []string{"refused 1"}, kinds(list))
		require.NoError(t, m.Close())
	})
}

func TestAManagerWhoseLedgerTakesNothingGivesNothingMoreAndTheNextOnePutsItOnRecord(t *testing.T) {
	inOurTime(t, func(s *site) {
		m, disk := behindDisk(t, s)
		disk.hangs(true)
		disk.err = errors.New("no space left")
		var all sync.WaitGroup
		all.Go(func() {
			_, err := m.desk.do(wants("A", 1, "U1"), nil)
			require.Equal(t, http.StatusServiceUnavailable, status(t, err))
		})
		synctest.Wait()
		disk.hangs(false)
		all.Wait()
		ops := len(s.log.ops)
		_, err := m.desk.do(wants("B", 1, "U2"), nil)
		require.Equal(t, http.StatusServiceUnavailable, status(t, err))
		require.ErrorContains(t, err, "no space left")
		require.Len(t, s.log.ops, ops)
		fx, err := m.desk.do(wants("A", 1, "U1"), nil)
		require.NoError(t, err, "what it has it has")
		require.Equal(t, arbiter.Granted, fx[0].Kind)
		_ = m.Close()
		m, err = New(s.dir, s.net, s.log, s, &Options{Device: "test"})
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.Equal(t, []string{"owner A granted U1"}, ownerRecords(s))
	})
}

// TestOfAnOperationThatIsHalfOnRecordTheRestIsPutThere cuts between two records of one operation.
func TestOfAnOperationThatIsHalfOnRecordTheRestIsPutThere(t *testing.T) {
	inOurTime(t, func(s *site) {
		m, _ := behindDisk(t, s)
		for i := range uint32(3) {
			_, err := m.desk.do(wants("A", i+1, fmt.Sprint("U", i)), nil)
			require.NoError(t, err)
		}
		op := arbiter.Op{Kind: arbiter.Leave, Batch: "A", Reason: "removed", At: m.led.UTC()}
		line, err := op.Append(nil)
		require.NoError(t, err)
		seq := m.desk.book.Next()
		require.NoError(t, s.log.Append(s.ctx, seq, line))
		_, err = m.led.AppendAll(records(seq, deeds(&op, m.desk.book.Step(seq, &op, nil))[:1])...)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		for range 2 {
			m, err = New(s.dir, s.net, s.log, s, &Options{Device: "test"})
			require.NoError(t, err)
			require.NoError(t, m.Close())
			time.Sleep(time.Second)
		}
		require.Equal(t, []string{"owner A granted U0", "owner A granted U1", "owner A granted U2",
			"owner A released U0", "owner A released U1", "owner A released U2"}, ownerRecords(s))
	})
}
