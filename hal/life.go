// Life: for how long a medium will last, and what is taken for granted in saying so.

package hal

import (
	"errors"
	"fmt"
	"math/bits"
)

// Endurance is what a maker promises of a medium. All fields are required: none can be read from a medium, and a guess would
// look like a measure.
type Endurance struct {
	Capacity      uint64 // bytes
	Usable        uint64 // percent of it over which writes are spread, 1 to 100
	Cycles        uint64 // times that a block may be programmed and erased
	Page          uint64 // bytes that one flush programs at least; 16384 is a usual page of a card
	Amplification uint64 // bytes programmed for each byte taken, in hundredths: 100 means that the medium moves nothing by itself
}

// Life is a projection.
type Life struct {
	Days        int64    // until the medium is worn out
	Assumptions []string // in words
}

// Life projects how long a medium lasts that takes so much each day. What wears it is the greater of two: the bytes that are
// written, times the amplification, and the flushes, of a page each. It is an average over all of the life, and no promise.
func (e Endurance) Life(bytesPerDay, flushesPerDay uint64) (Life, error) {
	if e.Capacity == 0 || e.Usable == 0 || e.Usable > 100 || e.Cycles == 0 || e.Page == 0 || e.Amplification < 100 {
		return Life{}, errors.New("hal: endurance: capacity, usable (1 to 100 %), cycles, page and amplification (100 hundredths or " +
			"more) are needed, from the maker's data sheet")
	}
	byBytes := quotient(bytesPerDay, e.Amplification, 100)
	byPages := quotient(flushesPerDay, e.Page, 1)
	rule := fmt.Sprintf("bytes wear it: %d a day with %d flushes, which would program %d", bytesPerDay, flushesPerDay, byPages)
	if byPages > byBytes {
		rule = fmt.Sprintf("flushes wear it: %d a day of a page of %d bytes each, for %d bytes", flushesPerDay, e.Page, bytesPerDay)
	}
	l := Life{Days: 1<<63 - 1, Assumptions: []string{
		fmt.Sprintf("capacity %d bytes, of which %d %% share the wear evenly", e.Capacity, e.Usable),
		fmt.Sprintf("%d program/erase cycles, as its maker promises", e.Cycles),
		fmt.Sprintf("the medium programs %d.%02d bytes for each byte it takes, and a page of %d bytes for each flush at least",
			e.Amplification/100, e.Amplification%100, e.Page),
		rule,
		"every day is like the day measured, nobody else writes to it, and heat and age do no harm",
	}}
	if day := max(byBytes, byPages); day > 0 {
		usable := quotient(e.Capacity, e.Usable, 100)
		l.Days = int64(min(quotient(usable, e.Cycles, day), 1<<63-1))
	}
	return l, nil
}

// LeastMeasured is the time in ns over which traffic must have been measured for LifeUnder to project from it.
const LeastMeasured = 10_000_000_000

// LifeUnder projects how long a medium lasts under what one writer gave it to do in so many ns, as if every day were like them. What
// others write comes on top, and the assumptions say so. A time below LeastMeasured is refused: a start is like no day.
func (e Endurance) LifeUnder(t Traffic, over int64) (Life, error) {
	if over < LeastMeasured {
		return Life{}, fmt.Errorf("hal: endurance: traffic of %d ms: %d ms at least are needed to project from",
			over/1_000_000, LeastMeasured/1_000_000)
	}
	const day = 24 * 3600 * 1_000_000_000
	l, err := e.Life(quotient(t.Written, day, uint64(over)), quotient(t.Flushes, day, uint64(over)))
	if err == nil {
		l.Assumptions = append(l.Assumptions, fmt.Sprintf("the day is made of %d s in which the journal was written, without pause; "+
			"checkpoints, packages and what others write come on top", over/1_000_000_000))
	}
	return l, err
}

// quotient is a x b / c, rounded down, or the greatest number where that has more than 64 bits.
func quotient(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}
