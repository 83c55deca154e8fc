// Memory: a model that is nothing but registers.

package server

import "sync"

// Memory is a Model of 65,536 values in each table, 0 at first. All its methods may be called from any goroutine; what one call
// writes, no other sees in part.
type Memory struct {
	mu     sync.Mutex
	values [Input][1 << 16]uint16
}

// NewMemory returns a memory of zeros, of half a megabyte.
func NewMemory() *Memory { return &Memory{} }

// Read implements Model.
func (m *Memory) Read(r Request, out []uint16) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(out, m.values[r.Table-1][r.Address:])
	return nil
}

// Write implements Model.
func (m *Memory) Write(r Request, values []uint16) error {
	m.Set(r.Table, r.Address, values...)
	return nil
}

// Get returns one value.
func (m *Memory) Get(t Table, address uint16) uint16 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[t-1][address]
}

// Set sets the values from address on; those beyond the last address are dropped.
func (m *Memory) Set(t Table, address uint16, values ...uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(m.values[t-1][address:], values)
}
