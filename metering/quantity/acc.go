// Acc: a 128-bit signed accumulator for sums of counts and of products, rounded only when it is read.

package quantity

import "math/bits"

// Acc is a signed 128-bit sum in two's complement: Hi x 2^64 + Lo. The zero Acc is 0, and == compares values. The fields
// are exported for snapshots only. No method changes the sum when it returns false.
type Acc struct {
	Hi int64
	Lo uint64
}

// Add adds v. It is false if the sum does not fit 128 bits.
func (a *Acc) Add(v int64) bool {
	return a.add(Acc{Hi: v >> 63, Lo: uint64(v)})
}

// AddMul adds the exact product x*y. It is false if the sum does not fit 128 bits.
func (a *Acc) AddMul(x, y int64) bool {
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	p := Acc{Hi: int64(hi), Lo: lo} // at most 2^126, so the sign is free
	if (x < 0) != (y < 0) {
		p = p.negated()
	}
	return a.add(p)
}

func (a *Acc) add(b Acc) bool {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(uint64(a.Hi), uint64(b.Hi), carry)
	sum := int64(hi)
	if (a.Hi < 0) == (b.Hi < 0) && (sum < 0) != (a.Hi < 0) {
		return false
	}
	a.Hi, a.Lo = sum, lo
	return true
}

// Sub is a - b. It is false, and the result 0, if the difference does not fit 128 bits.
func (a Acc) Sub(b Acc) (Acc, bool) {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, _ := bits.Sub64(uint64(a.Hi), uint64(b.Hi), borrow)
	diff := Acc{Hi: int64(hi), Lo: lo}
	if (a.Hi < 0) != (b.Hi < 0) && (diff.Hi < 0) != (a.Hi < 0) {
		return Acc{}, false
	}
	return diff, true
}

// Neg is -a. It is false, and the result 0, for the smallest value, -2^127.
func (a Acc) Neg() (Acc, bool) { return Acc{}.Sub(a) }

// Cmp is -1, 0 or +1 as a is below, equal to or above b.
func (a Acc) Cmp(b Acc) int {
	switch {
	case a == b:
		return 0
	case a.Hi < b.Hi, a.Hi == b.Hi && a.Lo < b.Lo:
		return -1
	}
	return 1
}

// Int64 is the sum itself; false if it does not fit.
func (a Acc) Int64() (int64, bool) {
	v := int64(a.Lo)
	if a.Hi != v>>63 {
		return 0, false
	}
	return v, true
}

// DivRound is a/den rounded half to even. It is false if den is not above zero or the result does not fit.
func (a Acc) DivRound(den int64) (int64, bool) {
	if den <= 0 {
		return 0, false
	}
	m := a.magnitude()
	q, ok := divRound(uint64(m.Hi), m.Lo, uint64(den))
	if !ok {
		return 0, false
	}
	return signed(a.Hi < 0, q)
}

// DivFloor is a/den rounded towards minus infinity and the remainder 0 <= rem < den, so that q*den + rem is exactly a:
// whole counts can be handed on and the remainder kept. It is false if den is not above zero or q does not fit.
func (a Acc) DivFloor(den int64) (q, rem int64, ok bool) {
	m := a.magnitude()
	if den <= 0 || uint64(m.Hi) >= uint64(den) {
		return 0, 0, false
	}
	mag, r := bits.Div64(uint64(m.Hi), m.Lo, uint64(den))
	if a.Hi < 0 && r != 0 {
		mag, r = mag+1, uint64(den)-r
		if mag == 0 {
			return 0, 0, false
		}
	}
	if q, ok = signed(a.Hi < 0, mag); !ok {
		return 0, 0, false
	}
	return q, int64(r), true
}

// ScaleRound is a*r rounded half to even, once: a sum of flow counts by nanoseconds becomes counts of a total. It is
// false if the result does not fit.
func (a Acc) ScaleRound(r Ratio) (int64, bool) { return a.ScaleRoundBy(r, 1) }

// ScaleRoundBy is a*r/per rounded half to even, once. It is false if per is not above zero or the result does not fit.
func (a Acc) ScaleRoundBy(r Ratio, per int64) (int64, bool) {
	if per <= 0 {
		return 0, false
	}
	m := a.magnitude()
	num := wide{m.Lo, uint64(m.Hi)}
	num.mul(magnitude(r.num))
	q, ok := divRoundWide(num, wideOf(uint64(r.Den()), uint64(per)))
	if !ok {
		return 0, false
	}
	return signed((a.Hi < 0) != (r.num < 0), q)
}

// MulDivRound is a*num/den rounded half to even, with an exact intermediate product. It is false, and the result 0, if num is below
// zero, den is not above zero or the result does not fit 128 bits.
func (a Acc) MulDivRound(num, den int64) (Acc, bool) {
	if num < 0 || den <= 0 {
		return Acc{}, false
	}
	m, n, d := a.magnitude(), uint64(num), uint64(den)
	mid, low := bits.Mul64(m.Lo, n)
	high, more := bits.Mul64(uint64(m.Hi), n)
	mid, carry := bits.Add64(mid, more, 0)
	high += carry
	if high >= d {
		return Acc{}, false
	}
	hi, rem := bits.Div64(high, mid, d)
	lo, rem := bits.Div64(rem, low, d)
	if missing := d - rem; rem > missing || rem == missing && lo&1 == 1 {
		lo, carry = bits.Add64(lo, 1, 0)
		hi += carry
	}
	q := Acc{Hi: int64(hi), Lo: lo}
	switch neg := a.Hi < 0; {
	case hi>>63 == 0 && neg:
		return q.negated(), true
	case hi>>63 == 0, neg && hi == 1<<63 && lo == 0:
		return q, true
	}
	return Acc{}, false
}

// magnitude is the absolute value, to be read as unsigned.
func (a Acc) magnitude() Acc {
	if a.Hi < 0 {
		return a.negated()
	}
	return a
}

// negated is the two's complement; -2^127 stays, which as an unsigned magnitude is right.
func (a Acc) negated() Acc {
	lo, borrow := bits.Sub64(0, a.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(a.Hi), borrow)
	return Acc{Hi: int64(hi), Lo: lo}
}
