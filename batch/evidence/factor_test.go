// Claims about coefficients that are rounded: a package is not believed that was totalized by others.

package evidence

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

func TestARoundedCurveIsThatOfItsRuleAndNoOther(t *testing.T) {
	for _, kind := range meterKinds {
		plan, err := batch.Load(meterPlan(kind.meter, kind.factor), "recipe.yaml", "map.yaml", nil)
		require.NoError(t, err, kind.name)
		r := &records{m: plan.Map, cal: plan.Calibration}
		meter := &plan.Map.Meters[0]
		bound, err := batch.BindMeter(plan.Map, plan.Calibration, meter)
		require.NoError(t, err, kind.name)
		require.NoError(t, r.factor(meter, &bound), kind.name)
		if !bound.Curve.Rounded {
			continue
		}
		last := len(bound.Curve.A) - 1
		for name, forge := range map[string]func(m *metering.Meter){
			"a slope":       func(m *metering.Meter) { m.Curve.A[last]++ },
			"an offset":     func(m *metering.Meter) { m.Curve.B[last]-- },
			"a point":       func(m *metering.Meter) { m.Curve.X[last]++ },
			"the unit":      func(m *metering.Meter) { m.K, _ = quantity.NewRatio(m.K.Num(), m.K.Den()+1) },
			"as if exact":   func(m *metering.Meter) { m.Curve.Rounded = false },
			"a piece fewer": func(m *metering.Meter) { m.Curve.B = m.Curve.B[:last] },
			"coarser": func(m *metering.Meter) {
				for i := range m.Curve.A {
					m.Curve.A[i] /= 10
					m.Curve.B[i] /= 10
				}
				m.Curve.Per /= 10
			},
		} {
			m, err := batch.BindMeter(plan.Map, plan.Calibration, meter)
			require.NoError(t, err)
			forge(&m)
			require.ErrorIs(t, r.factor(meter, &m), errFactor, "%s: %s", kind.name, name)
		}
	}
}
