// The rig of these tests: batches in memory that do as they are told, and an engine that may be killed.

package production

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// shop has batches in memory. Its methods may be called from any goroutine.
type shop struct {
	mu       sync.Mutex
	list     map[string]*api.Batch
	order    []string // in the order in which they came
	began    map[string]int
	orders   []string // all that was asked, in its order
	away     bool     // nobody answers
	refuses  func(what, id string) error
	changed  chan struct{}
	articles []Article
	shelf    func(a Article) error
	missing  map[string]bool
	triggers map[string][]jobs.Trigger
	products map[string]string // by recipe, where it is another than P- and the recipe
	noresume map[string]string
	has      map[string]bool
}

func newShop() *shop {
	return &shop{list: map[string]*api.Batch{}, began: map[string]int{}, changed: make(chan struct{}), missing: map[string]bool{}, triggers: map[string][]jobs.Trigger{}, products: map[string]string{},
		noresume: map[string]string{}, has: map[string]bool{}}
}

func (s *shop) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shop) asked(what, id string) error {
	s.orders = append(s.orders, what+" "+id)
	if s.away {
		return fmt.Errorf("nobody answers")
	}
	if s.refuses != nil {
		return s.refuses(what, id)
	}
	return nil
}

// Create implements Batches: the batch waits for its unit until it is said to run.
func (s *shop) Create(_ context.Context, c *api.Create) (api.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.asked("create", c.ID); err != nil {
		return api.Batch{}, err
	}
	b := s.list[c.ID]
	if b == nil {
		b = &api.Batch{ID: c.ID, Life: api.Active, State: "Running", Recipe: c.Recipe, Unit: c.Unit, Steps: []string{"ALL: waits for R1"}}
		if !c.Start {
			b.Life, b.State, b.Steps = api.Ready, "", nil
		}
		s.list[c.ID] = b
		s.order = append(s.order, c.ID)
		s.touch()
	}
	return *clone(b), nil
}

// Tell implements Batches.
func (s *shop) Tell(_ context.Context, id string, c *api.Command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.asked(c.Command, id); err != nil {
		return err
	}
	b := s.list[id]
	switch {
	case b == nil || b.Life != api.Active:
		return &api.Error{Status: http.StatusConflict, Message: "not now"}
	case c.Command == "hold":
		b.State = "Held"
	case c.Command == "restart" && b.State == "Held":
		b.State = "Running"
	case c.Command == "abort":
		b.Life, b.State, b.Steps, b.Equipment = api.Ended, "Aborted", nil, nil
	default:
		return &api.Error{Status: http.StatusConflict, Message: "not in state " + b.State}
	}
	s.touch()
	return nil
}

// Remove implements Batches.
func (s *shop) Remove(_ context.Context, id string, _ *api.Removal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.asked("remove", id); err != nil {
		return err
	}
	if b := s.list[id]; b == nil || b.Life == api.Active {
		return &api.Error{Status: http.StatusConflict, Message: "not now"}
	}
	s.list[id].Life = api.Removed
	s.touch()
	return nil
}

// Restart implements Batches.
func (s *shop) Restart(_ context.Context, id string, _ *api.Restart) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.asked("warm", id); err != nil {
		return err
	}
	b := s.list[id]
	if b == nil || b.Life != api.Lost {
		return &api.Error{Status: http.StatusConflict, Message: "it is not Lost"}
	}
	b.Life, b.State = api.Active, "Held"
	s.touch()
	return nil
}

