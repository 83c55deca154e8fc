// The process of production: the list of jobs, unit runs, and the database of the plant.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/batch/store"
)

// The database of the plant: the file of it, or, where that is there, the file that names another one.
const (
	plantFile = "plant.db"
	plantURL  = "plant.url"
)

// production is the process of it. How the list is worked off, what is set up, and what runs there are stands in the day of the
// directory. It answers once it is up.
func (s *session) production(ctx context.Context, b *board) error {
	day, err := dayIn(b.dir)
	if err != nil {
		return err
	}
	runs, err := runsIn(b.dir, day)
	if err != nil {
		return err
	}
	plant, err := openPlant(ctx, b.dir)
	if err != nil {
		return err
	}
	defer plant.Close()
	x := production.NewExecutive(b.n)
	needs := &production.Needs{Batches: x, Products: production.Recorded{}, Resources: x, Store: plant,
		Recipes: map[string]production.RecipeProvider{"": &production.Catalog{Of: x, Said: day.Said()}},
		Runs:    &production.RunNeeds{Definitions: runs, Units: x, Board: production.NewBoard(b.n)}}
	e, err := production.Open(b.dir, b.device, needs, &production.Options{Clock: b.clock, Wall: b.wall, StopBy: patience * 4 / 5})
	if err != nil {
		return err
	}
	return errors.Join(s.serveProduction(ctx, b, x, e, day.Rules), e.Close())
}

// serveProduction keeps it up until ctx ends.
func (s *session) serveProduction(ctx context.Context, b *board, x *production.Executive, e *production.Engine, rules jobs.Rules) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	known, forget := context.WithCancel(context.WithoutCancel(ctx)) // it is asked until all has come to rest
	defer forget()
	follows, ran := make(chan error, 1), make(chan error, 1)
	go func() { follows <- x.Run(known) }()
	go func() {
		defer cancel()
		ran <- e.Run(ctx)
	}()
	err := configure(ctx, e, rules)
	if err == nil {
		err = answerFor(ctx, b, e.Handler(x.Rights))
	}
	cancel()
	err = errors.Join(err, <-ran)
	forget()
	return errors.Join(err, <-follows)
}

// answerFor answers as production until ctx ends.
func answerFor(ctx context.Context, b *board, h http.Handler) error {
	l, err := b.n.Listen(api.Production)
	if err != nil {
		return err
	}
	return api.Serve(ctx, l, h)
}

// configure says how the list is worked off, once the engine is up. While a group has a slot it goes on as it was.
func configure(ctx context.Context, e *production.Engine, rules jobs.Rules) error {
	for ctx.Err() == nil {
		if life, _ := e.Life(); life != production.Up {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		if rules == (jobs.Rules{}) {
			return nil
		}
		err := e.Jobs().Configure(rules, &api.Order{Operator: api.Production, Role: "system", Reason: "the day in " + dirCell + "/" + dayFile})
		var refused *api.Error
		if errors.As(err, &refused) && refused.Status < 500 {
			fmt.Fprintln(os.Stderr, harmless("executive: the list is worked off as before: "+refused.Message))
			return nil
		}
		return err
	}
	return nil
}

// dayIn is the day of a directory; one that says nothing, where there is none.
func dayIn(dir string) (*production.Day, error) {
	name := filepath.Join(dir, dirCell, dayFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &production.Day{}, nil
	}
	if err != nil {
		return nil, err
	}
	return production.ParseDay(name, data)
}

// runsIn are the definitions of unit runs that a day names.
func runsIn(dir string, d *production.Day) ([]production.Definition, error) {
	if d.Runs == "" {
		return nil, nil
	}
	name := filepath.Join(dir, dirCell, filepath.FromSlash(d.Runs))
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("executive: unit_runs of the day: %w", err)
	}
	return production.ParseRuns(name, data)
}

// openPlant opens the database of the plant of a directory.
func openPlant(ctx context.Context, dir string) (*store.Plant, error) {
	where := filepath.Join(dir, plantFile)
	url, err := os.ReadFile(filepath.Join(dir, plantURL))
	if err == nil {
		where = strings.TrimSpace(string(url))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return store.OpenPlant(ctx, where, nil)
}

// keepPlantURL keeps where the database of the plant is, for this user alone: it may name a password.
func (s *session) keepPlantURL() error {
	if s.postgres == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(s.dir, plantURL), []byte(s.postgres+"\n"), 0o600)
}
