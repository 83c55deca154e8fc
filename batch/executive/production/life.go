// The life of an engine: who has to be there before it is up, its start, and its end.

package production

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/batch/jobs"
)

// Life is where an engine stands.
type Life string

// The lives.
const (
	Down     Life = "Down"
	Starting Life = "Starting" // it waits for whom it needs
	Up       Life = "Up"
	Stopping Life = "Stopping" // all comes to rest
)

// dependency is one of those that are there once the engine is up, and whom it needs to be there before.
type dependency struct {
	name     string
	required bool
	after    []string
	there    func(n *Needs) bool
	parts    func(n *Needs) []Ready // that are waited for
}

// The names of those that the engine depends on, and of what it offers.
const (
	nameBatches   = "batches"
	nameProducts  = "product management"
	nameResources = "resource management"
	nameRecipes   = "recipe providers"
	nameStore     = "the store"
	nameJobs      = "job management"
	nameProcesses = "process control"
	nameRuns      = "unit runs"
)

// dependencies says who starts after whom. The list boots after all that it asks, and people come last.
var dependencies = []dependency{
	{name: nameBatches, required: true, there: func(n *Needs) bool { return n.Batches != nil }, parts: func(n *Needs) []Ready { return ready(n.Batches) }},
	{name: nameProducts, required: true, there: func(n *Needs) bool { return n.Products != nil }, parts: func(n *Needs) []Ready { return ready(n.Products) }},
	{name: nameResources, required: true, there: func(n *Needs) bool { return n.Resources != nil }, parts: func(n *Needs) []Ready { return ready(n.Resources) }},
	{name: nameRecipes, after: []string{nameResources}, there: func(n *Needs) bool { return len(n.Recipes) > 0 }, parts: recipeParts},
	{name: nameStore, there: func(n *Needs) bool { return n.Store != nil }, parts: func(*Needs) []Ready { return nil }}, // what it lacks is caught up
	{name: nameRuns, after: []string{nameBatches}, there: func(n *Needs) bool { return n.Runs != nil }, parts: runParts},
	{name: nameProcesses, after: []string{nameBatches, nameProducts, nameResources, nameRecipes}},
	{name: nameJobs, after: []string{nameProcesses}},
}

// ready gives whom a contract has waited for.
func ready[T any](v T) []Ready {
	if r, ok := any(v).(Ready); ok {
		return []Ready{r}
	}
	return nil
}

func recipeParts(n *Needs) (list []Ready) {
	for _, name := range slices.Sorted(maps.Keys(n.Recipes)) {
		list = append(list, ready(n.Recipes[name])...)
	}
	return list
}

// startOrder gives a list of dependencies in an order in which each comes after those that it needs; an error names one that never can.
func startOrder(list []dependency) (order []dependency, err error) {
	there := map[string]bool{}
	for len(order) < len(list) {
		before := len(order)
		for _, d := range list {
			if !there[d.name] && !slices.ContainsFunc(d.after, func(name string) bool { return !there[name] }) {
				there[d.name] = true
				order = append(order, d)
			}
		}
		if len(order) == before {
			for _, d := range list {
				if !there[d.name] {
					return nil, fmt.Errorf("production: %s never starts: it comes after %q", d.name, d.after)
				}
			}
		}
	}
	return order, nil
}

// Life tells where the engine stands, and while it is Starting or Stopping for whom or what it waits.
func (e *Engine) Life() (life Life, waits string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return or(e.life, Down), e.waits
}

// lives says where the engine stands.
func (e *Engine) lives(life Life, waits string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life != life || e.waits != waits {
		e.life, e.waits = life, waits
		e.touch()
	}
}

// Run starts the engine, keeps it up until ctx ends, and then has all come to rest; it blocks until all that it has started has ended. First those that it
// depends on are waited for, then the list is told which batches there are. An error says that it could not start, or that evidence can no longer be kept.
func (e *Engine) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	defer e.lives(Down, "")
	group.Go(func() { e.feed(inner) })
	group.Go(func() { e.keepFolds(inner) })
	if err := e.wait(ctx); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return err
	}
	booted := make(chan struct{})
	followed := make(chan struct{})
	group.Go(func() {
		defer close(followed)
		e.follow(inner, booted)
	})
	group.Go(func() { e.dispatch(inner, booted) })
	group.Go(func() { e.keepRuns(inner, booted) })
	select {
	case <-booted:
		e.lives(Up, "")
	case <-followed:
		return e.brokenBy()
	case <-ctx.Done():
		return nil
	}
	if err := e.until(ctx, func() bool { return e.broken != nil }); err == nil {
		return e.brokenBy()
	}
	if e.opt.Leave {
		return nil
	}
	return e.stop(inner)
}

// wait waits until all are ready whom the engine depends on, one after the other.
func (e *Engine) wait(ctx context.Context) error {
	order, err := startOrder(dependencies)
	if err != nil {
		return err
	}
	if e.opt.ReadyBy > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.opt.ReadyBy)
		defer cancel()
	}
	for _, d := range order {
		if d.there == nil || !d.there(&e.needs) {
			continue
		}
		for _, part := range d.parts(&e.needs) {
			e.lives(Starting, d.name)
			for {
				err := part.Ready(ctx)
				if err == nil {
					break
				}
				if ctx.Err() != nil {
					return fmt.Errorf("production: it cannot start without %s: %w", d.name, err)
				}
				e.lives(Starting, d.name+": "+short(err.Error()))
				e.pause(ctx, soonest)
			}
		}
	}
	e.lives(Starting, nameBatches)
	return nil
}

// until waits until something is so, which is asked with mu held, or ctx ends, which is then the error.
func (e *Engine) until(ctx context.Context, is func() bool) error {
	for {
		e.mu.Lock()
		so, changed := is(), e.changed
		e.mu.Unlock()
		if so {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// brokenBy gives why evidence can no longer be kept.
func (e *Engine) brokenBy() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.broken
}

// stop has the list halt, and waits until all rests, but not for ever.
func (e *Engine) stop(ctx context.Context) error {
	e.lives(Stopping, "what runs comes to rest")
	if _, err := e.takeJobs(&jobs.Event{Kind: jobs.Halt}, person{}); err != nil && e.brokenBy() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.opt.StopBy)
	defer cancel()
	_ = e.until(ctx, func() bool { return e.broken != nil || e.fold.list.Settled() && !e.out.ordered() })
	return e.brokenBy()
}

// dispatch has what is due carried out, so many at a time, until ctx ends and all have returned.
func (e *Engine) dispatch(ctx context.Context, booted <-chan struct{}) {
	select {
	case <-booted:
	case <-ctx.Done():
		return
	}
	var group sync.WaitGroup
	defer group.Wait()
	alarm := e.clock.Alarm(func() { poke(e.wake) })
	defer alarm.Stop()
	for ctx.Err() == nil {
		t, due := e.due()
		if t != nil {
			group.Go(func() {
				e.work(ctx, t)
				poke(e.wake)
			})
			continue
		}
		if due != 0 {
			alarm.Set(due)
		}
		select {
		case <-e.wake:
		case <-ctx.Done():
		}
	}
}

// drain carries out all that is due, on the caller's goroutine, and gives when the next is, 0 for never.
func (e *Engine) drain(ctx context.Context) (due int64) {
	for ctx.Err() == nil {
		t, at := e.due()
		if t == nil {
			return at
		}
		e.work(ctx, t)
	}
	return 0
}

// due takes the next task that is due; where there is none, it gives when the next is, 0 for never.
func (e *Engine) due() (*task, int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.out.next(e.clock.Now(), e.opt.Workers)
}
