// Holes: what is read though nobody needs it, to save an exchange.

package fieldbus

import "math"

// HoleWorth gives how many points that nobody needs are worth reading between two that are, so that both come in one exchange; one more
// would take the line for longer than a second exchange does.
//
// A second exchange costs overhead bytes, there and back and without values, two gaps of silence (RTU: t3.5) and the device's turnaround.
// A point costs bits (16 for a register, 1 for a coil). byteTime is what one byte takes on the line. All times are in ns. Where bytes take no
// time, as with TCP, or points no bits, any hole is worth it, and math.MaxInt is given: limits of the protocol and the device hold
// besides. Below zero stands for zero.
//
// For Modbus RTU overhead is 13: a request of 8 bytes, and 5 of the reply.
func HoleWorth(byteTime, gap, turnaround int64, overhead, bits int) int {
	const longest = 1 << 40 // ns, about 18 min; keeps all below from overflowing
	byteTime = min(byteTime, longest)
	if byteTime <= 0 || bits <= 0 {
		return math.MaxInt
	}
	bytes := int64(min(max(overhead, 0), 1<<16))
	exchange := bytes*byteTime + 2*min(max(gap, 0), longest) + min(max(turnaround, 0), longest)
	return int(min(8*exchange/(byteTime*int64(min(bits, 1<<20))), math.MaxInt32))
}
