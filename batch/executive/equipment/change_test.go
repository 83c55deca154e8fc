// What must hold of changes: all or nothing, in words, and the same out of a journal.

package equipment_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/journal/record"
)

// more is a change that does a little of all.
func more(m *equipment.Model) *equipment.Change {
	r101, _ := m.Item("R101")
	changed := *r101
	changed.Class, changed.Priority, changed.Map = "stirred", 0, "maps/r101-b.yaml"
	changed.Capabilities = map[string]string{"volume": "350 L", "stirrer": "anchor"}
	changed.Channels = []string{"R101/do/1", "R101/do/2"}
	changed.Safe = map[string]string{"R101/do/1": "1", "R101/do/2": "0"}
	return &equipment.Change{Base: m.Version, Retire: []string{"R102", "CM1"}, Put: []equipment.Item{changed,
		{ID: "R103", Level: "unit", Parent: "CELL", Owners: 1, Map: "maps/r103.yaml", Channels: []string{"R102/do/1"}, Safe: map[string]string{"R102/do/1": "0"}}}}
}

func TestAChangeIsToldInWords(t *testing.T) {
	m := cell(t)
	next, err := m.Apply(more(m))
	require.NoError(t, err)
	back, err := next.Apply(&equipment.Change{Base: 2, Return: []string{"CM1"}})
	require.NoError(t, err)
	words := strings.Join(equipment.Diff(m, next), "\n") + "\n-- and then\n" + strings.Join(equipment.Diff(next, back), "\n") + "\n"
	golden.Check(t, "testdata/diff.golden", []byte(words))
	require.Empty(t, equipment.Diff(m, m))
	require.Equal(t, []string{"PLANT", "CELL", "CHARGE", "R101", "CM1", "R102"}, ids(m), "what was there stays as it was")
	require.EqualValues(t, 3, back.Version)
}

func TestAChangeIsMadeWholeOrNotAtAll(t *testing.T) {
	m := cell(t)
	r101, _ := m.Item("R101")
	moved, sunk := *r101, *r101
	moved.Parent = "PLANT"
	sunk.Retired = true
	gone, err := m.Apply(&equipment.Change{Base: 1, Retire: []string{"CHARGE"}})
	require.NoError(t, err)
	charge, _ := m.Item("CHARGE")
	for name, c := range map[string]struct {
		of   *equipment.Model
		c    equipment.Change
		want string
	}{
		"another base":      {m, equipment.Change{Base: 2, Retire: []string{"CM1"}}, "made for 2 and it is 1"},
		"empty":             {m, equipment.Change{Base: 1}, "names 0 items"},
		"nothing new":       {m, equipment.Change{Base: 1, Put: []equipment.Item{*r101}}, "leaves everything as it is"},
		"moved":             {m, equipment.Change{Base: 1, Put: []equipment.Item{moved}}, "its place in the order"},
		"put as retired":    {m, equipment.Change{Base: 1, Put: []equipment.Item{sunk}}, "name it under retire"},
		"twice":             {m, equipment.Change{Base: 1, Put: []equipment.Item{*r101}, Retire: []string{"R101"}}, "stands under put and retire"},
		"unknown":           {m, equipment.Change{Base: 1, Retire: []string{"X"}}, "there is no"},
		"retired already":   {gone, equipment.Change{Base: 2, Retire: []string{"CHARGE"}}, "retired already"},
		"retired and put":   {gone, equipment.Change{Base: 2, Put: []equipment.Item{*charge}}, "name it under return, too"},
		"return of one":     {m, equipment.Change{Base: 1, Return: []string{"CHARGE"}}, "is in use"},
		"return of none":    {m, equipment.Change{Base: 1, Return: []string{"X"}}, "there was never"},
		"parent retired":    {m, equipment.Change{Base: 1, Retire: []string{"R101"}}, "CM1: it lies in R101, which is retired"},
		"one of two wrong":  {m, equipment.Change{Base: 1, Retire: []string{"CHARGE"}, Put: []equipment.Item{{ID: "B!", Level: "site"}}}, "is no name"},
		"output of another": {m, equipment.Change{Base: 1, Put: []equipment.Item{{ID: "X", Level: "area", Parent: "PLANT", Owners: 1, Channels: []string{"C/do/1"}, Safe: map[string]string{"C/do/1": "0"}}}}, "belongs to"},
	} {
		before := c.of.Digest()
		next, err := c.of.Apply(&c.c)
		require.ErrorContains(t, err, c.want, name)
		require.Nil(t, next, name)
		require.Equal(t, before, c.of.Digest(), name)
	}
	back, err := gone.Apply(&equipment.Change{Base: 2, Put: []equipment.Item{*charge}, Return: []string{"CHARGE"}})
	require.NoError(t, err)
	require.Equal(t, m.Digest(), back.Digest())
}

