// Tests of batches that ran to their end and were removed by a person while nobody of production looked.

package production

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
)

// lives has the ledger of the manager say what became of a batch.
func (p *plant) lives(id string, states ...string) {
	p.t.Helper()
	l, err := ledger.Open(filepath.Join(p.dir, "manager"), "CELL-1", "manager", nil)
	require.NoError(p.t, err)
	for _, s := range states {
		_, err := l.Append(func(b *record.Body) {
			b.Begin(record.KindBatchLife)
			b.Text(record.Actor, "ben")
			b.Text(record.ObjectID, id)
			b.Text(record.LifeState, "Ended")
			b.Text(record.OldValue, "Active")
			b.Text(record.Result, "done")
			b.Text(record.BatchState, s)
		})
		require.NoError(p.t, err)
	}
	require.NoError(p.t, l.Close())
}

// vanishes has a batch go without a word.
func (s *shop) vanishes(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.list[id]
	b.Life, b.State, b.Steps, b.Equipment = api.Removed, "", nil, nil
}

func TestABatchThatCompletedAndWasRemovedWhileTheEngineWasDownIsNotRunTwice(t *testing.T) {
	for _, seen := range []bool{false, true} {
		inOurTime(t, func(p *plant) {
			p.opt.Leave, p.e.opt.Leave = true, true
			job := p.add("A", 1)
			id := job + "-0001"
			p.there(id)
			p.stage(id, jobs.Awaited)
			if seen {
				p.shop.runs(id)
				p.stage(id, jobs.Running)
			}
			p.down()
			if !seen {
				p.shop.runs(id)
			}
			p.lives(id, "Running", "Complete", "Complete")
			p.shop.vanishes(id)
			p.up()
			p.gone(job)
			p.until("its article is taken", func() bool { return len(p.shop.made()) == 1 })
			require.Equal(t, []string{id}, p.shop.ids())
			require.Equal(t, "create", p.shop.story(id))
		})
	}
}

func TestABatchThatCompletedAndWasRemovedWhileTheManagerWasNotHeardIsNotRunTwice(t *testing.T) {
	inOurTime(t, func(p *plant) {
		job := p.add("A", 1)
		id := job + "-0001"
		p.there(id)
		p.until("it is seen", func() bool { v, _ := p.e.Processes().Process(id); return v.Life == api.Active })
		p.lives(id, "Running", "Complete")
		p.shop.runs(id)
		p.shop.mu.Lock()
		b := p.shop.list[id]
		b.Life, b.State, b.Steps, b.Equipment = api.Removed, "", nil, nil
		p.shop.touch()
		p.shop.mu.Unlock()
		p.gone(job)
		p.until("its article is taken", func() bool { return len(p.shop.made()) == 1 })
		require.Equal(t, []string{id}, p.shop.ids())
	})
}

func TestABatchThatWasAbortedAndRemovedWhileTheEngineWasDownHasFailed(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.opt.Leave, p.e.opt.Leave = true, true
		job := p.add("A", 1)
		id := job + "-0001"
		p.there(id)
		p.down()
		p.lives(id, "Running", "Aborted")
		p.shop.vanishes(id)
		p.up()
		p.gone(job)
		require.Empty(t, p.shop.made())
		require.Equal(t, []string{id}, p.shop.ids())
	})
}

func TestABatchOfAnotherHistoryThatWasRemovedIsNotTakenForTheOneThatIsOrdered(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := "J-000001-0001"
		p.lives(id, "Running", "Complete")
		p.shop.list[id] = &api.Batch{ID: id, Life: api.Removed, State: "Complete", Recipe: "A"}
		job := p.add("A", 1)
		p.gone(job)
		require.Empty(t, p.shop.made())
		require.Equal(t, []string{"Failure"}, p.records(record.KindProcessState, record.ProcessState)[1:])
	})
}

func TestWhatBecameOfABatchIsNotGuessedWhereTheLedgerOfTheManagerCannotBeRead(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.opt.Leave, p.e.opt.Leave = true, true
		job := p.add("A", 1)
		id := job + "-0001"
		p.there(id)
		p.down()
		p.lives(id, "Running", "Complete")
		p.shop.vanishes(id)
		whole := damage(t, filepath.Join(p.dir, "manager"))
		p.open()
		p.run()
		p.until("it says why it is not up", func() bool {
			life, waits := p.e.Life()
			return life == Starting && len(waits) > len(nameBatches)
		})
		_, waits := p.e.Life()
		require.Contains(t, waits, "what became of it is not known")
		whole()
		p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
		p.gone(job)
		p.until("its article is taken", func() bool { return len(p.shop.made()) == 1 })
	})
}

// damage changes a byte in the middle of a ledger; whole puts it back.
func damage(t *testing.T, dir string) (whole func()) {
	var name string
	var was []byte
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			text, err := os.ReadFile(path)
			if at := bytes.Index(text, []byte("Complete")); err == nil && at > 0 {
				name, was = path, text
			}
		}
		return err
	}))
	require.NotEmpty(t, name)
	require.NoError(t, os.WriteFile(name, bytes.Replace(was, []byte("Running"), []byte("Rubbing"), 1), 0o600))
	return func() { require.NoError(t, os.WriteFile(name, was, 0o600)) }
}
