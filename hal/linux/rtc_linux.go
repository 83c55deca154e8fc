// Clock chips on Linux: the requests to their drivers.

package linux

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// readRTC returns what a chip shows, and what it says of its supply; lost tells that the driver refuses to say it, because the chip has
// lost its time.
func readRTC(device string) (t rtcTime, supply uint32, lost bool, err error) {
	f, err := os.Open(device)
	if err != nil {
		return t, 0, false, err
	}
	defer f.Close()
	if supply, err = unix.IoctlGetUint32(int(f.Fd()), unix.RTC_VL_READ); err != nil {
		supply = 0 // many drivers have no word for it
	}
	v, err := unix.IoctlGetRTCTime(int(f.Fd()))
	switch {
	case errors.Is(err, unix.EINVAL):
		return t, supply, true, nil
	case err != nil:
		return t, supply, false, err
	}
	return rtcTime{int(v.Year) + 1900, int(v.Mon) + 1, int(v.Mday), int(v.Hour), int(v.Min), int(v.Sec)}, supply, false, nil
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
