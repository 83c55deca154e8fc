// Clock chips on Linux: the requests to their drivers.

package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// readRTC returns what a chip shows, and what it says of its supply; lost tells that the driver refuses to say it, because the
// chip has lost its time.
func readRTC(device string) (t rtcTime, supply uint32, lost bool, err error) {
	f, err := os.Open(device)
	if err != nil {
		return t, 0, false, err
	}
	defer f.Close()
	return readOpenRTC(int(f.Fd()))
}

// readOpenRTC is readRTC of a device that is open.
func readOpenRTC(fd int) (t rtcTime, supply uint32, lost bool, err error) {
	if supply, err = unix.IoctlGetUint32(fd, unix.RTC_VL_READ); err != nil {
		supply = 0 // many drivers have no word for it
	}
	v, err := unix.IoctlGetRTCTime(fd)
	switch {
	case errors.Is(err, unix.EINVAL):
		return t, supply, true, nil
	case err != nil:
		return t, supply, false, err
	}
	return rtcTime{int(v.Year) + 1900, int(v.Mon) + 1, int(v.Mday), int(v.Hour), int(v.Min), int(v.Sec)}, supply, false, nil
}

// supplyOfRTC returns what a chip says of its supply.
func supplyOfRTC(device string) (uint32, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	supply, err := unix.IoctlGetUint32(int(f.Fd()), unix.RTC_VL_READ)
	if isUnknown(err) || isInvalid(err) {
		err = fmt.Errorf("its driver has no word for it: %w", errors.ErrUnsupported)
	}
	return supply, err
}

// waitRTC is readRTC at the beginning of a second, with when that was.
func waitRTC(ctx context.Context, device string) (t rtcTime, supply uint32, lost bool, mono int64, err error) {
	f, err := os.Open(device)
	if err != nil {
		return t, 0, false, 0, err
	}
	defer f.Close()
	fd := int(f.Fd())
	if err := unix.IoctlSetInt(fd, unix.RTC_UIE_ON, 0); err != nil {
		if isUnknown(err) || isInvalid(err) || isBusy(err) {
			err = fmt.Errorf("it has no interrupt for its seconds: %w", errors.ErrUnsupported)
		}
		return t, 0, false, 0, err
	}
	defer func() { err = errors.Join(err, unix.IoctlSetInt(fd, unix.RTC_UIE_OFF, 0)) }()
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(waitSlice/time.Millisecond))
		mono = Monotonic()
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return t, 0, false, 0, err
		case n > 0:
			t, supply, lost, err = readOpenRTC(fd)
			return t, supply, lost, mono, err
		case ctx.Err() != nil:
			return t, 0, false, 0, ctx.Err()
		}
	}
}

// setRTC sets a chip.
func setRTC(device string, t rtcTime) error {
	f, err := os.Open(device)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetRTCTime(int(f.Fd()), &unix.RTCTime{Year: int32(t.year - 1900), Mon: int32(t.month - 1), Mday: int32(t.day),
		Hour: int32(t.hour), Min: int32(t.minute), Sec: int32(t.second)})
}
