// Calibrations: versioned K-factors of meters, and the file that they are read from.

package metering

import (
	"errors"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// CalibrationSchema is the version of the calibration file that this package reads (schema_version).
const CalibrationSchema = 1

// MaxFactors is how many factors a calibration may hold.
const MaxFactors = 256

// Calibration is one version of the K-factors of a plant's meters. It is never changed after ParseCalibration.
type Calibration struct {
	ID        string
	Version   string // calib_version, verbatim
	ValidFrom int64  // ns since 1970-01-01 UTC, the first instant at which it holds; 0: open
	ValidTo   int64  // ns since 1970-01-01 UTC, the first instant at which it holds no more; 0: open
	Factors   []Factor
}

// Factor is the K-factor of one meter.
type Factor struct {
	Meter string            // name of the meter in the I/O map
	K     quantity.Quantity // above zero; amount per count (0.01 kg/{pulse}) or counts per amount (100 {pulse}/kg)
}

// Covers tells whether the calibration is valid at utc, ns since 1970-01-01.
func (c *Calibration) Covers(utc int64) bool {
	return (c.ValidFrom == 0 || utc >= c.ValidFrom) && (c.ValidTo == 0 || utc < c.ValidTo)
}

// Ratio is how many counts of resolution one count of a meter's source makes, exactly. counted is what the source counts,
// for example {pulse}. A meter without factor, and every meter of a nil Calibration, must have a source whose unit converts
// to that of the resolution by itself; a factor without dimension, such as 1.0025, corrects such a source by multiplying.
//
// The error wraps [quantity.ErrDimension] if factor and units do not fit together or a factor is missing, and
// [quantity.ErrOverflow] if the ratio needs more than 64 bits.
func (c *Calibration) Ratio(meter string, counted quantity.Unit, resolution quantity.Quantity) (quantity.Ratio, error) {
	one := quantity.Quantity{Coef: 1, Unit: counted}
	k, ok := c.factor(meter)
	if !ok {
		r, err := one.Per(resolution)
		if err != nil {
			err = fmt.Errorf("metering: meter %q: no K-factor from %s to %s: %w", meter, counted, resolution.Unit, err)
		}
		return r, err
	}
	r, err := quantity.Quotient([]quantity.Quantity{one, k}, []quantity.Quantity{resolution})
	if errors.Is(err, quantity.ErrDimension) {
		r, err = quantity.Quotient([]quantity.Quantity{one}, []quantity.Quantity{k, resolution})
	}
	if err != nil {
		err = fmt.Errorf("metering: calibration %q, meter %q: K %q from %s to counts of %q: %w",
			c.ID, meter, k, counted, resolution, err)
	}
	return r, err
}

func (c *Calibration) factor(meter string) (quantity.Quantity, bool) {
	if c != nil {
		for i := range c.Factors {
			if c.Factors[i].Meter == meter {
				return c.Factors[i].K, true
			}
		}
	}
	return quantity.Quantity{}, false
}

// ParseCalibration reads a calibration file, YAML or its subset JSON; file is the name that errors show. What is wrong is
// returned all at once, each error with line, column and the line itself; then the Calibration is nil.
//
// Its keys are calibration (the name), version, schema_version: 1, valid_from and valid_to (2026-01-01T00:00:00Z; left out:
// open) and factors, a list of meter and k_factor.
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

// factorOf reads one entry of factors; seen has the lines of the meters before it.
func factorOf(n strictyaml.Node, seen map[string]int) Factor {
	f := n.Map()
	meter, k := f.Req("meter"), f.Req("k_factor")
	f.Done()
	factor := Factor{Meter: meter.Ident()}
	if line, ok := seen[factor.Meter]; ok {
		meter.Errorf("meter %q stands twice; the first is in line %d", factor.Meter, line)
	} else if factor.Meter != "" {
		seen[factor.Meter] = meter.Pos().Line
	}
	text := k.Str()
	if text == "" {
		return factor
	}
	q, err := quantity.Parse(text)
	switch {
	case err != nil:
		k.Errorf("%s", strings.TrimPrefix(err.Error(), "quantity: "))
	case q.Coef <= 0:
		k.Errorf("k_factor %q is not above zero", q)
	default:
		factor.K = q
	}
	return factor
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
