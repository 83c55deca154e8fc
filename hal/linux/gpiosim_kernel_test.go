//go:build linux

// Simulated chips for tests that run in the bed.

package linux

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/vmbed/guest"
)

// newSimChip makes a chip with lines of these names, which goes with the test.
func newSimChip(t testing.TB, label string, names ...string) *guest.Chip {
	if !guest.Inside() {
		t.Skip(guest.Elsewhere)
	}
	c, err := guest.NewChip(label, names...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}
