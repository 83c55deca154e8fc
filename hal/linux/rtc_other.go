//go:build !linux

// Systems whose clock chips are not asked.

package linux

import "errors"

func readRTC(string) (rtcTime, uint32, bool, error) {
	return rtcTime{}, 0, false, errors.ErrUnsupported
}

func setRTC(string, rtcTime) error { return errors.ErrUnsupported }
