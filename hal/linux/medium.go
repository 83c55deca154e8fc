// Mediums: which device holds a directory, as the table of mounts says.

package linux

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Medium is the device on which a file system lies, as the kernel names it.
type Medium struct {
	Major, Minor uint32 // of the block device; 0 and some number where there is none, as for UBIFS and NFS
	FS           string // type of the file system, such as ext4
	Source       string // what was mounted, such as /dev/mmcblk0p2 or ubi0:data
}

// mountOf finds in the text of a mountinfo file the mount that holds a path: of those with the longest mount point the last, which
// hides the others. The path is absolute and clean.
func mountOf(mounts, at string) (m Medium, err error) {
	longest := -1
	for line := range strings.Lines(mounts) {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		fields, rest, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(fields), strings.Fields(rest)
		if !ok || len(left) < 6 || len(right) < 2 {
			continue
		}
		point := path.Clean(unescape(left[4]))
		if !(at == point || point == "/" || strings.HasPrefix(at, point+"/")) || len(point) < longest {
			continue
		}
		major, minor, ok := parseDevice(left[2])
		if !ok {
			continue
		}
		longest, m = len(point), Medium{Major: major, Minor: minor, FS: right[0], Source: unescape(right[1])}
	}
	if longest < 0 {
		return Medium{}, fmt.Errorf("linux: no mount holds %s", at)
	}
	return m, nil
}

// parseDevice reads "major:minor".
func parseDevice(s string) (major, minor uint32, ok bool) {
	a, b, ok := strings.Cut(s, ":")
	ma, errA := strconv.ParseUint(a, 10, 32)
	mi, errB := strconv.ParseUint(b, 10, 32)
	return uint32(ma), uint32(mi), ok && errA == nil && errB == nil
}

// unescape undoes the octal form in which the kernel writes blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
