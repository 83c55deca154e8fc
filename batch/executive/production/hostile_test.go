// Tests of those who hang, lie or come too late.

package production

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// hung is whoever does not answer until he is let.
type hung struct {
	*shop
	let   chan struct{}
	asked sync.Map // recipes: the first answer comes, that to what there is to set up does not
}

func (h *hung) Article(ctx context.Context, a Article) error {
	select {
	case <-h.let:
		return h.shop.Article(ctx, a)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hung) Recipe(ctx context.Context, id string) (Provided, error) {
	p, err := h.shop.Recipe(ctx, id)
	if _, again := h.asked.LoadOrStore(id, true); !again {
		return p, err
	}
	select {
	case <-h.let:
		return p, err
	case <-ctx.Done():
		return p, ctx.Err()
	}
}

func TestWhoeverHangsWithArticlesHoldsUpNoOrder(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		h := &hung{shop: p.shop, let: make(chan struct{})}
		needs := p.shop.needs()
		needs.Products = h
		p.opt.Workers, p.opt.Keep = 2, -1
		p.open2(needs)
		p.run()
		p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
		job := p.add("A", 4)
		began := time.Now()
		for i := range 4 {
			id := fmt.Sprintf("%s-%04d", job, i+1)
			p.there(id)
			p.shop.runs(id)
			p.shop.completes(id)
		}
		p.gone(job)
		require.Less(t, time.Since(began), 10*time.Second, "of the time of the bubble")
		close(h.let)
		p.until("all articles are taken", func() bool { return len(p.shop.made()) == 4 })
	})
}

func TestAProviderThatHangsHoldsUpNoOtherOne(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		h := &hung{shop: p.shop, let: make(chan struct{})}
		needs := p.shop.needs()
		needs.Recipes = map[string]RecipeProvider{"": p.shop, "slow": h}
		p.opt.Workers = 2
		p.open2(needs)
		p.run()
		p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
		require.NoError(t, p.e.Jobs().Configure(jobs.Rules{Scheduler: jobs.Parallel, Slots: 8}, &api.Order{Operator: "anna"}))
		for i := range 4 {
			_, err := p.e.Jobs().Add(&api.AddJobs{Jobs: []api.JobOrder{{Provider: "slow", Recipe: fmt.Sprint("H", i), Amount: 1}}})
			require.NoError(t, err)
		}
		p.until("they are set up", func() bool { return len(p.e.Jobs().List()) == 12 })
		time.Sleep(5 * time.Second)
		began := time.Now()
		job := p.add("A", 1)
		p.there(job + "-0001")
		p.shop.runs(job + "-0001")
		p.shop.completes(job + "-0001")
		p.gone(job)
		require.Less(t, time.Since(began), 10*time.Second, "of the time of the bubble")
		for _, j := range p.e.Jobs().List() {
			if j.Provider == "slow" && j.Kind == "production" {
				require.NoError(t, p.e.Jobs().Tell(j.ID, &api.JobCommand{Command: "abort"}))
			}
		}
		close(h.let)
	})
}

func TestWhatIsAbortedWhileNobodyAnswersIsNotStartedAfterwards(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.mu.Lock()
		p.shop.away = true
		p.shop.touch()
		p.shop.mu.Unlock()
		job := p.add("A", 1)
		id := job + "-0001"
		p.until("it was tried", func() bool { return p.shop.story(id) != "" })
		time.Sleep(time.Second)
		require.NoError(t, p.e.Jobs().Tell(job, &api.JobCommand{Command: "abort"}))
		started := false
		p.shop.mu.Lock()
		p.shop.away = false
		p.shop.mu.Unlock()
		p.until("it is over", func() bool {
			b := p.shop.get(id)
			started = started || b.Life == api.Active || b.Life == api.Ended
			_, err := p.e.Jobs().Job(job)
			return err != nil
		})
		p.until("it is taken away", func() bool { b := p.shop.get(id); return b.ID == "" || b.Life == api.Removed })
		require.False(t, started, p.shop.story(id))
		require.Equal(t, []string{"Awaited", "Awaited", "Discarded"}, p.records(record.KindProcessState, record.ProcessState))
	})
}

