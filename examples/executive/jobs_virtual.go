// A day in virtual time.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/hal/sim"
)

// virtualCell is the cell for virtual time: the same plants as newCell's.
func virtualCell(parts ...string) []production.Plant {
	var all []production.Plant
	for i, name := range parts {
		all = append(all, production.Plant{Name: name, Simulation: sim.NewPlant(uint64(i + 1)), Channels: wired})
	}
	return all
}

// rehearse works a day off in virtual time, in this process.
func (s *session) rehearse(ctx context.Context, d *production.Day) error {
	show := newDayScreen(s.stdout, d)
	fmt.Fprintf(s.stdout, "executive in %s, in virtual time: %s\n", s.dir, s.day)
	runs, err := runsIn(s.dir, d)
	if err != nil {
		return err
	}
	r, err := production.Rehearse(ctx, d, production.Rig{Dir: s.dir, Device: device, Files: os.DirFS(filepath.Join(s.dir, dirCell)),
		Plant: production.Plants(virtualCell(parts...)...), Runs: runs}, &production.RehearsalOptions{Seed: 1,
		Tell: func(at int64, event, gone string, body api.Body) {
			if event == "gone" {
				show.left(at, gone)
			} else if body != nil {
				show.take(at, body)
			}
		}})
	if err != nil {
		return err
	}
	for name, id := range r.Jobs {
		show.call(id, name)
	}
	show.table()
	var all []api.Batch
	for i := range r.Batches {
		all = append(all, r.Batches[i].Batch)
	}
	fmt.Fprintf(s.stdout, "\nthe day took %.3f s\n", r.Took.Seconds())
	return errors.Join(show.verify(all), leftOf(r.Left))
}