func TestAChangeTouchesWhoIsBoundAndWhatCanRun(t *testing.T) {
	m := cell(t)
	next, err := m.Apply(more(m))
	require.NoError(t, err)
	i := equipment.Touched(m, next, []equipment.Bound{
		{Batch: "B-1", Unit: "R101", Equipment: []string{"CHARGE"}, Model: 1},
		{Batch: "B-2", Unit: "R9", Equipment: []string{"CHARGE"}},
		{Batch: "B-3", Unit: "R9", Equipment: []string{"R102"}},
	}, []equipment.Runs{{Recipe: "FILL", Units: []string{"R101", "R102"}}}, []equipment.Runs{{Recipe: "FILL", Units: []string{"R101"}}, {Recipe: "RINSE", Units: []string{"R103"}}})
	require.Equal(t, []string{"B-1", "B-3"}, i.Batches)
	require.Equal(t, []string{"FILL no longer on R102", "RINSE now on R103"}, i.Recipes)
	require.Equal(t, "equipment: R101, CM1, R102, R103; batches that keep what they are bound to: B-1, B-3; recipes: FILL no longer on R102, RINSE now on R103", i.Scope)
	require.EqualValues(t, 2, i.Version)
	require.NoError(t, i.Check())

	unit, err := m.Apply(&equipment.Change{Base: 1, Retire: []string{"CM1"}})
	require.NoError(t, err)
	require.Equal(t, []string{"B-1"}, equipment.Touched(m, unit, []equipment.Bound{{Batch: "B-1", Unit: "R101"}}, nil, nil).Batches, "what lies in a unit is a part of it")
}

func TestAChangeThatTakesAnOutputFromWhoIsBoundToItWaits(t *testing.T) {
	m := cell(t)
	next, err := m.Apply(more(m))
	require.NoError(t, err)
	require.True(t, equipment.Takes(m, next))
	require.NoError(t, equipment.Keeps(m, next, []equipment.Bound{{Batch: "B-1", Unit: "R9", Equipment: []string{"CHARGE"}}}))
	err = equipment.Keeps(m, next, []equipment.Bound{{Batch: "B-1", Unit: "R101"}, {Batch: "B-2", Equipment: []string{"R102"}}})
	require.ErrorContains(t, err, "R101: output R101/do/1 would have another safe value, and B-1 is bound to it")
	require.ErrorContains(t, err, "R102: output R102/do/1 would be that of R103, and B-2 is bound to it")

	retired, err := m.Apply(&equipment.Change{Base: 1, Retire: []string{"R102"}})
	require.NoError(t, err)
	require.False(t, equipment.Takes(m, retired), "who has it keeps it")
	charge, _ := m.Item("CHARGE")
	none := *charge
	none.Channels, none.Safe = nil, nil
	bare, err := m.Apply(&equipment.Change{Base: 1, Put: []equipment.Item{none}})
	require.NoError(t, err)
	require.ErrorContains(t, equipment.Keeps(m, bare, []equipment.Bound{{Batch: "B-1", Equipment: []string{"CHARGE"}}}), "output C/do/1 would no longer be its")
	none.Owners = 0
	free, err := m.Apply(&equipment.Change{Base: 1, Put: []equipment.Item{none}})
	require.NoError(t, err)
	require.ErrorContains(t, equipment.Keeps(m, free, []equipment.Bound{{Batch: "B-1", Equipment: []string{"CHARGE"}}}), "nobody could get it any more")
	moved, err := retired.Apply(&equipment.Change{Base: 2, Put: []equipment.Item{{ID: "R103", Level: "unit", Parent: "CELL", Owners: 1, Map: "maps/r103.yaml",
		Channels: []string{"R102/do/1"}, Safe: map[string]string{"R102/do/1": "0"}}}})
	require.NoError(t, err)
	require.ErrorContains(t, equipment.Keeps(retired, moved, []equipment.Bound{{Batch: "B-2", Unit: "R102"}}), "would be that of R103", "it was retired while B-2 had it")
}

