// Memory on Linux: that a file is the kernel's and lies on no disk.

package linux

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// onSysfs refuses a file that is not one of sysfs.
func onSysfs(f *os.File) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return err
	}
	if s.Type != unix.SYSFS_MAGIC {
		return errors.New("it is an ordinary file, which is put back with its disk, and not a part of its own; " +
			"memory is a file eeprom or nvmem in sysfs, or /dev/mtdN")
	}
	return nil
}
