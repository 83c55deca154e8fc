// Tests of what is heard of a batch in an odd order.

package production

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
)

// lateAnswers is a shop whose answer to a creation is on its way for so long that the batch is over before it comes.
type lateAnswers struct{ *shop }

// Create implements Batches.
func (s lateAnswers) Create(ctx context.Context, c *api.Create) (api.Batch, error) {
	b, err := s.shop.Create(ctx, c)
	if err == nil {
		s.runs(c.ID)
		s.completes(c.ID)
		time.Sleep(time.Second) // whoever watches has heard it
	}
	return b, err
}

func TestABatchThatIsOverBeforeItsCreationIsAnsweredIsNotMissed(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		needs := p.shop.needs()
		needs.Batches = lateAnswers{p.shop}
		p.open2(needs)
		p.run()
		p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
		job := p.add("A", 1)
		p.gone(job)
		p.until("its article is told of", func() bool { return len(p.shop.made()) == 1 })
	})
}

func TestWhatWasSeenOfABatchCountsUnlessAnAnswerIsNewer(t *testing.T) {
	at := func(life api.Life, records uint64) *api.Batch { return &api.Batch{Life: life, Records: records} }
	for _, c := range []struct {
		seen, answer *api.Batch
		counts       bool
	}{
		{at(api.Active, 5), at(api.Loading, 0), true},
		{at(api.Loading, 0), at(api.Active, 5), false},
		{at(api.Ready, 2), at(api.Active, 5), false},
		{at(api.Active, 7), at(api.Active, 5), true},
		{at(api.Active, 5), at(api.Active, 7), false},
		{at(api.Active, 5), at(api.Active, 5), true},
		{at(api.Ended, 9), at(api.Active, 7), true},
		{at(api.Active, 7), at(api.Ended, 9), false},
		{at(api.Removed, 0), at(api.Ended, 9), true},
		{at(api.Ended, 9), at(api.Removed, 9), false},
		{at(api.Lost, 7), at(api.Active, 5), true},
		{at(api.Lost, 5), at(api.Active, 7), false},
		{at(api.Active, 7), at(api.Lost, 5), true},
	} {
		require.Equal(t, c.counts, since(c.seen, c.answer), "%+v, where the answer is %+v", c.seen, c.answer)
	}
}

func TestAProcessThatGetsItsUnitWhileItIsDroppedIsAFailureThatSaysSo(t *testing.T) {
	inOurTime(t, func(p *plant) {
		job := p.add("A", 0)
		one, two := job+"-0001", job+"-0002"
		p.there(one)
		p.shop.runs(one)
		p.there(two)
		p.stage(two, jobs.Awaited)
		p.shop.refuses = func(what, id string) error { // it gets its unit before the order comes
			if what == "abort" && id == two {
				b := p.shop.list[id]
				b.Steps, b.Equipment = []string{"CHARGE"}, []string{"R2"}
				p.shop.touch()
				p.shop.mu.Unlock()
				time.Sleep(time.Second)
				p.shop.mu.Lock()
			}
			return nil
		}
		require.NoError(t, p.e.Jobs().Tell(job, &api.JobCommand{Command: "complete", Order: api.Order{Reason: "enough"}}))
		p.until("the second is aborted", func() bool { return p.shop.get(two).State == "Aborted" })
		p.shop.completes(one)
		p.gone(job)
		require.Contains(t, p.records(record.KindProductionInput, record.Operation), `{"event":"process","process":"`+two+
			`","state":"Failure","reason":"Ended Aborted: it was being taken away when it got its equipment, and may have used it"}`)
		p.until("one article is told of", func() bool { return len(p.shop.made()) == 1 })
	})
}
