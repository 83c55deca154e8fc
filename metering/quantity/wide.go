// wide: unsigned 384-bit integers on the stack, for the one exact division that a scaling ends in.

package quantity

import "math/bits"

// wide is an unsigned integer, least significant word first. Callers keep results below 2^384 and divisors below 2^320;
// each says how many bits it needs.
type wide [6]uint64

// wideOf is the product of the factors; of none, 1.
func wideOf(factors ...uint64) wide {
	w := wide{1}
	for _, f := range factors {
		w.mul(f)
	}
	return w
}

// mul multiplies w by f.
func (w *wide) mul(f uint64) {
	var carry uint64
	for i := range w {
		hi, lo := bits.Mul64(w[i], f)
		var c uint64
		w[i], c = bits.Add64(lo, carry, 0)
		carry = hi + c
	}
}

// shl multiplies w by 2^n.
func (w *wide) shl(n uint) {
	words, rest := int(n/64), n%64
	for i := len(w) - 1; i >= 0; i-- {
		var v uint64
		if i >= words {
			v = w[i-words] << rest
		}
		if i > words {
			v |= w[i-words-1] >> (64 - rest) // a shift by 64 gives 0
		}
		w[i] = v
	}
}

// add adds b to w.
func (w *wide) add(b *wide) {
	var carry uint64
	for i := range w {
		w[i], carry = bits.Add64(w[i], b[i], carry)
	}
}

// sub takes b, which is not above w, from w.
func (w *wide) sub(b *wide) {
	var borrow uint64
	for i := range w {
		w[i], borrow = bits.Sub64(w[i], b[i], borrow)
	}
}

// cmp is -1, 0 or +1 as w is below, equal to or above b.
func (w *wide) cmp(b *wide) int {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != b[i] {
			if w[i] < b[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// divRoundWide is num/den rounded half to even, den not zero; false if it takes more than 64 bits.
func divRoundWide(num, den wide) (uint64, bool) {
	high := wide{num[1], num[2], num[3], num[4], num[5]}
	if high.cmp(&den) >= 0 {
		return 0, false
	}
	q, rem := divWord(num, den)
	twice := rem
	twice.shl(1)
	if c := twice.cmp(&den); c > 0 || c == 0 && q&1 == 1 {
		q++
		return q, q != 0
	}
	return q, true
}

// divWord is quotient and remainder of num/den where the quotient is known to fit one word: a single step of Knuth's
// algorithm D (The Art of Computer Programming, 4.3.1).
func divWord(num, den wide) (uint64, wide) {
	top := len(den) - 2 // a divisor below 2^320 leaves the last word to the numerator
	for den[top] == 0 {
		top--
	}
	shift := uint(bits.LeadingZeros64(den[top]))
	n, d := num, den
	n.shl(shift)
	d.shl(shift)
	q := ^uint64(0)
	if n[top+1] < d[top] {
		q, _ = bits.Div64(n[top+1], n[top], d[top])
	}
	// With the divisor's top bit set the estimate is at most two too high.
	p := den
	p.mul(q)
	for p.cmp(&num) > 0 {
		p.sub(&den)
		q--
	}
	num.sub(&p)
	return q, num
}
