// The claims of looks at two clocks.

package system

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestOfLooksAtTwoClocksTheQuickestCounts(t *testing.T) {
	three := func(before, other, after int64) [3]unix.PtpClockTime {
		at := func(ns int64) unix.PtpClockTime { return unix.PtpClockTime{Sec: ns / 1e9, Nsec: uint32(ns % 1e9)} }
		return [3]unix.PtpClockTime{at(before), at(other), at(after)}
	}
	const tai = 37_000_000_000
	s := &unix.PtpSysOffsetExtended{Samples: 4}
	s.Ts[0] = three(5_000_000_000, 5_000_000_600+tai, 5_000_009_000)
	s.Ts[1] = three(5_000_010_000, 5_000_010_700+tai, 5_000_011_000)
	s.Ts[2] = three(5_000_020_000, 5_000_020_600+tai, 5_000_019_000) // the wall clock was put back
	s.Ts[3] = three(5_000_030_000, 5_000_030_600+tai, 5_000_032_000)
	s.Ts[4] = three(0, 0, 0) // not of this answer
	g, err := bestWindow(s)
	require.NoError(t, err)
	require.Equal(t, gap{offset: -200 - tai, bound: 501}, g)
	s.Samples = 0
	_, err = bestWindow(s)
	require.ErrorContains(t, err, "ran backwards in every look")
	s.Samples = 1 << 31
	_, err = bestWindow(s)
	require.NoError(t, err, "no more than there is room for")
}

func TestAClockOfANetworkInterfaceThatIsNotThereIsRefused(t *testing.T) {
	_, err := phcGap("/dev/no-ptp")
	require.Error(t, err)
	_, err = phcGap("/dev/null")
	require.ErrorIs(t, err, unix.ENOTTY)
	_, err = phcOf("no-such-net")
	require.ErrorIs(t, err, unix.ENODEV)
	_, err = phcOf("lo")
	require.Error(t, err, "loopback has none")
}