// Watch implements Batches.
func (s *shop) Watch(ctx context.Context, heard func(list []api.Batch, whole bool) error) error {
	seen := map[string]string{}
	for whole := true; ; whole = false {
		s.mu.Lock()
		changed := s.changed
		if s.away {
			s.mu.Unlock()
			return fmt.Errorf("nobody answers")
		}
		var list []api.Batch
		for _, id := range s.order {
			b := s.list[id]
			if text := fmt.Sprint(*b); seen[id] != text && (b.Life != api.Removed || seen[id] != "") {
				seen[id] = text
				list = append(list, *clone(b))
			}
		}
		s.mu.Unlock()
		if whole || len(list) > 0 {
			if err := heard(list, whole); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Article implements ProductManagement.
func (s *shop) Article(_ context.Context, a Article) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shelf != nil {
		if err := s.shelf(a); err != nil {
			return err
		}
	}
	if !slices.Contains(s.articles, a) {
		s.articles = append(s.articles, a)
	}
	return nil
}

// Has implements ResourceManagement.
func (s *shop) Has(_ context.Context, capability string) (bool, error) { return s.has[capability], nil }

// Holdings implements ResourceManagement.
func (s *shop) Holdings(context.Context) (api.Holdings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := api.Holding{Equipment: "R1", Batch: "B-0007"}
	for _, id := range s.order {
		h.Waiting = append(h.Waiting, api.Waiting{Batch: id, Step: "ALL", Equipment: []string{"R1"}})
	}
	return api.Holdings{h}, nil
}

// Recipe implements RecipeProvider.
func (s *shop) Recipe(_ context.Context, id string) (Provided, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing[id] {
		return Provided{}, fmt.Errorf("%w: %s", ErrNoRecipe, id)
	}
	return Provided{Product: or(s.products[id], "P-"+id), Triggers: s.triggers[id], NoResume: s.noresume[id]}, nil
}

func (s *shop) needs() *Needs {
	return &Needs{Batches: s, Products: s, Resources: s, Recipes: map[string]RecipeProvider{"": s}}
}

// set changes a batch.
func (s *shop) set(id string, do func(b *api.Batch)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.list[id])
	s.touch()
}

// runs has a batch get its unit.
func (s *shop) runs(id string) {
	s.set(id, func(b *api.Batch) { b.Steps, b.Equipment = []string{"CHARGE"}, []string{"R1"} })
	s.mu.Lock()
	s.began[id]++
	s.mu.Unlock()
}

// completes has a batch come to its end.
func (s *shop) completes(id string) {
	s.set(id, func(b *api.Batch) { b.Life, b.State, b.Steps, b.Equipment = api.Ended, "Complete", nil, nil })
}

// story is what was asked of a batch.
func (s *shop) story(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, o := range s.orders {
		if what, ok := strings.CutSuffix(o, " "+id); ok {
			list = append(list, what)
		}
	}
	return strings.Join(list, ", ")
}

// plant is an engine on a shop.
type plant struct {
	t    *testing.T
	dir  string
	shop *shop
	opt  Options
	e    *Engine
	stop context.CancelFunc
	done chan error
}

func inOurTime(t *testing.T, fn func(p *plant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &plant{t: t, dir: t.TempDir(), shop: newShop()}
		ended := false
		defer func() {
			if !ended && p.stop != nil { // a test has failed: nothing is left of it
				p.opt.Leave, p.e.opt.Leave = true, true
				p.stop()
			}
		}()
		p.up()
		fn(p)
		p.down()
		p.checks()
		ended = true
	})
}

// up starts an engine and waits until it is Up.
func (p *plant) up() {
	p.t.Helper()
	p.open()
	p.run()
	p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
}

func (p *plant) open() { p.open2(p.shop.needs()) }

func (p *plant) open2(needs *Needs) {
	p.t.Helper()
	e, err := Open(p.dir, "CELL-1", needs, &p.opt)
	require.NoError(p.t, err)
	p.e = e
}

func (p *plant) run() {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.done = cancel, make(chan error, 1)
	go func() { p.done <- p.e.Run(ctx) }()
}

// down stops the engine cleanly.
func (p *plant) down() {
	p.t.Helper()
	p.stop()
	require.NoError(p.t, <-p.done)
	require.NoError(p.t, p.e.Close())
}

