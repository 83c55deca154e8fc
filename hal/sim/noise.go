// The sources of chance and the one float: counter-based splitmix64, slow noise, and the rounding of a ratio to float32 bits.

package sim

import "math/bits"

// draw returns number i of the splitmix64 sequence that belongs to signal in a world of that seed. It keeps no state, so what
// is drawn depends on what for and when, and never on what else was drawn before.
func draw(seed, signal, i uint64) uint64 {
	return mix(mix(seed+golden*(signal+1)) + golden*i)
}

const golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio, the increment of splitmix64

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// within returns a whole number between -span and span.
func within(r uint64, span int64) int64 {
	return int64(r%uint64(2*span+1)) - span
}

// wander returns a slow noise between -span and span: a new target every period steps, straight lines between them.
func wander(seed, signal uint64, step, period, span int64) int64 {
	i, part := step/period, step%period
	a := within(draw(seed, signal, uint64(i)), span)
	b := within(draw(seed, signal, uint64(i+1)), span)
	return a + (b-a)*part/period
}

// float32Bits returns the IEEE 754 single that is nearest to num/den, ties to even; den is from 1 to 2^32. The work is done in
// integers, so every processor gives the same bits.
func float32Bits(num, den int64) uint32 {
	if num == 0 {
		return 0
	}
	sign, n := uint32(0), uint64(num)
	if num < 0 {
		sign, n = 1<<31, -n
	}
	shift := 24 - (bits.Len64(n) - bits.Len64(uint64(den))) // gives a quotient of 24 or 25 bits
	q, rest, d := divideShifted(n, uint64(den), shift)
	if q >= 1<<24 {
		shift--
		q, rest, d = divideShifted(n, uint64(den), shift)
	}
	if 2*rest > d || 2*rest == d && q&1 == 1 {
		q++
	}
	// Adding carries a quotient that was rounded up to 2^24 into the exponent.
	return sign | uint32(127+23-shift)<<23 + uint32(q) - 1<<23
}

// divideShifted divides n * 2^shift by d; it returns the divisor that the remainder belongs to.
func divideShifted(n, d uint64, shift int) (quotient, rest, divisor uint64) {
	if shift < 0 {
		d <<= -shift
		return n / d, n % d, d
	}
	hi := n >> (64 - shift)
	quotient, rest = bits.Div64(hi, n<<shift, d)
	return quotient, rest, d
}
