// What is asked of those who know recipes and equipment.

package production

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// provided asks a provider for a recipe.
func (e *Engine) provided(ctx context.Context, provider, recipe string) (Provided, error) {
	from := e.needs.Recipes[provider]
	if from == nil {
		return Provided{}, fmt.Errorf("%w: there is no provider %q", ErrNoRecipe, provider)
	}
	return from.Recipe(ctx, recipe)
}

// askRecipe asks the provider of a recipe, and tells the list.
func (e *Engine) askRecipe(ctx context.Context, t *task) error {
	p, err := e.provided(ctx, t.provider, t.recipe)
	info := &jobs.RecipeInfo{Provider: t.provider, Recipe: t.recipe, Product: p.Product, NoResume: fit(p.NoResume)}
	switch {
	case errors.Is(err, ErrNoRecipe):
		info.Missing = fit(strings.TrimPrefix(err.Error(), ErrNoRecipe.Error()+": ")) // the list says that it is not there
	case err != nil:
		return err
	}
	ev := &jobs.Event{Kind: jobs.Recipe, Recipe: info}
	if _, err := ev.Append(nil); err != nil { // such as a product of a name that is too long
		ev.Recipe = &jobs.RecipeInfo{Provider: t.provider, Recipe: t.recipe, Missing: fit("its provider says of it what no list takes: " + err.Error())}
	}
	return e.tell(ev, person{})
}

// tell has the list take an event; that it refuses it is on record, and no error.
func (e *Engine) tell(ev *jobs.Event, by person) error {
	_, err := e.takeJobs(ev, by)
	var no *api.Error
	if errors.As(err, &no) && no.Status == http.StatusConflict {
		return nil
	}
	return err
}

// askContent finds out what a set-up job has to do, and tells the list; what nobody can say, and what no list takes, it is told as that. The triggers that
// it follows from are on record before, with what was there.
func (e *Engine) askContent(ctx context.Context, t *task) error {
	p, err := e.provided(ctx, t.provider, t.recipe)
	if err != nil && !errors.Is(err, ErrNoRecipe) {
		return err
	}
	if err == nil {
		err = jobs.CheckTriggers(p.Triggers)
	}
	if err != nil {
		return e.tell(&jobs.Event{Kind: jobs.Content, Job: t.id, Reason: fit(err.Error())}, person{})
	}
	said := &setupSaid{Recipe: t.recipe, Kind: t.jobKind}
	for _, tr := range p.Triggers {
		if tr.Kind == t.jobKind && (tr.For == "" || tr.For == t.recipe) {
			said.Triggers = append(said.Triggers, tr)
		}
	}
	has, err := e.capabilities(ctx, said.Triggers)
	if err != nil {
		return err
	}
	for _, c := range slices.Sorted(maps.Keys(has)) {
		if has[c] {
			said.Has = append(said.Has, c)
		}
	}
	e.mu.Lock()
	_, stale := e.fold.setups[t.id] // of an engine that was killed before it told the list
	e.mu.Unlock()
	if stale || len(said.Triggers) > 0 {
		if err := e.did(&deed{Did: didSetup, Job: t.id, Setup: said}, person{}); err != nil {
			return err
		}
	}
	return e.tell(&jobs.Event{Kind: jobs.Content, Job: t.id, Steps: said.steps()}, person{})
}

// capabilities asks which capabilities there are that triggers depend on.
func (e *Engine) capabilities(ctx context.Context, triggers []jobs.Trigger) (map[string]bool, error) {
	has := map[string]bool{}
	for i := range triggers {
		for _, c := range []string{triggers[i].Provides, triggers[i].Removes} {
			if _, asked := has[c]; asked || c == "" {
				continue
			}
			is, err := e.needs.Resources.Has(ctx, c)
			if err != nil {
				return nil, err
			}
			has[c] = is
		}
	}
	return has, nil
}
