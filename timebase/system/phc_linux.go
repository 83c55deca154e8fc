// The clock of a network interface, held against the wall clock by the kernel.

package system

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// phcSamples is of how many looks at both clocks the quickest counts.
const phcSamples = 5

// phcOf names the device of the clock of a network interface.
func phcOf(network string) (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	info, err := unix.IoctlGetEthtoolTsInfo(fd, network)
	if err != nil {
		return "", err
	}
	if info.Phc_index < 0 {
		return "", errors.New("it has none")
	}
	return fmt.Sprintf("/dev/ptp%d", info.Phc_index), nil
}

// phcGap holds the wall clock against a clock.
func phcGap(device string) (gap, error) {
	f, err := os.Open(device)
	if err != nil {
		return gap{}, err
	}
	defer f.Close()
	s, err := unix.IoctlPtpSysOffsetExtended(int(f.Fd()), phcSamples)
	if err != nil {
		return gap{}, err
	}
	return bestWindow(s)
}

// bestWindow takes, of looks at the wall clock, the other clock and the wall clock again, the one with the shortest window. The gap is
// wrong by at most half of that.
func bestWindow(s *unix.PtpSysOffsetExtended) (g gap, err error) {
	best := int64(-1)
	for _, three := range s.Ts[:min(s.Samples, uint32(len(s.Ts)))] {
		before, other, after := ptpNanos(three[0]), ptpNanos(three[1]), ptpNanos(three[2])
		if window := after - before; window >= 0 && (best < 0 || window < best) {
			best = window
			g = gap{offset: before + window/2 - other, bound: window/2 + 1}
		}
	}
	if best < 0 {
		return g, errors.New("the wall clock ran backwards in every look")
	}
	return g, nil
}

// ptpNanos makes ns of seconds and ns.
func ptpNanos(t unix.PtpClockTime) int64 { return t.Sec*1_000_000_000 + int64(t.Nsec) }