// chain is a journal in memory.
type chain []*record.Record

func (c *chain) add(t testing.TB, fill func(b *record.Body)) {
	t.Helper()
	var b record.Body
	fill(&b)
	b.Count(record.EventSeq, uint64(len(*c))+1)
	b.Text(record.JournalID, "J")
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Text(record.SyncState, "NONE")
	b.Text(record.TimeSource, "none")
	b.Text(record.DeviceID, "D")
	body, err := b.Append(nil)
	require.NoError(t, err)
	r, err := record.Parse(body)
	require.NoError(t, err)
	*c = append(*c, r)
}

func (c *chain) step(t testing.TB, old, next *equipment.Model) {
	t.Helper()
	steps := equipment.Steps(old, next)
	for i := range steps {
		c.add(t, func(b *record.Body) { equipment.Write(b, old, next, steps, i, "local:1", "engineer", "why", "none") })
	}
}

func (c chain) fold(t testing.TB) (f equipment.Fold) {
	t.Helper()
	for _, r := range c {
		require.NoError(t, f.Take(r))
	}
	return f
}

func TestAJournalHasTheModelAndEveryPrefixOneThatIsWhole(t *testing.T) {
	m := cell(t)
	next, err := m.Apply(more(m))
	require.NoError(t, err)
	var c chain
	c.step(t, nil, m)
	first := len(c)
	c.step(t, m, next)
	for n := range len(c) + 1 {
		f := c[:n].fold(t)
		version, records := f.CutOff()
		switch {
		case n < first:
			require.Nil(t, f.Model())
			require.Equal(t, n, records)
		case n < len(c):
			require.Equal(t, m.Digest(), f.Model().Digest())
			require.Equal(t, n-first, records)
			require.Equal(t, n > first, version == 2)
		default:
			require.Equal(t, next, f.Model())
			require.Zero(t, version)
		}

		// It goes on from each of them: what was cut off is void, and the next change is made.
		again := append(chain{}, c[:n]...)
		if records > 0 {
			again.add(t, func(b *record.Body) { b.Begin(record.KindRecovery); b.Text(record.RecoveryPath, equipment.Void) })
		}
		old := f.Model()
		target := m
		if old != nil {
			target, err = old.Apply(&equipment.Change{Base: old.Version, Retire: []string{"CHARGE"}})
			require.NoError(t, err)
		}
		again.step(t, old, target)
		g := again.fold(t)
		require.Equal(t, target, g.Model())
	}
}

