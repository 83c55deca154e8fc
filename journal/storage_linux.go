// What Linux does in its own way: writes past the cache, flushes of data alone, and reads of what the medium holds.

package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// directFile writes whole sectors past the cache, where the file system can. A medium then takes the sectors of a group and not the pages
// that they lie in, and a page that it failed to take is not taken for written.
type directFile struct {
	*os.File
	direct  bool // O_DIRECT is set
	refused bool // it cannot be
}

// openFile opens a file for writing. It follows no link: that leads to a file that is not ours.
func openFile(name string, flags int, mode os.FileMode) (File, error) {
	f, err := os.OpenFile(name, flags|unix.O_NOFOLLOW, mode)
	if err != nil {
		return nil, err
	}
	return &directFile{File: f}, nil
}

func (f *directFile) WriteAt(p []byte, off int64) (int, error) {
	whole := (uintptr(unsafe.Pointer(unsafe.SliceData(p)))|uintptr(len(p))|uintptr(off))%sector == 0
	f.bypass(whole && !f.refused)
	n, err := f.File.WriteAt(p, off)
	if f.direct && errors.Is(err, unix.EINVAL) { // sectors of this medium are larger
		f.refused = true
		f.bypass(false)
		n, err = f.File.WriteAt(p, off)
	}
	return n, err
}

// bypass sets or clears O_DIRECT.
func (f *directFile) bypass(on bool) {
	if on == f.direct {
		return
	}
	flags := unix.O_RDWR
	if on {
		flags |= unix.O_DIRECT
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, flags); err != nil {
		f.refused = true
		return
	}
	f.direct = on
}

// Sync is fdatasync. A segment has its full size before a record is written into it, so nothing but data has to reach the medium;
// fsync would have the file system commit the time of the last write with nearly every group.
func (f *directFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// Available returns how many bytes may still be written below dir by a process without privileges. Its error is
// errors.ErrUnsupported on a system that is not asked.
func Available(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("journal: room in %q: %w", dir, err)
	}
	return int64(min(s.Bavail, 1<<40)) * int64(cmp.Or(s.Frsize, s.Bsize)), nil // not all count in the unit that is best to write
}

// dropCache makes later reads of a flushed file come from the medium. After a
// failed flush the kernel keeps pages that never reached it and calls them
// clean; recovery must not take those for evidence.
func dropCache(f *os.File) error {
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
