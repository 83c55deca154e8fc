// How people are shown a quantity of a tag or a meter. Records keep its own unit and all its digits.

package iomap

import (
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// MaxDecimals is the greatest number of decimals of a Display.
const MaxDecimals = 6

// Display is the unit and the decimals that people are shown. The zero Display leaves a quantity as it is.
type Display struct {
	Unit     quantity.Unit
	Decimals uint8 // MaxDecimals at most
}

// Of is q as people are shown it, rounded half to even. What cannot be converted, or does not fit, stays as it is: nothing is hidden.
func (d Display) Of(q quantity.Quantity) quantity.Quantity {
	if d.Unit == "" {
		return q
	}
	res := quantity.Quantity{Coef: 1, Scale: d.Decimals, Unit: d.Unit}
	n, err := q.CountsRound(res)
	if err != nil {
		return q
	}
	res.Coef = n
	return res
}

// Text is the text of counts of a resolution as people are shown it; ok is false where there is none.
func (d Display) Text(counts int64, res quantity.Quantity) (text string, ok bool) {
	q, ok := quantity.FromCounts(counts, res)
	if !ok {
		return "", false
	}
	return d.Of(q).String(), true
}

// displayOf reads a display of what is measured in a unit; nothing where it is refused or absent.
func displayOf(n strictyaml.Node, of quantity.Unit) (d Display) {
	if n.Kind() == strictyaml.Absent {
		return d
	}
	f := n.Map()
	unit, decimals := f.Req("unit"), f.Req("decimals")
	d.Decimals = uint8(decimals.Int(0, MaxDecimals))
	f.Done()
	text := unit.Str()
	if text == "" {
		return Display{}
	}
	u, err := quantity.ParseUnit(text)
	switch {
	case err != nil:
		unit.Errorf("%s", bare(err))
		return Display{}
	case of != "" && !u.Compatible(of):
		unit.Errorf("it is measured in %s, which cannot be shown in %s; they measure different things", of, u)
		return Display{}
	}
	d.Unit = u
	return d
}
