// Claims about what a calibration makes of a meter: coefficients, exactly, and the words of what does not fit.

package metering_test

import (
	"testing"

	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

const curvedCalibration = `
calibration: T301-METERS
version: "2026-02"
schema_version: 1
valid_from: 2026-01-01T00:00:00Z
effective_from: 2026-02-01T00:00:00Z
factors:
  - {meter: FQ101, polyline: [[0 Hz, 0 kg/min], [10 Hz, 6.00 kg/min], [100 Hz, 60.54 kg/min]]}
  - {meter: FQ102, linear: {gain: "0.01 kg/{pulse}", offset: -0.05 kg/min}}
  - {meter: FQ103, k_factor: "75 {pulse}/L", density: 0.998 kg/L}
  - {meter: FT201, linear: {gain: 1.0025, offset: 0.05 kg/min}}
  - {meter: FT202, linear: {gain: 1, offset: 0 L/h}, density: 0.998 kg/L}
  - {meter: FT203, polyline: [[0.0 kg/h, -0.2 kg/h], [50.0 kg/h, 49.8 kg/h], [1000.0 kg/h, 1001.3 kg/h]]}
  - {meter: FT204, polyline: [[0.0 kg/h, 0 kg/h], [99.7 kg/h, 100 kg/h], [499.1 kg/h, 500 kg/h], [1003.1 kg/h, 1000 kg/h], [1999.2 kg/h, 2000 kg/h]]}
  - {meter: FQ301, polyline: [[0 kg/s, 0 kg/s], [0.1 kg/s, 0.11 kg/s]]}
  - {meter: WT401, linear: {gain: 1.25, offset: 0.30 kg}}
  - {meter: WT402, k_factor: 0.5}
`

func TestAMeterIsBoundInWholeNumbers(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(curvedCalibration))
	require.NoError(t, err)
	for _, b := range []struct {
		meter, one, resolution string
		m                      metering.Meter
		k                      string
		per                    int64
		x, a, b                []int64
	}{
		// 6 kg/min at 10 Hz are 0.01 kg for each pulse; 54.54 kg/min more at 90 Hz more are 0.0101 kg, and 0.06 kg/min less at 0 Hz.
		{"FQ101", "1 {pulse}", "0.01 kg", metering.Meter{}, "1/10000000000", 0, []int64{0, 10_000, 100_000},
			[]int64{10_000_000_000, 10_100_000_000}, []int64{0, -1}},
		{"FQ102", "1 {pulse}", "0.01 kg", metering.Meter{}, "1/12000000000", 0, nil, []int64{12_000_000_000}, []int64{-1}},
		{"FQ103", "1 {pulse}", "0.001 kg", metering.Meter{}, "998/75", 0, nil, nil, nil},
		{"FT201", "0.1 kg/h", "0.01 kg", metering.Meter{Method: metering.Flow}, "1/144000000000000", 0, nil, []int64{401}, []int64{12_000}},
		{"FT201", "0.1 kg/h", "0.01 kg", metering.Meter{Method: metering.Flow, Trapezoid: true}, "1/288000000000000", 0, nil, []int64{401}, []int64{12_000}},
		{"FT202", "1 L/h", "0.01 kg", metering.Meter{Method: metering.Flow}, "499/18000000000000", 0, nil, nil, nil},
		{"FT203", "0.1 kg/h", "1 kg", metering.Meter{Method: metering.Flow}, "1/68400000000000000", 0, []int64{0, 500, 10_000},
			[]int64{1_900, 1_903}, []int64{-3_800, -5_300}},
		{"none", "0.1 kg/h", "0.01 kg", metering.Meter{Method: metering.Flow}, "1/360000000000", 0, nil, nil, nil},
		{"FQ301", "0.01 kg", "0.01 kg", metering.Meter{Method: metering.Totalizer}, "11/10", 0, []int64{0, 10_000}, []int64{1}, []int64{0}},
		{"WT401", "0.01 kg", "0.01 kg", metering.Meter{Method: metering.Weight}, "5/4", 0, nil, []int64{1}, []int64{24}},
	} {
		require.NoError(t, c.Bind(&b.m, b.meter, quantityOf(b.one), quantityOf(b.resolution)), b.meter)
		require.Equal(t, b.k, b.m.K.String(), b.meter)
		require.Equal(t, metering.Curve{X: b.x, A: b.a, B: b.b, Per: b.per}, b.m.Curve, b.meter)
	}
}

func TestAFractionThatKDoesNotHoldIsDividedBy(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(curvedCalibration))
	require.NoError(t, err)
	m := metering.Meter{Method: metering.Flow}
	require.NoError(t, c.Bind(&m, "FT204", quantityOf("0.1 kg/h"), quantityOf("0.01 kg")))
	require.Greater(t, m.Curve.Per, int64(1))
	b := newBench(m, 0)
	b.open(0, 997)
	require.EqualValues(t, 10_000, b.close(3_600_000).Value, "an hour at 100 kg/h")
}

