// The reading of the kernel's answer.

package system

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheKernelsAnswerIsReadInItsUnits(t *testing.T) {
	require.Equal(t, discipline{synced: true, offset: 70, bound: 16_000}, fromTimex(unix.TIME_OK, unix.STA_PLL|unix.STA_NANO, -70, 16))
	require.Equal(t, discipline{synced: true, offset: 70_000, bound: 16_000, leap: 1}, fromTimex(unix.TIME_INS, unix.STA_PLL, -70, 16))
	require.Equal(t, discipline{synced: true, bound: 1}, fromTimex(unix.TIME_OK, 0, 0, 0), "a bound of 0 would mean unknown")
	require.Equal(t, discipline{synced: true, bound: 1, leap: -1}, fromTimex(unix.TIME_DEL, 0, 0, 0))
	require.False(t, fromTimex(unix.TIME_ERROR, 0, 0, 16).synced)
	require.False(t, fromTimex(unix.TIME_OK, unix.STA_UNSYNC, 0, 16_000_000).synced)
}
