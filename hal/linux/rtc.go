// Clock chips, by the RTC class of the kernel.

package linux

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
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

// wordSetBy names the chip by which the kernel set its clock at boot.
const wordSetBy = "hctosys"

// RTC is a clock chip behind a driver of the kernel, and implements hal.RTC. The device is open for the time of a call only,
// because the kernel lets one process have it at a time; where another has it, a call returns an error that wraps syscall.EBUSY.
type RTC struct{ device string }

// rtcTime is a time as chips keep it.
type rtcTime struct{ year, month, day, hour, minute, second int }

// NewRTC makes an RTC of the chip behind a device such as /dev/rtc0, which need not be there yet. The chip keeps UTC. On other
// systems than Linux its methods return an error that wraps errors.ErrUnsupported.
func NewRTC(device string) *RTC { return &RTC{device: device} }

// FindRTC makes an RTC of a device such as /dev/rtc0, of the chip behind a driver such as rtc-ds1307, or, where two chips have the
// same driver, of the one with a name such as "rtc-ds1307 1-0068". The name hctosys stands for the one by which the kernel set its
// clock when it booted: a Raspberry Pi 5 has a clock of its own beside the chip on the bus. Where there is none the error wraps
// fs.ErrNotExist and says which there are.
func FindRTC(name string) (*RTC, error) { return findRTC(os.DirFS(sysTree), name) }

func findRTC(sys fs.FS, name string) (*RTC, error) {
	d, err := choose("clock chip", name, chips(sys))
	if err != nil {
		return nil, err
	}
	return NewRTC(d.node), nil
}

// chips lists the clock chips that sysfs shows.
func chips(sys fs.FS) (list []listed) {
	const class = "class/rtc"
	for _, n := range children(sys, class) {
		name, _ := textOf(sys, path.Join(class, n, "name"))
		d := listed{node: "/dev/" + n, dir: path.Join(class, n), says: fmt.Sprintf("/dev/%s (%s)", plain(n), plain(name)), names: []string{name}}
		if driver, _, ok := strings.Cut(name, " "); ok {
			d.names = append(d.names, driver)
		}
		if one, _ := textOf(sys, path.Join(d.dir, wordSetBy)); one == "1" {
			d.names = append(d.names, wordSetBy)
			d.says += ", " + wordSetBy
		}
		list = append(list, d)
	}
	return list
}

// Device is what is opened, such as /dev/rtc0.
func (r *RTC) Device() string { return r.device }

// BatteryLow tells whether the cell is low, empty or not there. Drivers of the DS1307 family and of PCs have no word for it; the
// error then wraps errors.ErrUnsupported.
func (r *RTC) BatteryLow() (bool, error) {
	supply, err := supplyOfRTC(r.device)
	if err != nil {
		return false, fmt.Errorf("linux: cell of clock chip %s: %w", r.device, err)
	}
	return supply&rtcBackupEither != 0, nil
}

// WaitSecond waits until the chip begins a second, and returns the time that then begins, in ns since 1970-01-01 UTC, with when it
// was seen, in ns of Monotonic: so a chip tells the time to some milliseconds, where Read tells it to a second. It takes up to a
// second, holds the device for so long, and returns ctx's error within 20 ms of its end. A chip whose driver has no interrupt for
// it gives an error that wraps errors.ErrUnsupported.
func (r *RTC) WaitSecond(ctx context.Context) (utc, mono int64, err error) {
	t, supply, lost, mono, err := waitRTC(ctx, r.device)
	if err == nil {
		utc, err = t.utc(supply, lost)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("linux: clock chip %s: %w", r.device, err)
	}
	return utc, mono, nil
}

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

// Set implements hal.RTC. It wants the right to set the system's clock, CAP_SYS_TIME. The kernel itself sets the chip every 11
// minutes from a clock that is kept by a daemon; then leave it to that.
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
