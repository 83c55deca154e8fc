// Tests of what is odd: lines that nobody can read, decisions that come out differently, batches of others, recipes that forbid resuming, refusals for good.

package production

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// writes puts records into the ledger behind the back of the engine, which is down.
func (p *plant) writes(fills ...func(b *record.Body)) {
	p.t.Helper()
	l, err := ledger.Open(filepath.Join(p.dir, "production"), "CELL-1", "production", nil)
	require.NoError(p.t, err)
	_, err = l.AppendAll(fills...)
	require.NoError(p.t, err)
	require.NoError(p.t, l.Close())
}

func wrote(kind, operation string) func(b *record.Body) {
	return func(b *record.Body) {
		b.Begin(record.KindProductionInput)
		b.Text(record.ObjectKind, kind)
		b.Text(record.Operation, operation)
	}
}

func TestALineThatNobodyCanReadIsSetAsideOnRecordAndTheRestGoesOn(t *testing.T) {
	inOurTime(t, func(p *plant) {
		job := p.add("A", 1)
		p.there(job + "-0001")
		p.opt.Leave, p.e.opt.Leave = true, true
		p.down()
		p.writes(wrote(forJobs, `{"event":"fly"}`), wrote("poems", "roses are red"), wrote(forDeeds, "{}"), wrote(forRuns, "{}"), wrote(forPart, "2/3 jobs x"))
		p.up()
		require.Len(t, p.deeds(didAside), 5)
		require.Contains(t, p.deeds(didAside)[0], "and all goes on without it")
		p.shop.runs(job + "-0001")
		p.shop.completes(job + "-0001")
		p.gone(job)
		p.down()
		p.up()
		require.Len(t, p.deeds(didAside), 5, "it is said once")
		c, err := Check(p.dir, "", nil)
		require.NoError(t, err)
		require.Equal(t, 5, c.Aside)
		require.Empty(t, c.Differs)
		require.False(t, c.OK())
		p.down()
		keptAnywhere(t, filepath.Join(p.dir, "production"), "", nil)
		p.dir = t.TempDir() // what is checked at the end is another one
		p.up()
	})
}

func TestADecisionThatDoesNotFollowIsFoundAndSaidOnce(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.opt.Leave, p.e.opt.Leave = true, true
		job := p.add("A", 1)
		p.there(job + "-0001")
		p.down()
		p.writes(wrote(forJobs, `{"event":"suspend","job":"`+job+`"}`), func(b *record.Body) {
			b.Begin(record.KindJobState)
			for k, v := range map[record.Key]string{record.JobID: job, record.JobKind: "production", record.JobState: "Completed", record.OldValue: "Running"} {
				b.Text(k, v)
			}
			b.Int(record.StatusCode, 999)
			b.Texts(record.Values, nil)
			b.Counts(record.Cause, []uint64{1})
		})
		c, err := Check(p.dir, "", nil)
		require.NoError(t, err)
		require.False(t, c.OK())
		require.Contains(t, c.Differs, `"job_state":"`)
		p.up()
		require.Len(t, p.deeds(didDiverge), 1)
		p.down()
		p.up()
		require.Len(t, p.deeds(didDiverge), 1)
		p.down()
		keptAnywhere(t, filepath.Join(p.dir, "production"), "", nil)
		p.dir = t.TempDir()
		p.up()
	})
}

func TestWhatIsRefusedForGoodIsAFailureAndNotTriedOn(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.refuses = func(what, _ string) error {
			if what == "create" {
				return &api.Error{Status: http.StatusConflict, Message: "there is a batch of that id, of another recipe"}
			}
			return nil
		}
		job := p.add("A", 1)
		p.until("it has failed", func() bool {
			return strings.Contains(strings.Join(p.records(record.KindJobState, record.Values), "\n"), "failure=1")
		})
		require.Equal(t, "create", p.shop.story(job+"-0001"))
		p.shop.mu.Lock()
		p.shop.refuses = nil
		p.shop.mu.Unlock()
		_ = p.e.Jobs().Tell(job, &api.JobCommand{Command: "abort"})
		p.gone(job)
	})
}

func TestABatchThatWasMadeByAnotherHistoryIsNotTakenForTheOneThatIsOrdered(t *testing.T) {
	inOurTime(t, func(p *plant) {
		_, err := p.shop.Create(context.Background(), &api.Create{ID: "J-000001-0001", Recipe: "A", Start: true})
		require.NoError(t, err)
		p.shop.completes("J-000001-0001")
		job := p.add("A", 1)
		p.until("it has failed", func() bool {
			return strings.Contains(strings.Join(p.records(record.KindJobState, record.Values), "\n"), "failure=1")
		})
		_ = p.e.Jobs().Tell(job, &api.JobCommand{Command: "abort"})
		p.gone(job)
		require.Empty(t, p.shop.made())
	})
}

