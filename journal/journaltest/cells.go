// The cells of a chip in memory: exact to the byte, with faults on demand.

package journaltest

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/hal"
)

// Cells is a [hal.FRAM] in memory that tears one byte and lies apart from any
// disk, unless As says otherwise. Set the exported fields before it is used,
// or while no call is under way.
type Cells struct {
	// As is what Model returns.
	As hal.Model
	// Fault, if set, is asked before each read and write what it returns
	// instead of doing anything; nil for nothing.
	Fault func(write bool, off int64, n int) error
	// Stuck holds, for some addresses, the value that a cell has whatever is written.
	Stuck map[int64]byte

	mu     sync.Mutex
	data   []byte
	before func(p []byte, off int64) // called before each write
}

var _ hal.FRAM = (*Cells)(nil)

// NewCells returns a chip of zeros.
func NewCells(size int) *Cells {
	return &Cells{As: hal.Model{Tear: 1, Apart: true}, data: make([]byte, size)}
}

// Size implements hal.FRAM.
func (c *Cells) Size() int64 { return int64(len(c.data)) }

// Model implements hal.FRAM.
func (c *Cells) Model() hal.Model { return c.As }

// ReadAt implements hal.FRAM.
func (c *Cells) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Fault != nil {
		if err := c.Fault(false, off, len(p)); err != nil {
			return 0, err
		}
	}
	if off < 0 || off >= c.Size() {
		return 0, io.EOF
	}
	n := copy(p, c.data[off:])
	for at, v := range c.Stuck {
		if at >= off && at < off+int64(n) {
			p[at-off] = v
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements hal.FRAM.
func (c *Cells) WriteAt(p []byte, off int64) (int, error) {
	if c.before != nil {
		c.before(p, off)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if off < 0 || off > c.Size()-int64(len(p)) {
		return 0, fmt.Errorf("write of %d bytes at %d of %d", len(p), off, c.Size())
	}
	if c.Fault != nil {
		if err := c.Fault(true, off, len(p)); err != nil {
			return 0, err
		}
	}
	return copy(c.data[off:], p), nil
}

// Bytes returns a copy of what the cells hold.
func (c *Cells) Bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.data)
}

// Copy returns a chip that holds the same, without faults.
func (c *Cells) Copy() *Cells { return &Cells{As: c.As, data: c.Bytes()} }

// torn returns the chip as a cut leaves it while byte n of a write is in
// flight: the unit that it is in, of as many bytes as its Model says, is as it
// was ('o'), as it was to be ('n'), or else ('x').
func (c *Cells) torn(p []byte, off int64, n int, how byte) *Cells {
	t := c.Copy()
	copy(t.data[off:], p[:n])
	if n == len(p) {
		return t
	}
	unit := int64(c.As.Tear)
	from := (off + int64(n)) / unit * unit
	for at := from; at < min(from+unit, t.Size()); at++ {
		switch {
		case how == 'x':
			t.data[at] ^= 0xA5
		case how == 'o' || at < off || at >= off+int64(len(p)):
			t.data[at] = c.data[at]
		default:
			t.data[at] = p[at-off]
		}
	}
	return t
}
