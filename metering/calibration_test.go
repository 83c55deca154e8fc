// This file tests calibrations: what a file becomes, the exact messages of wrong ones, dates, and what K-factors make of meters.

package metering_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

func quantityOf(s string) quantity.Quantity {
	q, err := quantity.Parse(s)
	if err != nil {
		panic(err)
	}
	return q
}

const goodCalibration = `
calibration: T301-METERS
version: 1.10
schema_version: 1
valid_from: 2026-01-01T00:00:00Z
valid_to: 2028-02-29T23:59:59Z
factors:
  - meter: FQ101
    k_factor: 100 {pulse}/kg
  - meter: FQ201
    k_factor: 0.0100 kg/{pulse}
  - {meter: FQ301, k_factor: 1.0025}
  - {meter: FQ401, k_factor: "7.5 {pulse}/L"}
`

func TestACalibrationIsReadAsItStands(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(goodCalibration))
	require.NoError(t, err)
	require.Equal(t, &metering.Calibration{
		ID: "T301-METERS", Version: "1.10",
		ValidFrom: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(),
		ValidTo:   time.Date(2028, 2, 29, 23, 59, 59, 0, time.UTC).UnixNano(),
		Factors: []metering.Factor{{Meter: "FQ101", K: quantityOf("100 {pulse}/kg")}, {Meter: "FQ201", K: quantityOf("0.0100 kg/{pulse}")},
			{Meter: "FQ301", K: quantityOf("1.0025")}, {Meter: "FQ401", K: quantityOf("7.5 {pulse}/L")}},
	}, c)
}

func TestEveryErrorOfAWrongCalibrationIsToldAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/calibration_*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		c, err := metering.ParseCalibration(filepath.Base(file), src)
		require.Nil(t, c, file)
		require.Error(t, err, file)
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
	}
}

func TestValidityIncludesItsBeginAndExcludesItsEnd(t *testing.T) {
	c := metering.Calibration{ValidFrom: 100, ValidTo: 200}
	for utc, want := range map[int64]bool{99: false, 100: true, 199: true, 200: false} {
		require.Equal(t, want, c.Covers(utc), utc)
	}
	open := metering.Calibration{}
	require.True(t, open.Covers(-1) && open.Covers(0) && open.Covers(1<<62))
}

func TestDatesAreThoseOfTheCalendar(t *testing.T) {
	read := func(date string) (int64, error) {
		c, err := metering.ParseCalibration("c", []byte("{calibration: a, version: b, schema_version: 1, factors: [], valid_from: '"+date+"'}"))
		if err != nil {
			return 0, err
		}
		return c.ValidFrom, nil
	}
	for at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2200; at = at.Add(977*time.Hour + 59*time.Minute + 59*time.Second) {
		ns, err := read(at.Format(time.RFC3339))
		require.NoError(t, err)
		require.Equal(t, at.UnixNano(), ns, at)
	}
	for _, date := range []string{"1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00z",
		"2026-01-01T00:00:00+00:00", "2026-1-01T00:00:00ZZ", "20260-1-01T00:00:00Z"} {
		_, err := read(date)
		require.ErrorContains(t, err, "is not a time in UTC from 2000 to 2199; write one such as 2026-01-01T00:00:00Z", date)
	}
}

// factorOf is the K that a calibration binds to a meter: of pulses where one is a count, otherwise of a scale.
func factorOf(c *metering.Calibration, meter, one, resolution string) (quantity.Ratio, error) {
	m := metering.Meter{Method: metering.Weight}
	if strings.HasSuffix(one, "{pulse}") {
		m = metering.Meter{Method: metering.Pulses, Bits: 32}
	}
	err := c.Bind(&m, meter, quantityOf(one), quantityOf(resolution))
	return m.K, err
}

func TestAKFactorTurnsCountsOfTheSourceIntoCountsOfTheResolution(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(goodCalibration))
	require.NoError(t, err)
	for _, k := range []struct {
		c                            *metering.Calibration
		meter, one, resolution, want string
	}{
		{c, "FQ101", "1 {pulse}", "0.01 kg", "1"},
		{c, "FQ101", "1 {pulse}", "0.001 kg", "10"},
		{c, "FQ201", "1 {pulse}", "1 g", "10"},
		{c, "FQ301", "1 kg", "0.01 kg", "401/4"},
		{c, "FQ401", "1 {pulse}", "0.01 L", "40/3"},
		{c, "none", "1 g", "0.01 kg", "1/10"},
		{nil, "FQ101", "1 kg", "1 g", "1000"},
	} {
		r, err := factorOf(k.c, k.meter, k.one, k.resolution)
		require.NoError(t, err)
		require.Equal(t, k.want, r.String(), k)
	}
}

