// This file holds the recipe, I/O map and calibration of the demonstration against each other.

package recipe

import (
	"os"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

func demoFile(t *testing.T, name string) []byte {
	t.Helper()
	src, err := os.ReadFile("../examples/controller/demo/" + name)
	require.NoError(t, err)
	return src
}

func TestTheDemoFilesFitTogether(t *testing.T) {
	r := parse(t, string(demoFile(t, "recipe.yaml")))
	m, err := iomap.Parse("map.yaml", demoFile(t, "map.yaml"))
	require.NoError(t, err)
	c, err := metering.ParseCalibration(m.Calibration, demoFile(t, m.Calibration))
	require.NoError(t, err)
	var meters []string
	for i := range m.Meters {
		meter := &m.Meters[i]
		one := quantity.Quantity{Coef: 1, Unit: m.Tags[meter.Source].Unit}
		require.NoError(t, c.Bind(&metering.Meter{Method: meter.Method, Bits: meter.Bits}, meter.Name, one, meter.Resolution))
		meters = append(meters, meter.Name)
	}
	for _, size := range []string{"100 kg", "200 kg", "399.99 kg"} {
		formula, err := r.Resolve(q(size))
		require.NoError(t, err)
		total := int64(0)
		for _, name := range []string{"charge_a", "charge_b"} {
			charge, ok := formula.Lookup(name)
			require.True(t, ok)
			counts, err := charge.CountsRound(q("0.01 kg"))
			require.NoError(t, err)
			total += counts
		}
		want, err := q(size).Counts(q("0.01 kg"))
		require.NoError(t, err)
		require.InDelta(t, want, total, 1, "the charges add up to the batch")

		var walk func(e *Element)
		walk = func(e *Element) {
			for _, c := range e.Children {
				walk(c)
			}
			for i := range e.Actions {
				a := &e.Actions[i]
				fitsMap(t, a, formula, m)
				if a.Kind == OpenWindow {
					require.Contains(t, meters, a.Meter)
				}
			}
		}
		walk(r.Root)
	}
}

// fitsMap holds the tags that an action names, and the values that it gives them, against the map.
func fitsMap(t *testing.T, a *Action, formula Formula, m *iomap.Map) {
	t.Helper()
	tagOf := func(name string) *iomap.Tag {
		id, ok := m.Lookup(name)
		require.True(t, ok, name)
		return &m.Tags[id]
	}
	switch a.Kind {
	case Wait:
		_, errs := a.Cond.Bind(m, formula)
		require.Empty(t, errs, a.Cond)
	case VerifyStable:
		_, err := a.Within.Quantity.Counts(tagOf(a.Tag).Resolution)
		require.NoError(t, err)
	case Set:
		for i := range a.Settings {
			s := &a.Settings[i]
			output := tagOf(s.Name)
			require.True(t, output.Output, s.Name)
			if output.Type == iomap.Switch {
				require.Contains(t, output.Words, s.Value.Word)
				continue
			}
			value, ok := formula.Amount(&s.Value)
			require.True(t, ok)
			counts, err := value.Counts(output.Resolution)
			require.NoError(t, err)
			require.True(t, output.Min <= counts && counts <= output.Max)
		}
	}
}
