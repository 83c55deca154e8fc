// Product by quotient in 64 bits with a 128-bit intermediate, and the small integer helpers that all files use.

package quantity

import "math/bits"

// MulDivRound is a*b/c rounded half to even, with an exact intermediate product. It is false if c is not above zero or
// the result does not fit.
func MulDivRound(a, b, c int64) (int64, bool) {
	if c <= 0 {
		return 0, false
	}
	q, ok := mulDivRound(magnitude(a), magnitude(b), uint64(c))
	if !ok {
		return 0, false
	}
	return signed((a < 0) != (b < 0), q)
}

// MulDivFloor is a*b/c rounded towards minus infinity and the remainder 0 <= rem < c, so that q*c + rem is exactly a*b;
// rem 0 says that the quotient is exact. It is false if c is not above zero or q does not fit.
func MulDivFloor(a, b, c int64) (q, rem int64, ok bool) {
	var sum Acc
	sum.AddMul(a, b)
	return sum.DivFloor(c)
}

// mulDivRound is a*b/c on magnitudes, c not zero.
func mulDivRound(a, b, c uint64) (uint64, bool) {
	hi, lo := bits.Mul64(a, b)
	return divRound(hi, lo, c)
}

// divRound is (hi, lo)/den rounded half to even, den not zero; false if it takes more than 64 bits.
func divRound(hi, lo, den uint64) (uint64, bool) {
	if hi >= den {
		return 0, false
	}
	q, rem := bits.Div64(hi, lo, den)
	// The remainder is compared with what is missing to den, as twice the remainder might not fit.
	if missing := den - rem; rem > missing || rem == missing && q&1 == 1 {
		q++
		return q, q != 0
	}
	return q, true
}

// magnitude is the absolute value; that of the smallest int64 fits too.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// signed puts the sign back; 0 and false if the result does not fit.
func signed(neg bool, mag uint64) (int64, bool) {
	switch {
	case neg && mag <= 1<<63:
		return int64(-mag), true
	case !neg && mag < 1<<63:
		return int64(mag), true
	}
	return 0, false
}

// gcd is the greatest common divisor; that of 0 and b is b.
func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// pow10 is 10^n; callers keep n within MaxScale.
func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
