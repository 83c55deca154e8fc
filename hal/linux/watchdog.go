// Watchdogs, by the watchdog class of the kernel: armed with a time-out that is read back, fed, and stopped where that is possible.

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// Flags of a watchdog (linux/watchdog.h): what has reset the board, and what the driver can do.
const (
	resetByPower    = 1 << 4 // WDIOF_POWERUNDER
	resetByWatchdog = 1 << 5 // WDIOF_CARDRESET
	setsTimeout     = 1 << 7 // WDIOF_SETTIMEOUT
	magicClose      = 1 << 8 // WDIOF_MAGICCLOSE
)

// bcmLimit is the longest time-out of the watchdog of a Raspberry Pi. Its counter has 20 bits of 1/65536 s; kernels from 6.8 on
// take more and count modulo 16 s, so that a watchdog of 60 s bites after 12 s.
const bcmLimit = 15

// armTries bounds the search for a time-out that the part has.
const armTries = 32

// Watchdog is a watchdog behind a driver of the kernel, and implements hal.Watchdog. The device is opened by Arm, because opening
// starts it, and is then open until Disarm or Close; the kernel lets one process have it at a time. Where systemd feeds it
// (RuntimeWatchdogSec), Arm returns an error that wraps syscall.EBUSY.
type Watchdog struct {
	device, identity, driver string
	sys                      fs.FS
	dir                      string // of it in sys; "" where sysfs does not show it
	open                     func(device string) (dog, error)

	mu     sync.Mutex
	dog    dog // nil: not armed
	closed bool
}

// dog is an open watchdog: the requests to its driver. Time-outs are whole seconds.
type dog interface {
	support() (identity string, options uint32, err error)
	setTimeout(seconds int) error
	timeout() (seconds int, err error)
	bootStatus() (uint32, error)
	feed() error
	stop() error    // EBUSY: it cannot be stopped; ENOTTY or EOPNOTSUPP: the driver does not know the request
	release() error // the word that lets the next close stop it, until the next feed
	close() error
}

// FindWatchdog makes a Watchdog of a device such as /dev/watchdog0, of the one with an identity such as "Broadcom BCM2835 Watchdog
// timer", or of the one behind a driver such as bcm2835-wdt or softdog. It opens nothing. Where there is none the error wraps
// fs.ErrNotExist and says which there are. On other systems than Linux no watchdog is found, and one by its path fails at Arm with
// an error that wraps errors.ErrUnsupported.
func FindWatchdog(name string) (*Watchdog, error) {
	return findWatchdog(os.DirFS(sysTree), name, openDog)
}

func findWatchdog(sys fs.FS, name string, open func(string) (dog, error)) (*Watchdog, error) {
	d, err := choose("watchdog", name, watchdogs(sys))
	if err != nil {
		return nil, err
	}
	w := &Watchdog{device: d.node, sys: sys, dir: d.dir, open: open}
	if w.dir == "" { // such as /dev/watchdog, which is the first of them
		return w, nil
	}
	w.identity, _ = textOf(sys, path.Join(w.dir, "identity"))
	w.driver = driverOf(sys, path.Join(w.dir, "device"))
	return w, nil
}

// watchdogs lists those that sysfs shows.
func watchdogs(sys fs.FS) (list []listed) {
	const class = "class/watchdog"
	for _, n := range children(sys, class) {
		d := listed{node: "/dev/" + n, dir: path.Join(class, n)}
		identity, _ := textOf(sys, path.Join(d.dir, "identity"))
		driver := driverOf(sys, path.Join(d.dir, "device"))
		if identity == "Software Watchdog" && driver == "" {
			driver = "softdog" // a module without a device
		}
		d.says = fmt.Sprintf("/dev/%s (%q, driver %s)", plain(n), identity[:min(len(identity), 64)], plain(driver))
		for _, s := range [...]string{identity, driver} {
			if s != "" {
				d.names = append(d.names, s)
			}
		}
		list = append(list, d)
	}
	return list
}

// Device is what is opened, such as /dev/watchdog0.
func (w *Watchdog) Device() string { return w.device }

// Identity is what the driver calls the part; "" where sysfs does not show it and it was not armed yet.
func (w *Watchdog) Identity() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.identity
}

// Arm implements hal.Watchdog. Time-outs are whole seconds, rounded down, and at most 15 s on a Raspberry Pi. A driver that stops
// the part when its process dies is refused: such a watchdog watches nothing.
func (w *Watchdog) Arm(timeout time.Duration) (actual time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, w.fail(os.ErrClosed)
	}
	want := int(min(timeout/time.Second, 1<<30))
	if least, ok := w.number("min_timeout"); want < 1 || ok && want < least {
		return 0, w.fail(fmt.Errorf("a time-out of %v: it has %d s at least, in whole seconds", timeout, max(least, 1)))
	}
	fresh := w.dog == nil
	if fresh {
		if err := w.begin(); err != nil {
			return 0, w.fail(err)
		}
	}
	before, _ := w.dog.timeout()
	got, err := w.settle(want)
	if err == nil {
		err = w.dog.feed()
	}
	switch {
	case err == nil:
		return time.Duration(got) * time.Second, nil
	case fresh:
		err = errors.Join(err, w.end())
	case before > 0:
		err = errors.Join(err, w.dog.setTimeout(before), w.dog.feed())
	}
	return 0, w.fail(err)
}

// begin opens the device, which starts the part, and refuses one that is of no use.
func (w *Watchdog) begin() (err error) {
	if w.dog, err = w.open(w.device); err != nil {
		w.dog = nil
		return err
	}
	identity, options, err := w.dog.support()
	if err == nil {
		w.identity = identity
		if nowayout, _ := w.number("nowayout"); options&magicClose == 0 && nowayout != 1 {
			err = errors.New("its driver stops it when its process dies, so it would watch nothing; load the driver with nowayout=1")
		}
	}
	if err != nil {
		return errors.Join(err, w.end())
	}
	return nil
}

