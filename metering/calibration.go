// Calibrations: versioned factors of meters, and the file that they are read from.

package metering

import (
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// CalibrationSchema is the version of the calibration file that this package reads (schema_version).
const CalibrationSchema = 1

// MaxFactors is how many factors a calibration may hold.
const MaxFactors = 256

// Calibration is one version of the factors of a plant's meters. It is never changed after ParseCalibration.
type Calibration struct {
	ID            string
	Version       string // calib_version, verbatim
	ValidFrom     int64  // ns since 1970-01-01 UTC, the first instant at which it holds; 0: open
	ValidTo       int64  // ns since 1970-01-01 UTC, the first instant at which it holds no more; 0: open
	EffectiveFrom int64  // ns since 1970-01-01 UTC, when it was approved to take effect: it does not hold before; 0: open
	Factors       []Factor
}

// Factor is the calibration of one meter: a K-factor, a straight line or a polyline.
type Factor struct {
	Meter   string            // name of the meter in the I/O map
	K       quantity.Quantity // above zero; 0.01 kg/{pulse}, 100 {pulse}/kg or 1.0025; zero: another form
	Gain    quantity.Quantity // straight line: above zero; zero: another form
	Offset  quantity.Quantity // straight line: what is to be added; of a counter a flow, while it counts
	Points  []Point           // polyline: 2 to MaxPoints, ascending in both; nil: another form
	Density quantity.Quantity // makes a mass of a volume, or the other way round; zero: none
}

// Point is one point of a polyline.
type Point struct {
	Source quantity.Quantity // what the source shows; of a counter its frequency, of a totalizer its flow
	True   quantity.Quantity // what that is; of a counter and a totalizer a flow
}

// Covers tells whether the calibration is valid, and in effect, at utc, ns since 1970-01-01.
func (c *Calibration) Covers(utc int64) bool {
	return (c.ValidFrom == 0 || utc >= c.ValidFrom) && (c.ValidTo == 0 || utc < c.ValidTo) &&
		(c.EffectiveFrom == 0 || utc >= c.EffectiveFrom)
}

// Words are the coefficients of a meter, as they are written: ["k_factor 100 {pulse}/kg"], ["linear 1.0025 0.05 kg/min"] or
// ["polyline", "10 Hz 0.36 kg/min", "100 Hz 3.61 kg/min"], and "density 0.998 kg/L" behind each; nil for a meter without factor.
func (c *Calibration) Words(meter string) []string {
	f := c.factor(meter)
	if f == nil {
		return nil
	}
	var words []string
	switch {
	case f.K.Coef != 0:
		words = append(words, "k_factor "+f.K.String())
	case f.Gain.Coef != 0:
		words = append(words, "linear "+f.Gain.String()+" "+f.Offset.String())
	default:
		words = append(words, "polyline")
		for _, p := range f.Points {
			words = append(words, p.Source.String()+" "+p.True.String())
		}
	}
	if f.Density.Coef != 0 {
		words = append(words, "density "+f.Density.String())
	}
	return words
}

func (c *Calibration) factor(meter string) *Factor {
	if c != nil {
		for i := range c.Factors {
			if c.Factors[i].Meter == meter {
				return &c.Factors[i]
			}
		}
	}
	return nil
}

// ParseCalibration reads a calibration file, YAML or its subset JSON; file is the name that errors show. What is wrong is
// returned all at once, each error with line, column and the line itself; then the Calibration is nil.
//
// Its keys are calibration (the name), version, schema_version: 1, valid_from, valid_to and effective_from (2026-01-01T00:00:00Z;
// left out: open) and factors, a list. An entry of it has meter, one of
//
//	k_factor: 100 {pulse}/kg                            # or 0.01 kg/{pulse}, or 1.0025 where units are the same, 1 beside a density alone
//	linear: {gain: 1.0025, offset: 0.05 kg/min}         # what the source shows, by gain, and the offset added
//	polyline: [[0 Hz, 0 kg/min], [10 Hz, 0.36 kg/min]]  # 2 to 16 points, ascending in both
//
// and density: 0.998 kg/L where the source has litres and the total kilograms, or the other way round. Of a counter, offset and
// the true values are flows, and the first value of a point is a frequency, of a totalizer a flow. Outside its points a polyline
// knows nothing. That of a counter or totalizer begins at [0 Hz, 0 kg/min], since its first increment comes slowly: another is
// refused where it is bound. Where an entry stands in braces, a value with braces of its own stands in quotes:
// {meter: FQ101, k_factor: "100 {pulse}/kg"}.
func ParseCalibration(file string, src []byte) (*Calibration, error) {
	doc := strictyaml.Parse(file, src, nil)
	f := doc.Root().Map()
	c := &Calibration{ID: f.Req("calibration").Ident(), Version: f.Req("version").Ident()}
	f.Req("schema_version").Int(CalibrationSchema, CalibrationSchema)
	if n, ok := f.Opt("valid_from"); ok {
		c.ValidFrom = dateOf(n)
	}
	if n, ok := f.Opt("valid_to"); ok {
		if c.ValidTo = dateOf(n); c.ValidTo != 0 && c.ValidTo <= c.ValidFrom {
			n.Errorf("valid_to is not after valid_from")
		}
	}
	if n, ok := f.Opt("effective_from"); ok {
		if c.EffectiveFrom = dateOf(n); c.ValidTo != 0 && c.EffectiveFrom >= c.ValidTo {
			n.Errorf("effective_from is not before valid_to; it would never hold")
		}
	}
	seen := map[string]int{}
	for _, item := range f.Req("factors").List(MaxFactors) {
		c.Factors = append(c.Factors, factorOf(item, seen))
	}
	f.Done()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// dateOf reads an instant such as 2026-01-01T00:00:00Z as ns since 1970-01-01 UTC; 0 where it is refused.
func dateOf(n strictyaml.Node) int64 {
	text := n.Str()
	if text == "" {
		return 0
	}
	ns, ok := parseUTC(text)
	if !ok {
		n.Errorf("%q is not a time in UTC from %d to %d; write one such as 2026-01-01T00:00:00Z", text, firstYear, lastYear)
	}
	return ns
}

// The years that dates may have: none is 0 ns, which means open, and none comes near the end of 64 bits.
const (
	firstYear = 2000
	lastYear  = 2199
)

// parseUTC reads an RFC 3339 instant of whole seconds in UTC.
func parseUTC(s string) (ns int64, ok bool) {
	const form = "0000-00-00T00:00:00Z"
	var v [6]int64 // year to second
	field := 0
	for i := range len(s) {
		switch {
		case len(s) != len(form):
			return 0, false
		case form[i] != '0' && s[i] == form[i]:
			field++
		case form[i] == '0' && s[i] >= '0' && s[i] <= '9':
			v[field] = v[field]*10 + int64(s[i]-'0')
		default:
			return 0, false
		}
	}
	year, month, day := v[0], v[1], v[2]
	if year < firstYear || year > lastYear || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		v[3] > 23 || v[4] > 59 || v[5] > 59 {
		return 0, false
	}
	days := day - 1
	for y := int64(1970); y < year; y++ {
		days += 337 + daysIn(y, 2)
	}
	for m := int64(1); m < month; m++ {
		days += daysIn(year, m)
	}
	return (((days*24+v[3])*60+v[4])*60 + v[5]) * 1_000_000_000, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
