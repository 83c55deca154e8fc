// Tests of what clients ask: the paths, who may, and what those hear who watch.

package production

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
)

// served serves an engine while fn runs; rights are those of a moment.
func (p *plant) served(rights *api.Rights, fn func(c *api.Client)) {
	n := &api.Memory{}
	l, err := n.Listen(api.Production)
	require.NoError(p.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		_ = api.Serve(ctx, l, p.e.Handler(func(context.Context) (api.Rights, error) {
			if rights == nil {
				return api.Rights{}, &api.Error{Status: http.StatusServiceUnavailable, Message: "nobody knows who may do what"}
			}
			return *rights, nil
		}))
	})
	c := n.Dial(api.Production)
	defer time.Sleep(time.Minute) // connections that nobody uses end
	defer group.Wait()
	defer c.Close()
	defer cancel()
	fn(c)
}

func TestAPlannerWorksByThePaths(t *testing.T) {
	inOurTime(t, func(p *plant) {
		rights := api.LocalRights()
		p.served(&rights, func(c *api.Client) {
			get := func(path string, out api.Body) {
				require.NoError(t, c.Call(context.Background(), http.MethodGet, path, nil, out))
			}
			post := func(path string, in api.Body) error {
				return c.Call(context.Background(), http.MethodPost, path, in, nil)
			}
			var self api.Self
			get("/v1/self", &self)
			require.Equal(t, api.Production, self.Role)
			var a api.JobsAccepted
			require.NoError(t, c.Call(context.Background(), http.MethodPost, "/v1/jobs", &api.AddJobs{Jobs: []api.JobOrder{{Recipe: "A", Amount: 2, Unit: "R1"}, {Recipe: "B", Amount: 1}}}, &a))
			require.Equal(t, []string{"J-000001", "J-000002"}, a.Jobs)
			require.Error(t, post("/v1/jobs", &api.AddJobs{Place: "nowhere", Jobs: []api.JobOrder{{Recipe: "A"}}}))
			p.there("J-000001-0001")
			p.shop.runs("J-000001-0001")
			p.stage("J-000001-0001", jobs.Running)
			var list api.Jobs
			get("/v1/jobs", &list)
			require.Equal(t, "J-000001", list[0].ID)
			require.Equal(t, "Running", list[0].State)
			var slots api.JobSlots
			get("/v1/slots", &slots)
			require.Equal(t, api.JobSlots{{Slot: "1", Group: "G-000001", Recipe: "A", Job: "J-000001"}}, slots)
			var procs api.Processes
			get("/v1/processes", &procs)
			require.Len(t, procs, 2)
			var one api.ProcessView
			get("/v1/processes/J-000001-0002", &one)
			require.Equal(t, "Awaited", one.State)
			require.Equal(t, "waits for R1; R1 is had by B-0007", one.Activities[0].Waits)
			require.NoError(t, post("/v1/jobs/J-000001/commands", &api.JobCommand{Order: api.Order{Reason: "enough"}, Command: "complete"}))
			require.NoError(t, post("/v1/processes/J-000001-0001/commands", &api.ProcessCommand{Command: "pause"}))
			var no *api.Error
			require.ErrorAs(t, post("/v1/jobs/J-000001/commands", &api.JobCommand{Command: "retry"}), &no)
			require.Equal(t, http.StatusConflict, no.Status)
			require.ErrorAs(t, post("/v1/jobs/J-000001/commands", &api.JobCommand{Command: "dance"}), &no)
			require.Equal(t, http.StatusBadRequest, no.Status)
			require.ErrorAs(t, post("/v1/jobs/J-000099/commands", &api.JobCommand{Command: "abort"}), &no)
			require.Equal(t, http.StatusConflict, no.Status)
			require.ErrorAs(t, c.Call(context.Background(), http.MethodGet, "/v1/jobs/J-000099", nil, &api.Job{}), &no)
			require.Equal(t, http.StatusNotFound, no.Status)
			p.until("the one ahead is dropped", func() bool { return p.shop.get("J-000001-0002").State == "Aborted" })
		})
		p.shop.completes("J-000001-0001")
		p.gone("J-000001")
	})
}

