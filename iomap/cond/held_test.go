// How far a stable or an elapsed has come.

package cond

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAClockSaysForHowLongItHasRunWhetherItStandsOrNot(t *testing.T) {
	c := Cond{{Op: Elapsed, Size: 1, Time: 100}}
	mem := make([]Cell, 1)
	_, ok := mem[0].Held(5)
	require.False(t, ok, "it was never begun")
	c.Begin(10, mem)
	ns, ok := mem[0].Held(40)
	require.True(t, ok)
	require.EqualValues(t, 30, ns)
	c.Suspend(50, mem)
	ns, ok = mem[0].Held(1000)
	require.True(t, ok)
	require.EqualValues(t, 40, ns)
}
