// Unit runs of a rehearsal: they follow its batches and its plant as those of a board do.

package production

import (
	"context"
	"errors"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/timebase"
)

// rehearsedUnits are the units of a runtime server.
type rehearsedUnits struct{ runtime *registry.Server }

// Model implements Units.
func (u rehearsedUnits) Model(context.Context) (*api.Model, error) { return u.runtime.Model(), nil }

// bootRuns takes the unit runs up, and has them hear how the channels stand that they want to hear.
func (r *rehearsal) bootRuns(ctx context.Context) error {
	k := r.engine.floor.keeper
	if k == nil {
		return nil
	}
	if err := r.engine.beginRuns(ctx); err != nil {
		return err
	}
	f := r.cast.floor
	f.heard = k.channels()
	for _, c := range f.order {
		if f.heard[c] {
			f.fresh = append(f.fresh, f.last[c])
		}
	}
	if err := r.engine.catchUpRuns(); err != nil {
		return err
	}
	_, err := r.runs()
	return err
}

// channels are those by which runs are controlled, and of which values are captured.
func (k *runKeeper) channels() map[string]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := map[string]bool{}
	for c := range k.ports {
		all[c] = true
	}
	for _, s := range k.slots {
		for _, p := range s.points {
			all[p.channel] = true
		}
		if s.ident != "" {
			all[s.ident] = true
		}
	}
	return all
}

// runs has the unit runs hear what is new, and gives when they are to sample next, never where nothing is captured.
func (r *rehearsal) runs() (next int64, err error) {
	k, f := r.engine.floor.keeper, r.cast.floor
	if k == nil {
		return timebase.Never, nil
	}
	for _, raw := range f.fresh {
		err = errors.Join(err, k.heardRaw(&raw))
	}
	f.fresh = f.fresh[:0]
	_, turned := r.engine.turnRuns()
	err = errors.Join(err, turned)
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, some := k.caps.next(); some {
		return max(at, r.turns.now+1), err
	}
	return timebase.Never, err
}
