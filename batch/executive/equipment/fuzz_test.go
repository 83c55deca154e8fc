// Files and changes from outside never do harm.

package equipment_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/equipment"
)

// whole holds a model against what is promised of every one.
func whole(t *testing.T, m *equipment.Model) {
	t.Helper()
	owner := map[string]string{}
	for i := range m.Items {
		e := &m.Items[i]
		at, place := m.Item(e.ID)
		require.Equal(t, i, place)
		require.Same(t, e, at)
		if e.Parent != "" {
			_, above := m.Item(e.Parent)
			require.GreaterOrEqual(t, above, 0)
			require.Less(t, above, i, "a parent comes before what lies in it")
		}
		for _, c := range e.Channels {
			require.Contains(t, e.Safe, c)
			if !e.Retired {
				require.Empty(t, owner[c])
				owner[c] = e.ID
			}
		}
	}
	var c chain
	c.step(t, nil, m)
	var f equipment.Fold
	for _, r := range c {
		if m.Version == 1 {
			require.NoError(t, f.Take(r))
		}
	}
	if m.Version == 1 {
		require.Equal(t, m.Digest(), f.Model().Digest())
	}
}

func FuzzAModelFileIsRefusedOrWhole(f *testing.F) {
	src, err := os.ReadFile("testdata/cell.yaml")
	require.NoError(f, err)
	f.Add(src)
	f.Add([]byte("schema_version: 1\nequipment: [{equipment_id: P, level: site}]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if m, err := equipment.Parse("f.yaml", src); err == nil {
			whole(t, m)
		}
	})
}

func FuzzAChangeIsRefusedOrLeavesAWholeModel(f *testing.F) {
	m := cell(f)
	data, err := json.Marshal(more(m))
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"base":1,"retire":["CM1"],"put":[{"equipment_id":"Z","level":"area","parent":"PLANT"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c equipment.Change
		if json.Unmarshal(data, &c) != nil {
			return
		}
		before := m.Digest()
		next, err := m.Apply(&c)
		require.Equal(t, before, m.Digest())
		if err != nil {
			return
		}
		whole(t, next)
		require.NotEmpty(t, equipment.Diff(m, next))
		var ch chain
		ch.step(t, nil, m)
		ch.step(t, m, next)
		fold := ch.fold(t)
		require.Equal(t, next.Digest(), fold.Model().Digest())
	})
}
