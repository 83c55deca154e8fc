// Tests of the engine: jobs become batches, each once, whatever is cut and whoever is away.

package production

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
)

func TestAJobBecomesAsManyBatchesAsItIsOfOneOrderedAhead(t *testing.T) {
	inOurTime(t, func(p *plant) {
		job := p.add("A", 2)
		require.Equal(t, "J-000001", job)
		one, two := job+"-0001", job+"-0002"
		p.there(one)
		p.stage(one, jobs.Awaited)
		p.shop.runs(one)
		p.there(two)
		v, err := p.e.Processes().Process(one)
		require.NoError(t, err)
		require.Equal(t, []api.Activity{{Step: "CHARGE", Resources: []string{"R1"}}}, v.Activities)
		waits, err := p.e.Processes().Activities(context.Background(), two)
		require.NoError(t, err)
		require.Equal(t, "waits for R1; R1 is had by B-0007", waits[0].Waits)
		p.shop.completes(one)
		p.stage(one, jobs.Success)
		p.shop.runs(two)
		p.shop.completes(two)
		p.gone(job)
		require.Equal(t, []Article{{ID: one + "-A", Product: "P-A", Process: one, Job: job}, {ID: two + "-A", Product: "P-A", Process: two, Job: job}}, p.shop.made())
		require.Equal(t, []string{one + "-A P-A", two + "-A P-A"}, p.records(record.KindArticle, record.ArticleID, record.ProductID))
		p.until("all slots are free", func() bool {
			for _, s := range p.e.Jobs().Slots() {
				if s.Group != "" {
					return false
				}
			}
			return true
		})
	})
}

func TestAnOrderIsTriedUntilItIsCarriedOut(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.mu.Lock()
		p.shop.away = true
		p.shop.touch()
		p.shop.mu.Unlock()
		job := p.add("A", 1)
		p.until("it is on record that it is not carried out", func() bool { return len(p.deeds(didFail)) > 0 })
		v, err := p.e.Processes().Process(job + "-0001")
		require.NoError(t, err)
		require.Contains(t, v.Waits, "start: ")
		p.shop.mu.Lock()
		p.shop.away = false
		p.shop.mu.Unlock()
		p.there(job + "-0001")
		p.shop.runs(job + "-0001")
		p.shop.completes(job + "-0001")
		p.gone(job)
	})
}

func TestAMissingRecipeSetsThatJobAsideAndNothingElse(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.missing["X"] = true
		x, a := p.add("X", 1), p.add("A", 1)
		p.there(a + "-0001")
		p.until("it is set aside", func() bool { j, err := p.e.Jobs().Job(x); return err == nil && j.Aside != "" })
		require.Contains(t, p.records(record.KindJobNotice, record.Result, record.JobID), "set_aside "+x)
		p.shop.runs(a + "-0001")
		p.shop.completes(a + "-0001")
		p.gone(a)
		p.shop.mu.Lock()
		p.shop.missing["X"] = false
		p.shop.mu.Unlock()
		require.NoError(t, p.e.Jobs().Tell(x, &api.JobCommand{Command: "retry"}))
		p.there(x + "-0001")
		p.shop.runs(x + "-0001")
		p.shop.completes(x + "-0001")
		p.gone(x)
	})
}

func TestAJobOfWhichAProviderSaysWhatNoListTakesIsSetAside(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.products["L"] = strings.Repeat("L", jobs.MaxName+1)
		p.shop.triggers["X"] = []jobs.Trigger{{Kind: jobs.Prepare, Type: "heat"}}
		for recipe, why := range map[string]string{"X": "trigger 1: recipe is missing", "L": "product has 97 bytes"} {
			job := p.add(recipe, 1)
			p.until("it is set aside", func() bool { j, err := p.e.Jobs().Job(job); return err == nil && j.Aside != "" })
			j, err := p.e.Jobs().Job(job)
			require.NoError(t, err)
			require.Contains(t, j.Aside, why)
		}
		a := p.add("A", 1)
		p.there(a + "-0001")
		p.shop.set(a+"-0001", func(b *api.Batch) { b.Life, b.State, b.Reason = api.Ended, "Aborted", "the valve\nis stuck" })
		p.gone(a)
	})
}

