// Linear: raw device values, integers or IEEE 754 bit patterns, to counts of a resolution with one rounding.

package quantity

import "math/bits"

// Linear maps a raw device value to counts of a tag's resolution: raw x Gain + Offset, computed exactly and rounded half
// to even once. For a tag with resolution res, a device that sends steps of g and reads zero at o has
// Gain g.[Quantity.Per](res) and Offset o.Per(res). There are no limits on Gain and Offset but those of [Ratio]. The zero
// Linear maps everything to 0.
type Linear struct {
	Gain   Ratio // counts per raw unit
	Offset Ratio // counts at raw 0
}

// Counts maps a whole number. It is false if the result does not fit.
func (l Linear) Counts(raw int64) (int64, bool) {
	if l.Offset.num == 0 {
		return l.Gain.Apply(raw)
	}
	return l.scale(raw < 0, magnitude(raw), 0)
}

// CountsFloat32 maps an IEEE 754 binary32 value given as its bits; every finite value is taken exactly, subnormals too.
// It is false for NaN and infinity, and if the result does not fit.
func (l Linear) CountsFloat32(pattern uint32) (int64, bool) {
	return l.scaleFloat(uint64(pattern), 8, 23)
}

// CountsFloat64 is CountsFloat32 for binary64.
func (l Linear) CountsFloat64(pattern uint64) (int64, bool) {
	return l.scaleFloat(pattern, 11, 52)
}

// Inverse maps counts back to raw values: raw = (counts - Offset) / Gain. It is false if Gain is 0 or the inverse does not
// fit. Each way rounds once, so going there and back gives the same value only where the steps of the device are the
// finer ones.
func (l Linear) Inverse() (Linear, bool) {
	gain, ok := l.Gain.Inv()
	if !ok {
		return Linear{}, false
	}
	shift, fits := l.Offset.Mul(gain)
	offset, ok := shift.Mul(Ratio{num: -1})
	if !fits || !ok {
		return Linear{}, false
	}
	return Linear{Gain: gain, Offset: offset}, true
}

// scaleFloat takes a pattern with the given numbers of exponent and fraction bits apart into sign, significand and power
// of two (IEEE 754-2019, 3.4) and scales that.
func (l Linear) scaleFloat(pattern uint64, expBits, fracBits uint) (int64, bool) {
	specials := 1<<expBits - 1 // the exponent field of infinities and NaN
	exp := int(pattern>>fracBits) & specials
	m := pattern & (1<<fracBits - 1)
	switch exp {
	case specials:
		return 0, false
	case 0:
		exp = 1 // zero and subnormals: exponent of the smallest normal number, no leading 1
	default:
		m |= 1 << fracBits
	}
	bias := specials>>1 + int(fracBits)
	return l.scale(pattern>>(expBits+fracBits) != 0, m, exp-bias)
}

// scale is ±m x 2^exp x Gain + Offset, rounded. Over the common denominator the value is
//
//	(±m x 2^exp x gn x od  +  on x gd) / (gd x od)
//
// with Gain gn/gd and Offset on/od; both limits on exp keep it within the 384 bits of wide and change no result.
func (l Linear) scale(neg bool, m uint64, exp int) (int64, bool) {
	// From 2^128 on, even with the smallest gain, 1/(2^63-1), the product exceeds 2^65 and no offset brings it back.
	const tooLarge = 128
	// An offset is a tie between two counts or at least 1/(2 x od) > 2^-64 away from one, so a product below 2^-64 acts
	// by its sign only. With a significand below 2^53 and a gain of at most 2^63 that is so from 2^-180 down.
	const signOnly = -180

	if l.Gain.num == 0 || m == 0 {
		m, exp = 0, 0
	}
	if bits.Len64(m)+exp > tooLarge {
		return 0, false
	}
	exp = max(exp, signOnly)
	gd, od := uint64(l.Gain.Den()), uint64(l.Offset.Den())
	sum := wideOf(m, magnitude(l.Gain.num), od)
	offset := wideOf(magnitude(l.Offset.num), gd)
	den := wideOf(gd, od)
	if exp >= 0 {
		sum.shl(uint(exp)) // 128 + 64 + 63 bits
	} else {
		offset.shl(uint(-exp)) // 64 + 63 + 180 bits
		den.shl(uint(-exp))
	}
	neg = neg != (l.Gain.num < 0)
	switch negOffset := l.Offset.num < 0; {
	case neg == negOffset:
		sum.add(&offset)
	case sum.cmp(&offset) >= 0:
		sum.sub(&offset)
	default:
		offset.sub(&sum)
		sum, neg = offset, negOffset
	}
	mag, ok := divRoundWide(sum, den)
	if !ok {
		return 0, false
	}
	return signed(neg, mag)
}
