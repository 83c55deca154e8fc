// Units: the closed table of UCUM codes, their dimensions and exact factors, and compound codes.

package quantity

import (
	"fmt"
	"strings"
)

// Unit is a UCUM code (case-sensitive form) of the closed table of this package, or two codes joined by one slash, such as
// "kg/min", "L/{pulse}" or "/min". Aliases are not accepted: rpm is "/min", degree Celsius is "Cel", NTU is "{NTU}".
//
// Known codes: 1 % {pulse}; kg g mg t; m3 L mL uL; d h min s ms us ns; Cel K; bar mbar kPa Pa; kHz Hz; mol mmol; A mA V mV;
// kW W kWh J; m cm mm; mS uS; {NTU} [pH]. {pulse}, {NTU}, [pH] and Cel are dimensions of their own: nothing else converts
// to them. K stands for differences of temperature.
type Unit string

// One is the unit of plain numbers. It is not written in text.
const One Unit = "1"

// ParseUnit checks a code against the table. The error names the code and the closest one known.
func ParseUnit(code string) (Unit, error) {
	if !isUnit(code) {
		return "", fmt.Errorf("quantity: %w", unknown(code))
	}
	return Unit(code), nil
}

// unknown is the error about a code that is not known, without the prefix of the package.
func unknown(code string) error {
	if code == "" {
		return fmt.Errorf("unit %q: empty; a plain number has unit %q", code, One)
	}
	if strings.Count(code, "/") > 1 {
		return fmt.Errorf("unit %q: more than one slash; write at most one", clip(code))
	}
	return fmt.Errorf("unit %q: not known; the closest known is %q", clip(code), closest(code))
}

// Compatible tells whether u and v are known units of the same dimension, so that quantities in them convert exactly.
func (u Unit) Compatible(v Unit) bool {
	a, okA := measureOf(u)
	b, okB := measureOf(v)
	return okA && okB && a.dim == b.dim
}

// isUnit tells whether code is known.
func isUnit(code string) bool {
	_, ok := measureOf(Unit(code))
	return ok
}

// measureOf finds a code of the table, or takes one apart at its slash.
func measureOf(u Unit) (measure, bool) {
	above, below, compound := strings.Cut(string(u), "/")
	if !compound {
		return atom(above)
	}
	if above == "" {
		above = string(One)
	}
	a, okA := atom(above)
	b, okB := atom(below)
	if !okA || !okB {
		return measure{}, false
	}
	for i := range a.dim {
		a.dim[i] -= b.dim[i]
	}
	// No product of two factors of the table comes near 64 bits; a test goes through all pairs.
	a.num, a.den = a.num*b.den, a.den*b.num
	return a, true
}

// atom finds a code without a slash.
func atom(code string) (measure, bool) {
	for i := range units {
		if units[i].code == code {
			return units[i].measure, true
		}
	}
	return measure{}, false
}

// dimension holds the exponents of the base dimensions.
type dimension [10]int

// The base dimensions: those of SI that occur, and the ones that convert to nothing else.
const (
	mass = iota
	length
	time
	current
	kelvin
	amount
	celsius
	pulse
	ntu
	ph
)

// measure says what a unit measures: num/den is its exact size in the coherent unit (of kg, m, s, A, K, mol) of dim.
type measure struct {
	dim      dimension
	num, den uint64
}

// The dimensions that more than one unit of the table shares.
var (
	massDim     = dimension{mass: 1}
	volumeDim   = dimension{length: 3}
	timeDim     = dimension{time: 1}
	pressureDim = dimension{mass: 1, length: -1, time: -2}
	rateDim     = dimension{time: -1}
	amountDim   = dimension{amount: 1}
	currentDim  = dimension{current: 1}
	voltageDim  = dimension{mass: 1, length: 2, time: -3, current: -1}
	powerDim    = dimension{mass: 1, length: 2, time: -3}
	energyDim   = dimension{mass: 1, length: 2, time: -2}
	lengthDim   = dimension{length: 1}
	conductDim  = dimension{mass: -1, length: -2, time: 3, current: 2}
)

// units is the closed table. Its order settles ties when the closest code is sought.
var units = [...]struct {
	code string
	measure
}{
	{"1", measure{dimension{}, 1, 1}},
	{"%", measure{dimension{}, 1, 100}},
	{"{pulse}", measure{dimension{pulse: 1}, 1, 1}},
	{"kg", measure{massDim, 1, 1}},
	{"g", measure{massDim, 1, 1_000}},
	{"mg", measure{massDim, 1, 1_000_000}},
	{"t", measure{massDim, 1_000, 1}},
	{"m3", measure{volumeDim, 1, 1}},
	{"L", measure{volumeDim, 1, 1_000}},
	{"mL", measure{volumeDim, 1, 1_000_000}},
	{"uL", measure{volumeDim, 1, 1_000_000_000}},
	{"d", measure{timeDim, 86_400, 1}},
	{"h", measure{timeDim, 3_600, 1}},
	{"min", measure{timeDim, 60, 1}},
	{"s", measure{timeDim, 1, 1}},
	{"ms", measure{timeDim, 1, 1_000}},
	{"us", measure{timeDim, 1, 1_000_000}},
	{"ns", measure{timeDim, 1, 1_000_000_000}},
	{"Cel", measure{dimension{celsius: 1}, 1, 1}},
	{"K", measure{dimension{kelvin: 1}, 1, 1}},
	{"bar", measure{pressureDim, 100_000, 1}},
	{"mbar", measure{pressureDim, 100, 1}},
	{"kPa", measure{pressureDim, 1_000, 1}},
	{"Pa", measure{pressureDim, 1, 1}},
	{"kHz", measure{rateDim, 1_000, 1}},
	{"Hz", measure{rateDim, 1, 1}},
	{"mol", measure{amountDim, 1, 1}},
	{"mmol", measure{amountDim, 1, 1_000}},
	{"A", measure{currentDim, 1, 1}},
	{"mA", measure{currentDim, 1, 1_000}},
	{"V", measure{voltageDim, 1, 1}},
	{"mV", measure{voltageDim, 1, 1_000}},
	{"kW", measure{powerDim, 1_000, 1}},
	{"W", measure{powerDim, 1, 1}},
	{"kWh", measure{energyDim, 3_600_000, 1}},
	{"J", measure{energyDim, 1, 1}},
	{"m", measure{lengthDim, 1, 1}},
	{"cm", measure{lengthDim, 1, 100}},
	{"mm", measure{lengthDim, 1, 1_000}},
	{"mS", measure{conductDim, 1, 1_000}},
	{"uS", measure{conductDim, 1, 1_000_000}},
	{"{NTU}", measure{dimension{ntu: 1}, 1, 1}},
	{"[pH]", measure{dimension{ph: 1}, 1, 1}},
}
