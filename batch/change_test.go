// Tests of parameters that are changed: what stands against it, what becomes of the program, and what a snapshot keeps.

package batch

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
)

// edited binds the recipe of a directory with pairs of texts replaced.
func edited(t testing.TB, dir, size string, replace ...string) *Batch {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range []string{"recipe.yaml", "map.yaml", "calibration.yaml"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if name == "recipe.yaml" {
			data = []byte(strings.NewReplacer(replace...).Replace(string(data)))
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	plan, err := Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", size, Unapproved, nil)
	require.NoError(t, err)
	return b
}

const (
	demo  = "testdata/engine1/demo/files"
	words = "runner/testdata/language"
)

func amount(t testing.TB, text string) quantity.Quantity {
	t.Helper()
	q, err := quantity.Parse(text)
	require.NoError(t, err)
	return q
}

func TestWhatStandsAgainstAChangeIsToldWithItsPlace(t *testing.T) {
	band := edited(t, demo, "", "TT301 >= 58.00 Cel", "TT301 >= 58.00 Cel and (TT301 < $temperature or TT301 > 90.00 Cel and TT301 < 91.00 Cel and ES301 == tripped and ES301 == healthy)")
	tanks := edited(t, words, "200 L")
	for _, c := range []struct {
		b                *Batch
		name, value, why string
	}{
		{band, "temperature", "70 Cel", ""},
		{band, "temperature", "50 Cel", "HEAT/2 would wait in vain: no values of the tags make TT301 >= 58.00 Cel and " +
			"(TT301 < $temperature or TT301 > 90.00 Cel and TT301 < 91.00 Cel and ES301 == tripped and ES301 == healthy) true with it"},
		{band, "temperature", "85 Cel", "parameter temperature: 85 Cel is above its max 80 Cel"},
		{band, "coarse_short", "-1 kg", `the recipe cannot run with it, line 52, column 49: short_by "-1 kg" is below zero`},
		{band, "coarse_short", "0 kg", ""},
		{band, "tolerance", "-1 kg", `the recipe cannot run with it, line 50, column 84: tolerance "-1 kg" is below zero`},
		{band, "tolerance", "0.005 kg", `the recipe cannot run with it, line 50, column 84: "0.005 kg" in counts of "0.01 kg": not a whole number of counts`},
		{tanks, "full", "30 L", ""},
		{tanks, "full", "30.05 L", `the recipe cannot run with it, line 21, column 16: condition, column 15: tag "reactor.LT" comes in steps of 0.1 L, ` +
			`and $full: "30.05 L" is no whole number of these`},
		{tanks, "volume", "300 L", ""}, // the unit that it has is large enough
		{tanks, "volume", "301 L", "the recipe cannot run with it, line 11, column 5: reactor: unit R100, which the batch has, has volume 300 L, less than 301 L"},
	} {
		begun := c.b.bound()
		next, why := c.b.change(&begun, c.name, amount(t, c.value))
		require.Equal(t, c.why, why, "%s = %s", c.name, c.value)
		require.Equal(t, c.b.bound(), begun, "what the batch began with is never changed")
		if why == "" {
			got, _ := next.formula.Lookup(c.name)
			require.Equal(t, c.value, got.String())
			require.Same(t, c.b.Equipment, next.prog.equipment)
		}
	}
}

// shape is a program without its constants and words.
func shape(p *sequencer.Program) *sequencer.Program {
	q := *p
	q.Elems = append([]sequencer.Elem(nil), p.Elems...)
	for i := range q.Elems {
		q.Elems[i].Timeout = min(q.Elems[i].Timeout, 1)
	}
	form := func(c cond.Cond) cond.Cond {
		c = append(cond.Cond(nil), c...)
		for i := range c {
			c[i].Value, c[i].Time = 0, min(c[i].Time, 1)
		}
		return c
	}
	q.Actions = append([]sequencer.Action(nil), p.Actions...)
	for i := range q.Actions {
		a := &q.Actions[i]
		a.Cond, a.For, a.Short, a.Within, a.Reason, a.Limit = form(a.Cond), min(a.For, 1), 0, 0, "", ""
	}
	q.Sets = append([]sequencer.Set(nil), p.Sets...)
	for i := range q.Sets {
		q.Sets[i].Value = 0
	}
	q.Choices = append([]sequencer.Choice(nil), p.Choices...)
	for i := range q.Choices {
		q.Choices[i].Cond, q.Choices[i].Text = form(q.Choices[i].Cond), ""
	}
	q.Windows = make([]sequencer.Window, len(p.Windows))
	return &q
}

func TestAnotherFormulaMakesAProgramOfTheSameForm(t *testing.T) {
	b := edited(t, demo, "", "TT301 >= 58.00 Cel", "TT301 >= $temperature and stable(TT301, 0.1 Cel, $hold_time)", "timeout: 90 s", "timeout: $hold_time")
	f := b.bound()
	for _, c := range [][2]string{{"charge_a", "60 kg"}, {"hold_time", "7 min"}, {"temperature", "75.0 Cel"}, {"fine_short", "0.10 kg"}, {"tolerance", "1 kg"}} {
		next, why := b.change(&f, c[0], amount(t, c[1]))
		require.Empty(t, why)
		require.False(t, reflect.DeepEqual(f.prog.seq, next.prog.seq) && reflect.DeepEqual(f.prog.windows, next.prog.windows), "%s is used", c[0])
		require.Equal(t, shape(&f.prog.seq), shape(&next.prog.seq), c[0])
		require.Equal(t, f.prog.elems, next.prog.elems)
		require.Equal(t, f.prog.outputs, next.prog.outputs)
		require.Equal(t, f.prog.meters, next.prog.meters)
		f = next
	}
}

func TestASnapshotKeepsTheChangesWhateverTheirOrderAndTakesNoneThatCannotBe(t *testing.T) {
	b := edited(t, demo, "", "TT301 >= 58.00 Cel", "TT301 >= $low and TT301 < $temperature", "  - {name: hold_time",
		"  - {name: low, value: 50 Cel, min: 20 Cel, max: 90 Cel}\n  - {name: same, value: $low, max: 78 Cel}\n  - {name: hold_time")
	m := b.Start()
	for _, c := range [][2]string{{"temperature", "80 Cel"}, {"low", "70 Cel"}} { // 70 Cel first would be in vain
		next, why := b.change(&m.form, c[0], amount(t, c[1]))
		require.Empty(t, why)
		m.form = next
	}
	snap := m.Snapshot(nil)
	again := b.Start()
	require.NoError(t, again.Restore(snap))
	require.Equal(t, m.form, again.form)
	require.Equal(t, snap, again.Snapshot(nil))
	require.NoError(t, again.Restore(b.Start().Snapshot(nil)), "a machine that is put back to where nothing was changed")
	require.Equal(t, b.bound(), again.form)

	for _, c := range []struct {
		name string
		own  own
	}{
		{"low", own{true, 0, 91}},     // above its max
		{"low", own{true, 0, 79}},     // above the max of what has its value
		{"low", own{true, 13, 70}},    // no quantity
		{"same", own{true, 0, 70}},    // it has the value of another
		{"low", own{true, 3, 70_005}}, // no whole counts of the tag
	} {
		bad := b.Start()
		for i := range bad.form.formula {
			if bad.form.formula[i].Name == c.name {
				bad.form.own[i] = c.own
			}
		}
		require.ErrorIs(t, b.Start().Restore(bad.Snapshot(nil)), errSnapshot, "%+v", c)
	}
}
