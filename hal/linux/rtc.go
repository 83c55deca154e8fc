// Clock chips, by the RTC class of the kernel.

package linux

import (
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// Years that clock chips hold.
const (
	firstChipYear = 2000
	lastChipYear  = 2099
)

// Bits of RTC_VL_READ (linux/rtc.h): what a chip says of its supply.
const (
	rtcTimeInvalid  = 1 << 0
	rtcBackupEmpty  = 1 << 2
	rtcBackupEither = 1<<1 | rtcBackupEmpty
)

// RTC is a clock chip behind a driver of the kernel, and implements hal.RTC. The device is open for the time of a call only, because
// the kernel lets one process have it at a time; where another has it, a call returns an error that wraps syscall.EBUSY.
type RTC struct{ device string }

// rtcTime is a time as chips keep it.
type rtcTime struct{ year, month, day, hour, minute, second int }

// NewRTC makes an RTC of the chip behind a device such as /dev/rtc0, which need not be there yet. The chip keeps UTC. On other systems
// than Linux its methods return an error that wraps errors.ErrUnsupported.
func NewRTC(device string) *RTC { return &RTC{device: device} }

// Read implements hal.RTC. A chip has lost its time where its driver says so, or its year is none from 2000 to 2099. Drivers of the
// DS1307 family and of PCs cannot say of a dead cell more than that.
func (r *RTC) Read() (utc int64, err error) {
	t, supply, lost, err := readRTC(r.device)
	if err == nil {
		utc, err = t.utc(supply, lost)
	}
	if err != nil {
		return 0, fmt.Errorf("linux: clock chip %s: %w", r.device, err)
	}
	return utc, nil
}

// Set implements hal.RTC. It wants the right to set the system's clock, CAP_SYS_TIME. The kernel itself sets the chip every 11 minutes
// from a clock that is kept by a daemon; then leave it to that.
func (r *RTC) Set(utc int64) error {
	at := time.Unix(0, utc).UTC()
	err := error(nil)
	if y := at.Year(); y < firstChipYear || y > lastChipYear {
		err = fmt.Errorf("year %d: the chip holds %d to %d", y, firstChipYear, lastChipYear)
	} else {
		err = setRTC(r.device, rtcTime{at.Year(), int(at.Month()), at.Day(), at.Hour(), at.Minute(), at.Second()})
	}
	if err != nil {
		return fmt.Errorf("linux: clock chip %s: %w", r.device, err)
	}
	return nil
}

// utc makes ns since 1970 of what a chip shows.
func (t rtcTime) utc(supply uint32, lost bool) (int64, error) {
	switch {
	case lost:
		return 0, fmt.Errorf("its driver says so: %w", hal.ErrTimeLost)
	case supply&rtcTimeInvalid != 0 && supply&rtcBackupEither != 0:
		return 0, fmt.Errorf("its supply has failed, and its cell is low or empty: %w", hal.ErrTimeLost)
	case supply&rtcTimeInvalid != 0:
		return 0, fmt.Errorf("its supply has failed: %w", hal.ErrTimeLost)
	case t.year < firstChipYear || t.year > lastChipYear:
		return 0, fmt.Errorf("it shows the year %d: %w", t.year, hal.ErrTimeLost)
	}
	at := time.Date(t.year, time.Month(t.month), t.day, t.hour, t.minute, t.second, 0, time.UTC)
	if at.Month() != time.Month(t.month) || at.Day() != t.day || at.Hour() != t.hour || at.Minute() != t.minute || at.Second() != t.second {
		return 0, fmt.Errorf("it shows %04d-%02d-%02d %02d:%02d:%02d, which is no time", t.year, t.month, t.day, t.hour, t.minute, t.second)
	}
	return at.UnixNano(), nil
}
