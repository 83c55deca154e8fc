// MediumOf on Linux: the mount of a path, and the device behind a mount that has no number of its own.

package linux

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMounts is the greatest length of a table of mounts that is read, in bytes.
const maxMounts = 4 << 20

// MediumOf finds the device on which a file or directory lies. It must exist.
func MediumOf(name string) (Medium, error) {
	at, err := filepath.Abs(name)
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	if err != nil {
		return Medium{}, fmt.Errorf("linux: medium of %s: %w", name, err)
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return Medium{}, fmt.Errorf("linux: medium of %s: %w", name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMounts))
	if err != nil {
		return Medium{}, fmt.Errorf("linux: medium of %s: %w", name, err)
	}
	m, err := mountOf(string(text), at)
	if err != nil || m.Major != 0 || !strings.HasPrefix(m.Source, "/dev/") {
		return m, err
	}
	var s unix.Stat_t // a file system over several devices, such as btrfs, names one of them
	if err := unix.Stat(m.Source, &s); err == nil && s.Mode&unix.S_IFMT == unix.S_IFBLK {
		m.Major, m.Minor = unix.Major(uint64(s.Rdev)), unix.Minor(uint64(s.Rdev))
	}
	return m, nil
}
