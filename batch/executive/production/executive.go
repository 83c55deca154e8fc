// The contracts as the executive fulfils them: the manager has the batches and the equipment, the runtime server the recipes and the rights.

package production

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/metering/quantity"
)

// quiet is the silence after which a process of the executive is given up, and asked anew.
const quiet = 5 * time.Second

// Executive fulfils Batches, RecipeProvider and ResourceManagement by the manager and the runtime server, and knows who may do what. Its methods may be called
// from any goroutine. Whoever runs the engine runs Executive.Run beside it.
type Executive struct {
	manager, runtime *api.Client

	mu      sync.Mutex
	model   *api.Model // as it was heard last; nil: never
	changed chan struct{}
}

// NewExecutive returns the executive of a network. It asks nobody.
func NewExecutive(n api.Network) *Executive {
	return &Executive{manager: n.Dial(api.Manager), runtime: n.Dial(api.Runtime), changed: make(chan struct{})}
}

// Run follows what the runtime server has until ctx ends. While that is away what was heard last counts.
func (x *Executive) Run(ctx context.Context) error {
	defer x.manager.Close()
	defer x.runtime.Close()
	for wait := 10 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		var model api.Model
		ask, cancel := context.WithTimeout(ctx, quiet)
		err := x.runtime.Call(ask, http.MethodGet, "/v1/model", nil, &model)
		cancel()
		if err == nil {
			x.learn(&model)
			began := time.Now()
			_ = x.runtime.Events(ctx, "/v1/events", quiet, func(event, _ string, data []byte) error {
				if event != "model" {
					return nil
				}
				var model api.Model
				err := json.Unmarshal(data, &model)
				if err == nil {
					err = model.Check()
				}
				if err == nil {
					x.learn(&model)
				}
				return err
			})
			if time.Since(began) > time.Second {
				wait = 10 * time.Millisecond
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
	return nil
}

func (x *Executive) learn(model *api.Model) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.model = model
	close(x.changed)
	x.changed = make(chan struct{})
}

// known gives the model, and waits for it as long as a process may be silent.
func (x *Executive) known(ctx context.Context) (*api.Model, error) {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	for {
		x.mu.Lock()
		model, changed := x.model, x.changed
		x.mu.Unlock()
		if model != nil {
			return model, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, &api.Error{Status: http.StatusServiceUnavailable,
				Message: "production: recipes, equipment and rights are not known, since the runtime server has never answered; start it"}
		}
	}
}

// Ready implements Ready: the runtime server and the manager have answered.
func (x *Executive) Ready(ctx context.Context) error {
	if _, err := x.known(ctx); err != nil {
		return err
	}
	return x.manager.Call(ctx, http.MethodGet, "/v1/self", nil, &api.Self{})
}

// Rights gives who may do what.
func (x *Executive) Rights(ctx context.Context) (api.Rights, error) {
	model, err := x.known(ctx)
	if err != nil {
		return api.Rights{}, err
	}
	return model.Rights, nil
}

// Recipe implements RecipeProvider. What a recipe makes and what is set up for it the runtime server does not say: see Catalog.
func (x *Executive) Recipe(ctx context.Context, id string) (Provided, error) {
	model, err := x.known(ctx)
	if err != nil {
		return Provided{}, err
	}
	if slices.ContainsFunc(model.Recipes, func(r api.Recipe) bool { return r.ID == id }) {
		return Provided{}, nil
	}
	return Provided{}, fmt.Errorf("%w: the runtime server has none of that id", ErrNoRecipe)
}

// Takes implements OrderCheck, by the model that was heard last.
func (x *Executive) Takes(o *jobs.Order) error {
	x.mu.Lock()
	model := x.model
	x.mu.Unlock()
	if model == nil {
		return nil
	}
	i := slices.IndexFunc(model.Recipes, func(r api.Recipe) bool { return r.ID == o.Recipe })
	if i < 0 {
		return nil
	}
	r := &model.Recipes[i]
	if o.Unit != "" && !slices.Contains(r.Units, o.Unit) {
		return fmt.Errorf("recipe %s does not run on %.40q; %s", r.ID, o.Unit, or(strings.Join(r.Units, ", "), "no unit")+" is what it runs on")
	}
	return sized(r, o.Size)
}

// sized refuses a size to which a recipe does not go.
func sized(r *api.Recipe, size string) error {
	if size == "" {
		return nil
	}
	q, err := quantity.Parse(size)
	if err != nil {
		return fmt.Errorf("size: %w; write it like %q", err, r.Nominal)
	}
	for _, bound := range [...]struct {
		text string
		sign int
	}{{r.Min, -1}, {r.Max, 1}} {
		limit, err := quantity.Parse(bound.text)
		if err != nil { // it is not known
			continue
		}
		if c, err := q.Cmp(limit); err != nil || c == bound.sign {
			return fmt.Errorf("recipe %s is for batches of %s to %s, and not of %s", r.ID, r.Min, r.Max, size)
		}
	}
	return nil
}

// Has implements ResourceManagement. A capability is a name of the equipment model, such as MIXER, or a name and a value, such as MEDIUM=WATER.
func (x *Executive) Has(ctx context.Context, capability string) (bool, error) {
	model, err := x.known(ctx)
	if err != nil {
		return false, err
	}
	name, value, valued := strings.Cut(capability, "=")
	return slices.ContainsFunc(model.Items, func(it api.Equipment) bool {
		v, there := it.Capabilities[name]
		return !it.Retired && there && (!valued || v == value)
	}), nil
}

// Holdings implements ResourceManagement.
func (x *Executive) Holdings(ctx context.Context) (api.Holdings, error) {
	var list api.Holdings
	err := x.manager.Call(ctx, http.MethodGet, "/v1/equipment", nil, &list)
	return list, err
}

// Create implements Batches.
func (x *Executive) Create(ctx context.Context, c *api.Create) (api.Batch, error) {
	err := x.manager.Call(ctx, http.MethodPost, "/v1/batches", c, nil)
	var no *api.Error
	if err == nil {
		return api.Batch{ID: c.ID, Life: api.Loading, Recipe: c.Recipe, Unit: c.Unit}, nil
	}
	if !errors.As(err, &no) || no.Status != http.StatusConflict {
		return api.Batch{}, err
	}
	var b api.Batch // it may be there already
	switch other := x.manager.Call(ctx, http.MethodGet, "/v1/batches/"+c.ID, nil, &b); {
	case other == nil && (b.Recipe == c.Recipe || b.Life == api.Removed):
		return b, nil
	case other == nil:
		return api.Batch{}, &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("production: batch %s is there, of recipe %s and not of %s", c.ID, b.Recipe, c.Recipe)}
	}
	return api.Batch{}, errors.New(no.Message) // no room now, or a directory in the way: it may be put right
}