func TestTheLimitOfATareIsOfTheTrueWeight(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(curvedCalibration))
	require.NoError(t, err)
	for meter, most := range map[string]int64{"WT401": 776, "WT402": 2_000} { // 1.25 * 7.76 kg + 0.30 kg is 10.00 kg; half of 20 kg is
		m := metering.Meter{Method: metering.Weight, Tare: metering.Tare{Limited: true, Most: 1_000}}
		require.NoError(t, c.Bind(&m, meter, quantityOf("0.01 kg"), quantityOf("0.01 kg")))
		b := newBench(m, 0)
		require.Equal(t, metering.WhyTare, b.open(0, most+1)[0].Why, meter)
		require.Equal(t, metering.Opened, b.open(0, most)[0].Kind, meter)
	}
}

func TestWhatDoesNotFitTogetherIsSaid(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(curvedCalibration))
	require.NoError(t, err)
	for _, b := range []struct {
		meter, one, resolution string
		method                 metering.Method
		is                     error
		says                   string
	}{
		{"FQ101", "1 {pulse}", "0.01 L", metering.Pulses, quantity.ErrDimension, `metering: calibration "T301-METERS", meter "FQ101": polyline from ` +
			`{pulse} to counts of "0.01 L": point "0 kg/min": a mass against a volume needs a density; write one in the calibration, such as density: 0.998 kg/L`},
		{"FQ102", "1 {pulse}", "0.01 m", metering.Pulses, quantity.ErrDimension, "gain: "},
		{"FQ103", "1 {pulse}", "0.01 L", metering.Pulses, quantity.ErrDimension, "a density is not needed here; leave it out"},
		{"none", "1 L/h", "0.01 kg", metering.Flow, quantity.ErrDimension, `metering: meter "none": no factor from L/h to counts of "0.01 kg": a mass against`},
		{"none", "1 {pulse}", "0.01 kg", metering.Pulses, quantity.ErrDimension, `meter "none": no factor from {pulse} to counts of "0.01 kg"`},
		{"FT203", "0.3 kg/h", "0.01 kg", metering.Flow, nil, `point "50.0 kg/h": not a whole number of counts of the source; write one that is`},
		{"FQ301", "0.3 kg", "0.01 kg", metering.Totalizer, nil, `point "0.1 kg/s": not a whole number of counts of the source in 1000 s; write one that is`},
		{"FT201", "0.1 kg/h", "0.01 kg", metering.Weight, quantity.ErrDimension, "gain: "},
		{"FT204", "0.1 kg/h", "0.000000000001 kg", metering.Flow, nil, ""},
	} {
		m := metering.Meter{Method: b.method}
		err := c.Bind(&m, b.meter, quantityOf(b.one), quantityOf(b.resolution))
		if b.says == "" {
			require.NoError(t, err, b.meter)
			continue
		}
		require.ErrorContains(t, err, b.says)
		if b.is != nil {
			require.ErrorIs(t, err, b.is, b.says)
		}
	}
	c.Factors[0].Points[1].True = quantityOf("6.000000000001 kg/min")
	c.Factors[0].Points[1].Source = quantityOf("9.973 Hz")
	m := metering.Meter{}
	require.ErrorContains(t, c.Bind(&m, "FQ101", quantityOf("1 {pulse}"), quantityOf("0.01 kg")), "does not fit 64 bits; write fewer digits")
	c.Factors[0].Points[1].True, c.Factors[0].Points[2].Source = quantityOf("6.0001 kg/min"), quantityOf("99.989 Hz")
	require.NoError(t, c.Bind(&m, "FQ101", quantityOf("1 {pulse}"), quantityOf("0.01 kg")))
	require.True(t, m.Curve.Rounded)
}

func TestCoefficientsAreToldAsTheyAreWritten(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(curvedCalibration))
	require.NoError(t, err)
	for meter, want := range map[string][]string{
		"FQ101": {"polyline", "0 Hz 0 kg/min", "10 Hz 6.00 kg/min", "100 Hz 60.54 kg/min"},
		"FQ103": {"k_factor 75 {pulse}/L", "density 0.998 kg/L"},
		"FT201": {"linear 1.0025 0.05 kg/min"},
		"none":  nil,
	} {
		require.Equal(t, want, c.Words(meter))
	}
	require.Nil(t, (*metering.Calibration)(nil).Words("FQ101"))
	const january, february = 1_767_225_600_000_000_000, 1_769_904_000_000_000_000
	require.Equal(t, []int64{january, february}, []int64{c.ValidFrom, c.EffectiveFrom})
	require.False(t, c.Covers(february-1), "valid, but not in effect")
	require.True(t, c.Covers(february))
}
