// Counters: what lies between two readings of one, and whether it has rolled over, was reset or replaced.

package metering

import "math/bits"

// Second is a second, ns: the slack of a greatest rate, since a reading is taken at some time within its period.
const second = 1_000_000_000

// counted is the increment of a counter of so many bits between two readings that lie dt ns apart; where timed is false nobody
// knows how far, and the limit is half of its range as it is without most. With RolledOver the increment stands, with WasReset
// and WasReplaced there is none.
func counted(width uint8, most, old, new, dt int64, timed bool) (inc int64, note Note) {
	mask := ^uint64(0) >> (64 - width)
	o, n := uint64(old)&mask, uint64(new)&mask
	up := (n - o) & mask
	likely := up>>(width-1) == 0
	if timed && most > 0 {
		likely = up>>63 == 0 && fits(up, most, dt)
	}
	switch {
	case likely && n >= o:
		return int64(up), NoNote
	case likely:
		return int64(up), RolledOver
	case n < o && (most <= 0 || !timed || fits(n, most, dt)):
		return 0, WasReset
	}
	return 0, WasReplaced
}

// totalled is counted for a running total that begins anew at modulus, or never where that is 0. Without a greatest rate, or a
// time that it could be held against, a total that has grown is believed, and one that is less has rolled over from the upper
// half of its range to the lower or was reset.
func totalled(modulus, most, old, new, dt int64, timed bool) (inc int64, note Note) {
	timed = timed && most > 0
	if new >= old {
		up := uint64(new) - uint64(old)
		if up>>63 != 0 || timed && !fits(up, most, dt) {
			return 0, WasReplaced
		}
		return int64(up), NoNote
	}
	if new >= 0 && old < modulus {
		up := modulus - (old - new)
		if timed && fits(uint64(up), most, dt) || !timed && old >= modulus-old && new < modulus-new {
			return up, RolledOver
		}
	}
	if !timed || new >= 0 && fits(uint64(new), most, dt) {
		return 0, WasReset
	}
	return 0, WasReplaced
}

// fits tells whether a counter can have counted so far in dt ns and a second more.
func fits(counts uint64, most, dt int64) bool {
	hi, lo := bits.Mul64(counts, second)
	mostHi, mostLo := bits.Mul64(uint64(most), uint64(dt)+second)
	return hi < mostHi || hi == mostHi && lo <= mostLo
}
