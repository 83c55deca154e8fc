// What Linux does in its own way: flushing data alone, and reading what the medium holds.

package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// file flushes with fdatasync. A segment has its full size before a record is written into it, so nothing but data has to reach
// the medium; fsync would have the file system commit the time of the last write with nearly every group.
type file struct{ *os.File }

func (f file) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// dropCache makes later reads of a flushed file come from the medium. After a
// failed flush the kernel keeps pages that never reached it and calls them
// clean; recovery must not take those for evidence.
func dropCache(f *os.File) error {
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