func TestAKFactorIsRefusedWhereUnitsDoNotFit(t *testing.T) {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(goodCalibration))
	require.NoError(t, err)
	_, err = factorOf(c, "FQ101", "1 {pulse}", "0.01 L")
	require.ErrorIs(t, err, quantity.ErrDimension)
	require.ErrorContains(t, err, `metering: calibration "T301-METERS", meter "FQ101": k_factor 100 {pulse}/kg from {pulse} to counts of "0.01 L"`)
	_, err = factorOf(c, "FQ101", "1 kg", "0.01 kg")
	require.ErrorIs(t, err, quantity.ErrDimension)
	_, err = factorOf(c, "FQ999", "1 {pulse}", "0.01 kg")
	require.ErrorIs(t, err, quantity.ErrDimension)
	require.ErrorContains(t, err, `metering: meter "FQ999": no factor from {pulse} to counts of "0.01 kg"`)
	_, err = factorOf(c, "FQ101", "1 {pulse}", "0.000000000001 mg")
	require.NoError(t, err)
	c.Factors[0].K = quantityOf("9223372036854775807 kg/{pulse}")
	_, err = factorOf(c, "FQ101", "1 {pulse}", "0.01 kg")
	require.ErrorIs(t, err, quantity.ErrOverflow)
	require.ErrorContains(t, err, "write fewer digits")
}

func TestDemoCalibrationIsRead(t *testing.T) {
	src, err := os.ReadFile("../examples/controller/demo/calibration.yaml")
	require.NoError(t, err)
	c, err := metering.ParseCalibration("calibration.yaml", src)
	require.NoError(t, err)
	for _, meter := range []string{"FQ101", "FQ201"} {
		r, err := factorOf(c, meter, "1 {pulse}", "0.01 kg")
		require.NoError(t, err)
		require.Equal(t, "1", r.String())
	}
}

// FuzzParseCalibration holds any source against panics, and what is accepted against the promises of a Calibration.
func FuzzParseCalibration(f *testing.F) {
	f.Add([]byte(goodCalibration))
	f.Add([]byte(curvedCalibration))
	for _, file := range []string{"header", "factors", "curves"} {
		src, err := os.ReadFile("testdata/wrong/calibration_" + file + ".yaml")
		require.NoError(f, err)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := metering.ParseCalibration("c.yaml", src)
		require.Equal(t, err == nil, c != nil)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, c.EffectiveFrom, int64(0))
		require.True(t, c.ID != "" && c.Version != "" && c.ValidFrom >= 0 && (c.ValidTo == 0 || c.ValidTo > c.ValidFrom))
		for i := range c.Factors {
			f := &c.Factors[i]
			require.True(t, f.Meter != "" && f.K.Coef >= 0 && f.Gain.Coef >= 0 && f.Density.Coef >= 0 && len(f.Points) <= metering.MaxPoints)
			require.NotEmpty(t, c.Words(f.Meter))
			for method, one := range []string{"1 {pulse}", "0.01 kg", "0.1 kg/h", "0.01 kg"} {
				m := metering.Meter{Method: metering.Method(method), Trapezoid: true, Tare: metering.Tare{Limited: true, Most: 100}}
				if c.Bind(&m, f.Meter, quantityOf(one), quantityOf("0.01 kg")) == nil {
					require.NotZero(t, m.K.Num())
				}
			}
		}
	})
}

func ExampleParseCalibration() {
	c, err := metering.ParseCalibration("calibration.yaml", []byte(`
calibration: T301-METERS
version: "2026-01"
schema_version: 1
factors:
  - meter: FQ101
    k_factor: 75 {pulse}/kg
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	one, _ := quantity.Parse("1 {pulse}")
	resolution, _ := quantity.Parse("0.01 kg")
	m := metering.Meter{Method: metering.Pulses, Bits: 32}
	err = c.Bind(&m, "FQ101", one, resolution)
	fmt.Println(m.K, err)
	// Output:
	// 4/3 <nil>
}
