// The equipment model is changed while batches run.

//go:build linux

package main

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/journal/record"
)

// lives are the processes that there are, each with its number and its life.
func (r *rig) lives() map[string]api.Self {
	r.t.Helper()
	names, err := r.s.network().Names()
	require.NoError(r.t, err)
	all := map[string]api.Self{}
	for _, name := range names {
		var self api.Self
		require.NoError(r.t, r.s.ask(r.t.Context(), name, "GET", "/v1/self", nil, &self), name)
		all[name] = self
	}
	return all
}

// change asks for a change of the model; with dry only what it would touch.
func (r *rig) change(c *equipment.Change, why string, dry bool) (i api.Impact, err error) {
	in := api.ModelChange{Order: api.Order{Reason: why}, Change: *c}
	return i, r.s.ask(r.t.Context(), api.Runtime, "POST", "/v1/model/changes"+cond(dry, "?dry=1", ""), &in, &i)
}

// changes are the records of the model's change to a version, by the item that is changed.
func (r *rig) changes(version uint64) map[string]*record.Record {
	r.t.Helper()
	q, err := evidence.ParseQuery([]string{"kind=equipment_change"})
	require.NoError(r.t, err)
	all := map[string]*record.Record{}
	_, _, err = evidence.Select(filepath.Join(r.s.dir, "runtime"), q, func(row *evidence.Row) error {
		if row.Record.Count(record.EquipmentModelVersion) == version {
			all[row.Record.Text(record.ObjectID)] = row.Record
		}
		return nil
	})
	require.NoError(r.t, err)
	return all
}

const added = "R105" // the unit that is added; its wires are there before

// twelve is an executive on which twelve batches are under way on three of four units.
func twelve(t *testing.T) (r *rig, ids []string) {
	r = newRigWith(t, append(parts[:len(parts):len(parts)], added), func(dir string) {
		data, err := files.ReadFile("cell/maps/UNIT.yaml")
		require.NoError(t, err)
		require.NoError(t, lay(filepath.Join(dir, dirCell, "maps", added+".yaml"), bytes.ReplaceAll(data, []byte("{{unit}}"), []byte(added))))
	})
	for range 4 {
		for _, unit := range units[:3] {
			ids = append(ids, r.create("CHARGE", unit, nil))
		}
	}
	r.until("twelve batches are under way", func() bool {
		return !slices.ContainsFunc(r.batches(), func(b api.Batch) bool { return b.Life != api.Active || b.State != "Running" })
	})
	return r, ids
}

// bigger adds a unit, gives R101 more room, and retires R104.
func bigger(m *api.Model) *equipment.Change {
	wider := m.Items[slices.IndexFunc(m.Items, func(e api.Equipment) bool { return e.ID == "R101" })]
	wider.Capabilities = map[string]string{"volume": "500 L"}
	unit := wider
	unit.ID, unit.Priority, unit.Map, unit.Channels, unit.Safe = added, 5, "maps/"+added+".yaml", nil, map[string]string{}
	for _, c := range wired[:4] {
		unit.Channels, unit.Safe[added+"/"+c] = append(unit.Channels, added+"/"+c), "0"
	}
	return &equipment.Change{Base: m.Version, Put: []equipment.Item{wider, unit}, Retire: []string{"R104"}}
}

// smaller takes an output from R101.
func smaller(m *api.Model) *equipment.Change {
	less := m.Items[slices.IndexFunc(m.Items, func(e api.Equipment) bool { return e.ID == "R101" })]
	less.Channels, less.Safe = less.Channels[1:], maps.Clone(less.Safe)
	delete(less.Safe, charging)
	return &equipment.Change{Base: m.Version, Put: []equipment.Item{less}}
}

func TestTheModelIsChangedWhileTwelveBatchesRunAndNothingRestarts(t *testing.T) {
	if aside(t) {
		return
	}
	r, ids := twelve(t)
	before := r.lives()
	require.Len(t, before, len(ids)+3)
	var m api.Model
	require.NoError(t, r.s.ask(t.Context(), api.Runtime, "GET", "/v1/model", nil, &m))
	c := bigger(&m)
	shown, err := r.change(c, "more room", true)
	require.NoError(t, err)
	require.Equal(t, m.Version+1, shown.Version)
	require.Subset(t, shown.Changes, []string{"R101: capability volume: 450 L -> 500 L", "R104: retired", "R105: new, unit in CELL"})
	require.Empty(t, r.changes(m.Version+1), "it was to be shown only")

	made, err := r.change(c, "more room", false)
	require.NoError(t, err)
	require.Equal(t, shown.Changes, made.Changes)
	for _, b := range r.batches() { // those of R101 keep what they are bound to, and are named
		if b.Life == api.Active {
			require.Equal(t, b.Unit == "R101", slices.Contains(made.Batches, b.ID), "%s on %s", b.ID, b.Unit)
		}
	}
	records := r.changes(m.Version + 1)
	require.Len(t, records, 3)
	for id, words := range map[string][2]string{"R101": {"450 L", "500 L"}, "R104": {`"R104"`, `"retired":true`}, added: {"none", `"R105"`}} {
		got := records[id]
		require.NotNil(t, got, id)
		require.Contains(t, got.Text(record.OldValue), words[0])
		require.Contains(t, got.Text(record.NewValue), words[1])
		require.Equal(t, "more room", got.Text(record.ChangeReason))
		require.Contains(t, got.Text(record.Actor), "local:")
		require.Equal(t, made.Scope, got.Text(record.ImpactScope))
	}

	// Who was there is there, in the same life; a retired unit gets no batch, and the new one does.
	require.Equal(t, before, r.lives())
	r.is(r.create("CHARGE", "R104", nil), api.LoadFailed, "")
	newer := r.create("CHARGE", added, nil)
	r.is(newer, api.Ended, "Complete")
	require.Equal(t, m.Version+1, r.batch(newer).Model)
	for _, id := range ids {
		r.is(id, api.Ended, "Complete")
		require.Equal(t, m.Version, r.batch(id).Model, id)
	}
	after := r.lives()
	for name, self := range before {
		require.Equal(t, self, after[name], name)
	}
	r.clear()
	r.log()
	require.Equal(t, len(ids)+1, r.evidence())
}

func TestAChangeThatTakesAnOutputFromABatchIsRefusedAndNamesIt(t *testing.T) {
	if aside(t) {
		return
	}
	r, ids := twelve(t)
	before := r.lives()
	var m api.Model
	require.NoError(t, r.s.ask(t.Context(), api.Runtime, "GET", "/v1/model", nil, &m))
	for _, dry := range []bool{true, false} {
		_, err := r.change(smaller(&m), "no valve", dry)
		var e *api.Error
		require.True(t, errors.As(err, &e), "%v", err)
		require.Equal(t, http.StatusConflict, e.Status)
		require.Contains(t, e.Message, charging)
		for _, b := range r.batches() {
			require.Equal(t, b.Unit == "R101" && b.Life == api.Active, strings.Contains(e.Message, b.ID), "%s on %s is %s: %s", b.ID, b.Unit, b.Life, e.Message)
		}
	}
	require.Empty(t, r.changes(m.Version+1))
	require.Equal(t, before, r.lives())
	for _, id := range ids {
		r.tell(id, "abort")
	}
	r.clear()

	// When nobody is bound to it any more it is made.
	_, err := r.change(smaller(&m), "no valve", false)
	require.NoError(t, err)
	require.Len(t, r.changes(m.Version+1), 1)
	r.log()
	r.evidence()
}
