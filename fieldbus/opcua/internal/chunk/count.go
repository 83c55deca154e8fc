// Count: the sequence numbers of chunks.

package chunk

import "math"

// Numbering begins again at wrap at the earliest, and below begin; part 6 (6.7.2.4).
const (
	wrap  = math.MaxUint32 - 1023
	begin = 1024
)

// Count is the sequence number of the last chunk of one direction; the zero value is of none. It is not safe for concurrent use.
type Count struct {
	Last  uint32
	begun bool
}

// Next gives the number of the chunk that is sent next; the first is 1.
func (c *Count) Next() uint32 {
	if c.Last++; c.Last > wrap {
		c.Last = 1
	}
	return c.Last
}

// Follows tells whether a chunk with that number may come now, and goes by it if so: none is left out, doubled or played again. The
// first may have any.
func (c *Count) Follows(n uint32) bool {
	if c.begun && n != c.Last+1 && (c.Last < wrap || n >= begin) {
		return false
	}
	c.Last, c.begun = n, true
	return true
}