// settle finds the longest time-out that the part has and that is no longer than what is wanted, and sets it, in seconds.
func (w *Watchdog) settle(want int) (got int, err error) {
	limit := want
	if most, ok := w.number("max_timeout"); ok && most > 0 {
		limit = min(limit, most)
	}
	if strings.Contains(strings.ToUpper(w.identity), "BCM2835") || w.driver == "bcm2835-wdt" {
		limit = min(limit, bcmLimit)
	}
	for ask, tries := limit, 0; ask >= 1 && tries < armTries; tries++ {
		set := w.dog.setTimeout(ask)
		if got, err = w.dog.timeout(); err != nil {
			return 0, fmt.Errorf("the time-out cannot be read back: %w", err)
		}
		switch {
		case got >= 1 && got <= want && (set == nil || isUnknown(set)):
			return got, nil
		case isUnknown(set):
			return 0, fmt.Errorf("its time-out is %d s and cannot be set; %d s are wanted", got, want)
		case set != nil && !isInvalid(set):
			return 0, fmt.Errorf("time-out of %d s: %w", ask, set)
		case set != nil:
			ask = ask * 3 / 4
		default:
			ask -= max(1, got-want)
		}
	}
	return 0, fmt.Errorf("it has no time-out of %d s or less: it last said %d s", want, got)
}

// Feed implements hal.Watchdog.
func (w *Watchdog) Feed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.armed(); err != nil {
		return err
	}
	if err := w.dog.feed(); err != nil {
		return w.fail(fmt.Errorf("feeding: %w", err))
	}
	return nil
}

// Disarm implements hal.Watchdog. Where the kernel or the driver was told that there is no way out (nowayout) the error wraps
// hal.ErrStays, and it is to be fed on. One that is not armed is left alone.
func (w *Watchdog) Disarm() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return w.fail(os.ErrClosed)
	}
	if w.dog == nil {
		return nil
	}
	if err := w.end(); err != nil {
		return w.fail(err)
	}
	return nil
}

// end stops the part and closes the device. Where it stays it is left open, to be fed.
func (w *Watchdog) end() error {
	stopped := w.dog.stop()
	nowayout, _ := w.number("nowayout")
	switch {
	case isBusy(stopped), stopped != nil && nowayout == 1:
		return hal.ErrStays
	case stopped != nil && !isUnknown(stopped):
		return fmt.Errorf("stopping: %w", stopped)
	}
	var err error
	if stopped != nil { // else the kernel would keep the word, and stop it when the next who arms it dies
		err = w.dog.release()
	}
	err = errors.Join(err, w.dog.close())
	w.dog = nil
	if state, ok := w.text("state"); err == nil && ok && state == "active" && stopped != nil {
		return fmt.Errorf("it was closed, and runs on: %w", hal.ErrStays)
	}
	return err
}

// Close implements hal.Watchdog.
func (w *Watchdog) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.dog == nil {
		w.closed = true
		return nil
	}
	err := w.dog.close()
	w.dog, w.closed = nil, true
	if err != nil {
		return w.fail(err)
	}
	return nil
}

// LastReset tells why the board came up, and in words how that is known. Most drivers do not know: those of softdog and of the
// Raspberry Pi never tell, so a reset by them is found by what the journal does not say, and not here. It opens nothing.
func (w *Watchdog) LastReset() (hal.ResetCause, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dog != nil {
		bits, err := w.dog.bootStatus()
		if err != nil && !isUnknown(err) {
			return hal.ResetUnknown, "", w.fail(fmt.Errorf("boot status: %w", err))
		}
		if err == nil {
			cause, how := resetOf(bits)
			return cause, fmt.Sprintf("%s: %s", w.device, how), nil
		}
	}
	s, ok := w.text("bootstatus")
	bits, err := strconv.ParseUint(s, 0, 32)
	if !ok || err != nil {
		return hal.ResetUnknown, w.device + ": the kernel shows no boot status of it", nil
	}
	cause, how := resetOf(uint32(bits))
	return cause, fmt.Sprintf("%s: %s", w.device, how), nil
}

// resetOf reads a boot status.
func resetOf(bits uint32) (hal.ResetCause, string) {
	switch {
	case bits&resetByWatchdog != 0:
		return hal.ResetWatchdog, fmt.Sprintf("boot status 0x%x: it has bitten", bits)
	case bits&resetByPower != 0:
		return hal.ResetPower, fmt.Sprintf("boot status 0x%x: the supply was too low", bits)
	case bits != 0:
		return hal.ResetUnknown, fmt.Sprintf("boot status 0x%x: neither the watchdog nor the supply", bits)
	}
	return hal.ResetUnknown, "boot status 0: it has not bitten, or its driver does not tell"
}

// armed refuses what wants an armed watchdog.
func (w *Watchdog) armed() error {
	switch {
	case w.closed:
		return w.fail(os.ErrClosed)
	case w.dog == nil:
		return w.fail(errors.New("it is not armed; call Arm first"))
	}
	return nil
}

// text and number read what sysfs tells of it.
func (w *Watchdog) text(name string) (string, bool) {
	if w.dir == "" {
		return "", false
	}
	return textOf(w.sys, path.Join(w.dir, name))
}

func (w *Watchdog) number(name string) (int, bool) {
	s, ok := w.text(name)
	n, err := strconv.Atoi(s)
	return n, ok && err == nil
}

func (w *Watchdog) fail(err error) error { return fmt.Errorf("linux: watchdog %s: %w", w.device, err) }