func TestABatchOfAPersonWithTheIdOfAProcessIsNotTakenForIt(t *testing.T) {
	for _, begun := range []bool{false, true} {
		inOurTime(t, func(p *plant) {
			p.shop.refuses = func(what, id string) error { return fmt.Errorf("nobody answers") }
			job := p.add("A", 1)
			id := job + "-0001"
			p.until("it was tried", func() bool { return p.shop.story(id) != "" })
			p.kill()
			p.shop.mu.Lock()
			p.shop.refuses = func(what, _ string) error {
				if what == "create" {
					return &api.Error{Status: 409, Message: "it is there, of another recipe"}
				}
				return nil
			}
			p.shop.list[id] = &api.Batch{ID: id, Life: api.Active, State: "Running", Recipe: "OTHER", Steps: []string{"CHARGE"}, Equipment: []string{"R1"}}
			p.shop.order = append(p.shop.order, id)
			p.shop.mu.Unlock()
			p.up()
			if begun {
				p.shop.completes(id)
			}
			p.until("it has failed", func() bool {
				return strings.Contains(strings.Join(p.records(record.KindJobState, record.Values), "\n"), "failure=1")
			})
			_ = p.e.Jobs().Tell(job, &api.JobCommand{Command: "abort"})
			p.gone(job)
			require.Empty(t, p.shop.made())
			require.NotContains(t, p.shop.story(id), "abort", "the batch of the person goes on")
		})
	}
}

func TestABatchWithANameThatNoEventTakesDoesNotKeepTheListFromBooting(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.add("A", 2) + "-0001"
		p.there(id)
		p.shop.runs(id)
		p.stage(id, jobs.Running)
		p.down()
		for _, bad := range []string{"J-" + strings.Repeat("9", 500), "J-\x00\n", "J-\xff"} {
			p.shop.list[bad] = &api.Batch{ID: bad, Life: api.Active, State: "Running"}
			p.shop.order = append(p.shop.order, bad)
		}
		p.up()
		p.until("it goes on", func() bool { return p.shop.get(id).State == "Running" })
		p.shop.completes(id)
		p.until("the next one is ordered", func() bool { return len(p.shop.ids()) > 5 })
		for _, next := range p.shop.ids()[2:] {
			if strings.HasPrefix(next, "J-000001-") && p.shop.get(next).Life == api.Active {
				p.shop.runs(next)
				p.shop.completes(next)
			}
		}
		p.gone("J-000001")
	})
}

func TestAnEngineWithoutWorkersIsRefused(t *testing.T) {
	for _, n := range []int{-1, maxWorkers + 1} {
		_, err := Open(t.TempDir(), "CELL-1", newShop().needs(), &Options{Workers: n})
		require.ErrorContains(t, err, "workers")
	}
}

// asleep is a store that does not answer.
type asleep struct{ calls chan struct{} }

func (a *asleep) At(ctx context.Context, _ string) (journal.Chain, error) {
	select {
	case a.calls <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return journal.Chain{}, ctx.Err()
}

func (*asleep) Apply(ctx context.Context, _ string, _ journal.Chain, _ []*record.Record) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAStoreThatHangsIsSaidOnRecordAndStopsNothing(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		needs := p.shop.needs()
		needs.Store = &asleep{make(chan struct{}, 1)}
		p.open2(needs)
		p.run()
		p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
		p.until("it is on record", func() bool { return len(p.deeds(didFeed)) == 1 })
		id := p.running()
		p.shop.completes(id)
		p.gone(id[:8])
	})
}