func TestTheLargestModelIsChangedAndFolded(t *testing.T) {
	items := []equipment.Item{{ID: "P", Level: "site"}}
	for i := range equipment.MaxItems - 1 {
		id := fmt.Sprintf("U%04d", i)
		items = append(items, equipment.Item{ID: id, Level: "unit", Parent: "P", Owners: 1, Map: "maps/" + id + ".yaml", Channels: []string{id + "/do/1", id + "/do/2"},
			Safe: map[string]string{id + "/do/1": "0", id + "/do/2": "0"}})
	}
	data, err := json.Marshal(map[string]any{"schema_version": 1, "equipment": items})
	require.NoError(t, err)
	m, err := equipment.Parse("large.json", data)
	require.NoError(t, err)
	for i := range items {
		items[i].Class = "large"
	}
	next, err := m.Apply(&equipment.Change{Base: 1, Put: items})
	require.NoError(t, err)
	var c chain
	c.step(t, nil, m)
	c.step(t, m, next)
	require.Len(t, c, 2*equipment.MaxItems)
	f := c.fold(t)
	require.Equal(t, next.Digest(), f.Model().Digest())
	_, err = next.Apply(&equipment.Change{Base: 2, Put: []equipment.Item{{ID: "X", Level: "unit", Parent: "P", Map: "m.yaml"}}})
	require.ErrorContains(t, err, "a model has 1 to 1024")
}

func TestAnItemFitsIntoItsRecordWhateverItIsMadeOf(t *testing.T) {
	e := equipment.Item{ID: "P", Level: "site", Owners: 1, Capabilities: map[string]string{}}
	for i := range 80 {
		e.Capabilities[fmt.Sprint("c", i)] = strings.Repeat("\"", 200)
	}
	_, err := equipment.Parse("m.json", modelOf(t, e))
	require.ErrorContains(t, err, "bytes as JSON; at most 12288 are taken")
	for i := 80; err != nil; i-- {
		delete(e.Capabilities, fmt.Sprint("c", i))
		_, err = equipment.Parse("m.json", modelOf(t, e))
	}
	m, err := equipment.Parse("m.json", modelOf(t, e))
	require.NoError(t, err)
	e.Class = "other"
	next, err := m.Apply(&equipment.Change{Base: 1, Put: []equipment.Item{e}})
	require.NoError(t, err)
	var c chain
	c.step(t, nil, m)
	c.step(t, m, next)
}

func modelOf(t *testing.T, items ...equipment.Item) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"schema_version": 1, "equipment": items})
	require.NoError(t, err)
	return data
}

func TestARecordThatDoesNotFollowIsRefused(t *testing.T) {
	m := cell(t)
	next, err := m.Apply(more(m))
	require.NoError(t, err)
	later, err := next.Apply(&equipment.Change{Base: 2, Retire: []string{"CHARGE"}})
	require.NoError(t, err)
	var first, second, third chain
	first.step(t, nil, m)
	second.step(t, m, next)
	third.step(t, next, later)
	for name, c := range map[string]chain{
		"a version is missing":   append(append(chain{}, first...), third...),
		"a record is missing":    append(append(append(chain{}, first...), second[0]), second[2:]...),
		"the beginning is":       second,
		"one is there twice":     append(append(chain{}, first...), first...),
		"the first is there not": first[1:],
	} {
		var f equipment.Fold
		var err error
		for _, r := range c {
			if err = f.Take(r); err != nil {
				break
			}
		}
		require.ErrorContains(t, err, "not one of an equipment model", name)
	}
}

func TestAChangeFileIsReadWithItsFaults(t *testing.T) {
	c, err := equipment.ParseChange("c.yaml", []byte("base: 1\nput:\n  - {equipment_id: R9, level: unit, parent: CELL, map: maps/r9.yaml}\nretire: [CHARGE]\nreturn: [X]\n"))
	require.NoError(t, err)
	require.Equal(t, equipment.Change{Base: 1, Put: []equipment.Item{{ID: "R9", Level: "unit", Parent: "CELL", Map: "maps/r9.yaml"}}, Retire: []string{"CHARGE"}, Return: []string{"X"}}, c)
	_, err = equipment.ParseChange("c.yaml", []byte("base: 0\nputt: []\n"))
	require.ErrorContains(t, err, "c.yaml:1:7")
	require.ErrorContains(t, err, "did you mean")
}
