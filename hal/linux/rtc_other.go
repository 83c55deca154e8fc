//go:build !linux

// Systems whose clock chips are not asked.

package linux

import (
	"context"
	"errors"
)

func readRTC(string) (rtcTime, uint32, bool, error) {
	return rtcTime{}, 0, false, errors.ErrUnsupported
}

func setRTC(string, rtcTime) error { return errors.ErrUnsupported }

func supplyOfRTC(string) (uint32, error) { return 0, errors.ErrUnsupported }

func waitRTC(context.Context, string) (rtcTime, uint32, bool, int64, error) {
	return rtcTime{}, 0, false, 0, errors.ErrUnsupported
}