func TestWhoMayNotPlanJobsIsRefusedOnRecord(t *testing.T) {
	inOurTime(t, func(p *plant) {
		rights := api.Rights{Local: map[string]string{api.All: "viewer"}, Roles: map[string][]string{"viewer": {}, "planner": {api.MayPlan}}}
		p.served(&rights, func(c *api.Client) {
			var no *api.Error
			for range 3 {
				err := c.Call(context.Background(), http.MethodPost, "/v1/jobs", &api.AddJobs{Jobs: []api.JobOrder{{Recipe: "A"}}}, nil)
				require.ErrorAs(t, err, &no)
				require.Equal(t, http.StatusForbidden, no.Status)
			}
			require.Len(t, p.records(record.KindAccessRefused), 1, "the same within a second is counted")
			time.Sleep(2 * time.Second)
			require.Error(t, c.Call(context.Background(), http.MethodPost, "/v1/jobs/J-1/commands", &api.JobCommand{Order: api.Order{Operator: "anna", Role: "planner"}, Command: "abort"}, nil))
			require.Contains(t, p.records(record.KindAccessRefused, record.ClaimedActor, record.ObjectID, record.Command), "anna as planner J-1 plan")
			require.NoError(t, c.Call(context.Background(), http.MethodGet, "/v1/jobs", nil, &api.Jobs{}), "everybody may look")
		})
		p.served(nil, func(c *api.Client) {
			var no *api.Error
			require.ErrorAs(t, c.Call(context.Background(), http.MethodPost, "/v1/jobs", &api.AddJobs{Jobs: []api.JobOrder{{Recipe: "A"}}}, nil), &no)
			require.Equal(t, http.StatusServiceUnavailable, no.Status)
		})
		require.Empty(t, p.e.Jobs().List())
	})
}

func TestWhoWatchesHearsOfAllThatIsThereAndOfWhatChanges(t *testing.T) {
	inOurTime(t, func(p *plant) {
		rights := api.LocalRights()
		p.served(&rights, func(c *api.Client) {
			job := p.add("A", 1)
			enough := errors.New("enough")
			seen, beats := map[string]int{}, 0
			var last api.Job
			err := c.Events(context.Background(), "/v1/events", 5*time.Second, func(event, _ string, data []byte) error {
				seen[event]++
				switch event {
				case "":
					if beats++; beats == 1 {
						p.shop.runs(job + "-0001")
						p.shop.completes(job + "-0001")
					}
				case "job":
					last = api.Job{}
					if err := json.Unmarshal(data, &last); err != nil || last.Check() != nil {
						return errors.Join(err, last.Check())
					}
				case "process":
					var v api.ProcessView
					if err := json.Unmarshal(data, &v); err != nil || v.Check() != nil {
						return errors.Join(err, v.Check())
					}
				case "over":
					require.Equal(t, `"`+job+`-0001"`, string(data))
				}
				if beats > 100 {
					return errors.New("it does not come")
				}
				if seen["gone"] >= 2 && seen["over"] > 0 { // the job and its clean-up
					return enough
				}
				return nil
			})
			require.ErrorIs(t, err, enough)
			require.NotZero(t, seen["slots"])
			require.NotZero(t, seen["process"])
		})
	})
}

func TestWithoutWhomItNeedsAnEngineDoesNotStartAndNamesHim(t *testing.T) {
	s := newShop()
	for name, n := range map[string]*Needs{"batches": {Products: s, Resources: s}, "product management": {Batches: s, Resources: s}, "resource management": {Batches: s, Products: s}} {
		_, err := Open(t.TempDir(), "X", n, nil)
		require.ErrorContains(t, err, "it cannot start without "+name)
	}
}

// slow is a shop that is ready after some time.
type slow struct {
	*shop
	after time.Time
}

func (s *slow) Ready(context.Context) error {
	if time.Now().Before(s.after) {
		return errors.New("the database is being filled")
	}
	return nil
}

func TestAnEngineWaitsForWhomItNeedsAndSaysForWhom(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		needs := p.shop.needs()
		needs.Products = &slow{p.shop, time.Now().Add(time.Minute)}
		p.open2(needs)
		p.run()
		time.Sleep(10 * time.Second)
		life, waits := p.e.Life()
		require.Equal(t, Starting, life)
		require.Equal(t, "product management: the database is being filled", waits)
		_, err := p.e.Jobs().Add(&api.AddJobs{Jobs: []api.JobOrder{{Recipe: "A"}}})
		require.ErrorContains(t, err, "it is Starting and takes no orders; it waits for product management")
		p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
		p.stop()
		require.NoError(t, <-p.done)
		require.NoError(t, p.e.Close())
		p.opt.ReadyBy = time.Second
		needs.Products = &slow{p.shop, time.Now().Add(time.Hour)}
		p.open2(needs)
		p.run()
		require.ErrorContains(t, <-p.done, "it cannot start without product management: the database is being filled")
		require.NoError(t, p.e.Close())
		p.opt.ReadyBy = 0
		p.up()
	})
}

func TestEachOneStartsAfterThoseItNeeds(t *testing.T) {
	order, err := startOrder(dependencies)
	require.NoError(t, err)
	require.Len(t, order, len(dependencies))
	there := map[string]bool{}
	for _, d := range order {
		for _, name := range d.after {
			require.True(t, there[name], "%s starts before %s", d.name, name)
		}
		there[d.name] = true
	}
	require.True(t, there[nameJobs] && there[nameProcesses])
	_, err = startOrder([]dependency{{name: "a", after: []string{"b"}}, {name: "b", after: []string{"a"}}})
	require.ErrorContains(t, err, `a never starts: it comes after ["b"]`)
}
