// A planner's day in one process, in one page.

package production_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/store"
)

// A job of two batches, given to production over its paths, and what it has come to. Cell starts the executive as the example of package executive does. As
// processes the parts are the same: api.Sockets stands for the network.
func Example() {
	if err := day(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// job J-000001 is in the list
	// J-000001-0001: Success
	// J-000001-0002: Success
	// 2 articles; each decision follows from what the list was told: true
}

func day() error {
	dir, err := os.MkdirTemp("", "batchkit")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := &api.Memory{}
	end, err := cell(ctx, dir, n, store.NewMemory())
	if err != nil {
		return err
	}
	defer end()

	// The executive fulfils what production needs; that of articles is the shop's own.
	x, made := production.NewExecutive(n), &shelf{}
	needs := &production.Needs{Batches: x, Resources: x, Products: made, Recipes: map[string]production.RecipeProvider{"": &production.Catalog{
		Of: x, Said: map[string]production.Provided{"FILL": {Product: "WATER"}}}}}
	e, err := production.Open(dir, "CELL-1", needs, nil)
	if err != nil {
		return err
	}
	socket, err := n.Listen(api.Production)
	if err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{x.Run, e.Run, func(ctx context.Context) error { return api.Serve(ctx, socket, e.Handler(x.Rights)) }} {
		group.Go(func() {
			if err := run(inner); err != nil {
				fmt.Println(err)
			}
		})
	}
	if err := plan(ctx, n, e); err != nil {
		fmt.Println(err)
	}
	stop()
	group.Wait()
	if err := e.Close(); err != nil {
		return err
	}
	c, err := production.Check(dir, "", nil)
	if err == nil {
		fmt.Printf("%d articles; each decision follows from what the list was told: %t\n", len(made.list), c.OK() && c.Missing == 0)
	}
	return err
}

// plan is a planner: he puts a job into the list, and follows it to its end.
func plan(ctx context.Context, n api.Network, e *production.Engine) error {
	c := n.Dial(api.Production)
	defer c.Close()
	for life, _ := e.Life(); life != production.Up; life, _ = e.Life() {
		time.Sleep(10 * time.Millisecond)
	}
	var a api.JobsAccepted
	err := c.Call(ctx, http.MethodPost, "/v1/jobs", &api.AddJobs{Order: api.Order{Reason: "two for today"}, Jobs: []api.JobOrder{{Recipe: "FILL", Amount: 2}}}, &a)
	if err != nil {
		return err
	}
	fmt.Printf("job %s is in the list\n", a.Jobs[0])
	if _, err := jobsIn(ctx, c, func(list api.Jobs) bool { return len(list) == 0 }); err != nil {
		return err
	}
	for i := range 2 {
		var p api.ProcessView
		if err := c.Call(ctx, http.MethodGet, fmt.Sprintf("/v1/processes/%s-%04d", a.Jobs[0], i+1), nil, &p); err != nil {
			return err
		}
		fmt.Printf("%s: %s\n", p.ID, p.State)
	}
	return nil
}

// shelf is product management that keeps articles in memory.
type shelf struct {
	mu   sync.Mutex
	list []production.Article
}

// Article implements production.ProductManagement.
func (s *shelf) Article(_ context.Context, a production.Article) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, had := range s.list {
		if had.ID == a.ID {
			return nil
		}
	}
	s.list = append(s.list, a)
	return nil
}
