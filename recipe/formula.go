// This file scales the formula of a recipe to a batch size.

package recipe

import (
	"fmt"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Formula holds the values of a recipe's parameters at one batch size, in the order of the recipe.
type Formula []Value

// Value is one parameter at one batch size.
type Value struct {
	Name     string
	Quantity quantity.Quantity
}

// Lookup finds a value by the name of its parameter; ok is false where there is none.
func (f Formula) Lookup(name string) (q quantity.Quantity, ok bool) {
	for i := range f {
		if f[i].Name == name {
			return f[i].Quantity, true
		}
	}
	return quantity.Quantity{}, false
}

// Amount is the quantity that a stands for: the one written, or that of its parameter. It is false for a word, for an Amount
// that was not given and for a parameter that the formula does not have.
func (f Formula) Amount(a *Amount) (q quantity.Quantity, ok bool) {
	if a.Param != "" {
		return f.Lookup(a.Param)
	}
	return a.Quantity, a.Quantity.Unit != ""
}

// Resolve scales the formula to a batch size. A scaled value is exact where that takes no more than six decimals beyond those
// written in the recipe, and rounded half to even there otherwise; it keeps at least the decimals written. The error says
// that size is outside the limits of the recipe, which it shows, or which parameter leaves its own limits.
func (r *Recipe) Resolve(size quantity.Quantity) (Formula, error) {
	low, errLow := size.Cmp(r.Min)
	high, errHigh := size.Cmp(r.Max)
	switch {
	case errLow != nil || errHigh != nil:
		return nil, fmt.Errorf("recipe: batch size %q does not fit a recipe in %s; choose %s to %s", size, r.Nominal.Unit, r.Min, r.Max)
	case low < 0:
		return nil, fmt.Errorf("recipe: batch size %q is below the least; choose %s to %s", size, r.Min, r.Max)
	case high > 0:
		return nil, fmt.Errorf("recipe: batch size %q is above the greatest; choose %s to %s", size, r.Min, r.Max)
	}
	ratio, err := size.Per(r.Nominal)
	if err != nil {
		return nil, fmt.Errorf("recipe: batch size %q over the nominal %s needs more than 64 bits; write fewer digits", size, r.Nominal)
	}
	f := make(Formula, len(r.Params))
	for i := range r.Params {
		p := &r.Params[i]
		q, ok := p.scaled(ratio)
		if !ok {
			return nil, fmt.Errorf("recipe: parameter %q at batch size %q does not fit 64 bits", p.Name, size)
		}
		if why := p.outside(q); why != "" {
			return nil, fmt.Errorf("recipe: parameter %q at batch size %q: %s", p.Name, size, why)
		}
		f[i] = Value{p.Name, q}
	}
	return f, nil
}

// moreDecimals is how many decimals a scaled value may have beyond those written.
const moreDecimals = 6

// scaled is the value of the parameter at ratio times the nominal batch size; false if it does not fit.
func (p *Param) scaled(ratio quantity.Ratio) (quantity.Quantity, bool) {
	switch p.Scaling {
	case Fixed:
		return p.Value, true
	case Quadratic:
		square, ok := ratio.Mul(ratio)
		if !ok {
			return quantity.Quantity{}, false
		}
		ratio = square
	}
	// The more decimals, the sooner a large value leaves 64 bits; then it keeps fewer.
	for more := min(moreDecimals, quantity.MaxScale-int(p.Value.Scale)); more >= 0; more-- {
		coef, ok := shift(p.Value.Coef, more)
		if !ok {
			continue
		}
		if coef, ok = ratio.Apply(coef); !ok {
			continue
		}
		for ; more > 0 && coef%10 == 0; more-- {
			coef /= 10
		}
		return quantity.Quantity{Coef: coef, Scale: p.Value.Scale + uint8(more), Unit: p.Value.Unit}, true
	}
	return quantity.Quantity{}, false
}

// shift is coef x 10^n; false if it does not fit.
func shift(coef int64, n int) (int64, bool) {
	power := int64(1)
	for range n {
		power *= 10
	}
	return quantity.MulDivRound(coef, power, 1)
}

// outside says how a value breaks the limits of the parameter, or nothing.
func (p *Param) outside(q quantity.Quantity) string {
	if c, err := q.Cmp(p.Min); p.Min.Unit != "" && err == nil && c < 0 {
		return fmt.Sprintf("%s is below its min %s", q, p.Min)
	}
	if c, err := q.Cmp(p.Max); p.Max.Unit != "" && err == nil && c > 0 {
		return fmt.Sprintf("%s is above its max %s", q, p.Max)
	}
	return ""
}