func TestRequestsWithIdsThatAreNoneAreRefusedAndAllGoesOn(t *testing.T) {
	ids := []string{"J%2F1", "..%2F..%2Fetc", "%00", "J-1%0aX", "%ff%fe", "%22%7d", strings.Repeat("9", 3000), "%F0%9F%92%A9", "none", "J-000001-0001%20"}
	mayNot := api.Rights{Local: map[string]string{api.All: "viewer"}, Roles: map[string][]string{"viewer": {}, "planner": {api.MayPlan}}}
	may := api.LocalRights()
	inOurTime(t, func(p *plant) {
		id := p.running()
		for _, rights := range []*api.Rights{&may, &mayNot} {
			p.served(rights, func(c *api.Client) {
				for _, bad := range ids {
					for _, call := range []struct {
						method, path string
						in           api.Body
					}{
						{http.MethodGet, "/v1/jobs/" + bad, nil}, {http.MethodGet, "/v1/processes/" + bad, nil},
						{http.MethodPost, "/v1/jobs/" + bad + "/commands", &api.JobCommand{Command: "abort"}},
						{http.MethodPost, "/v1/jobs/" + bad + "/commands", &api.JobCommand{Command: "acknowledge", Off: []string{"x"}}},
						{http.MethodPost, "/v1/processes/" + bad + "/commands", &api.ProcessCommand{Command: "abort"}},
						{http.MethodPost, "/v1/jobs", &api.AddJobs{Place: "before", Job: "J-0", Jobs: []api.JobOrder{{Recipe: "A"}}}},
						{http.MethodPost, "/v1/jobs", &api.AddJobs{Order: api.Order{Operator: "\u0000\n\u202e", Role: strings.Repeat("r", 400), Reason: strings.Repeat("\n", 400)}, Jobs: []api.JobOrder{{Recipe: "A"}}}},
						{http.MethodPost, "/v1/jobs", &api.AddJobs{Jobs: []api.JobOrder{{Recipe: "A", Size: strings.Repeat("\"", 400)}}}},
						{http.MethodPost, "/v1/jobs", &api.AddJobs{Jobs: []api.JobOrder{{ID: "J-000001", Recipe: "A"}}}},
					} {
						var no *api.Error
						err := c.Call(context.Background(), call.method, call.path, call.in, nil)
						if rights == &may && strings.Contains(call.path, "/v1/jobs") && err == nil {
							continue
						}
						require.ErrorAs(t, err, &no, "%s %.100s", call.method, call.path)
						require.GreaterOrEqual(t, no.Status, 400)
						require.Less(t, no.Status, 500, "%s %.100s: %s", call.method, call.path, no.Message)
					}
				}
			})
		}
		p.shop.completes(id)
		p.gone(id[:8])
	})
}

func TestALedgerThatWasPutBackRunsNothingTwice(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.opt.Leave, p.e.opt.Leave = true, true
		job := p.add("A", 3)
		p.there(job + "-0001")
		p.shop.runs(job + "-0001")
		p.there(job + "-0002")
		p.down()
		old := p.dir
		p.dir = t.TempDir()
		require.NoError(t, os.CopyFS(p.dir, os.DirFS(old)))
		kept := p.dir
		p.dir = old
		p.up()
		p.shop.completes(job + "-0001")
		p.shop.runs(job + "-0002")
		p.shop.completes(job + "-0002")
		p.there(job + "-0003")
		p.shop.runs(job + "-0003")
		p.stage(job+"-0003", jobs.Running)
		p.until("two articles are taken", func() bool { return len(p.shop.made()) == 2 })
		p.down()
		p.dir = kept // the day before
		p.up()
		require.Contains(t, p.records(record.KindJobNotice, record.Result, record.ProcessID), "notify "+job+"-0003")
		p.shop.completes(job + "-0003")
		p.gone(job)
		p.until("three articles are taken", func() bool { return len(p.shop.made()) == 3 })
		require.Len(t, p.shop.ids(), 3)
	})
}
