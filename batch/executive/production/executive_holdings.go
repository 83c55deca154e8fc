// What the manager tells of batches, with what each has by the ids of the equipment model.

package production

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// telling is one stream of the manager. A runner names what its batch has as its map does; whoever follows units wants the ids of
// the model, which the manager's book has.
type telling struct {
	manager *api.Client
	batches map[string]api.Batch // as they were told last
	has     map[string][]string  // by batch: equipment_id of what it has, in order
}

// begin gives all batches.
func (t *telling) begin(ctx context.Context) ([]api.Batch, error) {
	var list api.Batches
	if err := t.manager.Call(ctx, http.MethodGet, "/v1/batches", nil, &list); err != nil {
		return nil, err
	}
	t.batches = map[string]api.Batch{}
	for _, b := range list {
		t.batches[b.ID] = b
	}
	if _, err := t.hold(ctx); err != nil {
		return nil, err
	}
	all := make([]api.Batch, 0, len(list))
	for _, b := range list {
		all = append(all, t.with(b))
	}
	return all, nil
}

// hold asks who has what, and gives the batches of which that has changed.
func (t *telling) hold(ctx context.Context) (changed []api.Batch, err error) {
	var list api.Holdings
	if err := t.manager.Call(ctx, http.MethodGet, "/v1/equipment", nil, &list); err != nil {
		return nil, err
	}
	has := map[string][]string{}
	for i := range list {
		if h := &list[i]; h.Batch != "" {
			has[h.Batch] = append(has[h.Batch], h.Equipment)
		}
	}
	for _, set := range has {
		slices.Sort(set)
	}
	was := t.has
	t.has = has
	for _, id := range slices.Sorted(maps.Keys(t.batches)) {
		if !slices.Equal(was[id], has[id]) {
			changed = append(changed, t.with(t.batches[id]))
		}
	}
	return changed, nil
}

// with is a batch with what it has.
func (t *telling) with(b api.Batch) api.Batch {
	b.Equipment = slices.Clone(t.has[b.ID])
	return b
}

// take takes in an event, and gives the batches that it is about.
func (t *telling) take(ctx context.Context, event string, data []byte) ([]api.Batch, error) {
	var b api.Batch
	var err error
	switch event {
	case "equipment":
		return t.hold(ctx)
	case "batch":
		if err = json.Unmarshal(data, &b); err == nil {
			err = b.Check()
		}
		t.batches[b.ID] = b
	case "removed":
		b.Life = api.Removed
		if err = json.Unmarshal(data, &b.ID); err == nil {
			err = api.CheckBatch(b.ID)
		}
		delete(t.batches, b.ID)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("production: the manager tells of a batch: %w", err)
	}
	return []api.Batch{t.with(b)}, nil
}
