// Counters: what lies between two readings of one, and what has become of it, by numbers of any size.

package evidence

import (
	"math/big"

	"github.com/batchkit/batchkit/metering"
)

// increment is what a counter has counted from one reading to the next, dt ns later, and what has become of it. most is its greatest rate,
// 0 where there is none or dt tells nothing.
func increment(m *metering.Meter, most, old, raw, dt int64) (*big.Int, string) {
	if m.Method == metering.Totalizer {
		return running(m.Modulus, most, old, raw, dt)
	}
	return register(m.Bits, most, old, raw, dt)
}

// possible tells whether so many counts fit a greatest rate, with a second to spare.
func possible(n *big.Int, most, dt int64) bool {
	time := new(big.Int).Add(big.NewInt(dt), big.NewInt(nsOfSecond))
	return new(big.Int).Mul(n, big.NewInt(nsOfSecond)).Cmp(time.Mul(time, big.NewInt(most))) <= 0
}

// register is increment of a counter of so many bits.
func register(width uint8, most, old, raw, dt int64) (*big.Int, string) {
	size := new(big.Int).Lsh(big.NewInt(1), uint(width))
	a := new(big.Int).Mod(big.NewInt(old), size)
	b := new(big.Int).Mod(big.NewInt(raw), size)
	up := new(big.Int).Sub(b, a)
	up.Mod(up, size)
	less := b.Cmp(a) < 0
	likely := up.Cmp(new(big.Int).Rsh(size, 1)) < 0
	if most > 0 {
		likely = up.IsInt64() && possible(up, most, dt)
	}
	switch {
	case likely && less:
		return up, "rollover"
	case likely:
		return up, ""
	case less && (most == 0 || possible(b, most, dt)):
		return new(big.Int), "reset"
	}
	return new(big.Int), "replaced"
}

// running is increment of a device's own total that begins anew at modulus, or never where that is 0.
func running(modulus, most, old, raw, dt int64) (*big.Int, string) {
	a, b, size := big.NewInt(old), big.NewInt(raw), big.NewInt(modulus)
	up := new(big.Int).Sub(b, a)
	if up.Sign() >= 0 {
		if !up.IsInt64() || most > 0 && !possible(up, most, dt) {
			return new(big.Int), "replaced"
		}
		return up, ""
	}
	if up.Add(up, size); b.Sign() >= 0 && a.Cmp(size) < 0 {
		upper, lower := new(big.Int).Lsh(a, 1).Cmp(size) >= 0, new(big.Int).Lsh(b, 1).Cmp(size) < 0
		if most > 0 && possible(up, most, dt) || most == 0 && upper && lower {
			return up, "rollover"
		}
	}
	if most == 0 || b.Sign() >= 0 && possible(b, most, dt) {
		return new(big.Int), "reset"
	}
	return new(big.Int), "replaced"
}