func TestWhatMayNotBeResumedIsLeftLostAndAPersonIsTold(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.noresume["A"] = "it sets"
		id := p.add("A", 1) + "-0001"
		p.there(id)
		p.shop.runs(id)
		p.stage(id, jobs.Running)
		p.shop.set(id, func(b *api.Batch) { b.Life = api.Lost })
		p.until("it is on record", func() bool { return len(p.deeds(didLeave)) == 1 })
		require.Contains(t, p.deeds(didLeave)[0], "it sets")
		require.Equal(t, "create", p.shop.story(id))
		p.kill()
		p.up()
		p.until("it is taken away", func() bool { return strings.Contains(p.shop.story(id), "remove") })
		p.gone("J-000001")
		require.Contains(t, strings.Join(p.records(record.KindJobState, record.RecoveryRule), "\n"), "it sets")
	})
}

func TestACleanStopHasAllRestAndTheNextEngineGoesOn(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.add("A", 2) + "-0001"
		p.there(id)
		p.shop.runs(id)
		p.stage(id, jobs.Running)
		p.there("J-000001-0002")
		p.down()
		require.Equal(t, "Held", p.shop.get(id).State)
		require.Equal(t, api.Ended, p.shop.get("J-000001-0002").Life, "what had not begun is not kept")
		p.up()
		p.until("it goes on", func() bool { return p.shop.story(id) == "create, hold, restart" })
		require.Contains(t, strings.Join(p.records(record.KindJobState, record.RecoveryRule, record.JobState), "\n"), "Interrupted")
		p.shop.completes(id)
		p.there("J-000001-0003")
		p.shop.runs("J-000001-0003")
		p.shop.completes("J-000001-0003")
		p.gone("J-000001")
	})
}

func TestABatchThatNobodyKnowsIsLeftAlone(t *testing.T) {
	inOurTime(t, func(p *plant) {
		_, err := p.shop.Create(context.Background(), &api.Create{ID: "B-0001", Recipe: "X", Start: true})
		require.NoError(t, err)
		p.shop.runs("B-0001")
		p.down()
		p.up()
		require.Equal(t, "create", p.shop.story("B-0001"))
		_, err = p.shop.Create(context.Background(), &api.Create{ID: "J-000077-0001", Recipe: "X", Start: true}) // as if the ledger had been put back
		require.NoError(t, err)
		p.down()
		p.up()
		require.Equal(t, "create", p.shop.story("J-000077-0001"))
		require.Contains(t, p.records(record.KindJobNotice, record.Result, record.ProcessID), "notify J-000077-0001")
	})
}

func TestALongListOfProcessesHasRoomInABoot(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.opt.Leave, p.e.opt.Leave = true, true
		o := api.Order{Operator: "anna", Role: "planner"}
		require.NoError(t, p.e.Jobs().Configure(jobs.Rules{Scheduler: jobs.Parallel, Slots: 64}, &o))
		job := p.add("A", 700)
		for i := range 600 {
			id := fmt.Sprintf("%s-%04d", job, i+1)
			p.there(id)
			p.shop.runs(id)
		}
		p.stage(job+"-0600", jobs.Running)
		p.down()
		p.up()
		require.Greater(t, len(p.records(record.KindProductionInput, record.ObjectKind)), 600)
		require.Contains(t, p.records(record.KindProductionInput, record.ObjectKind), forPart)
		p.until("all are known", func() bool { return len(p.e.Processes().List()) >= 600 })
	})
}

func FuzzTheFoldTakesWhateverStandsInALedger(f *testing.F) {
	f.Add(forJobs, `{"event":"add","orders":[{"recipe":"A","amount":2}]}`)
	f.Add(forJobs, `{"event":"boot"}`)
	f.Add(forJobs, `{"event":"process","process":"J-000001-0001","state":"Success"}`)
	f.Add(forDeeds, `{"did":"give","process":"J-000001-0001"}`)
	f.Add(forPart, "1/2 jobs x")
	f.Fuzz(func(t *testing.T, kind, operation string) {
		fold := newFold("")
		at := timebase.Stamp{Mono: 1}
		for seq, line := range []string{`{"event":"boot"}`, `{"event":"add","orders":[{"recipe":"A","amount":2}]}`, `{"event":"recipe","recipe":{"recipe":"A"}}`} {
			_, err := fold.step(uint64(seq+1), forJobs, []byte(line), at)
			require.NoError(t, err)
		}
		fills, err := fold.step(4, kind, []byte(operation), at)
		if err != nil {
			require.Empty(t, fills)
			return
		}
		s := ledger.Stamps{Seq: 5, Journal: "x", Device: "y", At: at}
		for _, fill := range fills {
			var b record.Body
			fill(&b, 4)
			s.Write(&b)
			_, err := b.Append(nil)
			require.NoError(t, err, "what is decided can be put on record")
		}
	})
}