// kill ends the engine as a kill does: it writes nothing more, and all else goes on.
func (p *plant) kill() {
	p.e.mu.Lock()
	p.e.broken = fmt.Errorf("killed")
	p.e.touch()
	p.e.mu.Unlock()
	<-p.done
	_ = p.e.Close()
}

// until waits until something is so and nobody has anything left to do in that instant, for some minutes of the bubble at most.
func (p *plant) until(what string, is func() bool) {
	p.t.Helper()
	for range 20_000 {
		if synctest.Wait(); is() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	require.Fail(p.t, "it does not come to be so: "+what, "%+v\n%+v\n%q", p.e.Jobs().List(), p.e.Processes().List(), p.shop.orders)
}

// add puts a job into the list, and gives its id.
func (p *plant) add(recipe string, amount int64) string {
	p.t.Helper()
	ids, err := p.e.Jobs().Add(&api.AddJobs{Order: api.Order{Operator: "anna", Role: "planner"}, Jobs: []api.JobOrder{{Recipe: recipe, Amount: amount}}})
	require.NoError(p.t, err)
	require.Len(p.t, ids, 1)
	return ids[0]
}

// there waits until a batch is there.
func (p *plant) there(id string) {
	p.t.Helper()
	p.until(id+" is there", func() bool {
		p.shop.mu.Lock()
		defer p.shop.mu.Unlock()
		return p.shop.list[id] != nil
	})
}

// stage waits until a process stands somewhere by the list.
func (p *plant) stage(id string, want jobs.Stage) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s is %s", id, want), func() bool {
		p.e.mu.Lock()
		defer p.e.mu.Unlock()
		q := p.e.fold.procs[id]
		return q != nil && q.stage == want
	})
}

// gone waits until a job has left the list.
func (p *plant) gone(job string) {
	p.t.Helper()
	p.until(job+" is gone", func() bool { _, err := p.e.Jobs().Job(job); return err != nil })
}

// checks makes sure that each decision on record follows from the inputs, and that nothing ran twice.
func (p *plant) checks() *Checked {
	p.t.Helper()
	c, err := Check(p.dir, p.opt.Prefix, &journal.Options{Storage: p.opt.Storage})
	require.NoError(p.t, err)
	require.True(p.t, c.OK(), "%+v", c)
	keptAnywhere(p.t, filepath.Join(p.dir, "production"), p.opt.Prefix, &journal.Options{Storage: p.opt.Storage})
	p.shop.mu.Lock()
	defer p.shop.mu.Unlock()
	for id, n := range p.shop.began {
		require.Equal(p.t, 1, n, "%s ran %d times", id, n)
	}
	return c
}

// records gives the records of a kind, each by what it says.
func (p *plant) records(kind record.Kind, keys ...record.Key) (list []string) {
	p.t.Helper()
	_, err := journal.Scan(p.dir+"/production", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err != nil || r.Kind != kind {
			return err
		}
		var words []string
		for _, k := range keys {
			if r.Has(k) {
				words = append(words, strings.Join(append(r.Texts(k), r.Text(k)), " "))
			}
		}
		list = append(list, strings.TrimSpace(strings.Join(words, " ")))
		return nil
	}, &journal.Options{Storage: p.opt.Storage})
	require.NoError(p.t, err)
	return list
}

// ids are the batches in the order in which they came.
func (s *shop) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// count counts the batches of a life.
func (s *shop) count(life api.Life) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.list {
		if b.Life == life {
			n++
		}
	}
	return n
}

func containsDeed(line, did string) bool { return strings.Contains(line, `{"did":"`+did+`"`) }

// get gives a batch as it stands; the zero one where there is none.
func (s *shop) get(id string) api.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.list[id]; b != nil {
		return *clone(b)
	}
	return api.Batch{}
}

// made gives the articles that were taken.
func (s *shop) made() []Article {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.articles)
}