// Tell implements Batches.
func (x *Executive) Tell(ctx context.Context, id string, c *api.Command) error {
	return x.manager.Call(ctx, http.MethodPost, "/v1/batches/"+id+"/commands", c, nil)
}

// Remove implements Batches.
func (x *Executive) Remove(ctx context.Context, id string, r *api.Removal) error {
	return x.manager.Call(ctx, http.MethodPost, "/v1/batches/"+id+"/removal", r, nil)
}

// Restart implements Batches.
func (x *Executive) Restart(ctx context.Context, id string, r *api.Restart) error {
	return x.manager.Call(ctx, http.MethodPost, "/v1/batches/"+id+"/restart", r, nil)
}

// Watch implements Batches. The list is asked for when the stream has begun: what is gone before that is not in it, and the stream tells the rest.
func (x *Executive) Watch(ctx context.Context, heard func(list []api.Batch, whole bool) error) error {
	first, t := true, &telling{manager: x.manager}
	return x.manager.Events(ctx, "/v1/events", quiet, func(event, _ string, data []byte) error {
		if first {
			list, err := t.begin(ctx)
			if err == nil {
				err = heard(list, true)
			}
			if err != nil {
				return err
			}
			first = false
		}
		list, err := t.take(ctx, event, data)
		if err != nil || len(list) == 0 {
			return err
		}
		return heard(list, false)
	})
}

// Catalog adds to what a provider knows what a planner has said of recipes: what they make, what is set up for them, and which may not be resumed.
type Catalog struct {
	Of   RecipeProvider      // whether a recipe is there
	Said map[string]Provided // by its id
}

// Recipe implements RecipeProvider.
func (c *Catalog) Recipe(ctx context.Context, id string) (Provided, error) {
	p, err := c.Of.Recipe(ctx, id)
	if said, ok := c.Said[id]; ok && err == nil {
		p = said
	}
	return p, err
}

// Takes implements OrderCheck.
func (c *Catalog) Takes(o *jobs.Order) error {
	if t, ok := c.Of.(OrderCheck); ok {
		return t.Takes(o)
	}
	return nil
}

// Ready implements Ready.
func (c *Catalog) Ready(ctx context.Context) error {
	if r, ok := c.Of.(Ready); ok {
		return r.Ready(ctx)
	}
	return nil
}