func TestWhatIsSetUpIsABatchBeforeTheJobAndOneBehindIt(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.triggers["A"] = []jobs.Trigger{{Kind: jobs.Prepare, Type: "rinse", Recipe: "RINSE", Provides: "CLEAN"}, {Kind: jobs.Prepare, Type: "heat", Recipe: "HEAT", Provides: "WARM"},
			{Kind: jobs.CleanUp, Type: "empty", Recipe: "EMPTY"}}
		p.shop.has["WARM"] = true
		job := p.add("A", 1)
		p.until("the prepare is there", func() bool { return len(p.shop.ids()) == 1 })
		pre := p.shop.ids()[0]
		require.Equal(t, "RINSE", p.shop.get(pre).Recipe)
		p.shop.runs(pre)
		p.shop.completes(pre)
		p.there(job + "-0001")
		p.shop.runs(job + "-0001")
		p.shop.completes(job + "-0001")
		p.until("the clean-up is there", func() bool { return len(p.shop.ids()) == 3 })
		post := p.shop.ids()[2]
		require.Equal(t, "EMPTY", p.shop.get(post).Recipe)
		p.shop.runs(post)
		p.shop.completes(post)
		p.until("the list is empty", func() bool { return len(p.e.Jobs().List()) == 0 })
		require.Len(t, p.shop.made(), 1, "a set-up makes no article")
	})
}

func TestABatchThatIsLostIsTakenUpWhereItWasAndGoesOn(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.add("A", 1) + "-0001"
		p.there(id)
		p.shop.runs(id)
		p.stage(id, jobs.Running)
		p.shop.set(id, func(b *api.Batch) { b.Life = api.Lost })
		p.until("it goes on", func() bool { return p.shop.story(id) == "create, warm, restart" })
		require.Len(t, p.deeds(didTakeUp), 1)
		p.shop.set(id, func(b *api.Batch) { b.State = "Held" })
		p.shop.set(id, func(b *api.Batch) { b.Life = api.Lost })
		p.until("it is taken up again", func() bool { return p.shop.get(id).Life == api.Active })
		p.shop.completes(id)
		p.gone("J-000001")
	})
}

func TestAPersonOrdersOfAProcessOnRecord(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.add("A", 1) + "-0001"
		p.there(id)
		p.shop.runs(id)
		p.stage(id, jobs.Running)
		c := p.e.Processes()
		who := api.Order{Operator: "ben", Role: "operator", Reason: "it foams"}
		require.NoError(t, c.Tell(context.Background(), id, &api.ProcessCommand{Order: who, Command: "pause"}))
		p.until("it rests", func() bool { v, _ := c.Process(id); return v.Batch == "Held" })
		p.stage(id, jobs.Interrupted)
		require.NoError(t, c.Tell(context.Background(), id, &api.ProcessCommand{Order: who, Command: "resume"}))
		p.stage(id, jobs.Running)
		require.Error(t, c.Tell(context.Background(), id, &api.ProcessCommand{Order: who, Command: "fly"}))
		require.NoError(t, c.Tell(context.Background(), id, &api.ProcessCommand{Order: who, Command: "abort"}))
		p.gone("J-000001")
		require.Equal(t, []string{`ben operator it foams {"did":"command","process":"` + id + `","job":"J-000001","detail":"pause"}`}, p.deeds(didCommand)[:1])
		require.Error(t, c.Tell(context.Background(), id, &api.ProcessCommand{Order: who, Command: "abort"}))
		require.Error(t, c.Tell(context.Background(), "nobody", &api.ProcessCommand{Order: who, Command: "abort"}))
	})
}

func TestBatchesThatAreOverAreTakenAwayButForTheNewest(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.e.opt.Keep = 2
		job := p.add("A", 6)
		for i := range 6 {
			id := job + "-000" + string(rune('1'+i))
			p.there(id)
			p.shop.runs(id)
			p.shop.completes(id)
		}
		p.gone(job)
		p.until("four are removed", func() bool { return p.shop.count(api.Removed) == 4 })
		require.Equal(t, api.Ended, p.shop.get(job+"-0006").Life)
	})
}

// deeds are the deeds of a kind that are on record, with who has ordered them.
func (p *plant) deeds(did string) (list []string) {
	for _, line := range p.records(record.KindProductionInput, record.Actor, record.OperatorRole, record.ChangeReason, record.Operation) {
		if containsDeed(line, did) {
			list = append(list, line)
		}
	}
	return list
}
