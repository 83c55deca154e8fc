// Watchdogs on Linux: the requests to their drivers.

package linux

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openedDog is an open /dev/watchdogN.
type openedDog struct{ f *os.File }

// openDog opens a watchdog, which starts it.
func openDog(device string) (dog, error) {
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, errors.Join(err, errors.New("another process has it: systemd (RuntimeWatchdogSec), or a watchdog daemon"))
	}
	if err != nil {
		return nil, err
	}
	return &openedDog{f}, nil
}

func (d *openedDog) fd() int { return int(d.f.Fd()) }

func (d *openedDog) support() (string, uint32, error) {
	info, err := unix.IoctlGetWatchdogInfo(d.fd())
	if err != nil {
		return "", 0, err
	}
	name, _, _ := bytes.Cut(info.Identity[:], []byte{0})
	return string(name), info.Options, nil
}

func (d *openedDog) setTimeout(seconds int) error {
	return unix.IoctlSetPointerInt(d.fd(), unix.WDIOC_SETTIMEOUT, seconds)
}

func (d *openedDog) timeout() (int, error) {
	n, err := unix.IoctlGetUint32(d.fd(), unix.WDIOC_GETTIMEOUT)
	return int(n), err
}

func (d *openedDog) bootStatus() (uint32, error) {
	return unix.IoctlGetUint32(d.fd(), unix.WDIOC_GETBOOTSTATUS)
}

// feed writes, since a write also takes back the word of release that another process may have left behind; WDIOC_KEEPALIVE does
// not.
func (d *openedDog) feed() error {
	_, err := d.f.Write([]byte{0})
	return err
}

func (d *openedDog) stop() error {
	return unix.IoctlSetPointerInt(d.fd(), unix.WDIOC_SETOPTIONS, unix.WDIOS_DISABLECARD)
}

func (d *openedDog) release() error {
	_, err := d.f.Write([]byte("V"))
	return err
}

func (d *openedDog) close() error { return d.f.Close() }

// isUnknown tells that a driver does not know a request; isInvalid, that it does not take the value; isBusy, that it does not
// yield.
func isUnknown(err error) bool { return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) }
func isInvalid(err error) bool { return errors.Is(err, unix.EINVAL) }
func isBusy(err error) bool    { return errors.Is(err, unix.EBUSY) }
