// OEM actions: run outside the engine, their reports taken in as events and held against their declaration.

package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

// act runs an OEM action and returns its result as an event. One that panics has failed: outputs may be on, and they are to be
// held and not left by a process that dies.
func (r *Runner) act(ctx context.Context, req Request, emit func(batch.Event)) (ev batch.Event) {
	defer func() {
		if p := recover(); p != nil {
			ev = batch.Event{Kind: batch.Finished, ID: req.ID, Detail: batch.Clean(fmt.Sprintf("panic: %v", p))}
		}
	}()
	values, err := r.rig.Do[req.Type](ctx, req, func(values []string, message string) {
		emit(batch.Event{Kind: batch.Progress, ID: req.ID, Values: cleanAll(values), Detail: batch.Clean(message)})
	})
	if err == nil {
		err = r.declared(req.Type, values)
	}
	ev = batch.Event{Kind: batch.Finished, ID: req.ID, OK: err == nil, Values: cleanAll(values)}
	if err != nil {
		ev.Detail = batch.Clean(err.Error())
	}
	return ev
}

// maxValues is the number of values that one report of an OEM action may carry.
const maxValues = 32

func cleanAll(values []string) []string {
	out := make([]string, 0, min(len(values), maxValues))
	for _, v := range values[:min(len(values), maxValues)] {
		out = append(out, batch.Clean(v))
	}
	return out
}

// declared refuses a result that the action's type does not declare, or that is no quantity of its unit.
func (r *Runner) declared(name string, values []string) error {
	i := slices.IndexFunc(r.b.Plan.Actions, func(t recipe.ActionType) bool { return t.Name == name })
	for _, v := range values {
		if err := fits(r.b.Plan.Actions[i].Results, v); err != nil {
			return fmt.Errorf("action %s: result %q: %w", name, v, err)
		}
	}
	return nil
}

func fits(fields []recipe.Field, result string) error {
	name, value, ok := strings.Cut(result, "=")
	if !ok {
		return errors.New("name=value is wanted")
	}
	for _, f := range fields {
		if f.Name != name {
			continue
		}
		if f.Unit == "" {
			return nil
		}
		q, err := quantity.Parse(value)
		if err == nil && !q.Unit.Compatible(f.Unit) {
			err = fmt.Errorf("a quantity in %s is wanted", f.Unit)
		}
		return err
	}
	return errors.New("its type declares no result of this name")
}

// undone returns the first action type that a recipe asks for and nobody on the rig does.
func undone(e *recipe.Element, do map[string]Action) string {
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind == recipe.Request && do[a.Type] == nil {
			return a.Type
		}
	}
	for _, child := range e.Children {
		if name := undone(child, do); name != "" {
			return name
		}
	}
	return ""
}
